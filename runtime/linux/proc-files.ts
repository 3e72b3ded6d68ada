/** Files of /proc/self that would show Node: made here from what the guest is. */
import { PAGE_SHIFT, Page } from '../../translator/pages.js';
import { readHostMappings } from '../loader/symbols.js';
import type { GuestProcFiles } from './paths.js';
import type { LinuxProcess } from './process.js';

const encoder = new TextEncoder();
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;

export function guestProcFiles(process: LinuxProcess): GuestProcFiles {
  return {
    link: (name) => (name === 'exe' && process.executable.length > 0 ? process.executable : undefined),
    file(name) {
      switch (name) {
        case 'maps':
          return encoder.encode(guestMaps(process));
        case 'cmdline':
          return joinStrings(process.arguments);
        case 'environ':
          return joinStrings(process.environment);
        case 'auxv':
          return auxiliaryVector(process);
        default:
          return undefined;
      }
    },
  };
}

function joinStrings(strings: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(strings.reduce((sum, string) => sum + string.length + 1, 0));
  let at = 0;
  for (const string of strings) {
    bytes.set(string, at);
    at += string.length + 1;
  }
  return bytes;
}

/** The guest's regions in the format of proc(5), with the files' names as the host kernel knows them. */
export function guestMaps(process: LinuxProcess): string {
  const hostMappings = readHostMappings(process.hostBase);
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  let text = '';
  for (const region of process.mappings.regions.all) {
    const { protection } = region;
    const permissions =
      (protection & PROT_READ ? 'r' : '-') +
      (protection & PROT_WRITE ? 'w' : '-') +
      (protection & PROT_EXEC ? 'x' : '-') +
      (region.shared ? 's' : 'p');
    const host = hostMappings.find((mapping) => mapping.start <= region.start && region.start < mapping.end);
    const file = region.file ? host : undefined;
    const name = region.name || (file ? decodeGuestPath(process, file.path) : '');
    const line = `${hex(region.start)}-${hex(region.end)} ${permissions} ${hex(region.offset)} ${file?.device ?? '00:00'} ${file?.inode ?? '0'} `;
    text += name ? `${line.padEnd(73)}${name}\n` : `${line}\n`;
  }
  return text;
}

function decodeGuestPath(process: LinuxProcess, path: string): string {
  return new TextDecoder().decode(process.paths.guestPath(encoder.encode(path)));
}

/** The vector lies on the stack behind the environment's pointers. */
function auxiliaryVector(process: LinuxProcess): Uint8Array {
  const { memory } = process;
  let at = process.stackStart;
  const isReadable = (): boolean => (memory.pages[at >>> PAGE_SHIFT]! & Page.read) !== 0;
  const argumentCount = memory.view.getUint32(at, true);
  at += 4 + (argumentCount + 1) * 4;
  while (isReadable() && memory.view.getUint32(at, true) !== 0) at += 4;
  const start = at + 4;
  at = start;
  while (isReadable() && memory.view.getUint32(at, true) !== 0) at += 8;
  return memory.u8.slice(start, at + 8);
}
