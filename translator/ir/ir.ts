/**
 * The intermediate representation: values (pure expressions over guest registers, loads and constants) and statements
 * (what must happen, in order). A block's values do not outlive it; between blocks everything is in *variables*, the
 * guest registers and flags that emitters keep in locals, or in other fields of the CPU state.
 *
 * Invariant that gives precise faults: within one guest instruction no variable is put before the last statement that
 * can leave it (load, store, guard, ...). The verifier checks it.
 */
import type { BridgeCall } from '../bridge.js';
import { State } from '../state.js';
import type { PureOpcode } from './ops.js';

/** Guest registers and flags that emitters keep in locals, by name; the number is the offset in the CPU state. */
export const variables = {
  eax: State.eax,
  ecx: State.ecx,
  edx: State.edx,
  ebx: State.ebx,
  esp: State.esp,
  ebp: State.ebp,
  esi: State.esi,
  edi: State.edi,
  cf: State.cf,
  pr: State.pr,
  af: State.af,
  zr: State.zr,
  sr: State.sr,
  of: State.of,
  df: State.df,
} as const;
export type Variable = keyof typeof variables;
export const VARIABLE_NAMES = Object.keys(variables) as Variable[];
export const GENERAL_REGISTERS: readonly Variable[] = VARIABLE_NAMES.slice(0, 8);
export const FLAG_VARIABLES: readonly Variable[] = ['cf', 'pr', 'af', 'zr', 'sr', 'of'];

/** Bytes moved by a load or store. 1- and 2-byte loads are zero-extended. */
export type AccessSize = 1 | 2 | 4;

/** Fields of an interpreter operation (`runtime/interpreter`), as handlers read them. */
export type HandlerField = 'a' | 'b' | 'c' | 'imm' | 'imm2' | 'pc' | 'next';

export type Value = (
  | { op: PureOpcode; args: Value[] }
  | { op: 'const'; value: number }
  /** A variable's value at statement index `at`. */
  | { op: 'get'; variable: Variable; at: number }
  /** Result of a `load`, `read`, or `call` statement. */
  | { op: 'result' }
  /** Handlers only: a field of the operation; the register whose state offset the field holds; the effective address. */
  | { op: 'field'; field: HandlerField }
  | { op: 'registerAt'; field: HandlerField; size: AccessSize; at: number }
  | { op: 'effectiveAddress'; segment: boolean; at: number }
) & {
  /** How many times statements and other values use it; set by `countUses`. */
  uses: number;
};

export interface Guest {
  /** Guest address of the instruction. */
  pc: number;
}

export type Statement =
  /** Start of a guest instruction. */
  | {
      kind: 'instruction';
      pc: number;
      next: number;
      /** Flags that the guest's instruction reads, as letters of 'oszapcd', however its IR gets at them. */
      reads: string;
      text?: string;
    }
  | { kind: 'put'; variable: Variable; value: Value }
  /** Where a pass took a statement away: values remember the statement index at which they were read. */
  | { kind: 'removed' }
  | { kind: 'putRegisterAt'; field: HandlerField; size: AccessSize; value: Value }
  /** `forWrite`: of memory that is written in the same instruction; it faults as the write would. */
  | { kind: 'load'; size: AccessSize; address: Value; result: Value; atomic: boolean; forWrite?: boolean }
  /** `checked`: a load for writing of the same memory came before, so that this cannot fault. */
  | { kind: 'store'; size: AccessSize; address: Value; value: Value; atomic: boolean; checked?: boolean }
  /** Touches memory for writing without changing it: a read-modify-write instruction's early fault. */
  | { kind: 'probe'; size: number; address: Value }
  /** A field of the CPU state that is no variable. */
  | { kind: 'read'; offset: number; size: AccessSize; result: Value; slot?: Value }
  | { kind: 'write'; offset: number; size: AccessSize; value: Value; slot?: Value }
  /** Guest memory to or from bytes of the CPU state (operands of helpers). `slot` is the state offset. */
  | { kind: 'copyIn'; bytes: number; address: Value; slot: Value }
  | { kind: 'copyOut'; bytes: number; address: Value; slot: Value }
  /** Leaves the instruction, nothing of it done, with the processor exception where the condition is not zero. */
  | { kind: 'guard'; condition: Value; vector: number }
  /** A function over the CPU state that neither touches variables nor memory. */
  | {
      kind: 'call';
      helper: string;
      args: Value[];
      result: Value | undefined;
      /** Variables that the helper writes in the state (comis writes flags). */
      writes: readonly Variable[];
      /** A non-zero result means: raise this exception, nothing done. */
      trap: number | undefined;
    }
  /**
   * A function that works on the whole CPU state and memory: variables are written back before and read again after.
   * A non-zero result in generated code means that the instruction must be finished by the interpreter.
   */
  | { kind: 'callState'; helper: string; args: Value[] }
  /**
   * A direct call of a host function with arguments from guest memory at `address`. It may leave, nothing done, for what it
   * cannot read. A floating-point result is pushed on the x87 stack, an i64's low half is `result`.
   */
  | { kind: 'bridge'; call: BridgeCall; address: Value; result: Value }
  | Terminator;

