/**
 * A program that runs in another process, from the embedder's side: its functions called, its system calls watched and replaced,
 * its memory read and written, its state saved and put back. Everything is asynchronous; the guest stands still meanwhile.
 */
import type { Duplex } from 'node:stream';
import type { RegisterName } from '../../runtime/cpu/registers.js';
import { prototypeOf, takeWritten, type GuestArgument } from '../guest-arguments.js';
import {
  encodeMessage,
  errorOf,
  MessageReader,
  type CallResult,
  type GuestEvent,
  type Request,
  type ToGuest,
  type ToHost,
} from './protocol.js';

/** A system call of the guest's: name and number, and the six argument registers as unsigned numbers. */
export interface GuestSystemCall {
  readonly name: string;
  readonly number: number;
  readonly arguments: readonly number[];
}

/** Before a system call. A number that it gives, or a promise of one, is the result (or a negated error number), and the call is not made. */
export type SystemCallListener = (call: GuestSystemCall) => unknown;
/** After a system call that was made, or replaced. */
export type SystemCallEndListener = (call: Omit<GuestSystemCall, 'arguments'> & { readonly result: number }) => unknown;
/** A guest function that the embedder implements gives its result or a promise of it; strings and `in` bytes are given as such, other pointers as addresses. */
export type Implementation = (...args: GuestArgument[]) => unknown;

export interface ControlHook {
  /** Takes it away; settled when the guest knows. */
  remove(): Promise<void>;
}

export interface GuestMapping {
  readonly start: number;
  readonly end: number;
  readonly protection: string;
  /** Path of the mapped file, '' for none. */
  readonly file: string;
}

/** State of a process at a moment, kept by that process. */
export class ControlSnapshot {
  /** @internal */
  constructor(
    private readonly control: GuestControl,
    /** @internal */
    readonly id: number,
  ) {}

  /** As bytes, for a file or another process of the same program. */
  serialize(): Promise<Uint8Array> {
    return this.control.request({ kind: 'serialize', snapshot: this.id });
  }

  /** Gives its memory back. */
  async dispose(): Promise<void> {
    await this.control.request({ kind: 'forget', snapshot: this.id });
  }
}

interface Waiting {
  resolve(value: never): void;
  reject(error: Error): void;
}

interface SystemCallHook {
  readonly names: readonly string[] | undefined;
  readonly before: SystemCallListener | undefined;
  readonly after: SystemCallEndListener | undefined;
}

export class GuestControl {
  /** Settled when the guest stands before its `main` (a program without symbols: before its first instruction). */
  readonly ready: Promise<void>;
  /** Called when the guest executes another program. */
  onExecute: ((program: string) => void) | undefined;
  readonly #socket: Duplex;
  readonly #fail: (error: Error) => void;
  readonly #reader = new MessageReader<ToHost>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #implementations = new Map<number, Implementation>();
  readonly #systemCalls = new Set<SystemCallHook>();
  #nextId = 1;
  #closed: Error | undefined;
  #setReady: Waiting | undefined;

