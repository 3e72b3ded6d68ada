/**
 * How the threads of a process keep out of one another's way. One lock guards the kernel state that they share; a system call
 * holds it, except while it blocks in the host. A thread can make all others wait (before a fork) or make sure that none goes on
 * with translations that it has dropped. Until there is a second thread nothing of this costs anything.
 */
import { State, STATE_ADDRESS, STATE_SIZE } from '../../../translator/state.js';
import { HostBuffer, hostReadAll } from '../../host/buffer.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { sharedWords } from './shared-state.js';
import { Control, Phase, Slot, Status, type ThreadTable } from './thread-table.js';

/** What others want of this thread, looked at whenever it comes back from waiting or from guest code. */
export interface Requests {
  /** Translations of pages are out of date; the page table is the business of the thread that says so. */
  drop(firstPage: number, count: number): void;
  dropAll(): void;
  /** Something else that concerns translations may have changed. */
  attend(): void;
}

/** Entries of the list of dropped pages: first page and count. A thread that is further behind drops everything. */
const ENTRIES = 1024;
/** How long a thread waits for another before it looks again, in nanoseconds: a wake-up cannot be missed for longer. */
const PATIENCE = 1_000_000;
const SPINS = 200;
/** Looks in a row that must find all other threads asleep. */
const QUIET_LOOKS = 2;

/** Whether a thread of this process waits in the host's kernel (proc(5), stat). */
function isAsleep(tid: number): boolean {
  const stat = hostReadAll(`/proc/self/task/${tid}/stat`);
  if (typeof stat === 'number') return true;
  const END_OF_NAME = 0x29;
  const RUNNING = 0x52;
  return stat[stat.lastIndexOf(END_OF_NAME) + 2] !== RUNNING;
}

export class KernelLock {
  /** How often the calling thread has entered. */
  private depth = 0;
  private readonly invalidations: Int32Array;
  private readonly state: Int32Array;
  private readonly patience = new HostBuffer(128);
  requests: Requests = { drop: () => undefined, dropAll: () => undefined, attend: () => undefined };

  constructor(
    memory: GuestMemory,
    private readonly table: ThreadTable,
    private readonly index: number,
  ) {
    this.invalidations = sharedWords(memory, 'invalidations');
    this.state = new Int32Array(memory.buffer, STATE_ADDRESS);
    this.patience.view.setBigUint64(8, BigInt(PATIENCE), true);
  }

  get isThreaded(): boolean {
    return this.table.get(Control.threaded) !== 0;
  }

  /** From now on the lock is taken in earnest; called inside it, before a second thread exists. */
  startThreads(): void {
    this.table.set(Control.lock, this.depth > 0 ? 1 : 0);
    this.table.set(Control.threaded, 1);
  }

  /** In the child after a fork, and when a program is executed: the calling thread is alone. */
  becomeAlone(): void {
    this.table.set(Control.threaded, 0);
    this.table.set(Control.stop, 0);
    this.table.set(Control.lock, 0);
  }

  enter(): void {
    if (this.depth++ === 0 && this.isThreaded) this.acquire();
  }

  leave(): void {
    if (--this.depth === 0 && this.isThreaded) this.release();
  }

  private acquire(): void {
    const { table } = this;
    if (table.compareExchange(Control.lock, 0, 1) === 0) return;
    this.startWaiting();
    for (let spin = 0; spin < SPINS && table.get(Control.lock) !== 0; spin++);
    while (table.exchange(Control.lock, 2) !== 0) table.wait(Control.lock, 2);
    // Only who holds the lock asks others to stop: nobody does now.
    this.stopWaiting();
  }

  private release(): void {
    const { table } = this;
    if (table.exchange(Control.lock, 0) === 2) table.wake(Control.lock, 1);
  }

  /** Runs what may block in the host: without the lock, and without being waited for. */
  block<T>(run: () => T): T {
    if (!this.isThreaded) return run();
    const { depth } = this;
    if (depth > 0) this.release();
    this.depth = 0;
    this.startWaiting();
    try {
      return run();
    } finally {
      this.stopWaiting();
      if (depth > 0) this.acquire();
      this.depth = depth;
    }
  }

  /** Waits without a guest thread: nobody waits for this one then, whether or not there are threads at the moment. */
  rest(run: () => void): void {
    this.startWaiting();
    run();
    this.stopWaiting();
  }

  private startWaiting(): void {
    this.table.setSlot(this.index, Slot.phase, Phase.waiting);
    // Who asked this thread to stop, or to drop translations, need not wait for it any more.
    this.tellAwaiting();
  }

  private tellAwaiting(): void {
    if (this.table.get(Control.awaiting) !== 0) this.table.wakeSlot(this.index, Slot.phase);
  }

