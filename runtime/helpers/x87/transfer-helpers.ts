/**
 * The helpers that move numbers: loads, stores, exchanges, conditional moves, constants and sign changes. A store leaves its bytes
 * in the scratch slot and returns 1, or 0 when an unmasked exception forbids it (memory stays as it is then).
 */
import { State } from '../../../translator/state.js';
import {
  narrowDouble,
  narrowSingle,
  operand,
  toDecimal,
  toInteger,
  widenDecimal,
  widenDouble,
  widenInteger,
  widenLong,
  widenSingle,
} from './convert.js';
import {
  BIAS,
  C1,
  DENORMAL,
  INVALID,
  Kind,
  OVERFLOW,
  ROUND_MASK,
  ROUND_NEAREST,
  ROUND_UP,
  SIGN,
  UNDERFLOW,
  kindOf,
  quietNan,
  result,
  setResult,
} from './float80.js';
import type { RegisterStack } from './register-stack.js';

const TOP = State.fpuTop >> 2;
const EMPTY = State.fpuEmpty >> 2;
const STATUS = State.fpuStatus >> 2;
const REGISTERS = State.fpuRegisters >> 2;
const TOP_BIT = 0x80000000 | 0;

export function createTransferHelpers(stack: RegisterStack) {
  const i32 = stack.i32;

  /** Pushes a number that raises nothing; false when ST(7) is in use. */
  function pushed(signExponent: number, high: number, low: number): boolean {
    const top = (i32[TOP]! - 1) & 7;
    const empty = i32[EMPTY]!;
    if ((empty & (1 << top)) === 0) return false;
    const word = REGISTERS + (top << 2);
    i32[word] = low;
    i32[word + 1] = high;
    i32[word + 2] = signExponent;
    i32[TOP] = top;
    i32[EMPTY] = empty & ~(1 << top);
    i32[STATUS] = i32[STATUS]! & ~C1;
    return true;
  }

  /** Pushes the widened operand: a signalling NaN becomes quiet; a source denormal is noted, yet pushed even if DE is unmasked. */
  function pushOperand(): void {
    stack.begin();
    if (operand.denormal && stack.isEmpty(7)) {
      stack.raise(DENORMAL);
      setResult(operand.signExponent, operand.high, operand.low);
      stack.top = stack.top - 1;
      stack.write(0);
      return;
    }
    if (kindOf(operand.signExponent, operand.high, operand.low) === Kind.nan) {
      quietNan(operand.signExponent, operand.high, operand.low);
    } else {
      setResult(operand.signExponent, operand.high, operand.low);
    }
    stack.push();
  }

  /** Whether the conversion in `result` may be stored; pops then. */
  function stored(pops: number): boolean {
    stack.raise(result.flags);
    if ((result.flags & ~result.control & (INVALID | OVERFLOW | UNDERFLOW)) !== 0) return false;
    stack.pop(pops);
    return true;
  }

  function store(slot: number, format: number, pops: number): number {
    stack.begin();
    if (stack.isEmpty(0)) {
      if (!stack.underflow()) return 0;
      const word = slot >> 2;
      if (format === 32) i32[word] = 0xffc00000 | 0;
      else if (format === 64) {
        i32[word] = 0;
        i32[word + 1] = 0xfff80000 | 0;
      } else {
        i32[word] = 0;
        i32[word + 1] = 0xc0000000 | 0;
        i32[word + 2] = 0xffff;
      }
      stack.pop(pops);
      return 1;
    }
    const a = stack.word(0);
    const word = slot >> 2;
    if (format === 80) {
      i32[word] = i32[a]!;
      i32[word + 1] = i32[a + 1]!;
      i32[word + 2] = i32[a + 2]! & 0xffff;
      stack.raise(0);
      stack.pop(pops);
      return 1;
    }
    if (format === 64) narrowDouble(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
    else narrowSingle(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
    if (!stored(pops)) return 0;
    i32[word] = result.low;
    if (format === 64) i32[word + 1] = result.high;
    return 1;
  }

  function storeInteger(slot: number, bits: number, truncate: boolean, pops: number): number {
    stack.begin();
    const word = slot >> 2;
    if (stack.isEmpty(0)) {
      if (!stack.underflow()) return 0;
      i32[word] = bits === 16 ? 0x8000 : bits === 32 ? 0x80000000 | 0 : 0;
      if (bits === 64) i32[word + 1] = 0x80000000 | 0;
      stack.pop(pops);
      return 1;
    }
    const a = stack.word(0);
    toInteger(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!, bits, truncate);
    if (!stored(pops)) return 0;
    i32[word] = result.low;
    if (bits === 64) i32[word + 1] = result.high;
    return 1;
  }

  /** A constant whose last bit depends on the rounding control. */
  function constant(signExponent: number, high: number, nearest: number, down: number, up: number): void {
    stack.begin();
    const rounding = result.control & ROUND_MASK;
    setResult(signExponent, high | 0, (rounding === ROUND_NEAREST ? nearest : rounding === ROUND_UP ? up : down) | 0);
    stack.push();
  }

  function exchange(i: number): void {
    stack.begin();
    if (stack.isEmpty(0) || stack.isEmpty(i)) {
      const first = stack.isEmpty(0);
      const second = stack.isEmpty(i);
      if (!stack.underflow()) return;
      if (first) stack.write(0);
      if (second) stack.write(i);
    } else stack.raise(0);
    const a = stack.word(0);
    const b = stack.word(i);
    const low = i32[a]!;
    const high = i32[a + 1]!;
    const signExponent = i32[a + 2]!;
    i32[a] = i32[b]!;
    i32[a + 1] = i32[b + 1]!;
    i32[a + 2] = i32[b + 2]!;
    i32[b] = low;
    i32[b + 1] = high;
    i32[b + 2] = signExponent;
  }

  /** ST(0) to ST(i). */
  function storeRegister(i: number, pops: number): void {
    stack.begin();
    if (stack.isEmpty(0)) {
      if (!stack.underflow()) return;
    } else {
      const a = stack.word(0);
      setResult(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
      stack.raise(0);
    }
    stack.write(i);
    stack.pop(pops);
  }

  function changeSign(keep: number, flip: number): void {
    if (stack.isEmpty(0)) {
      if (stack.underflow()) stack.write(0);
      return;
    }
    stack.raise(0);
    const a = stack.word(0);
    i32[a + 2] = ((i32[a + 2]! & 0xffff & keep) ^ flip) & 0xffff;
  }

  return {
    fldF32: (slot: number): void => {
      const bits = i32[slot >> 2]!;
      const exponent = (bits >>> 23) & 0xff;
      if (exponent !== 0 && exponent !== 0xff) {
        const signExponent = ((bits >>> 16) & SIGN) | (exponent + BIAS - 0x7f);
        if (pushed(signExponent, (bits << 8) | TOP_BIT, 0)) return;
      }
      widenSingle(i32[slot >> 2]!);
      pushOperand();
    },
    fldF64: (slot: number): void => {
      const low = i32[slot >> 2]!;
      const high = i32[(slot >> 2) + 1]!;
      const exponent = (high >>> 20) & 0x7ff;
      if (exponent !== 0 && exponent !== 0x7ff) {
        const signExponent = ((high >>> 16) & SIGN) | (exponent + BIAS - 0x3ff);
        if (pushed(signExponent, (high << 11) | TOP_BIT | (low >>> 21), low << 11)) return;
      }
      widenDouble(i32[(slot >> 2) + 1]!, i32[slot >> 2]!);
      pushOperand();
    },
    fldF80: (slot: number): void => {
      stack.begin();
      setResult(i32[(slot >> 2) + 2]! & 0xffff, i32[(slot >> 2) + 1]!, i32[slot >> 2]!);
      stack.push();
    },
    fildI16: (slot: number): void => {
      widenInteger((i32[slot >> 2]! << 16) >> 16);
      pushOperand();
    },
    fildI32: (slot: number): void => {
      widenInteger(i32[slot >> 2]!);
      pushOperand();
    },
    fildI64: (slot: number): void => {
      widenLong(i32[(slot >> 2) + 1]!, i32[slot >> 2]!);
      pushOperand();
    },
    fbld: (slot: number): void => {
      widenDecimal(i32[slot >> 2]!, i32[(slot >> 2) + 1]!, i32[(slot >> 2) + 2]! & 0xffff);
      pushOperand();
    },
    /** Pushes a copy of ST(i). */
    fld: (i: number): void => {
      const from = stack.word(i);
      if (!stack.isEmpty(i) && pushed(i32[from + 2]! & 0xffff, i32[from + 1]!, i32[from]!)) return;
      stack.begin();
      if (stack.isEmpty(i)) {
        if (!stack.underflow()) return;
        stack.top = stack.top - 1;
        stack.write(0);
        return;
      }
      const a = stack.word(i);
      setResult(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
      stack.push();
    },
    fst: (i: number): void => storeRegister(i, 0),
    fstp: (i: number): void => storeRegister(i, 1),
    fstF32: (slot: number): number => store(slot, 32, 0),
    /** D9 D8+i: as fstp, but an empty ST(0) is just popped. */
    fstpnce: (i: number): void => {
      if (!stack.isEmpty(0)) return storeRegister(i, 1);
      stack.raise(0);
      stack.pop(1);
    },
    fstpF32: (slot: number): number => store(slot, 32, 1),
    fstF64: (slot: number): number => store(slot, 64, 0),
    fstpF64: (slot: number): number => store(slot, 64, 1),
    fstpF80: (slot: number): number => store(slot, 80, 1),
    fistI16: (slot: number): number => storeInteger(slot, 16, false, 0),
    fistI32: (slot: number): number => storeInteger(slot, 32, false, 0),
    fistpI16: (slot: number): number => storeInteger(slot, 16, false, 1),
    fistpI32: (slot: number): number => storeInteger(slot, 32, false, 1),
    fistpI64: (slot: number): number => storeInteger(slot, 64, false, 1),
    fisttpI16: (slot: number): number => storeInteger(slot, 16, true, 1),
    fisttpI32: (slot: number): number => storeInteger(slot, 32, true, 1),
    fisttpI64: (slot: number): number => storeInteger(slot, 64, true, 1),
    fbstp: (slot: number): number => {
      stack.begin();
      const word = slot >> 2;
      if (stack.isEmpty(0)) {
        if (!stack.underflow()) return 0;
        stack.pop(1);
      } else {
        const a = stack.word(0);
        toDecimal(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
        if (!stored(1)) return 0;
      }
      i32[word] = result.low;
      i32[word + 1] = result.high;
      i32[word + 2] = result.signExponent;
      return 1;
    },
    fxch: exchange,
    /** Moves ST(i) to ST(0) when `condition` is not 0. */
    fcmov: (i: number, condition: number): void => {
      stack.begin();
      if (stack.isEmpty(0) || stack.isEmpty(i)) {
        if (stack.underflow()) stack.write(0);
        return;
      }
      if (condition === 0) return;
      const a = stack.word(i);
      setResult(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!);
      stack.write(0);
    },
    fchs: (): void => changeSign(0xffff, SIGN),
    fabs: (): void => changeSign(0x7fff, 0),
    fld1: (): void => constant(0x3fff, 0x80000000, 0, 0, 0),
    fldl2t: (): void => constant(0x4000, 0xd49a784b, 0xcd1b8afe, 0xcd1b8afe, 0xcd1b8aff),
    fldl2e: (): void => constant(0x3fff, 0xb8aa3b29, 0x5c17f0bc, 0x5c17f0bb, 0x5c17f0bc),
    fldpi: (): void => constant(0x4000, 0xc90fdaa2, 0x2168c235, 0x2168c234, 0x2168c235),
    fldlg2: (): void => constant(0x3ffd, 0x9a209a84, 0xfbcff799, 0xfbcff798, 0xfbcff799),
    fldln2: (): void => constant(0x3ffe, 0xb17217f7, 0xd1cf79ac, 0xd1cf79ab, 0xd1cf79ac),
    fldz: (): void => constant(0, 0, 0, 0, 0),
  };
}
