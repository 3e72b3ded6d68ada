/*
 * What a guest program needs instead of a C library: the entry point, system calls by int 0x80, buffered output.
 * Programs built with it are a few kilobytes and use nothing but what they show.
 */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

int main(int argc, char **argv, char **envp);

/* Numbers of arch/x86/entry/syscalls/syscall_32.tbl. */
enum {
    SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6, SYS_waitpid = 7,
    SYS_unlink = 10, SYS_execve = 11, SYS_lseek = 19, SYS_getpid = 20, SYS_access = 33, SYS_kill = 37, SYS_rename = 38,
    SYS_mkdir = 39, SYS_rmdir = 40, SYS_pipe = 42, SYS_brk = 45, SYS_dup2 = 63, SYS_getppid = 64,
    SYS_gettimeofday = 78, SYS_munmap = 91, SYS_ftruncate = 93, SYS_mprotect = 125, SYS_getdents64 = 220, SYS_poll = 168,
    SYS_nanosleep = 162, SYS_rt_sigreturn = 173, SYS_rt_sigaction = 174, SYS_rt_sigprocmask = 175, SYS_getcwd = 183,
    SYS_mmap2 = 192, SYS_fstat64 = 197, SYS_getuid32 = 199, SYS_getgid32 = 201, SYS_geteuid32 = 202,
    SYS_getegid32 = 203, SYS_exit_group = 252, SYS_clock_gettime = 265, SYS_gettid = 224, SYS_tgkill = 270,
    SYS_pread64 = 180, SYS_pwrite64 = 181, SYS_writev = 146, SYS_uname = 122, SYS_time = 13, SYS_alarm = 27,
    SYS_pause = 29, SYS_sigaltstack = 186,
};

static inline i32 system_call(i32 number, i32 a, i32 b, i32 c, i32 d, i32 e, i32 f)
{
    i32 result;
    /* The sixth argument goes into ebp, which a constraint cannot name. */
    __asm__ volatile("pushl %[f]\n\tpushl %%ebp\n\tmovl 4(%%esp), %%ebp\n\tint $0x80\n\tpopl %%ebp\n\taddl $4, %%esp"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "m"(f)
                     : "memory", "cc");
    return result;
}
#define sys0(n) system_call(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) system_call(n, (i32)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) system_call(n, (i32)(a), (i32)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) system_call(n, (i32)(a), (i32)(b), (i32)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) system_call(n, (i32)(a), (i32)(b), (i32)(c), (i32)(d), 0, 0)
#define sys5(n, a, b, c, d, e) system_call(n, (i32)(a), (i32)(b), (i32)(c), (i32)(d), (i32)(e), 0)
#define sys6(n, a, b, c, d, e, f) system_call(n, (i32)(a), (i32)(b), (i32)(c), (i32)(d), (i32)(e), (i32)(f))

/* The compiler may call these by itself. */
void *memcpy(void *to, const void *from, u32 size)
{
    u8 *t = to;
    const u8 *f = from;
    while (size--) *t++ = *f++;
    return to;
}

void *memset(void *to, int value, u32 size)
{
    u8 *t = to;
    while (size--) *t++ = (u8)value;
    return to;
}

static inline u32 length(const char *text)
{
    u32 n = 0;
    while (text[n]) n++;
    return n;
}

static inline int equal(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static char output[4096];
static u32 output_length;

static inline void flush(void)
{
    u32 done = 0;
    while (done < output_length) {
        i32 n = sys3(SYS_write, 1, output + done, output_length - done);
        if (n <= 0) break;
        done += n;
    }
    output_length = 0;
}

static inline void put_char(char c)
{
    if (output_length == sizeof output) flush();
    output[output_length++] = c;
}

static inline void put(const char *text)
{
    while (*text) put_char(*text++);
}

static inline void put_unsigned(u32 value)
{
    char digits[10];
    int n = 0;
    do digits[n++] = '0' + value % 10;
    while (value /= 10);
    while (n) put_char(digits[--n]);
}

static inline void put_signed(i32 value)
{
    if (value < 0) put_char('-');
    put_unsigned(value < 0 ? -(u32)value : (u32)value);
}

static inline void put_hex(u32 value, int digits)
{
    while (digits--) put_char("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

/* The 64 bits of a double. */
static inline void put_double_bits(double value)
{
    union {
        double d;
        u32 w[2];
    } bits = {value};
    put_hex(bits.w[1], 8);
    put_hex(bits.w[0], 8);
}

static inline void put_named(const char *name, i32 value)
{
    put(name);
    put(" ");
    put_signed(value);
    put("\n");
}

static inline u32 parse_unsigned(const char *text)
{
    u32 value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
    return value;
}

/* The first argument as a number, or `otherwise` where there is none. */
static inline u32 count_argument(int argc, char **argv, u32 otherwise)
{
    return argc > 1 ? parse_unsigned(argv[1]) : otherwise;
}

static inline __attribute__((noreturn)) void leave(int status)
{
    flush();
    for (;;) sys1(SYS_exit_group, status);
}

__attribute__((used, noreturn)) static void guest_start(u32 *stack)
{
    char **argv = (char **)(stack + 1);
    leave(main((int)stack[0], argv, argv + stack[0] + 1));
}

__asm__(".text\n.globl _start\n.type _start, @function\n_start:\n\t"
        "xorl %ebp, %ebp\n\tmovl %esp, %eax\n\tandl $-16, %esp\n\tsubl $12, %esp\n\tpushl %eax\n\t"
        "call guest_start\n\thlt\n.size _start, . - _start\n");

#endif