  private stopWaiting(): void {
    const { table, index } = this;
    for (;;) {
      table.setSlot(index, Slot.phase, Phase.running);
      const stop = table.get(Control.stop);
      if (stop === 0 || stop === index + 1) break;
      table.setSlot(index, Slot.phase, Phase.waiting);
      this.tellAwaiting();
      table.wait(Control.stop, stop);
    }
    this.applyInvalidations();
  }

  /** Between two guest instructions: does what others have asked for. */
  checkpoint(): void {
    if (this.table.get(Control.stop) !== 0) {
      this.startWaiting();
      this.stopWaiting();
    } else this.applyInvalidations();
  }

  /** Makes all other threads wait until `resumeOthers`. The caller holds the lock. */
  stopOthers(): void {
    if (!this.isThreaded) return;
    this.table.set(Control.stop, this.index + 1);
    this.interruptOthers();
    this.table.set(Control.awaiting, 1);
    for (const other of this.table.used()) {
      if (other !== this.index) this.awaitOther(other, () => false);
    }
    this.table.set(Control.awaiting, 0);
  }

  /**
   * As `stopOthers`, and returns when the others have also come to rest in the host's kernel: on the way there a thread may still
   * be in the midst of V8, whose locks a fork would copy.
   */
  stopOthersInKernel(): void {
    if (!this.isThreaded) return;
    this.stopOthers();
    const { table, index } = this;
    const others = [...table.used()].filter((other) => other !== index).map((other) => table.slot(other, Slot.tid));
    for (let quiet = 0; quiet < QUIET_LOOKS; quiet++) {
      for (const tid of others) if (!isAsleep(tid)) quiet = -1;
    }
  }

  resumeOthers(): void {
    if (!this.isThreaded) return;
    this.table.set(Control.stop, 0);
    this.table.wake(Control.stop);
  }

  /** Makes guest code of all other threads come back to its dispatcher. */
  private interruptOthers(): void {
    for (const other of this.table.running()) {
      if (other !== this.index) this.interrupt(other);
    }
  }
  interrupt(index: number): void {
    Atomics.store(this.state, (index * STATE_SIZE + State.pending) >> 2, 1);
  }

  /** Waits until another thread waits itself or `isDone`. */
  private awaitOther(other: number, isDone: () => boolean): void {
    const { table } = this;
    for (let spin = 0; ; spin++) {
      if (table.slot(other, Slot.phase) !== Phase.running || isDone()) return;
      if (table.slot(other, Slot.status) === Status.free) return;
      if (spin > SPINS) table.waitSlot(other, Slot.phase, Phase.running, this.patience.address);
    }
  }

  // Dropped translations ---------------------------------------------------------------------------------------

  /**
   * Tells all other threads that translations of pages are out of date, and returns when none of them can be in such code
   * any more. The calling thread is outside guest code or at an instruction that it has not done yet.
   */
  invalidate(firstPage: number, count: number): void {
    if (!this.isThreaded) return;
    this.enter();
    const { table, index } = this;
    const number = table.get(Control.invalidations);
    const at = (number & (ENTRIES - 1)) * 2;
    Atomics.store(this.invalidations, at, firstPage);
    Atomics.store(this.invalidations, at + 1, count);
    table.set(Control.invalidations, (number + 1) | 0);
    if (table.slot(index, Slot.applied) === number) table.setSlot(index, Slot.applied, (number + 1) | 0);
    this.awaitCheckpoints();
    this.leave();
  }

  /** Returns when every other thread has come by its dispatcher since the last entry was made, or waits. */
  private awaitCheckpoints(): void {
    const { table, index } = this;
    const number = table.get(Control.invalidations);
    table.set(Control.awaiting, 1);
    this.interruptOthers();
    for (const other of table.running()) {
      if (other !== index) this.awaitOther(other, () => table.slot(other, Slot.applied) === number);
    }
    table.set(Control.awaiting, 0);
  }

  /** Returns when every other thread has come by its dispatcher after this was called. */
  awaitOthers(): void {
    this.invalidate(0, 0);
  }

  private applyInvalidations(): void {
    const { table, index, invalidations, requests } = this;
    const number = table.get(Control.invalidations);
    let applied = table.slot(index, Slot.applied);
    if (applied === number) return;
    if (((number - applied) | 0) > ENTRIES) requests.dropAll();
    else {
      for (; applied !== number; applied = (applied + 1) | 0) {
        const at = (applied & (ENTRIES - 1)) * 2;
        requests.drop(Atomics.load(invalidations, at), Atomics.load(invalidations, at + 1));
      }
    }
    requests.attend();
    table.setSlot(index, Slot.applied, number);
    this.tellAwaiting();
  }
}
