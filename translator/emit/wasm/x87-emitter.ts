/**
 * The x87 in a region: its register stack in locals, by the slots that `passes/x87-stack.ts` assigns. The state is read where
 * a stack begins (the region's start, the return of a call, after a helper) and written where it ends. What generated code
 * cannot do leaves the region before the instruction.
 */
import type { Statement, Value, Variable } from '../../ir/ir.js';
import { applyUnit, slotOf, x87Needs, type X87Facts, type X87Plan } from '../../passes/x87-stack.js';
import { x87UnitAt, type X87Format, type X87Operation, type X87Unit } from '../../passes/x87-operations.js';
import { State } from '../../state.js';
import type { ValueType } from './opcodes.js';
import { X87Double } from './x87-double.js';
import { X87Exact } from './x87-exact.js';
import type { Register, X87Numbers } from './x87-numbers.js';
import type { FunctionWriter } from './writer.js';

/** What the emitter of ordinary statements does for this one. */
export interface X87Host {
  temporary(type: ValueType): number;
  /** Computes a value; the result pushes it any number of times within the block. Consumes one use. */
  repeatable(value: Value): () => void;
  push(value: Value): void;
  /** Gives what is on the stack to the result of a statement. */
  nameResult(result: Value): void;
  /** Makes the check, if there is one, that belongs to the current statement. */
  check(): void;
  /** The result goes back to where the emission of statements is now. */
  fork(): () => void;
  /** The local of a variable that is about to be overwritten. */
  overwrite(variable: Variable): number;
}

export interface X87Mode {
  /** Registers are doubles. */
  readonly double: boolean;
  /** Bits of precision that the control word asked for when the region was made. */
  readonly precision: 64 | 53;
}

type OperationUnit = Extract<X87Unit, { kind: 'operation' }>;

const C1 = 0x200;
const CONDITIONS = 0x4700;
const SUMMARY = 0x80;
const EXCEPTIONS = 0x3f;
const CONTROL_BITS = 0x1f3f;
const PRECISION_EXCEPTION_SHIFT = 5;
/** Rounding, precision and masks; and what they are for each precision, rounding to nearest. */
const STANDARD_BITS = 0xf3f;
const STANDARD = { 64: 0x33f, 53: 0x23f } as const;
/** Labels of an operation's end and its way out. */
const DONE = 'x87 done';
const LEAVE = 'x87 leave';
/** As the distance at an exit: nothing to write. */
const UNTOUCHED = 8;

export class X87Emitter {
  private readonly slots = new Map<number, Register>();
  /** TOP where the stack began. */
  private readonly start: number;
  /** Empty registers, bits by slot. */
  private readonly empty: number;
  /** The status word; C1 and what made PE are apart. */
  private readonly status: number;
  private readonly control: number;
  private readonly c1: number;
  private readonly inexact: number;
  /** The stack's depth (from where it began) at the exit that is taken. */
  private readonly depth: number;
  private facts: X87Facts = {
    base: 0,
    full: 0,
    empty: 0,
    ordinary: 0,
    quiet: false,
    standard: false,
    touched: false,
  };
  private bases: number[] = [];
  /** What `remember` units said that is not in memory yet, by field. */
  private readonly remembered = new Map<number, () => void>();
  private host!: X87Host;
  private numbers: X87Numbers;
  private leaveAt: (() => void) | undefined;

  constructor(
    private readonly w: FunctionWriter,
    private readonly plan: X87Plan,
    private readonly mode: X87Mode,
  ) {
    this.start = w.local('i32');
    this.empty = w.local('i32');
    this.status = w.local('i32');
    this.control = w.local('i32');
    this.c1 = w.local('i32');
    this.inexact = w.local('i64');
    this.depth = w.local('i32');
    this.numbers = this.representation((type) => w.local(type));
    for (let slot = 0; slot < 8; slot++) {
      if (plan.slots & (1 << slot))
        this.slots.set(
          slot,
          this.numbers.types.map((type) => w.local(type)),
        );
    }
  }

  private representation(temporary: (type: ValueType) => number): X87Numbers {
    const { w, mode, inexact, c1 } = this;
    if (mode.double) return new X87Double({ w, temporary });
    return new X87Exact({
      w,
      temporary,
      leaveIf: () => w.branchIf(LEAVE),
      precision: mode.precision,
      inexact,
      c1,
    });
  }

  // The state in memory ---------------------------------------------------------------------------------------------------

  private loadField(field: number): void {
    this.w.state();
    this.w.memory('i32.load', field);
  }
  private storeField(field: number, value: () => void): void {
    this.w.state();
    value();
    this.w.memory('i32.store', field);
  }

  /** Reads the state at the start of a node. */
  enter(node: number): void {
    this.read(this.plan.entry(node).base);
  }

