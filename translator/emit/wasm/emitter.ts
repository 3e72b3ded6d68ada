/**
 * From a block's IR statements to WebAssembly instructions, as `../javascript.ts` does for JavaScript. Values used once are
 * computed where they are used; others, and results of loads, get a local that is free again when the block ends. The CPU
 * state and the page table lie in the same memory as the guest's: the table at a constant address, the state at one that a
 * local holds.
 */
import {
  argumentsOf,
  countUses,
  FLAG_VARIABLES,
  operandsOf,
  variables,
  type Statement,
  type Terminator,
  type Value,
  type Variable,
} from '../../ir/ir.js';
import { argumentBytes, BRIDGE_TYPE_BYTES } from '../../bridge.js';
import { canLeave, CHECK_ALL, isInlineCopy, type AccessChecks } from '../../ir/access-checks.js';
import { pureOperations, type PureOperation, type WasmOperands } from '../../ir/ops.js';
import { LOWEST_MAPPING, Page, PAGE_SHIFT } from '../../pages.js';
import { PAGE_TABLE_ADDRESS, State } from '../../state.js';
import { planChecks, type CheckedRange } from './checks.js';
import { FloatChecks, type FloatType } from './float-checks.js';
import type { ModuleBuilder } from './module.js';
import type { PlainOpcode, ValueType } from './opcodes.js';
import { simdLowering } from './simd.js';
import type { LaneType, VectorSlots } from './vector-slots.js';
import { writeWordGroup, zerosAfterCopy } from './words.js';
import type { FunctionWriter, MemoryOpcode } from './writer.js';
import { x87UnitAt } from '../../passes/x87-operations.js';
import type { X87Emitter, X87Host } from './x87-emitter.js';

type Get = Extract<Value, { op: 'get' }>;

export interface WasmTarget {
  /** The local of a variable. */
  local(variable: Variable): number;
  /** Leaves the function because a check at guest address `pc` failed. */
  leave(pc: number): void;
  /** The same, for what the interpreter is to do up to the block's end. */
  leaveForRest(pc: number): void;
  /** Did groups of floating-point instructions that begin at a guest address often fail their tests? */
  readonly isCareful?: (pc: number) => boolean;
  /** What is tested before it is accessed; default: all. */
  readonly accessChecks?: AccessChecks;
  /** Variables to write back before, and read again after, a helper that works on the whole state. */
  readonly writeBack: readonly Variable[];
  readonly reload: readonly Variable[];
  /** Where the x87 registers are in locals. */
  readonly x87?: X87Emitter;
  readonly slots: VectorSlots;
  /** Other threads use the memory: locked instructions are indivisible. */
  readonly sharesMemory: boolean;
}

/** A statement that this emitter has no code for: the region is for the JavaScript emitter. */
export class Unsupported extends Error {}

/** Is a helper's call written inline? Others are slower from WebAssembly than from JavaScript, where V8 inlines them. */
export function isInline(call: Extract<Statement, { kind: 'call' }>): boolean {
  return simdLowering(call) !== undefined;
}

const FLAGS: ReadonlySet<Variable> = new Set(FLAG_VARIABLES);

/** The state offset that is accessed, where it is known. */
function placeOf({ offset, slot }: Extract<Statement, { kind: 'read' | 'write' }>): number | undefined {
  if (!slot) return offset;
  return slot.op === 'const' ? offset + slot.value : undefined;
}

