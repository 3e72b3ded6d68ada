/**
 * SSE4.2's text comparisons that give an index (pcmpistri, pcmpestri: Intel SDM volume 2, section 4.1) in WebAssembly, for bytes:
 * C libraries' string functions are loops over them. Sets of positions are masks of 16 bits; masks of valid positions come from
 * where a text ends. Words, and the instructions that give a mask, are left to the helper.
 */
import type { Variable } from '../../ir/ir.js';
import { pushVector, ZEROS, type SimdContext, type SimdLowering } from './simd-context.js';

const ALL = 0xffff;
/** Positions, and what is said where there is none. */
const SIZE = 16;

/** Bits of the immediate. */
const WORDS = 1;
const SIGNED = 2;
const NEGATIVE = 0x10;
const MASKED = 0x20;
const HIGHEST = 0x40;
const EQUAL_ANY = 0;
const RANGES = 1;
const EQUAL_EACH = 2;

interface Text {
  readonly c: SimdContext;
  readonly immediate: number;
  /** Locals with the masks of valid positions of the two operands: they are of the form 2^n - 1. */
  readonly valid: readonly [number, number];
}

/** A text ends at its first zero. */
function implicitMask(c: SimdContext, operand: number): number {
  const { w } = c;
  const mask = c.temporary('i32');
  pushVector(c, operand);
  w.vector('v128.const', ZEROS);
  w.op('i8x16.eq', 'i8x16.bitmask');
  w.tee(mask);
  w.i32(0);
  w.get(mask);
  w.op('i32.sub', 'i32.and');
  w.i32(1);
  w.op('i32.sub');
  w.i32(ALL);
  w.op('i32.and');
  w.set(mask);
  return mask;
}
/** The magnitude of a register is its length, 16 at most. */
function explicitMask(c: SimdContext, argument: number): number {
  const { w } = c;
  const mask = c.temporary('i32');
  const sign = c.temporary('i32');
  c.push(argument);
  w.tee(mask);
  w.i32(31);
  w.op('i32.shr_s');
  w.tee(sign);
  w.get(mask);
  w.op('i32.xor');
  w.get(sign);
  w.op('i32.sub');
  w.set(mask);
  w.i32(1);
  w.get(mask);
  w.op('i32.shl');
  w.i32(1);
  w.op('i32.sub');
  w.i32(ALL);
  w.get(mask);
  w.i32(SIZE);
  w.op('i32.lt_u', 'select');
  w.set(mask);
  return mask;
}

/** For each valid element of the first operand (`step` at a time): `body` is given the local with its position. */
function forElements({ c, valid }: Text, step: 1 | 2, body: (position: number) => void): void {
  const { w } = c;
  const position = c.temporary('i32');
  const rest = c.temporary('i32');
  w.i32(0);
  w.set(position);
  w.get(valid[0]);
  w.set(rest);
  w.open('block', 'text end');
  w.open('loop', 'text');
  // Ranges need both of their ends.
  w.get(rest);
  w.i32(step);
  w.op('i32.and', 'i32.eqz');
  w.branchIf('text end');
  body(position);
  w.get(position);
  w.i32(step);
  w.op('i32.add');
  w.set(position);
  w.get(rest);
  w.i32(step);
  w.op('i32.shr_u');
  w.set(rest);
  w.branch('text');
  w.close();
  w.close();
}
/** Pushes an element of the first operand in all lanes. */
function pushElement({ c }: Text, position: number, next = 0): void {
  pushVector(c, 0);
  c.w.get(position);
  if (next > 0) {
    c.w.i32(next);
    c.w.op('i32.add');
  }
  c.w.op('i8x16.splat', 'i8x16.swizzle');
}

