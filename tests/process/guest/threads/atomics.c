/* Locked instructions of all kinds and sizes among threads, and the order in which others see loads and stores. */
#include "together.h"

#define THREADS 3
#define ROUNDS 8000

static volatile int increments, additions, exchanges, bits, negations;
static volatile short words;
static volatile u8 bytes;
static volatile u64 quads;
static volatile int lock, plain;
static struct {
    char pad;
    volatile int value;
} __attribute__((packed)) unaligned;
static volatile int line[64];

static void *torture(void *argument)
{
    long id = (long)argument;
    long sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock incl %0" : "+m"(increments)::"cc");
        int one = 1;
        __asm__ volatile("lock xaddl %0, %1" : "+r"(one), "+m"(additions)::"cc");
        sum += one;
        int old = exchanges, seen;
        do seen = __sync_val_compare_and_swap(&exchanges, old, old + 1);
        while (seen != old && (old = seen, 1));
        __asm__ volatile("lock addw $1, %0" : "+m"(words)::"cc");
        __asm__ volatile("lock addb $1, %0" : "+m"(bytes)::"cc");
        __asm__ volatile("lock addl $1, %0" : "+m"(unaligned.value)::"cc");
        __asm__ volatile("lock btcl %1, %0" : "+m"(bits) : "r"((int)id) : "cc");
        __asm__ volatile("lock negl %0" : "+m"(negations)::"cc");
        __asm__ volatile("lock negl %0" : "+m"(negations)::"cc");
        __sync_fetch_and_add(&quads, 0x100000001ULL);
        int taken = 1;
        for (;;) {
            __asm__ volatile("xchgl %0, %1" : "+r"(taken), "+m"(lock)::"memory");
            if (!taken) break;
            __asm__ volatile("pause");
        }
        plain = plain + 1;
        lock = 0;
    }
    return (void *)sum;
}

static volatile int flag_x, flag_y, seen_x, seen_y, turn[3];

static void meet(int who, int round)
{
    turn[who] = round;
    __sync_synchronize();
    while (turn[!who] < round) __asm__ volatile("pause");
}

/** Store, fence, load on both sides: one of them sees the other's store. */
static void *store_then_load(void *argument)
{
    long who = (long)argument, failures = 0;
    for (int round = 1; round <= 1000; round++) {
        if (who) flag_x = 0;
        else flag_y = 0;
        meet(who, 3 * round);
        if (round % 2) {
            if (who) { flag_x = 1; __asm__ volatile("mfence" ::: "memory"); seen_y = flag_y; }
            else { flag_y = 1; __asm__ volatile("mfence" ::: "memory"); seen_x = flag_x; }
        } else {
            if (who) { flag_x = 1; __asm__ volatile("lock orl $0, (%%esp)" ::: "memory", "cc"); seen_y = flag_y; }
            else { flag_y = 1; __asm__ volatile("lock orl $0, (%%esp)" ::: "memory", "cc"); seen_x = flag_x; }
        }
        meet(who, 3 * round + 1);
        failures += !seen_x && !seen_y;
        meet(who, 3 * round + 2);
    }
    return (void *)failures;
}

static volatile int message[4], ready;
/** Stores are seen in their order. */
static void *message_passing(void *argument)
{
    long who = (long)argument, failures = 0;
    for (int round = 1; round <= 4000; round++) {
        if (who) {
            while (ready != round) __asm__ volatile("pause");
            failures += message[round % 4] != round * 3;
            line[0] = round;
        } else {
            message[round % 4] = round * 3;
            ready = round;
            while (line[0] != round) __asm__ volatile("pause");
        }
    }
    return (void *)failures;
}

/** An aligned word is never seen half written. */
static volatile u32 whole = 0x01010101;
static volatile int stop;
static void *tear(void *argument)
{
    long failures = 0;
    if (argument) {
        for (int i = 0; i < 100000; i++) {
            u32 value = whole;
            failures += value != (value & 0xff) * 0x01010101u;
        }
        stop = 1;
    } else for (u32 i = 0; !stop; i = (i + 1) & 0xff) whole = i * 0x01010101u;
    return (void *)failures;
}

int atomics_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    const u32 total = THREADS * ROUNDS;
    u32 sum = sum_of_threads(torture, THREADS);
    show("lock inc", "%d", increments);
    show("lock xadd", "%d", additions);
    show("what xadd gave", "%d", sum == (u32)((u64)total * (total - 1) / 2));
    show("lock cmpxchg", "%d", exchanges);
    show("lock addw", "%d", (unsigned short)words == (unsigned short)total);
    show("lock addb", "%d", bytes == (u8)total);
    show("not aligned", "%d", unaligned.value);
    show("lock btc", "%d", bits);
    show("lock neg", "%d", negations);
    show("lock cmpxchg8b", "%llx", quads);
    show("under xchg", "%d", plain);
    show("store, fence, load", "%ld", sum_of_threads(store_then_load, 2));
    show("message passing", "%ld", sum_of_threads(message_passing, 2));
    show("torn words", "%ld", sum_of_threads(tear, 2));
    return 0;
}
