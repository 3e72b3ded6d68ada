/* Processes: fork, vfork, the wait family, pidfds, groups and sessions, prctl. */
#include "check.h"
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <linux/sched.h>

static int exit_code;
static void exit_now(void) { _exit(exit_code); }
static void sleeper(void) { for (;;) pause(); }
static pid_t spawn(void (*function)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        function();
        _exit(0);
    }
    return pid;
}
static volatile int shared_value;
static int thread_like(void *argument)
{
    shared_value = *(int *)argument;
    return 17;
}
static volatile int handled;
static void note(int signal) { handled = signal; }

static void fork_bomb(void)
{
    /* A generation each. */
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid != 0) _exit(pid < 0 ? 99 : WEXITSTATUS(wait_for(pid)) + 1);
    }
    _exit(1);
}

int children_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    int status;
    siginfo_t info;
    exit_code = 300;
    ended("exit status of 8 bits", in_child(exit_now));
    ended("five generations", in_child(fork_bomb));
    result("no children", wait(&status));
    result("no children without waiting", waitpid(-1, &status, WNOHANG));
    result("waitpid of unknown flags", waitpid(-1, &status, 0x1000));

    pid_t pid = spawn(sleeper);
    result("WNOHANG", waitpid(pid, &status, WNOHANG));
    result("waitpid of a foreign process", waitpid(getppid(), &status, 0));
    kill(pid, SIGSTOP);
    holds("WUNTRACED", waitpid(pid, &status, WUNTRACED) == pid);
    ended("its status", status);
    result("told only once", waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    holds("WCONTINUED", waitpid(pid, &status, WCONTINUED) == pid);
    ended("its status", status);
    memset(&info, 0, sizeof info);
    kill(pid, SIGSTOP);
    result("waitid of a stop", waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
    show("its siginfo", "signal %d code %d status %d", info.si_signo, info.si_code, info.si_status);
    result("waitid again", waitid(P_PID, pid, &info, WSTOPPED));
    memset(&info, 0xff, sizeof info);
    result("waitid with nothing", waitid(P_PID, pid, &info, WEXITED | WNOHANG));
    show("its siginfo", "%d %d", info.si_signo, info.si_pid);
    kill(pid, SIGKILL);
    result("waitid of a kill", waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    show("its siginfo", "signal %d code %d status %d", info.si_signo, info.si_code, info.si_status);
    struct rusage usage;
    memset(&usage, 0xff, sizeof usage);
    holds("wait4", wait4(pid, &status, 0, &usage) == pid && usage.ru_utime.tv_sec == 0);
    result("waitid without kinds", waitid(P_ALL, 0, &info, 0));
    result("waitid of unknown id", waitid(9, 0, &info, WEXITED));

    int order = 0;
    exit_code = 5;
    pid_t first = spawn(exit_now);
    exit_code = 6;
    pid_t second = spawn(exit_now);
    wait_for(second);
    order = wait_for(first);
    ended("waiting in another order", order);

    /* vfork's child lends its parent's memory. */
    volatile int value = 1;
    pid = vfork();
    if (pid == 0) {
        value = 42;
        _exit(3);
    }
    ended("vfork", wait_for(pid));
    show("its child's store", "%d", value);
    pid = vfork();
    if (pid == 0) {
        execl("/nonexistent", "x", NULL);
        value = errno;
        _exit(4);
    }
    wait_for(pid);
    show("errno of a failed exec in it", "%s", strerrorname_np(value));

    static char stack[65536] __attribute__((aligned(16)));
    int argument = 23;
    pid = clone(thread_like, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &argument);
    ended("clone with CLONE_VM and CLONE_VFORK", wait_for(pid));
    show("its store", "%d", shared_value);
    argument = 24;
    pid = clone(thread_like, stack + sizeof stack, SIGCHLD, &argument);
    ended("clone without CLONE_VM", wait_for(pid));
    show("its store", "%d", shared_value);
    handle(SIGUSR1, note, 0);
    pid = clone(thread_like, stack + sizeof stack, SIGUSR1, &argument);
    ended("clone with another exit signal", (waitpid(pid, &status, __WCLONE), status));
    show("that signal came", "%d", handled == SIGUSR1);
    pid = clone(thread_like, stack + sizeof stack, 0, &argument);
    result("clone without an exit signal is not waited for", waitpid(pid, &status, 0));
    holds("but with __WALL", waitpid(pid, &status, __WALL) == pid);
    pid_t tid_in_parent = 0, tid_in_child = 0;
    pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, &tid_in_parent, 0, &tid_in_child);
    if (pid == 0) _exit(tid_in_child == getpid() && getpid() == gettid());
    show("CLONE_CHILD_SETTID", "%d", WEXITSTATUS(wait_for(pid)));
    holds("CLONE_PARENT_SETTID", tid_in_parent == pid);
    int pidfd = -1;
    pid = syscall(SYS_clone, SIGCHLD | CLONE_PIDFD, 0, &pidfd, 0, 0);
    if (pid == 0) _exit(11);
    struct pollfd poll_fd = {pidfd, POLLIN, 0};
    result("CLONE_PIDFD's descriptor polls", poll(&poll_fd, 1, 2000));
    result("waitid of it", waitid(P_PIDFD, pidfd, &info, WEXITED));
    show("its status", "%d", info.si_status);
    close(pidfd);
    struct clone_args arguments = {.exit_signal = SIGCHLD, .flags = CLONE_PARENT_SETTID, .parent_tid = (u32)&tid_in_parent};
    pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) _exit(12);
    if (pid < 0) result("clone3", pid);
    else {
        ended("clone3", wait_for(pid));
        holds("its parent_tid", tid_in_parent == pid);
    }
    result("clone3 of a size too small", syscall(SYS_clone3, &arguments, 8));
    arguments.flags = CLONE_THREAD;
    result("clone3 of threads without memory", syscall(SYS_clone3, &arguments, sizeof arguments));

    pid = spawn(sleeper);
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    result("pidfd_send_signal 0", syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
    result("pidfd_send_signal", syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0));
    ended("it ends", wait_for(pid));
    result("pidfd_send_signal to the dead", syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
    result("pidfd_open of nobody", syscall(SYS_pidfd_open, 0x3ffffff, 0));
    result("pidfd_open with flags", syscall(SYS_pidfd_open, getpid(), 1));
    close(pidfd);

    /* Groups and sessions. */
    pid = spawn(sleeper);
    result("setpgid", setpgid(pid, pid));
    holds("getpgid", getpgid(pid) == pid);
    result("kill of a group", kill(-pid, SIGUSR2));
    ended("its process", wait_for(pid));
    result("setpgid of nobody", setpgid(0x3ffffff, 0));
    result("setpgid to a negative group", setpgid(0, -1));
    pid = fork();
    if (pid == 0) {
        holds("setsid", setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
        result("setsid of a leader", setsid());
        _exit(0);
    }
    wait_for(pid);
    pid = spawn(sleeper);
    pid_t other = fork();
    if (other == 0) {
        setpgid(0, pid);
        sleeper();
    }
    setpgid(pid, pid);
    setpgid(other, pid);
    milliseconds(20);
    kill(-pid, SIGKILL);
    int count = 0;
    while (waitpid(-pid, &status, 0) > 0) count++;
    show("wait of a group", "%d", count);

    /* Orphans. */
    int pipes[2];
    if (pipe(pipes) < 0) return 1;
    pid_t parent = getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            for (int i = 0; i < 1000 && getppid() != parent; i++) milliseconds(2);
            _exit(getppid() == parent ? 1 : 2);
        }
        _exit(0);
    }
    wait_for(pid);
    ended("grandchild comes to the subreaper", wait_for(-1));
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    int reaper = 7;
    prctl(PR_GET_CHILD_SUBREAPER, &reaper);
    show("PR_GET_CHILD_SUBREAPER", "%d", reaper);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGUSR2);
        int signal = 0;
        prctl(PR_GET_PDEATHSIG, &signal);
        show("PR_GET_PDEATHSIG", "%d", signal);
        _exit(0);
    }
    wait_for(pid);
    char name[20] = "";
    result("PR_SET_NAME", prctl(PR_SET_NAME, "a name that is too long"));
    prctl(PR_GET_NAME, name);
    show("PR_GET_NAME", "%s", name);
    show("dumpable", "%d", prctl(PR_GET_DUMPABLE));
    prctl(PR_SET_DUMPABLE, 0);
    show("not dumpable", "%d", prctl(PR_GET_DUMPABLE));
    prctl(PR_SET_DUMPABLE, 1);
    result("PR_SET_KEEPCAPS of 5", prctl(PR_SET_KEEPCAPS, 5));
    result("unknown option", prctl(12345, 0, 0, 0, 0));
    result("PR_GET_NO_NEW_PRIVS", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    result("PR_GET_SECCOMP", prctl(PR_GET_SECCOMP));
    result("PR_GET_TIMERSLACK", prctl(PR_GET_TIMERSLACK) > 0);

    /* What a child has of its parent. */
    handled = 0;
    handle(SIGUSR1, note, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    pid = fork();
    if (pid == 0) {
        sigset_t waiting, mask;
        sigpending(&waiting);
        sigprocmask(SIG_BLOCK, NULL, &mask);
        struct sigaction action;
        sigaction(SIGUSR1, NULL, &action);
        show("child's signals", "pending %d blocked %d handler %d", sigismember(&waiting, SIGUSR1), sigismember(&mask, SIGUSR1),
             action.sa_handler == note);
        show("child's alarm", "%u", alarm(0));
        _exit(0);
    }
    alarm(0);
    wait_for(pid);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    show("parent's is still there", "%d", handled == SIGUSR1);
    int file = open("offset", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (write(file, "0123456789", 10) != 10) return 1;
    lseek(file, 2, SEEK_SET);
    pid = fork();
    if (pid == 0) {
        char two[2];
        _exit(read(file, two, 2) != 2);
    }
    wait_for(pid);
    show("offset is shared", "%d", (int)lseek(file, 0, SEEK_CUR));
    unlink("offset");
    /* Of the processor's time: others may have it as well. */
    struct rusage before, after;
    getrusage(RUSAGE_CHILDREN, &before);
    for (int i = 0; i < 20; i++) in_child(exit_now);
    getrusage(RUSAGE_CHILDREN, &after);
#define SPENT(usage) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
    holds("twenty forks are quick", SPENT(after) - SPENT(before) < 5);
    return 0;
}
