/**
 * The interval map behind `mappings.ts`: which ranges of the guest's address space are mapped and as what, as a sorted
 * list of regions that never overlap. Pure bookkeeping: no byte of memory and no kernel is touched here. The list lies in
 * words that threads share; whoever changes it holds the kernel lock.
 */

/** What a region was mapped from: regions of one mapping share one number, by which neighbours are recognised. */
export type MappedFile = number;

/** Names of regions that are not files. */
const NAMES = ['', '[heap]', '[stack]', '[vdso]'] as const;
export type RegionName = (typeof NAMES)[number];

export interface Region {
  /** First address, page-aligned. */
  start: number;
  /** First address after it, page-aligned. */
  end: number;
  /** The guest's PROT_READ, PROT_WRITE and PROT_EXEC. */
  protection: number;
  shared: boolean;
  growsDown: boolean;
  /** Undefined for anonymous memory. */
  file: MappedFile | undefined;
  /** Offset of `start` in the file, in bytes. */
  offset: number;
  name: RegionName;
}

function joins(left: Region, right: Region): boolean {
  return (
    left.end === right.start &&
    left.protection === right.protection &&
    left.shared === right.shared &&
    left.growsDown === right.growsDown &&
    left.file === right.file &&
    left.name === right.name &&
    (left.file === undefined || left.offset + (left.end - left.start) === right.offset)
  );
}

/** `region` cut to [start, end), with the file offset that belongs to it. */
function slice(region: Region, start: number, end: number): Region {
  return { ...region, start, end, offset: region.file ? region.offset + (start - region.start) : 0 };
}

/** Words of the list: its length and the last number given to a mapped file, then the regions. */
const LENGTH = 0;
const LAST_FILE = 1;
const FIRST = 8;
/** Words of one region, as offsets from its first. */
const Field = { start: 0, end: 1, bits: 2, file: 3, offsetLow: 4, offsetHigh: 5 } as const;
const STRIDE = 6;
/** `bits`: the protection, then these, then the name's index. */
const SHARED = 8;
const GROWS_DOWN = 16;
const NAME_SHIFT = 5;
const TWO_32 = 0x1_0000_0000;
/** `vm.max_map_count`, with room for what splitting a region needs for a moment. */
const CAPACITY = 65536;
/** Bytes that the list takes. */
export const REGION_LIST_SIZE = (FIRST + CAPACITY * STRIDE) * 4;
/** Regions of a list that no other thread looks at. */
const PRIVATE_CAPACITY = 4096;

export class RegionList {
  private readonly capacity: number;

  /** @param words `REGION_LIST_SIZE` bytes that threads share, zeroed at first; else the list is this thread's own */
  constructor(private readonly words: Uint32Array = new Uint32Array(FIRST + PRIVATE_CAPACITY * STRIDE)) {
    this.capacity = Math.floor((words.length - FIRST) / STRIDE);
  }

  get length(): number {
    return this.words[LENGTH]!;
  }

  /** No region can be split or added any more (`vm.max_map_count`). */
  get isFull(): boolean {
    return this.length + 2 > this.capacity;
  }

  get all(): readonly Readonly<Region>[] {
    return Array.from({ length: this.length }, (_, index) => this.region(index));
  }

  clear(): void {
    this.words[LENGTH] = 0;
  }

  /** A number for something that is mapped now. */
  newFile(): MappedFile {
    return ++this.words[LAST_FILE]!;
  }

  private start(index: number): number {
    return this.words[FIRST + index * STRIDE + Field.start]!;
  }
  private end(index: number): number {
    return this.words[FIRST + index * STRIDE + Field.end]!;
  }
  private growsDown(index: number): boolean {
    return (this.words[FIRST + index * STRIDE + Field.bits]! & GROWS_DOWN) !== 0;
  }

  private region(index: number): Region {
    const { words } = this;
    const at = FIRST + index * STRIDE;
    const bits = words[at + Field.bits]!;
    const file = words[at + Field.file]!;
    return {
      start: words[at + Field.start]!,
      end: words[at + Field.end]!,
      protection: bits & 7,
      shared: (bits & SHARED) !== 0,
      growsDown: (bits & GROWS_DOWN) !== 0,
      file: file === 0 ? undefined : file,
      offset: words[at + Field.offsetHigh]! * TWO_32 + words[at + Field.offsetLow]!,
      name: NAMES[bits >> NAME_SHIFT]!,
    };
  }

