/**
 * Between the 80-bit format and the formats of memory: single and double precision, 16/32/64-bit integers, packed BCD;
 * and rounding to an integer within the format. Widening leaves the operand in `operand`, narrowing in `result`.
 */
import {
  BIAS,
  C1,
  EXPONENT,
  INVALID,
  Kind,
  OVERFLOW,
  PRECISION,
  ROUND_DOWN,
  ROUND_MASK,
  ROUND_NEAREST,
  ROUND_ZERO,
  SIGN,
  UNDERFLOW,
  carryOf,
  compareMantissas,
  denormalStops,
  invalid,
  kindOf,
  multiplyHigh,
  quietNan,
  result,
  roundsAway,
  setResult,
  setZero,
} from './float80.js';

const TOP_BIT = 0x80000000 | 0;
const QUIET = 0x40000000;

/** A widened memory operand. A signalling NaN stays one; `denormal` tells of a source that was one, since its widened form is not. */
export const operand = { signExponent: 0, high: 0, low: 0, denormal: false };

function setOperand(signExponent: number, high: number, low: number): void {
  operand.signExponent = signExponent;
  operand.high = high;
  operand.low = low;
  operand.denormal = false;
}

export function widenSingle(bits: number): void {
  const sign = (bits >>> 16) & SIGN;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent !== 0 && exponent !== 0xff) setOperand(sign | (exponent + BIAS - 0x7f), (bits << 8) | TOP_BIT, 0);
  else if (exponent !== 0) setOperand(sign | EXPONENT, (fraction << 8) | TOP_BIT, 0);
  else if (fraction === 0) setOperand(sign, 0, 0);
  else {
    const shift = Math.clz32(fraction);
    setOperand(sign | (BIAS - 0x7f + 1 - (shift - 8)), fraction << shift, 0);
    operand.denormal = true;
  }
}

export function widenDouble(high: number, low: number): void {
  const sign = (high >>> 16) & SIGN;
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = high & 0xfffff;
  if (exponent !== 0 && exponent !== 0x7ff) {
    setOperand(sign | (exponent + BIAS - 0x3ff), (high << 11) | TOP_BIT | (low >>> 21), low << 11);
  } else if (exponent !== 0) setOperand(sign | EXPONENT, (fraction << 11) | TOP_BIT | (low >>> 21), low << 11);
  else if ((fraction | low) === 0) setOperand(sign, 0, 0);
  else {
    const shift = fraction !== 0 ? Math.clz32(fraction) : 32 + Math.clz32(low);
    if (shift >= 32) setOperand(sign | (BIAS - 0x3ff + 1 - (shift - 11)), low << (shift - 32), 0);
    else
      setOperand(sign | (BIAS - 0x3ff + 1 - (shift - 11)), (fraction << shift) | (low >>> (32 - shift)), low << shift);
    operand.denormal = true;
  }
}

export function widenInteger(value: number): void {
  if (value === 0) return setOperand(0, 0, 0);
  const magnitude = value < 0 ? -value | 0 : value;
  const shift = Math.clz32(magnitude);
  setOperand((value < 0 ? SIGN : 0) | (BIAS + 31 - shift), magnitude << shift, 0);
}

export function widenLong(high: number, low: number): void {
  if ((high | low) === 0) return setOperand(0, 0, 0);
  const sign = high < 0 ? SIGN : 0;
  if (sign !== 0) {
    low = -low | 0;
    high = low === 0 ? -high | 0 : ~high;
  }
  widenMagnitude(sign, high, low);
}

function widenMagnitude(sign: number, high: number, low: number): void {
  if (high !== 0) {
    const shift = Math.clz32(high);
    if (shift === 0) setOperand(sign | (BIAS + 63), high, low);
    else setOperand(sign | (BIAS + 63 - shift), (high << shift) | (low >>> (32 - shift)), low << shift);
  } else {
    const shift = Math.clz32(low);
    setOperand(sign | (BIAS + 31 - shift), low << shift, 0);
  }
}

