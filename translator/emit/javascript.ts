/**
 * From a block's IR statements to JavaScript statements: the part that the interpreter's handlers and generated regions
 * share. Values used once are written where they are used, others get a `const`; a variable that is about to be
 * overwritten while its old value is still needed is saved first.
 *
 * Names that generated code may use (declared at script scope by `runtime/engine/environment.ts`):
 *   S, S8, S16   the CPU state as Int32Array, Uint8Array, Uint16Array
 *   M, M8, M16, M32   guest memory as DataView, Uint8Array, Uint16Array, Int32Array
 *   P            the page table
 *   bridge_*     host functions of bridges, `pushBridgeResult` and `raiseBridgeFault`, where there are bridges
 *   and the helpers, by the names that the IR uses.
 */
import {
  argumentsOf,
  countUses,
  operandsOf,
  variables,
  type Statement,
  type Terminator,
  type Value,
  type Variable,
} from '../ir/ir.js';
import { argumentBytes, BRIDGE_TYPE_BYTES, type BridgeType } from '../bridge.js';
import { pureOperations, type PureOperation } from '../ir/ops.js';
import { CHECK_ALL, withoutProbes, type AccessChecks } from '../ir/access-checks.js';
import { Page } from '../pages.js';
import { State } from '../state.js';

type Saved = Extract<Value, { at: number }>;

/** How a kind of generated function differs from the others. */
export interface Target {
  /** Text that reads and assigns a variable. */
  variable(variable: Variable): string;
  /** Text of the statement that leaves the function because a check at guest address `pc` failed. */
  leave(pc: number, vector: number): string;
  /** Other threads use the memory: accesses are as indivisible as the processor's. */
  readonly sharesMemory: boolean;
  /** Text of the statement that does the instruction again because an atomic store found other memory than was loaded. */
  again(pc: number): string;
  /** Checked accesses are calls that throw (handlers), not tests (regions). */
  readonly throwing: boolean;
  /** What is tested where accesses are not calls; default: all. */
  readonly checks?: AccessChecks;
  /** Variables to write back before, and read again after, a helper that works on the whole state. */
  readonly writeBack: readonly Variable[];
  readonly reload: readonly Variable[];
}

const GENERAL = new Set<Variable>(['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']);
const SIZE_NAMES = { 1: '8', 2: '16', 4: '32' } as const;

export class JavaScriptEmitter {
  readonly lines: string[] = [];
  indent = '  ';
  private pc = 0;
  private names = new Map<Value, string>();
  private holders = new Map<Variable, Value>();
  private saved: Saved[] = [];
  private position = 0;
  private readonly checks: AccessChecks;
  /** The atomic load of the instruction. */
  private atomicLoad: Extract<Statement, { kind: 'load' }> | undefined;

  constructor(
    private readonly target: Target,
    private temporaries = 0,
  ) {
    this.checks = target.checks ?? CHECK_ALL;
  }

  get temporaryCount(): number {
    return this.temporaries;
  }

  line(text: string): void {
    this.lines.push(this.indent + text);
  }

  /** Emits a block's statements up to its terminator, which is the caller's to write with `condition` and `integer`. */
  block(all: readonly Statement[]): Terminator | undefined {
    const statements = this.checks.writes ? all : withoutProbes(all);
    countUses(statements);
    this.names.clear();
    this.holders.clear();
    this.saved = [];
    const seen = new Set<Value>();
    const collect = (value: Value): void => {
      if (seen.has(value)) return;
      seen.add(value);
      if ('at' in value) this.saved.push(value);
      for (const argument of argumentsOf(value)) collect(argument);
    };
    for (const statement of statements) for (const value of operandsOf(statement)) collect(value);
    for (this.position = 0; this.position < statements.length; this.position++) {
      const statement = statements[this.position]!;
      if (statement.kind === 'jump' || statement.kind === 'branch' || statement.kind === 'stop') return statement;
      this.statement(statement);
    }
    return undefined;
  }

  // Values ------------------------------------------------------------------------------------------------------------

  /** JavaScript of an i32 value. Each call consumes one use of it. */
  integer(value: Value): string {
    switch (value.op) {
      case 'const':
        return String(value.value);
      case 'field':
        return `o.${value.field}`;
      case 'result':
        return this.named(value) ?? 'undefined';
      default:
        break;
    }
    const name = this.named(value);
    if (name !== undefined) return name;
    if (value.op === 'get') {
      value.uses--;
      return this.target.variable(value.variable);
    }
    if (value.uses > 1) {
      const text = this.integerText(value);
      return this.name(value, text);
    }
    value.uses--;
    return this.integerText(value);
  }

