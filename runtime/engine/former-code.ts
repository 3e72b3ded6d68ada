/**
 * Decoded code of the programs that a process executed before this one. Programs that start one another have libraries in common,
 * and are often the same: where memory holds the same bytes at the same address again, nothing is decoded again.
 */
import { Page, PAGE_SHIFT } from '../../translator/pages.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { Block, DecodedCode } from './code-cache.js';

/** A chain of programs does not keep ever more. */
const MAXIMUM_BLOCKS = 1 << 16;

interface Former {
  readonly end: number;
  readonly code: DecodedCode;
  /** What it was decoded from, and where in there. */
  readonly bytes: Uint8Array;
  readonly offset: number;
}

export class FormerCode {
  private readonly blocks = new Map<number, Former>();

  /** Takes over what blocks were decoded to; memory still holds what they were decoded from. */
  add(blocks: readonly Block[], memory: GuestMemory): void {
    if (this.blocks.size > MAXIMUM_BLOCKS) this.blocks.clear();
    const bytes = new Uint8Array(blocks.reduce((sum, { pc, end }) => sum + length(pc, end), 0));
    let offset = 0;
    for (const { pc, end, operations, instructions } of blocks) {
      const start = pc >>> 0;
      bytes.set(memory.u8.subarray(start, start + length(pc, end)), offset);
      this.blocks.set(pc, { end, code: { operations, instructions }, bytes, offset });
      offset += length(pc, end);
    }
  }

  /** The code at an address (i32), if memory still holds that and may be executed: once, since dropping it makes it useless. */
  take(pc: number, memory: GuestMemory): { end: number; code: DecodedCode } | undefined {
    const former = this.blocks.get(pc);
    if (former === undefined) return undefined;
    this.blocks.delete(pc);
    const { end, bytes, offset } = former;
    const start = pc >>> 0;
    const size = length(pc, end);
    const { u8, pages } = memory;
    for (let page = start >>> PAGE_SHIFT; page <= (start + size - 1) >>> PAGE_SHIFT; page++) {
      if ((pages[page]! & Page.execute) === 0) return undefined;
      // Nobody writes to it any more when it is compared.
      memory.protectCode(page);
    }
    for (let i = 0; i < size; i++) if (u8[start + i] !== bytes[offset + i]) return undefined;
    return former;
  }
}

/** A block's bytes: its end may be given as i32 or not. */
function length(pc: number, end: number): number {
  return (end - pc) >>> 0;
}
