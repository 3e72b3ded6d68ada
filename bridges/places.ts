/**
 * Which guest addresses stand for which bridges, in words that all threads of the process share: the thread that maps a library
 * finds them, the others learn of them here.
 */
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import { sharedWords } from '../runtime/linux/threads/shared-state.js';

/** A guest address, the codes of library and function, and where the guest's own version can be called (0: nowhere). */
export interface SharedPlace {
  readonly address: number;
  readonly library: number;
  readonly func: number;
  readonly original: number;
}

const Header = { program: 0, count: 1, size: 4 } as const;
const ENTRY = 4;

export class SharedPlaces {
  private readonly words: Int32Array;
  private readonly capacity: number;
  private program = 0;
  private known = 0;

  constructor(memory: GuestMemory) {
    this.words = sharedWords(memory, 'bridges');
    this.capacity = (this.words.length - Header.size) / ENTRY;
  }

  /** @param program counts the programs that the process has executed: places of another are forgotten */
  publish(program: number, { address, library, func, original }: SharedPlace): void {
    const { words } = this;
    if (words[Header.program] !== program + 1) {
      Atomics.store(words, Header.count, 0);
      Atomics.store(words, Header.program, program + 1);
    }
    const count = words[Header.count]!;
    // What finds no room is the guest's own in other threads.
    if (count >= this.capacity) return;
    words.set([address, library, func, original], Header.size + count * ENTRY);
    Atomics.store(words, Header.count, count + 1);
    if (this.program === program + 1 && this.known === count) this.known = count + 1;
    else if (count === 0) [this.program, this.known] = [program + 1, 1];
  }

  /** Whether other threads have published some since `news` was asked for. */
  get hasNews(): boolean {
    return this.words[Header.count] !== this.known || this.words[Header.program] !== this.program;
  }

  /** What other threads have published; `isNewProgram`: what was known before does not hold any more. */
  news(): { isNewProgram: boolean; places: SharedPlace[] } {
    const { words } = this;
    const program = Atomics.load(words, Header.program);
    const isNewProgram = program !== this.program;
    if (isNewProgram) this.known = 0;
    this.program = program;
    const places: SharedPlace[] = [];
    for (const count = Atomics.load(words, Header.count); this.known < count; this.known++) {
      const at = Header.size + this.known * ENTRY;
      const [address, library, func, original] = words.subarray(at, at + ENTRY) as unknown as [
        number,
        number,
        number,
        number,
      ];
      places.push({ address, library, func, original });
    }
    return { isNewProgram, places };
  }
}
