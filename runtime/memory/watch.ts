/**
 * Watched memory: ranges whose reads or writes somebody is to be told of. Pages of such ranges withhold their permission in
 * the page table, so that generated code leaves before it touches them and the interpreter executes the one instruction:
 * there every access is noted, and told when the instruction is done. What is not watched costs nothing.
 */
import { Page, PAGE_SHIFT, releaseWrite, withholdWrite } from '../../translator/pages.js';
import { Trap } from '../../translator/state.js';
import type { GuestMemory } from './guest-memory.js';
import { GuestTrap } from './trap.js';

/** An access that was made. */
export class MemoryAccess {
  constructor(
    /** Address of the instruction. */
    readonly pc: number,
    readonly kind: 'read' | 'write' | 'fetch',
    readonly address: number,
    /** The bytes that were read, or those that are there after the write. */
    public bytes: Uint8Array,
  ) {}

  get size(): number {
    return this.bytes.length;
  }

  /** The bytes as a little-endian number. */
  get value(): bigint {
    return this.bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }
}

export interface WatchedRange {
  readonly kind: 'read' | 'write';
  readonly start: number;
  /** First address after it. */
  readonly end: number;
  readonly listener: (access: MemoryAccess) => void;
}

/** What the engine does at the moment; nobody is told of accesses that are not the guest's. */
export const Watching = { nothing: 0, generatedCode: 1, interpreter: 2 } as const;

export class MemoryWatch {
  /** One of `Watching`. */
  mode: number = Watching.nothing;
  /** Address of the instruction that the interpreter executes. */
  pc = 0;
  /** Accesses of the present instruction, in their order. */
  noted: MemoryAccess[] = [];
  private ranges: readonly WatchedRange[] = [];

  constructor(private readonly memory: GuestMemory) {
    memory.onPagesSet.push((first, count) => this.withhold(first, count));
  }

  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }

  add(range: WatchedRange): void {
    this.ranges = [...this.ranges, range];
    const first = range.start >>> PAGE_SHIFT;
    this.withhold(first, ((range.end - 1) >>> PAGE_SHIFT) - first + 1);
  }

  remove(range: WatchedRange): void {
    this.ranges = this.ranges.filter((one) => one !== range);
    const { pages } = this.memory;
    for (let page = range.start >>> PAGE_SHIFT; page <= (range.end - 1) >>> PAGE_SHIFT; page++) {
      let bits = releaseWrite(pages[page]!, Page.watchWrite);
      if (bits & Page.watchRead) bits = (bits & ~Page.watchRead) | Page.read;
      pages[page] = bits;
    }
    for (const other of this.ranges) {
      const first = Math.max(other.start, range.start) >>> PAGE_SHIFT;
      const last = (Math.min(other.end, range.end) - 1) >>> PAGE_SHIFT;
      this.withhold(first, last - first + 1);
    }
  }

  /** Whether any page of a range is watched for the kind of access. */
  isWatched(address: number, length: number, write: boolean): boolean {
    const bit = write ? Page.watchWrite : Page.watchRead;
    const { pages } = this.memory;
    const last = ((address >>> 0) + length - 1) >>> PAGE_SHIFT;
    for (let page = (address >>> 0) >>> PAGE_SHIFT; page <= last; page++) if (pages[page]! & bit) return true;
    return false;
  }

  /**
   * The guest is about to access memory that permits it.
   * @throws GuestTrap where generated code called a helper: it leaves, and the interpreter does the instruction again
   */
  note(address: number, length: number, write: boolean): void {
    if (this.mode === Watching.nothing || length === 0 || !this.isWatched(address, length, write)) return;
    if (this.mode === Watching.generatedCode) throw new GuestTrap(Trap.debug);
    const at = address >>> 0;
    const bytes = this.memory.u8.slice(at, at + length);
    this.noted.push(new MemoryAccess(this.pc >>> 0, write ? 'write' : 'read', at, bytes));
  }

  /** Tells of what the instruction did; true where there was something to tell. */
  tell(): boolean {
    const { noted } = this;
    if (noted.length === 0) return false;
    this.noted = [];
    const { u8 } = this.memory;
    for (const access of noted) {
      const { address, size, kind } = access;
      if (kind === 'write') access.bytes = u8.slice(address, address + size);
      for (const range of this.ranges) {
        if (range.kind === kind && range.start < address + size && range.end > address) range.listener(access);
      }
    }
    return true;
  }

  /** Withholds permissions of the pages of a range that are watched. */
  private withhold(first: number, count: number): void {
    const { pages } = this.memory;
    const end = first + count;
    for (const range of this.ranges) {
      const from = Math.max(first, range.start >>> PAGE_SHIFT);
      const to = Math.min(end, ((range.end - 1) >>> PAGE_SHIFT) + 1);
      for (let page = from; page < to; page++) {
        let bits = withholdWrite(pages[page]!, Page.watchWrite);
        // What reads and then writes looks for the permission to write only, so a watched read withholds both.
        if (range.kind === 'read' && bits & Page.read) bits = (bits & ~Page.read) | Page.watchRead;
        pages[page] = bits;
      }
    }
  }
}
