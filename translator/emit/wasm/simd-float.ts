/**
 * SSE's floating point in WebAssembly. The fast path is for ordinary numbers with MXCSR quiet: all exceptions masked, rounding to
 * nearest, the sticky flag of inexact results set. While that flag is not set a result must be shown to be exact. Whatever
 * else would set a flag, or take an exception, leaves the region before anything of the instruction is done: a call that
 * rejoins would have every register spilled around it.
 */
import { State } from '../../state.js';
import type { PlainOpcode } from './opcodes.js';
import { pushVector, ZEROS, type SimdContext, type SimdLowering } from './simd-context.js';
import type { Variable } from '../../ir/ir.js';

/** MXCSR with the bits that matter: quiet but for the inexact flag. */
const MODE_BITS = 0x7fa0;
const PLAIN = 0x1f80;

function pushPlain({ w }: SimdContext): void {
  w.state();
  w.memory('i32.load', State.mxcsr);
  w.i32(MODE_BITS);
  w.op('i32.and');
  w.i32(PLAIN);
  w.op('i32.eq');
}
/** Pushes whether a result may be rounded: nobody sees it, or it is exact. */
function pushMayRound(c: SimdContext, exact: () => void): void {
  c.w.get(c.slots.quiet);
  pushPlain(c);
  exact();
  c.w.op('i32.and', 'i32.or');
}
function leaveUnless(c: SimdContext): void {
  c.w.op('i32.eqz');
  c.w.open('if');
  c.leave();
  c.w.close();
}
/** `usual` branches to `UNUSUAL` where the case is not the common one; `unusual` decides about those. */
const UNUSUAL = 'unusual';
function cases(c: SimdContext, usual: () => void, unusual: () => void): void {
  const { w } = c;
  w.open('block', 'done');
  w.open('block', UNUSUAL);
  usual();
  w.branch('done');
  w.close();
  unusual();
  leaveUnless(c);
  w.close();
}
function unusualUnlessQuiet({ w, slots }: SimdContext): void {
  w.get(slots.quiet);
  w.op('i32.eqz');
  w.branchIf(UNUSUAL);
}

// Scalars -----------------------------------------------------------------------------------------------------------------

interface ScalarFormat {
  readonly type: 'f32' | 'f64';
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
  readonly different: PlainOpcode;
  readonly times: PlainOpcode;
  readonly plus: PlainOpcode;
  readonly minus: PlainOpcode;
  /** Ones where a factor with half the significand's bits has zeros (twice its bits). */
  readonly lowHalf: bigint;
  readonly and: PlainOpcode;
  readonly or: PlainOpcode;
  readonly isZero: PlainOpcode;
  /** Pushes twice the upper word of the magnitude's bits: the exponent comes first. */
  high(c: SimdContext, local: number): void;
  /** Of the upper word: one in the exponent, and an exponent of all ones. */
  readonly step: number;
  readonly end: number;
}

