/**
 * What the vector declarations share: the common shapes of a lifting function. Arithmetic is done by the helpers of
 * `runtime/helpers/simd`, which take slots (offsets in the CPU state); moves and bitwise logic are plain IR on 32-bit
 * words. Memory is read before anything is written, so that a fault leaves the state as it was.
 */
import type { Builder } from '../../ir/builder.js';
import { FLAG_VARIABLES, type AccessSize, type Value } from '../../ir/ir.js';
import { State, Trap } from '../../state.js';
import type { ImmediateOperand, IntegerOperand, MemoryOperand, VectorOperand } from '../kinds.js';

/** Where conversions to a general register leave their result; operands use the first slots. */
const RESULT_SLOT = State.scratch + 16 * (State.scratchSlots - 1);

// Words -------------------------------------------------------------------------------------------------------------------

export function readWords(b: Builder, slot: Value, count: number, first = 0): Value[] {
  return Array.from({ length: count }, (_, i) => b.read(4 * (first + i), 4, slot));
}
export function writeWords(b: Builder, slot: Value, values: readonly Value[], first = 0): void {
  values.forEach((value, i) => b.write(4 * (first + i), value, 4, slot));
}
export const zeros = (b: Builder, count: number): Value[] => Array.from({ length: count }, () => b.const(0));

/** Is it known, when a block is translated, that both operands are one register? */
function sameRegister(d: VectorOperand, s: VectorOperand): boolean {
  if (!s.isRegister) return false;
  const a = d.slot();
  const c = s.slot();
  return a.op === 'const' && c.op === 'const' && a.value === c.value;
}

// MMX ---------------------------------------------------------------------------------------------------------------------

/** Every MMX instruction but emms sets TOP to 0 and all tags to valid (Intel SDM 1, 9.5). After memory was read. */
export function enterMmx(b: Builder): void {
  b.write(State.fpuTop, b.const(0));
  b.write(State.fpuEmpty, b.const(0));
}
/** A written MMX register has the x87 register's sign and exponent bits set. */
export function markMmx(b: Builder, slot: Value): void {
  b.write(8, b.const(0xffff), 2, slot);
}

// Helpers -----------------------------------------------------------------------------------------------------------------

type Lift2 = (b: Builder, operands: readonly [VectorOperand, VectorOperand]) => void;
type Lift3 = (b: Builder, operands: readonly [VectorOperand, VectorOperand, ImmediateOperand]) => void;

/** helper(d, s) */
export function plain(helper: string): Lift2 {
  return (b, [d, s]) => b.call(helper, [d.slot(), s.slot()]);
}
/** helper(d, s) that may raise #XM. */
export function raising(helper: string): Lift2 {
  return (b, [d, s]) => b.call(helper, [d.slot(), s.slot()], { trap: Trap.simd });
}
export function plainImmediate(helper: string): Lift3 {
  return (b, [d, s, immediate]) => b.call(helper, [d.slot(), s.slot(), immediate.read()]);
}
export function raisingImmediate(helper: string): Lift3 {
  return (b, [d, s, immediate]) => b.call(helper, [d.slot(), s.slot(), immediate.read()], { trap: Trap.simd });
}
/** comiss and its kin: flags, and #XM. */
export function comparing(helper: string): Lift2 {
  return (b, [d, s]) => b.call(helper, [d.slot(), s.slot()], { trap: Trap.simd, writes: FLAG_VARIABLES });
}
/** helper(d, s, width) on an XMM register. */
export function sized(helper: string): Lift2 {
  return (b, [d, s]) => b.call(helper, [d.slot(), s.slot(), b.const(16)]);
}
/** helper(d, s, width) on an MMX register. */
export function sizedMmx(helper: string): Lift2 {
  return (b, [d, s]) => {
    const source = s.slot();
    enterMmx(b);
    b.call(helper, [d.slot(), source, b.const(8)]);
    markMmx(b, d.slot());
  };
}
/** Conversion to a general register: helper(result slot, s), #XM. */
export function toGeneral(helper: string) {
  return (b: Builder, [d, s]: readonly [IntegerOperand, VectorOperand]): void => {
    const slot = b.const(RESULT_SLOT);
    b.call(helper, [slot, s.slot()], { trap: Trap.simd });
    d.write(b.read(RESULT_SLOT));
  };
}

// Word by word ------------------------------------------------------------------------------------------------------------

type WordOperation = (b: Builder, a: Value, c: Value) => Value;

