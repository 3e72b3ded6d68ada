/* Signal frames: both kinds, handlers that change the context, floating point in them, leaving by siglongjmp. */
#include "check.h"
#include <setjmp.h>

static volatile int count, value;
static volatile u32 frame_words[40];

/* The old frame: signal, then sigcontext on the stack. */
struct old_context {
    u32 gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, trapno, err, eip, cs, eflags, esp_at_signal, ss;
    u32 *fpstate;
    u32 oldmask, cr2;
};

static struct old_context old_seen;
static u32 old_fp[28];
static u8 *fx_seen;
static u32 fx_mxcsr;
static unsigned short fx_control;
static void old_handler(int signal, struct old_context context)
{
    count++;
    value = signal;
    old_seen = context;
    memcpy(old_fp, context.fpstate, sizeof old_fp);
    fx_seen = (u8 *)context.fpstate + 112;
    fx_mxcsr = *(u32 *)(fx_seen + 24);
    fx_control = *(unsigned short *)fx_seen;
}

static void skip_fault(int signal, siginfo_t *info, void *given)
{
    (void)signal;
    ucontext_t *context = given;
    greg_t *registers = context->uc_mcontext.gregs;
    count++;
    value = info->si_code;
    registers[REG_EIP] += 2; /* over the instruction of two bytes */
    registers[REG_EAX] = 1234;
}

static void change_all(int signal, siginfo_t *info, void *given)
{
    (void)signal, (void)info;
    ucontext_t *context = given;
    greg_t *registers = context->uc_mcontext.gregs;
    registers[REG_EBX] = 0xb0b;
    registers[REG_ECX] = 0xc0c;
    registers[REG_EDX] = 0xd0d;
    registers[REG_ESI] = 0x516;
    registers[REG_EDI] = 0xd1d;
    registers[REG_EFL] |= 0x1 | 0x40; /* CF, ZF */
    sigaddset(&context->uc_sigmask, SIGUSR2);
}

static void direction(int signal)
{
    (void)signal;
    u32 flags;
    __asm__ volatile("pushfl; popl %0" : "=r"(flags));
    value = (flags & 0x400) != 0;
}

static unsigned short control_seen;
static u32 mxcsr_seen;
static void floating(int signal)
{
    (void)signal;
    __asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(control_seen), "=m"(mxcsr_seen));
    double x = 3;
    __asm__ volatile("fldl %0; fsqrt; fstpl %0" : "+m"(x));
    __asm__ volatile("xorps %xmm3, %xmm3");
}

static void change_float(int signal, siginfo_t *info, void *given)
{
    (void)signal, (void)info;
    ucontext_t *context = given;
    fpregset_t state = context->uc_mcontext.fpregs;
    /* st(0) becomes 2.0 in the fsave image. */
    state->_st[0].exponent = 0x4000;
    memset(state->_st[0].significand, 0, 8);
    state->_st[0].significand[3] = 0x8000;
}

static sigjmp_buf jump;
static void leave(int signal)
{
    count++;
    siglongjmp(jump, signal);
}

static void far_handler(int signal, siginfo_t *info, void *given)
{
    ucontext_t *context = given;
    u32 *frame = (u32 *)&signal - 1;
    value = signal;
    show("rt frame", "signal %u info %d context %d return code %08x %08x", frame[1], frame[2] == (u32)info, frame[3] == (u32)context,
         *(u32 *)frame[0], ((u32 *)frame[0])[1]);
    show("rt frame's alignment", "%u", ((u32)frame + 4) % 16);
    show("context", "link %d cs %x ss %x ds %x es %x gs %x", context->uc_link != NULL,
         context->uc_mcontext.gregs[REG_CS] & 0xffff, context->uc_mcontext.gregs[REG_SS] & 0xffff,
         context->uc_mcontext.gregs[REG_DS] & 0xffff, context->uc_mcontext.gregs[REG_ES] & 0xffff,
         context->uc_mcontext.gregs[REG_GS] & 0xffff);
    show("its stack", "flags %d size %u", context->uc_stack.ss_flags, (u32)context->uc_stack.ss_size);
    show("fpstate's status", "%04lx", context->uc_mcontext.fpregs->status >> 16);
}

static void note_code(int signal, siginfo_t *info, void *given)
{
    (void)signal;
    (void)given;
    count++;
    value = info->si_code;
}

