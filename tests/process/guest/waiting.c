/* sigsuspend, sigtimedwait, sigqueue and the order of real-time signals. */
#include "check.h"
#include <poll.h>

static volatile int order[64], values[64], ordered;
static void in_order(int signal, siginfo_t *info, void *context)
{
    (void)context;
    order[ordered] = signal;
    values[ordered++] = info->si_value.sival_int;
}

static volatile int count;
static void counting(int signal)
{
    (void)signal;
    count++;
}

static void send_later(int signal, int delay)
{
    pid_t parent = getpid();
    if (fork() == 0) {
        milliseconds(delay);
        kill(parent, signal);
        _exit(0);
    }
}

/* Sends a signal every now and then: the first may come before the parent waits for it. */
static pid_t keep_sending(int signal)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        for (;;) {
            milliseconds(20);
            kill(parent, signal);
        }
    return child;
}

static void stop_sending(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* A signal interrupts each sleep, or comes just before it. */
static void remains_of_sleeps(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec often = {{0, 300000}, {0, 300000}};
    timer_t timer;
    handle(SIGUSR2, counting, 0);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &often, NULL);
    int wrong = 0;
    for (int i = 0; i < 800; i++) {
        /* Long and short in turn: what remains of one is too much for the other. */
        struct timespec asked = {i % 2 ? 5 : 0, 1000000}, left = {10, 0};
        int answer = i % 4 < 2 ? nanosleep(&asked, &left) : -clock_nanosleep(CLOCK_MONOTONIC, 0, &asked, &left);
        long long more = (left.tv_sec - asked.tv_sec) * 1000000000LL + left.tv_nsec - asked.tv_nsec;
        /* The kernel may count its own tolerance in. */
        wrong += answer != 0 && more > 1000000;
    }
    timer_delete(timer);
    show("sleeps of which more remains than was asked", "%d", wrong);
}

int waiting_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    sigset_t all, none, set;
    sigfillset(&all);
    sigemptyset(&none);
    struct sigaction action = {.sa_sigaction = in_order, .sa_flags = SA_SIGINFO, .sa_mask = all};

    int mixed[] = {SIGRTMIN + 5, SIGRTMIN + 1, SIGUSR2, SIGRTMIN + 5, SIGRTMIN + 1, SIGUSR1, SIGHUP};
    for (size_t i = 0; i < COUNT(mixed); i++) sigaction(mixed[i], &action, NULL);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (size_t i = 0; i < COUNT(mixed); i++) sigqueue(getpid(), mixed[i], (union sigval){.sival_int = i});
    sigprocmask(SIG_SETMASK, &none, NULL);
    char line[200] = "";
    for (int i = 0; i < ordered; i++)
        sprintf(line + strlen(line), " %d=%d", order[i] >= SIGRTMIN ? order[i] - SIGRTMIN + 100 : order[i], values[i]);
    show("order of delivery", "%s", line);

    /* Frames are stacked: without the mask, the last runs first. */
    ordered = 0;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT(mixed); i++) sigaction(mixed[i], &action, NULL);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 1 + i, (union sigval){.sival_int = i});
    sigaction(SIGRTMIN + 2, &action, NULL);
    sigaction(SIGRTMIN + 3, &action, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    line[0] = 0;
    for (int i = 0; i < ordered; i++) sprintf(line + strlen(line), " %d", values[i]);
    show("nested delivery", "%s", line);

    ordered = 0;
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < 40; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
    sigprocmask(SIG_SETMASK, &none, NULL);
    int sum = 0;
    for (int i = 0; i < ordered; i++) sum += values[i] * (i + 1);
    show("forty of one kind", "%d sum %d", ordered, sum);

    handle(SIGUSR1, counting, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    result("sigsuspend", sigsuspend(&none));
    sigprocmask(SIG_BLOCK, NULL, &set);
    show("handler ran, mask is back", "%d %d", count, sigismember(&set, SIGUSR1));
    send_later(SIGUSR1, 20);
    result("sigsuspend that waits", sigsuspend(&none));
    show("handler ran", "%d", count);
    wait(NULL);

    siginfo_t info;
    struct timespec zero = {0}, short_time = {0, 20000000}, long_time = {5, 0}, bad = {0, 1000000000};
    result("sigtimedwait with nothing there", sigtimedwait(&set, &info, &zero));
    long start = now();
    result("sigtimedwait that times out", sigtimedwait(&set, &info, &short_time));
    holds("after its time", now() - start >= 19 && now() - start < 2000);
    result("sigtimedwait with a bad time", sigtimedwait(&set, &info, &bad));
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});
    result("sigtimedwait with one waiting", sigtimedwait(&set, &info, &zero));
    show("its siginfo", "%d code %d value %d", info.si_signo, info.si_code, info.si_value.sival_int);
    send_later(SIGUSR1, 20);
    result("sigwaitinfo", sigwaitinfo(&set, &info));
    show("from kill", "%d code %d", info.si_signo, info.si_code);
    wait(NULL);
    /* A signal outside of the set, handled: EINTR. */
    handle(SIGUSR2, counting, SA_RESTART);
    pid_t sender = keep_sending(SIGUSR2);
    result("sigtimedwait interrupted", sigtimedwait(&set, &info, &long_time));
    stop_sending(sender);
    int got;
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 3 - i, (union sigval){.sival_int = i});
    raise(SIGSEGV);
    raise(SIGTERM);
    line[0] = 0;
    while (sigtimedwait(&all, &info, &zero) > 0)
        sprintf(line + strlen(line), " %d", info.si_signo >= SIGRTMIN ? info.si_signo - SIGRTMIN + 100 : info.si_signo);
    show("sigtimedwait's order", "%s", line);
    raise(SIGCHLD);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    result("sigwait of a signal ignored by default", sigwait(&set, &got));
    show("got it", "%d", got == SIGCHLD);
    /* A child's end while SIGCHLD is blocked. */
    pid_t pid = fork();
    if (pid == 0) _exit(5);
    result("sigwaitinfo of a child's end", sigwaitinfo(&set, &info));
    show("its child", "%d code %d status %d", info.si_pid == pid, info.si_code, info.si_status);
    wait(NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);

    /* ppoll's and pselect's mask holds only during the call. */
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_SETMASK, &set, NULL);
    raise(SIGUSR1);
    result("ppoll with another mask", ppoll(NULL, 0, &long_time, &none));
    show("handler ran", "%d", count);
    result("ppoll with nothing", ppoll(NULL, 0, &zero, &none));
    raise(SIGUSR1);
    result("pselect with another mask", pselect(0, NULL, NULL, NULL, &long_time, &none));
    show("handler ran", "%d", count);
    sigprocmask(SIG_BLOCK, NULL, &set);
    show("blocked again", "%d", sigismember(&set, SIGUSR1));
    sigprocmask(SIG_SETMASK, &none, NULL);
    sender = keep_sending(SIGUSR1);
    result("pause", pause());
    stop_sending(sender);

    /* To a loop that makes no call. */
    count = 0;
    send_later(SIGUSR1, 20);
    while (count == 0);
    show("tight loop is interrupted", "%d", count);
    wait(NULL);
    struct itimerspec tick = {.it_value = {0, 5000000}};
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    int late = 0;
    for (int i = 0; i < 10; i++) {
        count = 0;
        timer_settime(timer, 0, &tick, NULL);
        struct timespec from, to;
        /* Of the processor's time: others may have it as well. */
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        while (count == 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        late += (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 > 15;
    }
    holds("most of ten within 10 ms", late < 5);
    remains_of_sleeps();
    return 0;
}
