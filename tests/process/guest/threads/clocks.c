/* Clocks, sleeping and the timers of librt: by signals, by threads and for one thread. */
#include "../check.h"
#include <pthread.h>
#include <semaphore.h>
#include <sched.h>

static const char *error(int number) { return number ? strerrorname_np(number) : "ok"; }
static volatile sig_atomic_t count, value, overrun;
static volatile int taker;
static sem_t notified;

static void expire(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    taker = syscall(SYS_gettid);
    value = info->si_value.sival_int;
    overrun = info->si_overrun;
    count++;
}
static void note(int signal)
{
    (void)signal;
    count++;
}
static void notify(union sigval given)
{
    value = given.sival_int;
    sem_post(&notified);
}
static long microseconds(const struct timespec *from, const struct timespec *to)
{
    return (to->tv_sec - from->tv_sec) * 1000000 + (to->tv_nsec - from->tv_nsec) / 1000;
}

static void *spend(void *argument)
{
    struct timespec first, second;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &first);
    volatile long turns = 0;
    do {
        for (int i = 0; i < 20000; i++) turns++;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &second);
    } while (microseconds(&first, &second) < 20000);
    return argument;
}

/** Again and again: the first may come before the sleep has begun. */
static volatile int awake;
static void *interrupt_sleep(void *argument)
{
    while (!awake) {
        milliseconds(30);
        pthread_kill(*(pthread_t *)argument, SIGUSR1);
    }
    return NULL;
}

static void clocks(void)
{
    static const struct {
        const char *name;
        clockid_t clock;
    } all[] = {
        {"realtime", CLOCK_REALTIME},
        {"monotonic", CLOCK_MONOTONIC},
        {"of the process", CLOCK_PROCESS_CPUTIME_ID},
        {"of the thread", CLOCK_THREAD_CPUTIME_ID},
        {"raw", CLOCK_MONOTONIC_RAW},
        {"coarse", CLOCK_REALTIME_COARSE},
        {"monotonic and coarse", CLOCK_MONOTONIC_COARSE},
        {"since the start", CLOCK_BOOTTIME},
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        struct timespec resolution, first, second;
        int answer = clock_getres(all[i].clock, &resolution);
        clock_gettime(all[i].clock, &first);
        clock_gettime(all[i].clock, &second);
        show(all[i].name, "%d, resolution %ld, %s", answer, resolution.tv_nsec > 1 ? 2 : resolution.tv_nsec,
             microseconds(&first, &second) >= 0 ? "goes on" : "goes back");
    }
    struct timespec time = {0, 0};
    result("no such clock", clock_gettime(77, &time));
    result("its resolution", clock_getres(77, NULL));
    holds("clock", clock() >= 0);
    clockid_t mine, other;
    show("a thread's clock", "%s", error(pthread_getcpuclockid(pthread_self(), &mine)));
    result("can be read", clock_gettime(mine, &time));
    show("a process's", "%s", error(clock_getcpuclockid(0, &other)));
    result("can be read", clock_gettime(other, &time));
    pthread_t thread;
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    pthread_create(&thread, NULL, spend, NULL);
    pthread_join(thread, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    holds("threads' time is the process's", microseconds(&before, &after) >= 19000);
}

static void sleeping(void)
{
    struct timespec brief = {0, 15000000}, before, after, left = {7, 7};
    clock_gettime(CLOCK_MONOTONIC, &before);
    result("nanosleep", nanosleep(&brief, &left));
    clock_gettime(CLOCK_MONOTONIC, &after);
    holds("long enough", microseconds(&before, &after) >= 15000);
    show("what is left is not written", "%ld", (long)left.tv_sec);
    after.tv_nsec += 15000000;
    if (after.tv_nsec >= 1000000000) after.tv_sec++, after.tv_nsec -= 1000000000;
    show("until a time", "%s", error(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &after, NULL)));
    clock_gettime(CLOCK_MONOTONIC, &before);
    holds("not before it", microseconds(&after, &before) >= 0);
    struct timespec bad = {0, 1000000000}, negative = {-1, 0};
    result("no such time", nanosleep(&bad, NULL));
    result("negative", nanosleep(&negative, NULL));
    show("by no such clock", "%s", error(clock_nanosleep(77, 0, &brief, NULL)));
    show("by the thread's", "%s", error(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &brief, NULL)));
    handle(SIGUSR1, note, SA_RESTART);
    pthread_t self = pthread_self(), thread;
    struct timespec lengthy = {20, 0};
    pthread_create(&thread, NULL, interrupt_sleep, &self);
    result("interrupted", nanosleep(&lengthy, &left));
    awake = 1;
    holds("most is left", left.tv_sec >= 15 && left.tv_sec < 20);
    pthread_join(thread, NULL);
    awake = 0;
    pthread_create(&thread, NULL, interrupt_sleep, &self);
    show("interrupted by another clock", "%s", error(clock_nanosleep(CLOCK_REALTIME, 0, &lengthy, &left)));
    awake = 1;
    pthread_join(thread, NULL);
    struct timespec past = {1, 0};
    show("until a time that is past", "%s", error(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL)));
}

