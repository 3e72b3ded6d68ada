/* x87 arithmetic in long double, double and float: values, comparisons with NaN, rounding to integer, classification. */
#include "guest.h"

static void put_long_double(long double value)
{
    union {
        long double x;
        struct {
            u32 low, high;
            u16 top;
        } b;
    } bits;
    bits.b.top = 0;
    bits.x = value;
    put_hex(bits.b.top, 4);
    put_hex(bits.b.high, 8);
    put_hex(bits.b.low, 8);
    put_char('\n');
}

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    static volatile long double values[] = {0.0L, -0.0L, 1.0L, -1.5L, 3.14159265358979323846L, 1e-4940L, 1e4931L, 0.1L, 12345.678L,
                                            -2.5L, 3.5L, 1.0L / 3};
    const u32 count = sizeof values / sizeof *values;
    for (u32 i = 0; i < count; i++) {
        long double x = values[i];
        put_long_double(x * x);
        put_long_double(x / 3);
        put_long_double((double)x);
        put_long_double((float)x);
        put_long_double(__builtin_fabsl(x) + 1e-30L);
        long double root, rounded;
        __asm__("fsqrt" : "=t"(root) : "0"(__builtin_fabsl(x)));
        __asm__("frndint" : "=t"(rounded) : "0"(x));
        put_long_double(root);
        put_long_double(rounded);
        for (u32 k = 0; k < count; k++) {
            long double y = values[k];
            put_long_double(x - y * 7);
            put_char(x < y ? '<' : x > y ? '>' : x == y ? '=' : '?');
        }
        put_char('\n');
    }
    static volatile long double zero = 0;
    long double nan = zero / zero;
    put_named("NaN equals itself", nan == nan);
    put_named("NaN is less", nan < 1);
    put_long_double(1 / zero);
    put_named("truncated", (i32)values[8]);
    put_named("truncated negative", (i32)values[3]);
    i64 wide = (i64)(values[8] * 1e12L);
    put_hex((u32)(wide >> 32), 8);
    put_hex((u32)wide, 8);
    put_char('\n');
    return 0;
}
