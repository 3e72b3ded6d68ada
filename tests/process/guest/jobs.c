/* Job control under a pseudo-terminal. */
#include "check.h"
#include <pty.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

static int master = -1, slave = -1;
static volatile int handled;
static void note(int signal) { handled = signal; }

static char *read_master(void)
{
    static char text[500];
    int length = 0;
    struct pollfd poll_fd = {master, POLLIN, 0};
    while (length < 400 && poll(&poll_fd, 1, 60) > 0) {
        int got = read(master, text + length, 100);
        if (got <= 0) break;
        length += got;
    }
    text[length] = 0;
    for (char *at = text; *at; at++) {
        if (*at == '\n') *at = '$';
        if (*at == '\r') *at = '%';
    }
    return text;
}

static void session(void)
{
    int status;
    char line[100];
    result("login_tty", login_tty(slave));
    /* Standard output is the terminal now: what is shown goes through the master. */
    signal(SIGTTOU, SIG_IGN);
    pid_t self = getpid();
    if (tcgetpgrp(0) != self) _exit(50);
    /* A background job that reads is stopped. */
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        milliseconds(20);
        if (read(0, line, sizeof line) < 0) _exit(61);
        _exit(line[0] == 'h' ? 60 : 62);
    }
    setpgid(pid, pid);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN) _exit(51);
    printf("background read stops\n");
    tcsetpgrp(0, pid);
    kill(-pid, SIGCONT);
    printf("ready\n");
    fflush(stdout);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 60) _exit(52);
    tcsetpgrp(0, self);
    printf("foreground read works\n");
    /* A background job that writes, with TOSTOP. */
    struct termios settings;
    tcgetattr(0, &settings);
    settings.c_lflag |= TOSTOP;
    tcsetattr(0, TCSANOW, &settings);
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        milliseconds(20);
        if (write(1, "x", 1) < 0) _exit(1);
        _exit(0);
    }
    setpgid(pid, pid);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTOU) _exit(53);
    printf("background write stops\n");
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    settings.c_lflag &= ~TOSTOP;
    tcsetattr(0, TCSANOW, &settings);
    /* The terminal's keys. */
    static const struct {
        const char *name;
        int signal;
    } keys[] = {{"interrupt", SIGINT}, {"quit", SIGQUIT}, {"stop", SIGTSTP}};
    for (size_t i = 0; i < COUNT(keys); i++) {
        pid = fork();
        if (pid == 0) {
            setpgid(0, 0);
            signal(SIGTTOU, SIG_DFL);
            for (;;) pause();
        }
        setpgid(pid, pid);
        tcsetpgrp(0, pid);
        printf("key %s\n", keys[i].name);
        fflush(stdout);
        waitpid(pid, &status, WUNTRACED);
        int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status);
        tcsetpgrp(0, self);
        printf("%s %d\n", WIFSTOPPED(status) ? "stopped" : "killed", signal == keys[i].signal);
        kill(pid, SIGKILL);
        kill(pid, SIGCONT);
        if (WIFSTOPPED(status)) waitpid(pid, &status, 0);
    }
    /* SIGTSTP caught, and a stop by oneself. */
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        handle(SIGCONT, note, 0);
        raise(SIGTSTP);
        _exit(handled == SIGCONT ? 44 : 45);
    }
    setpgid(pid, pid);
    waitpid(pid, &status, WUNTRACED);
    printf("stopped by itself %d\n", WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    kill(pid, SIGCONT);
    waitpid(pid, &status, 0);
    printf("then exit %d\n", WEXITSTATUS(status));
    struct winsize size;
    handle(SIGWINCH, note, 0);
    handled = 0;
    printf("resize\n");
    fflush(stdout);
    while (handled == 0) milliseconds(5);
    ioctl(0, TIOCGWINSZ, &size);
    printf("size %dx%d\n", size.ws_col, size.ws_row);
    fflush(stdout);
    tcdrain(1);
    _exit(77);
}

