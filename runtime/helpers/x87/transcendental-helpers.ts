/** The helpers of the transcendental instructions: their stack behaviour around the values of transcendental.ts. */
import { BIAS, C1, C2, result, setResult } from './float80.js';
import type { RegisterStack } from './register-stack.js';
import {
  arctangent,
  cosine,
  exponentialMinusOne,
  sine,
  tangent,
  timesLogarithm,
  timesLogarithmPlusOne,
} from './transcendental.js';

type Unary = (signExponent: number, high: number, low: number) => unknown;
type Binary = (aSe: number, aHigh: number, aLow: number, bSe: number, bHigh: number, bLow: number) => void;

export function createTranscendentalHelpers(stack: RegisterStack) {
  const i32 = stack.i32;

  /** ST(0) in place; C2 tells of an operand out of range. */
  function inPlace(operation: Unary, setsC2: boolean): void {
    stack.begin();
    if (setsC2) stack.status = stack.status & ~C2;
    if (stack.isEmpty(0)) {
      if (stack.underflow()) stack.write(0);
      return;
    }
    const a = stack.word(0);
    const out = operation(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!) === true;
    if (out) {
      stack.raise(0);
      stack.status = stack.status | C2;
    } else stack.finish(0, 0);
  }

  /** ST(0) in place, then a second result pushed. */
  function pushing(first: Unary, second: Unary): void {
    stack.begin();
    stack.status = stack.status & ~C2;
    if (stack.isEmpty(0) || !stack.isEmpty(7)) {
      if (stack.isEmpty(0) ? stack.underflow() : stack.overflow()) {
        stack.write(0);
        stack.top = stack.top - 1;
        stack.write(0);
      }
      return;
    }
    const a = stack.word(0);
    const signExponent = i32[a + 2]! & 0xffff;
    const high = i32[a + 1]!;
    const low = i32[a]!;
    if (first(signExponent, high, low) === true) {
      stack.raise(0);
      stack.status = stack.status | C2;
      return;
    }
    if (!stack.finish(0, 0)) return;
    const flags = result.flags;
    result.flags = 0;
    second(signExponent, high, low);
    // C1 is that of the first.
    stack.raise((result.flags & ~C1) | flags);
    stack.top = stack.top - 1;
    stack.write(0);
  }

  /** ST(0) and ST(1) to ST(1), then a pop. */
  function combining(operation: Binary): void {
    stack.begin();
    if (stack.isEmpty(0) || stack.isEmpty(1)) {
      if (stack.underflow()) {
        stack.write(1);
        stack.pop(1);
      }
      return;
    }
    const a = stack.word(0);
    const b = stack.word(1);
    operation(i32[a + 2]! & 0xffff, i32[a + 1]!, i32[a]!, i32[b + 2]! & 0xffff, i32[b + 1]!, i32[b]!);
    stack.finish(1, 1);
  }

  /** What fptan pushes: 1, or the same NaN as the tangent. */
  function one(): void {
    if ((result.signExponent & 0x7fff) === 0x7fff) return;
    setResult(BIAS, 0x80000000 | 0, 0);
  }

  return {
    f2xm1: (): void => inPlace(exponentialMinusOne, false),
    fyl2x: (): void => combining(timesLogarithm),
    fyl2xp1: (): void => combining(timesLogarithmPlusOne),
    fpatan: (): void => combining(arctangent),
    fsin: (): void => inPlace(sine, true),
    fcos: (): void => inPlace(cosine, true),
    fsincos: (): void => pushing(sine, cosine),
    fptan: (): void => pushing(tangent, one),
  };
}
