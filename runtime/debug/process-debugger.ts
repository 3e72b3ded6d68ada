/**
 * gdb at a process: in the place of the engine's `run` in the process's loop. It stops the guest before its first instruction, at
 * breakpoints and watchpoints, after single steps, at signals before they act, after fork and execve, and when gdb interrupts it.
 * All threads stand still while gdb asks, though breakpoints are the first thread's. Of a parent and its child gdb keeps one;
 * the other goes on without it, as everything does when gdb detaches or goes away.
 */
import { CpuState } from '../cpu/cpu-state.js';
import { Registers } from '../cpu/registers.js';
import { Dispatcher, type EngineEvent } from '../engine/engine.js';
import { hostReadAll, hostReadLink } from '../host/buffer.js';
import { acceptOne, type SocketAddress, SocketStream } from '../host/socket.js';
import { addWakeupWord, wakeOnInput } from '../host/wakeup.js';
import { strerror } from '../host/strerror.js';
import { Signal } from '../linux/constants/signals.js';
import type { LinuxProcess, ProcessEnd } from '../linux/process.js';
import type { Supervisor } from '../linux/supervisor.js';
import { infoNumber } from '../linux/signals/siginfo.js';
import { State } from '../../translator/state.js';
import type { Mappings } from '../memory/mappings.js';
import { Slot } from '../linux/threads/thread-table.js';
import { ForkDecision } from './fork-decision.js';
import { Connection } from './gdb/connection.js';
import { libraryList } from './gdb/libraries.js';
import type { DebugFiles } from './gdb/files.js';
import { type DebugTarget, type DebugThread, type ForkedChild, GdbServer, type Resumption } from './gdb/server.js';
import { GdbSignal, gdbSignal, guestSignal } from './gdb/signals.js';

export class ProcessDebugger implements Supervisor {
  private readonly connection: Connection;
  private readonly server: GdbServer;
  private readonly engine: Dispatcher;
  private readonly removeWord: () => void;
  /** A stop that gdb is to be told of; the first it asks for itself. */
  private waiting: { signal: number; detail: string; tell: boolean } | undefined = {
    signal: GdbSignal.SIGTRAP,
    detail: '',
    tell: false,
  };
  private stepping = false;
  /** The instruction of a single step has gone to the process (a system call): the step ends when that is done. */
  private stepLeft = false;
  /** A fork is being made. */
  private fork: ForkDecision | undefined;
  private readonly target: ProcessTarget;

  /** Waits for gdb. The process must have a program. */
  constructor(
    private readonly process: LinuxProcess,
    address: SocketAddress,
  ) {
    const { engine, hostBase, cpu } = process;
    if (!(engine instanceof Dispatcher)) throw new Error('this engine cannot be debugged');
    this.engine = engine;
    const fd = acceptOne(address);
    if (fd < 0) throw new Error(`no connection for gdb: ${strerror(-fd)}`);
    this.connection = new Connection(new SocketStream(fd));
    this.target = new ProcessTarget(process, engine);
    this.server = new GdbServer(this.connection, this.target);
    this.removeWord = addWakeupWord(hostBase + cpu.address + State.pending);
    wakeOnInput(fd);
    process.signals.intercept = (info) => this.onSignal(info);
  }

  /** Runs the guest until the process has something to do. */
  run(): EngineEvent {
    const { engine, process } = this;
    for (;;) {
      if (this.stepLeft && this.stepping) this.waiting ??= { signal: GdbSignal.SIGTRAP, detail: '', tell: true };
      this.stepLeft = false;
      if (this.waiting) {
        const { signal, detail, tell } = this.waiting;
        this.waiting = undefined;
        this.talk(signal, detail, tell);
        if (process.end) return { kind: 'poll' };
        if (!this.server.isConnected) return engine.run();
      }
      const event = this.stepping ? engine.runCounted(1).event : engine.run();
      switch (event.kind) {
        case 'counted':
          this.waiting = { signal: GdbSignal.SIGTRAP, detail: this.server.takeHit() ?? '', tell: true };
          continue;
        case 'stop': {
          const hit = this.server.takeHit();
          const detail = hit ?? (this.server.isBreakpoint(process.cpu.eip) ? 'swbreak:;' : '');
          this.waiting = { signal: GdbSignal.SIGTRAP, detail, tell: true };
          continue;
        }
        case 'poll':
          if (!this.noticeInterrupt()) return event;
          continue;
        default:
          this.stepLeft = true;
          return event;
      }
    }
  }

  /** Whether gdb wants the guest to stop: it does so before its next instruction. */
  noticeInterrupt(): boolean {
    if (!this.server.isConnected || !this.server.pollInterrupt()) return false;
    this.waiting ??= { signal: GdbSignal.SIGINT, detail: '', tell: true };
    return true;
  }

  /** A signal is about to act: false where gdb wants it forgotten. */
  private onSignal(info: Uint8Array): boolean {
    const signal = infoNumber(info);
    if (!this.server.isConnected || signal === Signal.SIGKILL) return true;
    this.stepLeft = false;
    this.target.siginfo = info;
    const passed = this.talk(gdbSignal(signal), '', true);
    this.target.siginfo = undefined;
    return passed === undefined || guestSignal(passed) === signal;
  }

