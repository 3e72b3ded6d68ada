/**
 * Builds a block's IR: what lifting functions call. Constants are folded, a register read after it was written gives the
 * written value, and a condition right after its comparison becomes the comparison itself.
 */
import type { BridgeCall } from '../bridge.js';
import { State, Trap } from '../state.js';
import {
  argumentsOf,
  GENERAL_REGISTERS,
  type AccessSize,
  type HandlerField,
  type Statement,
  type Value,
  type Variable,
} from './ir.js';
import { pureOperations, type PureOperation, type PureOpcode } from './ops.js';
import { ALL_BITS, bitOf } from './variable-sets.js';

export type Size = 8 | 16 | 32;

/** Condition codes in encoding order (Intel SDM 2, appendix B.1.4.7). */
export const CONDITIONS = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** How the flags now in force were made, so that a condition on them can be the comparison itself. */
type FlagSource = { kind: 'sub' | 'logic'; size: Size; a: Value; b: Value; result: Value };

export class Builder {
  readonly statements: Statement[] = [];
  private known = new Map<Variable, Value>();
  private flagSource: FlagSource | undefined;
  /**
   * Writes of variables wait here until the instruction can no longer be left, so that a lifting function may read,
   * compute, set flags and write in the manual's order and faults are still precise.
   */
  private deferred: Statement[] = [];
  /** Address of the instruction being lifted, and of the next one. */
  pc = 0;
  next = 0;

  /** Flags that may be read after the instruction, as bits: others are not put. */
  liveFlags = ALL_BITS;

  /** Address of the instruction's memory operand where a prefix puts it into the code segment. */
  codeOperand: Value | undefined;

  constructor(
    /** Handlers are lifted with operands that are fields of the interpreter's operation. */
    readonly handler = false,
  ) {}

  // Values -----------------------------------------------------------------------------------------------------------

  const(value: number): Value {
    return { op: 'const', value: value | 0, uses: 0 };
  }

  field(field: HandlerField): Value {
    return { op: 'field', field, uses: 0 };
  }

  private pure(op: PureOpcode, ...args: Value[]): Value {
    const operation: PureOperation = pureOperations[op];
    if (args.every((argument) => argument.op === 'const')) {
      const [a, b, c] = args.map((argument) => (argument as { value: number }).value);
      return this.const(operation.fold(a ?? 0, b ?? 0, c ?? 0));
    }
    if (operation.commutative && args[0]!.op === 'const') args.reverse();
    return { op, args, uses: 0 };
  }

