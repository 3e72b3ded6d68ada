/**
 * The structures of glibc's threads on i386, as far as bridges work on them: offsets in bytes, values of their words. Bridged and
 * unbridged functions work on the same structures at the same time, so everything here is the library's own
 * (sysdeps/nptl/bits/thread-shared-types.h, struct_mutex.h, struct_rwlock.h; nptl/descr.h), as it has been since glibc 2.25.
 */
import { STATE_ADDRESS } from '../../../translator/state.js';
import { syscall } from '../../../runtime/host/libc.js';
import { Host } from '../../../runtime/linux/constants/host-syscalls.js';
import { Page } from '../../../translator/pages.js';
import type { BridgeContext } from '../../library.js';

/** `struct __pthread_mutex_s`. */
export const Mutex = { lock: 0, count: 4, owner: 8, kind: 12, users: 16, size: 24 } as const;
/** `__kind`: the type, and the bits of mutexes that are more than a lock. */
export const MutexKind = {
  normal: 0,
  recursive: 1,
  checking: 2,
  adaptive: 3,
  typeMask: 3,
  shared: 128,
  notElided: 512,
} as const;
/** `__lock`. */
export const LowLevelLock = { free: 0, held: 1, awaited: 2 } as const;

/** `struct __pthread_rwlock_arch_t`. */
export const RwLock = { readers: 0, phase: 8, writers: 12, flags: 24, shared: 25, writer: 28, size: 32 } as const;
/** `__readers`: bits of the phase, and the number of readers above them (nptl/pthread_rwlock_common.c). */
export const Readers = { writePhase: 1, writeLocked: 2, waiting: 4, one: 8 } as const;
/** A futex word of the lock's: others wait there. */
export const FUTEX_USED = 2;

/** `struct new_sem` where words have 32 bits (sysdeps/nptl/internaltypes.h): the value's lowest bit says that somebody waits. */
export const Semaphore = { value: 0, private: 4, size: 16 } as const;
export const SEMAPHORE_ONE = 2;
export const SEMAPHORE_AWAITED = 1;

/** `pthread_once_t`: initialised. */
export const ONCE_DONE = 2;

/** `__wrefs` of a condition variable up to glibc 2.40, its number of waiters above three flags. */
export const Condition = { waiters: 36, size: 48 } as const;
export const CONDITION_WAITERS_SHIFT = 3;

/** `tid` in `struct pthread`, which begins where gs does. */
const THREAD_ID = 0x68;

export const Errno = { EPERM: 1, EAGAIN: 11, EBUSY: 16, EDEADLK: 35 } as const;

const FUTEX_WAKE = 1;
const FUTEX_PRIVATE = 128;

/** Atomic operations on guest words, and what a thread knows of itself. */
export class ThreadWords {
  private readonly words: Int32Array;
  /** The thread pointer for which the place of the thread's id was found to be the right one. */
  private known = -1;

  constructor(private readonly context: BridgeContext) {
    this.words = new Int32Array(context.memory.buffer, 0, STATE_ADDRESS >>> 2);
  }

  /** Whether a structure's words may be used as they are: whatever else there is with it is the guest's own business. */
  usable(address: number, size: number): boolean {
    const at = address >>> 0;
    const { pages } = this.context.memory;
    return (
      (at & 3) === 0 && (pages[at >>> 12]! & Page.write) !== 0 && (pages[(at + size - 1) >>> 12]! & Page.write) !== 0
    );
  }

  load(address: number): number {
    return Atomics.load(this.words, address >>> 2);
  }
  store(address: number, value: number): void {
    Atomics.store(this.words, address >>> 2, value);
  }
  /** For words that only a lock's owner changes. */
  get(address: number): number {
    return this.words[address >>> 2]!;
  }
  set(address: number, value: number): void {
    this.words[address >>> 2] = value;
  }
  exchange(address: number, value: number): number {
    return Atomics.exchange(this.words, address >>> 2, value);
  }
  replace(address: number, expected: number, value: number): boolean {
    return Atomics.compareExchange(this.words, address >>> 2, expected, value) === expected;
  }

  /** @param shared with other processes */
  wake(address: number, count: number, shared: boolean): void {
    syscall(
      Host.futex,
      this.context.hostBase + (address >>> 0),
      shared ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE,
      count,
    );
  }

  /** The calling thread's id as its own library knows it; 0 where that keeps it elsewhere. */
  threadId(): number {
    const pointer = this.context.threadPointer();
    if ((this.context.memory.pages[(pointer + THREAD_ID) >>> 12]! & Page.read) === 0) return 0;
    const id = this.get((pointer >>> 0) + THREAD_ID);
    if (pointer === this.known) return id;
    if (id !== syscall(Host.gettid)) return 0;
    this.known = pointer;
    return id;
  }
}
