/**
 * Whether SSE's arithmetic did something that is more than its result: signalled, or computed a NaN. With exceptions masked and rounding to
 * nearest WebAssembly's results are the processor's but for the bits of NaNs, so that a group of instructions is computed first and
 * tested once, before anything that cannot be undone; where the test fails the region is left with the registers as they were
 * before the group, and the interpreter does it all again.
 *
 * What comes into a group must be zero or of a moderate magnitude; how large or small results can then be is known when code is
 * written, and one that could be too large or small for what is computed with it is tested like what comes in. What is known holds
 * for later groups of the block, too. The test that is made first takes two instructions for each number, and fails zeros: only
 * then is looked closer. Groups that failed often are written
 * _carefully_: no operand is denormal, no product or quotient is smaller than normal numbers unless a factor is zero, no result is
 * infinite or a NaN. In both cases either the flag of inexact results is set or they are exact.
 */
import type { PlainOpcode, ValueType } from './opcodes.js';
import type { Bound, VectorSlots } from './vector-slots.js';
import type { FunctionWriter } from './writer.js';

export type FloatType = 'f32' | 'f64';

/** How lanes of a type are tested. Constants are a whole vector's bytes. */
interface Lanes {
  readonly count: number;
  readonly magnitude: readonly number[];
  readonly ones: readonly number[];
  readonly zeros: readonly number[];
  readonly add: PlainOpcode;
  readonly least: PlainOpcode;
  readonly equal: PlainOpcode;
  readonly greater: PlainOpcode;
  readonly lessOrEqual: PlainOpcode;
  readonly bitmask: PlainOpcode;
  readonly smallest: readonly number[];
  readonly largest: readonly number[];
  readonly infinity: readonly number[];
  /**
   * Magnitudes from 2^-`moderate` (a power of two) to below 2^`moderate` are moderate: where `base` is subtracted from their bits, those of
   * `outside` are zero. `moderateHigh`: 2^`moderate`'s upper half words, less one.
   */
  readonly moderate: number;
  readonly base: readonly number[];
  readonly outside: readonly number[];
  readonly subtract: PlainOpcode;
  readonly moderateLow: readonly number[];
  readonly moderateHigh: readonly number[];
  /** Exponents that results may have, and by how many bits a difference may be smaller than its operands. */
  readonly exponents: number;
  readonly cancelled: number;
  /** Bits that are zero in factors whose product is exact. */
  readonly lowHalf: readonly number[];
}

const VECTOR = 16;
/** Instructions that are tested together where much is computed for the test, which is kept in registers until then. */
const MAXIMUM_CAREFUL = 2;
/** Labels of the test's ends. */
const PASSED = 'passed';
const FAILED = 'failed';
const MODERATE = 'moderate';
const bytesOf = (values: Float32Array | Float64Array | BigUint64Array | Uint32Array): number[] => [
  ...new Uint8Array(values.buffer),
];
const singles = (value: number): number[] => bytesOf(new Float32Array(4).fill(value));
const doubles = (value: number): number[] => bytesOf(new Float64Array(2).fill(value));
const words = (value: number): number[] => bytesOf(new Uint32Array(4).fill(value));
const longs = (value: bigint): number[] => bytesOf(new BigUint64Array(2).fill(value));

/** Of one lane: `outside`. */
const OUTSIDE = { f32: 0x60000000n, f64: 0x7000000000000000n } as const;

const LANES: Readonly<Record<FloatType, Lanes>> = {
  f32: {
    count: 4,
    magnitude: words(0x7fffffff),
    ones: words(0xffffffff),
    zeros: words(0),
    add: 'i32x4.add',
    least: 'f32x4.pmin',
    equal: 'f32x4.eq',
    greater: 'f32x4.gt',
    lessOrEqual: 'f32x4.le',
    bitmask: 'i32x4.bitmask',
    smallest: singles(2 ** -126),
    largest: words(0x7f7fffff),
    infinity: singles(Infinity),
    moderate: 32,
    base: words((127 - 32) << 23),
    outside: words(Number(OUTSIDE.f32)),
    subtract: 'i32x4.sub',
    moderateLow: singles(2 ** -32),
    moderateHigh: words(((127 + 32) << 23) - 1),
    exponents: 120,
    cancelled: 25,
    lowHalf: words(0xfff),
  },
  f64: {
    count: 2,
    magnitude: longs(0x7fffffffffffffffn),
    ones: longs(0xffffffffffffffffn),
    zeros: longs(0n),
    add: 'i64x2.add',
    least: 'f64x2.pmin',
    equal: 'f64x2.eq',
    greater: 'f64x2.gt',
    lessOrEqual: 'f64x2.le',
    bitmask: 'i64x2.bitmask',
    smallest: doubles(2 ** -1022),
    largest: doubles(Number.MAX_VALUE),
    infinity: doubles(Infinity),
    moderate: 128,
    base: longs(BigInt(1023 - 128) << 52n),
    outside: longs(OUTSIDE.f64),
    subtract: 'i64x2.sub',
    moderateLow: doubles(2 ** -128),
    moderateHigh: longs((BigInt(1023 + 128) << 52n) - 1n),
    exponents: 1000,
    cancelled: 54,
    lowHalf: longs(0x7ffffffn),
  },
};

