/* Mutexes of all kinds, condition variables, barriers, semaphores: futexes as the C library uses them, and a few by hand. */
#include "../check.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>

#define THREADS 3
#define ROUNDS 8000

static pthread_mutex_t mutex;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_spinlock_t spin;
static sem_t items, room;
static int counter, waiting, stage, queue[8], head, tail;

static void run(void *(*function)(void *), int count, void **values)
{
    pthread_t threads[8];
    for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, function, (void *)i);
    for (int i = 0; i < count; i++) pthread_join(threads[i], values ? &values[i] : NULL);
}

static void *count_locked(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

static void *count_spinning(void *argument)
{
    for (int i = 0; i < 2000; i++) {
        pthread_spin_lock(&spin);
        counter++;
        pthread_spin_unlock(&spin);
    }
    return argument;
}

static void *wait_for_stage(void *argument)
{
    pthread_mutex_lock(&mutex);
    waiting++;
    while (stage == 0) pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void *read_or_write(void *argument)
{
    long mismatches = 0;
    static int one, other;
    for (int i = 0; i < 3000; i++) {
        if (argument) {
            pthread_rwlock_rdlock(&rwlock);
            mismatches += one != other;
        } else {
            pthread_rwlock_wrlock(&rwlock);
            one++;
            other++;
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return (void *)mismatches;
}

static void *pass(void *argument)
{
    (void)argument;
    long serial = 0;
    for (int i = 0; i < 50; i++) serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    return (void *)serial;
}

static void *produce_or_consume(void *argument)
{
    long sum = 0;
    for (int i = 1; i <= 1000; i++) {
        sem_wait(argument ? &items : &room);
        if (argument) sum += queue[head++ % 8];
        else queue[tail++ % 8] = i;
        sem_post(argument ? &room : &items);
    }
    return (void *)sum;
}

static void *die_holding(void *argument)
{
    pthread_mutex_lock(argument);
    return NULL;
}

static int word;
static int futex(int *address, int operation, int value, long four, int *second, int six)
{
    return syscall(SYS_futex, address, operation, value, four, second, six);
}
static void *wait_on_word(void *argument)
{
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    long woken = futex(&word, (long)argument ? FUTEX_WAIT_BITSET : FUTEX_WAIT, 0, 0, NULL, (long)argument ? 4 : 0);
    return (void *)woken;
}

int locking_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    void *values[8];
    static const struct {
        const char *name;
        int type, protocol;
    } kinds[] = {
        {"plain", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE},
        {"recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE},
        {"checking", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE},
        {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE},
        {"inheriting priority", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, kinds[i].type);
        pthread_mutexattr_setprotocol(&attributes, kinds[i].protocol);
        pthread_mutex_init(&mutex, &attributes);
        counter = 0;
        run(count_locked, THREADS, NULL);
        show(kinds[i].name, "%d", counter);
        pthread_mutex_lock(&mutex);
        if (kinds[i].type != PTHREAD_MUTEX_NORMAL && kinds[i].type != PTHREAD_MUTEX_ADAPTIVE_NP)
            show("locked again", "%s", strerrorname_np(pthread_mutex_lock(&mutex)) ?: "ok");
        show("tried", "%s", strerrorname_np(pthread_mutex_trylock(&mutex)) ?: "ok");
    }
    pthread_spin_init(&spin, 0);
    counter = 0;
    run(count_spinning, 2, NULL);
    show("spinning", "%d", counter);

    pthread_mutex_init(&mutex, NULL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, wait_for_stage, NULL);
    for (int arrived = 0; arrived < THREADS; milliseconds(1)) {
        pthread_mutex_lock(&mutex);
        arrived = waiting;
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_lock(&mutex);
    stage = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < THREADS; i++) result("woken by broadcast", pthread_join(threads[i], NULL));

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&mutex);
    show("waited in vain", "%s", strerrorname_np(pthread_cond_timedwait(&condition, &mutex, &until)));
    pthread_mutex_unlock(&mutex);

    run(read_or_write, THREADS, values);
    show("readers and a writer", "%ld %ld", (long)values[1], (long)values[2]);
    pthread_barrier_init(&barrier, NULL, THREADS);
    run(pass, THREADS, values);
    show("barrier", "%ld", (long)values[0] + (long)values[1] + (long)values[2]);
    sem_init(&items, 0, 0);
    sem_init(&room, 0, 8);
    run(produce_or_consume, 2, values);
    show("semaphores", "%ld", (long)values[1]);

    for (int protocol = 0; protocol < 2; protocol++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        if (protocol) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
        pthread_mutex_init(&mutex, &attributes);
        pthread_create(&threads[0], NULL, die_holding, &mutex);
        pthread_join(threads[0], NULL);
        show("its owner died", "%s", strerrorname_np(pthread_mutex_lock(&mutex)));
        result("made consistent", pthread_mutex_consistent(&mutex));
        result("unlocked", pthread_mutex_unlock(&mutex));
        result("locked again", pthread_mutex_lock(&mutex));
        pthread_mutex_unlock(&mutex);
    }

    waiting = 0;
    int other = 0;
    for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, wait_on_word, NULL);
    while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < THREADS) milliseconds(1);
    milliseconds(100);
    result("requeue with another value", futex(&word, FUTEX_CMP_REQUEUE, 1, 2, &other, 7));
    result("wake one, requeue two", futex(&word, FUTEX_CMP_REQUEUE, 1, 2, &other, 0));
    result("nobody is left", futex(&word, FUTEX_WAKE, INT_MAX, 0, NULL, 0));
    result("wake by operation", futex(&word, FUTEX_WAKE_OP, 1, 1, &other, FUTEX_OP(FUTEX_OP_ADD, 9, FUTEX_OP_CMP_EQ, 0)));
    show("the operation", "%d", other);
    result("wake the last, garbage behind", futex(&other, FUTEX_WAKE, 1, -1, (int *)-1, -1));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &values[0]);
        show("waited", "%ld", (long)values[0]);
    }
    waiting = 0;
    pthread_create(&threads[0], NULL, wait_on_word, (void *)1);
    while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < 1) milliseconds(1);
    milliseconds(100);
    result("other bits", futex(&word, FUTEX_WAKE_BITSET, 1, 0, NULL, 8));
    result("its bit", futex(&word, FUTEX_WAKE_BITSET, 1, 0, NULL, 12));
    pthread_join(threads[0], NULL);
    result("another value", futex(&word, FUTEX_WAIT, 5, 0, NULL, 0));
    struct timespec brief = {0, 1000000};
    result("a timeout", futex(&word, FUTEX_WAIT, 0, (long)&brief, NULL, 0));
    result("no such address", futex((int *)8, FUTEX_WAKE, 1, 0, NULL, 0));
    result("not aligned", futex((int *)((char *)&word + 1), FUTEX_WAKE, 1, 0, NULL, 0));
    return 0;
}
