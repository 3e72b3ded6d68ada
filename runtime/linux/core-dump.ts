/**
 * The core file of a guest that dies of a signal whose default action asks for one: an ELF file of its threads' registers and
 * its memory as linux/i386 writes it (fs/binfmt_elf.c, elf_core_dump), where RLIMIT_CORE allows one. A pattern that pipes cores to a
 * program is for the host's own: the guest's go to a file named `core` then.
 */
import { PAGE_SIZE } from '../../translator/pages.js';
import { Segment as SegmentRegister, State } from '../../translator/state.js';
import { CpuState } from '../cpu/cpu-state.js';
import { HostBuffer, hostClose, hostOpen, hostReadAll } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import { readHostMappings } from '../loader/symbols.js';
import type { Region } from '../memory/region-list.js';
import { Host } from './constants/host-syscalls.js';
import type { LinuxProcess } from './process.js';
import { infoCode } from './signals/siginfo.js';
import { Slot } from './threads/thread-table.js';

const RLIMIT_CORE = 4;
const O_WRONLY_CREATE_TRUNCATE_NOFOLLOW = 0o1 | 0o100 | 0o1000 | 0o400000;
const PR_GET_DUMPABLE = 3;
const ELF_HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const ET_CORE = 4;
const EM_386 = 3;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** Types of notes (uapi/linux/elf.h). */
const Note = {
  status: 1,
  floatingPoint: 2,
  process: 3,
  auxiliaryVector: 6,
  signal: 0x53494749,
  files: 0x46494c45,
  extendedFloatingPoint: 0x46e62b7f,
} as const;
/** `struct compat_elf_prstatus` and `struct compat_elf_prpsinfo`: sizes and offsets in bytes. */
const Status = {
  size: 144,
  code: 4,
  current: 12,
  held: 20,
  pid: 24,
  parent: 28,
  group: 32,
  session: 36,
  registers: 72,
} as const;
const FPVALID = 140;
const Info = { size: 124, name: 28, arguments: 44, argumentsSize: 80, uid: 8, gid: 10, pid: 12, parent: 16 } as const;
const NAME_SIZE = 16;

const encoder = new TextEncoder();
const latin1 = new TextDecoder('latin1');

/** Writes the file if there is to be one; whether it did. */
export function writeCoreDump(process: LinuxProcess, signal: number, info: Uint8Array): boolean {
  const buffer = new HostBuffer(128);
  if (syscall(Host.getrlimit, RLIMIT_CORE, buffer.address) < 0) return false;
  const limit = Number(buffer.view.getBigUint64(0, true));
  if (limit === 0 || syscall(Host.prctl, PR_GET_DUMPABLE) !== 1) return false;
  const fd = hostOpen(encoder.encode(coreName(process, signal)), O_WRONLY_CREATE_TRUNCATE_NOFOLLOW, 0o600);
  if (fd < 0) return false;
  const { lock } = process.threads;
  // The others' registers are in their states while they stand still.
  lock.enter();
  lock.stopOthers();
  writeCore(process, fd, limit, signal, info);
  lock.resumeOthers();
  lock.leave();
  hostClose(fd);
  return true;
}

function writeCore(process: LinuxProcess, fd: number, limit: number, signal: number, info: Uint8Array): void {
  const regions = [...process.mappings.regions.all];
  const notes = concatenate(notesOf(process, signal, info, regions));
  const head = headers(process, regions, notes.length);
  write(fd, concatenate([head.bytes, notes]), 0);
  for (const { region, offset, size } of head.loads) {
    const allowed = Math.min(size, limit - offset);
    writeMemory(fd, process.hostBase + region.start, allowed, offset);
  }
  // Holes at the end count, too.
  syscall(Host.ftruncate, fd, Math.min(head.end, limit));
}

/** /proc/sys/kernel/core_pattern with its parameters in place (core(5)). */
function coreName(process: LinuxProcess, signal: number): string {
  const read = (name: string): string => {
    const bytes = hostReadAll(`/proc/sys/kernel/${name}`);
    return typeof bytes === 'number' ? '' : latin1.decode(bytes).trim();
  };
  const pattern = read('core_pattern');
  const plain = pattern === '' || pattern.startsWith('|') ? 'core' : pattern;
  const values: Readonly<Record<string, string>> = {
    '%': '%',
    p: String(process.pid),
    P: String(process.pid),
    i: String(process.tid),
    I: String(process.tid),
    u: String(syscall(Host.getuid)),
    g: String(syscall(Host.getgid)),
    s: String(signal),
    t: String(Math.floor(Date.now() / 1000)),
    e: programName(process),
    f: programName(process),
    E: latin1.decode(process.executable).replaceAll('/', '!'),
    h: read('hostname'),
  };
  const name = plain.replace(/%(.)/g, (_, letter: string) => values[letter] ?? '');
  return read('core_uses_pid') === '1' && !/%p/i.test(plain) ? `${name}.${process.pid}` : name;
}

