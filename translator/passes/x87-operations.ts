/**
 * Which calls of x87 helpers generated code can do on its own, with what they do to the register stack; and how their
 * statements are grouped: a load's `copyIn` and call, a store's `probe`, `copyIn`, call and `copyOut`. Everything else that
 * touches the x87 state is a synchronisation: the state has to be in memory then.
 */
import { isTerminator, type Statement, type Value } from '../ir/ir.js';
import { State, Trap } from '../state.js';

export type X87Format = 'f32' | 'f64' | 'f80' | 'i16' | 'i32' | 'i64';
export type X87Constant = 'fldz' | 'fld1' | 'fldpi' | 'fldl2e' | 'fldl2t' | 'fldlg2' | 'fldln2';
export type X87Operator = 'add' | 'mul' | 'sub' | 'div';

/** Register operands are stack positions before the operation; memory operands are named by their format. */
export type X87Operation =
  /** ST(dst) op= src, or src op ST(dst) where `reverse`. */
  | {
      kind: 'arithmetic';
      operator: X87Operator;
      reverse: boolean;
      dst: number;
      src: number | X87Format;
      pops: number;
    }
  | { kind: 'load'; src: number | X87Format }
  | { kind: 'constant'; name: X87Constant }
  | { kind: 'store'; format: X87Format; truncate: boolean; pops: number }
  | { kind: 'storeRegister'; dst: number; pops: number }
  | { kind: 'exchange'; other: number }
  /** Into the condition bits, or into the processor's flags. */
  | { kind: 'compare'; src: number | X87Format | 'zero'; flags: boolean; pops: number }
  /** fabs, fchs: what is kept of sign and exponent, and what is then flipped. */
  | { kind: 'sign'; keep: number; flip: number }
  | { kind: 'root' }
  | { kind: 'round' }
  /** ST(0) = ST(src) where the call's second argument is not zero. */
  | { kind: 'move'; src: number }
  /** The call's argument becomes the control word. */
  | { kind: 'control' };

export const X87_BYTES: Readonly<Record<X87Format, number>> = { f32: 4, f64: 8, f80: 10, i16: 2, i32: 4, i64: 8 };

type Maker = (a: number, b: number) => X87Operation;
const makers = new Map<string, Maker>();

for (const [name, operator, reverse] of [
  ['add', 'add', false],
  ['mul', 'mul', false],
  ['sub', 'sub', false],
  ['subr', 'sub', true],
  ['div', 'div', false],
  ['divr', 'div', true],
] as const) {
  const arithmetic =
    (memory: X87Format | undefined, pops: number): Maker =>
    (a, b) => ({ kind: 'arithmetic', operator, reverse, dst: memory ? 0 : a, src: memory ?? b, pops });
  makers.set(`f${name}`, arithmetic(undefined, 0)).set(`f${name}p`, arithmetic(undefined, 1));
  makers.set(`f${name}F32`, arithmetic('f32', 0)).set(`f${name}F64`, arithmetic('f64', 0));
  makers.set(`fi${name}I16`, arithmetic('i16', 0)).set(`fi${name}I32`, arithmetic('i32', 0));
}
for (const pops of [0, 1]) {
  const p = pops === 0 ? '' : 'p';
  const compare =
    (src: X87Format | undefined, flags = false): Maker =>
    (a) => ({ kind: 'compare', src: src ?? a, flags, pops });
  makers.set(`fcom${p}`, compare(undefined)).set(`fucom${p}`, compare(undefined));
  makers.set(`fcomi${p}`, compare(undefined, true)).set(`fucomi${p}`, compare(undefined, true));
  makers.set(`fcom${p}F32`, compare('f32')).set(`fcom${p}F64`, compare('f64'));
  makers.set(`ficom${p}I16`, compare('i16')).set(`ficom${p}I32`, compare('i32'));
  const store =
    (format: X87Format, truncate = false): Maker =>
    () => ({ kind: 'store', format, truncate, pops });
  makers.set(`fst${p}F32`, store('f32')).set(`fst${p}F64`, store('f64')).set(`fst${p}F80`, store('f80'));
  makers.set(`fist${p}I16`, store('i16')).set(`fist${p}I32`, store('i32')).set(`fist${p}I64`, store('i64'));
  makers.set(`fistt${p}I16`, store('i16', true)).set(`fistt${p}I32`, store('i32', true));
  makers.set(`fistt${p}I64`, store('i64', true));
  makers.set(`fst${p}`, (dst) => ({ kind: 'storeRegister', dst, pops }));
}
for (const name of ['fcompp', 'fucompp']) {
  makers.set(name, () => ({ kind: 'compare', src: 1, flags: false, pops: 2 }));
}
makers.set('ftst', () => ({ kind: 'compare', src: 'zero', flags: false, pops: 0 }));
makers.set('fld', (src) => ({ kind: 'load', src }));
for (const format of ['f32', 'f64', 'f80'] as const) {
  makers.set(`fld${format.toUpperCase()}`, () => ({ kind: 'load', src: format }));
}
for (const format of ['i16', 'i32', 'i64'] as const) {
  makers.set(`fild${format.toUpperCase()}`, () => ({ kind: 'load', src: format }));
}
for (const name of ['fldz', 'fld1', 'fldpi', 'fldl2e', 'fldl2t', 'fldlg2', 'fldln2'] as const) {
  makers.set(name, () => ({ kind: 'constant', name }));
}
makers.set('fxch', (other) => ({ kind: 'exchange', other }));
makers.set('fchs', () => ({ kind: 'sign', keep: 0xffff, flip: 0x8000 }));
makers.set('fabs', () => ({ kind: 'sign', keep: 0x7fff, flip: 0 }));
makers.set('frndint', () => ({ kind: 'round' }));
makers.set('fsqrt', () => ({ kind: 'root' }));
makers.set('fcmov', (src) => ({ kind: 'move', src }));
makers.set('fldcw', () => ({ kind: 'control' }));

