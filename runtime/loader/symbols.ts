/**
 * Names for guest addresses: the function symbols of the files that are mapped, read from their symbol tables when an address in
 * them is first asked for. For crash lines, profiles and the names of generated code.
 */
import { hostClose, hostOpen, hostRead, hostReadAll } from '../host/buffer.js';
import type { Mappings } from '../memory/mappings.js';
import {
  ELF_HEADER_SIZE,
  ElfType,
  programHeadersSize,
  readElfHeader,
  readProgramHeaders,
  readSectionHeaders,
  sectionHeadersSize,
  Segment,
  type SectionHeader,
} from './elf.js';
import { LoadError } from './load-error.js';

export interface SymbolPlace {
  /** The symbol, or undefined where the file names nothing there. */
  name: string | undefined;
  /** Bytes from the symbol's start, or from the file's load address where there is no name. */
  offset: number;
  /** The file's path on the host. */
  file: string;
}

export interface FileSymbols {
  /** Symbol values as in the file, ascending. */
  values: Uint32Array;
  sizes: Uint32Array;
  names: string[];
  /** Functions whose addresses are chosen when they are first called (IFUNC). */
  indirect: ReadonlySet<string>;
  /** Program headers of segments: file offsets to addresses. */
  segments: readonly { offset: number; address: number; fileSize: number }[];
}

const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const SYMBOL_SIZE = 16;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
/** Tables larger than this are not worth reading for a name. */
const MAXIMUM_TABLE = 64 << 20;
const latin1 = new TextDecoder('latin1');

export class SymbolTable {
  /** By host path; undefined where the file has no symbols. */
  private readonly files = new Map<string, FileSymbols | undefined>();
  private hostMaps: readonly HostMapping[] | undefined;
  /** Finds the file with a host file's symbols, where they were separated from it. Has to be set before symbols are asked for. */
  debugFile: ((path: string) => string | undefined) | undefined;

  constructor(
    private readonly mappings: Mappings,
    private readonly hostBase: number,
  ) {}

  /** Forgets which file lies where: after `execve`. */
  clear(): void {
    this.hostMaps = undefined;
  }

  /** The function that contains a guest address, undefined outside files. */
  symbolAt(address: number): SymbolPlace | undefined {
    const place = this.locate(address >>> 0);
    if (!place) return undefined;
    const { file, symbols, value } = place;
    const index = symbols ? findSymbol(symbols, value) : -1;
    if (!symbols || index < 0) return { name: undefined, offset: value, file };
    return { name: symbols.names[index], offset: value - symbols.values[index]!, file };
  }

  /**
   * The file that is mapped at a guest address, with the address as in the file: as its symbols have it, or the offset in the file
   * (and no symbols) where no segment of a program is mapped.
   */
  locate(address: number): { file: string; value: number; symbols: FileSymbols | undefined } | undefined {
    const region = this.mappings.regions.at(address);
    if (!region?.file) return undefined;
    const mapping = this.fileAt(address);
    if (!mapping) return undefined;
    const symbols = this.symbolsOf(mapping.path);
    const fileOffset = mapping.offset + (address - mapping.start);
    const segment = symbols?.segments.find(
      (found) => fileOffset >= found.offset - (found.address % 4096) && fileOffset < found.offset + found.fileSize,
    );
    if (!segment) return { file: mapping.path, value: fileOffset, symbols: undefined };
    return { file: mapping.path, value: segment.address + (fileOffset - segment.offset), symbols };
  }

  /**
   * The function of a name: of the program's own file first, then of the files that are mapped, from the highest address down (as
   * a dynamic linker maps them one after the other).
   * @param program its path on the host
   */
  addressOf(name: string, program: Uint8Array): { address: number; isIndirect: boolean } | undefined {
    const own = new TextDecoder().decode(program);
    const all = readHostMappings(this.hostBase).filter(({ path }) => path.startsWith('/'));
    this.hostMaps = undefined;
    const paths = [...new Set(all.map(({ path }) => path))].reverse();
    paths.sort((x, y) => Number(y === own) - Number(x === own));
    for (const path of paths) {
      const symbols = this.symbolsOf(path);
      const index = symbols?.names.indexOf(name) ?? -1;
      if (!symbols || index < 0) continue;
      const value = symbols.values[index]!;
      const segment = symbols.segments.find(({ address, fileSize }) => value >= address && value < address + fileSize);
      if (!segment) continue;
      const fileOffset = segment.offset + value - segment.address;
      const mapping = all.find(
        ({ path: file, offset, start, end }) =>
          file === path && fileOffset >= offset && fileOffset < offset + (end - start),
      );
      if (!mapping) continue;
      return { address: mapping.start + fileOffset - mapping.offset, isIndirect: symbols.indirect.has(name) };
    }
    return undefined;
  }

  /** The file mapped at a guest address, by the host kernel's list of mappings. */
  fileAt(address: number): HostMapping | undefined {
    const find = (): HostMapping | undefined =>
      this.hostMaps?.find((mapping) => mapping.start <= address && address < mapping.end);
    let found = find();
    // What was a reservation when the list was read may be a file now.
    if (!found || found.path === '') {
      this.hostMaps = readHostMappings(this.hostBase);
      found = find();
    }
    return found?.path === '' ? this.neighbourAt(address) : found;
  }

  /** A page that was replaced after a fault is no file's for the host, though what lies around it in the guest's mapping is. */
  private neighbourAt(address: number): HostMapping | undefined {
    const region = this.mappings.regions.at(address);
    return this.hostMaps?.find(
      ({ path, start, end }) => path !== '' && region && start < region.end && end > region.start,
    );
  }

