/* A static position-independent program that relocates itself: it runs wherever it is loaded. */
#include "guest.h"

static const char *const words[] = {"position", "independent", "program"};
static const char *const *volatile table = words;

struct dynamic {
    i32 tag;
    u32 value;
};
extern struct dynamic _DYNAMIC[] __attribute__((visibility("hidden")));
extern char __ehdr_start[] __attribute__((visibility("hidden")));

/* Elf32_Rel entries of type R_386_RELATIVE (System V ABI, Intel386 supplement). */
static void relocate(void)
{
    u32 base = (u32)__ehdr_start, rel = 0, size = 0;
    for (struct dynamic *d = _DYNAMIC; d->tag; d++) {
        if (d->tag == 17) rel = base + d->value;
        if (d->tag == 18) size = d->value;
    }
    for (u32 at = rel; at < rel + size; at += 8) {
        u32 *entry = (u32 *)at;
        if ((entry[1] & 255) == 8) *(u32 *)(base + entry[0]) += base;
    }
}

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    relocate();
    for (u32 i = 0; i < 3; i++) {
        put(table[i]);
        put_char(i < 2 ? ' ' : '\n');
    }
    return 0;
}
