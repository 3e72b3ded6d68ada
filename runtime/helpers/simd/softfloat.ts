/**
 * Exact IEEE 754 arithmetic with MXCSR's rounding modes, flags, DAZ and FTZ, one lane at a time: what the SSE helpers
 * fall back on when JavaScript's own operation would not do. Operands and results are bit patterns, so NaN payloads
 * survive; a function returns the lane's exception flags and leaves the result in its `out` array.
 *
 * Ordinary operands take a path of plain doubles whose rounding error is computed exactly (TwoSum and TwoProduct:
 * Handbook of Floating-Point Arithmetic, chapter 4); BigInt serves what is left: results near the ends of the exponent
 * range and denormals.
 */
import { ALL_MASKS, DENORMALS_ARE_ZERO, Flag, FLUSH_TO_ZERO, MASK_SHIFT, Rounding, ROUNDING_SHIFT } from './mxcsr.js';

/** The arithmetic operations of a lane. */
export const Op = { add: 0, sub: 1, mul: 2, div: 3, min: 4, max: 5, sqrt: 6 } as const;
export type Op = (typeof Op)[keyof typeof Op];

const f64 = new Float64Array(1);
const bits64 = new Int32Array(f64.buffer);
const f32 = new Float32Array(1);
const bits32 = new Int32Array(f32.buffer);

const MAGNITUDE = 0x7fffffff;
export const SIGN = 0x80000000 | 0;
export const EXPONENT_32 = 0x7f800000;
export const QUIET_32 = 0x00400000;
export const EXPONENT_64 = 0x7ff00000;
export const QUIET_64 = 0x00080000;

export const SMALLEST_NORMAL_32 = 2 ** -126;
export const SMALLEST_NORMAL_64 = 2 ** -1022;
/** Within these bounds no intermediate of the error terms over- or underflows. */
const SAFE_HIGH_64 = 2 ** 450;
const SAFE_LOW_64 = 2 ** -450;
export const SAFE_HIGH_32 = 2 ** 120;
export const SAFE_LOW_32 = 2 ** -120;
const SPLITTER = 2 ** 27 + 1;

export interface Format {
  /** Bits of the significand, the hidden one included. */
  readonly precision: number;
  /** Exponents of the smallest and largest normal number. */
  readonly minimum: number;
  readonly maximum: number;
}
export const BINARY32: Format = { precision: 24, minimum: -126, maximum: 127 };
const BINARY64: Format = { precision: 53, minimum: -1022, maximum: 1023 };

/** A double from its bit pattern. */
export function doubleOf(low: number, high: number): number {
  bits64[0] = low;
  bits64[1] = high;
  return f64[0];
}

/** A float from its bit pattern. */
export function floatOf(bits: number): number {
  bits32[0] = bits;
  return f32[0];
}

export const isNan32 = (bits: number): boolean => (bits & MAGNITUDE) > EXPONENT_32;
export const isSignalling32 = (bits: number): boolean => isNan32(bits) && (bits & QUIET_32) === 0;
export const isDenormal32 = (bits: number): boolean => (bits & EXPONENT_32) === 0 && (bits & MAGNITUDE) !== 0;
export const isNan64 = (low: number, high: number): boolean =>
  (high & MAGNITUDE) > EXPONENT_64 || ((high & MAGNITUDE) === EXPONENT_64 && low !== 0);
export const isSignalling64 = (low: number, high: number): boolean => isNan64(low, high) && (high & QUIET_64) === 0;
export const isDenormal64 = (low: number, high: number): boolean =>
  (high & EXPONENT_64) === 0 && ((high & MAGNITUDE) | low) !== 0;

/** The exact product `x * y` minus the nearest double `p`; the operands are within the safe bounds. */
export function productError(x: number, y: number, p: number): number {
  const cx = SPLITTER * x;
  const xh = cx - (cx - x);
  const xl = x - xh;
  const cy = SPLITTER * y;
  const yh = cy - (cy - y);
  const yl = y - yh;
  return xl * yl - (p - xh * yh - xl * yh - xh * yl);
}

/** May `productError` be asked of it? */
export const isSafe64 = (x: number): boolean => Math.abs(x) > SAFE_LOW_64 && Math.abs(x) < SAFE_HIGH_64;

