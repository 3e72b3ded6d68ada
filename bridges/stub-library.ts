/**
 * Writes a stub library: an ELF shared object of i386 with the soname, symbol versions and names of the library that it stands
 * for, whose functions are cookies. No compiler is needed. Layout: read-only tables, one page on the code, one page on the
 * dynamic section; section headers at the end for tools (ELF specification, chapter 5; "Linux Standard Base", 10.7 for the
 * version sections; the GNU hash table as glibc's elf/dl-lookup.c reads it).
 */
import { cookieBytes } from '../translator/bridge.js';
import { codeOf } from './codes.js';
import { DynamicTag, type ExportedSymbol, type SharedLibrary } from './elf-library.js';
import type { BridgedLibrary } from './library.js';

const PAGE = 4096;
const COOKIE_STRIDE = 16;
const FILL = 0xcc;
const HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const SECTION_HEADER_SIZE = 40;
const SYMBOL_SIZE = 16;
const VERDEF_SIZE = 20;
const VERDAUX_SIZE = 8;
const VERSYM_HIDDEN = 0x8000;
const VERSYM_GLOBAL = 1;
const STT_FUNC = 2;
const PT = { load: 1, dynamic: 2, gnuStack: 0x6474e551 } as const;
const PF = { execute: 1, write: 2, read: 4 } as const;
const SHT = {
  progbits: 1,
  strtab: 3,
  hash: 5,
  dynamic: 6,
  dynsym: 11,
  gnuHash: 0x6ffffff6,
  verdef: 0x6ffffffd,
  versym: 0x6fffffff,
};
const SHF = { write: 1, alloc: 2, execute: 4 } as const;

const encoder = new TextEncoder();

/** Bytes of little-endian numbers. */
class Writer {
  private bytes = new Uint8Array(1024);
  private view = new DataView(this.bytes.buffer);
  length = 0;

