/**
 * The disassembler: a decoded instruction as text in Intel syntax, as NASM writes it. Mnemonics and operands come from the
 * declarations; only names that the manual changes with the operand size are told here.
 */
import type { DecodedInstruction } from './decode/decoder.js';
import type { Kind, KindShape } from './isa/kinds.js';
import { REGISTER_NAMES, SEGMENT_NAMES } from './state.js';

const BYTE_REGISTERS = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'] as const;
const SIZE_WORDS: Readonly<Record<number, string>> = {
  1: 'byte ',
  2: 'word ',
  4: 'dword ',
  6: 'fword ',
  8: 'qword ',
  10: 'tword ',
  16: 'oword ',
};

/** Mnemonics by operand size (16, 32) where the manual has two. */
const SIZED: Readonly<Record<string, readonly [string, string]>> = {
  cbw: ['cbw', 'cwde'],
  cwd: ['cwd', 'cdq'],
  pusha: ['pushaw', 'pusha'],
  popa: ['popaw', 'popa'],
  pushf: ['pushfw', 'pushf'],
  popf: ['popfw', 'popf'],
  iret: ['iretw', 'iret'],
  movs: ['movsw', 'movsd'],
  cmps: ['cmpsw', 'cmpsd'],
  stos: ['stosw', 'stosd'],
  lods: ['lodsw', 'lodsd'],
  scas: ['scasw', 'scasd'],
  ins: ['insw', 'insd'],
  outs: ['outsw', 'outsd'],
};
/** Memory operands whose mnemonic says what they are, so that a size would only disturb. */
const UNSIZED: ReadonlySet<Kind> = new Set<Kind>(['M', 'Ma', 'm28byte', 'm108byte', 'm512byte']);
const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
const signedHex = (value: number): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

/** The instruction as text, without its address and bytes: `add dword [eax+4*ecx-0x10],0x1`. */
export function disassemble(instruction: DecodedInstruction): string {
  const { declaration, shapes } = instruction;
  if (declaration.options.cookie) {
    return `${declaration.mnemonic} ${hex(instruction.immediate)},${hex(instruction.immediate2)}`;
  }
  const words: string[] = [];
  if (instruction.lock) words.push('lock');
  if (declaration.options.string && instruction.repeat !== 'none') {
    const compares = declaration.options.string === 'repe';
    words.push(instruction.repeat === 'repne' ? 'repne' : compares ? 'repe' : 'rep');
  }
  // The source of these is not written as an operand.
  const isImplicit = declaration.options.string !== undefined || declaration.mnemonic === 'xlat';
  if (isImplicit && instruction.segment >= 0) words.push(SEGMENT_NAMES[instruction.segment]!);
  words.push(mnemonicOf(instruction));
  const named = shapes.map((shape, i) =>
    operandText(instruction, shape, declaration.operands[i]!, immediateOf(instruction, i)),
  );
  const operands = withImplied(instruction, named);
  return operands.length === 0 ? words.join(' ') : `${words.join(' ')} ${operands.join(',')}`;
}

function mnemonicOf(instruction: DecodedInstruction): string {
  const { declaration, operandSize, addressSize } = instruction;
  const { mnemonic } = declaration;
  if (mnemonic === 'xchg' && declaration.encoding === '90+' && instruction.opcodeRegister === 0) {
    return operandSize === 32 ? 'nop' : 'xchg';
  }
  if (mnemonic === 'jcxz') return addressSize === 16 ? 'jcxz' : 'jecxz';
  if (mnemonic === 'mov cr' || mnemonic === 'mov dr') return 'mov';
  if (mnemonic === 'ret far') return 'retf';
  if (mnemonic === 'ud')
    return declaration.encoding === '0F 0B' ? 'ud2' : declaration.encoding === '0F B9' ? 'ud1' : 'ud0';
  const sized = SIZED[mnemonic];
  return sized && declaration.operands.length === 0 ? sized[operandSize === 16 ? 0 : 1] : mnemonic;
}