function programName(process: LinuxProcess): string {
  return latin1
    .decode(process.executable)
    .replace(/^.*\//, '')
    .slice(0, NAME_SIZE - 1);
}

// Notes -------------------------------------------------------------------------------------------------------------------------

function notesOf(process: LinuxProcess, signal: number, info: Uint8Array, regions: readonly Region[]): Uint8Array[] {
  const { fsave, fxsave } = process.signals.frames.floatingPointImages();
  const auxiliaryVector = process.paths.virtualFile(encoder.encode('/proc/self/auxv')) ?? new Uint8Array();
  return [
    note('CORE', Note.status, statusNote(process, process.tid, process.cpu, signal, info)),
    note('CORE', Note.process, processNote(process)),
    note('CORE', Note.signal, info),
    note('CORE', Note.auxiliaryVector, auxiliaryVector),
    note('CORE', Note.files, filesNote(process, regions)),
    note('CORE', Note.floatingPoint, fsave),
    note('LINUX', Note.extendedFloatingPoint, fxsave),
    ...otherThreads(process).map(([tid, cpu]) => note('CORE', Note.status, statusNote(process, tid, cpu, signal))),
  ];
}

/** Ids and states of the threads that did not cause the process's end. */
function otherThreads({ threads: { table, index }, memory }: LinuxProcess): [number, CpuState][] {
  const others = [...table.running()].filter((other) => other !== index);
  return others.map((other) => [table.slot(other, Slot.tid), new CpuState(memory, other)]);
}

function note(name: string, type: number, contents: Uint8Array): Uint8Array {
  const nameSize = name.length + 1;
  const contentsAt = 12 + align(nameSize, 4);
  const bytes = new Uint8Array(contentsAt + align(contents.length, 4));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, nameSize, true);
  view.setUint32(4, contents.length, true);
  view.setUint32(8, type, true);
  bytes.set(encoder.encode(name), 12);
  bytes.set(contents, contentsAt);
  return bytes;
}

/** `info`: of the thread that got the signal. */
function statusNote(process: LinuxProcess, tid: number, cpu: CpuState, signal: number, info?: Uint8Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(Status.size));
  const word = (offset: number): number => cpu.i32[offset >> 2]!;
  view.setInt32(0, signal, true);
  view.setInt16(Status.current, signal, true);
  if (info) {
    view.setInt32(Status.code, infoCode(info), true);
    view.setUint32(Status.held, Number(process.thread.signalMask & 0xffffffffn), true);
    view.setInt32(FPVALID, 1, true);
  }
  view.setInt32(Status.pid, tid, true);
  view.setInt32(Status.parent, syscall(Host.getppid), true);
  view.setInt32(Status.group, syscall(Host.getpgrp), true);
  view.setInt32(Status.session, syscall(Host.getsid, 0), true);
  const selector = (register: number): number => word(State.selectors + register * 4) & 0xffff;
  // `struct user_regs_struct` of i386; the system call's number is not kept.
  const registers = [
    ...[State.ebx, State.ecx, State.edx, State.esi, State.edi, State.ebp, State.eax].map(word),
    ...[SegmentRegister.ds, SegmentRegister.es, SegmentRegister.fs, SegmentRegister.gs].map(selector),
    -1,
    ...[word(State.eip), selector(SegmentRegister.cs), cpu.eflags, word(State.esp), selector(SegmentRegister.ss)],
  ];
  registers.forEach((value, index) => view.setInt32(Status.registers + index * 4, value, true));
  return new Uint8Array(view.buffer);
}

