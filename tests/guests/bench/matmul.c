/* Benchmark: product of two 120 x 120 matrices of doubles, N times. Built once for x87 and once for SSE2. */
#include "guest.h"

enum { SIZE = 120 };
static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    for (u32 i = 0; i < SIZE; i++) {
        for (u32 k = 0; k < SIZE; k++) {
            a[i][k] = (double)(i32)(i * 7 + k * 3 % 11) / 16;
            b[i][k] = (double)(i32)(k * 5 - i * 2 % 13) / 8;
        }
    }
    for (u32 round = count_argument(argc, argv, 60); round; round--) {
        for (u32 i = 0; i < SIZE; i++) {
            for (u32 k = 0; k < SIZE; k++) {
                double sum = 0;
                for (u32 m = 0; m < SIZE; m++) sum += a[i][m] * b[m][k];
                c[i][k] = sum;
            }
        }
        a[round % SIZE][round / SIZE % SIZE] += 1;
    }
    double trace = 0;
    for (u32 i = 0; i < SIZE; i++) trace += c[i][i] + c[i][SIZE - 1 - i];
    put("trace ");
    put_double_bits(trace);
    put("\n");
    return 0;
}