/** Operands that an instruction has without naming them, where a reader expects them. */
function withImplied(instruction: DecodedInstruction, operands: string[]): string[] {
  const { declaration, operandSize, reg } = instruction;
  const wide = operandSize === 16 ? 'ax' : 'eax';
  const port = operands[0] ?? 'dx';
  switch (declaration.encoding) {
    case 'E4':
    case 'EC':
      return ['al', port];
    case 'E5':
    case 'ED':
      return [wide, port];
    case 'E6':
    case 'EE':
      return [port, 'al'];
    case 'E7':
    case 'EF':
      return [port, wide];
    default:
  }
  if (declaration.mnemonic === 'mov cr' || declaration.mnemonic === 'mov dr') {
    const special = `${declaration.mnemonic.slice(4)}${reg}`;
    return /^0F 2[01]/.test(declaration.encoding) ? [...operands, special] : [special, ...operands];
  }
  // The opcodes from DC on write ST(i).
  return declaration.encoding.startsWith('DC') && instruction.shapes[0]?.class === 'stack'
    ? [...operands, 'st0']
    : operands;
}

/** Which of the two immediate fields operand `position` has: they are filled in the operands' order. */
function immediateOf(instruction: DecodedInstruction, position: number): number {
  const before = instruction.shapes
    .slice(0, position)
    .filter((shape) => shape.from === 'imm' && shape.class !== 'far').length;
  return before === 0 ? instruction.immediate : instruction.immediate2;
}

function operandText(instruction: DecodedInstruction, shape: KindShape, kind: Kind, immediate: number): string {
  const { operandSize } = instruction;
  switch (shape.class) {
    case 'integer': {
      const bits = shape.width === 'v' ? operandSize : (shape.width as number);
      if (shape.from === 'moffs' || (shape.from === 'rm' && instruction.memory)) {
        return SIZE_WORDS[bits >> 3]! + memoryText(instruction);
      }
      return registerText(registerOf(instruction, shape), bits);
    }
    case 'immediate':
      if (shape.from === 'none') return String(shape.fixed ?? 0);
      if (shape.signed && (immediate << (32 - operandSize)) >> (32 - operandSize) < 0) {
        return signedHex((immediate << (32 - operandSize)) >> (32 - operandSize));
      }
      return hex(shape.width === 8 ? immediate & 0xff : immediate);
    case 'target':
      return hex(immediate);
    case 'far':
      return `${hex(instruction.immediate2)}:${hex(instruction.immediate)}`;
    case 'memory':
      return (UNSIZED.has(kind) ? '' : (SIZE_WORDS[shape.width as number] ?? '')) + memoryText(instruction);
    case 'segment':
      return SEGMENT_NAMES[instruction.reg] ?? `segment${instruction.reg}`;
    case 'stack':
      return `st${instruction.rm}`;
    case 'vector': {
      if (shape.from === 'rm' && instruction.memory) {
        return (SIZE_WORDS[shape.width as number] ?? '') + memoryText(instruction);
      }
      const number = shape.from === 'reg' ? instruction.reg : instruction.rm;
      return `${shape.file === 'mmx' ? 'mm' : 'xmm'}${number}`;
    }
  }
}

function registerOf(instruction: DecodedInstruction, shape: KindShape): number {
  switch (shape.from) {
    case 'rm':
      return instruction.rm;
    case 'reg':
      return instruction.reg;
    case 'opcode':
      return instruction.opcodeRegister;
    default:
      return shape.fixed ?? 0;
  }
}

export function registerText(number: number, bits: number): string {
  if (bits === 8) return BYTE_REGISTERS[number]!;
  const name = REGISTER_NAMES[number]!;
  return bits === 16 ? name.slice(1) : name;
}

function memoryText(instruction: DecodedInstruction): string {
  const { base, index, scale, segment, addressSize } = instruction;
  const parts: string[] = [];
  if (base >= 0) parts.push(registerText(base, addressSize));
  if (index >= 0) parts.push(registerText(index, addressSize) + (scale > 0 ? `*${1 << scale}` : ''));
  let text = parts.join('+');
  let displacement = instruction.displacement;
  if (addressSize === 16 && text !== '') displacement = (displacement << 16) >> 16;
  if (text === '') text = hex(addressSize === 16 ? displacement & 0xffff : displacement);
  else if (displacement !== 0) text += displacement < 0 ? signedHex(displacement) : `+${signedHex(displacement)}`;
  // A bare address of 16 bits reads like one of 32.
  const narrow = addressSize === 16 && parts.length === 0 ? 'word ' : '';
  return `[${segment >= 0 ? `${SEGMENT_NAMES[segment]!}:` : ''}${narrow}${text}]`;
}
