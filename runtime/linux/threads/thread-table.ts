/**
 * The table of a process's threads, in words that they share: what each host thread is about, and the numbers that concern all
 * of them. A slot belongs to one host thread (Node's main thread or a Worker) for good; guest threads come and go on it.
 */
import { THREAD_LIMIT } from '../../../translator/state.js';
import { syscall } from '../../host/libc.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { Host } from '../constants/host-syscalls.js';
import { sharedAddress, sharedWords } from './shared-state.js';

/** What a slot is. */
export const Status = {
  /** No host thread. */
  free: 0,
  /** A Worker that has not reported yet, or one whose guest thread has just ended. */
  starting: 1,
  /** A host thread without a guest thread. */
  idle: 2,
  /** A guest thread runs there. */
  running: 3,
  /** The leader's guest thread has ended: it waits for the end of the process. */
  ended: 4,
} as const;

/** What the host thread of a slot does now; only that thread itself changes it. */
export const Phase = {
  /** JavaScript or guest code: it must be asked to stop. */
  running: 0,
  /** Waits in the host's kernel, and looks at the requests before it goes on. */
  waiting: 1,
} as const;

/** Words that concern the whole process. */
export const Control = {
  /** 0 free, 1 held, 2 held and somebody waits. */
  lock: 0,
  /** Not zero: every thread is to wait before it goes on. */
  stop: 1,
  /** Not zero: there is or was a second thread. */
  threaded: 2,
  /** Guest threads. */
  live: 3,
  /** How the process ends: 0 not yet, 1 exit, 2 signal; and the status or number. */
  end: 4,
  endValue: 5,
  /** Slot of the thread that ends the process, and executes programs in it. */
  leader: 6,
  /** Slots that were ever used. */
  slots: 7,
  /** Not zero: the leader is to execute the program in the record. */
  execute: 8,
  /** Counts dropped translations: `invalidations.ts`. */
  invalidations: 9,
  /** Not zero: a thread waits for others to wait or to apply invalidations. */
  awaiting: 10,
  /** Not zero: a thread waits for the others to end. */
  ending: 11,
  /** What generated code of all threads tests: `translations.ts`. */
  checks: 12,
  /** Not zero: a thread that is about to write to a page with translations has others drop them. */
  dropping: 13,
} as const;

/** Words of a slot. */
export const Slot = {
  status: 0,
  /** Host thread id, by which the guest knows it, too. */
  tid: 1,
  phase: 2,
  /** How many invalidations the thread has applied. */
  applied: 3,
  /** Counts the guest threads that were begun here: an idle host thread waits for its change. */
  begun: 4,
  /** Not zero: the guest thread is to end without a word. */
  kill: 5,
  /** Begins with these: signal mask, address to clear at the end. */
  maskLow: 6,
  maskHigh: 7,
  clearChildTid: 8,
  personality: 9,
  robustList: 10,
  /** What gdb wants of the thread: `debug/process-debugger.ts`. */
  debug: 11,
} as const;
export type SlotWord = (typeof Slot)[keyof typeof Slot];
type ControlWord = (typeof Control)[keyof typeof Control];
const STRIDE = 16;

const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;
const EVERYBODY = 0x7fffffff;

export class ThreadTable {
  private readonly control: Int32Array;
  private readonly slots: Int32Array;
  private readonly controlAddress: number;
  private readonly slotsAddress: number;

  constructor(memory: GuestMemory, hostBase: number) {
    this.control = sharedWords(memory, 'control');
    this.slots = sharedWords(memory, 'threads');
    this.controlAddress = hostBase + sharedAddress('control');
    this.slotsAddress = hostBase + sharedAddress('threads');
  }

  get(word: ControlWord): number {
    return Atomics.load(this.control, word);
  }
  set(word: ControlWord, value: number): void {
    Atomics.store(this.control, word, value);
  }
  add(word: ControlWord, value: number): number {
    return Atomics.add(this.control, word, value);
  }
  exchange(word: ControlWord, value: number): number {
    return Atomics.exchange(this.control, word, value);
  }
  /** The value before. */
  compareExchange(word: ControlWord, expected: number, value: number): number {
    return Atomics.compareExchange(this.control, word, expected, value);
  }

  slot(index: number, word: SlotWord): number {
    return Atomics.load(this.slots, index * STRIDE + word);
  }
  setSlot(index: number, word: SlotWord, value: number): void {
    Atomics.store(this.slots, index * STRIDE + word, value);
  }

  /** Slots that have a host thread. */
  *used(): IterableIterator<number> {
    for (let index = 0; index < this.get(Control.slots); index++) {
      if (this.slot(index, Slot.status) !== Status.free) yield index;
    }
  }

  /** Slots on which a guest thread runs. */
  *running(): IterableIterator<number> {
    for (let index = 0; index < this.get(Control.slots); index++) {
      if (this.slot(index, Slot.status) === Status.running) yield index;
    }
  }

  /** The slot of a guest thread by its id, or -1. */
  find(tid: number): number {
    for (const index of this.running()) if (this.slot(index, Slot.tid) === tid) return index;
    return -1;
  }

  /** A slot without a host thread, or -1. */
  findFree(): number {
    for (let index = 0; index < THREAD_LIMIT; index++) {
      if (this.slot(index, Slot.status) !== Status.free) continue;
      if (this.get(Control.slots) <= index) this.set(Control.slots, index + 1);
      return index;
    }
    return -1;
  }

  // Waiting is the host's futex: Atomics.wait could not be interrupted by a signal.

  /** Waits while the word has a value. */
  wait(word: ControlWord, value: number): void {
    syscall(Host.futex, this.controlAddress + word * 4, FUTEX_WAIT_PRIVATE, value, 0);
  }
  wake(word: ControlWord, count = EVERYBODY): void {
    syscall(Host.futex, this.controlAddress + word * 4, FUTEX_WAKE_PRIVATE, count);
  }
  /** @param timeout host address of a `struct timespec`, 0 for none */
  waitSlot(index: number, word: SlotWord, value: number, timeout = 0): number {
    return syscall(Host.futex, this.slotAddress(index, word), FUTEX_WAIT_PRIVATE, value, timeout);
  }
  wakeSlot(index: number, word: SlotWord): void {
    syscall(Host.futex, this.slotAddress(index, word), FUTEX_WAKE_PRIVATE, EVERYBODY);
  }
  private slotAddress(index: number, word: SlotWord): number {
    return this.slotsAddress + (index * STRIDE + word) * 4;
  }
}
