/* Clocks and sleeps in both widths of time. */
#include "check.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <utime.h>

struct wide {
    long long seconds, nanoseconds;
};

int times_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct wide wide = {0}, zero = {0, 1000}, bad = {0, 2000000000}, huge = {0x100000000ll, 0};
    struct timespec narrow;
    result("clock_gettime64", syscall(SYS_clock_gettime64, CLOCK_REALTIME, &wide));
    clock_gettime(CLOCK_REALTIME, &narrow);
    holds("the same second", narrow.tv_sec - wide.seconds <= 1 && wide.nanoseconds < 1000000000);
    result("clock_getres_time64", syscall(SYS_clock_getres_time64, CLOCK_MONOTONIC, &wide));
    show("resolution", "%lld %lld", wide.seconds, wide.nanoseconds);
    result("clock_nanosleep_time64", syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, &zero, NULL));
    result("with bad nanoseconds", syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, &bad, NULL));
    result("of an unknown clock", syscall(SYS_clock_nanosleep_time64, 99, 0, &zero, NULL));
    int pipes[2];
    if (pipe(pipes) < 0) return 1;
    struct pollfd poll_fd = {pipes[0], POLLIN, 0};
    result("ppoll_time64", syscall(SYS_ppoll_time64, &poll_fd, 1, &zero, NULL, 8));
    result("pselect6_time64", syscall(SYS_pselect6_time64, 0, NULL, NULL, NULL, &zero, NULL));
    int word = 0;
    result("futex_time64", syscall(SYS_futex_time64, &word, 0, 0, &zero, NULL, 0));
    result("futex of another value", syscall(SYS_futex_time64, &word, 0, 1, &huge, NULL, 0));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    result("rt_sigtimedwait_time64", syscall(SYS_rt_sigtimedwait_time64, &set, NULL, &zero, 8));
    int timer = timerfd_create(CLOCK_REALTIME, 0);
    struct wide setting[2] = {{0, 0}, {0x100000005ll, 7}}, back[2];
    result("timerfd_settime64", syscall(SYS_timerfd_settime64, timer, 1, setting, NULL));
    result("timerfd_gettime64", syscall(SYS_timerfd_gettime64, timer, back));
    holds("a time beyond 32 bits", back[1].seconds > 0x80000000ll);
    struct itimerspec narrow_setting;
    result("timerfd_gettime of it", syscall(SYS_timerfd_gettime, timer, &narrow_setting));
    struct timeval day;
    struct timezone zone = {7, 7};
    result("gettimeofday", syscall(SYS_gettimeofday, &day, &zone));
    holds("the same second", day.tv_sec - narrow.tv_sec <= 1);
    time_t seconds;
    holds("time", time(&seconds) == seconds && seconds - narrow.tv_sec <= 1);
    result("time at a bad address", syscall(SYS_time, 8));
    struct tms usage;
    holds("times", times(&usage) > 0);
    struct rusage resources;
    result("getrusage", getrusage(RUSAGE_SELF, &resources));
    holds("its maximum", resources.ru_maxrss > 0);
    result("getrusage of unknown kind", getrusage(55, &resources));
    struct timex state = {0};
    holds("adjtimex", adjtimex(&state) >= 0 && state.tick >= 9000);
    result("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &state) >= 0);
    struct timespec request = {0, -1};
    result("nanosleep of negative time", nanosleep(&request, NULL));
    clock_gettime(CLOCK_MONOTONIC, &request);
    result("sleep until the past", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){1, 0}, NULL));
    request.tv_nsec += 3000000;
    if (request.tv_nsec >= 1000000000) request.tv_sec++, request.tv_nsec -= 1000000000;
    result("sleep until soon", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &request, NULL));
    clock_gettime(CLOCK_MONOTONIC, &narrow);
    holds("not before", narrow.tv_sec > request.tv_sec || (narrow.tv_sec == request.tv_sec && narrow.tv_nsec >= request.tv_nsec));
    holds("process time goes on", clock() >= 0);
    struct timespec cpu;
    result("thread's cpu time", clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu));
    int fd = open("stamped", O_CREAT | O_WRONLY, 0600);
    struct utimbuf stamp = {123456789, 987654321};
    result("utime", utime("stamped", &stamp));
    struct stat status;
    fstat(fd, &status);
    show("its times", "%ld %ld", (long)status.st_atime, (long)status.st_mtime);
    result("futimens", futimens(fd, (struct timespec[]){{5, 0}, {6, 0}}));
    result("futimesat", futimesat(AT_FDCWD, "stamped", (struct timeval[]){{7, 8}, {9, 10}}));
    fstat(fd, &status);
    show("its times", "%ld.%ld %ld.%ld", (long)status.st_atime, status.st_atim.tv_nsec, (long)status.st_mtime, status.st_mtim.tv_nsec);
    unlink("stamped");
    return 0;
}
