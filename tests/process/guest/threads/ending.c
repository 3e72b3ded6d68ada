/* Processes of several threads: fork, vfork and execve in them, and all the ways in which they end. */
#include "../check.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/prctl.h>

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
static void others(void)
{
    pthread_t thread;
    static void *(*const functions[])(void *) = {spin_for_ever, read_for_ever};
    for (size_t i = 0; i < COUNT(functions); i++) pthread_create(&thread, NULL, functions[i], NULL);
    milliseconds(30);
}

static void *call(void *function)
{
    ((void (*)(void))function)();
    return NULL;
}
static void in_thread(void (*function)(void))
{
    pthread_t thread;
    pthread_create(&thread, NULL, call, function);
    pthread_join(thread, NULL);
}

static void leave_with_others(void)
{
    others();
    exit(11);
}
static void exit_three(void) { exit(3); }
static void thread_leaves_process(void)
{
    others();
    in_thread(exit_three);
}
static void exit_three_later(void)
{
    milliseconds(50);
    exit(3);
}
static void first_leaves(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, call, exit_three_later);
    syscall(SYS_exit, 0);
}
static void just_end(void) { milliseconds(30); }
static void all_leave(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, call, just_end);
    syscall(SYS_exit, 4);
}
static void die(void)
{
    *(volatile int *)0x10 = 1;
}
static void thread_dies(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    others();
    in_thread(die);
}
static void abort_here(void) { abort(); }
static void thread_aborts(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    others();
    in_thread(abort_here);
}
static void be_killed(void)
{
    others();
    kill(getpid(), SIGTERM);
    pause();
}
static void raise_in_thread(void) { pthread_kill(pthread_self(), SIGUSR1); }
static void thread_is_killed(void)
{
    others();
    in_thread(raise_in_thread);
}

static void fork_here(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(syscall(SYS_gettid) == getpid() ? 21 : 22);
    ended("fork in a thread", wait_for(pid));
}
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

static char self[4096];
static char *again[] = {self, "ending", "again", NULL, NULL};
static void execute_itself(void)
{
    char pid[12];
    sprintf(pid, "%d", (int)getpid());
    again[3] = pid;
    execv(again[0], again);
    _exit(99);
}
static void execute_in_thread(void)
{
    others();
    in_thread(execute_itself);
}
static void execute_in_first(void)
{
    others();
    execute_itself();
}
static void fail_to_execute(void)
{
    char *argv[] = {"x", NULL};
    result("execve of nothing", execv("/no/such/file", argv));
}
static void execute_later(void)
{
    milliseconds(50);
    execute_itself();
}
static void execute_after_first(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, call, execute_later);
    syscall(SYS_exit, 0);
}

static void spawn_here(void)
{
    extern char **environ;
    char *argv[] = {"process", "ending", "status", NULL};
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

int ending_program(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        show("executed", "same process %d, first thread %d", atoi(argv[2]) == getpid(), syscall(SYS_gettid) == getpid());
        in_thread(fork_here);
        return 12;
    }
    if (argc > 1) return 13;
    pipe(ends);
    self[readlink("/proc/self/exe", self, sizeof self - 1)] = 0;
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {
        {"exit while others go on", leave_with_others},
        {"exit in a thread", thread_leaves_process},
        {"the first thread ends first", first_leaves},
        {"all threads end", all_leave},
        {"a fault in a thread", thread_dies},
        {"abort in a thread", thread_aborts},
        {"a signal to the process", be_killed},
        {"a signal to a thread", thread_is_killed},
        {"execve in the first thread", execute_in_first},
        {"execve in another thread", execute_in_thread},
        {"execve when the first has ended", execute_after_first},
    };
    for (size_t i = 0; i < COUNT(ways); i++) ended(ways[i].name, in_child(ways[i].run));
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
