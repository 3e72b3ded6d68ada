/* Processes of several threads: all the ways in which they end, and execve in them. */
#include "together.h"
#include <sys/prctl.h>

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
/* The kernel clears it as the first thread ends. */
static volatile int first_is_there = 1;
static void end_last(void)
{
    while (first_is_there) milliseconds(1);
    milliseconds(30);
}
static void all_leave(void)
{
    pthread_t thread;
    syscall(SYS_set_tid_address, &first_is_there);
    pthread_create(&thread, NULL, call, end_last);
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

int ending_program(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        show("executed", "same process %d, first thread %d", atoi(argv[2]) == getpid(), syscall(SYS_gettid) == getpid());
        in_thread(fork_here);
        return 12;
    }
    if (argc > 1) {
        /* `ending core`: four threads, one of which faults. */
        others();
        in_thread(die);
    }
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
    return 0;
}
