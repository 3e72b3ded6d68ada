/**
 * An x86 processor and its memory, without any operating system: map memory, write code, run it. Everything happens in the calling
 * thread; machines share nothing, and `dispose` (or `using`) gives everything back.
 */
import { CpuState } from '../runtime/cpu/cpu-state.js';
import { createEngine, type Dispatcher, type EngineEvent, type EngineStatistics } from '../runtime/engine/index.js';
import { addWakeupWord, WakeupTimer } from '../runtime/host/wakeup.js';
import { addressOf, madvise } from '../runtime/host/libc.js';
import { GuestMemory } from '../runtime/memory/guest-memory.js';
import { Mappings } from '../runtime/memory/mappings.js';
import { firstUnmapped, peek, poke } from '../runtime/memory/peek.js';
import { SnapshotTracker } from '../runtime/memory/snapshot.js';
import { GuestTrap } from '../runtime/memory/trap.js';
import { PAGE_SIZE } from '../translator/pages.js';
import { EMULATOR_END, GUEST_LIMIT, State } from '../translator/state.js';
import { Callbacks, type Callback, type CallbackOptions } from './callbacks.js';
import {
  GuestFunctions,
  type Caller,
  type FunctionOptions,
  type GuestFunction,
  type PrototypedFunction,
} from './functions.js';
import { parameterType, prototypeOf, resultType } from './guest-arguments.js';
import type { Hook, HookKind, HookListeners, HookRange } from './hooks.js';
import { MachineHooks } from './machine-hooks.js';
import { type MachineOptions, type Protection, type RunOptions, type RunResult, Snapshot } from './machine-types.js';
import { Registers } from '../runtime/cpu/registers.js';
import { serveGdb } from './serve-gdb.js';
import {
  blockText,
  disassembleRange,
  translationText,
  type DisassembledInstruction,
  type TranslationLanguage,
} from './translation.js';

const PENDING = State.pending >> 2;
const EIP = State.eip >> 2;
const MADV_DONTNEED = 4;
const PROTECTION_BITS = { r: 1, w: 2, x: 4 } as const;

function protectionBits(protection: Protection): number {
  let bits = 0;
  for (const letter of protection) {
    if (!Object.hasOwn(PROTECTION_BITS, letter))
      throw new RangeError(`protection ${protection}: letters are r, w and x`);
    bits |= PROTECTION_BITS[letter as keyof typeof PROTECTION_BITS];
  }
  return bits;
}

const hex = (address: number): string => `0x${(address >>> 0).toString(16).padStart(8, '0')}`;

export class Machine {
  readonly registers: Registers;
  /** Counts of the engine: blocks, generated code, time spent on it. */
  readonly statistics: EngineStatistics;
  readonly #memory = new GuestMemory();
  readonly #cpu = new CpuState(this.#memory);
  readonly #mappings: Mappings;
  readonly #callbacks = new Callbacks(this.#memory, this.#cpu);
  readonly #engine: Dispatcher;
  readonly #functions: GuestFunctions;
  /** Whether a run is going on, and what calls of functions need. */
  readonly #calls: Caller;
  readonly #hooks: MachineHooks;
  readonly #removeWord: () => void;
  #tracker: SnapshotTracker | undefined;
  #timer: WakeupTimer | undefined;
  #disposed = false;
  /** Where gdb or another thread is there: whether it wants the run to end. */
  #isInterrupted: (() => boolean) | undefined;

