/**
 * SSE's floating point in WebAssembly. The fast path is for ordinary numbers with MXCSR quiet: all exceptions masked, rounding to
 * nearest, the sticky flag of inexact results set. While that flag is not set a result must be shown to be exact. Whatever
 * else would set a flag, or take an exception, leaves the region before anything of the instruction is done: a call that
 * rejoins would have every register spilled around it.
 */
import { State } from '../../state.js';
import type { PlainOpcode } from './opcodes.js';
import type { SimdContext, SimdLowering } from './simd-context.js';
import type { Tested } from './float-checks.js';
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

/** The operand that slot argument `index` names, as the checks take it. */
const tested = (format: ScalarFormat): Tested => ({ type: format.type, isScalar: true });
const pushSlot = (c: SimdContext, index: number) => (): void => c.slots.push(c.constant(index));
/** A copy of the vector that a slot holds now. */
function copyOf(c: SimdContext, index: number): () => void {
  const local = c.temporary('v128');
  c.slots.push(c.constant(index));
  c.w.set(local);
  return () => c.w.get(local);
}
/** Nothing is tested of a slot whose number is known to be ordinary. */
function testOperand(c: SimdContext, lanes: Tested, index: number, push: () => void): void {
  const offset = c.constant(index);
  const { slots } = c;
  const isKnown = lanes.isScalar ? slots.isOrdinary(lanes.type, offset) : slots.isOrdinaryVector(lanes.type, offset);
  if (!isKnown) c.checks.operand(lanes, push);
}
function markKnown({ slots, constant }: SimdContext, { type, isScalar }: Tested, index: number): void {
  if (isScalar) slots.markOrdinary(type, constant(index));
  else slots.markOrdinaryVector(type, constant(index));
}

type Arithmetic = 'add' | 'sub' | 'mul' | 'div';
interface VectorOperations {
  readonly add: PlainOpcode;
  readonly sub: PlainOpcode;
  readonly mul: PlainOpcode;
  readonly div: PlainOpcode;
  readonly sqrt: PlainOpcode;
}
const vectorOperations: Readonly<Record<'f32' | 'f64', VectorOperations>> = {
  f32: { add: 'f32x4.add', sub: 'f32x4.sub', mul: 'f32x4.mul', div: 'f32x4.div', sqrt: 'f32x4.sqrt' },
  f64: { add: 'f64x2.add', sub: 'f64x2.sub', mul: 'f64x2.mul', div: 'f64x2.div', sqrt: 'f64x2.sqrt' },
};

/**
 * What is to be tested of r = a op b, whose vectors are pushed; r is in the slot of argument 0. Sums that are exact have two differences
 * without an error (the first half of Dekker's FastTwoSum); products are shown to be exact by short factors.
 */
function testArithmetic(c: SimdContext, lanes: Tested, operation: Arithmetic, a: () => void, b: () => void): void {
  const { checks, constant } = c;
  const [first, second] = [constant(0), constant(1)];
  const r = pushSlot(c, 0);
  const isProduct = operation === 'mul' || operation === 'div';
  if (isProduct) checks.product(lanes, r, ...(operation === 'mul' && first !== second ? [a, b] : [a]));
  // What is divided by is not passed on: by an infinite number the quotient is zero, which is tested.
  checks.finite(lanes, first, r, first, ...(operation === 'div' ? [] : [second]));
  testExactness(c, lanes, operation, a, b);
}
function testExactness(c: SimdContext, lanes: Tested, operation: Arithmetic, a: () => void, b: () => void): void {
  const { checks, w } = c;
  const r = pushSlot(c, 0);
  checks.compute();
  if (!checks.needsExactness) return;
  const operations = vectorOperations[lanes.type];
  const difference = (x: () => void, inner: Arithmetic, y: () => void, z: () => void): void =>
    checks.error(lanes, () => {
      x();
      y();
      w.op(operations[inner]);
      z();
      w.op(operations.sub);
    });
  if (operation === 'add') {
    difference(r, 'sub', a, b);
    difference(r, 'sub', b, a);
  } else if (operation === 'sub') {
    difference(a, 'sub', r, b);
    difference(r, 'add', b, a);
  } else {
    checks.factor(lanes, b);
    checks.factor(lanes, operation === 'mul' ? a : r);
    if (operation === 'div') difference(r, 'mul', b, a);
  }
}

/** The tests before an operation; the result is to be called with what makes the vectors, after it. */
function testedBefore(c: SimdContext, lanes: Tested, operation: Arithmetic, a: () => void, b: () => void): () => void {
  const { checks, constant } = c;
  const [first, second] = [constant(0), constant(1)];
  if (checks.isCareful) {
    testOperand(c, lanes, 0, a);
    testOperand(c, lanes, 1, b);
    markKnown(c, lanes, 1);
    return () => {
      testArithmetic(c, lanes, operation, a, b);
      if (operation === 'mul' || operation === 'div') markKnown(c, lanes, 0);
    };
  }
  const kind = operation === 'mul' || operation === 'div' ? 'mul' : 'add';
  const bound = checks.moderate(lanes, kind, [
    [first, a],
    [second, b],
  ]);
  if (operation === 'div') checks.forbid(lanes, 'zero', b);
  return () => {
    checks.setBound(lanes, first, bound);
    testExactness(c, lanes, operation, a, b);
  };
}