  /**
   * @internal
   * @param fail what a listener has thrown: ends the program
   */
  constructor(socket: Duplex, fail: (error: Error) => void) {
    this.#socket = socket;
    this.#fail = fail;
    this.ready = new Promise<void>((resolve, reject) => (this.#setReady = { resolve, reject }));
    this.ready.catch(() => undefined);
    socket.on('data', (piece: Uint8Array) => this.#receive(piece));
    socket.on('error', () => this.#close());
    socket.on('close', () => this.#close());
    socket.on('end', () => this.#close());
  }

  // ---- running -------------------------------------------------------------------------------------------------

  /** Lets the guest go on. */
  async resume(): Promise<void> {
    await this.ready;
    await this.request({ kind: 'resume' });
  }

  /** Stops the guest between two instructions; a system call that blocks is begun again later. */
  async pause(): Promise<void> {
    await this.request({ kind: 'pause' });
  }

  // ---- functions -----------------------------------------------------------------------------------------------

  /**
   * Calls the guest function that a prototype names (`int add(int a, int b)`), while the guest is paused. Bytes and cells of `out`
   * and `inout` parameters are written to.
   */
  async call(prototype: string, ...args: GuestArgument[]): Promise<number | bigint> {
    return this.callAt(prototypeOf(prototype).name, prototype, ...args);
  }

  /** Calls a guest function by its address; the prototype's name says nothing then. */
  async callAt(target: number | string, prototype: string, ...args: GuestArgument[]): Promise<number | bigint> {
    await this.ready;
    const { value, written } = await this.request<CallResult>({ kind: 'call', target, prototype, args });
    takeWritten(written, args);
    return value;
  }

  /** From now on calls of the guest function that a prototype names come here. The guest waits for the result. */
  async implement(prototype: string, implementation: Implementation, address?: number): Promise<ControlHook> {
    await this.ready;
    const target = address ?? prototypeOf(prototype).name;
    const at = await this.request<number>({ kind: 'implement', target, prototype });
    this.#implementations.set(at, implementation);
    return {
      remove: async () => {
        await this.request({ kind: 'release', address: at });
        this.#implementations.delete(at);
      },
    };
  }

  /** Address of a guest function, undefined where there is none of that name. */
  async symbol(name: string): Promise<number | undefined> {
    await this.ready;
    return this.request({ kind: 'symbol', name });
  }

  // ---- system calls --------------------------------------------------------------------------------------------

  /**
   * Tells of system calls of the guest's first thread: of those named, or all. `after` is told of results. Children of fork go on
   * without.
   */
  async hookSystemCalls(
    before: SystemCallListener | undefined,
    { names, after }: { readonly names?: readonly string[]; readonly after?: SystemCallEndListener } = {},
  ): Promise<ControlHook> {
    const hook = { names, before, after };
    this.#systemCalls.add(hook);
    try {
      await this.#tellSystemCalls();
    } catch (error) {
      this.#systemCalls.delete(hook);
      throw error;
    }
    return {
      remove: async () => {
        this.#systemCalls.delete(hook);
        await this.#tellSystemCalls();
      },
    };
  }

  async #tellSystemCalls(): Promise<void> {
    const hooks = [...this.#systemCalls];
    const all = hooks.some(({ names }) => names === undefined);
    const names = all ? undefined : hooks.flatMap((hook) => hook.names ?? []);
    await this.request({ kind: 'systemCalls', names, results: hooks.some(({ after }) => after !== undefined) });
  }

  // ---- state ---------------------------------------------------------------------------------------------------

  /** @throws RangeError where not all of it is mapped */
  read(address: number, length: number): Promise<Uint8Array> {
    return this.request({ kind: 'read', address, length });
  }
  async write(address: number, bytes: Uint8Array): Promise<void> {
    await this.request({ kind: 'write', address, bytes });
  }

  /** General and segment registers, eip and eflags. */
  registers(): Promise<Record<RegisterName, number>> {
    return this.request({ kind: 'registers' });
  }
  async setRegisters(values: Partial<Record<RegisterName, number>>): Promise<void> {
    await this.request({ kind: 'setRegisters', values });
  }

  mappings(): Promise<GuestMapping[]> {
    return this.request({ kind: 'mappings' });
  }

  /** State of the paused guest: memory, registers, signal actions, and where its descriptors stand in their files. */
  async save(): Promise<ControlSnapshot> {
    await this.ready;
    return new ControlSnapshot(this, await this.request<number>({ kind: 'save' }));
  }

  /**
   * Puts state back, in time proportional to what was changed. Bytes may be of another process of the same program.
   * @returns descriptors that were open then and are not any more
   */
  async restore(snapshot: ControlSnapshot | Uint8Array): Promise<number[]> {
    await this.ready;
    return this.request({ kind: 'restore', snapshot: snapshot instanceof ControlSnapshot ? snapshot.id : snapshot });
  }

  // ---- messages ------------------------------------------------------------------------------------------------

  /** @internal */
  request<T>(request: Request): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject } as Waiting);
      this.#send({ type: 'request', id, request });
    });
  }

  #send(message: ToGuest): void {
    if (!this.#closed) this.#socket.write(encodeMessage(message));
  }

  #receive(piece: Uint8Array): void {
    this.#reader.add(piece);
    for (let message = this.#reader.take(); message; message = this.#reader.take()) {
      if (message.type === 'event') {
        if (message.waits) void this.#answer(message.event);
        else if (message.event.kind === 'paused') this.#setReady?.resolve(undefined as never);
        else if (message.event.kind === 'execute') this.onExecute?.(message.event.program);
        continue;
      }
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.failure) waiting?.reject(errorOf(message.failure));
      else waiting?.resolve(message.value as never);
    }
  }

  async #answer(event: GuestEvent): Promise<void> {
    try {
      this.#send({ type: 'answer', value: await this.#ask(event) });
    } catch (error) {
      const thrown = error instanceof Error ? error : new Error(String(error));
      this.#close(thrown);
      this.#fail(thrown);
    }
  }

  async #ask(event: GuestEvent): Promise<unknown> {
    switch (event.kind) {
      case 'function':
        return this.#implementations.get(event.address)?.(...event.args);
      case 'systemCall': {
        const { name, number, args } = event;
        let answer: number | undefined;
        for (const hook of this.#systemCalls) {
          if (!hook.before || (hook.names && !hook.names.includes(name))) continue;
          const given = await hook.before({ name, number, arguments: args });
          if (typeof given === 'number') answer ??= given;
        }
        return answer;
      }
      case 'systemCallEnd': {
        const { name, number, result } = event;
        for (const hook of this.#systemCalls) {
          if (hook.after && (!hook.names || hook.names.includes(name))) await hook.after({ name, number, result });
        }
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #close(reason = new Error('the program has ended')): void {
    this.#closed ??= reason;
    this.#setReady?.reject(this.#closed);
    for (const { reject } of this.#waiting.values()) reject(this.#closed);
    this.#waiting.clear();
  }
}
