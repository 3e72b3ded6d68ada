/**
 * The x87's 80-bit extended format as integers: a sign-and-exponent word (u16) and a 64-bit mantissa in two i32 halves
 * whose top bit is the explicit integer bit. Here are the classes of encodings, the NaN rules and the one place where a
 * result is rounded and packed (Intel SDM volume 1, chapters 4.8 and 8.5).
 *
 * Operands travel as three numbers; a result is left in `result`, which also carries the control word in and the
 * exceptions out, so that nothing is allocated.
 */

/** Exception flags of the status word; their masks in the control word have the same positions. */
export const INVALID = 0x01;
export const DENORMAL = 0x02;
export const ZERO_DIVIDE = 0x04;
export const OVERFLOW = 0x08;
export const UNDERFLOW = 0x10;
export const PRECISION = 0x20;
export const STACK_FAULT = 0x40;
/** Condition bits of the status word. C1 also tells that a rounding went away from zero. */
export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const CONDITIONS = C0 | C1 | C2 | C3;

export const SIGN = 0x8000;
export const EXPONENT = 0x7fff;
export const BIAS = 0x3fff;
/** What an unmasked overflow or underflow adds to or takes from the exponent. */
const WRAP = 0x6000;
const TOP_BIT = 0x80000000 | 0;
const QUIET = 0x40000000;

/** Rounding control, bits 10-11 of the control word. */
export const ROUND_MASK = 0xc00;
export const ROUND_NEAREST = 0;
export const ROUND_DOWN = 0x400;
export const ROUND_UP = 0x800;
export const ROUND_ZERO = 0xc00;
/** Precision control, bits 8-9. The reserved value 1 computes as 64 bits do. */
export const PRECISION_MASK = 0x300;
export const PRECISION_24 = 0;
export const PRECISION_53 = 0x200;
export const PRECISION_64 = 0x300;

/** The latch between arithmetic and register stack. */
export const result = {
  signExponent: 0,
  high: 0,
  low: 0,
  /** Exceptions raised, and C1. */
  flags: 0,
  /** The control word that governs the operation. */
  control: 0x37f,
};

/** Classes of encodings; `normal` includes nothing that needs care. */
export const Kind = { normal: 0, zero: 1, denormal: 2, infinity: 3, nan: 4, unsupported: 5 } as const;

export function kindOf(signExponent: number, high: number, low: number): number {
  const exponent = signExponent & EXPONENT;
  if (exponent === 0) return (high | low) === 0 ? Kind.zero : Kind.denormal;
  if (high >= 0) return Kind.unsupported;
  if (exponent === EXPONENT) return ((high & 0x7fffffff) | low) === 0 ? Kind.infinity : Kind.nan;
  return Kind.normal;
}

export function setResult(signExponent: number, high: number, low: number): void {
  result.signExponent = signExponent;
  result.high = high;
  result.low = low;
}
export function setZero(sign: number): void {
  setResult(sign, 0, 0);
}
export function setInfinity(sign: number): void {
  setResult(sign | EXPONENT, TOP_BIT, 0);
}
/** The QNaN "real indefinite", the masked answer to an invalid operation. */
export function setIndefinite(): void {
  setResult(0xffff, 0xc0000000 | 0, 0);
}
export function invalid(): void {
  result.flags |= INVALID;
  setIndefinite();
}

/** Raises DE; true when it is unmasked, so that the operation ends here. */
export function denormalStops(): boolean {
  result.flags |= DENORMAL;
  return (result.control & DENORMAL) === 0;
}

/** One operand, a NaN: the quiet form of it, IE if it signalled. */
export function quietNan(signExponent: number, high: number, low: number): void {
  if ((high & QUIET) === 0) result.flags |= INVALID;
  setResult(signExponent, high | QUIET, low);
}

/**
 * If an operand is a NaN or an unsupported encoding, leaves the answer in `result` and returns true. Of two NaNs the
 * one with the larger significand is taken, of equal ones the positive (SDM volume 1, table 4-7).
 */
