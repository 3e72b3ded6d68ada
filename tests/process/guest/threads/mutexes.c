/* What each function of locks answers in each state, without a second thread and with one. */
#include "../check.h"
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/random.h>

static const char *error(int number) { return number ? strerrorname_np(number) : "ok"; }
static const char *last(int answer) { return answer ? strerrorname_np(errno) : "ok"; }

static struct timespec in(clockid_t clock, int count)
{
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_nsec += count * 1000000L;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

/** Does a function in a thread of its own and gives its answer. */
struct call {
    int (*function)(void *);
    void *argument;
};
static void *run(void *argument)
{
    struct call *call = argument;
    return (void *)(long)call->function(call->argument);
}
static int elsewhere(int (*function)(void *), volatile void *argument)
{
    pthread_t thread;
    void *answer;
    struct call call = {function, (void *)argument};
    pthread_create(&thread, NULL, run, &call);
    pthread_join(thread, &answer);
    return (long)answer;
}
#define ELSEWHERE(function) ((int (*)(void *))(function))

static int timed_lock(void *mutex)
{
    struct timespec until = in(CLOCK_REALTIME, 10);
    return pthread_mutex_timedlock(mutex, &until);
}
static int timed_read(void *lock)
{
    struct timespec until = in(CLOCK_REALTIME, 10);
    return pthread_rwlock_timedrdlock(lock, &until);
}
static int timed_write(void *lock)
{
    struct timespec until = in(CLOCK_MONOTONIC, 10);
    return pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &until);
}
static int lock_and_unlock(void *mutex)
{
    int answer = pthread_mutex_lock(mutex);
    return answer ? answer : pthread_mutex_unlock(mutex);
}

