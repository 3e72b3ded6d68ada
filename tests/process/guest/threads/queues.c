/* What is left of librt: message queues, shared memory by names, asynchronous input and output; and conditions under load. */
#include "../check.h"
#include <aio.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/random.h>

static const char *error(int number) { return number ? strerrorname_np(number) : "ok"; }
static sem_t told;
static volatile sig_atomic_t told_value;
static char name[40];

static void tell(union sigval value)
{
    told_value = value.sival_int;
    sem_post(&told);
}
static void note(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    told_value = info->si_value.sival_int * (info->si_code == SI_MESGQ || info->si_code == SI_ASYNCIO);
}

static void *send_some(void *argument)
{
    mqd_t queue = *(mqd_t *)argument;
    for (int i = 0; i < 200; i++) {
        int number = i;
        mq_send(queue, (char *)&number, sizeof number, 3);
    }
    return NULL;
}

static void message_queues(void)
{
    char text[64];
    unsigned priority;
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 16}, got;
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    holds("a queue", queue != (mqd_t)-1);
    holds("not made again", mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes) == (mqd_t)-1 && errno == EEXIST);
    result("its attributes", mq_getattr(queue, &got));
    show("  they are", "%ld %ld %ld %ld", got.mq_flags, got.mq_maxmsg, got.mq_msgsize, got.mq_curmsgs);
    result("low", mq_send(queue, "low", 4, 1));
    result("high", mq_send(queue, "high", 5, 9));
    result("low too", mq_send(queue, "low too", 8, 1));
    result("too long", mq_send(queue, text, 17, 1));
    result("too small a buffer", mq_receive(queue, text, 15, NULL));
    for (int i = 0; i < 3; i++) {
        int length = mq_receive(queue, text, sizeof text, &priority);
        show("received", "%d %s %u", length, text, priority);
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 10000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    result("none for some time", mq_timedreceive(queue, text, sizeof text, NULL, &until));
    attributes.mq_flags = O_NONBLOCK;
    result("not blocking", mq_setattr(queue, &attributes, &got));
    result("none", mq_receive(queue, text, sizeof text, NULL));
    for (int i = 0; i < 4; i++) mq_send(queue, "x", 2, 0);
    result("full", mq_send(queue, "x", 2, 0));
    for (int i = 0; i < 4; i++) mq_receive(queue, text, sizeof text, NULL);
    attributes.mq_flags = 0;
    mq_setattr(queue, &attributes, NULL);

    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = note;
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 12};
    result("notify by a signal", mq_notify(queue, &event));
    result("only once", mq_notify(queue, &event));
    mq_send(queue, "x", 2, 0);
    for (int i = 0; i < 2000 && told_value == 0; i++) milliseconds(1);
    show("notified", "%d", told_value);
    mq_receive(queue, text, sizeof text, NULL);
    struct sigevent call = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 13};
    call.sigev_notify_function = tell;
    result("notify by a thread", mq_notify(queue, &call));
    mq_send(queue, "x", 2, 0);
    while (sem_wait(&told) < 0);
    show("notified", "%d", told_value);
    mq_receive(queue, text, sizeof text, NULL);

    pthread_t thread;
    pthread_create(&thread, NULL, send_some, &queue);
    int sum = 0, number, ordered = 1;
    for (int i = 0; i < 200; i++) {
        mq_receive(queue, text, sizeof text, NULL);
        memcpy(&number, text, sizeof number);
        ordered &= number == i;
        sum += number;
    }
    pthread_join(thread, NULL);
    show("from a thread", "%d %d", sum, ordered);
    result("closed", mq_close(queue));
    result("used after that", mq_getattr(queue, &got));
    result("unlinked", mq_unlink(name));
    result("unlinked again", mq_unlink(name));
    holds("gone", mq_open(name, O_RDWR) == (mqd_t)-1 && errno == ENOENT);
    holds("no such name", mq_open("none", O_RDWR) == (mqd_t)-1 && errno == EINVAL);
}

static void shared_memory(void)
{
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    holds("shared memory", fd >= 0);
    result("its size", ftruncate(fd, 8192));
    int *here = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int again = shm_open(name, O_RDONLY, 0);
    int *there = mmap(NULL, 8192, PROT_READ, MAP_SHARED, again, 0);
    here[1500] = 77;
    show("seen elsewhere", "%d", there[1500]);
    pid_t pid = fork();
    if (pid == 0) {
        here[3] = here[1500] + 1;
        _exit(0);
    }
    wait_for(pid);
    show("written by a child", "%d", there[3]);
    result("unlinked", shm_unlink(name));
    result("unlinked again", shm_unlink(name));
    result("opened after that", shm_open(name, O_RDWR, 0));
    close(fd);
    close(again);
}

