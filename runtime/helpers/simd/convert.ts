/**
 * SSE's comparisons, conversions and roundings between floating-point and integer lanes. Functions on slots that can
 * raise return 0, or 1 for an unmasked exception (#XM), MXCSR's flags set and the destination as it was.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { State } from '../../../translator/state.js';
import { DENORMALS_ARE_ZERO, Flag, PRE_COMPUTATION, QUIET, QUIET_BITS, Rounding, ROUNDING_SHIFT } from './mxcsr.js';
import { fromInteger32, narrow, roundToIntegral, toInteger, widen } from './lane-conversions.js';
import {
  doubleOf,
  floatOf,
  isDenormal32,
  isDenormal64,
  isNan32,
  isNan64,
  isSignalling32,
  isSignalling64,
  SMALLEST_NORMAL_32,
  SMALLEST_NORMAL_64,
  unmasked,
} from './softfloat.js';

const MXCSR = State.mxcsr >> 2;
const SIGN = 0x80000000 | 0;

/** Added and subtracted, it rounds a double below 2^51 to the nearest integer, ties to even. */
const INTEGER_ROUNDER = 1.5 * 2 ** 52;
/** Magnitudes below it are int32 whichever way they are truncated. */
const LIMIT = 2 ** 31;

/** Relation of two numbers: the bit that a predicate tests. */
const LESS = 1;
const EQUAL = 2;
const GREATER = 4;
const UNORDERED = 8;
/** Relations for which cmpps predicate 0-7 (eq lt le unord neq nlt nle ord) holds. */
const PREDICATES = [
  EQUAL,
  LESS,
  LESS | EQUAL,
  UNORDERED,
  LESS | GREATER | UNORDERED,
  EQUAL | GREATER | UNORDERED,
  GREATER | UNORDERED,
  LESS | EQUAL | GREATER,
] as const;

const plain32 = (x: number): boolean => Math.abs(x) >= SMALLEST_NORMAL_32 || x === 0;
const plain64 = (x: number): boolean => Math.abs(x) >= SMALLEST_NORMAL_64 || x === 0;
const relate = (x: number, y: number): number => (x < y ? LESS : x === y ? EQUAL : x > y ? GREATER : UNORDERED);