const VECTOR = 16;
const LANES: Readonly<Record<1 | 2 | 4, LaneType>> = { 1: 'i8', 2: 'i16', 4: 'i32' };
const LOAD = { 1: 'i32.load8_u', 2: 'i32.load16_u', 4: 'i32.load' } as const;
const COMPARE_EXCHANGE = {
  1: 'i32.atomic.rmw8.cmpxchg_u',
  2: 'i32.atomic.rmw16.cmpxchg_u',
  4: 'i32.atomic.rmw.cmpxchg',
} as const;
const STORE = { 1: 'i32.store8', 2: 'i32.store16', 4: 'i32.store' } as const;
/** Larger pieces first. */
const COPIES = [
  { bytes: 16, load: 'v128.load', store: 'v128.store' },
  { bytes: 8, load: 'i64.load', store: 'i64.store' },
  { bytes: 4, load: 'i32.load', store: 'i32.store' },
  { bytes: 2, load: 'i32.load16_u', store: 'i32.store16' },
  { bytes: 1, load: 'i32.load8_u', store: 'i32.store8' },
] as const;

export class WasmEmitter {
  private pc = 0;
  private names = new Map<Value, number>();
  private holders = new Map<Variable, Value>();
  private saved: Get[] = [];
  private statements: readonly Statement[] = [];
  private position = 0;
  /** Flags that are not computed yet: often only ways out of the region want them. */
  private deferred = new Map<Variable, Value>();
  private checks: ReadonlyMap<number, CheckedRange> = new Map();
  private readonly accessChecks: AccessChecks;
  /** The atomic load of the instruction. */
  private atomicLoad: Extract<Statement, { kind: 'load' }> | undefined;
  /** Locals of each type for values of a block; `used` counts those taken in this block. */
  private readonly pools: Partial<Record<ValueType, { locals: number[]; used: number }>> = {};

  private readonly floatChecks: FloatChecks;
  /** Where the group of instructions that `floatChecks` will test began: copies of locals that changed since. */
  private changed: Map<number, number> | undefined;

  constructor(
    readonly w: FunctionWriter,
    private readonly module: ModuleBuilder,
    private readonly target: WasmTarget,
  ) {
    this.accessChecks = target.accessChecks ?? CHECK_ALL;
    this.floatChecks = new FloatChecks(w, target.slots, {
      temporary: (type) => this.temporary(type),
      checkpoint: () => this.checkpoint(),
      isCareful: () => target.isCareful?.(this.pc) === true,
    });
    target.slots.onChange = (local) => this.keepOld(local, 'v128');
  }

  /** At the function's start: what its blocks want in locals. */
  start(blocks: readonly (readonly Statement[])[]): void {
    const types = new Set<FloatType>();
    for (const statement of blocks.flat()) {
      const type = statement.kind === 'call' ? simdLowering(statement)?.tests : undefined;
      if (type) types.add(type);
    }
    this.floatChecks.start(types, (bytes) => this.module.constant(bytes));
  }

  /** Emits the statements of a region's node up to its terminator, which is the caller's to write. */
  block(statements: readonly Statement[], node: number): Terminator | undefined {
    const { x87 } = this.target;
    x87?.startBlock(node, this.x87Host, () => this.leave());
    countUses(statements);
    this.names = new Map();
    this.holders = new Map();
    this.deferred = new Map();
    this.saved = [];
    this.target.slots.startBlock();
    for (const pool of Object.values(this.pools)) pool.used = 0;
    this.statements = statements;
    this.checks = planChecks(statements, this.accessChecks);
    for (const { base } of this.checks.values()) base.uses++;
    const seen = new Set<Value>();
    const collect = (value: Value): void => {
      if (seen.has(value)) return;
      seen.add(value);
      if (value.op === 'get') this.saved.push(value);
      for (const argument of argumentsOf(value)) collect(argument);
    };
    for (const statement of statements) for (const value of operandsOf(statement)) collect(value);
    for (this.position = 0; this.position < statements.length; this.position++) {
      const statement = statements[this.position]!;
      if (this.floatChecks.isActive && this.endsGroup(statement)) this.floatChecks.flush();
      if (statement.kind === 'jump' || statement.kind === 'branch' || statement.kind === 'stop') {
        x87?.endBlock();
        return statement;
      }
      const group =
        x87?.statements(statements, this.position, () => this.statement(statement)) ||
        writeWordGroup(this.w, this.target.slots, statements, this.position);
      if (group > 0) this.position += group - 1;
      else this.statement(statement);
    }
    return undefined;
  }

