/* Faults that programs handle: guard pages, write barriers, page-crossing accesses, truncated files, arithmetic. */
#include "check.h"
#include <setjmp.h>

static sigjmp_buf jump;
static volatile int count, signal_seen, code_seen, trap_seen, error_seen;
static char *volatile address_seen;
static u32 cr2_seen;
static void note(int signal, siginfo_t *info, void *given)
{
    ucontext_t *context = given;
    count++;
    signal_seen = signal;
    code_seen = info->si_code;
    address_seen = info->si_addr;
    trap_seen = context->uc_mcontext.gregs[REG_TRAPNO];
    error_seen = context->uc_mcontext.gregs[REG_ERR];
    cr2_seen = context->uc_mcontext.cr2;
    siglongjmp(jump, 1);
}

static char *area;
static void tell(const char *name, char *base)
{
    show(name, "SIG%s code %d at %d trap %d error %d", sigabbrev_np(signal_seen), code_seen,
         base ? (int)(address_seen - base) : 0, trap_seen,
         trap_seen == 14 ? error_seen & ~1 : 0); /* bit 0 tells whether the page was in memory already */
}
#define FAULT(name, base, statement) \
    do { \
        signal_seen = code_seen = trap_seen = error_seen = 0; \
        if (sigsetjmp(jump, 1) == 0) { statement; show(name, "no fault"); } \
        else tell(name, base); \
    } while (0)

static volatile int barrier_hits;
static char *barrier_page;
static void barrier(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    barrier_hits++;
    mprotect((void *)((u32)info->si_addr & ~4095u), 4096, PROT_READ | PROT_WRITE);
}

static char alternate[65536];
static int recurse(int depth)
{
    volatile char room[4000];
    room[0] = depth;
    return recurse(depth + 1) + room[0];
}

static volatile int zero, sink;
static void overflow(void)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL); /* not on the alternate stack */
    sink = recurse(0);
}

static double one = 1, nothing = 0;

