/* Benchmark: the sieve of Eratosthenes over bytes. `sieve N` repeats it N times. */
#include "guest.h"

enum { SIZE = 1 << 20 };
static u8 composite[SIZE];

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 count = 0;
    for (u32 round = count_argument(argc, argv, 40); round; round--) {
        count = 0;
        for (u32 i = 0; i < SIZE; i++) composite[i] = 0;
        for (u32 i = 2; i < SIZE; i++) {
            if (composite[i]) continue;
            count++;
            for (u32 k = i + i; k < SIZE; k += i) composite[k] = 1;
        }
    }
    put_named("primes", count);
    return 0;
}
