/* Benchmark: Fibonacci numbers by plain recursion, nothing but calls. `fib N` computes fib(27) N times. */
#include "guest.h"

/* Without these gcc unrolls the recursion until little of it is left. */
#pragma GCC optimize("no-inline-functions", "no-optimize-sibling-calls", "no-ipa-cp", "no-partial-inlining")
static __attribute__((noinline, noclone)) u32 fib(u32 n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 sum = 0;
    for (u32 round = count_argument(argc, argv, 60); round; round--) sum += fib(27);
    put_named("fib", (i32)sum);
    return 0;
}
