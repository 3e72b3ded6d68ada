/**
 * ELF headers of i386 programs and libraries: read from bytes, every field checked before it is used, since files may be
 * damaged or hostile. What is mapped from them is `load.ts`'s business, their symbols are `symbols.ts`'s.
 */
import { LoadError } from './load-error.js';

export const ELF_HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const SECTION_HEADER_SIZE = 40;
/** Linux refuses program header tables above this size (fs/binfmt_elf.c, load_elf_phdrs). */
const MAXIMUM_PROGRAM_HEADERS = 65536;

const ELFCLASS32 = 1;
const ELFDATA2LSB = 1;
const EM_386 = 3;
const EM_486 = 6;
export const ElfType = { executable: 2, dynamic: 3 } as const;

export const Segment = {
  load: 1,
  dynamic: 2,
  interpreter: 3,
  programHeaders: 6,
  tls: 7,
  gnuStack: 0x6474e551,
} as const;
export const SegmentFlag = { execute: 1, write: 2, read: 4 } as const;

export interface ProgramHeader {
  type: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
  flags: number;
  alignment: number;
}

export interface ElfHeader {
  type: number;
  entry: number;
  programHeaderOffset: number;
  programHeaderCount: number;
  sectionHeaderOffset: number;
  sectionHeaderCount: number;
  sectionNamesIndex: number;
}

export interface SectionHeader {
  /** Offset of the section's name in the section that `ElfHeader.sectionNamesIndex` names. */
  name: number;
  type: number;
  flags: number;
  address: number;
  offset: number;
  size: number;
  link: number;
  entrySize: number;
}

const MACHINES = new Map([
  [2, 'SPARC'],
  [8, 'MIPS'],
  [20, 'PowerPC'],
  [21, 'PowerPC64'],
  [22, 'S390'],
  [40, 'ARM'],
  [62, 'x86_64'],
  [183, 'AArch64'],
  [243, 'RISC-V'],
]);

/** Whether a file's first bytes are an ELF file's. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Class and machine of an ELF file's first bytes, undefined when they are none or too few. */
export function elfMachine(bytes: Uint8Array): { is32: boolean; machine: number } | undefined {
  if (!isElf(bytes) || bytes.length < 20) return undefined;
  return { is32: bytes[4] === ELFCLASS32, machine: bytes[18]! | (bytes[19]! << 8) };
}

/** Whether a file's first bytes are those of an ELF file for i386. */
export function isGuestElf(bytes: Uint8Array): boolean {
  const found = elfMachine(bytes);
  return found !== undefined && found.is32 && (found.machine === EM_386 || found.machine === EM_486);
}

/** The ELF header of an i386 program or library. Throws `LoadError` naming `path` for anything else. */
export function readElfHeader(bytes: Uint8Array, path: string): ElfHeader {
  if (!isElf(bytes)) throw new LoadError(`${path}: not an ELF file`, 126);
  if (bytes.length < 20) throw new LoadError(`${path}: truncated ELF file`, 126);
  const { is32, machine } = elfMachine(bytes)!;
  const machineName = MACHINES.get(machine) ?? `machine number ${machine}`;
  if (machine !== EM_386 && machine !== EM_486) {
    throw new LoadError(`${path}: an ELF file for ${machineName}, not for i386`, 126);
  }
  if (!is32) throw new LoadError(`${path}: an ELF file of 64-bit class, not of 32-bit class`, 126);
  if (bytes[5] !== ELFDATA2LSB) throw new LoadError(`${path}: a big-endian ELF file`, 126);
  if (bytes.length < ELF_HEADER_SIZE) throw new LoadError(`${path}: truncated ELF file`, 126);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = view.getUint16(16, true);
  if (type !== ElfType.executable && type !== ElfType.dynamic) {
    throw new LoadError(`${path}: an ELF file that is no program (type ${type})`, 126);
  }
  const count = view.getUint16(44, true);
  if (view.getUint16(42, true) !== PROGRAM_HEADER_SIZE) {
    throw new LoadError(`${path}: damaged ELF file: program headers of a wrong size`, 126);
  }
  if (count === 0 || count * PROGRAM_HEADER_SIZE > MAXIMUM_PROGRAM_HEADERS) {
    throw new LoadError(`${path}: damaged ELF file: ${count} program headers`, 126);
  }
  return {
    type,
    entry: view.getUint32(24, true),
    programHeaderOffset: view.getUint32(28, true),
    programHeaderCount: count,
    sectionHeaderOffset: view.getUint32(32, true),
    sectionHeaderCount: view.getUint16(46, true) === SECTION_HEADER_SIZE ? view.getUint16(48, true) : 0,
    sectionNamesIndex: view.getUint16(50, true),
  };
}

/** The program headers in `bytes`, which begin at the file's program header offset. */
export function readProgramHeaders(bytes: Uint8Array, header: ElfHeader, path: string): ProgramHeader[] {
  if (bytes.length < header.programHeaderCount * PROGRAM_HEADER_SIZE) {
    throw new LoadError(`${path}: truncated ELF file: its program headers are missing`, 126);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headers: ProgramHeader[] = [];
  for (let index = 0; index < header.programHeaderCount; index++) {
    const at = index * PROGRAM_HEADER_SIZE;
    headers.push({
      type: view.getUint32(at, true),
      offset: view.getUint32(at + 4, true),
      address: view.getUint32(at + 8, true),
      fileSize: view.getUint32(at + 16, true),
      memorySize: view.getUint32(at + 20, true),
      flags: view.getUint32(at + 24, true),
      alignment: view.getUint32(at + 28, true),
    });
  }
  return headers;
}

export function programHeadersSize(header: ElfHeader): number {
  return header.programHeaderCount * PROGRAM_HEADER_SIZE;
}

export function sectionHeadersSize(header: ElfHeader): number {
  return header.sectionHeaderCount * SECTION_HEADER_SIZE;
}

/** As many section headers as `bytes`, which begin at the file's section header offset, hold. */
export function readSectionHeaders(bytes: Uint8Array, header: ElfHeader): SectionHeader[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headers: SectionHeader[] = [];
  for (let index = 0; index < header.sectionHeaderCount; index++) {
    const at = index * SECTION_HEADER_SIZE;
    if (at + SECTION_HEADER_SIZE > bytes.length) break;
    headers.push({
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      flags: view.getUint32(at + 8, true),
      address: view.getUint32(at + 12, true),
      offset: view.getUint32(at + 16, true),
      size: view.getUint32(at + 20, true),
      link: view.getUint32(at + 24, true),
      entrySize: view.getUint32(at + 36, true),
    });
  }
  return headers;
}