function processNote(process: LinuxProcess): Uint8Array {
  const bytes = new Uint8Array(Info.size);
  const view = new DataView(bytes.buffer);
  bytes[1] = 'R'.charCodeAt(0);
  view.setUint16(Info.uid, syscall(Host.getuid), true);
  view.setUint16(Info.gid, syscall(Host.getgid), true);
  view.setInt32(Info.pid, process.pid, true);
  view.setInt32(Info.parent, syscall(Host.getppid), true);
  bytes.set(encoder.encode(programName(process)).subarray(0, NAME_SIZE - 1), Info.name);
  const line = process.arguments.map((argument) => latin1.decode(argument)).join(' ');
  bytes.set(encoder.encode(line).subarray(0, Info.argumentsSize - 1), Info.arguments);
  return bytes;
}

/** Which files are mapped where: count and page size, three words each, then their names. */
function filesNote(process: LinuxProcess, regions: readonly Region[]): Uint8Array {
  const mappings = readHostMappings(process.hostBase);
  const words: number[] = [];
  const names: Uint8Array[] = [];
  for (const region of regions) {
    const mapping =
      region.file === undefined
        ? undefined
        : mappings.find(({ start, end }) => start <= region.start && region.start < end);
    if (!mapping?.path.startsWith('/')) continue;
    words.push(region.start, region.end, region.offset / PAGE_SIZE);
    names.push(process.paths.guestPath(encoder.encode(mapping.path)), new Uint8Array(1));
  }
  const numbers = new Uint32Array([names.length / 2, PAGE_SIZE, ...words]);
  return concatenate([new Uint8Array(numbers.buffer), ...names]);
}

// Memory ------------------------------------------------------------------------------------------------------------------------

interface Load {
  readonly region: Region;
  readonly offset: number;
  readonly size: number;
}

/** ELF header and program headers; what follows them are the notes, then the memory, page-aligned. */
function headers(
  process: LinuxProcess,
  regions: readonly Region[],
  notesSize: number,
): { bytes: Uint8Array; loads: Load[]; end: number } {
  const size = ELF_HEADER_SIZE + (regions.length + 1) * PROGRAM_HEADER_SIZE;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, ET_CORE, true);
  view.setUint16(18, EM_386, true);
  view.setUint32(20, 1, true);
  view.setUint32(28, ELF_HEADER_SIZE, true);
  view.setUint16(40, ELF_HEADER_SIZE, true);
  view.setUint16(42, PROGRAM_HEADER_SIZE, true);
  view.setUint16(44, regions.length + 1, true);
  const header = (index: number, words: readonly number[]): void =>
    words.forEach((word, at) =>
      view.setUint32(ELF_HEADER_SIZE + index * PROGRAM_HEADER_SIZE + at * 4, word >>> 0, true),
    );
  // Type, offset, address, physical address, size in the file, in memory, flags, alignment.
  header(0, [PT_NOTE, size, 0, 0, notesSize, 0, 0, 4]);
  let offset = align(size + notesSize, PAGE_SIZE);
  const loads = regions.map((region, index) => {
    const memorySize = region.end - region.start;
    const dumped = dumpedSize(process, region);
    // PROT_READ, PROT_WRITE and PROT_EXEC are 1, 2 and 4; the flags of segments the other way round.
    const flags = ((region.protection & 1) << 2) | (region.protection & 2) | ((region.protection & 4) >> 2);
    header(index + 1, [PT_LOAD, offset, region.start, 0, dumped, memorySize, flags, PAGE_SIZE]);
    const load = { region, offset, size: dumped };
    offset += dumped;
    return load;
  });
  return { bytes, loads, end: offset };
}

/** Anonymous and written memory whole; of files that are only read the first page, by whose headers debuggers know them. */
function dumpedSize(process: LinuxProcess, region: Region): number {
  const size = region.end - region.start;
  if (region.protection === 0) return 0;
  if (region.file === undefined || (region.protection & 2 && !region.shared)) return size;
  const isHeader =
    region.offset === 0 &&
    process.memory.isReadable(region.start, 4) &&
    process.memory.readU32(region.start) === 0x464c457f;
  return isHeader ? PAGE_SIZE : 0;
}

function writeMemory(fd: number, address: number, size: number, offset: number): void {
  for (let done = 0; done < size;) {
    const count = syscall(Host.pwrite64, fd, address + done, size - done, offset + done);
    // A page beyond a file's end stays a hole.
    done += count > 0 ? count : PAGE_SIZE;
  }
}

function write(fd: number, bytes: Uint8Array, offset: number): void {
  const buffer = new HostBuffer(Math.max(bytes.length, 128));
  buffer.bytes.set(bytes);
  writeMemory(fd, buffer.address, bytes.length, offset);
}

const align = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