  add(a: Value, b: Value): Value {
    if (isConst(b, 0)) return a;
    if (isConst(a, 0)) return b;
    // (x + c1) + c2: pushes, pops and stack accesses
    if (b.op === 'const' && a.op === 'add' && a.args[1]!.op === 'const') {
      return this.add(a.args[0]!, this.const(a.args[1]!.value + b.value));
    }
    return this.pure('add', a, b);
  }
  sub(a: Value, b: Value): Value {
    if (b.op === 'const') return this.add(a, this.const(-b.value));
    return this.pure('sub', a, b);
  }
  mul(a: Value, b: Value): Value {
    return this.pure('mul', a, b);
  }
  mulhU(a: Value, b: Value): Value {
    return this.pure('mulhU', a, b);
  }
  mulhS(a: Value, b: Value): Value {
    return this.pure('mulhS', a, b);
  }
  and(a: Value, b: Value): Value {
    if (isConst(b, -1)) return a;
    if (isConst(b, 0)) return b;
    if (b.op === 'const' && a.op === 'and' && a.args[1]!.op === 'const') {
      return this.and(a.args[0]!, this.const(a.args[1]!.value & b.value));
    }
    return a === b ? a : this.pure('and', a, b);
  }
  or(a: Value, b: Value): Value {
    if (isConst(b, 0)) return a;
    if (isConst(a, 0)) return b;
    return a === b ? a : this.pure('or', a, b);
  }
  xor(a: Value, b: Value): Value {
    if (a === b) return this.const(0);
    if (isConst(b, 0)) return a;
    return this.pure('xor', a, b);
  }
  shl(a: Value, count: Value): Value {
    return isConst(count, 0) ? a : this.pure('shl', a, count);
  }
  shrU(a: Value, count: Value): Value {
    return isConst(count, 0) ? a : this.pure('shrU', a, count);
  }
  shrS(a: Value, count: Value): Value {
    return isConst(count, 0) ? a : this.pure('shrS', a, count);
  }
  not(a: Value): Value {
    return this.pure('not', a);
  }
  neg(a: Value): Value {
    return this.pure('sub', this.const(0), a);
  }
  eq(a: Value, b: Value): Value {
    return this.pure('eq', a, b);
  }
  ne(a: Value, b: Value): Value {
    return this.pure('ne', a, b);
  }
  ltS(a: Value, b: Value): Value {
    return this.pure('ltS', a, b);
  }
  leS(a: Value, b: Value): Value {
    return this.pure('leS', a, b);
  }
  ltU(a: Value, b: Value): Value {
    return this.pure('ltU', a, b);
  }
  leU(a: Value, b: Value): Value {
    return this.pure('leU', a, b);
  }
  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    if (condition.op === 'const') return condition.value !== 0 ? ifTrue : ifFalse;
    return this.pure('select', condition, ifTrue, ifFalse);
  }
  clz(a: Value): Value {
    return this.pure('clz', a);
  }
  ctz(a: Value): Value {
    return this.pure('ctz', a);
  }
  popcnt(a: Value): Value {
    return this.pure('popcnt', a);
  }
  bswap(a: Value): Value {
    return this.pure('bswap', a);
  }
  divU(a: Value, b: Value): Value {
    return this.pure('divU', a, b);
  }
  remU(a: Value, b: Value): Value {
    return this.pure('remU', a, b);
  }
  divS(a: Value, b: Value): Value {
    return this.pure('divS', a, b);
  }
  remS(a: Value, b: Value): Value {
    return this.pure('remS', a, b);
  }
  divide64(
    kind: 'divU64' | 'remU64' | 'divS64' | 'remS64' | 'divOverflowS64',
    high: Value,
    low: Value,
    divisor: Value,
  ): Value {
    return this.pure(kind, high, low, divisor);
  }

  /** The low `size` bits, sign-extended. */
  signExtend(a: Value, size: Size): Value {
    return size === 32 ? a : this.pure(size === 8 ? 'ext8S' : 'ext16S', a);
  }
  /** The low `size` bits, zero-extended. */
  zeroExtend(a: Value, size: Size): Value {
    return size === 32 ? a : this.and(a, this.const(size === 8 ? 0xff : 0xffff));
  }
  /** 0 or 1 as 0 or -1. */
  mask(a: Value): Value {
    return this.neg(a);
  }

  // Instructions --------------------------------------------------------------------------------------------------------

  startInstruction(pc: number, next: number, reads = ''): void {
    this.pc = pc;
    this.next = next;
    this.codeOperand = undefined;
    this.statements.push({ kind: 'instruction', pc, next, reads });
  }
  endInstruction(): void {
    this.flush();
  }
  private flush(): void {
    for (const statement of this.deferred) this.statements.push(statement);
    this.deferred.length = 0;
  }

  // Variables and state -------------------------------------------------------------------------------------------------

  get(variable: Variable): Value {
    let value = this.known.get(variable);
    if (value === undefined) {
      value = { op: 'get', variable, at: this.statements.length, uses: 0 };
      this.known.set(variable, value);
    }
    return value;
  }

  put(variable: Variable, value: Value): void {
    if (FLAGS.has(variable)) {
      this.flagSource = undefined;
      if (!this.isLive(variable)) {
        this.known.delete(variable);
        return;
      }
    }
    this.deferred.push({ kind: 'put', variable, value });
    this.known.set(variable, value);
  }
  private isLive(flag: Variable): boolean {
    return (this.liveFlags & bitOf(flag)) !== 0;
  }
  /** Before a flag is computed: is it to be put? If not, its last value is forgotten. */
  private wants(flag: Variable): boolean {
    if (this.isLive(flag)) return true;
    this.known.delete(flag);
    return false;
  }

  /** Handlers: the register whose state offset is in a field. */
  registerAt(field: HandlerField, size: AccessSize): Value {
    return { op: 'registerAt', field, size, at: this.statements.length, uses: 0 };
  }
  putRegisterAt(field: HandlerField, size: AccessSize, value: Value): void {
    this.deferred.push({ kind: 'putRegisterAt', field, size, value });
    for (const register of GENERAL_REGISTERS) this.known.delete(register);
  }
  effectiveAddress(segment: boolean): Value {
    return { op: 'effectiveAddress', segment, at: this.statements.length, uses: 0 };
  }

  /** A field of the CPU state that is no variable; `slot` (a state offset) is added to `offset`. */
  read(offset: number, size: AccessSize = 4, slot?: Value): Value {
    const result: Value = { op: 'result', uses: 0 };
    this.statements.push(slot ? { kind: 'read', offset, size, result, slot } : { kind: 'read', offset, size, result });
    return result;
  }
  write(offset: number, value: Value, size: AccessSize = 4, slot?: Value): void {
    this.statements.push(slot ? { kind: 'write', offset, size, value, slot } : { kind: 'write', offset, size, value });
  }

  // Memory ----------------------------------------------------------------------------------------------------------

  load(address: Value, size: Size, atomic = false): Value {
    const result: Value = { op: 'result', uses: 0 };
    this.statements.push({ kind: 'load', size: (size >> 3) as AccessSize, address, result, atomic });
    return result;
  }
  /** Loads what the instruction will write back by `storeLoaded`: one check, for writing, serves both. */
  loadForWrite(address: Value, size: Size, atomic = false): Value {
    this.protectCode(address);
    const result: Value = { op: 'result', uses: 0 };
    this.statements.push({ kind: 'load', size: (size >> 3) as AccessSize, address, result, atomic, forWrite: true });
    return result;
  }
  /** Stores where `loadForWrite` loaded. */
  storeLoaded(address: Value, size: Size, value: Value, atomic = false): void {
    this.statements.push({ kind: 'store', size: (size >> 3) as AccessSize, address, value, atomic, checked: true });
  }
  store(address: Value, size: Size, value: Value, atomic = false): void {
    this.protectCode(address);
    this.statements.push({ kind: 'store', size: (size >> 3) as AccessSize, address, value, atomic });
  }
  /** Faults as a write of `bytes` at the address would. */
  probe(address: Value, bytes: number): void {
    this.protectCode(address);
    this.statements.push({ kind: 'probe', size: bytes, address });
  }
  /** Guest bytes into the CPU state at `slot` (a state offset). */
  copyIn(slot: Value, address: Value, bytes: number): void {
    this.statements.push({ kind: 'copyIn', bytes, address, slot });
  }
  /** Bytes of the CPU state at `slot` to guest memory. */
  copyOut(address: Value, slot: Value, bytes: number): void {
    this.protectCode(address);
    this.statements.push({ kind: 'copyOut', bytes, address, slot });
  }

  /** The code segment cannot be written: #GP where an address comes from an operand in it. */
  private protectCode(address: Value): void {
    if (this.codeOperand && dependsOn(address, this.codeOperand)) this.guard(this.const(1), Trap.generalProtection);
  }

  // Control ------------------------------------------------------------------------------------------------------------

  /** Raises exception `vector` at this instruction where the condition is not zero. */
  guard(condition: Value, vector: number): void {
    if (condition.op === 'const' && condition.value === 0) return;
    this.statements.push({ kind: 'guard', condition, vector });
  }

  /** Calls a helper for its effect on the CPU state. `trap`: the exception that a non-zero result means. */
  call(helper: string, args: Value[], options: { trap?: number; writes?: readonly Variable[] } = {}): void {
    this.pushCall(helper, args, undefined, options.writes ?? [], options.trap);
  }
  /** Calls a helper for its i32 result. */
  callValue(helper: string, args: Value[], writes: readonly Variable[] = []): Value {
    const result: Value = { op: 'result', uses: 0 };
    this.pushCall(helper, args, result, writes, undefined);
    return result;
  }
  private pushCall(
    helper: string,
    args: Value[],
    result: Value | undefined,
    writes: readonly Variable[],
    trap: number | undefined,
  ): void {
    if (writes.length > 0) this.flush();
    this.statements.push({ kind: 'call', helper, args, result, writes, trap });
    for (const variable of writes) {
      this.known.delete(variable);
      if (FLAGS.has(variable)) this.flagSource = undefined;
    }
  }
  /** Calls a helper that works on all of the CPU state and memory (string instructions, task state). */
  callState(helper: string, args: Value[]): void {
    this.flush();
    this.statements.push({ kind: 'callState', helper, args });
    this.known.clear();
    this.flagSource = undefined;
  }

  /** Calls a host function with the arguments at a guest address; gives its i32 result (or the low half of an i64). */
  bridge(call: BridgeCall, address: Value): Value {
    const result: Value = { op: 'result', uses: 0 };
    this.statements.push({ kind: 'bridge', call, address, result });
    return result;
  }

  jump(target: Value, hint: 'jump' | 'call' | 'return' | 'indirect' = 'jump'): void {
    this.flush();
    this.statements.push(
      hint === 'call' && !this.handler
        ? { kind: 'jump', target, hint, returnAddress: this.next }
        : { kind: 'jump', target, hint },
    );
  }
  branch(condition: Value, taken: Value, notTaken: Value): void {
    this.flush();
    this.statements.push({ kind: 'branch', condition, taken, notTaken });
  }
  stop(reason: number, eip: Value, detail: Value = this.const(0)): void {
    this.flush();
    this.statements.push({ kind: 'stop', reason, detail, eip });
  }
  /** This instruction's own address. */
  thisAddress(): Value {
    return this.handler ? this.field('pc') : this.const(this.pc);
  }
  /** The address after this instruction. */
  nextAddress(): Value {
    return this.handler ? this.field('next') : this.const(this.next);
  }

  // Flags --------------------------------------------------------------------------------------------------------------

  private result(size: Size, result: Value): Value {
    const extended = this.signExtend(result, size);
    this.put('pr', extended);
    this.put('zr', extended);
    this.put('sr', extended);
    return extended;
  }
  /** Brings bit size-1 to bit 31. */
  private toSign(value: Value, size: Size): Value {
    return this.shl(value, this.const(32 - size));
  }

  /** Flags of a + b (+ carry); operands zero-extended; gives the result (not truncated for 8 and 16 bits). */
  addFlags(size: Size, a: Value, b: Value, carry?: Value): Value {
    const sum = this.add(a, b);
    const result = carry ? this.add(sum, carry) : sum;
    this.flagSource = undefined;
    if (this.wants('cf')) {
      let cf: Value;
      if (size !== 32) cf = this.shrU(result, this.const(size));
      else if (carry) cf = this.or(this.ltU(sum, a), this.ltU(result, sum));
      else cf = this.ltU(result, a);
      this.put('cf', cf);
    }
    if (this.wants('af')) this.put('af', this.xor(this.xor(a, b), result));
    if (this.wants('of')) this.put('of', this.toSign(this.and(this.xor(a, result), this.xor(b, result)), size));
    this.result(size, result);
    return result;
  }

  /** Flags of a - b (- borrow); operands zero-extended. */
  subFlags(size: Size, a: Value, b: Value, borrow?: Value): Value {
    const difference = this.sub(a, b);
    const result = borrow ? this.sub(difference, borrow) : difference;
    this.flagSource = undefined;
    if (this.wants('cf')) {
      let cf: Value;
      if (!borrow) cf = this.ltU(a, b);
      else if (size !== 32) cf = this.shrU(result, this.const(31));
      else cf = this.or(this.ltU(a, b), this.ltU(difference, borrow));
      this.put('cf', cf);
    }
    if (this.wants('af')) this.put('af', this.xor(this.xor(a, b), result));
    if (this.wants('of')) this.put('of', this.toSign(this.and(this.xor(a, b), this.xor(a, result)), size));
    const extended = this.result(size, result);
    if (!borrow) this.flagSource = { kind: 'sub', size, a, b, result: extended };
    return result;
  }

  /** Flags of and, or, xor, test: CF = OF = 0 (AF, undefined, is cleared as processors do). */
  logicFlags(size: Size, result: Value): void {
    const zero = this.const(0);
    this.put('cf', zero);
    this.put('af', zero);
    this.put('of', zero);
    const extended = this.result(size, result);
    this.flagSource = { kind: 'logic', size, a: extended, b: zero, result: extended };
  }

  /** Flags of inc (step 1) and dec (step -1): CF stays. */
  stepFlags(size: Size, a: Value, step: 1 | -1): Value {
    const result = this.add(a, this.const(step));
    this.flagSource = undefined;
    if (this.wants('af')) this.put('af', this.xor(this.xor(a, result), this.const(1)));
    if (this.wants('of')) {
      const overflow = step === 1 ? this.and(this.not(a), result) : this.and(a, this.not(result));
      this.put('of', this.toSign(overflow, size));
    }
    this.result(size, result);
    return result;
  }

  /** SF, ZF, PF of a result. */
  resultFlags(size: Size, result: Value): void {
    this.result(size, result);
  }

  /** PF as 0 or 1. */
  parity(): Value {
    const pr = this.get('pr');
    const folded = this.and(this.xor(pr, this.shrU(pr, this.const(4))), this.const(15));
    return this.and(this.shrU(this.const(0x9669), folded), this.const(1));
  }
  carry(): Value {
    return this.get('cf');
  }

  /** A condition code over the flags as 0 or 1. */
  condition(code: Condition): Value {
    const negated = CONDITIONS.indexOf(code) & 1;
    const positive = CONDITIONS[CONDITIONS.indexOf(code) & ~1]!;
    const value = this.comparison(positive, negated !== 0) ?? this.flagCondition(positive, negated !== 0);
    return value;
  }

  private comparison(code: Condition, negated: boolean): Value | undefined {
    const source = this.flagSource;
    if (!source) return undefined;
    const { a, b, result } = source;
    const zero = this.const(0);
    if (code === 's') return negated ? this.leS(zero, result) : this.ltS(result, zero);
    if (source.kind === 'sub') {
      switch (code) {
        case 'b':
          return negated ? this.leU(b, a) : this.ltU(a, b);
        case 'be':
          return negated ? this.ltU(b, a) : this.leU(a, b);
        case 'e':
          return negated ? this.ne(a, b) : this.eq(a, b);
        case 'l':
        case 'le': {
          const left = this.signExtend(a, source.size);
          const right = this.signExtend(b, source.size);
          const less = code === 'l';
          if (negated) return less ? this.leS(right, left) : this.ltS(right, left);
          return less ? this.ltS(left, right) : this.leS(left, right);
        }
        default:
          return undefined;
      }
    }
    switch (code) {
      case 'o':
      case 'b':
        return this.const(negated ? 1 : 0);
      case 'e':
      case 'be':
        return negated ? this.ne(result, zero) : this.eq(result, zero);
      case 'l':
        return negated ? this.leS(zero, result) : this.ltS(result, zero);
      case 'le':
        return negated ? this.ltS(zero, result) : this.leS(result, zero);
      default:
        return undefined;
    }
  }

  private flagCondition(code: Condition, negated: boolean): Value {
    const zero = this.const(0);
    const invert = (value: Value): Value => (negated ? this.eq(value, zero) : value);
    switch (code) {
      case 'o':
        return negated ? this.leS(zero, this.get('of')) : this.ltS(this.get('of'), zero);
      case 'b':
        return invert(this.get('cf'));
      case 'e':
        return negated ? this.ne(this.get('zr'), zero) : this.eq(this.get('zr'), zero);
      case 'be':
        return invert(this.or(this.get('cf'), this.eq(this.get('zr'), zero)));
      case 's':
        return negated ? this.leS(zero, this.get('sr')) : this.ltS(this.get('sr'), zero);
      case 'p':
        return invert(this.parity());
      case 'l': {
        const difference = this.xor(this.get('sr'), this.get('of'));
        return negated ? this.leS(zero, difference) : this.ltS(difference, zero);
      }
      default: {
        const less = this.ltS(this.xor(this.get('sr'), this.get('of')), zero);
        return invert(this.or(less, this.eq(this.get('zr'), zero)));
      }
    }
  }

  /** EFLAGS bits CF PF AF ZF SF OF DF and the rest, as pushf stores them. */
  packFlags(): Value {
    const bit = (condition: Value, position: number): Value => this.shl(condition, this.const(position));
    let flags = this.or(this.read(State.eflagsRest), this.const(2));
    flags = this.or(flags, this.get('cf'));
    flags = this.or(flags, bit(this.parity(), 2));
    flags = this.or(flags, this.and(this.get('af'), this.const(0x10)));
    flags = this.or(flags, bit(this.condition('e'), 6));
    flags = this.or(flags, bit(this.condition('s'), 7));
    flags = this.or(flags, this.and(this.get('df'), this.const(0x400)));
    return this.or(flags, bit(this.condition('o'), 11));
  }

  /** Sets CF PF AF ZF SF from an EFLAGS image (sahf, popf, iret). */
  unpackLowFlags(flags: Value): void {
    const zero = this.const(0);
    const bit = (position: number): Value => this.and(this.shrU(flags, this.const(position)), this.const(1));
    this.put('cf', bit(0));
    this.put('pr', this.xor(bit(2), this.const(1)));
    this.put('af', this.and(flags, this.const(0x10)));
    this.put('zr', this.xor(bit(6), this.const(1)));
    this.put('sr', this.sub(zero, bit(7)));
  }
  /** OF and DF from an EFLAGS image. */
  unpackHighFlags(flags: Value): void {
    this.put('of', this.shl(flags, this.const(20)));
    this.put('df', this.or(this.shrS(this.shl(flags, this.const(21)), this.const(31)), this.const(1)));
  }
}

const FLAGS: ReadonlySet<Variable> = new Set<Variable>(['cf', 'pr', 'af', 'zr', 'sr', 'of']);

function dependsOn(value: Value, on: Value): boolean {
  return value === on || argumentsOf(value).some((argument) => dependsOn(argument, on));
}

function isConst(value: Value, constant: number): boolean {
  return value.op === 'const' && value.value === constant;
}
