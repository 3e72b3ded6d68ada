/** SSE's packed integers, shuffles and moves in WebAssembly. */
import type { PlainOpcode } from './opcodes.js';
import { pushVector, ZEROS, type SimdContext, type SimdLowering } from './simd-context.js';

const XMM_WIDTH = { index: 2, value: 16 } as const;

/** d = d op s, lane by lane. */
function lanes(...operations: readonly PlainOpcode[]): SimdLowering {
  return {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      pushVector(c, 0);
      pushVector(c, 1);
      c.w.op(...operations);
      c.slots.set(c.constant(0));
    },
  };
}
/** d = |s|, lane by lane. */
function absolute(operation: PlainOpcode): SimdLowering {
  return {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      pushVector(c, 1);
      c.w.op(operation);
      c.slots.set(c.constant(0));
    },
  };
}
/** Bytes of d (0-15) and s (16-31). */
function shuffle(
  bytes: (c: SimdContext) => readonly number[],
  constants: number,
  width?: typeof XMM_WIDTH,
): SimdLowering {
  return {
    constants,
    ...(width ? { width } : {}),
    emit: (c) => {
      pushVector(c, 0);
      pushVector(c, 1);
      c.w.vector('i8x16.shuffle', bytes(c));
      c.slots.set(c.constant(0));
    },
  };
}
/** Lanes of `size` bytes, from the half of d and s that begins at byte `first`, in turn. */
function unpack(size: number, first: number): SimdLowering {
  const bytes: number[] = [];
  for (let lane = 0; bytes.length < 16; lane++) {
    for (const operand of [0, 16]) for (let i = 0; i < size; i++) bytes.push(operand + first + lane * size + i);
  }
  return shuffle(() => bytes, size === 8 ? 2 : 3, size === 8 ? undefined : XMM_WIDTH);
}
/** Bytes of four lanes chosen by the immediate's bit pairs: `from` gives the first byte of the source's lanes. */
const chosen = (immediate: number, size: number, from: (position: number) => number): number[] =>
  Array.from({ length: 4 * size }, (_, i) => {
    const position = Math.floor(i / size);
    return from(position) + ((immediate >> (2 * position)) & 3) * size + (i % size);
  });
const halfKept = (first: number): number[] => Array.from({ length: 8 }, (_, i) => first + i);

function shift(operation: PlainOpcode, bits: number, arithmetic = false): SimdLowering {
  return {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      const count = c.constant(1) & 0xff;
      if (count >= bits && !arithmetic) c.w.vector('v128.const', ZEROS);
      else {
        pushVector(c, 0);
        c.w.i32(Math.min(count, bits - 1));
        c.w.op(operation);
      }
      c.slots.set(c.constant(0));
    },
  };
}
/** Shifts the register by whole bytes. */
function shiftBytes(towardsHigh: boolean): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const count = Math.min(c.constant(1) & 0xff, 16);
      pushVector(c, 0);
      c.w.vector('v128.const', ZEROS);
      // Bytes 16-31 are the zeros.
      const bytes = Array.from({ length: 16 }, (_, i) => {
        const from = towardsHigh ? i - count : i + count;
        return from < 0 || from > 15 ? 16 : from;
      });
      c.w.vector('i8x16.shuffle', bytes);
      c.slots.set(c.constant(0));
    },
  };
}

