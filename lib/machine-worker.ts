/**
 * A machine in a Worker: the same names as `Machine`, every method asynchronous, so that the embedder's event loop goes on while the
 * machine runs and machines run side by side. Listeners of hooks and callbacks run here, may be asynchronous and may use the
 * machine; it stands still meanwhile.
 */
import { Worker } from 'node:worker_threads';
import type { EngineStatistics } from '../runtime/engine/index.js';
import type { RegisterName } from '../runtime/cpu/registers.js';
import type { Callback, CallbackOptions } from './callbacks.js';
import { errorOf } from './control/protocol.js';
import type { FunctionOptions } from './functions.js';
import { takeWritten, type GuestArgument, type WrittenArgument } from './guest-arguments.js';
import { MemoryAccess, type HookKind, type HookListeners, type HookRange } from './hooks.js';
import {
  GuestError,
  type MachineOptions,
  type Protection,
  type RunOptions,
  type RunResult,
  type Snapshot,
} from './machine-types.js';
import {
  ControlWord,
  CONTROL_WORDS,
  Stop,
  type FromWorker,
  type RemoteMethods,
  type ToWorker,
} from './machine-worker-protocol.js';
import type { DisassembledInstruction, TranslationLanguage } from './translation.js';

/** Guest stacks are not the host's, but regions call one another and V8's compilers recurse. */
const STACK_MEGABYTES = 4;

/** A listener that may give a promise. */
export type AsyncListener<K extends HookKind> = (...event: Parameters<HookListeners[K]>) => unknown;
export type AsyncCallback = (...args: Parameters<Callback>) => unknown;

export interface AsyncHook {
  remove(): Promise<void>;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class MachineWorker {
  readonly #worker: Worker;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS));
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<number, (...event: never[]) => unknown>();
  /** The word that makes generated code look up, in the machine's memory. */
  #pending: { readonly words: Int32Array; readonly index: number } | undefined;
  /** Runs that were asked for and are not over. */
  #runs = 0;
  #nextId = 1;
  #nextListener = 1;
  /** What a listener has thrown, as it is. */
  #thrown: { readonly error: unknown } | undefined;
  #ended: Error | undefined;

  private constructor(options: MachineOptions) {
    this.#worker = new Worker(new URL('./machine-worker-thread.js', import.meta.url), {
      workerData: { options, control: this.#control },
      // Those of this process may be of no sense there: `--input-type`.
      execArgv: [],
      resourceLimits: { stackSizeMb: STACK_MEGABYTES },
    });
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the machine was disposed')));
  }

  /** Starts a Worker with a machine. */
  static async create(options: MachineOptions = {}): Promise<MachineWorker> {
    const machine = new MachineWorker(options);
    const { memory, index } = await machine.#request('start');
    machine.#pending = { words: new Int32Array(memory.buffer), index };
    return machine;
  }

  // ---- memory, registers -----------------------------------------------------------------------------------------

  map(address: number | undefined, length: number, protection: Protection = 'rw'): Promise<number> {
    return this.#request('map', address, length, protection);
  }
  unmap(address: number, length: number): Promise<void> {
    return this.#request('unmap', address, length);
  }
  protect(address: number, length: number, protection: Protection): Promise<void> {
    return this.#request('protect', address, length, protection);
  }
  mappings(): Promise<{ start: number; end: number; protection: Protection }[]> {
    return this.#request('mappings');
  }
  read(address: number, length: number): Promise<Uint8Array> {
    return this.#request('read', address, length);
  }
  write(address: number, bytes: Uint8Array): Promise<void> {
    return this.#request('write', address, bytes);
  }
  readString(address: number, limit?: number): Promise<string> {
    return this.#request('readString', address, limit);
  }

  /** Registers of up to 32 bits. */
  getRegisters<N extends RegisterName>(...names: N[]): Promise<Record<N, number>> {
    return this.#request('getRegisters', names) as Promise<Record<N, number>>;
  }
  setRegisters(values: Partial<Record<RegisterName, number>>): Promise<void> {
    return this.#request('setRegisters', values);
  }

  // ---- running ---------------------------------------------------------------------------------------------------

  /** As `Machine.run`; an `AbortSignal` ends the run at once. */
  async run({ signal, ...options }: RunOptions = {}): Promise<RunResult> {
    if (signal?.aborted) return { reason: 'abort' };
    const abort = (): void => this.#interrupt(Stop.abort);
    signal?.addEventListener('abort', abort, { once: true });
    this.#runs++;
    try {
      return await this.#request('run', options);
    } finally {
      this.#runs--;
      signal?.removeEventListener('abort', abort);
    }
  }

