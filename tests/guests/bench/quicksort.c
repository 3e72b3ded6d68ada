/* Benchmark: recursive quicksort of 100,000 pseudo-random integers, N times. */
#include "guest.h"

enum { SIZE = 100000 };
static i32 values[SIZE];

static __attribute__((noinline)) void sort(i32 *low, i32 *high)
{
    if (low >= high) return;
    i32 pivot = low[(high - low) / 2];
    i32 *i = low, *k = high;
    while (i <= k) {
        while (*i < pivot) i++;
        while (*k > pivot) k--;
        if (i <= k) {
            i32 t = *i;
            *i++ = *k;
            *k-- = t;
        }
    }
    sort(low, k);
    sort(i, high);
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 seed = 42, hash = 0;
    for (u32 round = count_argument(argc, argv, 20); round; round--) {
        for (u32 i = 0; i < SIZE; i++) {
            seed = seed * 1664525u + 1013904223u;
            values[i] = (i32)seed;
        }
        sort(values, values + SIZE - 1);
        for (u32 i = 1; i < SIZE; i++) {
            if (values[i - 1] > values[i]) leave(1);
            hash = hash * 31 + (u32)values[i];
        }
    }
    put("sorted ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