export const integerLowerings: Readonly<Record<string, SimdLowering>> = {
  paddb: lanes('i8x16.add'),
  paddw: lanes('i16x8.add'),
  paddq: lanes('i64x2.add'),
  psubb: lanes('i8x16.sub'),
  psubw: lanes('i16x8.sub'),
  psubq: lanes('i64x2.sub'),
  paddsb: lanes('i8x16.add_sat_s'),
  paddsw: lanes('i16x8.add_sat_s'),
  paddusb: lanes('i8x16.add_sat_u'),
  paddusw: lanes('i16x8.add_sat_u'),
  psubsb: lanes('i8x16.sub_sat_s'),
  psubsw: lanes('i16x8.sub_sat_s'),
  psubusb: lanes('i8x16.sub_sat_u'),
  psubusw: lanes('i16x8.sub_sat_u'),
  pmullw: lanes('i16x8.mul'),
  pmaddwd: lanes('i32x4.dot_i16x8_s'),
  pminub: lanes('i8x16.min_u'),
  pmaxub: lanes('i8x16.max_u'),
  pminsw: lanes('i16x8.min_s'),
  pmaxsw: lanes('i16x8.max_s'),
  pavgb: lanes('i8x16.avgr_u'),
  pavgw: lanes('i16x8.avgr_u'),
  pcmpeqb: lanes('i8x16.eq'),
  pcmpeqw: lanes('i16x8.eq'),
  pcmpgtb: lanes('i8x16.gt_s'),
  pcmpgtw: lanes('i16x8.gt_s'),
  pcmpgtd: lanes('i32x4.gt_s'),
  packsswb: lanes('i8x16.narrow_i16x8_s'),
  packuswb: lanes('i8x16.narrow_i16x8_u'),
  packssdw: lanes('i16x8.narrow_i32x4_s'),
  packusdw: lanes('i16x8.narrow_i32x4_u'),
  pmulld: lanes('i32x4.mul'),
  pminsb: lanes('i8x16.min_s'),
  pmaxsb: lanes('i8x16.max_s'),
  pminuw: lanes('i16x8.min_u'),
  pmaxuw: lanes('i16x8.max_u'),
  pminsd: lanes('i32x4.min_s'),
  pmaxsd: lanes('i32x4.max_s'),
  pminud: lanes('i32x4.min_u'),
  pmaxud: lanes('i32x4.max_u'),
  pcmpeqq: lanes('i64x2.eq'),
  pcmpgtq: lanes('i64x2.gt_s'),
  pabsb: absolute('i8x16.abs'),
  pabsw: absolute('i16x8.abs'),
  pabsd: absolute('i32x4.abs'),
  pshufb: {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      pushVector(c, 0);
      pushVector(c, 1);
      // The four low bits count, and the highest, which gives zero: so do indices beyond 15 in WebAssembly.
      c.w.vector('v128.const', new Array<number>(16).fill(0x8f));
      c.w.op('v128.and', 'i8x16.swizzle');
      c.slots.set(c.constant(0));
    },
  },
  pmuludq: {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      const low = Array.from({ length: 16 }, (_, i) => (i % 8 < 4 ? 0xff : 0));
      for (const operand of [0, 1]) {
        pushVector(c, operand);
        c.w.vector('v128.const', low);
        c.w.op('v128.and');
      }
      c.w.op('i64x2.mul');
      c.slots.set(c.constant(0));
    },
  },
  psllwImmediate: shift('i16x8.shl', 16),
  pslldImmediate: shift('i32x4.shl', 32),
  psllqImmediate: shift('i64x2.shl', 64),
  psrlwImmediate: shift('i16x8.shr_u', 16),
  psrldImmediate: shift('i32x4.shr_u', 32),
  psrlqImmediate: shift('i64x2.shr_u', 64),
  psrawImmediate: shift('i16x8.shr_s', 16, true),
  psradImmediate: shift('i32x4.shr_s', 32, true),
  pslldq: shiftBytes(true),
  psrldq: shiftBytes(false),
  punpcklbw: unpack(1, 0),
  punpcklwd: unpack(2, 0),
  punpckldq: unpack(4, 0),
  punpcklqdq: unpack(8, 0),
  punpckhbw: unpack(1, 8),
  punpckhwd: unpack(2, 8),
  punpckhdq: unpack(4, 8),
  punpckhqdq: unpack(8, 8),
  shufps: shuffle((c) => chosen(c.constant(2), 4, (position) => (position < 2 ? 0 : 16)), 3),
  shufpd: shuffle((c) => {
    const immediate = c.constant(2);
    return [...halfKept((immediate & 1) * 8), ...halfKept(16 + ((immediate >> 1) & 1) * 8)];
  }, 3),
  pshuflw: shuffle((c) => [...chosen(c.constant(2), 2, () => 16), ...halfKept(24)], 3),
  pshufhw: shuffle((c) => [...halfKept(16), ...chosen(c.constant(2), 2, () => 24)], 3),
  pmovmskb: {
    constants: 2,
    width: { index: 1, value: 16 },
    emit: (c) => {
      pushVector(c, 0);
      c.w.op('i8x16.bitmask');
      c.result();
    },
  },
};