  private readonly x87Host: X87Host = {
    temporary: (type) => this.temporary(type),
    repeatable: (value) => this.repeatable(value),
    push: (value) => this.push(value),
    nameResult: (result) => this.nameResult(result),
    check: () => this.check(),
    fork: () => this.fork(),
    overwrite: (variable) => {
      this.deferred.delete(variable);
      this.leaveVariables([variable]);
      return this.target.local(variable);
    },
  };

  /** A local for the rest of the block. */
  temporary(type: ValueType = 'i32'): number {
    const pool = (this.pools[type] ??= { locals: [], used: 0 });
    if (pool.used === pool.locals.length) pool.locals.push(this.w.local(type));
    return pool.locals[pool.used++]!;
  }

  // Flags on demand -----------------------------------------------------------------------------------------------------

  /** Computes held-back flags now. */
  settle(isWanted: (flag: Variable) => boolean): void {
    for (const [flag, value] of [...this.deferred]) {
      if (!isWanted(flag)) continue;
      this.deferred.delete(flag);
      this.put(flag, value);
    }
  }

  /** Computes held-back flags on a way out: the code that is emitted next does not come after it. */
  settleApart(isWanted: (flag: Variable) => boolean): void {
    const puts = [...this.deferred].filter(([flag]) => isWanted(flag));
    if (puts.length === 0) return;
    const goOn = this.fork();
    for (const [, value] of puts) this.push(value);
    for (const [flag] of puts.reverse()) this.w.set(this.target.local(flag));
    goOn();
  }

  /** The result goes back to where the block's emission is now, for code that does not come after what is emitted meanwhile. */
  fork(): () => void {
    const { names, holders, saved, statements, position, deferred, checks, pc } = this;
    const kept = { names: new Map(names), holders: new Map(holders), deferred: new Map(deferred) };
    const used = Object.values(this.pools).map((pool) => ({ pool, used: pool.used }));
    const uses = new Map<Value, number>();
    const visit = (value: Value): void => {
      if (uses.has(value)) return;
      uses.set(value, value.uses);
      for (const argument of argumentsOf(value)) visit(argument);
    };
    for (const value of deferred.values()) visit(value);
    return () => {
      Object.assign(this, kept, { saved, statements, position, checks, pc });
      for (const entry of used) entry.pool.used = entry.used;
      for (const [value, count] of uses) value.uses = count;
    };
  }

  private leave(): void {
    if (this.floatChecks.isActive) throw new Error('left with instructions that are not tested');
    this.settleApart(() => true);
    this.target.leave(this.pc);
  }

  // Groups of instructions that are tested together ----------------------------------------------------------------------

  /** Is something done that cannot be undone, or may the region be left, so that what was computed must be tested before? */
  private endsGroup(statement: Statement): boolean {
    switch (statement.kind) {
      case 'instruction':
      case 'removed':
      case 'put':
      case 'read':
        if (statement.kind === 'read' && this.writesState()) return true;
        return this.target.x87 !== undefined && x87UnitAt(this.statements, this.position) !== undefined;
      case 'load':
        return statement.atomic || canLeave(statement, this.accessChecks);
      case 'copyIn':
        return !isInlineCopy(statement) || canLeave(statement, this.accessChecks);
      case 'write':
        return this.writesState();
      case 'call': {
        const lowering = simdLowering(statement);
        return lowering === undefined || lowering.leaves === 'now';
      }
      default:
        return true;
    }
  }

  /** Does the instruction, from here on, write anything of the CPU state that is not in locals? */
  private writesState(): boolean {
    for (let at = this.position; at < this.statements.length; at++) {
      const statement = this.statements[at]!;
      if (statement.kind === 'instruction') return false;
      if (statement.kind !== 'write') continue;
      const place = placeOf(statement);
      if (place === undefined || !this.target.slots.keeps(place)) return true;
    }
    return false;
  }

