/* Faults in code that has been hot for a while: each kind warms a loop with good accesses and then makes a bad one there. */
#include "guest.h"

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32, MAP_GROWSDOWN = 0x100 };
enum { SIGBUS = 7, SIGSEGV = 11, SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_NODEFER = 0x40000000 };
enum { ROUNDS = 400, CELLS = 256, PAGE = 4096 };

static int values[CELLS];
static int *cells[CELLS];
static double doubles[CELLS];
static const char constant[] = "constant";
static volatile u32 zero;

static u8 *map(u32 size, int protection, int flags, int fd)
{
    return (u8 *)sys6(SYS_mmap2, 0, size, protection, flags, fd, 0);
}

__attribute__((noinline)) static int sum_cells(int round)
{
    int sum = round;
    for (int i = 0; i < CELLS; i++) sum += *cells[i];
    return sum;
}
__attribute__((noinline)) static void store_cells(int round)
{
    for (int i = 0; i < CELLS; i++) *cells[i] = round;
}
__attribute__((noinline)) static void change_cells(void)
{
    for (int i = 0; i < CELLS; i++) ++*(volatile u8 *)cells[i];
}
/* Nobody looks at what is loaded. */
__attribute__((noinline)) static void touch_cells(void)
{
    for (int i = 0; i < CELLS; i++) __asm__ volatile("movl (%0), %%eax\n\txorl %%eax, %%eax" ::"r"(cells[i]) : "eax", "cc");
}
__attribute__((noinline)) static double sum_doubles(double **at)
{
    double sum = 0;
    for (int i = 0; i < CELLS; i++) sum += *at[i];
    return sum;
}
__attribute__((noinline)) static void fill_cells(void)
{
    for (int i = 0; i < CELLS; i++) {
        u32 count = 1;
        void *to = cells[i];
        __asm__ volatile("rep stosl" : "+c"(count), "+D"(to) : "a"(i) : "memory");
    }
}
static int next_value(int value)
{
    return value * 5 + 1;
}
__attribute__((noinline)) static int call_all(int (**functions)(int))
{
    int value = 0;
    for (int i = 0; i < CELLS; i++) value = functions[i](value);
    return value;
}
/* The access and a system call in one block, with nothing between them where the guest could be asked to stop. */
__attribute__((noinline)) static void read_then_write(int *from, u32 length)
{
    __asm__ volatile("movl (%0), %%edx\n\txorl %%edx, %%edx\n\tmovl $4, %%eax\n\tmovl $1, %%ebx\n\tmovl %1, %%ecx\n\t"
                     "movl %2, %%edx\n\tint $0x80"
                     :
                     : "S"(from), "D"("leaked\n"), "g"(length)
                     : "eax", "ebx", "ecx", "edx", "memory", "cc");
}

static void good_cells(void)
{
    for (int i = 0; i < CELLS; i++) cells[i] = &values[i];
}

/* With a handler ---------------------------------------------------------------------------------------------------- */

struct action {
    void *handler;
    u32 flags;
    void *restorer;
    u32 mask[2];
};

__attribute__((naked)) static void restore(void)
{
    __asm__("movl $173, %eax\n\tint $0x80");
}

static void install(i32 signal, void *handler)
{
    struct action action = {handler, SA_RESTORER | SA_SIGINFO | SA_NODEFER, restore, {0, 0}};
    sys4(SYS_rt_sigaction, signal, &action, 0, 8);
}

static u32 faults, last_address, last_counter;
static void *back[5];

/* Words of Linux's ucontext. */
enum { EDX = 14, EAX = 16, EIP = 19 };

/* The faulting instruction is `movl (%ecx), %eax`, two bytes, with the loop's counter in edx. */
static void step_over(i32 signal, i32 *info, u32 *context)
{
    (void)signal;
    faults++;
    last_address = info[3];
    last_counter = context[EDX];
    context[EAX] = 0x1000;
    context[EIP] += 2;
}

static void jump_out(i32 signal, i32 *info, u32 *context)
{
    (void)signal, (void)context;
    faults++;
    last_address = info[3];
    __builtin_longjmp(back, 1);
}