  /** JavaScript of a value as a condition: true where it is not zero. */
  condition(value: Value): string {
    if (!this.names.has(value) && value.uses <= 1 && 'args' in value) {
      const operation: PureOperation = pureOperations[value.op];
      const [left, right] = value.args;
      if (value.op === 'eq' && right!.op === 'const' && right!.value === 0 && isCondition(left!)) {
        value.uses--;
        return `!(${this.condition(left!)})`;
      }
      if (value.op === 'ne' && right!.op === 'const' && right!.value === 0 && isCondition(left!)) {
        value.uses--;
        return this.condition(left!);
      }
      if ((value.op === 'or' || value.op === 'and') && isCondition(left!) && isCondition(right!)) {
        value.uses--;
        return `(${this.condition(left!)} ${value.op === 'or' ? '||' : '&&'} ${this.condition(right!)})`;
      }
      if (operation.condition) {
        value.uses--;
        return this.operationText(value);
      }
    }
    return `${this.integer(value)} !== 0`;
  }

  private named(value: Value): string | undefined {
    const name = this.names.get(value);
    if (name !== undefined) value.uses--;
    return name;
  }

  /** Gives a value a `const` of its own; consumes one use. */
  private name(value: Value, text: string): string {
    const name = `t${this.temporaries++}`;
    this.line(`const ${name} = ${strip(text)};`);
    this.names.set(value, name);
    value.uses--;
    return name;
  }

  private integerText(value: Value): string {
    if (value.op === 'registerAt') {
      return value.size === 4 ? `S[o.${value.field}]` : `S${SIZE_NAMES[value.size]}[o.${value.field}]`;
    }
    if (value.op === 'effectiveAddress') {
      const offset = '(S[o.base] + (S[o.index] << o.scale) + o.displacement & o.mask)';
      return value.segment ? `(${offset} + S[o.segment] | 0)` : offset;
    }
    const text = this.operationText(value);
    return 'args' in value && (pureOperations[value.op] as PureOperation).condition ? `(${text} ? 1 : 0)` : text;
  }

  private operationText(value: Value): string {
    if (!('args' in value)) throw new Error(`no operation: ${value.op}`);
    const operation: PureOperation = pureOperations[value.op];
    if (value.op === 'select') {
      // Arguments are evaluated in order, so that a `const` made for one does not land inside another.
      const condition = this.condition(value.args[0]!);
      return `(${condition} ? ${this.integer(value.args[1]!)} : ${this.integer(value.args[2]!)})`;
    }
    const texts = value.args.map((argument) => this.integer(argument));
    return operation.javascript(texts[0]!, texts[1] ?? '', texts[2] ?? '');
  }

  /** Text of a value that will be written more than once. */
  private repeatable(value: Value): string {
    if (value.op === 'const') return String(value.value);
    const name = this.named(value);
    if (name !== undefined) {
      // A variable's name will do as long as it is not assigned within the statement, which it is not.
      return name;
    }
    if (value.op === 'get') return this.integer(value);
    return this.name(value, this.integerText(value));
  }

  // Statements ---------------------------------------------------------------------------------------------------------

