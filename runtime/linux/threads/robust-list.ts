/**
 * Futexes that a thread holds when it ends: the next owner must learn of it (set_robust_list(2); kernel/futex/core.c,
 * exit_robust_list). The host's kernel does that only for its own threads, whose lists hold the host's locks.
 */
import { syscall } from '../../host/libc.js';
import { GuestTrap } from '../../memory/trap.js';
import { Host } from '../constants/host-syscalls.js';
import type { LinuxProcess } from '../process.js';

const FUTEX_WAKE = 1;
const FUTEX_WAITERS = 0x80000000;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_TID_MASK = 0x3fffffff;
/** Longest list that is followed (ROBUST_LIST_LIMIT). */
const LIMIT = 2048;

/** `struct robust_list_head`: next, distance of an entry's futex word, the entry that is being locked or unlocked. */
export function releaseRobustFutexes(process: LinuxProcess, head: number, tid: number): void {
  if (head === 0) return;
  const { memory } = process;
  try {
    const distance = memory.readI32(head + 4);
    const pending = memory.readI32(head + 8) & ~1;
    let entry = memory.readI32(head) & ~1;
    for (let count = 0; entry >>> 0 !== head >>> 0 && count < LIMIT; count++) {
      const next = memory.readI32(entry) & ~1;
      if (entry !== pending) release(process, entry + distance, tid);
      entry = next;
    }
    if (pending !== 0) release(process, pending + distance, tid);
  } catch (error) {
    // A list that cannot be read ends there.
    if (!(error instanceof GuestTrap)) throw error;
  }
}

function release(process: LinuxProcess, address: number, tid: number): void {
  const { memory } = process;
  address >>>= 0;
  if (address % 4 !== 0) return;
  memory.checkWrite(address, 4);
  const words = new Int32Array(memory.buffer, address, 1);
  for (;;) {
    const value = Atomics.load(words, 0);
    if ((value & FUTEX_TID_MASK) !== tid) return;
    if (Atomics.compareExchange(words, 0, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) !== value) continue;
    if (value & FUTEX_WAITERS) syscall(Host.futex, process.hostBase + address, FUTEX_WAKE, 1);
    return;
  }
}