int faults_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (int signal = 1; signal < 32; signal++) {
        if (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP)
            sigaction(signal, &action, NULL);
    }
    area = mmap((void *)0x30000000, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    char *end = area + 16 * 4096;

    FAULT("read of NULL", (char *)0, sink = *(volatile int *)0);
    FAULT("write to NULL + 8", (char *)0, *(volatile int *)8 = 1);
    FAULT("read behind the area", end, sink = *(volatile int *)end);
    FAULT("read across its end", end, sink = *(volatile int *)(end - 2));
    FAULT("write across its end", end, *(volatile int *)(end - 1) = 1);
    show("nothing of it was written", "%d", area[16 * 4096 - 1]);
    FAULT("eight bytes across its end", end, *(volatile double *)(end - 4) = 1);
    FAULT("kernel's address", (char *)0xffffe000, sink = *(volatile int *)0xffffe000);
    mprotect(area + 4096, 4096, PROT_READ);
    FAULT("write to a read-only page", area, area[4096 + 5] = 1);
    FAULT("write from a writable to a read-only page", area, *(volatile int *)(area + 4094) = -1);
    show("nothing of it was written", "%d", area[4094]);
    mprotect(area + 4096, 4096, PROT_NONE);
    FAULT("read of a page without access", area, sink = area[4096]);
    mprotect(area + 4096, 4096, PROT_WRITE);
    FAULT("read of a write-only page", area, sink = area[4096]);
    FAULT("jump to data", area, ((void (*)(void))area)());
    FAULT("jump to nothing", (char *)0x10, ((void (*)(void))0x10)());
    FAULT("string instruction", end, memset(end - 100, 1, 200));
    show("it got that far", "%d", area[16 * 4096 - 1]);
    u32 edi, ecx;
    signal_seen = 0;
    munmap(area + 8 * 4096, 4096);
    FAULT("hole in the area", area, sink = area[8 * 4096 + 1]);
    FAULT("read-modify-write", area, __sync_fetch_and_add((int *)(area + 8 * 4096 + 8), 1));
    FAULT("push on a bad stack", area, __asm__ volatile("movl %%esp, %%ecx; movl %0, %%esp; push %%eax; movl %%ecx, %%esp" ::"r"(area + 9 * 4096) : "ecx", "memory"));
    (void)edi, (void)ecx;

    FAULT("division by zero", NULL, sink = 5 / zero);
    FAULT("division that overflows", NULL, __asm__ volatile("idivl %0" ::"r"(-1), "a"(0x80000000), "d"(-1) : "cc"));
    FAULT("ud2", NULL, __builtin_trap());
    FAULT("hlt", NULL, __asm__ volatile("hlt"));
    FAULT("int 3", NULL, __asm__ volatile("int $3"));
    FAULT("int 0x42", NULL, __asm__ volatile("int $0x42"));
    FAULT("into", NULL, __asm__ volatile("movb $0x7f, %%al; incb %%al; into" ::: "al", "cc"));
    FAULT("bound", NULL, __asm__ volatile("movl $5, %%eax; pushl $3; pushl $1; bound %%eax, (%%esp)" ::: "eax", "memory"));
    FAULT("in al, dx", NULL, __asm__ volatile("inb %%dx, %%al" ::: "al"));
    FAULT("mov cr0", NULL, __asm__ volatile("movl %%cr0, %%eax" ::: "eax"));
    FAULT("bad selector", NULL, __asm__ volatile("movw %w0, %%fs" ::"r"(0x1234)));
    FAULT("not aligned for SSE", NULL, __asm__ volatile("movaps (%0), %%xmm0" ::"r"(area + 4)));
    FAULT("lock on a register", NULL, __asm__ volatile(".byte 0xf0, 0x90"));
    unsigned short control = 0x37f & ~4;
    __asm__ volatile("fldcw %0" ::"m"(control));
    FAULT("x87 division", NULL, __asm__ volatile("fldl %0; fdivl %1; fstpl %0; fwait" : "+m"(one) : "m"(nothing)));
    __asm__ volatile("fninit");
    u32 mxcsr = 0x1f80 & ~0x200, normal = 0x1f80;
    one = 1;
    FAULT("SSE division", NULL, __asm__ volatile("ldmxcsr %2; movsd %0, %%xmm0; divsd %1, %%xmm0" ::"m"(one), "m"(nothing), "m"(mxcsr)));
    __asm__ volatile("ldmxcsr %0" ::"m"(normal));

    /* A garbage collector's write barrier. */
    struct sigaction heap = {.sa_sigaction = barrier, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &heap, NULL);
    barrier_page = mmap(NULL, 64 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 3; round++) {
        for (int page = 0; page < 64; page++) barrier_page[page * 4096 + round]++;
        if (round == 1) mprotect(barrier_page, 32 * 4096, PROT_READ);
    }
    show("write barrier", "%d", barrier_hits);
    int sum = 0;
    for (int page = 0; page < 64; page++) sum += barrier_page[page * 4096] + barrier_page[page * 4096 + 1] + barrier_page[page * 4096 + 2];
    show("every store counts once", "%d", sum);
    sigaction(SIGSEGV, &action, NULL);

    /* A file that shrinks under its mapping. */
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (ftruncate(fd, 3 * 4096) < 0) return 1;
    char *file = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    file[0] = 1;
    file[2 * 4096] = 2;
    FAULT("page beyond a file's end", file, sink = file[3 * 4096]);
    FAULT("write beyond a file's end", file, file[3 * 4096 + 7] = 1);
    if (ftruncate(fd, 4096 + 10) < 0) return 1;
    FAULT("page of a file that was cut off", file, sink = file[2 * 4096]);
    FAULT("rest of its last page", file, sink = file[4096 + 100]);
    FAULT("first page is still there", file, sink = file[0]);
    if (ftruncate(fd, 4 * 4096) < 0) return 1;
    FAULT("page of a file that grew", file, sink = file[3 * 4096]);
    show("what was cut off is zero", "%d", file[2 * 4096]);
    munmap(file, 4 * 4096);
    file = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    FAULT("write to a file mapped for reading", file, file[3] = 1);
    result("its protection cannot be raised", open("mapped", O_RDONLY) >= 0 ? 0 : -1);
    close(fd);
    unlink("mapped");

    ended("stack overflow without an alternate stack", in_child(overflow));
    FAULT("stack overflow with one", NULL, sink = recurse(0));
    FAULT("and once more", NULL, sink = recurse(0));

    /* System calls get EFAULT, no signal. */
    result("read into nothing", read(0, (void *)8, 0));
    result("write from nothing", write(1, (void *)8, 5));
    result("write of a kernel's address", write(1, (void *)0xffffe000, 5));
    result("uname into a read-only page", syscall(SYS_uname, faults_program));
    result("open of a name that is nowhere", open((void *)8, O_RDONLY));
    area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + 4096, 4096);
    int pipes[2];
    if (pipe(pipes) < 0) return 1;
    if (write(pipes[1], "0123456789", 10) != 10) return 1;
    result("read across the end of memory", read(pipes[0], area + 4090, 10));
    if (write(pipes[1], "0123456789", 10) != 10) return 1;
    result("name that reaches the end of memory", open(memset(area + 4090, 'x', 6), O_RDONLY));
    return 0;
}
