/**
 * What gdb and its server have agreed on, in words: the threads of a process share them, so that whichever thread stops can go on
 * with the conversation where another has left off. Whoever writes holds the process's lock.
 */

/** A breakpoint (type 0) or a watchpoint (2 write, 3 read, 4 either) as packets have them. */
export interface Point {
  readonly type: number;
  readonly address: number;
  /** In bytes; of breakpoints it says nothing. */
  readonly length: number;
}

/** What gdb has told that it can do. */
export const Feature = { multiprocess: 1, forkEvents: 2, vforkEvents: 4, noAcknowledgements: 8 } as const;

export const SESSION_SIZE = 1 << 15;

const Word = { descriptor: 0, features: 1, generation: 2, pointCount: 3, files: 4, points: 32 } as const;
const FILE_LIMIT = Word.points - Word.files;
const POINT_WORDS = 3;
const POINT_LIMIT = Math.floor((SESSION_SIZE / 4 - Word.points) / POINT_WORDS);

export class DebugSession {
  /** @param words of `SESSION_SIZE` bytes, zero at first */
  constructor(private readonly words: Int32Array = new Int32Array(SESSION_SIZE / 4)) {}

  /** The connection's descriptor; -1 where gdb is not, or no longer, there. */
  get descriptor(): number {
    return Atomics.load(this.words, Word.descriptor) - 1;
  }
  set descriptor(fd: number) {
    Atomics.store(this.words, Word.descriptor, fd + 1);
  }

  has(feature: number): boolean {
    return (this.words[Word.features]! & feature) !== 0;
  }
  agree(features: number): void {
    this.words[Word.features]! |= features;
  }

  /** Changes whenever the points do. */
  get generation(): number {
    return Atomics.load(this.words, Word.generation);
  }

  get points(): Point[] {
    return Array.from({ length: this.words[Word.pointCount]! }, (_, index) => {
      const at = Word.points + index * POINT_WORDS;
      const [type, address, length] = this.words.subarray(at, at + POINT_WORDS);
      return { type: type!, address: address! >>> 0, length: length! };
    });
  }

  /** False where there are too many. */
  setPoints(points: readonly Point[]): boolean {
    if (points.length > POINT_LIMIT) return false;
    const { words } = this;
    points.forEach(({ type, address, length }, index) => {
      words.set([type, address, length], Word.points + index * POINT_WORDS);
    });
    words[Word.pointCount] = points.length;
    Atomics.add(words, Word.generation, 1);
    return true;
  }

  /** Descriptors of the files that gdb has open. */
  get files(): number[] {
    return [...this.words.subarray(Word.files, Word.points)].filter((word) => word !== 0).map((word) => word - 1);
  }
  /** False where there are too many. */
  addFile(fd: number): boolean {
    const { words } = this;
    const at = words.subarray(Word.files, Word.files + FILE_LIMIT).indexOf(0);
    if (at >= 0) words[Word.files + at] = fd + 1;
    return at >= 0;
  }
  removeFile(fd: number): void {
    const at = this.words.subarray(Word.files, Word.points).indexOf(fd + 1);
    if (at >= 0) this.words[Word.files + at] = 0;
  }
}
