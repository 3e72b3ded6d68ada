/**
 * Random machine states that are worth trying: values at the edges more often than in the middle. The same seed gives the
 * same state for ever, since recordings keep seeds instead of states: to change `stateFromSeed` is to record anew.
 */
import { Field, MachineState, SELECTORS, STACK_POINTER } from './machine.js';

/** A small fast generator (xorshift32 over a mixed seed). */
export class Random {
  private x: number;
  constructor(seed: number) {
    let x = (seed ^ 0x9e3779b9) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    this.x = (x ^ (x >>> 16)) | 1;
  }
  /** 32 random bits, unsigned. */
  u32(): number {
    let x = this.x;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.x = x;
    return Math.imul(x, 0x2545f491) >>> 0;
  }
  /** 0 ... n-1. */
  below(n: number): number {
    return Math.floor((this.u32() / 0x100000000) * n);
  }
  chance(part: number): boolean {
    return this.u32() < part * 0x100000000;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

const EDGES = [
  0, 1, 2, 7, 8, 9, 0xf, 0x10, 0x1f, 0x20, 0x21, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xffff, 0x10000,
  0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0xffff8000, 0xffffff80, 0xffffff7f, 0xffff0000,
  0x55555555, 0xaaaaaaaa, 0x99, 0x9a, 0x6666, 0x9999,
];

/** A 32-bit integer that is often an edge in some width. */
export function edgyInteger(random: Random): number {
  switch (random.below(6)) {
    case 0:
    case 1:
      return random.u32();
    case 2:
      return (1 << random.below(32)) >>> 0;
    case 3:
      return random.below(256);
    default:
      return random.pick(EDGES);
  }
}

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 1,
  0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000,
  0x3f000000, 0x40490fdb, 0x3fc00000, 0x40200000, 0x34000000,
];
export function edgySingle(random: Random): number {
  if (random.chance(0.4)) return random.pick(SINGLES);
  if (random.chance(0.2)) return random.u32();
  // Near one another, so that sums and comparisons mean something.
  return (((random.below(2) << 31) | ((127 + random.below(40) - 20) << 23) | random.below(1 << 23)) >>> 0) >>> 0;
}

const DOUBLES: [number, number][] = [
  [0, 0],
  [0x80000000, 0],
  [0x3ff00000, 0],
  [0xbff00000, 0],
  [0x7ff00000, 0],
  [0xfff00000, 0],
  [0x7ff80000, 0],
  [0xfff80000, 0],
  [0x7ff00000, 1],
  [0xfff7ffff, 0xffffffff],
  [0, 1],
  [0x80000000, 1],
  [0x000fffff, 0xffffffff],
  [0x00100000, 0],
  [0x7fefffff, 0xffffffff],
  [0xffefffff, 0xffffffff],
  [0x41e00000, 0],
  [0xc1e00000, 0],
  [0x41dfffff, 0xffc00000],
  [0x43e00000, 0],
  [0xc3e00000, 0],
  [0x36a00000, 0],
  [0x47efffff, 0xe0000000],
  [0x47efffff, 0xffffffff],
  [0x3fe00000, 0],
  [0x3ff80000, 0],
  [0x40040000, 0],
];
/** Low word first. */
export function edgyDouble(random: Random): [number, number] {
  if (random.chance(0.4)) {
    const [high, low] = random.pick(DOUBLES);
    return [low, high];
  }
  if (random.chance(0.2)) return [random.u32(), random.u32()];
  const high = (random.below(2) << 31) | ((1023 + random.below(80) - 40) << 20) | random.below(1 << 20);
  return [random.chance(0.3) ? 0 : random.u32(), high >>> 0];
}

/** Sign and exponent, mantissa high, mantissa low. */
const EXTENDEDS: [number, number, number][] = [
  [0, 0, 0],
  [0x8000, 0, 0],
  [0x3fff, 0x80000000, 0],
  [0xbfff, 0x80000000, 0],
  [0x7fff, 0x80000000, 0],
  [0xffff, 0x80000000, 0],
  [0x7fff, 0xc0000000, 0],
  [0xffff, 0xc0000000, 0],
  [0x7fff, 0x80000000, 1],
  [0xffff, 0xa0000000, 0x1234],
  [0x7fff, 0xc0000000, 0x1234],
  [0, 0, 1],
  [0x8000, 0x7fffffff, 0xffffffff],
  [0, 0x80000000, 0],
  [1, 0x80000000, 0],
  [0x7ffe, 0xffffffff, 0xffffffff],
  [0xfffe, 0xffffffff, 0xffffffff],
  // Unsupported: unnormal, pseudo-infinity, pseudo-NaN.
  [0x3fff, 0x40000000, 0],
  [0x7fff, 0, 0],
  [0x7fff, 0x40000000, 0],
  [0x4000, 0xc90fdaa2, 0x2168c235],
  [0x3ffe, 0x80000000, 0],
  [0x401e, 0x80000000, 0],
  [0xc01e, 0x80000000, 0],
  [0x403e, 0x80000000, 0],
  [0xc03e, 0x80000000, 0],
  [0x43fe, 0xffffffff, 0xffffffff],
  [0x407e, 0xffffff00, 0],
  [0x3c01, 0x80000000, 0],
  [0x3f6a, 0x80000000, 0],
  [0x3fff, 0xc0000000, 0],
  [0x4000, 0xa0000000, 0],
];
export function edgyExtended(random: Random): Uint8Array {
  const bytes = new Uint8Array(10);
  const view = new DataView(bytes.buffer);
  let [top, high, low] = random.pick(EXTENDEDS);
  if (random.chance(0.6)) {
    const spread = random.pick([3, 20, 70, 1100]);
    top = (random.below(2) << 15) | (0x3fff + random.below(2 * spread + 1) - spread);
    high = (0x80000000 | random.u32()) >>> 0;
    low = random.pick([0, random.u32(), random.u32(), 0xffffffff, 0x400, 0x7ff, 0x80000000]);
    if (random.chance(0.3)) high = (high & 0xffffff00) >>> 0;
  } else if (random.chance(0.1)) {
    top = random.below(0x10000);
    high = random.u32();
    low = random.u32();
  }
  view.setUint32(0, low, true);
  view.setUint32(4, high, true);
  view.setUint16(8, top, true);
  return bytes;
}

export function edgyVector(random: Random): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  switch (random.below(5)) {
    case 0:
    case 1:
      for (let i = 0; i < 4; i++) view.setUint32(4 * i, edgySingle(random), true);
      break;
    case 2:
    case 3:
      for (let i = 0; i < 2; i++) {
        const [low, high] = edgyDouble(random);
        view.setUint32(8 * i, low, true);
        view.setUint32(8 * i + 4, high, true);
      }
      break;
    default:
      for (let i = 0; i < 4; i++) view.setUint32(4 * i, edgyInteger(random), true);
  }
  return bytes;
}

