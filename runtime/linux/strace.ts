/**
 * `--strace`: one line a system call in strace's own form. Arguments that go in are formatted before the call (a successful
 * `execve` leaves nothing of them), those that come out after it; the line is written whole when the call is over.
 */
import { HostBuffer } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import { strerror } from '../host/strerror.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { errnoName } from './constants/errno.js';
import { enumerationText, flagsText } from './constants/flag-text.js';
import { flagTables, type FlagTableName } from './constants/flags.js';
import { Host } from './constants/host-syscalls.js';
import { syscallName } from './constants/syscalls.js';
import type { LinuxProcess } from './process.js';
import * as show from './strace/values.js';
import { structures, type StructureName } from './structures.js';
import { NO_RESULT, type ArgumentKind, type SyscallDeclaration } from './syscalls/declare.js';

const AT_FDCWD = -100;
const O_WRONLY_CREAT_APPEND = 0o1 | 0o100 | 0o2000;
const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;
const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
/** Where the emulator's own descriptor goes, above what programs close in loops. */
const LOWEST_OWN = 600;
const PATH_LIMIT = 4095;
/** Calls whose child comes back with 0 from a call that it did not make. */
const FORKS: ReadonlySet<string> = new Set(['fork', 'vfork', 'clone', 'clone3']);

/** A line that waits for its call's result. */
export interface StraceLine {
  readonly process: LinuxProcess;
  readonly declaration: SyscallDeclaration;
  readonly registers: readonly number[];
  /** Text of each argument, undefined where it is known only afterwards. */
  readonly parts: (string | undefined)[];
}

type Bytes = (line: string) => void;

export class StraceWriter {
  private output: number | undefined;
  private firstPid: number | undefined;
  private readonly write: Bytes;

  /** Lines go to a file (appended to, `%p` is not replaced) or to the stderr that the emulator was started with, or to a function. */
  constructor(private readonly target: { readonly file?: string; readonly write?: Bytes } = {}) {
    this.write = target.write ?? ((line) => this.writeOutput(line));
  }

  /** Before the call. */
  enter(process: LinuxProcess, declaration: SyscallDeclaration, registers: readonly number[]): StraceLine {
    const line: StraceLine = { process, declaration, registers, parts: [] };
    this.firstPid ??= process.pid;
    forEachArgument(declaration, registers, (kind, index, register) => {
      line.parts[index] = before(process.memory, kind, registers, register, declaration);
    });
    // It will not come back.
    if (declaration.result === 'none') this.put(process, `${this.call(line)} = ?`);
    return line;
  }

  /** After the call, which may have been the guest's last. */
  leave(line: StraceLine, result: number): void {
    const { process, declaration, registers } = line;
    if (declaration.result === 'none' && (result === NO_RESULT || result >= 0)) return;
    if (FORKS.has(declaration.name) && result === 0) return;
    const value = result === NO_RESULT ? 0 : result;
    const succeeded = value >= 0 || value < -4095;
    forEachArgument(declaration, registers, (kind, index, register) => {
      line.parts[index] ??= after(process.memory, kind, registers, register, value, succeeded);
    });
    this.put(process, `${this.call(line)} = ${resultText(line, value)}`);
  }

  /** A call that no declaration describes. */
  unknown(process: LinuxProcess, number: number, registers: readonly number[], result: number): void {
    const name = syscallName(number) ?? `syscall_${show.hex(number)}`;
    const text = `${name}(${registers.map((value) => show.hex(value)).join(', ')})`;
    this.put(process, `${text} = ${errorText(result)}`);
  }

  /** A line about something else than a call: `--- SIGINT {si_signo=SIGINT} ---`, `+++ exited with 0 +++`. */
  note(process: LinuxProcess, text: string): void {
    this.put(process, text);
  }

  private call(line: StraceLine): string {
    return `${line.declaration.name}(${line.parts.filter((part) => part !== undefined && part !== '').join(', ')})`;
  }

  private put(process: LinuxProcess, text: string): void {
    // strace pads to column 40 before the equals sign.
    const at = text.lastIndexOf(' = ');
    const padded = at >= 0 && at < 40 && text[at - 1] === ')' ? text.slice(0, at).padEnd(39) + text.slice(at) : text;
    const id = process.threads.isThreaded ? process.tid : process.pid;
    const prefix = id === this.firstPid ? '' : `[pid ${id}] `;
    this.write(`${prefix}${padded}\n`);
  }

  private writeOutput(line: string): void {
    this.output ??= this.open();
    const bytes = new TextEncoder().encode(line);
    const buffer = new HostBuffer(Math.max(bytes.length, 128));
    buffer.bytes.set(bytes);
    syscall(Host.write, this.output, buffer.address, bytes.length);
  }

