/* Dies of the fault that is named. Prints a line first, so that a test sees that what was written before is not lost. */
#include "guest.h"

static volatile int zero;

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    const char *kind = argc > 1 ? argv[1] : "";
    put("before ");
    put(kind);
    put("\n");
    flush();
    if (equal(kind, "null-read")) return *(volatile int *)zero;
    if (equal(kind, "null-write")) *(volatile int *)(zero + 4) = 1;
    if (equal(kind, "read-only")) *(volatile char *)"constant" = 'x';
    if (equal(kind, "divide-zero")) return 7 / zero;
    if (equal(kind, "divide-overflow")) return (-2147483647 - 1) / (zero - 1);
    if (equal(kind, "ud2")) __asm__ volatile("ud2");
    if (equal(kind, "jump-nowhere")) ((void (*)(void))0x10000)();
    if (equal(kind, "jump-data")) ((void (*)(void))output)();
    if (equal(kind, "kernel-address")) return *(volatile int *)0xffffe000;
    if (equal(kind, "int3")) __asm__ volatile("int3");
    if (equal(kind, "int-41")) __asm__ volatile("int $0x41");
    if (equal(kind, "into")) __asm__ volatile("movl $0x7fffffff, %%eax\n\taddl $1, %%eax\n\tinto" ::: "eax", "cc");
    if (equal(kind, "hlt")) __asm__ volatile("hlt");
    if (equal(kind, "cli")) __asm__ volatile("cli");
    if (equal(kind, "stack")) __asm__ volatile("movl $16, %esp\n\tpushl %eax");
    if (equal(kind, "abort")) sys2(SYS_kill, sys0(SYS_getpid), 6);
    if (equal(kind, "kill")) sys2(SYS_kill, sys0(SYS_getpid), 9);
    if (equal(kind, "term")) sys2(SYS_kill, sys0(SYS_getpid), 15);
    put("after\n");
    return 0;
}
