/**
 * The host's C library, bound by koffi: the few functions through which the emulator asks the kernel for anything.
 * Addresses and lengths are JavaScript numbers (host addresses lie below 2^53); results of -1 come with `errno`.
 */
import koffi from 'koffi';

const libc = koffi.load(null);

/** `void *mmap(...)`; -1 on failure. */
export const mmap = libc.func('int64_t mmap(uint64_t, uint64_t, int, int, int, int64_t)') as (
  address: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => number;

export const mprotect = libc.func('int mprotect(uint64_t, uint64_t, int)') as (
  address: number,
  length: number,
  protection: number,
) => number;

export const madvise = libc.func('int madvise(uint64_t, uint64_t, int)') as (
  address: number,
  length: number,
  advice: number,
) => number;

/** `long syscall(long, ...)` with six arguments: pointers are host addresses. Returns -1 with errno set on failure. */
export const rawSyscall = libc.func(
  'int64_t syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)',
) as (number: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;

/** Writes out what C streams of this process have collected. */
export function flushStreams(): void {
  (libc.func('int fflush(uint64_t)') as (stream: number) => number)(0);
}

/** The calling thread's errno. */
export const errno = (): number => koffi.errno();

/** A host system call by its x86_64 number: the result, or the negated errno, as the kernel itself returns it. */
export function syscall(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const result = rawSyscall(number, a, b, c, d, e, f);
  return result === -1 ? -koffi.errno() : result;
}

/** The host address of a buffer's first byte. */
export function addressOf(buffer: ArrayBufferLike): number {
  return Number(koffi.address(new Uint8Array(buffer)));
}
