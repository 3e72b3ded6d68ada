/* Code that changes itself: a function written into fresh memory and rewritten in a loop, an instruction changed just ahead of
 * its execution, and code in a page whose permissions change. */
#include "guest.h"

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 rounds = count_argument(argc, argv, 1000);
    u8 *code = (u8 *)sys6(SYS_mmap2, 0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    u32 (*function)(void) = (u32(*)(void))code;

    /* mov eax, imm32; ret */
    u32 sum = 0;
    for (u32 i = 0; i < rounds; i++) {
        code[0] = 0xb8;
        *(volatile u32 *)(code + 1) = i * 2654435761u;
        code[5] = 0xc3;
        sum += function();
    }
    put("rewritten ");
    put_hex(sum, 8);

    /* A loop whose body overwrites the instruction that comes next: add eax, imm8 changes its own operand.
     *   xor eax, eax; mov ecx, 100; top: mov byte [patch], cl; add eax, imm8 (patch: its operand); loop top; ret */
    u8 *p = code + 4090; /* across the page boundary */
    u8 *start = p;
    *p++ = 0x31, *p++ = 0xc0;
    *p++ = 0xb9, *(u32 *)p = 100, p += 4;
    u8 *top = p;
    *p++ = 0x88, *p++ = 0x0d;
    u8 **patch = (u8 **)p;
    p += 4;
    *p++ = 0x83, *p++ = 0xc0, *patch = p, *p++ = 0;
    *p++ = 0xe2, *p = (u8)(top - (p + 1)), p++;
    *p++ = 0xc3;
    put("\npatched ahead ");
    put_unsigned(((u32(*)(void))start)());

    /* The same address, written while not executable. */
    sum = 0;
    for (u32 i = 0; i < 50; i++) {
        sys3(SYS_mprotect, code, 4096, PROT_READ | PROT_WRITE);
        code[0] = 0xb8;
        *(u32 *)(code + 1) = i * i;
        code[5] = 0xc3;
        sys3(SYS_mprotect, code, 4096, PROT_READ | PROT_EXEC);
        sum += function();
    }
    put("\nprotected ");
    put_unsigned(sum);

    /* Fresh memory at the same address holds fresh code. */
    sum = 0;
    for (u32 i = 0; i < 50; i++) {
        sys2(SYS_munmap, code, 8192);
        u8 *again = (u8 *)sys6(SYS_mmap2, code, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | 0x10, -1, 0);
        if (again != code) leave(1);
        again[0] = 0xb8;
        *(u32 *)(again + 1) = i + 7;
        again[5] = 0xc3;
        sum += function();
    }
    put("\nremapped ");
    put_unsigned(sum);

    /* Code read from a file by the kernel. */
    i32 pipe[2];
    sys1(SYS_pipe, pipe);
    sum = 0;
    for (u32 i = 0; i < 50; i++) {
        u8 bytes[6] = {0xb8, (u8)i, 1, 0, 0, 0xc3};
        sys3(SYS_write, pipe[1], bytes, 6);
        sys3(SYS_read, pipe[0], code, 6);
        sum += function();
    }
    put("\nread by the kernel ");
    put_unsigned(sum);
    put("\n");
    return 0;
}
