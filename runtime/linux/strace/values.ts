/** Values as strace writes them: strings, addresses, flags, descriptors, structures. */
import type { GuestMemory } from '../../memory/guest-memory.js';
import { GuestTrap } from '../../memory/trap.js';
import { enumerationText, flagsText } from '../constants/flag-text.js';
import { AT_FDCWD } from '../files.js';
import { structures, type StructureName } from '../structures.js';

/** Bytes of a string that are shown (strace's `-s` default). */
export const STRING_LIMIT = 32;
/** Elements of an array that are shown. */
const ARRAY_LIMIT = 32;
const SA_RESTORER = 0x04000000;

const ESCAPES = new Map<number, string>([
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x0a, '\\n'],
  [0x09, '\\t'],
  [0x0d, '\\r'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
]);

/** `"text\n"`: octal for what is not printable, as short as the next character allows. */
export function quote(bytes: Uint8Array, isCut = false): string {
  let text = '"';
  bytes.forEach((byte, index) => {
    const escape = ESCAPES.get(byte);
    if (escape !== undefined) text += escape;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else {
      const next = bytes[index + 1];
      const digitFollows = next !== undefined && next >= 0x30 && next <= 0x39;
      text += '\\' + byte.toString(8).padStart(digitFollows ? 3 : 1, '0');
    }
  });
  return text + (isCut ? '"...' : '"');
}

export function hex(value: number | bigint): string {
  const unsigned = typeof value === 'bigint' ? value : value >>> 0;
  return `0x${unsigned.toString(16)}`;
}

export function pointer(address: number): string {
  return address === 0 ? 'NULL' : hex(address);
}

export function octal(value: number): string {
  return value === 0 ? '0' : `0${(value >>> 0).toString(8)}`;
}

export function descriptor(fd: number): string {
  return String(fd);
}

export function directory(fd: number): string {
  return fd === AT_FDCWD ? 'AT_FDCWD' : String(fd);
}

/** Runs a formatter that reads guest memory; an unreadable address is shown itself. */
export function orPointer(address: number, format: () => string): string {
  if (address === 0) return 'NULL';
  try {
    return format();
  } catch (error) {
    if (error instanceof GuestTrap) return hex(address);
    throw error;
  }
}

export function cString(memory: GuestMemory, address: number, limit: number): string {
  return orPointer(address, () => {
    const bytes = memory.readCString(address, limit + 1);
    return bytes.length > limit ? quote(bytes.subarray(0, limit), true) : quote(bytes);
  });
}

export function byteString(memory: GuestMemory, address: number, length: number): string {
  return orPointer(address, () => {
    const shown = Math.min(length >>> 0, STRING_LIMIT);
    return quote(memory.read(address, shown), length >>> 0 > STRING_LIMIT);
  });
}

/** `["ls", "-l"]`. */
export function stringVector(memory: GuestMemory, address: number): string {
  return orPointer(address, () => {
    const parts: string[] = [];
    for (let at = address; ; at += 4) {
      const string = memory.readU32(at);
      if (string === 0) break;
      if (parts.length === ARRAY_LIMIT) {
        parts.push('...');
        break;
      }
      parts.push(cString(memory, string, STRING_LIMIT));
    }
    return `[${parts.join(', ')}]`;
  });
}

/** The environment is only counted. */
export function environment(memory: GuestMemory, address: number): string {
  return orPointer(address, () => {
    let count = 0;
    while (memory.readU32(address + count * 4) !== 0) count++;
    return `${hex(address)} /* ${count} var${count === 1 ? '' : 's'} */`;
  });
}

/** `[INT CHLD]`, or with a tilde what is missing where that is shorter. */
export function signalSet(set: bigint): string {
  const all: string[] = [];
  const missing: string[] = [];
  for (let signal = 1; signal <= 64; signal++) {
    const isMember = (set & (1n << BigInt(signal - 1))) !== 0n;
    (isMember ? all : missing).push(signalName(signal).replace(/^SIG/, ''));
  }
  return all.length > 32 ? `~[${missing.join(' ')}]` : `[${all.join(' ')}]`;
}

export function signalName(signal: number): string {
  if (signal === 32) return 'SIGRTMIN';
  if (signal > 32 && signal <= 64) return `SIGRT_${signal - 32}`;
  const name = enumerationText('signal', signal);
  return name.startsWith('0x') ? String(signal) : name;
}

/** `[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]`. */
export function waitStatus(status: number): string {
  const signal = status & 0x7f;
  if (status === 0xffff) return '[{WIFCONTINUED(s)}]';
  if (signal === 0) return `[{WIFEXITED(s) && WEXITSTATUS(s) == ${(status >> 8) & 0xff}}]`;
  if (signal === 0x7f) return `[{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName((status >> 8) & 0xff)}}]`;
  const core = status & 0x80 ? ' && WCOREDUMP(s)' : '';
  return `[{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(signal)}${core}}]`;
}

