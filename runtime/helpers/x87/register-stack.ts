/**
 * The x87 register stack over a thread's CPU state: TOP, empty registers, the status word, stack faults and the masked and
 * unmasked answers to exceptions (Intel SDM volume 1, chapters 8.1 and 8.5). Arithmetic happens elsewhere; here its
 * `result` finds its register or is suppressed.
 */
import { State } from '../../../translator/state.js';
import type { StateViews } from '../../cpu/cpu-state.js';
import { C1, CONDITIONS, DENORMAL, INVALID, STACK_FAULT, ZERO_DIVIDE, result, setIndefinite } from './float80.js';

const CONTROL = State.fpuControl >> 2;
const STATUS = State.fpuStatus >> 2;
const TOP = State.fpuTop >> 2;
const EMPTY = State.fpuEmpty >> 2;
const REGISTERS = State.fpuRegisters >> 2;

/** Error summary and busy: an unmasked exception waits. */
export const SUMMARY = 0x8080;
const EXCEPTIONS = 0x3f;
/** Exceptions that, unmasked, stop an operation before its result. */
const BEFORE = INVALID | DENORMAL | ZERO_DIVIDE;

export class RegisterStack {
  readonly i32: Int32Array;

  constructor(readonly views: StateViews) {
    this.i32 = views.i32;
  }

  get top(): number {
    return this.i32[TOP]!;
  }
  set top(value: number) {
    this.i32[TOP] = value & 7;
  }
  get status(): number {
    return this.i32[STATUS]!;
  }
  set status(value: number) {
    this.i32[STATUS] = value;
  }
  get control(): number {
    return this.i32[CONTROL]!;
  }
  set control(value: number) {
    this.i32[CONTROL] = value;
  }
  get empty(): number {
    return this.i32[EMPTY]!;
  }
  set empty(value: number) {
    this.i32[EMPTY] = value;
  }

  /** Index in `i32` of ST(i)'s low mantissa word; the high word and the sign and exponent follow. */
  word(i: number): number {
    return REGISTERS + (((this.i32[TOP]! + i) & 7) << 2);
  }
  isEmpty(i: number): boolean {
    return ((this.i32[EMPTY]! >> ((this.i32[TOP]! + i) & 7)) & 1) !== 0;
  }
  signExponentAt(word: number): number {
    return this.i32[word + 2]! & 0xffff;
  }

  /** Starts an operation: no exceptions yet, the control word in force. */
  begin(): void {
    result.flags = 0;
    result.control = this.i32[CONTROL]!;
  }

  /** Puts an operation's exceptions and C1 into the status word. True: an unmasked one forbids its result. */
  raise(flags: number): boolean {
    const i32 = this.i32;
    let status = (i32[STATUS]! & ~C1) | flags;
    const unmasked = flags & ~i32[CONTROL]! & EXCEPTIONS;
    if (unmasked !== 0) status |= SUMMARY;
    i32[STATUS] = status;
    return (unmasked & BEFORE) !== 0;
  }

  /** Writes `result` to ST(i), which is no longer empty. */
  write(i: number): void {
    const i32 = this.i32;
    const register = (i32[TOP]! + i) & 7;
    const word = REGISTERS + (register << 2);
    i32[word] = result.low;
    i32[word + 1] = result.high;
    i32[word + 2] = result.signExponent;
    i32[EMPTY] = i32[EMPTY]! & ~(1 << register);
  }

  /** Ends an operation whose result goes to ST(i), with `pops` pops after it. False: the result was suppressed. */
  finish(i: number, pops: number): boolean {
    if (this.raise(result.flags)) return false;
    this.write(i);
    if (pops !== 0) this.pop(pops);
    return true;
  }

  pop(count: number): void {
    const i32 = this.i32;
    for (; count > 0; count--) {
      const top = i32[TOP]!;
      i32[EMPTY] = i32[EMPTY]! | (1 << top);
      i32[TOP] = (top + 1) & 7;
    }
  }

  /** An operand's register is empty. True: masked, the indefinite takes the result's place. */
  underflow(): boolean {
    setIndefinite();
    return !this.raise(INVALID | STACK_FAULT);
  }

  /** A push onto a register in use. True: masked, the indefinite is pushed. */
  overflow(): boolean {
    setIndefinite();
    return !this.raise(INVALID | STACK_FAULT | C1);
  }

  /** Ends an operation that pushes `result`. */
  push(): void {
    if (!this.isEmpty(7)) {
      if (!this.overflow()) return;
    } else if (this.raise(result.flags)) return;
    this.top = this.top - 1;
    this.write(0);
  }

  /** Sets the condition bits, C1 among them. */
  setConditions(bits: number): void {
    this.i32[STATUS] = (this.i32[STATUS]! & ~CONDITIONS) | bits;
  }

  /** After a change of control or status word: error summary and busy follow from flags and masks. */
  summarise(): void {
    const i32 = this.i32;
    const pending = i32[STATUS]! & ~i32[CONTROL]! & EXCEPTIONS;
    i32[STATUS] = pending !== 0 ? i32[STATUS]! | SUMMARY : i32[STATUS]! & ~SUMMARY;
  }
}