const single: ScalarFormat = {
  type: 'f32',
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
  different: 'f32.ne',
  times: 'f32.mul',
  plus: 'f32.add',
  minus: 'f32.sub',
  lowHalf: 0x1fffn,
  and: 'i32.and',
  or: 'i32.or',
  isZero: 'i32.eqz',
  high: (c, local) => single.bits(c, local),
  step: 1 << 24,
  end: 0xff000000,
};
const double: ScalarFormat = {
  type: 'f64',
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
  different: 'f64.ne',
  times: 'f64.mul',
  plus: 'f64.add',
  minus: 'f64.sub',
  lowHalf: 0xfffffffn,
  and: 'i64.and',
  or: 'i64.or',
  isZero: 'i64.eqz',
  high: ({ w }, local) => {
    w.get(local);
    w.op('i64.reinterpret_f64');
    w.i64(32n);
    w.op('i64.shr_u', 'i32.wrap_i64');
    w.i32(1);
    w.op('i32.shl');
  },
  step: 1 << 21,
  end: 0xffe00000,
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

/** Not normal, or nearly not: the exact test is for the unusual case. */
function unusualUnlessNormal(c: SimdContext, format: ScalarFormat, local: number): void {
  const { w } = c;
  format.high(c, local);
  w.i32(2 * format.step);
  w.op('i32.sub');
  w.i32((format.end - 2 * format.step) | 0);
  w.op('i32.ge_u');
  w.branchIf(UNUSUAL);
}
/** Zero or denormal. Nothing is tested of a slot whose number is known to be ordinary. */
function unusualIfSmall(c: SimdContext, format: ScalarFormat, index: number, local: number): void {
  if (c.slots.isOrdinary(format.type, c.constant(index))) return;
  format.high(c, local);
  c.w.i32(format.step);
  c.w.op('i32.lt_u');
  c.w.branchIf(UNUSUAL);
}
/** The same, or a NaN. */
function unusualUnlessOrdinary(c: SimdContext, format: ScalarFormat, index: number, local: number): void {
  if (c.slots.isOrdinary(format.type, c.constant(index))) return;
  unusualIfSmall(c, format, index, local);
  c.w.get(local);
  c.w.get(local);
  c.w.op(format.different);
  c.w.branchIf(UNUSUAL);
}
function markOrdinary(c: SimdContext, format: ScalarFormat, ...indexes: readonly number[]): void {
  for (const index of indexes) c.slots.markOrdinary(format.type, c.constant(index));
}

function loadLane(c: SimdContext, format: ScalarFormat, index: number): number {
  const local = c.temporary(format.type);
  c.slots.pushLane(format.type, c.constant(index));
  c.w.set(local);
  return local;
}
function storeLane(c: SimdContext, format: ScalarFormat, local: number): void {
  c.slots.setLane(format.type, c.constant(0), () => c.w.get(local));
}
function pushIsZero(c: SimdContext, format: ScalarFormat, local: number): void {
  c.w.get(local);
  pushZero(c, format);
  c.w.op(format.equal);
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
  c.w.op(format.times);
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
      const a = loadLane(c, format, 0);
      const b = loadLane(c, format, 1);
      const r = c.temporary(format.type);
      w.get(a);
      w.get(b);
      w.op(operation);
      w.set(r);
      cases(
        c,
        () => {
          unusualUnlessNormal(c, format, r);
          unusualIfSmall(c, format, 0, a);
          unusualIfSmall(c, format, 1, b);
          unusualUnlessQuiet(c);
        },
        () => {
          pushNormal(c, format, r);
          pushIsZero(c, format, r);
          if (zero !== 'always') {
            zero.forEach((operand, number) => {
              pushIsZero(c, format, operand === 0 ? a : b);
              if (number > 0) w.op('i32.or');
            });
            w.op('i32.and');
          }
          w.op('i32.or');
          pushNotDenormal(c, format, a);
          w.op('i32.and');
          pushNotDenormal(c, format, b);
          w.op('i32.and');
          pushMayRound(c, () => exact(c, format, a, b, r));
          w.op('i32.and');
        },
      );
      storeLane(c, format, r);
      markOrdinary(c, format, 0, 1);
    },
  };
}
function squareRoot(format: ScalarFormat, operation: PlainOpcode, greater: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const b = loadLane(c, format, 1);
      const r = c.temporary(format.type);
      w.get(b);
      w.op(operation);
      w.set(r);
      const unusualUnlessPositive = (): void => {
        w.get(b);
        pushZero(c, format);
        w.op(greater, 'i32.eqz');
        w.branchIf(UNUSUAL);
      };
      cases(
        c,
        () => {
          unusualUnlessNormal(c, format, b);
          unusualUnlessPositive();
          unusualUnlessQuiet(c);
        },
        () => {
          pushIsZero(c, format, b);
          pushNormal(c, format, b);
          w.get(b);
          pushZero(c, format);
          w.op(greater, 'i32.and');
          pushMayRound(c, () => {
            pushShort(c, format, r, r);
            w.get(r);
            w.get(r);
            w.op(format.times);
            w.get(b);
            w.op(format.equal, 'i32.and');
          });
          w.op('i32.and', 'i32.or');
        },
      );
      storeLane(c, format, r);
      markOrdinary(c, format, 0);
    },
  };
}
/** Two operands that are neither denormal nor NaNs. */
function requireOrdinary(c: SimdContext, format: ScalarFormat, a: number, b: number): void {
  cases(
    c,
    () => {
      unusualUnlessOrdinary(c, format, 0, a);
      unusualUnlessOrdinary(c, format, 1, b);
    },
    () => {
      pushOrdinary(c, format, a);
      pushOrdinary(c, format, b);
      c.w.op('i32.and');
    },
  );
  markOrdinary(c, format, 0, 1);
}
/** minsd, maxsd: the source unless the destination is less (greater). */
function extreme(format: ScalarFormat, compare: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w, slots } = c;
      const a = loadLane(c, format, 0);
      const b = loadLane(c, format, 1);
      requireOrdinary(c, format, a, b);
      slots.setLane(format.type, c.constant(0), () => {
        w.get(a);
        w.get(b);
        w.get(a);
        w.get(b);
        w.op(compare, 'select');
      });
      markOrdinary(c, format, 0);
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
function comparison(format: ScalarFormat, less: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const a = loadLane(c, format, 0);
      const b = loadLane(c, format, 1);
      requireOrdinary(c, format, a, b);
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
      flag('zr', compare(format.different));
      flag('pr', () => w.i32(1));
      for (const variable of ['af', 'sr', 'of'] as const) flag(variable, () => w.i32(0));
    },
  };
}
function toInteger(
  format: ScalarFormat,
  truncate: PlainOpcode,
  absolute: PlainOpcode,
  less: PlainOpcode,
  convert: PlainOpcode,
): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w, slots } = c;
      const x = loadLane(c, format, 1);
      const r = c.temporary('i32');
      w.get(x);
      w.op(absolute);
      if (format === double) w.f64(2 ** 31);
      else w.f32(2 ** 31);
      w.op(less);
      leaveUnless(c);
      w.get(x);
      w.op(truncate);
      w.set(r);
      w.get(slots.quiet);
      w.op('i32.eqz');
      w.open('if');
      pushPlain(c);
      w.get(r);
      w.op(convert);
      w.get(x);
      w.op(format.equal, 'i32.and');
      leaveUnless(c);
      w.close();
      slots.setWord(c.constant(0), r);
    },
  };
}

