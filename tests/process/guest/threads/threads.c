/* Threads are made, have their own storage, end and are waited for. */
#include "../check.h"
#include <pthread.h>
#include <semaphore.h>

#define THREADS 12

static __thread int local = 5;
static int order;
static sem_t done;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int destroyed, initialised;

static void *add(void *argument)
{
    local += (long)argument;
    return (void *)(long)local;
}

static void *nested(void *argument)
{
    long depth = (long)argument;
    if (depth == 0) return NULL;
    pthread_t thread;
    void *below;
    if (pthread_create(&thread, NULL, nested, (void *)(depth - 1))) return (void *)-1000;
    pthread_join(thread, &below);
    return (void *)((long)below + 1);
}

static void *detached(void *argument)
{
    __atomic_add_fetch(&order, (long)argument, __ATOMIC_SEQ_CST);
    sem_post(&done);
    return NULL;
}

static void initialise(void) { initialised++; }
static void destroy(void *value) { __atomic_add_fetch(&destroyed, (long)value, __ATOMIC_SEQ_CST); }
static void *use_key(void *argument)
{
    pthread_once(&once, initialise);
    int empty = pthread_getspecific(key) == NULL;
    pthread_setspecific(key, argument);
    return (void *)(long)empty;
}

static void *on_stack(void *argument)
{
    char here;
    return (void *)(long)(&here > (char *)argument && &here < (char *)argument + 65536);
}

static void *leave(void *argument)
{
    pthread_exit((char *)argument + 1);
}

static void *ids(void *argument)
{
    int *seen = argument;
    seen[0] = syscall(SYS_gettid);
    seen[1] = getpid();
    return NULL;
}

static void *name(void *argument)
{
    pthread_setname_np(pthread_self(), "worker");
    pthread_getname_np(pthread_self(), argument, 16);
    return NULL;
}

int threads_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_t threads[THREADS];
    void *value;
    for (long i = 0; i < THREADS; i++) result("create", pthread_create(&threads[i], NULL, add, (void *)i));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &value);
        show("thread-local sum", "%ld", (long)value);
    }
    show("of the first thread", "%d", local);

    pthread_create(&threads[0], NULL, nested, (void *)6);
    pthread_join(threads[0], &value);
    show("threads of threads", "%ld", (long)value);

    sem_init(&done, 0, 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (long i = 1; i <= 4; i++) pthread_create(&threads[0], &attributes, detached, (void *)i);
    for (int i = 0; i < 4; i++) sem_wait(&done);
    show("detached", "%d", order);

    pthread_key_create(&key, destroy);
    int empty = 0;
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, use_key, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &value);
        empty += (long)value;
    }
    show("keys", "%d empty, %d destroyed, initialised %d", empty, destroyed, initialised);

    static char stack[65536] __attribute__((aligned(4096)));
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, sizeof stack);
    result("create on a given stack", pthread_create(&threads[0], &attributes, on_stack, stack));
    pthread_join(threads[0], &value);
    holds("runs on it", (long)value);

    pthread_create(&threads[0], NULL, leave, (void *)41);
    pthread_join(threads[0], &value);
    show("pthread_exit", "%ld", (long)value);

    int seen[2];
    pthread_create(&threads[0], NULL, ids, seen);
    pthread_join(threads[0], NULL);
    holds("its own id", seen[0] != getpid() && seen[0] > 0);
    holds("the process's id", seen[1] == getpid());
    holds("the first thread's id", syscall(SYS_gettid) == getpid());
    result("tgkill of one that is gone", syscall(SYS_tgkill, getpid(), seen[0], 0));
    result("pthread_join with itself", pthread_join(pthread_self(), NULL) == EDEADLK);

    char text[16] = "";
    pthread_create(&threads[0], NULL, name, text);
    pthread_join(threads[0], NULL);
    show("name", "%s", text);

    int sum = 0;
    for (int round = 0; round < 50; round++) {
        for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, add, (void *)i);
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], &value);
            sum += (long)value;
        }
    }
    show("a hundred and fifty threads", "%d", sum);
    return 0;
}
