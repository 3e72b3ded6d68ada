/*
 * Every exception that a program can cause, with all registers known before: what the handler is told and what the signal frame
 * holds, first where the instruction is executed for the first time, then after thousands of executions without one.
 */
#include "guest.h"

enum { SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11 };
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_ONSTACK = 0x08000000 };
enum { WRITABLE = 0x20000000, READ_ONLY = 0x20001000, NO_ACCESS = 0x20002000, UNTOUCHED = 0x20003000, NEVER_TOUCHED = 0x20004000, END = 0x20005000 };
enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

/* Loaded before the instruction, and stored after it where it went through. */
u32 registers[8], flags, target, saved_stack, results[8], result_flags;
extern u8 finished[];

/* Runs the instruction at `target` with `registers` and `flags`; it ends in a jump to `finished`. */
void execute(void);
__asm__(".text\n.globl execute\nexecute:\n\tpushal\n\tpushfl\n\tmovl %esp, saved_stack\n\tpushl flags\n\tpopfl\n\t"
        "movl registers, %eax\n\tmovl registers+4, %ecx\n\tmovl registers+8, %edx\n\tmovl registers+12, %ebx\n\t"
        "movl registers+16, %esp\n\tmovl registers+20, %ebp\n\tmovl registers+24, %esi\n\tmovl registers+28, %edi\n\tjmp *target\n"
        ".globl finished\nfinished:\n\tmovl %eax, results\n\tmovl %ecx, results+4\n\tmovl %edx, results+8\n\tmovl %ebx, results+12\n\t"
        "movl %esp, results+16\n\tmovl %ebp, results+20\n\tmovl %esi, results+24\n\tmovl %edi, results+28\n\tmovl saved_stack, %esp\n\t"
        "pushfl\n\tpopl result_flags\n\tpopfl\n\tpopal\n\tret\n");

