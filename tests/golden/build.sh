#!/bin/bash
# Builds the functions whose translations are kept in expected/. What another compiler makes of them needs `npm run record:golden`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
gcc -m32 -O2 -Wall -Wextra -std=gnu11 -march=i686 -ffreestanding -fno-builtin -fno-pie -no-pie -static -nostdlib \
  -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none -fno-ident -fno-math-errno \
  -fno-tree-loop-distribute-patterns -fno-tree-vectorize -mfpmath=387 -Wl,--build-id=none -Wl,-z,noseparate-code \
  -o "${1:-$here/functions}" "$here/functions.c"
