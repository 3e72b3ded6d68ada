/* Threads' lives: attributes, detaching, joining in all ways, names, cancellation and what it runs, ends amid other things. */
#include "../check.h"
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t ready, go, cancelled;
static int trace[16], traced;
static void note(int value) { trace[__atomic_fetch_add(&traced, 1, __ATOMIC_SEQ_CST)] = value; }
static void show_trace(const char *name)
{
    char text[100] = "";
    for (int i = 0; i < traced; i++) sprintf(text + strlen(text), "%s%d", i ? " " : "", trace[i]);
    show(name, "%s", text);
    traced = 0;
}
static const char *error(int number) { return number ? strerrorname_np(number) : "ok"; }

static void *give(void *argument) { return argument; }
static void *wait_to_go(void *argument)
{
    sem_post(&ready);
    sem_wait(&go);
    return argument;
}

static void clean(void *argument) { note((long)argument); }
static void *cancel_oneself(void *argument)
{
    pthread_cleanup_push(clean, (void *)1);
    pthread_cleanup_push(clean, (void *)2);
    pthread_cleanup_push(clean, (void *)3);
    pthread_cleanup_pop(1);
    if (argument) pthread_exit(argument);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    note(9);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *cancel_disabled(void *argument)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    note(before == PTHREAD_CANCEL_ENABLE);
    sem_post(&ready);
    sem_wait(&cancelled);
    pthread_testcancel();
    note(5);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    note(before == PTHREAD_CANCEL_DISABLE);
    pthread_testcancel();
    note(9);
    return argument;
}

enum { SEM_WAIT, COND_WAIT, READ, SLEEP, JOIN, SIGWAIT, SUSPEND, BUSY, WAYS };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t empty;
static int ends[2];
static void unlock(void *argument)
{
    note(pthread_mutex_unlock(argument));
}
static void *block(void *argument)
{
    sigset_t set;
    int signal;
    char byte;
    volatile long turns = 0;
    pthread_t other;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    switch ((long)argument) {
    case SEM_WAIT: sem_wait(&empty); break;
    case COND_WAIT:
        pthread_mutex_lock(&mutex);
        pthread_cleanup_push(unlock, &mutex);
        pthread_cond_wait(&never, &mutex);
        pthread_cleanup_pop(1);
        break;
    case READ: read(ends[0], &byte, 1); break;
    case SLEEP: sleep(100); break;
    case JOIN:
        pthread_create(&other, NULL, wait_to_go, NULL);
        pthread_detach(pthread_self());
        pthread_join(other, NULL);
        break;
    case SIGWAIT: sigwait(&set, &signal); break;
    case SUSPEND: sigemptyset(&set); sigsuspend(&set); break;
    case BUSY:
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
        for (;;) turns++;
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static pthread_key_t keys[3];
static void again(void *value)
{
    note((long)value);
    if ((long)value < 13) pthread_setspecific(keys[0], (char *)value + 1);
}
static void *set_key(void *argument)
{
    pthread_setspecific(keys[0], argument);
    pthread_setspecific(keys[1], NULL);
    return pthread_getspecific(keys[2]);
}

static void *own_attributes(void *argument)
{
    size_t *sizes = argument;
    pthread_attr_t attributes;
    void *base;
    char here;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &sizes[0]);
    pthread_attr_getguardsize(&attributes, &sizes[1]);
    sizes[2] = &here >= (char *)base && &here < (char *)base + sizes[0];
    pthread_attr_destroy(&attributes);
    return NULL;
}

static pthread_once_t cancelled_once = PTHREAD_ONCE_INIT;
static void cancelled_initialiser(void)
{
    note(7);
    sem_post(&ready);
    pause();
}
static void finished_initialiser(void) { note(8); }
static void *call_once(void *argument)
{
    pthread_once(&cancelled_once, argument ? cancelled_initialiser : finished_initialiser);
    return NULL;
}

static void *own_id(void *argument)
{
    (void)argument;
    return (void *)syscall(SYS_gettid);
}
/* No thread has the id of one that ended just before. */
static void ids(void)
{
    enum { THREADS = 12 };
    void *seen[THREADS];
    int different = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, own_id, NULL);
        pthread_join(thread, &seen[i]);
        int before = 0;
        while (seen[before] != seen[i]) before++;
        different += before == i;
    }
    show("ids of threads", "%d", different);
}