  step(): Promise<RunResult> {
    return this.run({ count: 1 });
  }

  /** Ends the run that is going on, at its next jump. */
  stop(): void {
    this.#interrupt(Stop.stop);
  }

  #interrupt(how: number): void {
    if (this.#runs === 0) return;
    Atomics.store(this.#control, ControlWord.stop, how);
    if (this.#pending) Atomics.store(this.#pending.words, this.#pending.index, 1);
  }

  /** Calls a guest function, by types or a prototype; see `Machine.function`. */
  async callFunction(
    address: number,
    how: FunctionOptions | string,
    ...args: GuestArgument[]
  ): Promise<number | bigint> {
    const { value, written } = await this.#request('callFunction', address, how, args);
    takeWritten(written as WrittenArgument[], args);
    return value;
  }

  /** Calls a function of guest code with 32-bit arguments (cdecl). */
  async call(address: number, ...args: number[]): Promise<number> {
    return (await this.callFunction(address, {}, ...args)) as number;
  }

  /** Gives the address at which guest code calls a function of this thread. */
  callback(callback: AsyncCallback, how: CallbackOptions | string = {}): Promise<number> {
    const listener = this.#nextListener++;
    this.#listeners.set(listener, callback as (...event: never[]) => unknown);
    return this.#request('callback', listener, how);
  }

  // ---- hooks -----------------------------------------------------------------------------------------------------

  /** As `Machine.hook`. Each event goes from thread to thread and back: some ten microseconds. */
  async hook<K extends HookKind>(kind: K, listener: AsyncListener<K>, range: HookRange = {}): Promise<AsyncHook> {
    const id = this.#nextListener++;
    this.#listeners.set(id, listener as (...event: never[]) => unknown);
    await this.#request('hook', kind, id, range);
    return {
      remove: async () => {
        await this.#request('unhook', id);
        this.#listeners.delete(id);
      },
    };
  }

  // ---- snapshots, looking inside -----------------------------------------------------------------------------------

  /** A snapshot as bytes (`Snapshot.deserialize` reads them). */
  save(): Promise<Uint8Array> {
    return this.#request('save');
  }
  restore(snapshot: Uint8Array | Snapshot): Promise<void> {
    return this.#request('restore', snapshot instanceof Uint8Array ? snapshot : snapshot.serialize());
  }
  disassemble(address: number, length: number): Promise<DisassembledInstruction[]> {
    return this.#request('disassemble', address, length);
  }
  translate(address: number, length: number, language: TranslationLanguage): Promise<string> {
    return this.#request('translate', address, length, language);
  }
  statistics(): Promise<EngineStatistics> {
    return this.#request('statistics');
  }

  /** Ends the Worker, whatever it does. */
  async dispose(): Promise<void> {
    this.#end(new Error('the machine was disposed'));
    await this.#worker.terminate();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  // ---- messages ----------------------------------------------------------------------------------------------------

  #request<M extends keyof RemoteMethods>(
    method: M,
    ...args: Parameters<RemoteMethods[M]>
  ): Promise<ReturnType<RemoteMethods[M]>> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended);
        return;
      }
      const id = this.#nextId++;
      // A machine that does nothing keeps nobody's process alive.
      this.#worker.ref();
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#send({ type: 'request', id, method, args });
    });
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
    Atomics.add(this.#control, ControlWord.messages, 1);
    Atomics.notify(this.#control, ControlWord.messages);
  }

  #receive(message: FromWorker): void {
    if (message.type === 'event') {
      void this.#answer(message.listener, message.event);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    const { failure } = message;
    if (!failure) waiting?.resolve(message.value);
    else if (failure.ofListener && this.#thrown) {
      waiting?.reject(this.#thrown.error);
      this.#thrown = undefined;
    } else waiting?.reject(failure.result ? new GuestError(failure.message, failure.result) : errorOf(failure));
  }

  async #answer(listener: number, event: readonly unknown[]): Promise<void> {
    const told = event.map((value) => {
      if (typeof value !== 'object' || value === null || !('bytes' in value)) return value;
      const { pc, kind, address, bytes } = value as MemoryAccess;
      return new MemoryAccess(pc, kind, address, bytes);
    });
    try {
      const value = await this.#listeners.get(listener)?.(...(told as never[]));
      this.#send({ type: 'answer', value: typeof value === 'object' ? undefined : value, hasThrown: false });
    } catch (error) {
      this.#thrown = { error };
      this.#send({ type: 'answer', value: undefined, hasThrown: true });
    }
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