/** Ten bytes of packed BCD as three words (the last has the two upper digits and the sign). Digits above 9 count as they are. */
export function widenDecimal(low: number, middle: number, top: number): void {
  const sign = top & SIGN;
  // 18 digits: nine in each half, the border in the middle of `middle`'s lowest byte.
  const lower = digits(low, 8) + (middle & 15) * 100000000;
  const upper = digits(middle >>> 4, 7) + (top & 15) * 10000000 + ((top >>> 4) & 15) * 100000000;
  const product = Math.imul(upper, 1000000000);
  const sum = (product + lower) | 0;
  const high = (multiplyHigh(upper, 1000000000) + carryOf(product, lower, sum)) | 0;
  if ((high | sum) === 0) setOperand(sign, 0, 0);
  else widenMagnitude(sign, high, sum);
}

function digits(packed: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 10 + ((packed >>> (4 * i)) & 15);
  return value;
}

/** An f32 in `result.low`; exceptions in `result.flags`. */
export function narrowSingle(signExponent: number, high: number, low: number): void {
  const sign = (signExponent & SIGN) << 16;
  const kind = kindOf(signExponent, high, low);
  if (kind >= Kind.infinity || kind === Kind.zero) {
    if (kind === Kind.zero) setResult(0, 0, sign);
    else if (kind === Kind.infinity) setResult(0, 0, sign | 0x7f800000);
    else if (kind === Kind.nan) {
      if ((high & QUIET) === 0) result.flags |= INVALID;
      setResult(0, 0, sign | 0x7fc00000 | ((high >>> 8) & 0x7fffff));
    } else {
      result.flags |= INVALID;
      setResult(0, 0, 0xffc00000 | 0);
    }
    return;
  }
  const extra = (high << 24) | (low >>> 8) | ((low & 0xff) !== 0 ? 1 : 0);
  const exponent = (signExponent & EXPONENT) - BIAS + 0x7f;
  // A denormal is far below either format: only that it is tiny matters, not its leading zeros.
  narrow(signExponent & SIGN, exponent, 0, high >>> 8, extra, 23, 0xff);
  result.low |= sign;
}

/** An f64 in `result.high` and `result.low`. */
export function narrowDouble(signExponent: number, high: number, low: number): void {
  const sign = (signExponent & SIGN) << 16;
  const exponent = (signExponent & EXPONENT) - BIAS + 0x3ff;
  // The common case: far from both ends of the range, so that a carry out of the fraction is all that can happen.
  if (high < 0 && exponent > 0 && exponent < 0x7fe) {
    const extra = low << 21;
    let upper = sign | (exponent << 20) | ((high >>> 11) & 0xfffff);
    let lower = (low >>> 11) | (high << 21);
    if (extra !== 0) {
      result.flags |= PRECISION;
      if (roundsAway(result.control & ROUND_MASK, signExponent & SIGN, extra, lower & 1)) {
        result.flags |= C1;
        lower = (lower + 1) | 0;
        if (lower === 0) upper = (upper + 1) | 0;
      }
    }
    result.high = upper;
    result.low = lower;
    return;
  }
  const kind = kindOf(signExponent, high, low);
  if (kind >= Kind.infinity || kind === Kind.zero) {
    if (kind === Kind.zero) setResult(0, sign, 0);
    else if (kind === Kind.infinity) setResult(0, sign | 0x7ff00000, 0);
    else if (kind === Kind.nan) {
      if ((high & QUIET) === 0) result.flags |= INVALID;
      setResult(0, sign | 0x7ff80000 | ((high >>> 11) & 0xfffff), (low >>> 11) | (high << 21));
    } else {
      result.flags |= INVALID;
      setResult(0, 0xfff80000 | 0, 0);
    }
    return;
  }
  narrow(signExponent & SIGN, exponent, high >>> 11, (low >>> 11) | (high << 21), low << 21, 52, 0x7ff);
  result.high |= sign;
}