static void asynchronous(void)
{
    char path[] = "asynchronous";
    char text[3][16] = {"first block....", "second block...", "third block...."}, back[3][16];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct aiocb blocks[3], *list[3];
    for (int i = 0; i < 3; i++) {
        blocks[i] = (struct aiocb){.aio_fildes = fd, .aio_buf = text[i], .aio_nbytes = 16, .aio_offset = i * 16};
        blocks[i].aio_sigevent.sigev_notify = SIGEV_NONE;
        blocks[i].aio_lio_opcode = LIO_WRITE;
        list[i] = &blocks[i];
    }
    result("write", aio_write(&blocks[0]));
    const struct aiocb *waited[] = {&blocks[0]};
    while (aio_error(&blocks[0]) == EINPROGRESS) aio_suspend(waited, 1, NULL);
    show("written", "%s %d", error(aio_error(&blocks[0])), (int)aio_return(&blocks[0]));
    result("a list", lio_listio(LIO_WAIT, list, 3, NULL));
    show("of three", "%d %d %d", (int)aio_return(&blocks[0]), (int)aio_return(&blocks[1]), (int)aio_return(&blocks[2]));
    struct aiocb synchronise = {.aio_fildes = fd};
    synchronise.aio_sigevent.sigev_notify = SIGEV_NONE;
    result("synchronised", aio_fsync(O_SYNC, &synchronise));
    const struct aiocb *synchronised[] = {&synchronise};
    while (aio_error(&synchronise) == EINPROGRESS) aio_suspend(synchronised, 1, NULL);
    show("  was", "%d", (int)aio_return(&synchronise));
    for (int i = 0; i < 3; i++) {
        blocks[i].aio_buf = back[i];
        blocks[i].aio_lio_opcode = LIO_READ;
    }
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 21};
    told_value = 0;
    result("a list, not waited for", lio_listio(LIO_NOWAIT, list, 3, &event));
    for (int i = 0; i < 2000 && told_value == 0; i++) milliseconds(1);
    show("a signal at its end", "%d", told_value);
    int same = 1;
    for (int i = 0; i < 3; i++) same &= aio_return(&blocks[i]) == 16 && strcmp(back[i], text[i]) == 0;
    holds("all was read", same);
    blocks[0].aio_sigevent.sigev_notify = SIGEV_THREAD;
    blocks[0].aio_sigevent.sigev_value.sival_int = 22;
    blocks[0].aio_sigevent.sigev_notify_function = tell;
    blocks[0].aio_sigevent.sigev_notify_attributes = NULL;
    result("read", aio_read(&blocks[0]));
    while (sem_wait(&told) < 0);
    show("a thread at its end", "%d", told_value);
    blocks[1].aio_fildes = -1;
    /* Some C libraries tell at once, others later. */
    int answer = aio_read(&blocks[1]);
    if (answer == 0) {
        while (aio_error(&blocks[1]) == EINPROGRESS) milliseconds(1);
        errno = aio_error(&blocks[1]);
    }
    show("no such file", "%s", error(errno));
    int ends[2];
    pipe(ends);
    blocks[2] = (struct aiocb){.aio_fildes = ends[0], .aio_buf = back[2], .aio_nbytes = 16};
    blocks[2].aio_sigevent.sigev_notify = SIGEV_NONE;
    result("read from a pipe", aio_read(&blocks[2]));
    struct timespec brief = {0, 5000000};
    const struct aiocb *pending[] = {&blocks[2]};
    result("not ready", aio_suspend(pending, 1, &brief));
    show("in progress", "%s", error(aio_error(&blocks[2])));
    write(ends[1], "now", 3);
    while (aio_error(&blocks[2]) == EINPROGRESS) aio_suspend(pending, 1, NULL);
    show("ready", "%d", (int)aio_return(&blocks[2]));
    holds("nothing to cancel", aio_cancel(fd, NULL) == AIO_ALLDONE);
    unlink(path);
}

#define PLACES 5
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int places[PLACES], used, put, taken, produced, consumed;
static long sum;
static void *produce(void *argument)
{
    for (int i = 0; i < 400; i++) {
        pthread_mutex_lock(&mutex);
        while (used == PLACES) pthread_cond_wait(&not_full, &mutex);
        places[put++ % PLACES] = ++produced;
        used++;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}
static void *consume(void *argument)
{
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (used == 0 && consumed < 1200) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 20;
            if (pthread_cond_timedwait(&not_empty, &mutex, &until) == ETIMEDOUT) consumed = 100000;
        }
        if (consumed >= 1200) {
            pthread_mutex_unlock(&mutex);
            return argument;
        }
        sum += places[taken++ % PLACES];
        used--;
        if (++consumed == 1200) pthread_cond_broadcast(&not_empty);
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&mutex);
    }
}

int queues_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    sem_init(&told, 0, 0);
    /* Names are shared by all who run this at the same time, ids are not. */
    u64 random;
    getrandom(&random, sizeof random, 0);
    sprintf(name, "/process-%llx", random);
    message_queues();
    shared_memory();
    asynchronous();
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) pthread_create(&threads[i], NULL, i % 2 ? produce : consume, NULL);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    show("produced and consumed", "%d %ld", consumed, sum);
    return 0;
}
