/**
 * SSE in WebAssembly: what calls of the commonest helpers (`runtime/helpers/simd`) become. Operands are slots of the CPU
 * state. Where a helper has a fast path (MXCSR as usual and its inexact flag set already, operands and result ordinary
 * numbers), the same conditions are tested here, and the helper is called where they do not hold.
 */
import { State } from '../../state.js';
import type { PlainOpcode, ValueType } from './opcodes.js';
import type { FunctionWriter } from './writer.js';
import type { Variable } from '../../ir/ir.js';

export interface SimdContext {
  readonly w: FunctionWriter;
  /** State offset of the slot that argument `index` names, or its value, where it is a constant. */
  slot(index: number): number;
  constant(index: number): number;
  push(index: number): void;
  temporary(type: ValueType): number;
  local(variable: Variable): number;
  /** The helper's call, with what follows it. */
  fallback(): void;
  /** Names what is on the stack as the call's result. */
  result(): void;
}

export interface SimdLowering {
  /** Arguments that must be constants, from the first. */
  readonly constants: number;
  /** Required width argument: an operation on MMX registers is left to the helper. */
  readonly width?: { readonly index: number; readonly value: number };
  readonly emit: (c: SimdContext) => void;
}

/** MXCSR: all exceptions masked, rounding to nearest, and PE set: an inexact result changes nothing. */
const QUIET_BITS = 0x7fa0;
const QUIET = 0x1fa0;
const PLAIN = 0x1f80;

function pushQuiet(c: SimdContext): void {
  c.w.state();
  c.w.memory('i32.load', State.mxcsr);
  c.w.i32(QUIET_BITS);
  c.w.op('i32.and');
  c.w.i32(QUIET);
  c.w.op('i32.eq');
}

/** The same, PE not set yet. */
function pushPlain(c: SimdContext): void {
  c.w.state();
  c.w.memory('i32.load', State.mxcsr);
  c.w.i32(QUIET_BITS);
  c.w.op('i32.and');
  c.w.i32(PLAIN);
  c.w.op('i32.eq');
}

/**
 * What is on the stack says whether operands and result are ordinary: `store` is done then, where MXCSR is as usual and the
 * result is exact (which `exact` pushes), or PE is set, so that it need not be.
 */
function chooseExact(c: SimdContext, store: () => void, exact: () => void): void {
  const { w } = c;
  const ordinary = c.temporary('i32');
  w.tee(ordinary);
  pushQuiet(c);
  w.op('i32.and');
  w.open('if');
  store();
  w.op('else');
  w.get(ordinary);
  pushPlain(c);
  w.op('i32.and');
  exact();
  w.op('i32.and');
  choose(c, store);
  w.close();
}

function choose(c: SimdContext, fast: () => void): void {
  c.w.open('if');
  fast();
  c.w.op('else');
  c.fallback();
  c.w.close();
}

// Scalars -----------------------------------------------------------------------------------------------------------------

interface ScalarFormat {
  readonly type: 'f32' | 'f64';
  readonly load: 'f32.load' | 'f64.load';
  readonly store: 'f32.store' | 'f64.store';
  /** Twice the magnitude's bits of a local: its order is the magnitude's. */
  bits(c: SimdContext, local: number): void;
  constant(c: SimdContext, value: bigint): void;
  readonly subtract: PlainOpcode;
  readonly below: PlainOpcode;
  readonly notBelow: PlainOpcode;
  /** Twice the bits of the smallest normal number and of infinity. */
  readonly smallest: bigint;
  readonly infinity: bigint;
  readonly equal: PlainOpcode;
  readonly plus: PlainOpcode;
  readonly minus: PlainOpcode;
  /** Ones where a factor with half the significand's bits has zeros (twice its bits). */
  readonly lowHalf: bigint;
  readonly and: PlainOpcode;
  readonly or: PlainOpcode;
  readonly isZero: PlainOpcode;
}

