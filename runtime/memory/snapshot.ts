/**
 * Snapshots of guest memory: contents, mappings and protections of anonymous memory. After one is taken or restored, pages
 * withhold their permission to write until the first write, which is noted, so that going back costs what was changed
 * and no more. Pages are shared between snapshots; pages of zeros are not kept.
 */
import { Page, PAGE_SHIFT, PAGE_SIZE, releaseWrite, withholdWrite } from '../../translator/pages.js';
import type { Mappings } from './mappings.js';
import { peek, poke } from './peek.js';
import type { Region } from './region-list.js';

export interface MemorySnapshot {
  readonly regions: readonly Readonly<Region>[];
  /** Contents by page number; what is missing is zero. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

const ZEROS = Buffer.alloc(PAGE_SIZE);

export class SnapshotTracker {
  /** The snapshot that memory is compared with, as it were. */
  private base: MemorySnapshot | undefined;
  /** Pages that may differ from it. */
  private readonly dirty = new Set<number>();
  private regionsChanged = false;

  constructor(private readonly mappings: Mappings) {
    const { memory } = mappings;
    memory.onFirstWrite = (page) => {
      memory.pages[page] = releaseWrite(memory.pages[page]!, Page.clean);
      this.dirty.add(page);
    };
    memory.onPagesSet.push((first, count) => {
      if (!this.base) return;
      this.regionsChanged = true;
      for (let page = first; page < first + count; page++) this.dirty.add(page);
    });
  }

  /** How many pages were changed since the last snapshot or restore. */
  get dirtyPages(): number {
    return this.dirty.size;
  }

  take(): MemorySnapshot {
    const { base, mappings, dirty } = this;
    const regions = base && !this.regionsChanged ? base.regions : mappings.regions.all.map((region) => ({ ...region }));
    const pages = new Map(base?.pages);
    const keep = (page: number): void => {
      const bytes = this.contents(page);
      if (bytes) pages.set(page, bytes);
      else pages.delete(page);
    };
    if (base) dirty.forEach(keep);
    else {
      for (const { start, end } of regions) {
        for (let page = start >>> PAGE_SHIFT; page < end / PAGE_SIZE; page++) keep(page);
      }
    }
    const snapshot = { regions, pages };
    this.settle(snapshot, base ? dirty : pagesOf(regions));
    return snapshot;
  }

  restore(snapshot: MemorySnapshot): void {
    const { base, dirty } = this;
    if (!base || this.regionsChanged || base.regions !== snapshot.regions) this.restoreRegions(snapshot.regions);
    if (!base) for (const page of pagesOf(snapshot.regions)) dirty.add(page);
    else if (base !== snapshot) {
      for (const [page, bytes] of snapshot.pages) if (base.pages.get(page) !== bytes) dirty.add(page);
      for (const page of base.pages.keys()) if (!snapshot.pages.has(page)) dirty.add(page);
    }
    for (const page of dirty) this.restorePage(page, snapshot.pages.get(page));
    this.settle(snapshot, dirty);
  }

  private settle(snapshot: MemorySnapshot, changed: Iterable<number>): void {
    const { pages } = this.mappings.memory;
    for (const page of changed) pages[page] = withholdWrite(pages[page]!, Page.clean);
    this.base = snapshot;
    this.dirty.clear();
    this.regionsChanged = false;
  }

  /** A copy of a page, undefined where it is zero or there is none. */
  private contents(page: number): Uint8Array | undefined {
    const bytes = peek(this.mappings, page * PAGE_SIZE, PAGE_SIZE);
    return bytes === undefined || ZEROS.equals(bytes) ? undefined : bytes;
  }

  private restorePage(page: number, bytes: Uint8Array = ZEROS): void {
    const { mappings } = this;
    const { memory } = mappings;
    const address = page * PAGE_SIZE;
    const bits = memory.pages[page]!;
    if (!(bits & Page.mapped)) return;
    if (bits & Page.code) memory.onCodeWrite(page);
    if (withholdWrite(bits, Page.clean) & Page.clean) memory.u8.set(bytes, address);
    else poke(mappings, address, bytes);
  }

  /** Maps, unmaps and protects until the mappings are those; pages that are new are to be filled. */
  private restoreRegions(wanted: readonly Readonly<Region>[]): void {
    const { mappings } = this;
    const key = ({ start, end }: Readonly<Region>): string => `${start}-${end}`;
    const present = new Map(mappings.regions.all.map((region) => [key(region), region]));
    const kept = new Set<string>();
    for (const region of wanted) {
      const same = present.get(key(region));
      if (!same) continue;
      kept.add(key(region));
      if (same.protection !== region.protection) {
        mappings.mprotect(region.start, region.end - region.start, region.protection);
      }
    }
    for (const [name, { start, end }] of present) if (!kept.has(name)) mappings.munmap(start, end - start);
    for (const region of wanted) {
      if (kept.has(key(region))) continue;
      const { start, end, protection, growsDown, name } = region;
      if (mappings.mapFixed(start, end - start, protection, { growsDown, name }) < 0) {
        throw new Error(`the host has no memory for ${end - start} bytes at 0x${start.toString(16)}`);
      }
      for (let page = start >>> PAGE_SHIFT; page < end / PAGE_SIZE; page++) this.dirty.add(page);
    }
  }
}

function* pagesOf(regions: readonly Readonly<Region>[]): Generator<number> {
  for (const { start, end } of regions)
    for (let page = start >>> PAGE_SHIFT; page < end / PAGE_SIZE; page++) yield page;
}

const MAGIC = 'bridge86 snapshot 1\n';

/** A snapshot as bytes: a line that says what it is, a JSON header with its length before it, the extra bytes, the pages. */
export function serializeSnapshot(snapshot: MemorySnapshot, extra: Uint8Array): Uint8Array {
  const regions = snapshot.regions.map(({ start, end, protection, growsDown, name }) => ({
    start,
    end,
    protection,
    growsDown,
    name,
  }));
  const header = Buffer.from(JSON.stringify({ regions, pages: [...snapshot.pages.keys()], extra: extra.length }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([Buffer.from(MAGIC), length, header, extra, ...snapshot.pages.values()]);
}

/** @throws RangeError where the bytes are no snapshot */
export function deserializeSnapshot(bytes: Uint8Array): { memory: MemorySnapshot; extra: Uint8Array } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new RangeError('not a snapshot of this version');
  let at = MAGIC.length + 4;
  const end = at + buffer.readUInt32LE(MAGIC.length);
  const header = JSON.parse(buffer.toString('utf8', at, end)) as {
    regions: Pick<Region, 'start' | 'end' | 'protection' | 'growsDown' | 'name'>[];
    pages: number[];
    extra: number;
  };
  if (buffer.length !== end + header.extra + header.pages.length * PAGE_SIZE) {
    throw new RangeError('the snapshot is cut short');
  }
  const extra = Uint8Array.from(buffer.subarray(end, end + header.extra));
  at = end + header.extra;
  const pages = new Map(
    header.pages.map((page, i) => [
      page,
      Uint8Array.from(buffer.subarray(at + i * PAGE_SIZE, at + (i + 1) * PAGE_SIZE)),
    ]),
  );
  const regions = header.regions.map((region) => ({ ...region, shared: false, file: undefined, offset: 0 }));
  return { memory: { regions, pages }, extra };
}
