#!/bin/bash
# Builds the program that executes test cases on the processor, by gcc -m32, into this directory (or the file given).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
gcc -m32 -Os -Wall -Wextra -std=gnu11 -ffreestanding -fno-builtin -fno-pie -no-pie -fno-stack-protector \
  -fno-asynchronous-unwind-tables -fcf-protection=none -fno-ident -mgeneral-regs-only -nostdlib -static -s \
  -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-Ttext-segment=0x70000000 -o "${1:-$here/harness}" "$here/harness.c"