const single: ScalarFormat = {
  type: 'f32',
  load: 'f32.load',
  store: 'f32.store',
  bits: ({ w }, local) => {
    w.get(local);
    w.op('i32.reinterpret_f32');
    w.i32(1);
    w.op('i32.shl');
  },
  constant: ({ w }, value) => w.i32(Number(BigInt.asIntN(32, value))),
  subtract: 'i32.sub',
  below: 'i32.lt_u',
  notBelow: 'i32.ge_u',
  smallest: 1n << 24n,
  infinity: 0xff000000n,
  equal: 'f32.eq',
  plus: 'f32.add',
  minus: 'f32.sub',
  lowHalf: 0x1fffn,
  and: 'i32.and',
  or: 'i32.or',
  isZero: 'i32.eqz',
};
const double: ScalarFormat = {
  type: 'f64',
  load: 'f64.load',
  store: 'f64.store',
  bits: ({ w }, local) => {
    w.get(local);
    w.op('i64.reinterpret_f64');
    w.i64(1n);
    w.op('i64.shl');
  },
  constant: ({ w }, value) => w.i64(value),
  subtract: 'i64.sub',
  below: 'i64.lt_u',
  notBelow: 'i64.ge_u',
  smallest: 1n << 53n,
  infinity: 0xffe0n << 48n,
  equal: 'f64.eq',
  plus: 'f64.add',
  minus: 'f64.sub',
  lowHalf: 0xfffffffn,
  and: 'i64.and',
  or: 'i64.or',
  isZero: 'i64.eqz',
};

function pushZero(c: SimdContext, format: ScalarFormat): void {
  if (format === double) c.w.f64(0);
  else c.w.f32(0);
}
/** 1 unless the number is denormal. */
function pushNotDenormal(c: SimdContext, format: ScalarFormat, local: number): void {
  format.bits(c, local);
  format.constant(c, 1n);
  c.w.op(format.subtract);
  format.constant(c, format.smallest - 1n);
  c.w.op(format.notBelow);
}
/** 1 where the number is finite and larger than the smallest normal: it was not rounded across an end of the range. */
function pushNormal(c: SimdContext, format: ScalarFormat, local: number): void {
  format.bits(c, local);
  format.constant(c, format.smallest + 1n);
  c.w.op(format.subtract);
  format.constant(c, format.infinity - format.smallest - 1n);
  c.w.op(format.below);
}
function loadSlot(c: SimdContext, format: ScalarFormat, index: number): number {
  const local = c.temporary(format.type);
  c.w.state();
  c.w.memory(format.load, c.slot(index));
  c.w.set(local);
  return local;
}
function storeSlot(c: SimdContext, format: ScalarFormat, local: number): void {
  c.w.state();
  c.w.get(local);
  c.w.memory(format.store, c.slot(0));
}

/** Pushes 1 where r = a op b is exact; it may push 0 for some exact results of products and quotients. */
type Exactness = (c: SimdContext, format: ScalarFormat, a: number, b: number, r: number) => void;

/** By the two differences, one of which is without error (the first half of Dekker's FastTwoSum). */
const exactSum =
  (subtraction: boolean): Exactness =>
  ({ w }, format, a, b, r) => {
    w.get(subtraction ? a : r);
    w.get(subtraction ? r : a);
    w.op(format.minus);
    w.get(b);
    w.op(format.equal);
    w.get(r);
    w.get(b);
    w.op(subtraction ? format.plus : format.minus);
    w.get(a);
    w.op(format.equal, 'i32.and');
  };
function pushShort(c: SimdContext, format: ScalarFormat, a: number, b: number): void {
  format.bits(c, a);
  format.bits(c, b);
  c.w.op(format.or);
  format.constant(c, format.lowHalf);
  c.w.op(format.and, format.isZero);
}
const exactProduct: Exactness = (c, format, a, b) => pushShort(c, format, a, b);
const exactQuotient: Exactness = (c, format, a, b, r) => {
  pushShort(c, format, r, b);
  c.w.get(r);
  c.w.get(b);
  c.w.op(format === double ? 'f64.mul' : 'f32.mul');
  c.w.get(a);
  c.w.op(format.equal, 'i32.and');
};

