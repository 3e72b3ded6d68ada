/* Benchmark: unaligned copies by rep movsd and movsb, fills, searches and comparisons over 16 KiB, N times. */
#include "guest.h"

enum { SIZE = 16384 };
static u8 from[SIZE + 16], to[SIZE + 16];

static void copy(u8 *target, const u8 *source, u32 size)
{
    u32 words = size / 4, rest = size & 3;
    __asm__ volatile("rep movsl\n\tmovl %3, %%ecx\n\trep movsb" : "+D"(target), "+S"(source), "+c"(words) : "r"(rest) : "memory");
}

static void fill(u8 *target, u32 value, u32 size)
{
    u32 words = size / 4;
    __asm__ volatile("rep stosl" : "+D"(target), "+c"(words) : "a"(value) : "memory");
}

static __attribute__((noinline)) u32 find(const u8 *text, u8 wanted, u32 size)
{
    u32 i = 0;
    while (i < size && text[i] != wanted) i++;
    return i;
}

static __attribute__((noinline)) u32 common(const u8 *a, const u8 *b, u32 size)
{
    u32 i = 0;
    while (i < size && a[i] == b[i]) i++;
    return i;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 hash = 0;
    for (u32 i = 0; i < SIZE; i++) from[i] = (u8)(i * i >> 3 | 1);
    for (u32 round = count_argument(argc, argv, 2000); round; round--) {
        u32 shift = round & 7;
        fill(to, round * 0x01010101u, SIZE);
        copy(to + shift, from + (round >> 3 & 7), SIZE - 100 + (round & 3));
        to[SIZE - 200] = 0;
        hash = hash * 31 + find(to + shift, 0, SIZE - shift);
        hash = hash * 31 + common(to + shift, from + (round >> 3 & 7), SIZE);
        hash = hash * 31 + *(u32 *)(to + (round & 4095) + 1);
    }
    put("hash ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