/** `makedev(0x8, 0x1)` for the encoding that stat and mknod use. */
export function device(value: number): string {
  const low = value >>> 0;
  return `makedev(${hex((low >>> 8) & 0xfff)}, ${hex((low & 0xff) | ((low >>> 12) & 0xfff00))})`;
}

/** `S_IFREG|0644`. */
export function fileMode(mode: number): string {
  const type = mode & 0o170000;
  const permissions = octal(mode & 0o7777);
  if (type === 0) return permissions;
  const bits: string[] = [];
  if (mode & 0o4000) bits.push('S_ISUID');
  if (mode & 0o2000) bits.push('S_ISGID');
  if (mode & 0o1000) bits.push('S_ISVTX');
  const text = octal(mode & 0o777).padStart(4, '0');
  return [enumerationText('fileType', type), ...bits, text].join('|');
}

type Values = Record<string, number | number[]>;

/** Structures of which strace shows some fields, or some fields by name. */
const special: Partial<Record<StructureName, (values: Values) => string>> = {
  stat: (values) => statText(values),
  oldStat: (values) => statText(values),
  stat64: (values) => statText(values),
  statx: (values) => {
    const { stx_mask: mask, stx_mode: mode, stx_size: size } = values;
    return `{stx_mask=${flagsText('statx', Number(mask))}, stx_mode=${fileMode(Number(mode))}, stx_size=${String(size)}, ...}`;
  },
  utsname: (values) => `{sysname=${characters(values['sysname'])}, nodename=${characters(values['nodename'])}, ...}`,
  rlimit: (values) => limitText(values, 0xffffffff),
  rlimit64: (values) => limitText(values, Number(0xffff_ffff_ffff_ffffn)),
  flock: (values) => lockText(values),
  flock64: (values) => lockText(values),
  rusage: (values) =>
    `{ru_utime=${timeText(values, 'ru_utime', 'tv_usec')}, ru_stime=${timeText(values, 'ru_stime', 'tv_usec')}, ...}`,
  rtSigaction: (values) => {
    const [low, high] = values['sa_mask'] as [number, number];
    const handler = Number(values['sa_handler']);
    const flags = Number(values['sa_flags']);
    const restorer = flags & SA_RESTORER ? `, sa_restorer=${hex(Number(values['sa_restorer']))}` : '';
    const name = handler === 0 ? 'SIG_DFL' : handler === 1 ? 'SIG_IGN' : hex(handler);
    const mask = signalSet((BigInt(high) << 32n) | BigInt(low));
    return `{sa_handler=${name}, sa_mask=${mask}, sa_flags=${flagsText('signalAction', flags)}${restorer}}`;
  },
  openHow: (values) =>
    `{flags=${flagsText('open', Number(values['flags']))}, mode=${octal(Number(values['mode']))}, resolve=${hex(Number(values['resolve']))}}`,
};

function statText(values: Values): string {
  const mode = Number(values['st_mode']);
  const type = mode & 0o170000;
  const isDevice = type === 0o20000 || type === 0o60000;
  const size = isDevice ? `st_rdev=${device(Number(values['st_rdev']))}` : `st_size=${String(values['st_size'])}`;
  return `{st_mode=${fileMode(mode)}, ${size}, ...}`;
}

function characters(value: number | number[] | undefined): string {
  const bytes = Uint8Array.from(Array.isArray(value) ? value : []);
  const end = bytes.indexOf(0);
  return quote(end < 0 ? bytes : bytes.subarray(0, end));
}

function limitText(values: Values, infinity: number): string {
  const text = (value: number): string => {
    if (value === infinity) return 'RLIM_INFINITY';
    return value > 1024 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
  };
  return `{rlim_cur=${text(Number(values['rlim_cur']))}, rlim_max=${text(Number(values['rlim_max']))}}`;
}

function lockText(values: Values): string {
  const type = enumerationText('lockType', Number(values['l_type']));
  const whence = enumerationText('seek', Number(values['l_whence']));
  return `{l_type=${type}, l_whence=${whence}, l_start=${String(values['l_start'])}, l_len=${String(values['l_len'])}}`;
}

function timeText(values: Values, name: string, fraction: string): string {
  return `{tv_sec=${String(values[`${name}.tv_sec`])}, ${fraction}=${String(values[`${name}.${fraction}`])}}`;
}

/** `{tv_sec=1, tv_nsec=0}`; fields named `a.b` become a structure `a` inside. */
export function structure(memory: GuestMemory, name: StructureName, address: number): string {
  return orPointer(address, () => {
    const declared = structures[name];
    memory.checkRead(address, declared.i386.size);
    const values = declared.read(memory.view, address >>> 0);
    return special[name]?.(values) ?? plainStructure(values);
  });
}