/** Whether the error's sign makes the rounding mode move away from the nearest result, and which way: -1, 0, 1. */
export function correction(mode: number, error: number, result: number): number {
  switch (mode) {
    case Rounding.down:
      return error < 0 ? -1 : 0;
    case Rounding.up:
      return error > 0 ? 1 : 0;
    case Rounding.zero:
      if (result > 0) return error < 0 ? -1 : 0;
      return error > 0 ? 1 : 0;
    default:
      return 0;
  }
}

function bitLength(value: bigint): number {
  if (value < 0x20000000000000n) {
    f64[0] = Number(value);
    return value === 0n ? 0 : (bits64[1] >>> 20) - 1022;
  }
  const hex = value.toString(16);
  return hex.length * 4 - (Math.clz32(parseInt(hex[0], 16)) - 28);
}

/** `mantissa >> shift` rounded in `mode`; `roundedInexact` tells whether bits were lost. */
let roundedInexact = false;
function roundShift(mantissa: bigint, shift: number, mode: number, negative: boolean): bigint {
  roundedInexact = false;
  if (shift <= 0) return mantissa << BigInt(-shift);
  const quotient = mantissa >> BigInt(shift);
  const rest = mantissa - (quotient << BigInt(shift));
  if (rest === 0n) return quotient;
  roundedInexact = true;
  let up: boolean;
  if (mode === Rounding.nearest) {
    const half = 1n << BigInt(shift - 1);
    up = rest > half || (rest === half && (quotient & 1n) === 1n);
  } else {
    up = mode === (negative ? Rounding.down : Rounding.up);
  }
  return up ? quotient + 1n : quotient;
}

/** Bits of `packed`, set by `pack`: low and high word (a binary32 is in the low word alone). */
export let packedLow = 0;
let packedHigh = 0;

function setPacked(format: Format, negative: boolean, biased: number, fraction: bigint): void {
  if (format === BINARY32) {
    packedLow = (negative ? SIGN : 0) | (biased << 23) | Number(fraction);
  } else {
    packedLow = Number(fraction & 0xffffffffn) | 0;
    packedHigh = (negative ? SIGN : 0) | (biased << 20) | Number(fraction >> 32n);
  }
}

/**
 * Rounds the exact value (-1)^negative * mantissa * 2^exponent, mantissa > 0, to the format (a lost part below the
 * mantissa is to be jammed into its lowest bit, with at least two bits to spare). Returns the flags.
 */
export function pack(format: Format, negative: boolean, mantissa: bigint, exponent: number, mxcsr: number): number {
  const mode = (mxcsr >> ROUNDING_SHIFT) & 3;
  const { precision, minimum, maximum } = format;
  const hidden = 1n << BigInt(precision - 1);
  const length = bitLength(mantissa);
  let significand = roundShift(mantissa, length - precision, mode, negative);
  let inexact = roundedInexact;
  let top = exponent + length - 1;
  if (significand === hidden << 1n) {
    significand = hidden;
    top++;
  }
  if (top > maximum) {
    const toInfinity = mode === Rounding.nearest || mode === (negative ? Rounding.down : Rounding.up);
    if (toInfinity) setPacked(format, negative, 2 * maximum + 1, 0n);
    else setPacked(format, negative, 2 * maximum, hidden - 1n);
    const masked = (mxcsr & (Flag.overflow << MASK_SHIFT)) !== 0;
    return Flag.overflow | (masked || inexact ? Flag.precision : 0);
  }
  if (top < minimum) {
    const masked = (mxcsr & (Flag.underflow << MASK_SHIFT)) !== 0;
    if (!masked) return Flag.underflow | (inexact ? Flag.precision : 0);
    if (mxcsr & FLUSH_TO_ZERO) {
      setPacked(format, negative, 0, 0n);
      return Flag.underflow | Flag.precision;
    }
    significand = roundShift(mantissa, minimum - precision + 1 - exponent, mode, negative);
    inexact = roundedInexact;
    // A denormal that was rounded up to the smallest normal carries into the exponent by itself.
    if (significand === hidden) setPacked(format, negative, 1, 0n);
    else setPacked(format, negative, 0, significand);
    return inexact ? Flag.underflow | Flag.precision : 0;
  }
  setPacked(format, negative, top + maximum, significand - hidden);
  return inexact ? Flag.precision : 0;
}

function packZero(format: Format, negative: boolean): number {
  packedLow = 0;
  if (format === BINARY32) packedLow = negative ? SIGN : 0;
  else packedHigh = negative ? SIGN : 0;
  return 0;
}