export function nanOperands(
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
): boolean {
  const aKind = kindOf(aSe, aHigh, aLow);
  const bKind = kindOf(bSe, bHigh, bLow);
  if (aKind < Kind.nan && bKind < Kind.nan) return false;
  if (aKind === Kind.unsupported || bKind === Kind.unsupported) {
    invalid();
    return true;
  }
  const aNan = aKind === Kind.nan;
  const bNan = bKind === Kind.nan;
  const aSignals = aNan && (aHigh & QUIET) === 0;
  const bSignals = bNan && (bHigh & QUIET) === 0;
  if (aSignals || bSignals) result.flags |= INVALID;
  let takeA = aNan;
  if (aNan && bNan) {
    if (aSignals !== bSignals) takeA = bSignals;
    else {
      const order = compareMantissas(aHigh, aLow, bHigh, bLow);
      takeA = order !== 0 ? order > 0 : aSe < bSe;
    }
  }
  if (takeA) setResult(aSe, aHigh | QUIET, aLow);
  else setResult(bSe, bHigh | QUIET, bLow);
  return true;
}

/** Order of two unsigned 64-bit numbers: negative, 0 or positive. */
export function compareMantissas(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  if (aHigh !== bHigh) return aHigh >>> 0 < bHigh >>> 0 ? -1 : 1;
  if (aLow === bLow) return 0;
  return aLow >>> 0 < bLow >>> 0 ? -1 : 1;
}

/** The carry out of `sum = a + b` (mod 2^32). */
export function carryOf(a: number, b: number, sum: number): number {
  return ((a & b) | ((a | b) & ~sum)) >>> 31;
}
/** The borrow out of `difference = a - b` (mod 2^32). */
export function borrowOf(a: number, b: number, difference: number): number {
  return ((~a & b) | (~(a ^ b) & difference)) >>> 31;
}
/** The upper 32 bits of the unsigned product. */
export function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const other = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (middle >>> 16) + (other >>> 16)) | 0;
}

/** Whether a discarded part rounds away from zero; `extra` has the half unit in bit 31, anything below is sticky. */
export function roundsAway(rounding: number, sign: number, extra: number, odd: number): boolean {
  if (rounding === ROUND_NEAREST) return extra < 0 && (extra !== TOP_BIT || odd !== 0);
  if (extra === 0 || rounding === ROUND_ZERO) return false;
  return (rounding === ROUND_DOWN) === (sign !== 0);
}

/**
 * Rounds a finite non-zero number to the control word's precision (or to 64 bits) and leaves it in `result`, with
 * OE, UE, PE and C1 as the masks demand.
 * @param sign 0 or 0x8000
 * @param exponent biased, any integer
 * @param high mantissa, normalised (bit 31 set)
 * @param extra what lies below `low`: half a unit in bit 31, the rest sticky
 */
export function roundAndPack(sign: number, exponent: number, high: number, low: number, extra: number): void {
  const control = result.control;
  const precision = control & PRECISION_MASK;
  // To nearest and far from both ends of the range, which is nearly always: `round` without what cannot happen there.
  if (
    (control & ROUND_MASK) !== ROUND_NEAREST ||
    exponent <= 0 ||
    exponent >= EXPONENT - 1 ||
    precision === PRECISION_24
  ) {
    round(sign, exponent, high, low, extra, precision);
    return;
  }
  let unit = 1;
  if (precision === PRECISION_53) {
    extra = (low << 21) | (extra !== 0 ? 1 : 0);
    low &= ~0x7ff;
    unit = 0x800;
  }
  if (extra !== 0) {
    let flags = PRECISION;
    if (extra < 0 && (extra !== TOP_BIT || (low & unit) !== 0)) {
      flags |= C1;
      low = (low + unit) | 0;
      if (low === 0) {
        high = (high + 1) | 0;
        if (high === 0) {
          high = TOP_BIT;
          exponent++;
        }
      }
    }
    result.flags |= flags;
  }
  result.signExponent = sign | exponent;
  result.high = high;
  result.low = low;
}

export function roundAndPack64(sign: number, exponent: number, high: number, low: number, extra: number): void {
  round(sign, exponent, high, low, extra, PRECISION_64);
}

