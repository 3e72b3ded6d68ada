/* fork, waitpid, pipes, dup2 and execve. Its output is in a fixed order: each child is waited for. */
#include "guest.h"

static i32 child(i32 status)
{
    flush();
    i32 pid = sys0(SYS_fork);
    if (pid == 0) leave(status);
    return pid;
}

int main(int argc, char **argv, char **envp)
{
    if (argc > 1 && equal(argv[1], "executed")) {
        put("executed with ");
        put(argv[2]);
        put("\n");
        return 9;
    }
    i32 status = -1;
    i32 pid = child(7);
    i32 waited = sys3(SYS_waitpid, pid, &status, 0);
    put_named("waited for the child", waited == pid);
    put_named("status", status);
    put_named("no more children", sys3(SYS_waitpid, -1, &status, 0));

    /* Memory is copied. */
    static volatile u32 shared = 1;
    flush();
    if (sys0(SYS_fork) == 0) {
        shared = 2;
        put_named("child sees", shared);
        leave(0);
    }
    sys3(SYS_waitpid, -1, &status, 0);
    put_named("parent sees", shared);

    /* A pipe from a child, larger than the pipe. */
    i32 pipe[2];
    sys1(SYS_pipe, pipe);
    flush();
    if (sys0(SYS_fork) == 0) {
        static u8 block[1000];
        sys1(SYS_close, pipe[0]);
        for (u32 i = 0; i < 200; i++) {
            for (u32 k = 0; k < sizeof block; k++) block[k] = (u8)(i + k);
            for (u32 done = 0; done < sizeof block;) done += sys3(SYS_write, pipe[1], block + done, sizeof block - done);
        }
        leave(3);
    }
    sys1(SYS_close, pipe[1]);
    u32 total = 0, sum = 0;
    static u8 buffer[777];
    for (i32 n; (n = sys3(SYS_read, pipe[0], buffer, sizeof buffer)) > 0;) {
        for (i32 k = 0; k < n; k++) sum += buffer[k];
        total += n;
    }
    sys1(SYS_close, pipe[0]);
    put_named("bytes through the pipe", total);
    put_named("their sum", sum);
    sys3(SYS_waitpid, -1, &status, 0);
    put_named("status", status);

    /* A child killed by a signal. */
    flush();
    pid = sys0(SYS_fork);
    if (pid == 0) {
        for (;;) *(volatile int *)0 = 0;
    }
    sys3(SYS_waitpid, pid, &status, 0);
    put_named("signal", status & 127);

    /* Itself again, its output through a pipe. */
    sys1(SYS_pipe, pipe);
    flush();
    pid = sys0(SYS_fork);
    if (pid == 0) {
        char *arguments[] = {argv[0], "executed", "an argument", 0};
        sys2(SYS_dup2, pipe[1], 1);
        sys1(SYS_close, pipe[0]);
        sys1(SYS_close, pipe[1]);
        sys3(SYS_execve, "/proc/self/exe", arguments, envp);
        leave(99);
    }
    sys1(SYS_close, pipe[1]);
    put("read: ");
    for (i32 n; (n = sys3(SYS_read, pipe[0], buffer, sizeof buffer)) > 0;) for (i32 k = 0; k < n; k++) put_char((char)buffer[k]);
    sys3(SYS_waitpid, pid, &status, 0);
    put_named("status", status >> 8);
    put_named("no such program", sys3(SYS_execve, "/nonexistent/program", argv, envp));
    return 0;
}