// Whole registers ---------------------------------------------------------------------------------------------------------

interface PackedFormat {
  readonly type: 'f32' | 'f64';
  readonly absolute: PlainOpcode;
  readonly equal: PlainOpcode;
  readonly greater: PlainOpcode;
  readonly greaterOrEqual: PlainOpcode;
  readonly lessOrEqual: PlainOpcode;
  readonly allTrue: PlainOpcode;
  readonly bitmask: PlainOpcode;
  readonly allBits: number;
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
  type: 'f32',
  absolute: 'f32x4.abs',
  equal: 'f32x4.eq',
  greater: 'f32x4.gt',
  greaterOrEqual: 'f32x4.ge',
  lessOrEqual: 'f32x4.le',
  allTrue: 'i32x4.all_true',
  bitmask: 'i32x4.bitmask',
  allBits: 15,
  smallest: repeated(new Float32Array(4).fill(2 ** -126)),
  largest: repeated(new Float32Array(4).fill((2 - 2 ** -23) * 2 ** 127)),
  lowHalf: Array.from({ length: 16 }, (_, i) => [0xff, 0x0f, 0, 0][i % 4]!),
  add: 'f32x4.add',
  sub: 'f32x4.sub',
  mul: 'f32x4.mul',
  div: 'f32x4.div',
};
const packedDouble: PackedFormat = {
  type: 'f64',
  absolute: 'f64x2.abs',
  equal: 'f64x2.eq',
  greater: 'f64x2.gt',
  greaterOrEqual: 'f64x2.ge',
  lessOrEqual: 'f64x2.le',
  allTrue: 'i64x2.all_true',
  bitmask: 'i64x2.bitmask',
  allBits: 3,
  smallest: repeated(new Float64Array(2).fill(2 ** -1022)),
  largest: repeated(new Float64Array(2).fill(Number.MAX_VALUE)),
  lowHalf: Array.from({ length: 16 }, (_, i) => [0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0][i % 8]!),
  add: 'f64x2.add',
  sub: 'f64x2.sub',
  mul: 'f64x2.mul',
  div: 'f64x2.div',
};