/** A result of zero is no underflow where one of the operands of `zero` is zero, or in any case. */
function scalar(
  format: ScalarFormat,
  operation: PlainOpcode,
  zero: readonly (0 | 1)[] | 'always',
  exact: Exactness,
): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const a = loadSlot(c, format, 0);
      const b = loadSlot(c, format, 1);
      const r = c.temporary(format.type);
      w.get(a);
      w.get(b);
      w.op(operation);
      w.set(r);
      pushNormal(c, format, r);
      const pushIsZero = (local: number): void => {
        w.get(local);
        pushZero(c, format);
        w.op(format.equal);
      };
      pushIsZero(r);
      if (zero !== 'always') {
        zero.forEach((operand, number) => {
          pushIsZero(operand === 0 ? a : b);
          if (number > 0) w.op('i32.or');
        });
        w.op('i32.and');
      }
      w.op('i32.or');
      pushNotDenormal(c, format, a);
      w.op('i32.and');
      pushNotDenormal(c, format, b);
      w.op('i32.and');
      chooseExact(
        c,
        () => storeSlot(c, format, r),
        () => exact(c, format, a, b, r),
      );
    },
  };
}
function squareRoot(format: ScalarFormat, operation: PlainOpcode, greater: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const b = loadSlot(c, format, 1);
      const r = c.temporary(format.type);
      w.get(b);
      w.op(operation);
      w.set(r);
      pushNormal(c, format, b);
      w.get(b);
      pushZero(c, format);
      w.op(greater, 'i32.and');
      pushQuiet(c);
      w.op('i32.and');
      choose(c, () => storeSlot(c, format, r));
    },
  };
}
/** minsd, maxsd: the source unless the destination is less (greater). */
function extreme(format: ScalarFormat, compare: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const a = loadSlot(c, format, 0);
      const b = loadSlot(c, format, 1);
      pushOrdinary(c, format, a);
      pushOrdinary(c, format, b);
      w.op('i32.and');
      choose(c, () => {
        w.state();
        w.get(a);
        w.get(b);
        w.get(a);
        w.get(b);
        w.op(compare, 'select');
        w.memory(format.store, c.slot(0));
      });
    },
  };
}
/** 1 where the number is neither denormal nor a NaN. */
function pushOrdinary(c: SimdContext, format: ScalarFormat, local: number): void {
  pushNotDenormal(c, format, local);
  c.w.get(local);
  c.w.get(local);
  c.w.op(format.equal, 'i32.and');
}
/** comisd and its kin, for ordinary numbers: ZF and CF by the comparison, the others clear. */
function comparison(format: ScalarFormat, less: PlainOpcode, different: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const a = loadSlot(c, format, 0);
      const b = loadSlot(c, format, 1);
      pushOrdinary(c, format, a);
      pushOrdinary(c, format, b);
      w.op('i32.and');
      choose(c, () => {
        const flag = (variable: Variable, value: () => void): void => {
          value();
          w.set(c.local(variable));
        };
        const compare = (operation: PlainOpcode) => (): void => {
          w.get(a);
          w.get(b);
          w.op(operation);
        };
        flag('cf', compare(less));
        flag('zr', compare(different));
        flag('pr', () => w.i32(1));
        for (const variable of ['af', 'sr', 'of'] as const) flag(variable, () => w.i32(0));
      });
    },
  };
}
function toInteger(
  format: ScalarFormat,
  truncate: PlainOpcode,
  absolute: PlainOpcode,
  less: PlainOpcode,
): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const x = loadSlot(c, format, 1);
      w.get(x);
      w.op(absolute);
      if (format === double) w.f64(2 ** 31);
      else w.f32(2 ** 31);
      w.op(less);
      pushQuiet(c);
      w.op('i32.and');
      choose(c, () => {
        w.state();
        w.get(x);
        w.op(truncate);
        w.memory('i32.store', c.slot(0));
      });
    },
  };
}

// Whole registers ---------------------------------------------------------------------------------------------------------

function loadVector(c: SimdContext, index: number): void {
  c.w.state();
  c.w.memory('v128.load', c.slot(index));
}

