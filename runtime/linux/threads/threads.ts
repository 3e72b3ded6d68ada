/**
 * The threads of a process as one of them sees them: making others, ending with them or without them, and what they ask of one
 * another. Guest threads run on host threads of their own: the first on Node's main thread, others on Workers that are started
 * when they are first needed and kept. One host thread is the leader: it ends the process, and executes programs in it.
 */
import { HostBuffer } from '../../host/buffer.js';
import { syscall } from '../../host/libc.js';
import { Host } from '../constants/host-syscalls.js';
import type { LinuxProcess } from '../process.js';
import { KernelLock } from './kernel-lock.js';
import { type ExecuteRecord, readRecord, toBytes, toText, writeRecord } from './program-record.js';
import { Control, Phase, Slot, Status, ThreadTable } from './thread-table.js';

/** What a new host thread must be given to take part in a process. */
export interface HostThreadStart {
  readonly memory: WebAssembly.Memory;
  /** Its slot in the table. */
  readonly index: number;
}

/** How the whole process is to end; the values of `Control.end`. */
const End = { none: 0, exit: 1, signal: 2 } as const;

/** A Worker that has not reported after this long will not: on a machine with much else to do it takes tens of seconds. */
const START_SECONDS = 180;
/** A leader that does not end the process for this long is stuck. */
const END_SECONDS = 30;

export class Threads {
  readonly table: ThreadTable;
  readonly lock: KernelLock;
  private readonly seconds = new HostBuffer(128);

  constructor(
    private readonly process: LinuxProcess,
    /** The calling thread's slot. */
    readonly index: number,
  ) {
    const { memory, hostBase } = process;
    this.table = new ThreadTable(memory, hostBase);
    this.lock = new KernelLock(memory, this.table, index);
    if (index !== 0) return;
    this.table.set(Control.slots, 1);
    this.becomeAlone();
  }

  /** At the start, and in the child after a fork: the calling thread is the only one. */
  becomeAlone(): void {
    const { table, index } = this;
    for (const other of table.used()) table.setSlot(other, Slot.status, Status.free);
    table.setSlot(index, Slot.status, Status.running);
    table.setSlot(index, Slot.phase, Phase.running);
    table.setSlot(index, Slot.kill, 0);
    table.setSlot(index, Slot.tid, syscall(Host.gettid));
    table.set(Control.live, 1);
    table.set(Control.leader, index);
    table.set(Control.end, End.none);
    table.set(Control.execute, 0);
    this.lock.becomeAlone();
  }

  /** Whether there is, or was, a second thread. */
  get isThreaded(): boolean {
    return this.lock.isThreaded;
  }

  get isLeader(): boolean {
    return this.table.get(Control.leader) === this.index;
  }

  /** Whether the guest thread must not go on, nor wait for anything. */
  get mustLeave(): boolean {
    const { table } = this;
    if (table.slot(this.index, Slot.kill) !== 0) return true;
    return this.isLeader && (table.get(Control.end) !== End.none || table.get(Control.execute) !== 0);
  }

  // Making threads ---------------------------------------------------------------------------------------------

  /** Before the first second thread. The lock is held. */
  private startThreads(): void {
    if (this.isThreaded) return;
    const { process } = this;
    process.signals.host.enableKicks();
    process.engine.startThreads();
    const { executable, hostExecutable, stackStart } = process;
    const record = { executable: toText(executable), hostExecutable: toText(hostExecutable), stackStart };
    const strings = { arguments: process.arguments.map(toText), environment: process.environment.map(toText) };
    if (!writeRecord(process.memory, { ...record, ...strings })) {
      writeRecord(process.memory, { ...record, arguments: strings.arguments.slice(0, 1), environment: [] });
    }
    this.table.setSlot(this.index, Slot.applied, this.table.get(Control.invalidations));
    this.lock.startThreads();
  }

  /**
   * The slot of an idle host thread, -1 where none can be started. One more is started meanwhile, so that the next need not
   * wait. The lock is held, and left while this waits.
   */
  takeIdle(): number {
    const { table } = this;
    this.startThreads();
    for (;;) {
      let starting = -1;
      for (const index of table.used()) {
        const status = table.slot(index, Slot.status);
        if (status === Status.starting) starting = index;
        else if (status === Status.idle) {
          table.setSlot(index, Slot.status, Status.running);
          if (!this.hasSpare()) this.startHostThread();
          return index;
        }
      }
      if (starting < 0) starting = this.startHostThread();
      if (starting < 0) return -1;
      if (!this.awaitStart(starting)) return -1;
    }
  }

  /** Waits, without the lock, until a Worker has reported; signals do not cut that short, the process's end does. */
  private awaitStart(starting: number): boolean {
    const { table } = this;
    const limit = performance.now() + START_SECONDS * 1000;
    const timeout = this.timeout(1);
    const isStarting = (): boolean => table.slot(starting, Slot.status) === Status.starting;
    this.lock.block(() => {
      while (isStarting() && !this.mustLeave && performance.now() < limit) {
        table.waitSlot(starting, Slot.status, Status.starting, timeout);
      }
    });
    return !isStarting();
  }

  private hasSpare(): boolean {
    for (const index of this.table.used()) {
      const status = this.table.slot(index, Slot.status);
      if (status === Status.idle || status === Status.starting) return true;
    }
    return false;
  }

