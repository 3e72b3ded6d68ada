/** Scaling by a power of two and taking a number apart into exponent and significand: fscale and fxtract. */
import { normal, normalise } from './arithmetic.js';
import { operand, widenInteger } from './convert.js';
import {
  BIAS,
  EXPONENT,
  Kind,
  SIGN,
  ZERO_DIVIDE,
  denormalStops,
  invalid,
  kindOf,
  nanOperands,
  quietNan,
  result,
  roundAndPack64,
  setInfinity,
  setResult,
  setZero,
} from './float80.js';

/** a * 2^trunc(b) */
export function scale(aSe: number, aHigh: number, aLow: number, bSe: number, bHigh: number, bLow: number): void {
  if (nanOperands(aSe, aHigh, aLow, bSe, bHigh, bLow)) return;
  const aKind = kindOf(aSe, aHigh, aLow);
  const bKind = kindOf(bSe, bHigh, bLow);
  const sign = aSe & SIGN;
  const down = (bSe & SIGN) !== 0;
  if (bKind === Kind.infinity) {
    if ((aKind === Kind.infinity && down) || (aKind === Kind.zero && !down)) return invalid();
    if (aKind === Kind.denormal && denormalStops()) return;
    if (aKind === Kind.infinity || aKind === Kind.zero) return setResult(aSe, aHigh, aLow);
    return down ? setZero(sign) : setInfinity(sign);
  }
  if ((aKind === Kind.denormal || bKind === Kind.denormal) && denormalStops()) return;
  if (aKind === Kind.infinity || aKind === Kind.zero) return setResult(aSe, aHigh, aLow);
  const exponent = (bSe & EXPONENT) - BIAS;
  // Beyond 2^16 every scale factor leaves the range in the same way.
  let steps = 0;
  if (exponent > 16) steps = 0x20000;
  else if (exponent >= 0) steps = bHigh >>> (31 - exponent);
  if (down) steps = -steps;
  normalise(aSe, aHigh, aLow);
  roundAndPack64(sign, normal.exponent + steps, normal.high, normal.low, 0);
}

/** The exponent as a number in `result`, the significand in `operand`. */
export function extract(aSe: number, aHigh: number, aLow: number): void {
  const kind = kindOf(aSe, aHigh, aLow);
  const sign = aSe & SIGN;
  if (kind === Kind.nan) quietNan(aSe, aHigh, aLow);
  else if (kind === Kind.unsupported) invalid();
  else if (kind === Kind.infinity) {
    setInfinity(0);
    setParts(aSe, aHigh, aLow);
    return;
  } else if (kind === Kind.zero) {
    result.flags |= ZERO_DIVIDE;
    setInfinity(SIGN);
    setParts(sign, 0, 0);
    return;
  } else {
    if (kind === Kind.denormal && denormalStops()) return;
    normalise(aSe, aHigh, aLow);
    widenInteger(normal.exponent - BIAS);
    setResult(operand.signExponent, operand.high, operand.low);
    setParts(sign | BIAS, normal.high, normal.low);
    return;
  }
  setParts(result.signExponent, result.high, result.low);
}

function setParts(signExponent: number, high: number, low: number): void {
  operand.signExponent = signExponent;
  operand.high = high;
  operand.low = low;
}