/* An instruction with a name. */
#define CODE(name, text) \
    extern u8 name[];    \
    __asm__(".text\n.globl " #name "\n" #name ":\n\t" text "\n\tjmp finished\n")

CODE(divide, "divl %ecx");
CODE(divide_byte, "idivb %cl");
CODE(undefined, "ud2");
CODE(bad_lock, ".byte 0xf0, 0x89, 0xc0");
CODE(breakpoint, "int3");
CODE(interrupt_3, ".byte 0xcd, 3");
CODE(overflow, "into");
CODE(bounds, "boundl %ecx, (%ebx)");
CODE(halt, "hlt");
CODE(interrupt, "int $0x41");
CODE(bad_selector, "movl %ecx, %es");
CODE(port, "inb %dx, %al");
CODE(aligned, "movaps (%ebx), %xmm1");
CODE(aligned_integer, "paddd (%ebx), %xmm1");
CODE(load, "movl (%ebx), %eax");
CODE(load_wide, "movl 2(%ebx,%esi), %eax");
CODE(store, "movl %eax, (%ebx)");
CODE(add_memory, "addl %eax, (%ebx)");
CODE(push_memory, "pushl %eax");
CODE(pop_memory, "popl (%ebx)");
CODE(call_memory, "calll *%ebx");
CODE(jump, "jmp *%ebx");
CODE(copy, "rep movsb");
CODE(load_x87, "fldl (%ebx)");
CODE(store_x87, "fstpl (%ebx)");
CODE(load_vector, "movups (%ebx), %xmm2");
CODE(store_vector, "movups %xmm1, (%ebx)");
CODE(divide_vector, "divps %xmm1, %xmm2");
CODE(divide_scalar, "divsd %xmm1, %xmm2");
CODE(convert_scalar, "cvtsd2si %xmm2, %eax");
/* In bytes: assemblers do not agree on which is divided by which. */
CODE(divide_x87, ".byte 0xde, 0xf9\n\tfwait");
CODE(root_x87, "fsqrt\n\tfwait");
CODE(scale_x87, "fscale\n\tfwait");
CODE(empty_x87, "fld %st(3)\n\tfwait");

/* Alignment: each accesses what lies at ebx, or where esp or edi point. */
CODE(load_word, "movw (%ebx), %ax");
CODE(load_byte, "movb (%ebx), %al");
CODE(load_single, "flds (%ebx)");
CODE(load_extended, "fldt (%ebx)");
CODE(load_decimal, "fbld (%ebx)");
CODE(load_integer, "filds (%ebx)");
CODE(store_environment, "fnstenv (%ebx)");
CODE(store_state, "fnsave (%ebx)");
CODE(store_control, "fnstcw (%ebx)");
CODE(store_mxcsr, "stmxcsr (%ebx)");
CODE(load_mmx, "movq (%ebx), %mm0\n\temms");
CODE(load_low, "movsd (%ebx), %xmm1");
CODE(load_high, "movhps (%ebx), %xmm1");
CODE(convert, "cvtsi2sdl (%ebx), %xmm1");
CODE(store_mask, "xorps %xmm1, %xmm1\n\tmaskmovdqu %xmm1, %xmm1");
CODE(exchange_8, "cmpxchg8b (%ebx)");
CODE(locked_add, "lock addl $0, (%ebx)");
CODE(bit, "btl %ecx, (%ebx)");
CODE(far_pointer, "lgsl (%ebx), %eax");
CODE(address, "leal (%ebx), %eax\n\tprefetchnta (%ebx)");
CODE(copy_words, "rep movsl");
CODE(push_word, "pushw %ax");
CODE(return_pop, "popl %eax");
CODE(leave_frame, "leave");
CODE(enter_frame, "enter $8, $0");
CODE(push_all, "pushal");
/* Sets the flags of edx. */
CODE(trace, "pushfl\n\torl %edx, (%esp)\n\tpopfl\n\tmovl %eax, %ecx\n\tmovl %eax, %esi");
CODE(trace_call, "movl $20, %eax\n\tpushfl\n\torl %edx, (%esp)\n\tpopfl\n\tint $0x80\n\tmovl $1, %eax\n\tmovl $2, %eax");
CODE(trace_fault, "pushfl\n\torl %edx, (%esp)\n\tpopfl\n\tmovl (%ebx), %eax");
CODE(trace_return, "pushfl\n\torl %edx, (%esp)\n\tpushl %cs\n\tpushl $1f\n\tiretl\n1:\n\tmovl $1, %eax\n\tmovl $2, %eax");

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

static u8 alternate[32768] __attribute__((aligned(64)));
static volatile u32 caught;

static void put_word(const char *name, u32 value)
{
    put(" "), put(name), put("="), put_hex(value, 8);
}

/* struct ucontext_ia32: flags, link, stack (3 words), then struct sigcontext_32. */
static void handler(i32 signal, u32 *info, u32 *context)
{
    static const char *const names[22] = {"gs", "fs", "es", "ds", "edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax",
                                          "trapno", "err", "eip", "cs", "eflags", "esp_at_signal", "ss", 0, 0, "cr2"};
    u32 *c = context + 5;
    caught++;
    put("  signal "), put_unsigned((u32)signal), put_word("errno", info[1]), put_word("code", info[2]);
    put_word("addr", info[3]);
    put("\n ");
    for (u32 i = 0; i < 22; i++) {
        u32 value = c[i];
        if (!names[i] || (i == 21 && c[12] != 14)) continue;
        if (i == 14) value -= target;
        if (i == 14 && (c[i] < target || value > 64)) value = c[i];
        put_word(names[i], value);
        if (i == 11) put("\n ");
    }
    u32 *fp = (u32 *)c[19];
    put("\n "), put_word("cw", fp[0]), put_word("sw", fp[1]), put_word("tag", fp[2]), put_word("cssel", fp[4]), put_word("datasel", fp[6]);
    put_word("status", fp[27]), put_word("mxcsr", fp[28 + 6]);
    put("\n  st0="), put_hex(fp[9] & 0xffff, 4), put_hex(fp[8], 8), put_hex(fp[7], 8);
    put(" st1="), put_hex(fp[11] >> 16, 4), put_hex(fp[11] << 16 | fp[10] >> 16, 8), put_hex(fp[10] << 16 | fp[9] >> 16, 8);
    put(" xmm1=");
    for (i32 i = 3; i >= 0; i--) put_hex(fp[28 + 40 + 4 + i], 8);
    put(" xmm2=");
    for (i32 i = 3; i >= 0; i--) put_hex(fp[28 + 40 + 8 + i], 8);
    put("\n");
    c[14] = (u32)finished, c[16] &= ~0x40100u;
    /* What the instruction would meet again is masked. */
    fp[0] |= 0x3f, fp[1] &= ~0xffu, fp[28] |= 0x3f;
    ((u16 *)(fp + 28))[1] &= 0x7f00;
    fp[28 + 6] = 0x1f80;
}

static void reset(void)
{
    for (u32 i = 0; i < 8; i++) registers[i] = 0x01010101 * (i + 0xa0);
    registers[ESP] = WRITABLE + 0x800;
    registers[EBX] = WRITABLE + 0x100;
    flags = 0x202;
}

static void state(u16 control, u32 mxcsr, double a, double b)
{
    __asm__ volatile("fninit\n\tfldl %2\n\tfldl %3\n\tfldcw %0\n\tldmxcsr %1\n\tmovsd %2, %%xmm2\n\tmovsd %3, %%xmm1"
                     :
                     : "m"(control), "m"(mxcsr), "m"(a), "m"(b));
}

static u32 rounds;

/* The instruction as the registers are; before that, where `index` is a register, thousands of times with another value in it. */
static void attempt(const char *name, u8 *code, i32 index, u32 harmless)
{
    target = (u32)code;
    if (index >= 0 && rounds) {
        u32 kept = registers[index], kept_stack = registers[ESP];
        registers[index] = harmless;
        for (u32 i = 0; i < rounds; i++) execute();
        registers[index] = kept, registers[ESP] = kept_stack;
    }
    put(name), put("\n");
    caught = 0;
    state(0x37f, 0x1f80, 6, 3);
    execute();
    if (!caught) {
        put("  went through:");
        for (u32 i = 0; i < 8; i++) put_word("", results[i]);
        put("\n");
    }
}

static void floating(const char *name, u8 *code, u16 control, u32 mxcsr, double a, double b)
{
    target = (u32)code;
    for (u32 i = 0; i < rounds; i++) {
        state(0x37f, 0x1f80, 6, 3);
        execute();
    }
    put(name), put("\n");
    caught = 0;
    state(control, mxcsr, a, b);
    execute();
    if (!caught) put("  went through\n");
    state(0x37f, 0x1f80, 6, 3);
}

/* The instruction with EFLAGS.AC, before that thousands of times without it. `offset`: from where everything is aligned. */
static void unaligned(const char *name, u8 *code, u32 offset)
{
    reset();
    registers[EBX] += offset, registers[ESI] = WRITABLE + 0x300 + offset, registers[EDI] = WRITABLE + 0x400;
    registers[ECX] = 2, registers[EBP] = WRITABLE + 0x600 + offset;
    if (code == push_memory || code == push_word || code == return_pop || code == enter_frame || code == push_all) registers[ESP] += offset;
    if (code == store_mask) registers[EDI] += offset;
    target = (u32)code;
    /* An operand that must be aligned in any case faults without the flag, too. */
    for (u32 i = 0; i < rounds && code != aligned; i++) *(u32 *)(WRITABLE + 0x104 + offset) = 0x2b, execute();
    *(u32 *)(WRITABLE + 0x104 + offset) = 0x2b;
    __asm__ volatile("fninit");
    flags |= 0x40000;
    attempt(name, code, -1, 0);
}

static void alignment(void)
{
    static const struct {
        const char *name;
        u8 *code;
        u32 most;
    } instructions[] = {
        {"load", load, 4}, {"load word", load_word, 2}, {"load byte", load_byte, 1}, {"store", store, 4}, {"add", add_memory, 4},
        {"push", push_memory, 4}, {"push word", push_word, 2}, {"pop", return_pop, 4}, {"leave", leave_frame, 4}, {"enter", enter_frame, 4},
        {"push all", push_all, 4}, {"load x87", load_x87, 8}, {"load single", load_single, 4}, {"load extended", load_extended, 8},
        {"load decimal", load_decimal, 8}, {"load integer", load_integer, 2}, {"store environment", store_environment, 4},
        {"store state", store_state, 4}, {"store control", store_control, 2}, {"store mxcsr", store_mxcsr, 4}, {"load mmx", load_mmx, 8},
        {"load vector", load_vector, 16}, {"store vector", store_vector, 16}, {"aligned", aligned, 16}, {"load low", load_low, 8},
        {"load high", load_high, 8}, {"convert", convert, 4}, {"store by mask", store_mask, 16}, {"exchange", exchange_8, 8},
        {"locked add", locked_add, 4}, {"bit", bit, 4}, {"far pointer", far_pointer, 4}, {"address", address, 1}, {"copy", copy_words, 4},
        {"copy bytes", copy, 1}};
    for (u32 i = 0; i < sizeof instructions / sizeof *instructions; i++) {
        u32 most = instructions[i].most;
        put("alignment by "), put_unsigned(most), put(":\n");
        unaligned(instructions[i].name, instructions[i].code, 0);
        unaligned(instructions[i].name, instructions[i].code, most);
        if (most > 1) unaligned(instructions[i].name, instructions[i].code, most / 2);
        if (most > 2) unaligned(instructions[i].name, instructions[i].code, 1);
    }
    reset(), flags |= 0x40000, registers[EBX] = END + 1;
    attempt("not aligned and not mapped", load, EBX, WRITABLE);
    reset(), registers[EDX] = 0x100;
    attempt("trace", trace, EDX, 0);
    reset(), registers[EDX] = 0x100;
    attempt("trace a system call", trace_call, EDX, 0);
    reset(), registers[EDX] = 0x100, registers[EBX] = END;
    attempt("trace a fault", trace_fault, -1, 0);
    reset(), registers[EDX] = 0x100;
    attempt("trace after iret", trace_return, EDX, 0);
    reset(), registers[EDX] = 0x40000, registers[EBX] += 1;
    attempt("alignment from here on", trace_fault, EDX, 0);
}

static void all(void)
{
    static u32 limits[2] = {10, 20};
    double zero = 0, huge = 1e308, tiny = 1e-308;

    reset(), registers[EDX] = 0, registers[ECX] = 0;
    attempt("divide by zero", divide, ECX, 5);
    reset(), registers[EDX] = 7, registers[ECX] = 7;
    attempt("divide overflow", divide, ECX, 9);
    reset(), registers[EAX] = 0x8000, registers[ECX] = 1;
    attempt("divide byte overflow", divide_byte, EAX, 5);
    reset(), attempt("undefined", undefined, -1, 0);
    reset(), attempt("lock of a register", bad_lock, -1, 0);
    reset(), attempt("breakpoint", breakpoint, -1, 0);
    reset(), attempt("interrupt 3", interrupt_3, -1, 0);
    reset(), flags |= 0x800;
    attempt("overflow", overflow, -1, 0);
    reset(), registers[EBX] = (u32)limits, registers[ECX] = 21;
    attempt("bounds", bounds, ECX, 15);
    reset(), attempt("halt", halt, -1, 0);
    reset(), attempt("interrupt", interrupt, -1, 0);
    reset(), registers[ECX] = 0x57;
    attempt("bad selector", bad_selector, ECX, 0x2b);
    reset(), attempt("port", port, -1, 0);
    reset(), registers[EBX] += 4;
    attempt("misaligned vector", aligned, EBX, WRITABLE);
    reset(), registers[EBX] += 8;
    attempt("misaligned integers", aligned_integer, EBX, WRITABLE);

    static const struct {
        const char *name;
        u32 address;
    } places[] = {{"null", 0}, {"unmapped", END + 0x123}, {"read-only", READ_ONLY + 8}, {"no access", NO_ACCESS + 16},
                  {"touched by reading", UNTOUCHED + 24}, {"kernel", 0xffffe123}, {"into read-only", READ_ONLY - 2}};
    for (u32 i = 0; i < sizeof places / sizeof *places; i++) {
        put(places[i].name), put(":\n");
        reset(), registers[EBX] = places[i].address;
        attempt("load", load, EBX, WRITABLE);
        reset(), registers[EBX] = places[i].address, registers[ESI] = -2u;
        attempt("load wide", load_wide, EBX, WRITABLE);
        reset(), registers[EBX] = places[i].address;
        attempt("store", store, EBX, WRITABLE);
        reset(), registers[EBX] = places[i].address;
        attempt("add", add_memory, EBX, WRITABLE);
        reset(), registers[ESP] = places[i].address + 4;
        attempt("push", push_memory, ESP, WRITABLE + 0x800);
        reset(), registers[EBX] = places[i].address;
        attempt("pop", pop_memory, EBX, WRITABLE);
        reset(), registers[ESP] = places[i].address + 4, registers[EBX] = (u32)finished;
        attempt("call", call_memory, ESP, WRITABLE + 0x800);
        reset(), registers[EBX] = places[i].address;
        attempt("jump", jump, -1, 0);
        reset(), registers[EDI] = places[i].address, registers[ESI] = WRITABLE, registers[ECX] = 3;
        attempt("copy to", copy, EDI, WRITABLE + 0x20);
        reset(), registers[ESI] = places[i].address, registers[EDI] = WRITABLE, registers[ECX] = 3;
        attempt("copy from", copy, ESI, WRITABLE + 0x20);
        reset(), registers[EBX] = places[i].address;
        attempt("load vector", load_vector, EBX, WRITABLE);
        reset(), registers[EBX] = places[i].address;
        attempt("store vector", store_vector, EBX, WRITABLE + 0x40);
        reset(), registers[EBX] = places[i].address;
        attempt("load x87", load_x87, -1, WRITABLE);
        reset(), registers[EBX] = places[i].address;
        attempt("store x87", store_x87, -1, WRITABLE + 0x40);
    }
    /* Operands: the first is st(1) and xmm2, the second st(0) and xmm1. */
    reset(), registers[EBX] = NEVER_TOUCHED;
    attempt("store to a page that was never touched", store, -1, 0);
    reset();
    floating("vector: divide by zero", divide_vector, 0x37f, 0x1f80 & ~0x200, 6, zero);
    floating("scalar: divide by zero", divide_scalar, 0x37f, 0x1f80 & ~0x200, 6, zero);
    floating("scalar: invalid", divide_scalar, 0x37f, 0x1f80 & ~0x80, zero, zero);
    floating("scalar: overflow", divide_scalar, 0x37f, 0x1f80 & ~0x400, huge, tiny);
    floating("scalar: underflow", divide_scalar, 0x37f, 0x1f80 & ~0x800, tiny, huge);
    floating("scalar: inexact", divide_scalar, 0x37f, 0x1f80 & ~0x1000, 1, 3);
    floating("scalar: denormal", divide_scalar, 0x37f, 0x1f80 & ~0x100, 1e-310, 3);
    floating("scalar: conversion", convert_scalar, 0x37f, 0x1f80 & ~0x80, huge, 3);
    floating("x87: divide by zero", divide_x87, 0x37f & ~4, 0x1f80, 6, zero);
    floating("x87: invalid", divide_x87, 0x37f & ~1, 0x1f80, zero, zero);
    floating("x87: overflow", scale_x87, 0x37f & ~8, 0x1f80, 20000, 2);
    floating("x87: inexact", divide_x87, 0x37f & ~0x20, 0x1f80, 1, 3);
    floating("x87: root", root_x87, 0x37f & ~1, 0x1f80, 1, -3);
    floating("x87: empty register", empty_x87, 0x37f & ~1, 0x1f80, 1, 3);
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    static const i32 signals[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
    rounds = count_argument(argc, argv, 0);
    u32 stack[3] = {(u32)alternate, 0, sizeof alternate};
    sys2(SYS_sigaltstack, stack, 0);
    struct action action = {handler, SA_SIGINFO | SA_RESTORER | SA_ONSTACK, restore, {0, 0}};
    for (u32 i = 0; i < sizeof signals / sizeof *signals; i++) sys4(SYS_rt_sigaction, signals[i], &action, 0, 8);
    sys6(SYS_mmap2, WRITABLE, END - WRITABLE, 3, 0x32, -1, 0);
    for (u32 at = WRITABLE; at < UNTOUCHED; at += 4) *(u32 *)at = at * 31;
    sys3(SYS_mprotect, READ_ONLY, 4096, 1);
    sys3(SYS_mprotect, NO_ACCESS, 4096, 0);
    sys3(SYS_mprotect, UNTOUCHED, END - UNTOUCHED, 1);
    all();
    alignment();
    return 0;
}
