/**
 * gdb at a thread of a process: in the place of the engine's `run` in the process's loop. It stops the guest before its first
 * instruction, at breakpoints and watchpoints, after single steps, at signals before they act, after fork and execve, and when gdb
 * interrupts it. Each thread has one of these, and the thread that stops is the one that talks, while all others stand still. Of a
 * parent and its child gdb keeps one; the other goes on without it, as everything does when gdb detaches or goes away.
 */
import type { Dispatcher, EngineEvent } from '../engine/engine.js';
import { acceptOne, type SocketAddress, SocketStream } from '../host/socket.js';
import { wakeOnInput } from '../host/wakeup.js';
import { strerror } from '../host/strerror.js';
import { Signal } from '../linux/constants/signals.js';
import type { LinuxProcess, ProcessEnd } from '../linux/process.js';
import { supervise, type Supervisor } from '../linux/supervisor.js';
import { infoNumber } from '../linux/signals/siginfo.js';
import { sharedWords } from '../linux/threads/shared-state.js';
import { Slot } from '../linux/threads/thread-table.js';
import { ForkDecision } from './fork-decision.js';
import { Connection } from './gdb/connection.js';
import { type Action, type ForkedChild, GdbServer, type Resumption } from './gdb/server.js';
import { DebugSession } from './gdb/session.js';
import { GdbSignal, gdbSignal, guestSignal } from './gdb/signals.js';
import { ProcessTarget } from './process-target.js';

/** What a thread is to do, in its `Slot.debug`. */
const ACTIONS: readonly Action[] = ['continue', 'step', 'hold'];
const HELD = ACTIONS.indexOf('hold');

interface Stop {
  /** What gdb may have changed its mind about before this thread could tell of it. */
  readonly reason: 'breakpoint' | 'watchpoint' | 'step' | 'event';
  readonly signal: number;
  readonly detail: string;
  /** Whether gdb is to be told: the first stop it asks for itself. */
  readonly tell: boolean;
}
const FIRST: Stop = { reason: 'event', signal: GdbSignal.SIGTRAP, detail: '', tell: false };
const STEPPED: Stop = { reason: 'step', signal: GdbSignal.SIGTRAP, detail: '', tell: true };

/** Waits for gdb. The process must have a program. */
export function debugProcess(process: LinuxProcess, address: SocketAddress): void {
  const fd = acceptOne(address);
  if (fd < 0) throw new Error(`no connection for gdb: ${strerror(-fd)}`);
  const session = sessionOf(process);
  session.descriptor = fd;
  process.debugger = new ProcessDebugger(process, session, FIRST);
  wakeOnInput(fd);
}

/** In another thread of a process: takes part, if gdb is there. */
export function debugThread(process: LinuxProcess): void {
  const session = sessionOf(process);
  if (session.descriptor >= 0) process.debugger = new ProcessDebugger(process, session, undefined);
}

const sessionOf = ({ memory }: LinuxProcess): DebugSession => new DebugSession(sharedWords(memory, 'debugger'));

class ProcessDebugger implements Supervisor {
  private readonly connection: Connection;
  private readonly server: GdbServer;
  private readonly engine: Dispatcher;
  private readonly removeWord: () => void;
  /** The instruction of a single step has gone to the process (a system call): the step ends when that is done. */
  private stepLeft = false;
  /** A fork is being made. */
  private fork: ForkDecision | undefined;
  private readonly target: ProcessTarget;

  /** @param waiting a stop that gdb is to be told of */
  constructor(
    private readonly process: LinuxProcess,
    private readonly session: DebugSession,
    private waiting: Stop | undefined,
  ) {
    const { engine, removeWord } = supervise(process);
    [this.engine, this.removeWord] = [engine, removeWord];
    this.connection = new Connection(new SocketStream(session.descriptor), session);
    this.target = new ProcessTarget(process, engine);
    this.server = new GdbServer(this.connection, this.target, session);
    process.signals.intercept = (info) => this.onSignal(info);
  }

  private get isConnected(): boolean {
    return this.session.descriptor >= 0 && this.server.isConnected;
  }

  /** What gdb wants of this thread. */
  private get action(): Action {
    const { table, index } = this.process.threads;
    return ACTIONS[table.slot(index, Slot.debug)]!;
  }

