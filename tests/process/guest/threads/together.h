/* What programs of several threads share. */
#ifndef TOGETHER_H
#define TOGETHER_H
#include "../check.h"
#include <pthread.h>

/** Runs a function in so many threads at once, each with its number from 0; the sum of what they return. */
long sum_of_threads(void *(*function)(void *), int count);
/** Starts two threads that never end: one runs, one waits in the kernel. */
void others(void);
/** A thread's function: calls the function that it is given. */
void *call(void *function);
/** Calls a function in a thread, and waits for that. */
void in_thread(void (*function)(void));
/** Forks; shows how the child ended, whose status tells whether it is the first thread there. */
void fork_here(void);
#endif
