/* The address space: mmap and its flags, mprotect, mremap, madvise, brk, what children share. */
#include "check.h"
#include <setjmp.h>
#include <sys/uio.h>

#define PAGE 4096
static sigjmp_buf jump;
static void leave(int signal) { siglongjmp(jump, signal); }
static int touch(volatile char *at, int write)
{
    handle(SIGSEGV, leave, SA_NODEFER);
    handle(SIGBUS, leave, SA_NODEFER);
    int signal = sigsetjmp(jump, 1);
    if (signal != 0) return signal;
    char byte = *at;
    if (write) *at = byte + 1;
    return 0;
}
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
static void mapped(const char *name, void *at)
{
    if (at == MAP_FAILED) result(name, -1);
    else show(name, "mapped");
}
static char *place = (char *)0x40000000;

int memory_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    char *area = mmap(place, 8 * PAGE, RW, ANON, -1, 0);
    holds("hint is taken", area == place);
    holds("hint that is not free is not", mmap(place + PAGE, PAGE, RW, ANON, -1, 0) != place + PAGE);
    mapped("MAP_FIXED_NOREPLACE", mmap(place + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    area[PAGE] = 9;
    holds("MAP_FIXED replaces", mmap(place + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == place + PAGE && area[PAGE] == 0);
    mapped("length 0", mmap(NULL, 0, RW, ANON, -1, 0));
    mapped("no type", mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    mapped("fixed address not aligned", mmap(place + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    mapped("too long", mmap(NULL, 0xfffff000, RW, ANON, -1, 0));
    mapped("bad descriptor", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0));
    mapped("fixed in the kernel", mmap((void *)0xffffe000, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    int pipes[2];
    if (pipe(pipes) < 0) return 1;
    mapped("pipe", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0));
    int zero = open("/dev/zero", O_RDWR);
    char *zeros = mmap(NULL, PAGE, RW, MAP_PRIVATE, zero, 0);
    show("/dev/zero", "%d", zeros[5]);
    close(zero);

    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 3 * PAGE; i += 4)
        if (write(fd, &i, 4) != 4) return 1;
    int *shared = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
    int *private = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
    int *second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    show("offset", "%d", second[1]);
    shared[PAGE / 4] = -5;
    show("shared mappings show a store", "%d %d", second[0], private[PAGE / 4]);
    private[0] = 99;
    int word;
    result("private store is not in the file", pread(fd, &word, 4, 0) == 4 ? word : -1);
    pread(fd, &word, 4, PAGE);
    show("shared one is", "%d", word);
    word = 4711;
    pwrite(fd, &word, 4, 8);
    show("write to the file shows", "%d %d", shared[2], private[2]);
    result("msync", msync(shared, 3 * PAGE, MS_SYNC));
    result("msync with both kinds", msync(shared, PAGE, MS_SYNC | MS_ASYNC));
    result("msync of a hole", msync(place + 100 * PAGE, PAGE, MS_SYNC));
    
    int read_only = open("file", O_RDONLY);
    mapped("shared and writable of a read-only file", mmap(NULL, PAGE, RW, MAP_SHARED, read_only, 0));
    mapped("private and writable of one", mmap(NULL, PAGE, RW, MAP_PRIVATE, read_only, 0));
    char *view = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, read_only, 0);
    result("mprotect to writable of one", mprotect(view, PAGE, RW));
    close(fd);
    show("mapping outlives its descriptor", "%d", shared[1]);
    int write_only = open("file", O_WRONLY);
    mapped("write-only file", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0));
    unlink("file");

    result("munmap of nothing", munmap(place + 100 * PAGE, PAGE));
    result("munmap not aligned", munmap(place + 1, PAGE));
    result("munmap of no length", munmap(place, 0));
    result("munmap in the middle", munmap(place + 4 * PAGE, PAGE));
    show("hole", "%d %d %d", touch(place + 3 * PAGE, 1), touch(place + 4 * PAGE, 1), touch(place + 5 * PAGE, 1));
    result("mprotect over a hole", mprotect(place, 8 * PAGE, PROT_READ));
    show("it changed what came before", "%d %d", touch(place + 3 * PAGE, 1), touch(place + 5 * PAGE, 1));
    result("mprotect not aligned", mprotect(place + 1, PAGE, RW));
    result("mprotect of unknown bits", mprotect(place, PAGE, 0x100));
    result("mprotect of no length", mprotect(place, 0, RW));
    mprotect(place, 4 * PAGE, RW);

    strcpy(place, "contents");
    char *moved = mremap(place, PAGE, 16 * PAGE, 0);
    result("mremap without room", moved == MAP_FAILED ? -1 : 0);
    moved = mremap(place, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    holds("mremap moves", moved != MAP_FAILED && strcmp(moved, "contents") == 0 && moved[63 * PAGE] == 0);
    show("old place is gone", "%d", touch(place, 0));
    holds("mremap shrinks in place", mremap(moved, 64 * PAGE, PAGE, 0) == moved);
    show("rest is gone", "%d", touch(moved + PAGE, 0));
    holds("mremap grows in place", mremap(moved, PAGE, 3 * PAGE, 0) == moved && touch(moved + 2 * PAGE, 1) == 0);
    char *fixed = mremap(moved, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    holds("mremap to a place", fixed == place && strcmp(fixed, "contents") == 0);
    result("mremap of nothing", mremap(place + 200 * PAGE, PAGE, PAGE, 0) == MAP_FAILED ? -1 : 0);
    result("mremap onto itself", mremap(place, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE) == MAP_FAILED ? -1 : 0);
    result("mremap of no length", mremap(place, PAGE, 0, 0) == MAP_FAILED ? -1 : 0);
    result("mremap of unknown flags", mremap(place, PAGE, PAGE, 64) == MAP_FAILED ? -1 : 0);
    char *kept = mremap(place, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    if (kept == MAP_FAILED) result("MREMAP_DONTUNMAP", -1);
    else show("MREMAP_DONTUNMAP", "%s %d", kept, *place);
    int *twin = mremap(shared, 0, PAGE, MREMAP_MAYMOVE);
    if (twin == MAP_FAILED) result("mremap of length 0 doubles", -1);
    else {
        twin[3] = 1234;
        show("mremap of length 0 doubles", "%d", shared[3]);
    }

    memset(place, 7, PAGE);
    result("MADV_DONTNEED", madvise(place, PAGE, MADV_DONTNEED));
    show("gives zeros", "%d", *place);
    private[0] = 1;
    madvise(private, PAGE, MADV_DONTNEED);
    show("gives the file's bytes", "%d", private[0]);
    result("madvise of a hole", madvise(place + 300 * PAGE, PAGE, MADV_WILLNEED));
    result("madvise of unknown advice", madvise(place, PAGE, 999));
    result("MADV_FREE", madvise(place, PAGE, MADV_FREE));
    char *wiped = mmap(NULL, PAGE, RW, ANON, -1, 0);
    char *both = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *wiped = *both = 5;
    result("MADV_WIPEONFORK", madvise(wiped, PAGE, MADV_WIPEONFORK));
    pid_t pid = fork();
    if (pid == 0) {
        show("in a child", "%d %d", *wiped, *both);
        *both = 6;
        _exit(0);
    }
    wait_for(pid);
    show("in its parent", "%d %d", *wiped, *both);

    unsigned char vector[4];
    result("mincore", mincore(place, PAGE, vector));
    result("mincore of a hole", mincore(place + 300 * PAGE, PAGE, vector));
    result("mlock", mlock(place, PAGE));
    result("mlock of a hole", mlock(place + 300 * PAGE, PAGE));
    result("munlock", munlock(place, PAGE));

    char *end = sbrk(0);
    result("sbrk", sbrk(10000) == end ? 0 : -1);
    end[9999] = 3;
    show("heap", "%d", touch(end + 9999, 1));
    result("sbrk back", brk(end));
    holds("brk to nothing fails", brk((void *)0x1000) < 0);

    char *down = mmap((void *)0x50000000, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    show("MAP_GROWSDOWN grows", "%d %d", touch(down - 1, 1), touch(down - 3 * PAGE, 1));
    show("not too far", "%d", touch(down - (64 << 20), 0));

    /* Code that is written, made executable and written again. */
    unsigned char *code = mmap(NULL, PAGE, RW, ANON, -1, 0);
    memcpy(code, "\xb8\x01\x00\x00\x00\xc3", 6);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    int first = ((int (*)(void))code)();
    mprotect(code, PAGE, RW);
    code[1] = 2;
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    show("code is made, changed and made again", "%d %d", first, ((int (*)(void))code)());
    mprotect(code, PAGE, RW | PROT_EXEC);
    int sum = 0;
    for (int i = 0; i < 100; i++) {
        code[1] = i;
        sum += ((int (*)(void))code)();
    }
    show("code in a writable page", "%d", sum);
    unsigned char *two = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memcpy(two, "\xb8\x05\x00\x00\x00\xc3", 6);
    unsigned char *alias = mremap(two, 0, PAGE, MREMAP_MAYMOVE);
    sum = ((int (*)(void))two)();
    munmap(two, PAGE);
    two = mmap(two, PAGE, RW | PROT_EXEC, ANON | MAP_FIXED, -1, 0);
    memcpy(two, "\xb8\x07\x00\x00\x00\xc3", 6);
    show("code after munmap and mmap", "%d %d %d", sum, ((int (*)(void))two)(), ((int (*)(void))alias)());
    madvise(two, PAGE, MADV_DONTNEED);
    show("code after MADV_DONTNEED", "%d", *two);
    int code_fd = memfd_create("code", 0);
    if (write(code_fd, "\xb8\x0a\x00\x00\x00\xc3", 6) != 6) return 1;
    unsigned char *from_file = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, code_fd, 0);
    sum = ((int (*)(void))from_file)();
    pwrite(code_fd, "\x0b", 1, 1);
    show("code in a shared file", "%d %d", sum, from_file[1]);
    int codes[2];
    if (pipe(codes) < 0 || write(codes[1], "\x14", 1) != 1) return 1;
    mprotect(code, PAGE, RW | PROT_EXEC);
    if (read(codes[0], code + 1, 1) != 1) return 1;
    show("code read by a call", "%d", ((int (*)(void))code)());
    char byte = 0x15, seen[6] = "";
    struct iovec here = {&byte, 1}, there = {code + 1, 1};
    result("process_vm_writev", process_vm_writev(getpid(), &here, 1, &there, 1, 0));
    show("code written by it", "%d", ((int (*)(void))code)());
    here = (struct iovec){seen, 6}, there = (struct iovec){code, 6};
    result("process_vm_readv", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
    holds("what it reads", memcmp(seen, code, 6) == 0);
    there.iov_base = (void *)16;
    result("of what is not mapped", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
    result("with a flag", process_vm_readv(getpid(), &here, 1, &there, 1, 1));
    return 0;
}