  constructor(options: MachineOptions = {}) {
    const memory = this.#memory;
    const hostBase = addressOf(memory.buffer);
    this.#cpu.reset();
    this.#mappings = new Mappings(memory, hostBase);
    this.registers = new Registers(this.#cpu);
    const told = new Set<HookListeners['translate']>();
    this.#engine = createEngine(memory, this.#cpu, {
      kind: options.engine ?? 'region',
      backend: options.backend ?? 'auto',
      ownContext: true,
      bridges: this.#callbacks,
      ...(options.cpu === undefined ? {} : { cpuModel: options.cpu }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.exactFlags === undefined ? {} : { exactFlags: options.exactFlags }),
      onBlock: (instructions) => {
        const address = instructions[0]!.pc >>> 0;
        for (const listener of told) listener({ kind: 'block', address, text: blockText(memory.u8, instructions) });
      },
      // Asked for each time: texts cost something.
      get onCompiled() {
        if (told.size === 0) return undefined as never;
        return (name: string, text: string, kind: 'js' | 'wasm'): void => {
          const address = Number.parseInt(/_([0-9a-f]{1,8})$/.exec(name)?.[1] ?? '0', 16);
          for (const listener of told) listener({ kind, address, text });
        };
      },
    });
    this.#mappings.onUnmapped = (first, count) => this.#engine.invalidatePages(first, count);
    this.#hooks = new MachineHooks(memory, this.#cpu, this.registers, this.#engine, told);
    this.statistics = this.#engine.statistics;
    this.#calls = {
      running: false,
      enter: () => this.#enter(),
      stack: () => this.#stack(),
      memory: this,
      runUntil: (address) => this.#run({ until: address }),
    };
    this.#functions = new GuestFunctions(memory, this.#cpu, this.#engine, this.registers, this.#calls);
    this.#removeWord = addWakeupWord(hostBase + this.#cpu.address + State.pending);
  }

  // ---- memory ------------------------------------------------------------------------------------------------------

  /**
   * Maps zeroed memory; what was there before is gone. Address and length are multiples of 4096; without an address (undefined)
   * the highest free place is taken.
   * @returns the address
   */
  map(address: number | undefined, length: number, protection: Protection = 'rw'): number {
    this.#alive();
    const start = address ?? this.#mappings.findFree(length);
    this.#checkPages(start, length);
    const error = this.#mappings.mapFixed(start, length, protectionBits(protection));
    if (error < 0) throw new RangeError(`${length} bytes at ${hex(start)} cannot be mapped (errno ${-error})`);
    return start;
  }

  unmap(address: number, length: number): void {
    this.#alive();
    this.#checkPages(address, length);
    this.#mappings.munmap(address, length);
  }

  /** @throws RangeError where some of the range is not mapped */
  protect(address: number, length: number, protection: Protection): void {
    this.#alive();
    this.#checkPages(address, length);
    this.#checkMapped(address, length);
    this.#mappings.mprotect(address, length, protectionBits(protection));
  }

  /** The mapped ranges in ascending order. */
  get mappings(): { start: number; end: number; protection: Protection }[] {
    return this.#mappings.regions.all.map(({ start, end, protection }) => {
      const letters = `${protection & 1 ? 'r' : ''}${protection & 2 ? 'w' : ''}${protection & 4 ? 'x' : ''}`;
      return { start, end, protection: letters as Protection };
    });
  }

  /** A copy of mapped memory, whatever its protection. */
  read(address: number, length: number): Uint8Array {
    this.#alive();
    const bytes = peek(this.#mappings, address, length);
    if (!bytes) this.#checkMapped(address >>> 0, length);
    return bytes!;
  }

  /** Writes to mapped memory, whatever its protection; code that was translated from there is translated anew. */
  write(address: number, bytes: Uint8Array): void {
    this.#alive();
    if (!poke(this.#mappings, address, bytes)) this.#checkMapped(address >>> 0, bytes.length);
  }

  readU8(address: number): number {
    return this.read(address, 1)[0]!;
  }
  readU16(address: number): number {
    return viewOf(this.read(address, 2)).getUint16(0, true);
  }
  readU32(address: number): number {
    return viewOf(this.read(address, 4)).getUint32(0, true);
  }
  readU64(address: number): bigint {
    return viewOf(this.read(address, 8)).getBigUint64(0, true);
  }
  readF64(address: number): number {
    return viewOf(this.read(address, 8)).getFloat64(0, true);
  }
  writeU8(address: number, value: number): void {
    this.write(address, Uint8Array.of(value));
  }
  writeU16(address: number, value: number): void {
    scratch.setUint16(0, value, true);
    this.write(address, scratchBytes.subarray(0, 2));
  }
  writeU32(address: number, value: number): void {
    scratch.setUint32(0, value, true);
    this.write(address, scratchBytes.subarray(0, 4));
  }
  writeU64(address: number, value: bigint): void {
    scratch.setBigUint64(0, value, true);
    this.write(address, scratchBytes.subarray(0, 8));
  }
  writeF64(address: number, value: number): void {
    scratch.setFloat64(0, value, true);
    this.write(address, scratchBytes.subarray(0, 8));
  }

  /** The bytes before the next NUL as UTF-8 text. */
  readString(address: number, limit = 1 << 20): string {
    this.#alive();
    try {
      return new TextDecoder().decode(this.#memory.readCString(address, limit));
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
      throw new RangeError(`no memory can be read at ${hex(error.address)}`, { cause: error });
    }
  }

  // ---- running -----------------------------------------------------------------------------------------------------

  /** Executes code until something ends the run. */
  run(options: RunOptions = {}): RunResult {
    this.#enter();
    try {
      return this.#run(options);
    } finally {
      this.#calls.running = false;
    }
  }

  /** Executes one instruction. */
  step(): RunResult {
    return this.run({ count: 1 });
  }

  /** Ends the run that is going on: for listeners of hooks. Before an instruction, that instruction is not executed. */
  stop(): void {
    if (!this.#calls.running) return;
    this.#engine.observe().requestStop();
  }

  /**
   * A function of guest code as a function of the host. The first call that needs a stack gets one, unless esp is set.
   * The function throws `GuestError` where the code does anything but return.
   */
  function(address: number, options?: FunctionOptions): GuestFunction;
  /** With a prototype as bridges have them: `int compare(in cstring a, in cstring b)`; its name says nothing. */
  function(address: number, prototype: string): PrototypedFunction;
  function(address: number, how: FunctionOptions | string = {}): GuestFunction | PrototypedFunction {
    this.#alive();
    return typeof how === 'string' ? this.#functions.bindPrototype(address, how) : this.#functions.bind(address, how);
  }

  /** Calls a function of guest code with 32-bit arguments (cdecl). */
  call(address: number, ...args: number[]): number {
    this.#alive();
    return this.#functions.call(address, args);
  }

  /**
   * A function of the host as a guest function (cdecl): gives the address at which guest code calls it. It may read and write memory, but
   * registers are not up to date while it runs. Of a prototype, pointers of any kind are addresses. What it throws ends the run and comes out of it, before the call was made.
   */
  callback(callback: Callback, how: CallbackOptions | string = {}): number {
    this.#alive();
    const options =
      typeof how === 'string'
        ? { parameters: prototypeOf(how).parameters.map(parameterType), result: resultType(prototypeOf(how)) }
        : how;
    if (this.#engine.isSupervised) throw new Error('the lockstep engine runs everything twice: no callbacks');
    return this.#callbacks.add(callback, options);
  }

  #run({ from, until, count, timeout, signal }: RunOptions): RunResult {
    const s = this.#cpu.i32;
    const engine = this.#engine;
    const observation = engine.observe();
    if (from !== undefined) s[EIP] = from;
    if (signal?.aborted) return { reason: 'abort' };
    s[PENDING] = 0;
    if (this.#isInterrupted?.()) return { reason: 'stop' };
    observation.begin(s[EIP]!);
    const deadline = timeout === undefined ? Infinity : performance.now() + timeout;
    if (until !== undefined) observation.addStop(until);
    if (timeout !== undefined) (this.#timer ??= new WakeupTimer()).start(timeout);
    const onAbort = (): void => this.stop();
    signal?.addEventListener('abort', onAbort);
    try {
      let remaining = count ?? Infinity;
      for (;;) {
        let event: EngineEvent;
        if (remaining === Infinity) event = engine.run();
        else {
          const counted = engine.runCounted(remaining);
          remaining -= counted.executed;
          event = counted.event;
        }
        if (event.kind === 'counted') return { reason: 'count' };
        if (event.kind === 'poll') {
          s[PENDING] = 0;
          if (performance.now() >= deadline) return { reason: 'timeout' };
          if (this.#isInterrupted?.()) return { reason: 'stop' };
          continue;
        }
        if (event.kind === 'stop') {
          if (observation.stoppedAt !== undefined && !observation.stopRequested) return { reason: 'until' };
          return { reason: signal?.aborted ? 'abort' : 'stop' };
        }
        const result = this.#hooks.handle(event);
        if (result) return result;
        if (event.kind === 'trap') observation.passStopAt(s[EIP]!);
      }
    } finally {
      if (until !== undefined) observation.removeStop(until);
      if (timeout !== undefined) this.#timer!.stop();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #enter(): void {
    this.#alive();
    if (this.#calls.running) throw new Error('the machine is running already');
    this.#calls.running = true;
  }

  // ---- hooks -------------------------------------------------------------------------------------------------------

  /** Has a listener told of events, of `code`, `block`, `read` and `write` only those in the range; see `HookListeners`. */
  hook<K extends HookKind>(kind: K, listener: HookListeners[K], range: HookRange = {}): Hook {
    this.#alive();
    return this.#hooks.add(kind, listener, range);
  }

  // ---- snapshots ---------------------------------------------------------------------------------------------------

  /** Registers, mappings and memory as they are now. The first costs a copy of all memory, further ones of what was changed. */
  save(): Snapshot {
    this.#alive();
    this.#tracker ??= new SnapshotTracker(this.#mappings);
    return new Snapshot(this.#tracker.take(), this.#cpu.u8.slice());
  }

  /** Puts everything back, in time proportional to what was changed since the last save or restore. */
  restore(snapshot: Snapshot): void {
    this.#alive();
    if (this.#calls.running) throw new Error('the machine is running');
    this.#tracker ??= new SnapshotTracker(this.#mappings);
    this.#tracker.restore(snapshot.memory);
    this.#cpu.u8.set(snapshot.state);
    this.#cpu.i32[PENDING] = 0;
  }

  // ---- looking inside ----------------------------------------------------------------------------------------------

  /** The instructions of a range of readable memory; bytes that are none are shown as such. */
  disassemble(address: number, length: number): DisassembledInstruction[] {
    this.#alive();
    if (!this.#memory.isReadable(address, length)) throw new RangeError(`memory at ${hex(address)} cannot be read`);
    return disassembleRange(this.#memory.u8, address, length);
  }

  /** What the code from an address on becomes, as far as it is reached by direct jumps within the range. */
  translate(address: number, length: number, language: TranslationLanguage): string {
    this.#alive();
    this.#checkMapped(address, length);
    return translationText(this.#engine, address, length, language);
  }

  /**
   * Waits for gdb on a TCP port of this machine or a Unix socket, and runs as gdb says until it leaves; the calling thread does nothing
   * else meanwhile. Hooks are told as ever. gdb needs `set architecture i386` first.
   */
  serveGdb(address: { readonly port: number } | { readonly path: string }): 'detach' | 'kill' {
    this.#enter();
    try {
      const target = {
        pid: 1,
        thread: 1,
        threads: [{ id: 1, name: 'machine', registers: this.registers }],
        registers: this.registers,
        mappings: this.#mappings,
        engine: this.#engine,
        executable: undefined,
        auxiliaryVector: undefined,
        siginfo: undefined,
        files: undefined,
        reportsForks: false,
      };
      return serveGdb(address, target, (options, isInterrupted) => {
        this.#isInterrupted = isInterrupted;
        return this.#run(options);
      });
    } finally {
      this.#isInterrupted = undefined;
      this.#calls.running = false;
    }
  }

  /**
   * For another thread that wants to end runs: `isInterrupted` is looked at when the word is not zero.
   * @internal
   */
  interruptible(isInterrupted: () => boolean): { memory: WebAssembly.Memory; index: number } {
    this.#isInterrupted = isInterrupted;
    return { memory: this.#memory.wasmMemory, index: (this.#cpu.address + State.pending) >>> 2 };
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  /** Gives memory and translations back. The machine can do nothing after that. */
  dispose(): void {
    if (this.#disposed) return;
    if (this.#calls.running) throw new Error('the machine is running');
    this.#disposed = true;
    this.#removeWord();
    this.#timer?.dispose();
    this.#engine.invalidateAll();
    const { memory } = this.#mappings;
    memory.onPagesSet.length = 0;
    this.#mappings.reset();
    // Page table and state, too: Node may keep the buffer for long.
    madvise(this.#mappings.hostBase + GUEST_LIMIT, EMULATOR_END - GUEST_LIMIT, MADV_DONTNEED);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): void {
    if (this.#disposed) throw new Error('the machine was disposed');
  }

  #checkPages(address: number, length: number): void {
    if (!(address >= 0 && length > 0 && address + length <= GUEST_LIMIT)) {
      throw new RangeError(
        `${length} bytes at ${hex(address)} are not within memory, which ends at ${hex(GUEST_LIMIT)}`,
      );
    }
    if (address % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0) {
      throw new RangeError(`${length} bytes at ${hex(address)}: not a multiple of ${PAGE_SIZE}`);
    }
  }

  #checkMapped(address: number, length: number): void {
    const hole = firstUnmapped(this.#mappings, address, length);
    if (hole >= 0) throw new RangeError(`nothing is mapped at ${hex(hole)}`);
  }

  /** Maps a stack where there is none. */
  #stack(): void {
    if (this.registers.esp !== 0) return;
    const size = 1 << 20;
    const start = this.map(undefined, size);
    this.registers.esp = start + size - 16;
  }
}

const scratchBytes = new Uint8Array(8);
const scratch = new DataView(scratchBytes.buffer);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