type Call = Extract<Statement, { kind: 'call' }>;
type Write = Extract<Statement, { kind: 'write' }>;
type Read = Extract<Statement, { kind: 'read' }>;

/** Statements of a block that concern the x87 state, from an index on. */
export type X87Unit = { readonly length: number } & (
  | {
      kind: 'operation';
      operation: X87Operation;
      call: Call;
      /** Of a memory operand. */
      address?: Value;
    }
  /** Leaves where an unmasked exception waits. */
  | { kind: 'wait' }
  /** Of the last instruction: its address, opcode, or operand's address. */
  | { kind: 'remember'; field: number; value: Value }
  /** A word of the state that generated code may hold elsewhere. */
  | { kind: 'read'; field: number; statement: Read }
  | { kind: 'synchronise' }
);

const constantOf = (value: Value | undefined): number | undefined => (value?.op === 'const' ? value.value : undefined);

function operationOf(statement: Statement | undefined): X87Operation | undefined {
  if (statement?.kind !== 'call') return undefined;
  const maker = makers.get(statement.helper);
  if (!maker) return undefined;
  const { args } = statement;
  // Of fldcw and fcmov one argument is a value; register numbers and slots are constants in regions.
  const operation = maker(constantOf(args[0]) ?? -1, constantOf(args[1]) ?? -1);
  // ST(7) is the register that is pushed: in use or empty, something is wrong.
  return operation.kind === 'load' && operation.src === 7 ? undefined : operation;
}

function memoryFormat(operation: X87Operation): X87Format | undefined {
  switch (operation.kind) {
    case 'arithmetic':
    case 'load':
      return typeof operation.src === 'number' ? undefined : operation.src;
    case 'compare':
      return typeof operation.src === 'number' || operation.src === 'zero' ? undefined : operation.src;
    case 'store':
      return operation.format;
    default:
      return undefined;
  }
}