/** What is wanted of every test, in locals from the function's start. */
const CONSTANTS = ['base', 'outside'] as const;

/** A register whose lanes are tested: one (the lowest) or all. */
export interface Tested {
  readonly type: FloatType;
  readonly isScalar: boolean;
}
const keyOf = ({ type, isScalar }: Tested): string => `${type}${isScalar ? 'scalar' : 'packed'}`;

/** What was computed of the lanes of one kind, in locals. */
interface Sums {
  readonly tested: Tested;
  /** The least of magnitudes of products and of operands less one unit, zeros left out. */
  least?: number;
  /** What comes in, and all bits of it less `base`; lanes with something that must not be. */
  readonly inputs: number[];
  distances?: number;
  bad?: number;
  /** Magnitudes that must be finite, or not NaNs. */
  readonly bounded: { readonly local: number; readonly bound: 'largest' | 'infinity' }[];
  /** All bits of errors; of factors, whose low halves must be zero. */
  errors?: number;
  factors?: number;
}

/** Differences are sums here, quotients products. */
type BoundedOperation = 'add' | 'mul' | 'sqrt';

export interface FloatChecksHost {
  /** Is the instruction that begins a group one of those whose groups often failed? */
  isCareful(): boolean;
  temporary(type: ValueType): number;
  /** Notes where to go back to. The result writes the way out, with all as it was then. */
  checkpoint(): () => void;
}

export class FloatChecks {
  private readonly constants = new Map<FloatType, Readonly<Record<(typeof CONSTANTS)[number], number>>>();
  private readonly sums = new Map<string, Sums>();
  private leave: (() => void) | undefined;
  private global: (bytes: readonly number[]) => number = () => {
    throw new Error('not started');
  };
  private instructions = 0;
  isCareful = false;
  /** MXCSR must be as expected: something was computed. */
  private computed = false;
  /** Results whose magnitude is still to be tested, by the slot that they are in. */
  private readonly results = new Map<number, { readonly sums: Sums; readonly local: number }>();

  constructor(
    private readonly w: FunctionWriter,
    private readonly slots: VectorSlots,
    private readonly host: FloatChecksHost,
  ) {
    slots.onOverwrite = (slot) => this.overwritten(slot);
  }

  /** At the function's start. `global` gives the index of one that holds some bytes. */
  start(types: ReadonlySet<FloatType>, global: (bytes: readonly number[]) => number): void {
    const { w } = this;
    this.global = global;
    for (const type of types) {
      const locals: Partial<Record<(typeof CONSTANTS)[number], number>> = {};
      for (const name of CONSTANTS) {
        locals[name] = w.local('v128');
        w.global(global(LANES[type][name]));
        w.set(locals[name]);
      }
      this.constants.set(type, locals as Required<typeof locals>);
    }
  }

  /** Pushes what is rarely wanted: shorter than the constant itself. */
  private constant(type: FloatType, name: 'magnitude' | 'ones' | 'moderateLow' | 'moderateHigh'): void {
    this.w.global(this.global(LANES[type][name]));
  }

  get isActive(): boolean {
    return this.leave !== undefined;
  }

  /** Results must be shown to be exact where the flag of inexact ones is not set. */
  get needsExactness(): boolean {
    return this.slots.plain >= 0;
  }

  /** Before an instruction that will be tested, with nothing of it done. */
  begin(): void {
    if (this.isCareful && this.instructions >= MAXIMUM_CAREFUL) this.flush();
    if (!this.leave) {
      this.isCareful = this.host.isCareful();
      this.leave = this.host.checkpoint();
    }
    this.instructions++;
  }

  // What is tested ----------------------------------------------------------------------------------------------------

  private sumsOf(tested: Tested): Sums {
    const key = keyOf(tested);
    let sums = this.sums.get(key);
    if (!sums) this.sums.set(key, (sums = { tested, inputs: [], bounded: [] }));
    return sums;
  }

