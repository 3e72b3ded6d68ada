/** A guest thread's life on its host thread, around `LinuxProcess.run`: its begin, what others ask of it, and its end. */
import { syscall } from '../../host/libc.js';
import { renewThreadId } from '../../host/thread-id.js';
import { Host } from '../constants/host-syscalls.js';
import { Signal } from '../constants/signals.js';
import type { LinuxProcess } from '../process.js';
import { type ProgramRecord, readRecord, toBytes } from './program-record.js';
import { releaseRobustFutexes } from './robust-list.js';
import { Control, Slot, type SlotWord, Status } from './thread-table.js';
import { beginTranslations } from './translations.js';

const FUTEX_WAKE = 1;

/** The program (`mappings.generation`) of which a process's view knows the names. */
const knownPrograms = new WeakMap<LinuxProcess, number>();

/** A guest thread begins on this host thread: its registers are in the CPU state, the rest is in its slot. */
export function beginThread(process: LinuxProcess): void {
  const { threads, thread, mappings } = process;
  const { table, index } = threads;
  process.end = undefined;
  const isKnown = mappings.generation === knownPrograms.get(process);
  const record = isKnown ? undefined : readRecord<ProgramRecord>(process.memory);
  if (record) {
    knownPrograms.set(process, mappings.generation);
    process.executable = toBytes(record.executable);
    process.hostExecutable = toBytes(record.hostExecutable);
    process.arguments = record.arguments.map(toBytes);
    process.environment = record.environment.map(toBytes);
    process.stackStart = record.stackStart;
    process.symbols.clear();
  }
  beginTranslations(process, !isKnown);
  thread.reset();
  thread.clearChildTid = table.slot(index, Slot.clearChildTid);
  process.personality = table.slot(index, Slot.personality);
  const word = (field: SlotWord): bigint => BigInt(table.slot(index, field) >>> 0);
  process.signals.beginThread(word(Slot.maskLow) | (word(Slot.maskHigh) << 32n));
}

/** The guest thread here is gone: whoever waits for it learns of it, and another may begin. */
export function endThread(process: LinuxProcess, killed: boolean): void {
  const { threads, thread, signals, tid, end } = process;
  signals.endThread();
  if (!killed) releaseRobustFutexes(process, thread.robustList, tid);
  const cleared = thread.clearChildTid;
  thread.clearChildTid = 0;
  const { lock, table, index } = threads;
  lock.enter();
  const last = !killed && table.add(Control.live, -1) === 1;
  table.setSlot(index, Slot.kill, 0);
  table.setSlot(index, Slot.status, threads.isLeader ? Status.ended : Status.starting);
  if (table.get(Control.ending) !== 0) table.wakeSlot(index, Slot.status);
  process.debugger?.onThreadEnd?.();
  lock.leave();
  // The process ends as its last thread does (kernel/exit.c, synchronize_group_exit).
  if (last) threads.endProcess('exit', end?.kind === 'thread' ? end.status : 0);
  if (!killed) clearTid(process, cleared);
  if (threads.isLeader) return;
  table.setSlot(index, Slot.tid, renewThreadId());
  signals.blockAll();
  // From here on another guest thread's registers may be in the CPU state.
  table.setSlot(index, Slot.status, Status.idle);
  table.wakeSlot(index, Slot.status);
}

/** Tells whoever waits for a thread that it is gone (set_tid_address; kernel/fork.c, mm_release). */
export function clearTid({ memory, hostBase }: LinuxProcess, address: number): void {
  address >>>= 0;
  if (address === 0 || !memory.isWritable(address, 4)) return;
  memory.writeU32(address, 0);
  syscall(Host.futex, hostBase + address, FUTEX_WAKE, 1);
}

/** Between two guest instructions: does what other threads have asked for. */
export function attend(process: LinuxProcess): void {
  const { threads } = process;
  threads.lock.checkpoint();
  if (!threads.mustLeave) return;
  const { end } = threads;
  if (!threads.isLeader) process.end = { kind: 'thread', status: 0, killed: true };
  else if (!end) executeForOther(process);
  else if (end.kind === 'exit') process.end = { kind: 'exit', status: end.value };
  else process.end = { kind: 'signal', signal: end.value };
}

/** The leader executes the program that another thread has asked for; its own guest thread is gone. */
function executeForOther(process: LinuxProcess): void {
  const { threads, signals, thread } = process;
  threads.lock.enter();
  const wanted = threads.takeExecution();
  if (wanted) {
    thread.savedSignalMask = undefined;
    signals.setMask(wanted.mask);
    // The other thread has seen that it can be executed.
    if (process.execute(wanted.path, wanted.args, wanted.environment) < 0) {
      process.end = { kind: 'signal', signal: Signal.SIGKILL };
    }
  }
  threads.executionDone();
  threads.lock.leave();
}

/** `process.end` is set: whether its loop is to be left. Not in the leader as long as other threads go on. */
export function isOver(process: LinuxProcess): boolean {
  const { threads } = process;
  const end = process.end!;
  if (!threads.isThreaded) return true;
  if (end.kind !== 'thread') {
    threads.endProcess(end.kind, end.kind === 'exit' ? end.status : end.signal);
    return true;
  }
  if (!threads.isLeader || end.killed) return true;
  endThread(process, false);
  process.end = undefined;
  if (threads.waitAsLeader()) process.signals.unblock();
  attend(process);
  // What waited was the end of the process, or a program that runs here from now on.
  return process.end !== undefined;
}