function plainStructure(values: Values): string {
  const parts: string[] = [];
  let outer = '';
  for (const [path, value] of Object.entries(values)) {
    const [first, second] = path.split('.', 2) as [string, string | undefined];
    const text = Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
    if (second === undefined) {
      parts.push(`${first}=${text}`);
      outer = '';
    } else if (first === outer) {
      parts.push(`${parts.pop()!.slice(0, -1)}, ${second}=${text}}`);
    } else {
      parts.push(`${first}={${second}=${text}}`);
      outer = first;
    }
  }
  return `{${parts.join(', ')}}`;
}

/** A socket address of any family. */
export function socketAddress(memory: GuestMemory, address: number, length: number): string {
  return orPointer(address, () => {
    if (length < 2 || length > 128) return hex(address);
    const bytes = memory.read(address, length);
    const view = new DataView(bytes.buffer);
    const family = view.getUint16(0, true);
    const name = enumerationText('socketDomain', family);
    const prefix = `{sa_family=${name.startsWith('0x') ? String(family) : name}`;
    if (family === 1) {
      const path = bytes.subarray(2);
      if (path.length === 0) return `${prefix}}`;
      if (path[0] === 0) return `${prefix}, sun_path=@${quote(path.subarray(1))}}`;
      const end = path.indexOf(0);
      return `${prefix}, sun_path=${quote(end < 0 ? path : path.subarray(0, end))}}`;
    }
    if (family === 2 && length >= 8) {
      const ip = bytes.subarray(4, 8).join('.');
      return `${prefix}, sin_port=htons(${view.getUint16(2)}), sin_addr=inet_addr("${ip}")}`;
    }
    if (family === 10 && length >= 24) {
      const groups: string[] = [];
      for (let at = 8; at < 24; at += 2) groups.push(view.getUint16(at).toString(16));
      return `${prefix}, sin6_port=htons(${view.getUint16(2)}), inet_pton(AF_INET6, "${compressIpv6(groups)}"), sin6_flowinfo=htonl(${view.getUint32(4)}), sin6_scope_id=${length >= 28 ? view.getUint32(24, true) : 0}}`;
    }
    return `${prefix}, sa_data=${quote(bytes.subarray(2, 2 + STRING_LIMIT))}}`;
  });
}

/** The longest run of zero groups becomes `::` (RFC 5952). */
function compressIpv6(groups: string[]): string {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}

/** `[{iov_base="text", iov_len=4}]`; `total` bounds what of the buffers is shown. */
export function vector(memory: GuestMemory, address: number, count: number, total = Infinity): string {
  return orPointer(address, () => {
    const parts: string[] = [];
    let left = total;
    for (let index = 0; index < Math.min(count, ARRAY_LIMIT); index++) {
      const base = memory.readU32(address + index * 8);
      const length = memory.readU32(address + index * 8 + 4);
      const shown = Math.max(Math.min(length, left), 0);
      parts.push(`{iov_base=${byteString(memory, base, shown)}, iov_len=${length}}`);
      left -= shown;
    }
    if (count > ARRAY_LIMIT) parts.push('...');
    return `[${parts.join(', ')}]`;
  });
}

/** `[{fd=0, events=POLLIN}]`, with the returned events of those that have some when `returned`. */
export function pollDescriptors(memory: GuestMemory, address: number, count: number, returned: boolean): string {
  return orPointer(address, () => {
    const parts: string[] = [];
    for (let index = 0; index < Math.min(count, ARRAY_LIMIT); index++) {
      const at = address + index * 8;
      const fd = memory.readI32(at);
      const events = memory.readU16(at + (returned ? 6 : 4));
      if (returned && events === 0) continue;
      parts.push(`{fd=${fd}, ${returned ? 'revents' : 'events'}=${flagsText('poll', events)}}`);
    }
    if (count > ARRAY_LIMIT) parts.push('...');
    return `[${parts.join(', ')}]`;
  });
}

/** `[0 3]`. */
export function descriptorSet(memory: GuestMemory, address: number, count: number): string {
  return orPointer(address, () => {
    const members: number[] = [];
    for (let fd = 0; fd < Math.min(count, 1024); fd++) {
      if (memory.readU8(address + (fd >>> 3)) & (1 << (fd & 7))) members.push(fd);
    }
    return `[${members.join(' ')}]`;
  });
}

/** `struct msghdr` with its vector. */
export function message(memory: GuestMemory, address: number, total = Infinity): string {
  return orPointer(address, () => {
    memory.checkRead(address, structures.msghdr.i386.size);
    const values = structures.msghdr.read(memory.view, address >>> 0) as Record<string, number>;
    const name = socketAddress(memory, values['msg_name']!, values['msg_namelen']!);
    const iov = vector(memory, values['msg_iov']!, values['msg_iovlen']!, total);
    const control = values['msg_controllen']! === 0 ? '' : `msg_control=${hex(values['msg_control']!)}, `;
    return `{msg_name=${name}, msg_namelen=${values['msg_namelen']!}, msg_iov=${iov}, msg_iovlen=${values['msg_iovlen']!}, ${control}msg_controllen=${values['msg_controllen']!}, msg_flags=${flagsText('messageFlags', values['msg_flags']!)}}`;
  });
}
