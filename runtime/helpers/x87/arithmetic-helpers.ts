/**
 * The helpers of the basic arithmetic and comparison instructions: register and memory forms of fadd, fmul, fcom, fsub, fdiv and
 * what works on ST(0) alone. Operands that come from memory are widened first and go through the same arithmetic.
 */
import { State } from '../../../translator/state.js';
import { add, compare, divide, multiply, squareRoot } from './arithmetic.js';
import { remainder } from './remainder.js';
import { operand, roundToIntegral, widenDouble, widenInteger, widenSingle } from './convert.js';
import { C0, C1, C2, C3, DENORMAL, Kind, SIGN, kindOf, result, setResult } from './float80.js';
import type { RegisterStack } from './register-stack.js';
import { extract, scale } from './exponent.js';

/** Operations in the order of the reg field of opcodes D8-DF. */
const Operation = {
  add: 0,
  multiply: 1,
  compare: 2,
  comparePop: 3,
  subtract: 4,
  subtractReverse: 5,
  divide: 6,
  divideReverse: 7,
} as const;

function operate(
  operation: number,
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
): void {
  switch (operation) {
    case Operation.add:
      add(aSe, aHigh, aLow, bSe, bHigh, bLow, 0);
      break;
    case Operation.multiply:
      multiply(aSe, aHigh, aLow, bSe, bHigh, bLow);
      break;
    case Operation.subtract:
      add(aSe, aHigh, aLow, bSe, bHigh, bLow, SIGN);
      break;
    case Operation.subtractReverse:
      add(bSe, bHigh, bLow, aSe, aHigh, aLow, SIGN);
      break;
    case Operation.divide:
      divide(aSe, aHigh, aLow, bSe, bHigh, bLow);
      break;
    default:
      divide(bSe, bHigh, bLow, aSe, aHigh, aLow);
  }
}

const TOP = State.fpuTop >> 2;
const EMPTY = State.fpuEmpty >> 2;
const REGISTERS = State.fpuRegisters >> 2;

