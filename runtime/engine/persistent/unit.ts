/** A unit of kept translations in use: its blocks, and its functions' slots in the table, by guest address. */
import type { Placement } from '../wasm-backend.js';
import type { UnitContents } from './unit-file.js';

/** An executable stretch of guest memory that is translated as one. */
export interface CodeRange {
  /** First address, and first address after it; pages' boundaries. */
  readonly start: number;
  readonly end: number;
}

/** Numbers a block, and an entry, take. */
export const BLOCK = 3;
export const ENTRY = 3;

/** Index of a number in ascending numbers that lie `step` apart, or -1. */
function find(numbers: Int32Array, step: number, wanted: number): number {
  let low = 0;
  let high = numbers.length / step - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = numbers[middle * step]!;
    if (found === wanted) return middle;
    if (found < wanted) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

export class Unit {
  /** What its functions call outside the unit, and the slots for that. */
  private readonly foreign: { address: number; slot: number }[] = [];
  private readonly targets = new Map<number, number[]>();
  /** Addresses whose kept function was replaced by one that is gone. */
  private readonly forgotten = new Set<number>();

  constructor(
    readonly range: CodeRange,
    readonly contents: UnitContents,
    /** By module. */
    private readonly placements: readonly Placement[],
  ) {
    const { targets, modules } = contents;
    modules.forEach(({ links }, module) => {
      links.forEach((address, index) => {
        const isInside = address >>> 0 >= range.start && address >>> 0 < range.end;
        if (!isInside) this.foreign.push({ address, slot: placements[module]!.links + index });
      });
    });
    for (let at = 0; at < targets.length; at += 2 + targets[at + 1]!) {
      this.targets.set(targets[at]!, Array.from(targets.subarray(at + 2, at + 2 + targets[at + 1]!)));
    }
  }

  blockAt(pc: number): { end: number; count: number; targets: number[] | null } | undefined {
    const { blocks } = this.contents;
    const index = find(blocks, BLOCK, pc);
    if (index < 0) return undefined;
    const end = blocks[index * BLOCK + 1]! >>> 0;
    return { end, count: blocks[index * BLOCK + 2]!, targets: this.targets.get(pc) ?? null };
  }

  /** The slot of the function that is entered at an address, or -1. */
  entryAt(pc: number): number {
    if (this.forgotten.has(pc)) return -1;
    for (let module = 0; module < this.placements.length; module++) {
      const { entries } = this.contents.modules[module]!;
      const index = find(entries, ENTRY, pc);
      if (index >= 0) return this.placements[module]!.base + entries[index * ENTRY + 1]!;
    }
    return -1;
  }

  /** Does the function that is entered at an address read the flags? */
  readsFlags(pc: number): boolean {
    return this.contents.modules.some(({ entries }) => {
      const index = find(entries, ENTRY, pc);
      return index >= 0 && entries[index * ENTRY + 2] !== 0;
    });
  }

  /** All slots through which the unit's functions are called at an address. */
  slotsOf(pc: number): number[] {
    const slots: number[] = [];
    this.placements.forEach(({ base, links: firstLink }, module) => {
      const { entries, links } = this.contents.modules[module]!;
      const entry = find(entries, ENTRY, pc);
      if (entry >= 0) slots.push(base + entries[entry * ENTRY + 1]!);
      const link = links.indexOf(pc);
      if (link >= 0) slots.push(firstLink + link);
    });
    return slots;
  }

  /** What the unit's functions call in another range: addresses and slots. */
  linksInto({ start, end }: CodeRange): { address: number; slot: number }[] {
    return this.foreign.filter(({ address }) => address >>> 0 >= start && address >>> 0 < end);
  }

  forget(pc: number): void {
    this.forgotten.add(pc);
  }

  /** All slots of the unit's functions and of what they call through. */
  *slots(): Generator<number> {
    for (const [module, { base }] of this.placements.entries()) {
      const { functions, links } = this.contents.modules[module]!;
      for (let i = 0; i < functions + links.length; i++) yield base + i;
    }
  }
}