  /** Runs the guest until the process has something to do. */
  run(): EngineEvent {
    const { engine, process } = this;
    for (;;) {
      this.waitWhileHeld();
      if (process.threads.mustLeave) return { kind: 'poll' };
      if (!this.isConnected) {
        this.leave();
        return engine.run();
      }
      if (this.stepLeft && this.action === 'step') this.waiting ??= STEPPED;
      this.stepLeft = false;
      if (this.waiting) {
        const stop = this.waiting;
        this.waiting = undefined;
        this.talk(stop);
        if (process.end) return { kind: 'poll' };
        // What gdb wants of this thread now is looked at anew.
        continue;
      }
      this.server.points.follow();
      const event = this.action === 'step' ? engine.runCounted(1).event : engine.run();
      switch (event.kind) {
        case 'counted':
          this.waiting = this.stopForHit() ?? STEPPED;
          continue;
        case 'stop':
          this.waiting = this.stopForHit() ?? {
            reason: this.isAtBreakpoint ? 'breakpoint' : 'event',
            signal: GdbSignal.SIGTRAP,
            detail: this.isAtBreakpoint ? 'swbreak:;' : '',
            tell: true,
          };
          continue;
        case 'poll':
          if (!this.noticeInterrupt()) return event;
          continue;
        default:
          this.stepLeft = true;
          return event;
      }
    }
  }

  private get isAtBreakpoint(): boolean {
    return this.server.points.isBreakpoint(this.process.cpu.eip);
  }

  private stopForHit(): Stop | undefined {
    const detail = this.server.points.takeHit();
    return detail === undefined ? undefined : { reason: 'watchpoint', signal: GdbSignal.SIGTRAP, detail, tell: true };
  }

  /** Stands still as long as gdb lets only other threads go on. */
  private waitWhileHeld(): void {
    const { threads } = this.process;
    const { table, index, lock } = threads;
    while (table.slot(index, Slot.debug) === HELD && this.session.descriptor >= 0 && !threads.mustLeave) {
      lock.block(() => table.waitSlot(index, Slot.debug, HELD));
    }
  }

  /** Whether gdb wants the guest to stop: it does so before its next instruction. */
  noticeInterrupt(): boolean {
    if (!this.isConnected || !this.connection.hasInput) return false;
    const { lock } = this.process.threads;
    // What has come may be for another thread that talks already.
    lock.enter();
    const interrupted = this.isConnected && this.server.pollInterrupt();
    if (this.connection.isClosed) this.disconnect();
    lock.leave();
    if (interrupted) this.waiting ??= { reason: 'event', signal: GdbSignal.SIGINT, detail: '', tell: true };
    return interrupted;
  }

  /** A signal is about to act: false where gdb wants it forgotten. */
  private onSignal(info: Uint8Array): boolean {
    const signal = infoNumber(info);
    if (!this.isConnected || signal === Signal.SIGKILL) return true;
    this.stepLeft = false;
    this.target.siginfo = info;
    const passed = this.talk({ reason: 'event', signal: gdbSignal(signal), detail: '', tell: true });
    this.target.siginfo = undefined;
    return passed === undefined || guestSignal(passed) === signal;
  }

  /** A fork is about to be made; then either `afterFork` or, in the child, `inChild` is called. */
  beforeFork(): void {
    this.fork = this.isConnected && this.server.reportsForks ? new ForkDecision() : undefined;
  }

  /** In the parent. @param pid of the child, or a negated error number */
  afterFork(pid: number, isVfork: boolean): void {
    const { fork, server } = this;
    this.fork = undefined;
    if (!fork) return;
    if (pid < 0) {
      fork.decide();
      return;
    }
    let isDecided = false;
    const release = (): void => {
      if (!isDecided) fork.decide();
      isDecided = true;
    };
    const child: ForkedChild = { pid, points: [], release };
    const id = server.threadId(pid, pid);
    const event = isVfork && server.reportsVforks ? 'vfork' : 'fork';
    const stop: Stop = { reason: 'event', signal: GdbSignal.SIGTRAP, detail: `${event}:${id};`, tell: true };
    const resumption = this.ask(stop, child);
    if (resumption?.kind === 'detach' && !isDecided) {
      isDecided = true;
      fork.decide(child.points);
    }
    // gdb that goes on with both has one only.
    release();
    if (resumption) this.resume(resumption);
  }