  /** Reads the state; TOP is `base` away from where the stack is taken to begin. */
  private read(base: number): void {
    const { w } = this;
    this.loadField(State.fpuTop);
    w.i32(base);
    w.op('i32.sub');
    w.i32(7);
    w.op('i32.and');
    w.set(this.start);
    // Rotated right by `start`, in eight bits.
    this.loadField(State.fpuEmpty);
    w.i32(0x101);
    w.op('i32.mul');
    w.get(this.start);
    w.op('i32.shr_u');
    w.set(this.empty);
    this.loadField(State.fpuStatus);
    w.set(this.status);
    w.get(this.status);
    w.i32(9);
    w.op('i32.shr_u');
    w.i32(1);
    w.op('i32.and');
    w.set(this.c1);
    w.i64(0n);
    w.set(this.inexact);
    this.loadField(State.fpuControl);
    w.set(this.control);
    for (const [slot, register] of this.slots) {
      this.numbers.readRegister(register, () => this.pushRegister(slot), State.fpuRegisters);
    }
  }

  /** Pushes the address of a slot's register, from which `State.fpuRegisters` is to be added. */
  private pushRegister(slot: number): void {
    const { w } = this;
    w.state();
    w.get(this.start);
    w.i32(slot);
    w.op('i32.add');
    w.i32(7);
    w.op('i32.and');
    w.i32(4);
    w.op('i32.shl', 'i32.add');
  }

  /** Writes the state; `depth` pushes how far TOP is from the stack's beginning. */
  private write(depth: () => void): void {
    const { w } = this;
    this.storeField(State.fpuTop, () => {
      w.get(this.start);
      depth();
      w.op('i32.add');
      w.i32(7);
      w.op('i32.and');
    });
    this.storeField(State.fpuEmpty, () => {
      // Rotated left by `start`.
      w.get(this.empty);
      w.i32(0xff);
      w.op('i32.and');
      w.i32(0x101);
      w.op('i32.mul');
      w.get(this.start);
      w.op('i32.shl');
      w.i32(8);
      w.op('i32.shr_u');
      w.i32(0xff);
      w.op('i32.and');
    });
    this.storeField(State.fpuStatus, () => this.pushStatus());
    this.storeField(State.fpuControl, () => w.get(this.control));
    for (const [slot, register] of this.slots) {
      this.numbers.writeRegister(register, () => this.pushRegister(slot), State.fpuRegisters);
    }
  }

  /** Pushes the status word without TOP. */
  private pushStatus(): void {
    const { w } = this;
    w.get(this.status);
    w.i32(~C1);
    w.op('i32.and');
    w.get(this.c1);
    w.i32(9);
    w.op('i32.shl', 'i32.or');
    w.get(this.inexact);
    w.i64(0n);
    w.op('i64.ne');
    w.i32(PRECISION_EXCEPTION_SHIFT);
    w.op('i32.shl', 'i32.or');
  }

  private writeRemembered(): void {
    for (const [field, value] of this.remembered) this.storeField(field, value);
  }

  // Ways out ----------------------------------------------------------------------------------------------------------------

  /** Goes before a branch to where the region ends. */
  beforeExit(): void {
    this.writeRemembered();
    this.w.i32(this.facts.touched ? this.facts.base : UNTOUCHED);
    this.w.set(this.depth);
  }

  /** Where ways out meet: writes what the one taken needs, once. */
  atEnd(): void {
    const { w } = this;
    w.get(this.depth);
    w.i32(UNTOUCHED);
    w.op('i32.ne');
    w.open('if');
    this.write(() => w.get(this.depth));
    w.i32(UNTOUCHED);
    w.set(this.depth);
    w.close();
  }

  /** Before a call that goes by the state in memory, at a node's end. */
  beforeCall(): void {
    if (this.facts.touched) this.write(() => this.w.i32(this.facts.base));
  }

  /** Exits that follow are those of a node's end, or of jumps to a node's start. */
  atExitOf(node: number): void {
    this.facts = this.plan.exit(node);
  }
  atEntryOf(node: number): void {
    this.facts = this.plan.entry(node);
  }

  // Blocks -------------------------------------------------------------------------------------------------------------------

  /** `leave` writes the branch out of the region at the current instruction. */
  startBlock(node: number, host: X87Host, leave: () => void): void {
    this.facts = this.plan.entry(node);
    this.bases = [...this.plan.bases(node)];
    this.remembered.clear();
    this.host = host;
    this.leaveAt = leave;
    this.numbers = this.representation((type) => host.temporary(type));
  }
  endBlock(): void {
    this.writeRemembered();
    this.remembered.clear();
  }