type Arithmetic = 'add' | 'sub' | 'mul' | 'div';

function packed(format: PackedFormat, arithmetic: Arithmetic): SimdLowering {
  return {
    constants: 2,
    emit: (c) => {
      const { w, slots } = c;
      const [a, b, r] = [c.temporary('v128'), c.temporary('v128'), c.temporary('v128')];
      const compute = (left: number, operation: Arithmetic, right: number): void => {
        w.get(left);
        w.get(right);
        w.op(format[operation]);
      };
      pushVector(c, 0);
      w.set(a);
      pushVector(c, 1);
      w.set(b);
      compute(a, arithmetic, b);
      w.set(r);
      const against = (local: number, compare: PlainOpcode, bytes: readonly number[]): void => {
        w.get(local);
        w.op(format.absolute);
        w.vector('v128.const', bytes);
        w.op(compare);
      };
      const [first, second] = [c.constant(0), c.constant(1)];
      w.open('block', 'done');
      w.open('block', UNUSUAL);
      against(r, format.greater, format.smallest);
      against(r, format.lessOrEqual, format.largest);
      w.op('v128.and');
      for (const [operand, offset] of [
        [a, first],
        [b, second],
      ] as const) {
        if (slots.isOrdinaryVector(format.type, offset)) continue;
        against(operand, format.greaterOrEqual, format.smallest);
        w.op('v128.and');
      }
      // The lanes' signs cost less than a test for all ones.
      w.op(format.bitmask);
      w.i32(format.allBits);
      w.op('i32.ne');
      w.branchIf(UNUSUAL);
      unusualUnlessQuiet(c);
      w.branch('done');
      w.close();
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
      pushMayRound(c, () => {
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
      w.op('i32.and');
      leaveUnless(c);
      w.close();
      w.get(r);
      slots.set(first);
      slots.markOrdinaryVector(format.type, first);
      slots.markOrdinaryVector(format.type, second);
    },
  };
}

export const floatLowerings: Readonly<Record<string, SimdLowering>> = {
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
  comisd: comparison(double, 'f64.lt'),
  ucomisd: comparison(double, 'f64.lt'),
  comiss: comparison(single, 'f32.lt'),
  ucomiss: comparison(single, 'f32.lt'),
  cvttsd2si: toInteger(double, 'i32.trunc_f64_s', 'f64.abs', 'f64.lt', 'f64.convert_i32_s'),
  cvttss2si: toInteger(single, 'i32.trunc_f32_s', 'f32.abs', 'f32.lt', 'f32.convert_i32_s'),
  cvtsi2sd: {
    constants: 1,
    emit: (c) => {
      c.slots.setLane('f64', c.constant(0), () => {
        c.push(1);
        c.w.op('f64.convert_i32_s');
      });
      markOrdinary(c, double, 0);
    },
  },
  cvtss2sd: {
    constants: 2,
    emit: (c) => {
      const x = loadLane(c, single, 1);
      cases(
        c,
        () => unusualUnlessOrdinary(c, single, 1, x),
        () => pushOrdinary(c, single, x),
      );
      c.slots.setLane('f64', c.constant(0), () => {
        c.w.get(x);
        c.w.op('f64.promote_f32');
      });
      markOrdinary(c, double, 0);
    },
  },
  cvtsd2ss: {
    constants: 2,
    emit: (c) => {
      const { w } = c;
      const x = loadLane(c, double, 1);
      const r = c.temporary('f32');
      w.get(x);
      w.op('f32.demote_f64');
      w.set(r);
      cases(
        c,
        () => {
          unusualUnlessNormal(c, single, r);
          unusualUnlessQuiet(c);
        },
        () => {
          pushIsZero(c, double, x);
          pushNormal(c, single, r);
          pushMayRound(c, () => {
            w.get(r);
            w.op('f64.promote_f32');
            w.get(x);
            w.op('f64.eq');
          });
          w.op('i32.and', 'i32.or');
        },
      );
      storeLane(c, single, r);
      markOrdinary(c, single, 0);
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
};
