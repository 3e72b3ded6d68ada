/* What threads share: the address space while it changes, the heap, descriptors, the working directory, code that is rewritten. */
#include "together.h"
#include <setjmp.h>

#define THREADS 3

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

static volatile u32 patches;
static volatile int stop;
/** Writes the number into `nop; nop; nop; mov eax, NUMBER; ret` again and again, hot long before anybody executes it. */
static void *patch(void *argument)
{
    while (!stop) __atomic_store_n((u32 *)(code + 4), ++patches, __ATOMIC_RELAXED);
    return argument;
}
static void patched_all_along(void)
{
    static const u8 begin[] = {0x90, 0x90, 0x90, 0xb8}, end = 0xc3;
    memcpy(code, begin, 4);
    memset(code + 4, 0, 4);
    code[8] = end;
    pthread_t thread;
    pthread_create(&thread, NULL, patch, NULL);
    while (patches < 100000) milliseconds(1);
    u32 last = 0, changes = 0, backwards = 0;
    while (changes < 40) {
        u32 value = ((u32(*)(void))code)();
        changes += value > last;
        backwards += value < last;
        last = value;
    }
    stop = 1;
    pthread_join(thread, NULL);
    show("code that is patched all along", "%u backwards, last %d", backwards, ((u32(*)(void))code)() == patches);
}

/** Faults in one thread, which was hot before another thread installed the handler. */
static volatile int phase;
static volatile int *unmapped;
static __thread sigjmp_buf back;
static void recover(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}
static void *fault_later(void *argument)
{
    volatile int turns = 0;
    for (int i = 0; i < 300000; i++) turns += i;
    phase = 1;
    while (phase == 1) turns++;
    volatile long exact = 0;
    for (volatile int i = 0; i < 100; i++) {
        volatile int before = 0;
        if (sigsetjmp(back, 1) == 0) {
            before = i + 1;
            *unmapped = 1;
        } else exact += before == i + 1;
    }
    (void)argument;
    return (void *)exact;
}
static void faults_of_another(void)
{
    unmapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t thread;
    void *exact;
    pthread_create(&thread, NULL, fault_later, NULL);
    while (phase == 0) sched_yield();
    handle(SIGSEGV, recover, 0);
    phase = 2;
    pthread_join(thread, &exact);
    show("faults once another has installed a handler", "%ld", (long)exact);
}

static void *change_directory(void *argument)
{
    (void)argument;
    return (void *)(long)chdir("/");
}

int sharing_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    show("mappings", "%ld", sum_of_threads(map, THREADS));
    show("heap", "%ld", sum_of_threads(allocate, THREADS));
    show("descriptors", "%ld", sum_of_threads(descriptors, THREADS));
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show("code that one writes and others execute", "%ld", sum_of_threads(execute, THREADS));
    show("code of their own", "%ld", sum_of_threads(remap_code, THREADS));
    patched_all_along();
    faults_of_another();
    char before[4096], after[4096];
    getcwd(before, sizeof before);
    show("chdir", "%ld", sum_of_threads(change_directory, 1));
    show("in all threads", "%s", getcwd(after, sizeof after));
    holds("where we were was elsewhere", strcmp(before, after) != 0);
    return 0;
}