  /**
   * Writes the x87 statements that begin at an index; how many they are. 0: none of the x87's. `generic` writes a statement that goes by the
   * state in memory.
   */
  statements(statements: readonly Statement[], index: number, generic: () => void): number {
    const unit = x87UnitAt(statements, index);
    if (!unit) return 0;
    switch (unit.kind) {
      case 'operation':
        this.mayLeave(() => this.operation(unit));
        break;
      case 'wait':
        if (!this.facts.quiet) {
          this.w.get(this.status);
          this.w.i32(SUMMARY);
          this.w.op('i32.and');
          this.w.open('if');
          this.leaveAt!();
          this.w.close();
        }
        break;
      case 'remember':
        this.remember(unit.field, unit.value);
        break;
      case 'read':
        this.readField(unit);
        return unit.length;
      case 'synchronise':
        this.writeRemembered();
        this.remembered.clear();
        if (this.facts.touched) this.write(() => this.w.i32(this.facts.base));
        this.facts.touched = false;
        generic();
        this.read(this.bases[0]!);
        break;
    }
    applyUnit(this.facts, unit, this.bases);
    return unit.length;
  }

  /** Writes code whose `leaveIf` leaves the region, all by one way out. */
  private mayLeave(code: () => void): void {
    const { w, host } = this;
    const before = host.fork();
    w.open('block', DONE);
    w.open('block', LEAVE);
    code();
    w.branch(DONE);
    w.close();
    const after = host.fork();
    before();
    this.leaveAt!();
    after();
    w.close();
  }
  private leaveIf(): void {
    this.w.branchIf(LEAVE);
  }

  /** A value lives as long as the block: only the last of each field goes to memory. */
  private remember(field: number, value: Value): void {
    if (value.op === 'const') {
      value.uses--;
      this.remembered.set(field, () => this.w.i32(value.value));
      return;
    }
    // In a local of its own: the value may be that of a register that changes within the block.
    const local = this.host.temporary('i32');
    this.host.push(value);
    this.w.set(local);
    this.remembered.set(field, () => this.w.get(local));
  }

  private readField({ field, statement }: Extract<X87Unit, { kind: 'read' }>): void {
    const { w } = this;
    if (statement.result.uses === 0) return;
    if (field === State.fpuControl) w.get(this.control);
    else if (field === State.fpuStatus) this.pushStatus();
    else {
      w.get(this.start);
      w.i32(this.facts.base);
      w.op('i32.add');
      w.i32(7);
      w.op('i32.and');
    }
    if (statement.size !== 4) {
      w.i32(statement.size === 2 ? 0xffff : 0xff);
      w.op('i32.and');
    }
    this.host.nameResult(statement.result);
  }

  // Operations ------------------------------------------------------------------------------------------------------------

  private at(position: number): Register {
    return this.slots.get(slotOf(this.facts.base, position))!;
  }

  /** Leaves where what the operation needs does not hold. */
  private check(operation: X87Operation): void {
    const { w, facts } = this;
    const needs = x87Needs(operation, facts.base);
    const full = needs.full & ~facts.full;
    const empty = needs.empty & ~facts.empty;
    if (full | empty) {
      w.get(this.empty);
      w.i32(full | empty);
      w.op('i32.and');
      if (empty) {
        w.i32(empty);
        w.op('i32.ne');
      }
      this.leaveIf();
    }
    if (!this.numbers.isExact) return;
    const isMasked =
      operation.kind === 'round' || (operation.kind === 'store' && operation.format !== 'f80') || needs.standard;
    if (isMasked && !facts.standard) {
      w.get(this.control);
      w.i32(needs.standard ? STANDARD_BITS : EXCEPTIONS);
      w.op('i32.and');
      w.i32(needs.standard ? STANDARD[this.mode.precision] : EXCEPTIONS);
      w.op('i32.ne');
      this.leaveIf();
    }
    for (const [slot, register] of this.slots) {
      if (needs.ordinary & ~facts.ordinary & (1 << slot)) this.numbers.leaveUnlessOrdinary(register);
    }
  }

