/* poll, select, epoll, eventfd, inotify, signalfd. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>

static void drain(int fd)
{
    char buffer[4096] __attribute__((aligned(8)));
    int length = read(fd, buffer, sizeof buffer);
    for (char *at = buffer; at < buffer + length;) {
        struct inotify_event *event = (struct inotify_event *)at;
        show("inotify", "%#x %s cookie %d", event->mask, event->len ? event->name : "", event->cookie != 0);
        at += sizeof *event + event->len;
    }
    if (length < 0) result("inotify", length);
}

int events_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    int pipes[2];
    if (pipe(pipes) < 0) return 1;
    struct pollfd polls[3] = {{pipes[0], POLLIN, 0}, {pipes[1], POLLOUT, 0}, {99, POLLIN, 0}};
    result("poll", poll(polls, 3, 0));
    show("its events", "%x %x %x", polls[0].revents, polls[1].revents, polls[2].revents);
    polls[2].fd = -5;
    result("poll of a negative descriptor", poll(polls, 3, 0));
    result("poll of too many", poll(polls, 1 << 20, 0));
    result("poll at a bad address", poll((struct pollfd *)8, 1, 0));
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(pipes[0], &in);
    FD_SET(pipes[1], &out);
    struct timeval timeout = {0, 10000};
    result("select", select(pipes[1] + 1, &in, &out, NULL, &timeout));
    show("its sets", "%d %d", FD_ISSET(pipes[0], &in), FD_ISSET(pipes[1], &out));
    FD_ZERO(&in);
    FD_SET(pipes[0], &in);
    result("select that times out", select(pipes[1] + 1, &in, NULL, NULL, &timeout));
    show("time left", "%ld %ld", (long)timeout.tv_sec, (long)timeout.tv_usec);
    /* A low one: the kernel does not look at descriptors beyond the process's table, whose size is inherited. */
    int closed = dup(pipes[0]);
    close(closed);
    FD_SET(closed, &in);
    result("select of a closed descriptor", select(closed + 1, &in, NULL, NULL, &timeout));
    result("select of a negative count", select(-1, NULL, NULL, NULL, &timeout));

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788ull}, got[4];
    result("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event));
    result("EPOLL_CTL_ADD again", epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event));
    event.data.u32 = 7;
    event.events = EPOLLOUT;
    result("EPOLL_CTL_ADD", epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[1], &event));
    if (write(pipes[1], "x", 1) != 1) return 1;
    result("epoll_wait", epoll_wait(epoll, got, 4, 0));
    show("its events", "%x %llx, %x %u", got[0].events, (unsigned long long)got[0].data.u64, got[1].events, got[1].data.u32);
    result("EPOLL_CTL_DEL", epoll_ctl(epoll, EPOLL_CTL_DEL, pipes[1], NULL));
    event.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
    result("EPOLL_CTL_MOD", epoll_ctl(epoll, EPOLL_CTL_MOD, pipes[0], &event));
    result("one shot", epoll_wait(epoll, got, 4, 0));
    result("only once", epoll_wait(epoll, got, 4, 0));
    result("epoll of a file", epoll_ctl(epoll, EPOLL_CTL_ADD, open("/proc/self/exe", O_RDONLY), &event));
    result("epoll of itself", epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event));
    result("epoll_wait of no events", epoll_wait(epoll, got, 0, 0));
    result("epoll_create of no size", syscall(SYS_epoll_create, 0));
    struct timespec zero = {0};
    result("epoll_pwait2", syscall(SYS_epoll_pwait2, epoll, got, 4, (long long[]){0, 1000}, NULL, 0));
    (void)zero;

    int counter = eventfd(5, EFD_NONBLOCK);
    u64 value;
    result("eventfd", read(counter, &value, 8));
    show("its value", "%llu", value);
    result("empty eventfd", read(counter, &value, 8));
    value = 3;
    if (write(counter, &value, 8) != 8 || write(counter, &value, 8) != 8) return 1;
    if (read(counter, &value, 8) != 8) return 1;
    show("sum", "%llu", value);
    value = ~0ull;
    result("too much", write(counter, &value, 8));
    int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    if (read(semaphore, &value, 8) != 8) return 1;
    show("semaphore", "%llu", value);
    result("eventfd of 4 bytes", read(semaphore, &value, 4));

    int watcher = inotify_init1(IN_NONBLOCK);
    mkdir("watched", 0700);
    int watch = inotify_add_watch(watcher, "watched", IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_MODIFY);
    holds("inotify_add_watch", watch > 0);
    int fd = open("watched/file", O_RDWR | O_CREAT, 0600);
    if (write(fd, "x", 1) != 1) return 1;
    close(fd);
    rename("watched/file", "watched/another");
    unlink("watched/another");
    drain(watcher);
    int waiting = 0;
    close(open("watched/second", O_CREAT | O_WRONLY, 0600));
    unlink("watched/second");
    milliseconds(1);
    drain(watcher);
    (void)waiting;
    result("inotify_rm_watch", inotify_rm_watch(watcher, watch));
    drain(watcher);
    result("inotify of nothing", inotify_add_watch(watcher, "nothing", IN_CREATE));
    rmdir("watched");

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct signalfd_siginfo info;
    if (signals < 0) result("signalfd", -1);
    else {
        result("signalfd with nothing", read(signals, &info, sizeof info));
        raise(SIGUSR1);
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 99});
        struct pollfd poll_fd = {signals, POLLIN, 0};
        result("poll of it", poll(&poll_fd, 1, 100));
        result("signalfd", read(signals, &info, sizeof info));
        show("its signal", "%u code %d", info.ssi_signo, info.ssi_code);
        result("the next", read(signals, &info, sizeof info));
        show("its value", "%d", info.ssi_int);
        result("and no more", read(signals, &info, sizeof info));
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        result("its set is changed", signalfd(signals, &set, 0) == signals);
        raise(SIGUSR2);
        fcntl(signals, F_SETFL, 0);
        result("signalfd that blocks", read(signals, &info, sizeof info));
        show("its signal", "%u", info.ssi_signo);
        pid_t pid = fork();
        if (pid == 0) {
            milliseconds(20);
            kill(getppid(), SIGUSR1);
            _exit(0);
        }
        result("and waits", read(signals, &info, sizeof info));
        show("its signal", "%u from %d", info.ssi_signo, info.ssi_pid == (u32)pid);
        wait_for(pid);
        sigset_t pending;
        sigpending(&pending);
        show("it is not pending any more", "%d", sigismember(&pending, SIGUSR1));
    }
    return 0;
}
