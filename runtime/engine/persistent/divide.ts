/** Divides code that was executed into functions to be translated. */
import type { Block } from '../code-cache.js';
import { type Flow, flowOf } from '../flow.js';

export interface Limits {
  readonly blocks: number;
  readonly instructions: number;
}

/** What becomes one function of generated code. */
export interface DividedFunction {
  readonly blocks: readonly Block[];
  /** Those of the blocks that it is entered at. */
  readonly entries: readonly Block[];
}

/** Functions longer than this many guest instructions get further entries; of shorter ones there is a copy from there on. */
const LONG = 150;
/** Further entries of a function at most: a loop with entries within goes through the dispatch (`translator/region/graph.ts`). */
const MAXIMUM_ENTRIES = 64;

/**
 * Divides blocks into functions to be translated: from targets of calls, and from blocks that none of the others goes on at, what
 * can be reached without a call and without another of these. Blocks beyond the limits, and those in circles that nothing leads
 * to, start functions, too.
 * @param executed what is to be in some function
 * @param called where calls were seen to go
 * @param isEntered of other blocks, whether they are to be entries
 * @param blockAt further blocks that may be taken along
 * @param limitsOf how long a function may become that begins at a block
 */
export function divide(
  executed: readonly Block[],
  called: ReadonlySet<number>,
  isEntered: (block: Block) => boolean,
  blockAt: (pc: number) => Block | undefined,
  limitsOf: (root: Block) => Limits,
): DividedFunction[] {
  const flows = new Map<number, Flow>();
  const flow = (block: Block): Flow => {
    let found = flows.get(block.pc);
    if (!found) flows.set(block.pc, (found = flowOf(block)));
    return found;
  };
  const inner = new Set<number>();
  for (const block of executed) for (const pc of flow(block).next) inner.add(pc);
  /** The function that a block was first made part of. */
  const functionOf = new Map<number, { blocks: Block[]; entries: Block[]; instructions: number }>();
  const started = new Set<number>();
  const functions: DividedFunction[] = [];
  const byHeat = [...executed].sort((a, b) => b.count - a.count);
  const roots = byHeat.filter(({ pc }) => called.has(pc) || !inner.has(pc));
  const isRoot = new Set(roots.map(({ pc }) => pc));
  const grow = (root: Block): void => {
    const worklist = [root];
    for (let entry = worklist.pop(); entry; entry = worklist.pop()) {
      if (started.has(entry.pc) || (entry !== root && functionOf.has(entry.pc))) continue;
      started.add(entry.pc);
      const made = { blocks: [entry], entries: [entry], instructions: 0 };
      const { blocks } = made;
      const limits = limitsOf(entry);
      const inside = new Set([entry.pc]);
      for (let at = 0; at < blocks.length; at++) {
        const block = blocks[at]!;
        if (!functionOf.has(block.pc)) functionOf.set(block.pc, made);
        made.instructions += block.instructions.length;
        for (const pc of flow(block).next) {
          if (inside.has(pc) || isRoot.has(pc)) continue;
          const next = blockAt(pc);
          if (!next) continue;
          if (blocks.length >= limits.blocks || made.instructions >= limits.instructions) {
            if (!functionOf.has(pc)) worklist.push(next);
            continue;
          }
          inside.add(pc);
          blocks.push(next);
        }
      }
      functions.push(made);
    }
  };
  roots.forEach(grow);
  for (const block of executed) if (!functionOf.has(block.pc)) grow(block);
  for (const block of byHeat) {
    if (started.has(block.pc) || !isEntered(block)) continue;
    const around = functionOf.get(block.pc)!;
    if (around.instructions <= LONG) grow(block);
    else if (around.entries.length <= MAXIMUM_ENTRIES) {
      started.add(block.pc);
      around.entries.push(block);
    }
  }
  return functions;
}
