/* Which calls a handler interrupts, and which begin again after it (signal(7)). */
#include "check.h"
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>

static volatile int count;
static int release_fd = -1;
static void tick(int signal)
{
    (void)signal;
    /* The second one lets the call go on that began again. */
    if (++count == 2 && release_fd >= 0 && write(release_fd, "x", 1) < 0) _exit(98);
}

static void start(int flags)
{
    count = 0;
    handle(SIGALRM, tick, flags);
    struct itimerval timer = {{0, 20000}, {0, 20000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void stop(const char *name, long value)
{
    int error = errno;
    struct itimerval timer = {0};
    setitimer(ITIMER_REAL, &timer, NULL);
    show(name, "%s after %s", value == -1 ? strerrorname_np(error) : value == 0 ? "0" : "positive", count == 0 ? "none" : "some");
}

#define TRY(name, call) \
    do { \
        start(0); \
        long returned = call; \
        stop(name, returned); \
    } while (0)
#define AGAIN(name, call) \
    do { \
        start(SA_RESTART); \
        long returned = call; \
        stop(name ", SA_RESTART", returned); \
    } while (0)
#define BOTH(name, call) \
    do { \
        release_fd = -1; \
        TRY(name, call); \
        release_fd = pipes[1]; \
        AGAIN(name, call); \
        release_fd = -1; \
        while (read(pipes[0], drain, sizeof drain) > 0); \
    } while (0)

int restart_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    int pipes[2], pair[2];
    char byte, drain[10];
    result("pipe", pipe(pipes));
    result("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    /* Long: how soon a tick comes depends on what else the machine does. */
    struct timespec minute = {60, 0}, short_time = {0, 60000000}, left;

#define BLOCKING(fd, on) fcntl(fd, F_SETFL, (fcntl(fd, F_GETFL) & ~O_NONBLOCK) | (on ? 0 : O_NONBLOCK))
    BLOCKING(pipes[0], 1);
    TRY("read of a pipe", read(pipes[0], &byte, 1));
    release_fd = pipes[1];
    AGAIN("read of a pipe", read(pipes[0], &byte, 1));
    release_fd = -1;
    TRY("recv", recv(pair[0], &byte, 1, 0));
    release_fd = pair[1];
    AGAIN("recv", recv(pair[0], &byte, 1, 0));
    release_fd = -1;
    struct timeval timeout = {60, 0};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    TRY("recv with a timeout", recv(pair[0], &byte, 1, 0));
    AGAIN("recv with a timeout", recv(pair[0], &byte, 1, 0));
    BLOCKING(pipes[0], 0);

    struct pollfd poll_fd = {pipes[0], POLLIN, 0};
    BOTH("poll", poll(&poll_fd, 1, 60000));
    BOTH("ppoll", ppoll(&poll_fd, 1, &minute, NULL));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    struct timeval wait_time = {60, 0};
    BOTH("select", select(pipes[0] + 1, &set, NULL, NULL, &wait_time));
    BOTH("pselect", pselect(pipes[0] + 1, &set, NULL, NULL, &minute, NULL));
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
    BOTH("epoll_wait", epoll_wait(epoll, &event, 1, 60000));
    BOTH("pause", pause());
    BOTH("nanosleep", nanosleep(&minute, &left));
    start(0);
    int slept = nanosleep(&minute, &left);
    stop("nanosleep", slept);
    holds("nanosleep tells what is left", left.tv_sec < 60 && left.tv_sec >= 10);
    BOTH("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, &left) ? -1 : 0);
    sigset_t none, usr;
    sigemptyset(&none);
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    BOTH("sigsuspend", sigsuspend(&none));
    BOTH("sigtimedwait", sigtimedwait(&usr, NULL, &minute));

    int queue = msgget(IPC_PRIVATE, 0600);
    struct {
        long type;
        char text[8];
    } message;
    BOTH("msgrcv", msgrcv(queue, &message, sizeof message.text, 0, 0));
    msgctl(queue, IPC_RMID, NULL);
    int semaphore = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf down = {0, -1, 0};
    BOTH("semop", semop(semaphore, &down, 1));
    BOTH("semtimedop", semtimedop(semaphore, &down, 1, &minute));
    semctl(semaphore, 0, IPC_RMID);

    int value = 0;
    BOTH("futex wait", syscall(SYS_futex, &value, 0, 0, &minute, NULL, 0));

    /* Waits for a child, and for a lock that a child holds: until the second tick. */
    int told[2];
    if (pipe(told) < 0) return 1;
    pid_t pid = fork();
    if (pid == 0) {
        milliseconds(60000);
        _exit(0);
    }
    int status;
    TRY("waitpid", waitpid(pid, &status, 0));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    release_fd = told[1];
    pid = fork();
    if (pid == 0) _exit(read(told[0], &byte, 1) != 1);
    AGAIN("waitpid", waitpid(pid, &status, 0));
    pid = fork();
    if (pid == 0) _exit(read(told[0], &byte, 1) != 1);
    siginfo_t info;
    AGAIN("waitid", waitid(P_PID, pid, &info, WEXITED));

    int file = open("lock", O_RDWR | O_CREAT, 0600), other;
    int ready[2];
    if (pipe(ready) < 0) return 1;
    for (int again = 0; again < 2; again++) {
        pid = fork();
        if (pid == 0) {
            other = open("lock", O_RDWR);
            flock(other, LOCK_EX);
            fcntl(other, F_SETLK, &(struct flock){.l_type = F_WRLCK});
            if (write(ready[1], "r", 1) < 0) _exit(1);
            if (!again) milliseconds(60000);
            _exit(read(told[0], &byte, 1) != 1);
        }
        if (read(ready[0], &byte, 1) < 0) return 1;
        if (again) {
            release_fd = told[1];
            AGAIN("flock", flock(file, LOCK_EX));
            release_fd = -1;
            flock(file, LOCK_UN);
        } else {
            release_fd = -1;
            TRY("flock", flock(file, LOCK_EX));
            TRY("fcntl lock", fcntl(file, F_SETLKW, &(struct flock){.l_type = F_WRLCK}));
            kill(pid, SIGKILL);
        }
        waitpid(pid, &status, 0);
    }
    unlink("lock");

    /* Without a handler nothing is interrupted: ignored, stopped and continued. */
    signal(SIGALRM, SIG_IGN);
    struct itimerval timer = {{0, 20000}, {0, 20000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    result("nanosleep while signals are ignored", nanosleep(&short_time, NULL));
    result("poll while signals are ignored", poll(&poll_fd, 1, 60));
    timer = (struct itimerval){0};
    setitimer(ITIMER_REAL, &timer, NULL);
    pid_t self = getpid();
    pid = fork();
    if (pid == 0) {
        milliseconds(20);
        kill(self, SIGSTOP);
        milliseconds(20);
        kill(self, SIGCONT);
        _exit(0);
    }
    result("nanosleep while stopped", nanosleep(&short_time, NULL));
    waitpid(pid, &status, 0);
    pid = fork();
    if (pid == 0) {
        milliseconds(20);
        kill(self, SIGSTOP);
        milliseconds(20);
        kill(self, SIGCONT);
        milliseconds(20);
        if (write(pipes[1], "x", 1) < 0) _exit(1);
        _exit(0);
    }
    BLOCKING(pipes[0], 1);
    result("read while stopped", read(pipes[0], &byte, 1));
    waitpid(pid, &status, 0);
    return 0;
}