  /** Opened at the first line: what is opened before the guest's descriptors are taken over would be taken for one of them. */
  private open(): number {
    let fd = 2;
    if (this.target.file !== undefined) {
      const path = new TextEncoder().encode(this.target.file);
      const buffer = new HostBuffer(path.length + 128);
      const name = buffer.putCString(path);
      fd = syscall(Host.openat, AT_FDCWD, name, O_WRONLY_CREAT_APPEND | O_CLOEXEC, 0o666);
    }
    const own = syscall(Host.fcntl, fd, F_DUPFD_CLOEXEC, LOWEST_OWN);
    if (own >= 0 && fd > 2) syscall(Host.close, fd);
    return own >= 0 ? own : fd;
  }
}

/** Calls `visit` with each kind, its place in the list and the register where it starts. */
function forEachArgument(
  declaration: SyscallDeclaration,
  registers: readonly number[],
  visit: (kind: ArgumentKind, index: number, register: number) => void,
): void {
  let register = 0;
  declaration.arguments.forEach((kind, index) => {
    if (register < registers.length) visit(kind, index, register);
    register += kind === 'int64' || kind === 'int64-high-first' ? 2 : 1;
  });
}

function int64Text(low: number, high: number): string {
  return ((BigInt(high) << 32n) | BigInt(low >>> 0)).toString();
}

/** `kind` split at its first colon. */
function splitKind(kind: ArgumentKind): [name: string, detail: string] {
  const at = kind.indexOf(':');
  return at < 0 ? [kind, ''] : [kind.slice(0, at), kind.slice(at + 1)];
}

/** An argument's text as far as it is known before the call; undefined for what comes out. */
function before(
  memory: GuestMemory,
  kind: ArgumentKind,
  registers: readonly number[],
  at: number,
  { name }: SyscallDeclaration,
): string | undefined {
  const value = registers[at]!;
  const next = registers[at + 1] ?? 0;
  const [family, detail] = splitKind(kind);
  switch (family) {
    case 'int':
    case 'fd':
      return String(value);
    case 'unsigned':
      return String(value >>> 0);
    case 'hex':
      return show.hex(value);
    case 'octal':
      return show.octal(value);
    case 'pointer':
      return show.pointer(value);
    case 'directory':
      return show.directory(value);
    case 'path':
      return show.cString(memory, value, PATH_LIMIT);
    case 'string':
      return show.cString(memory, value, show.STRING_LIMIT);
    case 'strings':
      return show.stringVector(memory, value);
    case 'environment':
      return show.environment(memory, value);
    case 'signal':
      return show.signalName(value);
    case 'signal-set':
      return show.orPointer(value, () => show.signalSet(memory.readU64(value)));
    case 'signal-set32':
      return show.orPointer(value, () => show.signalSet(BigInt(memory.readU32(value))));
    case 'mode': {
      const flags = registers[at - 1] ?? 0;
      const isOpen = name === 'open' || name === 'openat';
      return isOpen && (flags & (O_CREAT | O_TMPFILE)) === 0 ? '' : show.octal(value);
    }
    case 'device':
      return show.device(value);
    case 'int64':
      return int64Text(value, next);
    case 'int64-high-first':
      return int64Text(next, value);
    case 'unused':
      return '';
    case 'bytes-in':
      return show.byteString(memory, value, registers[Number(detail)]!);
    case 'iovec-in':
      return show.vector(memory, value, next);
    case 'int-in':
      return show.orPointer(value, () => `[${memory.readI32(value)}]`);
    case 'fd-set':
      return show.descriptorSet(memory, value, registers[0]!);
    case 'pollfds':
      return show.pollDescriptors(memory, value, next, false);
    case 'address-in':
      return show.socketAddress(memory, value, next);
    case 'message-in':
      return show.message(memory, value);
    case 'fcntl-argument':
      return fcntlArgument(memory, registers[1]!, value);
    case 'ioctl-argument':
      return ioctlSets(registers[1]!) ? ioctlArgument(memory, registers[1]!, value) : undefined;
    case 'flags':
      return flagsText(detail as FlagTableName, value);
    case 'enum':
      return enumeration(detail as FlagTableName, value);
    case 'in':
      return structureText(memory, detail, value);
    default:
      return undefined;
  }
}

/** The text of an argument that came out, or its address when the call failed. */
function after(
  memory: GuestMemory,
  kind: ArgumentKind,
  registers: readonly number[],
  at: number,
  result: number,
  succeeded: boolean,
): string {
  const value = registers[at]!;
  const next = registers[at + 1] ?? 0;
  if (!succeeded || value === 0) return show.pointer(value);
  const [family, detail] = splitKind(kind);
  switch (family) {
    case 'bytes-result':
      return show.byteString(memory, value, result);
    case 'bytes-out':
      return show.byteString(memory, value, registers[Number(detail)]!);
    case 'iovec-out':
      return show.vector(memory, value, next, result);
    case 'int-out':
      return show.orPointer(value, () => `[${memory.readI32(value)}]`);
    case 'wait-status':
      return show.orPointer(value, () => (result === 0 ? show.pointer(value) : show.waitStatus(memory.readI32(value))));
    case 'unsigned-out':
      return show.orPointer(value, () => `[${memory.readU32(value)}]`);
    case 'pair-out':
      return show.orPointer(value, () => `[${memory.readI32(value)}, ${memory.readI32(value + 4)}]`);
    case 'int64-inout':
      return show.orPointer(value, () => `[${BigInt.asIntN(64, memory.readU64(value))}]`);
    case 'signal-set-out':
      return show.orPointer(value, () => show.signalSet(memory.readU64(value)));
    case 'address-out':
      return show.orPointer(next, () => show.socketAddress(memory, value, memory.readI32(next)));
    case 'message-out':
      return show.message(memory, value, result);
    case 'ioctl-argument':
      return ioctlArgument(memory, registers[1]!, value);
    case 'out':
      return structureText(memory, detail, value);
    default:
      return show.pointer(value);
  }
}

