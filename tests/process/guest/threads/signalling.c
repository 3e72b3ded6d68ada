/* Signals among threads: to one of them, to whichever does not block them, raised by its own instructions; cancellation. */
#include "../check.h"
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <sys/time.h>

static volatile sig_atomic_t count;
static volatile pthread_t receiver;
static sem_t ready;
static int ends[2];

static void note(int signal)
{
    (void)signal;
    receiver = pthread_self();
    __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
}

static void await(int wanted)
{
    for (int i = 0; i < 2000 && count < wanted; i++) milliseconds(5);
}

static void mask(int how, int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(how, &set, NULL);
}

static void *spin_until_signal(void *argument)
{
    (void)argument;
    int before = count;
    sem_post(&ready);
    while (count == before);
    return (void *)(long)pthread_equal(receiver, pthread_self());
}

static void *read_until_signal(void *argument)
{
    (void)argument;
    char byte;
    sem_post(&ready);
    int got = read(ends[0], &byte, 1);
    return (void *)(long)(got < 0 ? errno : 0);
}

static void *sleep_long(void *argument)
{
    (void)argument;
    sem_post(&ready);
    milliseconds(300);
    return (void *)(long)count;
}

static void *wait_for_signals(void *argument)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    long sum = 0;
    sem_post(&ready);
    for (int i = 0; i < 3; i++) {
        int signal;
        sigwait(&set, &signal);
        sum = sum * 100 + signal;
        sem_post(argument);
    }
    return (void *)sum;
}

static void *mask_here(void *argument)
{
    (void)argument;
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    long inherited = sigismember(&set, SIGUSR2);
    mask(SIG_BLOCK, SIGALRM);
    return (void *)inherited;
}

static __thread sigjmp_buf back;
static void recover(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    siglongjmp(back, info->si_addr == (void *)0x10 ? 2 : 1);
}
static void *fault(void *argument)
{
    volatile long recovered = 0;
    for (volatile int i = 0; i < (long)argument; i++) {
        if (sigsetjmp(back, 1) == 0) *(volatile int *)0x10 = 1;
        else recovered++;
    }
    return (void *)recovered;
}

static int cleaned;
static void clean(void *argument) { cleaned += *(int *)argument; }
static void *sleep_cancelled(void *argument)
{
    int value = 3;
    pthread_cleanup_push(clean, &value);
    sem_post(&ready);
    if (argument) {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
        for (;;);
    }
    for (;;) pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static volatile int stopping;
static void *alternate(void *argument)
{
    stack_t stack = {.ss_sp = argument, .ss_size = 16384};
    sigaltstack(&stack, NULL);
    int before = count;
    sem_post(&ready);
    while (count == before);
    stack_t now;
    sigaltstack(NULL, &now);
    return (void *)(long)(now.ss_sp == argument);
}

static void *interrupted(void *argument)
{
    (void)argument;
    while (!stopping) pthread_kill(receiver, SIGUSR1), sched_yield();
    return NULL;
}

int signalling_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_t thread, other;
    void *value;
    sem_init(&ready, 0, 0);
    handle(SIGUSR1, note, 0);
    pthread_create(&thread, NULL, spin_until_signal, NULL);
    sem_wait(&ready);
    result("pthread_kill of a busy thread", pthread_kill(thread, SIGUSR1));
    pthread_join(thread, &value);
    holds("it ran the handler", (long)value);

    pipe(ends);
    pthread_create(&thread, NULL, read_until_signal, NULL);
    sem_wait(&ready);
    milliseconds(50);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, &value);
    show("its read", "%s", strerrorname_np((long)value));

    count = 0;
    pthread_create(&thread, NULL, sleep_long, NULL);
    sem_wait(&ready);
    pthread_kill(pthread_self(), SIGUSR1);
    holds("to oneself, at once", count == 1 && pthread_equal(receiver, pthread_self()));
    pthread_join(thread, &value);

    mask(SIG_BLOCK, SIGUSR1);
    pthread_create(&other, NULL, sleep_long, NULL);
    sem_wait(&ready);
    mask(SIG_UNBLOCK, SIGUSR1);
    pthread_create(&thread, NULL, spin_until_signal, NULL);
    sem_wait(&ready);
    mask(SIG_BLOCK, SIGUSR1);
    kill(getpid(), SIGUSR1);
    pthread_join(thread, &value);
    holds("kill: the thread that does not block it", (long)value);
    pthread_join(other, NULL);
    kill(getpid(), SIGUSR1);
    milliseconds(20);
    show("all block it", "%d", count);
    sigset_t set;
    sigpending(&set);
    show("it is pending", "%d", sigismember(&set, SIGUSR1));
    mask(SIG_UNBLOCK, SIGUSR1);
    show("unblocked", "%d", count);

    mask(SIG_BLOCK, SIGUSR2);
    mask(SIG_BLOCK, SIGTERM);
    sem_t taken;
    sem_init(&taken, 0, 0);
    pthread_create(&thread, NULL, wait_for_signals, &taken);
    sem_wait(&ready);
    static const int sent[] = {SIGUSR2, SIGTERM, SIGUSR2};
    for (int i = 0; i < 3; i++) {
        if (i == 1) pthread_kill(thread, sent[i]);
        else kill(getpid(), sent[i]);
        sem_wait(&taken);
    }
    pthread_join(thread, &value);
    show("sigwait", "%ld", (long)value);
    pthread_create(&thread, NULL, mask_here, NULL);
    pthread_join(thread, &value);
    show("its mask is its maker's", "%ld", (long)value);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    show("not the other way round", "%d", sigismember(&set, SIGALRM));

    count = 0;
    handle(SIGALRM, note, SA_RESTART);
    struct itimerval timer = {{0, 10000}, {0, 10000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    pthread_create(&thread, NULL, sleep_long, NULL);
    await(5);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    pthread_join(thread, NULL);
    sem_wait(&ready);
    holds("a timer among threads", count >= 5);

    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = recover;
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_create(&thread, NULL, fault, (void *)50);
        pthread_create(&other, NULL, fault, (void *)50);
        pthread_join(thread, &value);
        show("faults of one", "%ld", (long)value);
        pthread_join(other, &value);
        show("faults of another", "%ld", (long)value);
    }

    for (long busy = 0; busy < 2; busy++) {
        pthread_create(&thread, NULL, sleep_cancelled, (void *)busy);
        sem_wait(&ready);
        milliseconds(20);
        result("cancel", pthread_cancel(thread));
        pthread_join(thread, &value);
        holds("cancelled", value == PTHREAD_CANCELED);
        show("cleaned up", "%d", cleaned);
    }

    static char stacks[2][16384];
    handle(SIGUSR1, note, SA_ONSTACK);
    count = 0;
    pthread_create(&thread, NULL, alternate, stacks[0]);
    pthread_create(&other, NULL, alternate, stacks[1]);
    sem_wait(&ready);
    sem_wait(&ready);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, &value);
    holds("alternate stack of one", (long)value);
    pthread_kill(other, SIGUSR1);
    pthread_join(other, &value);
    holds("alternate stack of another", (long)value);

    handle(SIGUSR1, note, SA_RESTART);
    receiver = pthread_self();
    int before = count;
    pthread_create(&thread, NULL, interrupted, NULL);
    long sum = 0;
    for (int i = 0; i < 1000; i++) {
        char byte = i;
        if (write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1) sum += byte == (char)i;
    }
    stopping = 1;
    pthread_join(thread, NULL);
    show("calls amid signals", "%ld", sum);
    holds("signals amid calls", count >= before);
    return 0;
}