interface PackedFormat {
  readonly absolute: PlainOpcode;
  readonly equal: PlainOpcode;
  readonly greater: PlainOpcode;
  readonly greaterOrEqual: PlainOpcode;
  readonly lessOrEqual: PlainOpcode;
  readonly allTrue: PlainOpcode;
  readonly smallest: readonly number[];
  readonly largest: readonly number[];
  readonly lowHalf: readonly number[];
  readonly add: PlainOpcode;
  readonly sub: PlainOpcode;
  readonly mul: PlainOpcode;
  readonly div: PlainOpcode;
}
const repeated = (values: Float32Array | Float64Array): number[] => [...new Uint8Array(values.buffer)];
const packedSingle: PackedFormat = {
  absolute: 'f32x4.abs',
  equal: 'f32x4.eq',
  greater: 'f32x4.gt',
  greaterOrEqual: 'f32x4.ge',
  lessOrEqual: 'f32x4.le',
  allTrue: 'i32x4.all_true',
  smallest: repeated(new Float32Array(4).fill(2 ** -126)),
  largest: repeated(new Float32Array(4).fill((2 - 2 ** -23) * 2 ** 127)),
  lowHalf: Array.from({ length: 16 }, (_, i) => [0xff, 0x0f, 0, 0][i % 4]!),
  add: 'f32x4.add',
  sub: 'f32x4.sub',
  mul: 'f32x4.mul',
  div: 'f32x4.div',
};
const packedDouble: PackedFormat = {
  absolute: 'f64x2.abs',
  equal: 'f64x2.eq',
  greater: 'f64x2.gt',
  greaterOrEqual: 'f64x2.ge',
  lessOrEqual: 'f64x2.le',
  allTrue: 'i64x2.all_true',
  smallest: repeated(new Float64Array(2).fill(2 ** -1022)),
  largest: repeated(new Float64Array(2).fill(Number.MAX_VALUE)),
  lowHalf: Array.from({ length: 16 }, (_, i) => [0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0][i % 8]!),
  add: 'f64x2.add',
  sub: 'f64x2.sub',
  mul: 'f64x2.mul',
  div: 'f64x2.div',
};
const ZEROS = new Array<number>(16).fill(0);

type Arithmetic = 'add' | 'sub' | 'mul' | 'div';

function packed(format: PackedFormat, arithmetic: Arithmetic): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const [a, b, r] = [c.temporary('v128'), c.temporary('v128'), c.temporary('v128')];
      const compute = (left: number, operation: Arithmetic, right: number): void => {
        w.get(left);
        w.get(right);
        w.op(format[operation]);
      };
      loadVector(c, 0);
      w.set(a);
      loadVector(c, 1);
      w.set(b);
      compute(a, arithmetic, b);
      w.set(r);
      const against = (local: number, compare: PlainOpcode, bytes: readonly number[]): void => {
        w.get(local);
        w.op(format.absolute);
        w.vector('v128.const', bytes);
        w.op(compare);
      };
      against(r, format.greater, format.smallest);
      against(r, format.lessOrEqual, format.largest);
      w.op('v128.and');
      // A zero is no underflow where a factor, or the dividend, is zero.
      against(r, format.equal, ZEROS);
      if (arithmetic === 'mul' || arithmetic === 'div') {
        against(a, format.equal, ZEROS);
        if (arithmetic === 'mul') {
          against(b, format.equal, ZEROS);
          w.op('v128.or');
        }
        w.op('v128.and');
      }
      w.op('v128.or');
      for (const operand of [a, b]) {
        against(operand, format.greaterOrEqual, format.smallest);
        against(operand, format.equal, ZEROS);
        w.op('v128.or', 'v128.and');
      }
      w.op(format.allTrue);
      const store = (): void => {
        w.state();
        w.get(r);
        w.memory('v128.store', c.slot(0));
      };
      // As for scalars, lane by lane.
      const short = (left: number, right: number): void => {
        w.get(left);
        w.get(right);
        w.op('v128.or');
        w.vector('v128.const', format.lowHalf);
        w.op('v128.and', 'v128.any_true', 'i32.eqz');
      };
      const allEqual = (local: number): void => {
        w.get(local);
        w.op(format.equal, format.allTrue);
      };
      chooseExact(c, store, () => {
        if (arithmetic === 'mul') short(a, b);
        else if (arithmetic === 'div') {
          short(r, b);
          compute(r, 'mul', b);
          allEqual(a);
          w.op('i32.and');
        } else if (arithmetic === 'add') {
          compute(r, 'sub', a);
          allEqual(b);
          compute(r, 'sub', b);
          allEqual(a);
          w.op('i32.and');
        } else {
          compute(a, 'sub', r);
          allEqual(b);
          compute(r, 'add', b);
          allEqual(a);
          w.op('i32.and');
        }
      });
    },
  };
}

const XMM_WIDTH = { index: 2, value: 16 } as const;