  private statement(statement: Exclude<Statement, Terminator>): void {
    switch (statement.kind) {
      case 'instruction':
        this.pc = statement.pc;
        this.atomicLoad = undefined;
        if (statement.text !== undefined) this.line(`// ${hex(statement.pc)} ${statement.text}`);
        return;
      case 'removed':
        return;
      case 'put':
        this.put(statement.variable, statement.value);
        return;
      case 'putRegisterAt': {
        const value = this.integer(statement.value);
        this.saveOld((saved) => saved.op !== 'get' || GENERAL.has(saved.variable));
        for (const variable of [...this.holders.keys()]) if (GENERAL.has(variable)) this.forget(variable);
        const text =
          statement.size === 4 ? `S[o.${statement.field}]` : `S${SIZE_NAMES[statement.size]}[o.${statement.field}]`;
        this.line(`${text} = ${strip(value)};`);
        return;
      }
      case 'load':
        this.load(statement);
        return;
      case 'store':
        this.store(statement);
        return;
      case 'probe': {
        const address = this.repeatable(statement.address);
        if (this.target.throwing) this.line(`checkWrite(${address}, ${statement.size});`);
        else this.check(address, statement.size, Page.write);
        return;
      }
      case 'read': {
        const text = this.stateField(statement.offset, statement.size, statement.slot);
        if (statement.result.uses === 0) return;
        statement.result.uses++;
        this.name(statement.result, text);
        return;
      }
      case 'write': {
        const value = this.integer(statement.value);
        this.line(`${this.stateField(statement.offset, statement.size, statement.slot)} = ${strip(value)};`);
        return;
      }
      case 'copyIn':
      case 'copyOut':
        this.copy(statement);
        return;
      case 'guard': {
        const condition =
          statement.condition.op === 'const'
            ? statement.condition.value !== 0
              ? 'true'
              : 'false'
            : this.condition(statement.condition);
        this.line(`if (${condition}) ${this.target.leave(this.pc, statement.vector)}`);
        return;
      }
      case 'call': {
        const call = `${statement.helper}(${statement.args.map((argument) => strip(this.integer(argument))).join(', ')})`;
        for (const variable of statement.writes) {
          this.saveOld((saved) => saved.op === 'get' && saved.variable === variable);
          this.forget(variable);
        }
        if (statement.trap !== undefined) {
          this.line(`if (${call} !== 0) ${this.target.leave(this.pc, statement.trap)}`);
        } else if (statement.result && statement.result.uses > 0) {
          statement.result.uses++;
          this.name(statement.result, call);
        } else this.line(`${call};`);
        if (!this.target.throwing) {
          for (const variable of statement.writes) this.line(`${variable} = S[${variables[variable] >> 2}];`);
        }
        return;
      }
      case 'bridge':
        this.bridge(statement);
        return;
      case 'callState': {
        const call = `${statement.helper}(${statement.args.map((argument) => strip(this.integer(argument))).join(', ')})`;
        this.saveOld(() => true);
        for (const variable of [...this.holders.keys()]) this.forget(variable);
        const { writeBack, reload } = this.target;
        for (const variable of writeBack) this.line(`S[${variables[variable] >> 2}] = ${variable};`);
        if (this.target.throwing) this.line(`if (${call} !== 0) raisePending();`);
        else {
          const failed = `t${this.temporaries++}`;
          this.line(`const ${failed} = ${call};`);
          for (const variable of reload) this.line(`${variable} = S[${variables[variable] >> 2}];`);
          this.line(`if (${failed} !== 0) ${this.target.leave(this.pc, 0)}`);
        }
        return;
      }
    }
  }

  /** The host function is called directly, its arguments read where they lie. */
  private bridge({ call, address, result }: Extract<Statement, { kind: 'bridge' }>): void {
    const base = this.repeatable(address);
    const bytes = argumentBytes(call);
    if (bytes > 0) {
      if (this.target.throwing) {
        const pages = `${page(base, 0)} & ${page(base, bytes - 1)}`;
        this.line(`if ((${pages} & ${Page.read}) === 0) readFault(${base}, ${bytes});`);
      } else this.test(base, bytes, Page.read);
    }
    let offset = 0;
    const args = call.parameters.flatMap((type) => {
      const place = (by: number): string => (by === 0 ? base : offsetAddress(base, by));
      const texts = BRIDGE_READS[type](place(offset), place(offset + 4));
      offset += BRIDGE_TYPE_BYTES[type];
      return texts;
    });
    const name = `t${this.temporaries++}`;
    this.line(`const ${name} = ${call.name}(${args.join(', ')});`);
    if (call.canFault) {
      const leave = this.target.throwing ? 'raiseBridgeFault();' : this.target.leave(this.pc, 14);
      this.line(`if (${name} === undefined) ${leave}`);
    }
    if (call.result === 'f64' || call.result === 'f32') this.line(`pushBridgeResult(${name});`);
    this.names.set(result, name);
  }

  private put(variable: Variable, value: Value): void {
    const place = this.target.variable(variable);
    if (value.op === 'get' && value.variable === variable && !this.names.has(value)) {
      value.uses--;
      return;
    }
    const text = strip(this.integer(value));
    this.saveOld((saved) => (saved.op === 'get' ? saved.variable === variable : GENERAL.has(variable)));
    this.forget(variable);
    if (text !== place) this.line(`${place} = ${text};`);
    if (value.op !== 'const' && value.op !== 'field' && value.uses > 0 && !this.names.has(value)) {
      this.names.set(value, place);
      this.holders.set(variable, value);
    }
  }

  /** A variable is about to change: a value that lives in it and is still needed moves to a `const`. */
  private forget(variable: Variable): void {
    const holder = this.holders.get(variable);
    this.holders.delete(variable);
    if (!holder) return;
    const place = this.target.variable(variable);
    if (this.names.get(holder) !== place) return;
    if (holder.uses <= 0) {
      this.names.delete(holder);
      return;
    }
    const name = `t${this.temporaries++}`;
    this.line(`const ${name} = ${place};`);
    this.names.set(holder, name);
  }

