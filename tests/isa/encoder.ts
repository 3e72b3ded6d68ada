/**
 * From a declaration and its operands to the instruction's bytes: the decoder's tables read backwards. The generator's
 * cases come from here, so that what the decoder is tested with was not written by the decoder.
 */
import type { Candidate } from '../../translator/decode/encoding.js';

/** A ModRM memory operand; register numbers, -1 for none. 16-bit addresses: `base` is the r/m code, `index` unused. */
export interface MemoryChoice {
  readonly base: number;
  readonly index: number;
  /** 0-3: the index is shifted by it. */
  readonly scale: number;
  readonly displacement: number;
  /** Bytes of displacement: 0, 1 or 4 (2 with 16-bit addresses). A missing base has 4 (2). */
  readonly displacementBytes: 0 | 1 | 2 | 4;
}

export interface EncodingChoice {
  readonly operandSize: 16 | 32;
  readonly addressSize: 16 | 32;
  /** Segment prefix byte, or 0. */
  readonly segmentPrefix: number;
  readonly lock: boolean;
  readonly repeat: 'none' | 'rep' | 'repne';
  readonly reg: number;
  /** The r/m operand: memory, or a register number. */
  readonly rm: MemoryChoice | number;
  /** Values of the operands in the instruction's bytes, in order; far pointers take two (offset, selector). */
  readonly immediates: readonly number[];
  /** Absolute address of `mov al, [moffs]`. */
  readonly offset?: number;
}

export const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

export function encode(candidate: Candidate, choice: EncodingChoice): Uint8Array {
  const bytes: number[] = [];
  const little = (value: number, size: number): void => {
    for (let i = 0; i < size; i++) bytes.push((value >>> (8 * i)) & 0xff);
  };
  if (choice.segmentPrefix !== 0) bytes.push(choice.segmentPrefix);
  if (choice.lock) bytes.push(0xf0);
  if (choice.addressSize === 16) bytes.push(0x67);
  if (choice.operandSize === 16 || candidate.prefix === '66') bytes.push(0x66);
  if (candidate.prefix === 'F2' || choice.repeat === 'repne') bytes.push(0xf2);
  if (candidate.prefix === 'F3' || choice.repeat === 'rep') bytes.push(0xf3);
  if (candidate.map !== '1') bytes.push(0x0f);
  if (candidate.map === '0F38') bytes.push(0x38);
  if (candidate.map === '0F3A') bytes.push(0x3a);
  bytes.push(candidate.opcode);

  if (candidate.hasModRm) {
    const { rm } = choice;
    if (candidate.exact >= 0) {
      const low = candidate.exactMask === 0xff ? 0 : typeof rm === 'number' ? rm : 0;
      bytes.push(candidate.exact | low);
    } else {
      const reg = candidate.extension >= 0 ? candidate.extension : choice.reg;
      if (typeof rm === 'number') bytes.push(0xc0 | (reg << 3) | rm);
      else memoryOperand(bytes, little, reg, rm, choice.addressSize);
    }
  }

  let next = 0;
  const immediate = (): number => choice.immediates[next++] ?? 0;
  for (const shape of candidate.shapes) {
    if (shape.from === 'moffs') little(choice.offset ?? 0, choice.addressSize >> 3);
    else if (shape.from !== 'imm') continue;
    else if (shape.class === 'far') {
      little(immediate(), choice.operandSize >> 3);
      little(immediate(), 2);
    } else little(immediate(), shape.bytes === 'v' ? choice.operandSize >> 3 : shape.bytes!);
  }
  return Uint8Array.from(bytes);
}

function memoryOperand(
  bytes: number[],
  little: (value: number, size: number) => void,
  reg: number,
  rm: MemoryChoice,
  addressSize: 16 | 32,
): void {
  const { base, index, scale, displacement, displacementBytes } = rm;
  const mod = displacementBytes === 0 || base < 0 ? 0 : displacementBytes === 1 ? 1 : 2;
  if (addressSize === 16) {
    bytes.push((mod << 6) | (reg << 3) | (base < 0 ? 6 : base));
    little(displacement, base < 0 ? 2 : displacementBytes);
    return;
  }
  if (index >= 0 || base === 4) {
    bytes.push((mod << 6) | (reg << 3) | 4);
    bytes.push((scale << 6) | ((index < 0 ? 4 : index) << 3) | (base < 0 ? 5 : base));
  } else bytes.push((mod << 6) | (reg << 3) | (base < 0 ? 5 : base));
  little(displacement, base < 0 ? 4 : displacementBytes);
}
