/**
 * Recognises moves and bitwise logic of vector registers, which are lifted word by word, and writes them as one access of the
 * whole register: words written one by one and read together are slow on every processor (no store forwarding).
 */
import type { Statement, Value } from '../../ir/ir.js';
import type { PlainOpcode } from './opcodes.js';
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
export function writeWordGroup(w: FunctionWriter, statements: readonly Statement[], at: number): number {
  return constants(w, statements, at) || moves(w, statements, at) || logic(w, statements, at);
}

/** Constants into consecutive words. */
function constants(w: FunctionWriter, statements: readonly Statement[], at: number): number {
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
  w.state();
  if (count === 4) {
    w.vector('v128.const', [...new Uint8Array(Int32Array.from(values).buffer)]);
    w.memory('v128.store', first);
  } else {
    w.i64((BigInt(values[1]!) << 32n) | BigInt(values[0]! >>> 0));
    w.memory('i64.store', first);
  }
  return count;
}

/** Two or four words of one register read, and then written to consecutive words. */
function moves(w: FunctionWriter, statements: readonly Statement[], at: number): number {
  for (const count of [4, 2]) {
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
      const [load, store] = count === 4 ? (['v128.load', 'v128.store'] as const) : (['i64.load', 'i64.store'] as const);
      w.state();
      w.state();
      w.memory(load, from[0]!);
      w.memory(store, target);
      return 2 * count;
    }
    if (count !== 4 || from.some((source) => source < base || source >= base + VECTOR)) continue;
    w.state();
    for (let i = 0; i < 2; i++) {
      w.state();
      w.memory('v128.load', base);
    }
    w.vector(
      'i8x16.shuffle',
      from.flatMap((source) => [0, 1, 2, 3].map((byte) => source - base + byte)),
    );
    w.memory('v128.store', target);
    return 2 * count;
  }
  return 0;
}

/** Four times: a word of each operand read, the operation's word written over the first. */
function logic(w: FunctionWriter, statements: readonly Statement[], at: number): number {
  const left = placeOf(statements[at], 'read');
  const right = placeOf(statements[at + 1], 'read');
  const first = statements[at + 2];
  if (left === undefined || right === undefined || placeOf(first, 'write') !== left) return 0;
  const { op } = (first as Write).value;
  const operation = LOGIC[op];
  if (!operation) return 0;
  for (let i = 0; i < 4; i++) {
    const [a, b, write] = statements.slice(at + 3 * i, at + 3 * i + 3);
    if (placeOf(a, 'read') !== left + WORD * i || placeOf(b, 'read') !== right + WORD * i) return 0;
    if (placeOf(write, 'write') !== left + WORD * i) return 0;
    const { value } = write as Write;
    if (value.op !== op || !('args' in value) || value.uses !== 1) return 0;
    if (!isOnly(value.args[0]!, a as Read) || !isOnly(value.args[1]!, b as Read)) return 0;
  }
  w.state();
  for (const operand of [left, right]) {
    w.state();
    w.memory('v128.load', operand);
  }
  w.op(operation);
  w.memory('v128.store', left);
  return 12;
}

const isOnly = (value: Value, read: Read): boolean => value === read.result && value.uses === 1;
