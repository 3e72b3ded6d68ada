/**
 * The embedder's side in the process that runs its guest: in the place of a debugger, it stops the guest before its `main`, and
 * does what the embedder asks for while the guest stands between two instructions. Guest functions are called by the
 * process's own loop, so that they may make system calls and get signals.
 */
import type { Dispatcher, EngineEvent } from '../../runtime/engine/engine.js';
import { Registers } from '../../runtime/cpu/registers.js';
import type { RegisterName } from '../../runtime/cpu/registers.js';
import { keepDescriptor, SocketStream } from '../../runtime/host/socket.js';
import { wakeOnInput } from '../../runtime/host/wakeup.js';
import { auxiliaryEntries, auxiliaryVector } from '../../runtime/linux/auxiliary-vector.js';
import { Errno } from '../../runtime/linux/constants/errno.js';
import { SYSCALL_NUMBERS, syscallName } from '../../runtime/linux/constants/syscalls.js';
import type { LinuxProcess } from '../../runtime/linux/process.js';
import { supervise, type Supervisor } from '../../runtime/linux/supervisor.js';
import { AuxiliaryType } from '../../runtime/loader/stack.js';
import { peek, poke } from '../../runtime/memory/peek.js';
import { SnapshotTracker } from '../../runtime/memory/snapshot.js';
import { REGISTER_NAMES, SEGMENT_NAMES, State } from '../../translator/state.js';
import {
  bytesOfType,
  loadValue,
  parameterType,
  placeArguments,
  prototypeOf,
  resultType,
  storeValue,
  type GuestArgument,
  type PlacedArguments,
} from '../guest-arguments.js';
import type { Prototype } from '../../bridges/prototype.js';
import {
  encodeMessage,
  errorOf,
  failureOf,
  MessageReader,
  type GuestEvent,
  type Request,
  type ToGuest,
  type ToHost,
} from './protocol.js';
import {
  restoreSnapshot,
  snapshotBytes,
  snapshotFromBytes,
  takeSnapshot,
  type ProcessSnapshot,
} from './process-snapshot.js';

/** What called functions return to. No guest can map anything there. */
const RETURN_ADDRESS = 0xffffe000 | 0;
const PENDING = State.pending >> 2;
/** No address: what stops at the next instruction does so. */
const NOWHERE = 0.5;
const STRING_LIMIT = 1 << 20;

interface Call {
  readonly id: number;
  readonly prototype: Prototype;
  readonly placed: PlacedArguments;
  /** CPU state to go back to. */
  readonly saved: Uint8Array;
  readonly begunAgain: number | undefined;
}

export class ProcessController implements Supervisor {
  private readonly engine: Dispatcher;
  private readonly registers: Registers;
  private readonly stream: SocketStream;
  private readonly reader = new MessageReader<ToGuest>();
  private readonly removeWord: () => void;
  private readonly calls: Call[] = [];
  /** Functions that the embedder implements, by their addresses (i32). */
  private readonly implemented = new Map<number, Prototype>();
  /** Functions that were found by their names. */
  private readonly addresses = new Map<string, number>();
  private readonly snapshots = new Map<number, ProcessSnapshot>();
  private tracker: SnapshotTracker | undefined;
  private nextSnapshot = 1;
  private paused = false;
  /** Messages may have come. */
  private attention = true;
  private hasLeft = false;
  /** The guest is in the midst of a system call. */
  private inSystemCall = false;
  /** The system call that will be begun again. */
  private begunAgain: number | undefined;
  /** Numbers of system calls that the embedder wants to be told of; 'all'; and of which it wants results. */
  private watched: ReadonlySet<number> | 'all' = new Set();
  private wantsResults = false;
  /** Where the guest is to wait for the embedder first. */
  private start: { address: number; isMain: boolean } | undefined;

