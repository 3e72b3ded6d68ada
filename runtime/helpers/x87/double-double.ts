/**
 * Arithmetic on unevaluated sums of two doubles (about 106 bits): what the transcendental functions compute with before their
 * one rounding to 64 bits. The algorithms are Dekker's and Knuth's error-free transformations (T. J. Dekker, "A
 * floating-point technique for extending the available precision", 1971). Values live in `Pair` objects that are overwritten in place.
 */
import { roundAndPack64, setZero } from './float80.js';

export interface Pair {
  hi: number;
  lo: number;
}
/** Not a small integer at first, so that V8 keeps both fields as doubles from the start. */
export function pair(hi = 0.5, lo = 0.5): Pair {
  return { hi, lo };
}

const SPLIT = 134217729;

export function set(out: Pair, hi: number, lo: number): void {
  out.hi = hi;
  out.lo = lo;
}

/** out = a + b */
export function addPairs(out: Pair, a: Pair, b: Pair): void {
  const sum = a.hi + b.hi;
  const part = sum - a.hi;
  const error = a.hi - (sum - part) + (b.hi - part);
  const sumLow = a.lo + b.lo;
  const partLow = sumLow - a.lo;
  const errorLow = a.lo - (sumLow - partLow) + (b.lo - partLow);
  const carry = error + sumLow;
  const hi = sum + carry;
  const lo = carry - (hi - sum) + errorLow;
  out.hi = hi + lo;
  out.lo = lo - (out.hi - hi);
}

export function addDouble(out: Pair, a: Pair, b: number): void {
  const sum = a.hi + b;
  const part = sum - a.hi;
  const error = a.hi - (sum - part) + (b - part) + a.lo;
  out.hi = sum + error;
  out.lo = error - (out.hi - sum);
}

/** out = a * b */
export function multiplyPairs(out: Pair, a: Pair, b: Pair): void {
  const product = a.hi * b.hi;
  let t = a.hi * SPLIT;
  const aHigh = t - (t - a.hi);
  const aLow = a.hi - aHigh;
  t = b.hi * SPLIT;
  const bHigh = t - (t - b.hi);
  const bLow = b.hi - bHigh;
  const error = aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow + (a.hi * b.lo + a.lo * b.hi);
  out.hi = product + error;
  out.lo = error - (out.hi - product);
}

/** out = a / b */
export function dividePairs(out: Pair, a: Pair, b: Pair): void {
  const first = a.hi / b.hi;
  set(step, first, 0);
  multiplyPairs(step, b, step);
  set(step, -step.hi, -step.lo);
  addPairs(rest, a, step);
  const second = rest.hi / b.hi;
  set(step, second, 0);
  multiplyPairs(step, b, step);
  set(step, -step.hi, -step.lo);
  addPairs(rest, rest, step);
  const third = rest.hi / b.hi;
  const sum = first + second;
  set(step, sum, second - (sum - first));
  addDouble(out, step, third);
}
const step = pair();
const rest = pair();

/**
 * out = coefficients[0] + x * (coefficients[1] + x * (...)). Coefficients are given as hi, lo, hi, lo, ... Where a term is
 * too small for its lower half to matter, the list's author leaves that half 0.
 */
export function polynomial(out: Pair, coefficients: Float64Array, x: Pair): void {
  const xHi = x.hi;
  const xLo = x.lo;
  let t = xHi * SPLIT;
  const xHigh = t - (t - xHi);
  const xLow = xHi - xHigh;
  let i = coefficients.length - 2;
  let hi = coefficients[i]!;
  let lo = coefficients[i + 1]!;
  for (i -= 2; i >= 0; i -= 2) {
    const product = hi * xHi;
    t = hi * SPLIT;
    const high = t - (t - hi);
    const low = hi - high;
    let error = high * xHigh - product + high * xLow + low * xHigh + low * xLow + (hi * xLo + lo * xHi);
    const c = coefficients[i]!;
    const sum = c + product;
    const part = sum - c;
    error += c - (sum - part) + (product - part) + coefficients[i + 1]!;
    hi = sum + error;
    lo = error - (hi - sum);
  }
  out.hi = hi;
  out.lo = lo;
}

/** The unsigned 64-bit integer high:low times 2^exponent; exact. */
export function fromMantissa(out: Pair, high: number, low: number, exponent: number): void {
  const scale = powerOfTwo(exponent);
  const upper = (high >>> 0) * 4294967296;
  const lower = low >>> 0;
  const sum = upper + lower;
  out.hi = sum * scale;
  out.lo = (lower - (sum - upper)) * scale;
}

const viewDouble = new Float64Array(1);
const viewWords = new Int32Array(viewDouble.buffer);

/** 2^exponent for -1022 ... 1023. */
export function powerOfTwo(exponent: number): number {
  viewWords[0] = 0;
  viewWords[1] = (exponent + 1023) << 20;
  return viewDouble[0]!;
}

/**
 * Rounds value * 2^exponent to 64 bits into `result`.
 * @param inexact the true value is known not to be representable (or to differ by less than the pair can say)
 */
export function roundPair(value: Pair, exponent: number, inexact: boolean): void {
  let { hi, lo } = value;
  if (hi === 0) return setZero(0);
  let sign = 0;
  if (hi < 0) {
    sign = 0x8000;
    hi = -hi;
    lo = -lo;
  }
  viewDouble[0] = hi;
  const upper = viewWords[1]!;
  const lower = viewWords[0]!;
  const power = (upper >>> 20) - 1023;
  let high = (upper << 11) | 0x80000000 | (lower >>> 21);
  let low = lower << 11;
  // The lower half in units of the 64-bit mantissa's last place: at most 2^10 of them.
  const units = lo * powerOfTwo(63 - power);
  const whole = Math.floor(units);
  const fraction = (units - whole) * 4294967296;
  // Just below a whole number the fraction rounds up to 1.
  let extra = fraction >= 4294967296 ? -1 : fraction | 0;
  if (inexact || fraction !== Math.floor(fraction)) extra |= 1;
  const sum = low + whole + (low < 0 ? 4294967296 : 0);
  low = sum | 0;
  let biased = exponent + power + 0x3fff;
  if (sum < 0) {
    high = (high - 1) | 0;
    if (high >= 0) {
      high = (high << 1) | (low >>> 31);
      low = (low << 1) | (extra >>> 31);
      extra = (extra << 1) | (extra & 1);
      biased--;
    }
  } else if (sum >= 4294967296) {
    high = (high + 1) | 0;
    if (high === 0) {
      high = 0x80000000 | 0;
      biased++;
    }
  }
  roundAndPack64(sign, biased, high, low, extra);
}

/** Rounds a number just below (in magnitude) the normalised mantissa given: the answer of functions that are x minus next to nothing. */
export function roundJustBelow(sign: number, exponent: number, high: number, low: number): void {
  if (low === 0) high = (high - 1) | 0;
  low = (low - 1) | 0;
  if (high < 0) roundAndPack64(sign, exponent, high, low, -1);
  else roundAndPack64(sign, exponent - 1, (high << 1) | (low >>> 31), (low << 1) | 1, -1);
}