  private operation({ operation, call, address }: OperationUnit): void {
    const { numbers, host } = this;
    const place = address ? host.repeatable(address) : undefined;
    if (place) host.check();
    this.check(operation);
    /** An operand that is a stack position or in memory. */
    const operand = (src: number | X87Format): Register => {
      if (typeof src === 'number') return this.at(src);
      const loaded = this.temporary();
      numbers.load(loaded, src, place!);
      return loaded;
    };
    switch (operation.kind) {
      case 'arithmetic': {
        const dst = this.at(operation.dst);
        const src = operand(operation.src);
        const [a, b] = operation.reverse ? [src, dst] : [dst, src];
        numbers.arithmetic(operation.operator, dst, a, b);
        break;
      }
      case 'load':
        numbers.copy(this.at(-1), operand(operation.src));
        this.clearC1();
        this.markFull(-1);
        break;
      case 'constant':
        numbers.constant(this.at(-1), operation.name);
        this.clearC1();
        this.markFull(-1);
        break;
      case 'store':
        numbers.store(this.at(0), operation.format, place!, this.control, operation.truncate);
        break;
      case 'storeRegister':
        if (operation.dst !== 0) numbers.copy(this.at(operation.dst), this.at(0));
        this.clearC1();
        this.markFull(operation.dst);
        break;
      case 'exchange': {
        if (operation.other !== 0) {
          const saved = this.temporary();
          numbers.copy(saved, this.at(0));
          numbers.copy(this.at(0), this.at(operation.other));
          numbers.copy(this.at(operation.other), saved);
        }
        this.clearC1();
        break;
      }
      case 'compare':
        this.compare(operation, operation.src === 'zero' ? this.zero() : operand(operation.src));
        break;
      case 'sign':
        numbers.sign(this.at(0), operation.keep, operation.flip);
        this.clearC1();
        break;
      case 'root':
        numbers.root(this.at(0), this.at(0));
        break;
      case 'round':
        numbers.round(this.at(0), this.at(0), this.control);
        break;
      case 'move':
        this.move(this.at(operation.src), call.args[1]!);
        break;
      case 'control':
        this.setControl(call.args[0]!);
        break;
    }
    const pops = 'pops' in operation ? operation.pops : 0;
    for (let i = 0; i < pops; i++) this.markEmpty(i);
  }

  private temporary(): Register {
    return this.numbers.types.map((type) => this.host.temporary(type));
  }
  private zero(): Register {
    const zero = this.temporary();
    this.numbers.constant(zero, 'fldz');
    return zero;
  }
  private clearC1(): void {
    this.w.i32(0);
    this.w.set(this.c1);
  }
  private markFull(position: number): void {
    const { w } = this;
    w.get(this.empty);
    w.i32(~(1 << slotOf(this.facts.base, position)));
    w.op('i32.and');
    w.set(this.empty);
  }
  private markEmpty(position: number): void {
    const { w } = this;
    w.get(this.empty);
    w.i32(1 << slotOf(this.facts.base, position));
    w.op('i32.or');
    w.set(this.empty);
  }

  private compare(operation: Extract<X87Operation, { kind: 'compare' }>, other: Register): void {
    const { w, numbers, host } = this;
    const { less, equal, unordered } = numbers.compare(this.at(0), other);
    const bit = (local: number, position: number): void => {
      w.get(local);
      w.i32(position);
      w.op('i32.shl', 'i32.or');
    };
    if (!operation.flags) {
      w.get(this.status);
      w.i32(~CONDITIONS);
      w.op('i32.and');
      bit(less, 8);
      bit(equal, 14);
      if (unordered !== undefined) bit(unordered, 10);
      w.set(this.status);
      this.clearC1();
      return;
    }
    const flag = (variable: Variable, value: () => void): void => {
      const local = host.overwrite(variable);
      value();
      w.set(local);
    };
    flag('cf', () => w.get(less));
    flag('zr', () => {
      w.get(equal);
      w.op('i32.eqz');
    });
    flag('pr', () => {
      // The parity of 1 is odd.
      if (unordered === undefined) w.i32(1);
      else {
        w.get(unordered);
        w.op('i32.eqz');
      }
    });
    for (const variable of ['af', 'sr', 'of'] as const) flag(variable, () => w.i32(0));
  }

  private move(from: Register, condition: Value): void {
    const { w } = this;
    const wanted = this.host.temporary('i32');
    this.host.push(condition);
    w.set(wanted);
    const moved = this.temporary();
    this.at(0).forEach((local, part) => {
      w.get(from[part]!);
      w.get(local);
      w.get(wanted);
      w.op('select');
      w.set(moved[part]!);
    });
    this.numbers.copy(this.at(0), moved);
  }

  /** fldcw. Leaves where an exception that happened is unmasked by it, or the summary would change. */
  private setControl(value: Value): void {
    const { w } = this;
    const word = this.host.temporary('i32');
    this.host.push(value);
    w.set(word);
    this.pushStatus();
    w.i32(SUMMARY);
    w.get(word);
    w.i32(-1);
    w.op('i32.xor');
    w.i32(EXCEPTIONS);
    w.op('i32.and', 'i32.or', 'i32.and');
    this.leaveIf();
    w.get(word);
    w.i32(CONTROL_BITS);
    w.op('i32.and');
    w.i32(0x40);
    w.op('i32.or');
    w.set(this.control);
  }
}