  /** @param fd of the socket to the embedder; the process must have a program */
  constructor(
    private readonly process: LinuxProcess,
    fd: number,
  ) {
    const { cpu } = process;
    const { engine, removeWord } = supervise(process);
    [this.engine, this.removeWord] = [engine, removeWord];
    this.registers = new Registers(cpu);
    const own = keepDescriptor(fd);
    process.files.close(fd);
    this.stream = new SocketStream(own);
    wakeOnInput(own);
    const entry = this.entry();
    engine.observe().addStop(entry);
    this.start = { address: entry | 0, isMain: false };
    if (cpu.eip === entry) this.startReached();
  }

  // ---- the process's loop ----------------------------------------------------------------------------------------

  run(): EngineEvent {
    const { engine, process } = this;
    for (;;) {
      if (this.attention || this.paused) this.serve();
      if (this.hasLeft) return engine.run();
      if (process.end) return { kind: 'poll' };
      const event = engine.run();
      if (event.kind === 'stop') this.stopped();
      else if (event.kind !== 'poll' || !this.noticeInterrupt()) return event;
    }
  }

  noticeInterrupt(systemCall?: number): boolean {
    if (this.hasLeft) return false;
    // What has not begun is begun again, whatever the reason.
    if (systemCall !== undefined && !this.process.signals.lastCallBegan) this.begunAgain = systemCall;
    if (!(this.attention || this.paused || this.stream.isReadable)) return false;
    this.attention = true;
    // The embedder has been told of it.
    if (systemCall !== undefined) this.begunAgain = systemCall;
    return true;
  }

  /** Execution has come to an address where it was to stop. */
  private stopped(): void {
    const { process, engine } = this;
    const eip = process.cpu.eip | 0;
    engine.observe().begin(NOWHERE);
    // A signal may have come at the same time.
    process.cpu.i32[PENDING] = 1;
    if (eip === RETURN_ADDRESS && this.calls.length > 0) this.finishCall();
    else if (this.start?.address === eip) this.startReached();
    else if (this.implemented.has(eip)) this.callEmbedder(eip);
  }

  private startReached(): void {
    const { engine, process } = this;
    const { isMain, address } = this.start!;
    engine.observe().removeStop(address);
    const main = isMain ? undefined : process.symbols.addressOf('main', process.hostExecutable);
    if (main && (main.address | 0) !== address) {
      engine.observe().addStop(main.address);
      this.start = { address: main.address | 0, isMain: true };
      return;
    }
    this.start = undefined;
    this.pause();
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.tell({ kind: 'paused', address: this.process.cpu.eip });
  }

  /** Does what the embedder has asked for: while the guest is paused until it goes on, else as much as has come. */
  private serve(): void {
    this.attention = false;
    while (!this.hasLeft && !this.process.end) {
      let message = this.reader.take();
      if (!message) {
        if (!this.paused && !this.stream.isReadable) break;
        message = this.receive();
      }
      if (!message) return;
      if (message.type === 'request') this.answerRequest(message.id, message.request);
    }
  }

  private receive(): ToGuest | undefined {
    for (;;) {
      const message = this.reader.take();
      if (message) return message;
      const bytes = this.stream.read();
      if (bytes.length === 0) {
        this.leave();
        return undefined;
      }
      this.reader.add(bytes);
    }
  }

  private send(message: ToHost): void {
    if (!this.hasLeft && !this.stream.write(encodeMessage(message))) this.leave();
  }
  private tell(event: GuestEvent): void {
    this.send({ type: 'event', event, waits: false });
  }

  /** Tells of an event and serves the embedder until it has answered. */
  private ask(event: GuestEvent): unknown {
    this.send({ type: 'event', event, waits: true });
    for (;;) {
      const message = this.receive();
      if (!message) return undefined;
      if (message.type === 'request') this.answerRequest(message.id, message.request);
      else if (message.failure) throw errorOf(message.failure);
      else return message.value;
    }
  }