  /** Values read from registers before this statement and still needed move to a `const`. */
  private saveOld(which: (saved: Saved) => boolean): void {
    for (const saved of this.saved) {
      if (saved.uses > 0 && saved.at <= this.position && !this.names.has(saved) && which(saved)) {
        const text = saved.op === 'get' ? this.target.variable(saved.variable) : this.integerText(saved);
        const name = `t${this.temporaries++}`;
        this.line(`const ${name} = ${strip(text)};`);
        this.names.set(saved, name);
      }
    }
  }

  private stateField(offset: number, size: 1 | 2 | 4, slot: Value | undefined): string {
    const array = size === 4 ? 'S' : `S${SIZE_NAMES[size]}`;
    const shift = size === 4 ? 2 : size - 1;
    if (slot === undefined) return `${array}[${offset >> shift}]`;
    const base = this.integer(slot);
    if (/^-?\d+$/.test(base)) return `${array}[${(Number(base) + offset) >> shift}]`;
    const sum = offset === 0 ? base : `${base} + ${offset}`;
    return shift === 0 ? `${array}[${sum}]` : `${array}[${sum} >> ${shift}]`;
  }

  // Memory --------------------------------------------------------------------------------------------------------------

  private check(address: string, size: number, permission: number): void {
    if (permission === Page.write ? this.checks.writes : this.checks.reads) this.test(address, size, permission);
  }

  /** A test that leaves the region unless all of [address, address + size) has the permission. */
  private test(address: string, size: number, permission: number): void {
    const pages = size === 1 ? page(address, 0) : `${page(address, 0)} & ${page(address, size - 1)}`;
    this.line(`if ((${pages} & ${permission}) === 0) ${this.target.leave(this.pc, 14)}`);
  }

  private load(statement: Extract<Statement, { kind: 'load' }>): void {
    const { size, result } = statement;
    if (statement.atomic && this.target.sharesMemory) {
      this.atomicLoad = statement;
      // The store will compare.
      result.uses++;
    }
    if (this.target.throwing) {
      const call = `ld${SIZE_NAMES[size]}${statement.forWrite ? 'w' : ''}(${strip(this.integer(statement.address))})`;
      result.uses++;
      this.name(result, call);
      return;
    }
    const address = this.repeatable(statement.address);
    this.check(address, size, statement.forWrite ? Page.write : Page.read);
    if (result.uses === 0) {
      if (!this.checks.reads)
        this.line(`S[${State.discarded >> 2}] = ${memoryRead(address, size, this.target.sharesMemory)};`);
      return;
    }
    result.uses++;
    this.name(result, memoryRead(address, size, this.target.sharesMemory));
  }

  private store(statement: Extract<Statement, { kind: 'store' }>): void {
    const { size } = statement;
    const { sharesMemory } = this.target;
    if (statement.atomic && this.atomicLoad?.address === statement.address) {
      this.atomicStore(statement, this.atomicLoad.result);
      return;
    }
    if (statement.checked) {
      const address = this.repeatable(statement.address);
      this.line(memoryWrite(address, strip(this.integer(statement.value)), size, sharesMemory));
      return;
    }
    if (this.target.throwing) {
      const address = strip(this.integer(statement.address));
      this.line(`st${SIZE_NAMES[size]}(${address}, ${strip(this.integer(statement.value))});`);
      return;
    }
    const address = this.repeatable(statement.address);
    const value = strip(this.integer(statement.value));
    this.check(address, size, Page.write);
    this.line(memoryWrite(address, value, size, sharesMemory));
  }

  /** Stores if the memory is still what was loaded. */
  private atomicStore(statement: Extract<Statement, { kind: 'store' }>, loaded: Value): void {
    const { size } = statement;
    const address = this.repeatable(statement.address);
    const old = this.integer(loaded);
    const value = strip(this.integer(statement.value));
    if (!statement.checked) {
      if (this.target.throwing) this.line(`checkWrite(${address}, ${size});`);
      else this.check(address, size, Page.write);
    }
    const call = `compareExchange${SIZE_NAMES[size]}(${address}, ${strip(old)}, ${value})`;
    this.line(`if (${call} !== 0) ${this.target.again(this.pc)}`);
  }

