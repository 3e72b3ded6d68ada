/** Where blocks go on, read off their last instructions: enough to find regions, and to divide code into functions. */
import type { Block } from './code-cache.js';

export interface Flow {
  /** Addresses (i32) within the same function; a call goes on after it. */
  readonly next: readonly number[];
  /** Targets of calls. */
  readonly called: readonly number[];
}

export function flowOf(block: Block): Flow {
  const { instructions } = block;
  const last = instructions[instructions.length - 1]!;
  const { mnemonic, options } = last.declaration;
  const after = block.end | 0;
  if (options.ends !== true) return { next: [after], called: [] };
  // A system call goes on after itself; other interrupts hardly ever do.
  if (mnemonic === 'int') return { next: [after], called: [] };
  const target = last.shapes[0]?.class === 'target' ? last.immediate : undefined;
  if (mnemonic === 'call') return { next: [after], called: target === undefined ? (block.targets ?? []) : [target] };
  if (target === undefined) return { next: block.targets ?? [], called: [] };
  return { next: mnemonic === 'jmp' ? [target] : [target, after], called: [] };
}
