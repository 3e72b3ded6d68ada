/*
 * Runs x87 instructions on the processor itself: each record gives one instruction's bytes, the whole FPU state
 * before it (an frstor image), a memory operand at [eax] and EFLAGS; the answer is the state after it.
 * Build: gcc -m32 -O1 -fno-pie -no-pie -o harness harness.c; use: harness cases answers. Record layouts: see compare.ts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CODE = 16, IMAGE = 108, MAXIMUM_MEMORY = 1024 };

static uint8_t image[128] __attribute__((aligned(16)));
static uint8_t memory[MAXIMUM_MEMORY] __attribute__((aligned(64)));
static uint32_t flags, eax;
static void *code;

static void run(void) {
  asm volatile("frstor %[image]\n\t"
               "mov %[memory], %%eax\n\t"
               "pushl %[flags]\n\t"
               "popfl\n\t"
               "call *%[code]\n\t"
               "pushfl\n\t"
               "popl %[flags]\n\t"
               "mov %%eax, %[eax]\n\t"
               "fnsave %[image]\n\t"
               : [image] "+m"(image), [flags] "+m"(flags), [eax] "=m"(eax)
               : [memory] "i"(memory), [code] "m"(code)
               : "eax", "ecx", "edx", "memory", "cc");
}

int main(int argc, char **argv) {
  uint32_t header[2];
  FILE *in = argc > 2 ? fopen(argv[1], "rb") : NULL, *out = argc > 2 ? fopen(argv[2], "wb") : NULL;
  if (!in || !out || fread(header, 4, 2, in) != 2 || header[1] > MAXIMUM_MEMORY) return 2;
  uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  code = page;
  uint8_t previous[CODE] = {0};
  for (uint32_t i = 0; i < header[0]; i++) {
    uint8_t instruction[CODE];
    if (fread(instruction, 1, CODE, in) != CODE || fread(image, 1, IMAGE, in) != IMAGE ||
        fread(&flags, 4, 1, in) != 1 || fread(memory, 1, header[1], in) != header[1])
      return 3;
    if (memcmp(previous, instruction, CODE)) {
      int length = instruction[CODE - 1];
      memcpy(page, instruction, length);
      page[length] = 0xc3;
      memcpy(previous, instruction, CODE);
      uint32_t leaf = 0;
      asm volatile("cpuid" : "+a"(leaf)::"ebx", "ecx", "edx"); /* serialise */
    }
    run();
    fwrite(image, 1, IMAGE, out);
    fwrite(&flags, 4, 1, out);
    fwrite(&eax, 4, 1, out);
    fwrite(memory, 1, header[1], out);
  }
  return fclose(out) ? 4 : 0;
}
