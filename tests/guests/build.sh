#!/bin/bash
# Builds the guest programs from their sources into tests/guests/bin (or the directory given), by gcc -m32 and nasm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/bin}
mkdir -p "$out/bench"

common=(-m32 -O2 -Wall -Wextra -std=gnu11 -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none
  -fno-ident -Wl,--build-id=none)
# Not `-s`: the symbols are small and name functions in what the emulator prints.
bare=("${common[@]}" -march=i686 -ffreestanding -fno-builtin -fno-math-errno -fno-tree-loop-distribute-patterns
  -nostdlib -I "$here/include" -Wl,-z,noseparate-code)
static=("${bare[@]}" -static -fno-pie -no-pie)

for source in "$here"/src/*.asm; do
  name=$(basename "$source" .asm)
  # From its folder: the name as given becomes a symbol, and a path of this machine has no place there.
  (cd "$here/src" && nasm -f elf32 -o "$out/$name.o" "$name.asm")
  ld -m elf_i386 -z noseparate-code -o "$out/$name" "$out/$name.o"
  rm "$out/$name.o"
done
for name in arguments status primes integers floats self-modifying faults exceptions hot-faults processes files time signals; do
  gcc "${static[@]}" -o "$out/$name" "$here/src/$name.c" -lgcc
done
# With debug information, in which no path of this machine has a place.
(cd "$here/src" && gcc "${static[@]}" -O0 -g -ffile-prefix-map="$here"=.. -ffile-prefix-map="$here/src"=. -fno-omit-frame-pointer \
  -o "$out/debugged" debugged.c -lgcc)
(cd "$here/src" && gcc "${static[@]}" -O0 -g -ffile-prefix-map="$here"=.. -ffile-prefix-map="$here/src"=. -fno-omit-frame-pointer \
  -o "$out/debugged-family" debugged-family.c -lgcc)
gcc "${bare[@]}" -fPIE -static-pie -o "$out/pie" "$here/src/pie.c"
gcc "${common[@]}" -march=i686 -o "$out/dynamic" "$here/src/dynamic.c" -lm

sse2=(-march=pentium4 -msse2 -mfpmath=sse)
for name in arithmetic bytecode fib lists lz quicksort sha256 sieve startup strings; do
  gcc "${static[@]}" -o "$out/bench/$name" "$here/bench/$name.c" -lgcc
done
for name in matmul nbody; do
  gcc "${static[@]}" -mfpmath=387 -o "$out/bench/$name-x87" "$here/bench/$name.c" -lgcc
  gcc "${static[@]}" "${sse2[@]}" -o "$out/bench/$name-sse2" "$here/bench/$name.c" -lgcc
done
gcc "${static[@]}" "${sse2[@]}" -O3 -o "$out/bench/pixels-sse2" "$here/bench/pixels.c" -lgcc

# The process suite: one program with the C library in it, so that it needs none where it runs. Its programs of many threads are
# there a second time with the library apart, where functions of it can be bridged.
suite=(-m32 -O1 -Wall -Wextra -Wno-nonnull -Wno-unused-result -Wno-stringop-overread -Wno-stringop-overflow
  -Wno-infinite-recursion -std=gnu11 -march=i686 -fno-ident -Wl,--build-id=none -s -fcf-protection=none -fno-stack-protector)
gcc "${suite[@]}" -static -o "$out/process" "$here"/../process/guest/*.c "$here"/../process/guest/*/*.c
gcc "${suite[@]}" -DTHREADS_ONLY -o "$out/threads" "$here"/../process/guest/main.c "$here"/../process/guest/threads/*.c
