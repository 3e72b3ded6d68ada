/* Record locks, flock, open file description locks and leases. */
#include "check.h"
#include <sys/file.h>

static int fd;
static int try_lock(int type, int start, int length)
{
    struct flock lock = {.l_type = type, .l_start = start, .l_len = length};
    return fcntl(fd, F_SETLK, &lock);
}
static volatile int handled, handled_fd;
static void note(int signal, siginfo_t *info, void *context)
{
    (void)context;
    handled = signal;
    handled_fd = info->si_fd;
}

int locks_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    fd = open("locked", O_RDWR | O_CREAT, 0600);
    result("write lock", try_lock(F_WRLCK, 0, 10));
    result("second range", try_lock(F_RDLCK, 20, 10));
    int told[2];
    if (pipe(told) < 0) return 1;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        struct flock lock = {.l_type = F_RDLCK, .l_start = 5, .l_len = 1};
        result("F_GETLK in a child", fcntl(fd, F_GETLK, &lock));
        show("who holds it", "type %d from %d length %d parent %d", lock.l_type, (int)lock.l_start, (int)lock.l_len, lock.l_pid == parent);
        result("lock held by another", try_lock(F_RDLCK, 5, 1));
        result("read lock over a read lock", try_lock(F_RDLCK, 22, 1));
        result("write lock over a read lock", try_lock(F_WRLCK, 22, 1));
        struct flock64 large = {.l_type = F_WRLCK, .l_start = 0x200000000ll, .l_len = 5};
        result("F_SETLK64 beyond 4 GiB", fcntl(fd, F_SETLK64, &large));
        large.l_start = 3;
        result("F_GETLK64", fcntl(fd, F_GETLK64, &large));
        show("who holds it", "type %d from %lld length %lld", large.l_type, (long long)large.l_start, (long long)large.l_len);
        if (write(told[1], "x", 1) != 1) _exit(1);
        struct flock wait = {.l_type = F_WRLCK, .l_start = 0, .l_len = 5};
        result("F_SETLKW", fcntl(fd, F_SETLKW, &wait));
        _exit(0);
    }
    char byte;
    if (read(told[0], &byte, 1) != 1) return 1;
    milliseconds(20);
    struct flock unlock = {.l_type = F_UNLCK};
    fcntl(fd, F_SETLKW, &unlock);
    wait_for(pid);
    struct flock bad = {.l_type = 9};
    result("lock of unknown type", fcntl(fd, F_SETLK, &bad));
    result("lockf", lockf(fd, F_LOCK, 10));
    result("F_TEST", lockf(fd, F_TEST, 10));
    lockf(fd, F_ULOCK, 0);

    int again = open("locked", O_RDWR);
    result("flock", flock(fd, LOCK_EX));
    result("flock of another description", flock(again, LOCK_EX | LOCK_NB));
    result("shared after exclusive", flock(fd, LOCK_SH));
    result("shared twice", flock(again, LOCK_SH | LOCK_NB));
    flock(fd, LOCK_UN), flock(again, LOCK_UN);
    struct flock64 open_lock = {.l_type = F_WRLCK};
    result("F_OFD_SETLK", fcntl(fd, F_OFD_SETLK, &open_lock));
    result("of another description", fcntl(again, F_OFD_SETLK, &open_lock));
    open_lock.l_pid = 0;
    result("F_OFD_GETLK", fcntl(again, F_OFD_GETLK, &open_lock));
    show("who holds it", "%d", open_lock.l_pid);
    open_lock = (struct flock64){.l_type = F_UNLCK};
    fcntl(fd, F_OFD_SETLK, &open_lock);
    close(again);

    /* Signals about descriptors. */
    int pipes[2];
    if (pipe(pipes) < 0) return 1;
    handle(SIGIO, note, SA_SIGINFO);
    handle(SIGRTMIN + 1, note, SA_SIGINFO);
    result("F_SETOWN", fcntl(pipes[0], F_SETOWN, getpid()));
    holds("F_GETOWN", fcntl(pipes[0], F_GETOWN) == getpid());
    result("O_ASYNC", fcntl(pipes[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    if (write(pipes[1], "x", 1) != 1) return 1;
    milliseconds(5);
    show("SIGIO", "%d", handled == SIGIO);
    result("F_SETSIG", fcntl(pipes[0], F_SETSIG, SIGRTMIN + 1));
    result("F_GETSIG", fcntl(pipes[0], F_GETSIG) - SIGRTMIN);
    handled = 0;
    if (write(pipes[1], "x", 1) != 1) return 1;
    milliseconds(5);
    show("the signal chosen", "%d its descriptor %d", handled == SIGRTMIN + 1, handled_fd == pipes[0]);
    struct f_owner_ex owner = {F_OWNER_PID, getpid()};
    result("F_SETOWN_EX", fcntl(pipes[0], F_SETOWN_EX, &owner));
    result("F_SETLEASE", fcntl(fd, F_SETLEASE, F_WRLCK));
    result("F_GETLEASE", fcntl(fd, F_GETLEASE));
    fcntl(fd, F_SETLEASE, F_UNLCK);
    unlink("locked");
    return 0;
}