  /** The child of a vfork has let its parent go on. */
  afterVfork(): void {
    if (this.isConnected && this.server.reportsVforks) {
      this.waiting ??= { reason: 'event', signal: GdbSignal.SIGTRAP, detail: 'vforkdone:;', tell: true };
    }
  }

  /** In a child of fork: waits for what gdb wants. */
  inChild(): void {
    const points = this.fork?.wait();
    this.fork = undefined;
    if (!points) {
      this.disconnect();
      return;
    }
    this.server.applyPoints(points);
    wakeOnInput(this.connection.fd);
    this.setAction(this.process.threads.index, 'continue');
    this.stepLeft = false;
    this.waiting = FIRST;
  }

  /** The process executes another program. */
  onExecute(): void {
    this.server.clear();
    this.stepLeft = false;
    this.setAction(this.process.threads.index, 'continue');
    const path = Buffer.from(this.process.executable).toString('hex');
    this.waiting = { reason: 'event', signal: GdbSignal.SIGTRAP, detail: `exec:${path};`, tell: true };
  }

  onEnd(end: ProcessEnd): void {
    if (!this.isConnected) return;
    // The process goes on.
    if (end.kind === 'thread') return;
    if (end.kind === 'signal') this.server.ended(`X${gdbSignal(end.signal).toString(16).padStart(2, '0')}`);
    else this.server.ended(`W${end.status.toString(16).padStart(2, '0')}`);
    this.disconnect();
  }

  /** The guest thread here is gone, another may begin. Where gdb holds all others, nobody would ever go on. */
  onThreadEnd(): void {
    const { table, index } = this.process.threads;
    this.waiting = undefined;
    this.stepLeft = false;
    this.setAction(index, 'continue');
    const others = [...table.running()].filter((other) => other !== index);
    if (others.every((other) => table.slot(other, Slot.debug) === HELD)) {
      for (const other of others) this.setAction(other, 'continue');
    }
  }

  /** Goes on without gdb, which is gone or is told so. The other threads notice for themselves. */
  private disconnect(): void {
    const { table } = this.process.threads;
    this.server.clear();
    this.session.descriptor = -1;
    this.connection.close();
    for (const index of table.running()) this.setAction(index, 'continue');
    this.leave();
  }

  private leave(): void {
    this.server.points.clear();
    this.removeWord();
    this.process.signals.intercept = undefined;
    this.process.debugger = undefined;
  }

  /** Stands still until gdb lets the guest go on; the signal that it is to get (0 for none), undefined where gdb has left. */
  private talk(stop: Stop): number | undefined {
    const resumption = this.ask(stop);
    return resumption && this.resume(resumption);
  }

  /** Has gdb ask while all threads stand still. Undefined where there is nothing (more) to be told. */
  private ask(stop: Stop, child?: ForkedChild): Resumption | undefined {
    const { threads } = this.process;
    const { lock, index } = threads;
    lock.enter();
    try {
      // Another thread may have talked meanwhile.
      this.waitWhileHeld();
      if (!this.isConnected || threads.mustLeave || !this.isWanted(stop)) return undefined;
      lock.stopOthers();
      const resumption = this.server.stop(stop.signal, stop.detail, stop.tell, child);
      if ('others' in resumption) {
        for (const thread of this.target.threads) this.setAction(thread.index, resumption.others(thread.id));
        this.setAction(index, resumption.kind);
      }
      lock.resumeOthers();
      return resumption;
    } finally {
      lock.leave();
    }
  }

  private isWanted({ reason, detail }: Stop): boolean {
    const { points } = this.server;
    points.follow();
    if (reason === 'breakpoint') return this.isAtBreakpoint;
    if (reason === 'watchpoint') return points.isWatched(detail);
    return reason !== 'step' || this.action === 'step';
  }

  private setAction(index: number, action: Action): void {
    const { table } = this.process.threads;
    table.setSlot(index, Slot.debug, ACTIONS.indexOf(action));
    table.wakeSlot(index, Slot.debug);
  }

  private resume(resumption: Resumption): number | undefined {
    const { process, engine } = this;
    if (resumption.kind === 'detach') {
      this.disconnect();
      return undefined;
    }
    if (resumption.kind === 'kill') {
      this.disconnect();
      process.end = { kind: 'signal', signal: Signal.SIGKILL };
      return undefined;
    }
    engine.observe().begin(process.cpu.eip | 0);
    return resumption.signal;
  }
}