/** Add, subtract, multiply, divide two finite numbers given as sign, integer mantissa, exponent; divisor not zero. */
function exact(
  op: Op,
  format: Format,
  aNegative: boolean,
  aMantissa: bigint,
  aExponent: number,
  bNegative: boolean,
  bMantissa: bigint,
  bExponent: number,
  mxcsr: number,
): number {
  if (op === Op.mul || op === Op.div) {
    const negative = aNegative !== bNegative;
    if (aMantissa === 0n || bMantissa === 0n) return packZero(format, negative);
    if (op === Op.mul) return pack(format, negative, aMantissa * bMantissa, aExponent + bExponent, mxcsr);
    const dividend = aMantissa << 128n;
    const quotient = dividend / bMantissa;
    const jam = quotient * bMantissa === dividend ? 0n : 1n;
    return pack(format, negative, quotient | jam, aExponent - bExponent - 128, mxcsr);
  }
  if (op === Op.sub) bNegative = !bNegative;
  const exponent = Math.min(aExponent, bExponent);
  const a = aMantissa << BigInt(aExponent - exponent);
  const b = bMantissa << BigInt(bExponent - exponent);
  const sum = (aNegative ? -a : a) + (bNegative ? -b : b);
  if (sum === 0n) {
    const down = ((mxcsr >> ROUNDING_SHIFT) & 3) === Rounding.down;
    return packZero(format, aNegative === bNegative ? aNegative : down);
  }
  return sum < 0n ? pack(format, true, -sum, exponent, mxcsr) : pack(format, false, sum, exponent, mxcsr);
}

/** One binary32 lane. `out[index]` receives the bits of the result; returns exception flags. */
export function lane32(op: Op, a: number, b: number, mxcsr: number, out: Int32Array, index: number): number {
  if (op === Op.sqrt) return squareRoot32(b, mxcsr, out, index);
  if (op === Op.min || op === Op.max) return extreme32(op, a, b, mxcsr, out, index);
  if (isNan32(a) || isNan32(b)) {
    out[index] = (isNan32(a) ? a : b) | QUIET_32;
    return isSignalling32(a) || isSignalling32(b) ? Flag.invalid : 0;
  }
  let flags = 0;
  if (isDenormal32(a)) {
    if (mxcsr & DENORMALS_ARE_ZERO) a &= SIGN;
    else flags = Flag.denormal;
  }
  if (isDenormal32(b)) {
    if (mxcsr & DENORMALS_ARE_ZERO) b &= SIGN;
    else flags = Flag.denormal;
  }
  const x = floatOf(a);
  const y = floatOf(b);
  let r: number;
  switch (op) {
    case Op.add:
      r = x + y;
      break;
    case Op.sub:
      r = x - y;
      break;
    case Op.mul:
      r = x * y;
      break;
    default:
      r = x / y;
  }
  if (r !== r) {
    out[index] = EXPONENT_32 | QUIET_32 | SIGN;
    return Flag.invalid;
  }
  const infiniteOperand = (a & EXPONENT_32) === EXPONENT_32 || (b & EXPONENT_32) === EXPONENT_32;
  const divisionByZero = op === Op.div && y === 0;
  if (infiniteOperand || divisionByZero) {
    f32[0] = r;
    out[index] = bits32[0];
    return divisionByZero && !infiniteOperand ? Flag.divideByZero : flags;
  }
  const rounded = Math.fround(r);
  const size = Math.abs(rounded);
  if ((x === 0 || y === 0) && (op >= Op.mul || size >= SMALLEST_NORMAL_32)) {
    f32[0] = r;
    out[index] = bits32[0];
    return flags;
  }
  if (size > SAFE_LOW_32 && size < SAFE_HIGH_32) {
    let error = r - rounded;
    if (op === Op.div) {
      error = x - rounded * y;
      if (y < 0) error = -error;
    } else if (error === 0 && op !== Op.mul) {
      const z = op === Op.sub ? -y : y;
      const t = r - x;
      error = x - (r - t) + (z - t);
    }
    f32[0] = rounded;
    if (error !== 0) {
      flags |= Flag.precision;
      const step = correction((mxcsr >> ROUNDING_SHIFT) & 3, error, rounded);
      if (step !== 0) bits32[0] += rounded > 0 ? step : -step;
    }
    out[index] = bits32[0];
    return flags;
  }
  const ea = (a >> 23) & 0xff;
  const eb = (b >> 23) & 0xff;
  flags |= exact(
    op,
    BINARY32,
    a < 0,
    BigInt((a & 0x7fffff) | (ea === 0 ? 0 : 0x800000)),
    (ea || 1) - 150,
    b < 0,
    BigInt((b & 0x7fffff) | (eb === 0 ? 0 : 0x800000)),
    (eb || 1) - 150,
    mxcsr,
  );
  out[index] = packedLow;
  return flags;
}