function structureText(memory: GuestMemory, name: string, address: number): string {
  return name in structures ? show.structure(memory, name as StructureName, address) : show.pointer(address);
}

function enumeration(table: FlagTableName, value: number): string {
  if (!(table in flagTables)) return show.hex(value);
  return enumerationText(table, value);
}

const F_SETFD = 2;
const F_SETFL = 4;
const FCNTL_DECIMAL: ReadonlySet<number> = new Set([0, 8, 10, 1024, 1030, 1031]);
const FCNTL_WITHOUT: ReadonlySet<number> = new Set([1, 3, 9, 11, 1025, 1032, 1034]);

function fcntlArgument(memory: GuestMemory, command: number, value: number): string {
  if (FCNTL_WITHOUT.has(command)) return '';
  if (FCNTL_DECIMAL.has(command)) return String(value);
  if (command === F_SETFD) return flagsText('fdFlags', value);
  if (command === F_SETFL) return flagsText('open', value);
  if (command >= 5 && command <= 7) return show.structure(memory, 'flock', value);
  if ((command >= 12 && command <= 14) || (command >= 36 && command <= 38)) {
    return show.structure(memory, 'flock64', value);
  }
  return show.hex(value);
}

const TERMIOS_GET = 0x5401;
const WINSIZE_GET = 0x5413;
/** Requests that read their argument. */
const IOCTL_SETS: ReadonlySet<number> = new Set([0x5402, 0x5403, 0x5404, 0x5410, 0x5414, 0x5421, 0x5452]);
const IOCTL_INTEGERS: ReadonlySet<number> = new Set([0x540f, 0x5410, 0x541b, 0x5421, 0x5429, 0x5411, 0x80045430]);

function ioctlSets(request: number): boolean {
  return IOCTL_SETS.has(request >>> 0);
}

function ioctlArgument(memory: GuestMemory, request: number, value: number): string {
  const number = request >>> 0;
  if (number >= TERMIOS_GET && number < TERMIOS_GET + 4) {
    return show.orPointer(value, () => {
      const flag = (index: number): string => show.hex(memory.readU32(value + index * 4));
      return `{c_iflag=${flag(0)}, c_oflag=${flag(1)}, c_cflag=${flag(2)}, c_lflag=${flag(3)}, ...}`;
    });
  }
  if (number === WINSIZE_GET || number === WINSIZE_GET + 1) return show.structure(memory, 'winsize', value);
  if (IOCTL_INTEGERS.has(number)) return show.orPointer(value, () => `[${memory.readI32(value)}]`);
  return show.hex(value);
}

function errorText(result: number): string {
  return `-1 ${errnoName(-result)} (${strerror(-result)})`;
}

/** The part behind the equals sign. */
function resultText({ process, declaration, registers }: StraceLine, result: number): string {
  if (result < 0 && result >= -4095) return errorText(result);
  const { name } = declaration;
  if ((name === 'fcntl' || name === 'fcntl64') && (registers[1] === 1 || registers[1] === 3)) {
    if (registers[1] === 1) return result === 0 ? '0' : `${show.hex(result)} (flags ${flagsText('fdFlags', result)})`;
    return `${show.hex(result)} (flags ${flagsText('open', result)})`;
  }
  if (name === 'poll' || name === 'ppoll' || name === 'ppoll_time64') {
    if (result === 0) return '0 (Timeout)';
    return `${result} (${show.pollDescriptors(process.memory, registers[0]!, registers[1]!, true)})`;
  }
  if (name === '_newselect' || name === 'pselect6' || name === 'pselect6_time64') {
    if (result === 0) return '0 (Timeout)';
    const sets = ['in', 'out', 'exc']
      .map((label, index) => [label, registers[index + 1]!] as const)
      .filter(([, address]) => address !== 0)
      .map(([label, address]) => `${label} ${show.descriptorSet(process.memory, address, registers[0]!)}`)
      .filter((text) => !text.endsWith('[]'));
    return `${result} (${sets.join(', ')})`;
  }
  switch (declaration.result) {
    case 'hex':
      return show.hex(result);
    case 'octal':
      return show.octal(result);
    case 'unsigned':
      return String(result >>> 0);
    case 'none':
      return '?';
    case 'int':
    case 'fd':
      return String(result);
    default:
      return flagsText(declaration.result.slice('flags:'.length) as FlagTableName, result);
  }
}