  private startHostThread(): number {
    const { table, process } = this;
    const start = process.options.startHostThread;
    const index = start ? table.findFree() : -1;
    if (!start || index < 0) return -1;
    table.setSlot(index, Slot.phase, Phase.running);
    table.setSlot(index, Slot.status, Status.starting);
    // A new thread has the mask of the one that made it: it must not get signals.
    process.signals.blockAll();
    try {
      start({ memory: process.memory.wasmMemory, index });
    } catch {
      table.setSlot(index, Slot.status, Status.free);
      return -1;
    } finally {
      process.signals.unblock();
    }
    return index;
  }

  private timeout(seconds: number): number {
    this.seconds.view.setBigUint64(0, BigInt(seconds), true);
    return this.seconds.address;
  }

  // Ending -----------------------------------------------------------------------------------------------------

  /** Has the leader end the process; comes back only in the leader. */
  endProcess(kind: 'exit' | 'signal', value: number): void {
    const { table } = this;
    if (table.get(Control.end) === End.none) {
      table.set(Control.endValue, value);
      table.compareExchange(Control.end, End.none, End[kind]);
    }
    if (this.isLeader) return;
    this.wakeLeader();
    this.process.signals.blockAll();
    const timeout = this.timeout(END_SECONDS);
    this.lock.block(() => {
      for (;;) {
        table.waitSlot(this.index, Slot.kill, 0, timeout);
        syscall(Host.exit_group, kind === 'exit' ? value : 128 + value);
      }
    });
  }

  private wakeLeader(): void {
    const { table } = this;
    const leader = table.get(Control.leader);
    table.setSlot(leader, Slot.begun, table.slot(leader, Slot.begun) + 1);
    table.wakeSlot(leader, Slot.begun);
    this.interrupt(leader);
  }

  private interrupt(index: number): void {
    this.lock.interrupt(index);
    this.process.signals.host.kick(this.table.slot(index, Slot.tid));
  }

  /** How another thread has ended the process. */
  get end(): { kind: 'exit' | 'signal'; value: number } | undefined {
    const kind = this.table.get(Control.end);
    if (kind === End.none) return undefined;
    return { kind: kind === End.exit ? 'exit' : 'signal', value: this.table.get(Control.endValue) };
  }

  /**
   * The leader's guest thread is gone and others are not: waits for the end of the process, or for a program to execute. True
   * when there is one, which runs here.
   */
  waitAsLeader(): boolean {
    const { table, index, lock } = this;
    this.process.signals.blockAll();
    this.process.signals.host.leaveThread();
    for (;;) {
      const begun = table.slot(index, Slot.begun);
      if (table.get(Control.end) !== End.none) return false;
      if (table.get(Control.execute) !== 0) {
        this.process.signals.host.adoptThread();
        table.add(Control.live, 1);
        table.setSlot(index, Slot.status, Status.running);
        return true;
      }
      lock.rest(() => table.waitSlot(index, Slot.begun, begun));
    }
  }

  // Programs ---------------------------------------------------------------------------------------------------

  /** Ends all other guest threads, as execve does. The lock is held, and left while this waits. */
  endOthers(): void {
    if (!this.isThreaded) return;
    const { table, index, lock } = this;
    table.set(Control.ending, 1);
    for (;;) {
      let other = -1;
      for (const running of table.running()) if (running !== index) other = running;
      if (other < 0) break;
      table.setSlot(other, Slot.kill, 1);
      table.wakeSlot(other, Slot.kill);
      this.interrupt(other);
      const timeout = this.timeout(1);
      lock.block(() => table.waitSlot(other, Slot.status, Status.running, timeout));
    }
    table.set(Control.live, 1);
    table.set(Control.ending, 0);
    this.lock.becomeAlone();
  }

  /** Has the leader execute a program in this process, for which this thread ends. False: the strings are too long. */
  executeInLeader(path: Uint8Array, args: readonly Uint8Array[], environment: readonly Uint8Array[]): boolean {
    const { table, process, index, lock } = this;
    const mask = String(process.thread.signalMask);
    const strings = { arguments: args.map(toText), environment: environment.map(toText) };
    // Another thread's program comes first.
    if (table.get(Control.execute) === 0) {
      if (!writeRecord(process.memory, { path: toText(path), ...strings, mask })) return false;
      table.set(Control.execute, 1);
      this.wakeLeader();
    }
    lock.block(() => {
      while (table.slot(index, Slot.kill) === 0) table.waitSlot(index, Slot.kill, 0);
    });
    return true;
  }

  /** The program that another thread wants executed. */
  takeExecution(): { path: Uint8Array; args: Uint8Array[]; environment: Uint8Array[]; mask: bigint } | undefined {
    const { table } = this;
    if (table.get(Control.execute) === 0) return undefined;
    const record = readRecord<ExecuteRecord>(this.process.memory);
    if (!record) return undefined;
    return {
      path: toBytes(record.path),
      args: record.arguments.map(toBytes),
      environment: record.environment.map(toBytes),
      mask: BigInt(record.mask),
    };
  }

  executionDone(): void {
    this.table.set(Control.execute, 0);
  }
}