export function createArithmeticHelpers(stack: RegisterStack) {
  const i32 = stack.i32;

  function binary(operation: number, dst: number, src: number, pops: number): void {
    stack.begin();
    const top = i32[TOP]!;
    const d = (top + dst) & 7;
    const s = (top + src) & 7;
    if ((i32[EMPTY]! & ((1 << d) | (1 << s))) !== 0) {
      if (stack.underflow()) {
        stack.write(dst);
        stack.pop(pops);
      }
      return;
    }
    const a = REGISTERS + (d << 2);
    const b = REGISTERS + (s << 2);
    operate(operation, i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!, i32[b + 2]! & 0xffff, i32[b + 1]!, i32[b]!);
    if (!stack.raise(result.flags)) {
      i32[a] = result.low;
      i32[a + 1] = result.high;
      i32[a + 2] = result.signExponent;
      if (pops !== 0) stack.pop(pops);
    }
  }

  /** Sets the condition bits of ST(0) against the given operand. False: an unmasked exception forbids the pops. */
  function setComparison(bSe: number, bHigh: number, bLow: number, quiet: boolean, sourceDenormal: boolean): boolean {
    const a = stack.word(0);
    const aSe = i32[a + 2]! & 0xffff;
    if (sourceDenormal && kindOf(aSe, i32[a + 1]!, i32[a]!) < Kind.nan) result.flags |= DENORMAL;
    const bits = compare(aSe, i32[a + 1]!, i32[a]!, bSe, bHigh, bLow, quiet);
    const suppressed = stack.raise(result.flags);
    stack.setConditions(bits);
    return !suppressed;
  }

  function compareRegister(src: number, quiet: boolean, pops: number): void {
    stack.begin();
    if (stack.isEmpty(0) || stack.isEmpty(src)) {
      const masked = stack.underflow();
      stack.setConditions(C3 | C2 | C0);
      if (masked) stack.pop(pops);
      return;
    }
    const b = stack.word(src);
    if (setComparison(i32[b + 2]! & 0xffff, i32[b + 1]!, i32[b]!, quiet, false)) stack.pop(pops);
  }

  /** The same into CF (C0), PF (C2) and ZF (C3). */
  function compareFlags(src: number, quiet: boolean, pops: number): void {
    stack.begin();
    let bits = C3 | C2 | C0;
    if (stack.isEmpty(0) || stack.isEmpty(src)) {
      if (!stack.underflow()) pops = 0;
    } else {
      const a = stack.word(0);
      const b = stack.word(src);
      bits = compare(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!, i32[b + 2]! & 0xffff, i32[b + 1]!, i32[b]!, quiet);
      // C1 stays as it is.
      if (result.flags !== 0 && stack.raise(result.flags | (stack.status & C1))) pops = 0;
    }
    i32[State.cf >> 2] = (bits & C0) !== 0 ? 1 : 0;
    i32[State.pr >> 2] = (bits & C2) !== 0 ? 0 : 1;
    i32[State.zr >> 2] = (bits & C3) !== 0 ? 0 : 1;
    i32[State.sr >> 2] = 0;
    i32[State.of >> 2] = 0;
    i32[State.af >> 2] = 0;
    stack.pop(pops);
  }

  /** ST(0) with the widened memory operand. */
  function withMemory(operation: number): void {
    stack.begin();
    if (operation === Operation.compare || operation === Operation.comparePop) {
      const pops = operation - Operation.compare;
      if (stack.isEmpty(0)) {
        const masked = stack.underflow();
        stack.setConditions(C3 | C2 | C0);
        if (!masked) return;
      } else if (!setComparison(operand.signExponent, operand.high, operand.low, false, operand.denormal)) return;
      stack.pop(pops);
      return;
    }
    if (stack.isEmpty(0)) {
      if (stack.underflow()) stack.write(0);
      return;
    }
    const a = stack.word(0);
    const aSe = i32[a + 2]! & 0xffff;
    const aHigh = i32[a + 1]!;
    const aLow = i32[a]!;
    const aKind = operand.denormal ? kindOf(aSe, aHigh, aLow) : Kind.nan;
    if (aKind < Kind.nan && !(aKind === Kind.zero && operation === Operation.divideReverse)) {
      result.flags |= DENORMAL;
      if ((result.control & DENORMAL) === 0) {
        stack.raise(DENORMAL);
        return;
      }
    }
    operate(operation, aSe, aHigh, aLow, operand.signExponent, operand.high, operand.low);
    stack.finish(0, 0);
  }
  function withSingle(operation: number, slot: number): void {
    widenSingle(i32[slot >> 2]!);
    withMemory(operation);
  }
  function withDouble(operation: number, slot: number): void {
    widenDouble(i32[(slot >> 2) + 1]!, i32[slot >> 2]!);
    withMemory(operation);
  }
  function withWord(operation: number, slot: number): void {
    widenInteger((i32[slot >> 2]! << 16) >> 16);
    withMemory(operation);
  }
  function withInteger(operation: number, slot: number): void {
    widenInteger(i32[slot >> 2]!);
    withMemory(operation);
  }

  /** An operation on ST(0) alone. */
  function unary(operation: (signExponent: number, high: number, low: number) => void): void {
    stack.begin();
    if (stack.isEmpty(0)) {
      if (stack.underflow()) stack.write(0);
      return;
    }
    const a = stack.word(0);
    operation(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
    stack.finish(0, 0);
  }

  function partialRemainder(nearest: boolean): void {
    stack.begin();
    if (stack.isEmpty(0) || stack.isEmpty(1)) {
      if (stack.underflow()) stack.write(0);
      stack.status = stack.status & ~C2;
      return;
    }
    const a = stack.word(0);
    const b = stack.word(1);
    const bits = remainder(
      i32[a + 2]! & 0xffff,
      i32[a + 1]!,
      i32[a]!,
      i32[b + 2]! & 0xffff,
      i32[b + 1]!,
      i32[b]!,
      nearest,
    );
    stack.finish(0, 0);
    if (bits < 0) stack.status = stack.status & ~C2;
    else stack.setConditions(bits | (result.flags & C1));
  }

  return {
    fadd: (dst: number, src: number): void => binary(Operation.add, dst, src, 0),
    faddp: (dst: number, src: number): void => binary(Operation.add, dst, src, 1),
    fmul: (dst: number, src: number): void => binary(Operation.multiply, dst, src, 0),
    fmulp: (dst: number, src: number): void => binary(Operation.multiply, dst, src, 1),
    /** ST(dst) - ST(src) */
    fsub: (dst: number, src: number): void => binary(Operation.subtract, dst, src, 0),
    fsubp: (dst: number, src: number): void => binary(Operation.subtract, dst, src, 1),
    /** ST(src) - ST(dst) */
    fsubr: (dst: number, src: number): void => binary(Operation.subtractReverse, dst, src, 0),
    fsubrp: (dst: number, src: number): void => binary(Operation.subtractReverse, dst, src, 1),
    fdiv: (dst: number, src: number): void => binary(Operation.divide, dst, src, 0),
    fdivp: (dst: number, src: number): void => binary(Operation.divide, dst, src, 1),
    fdivr: (dst: number, src: number): void => binary(Operation.divideReverse, dst, src, 0),
    fdivrp: (dst: number, src: number): void => binary(Operation.divideReverse, dst, src, 1),

    faddF32: (slot: number): void => withSingle(Operation.add, slot),
    fmulF32: (slot: number): void => withSingle(Operation.multiply, slot),
    fcomF32: (slot: number): void => withSingle(Operation.compare, slot),
    fcompF32: (slot: number): void => withSingle(Operation.comparePop, slot),
    fsubF32: (slot: number): void => withSingle(Operation.subtract, slot),
    fsubrF32: (slot: number): void => withSingle(Operation.subtractReverse, slot),
    fdivF32: (slot: number): void => withSingle(Operation.divide, slot),
    fdivrF32: (slot: number): void => withSingle(Operation.divideReverse, slot),
    faddF64: (slot: number): void => withDouble(Operation.add, slot),
    fmulF64: (slot: number): void => withDouble(Operation.multiply, slot),
    fcomF64: (slot: number): void => withDouble(Operation.compare, slot),
    fcompF64: (slot: number): void => withDouble(Operation.comparePop, slot),
    fsubF64: (slot: number): void => withDouble(Operation.subtract, slot),
    fsubrF64: (slot: number): void => withDouble(Operation.subtractReverse, slot),
    fdivF64: (slot: number): void => withDouble(Operation.divide, slot),
    fdivrF64: (slot: number): void => withDouble(Operation.divideReverse, slot),
    fiaddI32: (slot: number): void => withInteger(Operation.add, slot),
    fimulI32: (slot: number): void => withInteger(Operation.multiply, slot),
    ficomI32: (slot: number): void => withInteger(Operation.compare, slot),
    ficompI32: (slot: number): void => withInteger(Operation.comparePop, slot),
    fisubI32: (slot: number): void => withInteger(Operation.subtract, slot),
    fisubrI32: (slot: number): void => withInteger(Operation.subtractReverse, slot),
    fidivI32: (slot: number): void => withInteger(Operation.divide, slot),
    fidivrI32: (slot: number): void => withInteger(Operation.divideReverse, slot),
    fiaddI16: (slot: number): void => withWord(Operation.add, slot),
    fimulI16: (slot: number): void => withWord(Operation.multiply, slot),
    ficomI16: (slot: number): void => withWord(Operation.compare, slot),
    ficompI16: (slot: number): void => withWord(Operation.comparePop, slot),
    fisubI16: (slot: number): void => withWord(Operation.subtract, slot),
    fisubrI16: (slot: number): void => withWord(Operation.subtractReverse, slot),
    fidivI16: (slot: number): void => withWord(Operation.divide, slot),
    fidivrI16: (slot: number): void => withWord(Operation.divideReverse, slot),

    fcom: (src: number): void => compareRegister(src, false, 0),
    fcomp: (src: number): void => compareRegister(src, false, 1),
    fcompp: (): void => compareRegister(1, false, 2),
    fucom: (src: number): void => compareRegister(src, true, 0),
    fucomp: (src: number): void => compareRegister(src, true, 1),
    fucompp: (): void => compareRegister(1, true, 2),
    fcomi: (src: number): void => compareFlags(src, false, 0),
    fcomip: (src: number): void => compareFlags(src, false, 1),
    fucomi: (src: number): void => compareFlags(src, true, 0),
    fucomip: (src: number): void => compareFlags(src, true, 1),
    ftst: (): void => {
      stack.begin();
      if (stack.isEmpty(0)) {
        stack.underflow();
        stack.setConditions(C3 | C2 | C0);
        return;
      }
      setComparison(0, 0, 0, false, false);
    },
    fxam: (): void => {
      const a = stack.word(0);
      const sign = (i32[a + 2]! & SIGN) !== 0 ? C1 : 0;
      if (stack.isEmpty(0)) stack.setConditions(C3 | C0 | sign);
      else stack.setConditions(EXAMINED[kindOf(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!)]! | sign);
    },

    fsqrt: (): void => unary(squareRoot),
    frndint: (): void => unary(roundToIntegral),
    fprem: (): void => partialRemainder(false),
    fprem1: (): void => partialRemainder(true),
    fscale: (): void => {
      stack.begin();
      if (stack.isEmpty(0) || stack.isEmpty(1)) {
        if (stack.underflow()) stack.write(0);
        return;
      }
      const a = stack.word(0);
      const b = stack.word(1);
      scale(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!, i32[b + 2]! & 0xffff, i32[b + 1]!, i32[b]!);
      stack.finish(0, 0);
    },
    /** The exponent replaces ST(0), then the significand is pushed. */
    fxtract: (): void => {
      stack.begin();
      if (stack.isEmpty(0)) {
        if (stack.underflow()) {
          stack.write(0);
          stack.top = stack.top - 1;
          stack.write(0);
        }
        return;
      }
      if (!stack.isEmpty(7)) {
        if (stack.overflow()) {
          stack.write(0);
          stack.top = stack.top - 1;
          stack.write(0);
        }
        return;
      }
      const a = stack.word(0);
      extract(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
      if (!stack.finish(0, 0)) return;
      setResult(operand.signExponent, operand.high, operand.low);
      stack.top = stack.top - 1;
      stack.write(0);
    },
  };
}

/** fxam's answer by `Kind`. */
const EXAMINED = [C2, C3, C3 | C2, C2 | C0, C0, 0];
