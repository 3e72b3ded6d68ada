/* An ordinary dynamically linked C program: printf with floating point, malloc, qsort, thread-local storage, constructors, atexit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread int local = 41;

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

__attribute__((constructor)) static void begin(void)
{
    local++;
}

static void end(void)
{
    printf("at exit\n");
}

int main(int argc, char **argv)
{
    atexit(end);
    printf("thread-local %d\n", local);
    char **words = malloc(sizeof *words * (size_t)argc);
    for (int i = 1; i < argc; i++) words[i - 1] = strdup(argv[i]);
    qsort(words, (size_t)argc - 1, sizeof *words, compare);
    for (int i = 0; i < argc - 1; i++) printf("%s%s", words[i], i < argc - 2 ? " " : "\n");
    printf("%.15g %.3f %e %a %Lg\n", 1.0 / 3, 2.5e10, 6.02214076e23, 0.1, 1.0L / 7);
    printf("%.17g %.17g %.17g\n", sin(1.0), exp(1.5), pow(2.0, 0.5));
    return argc;
}
