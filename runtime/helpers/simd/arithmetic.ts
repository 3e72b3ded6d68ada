/**
 * SSE's floating-point arithmetic: add, subtract, multiply, divide, square root, minimum, maximum, the horizontal and
 * alternating additions of SSE3 and the dot products of SSE4.1. Operands are slots (byte offsets in the state block).
 * Every function returns 0, or 1 when an unmasked exception must be raised (#XM): MXCSR's flags are set then and the
 * destination is as it was.
 *
 * The fast path is JavaScript's own operation, taken when all exceptions are masked, rounding is to nearest (`PLAIN`) and
 * operands and result are normal numbers or exact zeros; while PE is not yet set it is found out whether the result is
 * exact. Everything else goes lane by lane through `softfloat.ts`.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { State } from '../../../translator/state.js';
import { Flag, PLAIN, PLAIN_BITS, PRE_COMPUTATION } from './mxcsr.js';
import {
  isSafe64,
  lane32,
  lane64,
  Op,
  productError,
  SMALLEST_NORMAL_32,
  SMALLEST_NORMAL_64,
  unmasked,
} from './softfloat.js';

const MXCSR = State.mxcsr >> 2;
const LARGEST_32 = (2 - 2 ** -23) * 2 ** 127;
const LARGEST_64 = Number.MAX_VALUE;

/** Zero or normal or infinite: an operand that raises no exception by itself. */
const plain32 = (x: number): boolean => Math.abs(x) >= SMALLEST_NORMAL_32 || x === 0;
const plain64 = (x: number): boolean => Math.abs(x) >= SMALLEST_NORMAL_64 || x === 0;
/** A result that was not rounded across either end of the exponent range. */
const normal32 = (x: number): boolean => Math.abs(x) > SMALLEST_NORMAL_32 && Math.abs(x) <= LARGEST_32;
const normal64 = (x: number): boolean => Math.abs(x) > SMALLEST_NORMAL_64 && Math.abs(x) <= LARGEST_64;

/** The exact sum minus the nearest double `sum` (TwoSum); not zero, or NaN near overflow, when the sum is inexact. */
function sumError(x: number, y: number, sum: number): number {
  const t = sum - x;
  return x - (sum - t) + (y - t);
}