/** What the x87 statements are that begin at an index; undefined where the statement there has nothing to do with the x87. */
export function x87UnitAt(statements: readonly Statement[], index: number): X87Unit | undefined {
  const statement = statements[index]!;
  switch (statement.kind) {
    case 'probe': {
      const [copyIn, call, copyOut] = [statements[index + 1], statements[index + 2], statements[index + 3]];
      const operation = operationOf(call);
      if (operation?.kind !== 'store' || copyIn?.kind !== 'copyIn' || copyOut?.kind !== 'copyOut') return undefined;
      if (copyIn.address !== statement.address || copyOut.address !== statement.address) return undefined;
      return { kind: 'operation', length: 4, operation, call: call as Call, address: statement.address };
    }
    case 'copyIn': {
      const call = statements[index + 1];
      const operation = operationOf(call);
      if (operation && operation.kind !== 'store' && memoryFormat(operation)) {
        return { kind: 'operation', length: 2, operation, call: call as Call, address: statement.address };
      }
      return touchesRegisters(statement.slot, statement.bytes) ? { kind: 'synchronise', length: 1 } : undefined;
    }
    case 'copyOut':
      return touchesRegisters(statement.slot, statement.bytes) ? { kind: 'synchronise', length: 1 } : undefined;
    case 'call': {
      const operation = operationOf(statement);
      if (operation && !memoryFormat(operation)) return { kind: 'operation', length: 1, operation, call: statement };
      return isX87Helper(statement.helper) || statement.args.some((value) => touchesRegisters(value, 1))
        ? { kind: 'synchronise', length: 1 }
        : undefined;
    }
    case 'callState':
      return statement.args.some((value) => touchesRegisters(value, 1))
        ? { kind: 'synchronise', length: 1 }
        : undefined;
    case 'bridge':
      // Guest code that the bridge runs finds the registers in the state.
      return statement.call.result === 'f32' || statement.call.result === 'f64' || statement.call.callsGuest
        ? { kind: 'synchronise', length: 1 }
        : undefined;
    case 'read':
      return readUnit(statements, index, statement);
    case 'write':
      return writeUnit(statement);
    default:
      return undefined;
  }
}

/** Is the helper one of `runtime/helpers/x87`, or one that turns the x87 registers into MMX registers? */
function isX87Helper(helper: string): boolean {
  return /^f[a-z0-9]/.test(helper) || /mmx|emms/i.test(helper);
}

/** Control word to tags: other fields of that part of the state are SSE's or those that `remember` is about. */
const WORDS = new Set<number>([State.fpuControl, State.fpuStatus, State.fpuTop, State.fpuEmpty]);
const REMEMBERED = new Set<number>([State.fpuIp, State.fpuOpcode, State.fpuDataPointer]);
const REGISTERS_END = State.fpuRegisters + 128;

function touchesRegisters(slot: Value, bytes: number): boolean {
  return slot.op === 'const' && slot.value < REGISTERS_END && slot.value + bytes > State.fpuRegisters;
}

function fieldOf({ slot, offset }: Read | Write): number | undefined {
  if (slot === undefined) return offset;
  return slot.op === 'const' ? offset + slot.value : undefined;
}

function isX87Field(field: number | undefined, size: number): boolean {
  if (field === undefined) return true;
  return WORDS.has(field & ~3) || (field < REGISTERS_END && field + size > State.fpuRegisters);
}

function readUnit(statements: readonly Statement[], index: number, statement: Read): X87Unit | undefined {
  const field = fieldOf(statement);
  if (!isX87Field(field, statement.size)) return undefined;
  if (field === State.fpuStatus && isWait(statement, statements[index + 1])) return { kind: 'wait', length: 2 };
  if (field === State.fpuControl || field === State.fpuStatus || field === State.fpuTop) {
    return { kind: 'read', length: 1, field, statement };
  }
  return { kind: 'synchronise', length: 1 };
}

function isWait(read: Read, guard: Statement | undefined): boolean {
  if (guard?.kind !== 'guard' || guard.vector !== Trap.floatingPoint) return false;
  const { condition } = guard;
  return 'args' in condition && condition.args[0] === read.result;
}

function writeUnit(statement: Write): X87Unit | undefined {
  const field = fieldOf(statement);
  if (field !== undefined && REMEMBERED.has(field)) {
    return { kind: 'remember', length: 1, field, value: statement.value };
  }
  return isX87Field(field, statement.size) ? { kind: 'synchronise', length: 1 } : undefined;
}

/** The x87 units of a block, with the index of each. */
export function x87Units(statements: readonly Statement[]): { at: number; unit: X87Unit }[] {
  const units: { at: number; unit: X87Unit }[] = [];
  for (let at = 0; at < statements.length; at++) {
    if (isTerminator(statements[at]!)) break;
    const unit = x87UnitAt(statements, at);
    if (!unit) continue;
    units.push({ at, unit });
    at += unit.length - 1;
  }
  return units;
}
