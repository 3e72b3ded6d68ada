/** Divides code that was executed into functions to be translated. */
import type { Block } from '../code-cache.js';
import { type Flow, flowOf } from '../flow.js';

export interface Limits {
  readonly blocks: number;
  readonly instructions: number;
}

/**
 * Divides blocks into functions to be translated: from targets of calls, from where the dispatcher arrived and from blocks that
 * none of the others goes on at, what can be reached without a call and without another of these. Blocks beyond the limits, and those in circles that nothing leads to, start functions, too.
 * @param executed what is to be in some function
 * @param called where calls were seen to go
 * @returns each function's blocks, the first of which it is entered at
 * @param blockAt further blocks that may be taken along
 */
export function divide(
  executed: readonly Block[],
  called: ReadonlySet<number>,
  blockAt: (pc: number) => Block | undefined,
  limits: Limits,
): Block[][] {
  const flows = new Map<number, Flow>();
  const flow = (block: Block): Flow => {
    let found = flows.get(block.pc);
    if (!found) flows.set(block.pc, (found = flowOf(block)));
    return found;
  };
  const inner = new Set<number>();
  for (const block of executed) for (const pc of flow(block).next) inner.add(pc);
  const covered = new Set<number>();
  const started = new Set<number>();
  const functions: Block[][] = [];
  const roots = executed
    .filter(({ pc, arrived }) => arrived || called.has(pc) || !inner.has(pc))
    .sort((a, b) => b.count - a.count);
  const isRoot = new Set(roots.map(({ pc }) => pc));
  const grow = (root: Block): void => {
    const worklist = [root];
    for (let entry = worklist.pop(); entry; entry = worklist.pop()) {
      if (started.has(entry.pc) || (entry !== root && covered.has(entry.pc))) continue;
      started.add(entry.pc);
      const blocks = [entry];
      const inside = new Set([entry.pc]);
      let instructions = 0;
      for (let at = 0; at < blocks.length; at++) {
        const block = blocks[at]!;
        covered.add(block.pc);
        instructions += block.instructions.length;
        for (const pc of flow(block).next) {
          if (inside.has(pc) || isRoot.has(pc)) continue;
          const next = blockAt(pc);
          if (!next) continue;
          if (blocks.length >= limits.blocks || instructions >= limits.instructions) {
            if (!covered.has(pc)) worklist.push(next);
            continue;
          }
          inside.add(pc);
          blocks.push(next);
        }
      }
      functions.push(blocks);
    }
  };
  roots.forEach(grow);
  for (const block of executed) if (!covered.has(block.pc)) grow(block);
  return functions;
}