  private copy(statement: Extract<Statement, { kind: 'copyIn' | 'copyOut' }>): void {
    const { bytes } = statement;
    const into = statement.kind === 'copyIn';
    const address = this.repeatable(statement.address);
    const slot = strip(this.integer(statement.slot));
    if (this.target.throwing) {
      this.line(into ? `copyIn(${slot}, ${address}, ${bytes});` : `copyOut(${address}, ${slot}, ${bytes});`);
      return;
    }
    if (bytes > 16) {
      const call = into ? `tryCopyIn(${slot}, ${address}, ${bytes})` : `tryCopyOut(${address}, ${slot}, ${bytes})`;
      this.line(`if (${call} !== 0) ${this.target.leave(this.pc, 14)}`);
      return;
    }
    this.check(address, bytes, into ? Page.read : Page.write);
    const at = Number(slot);
    for (let done = 0; done < bytes;) {
      const size = bytes - done >= 4 ? 4 : bytes - done >= 2 ? 2 : 1;
      const array = size === 4 ? 'S' : `S${SIZE_NAMES[size]}`;
      const field = `${array}[${(at + done) >> (size === 4 ? 2 : size - 1)}]`;
      const place = done === 0 ? address : offsetAddress(address, done);
      const shared = this.target.sharesMemory;
      this.line(into ? `${field} = ${memoryRead(place, size, shared)};` : memoryWrite(place, field, size, shared));
      done += size;
    }
  }
}

function isCondition(value: Value): boolean {
  if (!('args' in value)) return false;
  if ((pureOperations[value.op] as PureOperation).condition) return true;
  return (value.op === 'or' || value.op === 'and') && value.args.every(isCondition);
}

const isLiteral = (text: string): boolean => /^-?\d+$/.test(text);
const offsetAddress = (address: string, by: number): string =>
  isLiteral(address) ? String((Number(address) + by) | 0) : `(${address} + ${by})`;
/** The page table's byte for an address. */
function page(address: string, offset: number): string {
  if (isLiteral(address)) return `P[${(Number(address) + offset) >>> 12}]`;
  return offset === 0 ? `P[${address} >>> 12]` : `P[${address} + ${offset} >>> 12]`;
}
const index = (address: string): string => (isLiteral(address) ? String(Number(address) >>> 0) : `${address} >>> 0`);

/**
 * V8's DataView functions, as long as they are not optimised, move bytes: where other threads look on, aligned accesses are those
 * of typed arrays.
 */
function memoryRead(address: string, size: 1 | 2 | 4, shared: boolean): string {
  if (size === 1) return `M8[${index(address)}]`;
  if (shared) {
    const [aligned, element] = alignment(address, size);
    return `(${aligned} ? ${element} : ${memoryRead(address, size, false)})`;
  }
  return size === 2 ? `M.getUint16(${index(address)}, true)` : `M.getInt32(${index(address)}, true)`;
}
/** A condition that an address is aligned, and the typed array's element there. */
function alignment(address: string, size: 2 | 4): [condition: string, element: string] {
  const [array, shift] = size === 4 ? ['M32', 2] : ['M16', 1];
  return [`(${address} & ${size - 1}) === 0`, `${array}[${address} >>> ${shift}]`];
}
/** Reads an argument at a guest address (an i64's high half at another). */
const BRIDGE_READS: Readonly<Record<BridgeType, (place: string, high: string) => string[]>> = {
  i32: (place) => [memoryRead(place, 4, false)],
  i64: (place, high) => [memoryRead(place, 4, false), memoryRead(high, 4, false)],
  f32: (place) => [`M.getFloat32(${index(place)}, true)`],
  f64: (place) => [`M.getFloat64(${index(place)}, true)`],
};
function memoryWrite(address: string, value: string, size: 1 | 2 | 4, shared: boolean): string {
  if (size === 1) return `M8[${index(address)}] = ${value};`;
  if (shared) {
    const [aligned, element] = alignment(address, size);
    return `if (${aligned}) ${element} = ${value}; else ${memoryWrite(address, value, size, false)}`;
  }
  return size === 2
    ? `M.setInt16(${index(address)}, ${value}, true);`
    : `M.setInt32(${index(address)}, ${value}, true);`;
}

/** Without parentheses that enclose all of it. */
export function strip(text: string): string {
  if (!text.startsWith('(') || !text.endsWith(')')) return text;
  let depth = 0;
  for (let i = 0; i < text.length - 1; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return text;
  }
  return text.slice(1, -1);
}

export const hex = (address: number): string => `0x${(address >>> 0).toString(16).padStart(8, '0')}`;