static void mutexes(void)
{
    static const struct {
        const char *name;
        int type, protocol, robust;
    } kinds[] = {
        {"normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, 0},
        {"recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, 0},
        {"checking", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, 0},
        {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE, 0},
        {"robust", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, 1},
        {"robust recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, 1},
        {"inheriting", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT, 0},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        pthread_mutex_t mutex;
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, kinds[i].type);
        pthread_mutexattr_setprotocol(&attributes, kinds[i].protocol);
        if (kinds[i].robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&mutex, &attributes);
        show(kinds[i].name, "%s", error(pthread_mutex_lock(&mutex)));
        show("  destroyed while held", "%s", error(pthread_mutex_destroy(&mutex)));
        show("  tried by its owner", "%s", error(pthread_mutex_trylock(&mutex)));
        show("  tried by another", "%s", error(elsewhere(ELSEWHERE(pthread_mutex_trylock), &mutex)));
        show("  for some time", "%s", error(elsewhere(timed_lock, &mutex)));
        if (kinds[i].type != PTHREAD_MUTEX_NORMAL && kinds[i].type != PTHREAD_MUTEX_ADAPTIVE_NP)
            show("  unlocked by another", "%s", error(elsewhere(ELSEWHERE(pthread_mutex_unlock), &mutex)));
        show("  unlocked", "%s", error(pthread_mutex_unlock(&mutex)));
        if (kinds[i].type == PTHREAD_MUTEX_RECURSIVE) show("  and again", "%s", error(pthread_mutex_unlock(&mutex)));
        if (kinds[i].type != PTHREAD_MUTEX_NORMAL && kinds[i].type != PTHREAD_MUTEX_ADAPTIVE_NP)
            show("  too often", "%s", error(pthread_mutex_unlock(&mutex)));
        show("  by another", "%s", error(elsewhere(lock_and_unlock, &mutex)));
        show("  not robust", "%s", error(pthread_mutex_consistent(&mutex)));
        show("  destroyed", "%s", error(pthread_mutex_destroy(&mutex)));
        show("  used after that", "%s", error(pthread_mutex_trylock(&mutex)));
        pthread_mutexattr_destroy(&attributes);
    }
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    show("no such type", "%s", error(pthread_mutexattr_settype(&attributes, 55)));
    show("no such protocol", "%s", error(pthread_mutexattr_setprotocol(&attributes, 55)));
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    struct timespec bad = {0, -1};
    show("no such time", "%s", error(pthread_mutex_timedlock(&mutex, &bad)));
    struct timespec past = {0, 0};
    show("a time that is past", "%s", error(pthread_mutex_timedlock(&mutex, &past)));
    pthread_mutex_unlock(&mutex);
    show("past, but free", "%s", error(pthread_mutex_timedlock(&mutex, &past)));
    struct timespec soon = in(CLOCK_MONOTONIC, 5);
    show("by another clock", "%s", error(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &soon)));
    pthread_mutex_unlock(&mutex);
    pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    int depth = 0;
    while (depth < 1000 && pthread_mutex_lock(&recursive) == 0) depth++;
    show("locked by one", "%d times", depth);
    while (depth > 0 && pthread_mutex_unlock(&recursive) == 0) depth--;
    show("unlocked but", "%d times; by another %s", depth, error(elsewhere(lock_and_unlock, &recursive)));
}

static int read_locks(void *argument)
{
    int answer = pthread_rwlock_tryrdlock(argument);
    if (answer == 0) pthread_rwlock_unlock(argument);
    return answer;
}
static int write_locks(void *argument)
{
    int answer = pthread_rwlock_trywrlock(argument);
    if (answer == 0) pthread_rwlock_unlock(argument);
    return answer;
}

static void rwlocks(void)
{
    for (int preference = 0; preference < 3; preference++) {
        pthread_rwlock_t lock;
        pthread_rwlockattr_t attributes;
        pthread_rwlockattr_init(&attributes);
        pthread_rwlockattr_setkind_np(&attributes, preference);
        pthread_rwlock_init(&lock, &attributes);
        show("read lock", "%s", error(pthread_rwlock_rdlock(&lock)));
        show("  a second time", "%s", error(pthread_rwlock_tryrdlock(&lock)));
        show("  another reader", "%s", error(elsewhere(read_locks, &lock)));
        show("  a writer", "%s", error(elsewhere(write_locks, &lock)));
        show("  a writer for some time", "%s", error(elsewhere(timed_write, &lock)));
        show("  another reader", "%s", error(elsewhere(read_locks, &lock)));
        pthread_rwlock_unlock(&lock);
        show("  once unlocked", "%s", error(elsewhere(write_locks, &lock)));
        pthread_rwlock_unlock(&lock);
        show("write lock", "%s", error(pthread_rwlock_wrlock(&lock)));
        show("  its owner reads", "%s", error(pthread_rwlock_rdlock(&lock)));
        show("  its owner writes", "%s", error(pthread_rwlock_wrlock(&lock)));
        show("  its owner tries", "%s", error(pthread_rwlock_trywrlock(&lock)));
        show("  a reader", "%s", error(elsewhere(read_locks, &lock)));
        show("  a reader for some time", "%s", error(elsewhere(timed_read, &lock)));
        show("  a writer", "%s", error(elsewhere(write_locks, &lock)));
        pthread_rwlock_unlock(&lock);
        show("  unlocked", "%s %s", error(elsewhere(read_locks, &lock)), error(elsewhere(write_locks, &lock)));
        pthread_rwlock_destroy(&lock);
    }
}

static int spin_tried(void *argument) { return pthread_spin_trylock(argument); }
static int wait_at(void *argument) { return pthread_barrier_wait(argument); }
static int post_later(void *argument)
{
    milliseconds(10);
    return sem_post(argument);
}

static void others(void)
{
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    show("spin lock", "%s", error(pthread_spin_lock(&spin)));
    show("  tried", "%s", error(pthread_spin_trylock(&spin)));
    show("  by another", "%s", error(elsewhere(spin_tried, &spin)));
    pthread_spin_unlock(&spin);
    show("  unlocked", "%s", error(elsewhere(spin_tried, &spin)));

    pthread_barrier_t barrier;
    show("barrier of none", "%s", error(pthread_barrier_init(&barrier, NULL, 0)));
    pthread_barrier_init(&barrier, NULL, 1);
    show("barrier of one", "%d", pthread_barrier_wait(&barrier));
    show("again", "%d", pthread_barrier_wait(&barrier));
    show("destroyed", "%s", error(pthread_barrier_destroy(&barrier)));
    pthread_barrier_init(&barrier, NULL, 2);
    int sum = 0;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *answer;
        struct call call = {wait_at, &barrier};
        pthread_create(&thread, NULL, run, &call);
        sum += pthread_barrier_wait(&barrier);
        pthread_join(thread, &answer);
        sum += (long)answer;
    }
    show("one of two is told each time", "%d", sum);
    pthread_barrier_destroy(&barrier);

    sem_t semaphore;
    show("too many", "%s", last(sem_init(&semaphore, 0, (unsigned)SEM_VALUE_MAX + 1)));
    sem_init(&semaphore, 0, 2);
    show("semaphore", "%s", last(sem_wait(&semaphore)));
    show("  tried", "%s", last(sem_trywait(&semaphore)));
    show("  tried in vain", "%s", last(sem_trywait(&semaphore)));
    struct timespec soon = in(CLOCK_REALTIME, 10), bad = {0, 1000000000};
    show("  for some time", "%s", last(sem_timedwait(&semaphore, &soon)));
    soon = in(CLOCK_MONOTONIC, 10);
    show("  by another clock", "%s", last(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &soon)));
    show("  for no such time", "%s", last(sem_timedwait(&semaphore, &bad)));
    pthread_t thread;
    struct call call = {post_later, &semaphore};
    pthread_create(&thread, NULL, run, &call);
    show("  waited for", "%s", last(sem_wait(&semaphore)));
    pthread_join(thread, NULL);
    int value;
    for (int i = 0; i < 3; i++) sem_post(&semaphore);
    sem_getvalue(&semaphore, &value);
    show("  its value", "%d", value);
    sem_init(&semaphore, 0, SEM_VALUE_MAX);
    show("  one too many", "%s", last(sem_post(&semaphore)));
    char name[40];
    /* Names are shared by all who run this at the same time, ids are not. */
    u64 random;
    getrandom(&random, sizeof random, 0);
    sprintf(name, "/process-%llx", random);
    sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
    holds("one with a name", named != SEM_FAILED);
    holds("  the same", sem_open(name, 0) == named);
    holds("  not made again", sem_open(name, O_CREAT | O_EXCL, 0600, 3) == SEM_FAILED && errno == EEXIST);
    sem_getvalue(named, &value);
    show("  its value", "%d", value);
    show("  closed", "%s", last(sem_close(named)));
    show("  unlinked", "%s", last(sem_unlink(name)));
    show("  unlinked again", "%s", last(sem_unlink(name)));
}