export type Terminator =
  | { kind: 'jump'; target: Value; hint: 'jump' | 'call' | 'return' | 'indirect'; returnAddress?: number }
  | { kind: 'branch'; condition: Value; taken: Value; notTaken: Value }
  /** Back to the dispatcher with an `Exit` reason; `eip` is where the guest goes on. */
  | { kind: 'stop'; reason: number; detail: Value; eip: Value };

export interface IrBlock {
  pc: number;
  /** Address after the last instruction. */
  end: number;
  statements: Statement[];
}

export function isTerminator(statement: Statement): statement is Terminator {
  return statement.kind === 'jump' || statement.kind === 'branch' || statement.kind === 'stop';
}

/** The values that a statement uses directly. */
export function operandsOf(statement: Statement): Value[] {
  switch (statement.kind) {
    case 'instruction':
    case 'removed':
      return [];
    case 'put':
    case 'putRegisterAt':
      return [statement.value];
    case 'load':
    case 'probe':
    case 'bridge':
      return [statement.address];
    case 'store':
      return [statement.address, statement.value];
    case 'read':
      return statement.slot ? [statement.slot] : [];
    case 'write':
      return statement.slot ? [statement.slot, statement.value] : [statement.value];
    case 'copyIn':
    case 'copyOut':
      return [statement.address, statement.slot];
    case 'guard':
      return [statement.condition];
    case 'call':
    case 'callState':
      return statement.args;
    case 'jump':
      return [statement.target];
    case 'branch':
      return [statement.condition, statement.taken, statement.notTaken];
    case 'stop':
      return [statement.detail, statement.eip];
  }
}

/** Replaces the values that a statement uses directly. */
export function mapOperands(statement: Statement, map: (value: Value) => Value): void {
  switch (statement.kind) {
    case 'instruction':
    case 'removed':
      return;
    case 'put':
    case 'putRegisterAt':
      statement.value = map(statement.value);
      return;
    case 'load':
    case 'probe':
    case 'bridge':
      statement.address = map(statement.address);
      return;
    case 'store':
      statement.address = map(statement.address);
      statement.value = map(statement.value);
      return;
    case 'read':
    case 'write':
      if (statement.slot) statement.slot = map(statement.slot);
      if (statement.kind === 'write') statement.value = map(statement.value);
      return;
    case 'copyIn':
    case 'copyOut':
      statement.address = map(statement.address);
      statement.slot = map(statement.slot);
      return;
    case 'guard':
      statement.condition = map(statement.condition);
      return;
    case 'call':
    case 'callState':
      statement.args = statement.args.map(map);
      return;
    case 'jump':
      statement.target = map(statement.target);
      return;
    case 'branch':
      statement.condition = map(statement.condition);
      statement.taken = map(statement.taken);
      statement.notTaken = map(statement.notTaken);
      return;
    case 'stop':
      statement.detail = map(statement.detail);
      statement.eip = map(statement.eip);
  }
}

export function argumentsOf(value: Value): readonly Value[] {
  return 'args' in value ? value.args : [];
}

/** Sets `uses` of every value reachable from the statements. */
export function countUses(statements: readonly Statement[]): void {
  const seen = new Set<Value>();
  const count = (value: Value): void => {
    if (!seen.has(value)) {
      seen.add(value);
      value.uses = 0;
      for (const argument of argumentsOf(value)) count(argument);
    }
    value.uses++;
  };
  for (const statement of statements) for (const value of operandsOf(statement)) count(value);
}

/** Can the statement leave its instruction before it is complete? */
export function canExit(statement: Statement): boolean {
  switch (statement.kind) {
    case 'store':
      // An atomic store that finds other memory than was loaded stores nothing.
      return statement.checked !== true || statement.atomic;
    case 'load':
    case 'probe':
    case 'copyIn':
    case 'copyOut':
    case 'guard':
    case 'callState':
    case 'bridge':
      return true;
    case 'call':
      return statement.trap !== undefined;
    default:
      return false;
  }
}
