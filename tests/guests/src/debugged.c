/* For the debugger: calls with locals, a recursion, floating point, a variable to watch, signals, and with an argument a fault. */
#include "guest.h"

struct point {
    int x, y;
};
static volatile int watched;
static double scale = 2.5;
static volatile int handled;

__attribute__((noinline)) static int factorial(int n)
{
    int result = n <= 1 ? 1 : n * factorial(n - 1);
    return result;
}

__attribute__((noinline)) static double area(struct point p)
{
    double a = p.x * p.y * scale;
    return a;
}

__attribute__((noinline)) static void crash(int *where)
{
    *where = 42;
}

static void handler(int signal)
{
    handled += signal;
}

int main(int argc, char **argv, char **envp)
{
    struct point p = {6, 7};
    int f = factorial(5);
    (void)argv;
    (void)envp;
    watched = f;
    double a = area(p);
    watched = (int)a + argc;
    struct {
        void (*handler)(int);
        u32 flags;
        void (*restorer)(void);
        u64 mask;
    } action = {handler, 0, 0, 0};
    sys4(SYS_rt_sigaction, 10, &action, 0, 8);
    sys2(SYS_kill, sys0(SYS_getpid), 10);
    watched = handled;
    if (argc > 1) crash((int *)16);
    return 3;
}
