/* /proc/self shows the guest. */
#include "check.h"
#include <dirent.h>
#include <sys/auxv.h>

static char text[200000];
static int read_all(const char *name)
{
    int fd = open(name, O_RDONLY), length = 0, got;
    if (fd < 0) return -1;
    while ((got = read(fd, text + length, sizeof text - 1 - length)) > 0) length += got;
    close(fd);
    text[length] = 0;
    return length;
}

static int permissions(void *address, char *found)
{
    read_all("/proc/self/maps");
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        u32 start, end;
        if (sscanf(line, "%x-%x %4s", &start, &end, found) == 3 && (u32)address >= start && (u32)address < end) return 1;
    }
    strcpy(found, "none");
    return 0;
}

static char data = 1;
static const char constant = 1;

/** As programs do before they execute another: each descriptor that a part of the list has is closed before the next is read. */
static void close_what_is_listed(void)
{
    for (int fd = 20; fd < 60; fd++) dup2(1, fd);
    int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY), left = 0;
    char entries[120];
    for (long length; (length = syscall(SYS_getdents64, directory, entries, sizeof entries)) > 0;) {
        for (long at = 0; at < length; at += ((struct dirent64 *)(entries + at))->d_reclen) {
            int fd = atoi(((struct dirent64 *)(entries + at))->d_name);
            if (fd >= 20) close(fd);
        }
    }
    for (int fd = 20; fd < 60; fd++) left += fcntl(fd, F_GETFD) >= 0;
    show("left of what was closed while listed", "%d", left);
    close(directory);
}

