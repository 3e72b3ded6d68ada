/* sigaction's flags, masks, the alternate stack and default actions. */
#include "check.h"

static volatile int count, depth, deepest, last;
static volatile sigset_t seen;

static void counting(int signal)
{
    count++;
    last = signal;
}

static void nested(int signal)
{
    count++;
    if (++depth > deepest) deepest = depth;
    if (count < 3) raise(signal);
    depth--;
}

static void remember_mask(int signal)
{
    last = signal;
    sigprocmask(SIG_BLOCK, NULL, (sigset_t *)&seen);
}

static siginfo_t info;
static void with_info(int signal, siginfo_t *given, void *context)
{
    (void)context;
    last = signal;
    info = *given;
}

static char stack[16384];
static volatile int on_stack, stack_flags;
static void where(int signal)
{
    char here;
    stack_t now_stack;
    last = signal;
    on_stack = &here >= stack && &here < stack + sizeof stack;
    sigaltstack(NULL, &now_stack);
    stack_flags = now_stack.ss_flags;
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    result("change of the stack while on it", sigaltstack(&other, NULL));
}

static int children_seen, chld_code, chld_status;
static void child_info(int signal, siginfo_t *given, void *context)
{
    (void)signal, (void)context;
    children_seen++;
    chld_code = given->si_code;
    chld_status = given->si_status;
}

static void exit_7(void) { _exit(7); }
static void raise_abort(void) { abort(); }
static int to_raise;
static void raise_it(void)
{
    signal(to_raise, SIG_DFL);
    raise(to_raise);
}

