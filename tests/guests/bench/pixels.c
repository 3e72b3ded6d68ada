/* Benchmark: loops over bytes and words that the compiler turns into vectors (-O3 -msse2): a picture is blended with another,
 * brightened with saturation, and its rows are summed. `pixels N` does it to 256 KiB N times. */
#include "guest.h"

enum { SIZE = 1 << 18 };
static u8 front[SIZE], back[SIZE], result[SIZE];
static u16 brightness[SIZE];
static i32 sums[64];

static __attribute__((noinline)) void blend(u8 *to, const u8 *a, const u8 *b, u32 alpha)
{
    for (u32 i = 0; i < SIZE; i++) to[i] = (u8)((a[i] * alpha + b[i] * (256 - alpha)) >> 8);
}

static __attribute__((noinline)) void brighten(u8 *to, u32 by)
{
    for (u32 i = 0; i < SIZE; i++) {
        u32 sum = to[i] + by;
        to[i] = (u8)(sum > 255 ? 255 : sum);
    }
}

static __attribute__((noinline)) void accumulate(u16 *to, const u8 *from)
{
    for (u32 i = 0; i < SIZE; i++) to[i] = (u16)(to[i] + from[i]);
}

static __attribute__((noinline)) i32 total(const u8 *from)
{
    i32 sum = 0;
    for (u32 i = 0; i < SIZE; i++) sum += from[i];
    return sum;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 hash = 0;
    for (u32 i = 0; i < SIZE; i++) front[i] = (u8)(i * i >> 5), back[i] = (u8)(i * 7 >> 3);
    for (u32 round = count_argument(argc, argv, 60); round; round--) {
        blend(result, front, back, round & 255);
        brighten(result, round & 31);
        accumulate(brightness, result);
        sums[round & 63] += total(result);
        front[round * 31 % SIZE] ^= result[round * 17 % SIZE];
    }
    for (u32 i = 0; i < 64; i++) hash = hash * 31 + (u32)sums[i];
    for (u32 i = 0; i < SIZE; i++) hash = hash * 31 + brightness[i];
    put("hash ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
