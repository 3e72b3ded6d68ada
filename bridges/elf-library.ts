/**
 * What a shared library of the guest's says of itself: its soname, and the symbols that it exports with their versions, read
 * by way of the dynamic section alone, as the dynamic linker does (section headers may be missing).
 */
import { ELF_HEADER_SIZE, programHeadersSize, readElfHeader, readProgramHeaders } from '../runtime/loader/elf.js';
import { LoadError } from '../runtime/loader/load-error.js';

export interface ExportedSymbol {
  readonly name: string;
  readonly value: number;
  readonly size: number;
  /** STT_FUNC or STT_GNU_IFUNC among others. */
  readonly type: number;
  readonly binding: number;
  /** Undefined where the library has no versions. */
  readonly version: string | undefined;
  /** Not the default version of the name (`name@VERSION` instead of `name@@VERSION`). */
  readonly hidden: boolean;
}

export interface SharedLibrary {
  readonly soname: string | undefined;
  readonly symbols: readonly ExportedSymbol[];
  /** Names that it looks for elsewhere. */
  readonly imports: readonly string[];
  /** Versions that the library defines, the base (its soname) first. */
  readonly versions: readonly { name: string; hash: number; flags: number; index: number; parents: string[] }[];
  readonly segments: readonly { offset: number; address: number; fileSize: number }[];
}

export const SymbolType = { none: 0, object: 1, function: 2, ifunc: 10 } as const;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
export const DynamicTag = {
  NULL: 0,
  NEEDED: 1,
  HASH: 4,
  STRTAB: 5,
  SYMTAB: 6,
  STRSZ: 10,
  SYMENT: 11,
  SONAME: 14,
  GNU_HASH: 0x6ffffef5,
  VERSYM: 0x6ffffff0,
  VERDEF: 0x6ffffffc,
  VERDEFNUM: 0x6ffffffd,
} as const;
const VERSYM_HIDDEN = 0x8000;
const SYMBOL_SIZE = 16;
const latin1 = new TextDecoder('latin1');

/** Reads a part of the file: fewer bytes at its end. */
export type ReadPart = (offset: number, length: number) => Uint8Array;

