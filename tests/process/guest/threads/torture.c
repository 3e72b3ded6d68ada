/*
 * Threads that do everything at once: locks of all kinds, conditions, storage of their own, memory, threads of their own, signals
 * to one another and cancellation, in an order that a generator chooses. What must hold at the end does not depend on the order.
 */
#include "../check.h"
#include <pthread.h>
#include <semaphore.h>

#define WORKERS 6
#define STEPS 1500

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, recursive;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static sem_t tickets;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_t workers[WORKERS];
static pthread_barrier_t start, half, end;

static long locked, nested, spun, written[2], torn, atomics, passed, children, lost, cleaned, begun, wrong;
static volatile long handled;
static __thread long own;

static void note(int signal)
{
    (void)signal;
    int saved = errno;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
    errno = saved;
}
static void begin(void) { begun++; }
static void destroy(void *value) { free(value); }

static void *child(void *argument)
{
    own += (long)argument;
    pthread_setspecific(key, malloc(100));
    return (void *)(own * 2);
}

static void clean(void *argument)
{
    __atomic_add_fetch(&cleaned, (long)argument, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&mutex);
}
static void *wait_for_ever(void *argument)
{
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(clean, argument);
    for (;;) pthread_cond_wait(&never, &mutex);
    pthread_cleanup_pop(0);
    return NULL;
}

static u32 next(u32 *state) { return (*state = *state * 1664525 + 1013904223) >> 16; }

static void step(u32 *state, long index)
{
    pthread_t thread;
    void *value;
    u32 choice = next(state) % 64;
    if (choice < 14) {
        pthread_mutex_lock(&mutex);
        locked++;
        pthread_mutex_unlock(&mutex);
    } else if (choice < 20) {
        pthread_mutex_lock(&recursive);
        pthread_mutex_lock(&recursive);
        nested++;
        pthread_mutex_unlock(&recursive);
        pthread_mutex_unlock(&recursive);
    } else if (choice < 26) {
        pthread_rwlock_rdlock(&rwlock);
        if (written[0] != written[1]) torn++;
        pthread_rwlock_unlock(&rwlock);
    } else if (choice < 30) {
        pthread_rwlock_wrlock(&rwlock);
        written[0]++;
        written[1]++;
        pthread_rwlock_unlock(&rwlock);
    } else if (choice < 34) {
        pthread_spin_lock(&spin);
        spun++;
        pthread_spin_unlock(&spin);
    } else if (choice < 42) {
        __atomic_add_fetch(&atomics, 3, __ATOMIC_SEQ_CST);
    } else if (choice < 47) {
        sem_wait(&tickets);
        __atomic_add_fetch(&passed, 1, __ATOMIC_SEQ_CST);
        sem_post(&tickets);
    } else if (choice < 52) {
        size_t size = next(state) % 3000 + 1;
        unsigned char *memory = malloc(size);
        memset(memory, index, size);
        sched_yield();
        for (size_t i = 0; i < size; i++) if (memory[i] != index) wrong++;
        free(memory);
    } else if (choice < 58) {
        long before = own++;
        if ((long)pthread_getspecific(key) == 0) wrong++;
        pthread_once(&once, begin);
        if (own != before + 1) wrong++;
    } else if (choice < 61) {
        pthread_kill(workers[next(state) % WORKERS], SIGUSR1);
        __atomic_add_fetch(&lost, 1, __ATOMIC_SEQ_CST);
    } else if (choice < 62) {
        if (pthread_create(&thread, NULL, child, (void *)21) == 0) {
            pthread_join(thread, &value);
            __atomic_add_fetch(&children, (long)value == 42, __ATOMIC_SEQ_CST);
        } else wrong++;
    } else if (choice < 63 && next(state) % 4 == 0) {
        pthread_create(&thread, NULL, wait_for_ever, (void *)1);
        if (next(state) % 2) sched_yield();
        pthread_cancel(thread);
        pthread_join(thread, &value);
        if (value != PTHREAD_CANCELED) wrong++;
    } else {
        struct timespec brief = {0, next(state) % 20000};
        while (nanosleep(&brief, &brief) < 0 && errno == EINTR);
    }
}

static void *work(void *argument)
{
    long index = (long)argument;
    u32 state = index * 7919 + 1;
    pthread_setspecific(key, malloc(10));
    pthread_barrier_wait(&start);
    for (int i = 0; i < STEPS; i++) {
        if (i == STEPS / 2) pthread_barrier_wait(&half);
        step(&state, index);
    }
    /* Nobody may be joined while others send signals to it. */
    pthread_barrier_wait(&end);
    return NULL;
}

static int token, turns;
static void *take_turns(void *argument)
{
    int index = (long)argument;
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mutex);
        while (token != index) pthread_cond_wait(&turn, &mutex);
        token = (token + 1) % 4;
        turns++;
        pthread_cond_broadcast(&turn);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

int torture_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attributes);
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    pthread_barrier_init(&start, NULL, WORKERS + 1);
    pthread_barrier_init(&half, NULL, WORKERS);
    pthread_barrier_init(&end, NULL, WORKERS);
    pthread_key_create(&key, destroy);
    sem_init(&tickets, 0, 2);
    handle(SIGUSR1, note, SA_RESTART);
    for (long i = 0; i < WORKERS; i++) pthread_create(&workers[i], NULL, work, (void *)i);
    pthread_barrier_wait(&start);
    for (int i = 0; i < WORKERS; i++) pthread_join(workers[i], NULL);

    show("under a mutex", "%ld", locked);
    show("under a recursive mutex", "%ld", nested);
    show("under a spin lock", "%ld", spun);
    show("under a write lock", "%ld %ld", written[0], written[1]);
    show("seen half written", "%ld", torn);
    show("atomically", "%ld", atomics);
    show("past a semaphore", "%ld", passed);
    show("threads of threads", "%ld", children);
    show("wrong", "%ld", wrong);
    show("once", "%ld", begun);
    /* A signal that waits already is not counted twice. */
    holds("signals were handled", handled > 0 && handled <= lost);
    int left;
    sem_getvalue(&tickets, &left);
    show("tickets", "%d", left);
    show("nobody holds the mutex", "%d", pthread_mutex_trylock(&mutex));
    pthread_mutex_unlock(&mutex);

    for (long i = 0; i < 4; i++) pthread_create(&workers[i], NULL, take_turns, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(workers[i], NULL);
    show("turns", "%d, next %d", turns, token);
    return 0;
}