  private answerRequest(id: number, request: Request): void {
    try {
      if (request.kind === 'call') this.beginCall(id, request.target, request.prototype, request.args);
      else this.send({ type: 'reply', id, value: this.perform(request) });
    } catch (error) {
      this.send({ type: 'reply', id, value: undefined, failure: failureOf(error) });
    }
  }

  // ---- requests ----------------------------------------------------------------------------------------------------

  private perform(request: Exclude<Request, { kind: 'call' }>): unknown {
    const { process, registers } = this;
    const { mappings } = process;
    switch (request.kind) {
      case 'read': {
        const bytes = peek(mappings, request.address, request.length);
        if (!bytes) throw new RangeError(`${request.length} bytes at ${hex(request.address)} are not all mapped`);
        return bytes;
      }
      case 'write':
        this.write(request.address, request.bytes);
        return undefined;
      case 'symbol':
        return process.symbols.addressOf(request.name, process.hostExecutable)?.address;
      case 'mappings':
        return mappings.regions.all.map(({ start, end, protection }) => ({
          start,
          end,
          protection: `${protection & 1 ? 'r' : ''}${protection & 2 ? 'w' : ''}${protection & 4 ? 'x' : ''}`,
          file: process.symbols.fileAt(start)?.path ?? '',
        }));
      case 'registers':
        return Object.fromEntries(NAMES.map((name) => [name, registers.get(name)]));
      case 'setRegisters':
        for (const [name, value] of Object.entries(request.values)) registers.set(name as RegisterName, value);
        return undefined;
      case 'pause':
        this.pause();
        // A system call that blocks does not begin then.
        this.process.cpu.i32[PENDING] = 1;
        return undefined;
      case 'resume':
        this.paused = false;
        return undefined;
      case 'systemCalls':
        this.watched = request.names ? new Set(request.names.map(numberOf)) : 'all';
        this.wantsResults = request.results;
        return undefined;
      case 'implement': {
        const address = this.resolve(request.target) | 0;
        if (!this.implemented.has(address)) this.engine.observe().addStop(address);
        this.implemented.set(address, prototypeOf(request.prototype));
        return address >>> 0;
      }
      case 'release':
        if (this.implemented.delete(request.address | 0)) this.engine.observe().removeStop(request.address);
        return undefined;
      case 'save': {
        this.mustBeStill();
        const snapshot = takeSnapshot(process, (this.tracker ??= new SnapshotTracker(mappings)));
        this.snapshots.set(this.nextSnapshot, snapshot);
        return this.nextSnapshot++;
      }
      case 'restore': {
        this.mustBeStill();
        const { snapshot } = request;
        const wanted = typeof snapshot === 'number' ? this.snapshot(snapshot) : snapshotFromBytes(snapshot);
        return restoreSnapshot(process, (this.tracker ??= new SnapshotTracker(mappings)), wanted);
      }
      case 'serialize':
        return snapshotBytes(this.snapshot(request.snapshot));
      case 'forget':
        this.snapshots.delete(request.snapshot);
        return undefined;
    }
  }

  private snapshot(id: number): ProcessSnapshot {
    const snapshot = this.snapshots.get(id);
    if (!snapshot) throw new RangeError('the snapshot is of another process');
    return snapshot;
  }

  private write(address: number, bytes: Uint8Array): void {
    if (!poke(this.process.mappings, address, bytes)) {
      throw new RangeError(`${bytes.length} bytes at ${hex(address)} are not all mapped`);
    }
  }

  private mustNotBeInSystemCall(): void {
    if (this.inSystemCall) throw new Error('the guest is in the midst of a system call');
  }

  /** Snapshots are of a process that stands still, with nothing of it elsewhere. */
  private mustBeStill(): void {
    this.mustNotBeInSystemCall();
    if (!this.paused || this.calls.length > 0) throw new Error('the guest must be paused');
    if (this.process.threads.isThreaded) throw new Error('the guest has threads');
  }