/** What of the state is interesting: general registers alone, x87 (and MMX), or the XMM registers. */
export const PROFILES = ['integer', 'x87', 'vector', 'mmx'] as const;
export type Profile = (typeof PROFILES)[number];

const OSZAPC = [0x800, 0x80, 0x40, 0x10, 4, 1];
/** eip, and the stack pointer, are given; all else is random. */
export function stateFromSeed(seed: number, profile: Profile, eip: number): MachineState {
  const random = new Random(seed);
  const state = new MachineState();
  for (let i = 0; i < 8; i++) state.setRegister(i, edgyInteger(random));
  state.setRegister(4, STACK_POINTER);
  state.setU32(Field.eip, eip);
  let flags = 0x202;
  for (const bit of OSZAPC) if (random.chance(0.5)) flags |= bit;
  if (random.chance(0.15)) flags |= 0x400;
  state.setU32(Field.eflags, flags);
  SELECTORS.forEach((selector, i) => state.setU16(Field.selectors + 2 * i, selector));
  state.setU16(Field.fxControl, 0x37f);
  state.setU32(Field.mxcsr, 0x1f80);
  if (profile === 'x87' || profile === 'mmx') {
    let control = 0x37f;
    if (random.chance(0.5)) control = (control & ~0xc00) | (random.below(4) << 10);
    if (random.chance(0.3)) control = (control & ~0x300) | (random.pick([0, 2, 3]) << 8);
    if (random.chance(0.2)) control = (control & ~0x3f) | random.below(64);
    let status = (random.below(8) << 11) | (random.below(2) << 14) | (random.below(8) << 8);
    if (random.chance(0.2)) status |= random.below(64) & (random.chance(0.7) ? control : 0x3f);
    if (random.chance(0.1)) status |= 0x40;
    if (status & ~control & 0x3f) status |= 0x8080;
    state.setU16(Field.fxControl, control);
    state.setU16(Field.fxStatus, status);
    state.bytes[Field.fxTags] = random.chance(0.7) ? 0xff : random.chance(0.5) ? random.below(256) : 0;
    for (let i = 0; i < 8; i++) {
      if (profile === 'mmx') {
        state.bytes.set(edgyVector(random).subarray(0, 8), Field.st + 16 * i);
        state.setU16(Field.st + 16 * i + 8, random.chance(0.5) ? 0xffff : random.below(0x10000));
      } else state.bytes.set(edgyExtended(random), Field.st + 16 * i);
    }
  }
  if (profile !== 'x87') {
    let mxcsr = 0x1f80;
    if (random.chance(0.4)) mxcsr = (mxcsr & ~0x6000) | (random.below(4) << 13);
    if (random.chance(0.15)) mxcsr |= 0x8000;
    if (random.chance(0.15)) mxcsr |= 0x40;
    if (random.chance(0.2)) mxcsr |= random.below(64);
    if (random.chance(0.15)) mxcsr &= ~(random.below(64) << 7);
    if (profile === 'vector' || profile === 'mmx') state.setU32(Field.mxcsr, mxcsr);
    for (let i = 0; i < 8; i++) state.bytes.set(edgyVector(random), Field.xmm + 16 * i);
  }
  return state;
}