  private local(push: () => void): number {
    const local = this.host.temporary('v128');
    push();
    this.w.set(local);
    return local;
  }
  private pushMagnitude(type: FloatType, push: () => void): void {
    push();
    this.constant(type, 'magnitude');
    this.w.op('v128.and');
  }
  /** The lesser of what was so far, which is no NaN, and of what `push` pushes, unless that is one. */
  private least(tested: Tested, push: () => void): void {
    const { w } = this;
    const sums = this.sumsOf(tested);
    const { least } = sums;
    sums.least = this.local(() => {
      if (least === undefined) w.vector('v128.const', LANES[tested.type].largest);
      else w.get(least);
      push();
      w.op(LANES[tested.type].least);
    });
  }

  /** MXCSR is looked at even where no lane is. */
  compute(): void {
    this.computed = true;
  }

  /** No lane may be denormal. `push` pushes the vector. */
  operand(tested: Tested, push: () => void): void {
    this.least(tested, () => this.pushLess(tested.type, push));
  }
  /** Magnitudes less one unit in the last place: all ones for zero, which is a NaN, and -1 or the greatest number as an integer. */
  private pushLess(type: FloatType, push: () => void): void {
    this.pushMagnitude(type, push);
    this.constant(type, 'ones');
    this.w.op(LANES[type].add);
  }

  /** Nor a NaN. */
  ordinary(tested: Tested, push: () => void): void {
    this.operand(tested, push);
    this.notNaN(tested, push);
  }
  notNaN(tested: Tested, push: () => void): void {
    const local = this.local(() => this.pushMagnitude(tested.type, push));
    this.sumsOf(tested).bounded.push({ local, bound: 'infinity' });
  }

  /** Lanes of a product or quotient must not be too small, unless those of a factor (or dividend) are zero. */
  product(tested: Tested, push: () => void, ...factors: readonly (() => void)[]): void {
    const { w } = this;
    const lanes = LANES[tested.type];
    this.least(tested, () => {
      this.pushMagnitude(tested.type, push);
      factors.forEach((factor) => {
        // All ones where it is zero: a NaN, which is left out.
        factor();
        w.vector('v128.const', lanes.zeros);
        w.op(lanes.equal, 'v128.or');
      });
    });
  }

  /**
   * Lanes of what a slot holds must be finite. `passedOn`: slots of operands that make the result infinite or a NaN where they are so:
   * they need no test of their own.
   */
  finite(tested: Tested, slot: number, push: () => void, ...passedOn: readonly number[]): void {
    const sums = this.sumsOf(tested);
    for (const from of passedOn) if (this.results.get(from)?.sums === sums) this.results.delete(from);
    this.overwritten(slot);
    this.results.set(slot, { sums, local: this.local(() => this.pushMagnitude(tested.type, push)) });
  }
  /** A slot gets another value: what was in it stays to be tested. */
  private overwritten(slot: number): void {
    const result = this.results.get(slot);
    if (!result) return;
    this.results.delete(slot);
    result.sums.bounded.push({ local: result.local, bound: 'largest' });
  }

  /** A vector that is zero where the result is exact. */
  error(tested: Tested, push: () => void): void {
    const sums = this.sumsOf(tested);
    sums.errors = this.allBits(sums.errors, push);
  }
  /** A vector whose lanes' low halves are zero where a product is exact. */
  factor(tested: Tested, push: () => void): void {
    const sums = this.sumsOf(tested);
    sums.factors = this.allBits(sums.factors, push);
  }
  private allBits(before: number | undefined, push: () => void): number {
    return this.local(() => {
      push();
      if (before !== undefined) {
        this.w.get(before);
        this.w.op('v128.or');
      }
    });
  }

  // Moderate magnitudes ---------------------------------------------------------------------------------------------------

  /** What is known of what a slot holds, where it was tested or came out of a group. */
  private boundOf({ type, isScalar }: Tested, offset: number): Bound | undefined {
    const size = VECTOR / LANES[type].count;
    let factors = 0;
    let bits = 0;
    for (let at = 0; at < (isScalar ? size : VECTOR); at += size) {
      const bound = this.slots.boundOf(type, offset + at);
      if (!bound) return undefined;
      factors = Math.max(factors, bound.factors);
      bits = Math.max(bits, bound.bits);
    }
    return { factors, bits };
  }

