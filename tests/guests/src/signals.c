/* Signal handlers: arguments, masks, SA_RESTART and EINTR, alternate stack, handling of faults and going on after them. */
#include "guest.h"

enum { SIGILL = 4, SIGFPE = 8, SIGUSR1 = 10, SIGSEGV = 11, SIGUSR2 = 12, SIGALRM = 14, SIGCHLD = 17 };
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_ONSTACK = 0x08000000, SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000 };

struct action {
    void *handler;
    u32 flags;
    void *restorer;
    u32 mask[2];
};

__attribute__((naked)) static void restore(void)
{
    __asm__("movl $173, %eax\n\tint $0x80");
}

static void install(i32 signal, void *handler, u32 flags)
{
    struct action action = {handler, flags | SA_RESTORER | SA_SIGINFO, restore, {0, 0}};
    put_named("sigaction", sys4(SYS_rt_sigaction, signal, &action, 0, 8));
}

static volatile i32 seen, code, depth;
static volatile u32 address, on_stack;
static u8 alternate[16384] __attribute__((aligned(16)));

static void note(i32 signal, i32 *info, u32 *context)
{
    (void)context;
    u8 here;
    seen = signal;
    code = info[2];
    address = info[3];
    on_stack = &here >= alternate && &here < alternate + sizeof alternate;
}

/* Moves eip over the faulting instruction: `skip` bytes. Linux's ucontext has eip as its 20th word (flags, link, stack 3, gs fs es ds
 * edi esi ebp esp ebx edx ecx eax trapno err eip). */
static volatile u32 skip;
static void step_over(i32 signal, i32 *info, u32 *context)
{
    note(signal, info, context);
    context[5 + 14] += skip;
}

static void nested(i32 signal, i32 *info, u32 *context)
{
    (void)info, (void)context;
    if (signal == SIGUSR1 && depth == 0) {
        depth++;
        sys2(SYS_kill, sys0(SYS_getpid), SIGUSR1);
        put_named("blocked within its handler", depth);
    } else {
        depth++;
    }
}

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    install(SIGUSR1, note, 0);
    sys2(SYS_kill, sys0(SYS_getpid), SIGUSR1);
    put_named("seen", seen);
    put_named("by kill", code);

    /* Blocked, then let through. */
    u32 mask[2] = {1 << (SIGUSR1 - 1), 0};
    seen = 0;
    sys4(SYS_rt_sigprocmask, 0, mask, 0, 8);
    sys2(SYS_kill, sys0(SYS_getpid), SIGUSR1);
    put_named("blocked", seen);
    sys4(SYS_rt_sigprocmask, 1, mask, 0, 8);
    put_named("unblocked", seen);

    install(SIGUSR1, nested, 0);
    sys2(SYS_kill, sys0(SYS_getpid), SIGUSR1);
    put_named("delivered twice", depth);

    /* Faults, gone on after. */
    install(SIGSEGV, step_over, 0);
    skip = 6; /* movl $1, address has 10 bytes; mov %eax, moffs would have 5: this form has 6 */
    __asm__ volatile(".byte 0x89, 0x0d, 0x10, 0x00, 0x00, 0x00" ::: "memory");
    put_named("fault", seen);
    put_named("code", code);
    put_named("address", address);
    install(SIGILL, step_over, 0);
    skip = 2;
    __asm__ volatile("ud2");
    put_named("illegal", seen);
    install(SIGFPE, step_over, 0);
    skip = 2;
    u32 quotient = 5;
    __asm__ volatile("xorl %%edx, %%edx\n\txorl %%ecx, %%ecx\n\tdivl %%ecx" : "+a"(quotient) : : "ecx", "edx", "cc");
    put_named("arithmetic", seen);
    put_named("code", code);
    put_named("eax kept", quotient);

    /* Alternate stack. */
    struct {
        void *base;
        i32 flags;
        u32 size;
    } stack = {alternate, 0, sizeof alternate};
    put_named("sigaltstack", sys2(SYS_sigaltstack, &stack, 0));
    install(SIGUSR2, note, SA_ONSTACK);
    sys2(SYS_kill, sys0(SYS_getpid), SIGUSR2);
    put_named("on the alternate stack", on_stack);

    /* A blocking read, interrupted by an alarm and by a child's end. */
    i32 pipe[2];
    sys1(SYS_pipe, pipe);
    install(SIGALRM, note, 0);
    sys1(SYS_alarm, 1);
    u8 byte;
    put_named("interrupted", sys3(SYS_read, pipe[0], &byte, 1));
    put_named("seen", seen);
    install(SIGCHLD, note, SA_RESTART);
    flush();
    if (sys0(SYS_fork) == 0) {
        i32 pause[2] = {0, 50000000};
        if (sys0(SYS_fork) == 0) {
            /* Long after the child's end, on a busy machine, too. */
            i32 longer[2] = {0, 700000000};
            sys2(SYS_nanosleep, longer, 0);
            sys3(SYS_write, pipe[1], "x", 1);
            leave(0);
        }
        sys2(SYS_nanosleep, pause, 0);
        leave(0);
    }
    put_named("restarted", sys3(SYS_read, pipe[0], &byte, 1));
    put_named("seen", seen);

    /* A loop that only a signal ends. */
    seen = 0;
    sys1(SYS_alarm, 1);
    while (!seen) {
    }
    put_named("loop ended by", seen);
    return 0;
}