function round(sign: number, exponent: number, high: number, low: number, extra: number, precision: number): void {
  const control = result.control;
  const rounding = control & ROUND_MASK;
  let tiny = false;
  if (exponent <= 0) {
    tiny = exponent < 0 || !roundsUpToNormal(sign, high, low, extra, precision, rounding);
    if (tiny && (control & UNDERFLOW) === 0) {
      result.flags |= UNDERFLOW;
      exponent += WRAP;
      // Only a scaling can be so far out that the biased exponent does not fit either.
      if (exponent <= 0) {
        result.flags |= PRECISION;
        setZero(sign);
        return;
      }
      tiny = false;
    } else {
      // Denormalise: what is shifted out of `extra` stays as its lowest bit.
      let shift = 1 - exponent;
      exponent = 0;
      if (shift > 66) {
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
  }
  let odd = low & 1;
  let unit = 1;
  if (precision === PRECISION_53) {
    extra = (low << 21) | (extra !== 0 ? 1 : 0);
    low &= ~0x7ff;
    odd = low & 0x800;
    unit = 0x800;
  } else if (precision === PRECISION_24) {
    extra = (high << 24) | (low >>> 8) | (((low & 0xff) | extra) !== 0 ? 1 : 0);
    high &= ~0xff;
    low = 0;
    odd = high & 0x100;
    unit = 0;
  }
  if (extra !== 0) {
    let flags = PRECISION;
    if (tiny) flags |= UNDERFLOW;
    if (roundsAway(rounding, sign, extra, odd)) {
      flags |= C1;
      if (unit === 0) {
        high = (high + 0x100) | 0;
        if (high === 0) {
          high = TOP_BIT;
          exponent++;
        }
      } else {
        low = (low + unit) | 0;
        if (low === 0) {
          high = (high + 1) | 0;
          if (high === 0) {
            high = TOP_BIT;
            exponent++;
          }
        }
      }
    }
    result.flags |= flags;
  }
  if (exponent === 0 && high < 0) exponent = 1;
  if (exponent >= EXPONENT) {
    packOverflow(sign, exponent, high, low, precision, rounding);
    return;
  }
  result.signExponent = sign | exponent;
  result.high = high;
  result.low = low;
}

function packOverflow(
  sign: number,
  exponent: number,
  high: number,
  low: number,
  precision: number,
  rounding: number,
): void {
  result.flags |= OVERFLOW;
  if ((result.control & OVERFLOW) === 0) {
    exponent -= WRAP;
    if (exponent >= EXPONENT) {
      result.flags |= PRECISION | C1;
      setInfinity(sign);
    } else setResult(sign | exponent, high, low);
    return;
  }
  result.flags |= PRECISION;
  const away = rounding === ROUND_NEAREST || (rounding !== ROUND_ZERO && (rounding === ROUND_DOWN) === (sign !== 0));
  if (away) {
    result.flags |= C1;
    setInfinity(sign);
  } else {
    result.flags &= ~C1;
    const largestHigh = precision === PRECISION_24 ? ~0xff : -1;
    const largestLow = precision === PRECISION_24 ? 0 : precision === PRECISION_53 ? ~0x7ff : -1;
    setResult(sign | (EXPONENT - 1), largestHigh, largestLow);
  }
}

/** For exponent 0: whether rounding with an unbounded exponent carries into the smallest normal number (not tiny then). */
function roundsUpToNormal(
  sign: number,
  high: number,
  low: number,
  extra: number,
  precision: number,
  rounding: number,
): boolean {
  if (precision === PRECISION_24) {
    if (high >>> 8 !== 0xffffff) return false;
    return roundsAway(rounding, sign, (high << 24) | (low >>> 8) | (((low & 0xff) | extra) !== 0 ? 1 : 0), 1);
  }
  if (high !== -1) return false;
  if (precision === PRECISION_53) {
    return low >>> 11 === 0x1fffff && roundsAway(rounding, sign, (low << 21) | (extra !== 0 ? 1 : 0), 1);
  }
  return low === -1 && roundsAway(rounding, sign, extra, 1);
}
