/* Files and directories: what takes pointers to structures or 64-bit offsets, xattr, splice, sendfile. */
#include "check.h"
#include <dirent.h>
#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>

int files_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct stat64 status;
    char buffer[4096];
    umask(022);
    result("mkdir", mkdir("dir", 0777));
    result("mkdir again", mkdir("dir", 0777));
    stat64("dir", &status);
    show("its mode", "%o", status.st_mode);
    int directory = open("dir", O_RDONLY | O_DIRECTORY);
    int fd = openat(directory, "file", O_RDWR | O_CREAT | O_EXCL | O_LARGEFILE, 0666);
    holds("openat", fd >= 0);
    result("O_EXCL", openat(directory, "file", O_RDWR | O_CREAT | O_EXCL, 0666));
    result("O_DIRECTORY of a file", openat(directory, "file", O_RDONLY | O_DIRECTORY));
    result("write", write(fd, "0123456789", 10));
    result("pwrite beyond 4 GiB", pwrite64(fd, "end", 3, 0x123456789ll));
    fstat64(fd, &status);
    show("size", "%lld", (long long)status.st_size);
    show("mode and links", "%o %d", status.st_mode, (int)status.st_nlink);
    show("lseek64", "%lld", (long long)lseek64(fd, -3, SEEK_END));
    result("read there", read(fd, buffer, 100));
    struct stat small;
    result("old stat of a large file", syscall(SYS_fstat, fd, &small));
    result("lseek to a negative place", lseek(fd, -1, SEEK_SET));
    result("SEEK_DATA or SEEK_HOLE", lseek64(fd, 0, SEEK_HOLE) > 0);
    result("ftruncate64", ftruncate64(fd, 20));
    result("truncate", truncate("dir/file", 15));
    fstat64(fd, &status);
    show("size", "%lld", (long long)status.st_size);
    struct iovec parts[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    lseek(fd, 0, SEEK_SET);
    result("writev", writev(fd, parts, 3));
    result("pwritev", pwritev(fd, parts, 3, 8));
    char one[3] = "", two[9] = "";
    struct iovec into[2] = {{one, 2}, {two, 8}};
    result("preadv", preadv(fd, into, 2, 0));
    show("what it read", "%s %.8s", one, two);
    result("preadv2", preadv2(fd, into, 2, 1, 0));
    show("what it read", "%s", one);
    result("writev of no parts", writev(fd, parts, 0));
    result("writev of too many", writev(fd, parts, 2000));
    result("fallocate", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192));
    result("fallocate of nothing", fallocate(fd, 0, 0, 0));
    result("fsync", fsync(fd));
    result("fdatasync", fdatasync(fd));
    result("sync_file_range", sync_file_range(fd, 0, 10, SYNC_FILE_RANGE_WRITE));
    result("posix_fadvise", posix_fadvise64(fd, 0, 10, POSIX_FADV_SEQUENTIAL));
    result("readahead", readahead(fd, 0, 10));

    result("link", linkat(directory, "file", AT_FDCWD, "dir/hard", 0));
    result("symlink", symlinkat("file", directory, "soft"));
    int length = readlinkat(directory, "soft", buffer, sizeof buffer);
    show("readlink", "%.*s", length, buffer);
    result("readlink of a file", readlink("dir/file", buffer, sizeof buffer));
    lstat64("dir/soft", &status);
    show("lstat", "%o %lld", status.st_mode & S_IFMT, (long long)status.st_size);
    result("O_NOFOLLOW", openat(directory, "soft", O_RDONLY | O_NOFOLLOW));
    symlink("loop", "dir/loop");
    result("a loop of links", open("dir/loop", O_RDONLY));
    result("rename", renameat(directory, "hard", directory, "other"));
    result("renameat2 that must not replace", syscall(SYS_renameat2, directory, "other", directory, "file", 1));
    result("renameat2 that exchanges", syscall(SYS_renameat2, directory, "other", directory, "soft", 2));
    struct statx extended;
    result("statx", statx(directory, "other", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &extended));
    show("its mode", "%o", extended.stx_mode);
    result("chmod", fchmodat(directory, "file", 0640, 0));
    result("faccessat", faccessat(directory, "file", X_OK, 0));
    result("access", access("dir/file", R_OK | W_OK));
    result("access of nothing", access("dir/nothing", F_OK));
    result("access of unknown mode", access("dir/file", 77));
    result("chown", fchownat(directory, "file", -1, getgid(), AT_SYMLINK_NOFOLLOW));
    struct timespec times[2] = {{1000000000, 5}, {2000000000, 7}};
    result("utimensat", utimensat(directory, "file", times, 0));
    fstatat64(directory, "file", &status, 0);
    show("its times", "%ld.%ld %ld.%ld", (long)status.st_atim.tv_sec, status.st_atim.tv_nsec, (long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    long long far[4] = {5000000000ll, 1, 5000000001ll, 2};
    result("utimensat_time64 after 2038", syscall(SYS_utimensat_time64, directory, "file", far, 0));
    statx(directory, "file", 0, STATX_BASIC_STATS, &extended);
    show("its times", "%lld %lld", (long long)extended.stx_atime.tv_sec, (long long)extended.stx_mtime.tv_sec);
    struct timeval micro[2] = {{100, 5}, {200, 7}};
    result("utimes", utimes("dir/file", micro));
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_OMIT;
    result("UTIME_OMIT", utimensat(directory, "file", times, 0));
    stat64("dir/file", &status);
    show("its times", "%ld %ld", (long)status.st_atime, (long)status.st_mtime);

    result("setxattr", setxattr("dir/file", "user.name", "value", 5, 0));
    if (getxattr("dir/file", "user.name", NULL, 0) == 5) {
        length = fgetxattr(fd, "user.name", buffer, sizeof buffer);
        show("getxattr", "%.*s", length, buffer);
        result("XATTR_CREATE", fsetxattr(fd, "user.name", "v", 1, XATTR_CREATE));
        result("small buffer", getxattr("dir/file", "user.name", buffer, 2));
        length = listxattr("dir/file", buffer, sizeof buffer);
        show("listxattr", "%d %s", length, buffer);
        result("removexattr", lremovexattr("dir/file", "user.name"));
    }
    result("getxattr of nothing", getxattr("dir/file", "user.nothing", buffer, 10));

    for (int i = 0; i < 40; i++) {
        sprintf(buffer, "dir/entry-%02d", i);
        close(open(buffer, O_WRONLY | O_CREAT, 0600));
    }
    int entries = 0, sum = 0;
    DIR *stream = opendir("dir");
    long middle = 0;
    for (struct dirent64 *entry; (entry = readdir64(stream)); entries++) {
        sum += entry->d_type == DT_REG;
        if (entries == 20) middle = telldir(stream);
    }
    show("readdir", "%d entries %d files", entries, sum);
    seekdir(stream, middle);
    int rest = 0;
    while (readdir(stream)) rest++;
    show("seekdir", "%d", rest);
    rewinddir(stream);
    rest = 0;
    while (readdir(stream)) rest++;
    show("rewinddir", "%d", rest);
    closedir(stream);
    result("getdents with a small buffer", syscall(SYS_getdents64, directory, buffer, 5));
    result("getdents of a file", syscall(SYS_getdents64, fd, buffer, 500));

    int pipes[2];
    if (pipe2(pipes, O_NONBLOCK) < 0) return 1;
    lseek(fd, 0, SEEK_SET);
    int copy = open("dir/copy", O_RDWR | O_CREAT, 0600);
    result("sendfile", sendfile(copy, fd, NULL, 6));
    off_t at = 2;
    result("sendfile with an offset", sendfile(copy, fd, &at, 4));
    show("offset afterwards", "%ld", (long)at);
    loff_t from = 1;
    result("splice to a pipe", splice(fd, &from, pipes[1], NULL, 5, 0));
    show("offset afterwards", "%lld", (long long)from);
    int other[2];
    if (pipe(other) < 0) return 1;
    result("tee", tee(pipes[0], other[1], 100, 0));
    result("splice from a pipe", splice(pipes[0], NULL, copy, NULL, 5, 0));
    struct iovec piece = {"piece", 5};
    result("vmsplice", vmsplice(pipes[1], &piece, 1, 0));
    result("read of it", read(pipes[0], buffer, 100));
    result("read of an empty pipe", read(pipes[0], buffer, 100));
    loff_t in = 0, out = 100;
    result("copy_file_range", copy_file_range(fd, &in, copy, &out, 10, 0));
    show("offsets afterwards", "%lld %lld", (long long)in, (long long)out);
    result("F_SETPIPE_SZ", fcntl(pipes[0], F_SETPIPE_SZ, 8192));
    result("F_GETPIPE_SZ", fcntl(pipes[0], F_GETPIPE_SZ));

    struct statfs64 filesystem;
    result("statfs64", statfs64(".", &filesystem));
    holds("its block size", filesystem.f_bsize >= 512 && filesystem.f_namelen == 255);
    result("statfs64 of a wrong size", syscall(SYS_statfs64, ".", 12, &filesystem));
    show("F_GETFL", "%o", fcntl(fd, F_GETFL));
    result("F_SETFL", fcntl(fd, F_SETFL, O_APPEND));
    show("F_GETFL", "%o", fcntl(fd, F_GETFL));
    result("dup2 to itself", dup2(fd, fd));
    result("dup3 to itself", dup3(fd, fd, 0));
    result("dup of nothing", dup(99));
    result("dup2 to a number too large", dup2(fd, 1 << 20));
    result("F_DUPFD to a number too large", fcntl(fd, F_DUPFD, 1 << 20));
    result("close twice", (close(copy), close(copy)));
    result("close_range", syscall(SYS_close_range, 50, 60, 0));
    result("fcntl of unknown kind", fcntl(fd, 9999));
    result("O_TMPFILE", open(".", O_TMPFILE | O_RDWR, 0600) >= 0);
    result("memfd seals", fcntl(memfd_create("m", MFD_ALLOW_SEALING), F_ADD_SEALS, F_SEAL_WRITE));
    int path = open("dir", O_PATH);
    result("read of an O_PATH descriptor", read(path, buffer, 1));
    result("fchdir", fchdir(directory));
    holds("getcwd", getcwd(buffer, sizeof buffer) && strcmp(strrchr(buffer, '/'), "/dir") == 0);
    result("getcwd too small", syscall(SYS_getcwd, buffer, 2));
    if (chdir("..") < 0) return 1;
    result("rmdir of a full directory", rmdir("dir"));
    result("unlink of a directory", unlink("dir"));
    for (int i = 0; i < 40; i++) {
        sprintf(buffer, "dir/entry-%02d", i);
        unlink(buffer);
    }
    unlink("dir/file"), unlink("dir/other"), unlink("dir/soft"), unlink("dir/loop"), unlink("dir/copy");
    result("rmdir", rmdir("dir"));
    result("mkfifo", mkfifo("fifo", 0600));
    result("O_WRONLY of a fifo nobody reads", open("fifo", O_WRONLY | O_NONBLOCK));
    unlink("fifo");
    result("name too long", open(memset(buffer, 'x', 300) ? (buffer[300] = 0, buffer) : 0, O_RDONLY));
    result("openat2", syscall(SYS_openat2, AT_FDCWD, ".", (u64[]){O_RDONLY, 0, 0}, 24) >= 0);
    result("openat2 of a wrong size", syscall(SYS_openat2, AT_FDCWD, ".", (u64[]){O_RDONLY, 0, 0}, 7));
    handle(SIGPIPE, SIG_DFL, 0);
    close(other[0]);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(write(other[1], "x", 1) == 1);
    }
    ended("write to a pipe nobody reads", wait_for(pid));
    signal(SIGPIPE, SIG_IGN);
    result("and with SIGPIPE ignored", write(other[1], "x", 1));
    return 0;
}
