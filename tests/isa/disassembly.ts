/** A case's instruction as text. */
import '../../translator/isa/index.js';
import { Decoder } from '../../translator/decode/decoder.js';
import { disassemble } from '../../translator/disasm.js';
import { Field, type Case } from './machine.js';

function decodeBytes(code: Uint8Array): ReturnType<Decoder['decode']> {
  const memory = new Uint8Array(32);
  memory.set(code.subarray(0, 32));
  return new Decoder(memory).decode(0, 32);
}
/** 0 where the bytes are no instruction. */
export function lengthOf(code: Uint8Array): number {
  const result = decodeBytes(code);
  return 'failure' in result ? 0 : result.length;
}

/** Bytes as the instruction at an address; what cannot be decoded as that. */
export function disassembleBytes(code: Uint8Array, address: number): string {
  const result = decodeBytes(code);
  if ('failure' in result) return `(${result.failure})`;
  const target = result.shapes.some((shape) => shape.class === 'target');
  const immediate = target
    ? (result.immediate + address) & (result.operandSize === 16 ? 0xffff : -1)
    : result.immediate;
  return disassemble({ ...result, pc: address, immediate });
}

/** All of a case's instructions. */
export function disassembleCase(test: Case): string {
  const texts: string[] = [];
  const start = test.state.u32(Field.eip);
  for (let at = 0; at < test.code.length;) {
    const rest = test.code.subarray(at);
    texts.push(disassembleBytes(rest, start + at));
    const length = lengthOf(rest);
    if (length === 0) break;
    at += length;
  }
  return texts.join('; ');
}