const words = {
  and: (b, a, c) => b.and(a, c),
  andNot: (b, a, c) => b.and(b.not(a), c),
  or: (b, a, c) => b.or(a, c),
  xor: (b, a, c) => b.xor(a, c),
  add: (b, a, c) => b.add(a, c),
  subtract: (b, a, c) => b.sub(a, c),
  equal: (b, a, c) => b.mask(b.eq(a, c)),
} as const satisfies Record<string, WordOperation>;
export type WordOperationName = keyof typeof words;

/** What the operation gives on two equal words: compilers make zeros and ones so. */
const onEqual: Partial<Record<WordOperationName, number>> = { xor: 0, subtract: 0, andNot: 0, equal: -1 };

function wordwise(b: Builder, d: VectorOperand, s: VectorOperand, operation: WordOperationName, count: number): void {
  const constant = onEqual[operation];
  if (constant !== undefined && sameRegister(d, s)) {
    for (let i = 0; i < count; i++) b.write(4 * i, b.const(constant), 4, d.slot());
    return;
  }
  const source = s.slot();
  // A word's result depends on the same words alone: writing word by word is safe even on one register.
  for (let i = 0; i < count; i++) {
    const left = b.read(4 * i, 4, d.slot());
    b.write(4 * i, words[operation](b, left, b.read(4 * i, 4, source)), 4, d.slot());
  }
}
export function wordwiseXmm(operation: WordOperationName): Lift2 {
  return (b, [d, s]) => wordwise(b, d, s, operation, 4);
}
export function wordwiseMmx(operation: WordOperationName): Lift2 {
  return (b, [d, s]) => {
    s.slot();
    enterMmx(b);
    wordwise(b, d, s, operation, 2);
    markMmx(b, d.slot());
  };
}

// Moves -------------------------------------------------------------------------------------------------------------------

/** All 16 bytes, to and from registers or memory. */
export function moveWhole(b: Builder, [d, s]: readonly [VectorOperand, VectorOperand]): void {
  if (!d.isRegister) b.copyOut(d.address(), s.slot(), 16);
  else if (!s.isRegister) b.copyIn(d.slot(), s.address(), 16);
  else writeWords(b, d.slot(), readWords(b, s.slot(), 4));
}
/** The low 8 bytes into a register, its high 8 bytes zero; or to memory. */
export function moveQuadword(b: Builder, [d, s]: readonly [VectorOperand, VectorOperand]): void {
  if (!d.isRegister) {
    b.copyOut(d.address(), s.slot(), 8);
    return;
  }
  if (s.isRegister) writeWords(b, d.slot(), readWords(b, s.slot(), 2));
  else b.copyIn(d.slot(), s.address(), 8);
  writeWords(b, d.slot(), zeros(b, 2), 2);
}
/** movss, movsd: from memory the rest becomes zero, between registers it stays. */
export function moveScalar(count: 1 | 2): Lift2 {
  return (b, [d, s]) => {
    if (!d.isRegister) b.copyOut(d.address(), s.slot(), 4 * count);
    else if (s.isRegister) writeWords(b, d.slot(), readWords(b, s.slot(), count));
    else {
      b.copyIn(d.slot(), s.address(), 4 * count);
      writeWords(b, d.slot(), zeros(b, 4 - count), count);
    }
  };
}
/** Eight bytes of memory into the low (0) or high (8) half of a register. */
export function loadHalf(half: 0 | 8) {
  return (b: Builder, [d, m]: readonly [VectorOperand, MemoryOperand]): void =>
    b.copyIn(b.add(d.slot(), b.const(half)), m.address(), 8);
}
export function storeHalf(half: 0 | 8) {
  return (b: Builder, [m, s]: readonly [MemoryOperand, VectorOperand]): void =>
    b.copyOut(m.address(), b.add(s.slot(), b.const(half)), 8);
}

/** Lane `index` (masked to the number of lanes) of a register, `size` bytes each. */
export function readLane(b: Builder, slot: Value, index: Value, size: AccessSize, lanes: number): Value {
  return b.read(0, size, laneSlot(b, slot, index, size, lanes));
}
export function writeLane(b: Builder, slot: Value, index: Value, size: AccessSize, lanes: number, value: Value): void {
  b.write(0, value, size, laneSlot(b, slot, index, size, lanes));
}
function laneSlot(b: Builder, slot: Value, index: Value, size: AccessSize, lanes: number): Value {
  const shift = size === 1 ? 0 : size === 2 ? 1 : 2;
  return b.add(slot, b.shl(b.and(index, b.const(lanes - 1)), b.const(shift)));
}
