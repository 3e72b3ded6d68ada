/**
 * What an embedder can be told of while a machine runs. Hooks never change results: with them and without, the guest computes
 * the same, and every engine tells the same events in the same order (translation apart, which is the engines' own).
 *
 * A hook's listener may read and write registers and memory, add and remove hooks, and call `stop`. An exception that it throws ends
 * the run and comes out of `run`; the machine can go on from there.
 */
import type { MemoryAccess } from '../runtime/memory/watch.js';

export { MemoryAccess } from '../runtime/memory/watch.js';

/** A memory access that the page's protection forbids, or an instruction where none can be fetched. */
export interface InvalidAccess {
  /** Address of the instruction. */
  readonly pc: number;
  readonly access: 'read' | 'write' | 'fetch';
  readonly address: number;
  /** Whether the page is mapped at all. */
  readonly mapped: boolean;
}

/** A system call of Linux by its registers: eax; ebx, ecx, edx, esi, edi, ebp. */
export interface SystemCall {
  readonly number: number;
  readonly arguments: readonly number[];
}

export interface Translation {
  /** What it became: a decoded block for the interpreter, or generated code. */
  readonly kind: 'block' | 'js' | 'wasm';
  readonly address: number;
  /** Guest instructions of a block, generated code otherwise. */
  readonly text: string;
}

/** First address and the address after the last; the whole address space where they are missing. */
export interface HookRange {
  readonly start?: number;
  readonly end?: number;
}

export interface Hook {
  /** Takes the hook away; twice does no harm. */
  remove(): void;
}

/** Listeners by the kind of event. */
export interface HookListeners {
  /** Before each instruction of the range. A repeated string instruction is one. */
  code(pc: number, size: number): void;
  /** Before the first instruction after a jump, call, return or interrupt, or after the range was entered or a run began. */
  block(pc: number): void;
  /** After the instruction that made the access. */
  read(access: MemoryAccess): void;
  write(access: MemoryAccess): void;
  /** Before each instruction of which a byte is in the range: its address, size and bytes. */
  fetch(access: MemoryAccess): void;
  /** `true`: the listener has mapped the page, or set eip; execution goes on at eip. Otherwise the run ends. */
  invalid(access: InvalidAccess): unknown;
  /** `int n`, `int3`, `into`, `sysenter` (undefined); eip is after it. `true`: done, go on. Otherwise the run ends. */
  interrupt(vector: number | undefined): unknown;
  /** Any other processor exception (0 divide error, 6 invalid instruction, 13 protection); eip is at it. `true`: go on at eip. */
  exception(vector: number): unknown;
  /** What is no instruction (also told as exception 6, after this); eip is at it. `true`: go on at eip. */
  invalidInstruction(pc: number): unknown;
  /** `int 0x80` or `sysenter`, before `interrupt`; eip is after it. A number: the result, in eax; go on. */
  systemCall(call: SystemCall): number | undefined;
  /** Something was translated. */
  translate(translation: Translation): void;
}
export type HookKind = keyof HookListeners;
