/* Benchmark: a program that does next to nothing: what is measured is how an engine starts and ends. */
#include "guest.h"

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    put("started\n");
    return 0;
}