/* Reads the master until a line comes. */
static int expect(const char *wanted)
{
    static char text[4000];
    static int length;
    for (long start = now(); now() - start < 10000;) {
        char *found = strstr(text, wanted);
        if (found) {
            memmove(text, found + strlen(wanted), strlen(found + strlen(wanted)) + 1);
            length = strlen(text);
            show("the terminal shows", "%s", wanted);
            return 1;
        }
        struct pollfd poll_fd = {master, POLLIN, 0};
        if (poll(&poll_fd, 1, 100) > 0) {
            int got = read(master, text + length, sizeof text - length - 1);
            if (got > 0) text[length += got] = 0;
            else break;
        }
    }
    show("missing", "%s in %s", wanted, text);
    return 0;
}

int jobs_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct termios settings;
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    result("openpty", openpty(&master, &slave, NULL, NULL, &size));
    result("isatty", isatty(slave));
    result("isatty of a file", isatty(open("/dev/null", O_RDONLY)));
    ioctl(slave, TIOCGWINSZ, &size);
    show("window size", "%dx%d", size.ws_col, size.ws_row);
    result("tcgetattr", tcgetattr(slave, &settings));
    show("its modes", "%o %o %o %o", settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag);
    show("its characters", "%d %d %d %d", settings.c_cc[VINTR], settings.c_cc[VEOF], settings.c_cc[VMIN], settings.c_cc[VSUSP]);
    show("its speed", "%d", cfgetospeed(&settings) == B38400);
    if (write(slave, "line\n", 5) != 5) return 1;
    show("output processing", "%s", read_master());
    if (write(master, "ab\177c\n", 5) != 5) return 1;
    char line[100];
    int length = read(slave, line, sizeof line);
    show("line editing", "%.*s", length - 1, line);
    show("echo", "%d", (int)strlen(read_master()) > 3);
    int waiting = -1;
    if (write(master, "xyz\n", 4) != 4) return 1;
    poll(&(struct pollfd){slave, POLLIN, 0}, 1, 1000);
    result("FIONREAD", ioctl(slave, FIONREAD, &waiting));
    show("bytes waiting", "%d", waiting);
    length = read(slave, line, 2);
    show("part of a line", "%.*s", length, line);
    result("tcflush", tcflush(slave, TCIFLUSH));
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 1;
    result("tcsetattr", tcsetattr(slave, TCSANOW, &settings));
    long start = now();
    result("read with VTIME", read(slave, line, 1));
    holds("after its time", now() - start >= 80);
    read_master();
    tcgetattr(slave, &settings);
    settings.c_lflag |= ICANON | ISIG | ECHO;
    settings.c_iflag |= ICRNL;
    settings.c_oflag |= OPOST | ONLCR;
    settings.c_cc[VMIN] = 1;
    tcsetattr(slave, TCSANOW, &settings);
    show("name", "%d", strncmp(ttyname(slave), "/dev/pts/", 9));
    result("tcgetpgrp without a session", tcgetpgrp(slave));

    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        session();
    }
    close(slave);
    if (expect("background read stops") && expect("ready")) {
        if (write(master, "hello\n", 6) != 6) return 1;
        expect("foreground read works");
        expect("background write stops");
        static const struct {
            const char *name;
            char key;
        } keys[] = {{"key interrupt", 3}, {"key quit", 28}, {"key stop", 26}};
        for (size_t i = 0; i < COUNT(keys); i++) {
            expect(keys[i].name);
            milliseconds(30);
            if (write(master, &keys[i].key, 1) != 1) return 1;
            expect(i == 2 ? "stopped 1" : "killed 1");
        }
        expect("stopped by itself 1");
        expect("then exit 44");
        expect("resize");
        milliseconds(30);
        size.ws_col = 132;
        ioctl(master, TIOCSWINSZ, &size);
        expect("size 132x24");
    }
    ended("session", wait_for(pid));
    /* Its end hangs up. */
    pid = fork();
    if (pid == 0) {
        int other;
        if (openpty(&master, &other, NULL, NULL, NULL) < 0) _exit(1);
        pid = fork();
        if (pid == 0) {
            login_tty(other);
            close(master);
            for (;;) pause();
        }
        milliseconds(50);
        close(master);
        close(other);
        _exit(wait_for(pid) == SIGHUP ? 9 : 8);
    }
    ended("closing the master hangs up", wait_for(pid));
    return 0;
}
