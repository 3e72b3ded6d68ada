/** A case's instruction as text. */
import '../../translator/isa/index.js';
import { Decoder } from '../../translator/decode/decoder.js';
import { disassemble } from '../../translator/disasm.js';
import { Field, type Case } from './machine.js';

/** Bytes as the instruction at an address; what cannot be decoded as that. */
export function disassembleBytes(code: Uint8Array, address: number): string {
  const memory = new Uint8Array(32);
  memory.set(code.subarray(0, 32));
  const result = new Decoder(memory).decode(0, 32);
  if ('failure' in result) return `(${result.failure})`;
  const target = result.shapes.some((shape) => shape.class === 'target');
  const immediate = target
    ? (result.immediate + address) & (result.operandSize === 16 ? 0xffff : -1)
    : result.immediate;
  return disassemble({ ...result, pc: address, immediate });
}

export const disassembleCase = (test: Case): string => disassembleBytes(test.code, test.state.u32(Field.eip));