  /** The result writes the way out of the region, with everything as it is now: the interpreter goes on here. */
  private checkpoint(): () => void {
    const { w } = this;
    const goBack = this.fork();
    const changed = (this.changed = new Map());
    return () => {
      const goOn = this.fork();
      goBack();
      this.changed = undefined;
      for (const [local, copy] of changed) {
        w.get(copy);
        w.set(local);
      }
      this.settleApart(() => true);
      this.target.leaveForRest(this.pc);
      goOn();
    };
  }
  /** A local that the way out needs is about to change. */
  private keepOld(local: number, type: ValueType): void {
    if (!this.changed || this.changed.has(local)) return;
    const copy = this.temporary(type);
    this.w.get(local);
    this.w.set(copy);
    this.changed.set(local, copy);
  }

  // Values ------------------------------------------------------------------------------------------------------------

  /** Pushes an i32 value. Each call consumes one use of it. */
  push(value: Value): void {
    const { w } = this;
    if (value.op === 'const') {
      w.i32(value.value);
      return;
    }
    const name = this.names.get(value);
    if (name !== undefined) {
      value.uses--;
      w.get(name);
      return;
    }
    if (value.op === 'get') {
      value.uses--;
      w.get(this.target.local(value.variable));
      return;
    }
    const shared = value.uses > 1;
    value.uses--;
    this.compute(value);
    if (shared) {
      const local = this.temporary();
      this.names.set(value, local);
      w.tee(local);
    }
  }

  /** Pushes something that is not zero where the value is not. */
  pushCondition(value: Value): void {
    if (!this.names.has(value) && value.uses <= 1 && 'args' in value) {
      const [left, right] = value.args;
      if ((value.op === 'ne' || value.op === 'eq') && right!.op === 'const' && right!.value === 0) {
        value.uses--;
        if (value.op === 'ne') this.pushCondition(left!);
        else {
          this.push(left!);
          this.w.op('i32.eqz');
        }
        return;
      }
    }
    this.push(value);
  }

  private compute(value: Value): void {
    if (!('args' in value)) throw new Unsupported(`value ${value.op}`);
    const operation: PureOperation = pureOperations[value.op];
    const { args } = value;
    if (typeof operation.wasm !== 'function') {
      for (const argument of args) this.push(argument);
      this.w.op(...operation.wasm);
      return;
    }
    // Each operand is computed once, in order, before the first is pushed.
    const pushes = args.map((argument) => this.repeatable(argument));
    const { w } = this;
    const operands: WasmOperands = {
      push: (index) => pushes[index]!(),
      op: (...names: readonly PlainOpcode[]) => w.op(...names),
      i32: (constant) => w.i32(constant),
      i64: (constant) => w.i64(constant),
      local: (type) => this.temporary(type),
      get: (local) => w.get(local),
      tee: (local) => w.tee(local),
    };
    operation.wasm(operands);
  }

  /** Computes a value; the result pushes it any number of times within the statement. Consumes one use. */
  repeatable(value: Value): () => void {
    const { w } = this;
    if (value.op === 'const') return () => w.i32(value.value);
    let local = this.names.get(value);
    if (local !== undefined) value.uses--;
    else if (value.op === 'get') {
      value.uses--;
      local = this.target.local(value.variable);
    } else {
      value.uses--;
      this.compute(value);
      local = this.temporary();
      this.names.set(value, local);
      w.set(local);
    }
    const from = local;
    return () => w.get(from);
  }

  // Statements ---------------------------------------------------------------------------------------------------------

