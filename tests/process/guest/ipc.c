/* System V and POSIX inter-process communication. */
#include "check.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static volatile int handled, value_seen;
static void note(int signal, siginfo_t *info, void *context)
{
    (void)context;
    handled = signal;
    value_seen = info->si_value.sival_int;
}

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

int ipc_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    int segment = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
    holds("shmget", segment >= 0);
    char *memory = shmat(segment, NULL, 0), *again = shmat(segment, NULL, SHM_RDONLY);
    holds("shmat", memory != (char *)-1 && again != (char *)-1);
    strcpy(memory, "shared");
    show("second attachment", "%s", again);
    struct shmid_ds segment_status;
    result("IPC_STAT", shmctl(segment, IPC_STAT, &segment_status));
    show("its fields", "size %d attached %d mode %o mine %d", (int)segment_status.shm_segsz, (int)segment_status.shm_nattch,
         segment_status.shm_perm.mode & 0777, segment_status.shm_cpid == getpid());
    pid_t pid = fork();
    if (pid == 0) {
        strcpy(memory, "by a child");
        _exit(0);
    }
    wait_for(pid);
    show("child's store", "%s", again);
    result("shmdt", shmdt(again));
    result("shmdt of nothing", shmdt((void *)0x1000));
    char *fixed = shmat(segment, (void *)0x60001234, SHM_RND);
    holds("SHM_RND", fixed == (char *)0x60001000);
    result("address not aligned", shmat(segment, (void *)0x60101234, 0) == (void *)-1 ? -1 : 0);
    result("IPC_RMID", shmctl(segment, IPC_RMID, NULL));
    show("memory outlives it", "%s", memory);
    shmdt(memory), shmdt(fixed);
    result("shmat of a removed segment", shmat(segment, NULL, 0) == (void *)-1 ? -1 : 0);

    int semaphores = semget(IPC_PRIVATE, 3, 0600);
    union semun argument;
    unsigned short values[3] = {1, 2, 3}, back[3] = {0};
    argument.array = values;
    result("SETALL", semctl(semaphores, 0, SETALL, argument));
    argument.array = back;
    result("GETALL", semctl(semaphores, 0, GETALL, argument));
    show("values", "%d %d %d", back[0], back[1], back[2]);
    argument.val = 5;
    result("SETVAL", semctl(semaphores, 1, SETVAL, argument));
    result("GETVAL", semctl(semaphores, 1, GETVAL));
    struct sembuf operations[2] = {{0, -1, SEM_UNDO}, {1, 2, 0}};
    result("semop", semop(semaphores, operations, 2));
    result("GETVAL", semctl(semaphores, 1, GETVAL));
    holds("GETPID", semctl(semaphores, 1, GETPID) == getpid());
    operations[0] = (struct sembuf){0, -5, IPC_NOWAIT};
    result("semop that would wait", semop(semaphores, operations, 1));
    operations[0] = (struct sembuf){9, 1, 0};
    result("semop of a semaphore not there", semop(semaphores, operations, 1));
    struct timespec short_time = {0, 10000000};
    operations[0] = (struct sembuf){0, -5, 0};
    result("semtimedop", semtimedop(semaphores, operations, 1, &short_time));
    struct semid_ds set_status;
    argument.buf = &set_status;
    result("IPC_STAT", semctl(semaphores, 0, IPC_STAT, argument));
    show("its semaphores", "%d", (int)set_status.sem_nsems);
    result("IPC_RMID", semctl(semaphores, 0, IPC_RMID));

    int queue = msgget(IPC_PRIVATE, 0600);
    struct {
        long type;
        char text[100];
    } message = {5, "five"};
    result("msgsnd", msgsnd(queue, &message, 10, 0));
    message.type = 3;
    strcpy(message.text, "three");
    msgsnd(queue, &message, 10, 0);
    message.type = 0;
    result("msgsnd of type 0", msgsnd(queue, &message, 10, 0));
    result("msgrcv by type", msgrcv(queue, &message, 100, -4, 0));
    show("message", "%ld %s", message.type, message.text);
    result("msgrcv with little room", msgrcv(queue, &message, 3, 0, 0));
    result("msgrcv with MSG_NOERROR", msgrcv(queue, &message, 3, 0, MSG_NOERROR));
    show("message", "%ld %.3s", message.type, message.text);
    result("msgrcv of nothing", msgrcv(queue, &message, 3, 0, IPC_NOWAIT));
    struct msqid_ds queue_status;
    result("IPC_STAT", msgctl(queue, IPC_STAT, &queue_status));
    show("its fields", "%d %d", (int)queue_status.msg_qnum, queue_status.msg_lspid == getpid());
    result("IPC_RMID", msgctl(queue, IPC_RMID, NULL));
    result("ftok", ftok("/", 1) != -1);

    /* Process ids are not enough: they are the same in every process namespace. */
    char name[60];
    struct timespec started;
    clock_gettime(CLOCK_MONOTONIC, &started);
    sprintf(name, "/bridge86-%d-%ld-%ld", getpid(), (long)started.tv_sec, started.tv_nsec);
    struct mq_attr attributes = {.mq_maxmsg = 3, .mq_msgsize = 50}, old;
    mqd_t posix = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (posix == (mqd_t)-1) result("mq_open", -1);
    else {
        result("mq_send", mq_send(posix, "low", 4, 1));
        mq_send(posix, "high", 5, 9);
        mq_getattr(posix, &old);
        show("mq_getattr", "%ld %ld %ld", old.mq_maxmsg, old.mq_msgsize, old.mq_curmsgs);
        char text[60];
        unsigned priority;
        result("mq_receive", mq_receive(posix, text, 50, &priority));
        show("message", "%s %u", text, priority);
        result("mq_receive with little room", mq_receive(posix, text, 10, &priority));
        mq_receive(posix, text, 50, &priority);
        handle(SIGUSR1, note, SA_SIGINFO);
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4321};
        result("mq_notify", mq_notify(posix, &event));
        mq_send(posix, "x", 2, 0);
        milliseconds(5);
        show("its signal", "%d value %d", handled == SIGUSR1, value_seen);
        mq_receive(posix, text, 50, &priority);
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 5000000;
        if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
        result("mq_timedreceive", mq_timedreceive(posix, text, 50, &priority, &soon));
        attributes.mq_flags = O_NONBLOCK;
        result("mq_setattr", mq_setattr(posix, &attributes, &old));
        result("mq_receive of nothing", mq_receive(posix, text, 50, &priority));
        mq_close(posix);
        result("mq_unlink", mq_unlink(name));
    }
    int shared = shm_open(name, O_RDWR | O_CREAT, 0600);
    if (ftruncate(shared, 4096) < 0) return 1;
    sem_t *semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    result("shm_unlink", shm_unlink(name));
    result("sem_init", sem_init(semaphore, 1, 0));
    pid = fork();
    if (pid == 0) {
        milliseconds(10);
        sem_post(semaphore);
        _exit(0);
    }
    result("sem_wait for a child", sem_wait(semaphore));
    wait_for(pid);
    result("sem_trywait", sem_trywait(semaphore));
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    result("sem_timedwait", sem_timedwait(semaphore, &deadline));
    sem_t *named = sem_open(name, O_CREAT, 0600, 2);
    holds("sem_open", named != SEM_FAILED);
    int count = 0;
    sem_getvalue(named, &count);
    show("its value", "%d", count);
    sem_close(named);
    result("sem_unlink", sem_unlink(name));
    return 0;
}