int proc_program(int argc, char **argv)
{
    char target[4096] = "";
    int length = readlink("/proc/self/exe", target, sizeof target);
    show("exe", "%s", length > 0 ? strrchr(target, '/') + 1 : "?");
    struct stat one, two;
    result("stat of exe", stat("/proc/self/exe", &one));
    stat(target, &two);
    holds("is the program", one.st_ino == two.st_ino && one.st_dev == two.st_dev);
    int fd = open("/proc/self/exe", O_RDONLY);
    char magic[5] = "";
    if (read(fd, magic, 4) != 4) return 1;
    close(fd);
    show("first bytes of exe", "%s", magic + 1);
    sprintf(target, "/proc/%d/exe", getpid());
    char other[4096] = "";
    holds("by number", readlink(target, other, sizeof other) == length);

    length = read_all("/proc/self/cmdline");
    holds("cmdline", strstr(text, "process") != NULL && strcmp(text + length - 5, "proc") == 0);
    (void)argc, (void)argv;
    sprintf(target, "/proc/%d/cmdline", getpid());
    holds("cmdline by number", read_all(target) == length);
    read_all("/proc/self/comm");
    show("comm", "%s", strtok(text, "\n"));
    char permission[8];
    permissions(&data, permission);
    show("data in maps", "%s", permission);
    permissions((void *)&constant, permission);
    show("constants in maps", "%s", permission);
    permissions(proc_program, permission);
    show("code in maps", "%s", permission);
    permissions(&length, permission);
    show("stack in maps", "%s", permission);
    holds("[stack]", strstr(text, "[stack]") != NULL);
    permissions(malloc(10), permission);
    show("heap in maps", "%s", permission);
    holds("[heap]", strstr(text, "[heap]") != NULL);
    char *page = mmap((void *)0x30000000, 8192, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    permissions(page, permission);
    show("shared mapping in maps", "%s", permission);
    munmap(page, 8192);
    permissions(page, permission);
    show("after munmap", "%s", permission);
    read_all("/proc/self/maps");
    int lines = 0, high = 0, unordered = 0;
    u32 before = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        u64 start, end;
        lines++;
        if (sscanf(line, "%llx-%llx", &start, &end) != 2 || end > 0x100000000ull) high++;
        if (start < before) unordered++;
        before = start;
    }
    show("maps", "some lines %d beyond 4 GiB %d unordered %d", lines > 5, high, unordered);
    holds("stat", read_all("/proc/self/stat") > 100);
    int pid, parent, group, session;
    char name[40], state;
    sscanf(text, "%d (%39[^)]) %c %d %d %d", &pid, name, &state, &parent, &group, &session);
    show("stat's fields", "%d %s %c %d %d", pid == getpid(), name, state, parent == getppid(), group == getpgrp());
    char *rest = strrchr(text, ')');
    int fields = 2;
    for (char *at = rest; *at; at++) fields += *at == ' ';
    show("stat's count", "%d", fields);
    read_all("/proc/self/status");
    char *line = strstr(text, "Name:");
    show("status", "%.12s", line);
    holds("its Pid", atoi(strstr(text, "\nPid:") + 5) == getpid());
    show("its Threads", "%d", atoi(strstr(text, "Threads:") + 8));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR2, SIG_IGN);
    handle(SIGHUP, (void *)exit, 0);
    read_all("/proc/self/status");
    u64 blocked, ignored, caught;
    sscanf(strstr(text, "SigBlk:"), "SigBlk: %llx", &blocked);
    sscanf(strstr(text, "SigIgn:"), "SigIgn: %llx", &ignored);
    sscanf(strstr(text, "SigCgt:"), "SigCgt: %llx", &caught);
    show("its signals", "%llx %llx %llx", blocked, ignored & 0xffffffff, caught & 0xffffffff);
    length = read_all("/proc/self/auxv");
    u32 *vector = (u32 *)text;
    int found = 0;
    for (int i = 0; i < length / 4; i += 2)
        if (vector[i] == AT_PAGESZ) found = vector[i + 1];
    show("auxv's page size", "%d", found);
    holds("AT_RANDOM", getauxval(AT_RANDOM) != 0);
    holds("AT_PLATFORM", strcmp((char *)getauxval(AT_PLATFORM), "i686") == 0);
    holds("AT_EXECFN", strstr((char *)getauxval(AT_EXECFN), "process") != NULL);
    show("AT_SECURE", "%lu", getauxval(AT_SECURE));
    show("AT_CLKTCK", "%lu", getauxval(AT_CLKTCK));
    holds("AT_PHDR", getauxval(AT_PHDR) != 0 && getauxval(AT_PHENT) == 32);
    length = read_all("/proc/self/environ");
    holds("environ", length > 0 && strchr(text, '=') != NULL);

    DIR *directory = opendir("/proc/self/fd");
    char numbers[200] = "";
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.') snprintf(numbers + strlen(numbers), 20, " %.10s", entry->d_name);
    closedir(directory);
    show("fd", "%s", numbers);
    fd = open("/dev/null", O_RDONLY);
    char link[40];
    sprintf(link, "/proc/self/fd/%d", fd);
    length = readlink(link, target, sizeof target);
    show("fd's link", "%.*s", length, target);
    dup2(fd, 77);
    length = readlink("/proc/self/fd/77", target, sizeof target);
    show("fd 77's link", "%.*s", length, target);
    int again = open("/proc/self/fd/77", O_RDONLY);
    holds("open by it", again >= 0);
    result("open of one that is not there", open("/dev/fd/78", O_RDONLY));
    read_all("/proc/self/fdinfo/77");
    show("fdinfo", "%.5s", text);
    pid = fork();
    if (pid == 0) {
        read_all("/proc/self/stat");
        sscanf(text, "%d (%39[^)]) %c %d", &pid, name, &state, &parent);
        show("a child's stat", "%d %d", pid == getpid(), parent == getppid());
        sprintf(link, "/proc/%d/exe", getpid());
        holds("a child's exe", readlink(link, target, sizeof target) > 0 && strstr(target, "process"));
        _exit(0);
    }
    wait_for(pid);
    read_all("/proc/self/limits");
    holds("limits", strstr(text, "Max open files") != NULL);
    read_all("/proc/self/oom_score_adj");
    holds("oom_score_adj", strlen(text) > 1);
    directory = opendir("/proc/self/task");
    int tasks = 0;
    for (struct dirent *entry; (entry = readdir(directory));) tasks += entry->d_name[0] != '.';
    closedir(directory);
    show("tasks", "%d", tasks);
    length = readlink("/proc/self", target, sizeof target);
    target[length > 0 ? length : 0] = 0;
    holds("self", atoi(target) == getpid());
    length = readlink("/proc/self/cwd", target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    char directory_name[4096];
    holds("cwd", getcwd(directory_name, sizeof directory_name) && strcmp(directory_name, target) == 0);
    holds("smaps", read_all("/proc/self/smaps") > 0 && strstr(text, "[stack]"));
    close_what_is_listed();
    return 0;
}