  /** A fork is about to be made; then either `afterFork` or, in the child, `inChild` is called. */
  beforeFork(): void {
    this.fork = this.server.isConnected && this.server.reportsForks ? new ForkDecision() : undefined;
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
    const resumption = this.ask(GdbSignal.SIGTRAP, `${event}:${id};`, true, child);
    if (resumption.kind === 'detach' && !isDecided) {
      isDecided = true;
      fork.decide(child.points);
    }
    // gdb that goes on with both has one only.
    release();
    this.resume(resumption);
  }

  /** The child of a vfork has let its parent go on. */
  afterVfork(): void {
    if (this.server.isConnected && this.server.reportsVforks) {
      this.waiting ??= { signal: GdbSignal.SIGTRAP, detail: 'vforkdone:;', tell: true };
    }
  }

  /** In a child of fork: waits for what gdb wants. */
  inChild(): void {
    const points = this.fork?.wait();
    this.fork = undefined;
    if (!points) {
      this.leave();
      return;
    }
    this.server.applyPoints(points);
    wakeOnInput(this.connection.fd);
    this.stepping = this.stepLeft = false;
    this.waiting = { signal: GdbSignal.SIGTRAP, detail: '', tell: false };
  }

  /** The process executes another program. */
  onExecute(): void {
    this.server.clear();
    this.stepLeft = false;
    const path = Buffer.from(this.process.executable).toString('hex');
    this.waiting = { signal: GdbSignal.SIGTRAP, detail: `exec:${path};`, tell: true };
  }

  onEnd(end: ProcessEnd): void {
    if (!this.server.isConnected) return;
    if (end.kind === 'signal') this.server.ended(`X${gdbSignal(end.signal).toString(16).padStart(2, '0')}`);
    else this.server.ended(`W${end.status.toString(16).padStart(2, '0')}`);
    this.leave();
  }

  /** Goes on without gdb. */
  leave(): void {
    this.server.clear();
    this.connection.close();
    this.removeWord();
    this.stepping = false;
    this.process.signals.intercept = undefined;
    this.process.debugger = undefined;
  }

  /** Stands still until gdb lets the guest go on; the signal that it is to get (0 for none), undefined where gdb has left. */
  private talk(signal: number, detail: string, tell: boolean): number | undefined {
    return this.resume(this.ask(signal, detail, tell));
  }

  /** Has gdb ask while all threads stand still. */
  private ask(signal: number, detail: string, tell: boolean, child?: ForkedChild): Resumption {
    const { lock } = this.process.threads;
    lock.enter();
    lock.stopOthers();
    try {
      return this.server.stop(signal, detail, tell, child);
    } finally {
      lock.resumeOthers();
      lock.leave();
    }
  }

  private resume(resumption: Resumption): number | undefined {
    const { process, engine } = this;
    if (resumption.kind === 'detach') {
      this.leave();
      return undefined;
    }
    if (resumption.kind === 'kill') {
      this.leave();
      process.end = { kind: 'signal', signal: Signal.SIGKILL };
      return undefined;
    }
    this.stepping = resumption.kind === 'step';
    engine.observe().begin(process.cpu.eip | 0);
    return resumption.signal;
  }
}

/** The process as gdb's commands see it: through its first thread. */
class ProcessTarget implements DebugTarget {
  readonly registers: Registers;
  readonly reportsForks = true;
  siginfo: Uint8Array | undefined;
  readonly files: DebugFiles;

  constructor(
    private readonly process: LinuxProcess,
    readonly engine: Dispatcher,
  ) {
    this.registers = new Registers(process.cpu);
    const { paths } = process;
    this.files = {
      virtualFile: (path) => paths.virtualFile(path),
      hostPath: (path) => paths.hostPath(path),
      readLink(path) {
        const link = paths.virtualLink(path) ?? hostReadLink(paths.hostPath(path, false));
        return typeof link === 'number' ? link : paths.guestPath(link);
      },
    };
  }

  get mappings(): Mappings {
    return this.process.mappings;
  }
  get pid(): number {
    return this.process.pid;
  }
  get thread(): number {
    return this.process.pid;
  }
  get threads(): DebugThread[] {
    const { threads, memory, cpu } = this.process;
    const { table } = threads;
    return [...table.running()].map((index) => {
      const own = index === cpu.threadIndex;
      const id = own ? this.thread : table.slot(index, Slot.tid);
      const name = hostReadAll(`/proc/self/task/${id}/comm`);
      return {
        id,
        name: typeof name === 'number' ? '' : new TextDecoder().decode(name).trimEnd(),
        registers: own ? this.registers : new Registers(new CpuState(memory, index)),
      };
    });
  }
  get executable(): Uint8Array {
    return this.process.executable;
  }
  get auxiliaryVector(): Uint8Array {
    return auxiliaryVector(this.process);
  }
  libraries(): string {
    return libraryList(this.process.memory, this.auxiliaryVector);
  }
}

const AUXILIARY_ENTRY = 8;

/** What lies above arguments and environment on the initial stack (System V ABI for i386, 3.4.1). */
function auxiliaryVector({ memory, stackStart }: LinuxProcess): Uint8Array {
  let at = stackStart + 4 * (memory.readU32(stackStart) + 2);
  while (memory.readU32(at) !== 0) at += 4;
  const start = at + 4;
  let end = start;
  while (memory.readU32(end) !== 0) end += AUXILIARY_ENTRY;
  return memory.read(start, end + AUXILIARY_ENTRY - start);
}