/**
 * Rounds a finite number into a memory format without its sign: the mantissa is `high:low` right-aligned with its integer bit at
 * `fraction`, `extra` what lies below.
 */
function narrow(
  sign: number,
  exponent: number,
  high: number,
  low: number,
  extra: number,
  fraction: number,
  maximum: number,
): void {
  const rounding = result.control & ROUND_MASK;
  let tiny = false;
  if (exponent <= 0) {
    const ones = fraction === 23 ? low === 0xffffff : high === 0x1fffff && low === -1;
    tiny = exponent < 0 || !ones || !roundsAway(rounding, sign, extra, 1);
    if (tiny && (result.control & UNDERFLOW) === 0) {
      result.flags |= UNDERFLOW;
      return;
    }
    let shift = 1 - exponent;
    exponent = 1;
    if (shift > 64) {
      extra = 1;
      high = low = 0;
    } else {
      for (; shift >= 32; shift -= 32) {
        extra = low | (extra !== 0 ? 1 : 0);
        low = high;
        high = 0;
      }
      if (shift > 0) {
        const lost = extra << (32 - shift);
        extra = (extra >>> shift) | (low << (32 - shift)) | (lost !== 0 ? 1 : 0);
        low = (low >>> shift) | (high << (32 - shift));
        high = high >>> shift;
      }
    }
  }
  if (extra !== 0) {
    result.flags |= tiny ? PRECISION | UNDERFLOW : PRECISION;
    if (roundsAway(rounding, sign, extra, low & 1)) {
      result.flags |= C1;
      low = (low + 1) | 0;
      if (low === 0) high++;
    }
  }
  // The integer bit adds itself to the exponent, and so does a carry out of the fraction.
  const carried = exponent - 1 + (fraction === 23 ? low >>> 23 : high >>> 20);
  if (carried < maximum) {
    if (fraction === 23) low = low + ((exponent - 1) << 23);
    else high = high + ((exponent - 1) << 20);
  } else {
    result.flags |= OVERFLOW;
    if ((result.control & OVERFLOW) === 0) {
      // The processor tells nothing of the rounding of a store that does not happen.
      result.flags &= ~(PRECISION | C1);
      return;
    }
    result.flags |= PRECISION;
    const away = rounding === ROUND_NEAREST || (rounding !== ROUND_ZERO && (rounding === ROUND_DOWN) === (sign !== 0));
    result.flags = away ? result.flags | C1 : result.flags & ~C1;
    if (fraction === 23) low = away ? 0x7f800000 : 0x7f7fffff;
    else {
      high = away ? 0x7ff00000 : 0x7fefffff;
      low = away ? 0 : -1;
    }
  }
  result.high = high;
  result.low = low;
}

/** Rounds the magnitude of a finite number below 2^64 to an integer, left in `result.high:low`. True: it did not fit. */
function roundMagnitude(signExponent: number, high: number, low: number, rounding: number): boolean {
  const exponent = (signExponent & EXPONENT) - BIAS;
  if (exponent > 63) return true;
  let extra = 0;
  let shift = 63 - exponent;
  if (shift > 64) {
    extra = (high | low) !== 0 ? 1 : 0;
    high = low = 0;
  } else {
    for (; shift >= 32; shift -= 32) {
      extra = low | (extra !== 0 ? 1 : 0);
      low = high;
      high = 0;
    }
    if (shift > 0) {
      const lost = extra << (32 - shift);
      extra = (extra >>> shift) | (low << (32 - shift)) | (lost !== 0 ? 1 : 0);
      low = (low >>> shift) | (high << (32 - shift));
      high = high >>> shift;
    }
  }
  if (extra !== 0) {
    result.flags |= PRECISION;
    if (roundsAway(rounding, signExponent & SIGN, extra, low & 1)) {
      result.flags |= C1;
      low = (low + 1) | 0;
      if (low === 0) {
        high = (high + 1) | 0;
        if (high === 0) return true;
      }
    }
  }
  result.high = high | 0;
  result.low = low | 0;
  return false;
}

