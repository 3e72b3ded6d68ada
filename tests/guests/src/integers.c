/* Arithmetic that compilers expect to be exact: 64-bit products, quotients, shifts, comparisons, narrow types, overflow. */
#include "guest.h"

static volatile u32 seed = 12345;

static u32 next(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed;
}

static void put_hex64(u64 value)
{
    put_hex((u32)(value >> 32), 8);
    put_hex((u32)value, 8);
    put_char('\n');
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 rounds = count_argument(argc, argv, 200);
    u64 hash = 0xcbf29ce484222325ull;
    for (u32 i = 0; i < rounds; i++) {
        u64 a = ((u64)next() << 32) | next(), b = ((u64)next() << 32) | next();
        u32 shift = next() & 63;
        u64 results[] = {
            a * b, a / (b | 1), a % (b >> 20 | 1), (u64)((i64)a / (i64)(b | 1)), (u64)((i64)a % (i64)(b >> 33 | 1)),
            a << shift, a >> shift, (u64)((i64)a >> shift), a + b, a - b, (u64)-(i64)a, (u64)((i64)a < (i64)b), a < b,
            (u64)(i64)(signed char)a, (u64)(u16)(a * 3), (u64)(i64)(short)(b >> 7),
            (u64)__builtin_popcountll(a), (u64)__builtin_clz((u32)a | 1), (u64)__builtin_ctz((u32)b | 0x80000000u),
            (u64)__builtin_bswap32((u32)a), ((u32)a >> (shift & 31)) | ((u32)a << (-shift & 31)),
        };
        i32 overflow;
        results[0] ^= __builtin_add_overflow((i32)a, (i32)b, &overflow);
        results[1] ^= __builtin_mul_overflow((i32)a, (i32)(b >> 16), &overflow);
        for (u32 k = 0; k < sizeof results / sizeof *results; k++) hash = (hash ^ results[k]) * 0x100000001b3ull;
        if (i < 4) for (u32 k = 0; k < sizeof results / sizeof *results; k++) put_hex64(results[k]);
    }
    put_hex64(hash);
    return 0;
}
