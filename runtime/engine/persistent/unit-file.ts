/**
 * The file of one unit of kept translations: what is known of a stretch of executable guest memory. Blocks that were executed
 * (address, end, count), the targets of their indirect jumps, the pages that all of that was made from with one hash over
 * their contents, and WebAssembly modules that can be put anywhere in the table.
 *
 * Layout, little-endian: magic, length of the header, checksum of all that follows it (64 bits), header (JSON), padding to
 * eight bytes, the arrays (i32) that the header counts, each module's bytes and its machine code padded to eight.
 */
import type { FileContents } from '../../host/cache-directory.js';

export const NO_MACHINE_CODE = 1;

export interface KeptModule {
  /** Three numbers each: guest address, the number of the function that translates the code from there on, 1 if that reads flags. */
  readonly entries: Int32Array;
  /** How many functions it has. */
  readonly functions: number;
  /** Guest addresses of what the slots that they call through stand for. */
  readonly links: Int32Array;
  readonly imports: readonly KeptImport[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What V8 compiled them to; empty where it has not, of `NO_MACHINE_CODE` bytes where it gives nothing. */
  readonly native: Uint8Array<ArrayBuffer>;
}
export interface KeptImport {
  readonly field: string;
  readonly helper: string;
}

export interface UnitContents {
  /** Page numbers, ascending. */
  readonly pages: Int32Array;
  /** Hash over those pages. */
  readonly hash: bigint;
  /** Three numbers a block: address, end, count; ascending by address. */
  readonly blocks: Int32Array;
  /** Runs of: address of a block, number of targets, targets. */
  readonly targets: Int32Array;
  readonly modules: readonly KeptModule[];
}

interface Header {
  key: string;
  hash: string;
  pages: number;
  blocks: number;
  targets: number;
  modules: {
    entries: number;
    functions: number;
    links: number;
    bytes: number;
    native: number;
    imports: KeptImport[];
  }[];
}

/** 'b86t'. */
const MAGIC = 0x74363862;
const CHECKSUM = 8;
const HEADER = 16;
const WASM_PAGE = 65536;

const align = (offset: number): number => (offset + 7) & ~7;

/** A hash of `bytes` bytes (a multiple of eight) from an offset of a memory. */
export type HashMemory = (memory: WebAssembly.Memory, offset: number, bytes: number) => bigint;

/** @param key what the translations depend on besides the guest's code */
export function encodeUnit(unit: UnitContents, key: string, hash: HashMemory): FileContents {
  const header: Header = {
    key,
    hash: unit.hash.toString(),
    pages: unit.pages.length,
    blocks: unit.blocks.length,
    targets: unit.targets.length,
    modules: unit.modules.map(({ entries, functions, links, bytes, native, imports }) => ({
      entries: entries.length,
      functions,
      links: links.length,
      bytes: bytes.length,
      native: native.length,
      imports: [...imports],
    })),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const arrays = arraysOf(unit);
  const size =
    align(HEADER + text.length) +
    align(arrays.reduce((sum, array) => sum + array.byteLength, 0)) +
    unit.modules.reduce((sum, { bytes, native }) => sum + align(bytes.length) + align(native.length), 0);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(size / WASM_PAGE) });
  const view = new DataView(memory.buffer);
  const target = new Uint8Array(memory.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, text.length, true);
  target.set(text, HEADER);
  let at = align(HEADER + text.length);
  for (const array of arrays) {
    new Int32Array(memory.buffer, at, array.length).set(array);
    at += array.byteLength;
  }
  at = align(at);
  for (const { bytes, native } of unit.modules) {
    for (const part of [bytes, native]) {
      target.set(part, at);
      at += align(part.length);
    }
  }
  view.setBigInt64(CHECKSUM, hash(memory, HEADER, size - HEADER), true);
  return { memory, size };
}

function arraysOf(unit: UnitContents): Int32Array[] {
  return [unit.pages, unit.blocks, unit.targets, ...unit.modules.flatMap(({ entries, links }) => [entries, links])];
}

/** Undefined where the file is damaged or was made for something else. The arrays are views of the memory. */
export function decodeUnit({ memory, size }: FileContents, key: string, hash: HashMemory): UnitContents | undefined {
  const { buffer } = memory;
  const view = new DataView(buffer);
  if (size < HEADER + 8 || size % 8 !== 0 || view.getUint32(0, true) !== MAGIC) return undefined;
  const length = view.getUint32(4, true);
  if (HEADER + length > size) return undefined;
  if (view.getBigInt64(CHECKSUM, true) !== hash(memory, HEADER, size - HEADER)) return undefined;
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER, length))) as Header;
  if (header.key !== key) return undefined;
  let at = align(HEADER + length);
  const numbers = (count: number): Int32Array => {
    const array = new Int32Array(buffer, at, count);
    at += array.byteLength;
    return array;
  };
  const [pages, blocks, targets] = [numbers(header.pages), numbers(header.blocks), numbers(header.targets)];
  const lists = header.modules.map(({ entries, links }) => ({ entries: numbers(entries), links: numbers(links) }));
  at = align(at);
  const part = (length: number): Uint8Array<ArrayBuffer> => {
    const start = at;
    at += align(length);
    return new Uint8Array(buffer, start, length);
  };
  const modules = header.modules.map(({ bytes, native, functions, imports }, index): KeptModule => ({
    ...lists[index]!,
    functions,
    imports,
    bytes: part(bytes),
    native: part(native),
  }));
  if (at !== size) return undefined;
  return { pages, hash: BigInt(header.hash), blocks, targets, modules };
}