  private symbolsOf(path: string): FileSymbols | undefined {
    if (!this.files.has(path)) {
      let symbols = readFileSymbols(path);
      const separate = symbols && this.debugFile?.(path);
      const more = separate === undefined ? undefined : readFileSymbols(separate);
      // A debug file's segments have no contents: where the code lies, the file itself tells.
      if (symbols && more && more.names.length > symbols.names.length)
        symbols = { ...more, segments: symbols.segments };
      this.files.set(path, symbols);
    }
    return this.files.get(path);
  }
}

/** Index of the symbol that contains a value: the last that begins at or below it and does not end before it, or -1. */
function findSymbol(symbols: FileSymbols, value: number): number {
  const { values, sizes } = symbols;
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  for (let index = low - 1; index >= 0 && index >= low - 8; index--) {
    if (sizes[index] === 0 || value < values[index]! + sizes[index]!) return index;
  }
  return -1;
}

/** The function symbols of a file on the host; undefined where it has none. */
export function readFileSymbols(path: string): FileSymbols | undefined {
  const fd = hostOpen(new TextEncoder().encode(path));
  if (fd < 0) return undefined;
  try {
    return readSymbols(fd, path);
  } catch (error) {
    if (error instanceof LoadError || error instanceof RangeError) return undefined;
    throw error;
  } finally {
    hostClose(fd);
  }
}

/** Bytes of a file; throws `RangeError` where it cannot be read. */
function readPart(fd: number, offset: number, length: number): Uint8Array {
  if (length > MAXIMUM_TABLE) throw new RangeError('symbol table too large');
  const bytes = hostRead(fd, offset, length);
  if (typeof bytes === 'number') throw new RangeError('unreadable');
  return bytes;
}

function readSymbols(fd: number, path: string): FileSymbols | undefined {
  const header = readElfHeader(readPart(fd, 0, ELF_HEADER_SIZE), path);
  const programHeaders = readProgramHeaders(
    readPart(fd, header.programHeaderOffset, programHeadersSize(header)),
    header,
    path,
  );
  const segments = programHeaders.filter((found) => found.type === Segment.load);
  if (header.type !== ElfType.executable && header.type !== ElfType.dynamic) return undefined;
  const sections = readSectionHeaders(readPart(fd, header.sectionHeaderOffset, sectionHeadersSize(header)), header);
  const symbols: ElfSymbol[] = [];
  for (const section of sections) {
    if (section.type === SHT_SYMTAB || section.type === SHT_DYNSYM) collectSymbols(fd, section, sections, symbols);
  }
  symbols.sort((x, y) => x.value - y.value || x.size - y.size);
  return {
    values: Uint32Array.from(symbols, (symbol) => symbol.value),
    sizes: Uint32Array.from(symbols, (symbol) => symbol.size),
    names: symbols.map((symbol) => symbol.name),
    indirect: new Set(symbols.filter(({ isIndirect }) => isIndirect).map(({ name }) => name)),
    segments,
  };
}

interface ElfSymbol {
  readonly value: number;
  readonly size: number;
  readonly name: string;
  readonly isIndirect: boolean;
}

function collectSymbols(
  fd: number,
  section: SectionHeader,
  sections: readonly SectionHeader[],
  symbols: ElfSymbol[],
): void {
  const strings = sections[section.link];
  if (!strings || section.entrySize !== SYMBOL_SIZE) return;
  const table = readPart(fd, section.offset, section.size);
  const names = readPart(fd, strings.offset, strings.size);
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  for (let at = 0; at + SYMBOL_SIZE <= table.length; at += SYMBOL_SIZE) {
    const nameOffset = view.getUint32(at, true);
    const value = view.getUint32(at + 4, true);
    const type = view.getUint8(at + 12) & 15;
    const isDefined = view.getUint16(at + 14, true) !== 0;
    if (!isDefined || value === 0 || nameOffset >= names.length) continue;
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC && type !== STT_NOTYPE) continue;
    const end = names.indexOf(0, nameOffset);
    const name = latin1.decode(names.subarray(nameOffset, end < 0 ? names.length : end));
    const isIndirect = type === STT_GNU_IFUNC;
    if (name !== '') symbols.push({ value, size: view.getUint32(at + 8, true), name, isIndirect });
  }
}

/** One line of the host's /proc/self/maps that lies in guest memory, in guest addresses. */
export interface HostMapping {
  start: number;
  end: number;
  permissions: string;
  offset: number;
  device: string;
  inode: string;
  path: string;
}

/** The host's mappings inside guest memory, with files; the reservations of what the guest has not mapped are among them. */
export function readHostMappings(hostBase: number): HostMapping[] {
  const text = hostReadAll('/proc/self/maps');
  if (typeof text === 'number') return [];
  const found: HostMapping[] = [];
  for (const line of new TextDecoder().decode(text).split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) (\S+) (\d+)\s*(.*)$/.exec(line);
    if (!match) continue;
    const start = parseInt(match[1]!, 16) - hostBase;
    const end = parseInt(match[2]!, 16) - hostBase;
    if (end <= 0 || start >= 0x1_0000_0000) continue;
    const [, , , permissions, offset, device, inode, path] = match;
    found.push({
      start,
      end,
      permissions: permissions!,
      offset: parseInt(offset!, 16),
      device: device!,
      inode: inode!,
      path: path!,
    });
  }
  return found;
}