  private statement(statement: Exclude<Statement, Terminator>): void {
    const { w, target } = this;
    switch (statement.kind) {
      case 'instruction':
        this.pc = statement.pc;
        target.slots.startInstruction();
        this.atomicLoad = undefined;
        return;
      case 'removed':
        return;
      case 'put':
        if (FLAGS.has(statement.variable)) this.deferred.set(statement.variable, statement.value);
        else this.put(statement.variable, statement.value);
        return;
      case 'load': {
        if (statement.atomic && target.sharesMemory) {
          this.atomicLoad = statement;
          // The store will compare.
          statement.result.uses++;
        }
        if (canLeave(statement, this.accessChecks)) {
          const address = this.repeatable(statement.address);
          this.check();
          if (statement.result.uses === 0) return;
          address();
          w.memory(LOAD[statement.size]);
        } else {
          const { push, offset } = this.untestedAddress(statement.address);
          push();
          w.memory(LOAD[statement.size], offset);
        }
        if (statement.result.uses === 0) w.op('drop');
        else this.nameResult(statement.result);
        return;
      }
      case 'store': {
        if (statement.atomic && this.atomicLoad?.address === statement.address) {
          this.atomicStore(statement, this.atomicLoad.result);
          return;
        }
        if (canLeave(statement, this.accessChecks)) {
          const address = this.repeatable(statement.address);
          const value = this.repeatable(statement.value);
          this.check();
          address();
          value();
          w.memory(STORE[statement.size]);
          return;
        }
        const { push, offset } = this.untestedAddress(statement.address);
        const value = this.repeatable(statement.value);
        push();
        value();
        w.memory(STORE[statement.size], offset);
        return;
      }
      case 'probe':
        this.push(statement.address);
        w.op('drop');
        this.check();
        return;
      case 'read': {
        const place = placeOf(statement);
        if (place !== undefined && target.slots.holds(place)) target.slots.pushLane(LANES[statement.size], place);
        else w.memory(LOAD[statement.size], this.pushField(statement.slot, statement.offset));
        if (statement.result.uses === 0) w.op('drop');
        else this.nameResult(statement.result);
        return;
      }
      case 'write': {
        const place = placeOf(statement);
        if (place !== undefined && target.slots.keeps(place)) {
          target.slots.setLane(LANES[statement.size], place, () => this.push(statement.value));
          return;
        }
        const offset = this.pushField(statement.slot, statement.offset);
        this.push(statement.value);
        w.memory(STORE[statement.size], offset);
        if (place === State.mxcsr) target.slots.observe();
        return;
      }
      case 'copyIn':
      case 'copyOut':
        this.copy(statement);
        return;
      case 'guard':
        this.pushCondition(statement.condition);
        w.open('if');
        this.leave();
        w.close();
        return;
      case 'call':
        this.call(statement);
        return;
      case 'callState': {
        this.settle(() => true);
        for (const argument of statement.args) this.push(argument);
        this.saveOld(() => true);
        for (const variable of [...this.holders.keys()]) this.forget(variable);
        for (const variable of target.writeBack) this.storeVariable(variable);
        target.slots.store();
        const failed = this.temporary();
        w.call(this.module.helper(statement.helper, statement.args.length, true));
        w.set(failed);
        for (const variable of target.reload) this.loadVariable(variable);
        target.slots.load();
        target.slots.startBlock();
        w.get(failed);
        w.open('if');
        this.leave();
        w.close();
        return;
      }
      case 'bridge':
        this.bridge(statement);
        return;
      default:
        throw new Unsupported(`statement ${statement.kind}`);
    }
  }

