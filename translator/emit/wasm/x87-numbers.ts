/** What the x87 emitter asks of a representation of numbers in locals: 80 bits (`x87-exact.ts`) or doubles (`x87-double.ts`). */
import type { X87Constant, X87Format, X87Operator } from '../../passes/x87-operations.js';
import type { ValueType } from './opcodes.js';

/** The locals of one number. */
export type Register = readonly number[];

/** Instructions that push one value. */
export type Push = () => void;

/** A comparison's outcome as locals of 0 or 1: C0, C3 and, where there may be NaNs, C2. */
export interface Comparison {
  readonly less: number;
  readonly equal: number;
  readonly unordered?: number;
}

export interface X87Numbers {
  /** Types of a number's locals. */
  readonly types: readonly ValueType[];
  /** Operands have to be ordinary and the control word as expected. */
  readonly isExact: boolean;
  copy(to: Register, from: Register): void;
  /** A register of the CPU state in memory, whose address is `place` and `offset`. */
  readRegister(to: Register, place: Push, offset: number): void;
  writeRegister(from: Register, place: Push, offset: number): void;
  constant(to: Register, name: X87Constant): void;
  /** A memory operand at a guest address. */
  load(to: Register, format: X87Format, place: Push): void;
  store(from: Register, format: X87Format, place: Push, control: number, truncate: boolean): void;
  arithmetic(operator: X87Operator, to: Register, a: Register, b: Register): void;
  root(to: Register, from: Register): void;
  /** frndint, by the rounding of the control word. */
  round(to: Register, from: Register, control: number): void;
  /** fabs, fchs: masks for the word of sign and exponent. */
  sign(register: Register, keep: number, flip: number): void;
  compare(a: Register, b: Register): Comparison;
  /** Leaves where a number is not ordinary. */
  leaveUnlessOrdinary(register: Register): void;
}
