/** Which flags instructions read and write, as their declarations say. Sets are bits (`ir/variable-sets.ts`). */
import type { DecodedInstruction } from '../decode/decoder.js';
import { flagBits } from '../ir/variable-sets.js';

/** Flags that the instruction reads. */
export function flagsRead({ declaration }: DecodedInstruction): number {
  const { reads } = declaration.options;
  return reads === undefined ? 0 : flagBits(reads);
}

/** Flags whose values before the instruction nobody can know after it. */
export function flagsOverwritten({ declaration, repeat }: DecodedInstruction): number {
  const { writes, undefined: loose, string } = declaration.options;
  // A repeated comparison of nothing leaves the flags as they were.
  if (writes === undefined || (string !== undefined && repeat !== 'none')) return 0;
  return flagBits(writes) & ~(loose === undefined ? 0 : flagBits(loose));
}

/** What is live after each instruction of a block, where `live` is after the last. */
export function liveAfterEach(instructions: readonly DecodedInstruction[], live: number): number[] {
  const after = new Array<number>(instructions.length);
  for (let index = instructions.length - 1; index >= 0; index--) {
    after[index] = live;
    const instruction = instructions[index]!;
    live = (live & ~flagsOverwritten(instruction)) | flagsRead(instruction);
  }
  return after;
}