  private result(tested: Tested, operation: BoundedOperation, operands: readonly number[]): Bound {
    const bounds = operands.map((offset) => this.boundOf(tested, offset) ?? { factors: 1, bits: 0 });
    const factors = bounds.map((bound) => bound.factors);
    const bits = bounds.map((bound) => bound.bits);
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    if (operation === 'add') {
      return { factors: Math.max(...factors), bits: Math.max(...bits) + LANES[tested.type].cancelled };
    }
    if (operation === 'sqrt') return { factors: Math.ceil(factors[0]! / 2), bits: Math.ceil(bits[0]! / 2) + 1 };
    return { factors: sum(factors), bits: sum(bits) + 1 };
  }

  /**
   * Tests what operands are not known to be moderate, and gives what is known of the result. `operands` are slots and what pushes their
   * vectors. Nothing of the instruction may have been done.
   */
  moderate(tested: Tested, operation: BoundedOperation, operands: readonly (readonly [number, () => void])[]): Bound {
    const offsets = operands.map(([offset]) => offset);
    const { exponents, moderate } = LANES[tested.type];
    const reach = ({ factors, bits }: Bound): number => factors * moderate + bits;
    for (const [offset, push] of operands) if (!this.boundOf(tested, offset)) this.input(tested, offset, push);
    // Where the result could be too large or small, the operands that could be so are tested, too.
    const byReach = [...operands].sort(([a], [b]) => reach(this.boundOf(tested, b)!) - reach(this.boundOf(tested, a)!));
    for (const [offset, push] of byReach) {
      if (reach(this.result(tested, operation, offsets)) <= exponents) break;
      this.input(tested, offset, push);
    }
    return this.result(tested, operation, offsets);
  }
  private input(tested: Tested, offset: number, push: () => void): void {
    const { w } = this;
    const sums = this.sumsOf(tested);
    sums.inputs.push(this.local(push));
    sums.distances = this.allBits(sums.distances, () => {
      push();
      w.get(this.constants.get(tested.type)!.base);
      w.op(LANES[tested.type].subtract);
    });
    this.setBound(tested, offset, { factors: 1, bits: 0 });
  }
  setBound({ type, isScalar }: Tested, offset: number, bound: Bound): void {
    const size = VECTOR / LANES[type].count;
    for (let at = 0; at < (isScalar ? size : VECTOR); at += size) this.slots.markOrdinary(type, offset + at, bound);
  }

  /** Lanes must not be zero, or not be below it. */
  forbid(tested: Tested, what: 'zero' | 'negative', push: () => void): void {
    const { w } = this;
    const lanes = LANES[tested.type];
    const sums = this.sumsOf(tested);
    sums.bad = this.allBits(sums.bad, () => {
      if (what === 'zero') push();
      w.vector('v128.const', lanes.zeros);
      if (what === 'negative') push();
      w.op(what === 'zero' ? lanes.equal : lanes.greater);
    });
  }

  // The test --------------------------------------------------------------------------------------------------------------

  /** Tests all that was computed since `begin`, and leaves where something was out of the ordinary. */
  flush(): void {
    const { w, leave, slots } = this;
    if (!leave) return;
    for (const slot of [...this.results.keys()]) this.overwritten(slot);
    this.leave = undefined;
    const ranges = [...this.sums.values()].filter(({ least, bounded }) => least !== undefined || bounded.length > 0);
    const moderate = [...this.sums.values()].filter(
      ({ distances, bad }) => distances !== undefined || bad !== undefined,
    );
    if (ranges.length > 0 || moderate.length > 0 || this.computed) {
      w.open('block', PASSED);
      w.open('block', FAILED);
      for (const sums of ranges) this.failUnlessInRange(sums);
      for (const sums of moderate) this.failUnlessModerate(sums);
      if (this.computed) {
        w.get(slots.quiet);
        if (this.needsExactness) {
          w.branchIf(PASSED);
          this.failIfInexact();
        } else {
          w.op('i32.eqz');
          w.branchIf(FAILED);
        }
      }
      w.branch(PASSED);
      w.close();
      leave();
      w.close();
    }
    this.sums.clear();
    this.computed = false;
    this.instructions = 0;
  }

