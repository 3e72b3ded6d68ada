/* execve: programs, scripts, the host's programs, descriptors, signals and environment across it. */
#include "check.h"
#include <sys/prctl.h>

static char *self = "/proc/self/exe";
static int run(char *path, char **arguments, char **environment)
{
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, arguments, environment);
        show("exec failed", "%s", strerrorname_np(errno));
        _exit(127);
    }
    return wait_for(pid);
}

static void write_file(const char *name, const char *text, int mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (write(fd, text, strlen(text)) < 0) _exit(98);
    fchmod(fd, mode);
    close(fd);
}

static int executed(int argc, char **argv)
{
    if (strcmp(argv[1], "arguments") == 0) {
        for (int i = 0; i < argc; i++) show("argument", "%s", argv[i]);
        for (char **variable = environ; *variable; variable++) show("variable", "%s", *variable);
        return 33;
    }
    if (strcmp(argv[1], "descriptors") == 0) {
        char line[100] = "";
        for (int fd = 3; fd < 40; fd++)
            if (fcntl(fd, F_GETFD) >= 0) sprintf(line + strlen(line), " %d", fd);
        show("descriptors", "%s", line);
        return 0;
    }
    if (strcmp(argv[1], "signals") == 0) {
        sigset_t mask, waiting;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        sigpending(&waiting);
        struct sigaction one, two;
        sigaction(SIGUSR1, NULL, &one);
        sigaction(SIGUSR2, NULL, &two);
        stack_t stack;
        sigaltstack(NULL, &stack);
        show("signals", "blocked %d pending %d handler %s ignored %s stack %d", sigismember(&mask, SIGHUP),
             sigismember(&waiting, SIGHUP), one.sa_handler == SIG_DFL ? "default" : "?", two.sa_handler == SIG_IGN ? "yes" : "no",
             stack.ss_flags);
        return 0;
    }
    if (strcmp(argv[1], "alarm") == 0) {
        holds("alarm goes on", alarm(0) > 0);
        char name[20];
        prctl(PR_GET_NAME, name);
        show("name", "%s", name);
        return 0;
    }
    return 2;
}

static void nothing(int signal) { (void)signal; }

int exec_program(int argc, char **argv)
{
    if (argc > 1) return executed(argc, argv);
    char *plain[] = {"process", "exec", "arguments", "with space", "", NULL};
    char *environment[] = {"A=1", "B=with space", "EMPTY=", "no sign", NULL};
    ended("itself", run(self, plain, environment));

    char *none[] = {NULL};
    char target[4096] = "";
    if (readlink(self, target, sizeof target - 1) < 0) return 1;
    result("missing file", execve("/nonexistent", plain, environment));
    result("directory", execve("/tmp", plain, environment));
    write_file("text", "no program\n", 0755);
    result("text", execve("./text", plain, environment));
    write_file("empty", "", 0755);
    result("empty file", execve("./empty", plain, environment));
    write_file("forbidden", "#!/bin/sh\n", 0644);
    result("not executable", execve("./forbidden", plain, environment));
    write_file("cut", "\177ELF\1\1\1", 0755);
    result("cut-off ELF file", execve("./cut", plain, environment));
    result("bad arguments", execve(self, (char **)8, environment));
    result("bad name", execve((char *)8, plain, environment));
    result("empty name", execve("", plain, environment));
    result("not a directory", execve("text/x", plain, environment));
    char *long_argument = malloc(200000);
    memset(long_argument, 'x', 199999);
    long_argument[199999] = 0;
    char *too_long[] = {"x", long_argument, NULL};
    result("argument of 200000 bytes", execve(self, too_long, environment));

    char script[5000];
    sprintf(script, "#! %s exec  arguments two words \nrest\n", target);
    write_file("script", script, 0755);
    char *script_arguments[] = {"name", "last", NULL};
    pid_t pid = fork();
    if (pid == 0) {
        /* The interpreter's name contains a path: only what follows it is shown. */
        int pipes[2];
        if (pipe(pipes) < 0) _exit(1);
        execve("./script", script_arguments, none);
        _exit(97);
    }
    ended("script (its program is exec with one argument)", wait_for(pid));
    write_file("loop", "#!./loop\n", 0755);
    result("script that is its own interpreter", execve("./loop", plain, environment));
    write_file("lost", "#!/nonexistent/interpreter\n", 0755);
    result("script without interpreter", execve("./lost", plain, environment));
    write_file("blank", "#!   \n", 0755);
    result("script with an empty interpreter", execve("./blank", plain, environment));
    unlink("script"), unlink("loop"), unlink("lost"), unlink("blank");

    int keep = open("/dev/null", O_RDONLY), lose = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(keep, 20);
    dup3(keep, 21, O_CLOEXEC);
    fcntl(20, F_DUPFD_CLOEXEC, 30);
    fcntl(20, F_DUPFD, 31);
    int changed = fcntl(20, F_DUPFD, 35);
    fcntl(changed, F_SETFD, FD_CLOEXEC);
    close(keep), close(lose);
    char *descriptors[] = {"process", "exec", "descriptors", NULL};
    ended("close-on-exec", run(self, descriptors, none));
    result("it closes only across exec", fcntl(21, F_GETFD));
    int own = open(target, O_RDONLY | O_CLOEXEC);
    pid = fork();
    if (pid == 0) {
        fexecve(own, descriptors, none);
        _exit(96);
    }
    ended("fexecve", wait_for(pid));
    pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, own, "", descriptors, none, 0);
        result("execveat without AT_EMPTY_PATH", -1);
        syscall(SYS_execveat, 99, "x", descriptors, none, 0);
        result("execveat of a bad descriptor", -1);
        syscall(SYS_execveat, own, "", descriptors, none, 0x1000);
        _exit(96);
    }
    ended("execveat", wait_for(pid));
    for (int fd = 3; fd < 40; fd++) close(fd);

    handle(SIGUSR1, nothing, SA_ONSTACK);
    signal(SIGUSR2, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    char *signals[] = {"process", "exec", "signals", NULL};
    char stack[8192];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    pid = fork();
    if (pid == 0) {
        raise(SIGHUP);
        execve(self, signals, none);
        _exit(96);
    }
    ended("signals across exec", wait_for(pid));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    char *alarms[] = {"process", "exec", "alarm", NULL};
    pid = fork();
    if (pid == 0) {
        alarm(50);
        prctl(PR_SET_NAME, "before");
        symlink(target, "a-name-of-its-own");
        execve("./a-name-of-its-own", alarms, none);
        _exit(96);
    }
    ended("alarm across exec", wait_for(pid));
    unlink("a-name-of-its-own");

    /* vfork and exec, as posix_spawn and shells do. */
    pid = vfork();
    if (pid == 0) {
        execve(self, plain, none);
        _exit(96);
    }
    ended("vfork and exec", wait_for(pid));
    char *empty[] = {NULL};
    pid = fork();
    if (pid == 0) {
        execve(self, empty, none);
        _exit(96);
    }
    close(2);
    if (open("/dev/null", O_WRONLY) != 2) return 1;
    ended("no arguments at all", wait_for(pid));
    unlink("text"), unlink("empty"), unlink("forbidden"), unlink("cut");
    return 0;
}
