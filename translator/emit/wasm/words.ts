/**
 * Recognises moves and bitwise logic of vector registers, which are lifted word by word, and writes them as one access of the
 * whole register: words written one by one and read together are slow on every processor (no store forwarding).
 */
import type { Statement, Value } from '../../ir/ir.js';
import type { PlainOpcode } from './opcodes.js';
import type { VectorSlots } from './vector-slots.js';
import type { FunctionWriter } from './writer.js';

type Read = Extract<Statement, { kind: 'read' }>;
type Write = Extract<Statement, { kind: 'write' }>;

const WORD = 4;
const VECTOR = 16;

/** The state offset that is accessed, where it is known and a whole word. */
function placeOf(statement: Statement | undefined, kind: 'read' | 'write'): number | undefined {
  if (statement?.kind !== kind) return undefined;
  const { offset, size, slot } = statement as Read | Write;
  if (size !== WORD || (slot !== undefined && slot.op !== 'const')) return undefined;
  return offset + (slot === undefined ? 0 : slot.value);
}

const LOGIC: Partial<Record<string, PlainOpcode>> = {
  and: 'v128.and',
  or: 'v128.or',
  xor: 'v128.xor',
  add: 'i32x4.add',
  sub: 'i32x4.sub',
};

/**
 * Do zeros into the rest of the register follow a copy of 4 or 8 bytes into it (a scalar's load)? How many statements they are.
 */
export function zerosAfterCopy(statements: readonly Statement[], at: number, slot: number, bytes: number): number {
  const count = (VECTOR - bytes) / WORD;
  for (let i = 0; i < count; i++) {
    const statement = statements[at + 1 + i];
    if (placeOf(statement, 'write') !== slot + bytes + WORD * i) return 0;
    const { value } = statement as Write;
    if (value.op !== 'const' || value.value !== 0) return 0;
  }
  return count;
}

/** Writes the group of statements that begins at `at`; how many they are, 0 where there is no group. */
export function writeWordGroup(
  w: FunctionWriter,
  slots: VectorSlots,
  statements: readonly Statement[],
  at: number,
): number {
  return constants(w, slots, statements, at) || moves(w, slots, statements, at) || logic(w, slots, statements, at);
}

/** Constants into consecutive words. */
function constants(w: FunctionWriter, slots: VectorSlots, statements: readonly Statement[], at: number): number {
  const first = placeOf(statements[at], 'write');
  if (first === undefined) return 0;
  const values: number[] = [];
  while (values.length < 4) {
    const statement = statements[at + values.length];
    if (placeOf(statement, 'write') !== first + WORD * values.length) break;
    const { value } = statement as Write;
    if (value.op !== 'const') break;
    values.push(value.value);
  }
  const count = values.length === 4 ? 4 : values.length >= 2 ? 2 : 0;
  if (count === 0) return 0;
  const bytes = [...new Uint8Array(Int32Array.from(values).buffer)];
  if (slots.keeps(first)) {
    if (count === 4 && first % VECTOR === 0) {
      w.vector('v128.const', bytes);
      slots.set(first);
    } else if (count === 2 && first % (2 * WORD) === 0) {
      const double = new Float64Array(Int32Array.from(values.slice(0, 2)).buffer)[0]!;
      // A NaN's bits would not be kept.
      if (Number.isNaN(double)) return 0;
      slots.setLane('f64', first, () => w.f64(double));
    } else return 0;
    return count;
  }
  w.state();
  if (count === 4) {
    w.vector('v128.const', bytes);
    w.memory('v128.store', first);
  } else {
    w.i64((BigInt(values[1]!) << 32n) | BigInt(values[0]! >>> 0));
    w.memory('i64.store', first);
  }
  return count;
}

