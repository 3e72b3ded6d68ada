/**
 * Calls that need no call: of a few instructions that return at once (every function of position-independent code begins with
 * one, to learn its own address), of bridges, and of those that only jump on (the procedure linkage table).
 */
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import { isTerminator, type IrBlock } from '../../translator/ir/ir.js';
import { liftBlock } from '../../translator/lift/lift.js';
import { forwardLoads } from '../../translator/passes/forward-loads.js';
import type { Block } from './code-cache.js';

/** Instructions of what is inlined at most. */
const MAXIMUM_INSTRUCTIONS = 8;

/**
 * A block that ends in a call, with what is called as part of it.
 * @param find what lies at an address, where the region may depend on it
 * @returns undefined where that is not worth it, or where it cannot be proven that the call returns
 */
export function withCallee(block: Block, live: number, find: (pc: number) => Block | undefined): IrBlock | undefined {
  const call = lastOf(block);
  if (call.declaration.mnemonic !== 'call' || call.shapes[0]?.class !== 'target') return undefined;
  const callee = find(call.immediate);
  if (!callee || callee.instructions.length > MAXIMUM_INSTRUCTIONS) return undefined;
  const { declaration, bridge } = lastOf(callee);
  const { encoding } = declaration;
  // A bridge returns as a function does, unless it may leave the call to the guest's own.
  const returns = encoding === RETURN || (bridge !== undefined && bridge.original === undefined);
  if (!returns && encoding !== JUMP_INDIRECT) return undefined;
  const { statements } = liftBlock([...block.instructions, ...callee.instructions], live);
  forwardLoads(statements);
  const last = statements[statements.length - 1]!;
  if (!isTerminator(last) || last.kind !== 'jump') return undefined;
  if (encoding === JUMP_INDIRECT) {
    statements[statements.length - 1] = { ...last, hint: 'call', returnAddress: block.end };
  } else {
    // Whatever the callee stored, the return address is still in its place.
    if (last.target.op !== 'const' || last.target.value !== (block.end | 0)) return undefined;
    statements[statements.length - 1] = { ...last, hint: 'jump' };
  }
  return { pc: block.pc, end: block.end, statements };
}

const RETURN = 'C3';
const JUMP_INDIRECT = 'FF /4';

const lastOf = ({ instructions }: Block): DecodedInstruction => instructions[instructions.length - 1]!;