/** d = d op s, lane by lane. */
function lanes(...operations: readonly PlainOpcode[]): SimdLowering {
  return {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      c.w.state();
      loadVector(c, 0);
      loadVector(c, 1);
      c.w.op(...operations);
      c.w.memory('v128.store', c.slot(0));
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
      c.w.state();
      loadVector(c, 0);
      loadVector(c, 1);
      c.w.vector('i8x16.shuffle', bytes(c));
      c.w.memory('v128.store', c.slot(0));
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
      c.w.state();
      if (count >= bits && !arithmetic) c.w.vector('v128.const', ZEROS);
      else {
        loadVector(c, 0);
        c.w.i32(Math.min(count, bits - 1));
        c.w.op(operation);
      }
      c.w.memory('v128.store', c.slot(0));
    },
  };
}
/** Shifts the register by whole bytes. */
function shiftBytes(towardsHigh: boolean): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const count = Math.min(c.constant(1) & 0xff, 16);
      c.w.state();
      loadVector(c, 0);
      c.w.vector('v128.const', ZEROS);
      // Bytes 16-31 are the zeros.
      const bytes = Array.from({ length: 16 }, (_, i) => {
        const from = towardsHigh ? i - count : i + count;
        return from < 0 || from > 15 ? 16 : from;
      });
      c.w.vector('i8x16.shuffle', bytes);
      c.w.memory('v128.store', c.slot(0));
    },
  };
}

export const simdLowerings: Readonly<Record<string, SimdLowering>> = {
  addsd: scalar(double, 'f64.add', 'always', exactSum(false)),
  subsd: scalar(double, 'f64.sub', 'always', exactSum(true)),
  mulsd: scalar(double, 'f64.mul', [0, 1], exactProduct),
  divsd: scalar(double, 'f64.div', [0], exactQuotient),
  addss: scalar(single, 'f32.add', 'always', exactSum(false)),
  subss: scalar(single, 'f32.sub', 'always', exactSum(true)),
  mulss: scalar(single, 'f32.mul', [0, 1], exactProduct),
  divss: scalar(single, 'f32.div', [0], exactQuotient),
  sqrtsd: squareRoot(double, 'f64.sqrt', 'f64.gt'),
  sqrtss: squareRoot(single, 'f32.sqrt', 'f32.gt'),
  minsd: extreme(double, 'f64.lt'),
  maxsd: extreme(double, 'f64.gt'),
  minss: extreme(single, 'f32.lt'),
  maxss: extreme(single, 'f32.gt'),
  comisd: comparison(double, 'f64.lt', 'f64.ne'),
  ucomisd: comparison(double, 'f64.lt', 'f64.ne'),
  comiss: comparison(single, 'f32.lt', 'f32.ne'),
  ucomiss: comparison(single, 'f32.lt', 'f32.ne'),
  cvttsd2si: toInteger(double, 'i32.trunc_f64_s', 'f64.abs', 'f64.lt'),
  cvttss2si: toInteger(single, 'i32.trunc_f32_s', 'f32.abs', 'f32.lt'),
  cvtsi2sd: {
    constants: 1,
    emit: (c) => {
      c.w.state();
      c.push(1);
      c.w.op('f64.convert_i32_s');
      c.w.memory('f64.store', c.slot(0));
    },
  },
  cvtss2sd: {
    constants: 2,
    emit: (c) => {
      const x = loadSlot(c, single, 1);
      pushOrdinary(c, single, x);
      choose(c, () => {
        c.w.state();
        c.w.get(x);
        c.w.op('f64.promote_f32');
        c.w.memory('f64.store', c.slot(0));
      });
    },
  },
  cvtsd2ss: {
    constants: 2,
    emit: (c) => {
      const x = loadSlot(c, double, 1);
      const r = c.temporary('f32');
      c.w.get(x);
      c.w.op('f32.demote_f64');
      c.w.set(r);
      pushNormal(c, single, r);
      pushQuiet(c);
      c.w.op('i32.and');
      choose(c, () => storeSlot(c, single, r));
    },
  },
  addpd: packed(packedDouble, 'add'),
  subpd: packed(packedDouble, 'sub'),
  mulpd: packed(packedDouble, 'mul'),
  divpd: packed(packedDouble, 'div'),
  addps: packed(packedSingle, 'add'),
  subps: packed(packedSingle, 'sub'),
  mulps: packed(packedSingle, 'mul'),
  divps: packed(packedSingle, 'div'),

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
  pmuludq: {
    constants: 3,
    width: XMM_WIDTH,
    emit: (c) => {
      const low = Array.from({ length: 16 }, (_, i) => (i % 8 < 4 ? 0xff : 0));
      c.w.state();
      for (const operand of [0, 1]) {
        loadVector(c, operand);
        c.w.vector('v128.const', low);
        c.w.op('v128.and');
      }
      c.w.op('i64x2.mul');
      c.w.memory('v128.store', c.slot(0));
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
      loadVector(c, 0);
      c.w.op('i8x16.bitmask');
      c.result();
    },
  },
};
