/* Limits, identities, scheduling, machine, and calls that are answered without being made. */
#include "check.h"
#include <grp.h>
#include <sched.h>
#include <linux/capability.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <asm/ldt.h>

static void file_limit(void)
{
    struct rlimit limit = {100, 100};
    setrlimit(RLIMIT_FSIZE, &limit);
    int fd = open("limited", O_WRONLY | O_CREAT, 0600);
    unlink("limited");
    char block[200] = "";
    result("write up to the limit", write(fd, block, 200));
    signal(SIGXFSZ, SIG_IGN);
    result("write beyond it", write(fd, block, 200));
    signal(SIGXFSZ, SIG_DFL);
    if (write(fd, block, 200) < 0) _exit(1);
}
static void descriptor_limit(void)
{
    struct rlimit limit = {10, 20};
    result("RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &limit));
    int count = 0;
    while (dup(1) >= 0) count++;
    result("dup beyond it", dup(1));
    getrlimit(RLIMIT_NOFILE, &limit);
    show("limits", "%d %d highest %d", (int)limit.rlim_cur, (int)limit.rlim_max, count + 2);
    limit.rlim_max = 30;
    setuid(12345);
    result("raise of the hard limit", setrlimit(RLIMIT_NOFILE, &limit));
}

int limits_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    ended("RLIMIT_FSIZE", in_child(file_limit));
    ended("RLIMIT_NOFILE", in_child(descriptor_limit));
    struct rlimit limit;
    struct rlimit64 wide;
    result("getrlimit", getrlimit(RLIMIT_STACK, &limit));
    show("stack", "%u", (u32)limit.rlim_cur);
    result("prlimit64", prlimit64(0, RLIMIT_STACK, NULL, &wide));
    show("stack", "%llu", (u64)wide.rlim_cur);
    result("old getrlimit", syscall(SYS_getrlimit, RLIMIT_CORE, &limit));
    result("limit of unknown kind", getrlimit(99, &limit));
    limit = (struct rlimit){5, 3};
    result("soft above hard", setrlimit(RLIMIT_CORE, &limit));
    result("prlimit of nobody", prlimit64(0x3ffffff, RLIMIT_STACK, NULL, &wide));
    limit = (struct rlimit){0, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &limit);

    holds("ids", getuid() == geteuid() && getgid() == getegid());
    uid_t r, e, s;
    result("getresuid", getresuid(&r, &e, &s));
    holds("all the same", r == getuid() && e == r && s == r);
    gid_t groups[100];
    holds("getgroups", getgroups(100, groups) >= 0);
    result("getgroups with little room", getgroups(-1, groups));
    result("old getuid", syscall(SYS_getuid) == (long)(getuid() & 0xffff));
    result("setfsuid", syscall(SYS_setfsuid32, getuid()) == (long)getuid());
    struct utsname name;
    result("uname", uname(&name));
    show("system", "%s %s", name.sysname, name.machine[0] == 'i' ? name.machine : "i686");
    struct sysinfo system;
    result("sysinfo", sysinfo(&system));
    holds("its unit", system.mem_unit >= 1 && system.totalram > 0);

    cpu_set_t set;
    holds("sched_getaffinity", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    result("sched_setaffinity", sched_setaffinity(0, sizeof set, &set));
    result("sched_getscheduler", sched_getscheduler(0));
    struct sched_param parameters;
    result("sched_getparam", sched_getparam(0, &parameters));
    result("sched_get_priority_max", sched_get_priority_max(SCHED_FIFO));
    struct timespec interval;
    result("sched_rr_get_interval", sched_rr_get_interval(0, &interval));
    result("sched_yield", sched_yield());
    result("sched_getcpu", sched_getcpu() >= 0);
    errno = 0;
    int priority = getpriority(PRIO_PROCESS, 0); /* It is inherited. */
    result("getpriority", errno);
    result("setpriority", setpriority(PRIO_PROCESS, 0, priority < 17 ? priority + 3 : 19));
    result("getpriority", getpriority(PRIO_PROCESS, 0) - (priority < 17 ? priority : 16));
    result("nice", nice(2) - getpriority(PRIO_PROCESS, 0));
    char bytes[16] = {0};
    result("getrandom", getrandom(bytes, sizeof bytes, 0));
    result("getrandom of unknown flags", getrandom(bytes, sizeof bytes, 0x100));
    result("getcpu", syscall(SYS_getcpu, &r, &e, NULL));
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    result("capget", syscall(SYS_capget, &header, data));
    header.version = 1;
    result("capget of an unknown version", syscall(SYS_capget, &header, data));
    show("version that is known", "%x", header.version);

    result("call number 9999", syscall(9999));
    result("call number -1", syscall(-1));
    result("break", syscall(SYS_break));
    result("nfsservctl", syscall(SYS_nfsservctl));
    result("set_thread_area of a bad entry", syscall(SYS_set_thread_area, &(struct user_desc){.entry_number = 3}));
    struct user_desc descriptor = {.entry_number = -1, .base_addr = 0x1000, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
    result("set_thread_area", syscall(SYS_set_thread_area, &descriptor));
    show("its entry", "%d", descriptor.entry_number);
    struct user_desc copy = {.entry_number = descriptor.entry_number};
    result("get_thread_area", syscall(SYS_get_thread_area, &copy));
    show("it reads back", "%x %x %d", copy.base_addr, copy.limit, copy.seg_32bit);
    return 0;
}
