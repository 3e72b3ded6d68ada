/**
 * Who stands between a process's loop and its engine: a debugger, or the embedder that the process belongs to. Asked at the
 * points where the guest stands between two instructions, and told of what becomes of the process.
 */
import { State } from '../../translator/state.js';
import { Dispatcher, type EngineEvent } from '../engine/engine.js';
import { addWakeupWord } from '../host/wakeup.js';
import type { LinuxProcess, ProcessEnd } from './process.js';

export interface Supervisor {
  /** In the place of the engine's `run`. */
  run(): EngineEvent;
  /** A system call came back with EINTR: whether the supervisor wanted that, so that the call is begun again. */
  noticeInterrupt(systemCall: number): boolean;
  /** Before a system call: its result where it is not to be made. The registers have its arguments. */
  onSystemCall?(number: number): number | undefined;
  /** After a system call that gave a result. */
  onSystemCallEnd?(number: number, result: number): void;
  /** A fork is about to be made; then `afterFork` or, in the child, `inChild` is called. */
  beforeFork(): void;
  /** In the parent. @param pid of the child, or a negated error number */
  afterFork(pid: number, isVfork: boolean): void;
  /** The child of a vfork has let its parent go on. */
  afterVfork(): void;
  inChild(): void;
  /** The process executes another program. */
  onExecute(): void;
  onEnd(end: ProcessEnd): void;
  /** This thread's guest thread is gone, and others go on. */
  onThreadEnd?(): void;
}

/** What a supervisor begins with: the engine that it stands before, which from now on looks up when timers or sockets call. */
export function supervise({ engine, hostBase, cpu }: LinuxProcess): { engine: Dispatcher; removeWord: () => void } {
  if (!(engine instanceof Dispatcher)) throw new Error('this engine cannot be stopped where somebody wants it');
  return { engine, removeWord: addWakeupWord(hostBase + cpu.address + State.pending) };
}
