/**
 * gdb at a process: in the place of the engine's `run` in the process's loop. It stops the guest before its first instruction, at
 * breakpoints and watchpoints, after single steps, at signals before they act, after execve, and when gdb interrupts it.
 * Children of fork go on without gdb, and so does everything when gdb detaches or goes away.
 */
import { Registers } from '../cpu/registers.js';
import { Dispatcher, type EngineEvent } from '../engine/engine.js';
import { acceptOne, type SocketAddress, SocketStream } from '../host/socket.js';
import { addWakeupWord, wakeOnInput } from '../host/wakeup.js';
import { strerror } from '../host/strerror.js';
import { Signal } from '../linux/constants/signals.js';
import type { LinuxProcess, ProcessEnd } from '../linux/process.js';
import { infoNumber } from '../linux/signals/siginfo.js';
import { State } from '../../translator/state.js';
import { Connection } from './gdb/connection.js';
import { type DebugTarget, GdbServer } from './gdb/server.js';
import { GdbSignal, gdbSignal, guestSignal } from './gdb/signals.js';

export class ProcessDebugger {
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
    this.server = new GdbServer(this.connection, targetOf(process, engine));
    this.removeWord = addWakeupWord(hostBase + cpu.address + State.pending);
    wakeOnInput(fd);
    process.signals.intercept = (info) => this.onSignal(infoNumber(info));
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
          if (!this.server.pollInterrupt()) return event;
          this.waiting = { signal: GdbSignal.SIGINT, detail: '', tell: true };
          continue;
        default:
          this.stepLeft = true;
          return event;
      }
    }
  }

  /** A signal is about to act: false where gdb wants it forgotten. */
  private onSignal(signal: number): boolean {
    if (!this.server.isConnected || signal === Signal.SIGKILL) return true;
    this.stepLeft = false;
    const passed = this.talk(gdbSignal(signal), '', true);
    return passed === undefined || guestSignal(passed) === signal;
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
    const { process, engine } = this;
    const resumption = this.server.stop(signal, detail, tell);
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

function targetOf(process: LinuxProcess, engine: Dispatcher): DebugTarget {
  const registers = new Registers(process.cpu);
  return {
    registers,
    engine,
    mappings: process.mappings,
    get pid() {
      return process.pid;
    },
    get executable() {
      return process.executable;
    },
    get auxiliaryVector() {
      return auxiliaryVector(process);
    },
  };
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
