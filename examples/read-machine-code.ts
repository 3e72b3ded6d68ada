/**
 * From bytes to text: disassembles a few instructions and prints the intermediate representation that they become.
 *
 *     node dist/examples/read-machine-code.js [HEX]
 */
import { Decoder, disassemble, liftBlock, printIr, type DecodedInstruction } from '../lib/index.js';

// lea eax, [ecx+edx*4]; cmp eax, 10; jl back to the start
const text = process.argv[2] ?? '8d0491 83f80a 7cf8';
const bytes = Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const decoder = new Decoder(bytes);
const instructions: DecodedInstruction[] = [];
for (let at = 0; at < bytes.length;) {
  const instruction = decoder.decode(at, bytes.length);
  if ('failure' in instruction) {
    console.error(`no instruction at offset ${at} (${instruction.failure})`);
    process.exit(1);
  }
  console.log(`${at.toString(16).padStart(4)}  ${disassemble(instruction)}`);
  instructions.push(instruction);
  at += instruction.length;
  if (instruction.declaration.options.ends) break;
}
if (instructions.length > 0) console.log(printIr(liftBlock(instructions)));
