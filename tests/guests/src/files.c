/* Files and directories in the current directory, mappings of a file, errors. Leaves nothing behind. */
#include "guest.h"

enum { O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_APPEND = 02000, O_DIRECTORY = 0200000 };

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    sys1(SYS_rmdir, "guest-directory");
    put_named("mkdir", sys2(SYS_mkdir, "guest-directory", 0755));
    put_named("mkdir again", sys2(SYS_mkdir, "guest-directory", 0755));
    i32 file = sys3(SYS_open, "guest-directory/file", O_RDWR | O_CREAT | O_EXCL, 0640);
    put_named("opened", file >= 3);
    put_named("exclusive", sys3(SYS_open, "guest-directory/file", O_RDWR | O_CREAT | O_EXCL, 0640));
    static char block[10000];
    for (u32 i = 0; i < sizeof block; i++) block[i] = (char)(i * 7);
    put_named("write", sys3(SYS_write, file, block, sizeof block));
    put_named("seek", sys3(SYS_lseek, file, 5000, 0));
    u8 bytes[4] = {0};
    put_named("read", sys3(SYS_read, file, bytes, 4));
    put_named("byte", bytes[1]);
    put_named("pread", sys5(SYS_pread64, file, bytes, 4, 9999, 0));
    put_named("pwrite", sys5(SYS_pwrite64, file, "end", 3, 20000, 0));
    put_named("end", sys3(SYS_lseek, file, 0, 2));
    put_named("bad pointer", sys3(SYS_write, file, 0x1000, 10));
    put_named("bad descriptor", sys3(SYS_read, 77, bytes, 4));
    struct {
        const void *base;
        u32 length;
    } vector[2] = {{"one ", 4}, {"two\n", 4}};
    flush();
    put_named("writev", sys3(SYS_writev, 1, vector, 2));

    u32 stat[24] = {0};
    put_named("fstat64", sys2(SYS_fstat64, file, stat));
    put_named("mode", stat[4]);
    put_named("size", stat[11]);

    /* The file mapped shared: a store arrives in the file. */
    u8 *map = (u8 *)sys6(SYS_mmap2, 0, 8192, 3, 1, file, 1);
    put_named("mapped", (u32)map < 0xfffff000u);
    put_named("contents", map[0]);
    map[1] = 200;
    sys5(SYS_pread64, file, bytes, 1, 4097, 0);
    put_named("stored", bytes[0]);
    put_named("munmap", sys2(SYS_munmap, map, 8192));
    put_named("truncate", sys2(SYS_ftruncate, file, 123));
    put_named("end", sys3(SYS_lseek, file, 0, 2));
    put_named("close", sys1(SYS_close, file));
    put_named("close again", sys1(SYS_close, file));
    put_named("rename", sys2(SYS_rename, "guest-directory/file", "guest-directory/other"));
    put_named("gone", sys2(SYS_access, "guest-directory/file", 0));

    i32 directory = sys3(SYS_open, "guest-directory", O_RDONLY | O_DIRECTORY, 0);
    static u8 entries[2048];
    i32 n = sys3(SYS_getdents64, directory, entries, sizeof entries);
    u32 count = 0, found = 0;
    for (i32 at = 0; at < n; at += *(u16 *)(entries + at + 16)) {
        count++;
        if (equal((char *)entries + at + 19, "other")) found++;
    }
    put_named("entries", count);
    put_named("found", found);
    sys1(SYS_close, directory);
    put_named("not empty", sys1(SYS_rmdir, "guest-directory"));
    put_named("unlink", sys1(SYS_unlink, "guest-directory/other"));
    put_named("rmdir", sys1(SYS_rmdir, "guest-directory"));

    /* brk and anonymous memory. */
    u32 top = sys1(SYS_brk, 0);
    put_named("brk", (u32)sys1(SYS_brk, top + 100000) == top + 100000);
    *(volatile u32 *)(top + 99996) = 5;
    put_named("brk memory", *(volatile u32 *)(top + 99996));
    put_named("unknown call", sys0(1023));

    static char input[64];
    n = sys3(SYS_read, 0, input, sizeof input - 1);
    put("input: ");
    put(n > 0 ? input : "none");
    put("\n");
    return 0;
}
