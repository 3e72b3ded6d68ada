/**
 * Exact conversions of one lane between binary32, binary64 and 32-bit integers, with MXCSR's rounding modes and flags: the
 * counterpart of `softfloat.ts` for the cvt and round instructions. Results go to `out`, flags are returned.
 */
import { DENORMALS_ARE_ZERO, Flag, Rounding, ROUNDING_SHIFT } from './mxcsr.js';
import {
  BINARY32,
  correction,
  doubleOf,
  EXPONENT_32,
  EXPONENT_64,
  floatOf,
  isDenormal32,
  isDenormal64,
  isNan32,
  isNan64,
  isSignalling32,
  isSignalling64,
  mantissa64,
  pack,
  packedLow,
  QUIET_32,
  QUIET_64,
  SAFE_HIGH_32,
  SAFE_LOW_32,
  SIGN,
} from './softfloat.js';

const f64 = new Float64Array(1);
const bits64 = new Int32Array(f64.buffer);
const f32 = new Float32Array(1);
const bits32 = new Int32Array(f32.buffer);

/** Binary64 to binary32 (cvtsd2ss): `out[index]` receives the bits; returns flags. */
export function narrow(low: number, high: number, mxcsr: number, out: Int32Array, index: number): number {
  if (isNan64(low, high)) {
    out[index] = (high & SIGN) | EXPONENT_32 | QUIET_32 | ((high & 0xfffff) << 3) | (low >>> 29);
    return isSignalling64(low, high) ? Flag.invalid : 0;
  }
  let flags = 0;
  if (isDenormal64(low, high)) {
    if (mxcsr & DENORMALS_ARE_ZERO) {
      low = 0;
      high &= SIGN;
    } else flags = Flag.denormal;
  }
  const x = doubleOf(low, high);
  if (x === 0 || Math.abs(x) === Infinity) {
    f32[0] = x;
    out[index] = bits32[0];
    return flags;
  }
  const rounded = Math.fround(x);
  const size = Math.abs(rounded);
  if (size > SAFE_LOW_32 && size < SAFE_HIGH_32) {
    const error = x - rounded;
    f32[0] = rounded;
    if (error !== 0) {
      flags |= Flag.precision;
      const step = correction((mxcsr >> ROUNDING_SHIFT) & 3, error, rounded);
      bits32[0] += rounded > 0 ? step : -step;
    }
    out[index] = bits32[0];
    return flags;
  }
  const exponent = (high >> 20) & 0x7ff;
  flags |= pack(BINARY32, high < 0, mantissa64(low, high, exponent), (exponent || 1) - 1075, mxcsr);
  out[index] = packedLow;
  return flags;
}

/** Binary32 to binary64 (cvtss2sd): exact. */
export function widen(bits: number, mxcsr: number, out: Int32Array, index: number): number {
  if (isNan32(bits)) {
    out[index] = bits << 29;
    out[index + 1] = (bits & SIGN) | EXPONENT_64 | QUIET_64 | ((bits & 0x7fffff) >> 3);
    return isSignalling32(bits) ? Flag.invalid : 0;
  }
  let flags = 0;
  if (isDenormal32(bits)) {
    if (mxcsr & DENORMALS_ARE_ZERO) bits &= SIGN;
    else flags = Flag.denormal;
  }
  f64[0] = floatOf(bits);
  out[index] = bits64[0];
  out[index + 1] = bits64[1];
  return flags;
}

/** Signed integer to binary32 (cvtsi2ss). */
export function fromInteger32(value: number, mxcsr: number, out: Int32Array, index: number): number {
  const rounded = Math.fround(value);
  const error = value - rounded;
  f32[0] = rounded;
  if (error !== 0) {
    const step = correction((mxcsr >> ROUNDING_SHIFT) & 3, error, rounded);
    bits32[0] += rounded > 0 ? step : -step;
  }
  out[index] = bits32[0];
  return error === 0 ? 0 : Flag.precision;
}

/** A finite double rounded to an integral double in a rounding mode; the sign of zero is the operand's. */
export function roundToIntegral(x: number, mode: number): number {
  let r: number;
  switch (mode) {
    case Rounding.down:
      return Math.floor(x);
    case Rounding.up:
      return Math.ceil(x);
    case Rounding.zero:
      return Math.trunc(x);
    default:
      r = Math.floor(x);
      if (x - r > 0.5 || (x - r === 0.5 && r % 2 !== 0)) r += 1;
      // Math.floor(-0.5) + 1 is +0 where IEEE keeps the sign.
      return r === 0 && x < 0 ? -0 : r;
  }
}

/** A double to a signed 32-bit integer in a rounding mode: the integer in `out[index]`, flags returned. */
export function toInteger(x: number, mode: number, out: Int32Array, index: number): number {
  const r = Math.abs(x) < 2 ** 53 ? roundToIntegral(x, mode) : x;
  if (!(r >= -2147483648 && r <= 2147483647)) {
    out[index] = SIGN;
    return Flag.invalid;
  }
  out[index] = r;
  return r === x ? 0 : Flag.precision;
}
