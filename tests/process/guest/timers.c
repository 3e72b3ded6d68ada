/* Timers: setitimer, alarm, timer_create, timerfd, and the clocks behind them. */
#include "check.h"
#include <poll.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static volatile int count, code, value, overrun;
/* How soon anything happens depends on what else the machine does. */
#define LONG 40000
static void tick(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    if (count++ == 0) overrun = info->si_overrun;
    code = info->si_code;
    value = info->si_value.sival_int;
}

static void wait_until(int wanted)
{
    long start = now();
    while (count < wanted && now() - start < LONG) milliseconds(2);
}

static void burn_until(int wanted)
{
    long start = now();
    while (count < wanted && now() - start < LONG);
}

int timers_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct itimerval timer, old;
    handle(SIGALRM, tick, SA_SIGINFO);
    handle(SIGVTALRM, tick, SA_SIGINFO);
    handle(SIGPROF, tick, SA_SIGINFO);
    handle(SIGRTMIN, tick, SA_SIGINFO);

    result("alarm", alarm(100));
    unsigned rest = alarm(0);
    holds("alarm again tells the rest", rest > 60 && rest <= 100);
    timer = (struct itimerval){{0, 10000}, {0, 10000}};
    result("setitimer", setitimer(ITIMER_REAL, &timer, NULL));
    wait_until(3);
    holds("interval timer goes on", count >= 3);
    show("its siginfo", "code %#x", code);
    timer = (struct itimerval){0};
    setitimer(ITIMER_REAL, &timer, &old);
    show("interval read back", "%ld", old.it_interval.tv_usec);
    timer = (struct itimerval){{0, 0}, {50, 500000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    getitimer(ITIMER_REAL, &old);
    holds("getitimer", old.it_value.tv_sec <= 50 && old.it_value.tv_sec >= 10);
    rest = alarm(0);
    holds("alarm tells of it", rest <= 51 && rest >= 10);
    timer.it_value.tv_usec = 1000000;
    result("setitimer with bad microseconds", setitimer(ITIMER_REAL, &timer, NULL));
    result("setitimer of unknown kind", setitimer(7, &timer, NULL));
    count = 0;
    timer = (struct itimerval){{0, 0}, {0, 10000}};
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    burn_until(1);
    holds("virtual timer", count == 1);
    count = 0;
    setitimer(ITIMER_PROF, &timer, NULL);
    burn_until(1);
    holds("profiling timer", count == 1);

    timer_t id, second;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 0x1234};
    result("timer_create", timer_create(CLOCK_MONOTONIC, &event, &id));
    struct itimerspec spec = {{0, 0}, {0, 5000000}}, before;
    count = 0;
    result("timer_settime", timer_settime(id, 0, &spec, NULL));
    wait_until(1);
    show("its signal", "%d code %d value %#x", count, code, value);
    timer_gettime(id, &before);
    show("expired timer", "%ld %ld", (long)before.it_value.tv_sec, before.it_value.tv_nsec);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    count = 0;
    spec = (struct itimerspec){{0, 5000000}, {0, 5000000}};
    timer_settime(id, 0, &spec, NULL);
    milliseconds(120);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    holds("expirations while blocked are one signal", count >= 1 && overrun >= 5);
    spec = (struct itimerspec){0};
    timer_settime(id, 0, &spec, &before);
    show("interval read back", "%ld", before.it_interval.tv_nsec);
    /* An absolute time. */
    clock_gettime(CLOCK_MONOTONIC, &spec.it_value);
    spec.it_value.tv_nsec += 10000000;
    if (spec.it_value.tv_nsec >= 1000000000) spec.it_value.tv_sec++, spec.it_value.tv_nsec -= 1000000000;
    count = 0;
    timer_settime(id, TIMER_ABSTIME, &spec, NULL);
    wait_until(1);
    show("absolute time", "%d", count);
    event.sigev_notify = SIGEV_NONE;
    result("timer without a signal", timer_create(CLOCK_REALTIME, &event, &second));
    spec = (struct itimerspec){{0, 0}, {100, 0}};
    timer_settime(second, 0, &spec, NULL);
    timer_gettime(second, &before);
    holds("it runs", before.it_value.tv_sec < 100 && before.it_value.tv_sec >= 50);
    result("timer_delete", timer_delete(second));
    result("timer_settime afterwards", timer_settime(second, 0, &spec, NULL));
    event.sigev_notify = SIGEV_THREAD_ID;
    event._sigev_un._tid = gettid();
    result("timer for a thread", timer_create(CLOCK_MONOTONIC, &event, &second));
    spec = (struct itimerspec){{0, 0}, {0, 1000000}};
    count = 0;
    timer_settime(second, 0, &spec, NULL);
    wait_until(1);
    show("its signal", "%d value %#x", count, value);
    result("timer_create with NULL", timer_create(CLOCK_REALTIME, NULL, &second));
    count = 0;
    timer_settime(second, 0, &spec, NULL);
    wait_until(1);
    show("its SIGALRM", "%d", count);
    result("timer of an unknown clock", timer_create(99, &event, &second));
    event.sigev_signo = 99;
    result("timer with an unknown signal", timer_create(CLOCK_REALTIME, &event, &second));
    /* Timers are not inherited. */
    event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    pid_t pid = fork();
    if (pid == 0) {
        spec = (struct itimerspec){{0, 0}, {0, 1000000}};
        result("parent's timer in a child", timer_settime(id, 0, &spec, NULL));
        _exit(0);
    }
    wait_for(pid);

    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    u64 expirations;
    result("read of a timerfd too early", read(fd, &expirations, 8));
    spec = (struct itimerspec){{0, 5000000}, {0, 5000000}};
    result("timerfd_settime", timerfd_settime(fd, 0, &spec, NULL));
    struct pollfd poll_fd = {fd, POLLIN, 0};
    result("poll of it", poll(&poll_fd, 1, LONG));
    milliseconds(20);
    result("read of it", read(fd, &expirations, 8));
    holds("expirations", expirations >= 2);
    timerfd_gettime(fd, &before);
    show("its interval", "%ld", before.it_interval.tv_nsec);
    result("read of 4 bytes", read(fd, &expirations, 4));
    result("timerfd of an unknown clock", timerfd_create(77, 0));

    struct timespec resolution;
    for (int clock = 0; clock < 12; clock++) {
        char name[20];
        sprintf(name, "clock %d", clock);
        result(name, clock_getres(clock, &resolution));
    }
    clockid_t cpu;
    clock_getcpuclockid(0, &cpu);
    result("cpu clock", clock_gettime(cpu, &resolution));
    result("setting of a cpu clock", clock_settime(cpu, &resolution));
    return 0;
}