int lives_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_t thread;
    pthread_attr_t attributes;
    void *value;
    sem_init(&ready, 0, 0);
    sem_init(&go, 0, 0);
    sem_init(&cancelled, 0, 0);
    sem_init(&empty, 0, 0);
    pipe(ends);

    int number;
    size_t size;
    pthread_attr_init(&attributes);
    pthread_attr_getdetachstate(&attributes, &number);
    holds("joinable at first", number == PTHREAD_CREATE_JOINABLE);
    show("too small a stack", "%s", error(pthread_attr_setstacksize(&attributes, 4096)));
    show("a stack's size", "%s", error(pthread_attr_setstacksize(&attributes, 200 * 1024)));
    show("a guard's", "%s", error(pthread_attr_setguardsize(&attributes, 8192)));
    pthread_attr_getstacksize(&attributes, &size);
    show("they are kept", "%zu", size);
    size_t sizes[3] = {0};
    pthread_create(&thread, &attributes, own_attributes, sizes);
    pthread_join(thread, NULL);
    show("seen by the thread", "%d %zu %zu", sizes[0] >= 190 * 1024 && sizes[0] <= 210 * 1024, sizes[1], sizes[2]);
    show("no such policy", "%s", error(pthread_attr_setschedpolicy(&attributes, 77)));
    show("no such state", "%s", error(pthread_attr_setdetachstate(&attributes, 77)));
    pthread_attr_getinheritsched(&attributes, &number);
    holds("its maker's priority", number == PTHREAD_INHERIT_SCHED);
    pthread_attr_destroy(&attributes);

    pthread_create(&thread, NULL, wait_to_go, (void *)17);
    sem_wait(&ready);
    show("join of one that goes on", "%s", error(pthread_tryjoin_np(thread, &value)));
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 10000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    show("and for some time", "%s", error(pthread_timedjoin_np(thread, &value, &until)));
    show("its name", "%s", error(pthread_setname_np(thread, "fifteen-letters")));
    show("too long a name", "%s", error(pthread_setname_np(thread, "sixteen-letters!")));
    char name[16];
    pthread_getname_np(thread, name, sizeof name);
    show("the name it has", "%s", name);
    sem_post(&go);
    show("join", "%s", error(pthread_join(thread, &value)));
    show("its value", "%ld", (long)value);

    pthread_create(&thread, NULL, wait_to_go, NULL);
    sem_wait(&ready);
    show("detach", "%s", error(pthread_detach(thread)));
    show("detach again", "%s", error(pthread_detach(thread)));
    show("join of one detached", "%s", error(pthread_join(thread, NULL)));
    sem_post(&go);
    holds("equal to itself", pthread_equal(pthread_self(), pthread_self()));

    for (long way = 0; way < 2; way++) {
        pthread_create(&thread, NULL, cancel_oneself, (void *)(way * 23));
        pthread_join(thread, &value);
        show_trace(way ? "clean-up at an exit" : "clean-up at a cancellation");
        show("its value", "%ld", (long)value);
    }
    pthread_create(&thread, NULL, cancel_disabled, NULL);
    sem_wait(&ready);
    pthread_cancel(thread);
    sem_post(&cancelled);
    pthread_join(thread, &value);
    show_trace("not cancelled while that is disabled");
    holds("but then", value == PTHREAD_CANCELED);

    static const char *const ways[] = {"sem_wait", "cond_wait", "read", "sleep", "join", "sigwait", "sigsuspend", "busy"};
    for (long way = 0; way < WAYS; way++) {
        if (way == JOIN) continue;
        pthread_create(&thread, NULL, block, (void *)way);
        sem_wait(&ready);
        milliseconds(10);
        pthread_cancel(thread);
        pthread_join(thread, &value);
        holds(ways[way], value == PTHREAD_CANCELED);
        show_trace("cleaned up");
    }
    show("the mutex is free", "%s", error(pthread_mutex_trylock(&mutex)));
    pthread_mutex_unlock(&mutex);

    for (int i = 0; i < 3; i++) pthread_key_create(&keys[i], i < 2 ? again : NULL);
    pthread_create(&thread, NULL, set_key, (void *)10);
    pthread_join(thread, &value);
    show_trace("destructors, again and again");
    show("a key of nobody", "%ld", (long)value);
    show("delete a key", "%s", error(pthread_key_delete(keys[1])));
    show("delete it again", "%s", error(pthread_key_delete(keys[1])));
    show("set one that is deleted", "%s", error(pthread_setspecific(keys[1], &number)));
    holds("get one that is deleted", pthread_getspecific(keys[1]) == NULL);
    int made = 0;
    static pthread_key_t many[PTHREAD_KEYS_MAX + 1];
    while (made <= PTHREAD_KEYS_MAX && pthread_key_create(&many[made], NULL) == 0) made++;
    holds("keys enough", made > 1000 && made <= PTHREAD_KEYS_MAX);
    for (int i = 0; i < made; i++) pthread_setspecific(many[i], (void *)(long)(i + 1));
    int kept = 0;
    for (int i = 0; i < made; i++) kept += (long)pthread_getspecific(many[i]) == i + 1;
    holds("each has its value", kept == made);

    pthread_create(&thread, NULL, call_once, (void *)1);
    sem_wait(&ready);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    call_once(NULL);
    call_once(NULL);
    show_trace("once, after one that was cancelled");

    for (int i = 0; i < 100; i++) {
        pthread_create(&thread, NULL, give, (void *)(long)i);
        if (i % 2) pthread_join(thread, &value), traced += (long)value == i;
        else pthread_detach(thread);
    }
    show("joined in turn", "%d", traced);
    ids();
    return 0;
}
