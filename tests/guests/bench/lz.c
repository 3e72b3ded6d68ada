/* Benchmark: compression by references to earlier text (Lempel and Ziv, 1977), greedy with a hash table, and decompression, of
 * 256 KiB that look like words. `lz N` does it N times. */
#include "guest.h"

enum { SIZE = 1 << 18, HASH_BITS = 13, LONGEST = 255 + 4 };
static u8 text[SIZE], packed[SIZE + SIZE / 8], unpacked[SIZE];
static u32 heads[1 << HASH_BITS];

static inline u32 word(const u8 *at)
{
    return *(const u32 *)at;
}

/* Eight items follow a byte of flags: a literal, or distance (16 bits) and length - 4 (8 bits). Returns the packed size. */
static __attribute__((noinline)) u32 compress(const u8 *from, u32 size, u8 *to)
{
    u8 *start = to, *flags = to++;
    u32 at = 0, bit = 0;
    *flags = 0;
    for (u32 i = 0; i < 1 << HASH_BITS; i++) heads[i] = 0;
    while (at < size) {
        u32 length = 0, distance = 0;
        if (at + 4 <= size) {
            u32 *head = &heads[word(from + at) * 0x9e3779b1u >> (32 - HASH_BITS)];
            u32 candidate = *head;
            *head = at + 1;
            if (candidate && at + 1 - candidate < 65536 && word(from + candidate - 1) == word(from + at)) {
                distance = at + 1 - candidate, length = 4;
                while (at + length < size && length < LONGEST && from[at + length] == from[candidate - 1 + length]) length++;
            }
        }
        if (bit == 8) flags = to++, *flags = 0, bit = 0;
        if (length) {
            *flags |= (u8)(1 << bit);
            *to++ = (u8)distance, *to++ = (u8)(distance >> 8), *to++ = (u8)(length - 4);
            at += length;
        } else {
            *to++ = from[at++];
        }
        bit++;
    }
    return (u32)(to - start);
}

static __attribute__((noinline)) u32 decompress(const u8 *from, u32 size, u8 *to)
{
    const u8 *end = from + size;
    u8 *start = to;
    while (from < end) {
        u32 flags = *from++;
        for (u32 bit = 0; bit < 8 && from < end; bit++) {
            if (flags >> bit & 1) {
                const u8 *earlier = to - (from[0] | from[1] << 8);
                for (u32 length = from[2] + 4u; length; length--) *to++ = *earlier++;
                from += 3;
            } else {
                *to++ = *from++;
            }
        }
    }
    return (u32)(to - start);
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    static const char words[8][8] = {"guest ", "host ", "block, ", "region ", "code ", "of ", "the ", "page. "};
    u32 seed = 1, hash = 0;
    for (u32 i = 0; i < SIZE;) {
        seed = seed * 1664525 + 1013904223;
        const char *from = words[seed >> 29];
        while (*from && i < SIZE) text[i++] = (u8)*from++;
        if ((seed >> 20 & 7) == 0 && i < SIZE) text[i++] = (u8)(seed >> 12);
    }
    for (u32 round = count_argument(argc, argv, 10); round; round--) {
        u32 size = compress(text, SIZE, packed);
        u32 length = decompress(packed, size, unpacked), different = length != SIZE;
        for (u32 i = 0; i < SIZE; i++) different |= text[i] ^ unpacked[i];
        hash = hash * 31 + size * 2 + !!different;
        text[round * 4099 % SIZE] ^= 1;
    }
    put("hash ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
