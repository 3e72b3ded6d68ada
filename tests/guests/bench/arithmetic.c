/* Benchmark: integers without memory: powers modulo a prime by 64-bit products and divisions, greatest common divisors, bit
 * counts and bit reversals. `arithmetic N` does 2000 of each N times. */
#include "guest.h"

static __attribute__((noinline)) u32 power(u32 base, u32 exponent, u32 modulus)
{
    u32 result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result = (u32)((u64)result * base % modulus);
        base = (u32)((u64)base * base % modulus);
    }
    return result;
}

static __attribute__((noinline)) u32 divisor(u32 a, u32 b)
{
    while (b) {
        u32 rest = a % b;
        a = b, b = rest;
    }
    return a;
}

static __attribute__((noinline)) u32 bits(u32 x)
{
    u32 count = 0;
    for (u32 rest = x; rest; rest &= rest - 1) count++;
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x) + count;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 hash = 0, seed = 1;
    for (u32 round = count_argument(argc, argv, 40); round; round--) {
        for (u32 i = 0; i < 2000; i++) {
            seed = seed * 1664525 + 1013904223;
            hash = hash * 31 + power(seed >> 3, seed >> 12, 998244353);
            hash = hash * 31 + divisor(seed, hash | 1);
            hash ^= bits(seed);
        }
    }
    put("hash ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