function extreme32(op: Op, a: number, b: number, mxcsr: number, out: Int32Array, index: number): number {
  let flags = 0;
  const nan = isNan32(a) || isNan32(b);
  if (isDenormal32(a)) {
    if (mxcsr & DENORMALS_ARE_ZERO) a &= SIGN;
    else flags = Flag.denormal;
  }
  if (isDenormal32(b)) {
    if (mxcsr & DENORMALS_ARE_ZERO) b &= SIGN;
    else flags = Flag.denormal;
  }
  if (nan) {
    out[index] = b;
    return Flag.invalid;
  }
  const x = floatOf(a);
  const y = floatOf(b);
  out[index] = (op === Op.min ? x < y : x > y) ? a : b;
  return flags;
}

function squareRoot32(a: number, mxcsr: number, out: Int32Array, index: number): number {
  if (isNan32(a)) {
    out[index] = a | QUIET_32;
    return isSignalling32(a) ? Flag.invalid : 0;
  }
  let flags = 0;
  if (isDenormal32(a)) {
    if (mxcsr & DENORMALS_ARE_ZERO) a &= SIGN;
    else flags = Flag.denormal;
  }
  if ((a & MAGNITUDE) === 0 || a === EXPONENT_32) {
    out[index] = a;
    return flags;
  }
  if (a < 0) {
    out[index] = EXPONENT_32 | QUIET_32 | SIGN;
    return Flag.invalid;
  }
  const x = floatOf(a);
  const r = Math.fround(Math.sqrt(x));
  const error = x - r * r;
  f32[0] = r;
  if (error !== 0) {
    flags |= Flag.precision;
    bits32[0] += correction((mxcsr >> ROUNDING_SHIFT) & 3, error, r);
  }
  out[index] = bits32[0];
  return flags;
}

/** One binary64 lane. `out[index]`, `out[index + 1]` receive the result's low and high word; returns exception flags. */
export function lane64(
  op: Op,
  aLow: number,
  aHigh: number,
  bLow: number,
  bHigh: number,
  mxcsr: number,
  out: Int32Array,
  index: number,
): number {
  if (op === Op.sqrt) return squareRoot64(bLow, bHigh, mxcsr, out, index);
  const extreme = op === Op.min || op === Op.max;
  const aNan = isNan64(aLow, aHigh);
  const nan = aNan || isNan64(bLow, bHigh);
  if (nan && !extreme) {
    out[index] = aNan ? aLow : bLow;
    out[index + 1] = (aNan ? aHigh : bHigh) | QUIET_64;
    return isSignalling64(aLow, aHigh) || isSignalling64(bLow, bHigh) ? Flag.invalid : 0;
  }
  let flags = 0;
  if (isDenormal64(aLow, aHigh)) {
    if (mxcsr & DENORMALS_ARE_ZERO) {
      aLow = 0;
      aHigh &= SIGN;
    } else flags = Flag.denormal;
  }
  if (isDenormal64(bLow, bHigh)) {
    if (mxcsr & DENORMALS_ARE_ZERO) {
      bLow = 0;
      bHigh &= SIGN;
    } else flags = Flag.denormal;
  }
  const x = doubleOf(aLow, aHigh);
  const y = doubleOf(bLow, bHigh);
  if (extreme) {
    const first = !nan && (op === Op.min ? x < y : x > y);
    out[index] = first ? aLow : bLow;
    out[index + 1] = first ? aHigh : bHigh;
    return nan ? Flag.invalid : flags;
  }
  let r: number;
  switch (op) {
    case Op.add:
      r = x + y;
      break;
    case Op.sub:
      r = x - y;
      break;
    case Op.mul:
      r = x * y;
      break;
    default:
      r = x / y;
  }
  if (r !== r) {
    out[index] = 0;
    out[index + 1] = EXPONENT_64 | QUIET_64 | SIGN;
    return Flag.invalid;
  }
  const infiniteOperand = (aHigh & EXPONENT_64) === EXPONENT_64 || (bHigh & EXPONENT_64) === EXPONENT_64;
  const divisionByZero = op === Op.div && y === 0;
  if (infiniteOperand || divisionByZero) {
    f64[0] = r;
    out[index] = bits64[0];
    out[index + 1] = bits64[1];
    return divisionByZero && !infiniteOperand ? Flag.divideByZero : flags;
  }
  if ((x === 0 || y === 0) && (op >= Op.mul || Math.abs(r) >= SMALLEST_NORMAL_64)) {
    f64[0] = r;
    out[index] = bits64[0];
    out[index + 1] = bits64[1];
    return flags;
  }
  const ax = Math.abs(x);
  const ay = Math.abs(y);
  if (ax > SAFE_LOW_64 && ax < SAFE_HIGH_64 && ay > SAFE_LOW_64 && ay < SAFE_HIGH_64 && r !== 0) {
    let error: number;
    if (op === Op.mul) {
      error = productError(x, y, r);
    } else if (op === Op.div) {
      const p = r * y;
      error = x - p - productError(r, y, p);
      if (y < 0) error = -error;
    } else {
      const z = op === Op.sub ? -y : y;
      const t = r - x;
      error = x - (r - t) + (z - t);
    }
    f64[0] = r;
    if (error !== 0) {
      flags |= Flag.precision;
      step64(correction((mxcsr >> ROUNDING_SHIFT) & 3, error, r));
    }
    out[index] = bits64[0];
    out[index + 1] = bits64[1];
    return flags;
  }
  const ea = (aHigh >> 20) & 0x7ff;
  const eb = (bHigh >> 20) & 0x7ff;
  flags |= exact(
    op,
    BINARY64,
    aHigh < 0,
    mantissa64(aLow, aHigh, ea),
    (ea || 1) - 1075,
    bHigh < 0,
    mantissa64(bLow, bHigh, eb),
    (eb || 1) - 1075,
    mxcsr,
  );
  out[index] = packedLow;
  out[index + 1] = packedHigh;
  return flags;
}