/** Undefined where the file is no shared library or is damaged. */
export function readSharedLibrary(read: ReadPart, name: string): SharedLibrary | undefined {
  try {
    return parse(read, name);
  } catch (error) {
    if (error instanceof LoadError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function parse(read: ReadPart, name: string): SharedLibrary | undefined {
  const header = readElfHeader(read(0, ELF_HEADER_SIZE), name);
  const programHeaders = readProgramHeaders(read(header.programHeaderOffset, programHeadersSize(header)), header, name);
  const segments = programHeaders.filter(({ type }) => type === PT_LOAD);
  const dynamic = programHeaders.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) return undefined;
  const offsetOf = (address: number): number => {
    const segment = segments.find((one) => address >= one.address && address < one.address + one.fileSize);
    if (!segment) throw new RangeError('an address outside the file');
    return address - segment.address + segment.offset;
  };
  const viewAt = (offset: number, length: number): DataView => {
    const bytes = read(offset, length);
    if (bytes.length < length) throw new RangeError('truncated');
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  };
  const tags = new Map<number, number>();
  const entries = viewAt(dynamic.offset, dynamic.fileSize - (dynamic.fileSize % 8));
  for (let at = 0; at < entries.byteLength; at += 8) {
    const tag = entries.getUint32(at, true);
    if (tag === DynamicTag.NULL) break;
    if (!tags.has(tag)) tags.set(tag, entries.getUint32(at + 4, true));
  }
  const need = (tag: number): number => {
    const value = tags.get(tag);
    if (value === undefined) throw new RangeError('a dynamic entry is missing');
    return value;
  };
  const stringsSize = need(DynamicTag.STRSZ);
  const strings = read(offsetOf(need(DynamicTag.STRTAB)), stringsSize);
  const stringAt = (offset: number): string => {
    const end = strings.indexOf(0, offset);
    return latin1.decode(strings.subarray(offset, end < 0 ? strings.length : end));
  };
  const sonameOffset = tags.get(DynamicTag.SONAME);
  const soname = sonameOffset === undefined ? undefined : stringAt(sonameOffset);

  const versions: { name: string; hash: number; flags: number; index: number; parents: string[] }[] = [];
  const verdef = tags.get(DynamicTag.VERDEF);
  if (verdef !== undefined) {
    let at = offsetOf(verdef);
    for (let count = need(DynamicTag.VERDEFNUM); count > 0; count--) {
      const view = viewAt(at, 20);
      const names: string[] = [];
      let auxiliary = at + view.getUint32(12, true);
      for (let left = view.getUint16(6, true); left > 0; left--) {
        const aux = viewAt(auxiliary, 8);
        names.push(stringAt(aux.getUint32(0, true)));
        auxiliary += aux.getUint32(4, true);
      }
      versions.push({
        name: names[0] ?? '',
        hash: view.getUint32(8, true),
        flags: view.getUint16(2, true),
        index: view.getUint16(4, true),
        parents: names.slice(1),
      });
      const next = view.getUint32(16, true);
      if (next === 0) break;
      at += next;
    }
  }

  const count = symbolCount(tags, offsetOf, viewAt);
  const table = viewAt(offsetOf(need(DynamicTag.SYMTAB)), count * SYMBOL_SIZE);
  const versymAddress = tags.get(DynamicTag.VERSYM);
  const versym = versymAddress === undefined ? undefined : viewAt(offsetOf(versymAddress), count * 2);
  const symbols: ExportedSymbol[] = [];
  const imports: string[] = [];
  for (let index = 1; index < count; index++) {
    const at = index * SYMBOL_SIZE;
    const info = table.getUint8(at + 12);
    const section = table.getUint16(at + 14, true);
    if (section === 0) imports.push(stringAt(table.getUint32(at, true)));
    if (section === 0 || info >> 4 === 0) continue;
    const version = versym?.getUint16(index * 2, true);
    symbols.push({
      name: stringAt(table.getUint32(at, true)),
      value: table.getUint32(at + 4, true),
      size: table.getUint32(at + 8, true),
      type: info & 15,
      binding: info >> 4,
      version:
        version === undefined ? undefined : versions.find((one) => one.index === (version & ~VERSYM_HIDDEN))?.name,
      hidden: version !== undefined && (version & VERSYM_HIDDEN) !== 0,
    });
  }
  return { soname, symbols, imports, versions, segments };
}

/** The dynamic section has no length of the symbol table: a hash table tells it. */
function symbolCount(
  tags: ReadonlyMap<number, number>,
  offsetOf: (address: number) => number,
  viewAt: (offset: number, length: number) => DataView,
): number {
  const hash = tags.get(DynamicTag.HASH);
  if (hash !== undefined) return viewAt(offsetOf(hash), 8).getUint32(4, true);
  const gnuHash = tags.get(DynamicTag.GNU_HASH);
  if (gnuHash === undefined) throw new RangeError('no hash table');
  const offset = offsetOf(gnuHash);
  const header = viewAt(offset, 16);
  const [buckets, first, bloomWords] = [0, 4, 8].map((at) => header.getUint32(at, true)) as [number, number, number];
  const bucketsOffset = offset + 16 + 4 * bloomWords;
  const table = viewAt(bucketsOffset, 4 * buckets);
  let last = 0;
  for (let bucket = 0; bucket < buckets; bucket++) last = Math.max(last, table.getUint32(4 * bucket, true));
  if (last < first) return first;
  const chains = bucketsOffset + 4 * buckets;
  // The last chain ends at an entry with its lowest bit set.
  while ((viewAt(chains + 4 * (last - first), 4).getUint32(0, true) & 1) === 0) last++;
  return last + 1;
}