  /**
   * The host function is imported and called directly. One that may refuse gives its integer as a double: `undefined` becomes a
   * NaN. Those that may refuse to give a floating-point number are for JavaScript.
   */
  private bridge({ call, address, result }: Extract<Statement, { kind: 'bridge' }>): void {
    const { w, module } = this;
    const type = call.result === 'void' ? undefined : call.result;
    const isFloat = type === 'f64' || type === 'f32';
    if (call.canFault && isFloat) throw new Unsupported(`bridge ${call.name}`);
    const base = this.repeatable(address);
    const bytes = argumentBytes(call);
    if (bytes > 0) {
      this.pushPage(base, 0);
      this.pushPage(base, bytes - 1);
      w.op('i32.and');
      w.i32(Page.read);
      w.op('i32.and', 'i32.eqz');
      w.open('if');
      this.leave();
      w.close();
    }
    let offset = 0;
    for (const parameter of call.parameters) {
      // JavaScript takes the halves of a 64-bit integer.
      for (let half = 0; half < (parameter === 'i64' ? 2 : 1); half++) {
        base();
        w.memory(`${parameter === 'i64' ? 'i32' : parameter}.load` satisfies MemoryOpcode, offset + 4 * half);
      }
      offset += BRIDGE_TYPE_BYTES[parameter];
    }
    const parameters = call.parameters.flatMap((one) => (one === 'i64' ? (['i32', 'i32'] as const) : [one]));
    const resultType = isFloat ? type : call.canFault ? 'f64' : type === undefined ? undefined : 'i32';
    w.call(module.function(call.name, { parameters, results: resultType ? [resultType] : [] }));
    if (isFloat) {
      w.call(module.function('pushBridgeResult', { parameters: [type], results: [] }));
      return;
    }
    if (call.canFault) {
      const given = this.temporary('f64');
      w.tee(given);
      w.get(given);
      w.op('f64.ne');
      w.open('if');
      this.leave();
      w.close();
      w.get(given);
      w.op('i32.trunc_f64_s');
    }
    if (type === undefined ? call.canFault : result.uses === 0) w.op('drop');
    else if (type !== undefined) this.nameResult(result);
  }

  private call(statement: Extract<Statement, { kind: 'call' }>): void {
    const { args, writes } = statement;
    const lowering = simdLowering(statement);
    if (lowering?.leaves === 'later') this.floatChecks.begin();
    if (statement.trap !== undefined) this.settle((flag) => writes.includes(flag));
    for (const flag of writes) this.deferred.delete(flag);
    const constant = (index: number): number => (args[index] as { value: number }).value;
    if (lowering) {
      this.leaveVariables(writes);
      lowering.emit({
        w: this.w,
        slots: this.target.slots,
        checks: this.floatChecks,
        constant,
        push: (index) => this.push(args[index]!),
        temporary: (type) => this.temporary(type),
        local: (variable) => this.target.local(variable),
        leave: () => this.leave(),
        result: () => this.nameCallResult(statement),
      });
      return;
    }
    this.callHelper(statement);
  }

  /** Variables are about to change. */
  private leaveVariables(changed: readonly Variable[]): void {
    for (const variable of changed) {
      this.keepOld(this.target.local(variable), 'i32');
      this.saveOld((saved) => saved.variable === variable);
      this.forget(variable);
    }
  }

  private callHelper(statement: Extract<Statement, { kind: 'call' }>): void {
    const { w } = this;
    const after = this.target.slots.aroundHelper(
      statement.helper,
      statement.args.flatMap((argument) => (argument.op === 'const' ? [argument.value] : [])),
    );
    for (const argument of statement.args) this.push(argument);
    this.leaveVariables(statement.writes);
    const wanted = statement.trap !== undefined || statement.result !== undefined;
    w.call(this.module.helper(statement.helper, statement.args.length, wanted));
    if (statement.trap !== undefined) {
      w.open('if');
      this.leave();
      w.close();
    } else if (statement.result) this.nameCallResult(statement);
    for (const variable of statement.writes) this.loadVariable(variable);
    after();
  }

  private nameCallResult({ result }: Extract<Statement, { kind: 'call' }>): void {
    if (result && result.uses > 0) this.nameResult(result);
    else this.w.op('drop');
  }

  /** Gives what is on the stack to the result of a statement. */
  private nameResult(result: Value): void {
    const local = this.temporary();
    this.w.set(local);
    this.names.set(result, local);
  }

  private put(variable: Variable, value: Value): void {
    const place = this.target.local(variable);
    if (value.op === 'get' && value.variable === variable && !this.names.has(value)) {
      value.uses--;
      return;
    }
    this.push(value);
    this.saveOld((saved) => saved.variable === variable);
    this.forget(variable);
    // What was pushed stays on the stack.
    this.keepOld(place, 'i32');
    this.w.set(place);
    if (value.op !== 'const' && value.uses > 0 && !this.names.has(value)) {
      this.names.set(value, place);
      this.holders.set(variable, value);
    }
  }