function scalar(format: ScalarFormat, operation: Arithmetic): SimdLowering {
  const lanes = tested(format);
  return {
    constants: 2,
    leaves: 'later',
    tests: format.type,
    emit: (c) => {
      const { w } = c;
      const [a, b] = [copyOf(c, 0), copyOf(c, 1)];
      const after = testedBefore(c, lanes, operation, a, b);
      c.slots.setLane(format.type, c.constant(0), () => {
        for (const push of [a, b]) {
          push();
          w.lane(`${LANE_NAMES[format.type]}.extract_lane`, 0);
        }
        w.op(`${format.type}.${operation}`);
      });
      after();
    },
  };
}
function squareRoot(format: ScalarFormat): SimdLowering {
  const lanes = tested(format);
  return {
    constants: 2,
    leaves: 'later',
    tests: format.type,
    emit: (c) => {
      const { w, checks, slots } = c;
      const b = copyOf(c, 1);
      const bound = checks.isCareful ? undefined : checks.moderate(lanes, 'sqrt', [[c.constant(1), b]]);
      if (bound) checks.forbid(lanes, 'negative', b);
      else {
        testOperand(c, lanes, 1, b);
        markKnown(c, lanes, 1);
      }
      slots.setLane(format.type, c.constant(0), () => {
        b();
        w.lane(`${LANE_NAMES[format.type]}.extract_lane`, 0);
        w.op(`${format.type}.sqrt`);
      });
      const r = pushSlot(c, 0);
      if (!bound) checks.finite(lanes, c.constant(0), r);
      checks.compute();
      if (checks.needsExactness) {
        const { mul, sub } = vectorOperations[format.type];
        checks.factor(lanes, r);
        checks.error(lanes, () => {
          r();
          r();
          w.op(mul);
          b();
          w.op(sub);
        });
      }
      if (bound) checks.setBound(lanes, c.constant(0), bound);
      else markKnown(c, lanes, 0);
    },
  };
}
const LANE_NAMES = { f32: 'f32x4', f64: 'f64x2' } as const;

/** Two operands that are neither denormal nor NaNs. */
function requireOrdinary(c: SimdContext, format: ScalarFormat): void {
  const lanes = tested(format);
  for (const index of [0, 1]) {
    if (c.slots.isOrdinary(format.type, c.constant(index))) continue;
    c.checks.ordinary(lanes, pushSlot(c, index));
    markKnown(c, lanes, index);
  }
}
/** minsd, maxsd: the source unless the destination is less (greater). */
function extreme(format: ScalarFormat, compare: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    leaves: 'later',
    tests: format.type,
    emit: (c) => {
      const { w, slots } = c;
      requireOrdinary(c, format);
      const a = loadLane(c, format, 0);
      const b = loadLane(c, format, 1);
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
/** comisd and its kin, for ordinary numbers: ZF and CF by the comparison, the others clear. */
function comparison(format: ScalarFormat, less: PlainOpcode): SimdLowering {
  return {
    constants: 2,
    leaves: 'later',
    tests: format.type,
    emit: (c) => {
      const { w } = c;
      requireOrdinary(c, format);
      const a = loadLane(c, format, 0);
      const b = loadLane(c, format, 1);
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
    leaves: 'now',
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

function packed(type: 'f32' | 'f64', operation: Arithmetic): SimdLowering {
  const lanes: Tested = { type, isScalar: false };
  return {
    constants: 2,
    leaves: 'later',
    tests: type,
    emit: (c) => {
      const [a, b] = [copyOf(c, 0), copyOf(c, 1)];
      const after = testedBefore(c, lanes, operation, a, b);
      a();
      b();
      c.w.op(vectorOperations[type][operation]);
      c.slots.set(c.constant(0));
      after();
    },
  };
}

export const floatLowerings: Readonly<Record<string, SimdLowering>> = {
  addsd: scalar(double, 'add'),
  subsd: scalar(double, 'sub'),
  mulsd: scalar(double, 'mul'),
  divsd: scalar(double, 'div'),
  addss: scalar(single, 'add'),
  subss: scalar(single, 'sub'),
  mulss: scalar(single, 'mul'),
  divss: scalar(single, 'div'),
  sqrtsd: squareRoot(double),
  sqrtss: squareRoot(single),
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
    leaves: 'later',
    tests: 'f32',
    emit: (c) => {
      const lanes = tested(single);
      if (!c.slots.isOrdinary('f32', c.constant(1))) c.checks.ordinary(lanes, pushSlot(c, 1));
      const x = loadLane(c, single, 1);
      c.slots.setLane('f64', c.constant(0), () => {
        c.w.get(x);
        c.w.op('f64.promote_f32');
      });
      markOrdinary(c, double, 0);
    },
  },
  cvtsd2ss: {
    constants: 2,
    leaves: 'now',
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
  addpd: packed('f64', 'add'),
  subpd: packed('f64', 'sub'),
  mulpd: packed('f64', 'mul'),
  divpd: packed('f64', 'div'),
  addps: packed('f32', 'add'),
  subps: packed('f32', 'sub'),
  mulps: packed('f32', 'mul'),
  divps: packed('f32', 'div'),
};
