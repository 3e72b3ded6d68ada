/* Prints the primes below a bound, by trial division (div, branches, decimal output). */
#include "guest.h"

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 bound = count_argument(argc, argv, 100);
    for (u32 n = 2; n < bound; n++) {
        u32 d = 2;
        while (d * d <= n && n % d) d++;
        if (d * d > n) {
            put_unsigned(n);
            put_char('\n');
        }
    }
    return 0;
}