  /** The address of a function by its name, or the address as given. */
  private resolve(target: string | number): number {
    if (typeof target === 'number') return target;
    const known = this.addresses.get(target);
    if (known !== undefined) return known;
    const found = this.process.symbols.addressOf(target, this.process.hostExecutable);
    if (!found) throw new RangeError(`the guest has no function ${target}`);
    if (found.isIndirect) throw new RangeError(`${target} is chosen when it is first called: its address is needed`);
    this.addresses.set(target, found.address);
    return found.address;
  }

  // ---- functions ---------------------------------------------------------------------------------------------------

  private beginCall(id: number, target: string | number, text: string, args: readonly GuestArgument[]): void {
    this.mustNotBeInSystemCall();
    if (!this.paused) throw new Error('the guest is running: pause it first');
    const { process, registers, engine } = this;
    const address = this.resolve(target);
    const prototype = prototypeOf(text);
    const saved = process.cpu.u8.slice();
    const memory = {
      read: (from: number, length: number): Uint8Array => process.memory.read(from, length),
      write: (to: number, bytes: Uint8Array): void => this.write(to, bytes),
    };
    const placed = placeArguments(prototype, args, registers.esp, memory);
    const top = new Uint8Array(4);
    new DataView(top.buffer).setInt32(0, RETURN_ADDRESS, true);
    this.write(placed.base - 4, top);
    registers.esp = placed.base - 4;
    registers.eip = address;
    if (this.calls.length === 0) engine.observe().addStop(RETURN_ADDRESS);
    this.calls.push({ id, prototype, placed, saved, begunAgain: this.begunAgain });
    this.begunAgain = undefined;
    this.paused = false;
  }

  private finishCall(): void {
    const { process, engine } = this;
    const { id, prototype, placed, saved, begunAgain } = this.calls.pop()!;
    this.begunAgain = begunAgain;
    const value = this.result(prototype);
    const written = placed.written();
    process.cpu.u8.set(saved);
    process.cpu.i32[PENDING] = 1;
    if (this.calls.length === 0) engine.observe().removeStop(RETURN_ADDRESS);
    // Calls are made while the guest is paused.
    this.paused = true;
    this.send({ type: 'reply', id, value: { value, written } });
  }

