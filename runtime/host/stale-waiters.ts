/**
 * Condition variables that Node's other threads wait on, made as new in the child of a fork. V8 hands jobs (of its garbage
 * collector, of WebAssembly) to threads that a child has not; that costs nothing as long as telling them does not wait. But
 * the C library's variable still counts the parent's waiters, and after a few signals waits for one of them to leave.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';
import { copyMemory } from './machine-code.js';

const SYS_GETTID = 186;
const SYS_FUTEX = 202;
/** sizeof(pthread_cond_t). */
const CONDITION_SIZE = 48;
/** Where `__g_signals[2]`, on which threads wait, and `__wrefs`, the waiters' number and flags, lie: up to glibc 2.40, and since. */
const LAYOUTS = [
  { signals: 40, waiters: 36 },
  { signals: 32, waiters: 28 },
] as const;
/** The bits of `__wrefs` below the number: shared between processes, and which clock. */
const FLAGS = 3;
const WAITERS_SHIFT = 3;

const buffer = new HostBuffer(128);
/** Host addresses of condition variables, each with the offset of its `__wrefs`. */
const found = new Map<number, number>();

/** In the parent, before its first fork: which there are. */
export function findWaiters(): void {
  if (found.size > 0) return;
  const self = syscall(SYS_GETTID);
  const addresses = readdirSync('/proc/self/task')
    .filter((name) => Number(name) !== self)
    .map(futexOf);
  for (const { signals, waiters } of LAYOUTS) {
    // A variable's waiters may be at both of its words.
    const counts = new Map<number, number>();
    for (const address of addresses) {
      if (address === undefined) continue;
      const at = address - signals - ((address - signals) % 8);
      counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    for (const [at, count] of counts) {
      copyMemory(buffer.address, at, CONDITION_SIZE);
      // A semaphore or a mutex has no such number at that place.
      if (buffer.view.getUint32(waiters, true) >>> WAITERS_SHIFT === count) found.set(at, waiters);
    }
  }
}

/** In the child. */
export function forgetWaiters(): void {
  for (const [address, waiters] of found) {
    copyMemory(buffer.address, address, CONDITION_SIZE);
    const flags = buffer.view.getUint32(waiters, true) & FLAGS;
    buffer.bytes.fill(0, 0, CONDITION_SIZE);
    buffer.view.setUint32(waiters, flags, true);
    copyMemory(address, buffer.address, CONDITION_SIZE);
  }
}

/** The address that a thread waits at, undefined where it does something else. */
function futexOf(thread: string): number | undefined {
  try {
    const [number, address] = readFileSync(`/proc/self/task/${thread}/syscall`, 'latin1').split(' ');
    return Number(number) === SYS_FUTEX ? Number(address) : undefined;
  } catch {
    // It has ended since, or the host does not tell.
    return undefined;
  }
}
