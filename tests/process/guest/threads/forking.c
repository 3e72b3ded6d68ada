/* fork, vfork and execve in processes of several threads, which go on in the parent and are not there in the child. */
#include "together.h"
#include <spawn.h>

static void fork_and_make_threads(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        others();
        in_thread(fork_here);
        _exit(23);
    }
    ended("a child with threads of its own", wait_for(pid));
}
static int handlers;
static void before(void) { handlers += 1; }
static void in_parent(void) { handlers += 10; }
static void in_the_child(void) { handlers += 100; }

static void fail_to_execute(void)
{
    char *argv[] = {"x", NULL};
    result("execve of nothing", execv("/no/such/file", argv));
}

static void spawn_here(void)
{
    extern char **environ;
    char *argv[] = {"process", "forking", "status", NULL};
    pid_t pid;
    for (int i = 0; i < 2; i++) {
        result("spawn", posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ));
        ended("spawned", wait_for(pid));
    }
    result("spawn of nothing", posix_spawn(&pid, "/no/such/file", NULL, NULL, argv, environ) == ENOENT);
}
static volatile int stop;
static int shared[1024];
static void *write_shared(void *argument)
{
    (void)argument;
    long sum = 0;
    for (int i = 0; !stop; i = (i + 1) % 1024) {
        shared[i]++;
        sum++;
    }
    long total = 0;
    for (int i = 0; i < 1024; i++) total += shared[i];
    return (void *)(long)(sum == total);
}

int forking_program(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) return 13;
    in_thread(fail_to_execute);
    in_thread(fork_here);
    in_thread(fork_and_make_threads);
    pthread_atfork(before, in_parent, in_the_child);
    pid_t pid = fork();
    if (pid == 0) _exit(handlers);
    ended("atfork in the child", wait_for(pid));
    show("atfork in the parent", "%d", handlers);

    pthread_t thread;
    pthread_create(&thread, NULL, write_shared, NULL);
    in_thread(spawn_here);
    for (int i = 0; i < 3; i++) in_thread(fork_here);
    stop = 1;
    void *value;
    pthread_join(thread, &value);
    holds("nothing of what another wrote was lost", (long)value);
    return 0;
}