int frames_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    /* The old call, with the kernel's own return code on the stack. */
    struct {
        void *handler;
        u32 mask, flags;
        void *restorer;
    } old_action = {old_handler, 1u << (SIGUSR2 - 1), 0, NULL}, old_back;
    result("old sigaction", syscall(SYS_sigaction, SIGUSR1, &old_action, NULL));
    unsigned short control = 0x27f;
    __asm__ volatile("fldcw %0; fldpi; fld1" ::"m"(control));
    u32 mxcsr = 0x1fa0;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    raise(SIGUSR1);
    __asm__ volatile("fstp %%st(0); fstp %%st(0)" ::);
    show("old frame", "count %d signal %d", count, value);
    show("its segments", "%x %x %x %x %x", old_seen.cs & 0xffff, old_seen.ss & 0xffff, old_seen.ds, old_seen.es, old_seen.fs);
    show("its x87 environment", "%08x %08x %08x", old_fp[0], old_fp[1], old_fp[2]);
    show("high halves of its selectors", "%04x %04x", old_fp[4] >> 16 & 0, old_fp[6] >> 16);
    show("its st0 and st1", "%08x %08x %04x, %04x%08x", old_fp[7], old_fp[8], old_fp[9] & 0xffff, old_fp[11] >> 16, old_fp[10] & 0);
    show("its fxsave image", "control %04x mxcsr %x", fx_control, fx_mxcsr);
    holds("fxsave image is aligned", ((u32)fx_seen & 15) == 0);
    show("esp twice", "%d", old_seen.esp == old_seen.esp_at_signal);
    show("oldmask", "%x", old_seen.oldmask);
    show("interrupt flag and reserved one", "%x", old_seen.eflags & 0x202);
    syscall(SYS_sigaction, SIGUSR1, NULL, &old_back);
    show("old sigaction reads back", "%d %x %x", old_back.handler == (void *)old_handler, old_back.mask, old_back.flags);
    result("signal call gives the old handler", syscall(SYS_signal, SIGUSR1, SIG_DFL) == (long)old_handler);
    result("signal call of SIGKILL", syscall(SYS_signal, SIGKILL, SIG_DFL));

    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    handle(SIGUSR1, far_handler, SA_SIGINFO);
    raise(SIGUSR1);

    /* A handler that repairs. */
    handle(SIGSEGV, skip_fault, SA_SIGINFO);
    count = 0;
    int from = 0;
    __asm__ volatile("xorl %%ecx, %%ecx; movl (%%ecx), %%eax" : "=a"(from)::"ecx", "memory");
    show("handler skips an instruction", "%d eax %d code %d", count, from, value);
    handle(SIGILL, skip_fault, SA_SIGINFO);
    count = 0;
    __asm__ volatile("ud2" : "=a"(from)::"memory");
    show("handler skips ud2", "%d eax %d code %d", count, from, value);
    handle(SIGFPE, skip_fault, SA_SIGINFO);
    count = 0;
    __asm__ volatile("xorl %%edx, %%edx; xorl %%ecx, %%ecx; divl %%ecx" : "=a"(from) : "a"(5) : "ecx", "edx", "memory");
    show("handler skips a division", "%d eax %d code %d", count, from, value);

    handle(SIGUSR1, change_all, SA_SIGINFO);
    u32 b, c, d, s, t, flags;
    __asm__ volatile("int $0x80; pushfl; popl %%eax"
                     : "=b"(b), "=c"(c), "=d"(d), "=S"(s), "=D"(t), "=a"(flags)
                     : "a"(SYS_kill), "b"(getpid()), "c"(SIGUSR1), "d"(0), "S"(1), "D"(2)
                     : "memory", "cc");
    show("handler changes registers", "%x %x %x %x %x flags %x", b, c, d, s, t, flags & 0x41);
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    show("and the mask", "%d", sigismember(&set, SIGUSR2));
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);

    handle(SIGUSR1, direction, 0);
    value = -1;
    __asm__ volatile("std; int $0x80; pushfl; popl %%edx; cld"
                     : "=d"(flags)
                     : "a"(SYS_kill), "b"(getpid()), "c"(SIGUSR1)
                     : "memory", "cc");
    show("direction flag", "in the handler %d after it %d", value, (flags & 0x400) != 0);

    handle(SIGUSR1, floating, 0);
    control = 0x67f;
    mxcsr = 0x5f80;
    u8 bytes[16] = "fifteen letters", after[16];
    double top;
    __asm__ volatile("fldcw %0; ldmxcsr %1; movups %2, %%xmm3; fldpi" ::"m"(control), "m"(mxcsr), "m"(bytes));
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    __asm__ volatile("fnstcw %0; stmxcsr %1; movups %%xmm3, %2; fstpl %3" : "=m"(control), "=m"(mxcsr), "=m"(after), "=m"(top)::"memory");
    show("floating point state of a handler", "%x %x", control_seen, mxcsr_seen);
    show("and after it", "%x %x %s %.6f", control, mxcsr, after, top);
    control = 0x37f;
    mxcsr = 0x1f80;
    __asm__ volatile("fldcw %0; ldmxcsr %1" ::"m"(control), "m"(mxcsr));
    handle(SIGUSR1, change_float, SA_SIGINFO);
    __asm__ volatile("fldpi");
    raise(SIGUSR1);
    __asm__ volatile("fstpl %0" : "=m"(top));
    show("handler changes st(0)", "%.6f", top);

    count = 0;
    handle(SIGSEGV, leave, 0);
    for (int i = 0; i < 3; i++) {
        if (sigsetjmp(jump, 1) == 0) *(volatile int *)0 = 1;
    }
    show("siglongjmp out of a handler", "%d", count);
    sigprocmask(SIG_BLOCK, NULL, &set);
    show("restores the mask", "%d", sigismember(&set, SIGSEGV));
    handle(SIGSEGV, leave, SA_NODEFER);
    for (int i = 0; i < 3; i++) {
        if (sigsetjmp(jump, 0) == 0) *(volatile int *)4 = 1;
    }
    show("without the mask, SA_NODEFER", "%d", count);

    handle(SIGTRAP, note_code, SA_SIGINFO);
    count = 0;
    __asm__ volatile("int3" ::: "memory");
    show("int3", "%d code %#x", count, value);
    return 0;
}