/** An x87 as programs have it: a few ordinary numbers on its stack, exceptions masked, sometimes another rounding or precision. */
export function usualX87(state: MachineState, random: Random): void {
  const top = random.below(8);
  const control = random.chance(0.8) ? 0x37f : random.pick([0x27f, 0xf7f, 0x77f, 0x7f]);
  state.setU16(Field.fxControl, control);
  state.setU16(Field.fxStatus, (top << 11) | (random.chance(0.5) ? 0x20 : 0) | (random.chance(0.3) ? 0x200 : 0));
  let tags = 0;
  for (let i = random.below(7); i > 0; i--) tags |= 1 << ((top + i - 1) & 7);
  state.bytes[Field.fxTags] = tags;
  for (let i = 0; i < 8; i++) {
    const zero = random.chance(0.1);
    const at = Field.st + 16 * i;
    state.setU16(
      at + 8,
      (random.below(2) << 15) | (zero ? 0 : 0x3fff + random.below(random.pick([3, 12, 70, 140])) - 30),
    );
    const low = random.pick([0, 0, 0x800, 0x400, random.u32(), random.u32(), 0xffffffff]);
    state.setU32(at, zero ? 0 : low);
    const high = random.pick([0x80000000, 0xffffffff, random.u32(), random.u32()]);
    state.setU32(at + 4, zero ? 0 : (high | 0x80000000) >>> 0);
    if (!zero && random.chance(0.1)) {
      // About the greatest double and single.
      const isDouble = random.chance(0.5);
      state.setU16(at + 8, (random.below(2) << 15) | (0x3fff + (isDouble ? 1023 : 127) - random.below(2)));
      state.setU32(at + 4, isDouble ? 0xffffffff : random.pick([0xffffff00, 0xffffff7f, 0xffffff80]));
      state.setU32(at, isDouble ? random.pick([0xfffff800, 0xfffffbff, 0xfffffc00, 0xfffff801]) : random.pick([0, 1]));
    }
  }
}

/** Exponents of moderate numbers, and of those about as large or small as generated code takes for moderate. */
const EXPONENTS = {
  32: [0, 0, 0, 20, 30, 31, 32, 33, 62, 126],
  64: [0, 0, 0, 20, 100, 126, 127, 128, 129, 400, 600, 1022],
} as const;

/** The numbers that a computation goes on with for long: XMM registers of doubles or singles, mostly moderate, all of them computed with. */
export function usualVectors(state: MachineState, random: Random): void {
  // All exceptions masked, rounding to nearest, with and without the flag of inexact results.
  state.setU32(Field.mxcsr, random.chance(0.6) ? 0x1fa0 : 0x1f80);
  const isDouble = random.chance(0.6);
  const exponents = EXPONENTS[isDouble ? 64 : 32];
  const spread = random.chance(0.5) ? 3 : exponents.length;
  // Products of many such numbers leave the range of normal ones.
  const all = random.chance(0.3) ? (random.chance(0.5) ? 1 : -1) * (isDouble ? 127 : 31) : undefined;
  const short = random.chance(0.4);
  const pick = (): { sign: number; exponent: number; zero: boolean } => {
    const largest = exponents[random.below(spread)]!;
    const near = random.below(5) - 2;
    const exponent = (all ?? (random.chance(0.5) ? largest : -largest)) + near;
    return { sign: random.below(2), exponent, zero: all === undefined && random.chance(0.1) };
  };
  for (let at = Field.xmm; at < Field.xmm + 128; at += isDouble ? 8 : 4) {
    const { sign, exponent, zero } = pick();
    if (isDouble) {
      const biased = Math.min(Math.max(1023 + exponent, 1), 2046);
      const high = ((sign << 31) | (biased << 20) | (short ? random.below(16) << 16 : random.below(1 << 20))) >>> 0;
      state.setU32(at, zero || short ? 0 : random.u32());
      state.setU32(at + 4, zero ? (sign << 31) >>> 0 : high);
    } else {
      const biased = Math.min(Math.max(127 + exponent, 1), 254);
      const bits = ((sign << 31) | (biased << 23) | (short ? random.below(16) << 19 : random.below(1 << 23))) >>> 0;
      state.setU32(at, zero ? (sign << 31) >>> 0 : bits);
    }
  }
}