  /** Room for `count` bytes; the buffer may be another one afterwards. */
  private need(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }
  u8(...values: number[]): void {
    for (const value of values) {
      const at = this.need(1);
      this.view.setUint8(at, value);
    }
  }
  u16(...values: number[]): void {
    for (const value of values) {
      const at = this.need(2);
      this.view.setUint16(at, value, true);
    }
  }
  u32(...values: number[]): void {
    for (const value of values) {
      const at = this.need(4);
      this.view.setUint32(at, value >>> 0, true);
    }
  }
  raw(bytes: Uint8Array): void {
    const at = this.need(bytes.length);
    this.bytes.set(bytes, at);
  }
  align(to: number, fill = 0): void {
    while (this.length % to !== 0) this.u8(fill);
  }
  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

class Strings {
  private readonly writer = new Writer();
  private readonly known = new Map<string, number>([['', 0]]);
  constructor() {
    this.writer.u8(0);
  }
  at(text: string): number {
    let offset = this.known.get(text);
    if (offset === undefined) {
      offset = this.writer.length;
      this.known.set(text, offset);
      this.writer.raw(encoder.encode(`${text}\0`));
    }
    return offset;
  }
  finish(): Uint8Array {
    return this.writer.finish();
  }
}

/** The System V hash of symbol and version names. */
export function sysvHash(name: string): number {
  let hash = 0;
  for (const byte of encoder.encode(name)) {
    hash = (hash << 4) + byte;
    const high = hash & 0xf0000000;
    if (high !== 0) hash ^= high >>> 24;
    hash &= ~high;
  }
  return hash >>> 0;
}
export function gnuHash(name: string): number {
  let hash = 5381;
  for (const byte of encoder.encode(name)) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return hash;
}

/** The symbols of the guest's library that a stub has cookies for: all versions of every name that a whole library bridges. */
export function stubSymbols(library: BridgedLibrary, guest: SharedLibrary): ExportedSymbol[] {
  const names = library.functions.map(({ prototype }) => prototype.name);
  const declared = new Set(names.filter((name) => library.preferred?.has(name) !== false));
  return guest.symbols.filter(({ name, type }) => declared.has(name) && (type === STT_FUNC || type === 10));
}

/**
 * The stub's bytes.
 * @param fallback what it needs besides (DT_NEEDED): where functions without a bridge are found, the guest's own library
 *   under another name
 */
export function writeStubLibrary(
  library: BridgedLibrary,
  guest: SharedLibrary,
  fallback: string | undefined,
): Uint8Array {
  const versioned = guest.versions.length > 0;
  const buckets = Math.max(1, stubSymbols(library, guest).length >> 1);
  // The GNU hash table wants symbols in the order of their buckets.
  const symbols = stubSymbols(library, guest).sort((a, b) => (gnuHash(a.name) % buckets) - (gnuHash(b.name) % buckets));
  const strings = new Strings();
  const soname = strings.at(guest.soname ?? library.soname);
  const needed = fallback === undefined ? undefined : strings.at(fallback);
  const nameOffsets = symbols.map(({ name }) => strings.at(name));

  const verdef = new Writer();
  guest.versions.forEach((version, index) => {
    const names = [version.name, ...version.parents];
    const size = VERDEF_SIZE + VERDAUX_SIZE * names.length;
    verdef.u16(1, version.flags, version.index, names.length);
    verdef.u32(version.hash, VERDEF_SIZE, index === guest.versions.length - 1 ? 0 : size);
    names.forEach((name, i) => verdef.u32(strings.at(name), i === names.length - 1 ? 0 : VERDAUX_SIZE));
  });
  const versym = new Writer();
  versym.u16(0);
  for (const { version, hidden } of symbols) {
    const index = guest.versions.find(({ name }) => name === version)?.index ?? VERSYM_GLOBAL;
    versym.u16(index | (hidden ? VERSYM_HIDDEN : 0));
  }
  const tables: [name: string, type: number, bytes: Uint8Array, entrySize: number, align: number][] = [
    ['.hash', SHT.hash, sysvTable(symbols, buckets), 4, 4],
    ['.gnu.hash', SHT.gnuHash, gnuTable(symbols, buckets), 4, 4],
    ['.dynsym', SHT.dynsym, new Uint8Array((symbols.length + 1) * SYMBOL_SIZE), SYMBOL_SIZE, 4],
    ['.dynstr', SHT.strtab, strings.finish(), 0, 1],
  ];
  if (versioned) {
    tables.push(
      ['.gnu.version', SHT.versym, versym.finish(), 2, 2],
      ['.gnu.version_d', SHT.verdef, verdef.finish(), 0, 4],
    );
  }
  const programHeaders = 5;
  let at = HEADER_SIZE + programHeaders * PROGRAM_HEADER_SIZE;
  const place = new Map<string, number>();
  for (const [name, , bytes, , align] of tables) {
    at = Math.ceil(at / align) * align;
    place.set(name, at);
    at += bytes.length;
  }
  const tablesEnd = at;
  const text = Math.ceil(at / PAGE) * PAGE;
  const textSize = symbols.length * COOKIE_STRIDE;
  const dynamic = Math.ceil((text + textSize) / PAGE) * PAGE;

  const dynsym = new Writer();
  dynsym.u32(0, 0, 0, 0);
  symbols.forEach(({ binding }, index) => {
    dynsym.u32(nameOffsets[index]!, text + index * COOKIE_STRIDE, COOKIE_STRIDE);
    dynsym.u8((binding << 4) | STT_FUNC, 0);
    dynsym.u16(1 + tables.length);
  });
  tables[2]![2] = dynsym.finish();

  const entries = new Writer();
  if (needed !== undefined) entries.u32(DynamicTag.NEEDED, needed);
  entries.u32(
    DynamicTag.SONAME,
    soname,
    DynamicTag.HASH,
    place.get('.hash')!,
    DynamicTag.GNU_HASH,
    place.get('.gnu.hash')!,
  );
  entries.u32(DynamicTag.STRTAB, place.get('.dynstr')!, DynamicTag.SYMTAB, place.get('.dynsym')!);
  entries.u32(DynamicTag.STRSZ, tables[3]![2].length, DynamicTag.SYMENT, SYMBOL_SIZE);
  if (versioned) {
    entries.u32(DynamicTag.VERSYM, place.get('.gnu.version')!, DynamicTag.VERDEF, place.get('.gnu.version_d')!);
    entries.u32(DynamicTag.VERDEFNUM, guest.versions.length);
  }
  entries.u32(DynamicTag.NULL, 0);

  const names = new Strings();
  const sections: number[][] = [new Array<number>(10).fill(0)];
  const indexOf = (name: string): number => 1 + tables.findIndex(([table]) => table === name);
  for (const [name, type, bytes, entrySize, align] of tables) {
    const link =
      name === '.dynstr'
        ? 0
        : name === '.dynsym' || name === '.gnu.version_d'
          ? indexOf('.dynstr')
          : indexOf('.dynsym');
    const info = name === '.dynsym' ? 1 : name === '.gnu.version_d' ? guest.versions.length : 0;
    const start = place.get(name)!;
    sections.push([names.at(name), type, SHF.alloc, start, start, bytes.length, link, info, align, entrySize]);
  }
  sections.push([
    names.at('.text'),
    SHT.progbits,
    SHF.alloc | SHF.execute,
    text,
    text,
    textSize,
    0,
    0,
    COOKIE_STRIDE,
    0,
  ]);
  sections.push([
    names.at('.dynamic'),
    SHT.dynamic,
    SHF.alloc | SHF.write,
    dynamic,
    dynamic,
    entries.length,
    indexOf('.dynstr'),
    0,
    4,
    8,
  ]);
  const namesOffset = dynamic + entries.length;
  const nameOfNames = names.at('.shstrtab');
  const nameBytes = names.finish();
  sections.push([nameOfNames, SHT.strtab, 0, 0, namesOffset, nameBytes.length, 0, 0, 1, 0]);

  const file = new Writer();
  file.u8(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, ...new Array<number>(8).fill(0));
  file.u16(3, 3);
  const sectionsOffset = Math.ceil((namesOffset + nameBytes.length) / 4) * 4;
  file.u32(1, 0, HEADER_SIZE, sectionsOffset, 0);
  file.u16(HEADER_SIZE, PROGRAM_HEADER_SIZE, programHeaders, SECTION_HEADER_SIZE, sections.length, sections.length - 1);
  const segment = (type: number, start: number, size: number, flags: number, align: number): void =>
    file.u32(type, start, start, start, size, size, flags, align);
  segment(PT.load, 0, tablesEnd, PF.read, PAGE);
  segment(PT.load, text, textSize, PF.read | PF.execute, PAGE);
  segment(PT.load, dynamic, entries.length, PF.read | PF.write, PAGE);
  segment(PT.dynamic, dynamic, entries.length, PF.read | PF.write, 4);
  segment(PT.gnuStack, 0, 0, PF.read | PF.write, 16);
  for (const [, , bytes, , align] of tables) {
    file.align(align);
    file.raw(bytes);
  }
  file.align(PAGE);
  for (const { name } of symbols) {
    file.raw(cookieBytes(codeOf(library.name), codeOf(name)));
    file.align(COOKIE_STRIDE, FILL);
  }
  file.align(PAGE);
  file.raw(entries.finish());
  file.raw(nameBytes);
  file.align(4);
  for (const section of sections) file.u32(...section);
  return file.finish();
}

function sysvTable(symbols: readonly ExportedSymbol[], buckets: number): Uint8Array {
  const heads = new Array<number>(buckets).fill(0);
  const chains = new Array<number>(symbols.length + 1).fill(0);
  symbols.forEach(({ name }, index) => {
    const bucket = sysvHash(name) % buckets;
    chains[index + 1] = heads[bucket]!;
    heads[bucket] = index + 1;
  });
  const table = new Writer();
  table.u32(buckets, symbols.length + 1, ...heads, ...chains);
  return table.finish();
}

const BLOOM_SHIFT = 5;
function gnuTable(symbols: readonly ExportedSymbol[], buckets: number): Uint8Array {
  const hashes = symbols.map(({ name }) => gnuHash(name));
  const bloomWords = 2 ** Math.max(0, Math.ceil(Math.log2(symbols.length / 4 + 1)));
  const bloom = new Array<number>(bloomWords).fill(0);
  const heads = new Array<number>(buckets).fill(0);
  hashes.forEach((hash, index) => {
    const word = (hash >>> 5) & (bloomWords - 1);
    bloom[word] = bloom[word]! | (1 << (hash & 31)) | (1 << ((hash >>> BLOOM_SHIFT) & 31));
    heads[hash % buckets] ||= index + 1;
  });
  const table = new Writer();
  table.u32(buckets, 1, bloomWords, BLOOM_SHIFT, ...bloom, ...heads);
  hashes.forEach((hash, index) => {
    const next = hashes[index + 1];
    const last = next === undefined || next % buckets !== hash % buckets;
    table.u32(last ? hash | 1 : hash & ~1);
  });
  return table.finish();
}
