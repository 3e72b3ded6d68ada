/*
 * What the programs of the process suite share: each prints one line a check, `name: result`, which must be the same natively
 * and in every engine. Results that differ from run to run (ids, addresses, times) are reduced to what must hold of them.
 */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;

/** A program of the suite: `process NAME`. */
typedef int program(int argc, char **argv);

/** `name: value`, the value by a format. */
void show(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** `name: 3`, or `name: EBADF` for -1 with errno set. */
void result(const char *name, long value);
/** `name: yes` or `name: no`. */
void holds(const char *name, int condition);
/** `name: exit 3`, `name: SIGSEGV` or `name: SIGSEGV core`, `name: stopped SIGSTOP`, `name: continued`. */
void ended(const char *name, int status);

/** Runs a function in a child and gives the child's wait status. */
int in_child(void (*function)(void));
/** Waits for a child, whatever interrupts. */
int wait_for(pid_t pid);
void milliseconds(int count);
/** Milliseconds of the monotonic clock. */
long now(void);
/** Installs a handler with flags and nothing blocked. */
void handle(int signal, void *handler, int flags);

#define COUNT(array) (sizeof(array) / sizeof *(array))
#endif
