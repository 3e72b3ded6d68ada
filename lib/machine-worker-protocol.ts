/** What a machine's Worker and the thread that it works for say to one another. */
import type { RegisterName } from '../runtime/cpu/registers.js';
import type { EngineStatistics } from '../runtime/engine/index.js';
import type { CallbackOptions } from './callbacks.js';
import type { FunctionOptions } from './functions.js';
import type { GuestArgument, WrittenArgument } from './guest-arguments.js';
import type { HookKind, HookRange } from './hooks.js';
import type { MachineOptions, Protection, RunOptions, RunResult } from './machine-types.js';
import type { DisassembledInstruction, TranslationLanguage } from './translation.js';

/** Words that both threads see: how many messages were sent to the Worker, and whether its run is to end. */
export const ControlWord = { messages: 0, stop: 1 } as const;
export const CONTROL_WORDS = 2;
export const Stop = { none: 0, stop: 1, abort: 2 } as const;

export interface WorkerStart {
  readonly options: MachineOptions;
  readonly control: Int32Array;
}

/** What the Worker does when asked; listeners are known by numbers. */
export interface RemoteMethods {
  start(): { memory: WebAssembly.Memory; index: number };
  map(address: number | undefined, length: number, protection: Protection): number;
  unmap(address: number, length: number): void;
  protect(address: number, length: number, protection: Protection): void;
  mappings(): { start: number; end: number; protection: Protection }[];
  read(address: number, length: number): Uint8Array;
  write(address: number, bytes: Uint8Array): void;
  readString(address: number, limit?: number): string;
  getRegisters(names: readonly RegisterName[]): Record<string, number>;
  setRegisters(values: Partial<Record<RegisterName, number>>): void;
  run(options: RunOptions): RunResult;
  callFunction(
    address: number,
    how: FunctionOptions | string,
    args: readonly GuestArgument[],
  ): { value: number | bigint; written: WrittenArgument[] };
  callback(listener: number, how: CallbackOptions | string): number;
  hook(kind: HookKind, listener: number, range: HookRange): void;
  unhook(listener: number): void;
  save(): Uint8Array;
  restore(snapshot: Uint8Array): void;
  disassemble(address: number, length: number): DisassembledInstruction[];
  translate(address: number, length: number, language: TranslationLanguage): string;
  statistics(): EngineStatistics;
}

export type ToWorker =
  | { readonly type: 'request'; readonly id: number; readonly method: keyof RemoteMethods; readonly args: unknown[] }
  | { readonly type: 'answer'; readonly value: unknown; readonly hasThrown: boolean };

export interface RemoteFailure {
  readonly name: string;
  readonly message: string;
  /** Of a `GuestError`. */
  readonly result?: RunResult;
  /** It is what a listener has thrown. */
  readonly ofListener: boolean;
}
export type FromWorker =
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown; readonly failure?: RemoteFailure }
  | { readonly type: 'event'; readonly listener: number; readonly event: readonly unknown[] };