export function createConversions({ i32, f32, f64 }: StateViews) {
  const result = new Int32Array(4);
  const numbers = new Float64Array(result.buffer);
  /** Flags of the comparison that `relation32` or `relation64` made last. */
  let compared = 0;

  function raises(flags: number): boolean {
    const mxcsr = i32[MXCSR];
    if (unmasked(flags & PRE_COMPUTATION, mxcsr)) flags &= PRE_COMPUTATION;
    i32[MXCSR] = mxcsr | flags;
    return unmasked(flags, mxcsr) !== 0;
  }

  /** The relation of two floats; `signalling`: a quiet NaN is invalid too. */
  function relation32(a: number, b: number, signalling: boolean): number {
    compared = 0;
    if (isNan32(a) || isNan32(b)) {
      if (signalling || isSignalling32(a) || isSignalling32(b)) compared = Flag.invalid;
      return UNORDERED;
    }
    if (isDenormal32(a) || isDenormal32(b)) {
      if (i32[MXCSR] & DENORMALS_ARE_ZERO) {
        if (isDenormal32(a)) a = 0;
        if (isDenormal32(b)) b = 0;
      } else compared = Flag.denormal;
    }
    return relate(floatOf(a), floatOf(b));
  }
  function relation64(aLow: number, aHigh: number, bLow: number, bHigh: number, signalling: boolean): number {
    compared = 0;
    if (isNan64(aLow, aHigh) || isNan64(bLow, bHigh)) {
      if (signalling || isSignalling64(aLow, aHigh) || isSignalling64(bLow, bHigh)) compared = Flag.invalid;
      return UNORDERED;
    }
    if (isDenormal64(aLow, aHigh) || isDenormal64(bLow, bHigh)) {
      if (i32[MXCSR] & DENORMALS_ARE_ZERO) {
        if (isDenormal64(aLow, aHigh)) aLow = aHigh = 0;
        if (isDenormal64(bLow, bHigh)) bLow = bHigh = 0;
      } else compared = Flag.denormal;
    }
    return relate(doubleOf(aLow, aHigh), doubleOf(bLow, bHigh));
  }

  function compare32(d: number, s: number, predicate: number, lanes: number): number {
    let flags = 0;
    d >>= 2;
    s >>= 2;
    predicate &= 7;
    const signalling = (predicate & 3) === 1 || (predicate & 3) === 2;
    for (let i = 0; i < lanes; i++) {
      const x = f32[d + i];
      const y = f32[s + i];
      let relation: number;
      if (plain32(x) && plain32(y)) relation = relate(x, y);
      else {
        relation = relation32(i32[d + i], i32[s + i], signalling);
        flags |= compared;
      }
      result[i] = PREDICATES[predicate] & relation ? -1 : 0;
    }
    if (flags !== 0 && raises(flags)) return 1;
    for (let i = 0; i < lanes; i++) i32[d + i] = result[i];
    return 0;
  }
  function compare64(d: number, s: number, predicate: number, lanes: number): number {
    let flags = 0;
    predicate &= 7;
    const signalling = (predicate & 3) === 1 || (predicate & 3) === 2;
    for (let i = 0; i < lanes; i++) {
      const at = (d >> 2) + 2 * i;
      const from = (s >> 2) + 2 * i;
      const x = f64[at >> 1];
      const y = f64[from >> 1];
      let relation: number;
      if (plain64(x) && plain64(y)) relation = relate(x, y);
      else {
        relation = relation64(i32[at], i32[at + 1], i32[from], i32[from + 1], signalling);
        flags |= compared;
      }
      result[i] = PREDICATES[predicate] & relation ? -1 : 0;
    }
    if (flags !== 0 && raises(flags)) return 1;
    d >>= 2;
    for (let i = 0; i < lanes; i++) i32[d + 2 * i] = i32[d + 2 * i + 1] = result[i];
    return 0;
  }
  const cmpps = (d: number, s: number, predicate: number): number => compare32(d, s, predicate, 4);
  function cmpss(d: number, s: number, predicate: number): number {
    const x = f32[d >> 2];
    const y = f32[s >> 2];
    if (!plain32(x) || !plain32(y)) return compare32(d, s, predicate, 1);
    i32[d >> 2] = PREDICATES[predicate & 7] & relate(x, y) ? -1 : 0;
    return 0;
  }
  const cmppd = (d: number, s: number, predicate: number): number => compare64(d, s, predicate, 2);
  function cmpsd(d: number, s: number, predicate: number): number {
    const x = f64[d >> 3];
    const y = f64[s >> 3];
    if (!plain64(x) || !plain64(y)) return compare64(d, s, predicate, 1);
    i32[d >> 2] = i32[(d >> 2) + 1] = PREDICATES[predicate & 7] & relate(x, y) ? -1 : 0;
    return 0;
  }

  /** EFLAGS of comiss and its kin: ZF PF CF = 111 unordered, 000 greater, 001 less, 100 equal; OF AF SF clear. */
  function setFlags(relation: number): void {
    i32[State.zr >> 2] = relation & (EQUAL | UNORDERED) ? 0 : 1;
    i32[State.pr >> 2] = relation === UNORDERED ? 0 : 1;
    i32[State.cf >> 2] = relation & (LESS | UNORDERED) ? 1 : 0;
    i32[State.af >> 2] = 0;
    i32[State.sr >> 2] = 0;
    i32[State.of >> 2] = 0;
  }
  function order32(d: number, s: number, signalling: boolean): number {
    const x = f32[d >> 2];
    const y = f32[s >> 2];
    if (plain32(x) && plain32(y)) {
      setFlags(relate(x, y));
      return 0;
    }
    const relation = relation32(i32[d >> 2], i32[s >> 2], signalling);
    if (raises(compared)) return 1;
    setFlags(relation);
    return 0;
  }
  function order64(d: number, s: number, signalling: boolean): number {
    const x = f64[d >> 3];
    const y = f64[s >> 3];
    if (plain64(x) && plain64(y)) {
      setFlags(relate(x, y));
      return 0;
    }
    d >>= 2;
    s >>= 2;
    const relation = relation64(i32[d], i32[d + 1], i32[s], i32[s + 1], signalling);
    if (raises(compared)) return 1;
    setFlags(relation);
    return 0;
  }
  const comiss = (d: number, s: number): number => order32(d, s, true);
  const ucomiss = (d: number, s: number): number => order32(d, s, false);
  const comisd = (d: number, s: number): number => order64(d, s, true);
  const ucomisd = (d: number, s: number): number => order64(d, s, false);

  /** Writes `words` result words to slot `d` and zeroes the rest up to `size` words, unless the flags raise. */
  function finish(flags: number, d: number, words: number, size: number): number {
    if (flags !== 0 && raises(flags)) return 1;
    d >>= 2;
    for (let i = 0; i < words; i++) i32[d + i] = result[i];
    for (let i = words; i < size; i++) i32[d + i] = 0;
    return 0;
  }

  /** DAZ turns denormal operands into zeros also where a conversion to integer would not notice more than PE. */
  function source32(index: number): number {
    const bits = i32[index];
    return isDenormal32(bits) && i32[MXCSR] & DENORMALS_ARE_ZERO ? 0 : f32[index];
  }
  function source64(index: number): number {
    return isDenormal64(i32[index], i32[index + 1]) && i32[MXCSR] & DENORMALS_ARE_ZERO ? 0 : f64[index >> 1];
  }
  const quiet = (): boolean => (i32[MXCSR] & QUIET_BITS) === QUIET;
  const rounding = (): number => (i32[MXCSR] >> ROUNDING_SHIFT) & 3;

  // To integer. The destination is a slot: a general register's field, an MMX or an XMM register.
  function integers32(d: number, s: number, mode: number, lanes: number): number {
    let flags = 0;
    for (let i = 0; i < lanes; i++) flags |= toInteger(source32((s >> 2) + i), mode, result, i);
    return finish(flags, d, lanes, lanes);
  }
  function integers64(d: number, s: number, mode: number, lanes: number, size: number): number {
    let flags = 0;
    for (let i = 0; i < lanes; i++) flags |= toInteger(source64((s >> 2) + 2 * i), mode, result, i);
    return finish(flags, d, lanes, size);
  }
  // A number that is an integer already changes nothing in MXCSR in any mode; one that is not only sets PE.
  function cvtss2si(d: number, s: number): number {
    const x = f32[s >> 2];
    const r = x + INTEGER_ROUNDER - INTEGER_ROUNDER;
    if (x !== (x | 0) && !(quiet() && Math.abs(r) < LIMIT)) return integers32(d, s, rounding(), 1);
    i32[d >> 2] = r;
    return 0;
  }
  function cvttss2si(d: number, s: number): number {
    const x = f32[s >> 2];
    if (x !== (x | 0) && !(quiet() && Math.abs(x) < LIMIT)) return integers32(d, s, Rounding.zero, 1);
    i32[d >> 2] = x;
    return 0;
  }
  function cvtsd2si(d: number, s: number): number {
    const x = f64[s >> 3];
    const r = x + INTEGER_ROUNDER - INTEGER_ROUNDER;
    if (x !== (x | 0) && !(quiet() && Math.abs(r) < LIMIT)) return integers64(d, s, rounding(), 1, 1);
    i32[d >> 2] = r;
    return 0;
  }
  function cvttsd2si(d: number, s: number): number {
    const x = f64[s >> 3];
    if (x !== (x | 0) && !(quiet() && Math.abs(x) < LIMIT)) return integers64(d, s, Rounding.zero, 1, 1);
    i32[d >> 2] = x;
    return 0;
  }
  const cvtps2pi = (d: number, s: number): number => integers32(d, s, rounding(), 2);
  const cvttps2pi = (d: number, s: number): number => integers32(d, s, Rounding.zero, 2);
  const cvtpd2pi = (d: number, s: number): number => integers64(d, s, rounding(), 2, 2);
  const cvttpd2pi = (d: number, s: number): number => integers64(d, s, Rounding.zero, 2, 2);
  function cvtps2dq(d: number, s: number): number {
    if (!quiet()) return integers32(d, s, rounding(), 4);
    for (let i = 0; i < 16; i += 4) cvtss2si(d + i, s + i);
    return 0;
  }
  function cvttps2dq(d: number, s: number): number {
    if (!quiet()) return integers32(d, s, Rounding.zero, 4);
    for (let i = 0; i < 16; i += 4) cvttss2si(d + i, s + i);
    return 0;
  }
  const cvtpd2dq = (d: number, s: number): number => integers64(d, s, rounding(), 2, 4);
  const cvttpd2dq = (d: number, s: number): number => integers64(d, s, Rounding.zero, 2, 4);

  // From integer: of slots, or for a scalar of the integer itself.
  function floats(d: number, s: number, lanes: number): number {
    const mxcsr = i32[MXCSR];
    let flags = 0;
    for (let i = 0; i < lanes; i++) flags |= fromInteger32(i32[(s >> 2) + i], mxcsr, result, i);
    return finish(flags, d, lanes, lanes);
  }
  const cvtsi2ss = (d: number, value: number): number => finish(fromInteger32(value, i32[MXCSR], result, 0), d, 1, 1);
  const cvtpi2ps = (d: number, s: number): number => floats(d, s, 2);
  function cvtdq2ps(d: number, s: number): number {
    if (!quiet()) return floats(d, s, 4);
    for (let i = 0; i < 4; i++) f32[(d >> 2) + i] = i32[(s >> 2) + i];
    return 0;
  }
  function cvtsi2sd(d: number, value: number): void {
    f64[d >> 3] = value;
  }
  /** cvtpi2pd and cvtdq2pd. */
  function cvtdq2pd(d: number, s: number): void {
    const low = i32[s >> 2];
    const high = i32[(s >> 2) + 1];
    f64[d >> 3] = low;
    f64[(d >> 3) + 1] = high;
  }

  // Between the two formats.
  function cvtss2sd(d: number, s: number): number {
    const x = f32[s >> 2];
    if (!plain32(x)) return finish(widen(i32[s >> 2], i32[MXCSR], result, 0), d, 2, 2);
    f64[d >> 3] = x;
    return 0;
  }
  function cvtsd2ss(d: number, s: number): number {
    const x = f64[s >> 3];
    const r = Math.fround(x);
    if (x === 0 || (quiet() && Math.abs(r) > SMALLEST_NORMAL_32 && Math.abs(r) < Infinity)) {
      f32[d >> 2] = r;
      return 0;
    }
    return finish(narrow(i32[s >> 2], i32[(s >> 2) + 1], i32[MXCSR], result, 0), d, 1, 1);
  }
  function cvtps2pd(d: number, s: number): number {
    const x = f32[s >> 2];
    const y = f32[(s >> 2) + 1];
    if (plain32(x) && plain32(y)) {
      f64[d >> 3] = x;
      f64[(d >> 3) + 1] = y;
      return 0;
    }
    const mxcsr = i32[MXCSR];
    s >>= 2;
    const low = i32[s];
    const high = i32[s + 1];
    return finish(widen(low, mxcsr, result, 0) | widen(high, mxcsr, result, 2), d, 4, 4);
  }
  function cvtpd2ps(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    s >>= 2;
    const flags = narrow(i32[s], i32[s + 1], mxcsr, result, 0) | narrow(i32[s + 2], i32[s + 3], mxcsr, result, 1);
    return finish(flags, d, 2, 4);
  }

  // SSE4.1 roundings. Immediate: bits 0-1 the mode, bit 2 take MXCSR's, bit 3 do not report precision.
  function round32(d: number, s: number, immediate: number, lanes: number): number {
    const mode = immediate & 4 ? rounding() : immediate & 3;
    let flags = 0;
    for (let i = 0; i < lanes; i++) {
      const bits = i32[(s >> 2) + i];
      if (isNan32(bits)) {
        result[i] = bits | 0x00400000;
        if (isSignalling32(bits)) flags |= Flag.invalid;
        continue;
      }
      if (isDenormal32(bits) && i32[MXCSR] & DENORMALS_ARE_ZERO) {
        result[i] = bits & SIGN;
        continue;
      }
      const x = floatOf(bits);
      const r = Math.abs(x) < 2 ** 24 ? roundToIntegral(x, mode) : x;
      if (r !== x && !(immediate & 8)) flags |= Flag.precision;
      result[i] = r === x ? bits : floatBits(r);
    }
    return finish(flags, d, lanes, lanes);
  }
  function round64(d: number, s: number, immediate: number, lanes: number): number {
    const mode = immediate & 4 ? rounding() : immediate & 3;
    let flags = 0;
    for (let i = 0; i < lanes * 2; i += 2) {
      const low = i32[(s >> 2) + i];
      const high = i32[(s >> 2) + i + 1];
      result[i] = low;
      result[i + 1] = high;
      if (isNan64(low, high)) {
        result[i + 1] = high | 0x00080000;
        if (isSignalling64(low, high)) flags |= Flag.invalid;
        continue;
      }
      if (isDenormal64(low, high) && i32[MXCSR] & DENORMALS_ARE_ZERO) {
        result[i] = 0;
        result[i + 1] = high & SIGN;
        continue;
      }
      const x = numbers[i >> 1];
      if (Math.abs(x) >= 2 ** 53) continue;
      const r = roundToIntegral(x, mode);
      if (r !== x && !(immediate & 8)) flags |= Flag.precision;
      numbers[i >> 1] = r;
    }
    return finish(flags, d, lanes * 2, lanes * 2);
  }
  const single = new Float32Array(1);
  const singleBits = new Int32Array(single.buffer);
  function floatBits(x: number): number {
    single[0] = x;
    return singleBits[0];
  }
  const roundps = (d: number, s: number, immediate: number): number => round32(d, s, immediate, 4);
  function roundss(d: number, s: number, immediate: number): number {
    const x = f32[s >> 2];
    if (quiet() && plain32(x) && Math.abs(x) < 2 ** 24) {
      f32[d >> 2] = roundToIntegral(x, immediate & 4 ? Rounding.nearest : immediate & 3);
      return 0;
    }
    return round32(d, s, immediate, 1);
  }
  const roundpd = (d: number, s: number, immediate: number): number => round64(d, s, immediate, 2);
  function roundsd(d: number, s: number, immediate: number): number {
    const x = f64[s >> 3];
    if (quiet() && plain64(x) && Math.abs(x) < 2 ** 53) {
      f64[d >> 3] = roundToIntegral(x, immediate & 4 ? Rounding.nearest : immediate & 3);
      return 0;
    }
    return round64(d, s, immediate, 1);
  }

  return {
    cmpps,
    cmpss,
    cmppd,
    cmpsd,
    comiss,
    ucomiss,
    comisd,
    ucomisd,
    cvtss2si,
    cvttss2si,
    cvtsd2si,
    cvttsd2si,
    cvtps2pi,
    cvttps2pi,
    cvtpd2pi,
    cvttpd2pi,
    cvtps2dq,
    cvttps2dq,
    cvtpd2dq,
    cvttpd2dq,
    cvtsi2ss,
    cvtpi2ps,
    cvtdq2ps,
    cvtsi2sd,
    cvtdq2pd,
    cvtss2sd,
    cvtsd2ss,
    cvtps2pd,
    cvtpd2ps,
    roundps,
    roundss,
    roundpd,
    roundsd,
  };
}