/** One, two or four words of one register read, and then written to consecutive words. */
function moves(w: FunctionWriter, slots: VectorSlots, statements: readonly Statement[], at: number): number {
  for (const count of [4, 2, 1]) {
    const from: number[] = [];
    for (let i = 0; i < count; i++) {
      const source = placeOf(statements[at + i], 'read');
      const write = statements[at + count + i];
      const target = placeOf(write, 'write');
      if (source === undefined || target === undefined) break;
      const { result } = statements[at + i] as Read;
      if (result.uses !== 1 || (write as Write).value !== result) break;
      if (target !== placeOf(statements[at + count], 'write')! + WORD * i) break;
      from.push(source);
    }
    if (from.length < count) continue;
    const target = placeOf(statements[at + count], 'write')!;
    const base = from[0]! & -VECTOR;
    const straight = from.every((source, i) => source === from[0]! + WORD * i);
    if (straight) {
      if (move(w, slots, from[0]!, target, count)) return 2 * count;
      continue;
    }
    if (count !== 4 || from.some((source) => source < base || source >= base + VECTOR)) continue;
    if (!slots.keeps(target) || target % VECTOR !== 0) continue;
    for (let i = 0; i < 2; i++) slots.push(base);
    w.vector(
      'i8x16.shuffle',
      from.flatMap((source) => [0, 1, 2, 3].map((byte) => source - base + byte)),
    );
    slots.set(target);
    return 2 * count;
  }
  return 0;
}

/** Copies consecutive words; whether it could. */
function move(w: FunctionWriter, slots: VectorSlots, from: number, target: number, count: number): boolean {
  const bytes = count * WORD;
  const [fromSlots, toSlots] = [slots.holds(from), slots.keeps(target)];
  if ((from | target) % bytes !== 0) return false;
  if (count === 4 && toSlots) {
    slots.push(from);
    slots.set(target);
    slots.copyKnown(from, target);
    return true;
  }
  const type = count === 2 ? 'f64' : 'f32';
  if (toSlots && count < 4) {
    const known = slots.isOrdinary(type, from);
    slots.setLane(type, target, () => {
      if (fromSlots) slots.pushLane(type, from);
      else {
        w.state();
        w.memory(`${type}.load`, from);
      }
    });
    if (known) slots.markOrdinary(type, target);
    return true;
  }
  if (count === 1 || (fromSlots && count === 2)) return false;
  const [load, store] = count === 4 ? (['v128.load', 'v128.store'] as const) : (['i64.load', 'i64.store'] as const);
  w.state();
  if (fromSlots) slots.push(from);
  else {
    w.state();
    w.memory(load, from);
  }
  w.memory(store, target);
  return true;
}

/** What a word's operation is on whole registers, with the order of its operands. */
function operationOf(value: Value): { operation: PlainOpcode; args: readonly Value[]; swapped: boolean } | undefined {
  if (!('args' in value)) return undefined;
  const [left, right] = value.args as [Value, Value];
  if (value.op === 'and' && left.op === 'not') {
    return { operation: 'v128.andnot', args: [left.args[0]!, right], swapped: true };
  }
  if (value.op === 'sub' && left.op === 'const' && left.value === 0 && right.op === 'eq') {
    return { operation: 'i32x4.eq', args: right.args, swapped: false };
  }
  const operation = LOGIC[value.op];
  return operation ? { operation, args: value.args, swapped: false } : undefined;
}

/** Four times: a word of each operand read, the operation's word written over the first. */
function logic(w: FunctionWriter, slots: VectorSlots, statements: readonly Statement[], at: number): number {
  const left = placeOf(statements[at], 'read');
  const right = placeOf(statements[at + 1], 'read');
  const first = statements[at + 2];
  if (left === undefined || right === undefined || placeOf(first, 'write') !== left) return 0;
  if (!slots.keeps(left) || (left | right) % VECTOR !== 0) return 0;
  const found = operationOf((first as Write).value);
  if (!found) return 0;
  for (let i = 0; i < 4; i++) {
    const [a, b, write] = statements.slice(at + 3 * i, at + 3 * i + 3);
    if (placeOf(a, 'read') !== left + WORD * i || placeOf(b, 'read') !== right + WORD * i) return 0;
    if (placeOf(write, 'write') !== left + WORD * i) return 0;
    const { value } = write as Write;
    const word = operationOf(value);
    if (word?.operation !== found.operation || value.uses !== 1) return 0;
    if (!isOnly(word.args[0]!, a as Read) || !isOnly(word.args[1]!, b as Read)) return 0;
  }
  for (const operand of found.swapped ? [right, left] : [left, right]) slots.push(operand);
  w.op(found.operation);
  slots.set(left);
  return 12;
}

const isOnly = (value: Value, read: Read): boolean => value === read.result && value.uses === 1;