export function mantissa64(low: number, high: number, exponent: number): bigint {
  return (BigInt((high & 0xfffff) | (exponent === 0 ? 0 : 0x100000)) << 32n) | BigInt(low >>> 0);
}

/** Moves the double in `f64` to its neighbour above (1) or below (-1); it is neither zero nor infinite. */
function step64(step: number): void {
  if (step === 0) return;
  if (f64[0] < 0) step = -step;
  const low = bits64[0];
  bits64[0] = low + step;
  if (step > 0 ? low === -1 : low === 0) bits64[1] += step;
}

function squareRoot64(low: number, high: number, mxcsr: number, out: Int32Array, index: number): number {
  if (isNan64(low, high)) {
    out[index] = low;
    out[index + 1] = high | QUIET_64;
    return isSignalling64(low, high) ? Flag.invalid : 0;
  }
  let flags = 0;
  if (isDenormal64(low, high)) {
    if (mxcsr & DENORMALS_ARE_ZERO) {
      low = 0;
      high &= SIGN;
    } else flags = Flag.denormal;
  }
  let x = doubleOf(low, high);
  if (x === 0 || x === Infinity) {
    out[index] = low;
    out[index + 1] = high;
    return flags;
  }
  if (x < 0) {
    out[index] = 0;
    out[index + 1] = EXPONENT_64 | QUIET_64 | SIGN;
    return Flag.invalid;
  }
  // An even power of two moves the operand to where the remainder is exact; the root is always a normal number.
  let scale = 1;
  if (x < SAFE_LOW_64) {
    x *= 2 ** 600;
    scale = 2 ** -300;
  } else if (x > SAFE_HIGH_64) {
    x *= 2 ** -600;
    scale = 2 ** 300;
  }
  const r = Math.sqrt(x);
  const p = r * r;
  const error = x - p - productError(r, r, p);
  f64[0] = r * scale;
  if (error !== 0) {
    flags |= Flag.precision;
    step64(correction((mxcsr >> ROUNDING_SHIFT) & 3, error, r));
  }
  out[index] = bits64[0];
  out[index + 1] = bits64[1];
  return flags;
}

/** The exceptions among `flags` that the masks of `mxcsr` leave unmasked. */
export function unmasked(flags: number, mxcsr: number): number {
  return flags & ~((mxcsr & ALL_MASKS) >> MASK_SHIFT);
}
