/* Benchmark: memory that is reached through pointers: a hash table of chained nodes is filled, searched and emptied, and a list
 * of 64 Ki nodes in random order is walked. `lists N` repeats it N times. */
#include "guest.h"

struct node {
    struct node *next;
    u32 key;
    u16 uses;
    u8 kind, unused;
    i32 value;
};

enum { NODES = 1 << 16, BUCKETS = 1 << 12 };
static struct node nodes[NODES], *buckets[BUCKETS], *unused;

static __attribute__((noinline)) struct node *search(u32 key)
{
    struct node *node = buckets[key * 0x9e3779b1u >> 20];
    while (node && node->key != key) node = node->next;
    return node;
}

static __attribute__((noinline)) void add(u32 key, i32 value)
{
    struct node *node = search(key), **bucket = &buckets[key * 0x9e3779b1u >> 20];
    if (!node) {
        node = unused, unused = node->next;
        node->key = key, node->uses = 0, node->kind = (u8)value, node->value = 0;
        node->next = *bucket, *bucket = node;
    }
    node->uses++;
    node->value += value;
}

/* All nodes in an order that no hardware foresees. */
static void shuffle(void)
{
    u32 at = 0;
    unused = 0;
    for (u32 i = 0; i < NODES; i++) {
        at = (at * 5 + 12345) % NODES;
        nodes[at].next = unused, unused = &nodes[at];
    }
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 hash = 0, seed = 1;
    for (u32 round = count_argument(argc, argv, 20); round; round--) {
        shuffle();
        for (u32 walk = 0; walk < 4; walk++) {
            for (struct node *node = unused; node; node = node->next) node->value++, hash += node->kind;
        }
        for (u32 i = 0; i < BUCKETS; i++) buckets[i] = 0;
        for (u32 i = 0; i < 50000; i++) {
            seed = seed * 1664525 + 1013904223;
            add(seed >> 18, (i32)i);
        }
        for (u32 key = 0; key < 16384; key++) {
            struct node *node = search(key);
            if (node) hash = hash * 31 + (u32)node->value + node->uses;
        }
    }
    put("hash ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