static void *wait_for_timer(void *argument)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 9};
    event._sigev_un._tid = syscall(SYS_gettid);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    struct itimerspec once = {{0, 0}, {0, 5000000}};
    timer_settime(timer, 0, &once, NULL);
    for (int i = 0; i < 2000 && taker != event._sigev_un._tid; i++) milliseconds(1);
    timer_delete(timer);
    return (void *)(long)(taker == event._sigev_un._tid);
    (void)argument;
}

static void timers(void)
{
    timer_t timer;
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = expire;
    sigaction(SIGUSR2, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 31};
    result("a timer", timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec every = {{0, 3000000}, {0, 3000000}}, now;
    result("started", timer_settime(timer, 0, &every, &now));
    show("stood before", "%ld %ld", (long)now.it_value.tv_sec, (long)now.it_value.tv_nsec);
    count = 0;
    for (int i = 0; i < 2000 && count < 5; i++) milliseconds(2);
    holds("it comes again and again", count >= 5);
    show("with its value", "%d", value);
    timer_gettime(timer, &now);
    holds("what is left", now.it_value.tv_nsec <= 3000000 && now.it_interval.tv_nsec == 3000000);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    milliseconds(30);
    overrun = 0;
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    holds("times that it was too late", overrun >= 2 || timer_getoverrun(timer) >= 0);
    memset(&every, 0, sizeof every);
    result("stopped", timer_settime(timer, 0, &every, NULL));
    result("deleted", timer_delete(timer));
    result("one of no such clock", timer_create(77, &event, &timer));
    event.sigev_signo = 99;
    result("by no such signal", timer_create(CLOCK_MONOTONIC, &event, &timer));

    sem_init(&notified, 0, 0);
    struct sigevent call = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 17};
    call.sigev_notify_function = notify;
    result("by a thread", timer_create(CLOCK_REALTIME, &call, &timer));
    struct itimerspec soon = {{0, 4000000}, {0, 4000000}};
    timer_settime(timer, 0, &soon, NULL);
    value = 0;
    for (int i = 0; i < 3; i++) while (sem_wait(&notified) < 0);
    show("with its value", "%d", value);
    result("deleted", timer_delete(timer));

    struct sigevent nothing = {.sigev_notify = SIGEV_NONE};
    result("by nothing", timer_create(CLOCK_MONOTONIC, &nothing, &timer));
    struct itimerspec lengthy = {{0, 0}, {50, 0}};
    timer_settime(timer, 0, &lengthy, NULL);
    timer_gettime(timer, &now);
    holds("it goes on", now.it_value.tv_sec >= 40 && now.it_value.tv_sec <= 50);
    timer_delete(timer);
    pthread_t thread;
    void *answer;
    pthread_create(&thread, NULL, wait_for_timer, NULL);
    pthread_join(thread, &answer);
    holds("for one thread", (long)answer);
}

static void *report_policy(void *argument)
{
    struct sched_param parameters;
    int policy;
    pthread_getschedparam(pthread_self(), &policy, &parameters);
    *(int *)argument = policy;
    return NULL;
}

static void scheduling(void)
{
    struct sched_param parameters = {0};
    show("policy", "%d", sched_getscheduler(0));
    result("priority", sched_getparam(0, &parameters));
    show("  it is", "%d", parameters.sched_priority);
    show("priorities", "%d to %d, %d to %d", sched_get_priority_min(SCHED_FIFO), sched_get_priority_max(SCHED_FIFO),
         sched_get_priority_min(SCHED_OTHER), sched_get_priority_max(SCHED_OTHER));
    result("of no such policy", sched_get_priority_max(77));
    result("yield", sched_yield());
    struct timespec slice;
    result("a slice", sched_rr_get_interval(0, &slice));
    cpu_set_t set;
    result("processors", sched_getaffinity(0, sizeof set, &set));
    holds("at least one", CPU_COUNT(&set) >= 1);
    result("the same again", sched_setaffinity(0, sizeof set, &set));
    cpu_set_t none;
    CPU_ZERO(&none);
    result("none", sched_setaffinity(0, sizeof none, &none));
    show("of a thread", "%s", error(pthread_getaffinity_np(pthread_self(), sizeof none, &none)));
    holds("the same", CPU_EQUAL(&set, &none));
    holds("the one it runs on", sched_getcpu() >= 0);
    parameters.sched_priority = 5;
    result("a priority that the policy lacks", sched_setscheduler(0, SCHED_OTHER, &parameters));
    show("the same for a thread", "%s", error(pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameters)));
    parameters.sched_priority = 0;
    show("batch", "%s", error(pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters)));
    pthread_t thread;
    int policy = -1;
    pthread_create(&thread, NULL, report_policy, &policy);
    pthread_join(thread, NULL);
    show("a thread's is its maker's", "%d", policy);
    show("no such thread's", "%s", error(pthread_setschedprio(pthread_self(), 99)));
    result("of no such process", sched_getscheduler(-1));
}

int clocks_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    clocks();
    sleeping();
    timers();
    scheduling();
    return 0;
}
