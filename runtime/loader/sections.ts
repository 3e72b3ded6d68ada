/** Sections of an ELF file by their names, and where the symbols are that were separated from one (gdb's manual, "Separate Debug Files"). */
import { hostClose, hostOpen, hostRead } from '../host/buffer.js';
import { ELF_HEADER_SIZE, readElfHeader, readSectionHeaders, sectionHeadersSize } from './elf.js';
import { LoadError } from './load-error.js';

export interface Section {
  /** As in the file; 0 where it is not loaded. */
  readonly address: number;
  readonly bytes: Uint8Array;
}

const SHT_NOBITS = 8;
const SHF_COMPRESSED = 0x800;
const ELFCOMPRESS_ZLIB = 1;
/** `Elf32_Chdr`: type, size, alignment. */
const COMPRESSION_HEADER = 12;
/** Sections larger than this are left out. */
const MAXIMUM_SECTION = 64 << 20;
const latin1 = new TextDecoder('latin1');
const encoder = new TextEncoder();

/**
 * The sections of some names; those that a file lacks, or all where it cannot be read, are not in the map.
 * @param inflate for compressed ones (zlib), which are left out without it, and where it gives nothing
 */
export function readSections(
  path: string,
  names: readonly string[],
  inflate?: (bytes: Uint8Array) => Uint8Array | undefined,
): Map<string, Section> {
  const found = new Map<string, Section>();
  const fd = hostOpen(encoder.encode(path));
  if (fd < 0) return found;
  const part = (offset: number, length: number): Uint8Array => {
    const bytes = length > MAXIMUM_SECTION ? 0 : hostRead(fd, offset, length);
    if (typeof bytes === 'number') throw new RangeError('unreadable');
    return bytes;
  };
  try {
    const header = readElfHeader(part(0, ELF_HEADER_SIZE), path);
    const sections = readSectionHeaders(part(header.sectionHeaderOffset, sectionHeadersSize(header)), header);
    const strings = sections[header.sectionNamesIndex];
    if (!strings) return found;
    const texts = part(strings.offset, strings.size);
    for (const section of sections) {
      const end = texts.indexOf(0, section.name);
      const name = latin1.decode(texts.subarray(section.name, end < 0 ? texts.length : end));
      if (!names.includes(name) || section.type === SHT_NOBITS) continue;
      const bytes = part(section.offset, section.size);
      if (!(section.flags & SHF_COMPRESSED)) found.set(name, { address: section.address, bytes });
      else if (bytes[0] === ELFCOMPRESS_ZLIB) {
        const contents = inflate?.(bytes.subarray(COMPRESSION_HEADER));
        if (contents) found.set(name, { address: section.address, bytes: contents });
      }
    }
  } catch (error) {
    if (!(error instanceof LoadError) && !(error instanceof RangeError)) throw error;
  } finally {
    hostClose(fd);
  }
  return found;
}

const DEBUG_DIRECTORY = '/usr/lib/debug';
const BUILD_ID = '.note.gnu.build-id';
const DEBUG_LINK = '.gnu_debuglink';
/** The note's header and the name "GNU". */
const BUILD_ID_OFFSET = 16;

/**
 * The file with what was separated from a program or library, by its build id or by its link, if it is there.
 * @param hostPath from the guest's path of a file to the host's
 * @param guestPath from the host's to the guest's
 */
export function separateDebugFile(
  path: string,
  hostPath: (path: string) => string,
  guestPath: (path: string) => string,
): string | undefined {
  const sections = readSections(path, [BUILD_ID, DEBUG_LINK]);
  const candidates: string[] = [];
  const id = sections.get(BUILD_ID)?.bytes.subarray(BUILD_ID_OFFSET);
  if (id && id.length > 1) {
    const digits = Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
    candidates.push(`${DEBUG_DIRECTORY}/.build-id/${digits.slice(0, 2)}/${digits.slice(2)}.debug`);
  }
  const link = sections.get(DEBUG_LINK)?.bytes;
  if (link) {
    const name = latin1.decode(link.subarray(0, link.indexOf(0)));
    const file = guestPath(path);
    const directory = file.slice(0, file.lastIndexOf('/'));
    for (const place of [directory, `${directory}/.debug`, DEBUG_DIRECTORY + directory]) {
      candidates.push(`${place}/${name}`);
    }
  }
  return candidates.map(hostPath).find((candidate) => candidate !== path && isReadable(candidate));
}

function isReadable(path: string): boolean {
  const fd = hostOpen(encoder.encode(path));
  if (fd >= 0) hostClose(fd);
  return fd >= 0;
}
