#include "together.h"

long sum_of_threads(void *(*function)(void *), int count)
{
    pthread_t threads[count];
    long sum = 0;
    for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, function, (void *)i);
    for (int i = 0; i < count; i++) {
        void *value;
        pthread_join(threads[i], &value);
        sum += (long)value;
    }
    return sum;
}

static int ends[2];
static volatile int never;
static void *spin_for_ever(void *argument)
{
    while (!never);
    return argument;
}
static void *read_for_ever(void *argument)
{
    (void)argument;
    char byte;
    read(ends[0], &byte, 1);
    return NULL;
}
void others(void)
{
    pipe(ends);
    pthread_t thread;
    static void *(*const functions[])(void *) = {spin_for_ever, read_for_ever};
    for (size_t i = 0; i < COUNT(functions); i++) pthread_create(&thread, NULL, functions[i], NULL);
    milliseconds(30);
}

void *call(void *function)
{
    ((void (*)(void))function)();
    return NULL;
}
void in_thread(void (*function)(void))
{
    pthread_t thread;
    pthread_create(&thread, NULL, call, function);
    pthread_join(thread, NULL);
}

void fork_here(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(syscall(SYS_gettid) == getpid() ? 21 : 22);
    ended("fork in a thread", wait_for(pid));
}
