/*
 * For the debugger: children and threads. Without an argument a fork; `exec`: the child executes this program again;
 * `threads`: two threads wait while a function is called; `turns`: two threads call a function by turns.
 */
#include "guest.h"

enum { SYS_clone = 120, SYS_sched_yield = 158 };
/* CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM. */
enum { THREAD_FLAGS = 0x50f00 };

static volatile int started, released, ended;

__attribute__((noinline)) static int in_child(int n)
{
    return n * 2;
}

__attribute__((noinline)) static int in_parent(int n)
{
    return n * 3;
}

__attribute__((noinline)) static int together(int n)
{
    return n + 1;
}

__attribute__((noinline)) static void work(void)
{
    __sync_fetch_and_add(&started, 1);
    while (!released) __asm__ volatile("pause");
    __sync_fetch_and_add(&ended, 1);
}

static volatile int turn, visits;

__attribute__((noinline)) static int visit(int who)
{
    int twice = who * 2;
    visits += twice;
    return twice;
}

__attribute__((noinline)) static void take_turns(int own, int next)
{
    for (int i = 0; i < 3; i++) {
        while (turn != own) __asm__ volatile("pause");
        int got = visit(own);
        turn = got == own * 2 ? next : 0;
    }
    __sync_fetch_and_add(&ended, 1);
}

static void one(void)
{
    take_turns(1, 2);
}

static void two(void)
{
    take_turns(2, 1);
}

static void start(void (*function)(void), char *stack)
{
    int result;
    __asm__ volatile("int $0x80\n\ttestl %%eax, %%eax\n\tjnz 1f\n\txorl %%ebp, %%ebp\n\tcall *%%esi\n\t"
                     "movl $1, %%eax\n\txorl %%ebx, %%ebx\n\tint $0x80\n1:"
                     : "=a"(result)
                     : "a"(SYS_clone), "b"(THREAD_FLAGS), "c"(stack), "d"(0), "S"(function)
                     : "memory", "cc");
}

static int threads(void)
{
    static char stacks[2][4096] __attribute__((aligned(16)));
    start(work, stacks[0] + sizeof stacks[0]);
    start(work, stacks[1] + sizeof stacks[1]);
    while (started < 2) sys0(SYS_sched_yield);
    int result = together(4);
    released = 1;
    while (ended < 2) sys0(SYS_sched_yield);
    return result;
}

static int turns(void)
{
    static char stacks[2][4096] __attribute__((aligned(16)));
    start(one, stacks[0] + sizeof stacks[0]);
    start(two, stacks[1] + sizeof stacks[1]);
    turn = 1;
    while (ended < 2) sys0(SYS_sched_yield);
    return visits;
}

int main(int argc, char **argv, char **envp)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (equal(what, "threads")) return threads();
    if (equal(what, "turns")) return turns();
    if (equal(what, "again")) return in_child(7);
    int pid = sys0(SYS_fork);
    if (pid == 0) {
        if (equal(what, "exec")) {
            char *again[] = {argv[0], "again", 0};
            sys3(SYS_execve, "/proc/self/exe", again, envp);
        }
        return in_child(5);
    }
    int status = 0;
    sys3(SYS_waitpid, pid, &status, 0);
    return in_parent(status >> 8);
}
