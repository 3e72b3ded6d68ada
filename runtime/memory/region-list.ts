/**
 * The interval map behind `mappings.ts`: which ranges of the guest's address space are mapped and as what, as a sorted
 * list of regions that never overlap. Pure bookkeeping: no byte of memory and no kernel is touched here.
 */

/** What a region was mapped from; regions of one mapping share one `MappedFile`, by which neighbours are recognised. */
export interface MappedFile {
  /** Set where the emulator knows the path (the loader's files); otherwise the kernel's own list of mappings tells it. */
  readonly path?: string;
}

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
  /** `[heap]`, `[stack]`, `[vdso]` or empty. */
  name: string;
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

export class RegionList {
  private regions: Region[] = [];

  get all(): readonly Readonly<Region>[] {
    return this.regions;
  }

  clear(): void {
    this.regions = [];
  }

  /** Index of the first region that ends above `address`. */
  private indexAt(address: number): number {
    let low = 0;
    let high = this.regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.regions[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The region that contains an address. */
  at(address: number): Readonly<Region> | undefined {
    const region = this.regions[this.indexAt(address)];
    return region && region.start <= address ? region : undefined;
  }

  /** The first region that ends above an address: it contains the address or follows it. */
  atOrAfter(address: number): Readonly<Region> | undefined {
    return this.regions[this.indexAt(address)];
  }

  /** The last region that starts below an address. */
  before(address: number): Readonly<Region> | undefined {
    let index = this.indexAt(address);
    if (!(index < this.regions.length && this.regions[index]!.start < address)) index--;
    return this.regions[index];
  }

  /** The parts of [start, end) that are mapped, in order, cut to the range. */
  within(start: number, end: number): Region[] {
    const found: Region[] = [];
    for (let index = this.indexAt(start); index < this.regions.length; index++) {
      const region = this.regions[index]!;
      if (region.start >= end) break;
      found.push(slice(region, Math.max(region.start, start), Math.min(region.end, end)));
    }
    return found;
  }

  isFree(start: number, end: number): boolean {
    const next = this.atOrAfter(start);
    return next === undefined || next.start >= end;
  }

  /** First address of [start, end) that is not mapped, or `end`. */
  firstHole(start: number, end: number): number {
    let at = start;
    for (let index = this.indexAt(start); at < end; index++) {
      const region = this.regions[index];
      if (!region || region.start > at) return at;
      at = region.end;
    }
    return end;
  }

  /** Takes [start, end) out. */
  remove(start: number, end: number): void {
    const first = this.indexAt(start);
    let last = first;
    const rest: Region[] = [];
    while (last < this.regions.length && this.regions[last]!.start < end) {
      const region = this.regions[last]!;
      if (region.start < start) rest.push(slice(region, region.start, start));
      if (region.end > end) rest.push(slice(region, end, region.end));
      last++;
    }
    this.regions.splice(first, last - first, ...rest);
  }

  /** Puts a region in the place of whatever was there, joined with neighbours of the same kind. */
  insert(region: Region): void {
    this.remove(region.start, region.end);
    let index = this.indexAt(region.start);
    let joined = region;
    let removed = 0;
    const left = this.regions[index - 1];
    if (left && joins(left, joined)) {
      joined = { ...left, end: joined.end };
      index--;
      removed++;
    }
    const right = this.regions[index + removed];
    if (right && joins(joined, right)) {
      joined = { ...joined, end: right.end };
      removed++;
    }
    this.regions.splice(index, removed, joined);
  }

  /**
   * The highest free range of `length` bytes within [low, high); `guard` bytes stay free below a region that grows down.
   * -1 when there is none.
   */
  findTopDown(length: number, low: number, high: number, guard: number): number {
    let top = high;
    for (let index = this.regions.length - 1; index >= 0; index--) {
      const region = this.regions[index]!;
      if (region.start >= top) {
        if (region.growsDown) top = Math.min(top, region.start - guard);
        continue;
      }
      if (top - length >= Math.max(region.end, low)) return top - length;
      top = Math.min(top, region.growsDown ? region.start - guard : region.start);
      if (top <= low) return -1;
    }
    return top - length >= low ? top - length : -1;
  }
}