  private failUnlessInRange({ tested, least, bounded }: Sums): void {
    const { w } = this;
    const lanes = LANES[tested.type];
    let several = false;
    const compare = (local: number, operation: PlainOpcode, pushBound: () => void): void => {
      w.get(local);
      pushBound();
      w.op(operation);
      if (several) w.op('v128.and');
      several = true;
    };
    // Above the smallest normal number: one that was rounded to it, and a few next to it, are for the interpreter, too.
    if (least !== undefined) compare(least, lanes.greater, () => w.vector('v128.const', lanes.smallest));
    for (const { local, bound } of bounded) {
      compare(local, lanes.lessOrEqual, () => {
        w.vector('v128.const', lanes[bound]);
      });
    }
    const all = tested.isScalar ? 1 : (1 << lanes.count) - 1;
    // The lanes' signs cost less than a test for all ones.
    w.op(lanes.bitmask);
    if (tested.isScalar) {
      w.i32(1);
      w.op('i32.and', 'i32.eqz');
    } else {
      w.i32(all);
      w.op('i32.ne');
    }
    w.branchIf(FAILED);
  }

  private failUnlessModerate(sums: Sums): void {
    const { w } = this;
    const { tested, distances, bad } = sums;
    const pushFailed = (): void => {
      w.op(LANES[tested.type].bitmask);
      if (!tested.isScalar) return;
      w.i32(1);
      w.op('i32.and');
    };
    if (distances === undefined) {
      w.get(bad!);
      pushFailed();
      w.branchIf(FAILED);
      return;
    }
    w.open('block', MODERATE);
    w.get(distances);
    if (bad !== undefined) {
      w.get(bad);
      w.op('v128.or');
    }
    this.pushInside(tested);
    w.branchIf(MODERATE);
    this.pushNotModerate(sums);
    if (bad !== undefined) {
      w.get(bad);
      w.op('v128.or');
    }
    pushFailed();
    w.branchIf(FAILED);
    w.close();
  }
  /** Pushes whether the tested lanes of the vector on the stack have no bit of `outside`. */
  private pushInside({ type, isScalar }: Tested): void {
    const { w } = this;
    if (!isScalar) {
      w.get(this.constants.get(type)!.outside);
      w.op('v128.and', 'v128.any_true', 'i32.eqz');
    } else if (type === 'f32') {
      w.lane('i32x4.extract_lane', 0);
      w.i32(Number(OUTSIDE.f32));
      w.op('i32.and', 'i32.eqz');
    } else {
      w.lane('i64x2.extract_lane', 0);
      w.i64(OUTSIDE.f64);
      w.op('i64.and', 'i64.eqz');
    }
  }
  /** Pushes lanes that are negative where an input is neither moderate nor zero. */
  private pushNotModerate({ tested, inputs }: Sums): void {
    const { w } = this;
    const lanes = LANES[tested.type];
    const wide = lanes.count === 4;
    let low: number | undefined;
    let high: number | undefined;
    for (const input of inputs) {
      const less = this.local(() => this.pushLess(tested.type, () => w.get(input)));
      const combine = (before: number | undefined, operation: PlainOpcode): number =>
        before === undefined
          ? less
          : this.local(() => {
              w.get(before);
              w.get(less);
              w.op(operation);
            });
      // As integers: upper half words where there are none of 64 bits. Zeros are the greatest without a sign, the least with one.
      low = combine(low, wide ? 'i32x4.min_u' : 'i16x8.min_u');
      high = combine(high, wide ? 'i32x4.max_s' : 'i16x8.max_s');
    }
    // A NaN is not below: all were zero.
    this.constant(tested.type, 'moderateLow');
    w.get(low!);
    w.op(lanes.greater);
    w.get(high!);
    this.constant(tested.type, 'moderateHigh');
    w.op(wide ? 'i32x4.gt_s' : 'i16x8.gt_s', 'v128.or');
  }

  /** Rarely executed, so that V8 computes what only this needs here. */
  private failIfInexact(): void {
    const { w, slots } = this;
    w.get(slots.plain);
    w.op('i32.eqz');
    w.branchIf(FAILED);
    let several = false;
    const collect = (local: number | undefined, mask: readonly number[]): void => {
      if (local === undefined) return;
      w.get(local);
      w.vector('v128.const', mask);
      w.op('v128.and');
      if (several) w.op('v128.or');
      several = true;
    };
    for (const { tested, errors, factors } of this.sums.values()) {
      const mask = this.scalarMask(tested);
      const { lowHalf } = LANES[tested.type];
      collect(errors, mask);
      collect(
        factors,
        mask.map((byte, i) => byte & lowHalf[i]!),
      );
    }
    if (!several) return;
    w.op('v128.any_true');
    w.branchIf(FAILED);
  }
  private scalarMask({ type, isScalar }: Tested): number[] {
    const size = VECTOR / LANES[type].count;
    return Array.from({ length: VECTOR }, (_, i) => (isScalar && i >= size ? 0 : 0xff));
  }
}