  /** Puts regions in the place of `count` others. */
  private splice(index: number, count: number, ...regions: readonly Region[]): void {
    const { words } = this;
    const { length } = this;
    if (length - count + regions.length > this.capacity) throw new Error('too many mappings');
    const after = FIRST + (index + count) * STRIDE;
    if (count !== regions.length)
      words.copyWithin(after + (regions.length - count) * STRIDE, after, FIRST + length * STRIDE);
    words[LENGTH] = length - count + regions.length;
    let at = FIRST + index * STRIDE;
    for (const { start, end, protection, shared, growsDown, file, offset, name } of regions) {
      words[at + Field.start] = start;
      words[at + Field.end] = end;
      words[at + Field.bits] =
        protection | (shared ? SHARED : 0) | (growsDown ? GROWS_DOWN : 0) | (NAMES.indexOf(name) << NAME_SHIFT);
      words[at + Field.file] = file ?? 0;
      words[at + Field.offsetLow] = offset % TWO_32;
      words[at + Field.offsetHigh] = Math.floor(offset / TWO_32);
      at += STRIDE;
    }
  }

  /** Index of the first region that ends above `address`. */
  private indexAt(address: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.end(middle) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private regionAt(index: number): Region | undefined {
    return index >= 0 && index < this.length ? this.region(index) : undefined;
  }

  /** The region that contains an address. */
  at(address: number): Readonly<Region> | undefined {
    const region = this.regionAt(this.indexAt(address));
    return region && region.start <= address ? region : undefined;
  }

  /** The first region that ends above an address: it contains the address or follows it. */
  atOrAfter(address: number): Readonly<Region> | undefined {
    return this.regionAt(this.indexAt(address));
  }

  /** The last region that starts below an address. */
  before(address: number): Readonly<Region> | undefined {
    let index = this.indexAt(address);
    if (!(index < this.length && this.start(index) < address)) index--;
    return this.regionAt(index);
  }

  /** The parts of [start, end) that are mapped, in order, cut to the range. */
  within(start: number, end: number): Region[] {
    const found: Region[] = [];
    for (let index = this.indexAt(start); index < this.length && this.start(index) < end; index++) {
      const region = this.region(index);
      found.push(slice(region, Math.max(region.start, start), Math.min(region.end, end)));
    }
    return found;
  }

  isFree(start: number, end: number): boolean {
    const index = this.indexAt(start);
    return index === this.length || this.start(index) >= end;
  }

  /** First address of [start, end) that is not mapped, or `end`. */
  firstHole(start: number, end: number): number {
    let at = start;
    for (let index = this.indexAt(start); at < end; index++) {
      if (index === this.length || this.start(index) > at) return at;
      at = this.end(index);
    }
    return end;
  }

  /** Takes [start, end) out. */
  remove(start: number, end: number): void {
    const first = this.indexAt(start);
    let last = first;
    const rest: Region[] = [];
    while (last < this.length && this.start(last) < end) {
      if (this.start(last) < start) rest.push(slice(this.region(last), this.start(last), start));
      if (this.end(last) > end) rest.push(slice(this.region(last), end, this.end(last)));
      last++;
    }
    if (last > first) this.splice(first, last - first, ...rest);
  }

  /** Puts a region in the place of whatever was there, joined with neighbours of the same kind. */
  insert(region: Region): void {
    this.remove(region.start, region.end);
    let index = this.indexAt(region.start);
    let joined = region;
    let removed = 0;
    const left = this.regionAt(index - 1);
    if (left && joins(left, joined)) {
      joined = { ...left, end: joined.end };
      index--;
      removed++;
    }
    const right = this.regionAt(index + removed);
    if (right && joins(joined, right)) {
      joined = { ...joined, end: right.end };
      removed++;
    }
    this.splice(index, removed, joined);
  }

  /**
   * The highest free range of `length` bytes within [low, high); `guard` bytes stay free below a region that grows down.
   * -1 when there is none.
   */
  findTopDown(length: number, low: number, high: number, guard: number): number {
    let top = high;
    for (let index = this.length - 1; index >= 0; index--) {
      const start = this.start(index);
      const below = this.growsDown(index) ? start - guard : start;
      if (start >= top) {
        if (below < top) top = below;
        continue;
      }
      if (top - length >= Math.max(this.end(index), low)) return top - length;
      top = Math.min(top, below);
      if (top <= low) return -1;
    }
    return top - length >= low ? top - length : -1;
  }
}