int actions_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    sigset_t set, old;
    struct sigaction action;

    handle(SIGUSR1, counting, 0);
    raise(SIGUSR1);
    show("handler runs", "%d signal %d", count, last);

    count = depth = deepest = 0;
    handle(SIGUSR1, nested, 0);
    raise(SIGUSR1);
    show("own signal is blocked in its handler", "%d deep %d", count, deepest);
    count = depth = deepest = 0;
    handle(SIGUSR1, nested, SA_NODEFER);
    raise(SIGUSR1);
    show("SA_NODEFER", "%d deep %d", count, deepest);

    handle(SIGUSR1, counting, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    holds("SA_RESETHAND resets", action.sa_handler == SIG_DFL);
    show("flags after SA_RESETHAND", "%#x", action.sa_flags & ~0x04000000);

    memset(&action, 0, sizeof action);
    action.sa_handler = remember_mask;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaddset(&action.sa_mask, SIGRTMIN + 3);
    sigaddset(&action.sa_mask, SIGKILL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    show("mask in a handler", "%d%d%d%d%d", sigismember((sigset_t *)&seen, SIGUSR1), sigismember((sigset_t *)&seen, SIGUSR2),
         sigismember((sigset_t *)&seen, SIGRTMIN + 3), sigismember((sigset_t *)&seen, SIGKILL),
         sigismember((sigset_t *)&seen, SIGHUP));
    sigprocmask(SIG_BLOCK, NULL, &set);
    show("mask after it", "%d%d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
    sigaction(SIGUSR1, NULL, &action);
    show("SIGKILL is left out of sa_mask", "%d%d", sigismember(&action.sa_mask, SIGKILL), sigismember(&action.sa_mask, SIGUSR2));

    handle(SIGUSR1, with_info, SA_SIGINFO);
    raise(SIGUSR1);
    show("siginfo of raise", "code %d mine %d uid %d", info.si_code, info.si_pid == getpid(), info.si_uid == getuid());
    kill(getpid(), SIGUSR1);
    show("siginfo of kill", "code %d mine %d", info.si_code, info.si_pid == getpid());
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 0x12345678});
    show("siginfo of sigqueue", "code %d value %x mine %d", info.si_code, info.si_value.sival_int, info.si_pid == getpid());

    handle(SIGUSR1, counting, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    count = 0;
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 0; i < 3; i++) raise(SIGUSR1);
    sigpending(&set);
    show("pending", "%d%d count %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), count);
    sigprocmask(SIG_SETMASK, &old, NULL);
    show("standard signals do not queue", "%d", count);

    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    handle(SIGUSR1, SIG_IGN, 0);
    handle(SIGUSR1, counting, 0);
    sigpending(&set);
    show("ignoring forgets what waits", "%d", sigismember(&set, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    show("and nothing is delivered", "%d", count);

    handle(SIGCHLD, SIG_DFL, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    in_child(exit_7);
    sigpending(&set);
    show("blocked SIGCHLD of default action waits", "%d", sigismember(&set, SIGCHLD));
    sigprocmask(SIG_SETMASK, &old, NULL);

    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, back;
    result("sigaltstack", sigaltstack(&alternate, NULL));
    handle(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    show("SA_ONSTACK", "on stack %d flags %d", on_stack, stack_flags);
    handle(SIGUSR1, counting, 0);
    sigaltstack(NULL, &back);
    show("stack afterwards", "same %d size %d flags %d", back.ss_sp == stack, (int)back.ss_size, back.ss_flags);
    alternate.ss_size = 100;
    result("stack too small", sigaltstack(&alternate, NULL));
    alternate.ss_flags = 77;
    result("stack of unknown flags", sigaltstack(&alternate, NULL));
    alternate = (stack_t){.ss_flags = SS_DISABLE};
    result("stack disabled", sigaltstack(&alternate, &back));
    sigaltstack(NULL, &back);
    show("disabled stack", "flags %d size %d", back.ss_flags, (int)back.ss_size);

    result("sigaction of SIGKILL", sigaction(SIGKILL, &(struct sigaction){.sa_handler = counting}, NULL));
    result("sigaction of SIGSTOP", sigaction(SIGSTOP, &(struct sigaction){.sa_handler = SIG_IGN}, NULL));
    result("reading SIGKILL's action", sigaction(SIGKILL, NULL, &action));
    result("sigaction of 65", syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
    result("sigaction of 0", syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
    result("sigaction with a set of 4 bytes", syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    result("sigaction at a bad address", syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8));
    result("sigprocmask of unknown kind", syscall(SYS_rt_sigprocmask, 5, &set, NULL, 8));
    result("sigprocmask of unknown kind without a set", syscall(SYS_rt_sigprocmask, 5, NULL, NULL, 8));
    result("kill with signal 65", kill(getpid(), 65));
    result("kill with signal 0", kill(getpid(), 0));
    result("kill of nobody", kill(0x3ffffff, 0));
    result("tgkill with a foreign group", syscall(SYS_tgkill, getppid(), getpid(), 0));
    result("sigqueue that pretends to be the kernel", syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &(siginfo_t){.si_code = SI_USER}));

    handle(SIGCHLD, child_info, SA_SIGINFO | SA_NOCLDSTOP);
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(3);
    }
    int status;
    waitpid(pid, &status, WUNTRACED);
    ended("child stopped", status);
    show("SA_NOCLDSTOP", "%d", children_seen);
    kill(pid, SIGCONT);
    wait_for(pid);
    show("SIGCHLD of an exit", "%d code %d status %d", children_seen, chld_code, chld_status);
    children_seen = 0;
    handle(SIGCHLD, child_info, SA_SIGINFO | SA_RESTART);
    pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(3);
    }
    waitpid(pid, &status, WUNTRACED);
    show("SIGCHLD of a stop", "%d code %d status %d", children_seen, chld_code, chld_status);
    kill(pid, SIGKILL);
    ended("killed while stopped", wait_for(pid));
    show("SIGCHLD of a kill", "code %d status %d", chld_code, chld_status);
    handle(SIGCHLD, SIG_DFL, SA_NOCLDWAIT);
    pid = fork();
    if (pid == 0) _exit(0);
    result("SA_NOCLDWAIT leaves nothing to wait for", waitpid(pid, &status, 0));
    handle(SIGCHLD, SIG_IGN, 0);
    pid = fork();
    if (pid == 0) _exit(0);
    result("ignored SIGCHLD, too", waitpid(-1, &status, 0));
    handle(SIGCHLD, SIG_DFL, 0);

    static const int deadly[] = {SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGSTKFLT, SIGIO,
                                 SIGPROF, SIGVTALRM, SIGPWR, SIGSYS, SIGXCPU, SIGXFSZ, SIGQUIT, SIGSEGV, SIGBUS, SIGFPE,
                                 SIGILL, SIGTRAP, 34, 64};
    for (size_t i = 0; i < COUNT(deadly); i++) {
        to_raise = deadly[i];
        char name[40];
        sprintf(name, "default action of %d", to_raise);
        status = in_child(raise_it);
        show(name, "%s %d", WIFSIGNALED(status) ? "death" : "?", WTERMSIG(status));
    }
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
    for (size_t i = 0; i < COUNT(harmless); i++) {
        to_raise = harmless[i];
        char name[40];
        sprintf(name, "default action of %d", to_raise);
        ended(name, in_child(raise_it));
    }
    show("abort", "SIG%s", sigabbrev_np(WTERMSIG(in_child(raise_abort))));

    /* From another process, among them those that processors raise. */
    static const int foreign[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1, SIGINT, SIGCONT, SIGTSTP, 40};
    for (size_t i = 0; i < COUNT(foreign); i++) {
        char name[40];
        sprintf(name, "signal %d from a child", foreign[i]);
        memset(&info, 0, sizeof info);
        handle(foreign[i], with_info, SA_SIGINFO);
        pid = fork();
        if (pid == 0) {
            kill(getppid(), foreign[i]);
            _exit(0);
        }
        wait_for(pid);
        for (int wait = 0; wait < 500 && info.si_signo == 0; wait++) milliseconds(1);
        show(name, "got %d code %d from it %d", info.si_signo, info.si_code, info.si_pid == pid);
        handle(foreign[i], SIG_DFL, 0);
    }
    for (size_t i = 0; i < 2; i++) {
        pid = fork();
        if (pid == 0)
            for (;;) pause();
        milliseconds(20);
        kill(pid, foreign[i]);
        status = wait_for(pid);
        show("such a signal from its parent", "death %d", WTERMSIG(status));
    }
    return 0;
}
