/**
 * EFLAGS that make every instruction special: AC, by which accesses that are not aligned fault, and TF, which traps after each
 * instruction. Generated code and handlers know nothing of them: while one is set, the dispatcher executes one instruction after the
 * other, and asks here before each. (Processors trap after each round of a repeated string instruction, this one after all.)
 */
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import type { KindShape } from '../../translator/isa/kinds.js';
import { State } from '../../translator/state.js';
import type { CpuState } from '../cpu/cpu-state.js';

export const EFLAGS_TF = 0x100;
export const EFLAGS_AC = 0x40000;
/** Flags of `State.eflagsRest` that have instructions executed one by one. */
export const STEPPING_FLAGS = EFLAGS_TF | EFLAGS_AC;

const [ESP, EBP, ESI, EDI] = [4, 5, 6, 7];

/** Instructions that do not access their memory operand, or let the kernel do it (arch/x86/kernel/umip.c). */
const NO_ACCESS = /^(lea|nop|prefetch\w*|clflush(opt)?|invlpg|ud|sgdt|sidt|sldt|str|smsw)$/;
/** What moves the stack pointer by the operand size and accesses memory there. */
const STACK = /^(push|pop|call|ret|enter|iret)/;

/**
 * Does an instruction, in the present state, access memory that is not aligned (Intel SDM 3, table 6-7; 16 bytes as AMD's processors
 * take them)? Operands that must be aligned in any case raise #GP of their own.
 */
export function isMisaligned(instruction: DecodedInstruction, cpu: CpuState): boolean {
  const { declaration, shapes, operandSize } = instruction;
  const { mnemonic, options, encoding } = declaration;
  const word = operandSize >> 3;
  const register = (index: number): number =>
    instruction.addressSize === 16 ? cpu.register(index) & 0xffff : cpu.register(index);
  if (options.string) {
    const size = mnemonic.endsWith('b') ? 1 : word;
    if (instruction.repeat !== 'none' && register(1) === 0) return false;
    const usesSource = /^(movs|cmps|lods)/.test(mnemonic);
    const usesDestination = !mnemonic.startsWith('lods');
    return (
      (usesSource && ((register(ESI) + segmentBase(instruction, cpu)) & (size - 1)) !== 0) ||
      (usesDestination && (register(EDI) & (size - 1)) !== 0)
    );
  }
  if (STACK.test(mnemonic) && (cpu.register(ESP) & (word - 1)) !== 0) return true;
  if (mnemonic === 'leave') return (cpu.register(EBP) & (word - 1)) !== 0;
  if (mnemonic.startsWith('maskmov')) return ((register(EDI) + segmentBase(instruction, cpu)) & 7) !== 0;
  if (NO_ACCESS.test(mnemonic)) return false;
  const operand = shapes.find(
    ({ from, class: kind }) => from === 'moffs' || (from === 'rm' && instruction.memory && kind !== 'stack'),
  );
  if (operand === undefined) return false;
  return (addressOf(instruction, cpu) & (alignmentOf(operand, encoding, word) - 1)) !== 0;
}

/** Bytes that an operand in memory is aligned by. `word`: those of the operand size. */
function alignmentOf({ class: kind, width, aligned }: KindShape, encoding: string, word: number): number {
  if (kind === 'vector') return aligned ? 1 : (width as number);
  if (kind !== 'memory') return width === 'v' ? word : (width as number) >> 3;
  switch (width) {
    case 0:
      // bt and its kin: words of the operand size; what is left is of no defined size.
      return /^0F (A3|AB|B3|BB)/.test(encoding) ? word : 1;
    case 6:
    case 28:
    case 108:
      return word;
    case 8:
      // Two bounds.
      return encoding.startsWith('62') ? word : 8;
    case 10:
      return 8;
    case 16:
    case 512:
      return 1;
    default:
      return width as number;
  }
}

function segmentBase({ segment }: DecodedInstruction, cpu: CpuState): number {
  return segment < 0 ? 0 : cpu.i32[(State.segmentBases >> 2) + segment]!;
}

function addressOf(instruction: DecodedInstruction, cpu: CpuState): number {
  const { base, index, scale, displacement, addressSize } = instruction;
  let address = displacement;
  if (base >= 0) address += cpu.register(base);
  if (index >= 0) address += cpu.register(index) << scale;
  if (addressSize === 16) address &= 0xffff;
  return (address + segmentBase(instruction, cpu)) | 0;
}
