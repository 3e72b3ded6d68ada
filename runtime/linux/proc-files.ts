/** Files of /proc/self that would show Node: made here from what the guest is. */
import { readHostMappings } from '../loader/symbols.js';
import { auxiliaryVector } from './auxiliary-vector.js';
import { SIG_DFL, SIG_IGN, SIGNAL_COUNT, signalBit } from './constants/signals.js';
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
        case 'status':
          return encoder.encode(guestStatus(process));
        case 'stat':
          return encoder.encode(guestStat(process));
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

const latin1 = new TextDecoder('latin1');

/** The host's file with the lines replaced that would show Node: threads, signals, the size of the address space. */
function guestStatus(process: LinuxProcess): string {
  const { signals, thread } = process;
  let ignored = 0n;
  let caught = 0n;
  for (let signal = 1; signal <= SIGNAL_COUNT; signal++) {
    const { handler } = signals.action(signal);
    if (handler === SIG_IGN) ignored |= signalBit(signal);
    else if (handler !== SIG_DFL) caught |= signalBit(signal);
  }
  const set = (mask: bigint): string => mask.toString(16).padStart(16, '0');
  const size = `${String(addressSpaceSize(process) >> 10).padStart(8)} kB`;
  const lines: Readonly<Record<string, string>> = {
    VmPeak: size,
    VmSize: size,
    Threads: String(process.threadIds().length),
    SigPnd: set(signals.pending()),
    ShdPnd: set(0n),
    SigBlk: set(thread.signalMask),
    SigIgn: set(ignored),
    SigCgt: set(caught),
  };
  return latin1
    .decode(process.readHostProc('status'))
    .replace(/^(\w+):\t.*$/gm, (line, name: string) => (name in lines ? `${name}:\t${lines[name]!}` : line));
}

/** Fields of /proc/PID/stat by their numbers in proc(5). */
const StatField = { threads: 20, size: 23, startCode: 26, endCode: 27, startStack: 28 } as const;

function guestStat(process: LinuxProcess): string {
  const text = latin1.decode(process.readHostProc('stat'));
  const start = text.lastIndexOf(')') + 2;
  const fields = text.slice(start).trimEnd().split(' ');
  const put = (field: number, value: number): void => void (fields[field - 3] = String(value));
  const code = [...process.mappings.regions.all].find(({ protection }) => protection & PROT_EXEC);
  put(StatField.threads, process.threadIds().length);
  put(StatField.size, addressSpaceSize(process));
  put(StatField.startCode, code?.start ?? 0);
  put(StatField.endCode, code?.end ?? 0);
  put(StatField.startStack, process.stackStart);
  return `${text.slice(0, start)}${fields.join(' ')}\n`;
}

function addressSpaceSize(process: LinuxProcess): number {
  let size = 0;
  for (const region of process.mappings.regions.all) size += region.end - region.start;
  return size;
}