/** Pushes IntRes1: where the second operand has one of the first's elements, or lies in one of its ranges. */
function any(text: Text): void {
  const { c, immediate, valid } = text;
  const { w } = c;
  const found = c.temporary('v128');
  w.vector('v128.const', ZEROS);
  w.set(found);
  const ranges = ((immediate >> 2) & 3) === RANGES;
  forElements(text, ranges ? 2 : 1, (position) => {
    pushVector(c, 1);
    pushElement(text, position);
    if (ranges) {
      const signed = (immediate & SIGNED) !== 0;
      w.op(signed ? 'i8x16.ge_s' : 'i8x16.ge_u');
      pushVector(c, 1);
      pushElement(text, position, 1);
      w.op(signed ? 'i8x16.le_s' : 'i8x16.le_u', 'v128.and');
    } else w.op('i8x16.eq');
    w.get(found);
    w.op('v128.or');
    w.set(found);
  });
  w.get(found);
  w.op('i8x16.bitmask');
  w.get(valid[1]);
  w.op('i32.and');
}
/** Pushes IntRes1: where both operands have the same, or both have ended. */
function equalEach({ c, valid: [first, second] }: Text): void {
  const { w } = c;
  pushVector(c, 0);
  pushVector(c, 1);
  w.op('i8x16.eq', 'i8x16.bitmask');
  w.get(first);
  w.get(second);
  w.op('i32.and', 'i32.and');
  w.get(first);
  w.get(second);
  w.op('i32.or');
  w.i32(ALL);
  w.op('i32.xor', 'i32.or');
}
/** Pushes IntRes1: where the first operand's text is found in the second's, as far as that reaches. */
function equalOrdered(text: Text): void {
  const { c, valid } = text;
  const { w } = c;
  const found = c.temporary('i32');
  w.i32(ALL);
  w.set(found);
  forElements(text, 1, (position) => {
    pushVector(c, 1);
    pushElement(text, position);
    w.op('i8x16.eq', 'i8x16.bitmask');
    w.get(valid[1]);
    w.op('i32.and');
    // What lies beyond the second operand's last position counts as found.
    w.i32(~ALL);
    w.op('i32.or');
    w.get(position);
    w.op('i32.shr_s');
    w.get(found);
    w.op('i32.and');
    w.set(found);
  });
  w.get(found);
}

function flags({ c, valid }: Text, result: number): void {
  const { w } = c;
  const flag = (variable: Variable, value: () => void): void => {
    value();
    w.set(c.local(variable));
  };
  const isSet = (local: number, bits: number) => (): void => {
    w.get(local);
    w.i32(bits);
    w.op('i32.and');
  };
  // CF is 0 or 1, ZF set where its variable is zero, SF and OF by the sign.
  flag('cf', () => {
    w.get(result);
    w.i32(0);
    w.op('i32.ne');
  });
  const last = 1 << (SIZE - 1);
  flag('zr', isSet(valid[1], last));
  flag('sr', () => {
    isSet(valid[0], last)();
    w.op('i32.eqz');
    w.i32(31);
    w.op('i32.shl');
  });
  flag('of', () => {
    w.get(result);
    w.i32(31);
    w.op('i32.shl');
  });
  flag('af', () => w.i32(0));
  flag('pr', () => w.i32(1));
}

/** Pushes the index. */
function index({ c, immediate }: Text, result: number): void {
  const { w } = c;
  if ((immediate & HIGHEST) === 0) {
    w.get(result);
    w.i32(1 << SIZE);
    w.op('i32.or', 'i32.ctz');
    return;
  }
  w.i32(31);
  w.get(result);
  w.op('i32.clz', 'i32.sub');
  w.i32(SIZE);
  w.get(result);
  w.op('select');
}

function text(masks: (c: SimdContext) => Text['valid']): SimdLowering {
  return {
    constants: 3,
    accepts: (constants) => (constants[2]! & WORDS) === 0,
    emit: (c) => {
      const { w } = c;
      const immediate = c.constant(2);
      const it: Text = { c, immediate, valid: masks(c) };
      const aggregation = (immediate >> 2) & 3;
      if (aggregation === EQUAL_ANY || aggregation === RANGES) any(it);
      else if (aggregation === EQUAL_EACH) equalEach(it);
      else equalOrdered(it);
      if (immediate & NEGATIVE) {
        if (immediate & MASKED) w.get(it.valid[1]);
        else w.i32(ALL);
        w.op('i32.xor');
      }
      const result = c.temporary('i32');
      w.set(result);
      flags(it, result);
      index(it, result);
      c.result();
    },
  };
}

export const textLowerings: Readonly<Record<string, SimdLowering>> = {
  pcmpistri: text((c) => [implicitMask(c, 0), implicitMask(c, 1)]),
  pcmpestri: text((c) => [explicitMask(c, 3), explicitMask(c, 4)]),
};
