/** From decoded instructions to IR: one instruction into a builder, or a whole translation block. */
import type { DecodedInstruction } from '../decode/decoder.js';
import { Builder } from '../ir/builder.js';
import { isTerminator, type IrBlock } from '../ir/ir.js';
import { ALL_BITS } from '../ir/variable-sets.js';
import { State, Trap } from '../state.js';
import { liveAfterEach } from './flags.js';
import { bindOperands } from './operands.js';

/** Lifts one instruction, with what its declaration asks for around its lifting function. */
export function liftInstruction(b: Builder, instruction: DecodedInstruction): void {
  const { declaration } = instruction;
  b.startInstruction(instruction.pc, (instruction.pc + instruction.length) | 0, declaration.options.reads);
  if (declaration.options.waits) {
    b.guard(b.and(b.read(State.fpuStatus), b.const(0x80)), Trap.floatingPoint);
  }
  if (declaration.options.mmx) b.call('enterMmx', []);
  declaration.lift(b, bindOperands(b, instruction) as never, instruction);
  b.endInstruction();
}

/** Does the lifted text already end in a terminator? */
export function isTerminated(b: Builder): boolean {
  const last = b.statements[b.statements.length - 1];
  return last !== undefined && isTerminator(last);
}

/**
 * Lifts the instructions of a translation block; a block that does not end in a jump goes on at the next address.
 * @param live flags that may be read after it, as bits: others are not computed
 */
export function liftBlock(instructions: readonly DecodedInstruction[], live = ALL_BITS): IrBlock {
  const b = new Builder();
  const after = liveAfterEach(instructions, live);
  instructions.forEach((instruction, index) => {
    // A call in the middle: what follows is what it calls.
    if (isTerminated(b)) b.statements.pop();
    if (live !== ALL_BITS) b.liveFlags = after[index]!;
    liftInstruction(b, instruction);
  });
  const last = instructions[instructions.length - 1]!;
  const end = last.pc + last.length;
  if (!isTerminated(b)) b.jump(b.const(end));
  return { pc: instructions[0]!.pc, end, statements: b.statements };
}
