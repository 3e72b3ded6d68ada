/* The suite's entry: one binary, so that the C library is in it once. */
#include "check.h"

void show(const char *name, const char *format, ...)
{
    char line[1000];
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(line, sizeof line, "%s: ", name);
    length += vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    /* Unbuffered: a child must not print its parent's lines again. */
    if (write(1, line, length) < 0) _exit(99);
}

void result(const char *name, long value)
{
    if (value == -1) show(name, "%s", strerrorname_np(errno));
    else show(name, "%ld", value);
}

void holds(const char *name, int condition) { show(name, condition ? "yes" : "no"); }

void ended(const char *name, int status)
{
    if (WIFEXITED(status)) show(name, "exit %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) show(name, "SIG%s%s", sigabbrev_np(WTERMSIG(status)), WCOREDUMP(status) ? " core" : "");
    else if (WIFSTOPPED(status)) show(name, "stopped SIG%s", sigabbrev_np(WSTOPSIG(status)));
    else if (WIFCONTINUED(status)) show(name, "continued");
    else show(name, "status %#x", status);
}

int wait_for(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR);
    return status;
}

int in_child(void (*function)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        function();
        _exit(0);
    }
    return wait_for(pid);
}

void milliseconds(int count)
{
    struct timespec left = {count / 1000, count % 1000 * 1000000L};
    while (nanosleep(&left, &left) < 0 && errno == EINTR);
}

long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void handle(int signal, void *handler, int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    sigaction(signal, &action, NULL);
}

#define THREAD_PROGRAMS(F) \
    F(threads) F(locking) F(atomics) F(signalling) F(ending) F(forking) \
    F(sharing) F(torture) F(lives) F(mutexes) F(clocks) F(queues)
#ifdef THREADS_ONLY
#define PROGRAMS THREAD_PROGRAMS
#else
#define PROGRAMS(F) \
    F(actions) F(frames) F(waiting) F(restart) F(timers) F(faults) F(memory) F(children) F(exec) F(jobs) F(proc) F(files) \
    F(locks) F(events) F(sockets) F(ipc) F(times) F(limits) \
    THREAD_PROGRAMS(F)
#endif

#define DECLARE(name) program name##_program;
PROGRAMS(DECLARE)
#define ENTRY(name) {#name, name##_program},
static const struct {
    const char *name;
    program *run;
} programs[] = {PROGRAMS(ENTRY)};

int main(int argc, char **argv)
{
    /* What a careless parent left open is no business of the checks; what `exec` leaves open to itself is. */
    if (argc == 2) syscall(SYS_close_range, 3, ~0u, 0);
    for (size_t i = 0; argc > 1 && i < COUNT(programs); i++) {
        if (strcmp(programs[i].name, argv[1]) == 0) return programs[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "usage: process PROGRAM; one of:");
    for (size_t i = 0; i < COUNT(programs); i++) fprintf(stderr, " %s", programs[i].name);
    fprintf(stderr, "\n");
    return 2;
}
