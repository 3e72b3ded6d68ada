/*
 * Stub libraries by hand: each NATIVELIB_FUNCTION is a function whose code is the nativelib cookie. `bridge86 nativelib source
 * LIBRARY` prints a file that uses it, with the codes of the library's declared functions:
 *
 *   bridge86 nativelib source libz > nativelib-libz.c
 *   gcc -m32 -shared -nostdlib -Wl,-soname,libz.so.1 -I bridges -o nativelib-libz.so nativelib-libz.c
 */
#ifndef NATIVELIB_H
#define NATIVELIB_H

#if !defined(__i386__)
#error "stub libraries are i386 code: compile with -m32"
#endif

#define NATIVELIB_STRING_(x) #x
#define NATIVELIB_STRING(x) NATIVELIB_STRING_(x)

/* The illegal instruction 0f 3c, the codes as two ordinary instructions, and the return. */
#define NATIVELIB_FUNCTION(name, library_code, function_code) \
  __asm__(".text\n.balign 16, 0xcc\n" \
          ".globl " #name "\n.type " #name ", @function\n" #name ":\n" \
          ".byte 0x0f, 0x3c\n" \
          "movl $" NATIVELIB_STRING(library_code) ", %eax\n" \
          "movl $" NATIVELIB_STRING(function_code) ", %edx\n" \
          "ret\n.balign 16, 0xcc\n" \
          ".size " #name ", .-" #name "\n");

#endif
