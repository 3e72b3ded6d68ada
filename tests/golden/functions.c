/*
 * Small functions, each of one kind of code that compilers (and some people) write. What the translator makes of them is kept
 * in expected/ and compared: tests/golden/golden.ts lists them with the arguments they are called with.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

#define SSE2 __attribute__((target("sse2,fpmath=sse")))
#define VECTORS __attribute__((target("sse2,fpmath=sse"), optimize("tree-vectorize")))
#define APART __attribute__((noinline, noclone))

static u32 words[64] = {9, 4, 7, 1, 8, 2, 6, 3, 5, 0, 15, 12, 11, 10, 14, 13};
static u32 copies[64];
static u8 bytes[128] = "the quick brown fox jumps over the lazy dog";
static u8 more[128] = "the quick brown fox jumps under the lazy dog";
static double doubles[32] = {1.5, -2.25, 3.125, 0.0625, 1e10, -7, 0.1, 100};
static float floats[32] = {0.5f, 1.5f, -2.5f, 8, 0.1f, -3, 7, 1};

/* Loops and memory. */

u32 sum_words(u32 n)
{
    u32 sum = 0;
    for (u32 i = 0; i < n; i++) sum += words[i];
    return sum;
}
u32 fill_words(u32 n, u32 value)
{
    for (u32 i = 0; i < n; i++) copies[i] = value + i;
    return copies[n / 2];
}
u32 copy_bytes(u8 *to, const u8 *from, u32 n)
{
    while (n--) *to++ = *from++;
    return (u32)to[-1];
}
u32 call_copy_bytes(u32 n)
{
    return copy_bytes((u8 *)copies, bytes, n);
}
u32 copy_repeated(u32 n)
{
    const void *from = words;
    void *to = copies;
    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
    return copies[3];
}
u32 fill_repeated(u32 n)
{
    void *to = copies;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0x5a) : "memory");
    return copies[1];
}
u32 string_length(void)
{
    const u8 *at = bytes;
    while (*at) at++;
    return (u32)(at - bytes);
}
u32 string_compare(void)
{
    const u8 *a = bytes, *b = more;
    while (*a && *a == *b) a++, b++;
    return (u32)(*a - *b);
}
u32 find_repeated(u32 wanted)
{
    const u8 *at = bytes;
    u32 n = sizeof bytes;
    __asm__ volatile("repne scasb" : "+D"(at), "+c"(n) : "a"(wanted) : "memory", "cc");
    return n;
}
u32 compare_repeated(u32 n)
{
    const u8 *a = bytes, *b = more;
    __asm__ volatile("repe cmpsb" : "+S"(a), "+D"(b), "+c"(n) : : "memory", "cc");
    return n;
}
u32 nested_loops(u32 n)
{
    u32 sum = 0;
    for (u32 i = 0; i < n; i++)
        for (u32 k = i; k < n; k++)
            if ((i ^ k) & 1) sum += i * k;
    return sum;
}
u32 partition(u32 n)
{
    u32 *low = words, *high = words + n - 1, pivot = words[n / 2];
    while (low <= high) {
        while (*low < pivot) low++;
        while (*high > pivot) high--;
        if (low > high) break;
        u32 swap = *low;
        *low++ = *high, *high-- = swap;
    }
    return (u32)(low - words);
}
u32 crc(u32 n)
{
    u32 value = ~0u;
    for (u32 i = 0; i < n; i++) {
        value ^= bytes[i];
        for (u32 bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
    }
    return ~value;
}
/* Two ways into a loop. */
u32 irreducible(u32 n, u32 odd)
{
    u32 result = 0;
    __asm__ volatile("testl %2, %2\n\tjz 2f\n1:\taddl $3, %0\n2:\taddl %1, %0\n\tdecl %1\n\tjnz 1b"
                     : "+r"(result), "+r"(n)
                     : "r"(odd)
                     : "cc");
    return result;
}
u32 loop_instruction(u32 n)
{
    u32 sum = 0;
    __asm__ volatile("1:\taddl %1, %0\n\tloop 1b" : "+r"(sum), "+c"(n) : : "cc");
    return sum;
}

/* Calls and jumps. */

APART u32 leaf(u32 a, u32 b)
{
    return a * 3 + (b ^ a >> 2);
}
u32 call_leaf(u32 n)
{
    u32 value = 1;
    while (n--) value = leaf(value, n);
    return value;
}
APART __attribute__((optimize("no-optimize-sibling-calls", "no-inline-functions"))) u32 recursive(u32 n)
{
    return n < 2 ? n : recursive(n - 1) + recursive(n - 2);
}
static APART u32 twice(u32 a) { return a * 2; }
static APART u32 negated(u32 a) { return -a; }
static APART u32 halved(u32 a) { return a / 2; }
u32 call_pointers(u32 n)
{
    static u32 (*const functions[])(u32) = {twice, negated, halved};
    u32 value = 12345;
    for (u32 i = 0; i < n; i++) value = functions[i % 3](value);
    return value;
}
u32 switch_table(u32 n)
{
    u32 value = 1;
    for (u32 i = 0; i < n; i++) {
        switch (words[i & 15]) {
        case 0: value += 5; break;
        case 1: value *= 3; break;
        case 2: value ^= i; break;
        case 3: value -= 7; break;
        case 4: value <<= 1; break;
        case 5: value = ~value; break;
        case 6: value >>= 2; break;
        case 7: value += value >> 3; break;
        default: value++;
        }
    }
    return value;
}
u32 switch_sparse(u32 value)
{
    switch (value) {
    case 3: return 1;
    case 100: return 2;
    case 5000: return 3;
    case 70000: return 4;
    case 900000: return 5;
    default: return 0;
    }
}
u32 bytecode(void)
{
    static const u8 program[] = {0, 20, 1, 0, 3, 2, 1, 2, 0, 1, 4, 3, 4, 5};
    u32 stack[4] = {0}, top = 0;
    for (const u8 *at = program;;) {
        switch (*at++) {
        case 0: top = (top + 1) & 3, stack[top] = *at++; break;
        case 1: stack[top] += 7; break;
        case 2: stack[top] *= 5; break;
        case 3: stack[top] ^= stack[(top + 1) & 3]; break;
        case 4: stack[(top + 3) & 3] -= stack[top], top = (top + 3) & 3; break;
        default: return stack[top];
        }
    }
}
APART u32 many_arguments(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
    return a + b * 2 + c * 3 + (d ^ e) - f;
}
u32 call_many_arguments(u32 a)
{
    return many_arguments(a, a + 1, a + 2, a + 3, a + 4, a + 5) + many_arguments(1, 2, 3, 4, 5, a);
}
u32 stack_frame(u32 n)
{
    volatile u32 local[8];
    for (u32 i = 0; i < 8; i++) local[i] = i * n;
    return local[n & 7] + local[3];
}
u32 push_and_pop(u32 a, u32 b)
{
    __asm__ volatile("pushl %0\n\tpushl %1\n\tpushl $7\n\tpopl %0\n\taddl (%%esp), %0\n\tpopl %1\n\taddl %1, (%%esp)\n\tpopl %1"
                     : "+r"(a), "+r"(b)
                     :
                     : "memory", "cc");
    return a ^ b;
}

/* Narrow operands and flags. */

u32 narrow_bytes(u32 n)
{
    u8 a = (u8)n, b = 200;
    for (u32 i = 0; i < n; i++) a = (u8)(a + bytes[i]), b = (u8)(b - (a >> 1)), a ^= b;
    return (u32)(a << 8 | b);
}
u32 narrow_words(u32 n)
{
    i16 a = (i16)n, b = 1000;
    for (u32 i = 0; i < n; i++) a = (i16)(a * 3 + ((u16 *)words)[i]), b = (i16)(b - (a >> 1));
    return (u32)(a ^ b);
}
u32 partial_registers(u32 a, u32 b)
{
    __asm__ volatile("movb %%ah, %%dl\n\taddb %%dh, %%al\n\tmovb $5, %%ah\n\txchgb %%al, %%dh\n\tmovw %%ax, %%cx\n\tincw %%dx\n\t"
                     "addb %%cl, %%dh"
                     : "+a"(a), "+d"(b)
                     :
                     : "ecx", "cc");
    return a + b;
}
u32 carry_chain(u32 a, u32 b)
{
    __asm__ volatile("addl $-5, %0\n\tadcl $7, %1\n\tsbbl %0, %0\n\tadcl %1, %0\n\trcll $1, %1" : "+r"(a), "+r"(b) : : "cc");
    return a ^ b;
}
u32 set_conditions(u32 a, u32 b)
{
    i32 s = (i32)a, t = (i32)b;
    return (u32)((a < b) | (a <= b) << 1 | (s < t) << 2 | (s <= t) << 3 | (a == b) << 4 | (s < 0) << 5 | !(a & b) << 6);
}
u32 push_flags(u32 a, u32 b)
{
    u32 flags;
    __asm__ volatile("subl %2, %1\n\tpushfl\n\tpopl %0\n\tlahf" : "=r"(flags), "+r"(b) : "r"(a) : "eax", "cc");
    return flags & 0x8d5;
}
u32 minimum_maximum(u32 n)
{
    i32 least = 1000, most = -1000;
    for (u32 i = 0; i < n; i++) {
        i32 value = (i32)words[i];
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    return (u32)(most * 100 + least);
}
u32 signs(u32 a)
{
    i32 s = (i32)a;
    return (u32)((s > 0) - (s < 0) + (i32)(i8)a + (i32)(i16)(a >> 8) + (i32)((u8)(a >> 16)));
}

/* Wide and bitwise arithmetic. */

u64 add_wide(u32 a, u32 b)
{
    u64 x = (u64)a << 32 | b, y = (u64)b << 31 | a;
    return x + y - (x ^ y);
}
u64 multiply_wide(u32 a, u32 b)
{
    return (u64)a * b + (u64)((i64)(i32)a * (i32)b);
}
u64 shift_wide(u32 a, u32 by)
{
    u64 x = (u64)a << 20 | 0x12345;
    return (x << (by & 63)) ^ (x >> (by & 31));
}
u32 compare_wide(u32 a, u32 b)
{
    i64 x = (i64)(i32)a << 8, y = (i64)(i32)b * 77;
    return (u32)((x < y) + (x == y) * 2 + ((u64)x > (u64)y) * 4);
}
u32 divide_wide(u32 a, u32 b)
{
    u32 high = a % b, low = 0x89abcdef;
    __asm__("divl %2" : "+a"(low), "+d"(high) : "r"(b) : "cc");
    return low ^ high;
}
u32 divide(u32 a, u32 b)
{
    return a / b + a % b + (u32)((i32)a / -7) + a / 10;
}
u32 shifts(u32 a, u32 by)
{
    return (a << (by & 31)) + (a >> (by & 31)) + (u32)((i32)a >> (by & 31)) + (a << 3) + (a >> 27);
}
u32 rotations(u32 n)
{
    u32 a = 0x6a09e667, e = n;
    for (u32 i = 0; i < n; i++) {
        e += (a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10);
        a += (e & a) ^ (~e & words[i & 15]);
    }
    return a ^ e;
}
u32 bit_tests(u32 a, u32 bit)
{
    u32 result = a;
    __asm__ volatile("btl %1, %0\n\tsbbl %%eax, %%eax\n\tbtsl $7, %0\n\tbtrl %1, %0\n\tsubl %%eax, %0"
                     : "+r"(result)
                     : "r"(bit)
                     : "eax", "cc");
    return result;
}
u32 bit_scans(u32 a)
{
    return (u32)(__builtin_ctz(a | 0x100) * 100 + __builtin_clz(a | 1)) ^ __builtin_bswap32(a);
}

/* Structures. */

struct node {
    struct node *next;
    u8 kind;
    i16 weight;
    u32 value;
    double ratio;
};
static struct node nodes[4] = {
    {&nodes[1], 1, -5, 10, 0.5}, {&nodes[2], 2, 6, 20, 1.5}, {&nodes[3], 3, -7, 30, 2.5}, {0, 4, 8, 40, 3.5}};
u32 list_walk(void)
{
    u32 sum = 0;
    for (struct node *node = nodes; node; node = node->next) sum += node->value * node->kind + (u32)node->weight;
    return sum;
}
u32 structure_update(u32 index)
{
    struct node *node = &nodes[index & 3];
    node->kind++, node->weight = (i16)(node->weight * 2), node->value ^= 0xff;
    return node->value + node->kind + (u32)node->weight;
}

/* Floating point. */

u32 x87_polynomial(u32 n)
{
    double x = n, value = ((0.5 * x + 3) * x - 7) / (x + 1);
    return (u32)(i32)(value * 1000);
}
u32 x87_sum(u32 n)
{
    double sum = 0;
    for (u32 i = 0; i < n; i++) sum += doubles[i & 7] * floats[i & 7];
    return (u32)(i32)(sum / 1024);
}
u32 x87_compare(u32 n)
{
    u32 count = 0;
    for (u32 i = 0; i < n; i++)
        if (doubles[i & 7] < floats[i & 7] || doubles[i & 7] == 100) count++;
    return count;
}
u32 x87_functions(u32 n)
{
    double x = n;
    __asm__("fsqrt\n\tfabs\n\tfchs\n\tfrndint" : "+t"(x));
    return (u32)(i32)x;
}
u32 x87_stack(void)
{
    double result;
    __asm__("fld1\n\tfldl %1\n\tfxch %%st(1)\n\tfadd %%st(1), %%st\n\tfmulp\n\tfldpi\n\tfsubrp" : "=t"(result) : "m"(doubles[1]));
    return (u32)(i32)(result * 1000);
}
SSE2 u32 sse2_polynomial(u32 n)
{
    double x = (i32)n, value = ((0.5 * x + 3) * x - 7) / (x + 1);
    return (u32)(i32)(value * 1000);
}
SSE2 u32 sse2_sum(u32 n)
{
    double sum = 0;
    for (u32 i = 0; i < n; i++) sum += doubles[i & 7] * doubles[(i + 1) & 7];
    return (u32)(i32)(sum / 1024);
}
SSE2 u32 sse2_compare(u32 n)
{
    u32 count = 0;
    for (u32 i = 0; i < n; i++)
        if (doubles[i & 7] < doubles[(i + 3) & 7] || doubles[i & 7] == 100) count++;
    return count;
}
SSE2 u32 sse2_functions(u32 n)
{
    double x = (i32)n, root;
    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
    float single = (float)root;
    return (u32)(i32)(single * 1000) + (u32)(i32)(root < x ? root : x);
}
VECTORS u32 sse2_packed(u32 n)
{
    for (u32 i = 0; i < 32; i++) floats[i] = floats[i] * 0.5f + 3;
    return (u32)(i32)(floats[n & 31] * 1000);
}
VECTORS u32 sse2_bytes(u32 n)
{
    for (u32 i = 0; i < 64; i++) more[i] = (u8)((more[i] + bytes[i]) ^ 0x20);
    return more[n & 63];
}
VECTORS u32 sse2_words(void)
{
    u32 sum = 0;
    for (u32 i = 0; i < 64; i++) sum += words[i] ^ copies[i];
    return sum;
}
SSE2 u32 sse2_shuffles(u32 a)
{
    u32 result;
    __asm__("movd %1, %%xmm0\n\tpunpcklbw %%xmm0, %%xmm0\n\tpshufd $0x1b, %%xmm0, %%xmm1\n\tpaddw %%xmm0, %%xmm1\n\t"
            "psrldq $4, %%xmm1\n\tpackuswb %%xmm1, %%xmm1\n\tpmovmskb %%xmm1, %%eax\n\tmovd %%xmm1, %0\n\txorl %%eax, %0"
            : "=r"(result)
            : "r"(a)
            : "eax", "xmm0", "xmm1");
    return result;
}

__asm__(".globl _start\n_start:\thlt\n");
