/* What threads share: the address space while it changes, the heap, descriptors, the working directory, code that is rewritten. */
#include "../check.h"
#include <pthread.h>

#define THREADS 3

static long run(void *(*function)(void *), int count)
{
    pthread_t threads[THREADS];
    long sum = 0;
    for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, function, (void *)i);
    for (int i = 0; i < count; i++) {
        void *value;
        pthread_join(threads[i], &value);
        sum += (long)value;
    }
    return sum;
}

static void *map(void *argument)
{
    long failures = 0, id = (long)argument;
    for (int i = 0; i < 150; i++) {
        size_t length = 4096 * (1 + (i + id) % 5);
        char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return (void *)1000;
        for (size_t at = 0; at < length; at += 512) failures += memory[at] != 0, memory[at] = id + 1;
        if (i % 3 == 0) {
            memory = mremap(memory, length, length + 8192, MREMAP_MAYMOVE);
            length += 8192;
        }
        if (i % 4 == 0) mprotect(memory, 4096, PROT_READ);
        for (size_t at = 0; at < length - (i % 3 ? 0 : 8192); at += 512) failures += memory[at] != id + 1;
        munmap(memory, length);
    }
    return (void *)failures;
}

static void *allocate(void *argument)
{
    long failures = 0, id = (long)argument;
    u32 random = id + 1;
    char *blocks[64] = {0};
    for (int i = 0; i < 6000; i++) {
        random = random * 1664525 + 1013904223;
        int at = random >> 26;
        if (blocks[at]) {
            failures += blocks[at][0] != (char)(id * 64 + at);
            free(blocks[at]);
        }
        size_t size = 16 + (random >> 8) % (i % 50 ? 2000 : 200000);
        blocks[at] = malloc(size);
        memset(blocks[at], id * 64 + at, size);
    }
    for (int at = 0; at < 64; at++) free(blocks[at]);
    return (void *)failures;
}

static void *descriptors(void *argument)
{
    long failures = 0, id = (long)argument;
    for (int i = 0; i < 100; i++) {
        int ends[2];
        if (pipe(ends)) return (void *)1000;
        int other = dup(ends[1]);
        char byte = id * 40 + i % 40, back = 0;
        write(other, &byte, 1);
        read(ends[0], &back, 1);
        failures += back != byte;
        failures += close(ends[0]) + close(ends[1]) + close(other);
    }
    return (void *)failures;
}

/* mov eax, VALUE; ret */
static u8 *code;
static void write_code(u8 *at, u32 value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}
static volatile u32 version, acknowledged[THREADS];
static void *execute(void *argument)
{
    long id = (long)argument, failures = 0;
    if (id == 0) {
        for (u32 i = 1; i <= 60; i++) {
            write_code(code, i);
            version = i;
            for (int other = 1; other < THREADS; other++)
                while (acknowledged[other] != i) sched_yield();
        }
        return NULL;
    }
    for (u32 i = 1; i <= 60; i++) {
        while (version != i) sched_yield();
        u32 eax, ecx = 0, edx;
        /* A serialising instruction, as the manual asks of who executes what another has written. */
        __asm__ volatile("cpuid" : "=a"(eax), "+c"(ecx), "=d"(edx) : "a"(0) : "ebx", "memory");
        for (int again = 0; again < 30; again++) failures += ((u32(*)(void))code)() != i;
        acknowledged[id] = i;
    }
    return (void *)failures;
}

static void *remap_code(void *argument)
{
    long id = (long)argument, failures = 0;
    u8 *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (u32 i = 1; i <= 40; i++) {
        u32 value = id * 1000 + i;
        if (i % 2) mprotect(mine, 4096, PROT_READ | PROT_WRITE);
        write_code(mine, value);
        if (i % 2) mprotect(mine, 4096, PROT_READ | PROT_EXEC | (i % 4 == 1 ? 0 : PROT_WRITE));
        for (int again = 0; again < 5; again++) failures += ((u32(*)(void))mine)() != value;
        if (i % 4 == 1) mprotect(mine, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
    }
    return (void *)failures;
}

static void *change_directory(void *argument)
{
    (void)argument;
    return (void *)(long)chdir("/");
}

int sharing_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    show("mappings", "%ld", run(map, THREADS));
    show("heap", "%ld", run(allocate, THREADS));
    show("descriptors", "%ld", run(descriptors, THREADS));
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show("code that one writes and others execute", "%ld", run(execute, THREADS));
    show("code of their own", "%ld", run(remap_code, THREADS));
    char before[4096], after[4096];
    getcwd(before, sizeof before);
    show("chdir", "%ld", run(change_directory, 1));
    show("in all threads", "%s", getcwd(after, sizeof after));
    holds("where we were was elsewhere", strcmp(before, after) != 0);
    return 0;
}