  /** A variable is about to change: a value that lives in it and is still needed moves to a local of its own. */
  private forget(variable: Variable): void {
    const holder = this.holders.get(variable);
    this.holders.delete(variable);
    if (!holder) return;
    const place = this.target.local(variable);
    if (this.names.get(holder) !== place) return;
    if (holder.uses <= 0) {
      this.names.delete(holder);
      return;
    }
    this.names.set(holder, this.copyOf(place));
  }

  /** Values read from variables before this statement and still needed move to locals of their own. */
  private saveOld(which: (saved: Get) => boolean): void {
    for (const saved of this.saved) {
      if (saved.uses > 0 && saved.at <= this.position && !this.names.has(saved) && which(saved)) {
        this.names.set(saved, this.copyOf(this.target.local(saved.variable)));
      }
    }
  }

  /**
   * Stores if the memory is still what was loaded; else, and where the address is not aligned, the interpreter does the
   * instruction again.
   */
  private atomicStore(statement: Extract<Statement, { kind: 'store' }>, loaded: Value): void {
    const { w } = this;
    const { size } = statement;
    const address = this.repeatable(statement.address);
    const old = this.repeatable(loaded);
    const value = this.repeatable(statement.value);
    if (!statement.checked) this.check();
    if (size > 1) {
      address();
      w.i32(size - 1);
      w.op('i32.and');
      w.open('if');
      this.target.leave(this.pc);
      w.close();
    }
    address();
    old();
    value();
    w.memory(COMPARE_EXCHANGE[size], 0, size === 4 ? 2 : size === 2 ? 1 : 0);
    old();
    w.op('i32.ne');
    w.open('if');
    this.target.leave(this.pc);
    w.close();
  }

  private copyOf(local: number): number {
    const copy = this.temporary();
    this.w.get(local);
    this.w.set(copy);
    return copy;
  }

  // The CPU state -------------------------------------------------------------------------------------------------------

  storeVariable(variable: Variable): void {
    this.w.state();
    this.w.get(this.target.local(variable));
    this.w.memory('i32.store', variables[variable]);
  }
  loadVariable(variable: Variable): void {
    this.w.state();
    this.w.memory('i32.load', variables[variable]);
    this.w.set(this.target.local(variable));
  }
  /** Pushes a state field's address without the constant part, which is the result. */
  pushField(slot: Value | undefined, offset: number): number {
    this.w.state();
    if (slot === undefined) return offset;
    if (slot.op === 'const') return offset + slot.value;
    this.push(slot);
    this.w.op('i32.add');
    return offset;
  }
  storeState(field: number, value: () => void): void {
    this.w.state();
    value();
    this.w.memory('i32.store', field);
  }

  // Guest memory ----------------------------------------------------------------------------------------------------------

  /** Leaves the region unless what the statement accesses is permitted, where that is not known yet. */
  private check(): void {
    const range = this.checks.get(this.position);
    if (!range) return;
    const { w } = this;
    const { low, high } = range;
    const base = this.repeatable(range.base);
    this.pushPage(base, low);
    if (high - low > 1) {
      this.pushPage(base, high - 1);
      w.op('i32.and');
    }
    w.i32(range.write ? Page.write : Page.read);
    w.op('i32.and', 'i32.eqz');
    w.open('if');
    this.leave();
    w.close();
  }