__attribute__((noinline)) static u32 counted_sum(u32 rounds, u32 bad_every)
{
    u32 sum = 0;
    for (u32 i = 0; i < rounds; i++) {
        int *from = bad_every && i % bad_every == bad_every - 1 ? (int *)(8 + zero) : &values[i % CELLS];
        u32 value;
        __asm__ volatile("movl (%%ecx), %%eax" : "=a"(value) : "c"(from), "d"(i));
        sum = sum * 3 + value;
    }
    return sum;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    const char *kind = argc > 1 ? argv[1] : "";
    const int last = ROUNDS - 100;
    u32 sum = 0;
    good_cells();
    put(kind);
    put("\n");
    flush();

    if (equal(kind, "null-read") || equal(kind, "fork")) {
        int child = equal(kind, "fork");
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) {
                if (child) {
                    int status = 0;
                    int pid = sys0(SYS_fork);
                    if (pid > 0) {
                        sys3(SYS_waitpid, pid, &status, 0);
                        put_named("child died of", status & 0x7f);
                        continue;
                    }
                }
                cells[100] = (int *)zero;
            }
            sum += sum_cells(round);
        }
    } else if (equal(kind, "null-write") || equal(kind, "read-only") || equal(kind, "no-access") || equal(kind, "shared-file")) {
        u8 *page = map(PAGE, equal(kind, "no-access") ? PROT_NONE : PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        if (equal(kind, "shared-file")) {
            int fd = sys3(SYS_open, "shared", 0102, 0600);
            sys2(SYS_ftruncate, fd, PAGE);
            page = map(PAGE, PROT_READ, MAP_SHARED, fd);
        }
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) cells[100] = equal(kind, "null-write") ? (int *)(zero + 16) : equal(kind, "read-only") ? (int *)constant : (int *)(page + 8);
            store_cells(round);
        }
    } else if (equal(kind, "change")) {
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) cells[100] = (int *)(zero + 0x20);
            change_cells();
        }
    } else if (equal(kind, "unused-read")) {
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) cells[100] = (int *)(zero + 0x40);
            touch_cells();
        }
    } else if (equal(kind, "double")) {
        double *at[CELLS];
        double total = 0;
        for (int i = 0; i < CELLS; i++) at[i] = &doubles[i];
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) at[100] = (double *)(zero + 0x80);
            total += sum_doubles(at);
        }
        sum += (u32)total;
    } else if (equal(kind, "string")) {
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) cells[100] = (int *)(zero + 0x100);
            fill_cells();
        }
    } else if (equal(kind, "top") || equal(kind, "kernel-address")) {
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) cells[100] = (int *)(zero + (equal(kind, "top") ? 0xfffffffe : 0xffffe000));
            sum += sum_cells(round);
        }
    } else if (equal(kind, "beyond-file")) {
        int fd = sys3(SYS_open, "short", 0102, 0600);
        sys2(SYS_ftruncate, fd, 100);
        u8 *file = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) cells[100] = (int *)(file + 2 * PAGE + 12);
            store_cells(round);
        }
    } else if (equal(kind, "jump")) {
        int (*functions[CELLS])(int);
        for (int i = 0; i < CELLS; i++) functions[i] = next_value;
        for (int round = 0; round < ROUNDS; round++) {
            if (round == last) functions[100] = (int (*)(int))(zero + 0x2000);
            sum += call_all(functions);
        }
    } else if (equal(kind, "system-call")) {
        for (int i = 0; i < ROUNDS * CELLS; i++) read_then_write(i == last * CELLS ? (int *)zero : values, i == last * CELLS ? 7 : 0);
    } else if (equal(kind, "grows-down")) {
        u8 *low = map(64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        sys2(SYS_munmap, low, 64 * PAGE);
        for (int round = 0; round < last; round++) store_cells(round);
        u8 *top = low + 63 * PAGE;
        u8 *at = (u8 *)sys6(SYS_mmap2, top, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | 0x10, -1, 0);
        for (int i = 0; i < 200; i++) cells[i] = (int *)(at - 64 * i);
        for (int round = 0; round < ROUNDS; round++) store_cells(round);
        sum += sum_cells(0);
    } else if (equal(kind, "handler")) {
        for (int i = 0; i < CELLS; i++) values[i] = i * 7;
        sum = counted_sum(100000, 0);
        put_hex(sum, 8);
        install(SIGSEGV, step_over);
        sum += counted_sum(100000, 1000);
        put_named(" faults", faults);
        put_named("last address", last_address);
        put_named("counter there", last_counter);
    } else if (equal(kind, "longjmp")) {
        for (int round = 0; round < ROUNDS; round++) store_cells(round);
        install(SIGSEGV, jump_out);
        install(SIGBUS, jump_out);
        for (volatile int round = 0; round < 200; round++) {
            cells[100 + round % 50] = (int *)(zero + 4 * round);
            if (__builtin_setjmp(back) == 0) store_cells(round);
            put_unsigned(values[99 + round % 50]);
            put_char(round % 20 == 19 ? '\n' : ' ');
            cells[100 + round % 50] = &values[100 + round % 50];
        }
        put_named("faults", faults);
        put_named("last address", last_address);
    }
    put_named("sum", sum);
    put("after\n");
    return 0;
}