static int errno_of_thread(void *argument)
{
    errno = 0;
    sem_trywait(argument);
    return errno;
}

/** Waits and conditions shared with another process. */
struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    sem_t semaphore;
    int stage, seen;
};

static void with_another_process(void)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_condattr_t condition;
    pthread_rwlockattr_t rwlock;
    pthread_barrierattr_t barrier;
    pthread_mutexattr_init(&mutex);
    pthread_condattr_init(&condition);
    pthread_rwlockattr_init(&rwlock);
    pthread_barrierattr_init(&barrier);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
    pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &mutex);
    pthread_cond_init(&shared->condition, &condition);
    pthread_rwlock_init(&shared->rwlock, &rwlock);
    pthread_barrier_init(&shared->barrier, &barrier, 2);
    sem_init(&shared->semaphore, 1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        sem_wait(&shared->semaphore);
        pthread_mutex_lock(&shared->mutex);
        shared->stage = 1;
        pthread_cond_signal(&shared->condition);
        pthread_mutex_unlock(&shared->mutex);
        pthread_barrier_wait(&shared->barrier);
        pthread_rwlock_rdlock(&shared->rwlock);
        int seen = shared->seen;
        pthread_rwlock_unlock(&shared->rwlock);
        pthread_mutex_lock(&shared->mutex);
        _exit(seen);
    }
    pthread_mutex_lock(&shared->mutex);
    sem_post(&shared->semaphore);
    while (shared->stage == 0) pthread_cond_wait(&shared->condition, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    pthread_rwlock_wrlock(&shared->rwlock);
    pthread_barrier_wait(&shared->barrier);
    shared->seen = 31;
    pthread_rwlock_unlock(&shared->rwlock);
    ended("shared with another process", wait_for(pid));
    show("which died with a lock", "%s", error(pthread_mutex_lock(&shared->mutex)));
    struct timespec soon = in(CLOCK_MONOTONIC, 10);
    show("a condition by its clock", "%s", error(pthread_cond_timedwait(&shared->condition, &shared->mutex, &soon)));
    pthread_mutex_consistent(&shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
}

int mutexes_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    mutexes();
    rwlocks();
    others();
    sem_t none;
    sem_init(&none, 0, 0);
    errno = ENOENT;
    show("errno elsewhere", "%s", error(elsewhere(errno_of_thread, &none)));
    show("errno here", "%s", error(errno));
    with_another_process();
    return 0;
}
