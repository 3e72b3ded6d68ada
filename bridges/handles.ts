/**
 * Handles: what the guest has instead of host addresses. A handle is a 32-bit number that lies above all that guests can map; the
 * entry behind it holds the kind of the object, its host address and, for structures that the host needs a copy of, that copy.
 * The table lies in the words that all threads of the process share, so that each of them (and a fork's child) finds the same.
 */
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import { sharedAddress, sharedWords } from '../runtime/linux/threads/shared-state.js';
import { EMULATOR_END } from '../translator/state.js';
import { codeOf } from './codes.js';

const ENTRY_BYTES = 256;
const ENTRY_WORDS = ENTRY_BYTES >> 2;
/** Handles are multiples of 16: some programs keep flags in the low bits of pointers. */
const SPACING = 16;
const FIRST_HANDLE = EMULATOR_END;

/** Words of an entry. */
const Word = { kind: 0, low: 1, high: 2, guest: 3, attached: 4, extra: 5 } as const;
/** Where a structure's copy begins in an entry. */
const COPY = 32;
/** Longest structure that has room. */
export const COPY_BYTES = ENTRY_BYTES - COPY;

/** An entry by its number; -1 is none. */
export type Entry = number;

export class Handles {
  private readonly words: Int32Array;
  private readonly base: number;
  private readonly capacity: number;
  private readonly kinds = new Map<string, number>();
  private next = 0;

  constructor(
    memory: GuestMemory,
    private readonly hostBase: number,
  ) {
    this.words = sharedWords(memory, 'handles');
    this.base = sharedAddress('handles');
    this.capacity = Math.floor(this.words.length / ENTRY_WORDS);
  }

  private kind(name: string): number {
    let code = this.kinds.get(name);
    if (code === undefined) this.kinds.set(name, (code = codeOf(name) | 0 || 1));
    return code;
  }

  /** A new entry of a kind, -1 where there are too many. */
  create(kind: string, hostAddress = 0): Entry {
    const { words, capacity } = this;
    const code = this.kind(kind);
    for (let tries = 0; tries < capacity; tries++) {
      const entry = this.next;
      this.next = (entry + 1) % capacity;
      const at = entry * ENTRY_WORDS;
      if (Atomics.compareExchange(words, at + Word.kind, 0, code) !== 0) continue;
      words.fill(0, at + 1, at + ENTRY_WORDS);
      this.setHostAddress(entry, hostAddress);
      return entry;
    }
    return -1;
  }

  delete(entry: Entry): void {
    Atomics.store(this.words, entry * ENTRY_WORDS + Word.kind, 0);
  }

  /** The entry of a handle, -1 where it is none of that kind. */
  find(kind: string, handle: number): Entry {
    const offset = (handle >>> 0) - FIRST_HANDLE;
    if (offset < 0 || offset % SPACING !== 0 || offset >= SPACING * this.capacity) return -1;
    const entry = offset / SPACING;
    return this.words[entry * ENTRY_WORDS] === this.kind(kind) ? entry : -1;
  }

  /** The entry of a host object, -1 where it has none. */
  findHost(kind: string, hostAddress: number): Entry {
    const code = this.kind(kind);
    for (let entry = 0; entry < this.capacity; entry++) {
      if (this.words[entry * ENTRY_WORDS] === code && this.hostAddress(entry) === hostAddress) return entry;
    }
    return -1;
  }

  /** What the guest gets, as i32. */
  handle(entry: Entry): number {
    return (FIRST_HANDLE + SPACING * entry) | 0;
  }

  hostAddress(entry: Entry): number {
    const at = entry * ENTRY_WORDS;
    return (this.words[at + Word.high]! >>> 0) * 0x100000000 + (this.words[at + Word.low]! >>> 0);
  }
  private setHostAddress(entry: Entry, address: number): void {
    const at = entry * ENTRY_WORDS;
    this.words[at + Word.low] = (address % 0x100000000) | 0;
    this.words[at + Word.high] = Math.floor(address / 0x100000000);
  }

  /** Guest address of what the entry stands behind, and of a structure that is attached to that. */
  guest(entry: Entry): number {
    return this.words[entry * ENTRY_WORDS + Word.guest]! >>> 0;
  }
  setGuest(entry: Entry, address: number): void {
    this.words[entry * ENTRY_WORDS + Word.guest] = address;
  }
  /** Another entry that belongs to this one and goes with it, -1 for none. */
  attached(entry: Entry): Entry {
    return this.words[entry * ENTRY_WORDS + Word.attached]! - 1;
  }
  attach(entry: Entry, other: Entry): void {
    this.words[entry * ENTRY_WORDS + Word.attached] = other + 1;
  }
  /** A number for whoever made the entry. */
  extra(entry: Entry): number {
    return this.words[entry * ENTRY_WORDS + Word.extra]!;
  }
  setExtra(entry: Entry, value: number): void {
    this.words[entry * ENTRY_WORDS + Word.extra] = value;
  }

  /** Offset of the entry's copy of a structure in guest memory's view, and its host address. */
  copyOffset(entry: Entry): number {
    return this.base + entry * ENTRY_BYTES + COPY;
  }
  copyAddress(entry: Entry): number {
    return this.hostBase + this.copyOffset(entry);
  }
}
