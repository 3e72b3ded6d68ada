/**
 * Which blocks become one function of generated code. A region is what can be reached from a hot block without a call, hottest
 * first, and ends where a function begins that has a region of its own. Regions that begin within the same function are
 * absorbed, so that in the end most functions are one region with one entry.
 */
import type { Block, CodeCache, Region } from './code-cache.js';
import { flowOf } from './flow.js';

export interface RegionLimits {
  /** Blocks in a region at most. */
  readonly maximumBlocks: number;
  /** Blocks that ran less often are not taken in. */
  readonly leastCount: number;
  /** Regions are absorbed, and end where others begin. */
  readonly merges?: boolean;
}

/** Regions longer than this many guest instructions are cut. */
const MAXIMUM_INSTRUCTIONS = 3000;
/** What is longer is not made twice: it gets a further entry. */
const LONG = 150;
/** A region does not get further entries more often than this. */
const MAXIMUM_GENERATIONS = 8;

export class RegionFinder {
  constructor(
    private readonly cache: CodeCache,
    private readonly limits: RegionLimits,
  ) {}

  /** The region of a block that has become hot, and regions that it takes the place of. */
  regionAround(block: Block): { region: Region; absorbed: readonly Region[] } {
    const around = this.limits.merges && block.region?.isCurrent ? block.region : undefined;
    const replaced =
      around && around.instructions > LONG && around.generation < MAXIMUM_GENERATIONS ? around : undefined;
    const entries = new Set<Block>(replaced?.entries);
    if (replaced) {
      // Those that were hot before would come one after the other.
      for (const member of replaced.members) if (member.requests > 0) entries.add(member);
    }
    entries.add(block);
    const { blocks, instructions, reached } = this.reachable(entries, around);
    const absorbed = [...reached].filter((region) => region.entries.every((entry) => blocks.has(entry)));
    if (replaced) absorbed.push(replaced);
    for (const other of absorbed) other.isCurrent = false;
    const region: Region = {
      entries: [...entries],
      members: [...blocks],
      instructions,
      generation: replaced ? replaced.generation + 1 : 0,
      isCurrent: true,
    };
    if (this.limits.merges) for (const member of blocks) if (!member.region?.isCurrent) member.region = region;
    return { region, absorbed };
  }

  /** @param around a region that is not to be absorbed: an entry lies in it */
  private reachable(
    entries: ReadonlySet<Block>,
    around: Region | undefined,
  ): { blocks: ReadonlySet<Block>; instructions: number; reached: ReadonlySet<Region> } {
    const { cache } = this;
    const { maximumBlocks, leastCount, merges } = this.limits;
    const blocks = new Set<Block>(entries);
    const reached = new Set<Region>();
    const worklist: Block[] = [];
    let instructions = 0;
    const follow = (block: Block): void => {
      instructions += block.instructions.length;
      const { next: targets, called } = flowOf(block);
      for (const target of called) cache.noteCalled(target);
      for (const target of isInterrupt(block) ? [] : targets) {
        const next = cache.find(target);
        if (!next || next.observed || next.count < leastCount || blocks.has(next)) continue;
        const { region } = next;
        if (merges && region?.isCurrent) {
          const isFunction = region === around || region.entries.some(({ pc }) => cache.isCalled(pc));
          // It is entered as it is.
          if (isFunction && next.compiled !== null) continue;
          if (!isFunction) reached.add(region);
        }
        worklist.push(next);
      }
    };
    for (const entry of entries) follow(entry);
    while (worklist.length > 0 && blocks.size < maximumBlocks && instructions < MAXIMUM_INSTRUCTIONS) {
      const block = takeHottest(worklist);
      if (blocks.has(block)) continue;
      blocks.add(block);
      follow(block);
    }
    return { blocks, instructions, reached };
  }
}

function isInterrupt({ instructions }: Block): boolean {
  return instructions[instructions.length - 1]!.declaration.mnemonic === 'int';
}

/** Removes and gives the block that ran most. */
function takeHottest(blocks: Block[]): Block {
  let best = 0;
  for (let i = 1; i < blocks.length; i++) if (blocks[i]!.count > blocks[best]!.count) best = i;
  return blocks.splice(best, 1)[0]!;
}