  private result(prototype: Prototype): number | bigint {
    const type = resultType(prototype);
    if (type === 'void') return 0;
    if (type === 'f64') return this.registers.st(0);
    if (type === 'f32') return Math.fround(this.registers.st(0));
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, this.registers.eax, true);
    view.setUint32(4, this.registers.edx, true);
    return loadValue(view, 0, type);
  }

  /** A function that the embedder implements: its arguments go there, and the guest goes on after the call. */
  private callEmbedder(address: number): void {
    const { process, registers } = this;
    const prototype = this.implemented.get(address)!;
    const { memory } = process;
    const { esp } = registers;
    let at = esp + 4;
    const raw = prototype.parameters.map((parameter) => {
      const type = parameterType(parameter);
      const bytes = memory.read(at, bytesOfType(type));
      at += bytes.length;
      return loadValue(new DataView(bytes.buffer, bytes.byteOffset), 0, type);
    });
    const named = new Map(prototype.parameters.map(({ name }, index) => [name, Number(raw[index])]));
    const args = prototype.parameters.map((parameter, index): GuestArgument => {
      const value = raw[index]!;
      if (parameter.kind === 'string') {
        return value === 0 ? null : new TextDecoder().decode(memory.readCString(Number(value), STRING_LIMIT));
      }
      if (parameter.kind !== 'bytes' || parameter.direction === 'out') return value;
      if (parameter.length.some((factor) => typeof factor === 'object' && 'cell' in factor)) return value;
      const length = parameter.length.reduce<number>(
        (product, factor) =>
          product * (typeof factor === 'number' ? factor : 'parameter' in factor ? named.get(factor.parameter)! : 0),
        1,
      );
      return value === 0 ? null : memory.read(Number(value), length);
    });
    const back = memory.readU32(esp);
    const answer = this.ask({ kind: 'function', address: address >>> 0, args });
    if (this.hasLeft) return;
    const type = resultType(prototype);
    const value = typeof answer === 'number' || typeof answer === 'bigint' ? answer : 0;
    if (type === 'f64' || type === 'f32') registers.pushSt(type === 'f32' ? Math.fround(Number(value)) : Number(value));
    else if (type !== 'void') {
      const view = new DataView(new ArrayBuffer(8));
      storeValue(view, 0, type, value);
      registers.eax = view.getUint32(0, true);
      if (bytesOfType(type) === 8) registers.edx = view.getUint32(4, true);
    }
    registers.esp = esp + 4;
    registers.eip = back;
  }

  // ---- system calls ------------------------------------------------------------------------------------------------

  private isWatched(number: number): boolean {
    return this.watched === 'all' || this.watched.has(number);
  }

  onSystemCall(number: number): number | undefined {
    const isTold = this.begunAgain === number;
    this.begunAgain = undefined;
    if (isTold || this.hasLeft || !this.isWatched(number)) return undefined;
    const { ebx, ecx, edx, esi, edi, ebp } = this.registers;
    const args = [ebx, ecx, edx, esi, edi, ebp];
    const answer = this.within(() => this.ask({ kind: 'systemCall', name: syscallName(number) ?? '', number, args }));
    return typeof answer === 'number' ? answer | 0 : undefined;
  }

  onSystemCallEnd(number: number, result: number): void {
    const isInterrupted = result === -Errno.EINTR && (this.attention || this.paused || this.stream.isReadable);
    if (this.hasLeft || !this.wantsResults || !this.isWatched(number) || isInterrupted) return;
    this.within(() => this.ask({ kind: 'systemCallEnd', name: syscallName(number) ?? '', number, result }));
  }

  private within<T>(act: () => T): T {
    this.inSystemCall = true;
    try {
      return act();
    } finally {
      this.inSystemCall = false;
      // What has come since is for the next moment between two instructions.
      if (!this.hasLeft && (!this.reader.isEmpty || this.stream.isReadable)) {
        this.attention = true;
        this.process.cpu.i32[PENDING] = 1;
      }
    }
  }

  // ---- the process's life --------------------------------------------------------------------------------------------

  beforeFork(): void {
    // The child goes on by itself.
  }
  afterFork(): void {
    // Nothing concerns the parent.
  }
  afterVfork(): void {
    // Nothing concerns the parent.
  }
  inChild(): void {
    this.leave();
  }

  onExecute(): void {
    for (const address of this.implemented.keys()) this.engine.observe().removeStop(address);
    this.implemented.clear();
    this.addresses.clear();
    this.calls.length = 0;
    this.snapshots.clear();
    this.tracker = undefined;
    this.tell({ kind: 'execute', program: new TextDecoder().decode(this.process.executable) });
  }

  onEnd(): void {
    this.leave();
  }

  /** The embedder is gone, or this process is not its own any more: goes on without. */
  private leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.paused = false;
    this.stream.close();
    this.removeWord();
    this.process.debugger = undefined;
  }

  /** Where the program itself begins, after the dynamic linker. */
  private entry(): number {
    return auxiliaryEntries(auxiliaryVector(this.process)).get(AuxiliaryType.AT_ENTRY) ?? this.process.cpu.eip;
  }
}

const NAMES: readonly RegisterName[] = [...REGISTER_NAMES, 'eip', 'eflags', ...SEGMENT_NAMES];
const hex = (address: number): string => `0x${(address >>> 0).toString(16).padStart(8, '0')}`;

function numberOf(name: string): number {
  const number = (SYSCALL_NUMBERS as Readonly<Record<string, number>>)[name];
  if (number === undefined) throw new RangeError(`there is no system call ${name}`);
  return number;
}
