/**
 * How an instruction is declared: one call an encoding, from which the decoder's tables, the disassembler, the
 * interpreter's handlers, the emitters, CPUID, the test generator and the documentation all come.
 *
 * Encoding text, as in the manual's opcode column:
 *   '00'            one opcode byte, the operands say whether a ModRM byte follows
 *   '0F AF'         two-byte map; '0F 38 F0', '0F 3A 0F' three-byte maps
 *   '66 0F 6F'      mandatory prefix 66, F2 or F3; 'NP 0F 6F' none of them (only where other prefixes differ)
 *   '80 /0'         ModRM reg is an opcode extension
 *   '0F C7 /1 m'    memory forms only; 'r' register forms only
 *   '40+'           the low three bits are a register (kinds Z*)
 *   'D8 C0+'        second byte C0-C7 (x87 register forms, kind STi)
 *   'D9 E0'         after an x87 opcode or 0F 01: the exact ModRM byte
 */
import type { Builder } from '../ir/builder.js';
import type { BridgeCall } from '../bridge.js';
import type { Kind, OperandsOf } from './kinds.js';

/** CPUID feature bits that a declaration may belong to. Absent: every processor since the 486. */
export type Feature =
  | 'fpu'
  | 'tsc'
  | 'cx8'
  | 'sep'
  | 'cmov'
  | 'clfsh'
  | 'mmx'
  | 'fxsr'
  | 'sse'
  | 'sse2'
  | 'sse3'
  | 'pclmulqdq'
  | 'ssse3'
  | 'sse4_1'
  | 'sse4_2'
  | 'movbe'
  | 'popcnt'
  | 'aes'
  | 'rdrand'
  | 'rdseed'
  | 'sha'
  | 'lzcnt'
  | 'bmi1'
  | 'rdtscp'
  | 'prefetchw'
  | 'clflushopt'
  | 'rdpid';

export interface DeclarationOptions {
  /**
   * Flags, as letters of 'oszapcd': written, read, and left undefined by the manual (written with no meaning). The test
   * generator masks undefined flags, the interpreter skips flags nobody reads.
   */
  readonly writes?: string;
  readonly reads?: string;
  readonly undefined?: string;
  readonly feature?: Feature;
  /** LOCK is allowed with a memory destination. */
  readonly lock?: true;
  /** Ends a translation block: a jump, a system call, a change of what code may run. */
  readonly ends?: true;
  /** String instruction: REP / REPE / REPNE forms exist and the lifting function asks `b.repeat`. */
  readonly string?: 'rep' | 'repe';
  /** The operand size does not depend on the 66 prefix. */
  readonly fixedSize?: true;
  /** The r/m operand is a register, whatever ModRM's mod bits say (MOV to and from control and debug registers). */
  readonly anyMod?: true;
  /** Only the kernel (or an I/O privilege level that processes lack) may execute it. */
  readonly privileged?: true;
  /** x87 instruction that checks for pending exceptions first (waiting form); the lifter emits the check. */
  readonly waits?: true;
  /** MMX instruction: the lifter emits the switch of the x87 state to MMX. */
  readonly mmx?: true;
  /** Result depends on time or chance (rdtsc, rdrand, cpuid): lockstep and tests treat it apart. */
  readonly nondeterministic?: true;
  /** The nativelib cookie: what follows the opcode are its codes (see `translator/bridge.ts`). */
  readonly cookie?: true;
  /** Never made by assemblers, but executed by processors: an alias for tests and the disassembler. */
  readonly alias?: true;
}

/** What the lifting function may ask about the instruction beside its operands. */
export interface InstructionContext {
  /** Operand size attribute in bits: 16 or 32. */
  readonly operandSize: 16 | 32;
  readonly addressSize: 16 | 32;
  readonly repeat: 'none' | 'rep' | 'repne';
  readonly lock: boolean;
  /** Segment override as an index in the processor's order, or -1. */
  readonly segment: number;
  /** The second immediate; of x87 instructions the eleven opcode bits that the FPU's environment records. */
  readonly immediate2: number;
  /** What a nativelib cookie stands for, where the process has bridges. */
  readonly bridge?: BridgeCall;
}

export type Lift<Ks extends readonly Kind[]> = (
  b: Builder,
  operands: OperandsOf<Ks>,
  context: InstructionContext,
) => void;

export interface Declaration {
  readonly id: number;
  readonly mnemonic: string;
  readonly encoding: string;
  readonly operands: readonly Kind[];
  readonly options: DeclarationOptions;
  readonly lift: (b: Builder, operands: never, context: InstructionContext) => void;
}

/** All declarations, in order of declaration. */
export const declarations: Declaration[] = [];

/**
 * Declares one encoding of an instruction. The lifting function gets its operands as a tuple typed by their kinds:
 * one that does not fit does not compile.
 */
export function instruction<const Ks extends readonly Kind[]>(
  mnemonic: string,
  encoding: string,
  operands: Ks,
  options: DeclarationOptions,
  lift: Lift<Ks>,
): void {
  declarations.push({ id: declarations.length, mnemonic, encoding, operands, options, lift });
}