export function createArithmetic({ i32, f32, f64 }: StateViews) {
  const result = new Int32Array(4);
  const step = new Int32Array(4);

  /** Ors lane flags into MXCSR as the processor does; true when an unmasked exception must be raised. */
  function raises(pre: number, flags: number): boolean {
    const mxcsr = i32[MXCSR];
    if (unmasked(pre & PRE_COMPUTATION, mxcsr)) {
      i32[MXCSR] = mxcsr | (pre & PRE_COMPUTATION);
      return true;
    }
    i32[MXCSR] = mxcsr | flags;
    return unmasked(flags, mxcsr) !== 0;
  }

  function slow32(op: Op, d: number, s: number, lanes: number): number {
    const mxcsr = i32[MXCSR];
    let flags = 0;
    d >>= 2;
    s >>= 2;
    for (let i = 0; i < lanes; i++) flags |= lane32(op, i32[d + i], i32[s + i], mxcsr, result, i);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < lanes; i++) i32[d + i] = result[i];
    return 0;
  }

  function slow64(op: Op, d: number, s: number, lanes: number): number {
    const mxcsr = i32[MXCSR];
    let flags = 0;
    d >>= 2;
    s >>= 2;
    for (let i = 0; i < lanes * 2; i += 2)
      flags |= lane64(op, i32[d + i], i32[d + i + 1], i32[s + i], i32[s + i + 1], mxcsr, result, i);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < lanes * 2; i++) i32[d + i] = result[i];
    return 0;
  }

  /** Masked, to nearest: no lane can raise, and lanes may be written one after the other. */
  const isPlain = (): boolean => (i32[MXCSR] & PLAIN_BITS) === PLAIN;

  function addss(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f32[d >> 2];
    const b = f32[s >> 2];
    const exact = a + b;
    const r = Math.fround(exact);
    if ((mxcsr & PLAIN_BITS) === PLAIN && (normal32(r) || r === 0) && plain32(a) && plain32(b)) {
      f32[d >> 2] = r;
      if ((mxcsr & Flag.precision) === 0) {
        if (!(exact === r && sumError(a, b, exact) === 0)) i32[MXCSR] = mxcsr | Flag.precision;
      }
      return 0;
    }
    return slow32(Op.add, d, s, 1);
  }
  function subss(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f32[d >> 2];
    const b = f32[s >> 2];
    const exact = a - b;
    const r = Math.fround(exact);
    if ((mxcsr & PLAIN_BITS) === PLAIN && (normal32(r) || r === 0) && plain32(a) && plain32(b)) {
      f32[d >> 2] = r;
      if ((mxcsr & Flag.precision) === 0) {
        if (!(exact === r && sumError(a, -b, exact) === 0)) i32[MXCSR] = mxcsr | Flag.precision;
      }
      return 0;
    }
    return slow32(Op.sub, d, s, 1);
  }
  function mulss(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f32[d >> 2];
    const b = f32[s >> 2];
    const exact = a * b;
    const r = Math.fround(exact);
    if (
      (mxcsr & PLAIN_BITS) === PLAIN &&
      (normal32(r) || (r === 0 && (a === 0 || b === 0))) &&
      plain32(a) &&
      plain32(b)
    ) {
      f32[d >> 2] = r;
      if ((mxcsr & Flag.precision) === 0) {
        if (exact !== r) i32[MXCSR] = mxcsr | Flag.precision;
      }
      return 0;
    }
    return slow32(Op.mul, d, s, 1);
  }
  function divss(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f32[d >> 2];
    const b = f32[s >> 2];
    const exact = a / b;
    const r = Math.fround(exact);
    if ((mxcsr & PLAIN_BITS) === PLAIN && (normal32(r) || (r === 0 && a === 0)) && plain32(a) && plain32(b)) {
      f32[d >> 2] = r;
      if ((mxcsr & Flag.precision) === 0) {
        // Zero divided by anything, infinity too, is exact.
        if (a !== 0 && r * b !== a) i32[MXCSR] = mxcsr | Flag.precision;
      }
      return 0;
    }
    return slow32(Op.div, d, s, 1);
  }
  function sqrtss(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const b = f32[s >> 2];
    if ((mxcsr & PLAIN_BITS) === PLAIN && (b >= SMALLEST_NORMAL_32 || b === 0) && b <= LARGEST_32) {
      const r = Math.fround(Math.sqrt(b));
      f32[d >> 2] = r;
      if (r * r !== b) i32[MXCSR] = mxcsr | Flag.precision;
      return 0;
    }
    return slow32(Op.sqrt, d, s, 1);
  }
  function minss(d: number, s: number): number {
    const a = f32[d >> 2];
    const b = f32[s >> 2];
    if (plain32(a) && plain32(b)) {
      if (!(a < b)) i32[d >> 2] = i32[s >> 2];
      return 0;
    }
    return slow32(Op.min, d, s, 1);
  }
  function maxss(d: number, s: number): number {
    const a = f32[d >> 2];
    const b = f32[s >> 2];
    if (plain32(a) && plain32(b)) {
      if (!(a > b)) i32[d >> 2] = i32[s >> 2];
      return 0;
    }
    return slow32(Op.max, d, s, 1);
  }

  function addsd(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f64[d >> 3];
    const b = f64[s >> 3];
    const r = a + b;
    if ((mxcsr & PLAIN_BITS) === PLAIN && (normal64(r) || r === 0) && plain64(a) && plain64(b)) {
      if ((mxcsr & Flag.precision) === 0 && sumError(a, b, r) !== 0) i32[MXCSR] = mxcsr | Flag.precision;
      f64[d >> 3] = r;
      return 0;
    }
    return slow64(Op.add, d, s, 1);
  }
  function subsd(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f64[d >> 3];
    const b = f64[s >> 3];
    const r = a - b;
    if ((mxcsr & PLAIN_BITS) === PLAIN && (normal64(r) || r === 0) && plain64(a) && plain64(b)) {
      if ((mxcsr & Flag.precision) === 0 && sumError(a, -b, r) !== 0) i32[MXCSR] = mxcsr | Flag.precision;
      f64[d >> 3] = r;
      return 0;
    }
    return slow64(Op.sub, d, s, 1);
  }
  function mulsd(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f64[d >> 3];
    const b = f64[s >> 3];
    const r = a * b;
    if (
      (mxcsr & PLAIN_BITS) === PLAIN &&
      (normal64(r) || (r === 0 && (a === 0 || b === 0))) &&
      plain64(a) &&
      plain64(b)
    ) {
      if ((mxcsr & Flag.precision) === 0 && r !== 0) {
        if (!(isSafe64(a) && isSafe64(b))) return slow64(Op.mul, d, s, 1);
        if (productError(a, b, r) !== 0) i32[MXCSR] = mxcsr | Flag.precision;
      }
      f64[d >> 3] = r;
      return 0;
    }
    return slow64(Op.mul, d, s, 1);
  }
  function divsd(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const a = f64[d >> 3];
    const b = f64[s >> 3];
    const r = a / b;
    if ((mxcsr & PLAIN_BITS) === PLAIN && (normal64(r) || (r === 0 && a === 0)) && plain64(a) && plain64(b)) {
      if ((mxcsr & Flag.precision) === 0 && r !== 0) {
        if (!(isSafe64(a) && isSafe64(b))) return slow64(Op.div, d, s, 1);
        if (a - r * b - productError(r, b, r * b) !== 0) i32[MXCSR] = mxcsr | Flag.precision;
      }
      f64[d >> 3] = r;
      return 0;
    }
    return slow64(Op.div, d, s, 1);
  }
  function sqrtsd(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    const b = f64[s >> 3];
    if ((mxcsr & PLAIN_BITS) === PLAIN && (b >= SMALLEST_NORMAL_64 || b === 0) && b <= LARGEST_64) {
      const r = Math.sqrt(b);
      if ((mxcsr & Flag.precision) === 0 && b !== 0) {
        if (!isSafe64(b)) return slow64(Op.sqrt, d, s, 1);
        if (b - r * r - productError(r, r, r * r) !== 0) i32[MXCSR] = mxcsr | Flag.precision;
      }
      f64[d >> 3] = r;
      return 0;
    }
    return slow64(Op.sqrt, d, s, 1);
  }
  function minsd(d: number, s: number): number {
    const a = f64[d >> 3];
    const b = f64[s >> 3];
    if (plain64(a) && plain64(b)) {
      if (!(a < b)) f64[d >> 3] = b;
      return 0;
    }
    return slow64(Op.min, d, s, 1);
  }
  function maxsd(d: number, s: number): number {
    const a = f64[d >> 3];
    const b = f64[s >> 3];
    if (plain64(a) && plain64(b)) {
      if (!(a > b)) f64[d >> 3] = b;
      return 0;
    }
    return slow64(Op.max, d, s, 1);
  }

  function addps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.add, d, s, 4);
    for (let i = 0; i < 16; i += 4) addss(d + i, s + i);
    return 0;
  }
  function subps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.sub, d, s, 4);
    for (let i = 0; i < 16; i += 4) subss(d + i, s + i);
    return 0;
  }
  function mulps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.mul, d, s, 4);
    for (let i = 0; i < 16; i += 4) mulss(d + i, s + i);
    return 0;
  }
  function divps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.div, d, s, 4);
    for (let i = 0; i < 16; i += 4) divss(d + i, s + i);
    return 0;
  }
  function sqrtps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.sqrt, d, s, 4);
    for (let i = 0; i < 16; i += 4) sqrtss(d + i, s + i);
    return 0;
  }
  function minps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.min, d, s, 4);
    for (let i = 0; i < 16; i += 4) minss(d + i, s + i);
    return 0;
  }
  function maxps(d: number, s: number): number {
    if (!isPlain()) return slow32(Op.max, d, s, 4);
    for (let i = 0; i < 16; i += 4) maxss(d + i, s + i);
    return 0;
  }
  function addpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.add, d, s, 2);
    return addsd(d, s) | addsd(d + 8, s + 8);
  }
  function subpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.sub, d, s, 2);
    return subsd(d, s) | subsd(d + 8, s + 8);
  }
  function mulpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.mul, d, s, 2);
    return mulsd(d, s) | mulsd(d + 8, s + 8);
  }
  function divpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.div, d, s, 2);
    return divsd(d, s) | divsd(d + 8, s + 8);
  }
  function sqrtpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.sqrt, d, s, 2);
    return sqrtsd(d, s) | sqrtsd(d + 8, s + 8);
  }
  function minpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.min, d, s, 2);
    return minsd(d, s) | minsd(d + 8, s + 8);
  }
  function maxpd(d: number, s: number): number {
    if (!isPlain()) return slow64(Op.max, d, s, 2);
    return maxsd(d, s) | maxsd(d + 8, s + 8);
  }

  /** haddps, hsubps: pairs of the destination give the low half, pairs of the source the high half. */
  function horizontal32(op: Op, d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    d >>= 2;
    s >>= 2;
    const flags =
      lane32(op, i32[d], i32[d + 1], mxcsr, result, 0) |
      lane32(op, i32[d + 2], i32[d + 3], mxcsr, result, 1) |
      lane32(op, i32[s], i32[s + 1], mxcsr, result, 2) |
      lane32(op, i32[s + 2], i32[s + 3], mxcsr, result, 3);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < 4; i++) i32[d + i] = result[i];
    return 0;
  }
  function horizontal64(op: Op, d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    d >>= 2;
    s >>= 2;
    const flags =
      lane64(op, i32[d], i32[d + 1], i32[d + 2], i32[d + 3], mxcsr, result, 0) |
      lane64(op, i32[s], i32[s + 1], i32[s + 2], i32[s + 3], mxcsr, result, 2);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < 4; i++) i32[d + i] = result[i];
    return 0;
  }
  const haddps = (d: number, s: number): number => horizontal32(Op.add, d, s);
  const hsubps = (d: number, s: number): number => horizontal32(Op.sub, d, s);
  const haddpd = (d: number, s: number): number => horizontal64(Op.add, d, s);
  const hsubpd = (d: number, s: number): number => horizontal64(Op.sub, d, s);

  function addsubps(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    let flags = 0;
    d >>= 2;
    s >>= 2;
    for (let i = 0; i < 4; i++) flags |= lane32(i & 1 ? Op.add : Op.sub, i32[d + i], i32[s + i], mxcsr, result, i);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < 4; i++) i32[d + i] = result[i];
    return 0;
  }
  function addsubpd(d: number, s: number): number {
    const mxcsr = i32[MXCSR];
    d >>= 2;
    s >>= 2;
    const flags =
      lane64(Op.sub, i32[d], i32[d + 1], i32[s], i32[s + 1], mxcsr, result, 0) |
      lane64(Op.add, i32[d + 2], i32[d + 3], i32[s + 2], i32[s + 3], mxcsr, result, 2);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < 4; i++) i32[d + i] = result[i];
    return 0;
  }

  /** dpps: products selected by immediate bits 4-7, summed pairwise, the sum written where bits 0-3 say. */
  function dpps(d: number, s: number, immediate: number): number {
    const mxcsr = i32[MXCSR];
    let flags = 0;
    d >>= 2;
    s >>= 2;
    for (let i = 0; i < 4; i++) {
      step[i] = 0;
      if (immediate & (16 << i)) flags |= lane32(Op.mul, i32[d + i], i32[s + i], mxcsr, step, i);
    }
    if (raises(flags, flags)) return 1;
    flags = lane32(Op.add, step[0], step[1], mxcsr, step, 0) | lane32(Op.add, step[2], step[3], mxcsr, step, 2);
    if (raises(flags, flags)) return 1;
    flags = lane32(Op.add, step[0], step[2], mxcsr, step, 0);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < 4; i++) i32[d + i] = immediate & (1 << i) ? step[0] : 0;
    return 0;
  }
  function dppd(d: number, s: number, immediate: number): number {
    const mxcsr = i32[MXCSR];
    let flags = 0;
    d >>= 2;
    s >>= 2;
    step.fill(0);
    if (immediate & 16) flags |= lane64(Op.mul, i32[d], i32[d + 1], i32[s], i32[s + 1], mxcsr, step, 0);
    if (immediate & 32) flags |= lane64(Op.mul, i32[d + 2], i32[d + 3], i32[s + 2], i32[s + 3], mxcsr, step, 2);
    if (raises(flags, flags)) return 1;
    flags = lane64(Op.add, step[0], step[1], step[2], step[3], mxcsr, step, 0);
    if (raises(flags, flags)) return 1;
    for (let i = 0; i < 2; i++) {
      i32[d + 2 * i] = immediate & (1 << i) ? step[0] : 0;
      i32[d + 2 * i + 1] = immediate & (1 << i) ? step[1] : 0;
    }
    return 0;
  }

  return {
    addss, subss, mulss, divss, sqrtss, minss, maxss,
    addsd, subsd, mulsd, divsd, sqrtsd, minsd, maxsd,
    addps, subps, mulps, divps, sqrtps, minps, maxps,
    addpd, subpd, mulpd, divpd, sqrtpd, minpd, maxpd,
    haddps, hsubps, haddpd, hsubpd, addsubps, addsubpd, dpps, dppd,
  }; // prettier-ignore
}