/** IE alone and the integer indefinite. */
function integerIndefinite(bits: number): void {
  result.flags = INVALID;
  setResult(0, bits === 64 ? TOP_BIT : 0, bits === 64 ? 0 : bits === 32 ? TOP_BIT : -0x8000);
}

/** A signed integer of 16, 32 or 64 bits in `result.low` (and `result.high`); `truncate` ignores the rounding control. */
export function toInteger(signExponent: number, high: number, low: number, bits: number, truncate: boolean): void {
  if (kindOf(signExponent, high, low) >= Kind.infinity) return integerIndefinite(bits);
  const rounding = truncate ? ROUND_ZERO : result.control & ROUND_MASK;
  const negative = (signExponent & SIGN) !== 0;
  if (roundMagnitude(signExponent, high, low, rounding)) return integerIndefinite(bits);
  let upper = result.high;
  let lower = result.low;
  if (bits === 64) {
    if (upper < 0 && !(negative && upper === TOP_BIT && lower === 0)) return integerIndefinite(bits);
  } else {
    const limit = bits === 32 ? 0x80000000 : 0x8000;
    if (upper !== 0 || lower >>> 0 > (negative ? limit : limit - 1)) return integerIndefinite(bits);
  }
  if (negative) {
    lower = -lower | 0;
    upper = lower === 0 ? -upper | 0 : ~upper;
  }
  result.high = upper;
  result.low = lower;
}

/** Packed BCD: bytes 0-3 in `result.low`, 4-7 in `result.high`, 8-9 in `result.signExponent`. */
export function toDecimal(signExponent: number, high: number, low: number): void {
  const sign = signExponent & SIGN;
  const tooLarge =
    kindOf(signExponent, high, low) >= Kind.infinity ||
    roundMagnitude(signExponent, high, low, result.control & ROUND_MASK) ||
    // 10^18
    compareMantissas(result.high, result.low, 0x0de0b6b3, 0xa7640000 | 0) >= 0;
  if (tooLarge) {
    result.flags = INVALID;
    setResult(0xffff, 0xc0000000 | 0, 0);
    return;
  }
  // Long division by 10^9 in digits of 16 bits.
  let quotient = 0;
  let remaining = 0;
  for (let i = 3; i >= 0; i--) {
    const word = i >= 2 ? result.high : result.low;
    remaining = remaining * 65536 + ((word >>> (16 * (i & 1))) & 0xffff);
    const digit = Math.floor(remaining / 1000000000);
    remaining -= digit * 1000000000;
    quotient = quotient * 65536 + digit;
  }
  const lowest = pack(remaining);
  const ninth = Math.floor(remaining / 100000000);
  const upper = pack(quotient);
  const last = Math.floor(quotient / 10000000);
  setResult(sign | ((Math.floor(last / 10) << 4) | (last % 10)), (upper << 4) | ninth, lowest);
}

/** The eight lower decimal digits of a number, four bits each. */
function pack(value: number): number {
  let packed = 0;
  for (let i = 0; i < 8; i++) {
    const rest = Math.floor(value / 10);
    packed |= (value - rest * 10) << (4 * i);
    value = rest;
  }
  return packed;
}

/** frndint. */
export function roundToIntegral(signExponent: number, high: number, low: number): void {
  const kind = kindOf(signExponent, high, low);
  if (kind === Kind.nan) return quietNan(signExponent, high, low);
  if (kind === Kind.unsupported) return invalid();
  if (kind === Kind.zero || kind === Kind.infinity) return setResult(signExponent, high, low);
  if (kind === Kind.denormal && denormalStops()) return;
  if ((signExponent & EXPONENT) >= BIAS + 63) return setResult(signExponent, high, low);
  roundMagnitude(signExponent, high, low, result.control & ROUND_MASK);
  const upper = result.high;
  const lower = result.low;
  if ((upper | lower) === 0) return setZero(signExponent & SIGN);
  widenMagnitude(signExponent & SIGN, upper, lower);
  setResult(operand.signExponent, operand.high, operand.low);
}