  /**
   * An address that is not tested, as `repeatable`, with a constant to be added as the access's offset. Where the sum is above
   * 4 GiB, the processor's would be in the guest's lowest pages, where nothing is mapped (`LOWEST_MAPPING`).
   */
  private untestedAddress(value: Value): { push: () => void; offset: number } {
    if (value.op === 'add' && !this.accessChecks.reads && !this.names.has(value)) {
      const [base, distance] = value.args as [Value, Value];
      if (distance.op === 'const' && distance.value >= 0 && distance.value < LOWEST_MAPPING) {
        value.uses--;
        // The sum is still to be computed for somebody else.
        if (value.uses > 0) base.uses++;
        return { push: this.repeatable(base), offset: distance.value };
      }
    }
    return { push: this.repeatable(value), offset: 0 };
  }

  /** Pushes the page table's byte for an address. */
  private pushPage(base: () => void, offset: number): void {
    const { w } = this;
    base();
    if (offset !== 0) {
      w.i32(offset);
      w.op('i32.add');
    }
    w.i32(PAGE_SHIFT);
    w.op('i32.shr_u');
    w.memory('i32.load8_u', PAGE_TABLE_ADDRESS);
  }

  private copy(statement: Extract<Statement, { kind: 'copyIn' | 'copyOut' }>): void {
    const { w } = this;
    const { bytes, slot } = statement;
    const into = statement.kind === 'copyIn';
    if (!isInlineCopy(statement)) {
      if (into) this.push(slot);
      this.push(statement.address);
      if (!into) this.push(slot);
      w.i32(bytes);
      w.call(this.module.helper(into ? 'tryCopyIn' : 'tryCopyOut', 3, true));
      w.open('if');
      this.leave();
      w.close();
      return;
    }
    const isTested = canLeave(statement, this.accessChecks);
    const { push: address, offset } = isTested
      ? { push: this.repeatable(statement.address), offset: 0 }
      : this.untestedAddress(statement.address);
    this.check();
    const place = (slot as { value: number }).value;
    if (this.copyVector(statement, place, address, offset)) return;
    let done = 0;
    for (const piece of COPIES) {
      for (; bytes - done >= piece.bytes; done += piece.bytes) {
        // The address does not wrap within the access (or it faults), so that the offset may carry it.
        if (into) w.state();
        else address();
        if (into) address();
        else w.state();
        w.memory(piece.load, into ? offset + done : place + done);
        w.memory(piece.store, into ? place + done : offset + done);
      }
    }
  }

  /** A copy to or from a slot that is in a local; whether it is. `offset` is added to the address. */
  private copyVector(
    statement: Extract<Statement, { kind: 'copyIn' | 'copyOut' }>,
    place: number,
    address: () => void,
    offset: number,
  ): boolean {
    const { w } = this;
    const { slots } = this.target;
    const { bytes } = statement;
    const type = bytes === 8 ? 'f64' : bytes === 4 ? 'f32' : undefined;
    const isWhole = bytes === VECTOR && place % VECTOR === 0;
    if (!isWhole && (type === undefined || place % bytes !== 0)) {
      if (place < State.scratch && slots.keeps(place)) throw new Unsupported(`${statement.kind} of ${bytes} bytes`);
      return false;
    }
    if (statement.kind === 'copyOut') {
      if (!slots.holds(place)) return false;
      address();
      if (type === undefined) {
        slots.push(place);
        w.memory('v128.store', offset);
      } else {
        slots.pushLane(type, place);
        w.memory(`${type}.store`, offset);
      }
      return true;
    }
    if (!slots.keeps(place)) return false;
    const isScratch = place >= State.scratch;
    const zeros = type === undefined ? 0 : zerosAfterCopy(this.statements, this.position, place, bytes);
    if (type === undefined || zeros > 0 || (isScratch && place % VECTOR === 0)) {
      address();
      w.memory(type === undefined ? 'v128.load' : type === 'f32' ? 'v128.load32_zero' : 'v128.load64_zero', offset);
      slots.set(place);
    } else {
      slots.setLane(type, place, () => {
        address();
        w.memory(`${type}.load`, offset);
      });
    }
    if (isScratch && !slots.staysHere(this.statements, this.position)) slots.writeThrough(place);
    this.position += zeros;
    return true;
  }
}
