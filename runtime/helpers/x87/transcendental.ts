/**
 * The transcendental instructions' values: 2^x - 1, y log2 x, y log2 (x + 1), sine, cosine, tangent and arctangent of 80-bit numbers, computed
 * in pairs of doubles and rounded once to 64 bits (precision control does not apply). Special operands follow the Intel SDM's tables;
 * where it leaves results undefined, they are what AMD's processors answer.
 */
import {
  BIAS,
  EXPONENT,
  Kind,
  PRECISION,
  SIGN,
  UNDERFLOW,
  ZERO_DIVIDE,
  borrowOf,
  compareMantissas,
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
import { normal, normalise } from './arithmetic.js';
import {
  addDouble,
  addPairs,
  dividePairs,
  fromMantissa,
  multiplyPairs,
  pair,
  polynomial,
  roundJustBelow,
  roundPair,
  set,
} from './double-double.js';
import {
  ARCTANGENT,
  ARCTANGENT_STEPS,
  AREA_TANGENT,
  COSINE,
  EXPONENTIAL,
  HALF_PI,
  LN2,
  PI,
  QUARTER_PI,
  SINE,
  THREE_QUARTERS_PI,
} from './constants.js';

const ONE_HIGH = 0x80000000 | 0;
const value = pair();
const square = pair();
const other = pair();
const third = pair();

/** f2xm1 */
export function exponentialMinusOne(signExponent: number, high: number, low: number): void {
  const kind = kindOf(signExponent, high, low);
  const sign = signExponent & SIGN;
  if (kind === Kind.nan) return quietNan(signExponent, high, low);
  if (kind === Kind.unsupported) return invalid();
  if (kind === Kind.zero) return setZero(sign);
  if (kind === Kind.infinity) return sign !== 0 ? setResult(SIGN | BIAS, ONE_HIGH, 0) : setInfinity(0);
  if (kind === Kind.denormal && denormalStops()) return;
  normalise(signExponent, high, low);
  const exponent = normal.exponent - BIAS;
  if (exponent >= 0) {
    // Outside -1 ... 1 the operand comes back.
    result.flags |= PRECISION;
    if (exponent === 0 && normal.high === ONE_HIGH && normal.low === 0) {
      return sign !== 0 ? setResult(SIGN | (BIAS - 1), ONE_HIGH, 0) : setResult(BIAS, ONE_HIGH, 0);
    }
    return setResult(signExponent, high, low);
  }
  if (exponent < -120) {
    // x ln 2, the mantissa apart from its exponent.
    fromMantissa(value, normal.high, normal.low, -63);
    multiplyPairs(value, value, LN2);
    if (sign !== 0) set(value, -value.hi, -value.lo);
    return roundPair(value, exponent, true);
  }
  fromMantissa(value, normal.high, normal.low, exponent - 63);
  if (sign !== 0) set(value, -value.hi, -value.lo);
  multiplyPairs(value, value, LN2);
  polynomial(other, EXPONENTIAL, value);
  multiplyPairs(value, value, other);
  roundPair(value, 0, true);
}

/** log2 of mantissa * 2^exponent (mantissa in 1 ... 2) into `value`. */
function logarithm(high: number, low: number, exponent: number): void {
  // Around 1: mantissas above the root of 2 count as halves of the next power.
  if (compareMantissas(high, low, 0xb504f333 | 0, 0) > 0) exponent++;
  // m - 1 is exact as a difference of integers; so is m + 1.
  fromMantissa(other, high, low, -63);
  if (compareMantissas(high, low, 0xb504f333 | 0, 0) > 0) set(other, other.hi / 2, other.lo / 2);
  addDouble(value, other, -1);
  addDouble(other, other, 1);
  ratioToLogarithm();
  if (exponent !== 0) addDouble(value, value, exponent);
}

/** log2((1 + s) / (1 - s)) with s = value / other, into `value`. */
function ratioToLogarithm(): void {
  dividePairs(value, value, other);
  multiplyPairs(square, value, value);
  polynomial(other, AREA_TANGENT, square);
  multiplyPairs(value, value, other);
}

/** The product of `value` and the finite number y, rounded. */
function timesAndRound(ySign: number, yExponent: number, yHigh: number, yLow: number, inexact: boolean): void {
  fromMantissa(other, yHigh, yLow, -63);
  if (ySign !== 0) set(other, -other.hi, -other.lo);
  multiplyPairs(value, value, other);
  roundPair(value, yExponent - BIAS, inexact);
}

/** The processor calls every result inexact, even one that is exact: tiny ones underflow then. */
function sayInexact(): void {
  result.flags |= (result.signExponent & EXPONENT) === 0 ? PRECISION | UNDERFLOW : PRECISION;
}

/** y log2 x */
export function timesLogarithm(
  xSe: number,
  xHigh: number,
  xLow: number,
  ySe: number,
  yHigh: number,
  yLow: number,
): void {
  if (nanOperands(xSe, xHigh, xLow, ySe, yHigh, yLow)) return;
  const xKind = kindOf(xSe, xHigh, xLow);
  const yKind = kindOf(ySe, yHigh, yLow);
  const ySign = ySe & SIGN;
  if ((xSe & SIGN) !== 0 && xKind !== Kind.zero) return invalid();
  const isOne = xSe === BIAS && xHigh === ONE_HIGH && xLow === 0;
  if (xKind === Kind.zero) {
    if (yKind === Kind.zero) return invalid();
    if (yKind !== Kind.infinity) result.flags |= ZERO_DIVIDE;
    return setInfinity(ySign ^ SIGN);
  }
  if (yKind === Kind.zero && xKind === Kind.infinity) return invalid();
  if (yKind === Kind.infinity && isOne) return invalid();
  if ((xKind === Kind.denormal || yKind === Kind.denormal) && denormalStops()) return;
  const belowOne = (xSe & EXPONENT) < BIAS;
  if (xKind === Kind.infinity) return setInfinity(ySign);
  if (yKind === Kind.infinity) return setInfinity(ySign ^ (belowOne ? SIGN : 0));
  if (yKind === Kind.zero) return setZero(ySign ^ (belowOne ? SIGN : 0));
  if (isOne) return setZero(ySign);
  normalise(xSe, xHigh, xLow);
  const exact = normal.high === ONE_HIGH && normal.low === 0;
  logarithm(normal.high, normal.low, normal.exponent - BIAS);
  normalise(ySe, yHigh, yLow);
  timesAndRound(ySign, normal.exponent, normal.high, normal.low, !exact);
  sayInexact();
}

/** y log2 (x + 1) */
export function timesLogarithmPlusOne(
  xSe: number,
  xHigh: number,
  xLow: number,
  ySe: number,
  yHigh: number,
  yLow: number,
): void {
  if (nanOperands(xSe, xHigh, xLow, ySe, yHigh, yLow)) return;
  const xKind = kindOf(xSe, xHigh, xLow);
  const yKind = kindOf(ySe, yHigh, yLow);
  const xSign = xSe & SIGN;
  const ySign = ySe & SIGN;
  if (xKind === Kind.infinity && (xSign !== 0 || yKind === Kind.zero)) return invalid();
  if (xKind === Kind.zero && yKind === Kind.infinity) return invalid();
  if ((xKind === Kind.denormal || yKind === Kind.denormal) && denormalStops()) return;
  if (xKind === Kind.infinity) return setInfinity(ySign);
  if (yKind === Kind.infinity) return setInfinity(ySign ^ xSign);
  if (xKind === Kind.zero || yKind === Kind.zero) return setZero(ySign ^ xSign);
  if (xSign !== 0 && (xSe & EXPONENT) >= BIAS) {
    // Outside its domain the operand comes back.
    result.flags |= PRECISION;
    return setResult(xSe, xHigh, xLow);
  }
  normalise(xSe, xHigh, xLow);
  const exponent = normal.exponent - BIAS;
  let scale = 0;
  if (exponent < -120) {
    // x / ln 2
    fromMantissa(value, normal.high, normal.low, -63);
    set(other, AREA_TANGENT[0]! / 2, AREA_TANGENT[1]! / 2);
    multiplyPairs(value, value, other);
    scale = exponent;
  } else if (
    exponent < 0 &&
    (exponent < -2 || xSign === 0
      ? exponent < -1 || compareMantissas(normal.high, normal.low, 0xd413cccf | 0, 0) < 0
      : compareMantissas(normal.high, normal.low, 0x95f61998 | 0, 0) < 0)
  ) {
    // s = x / (x + 2)
    fromMantissa(value, normal.high, normal.low, exponent - 63);
    if (xSign !== 0) set(value, -value.hi, -value.lo);
    addDouble(other, value, 2);
    ratioToLogarithm();
  } else if (exponent > 200) {
    logarithm(normal.high, normal.low, exponent);
  } else {
    fromMantissa(third, normal.high, normal.low, exponent - 63);
    if (xSign !== 0) set(third, -third.hi, -third.lo);
    addDouble(third, third, 1);
    pairLogarithm();
  }
  if (scale !== 0 && xSign !== 0) set(value, -value.hi, -value.lo);
  normalise(ySe, yHigh, yLow);
  timesAndRound(ySign, normal.exponent + scale, normal.high, normal.low, true);
}

/** log2 of the pair `third` into `value`. */
function pairLogarithm(): void {
  let power = 0;
  while (third.hi > 1.4142135623730951) {
    set(third, third.hi / 2, third.lo / 2);
    power++;
  }
  while (third.hi < 0.7071067811865476) {
    set(third, third.hi * 2, third.lo * 2);
    power--;
  }
  addDouble(value, third, -1);
  addDouble(other, third, 1);
  ratioToLogarithm();
  if (power !== 0) addDouble(value, value, power);
}

/** The processor's pi/2, in units of 2^-65: its pi has 66 bits. */
const PI_TOP = 3;
const PI_MIDDLE = 0x243f6a88;
const PI_LOW = 0x85a308d3 | 0;
/** The quadrant that the last reduction found. */
let quadrant = 0;
const angle = pair();

/** Reduces a finite number of magnitude 2^-3 ... 2^63 to `angle` in -pi/4 ... pi/4 and `quadrant`. */
function reduceAngle(sign: number, exponent: number, high: number, low: number): void {
  let top = 0;
  quadrant = 0;
  for (let steps = exponent + 2; ; steps--) {
    quadrant = quadrant << 1;
    if (top > PI_TOP || (top === PI_TOP && compareMantissas(high, low, PI_MIDDLE, PI_LOW) >= 0)) {
      const difference = (low - PI_LOW) | 0;
      const borrow = borrowOf(low, PI_LOW, difference);
      const partial = (high - PI_MIDDLE) | 0;
      const upper = (partial - borrow) | 0;
      top = top - PI_TOP - borrowOf(high, PI_MIDDLE, partial) - (partial === 0 ? borrow : 0);
      high = upper;
      low = difference;
      quadrant |= 1;
    }
    if (steps <= 0) break;
    top = (top << 1) | (high >>> 31);
    high = (high << 1) | (low >>> 31);
    low = low << 1;
  }
  // The nearer multiple: rest above pi/4 becomes rest - pi/2.
  let negative = sign !== 0;
  const twiceTop = (top << 1) | (high >>> 31);
  const twiceHigh = (high << 1) | (low >>> 31);
  if (twiceTop > PI_TOP || (twiceTop === PI_TOP && compareMantissas(twiceHigh, low << 1, PI_MIDDLE, PI_LOW) > 0)) {
    const difference = (PI_LOW - low) | 0;
    const borrow = borrowOf(PI_LOW, low, difference);
    const partial = (PI_MIDDLE - high) | 0;
    top = PI_TOP - top - borrowOf(PI_MIDDLE, high, partial) - (partial === 0 ? borrow : 0);
    high = (partial - borrow) | 0;
    low = difference;
    quadrant++;
    negative = !negative;
  }
  if (sign !== 0) quadrant = -quadrant;
  quadrant &= 3;
  fromMantissa(angle, high, low, -65);
  if (top !== 0) {
    set(other, top * 0.5, 0);
    addPairs(angle, angle, other);
  }
  if (negative) set(angle, -angle.hi, -angle.lo);
}

function sineOfAngle(): void {
  multiplyPairs(square, angle, angle);
  polynomial(value, SINE, square);
  multiplyPairs(value, value, angle);
}
function cosineOfAngle(): void {
  multiplyPairs(square, angle, angle);
  polynomial(value, COSINE, square);
}

/** Why a trigonometric instruction has its answer already. */
const Trigonometric = { ready: 0, special: 1, outOfRange: 2, tiny: 3 } as const;

/** Sorts the operand; if `ready`, `angle` and `quadrant` are set. */
function prepare(signExponent: number, high: number, low: number): number {
  const kind = kindOf(signExponent, high, low);
  if (kind === Kind.nan) quietNan(signExponent, high, low);
  else if (kind === Kind.unsupported || kind === Kind.infinity) invalid();
  else if (kind === Kind.zero) return Trigonometric.tiny;
  else if (kind === Kind.denormal && denormalStops()) return Trigonometric.special;
  else {
    normalise(signExponent, high, low);
    const exponent = normal.exponent - BIAS;
    if (exponent >= 63) {
      setResult(signExponent, high, low);
      return Trigonometric.outOfRange;
    }
    if (exponent < -60) return Trigonometric.tiny;
    if (exponent < -2) {
      quadrant = 0;
      fromMantissa(angle, normal.high, normal.low, exponent - 63);
      if ((signExponent & SIGN) !== 0) set(angle, -angle.hi, -angle.lo);
    } else reduceAngle(signExponent & SIGN, exponent, normal.high, normal.low);
    return Trigonometric.ready;
  }
  return Trigonometric.special;
}

/** True: the operand is out of range (C2). */
export function sine(signExponent: number, high: number, low: number): boolean {
  const sort = prepare(signExponent, high, low);
  if (sort === Trigonometric.tiny) {
    if ((high | low) === 0) setZero(signExponent & SIGN);
    else roundJustBelow(signExponent & SIGN, normal.exponent, normal.high, normal.low);
  } else if (sort === Trigonometric.ready) {
    if ((quadrant & 1) === 0) sineOfAngle();
    else cosineOfAngle();
    if ((quadrant & 2) !== 0) set(value, -value.hi, -value.lo);
    roundPair(value, 0, true);
  }
  return sort === Trigonometric.outOfRange;
}

export function cosine(signExponent: number, high: number, low: number): boolean {
  const sort = prepare(signExponent, high, low);
  if (sort === Trigonometric.tiny) {
    if ((high | low) === 0) setResult(BIAS, ONE_HIGH, 0);
    else roundJustBelow(0, BIAS, ONE_HIGH, 0);
  } else if (sort === Trigonometric.ready) {
    if ((quadrant & 1) === 0) cosineOfAngle();
    else sineOfAngle();
    if (quadrant === 1 || quadrant === 2) set(value, -value.hi, -value.lo);
    roundPair(value, 0, true);
  }
  return sort === Trigonometric.outOfRange;
}

export function tangent(signExponent: number, high: number, low: number): boolean {
  const sort = prepare(signExponent, high, low);
  if (sort === Trigonometric.tiny) {
    if ((high | low) === 0) setZero(signExponent & SIGN);
    else {
      // A little above the angle. The processor keeps a power of two as it is.
      const exact = normal.high === ONE_HIGH && normal.low === 0;
      roundAndPack64(signExponent & SIGN, normal.exponent, normal.high, normal.low, exact ? 0 : 1);
      sayInexact();
    }
  } else if (sort === Trigonometric.ready) {
    sineOfAngle();
    set(third, value.hi, value.lo);
    cosineOfAngle();
    if ((quadrant & 1) === 0) dividePairs(value, third, value);
    else {
      dividePairs(value, value, third);
      set(value, -value.hi, -value.lo);
    }
    roundPair(value, 0, true);
  }
  return sort === Trigonometric.outOfRange;
}

/** The angle of the point (x, y). */
export function arctangent(xSe: number, xHigh: number, xLow: number, ySe: number, yHigh: number, yLow: number): void {
  if (nanOperands(xSe, xHigh, xLow, ySe, yHigh, yLow)) return;
  const xKind = kindOf(xSe, xHigh, xLow);
  const yKind = kindOf(ySe, yHigh, yLow);
  const ySign = ySe & SIGN;
  const left = (xSe & SIGN) !== 0;
  if ((xKind === Kind.denormal || yKind === Kind.denormal) && denormalStops()) return;
  if (yKind === Kind.infinity) {
    if (xKind !== Kind.infinity) return rounded(HALF_PI, ySign);
    return rounded(left ? THREE_QUARTERS_PI : QUARTER_PI, ySign);
  }
  if (yKind === Kind.zero || xKind === Kind.infinity) return left ? rounded(PI, ySign) : setZero(ySign);
  if (xKind === Kind.zero) return rounded(HALF_PI, ySign);
  normalise(xSe, xHigh, xLow);
  const { exponent, high, low } = normal;
  normalise(ySe, yHigh, yLow);
  const distance = normal.exponent - exponent;
  if (distance > 110) return rounded(HALF_PI, ySign);
  if (distance < -110 && left) return rounded(PI, ySign);
  const swapped = distance > 0 || (distance === 0 && compareMantissas(normal.high, normal.low, high, low) > 0);
  // The quotient of the smaller by the larger, as value * 2^scale.
  fromMantissa(value, normal.high, normal.low, -63);
  fromMantissa(other, high, low, -63);
  const identical = distance === 0 && normal.high === high && normal.low === low;
  let scale = distance;
  if (swapped) {
    scale = -distance;
    set(third, value.hi, value.lo);
    set(value, other.hi, other.lo);
    set(other, third.hi, third.lo);
  }
  dividePairs(value, value, other);
  if (scale < -110) {
    // The angle is the quotient, a little less.
    addDouble(value, value, -value.hi * 2 ** -104);
    if (ySign !== 0) set(value, -value.hi, -value.lo);
    return roundPair(value, scale, true);
  }
  if (identical) return rounded(left ? THREE_QUARTERS_PI : QUARTER_PI, ySign);
  const factor = 2 ** scale;
  set(value, value.hi * factor, value.lo * factor);
  // atan(q) = atan(c) + atan((q - c) / (1 + q c)), c the nearest sixteenth.
  const sixteenth = Math.round(value.hi * 16);
  if (sixteenth !== 0) {
    const c = sixteenth / 16;
    set(third, c, 0);
    multiplyPairs(other, value, third);
    addDouble(other, other, 1);
    addDouble(value, value, -c);
    dividePairs(value, value, other);
  }
  multiplyPairs(square, value, value);
  polynomial(other, ARCTANGENT, square);
  multiplyPairs(value, value, other);
  if (sixteenth !== 0) {
    set(third, ARCTANGENT_STEPS[2 * sixteenth]!, ARCTANGENT_STEPS[2 * sixteenth + 1]!);
    addPairs(value, value, third);
  }
  if (swapped) {
    if (!left) set(value, -value.hi, -value.lo);
    addPairs(value, HALF_PI, value);
  } else if (left) {
    set(value, -value.hi, -value.lo);
    addPairs(value, PI, value);
  }
  if (ySign !== 0) set(value, -value.hi, -value.lo);
  roundPair(value, 0, true);
}

function rounded(constant: { readonly hi: number; readonly lo: number }, sign: number): void {
  if (sign !== 0) set(value, -constant.hi, -constant.lo);
  else set(value, constant.hi, constant.lo);
  roundPair(value, 0, true);
}
