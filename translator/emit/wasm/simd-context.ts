/** What the writers of SSE's instructions in WebAssembly are given, and what they declare. */
import type { Variable } from '../../ir/ir.js';
import type { FloatChecks, FloatType } from './float-checks.js';
import type { ValueType } from './opcodes.js';
import type { VectorSlots } from './vector-slots.js';
import type { FunctionWriter } from './writer.js';

export interface SimdContext {
  readonly w: FunctionWriter;
  readonly slots: VectorSlots;
  readonly checks: FloatChecks;
  /** State offset of the slot that argument `index` names, or its value, where it is a constant. */
  constant(index: number): number;
  push(index: number): void;
  temporary(type: ValueType): number;
  local(variable: Variable): number;
  /** Leaves the region: the interpreter executes this instruction. */
  leave(): void;
  /** Names what is on the stack as the call's result. */
  result(): void;
}

export interface SimdLowering {
  /** Arguments that must be constants, from the first. */
  readonly constants: number;
  /** Required width argument: an operation on MMX registers is left to the helper. */
  readonly width?: { readonly index: number; readonly value: number };
  /** Of the values of constant arguments: other calls are left to the helper. */
  readonly accepts?: (constants: readonly number[]) => boolean;
  /** Whether the region may be left for what the instruction finds: at once, or after others (`float-checks.ts`). */
  readonly leaves?: 'now' | 'later';
  /** Of instructions that are tested later: what their lanes are. */
  readonly tests?: FloatType;
  readonly emit: (c: SimdContext) => void;
}

export const ZEROS: readonly number[] = new Array<number>(16).fill(0);

export function pushVector({ slots, constant }: SimdContext, index: number): void {
  slots.push(constant(index));
}
