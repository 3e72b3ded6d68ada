/**
 * Finding out what a file that is to be executed is (an i386 program, a script, a program of the host) and, for i386
 * programs, reading what the loader needs of it, all before the running program is given up for it.
 */
import { HostBuffer, type HostStat, hostClose, hostOpen, hostRead, hostStat } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import { Errno } from '../linux/constants/errno.js';
import {
  type ElfHeader,
  elfMachine,
  isElf,
  isGuestElf,
  type ProgramHeader,
  programHeadersSize,
  readElfHeader,
  readProgramHeaders,
  Segment,
} from './elf.js';
import { fileError, LoadError } from './load-error.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const HOST_FACCESSAT2 = 439;
const AT_EMPTY_PATH = 0x1000;
const AT_EACCESS = 0x200;
const X_OK = 1;
const EM_X86_64 = 62;
/** BINPRM_BUF_SIZE: a script's first line beyond it is cut off or refused. */
const FIRST_BYTES = 256;
/** How many interpreters of interpreters Linux follows (fs/exec.c, exec_binprm). */
const MAXIMUM_SCRIPT_DEPTH = 5;
const PATH_MAX = 4096;

const utf8 = new TextDecoder();
/** An empty C string for calls with AT_EMPTY_PATH. */
const emptyPath = new HostBuffer(128);

/** An i386 ELF file, opened. Whoever holds it closes it. */
export interface ElfFile {
  /** For messages: the path as the guest knows it. */
  readonly name: string;
  /** The path on the host. */
  readonly path: Uint8Array;
  readonly fd: number;
  readonly stat: HostStat;
  readonly header: ElfHeader;
  readonly programHeaders: readonly ProgramHeader[];
}

/** What is to be executed in the end, once scripts are resolved. */
export type Executable =
  | { kind: 'guest'; program: ElfFile; interpreter: ElfFile | undefined; path: Uint8Array; arguments: Uint8Array[] }
  | { kind: 'host'; hostPath: Uint8Array; path: Uint8Array; arguments: Uint8Array[] };

/** Closes the files of an executable that is not to be loaded after all, or that has been. */
export function closeExecutable(executable: Executable): void {
  if (executable.kind !== 'guest') return;
  hostClose(executable.program.fd);
  if (executable.interpreter) hostClose(executable.interpreter.fd);
}

const O_NONBLOCK = 0o4000;

function openForExecution(hostPath: Uint8Array, name: string): { fd: number; stat: HostStat; first: Uint8Array } {
  // A pipe without a writer must not keep us waiting.
  const fd = hostOpen(hostPath, O_NONBLOCK);
  if (fd < 0) {
    throw fileError(name, -fd);
  }
  const fail = (error: LoadError): never => {
    hostClose(fd);
    throw error;
  };
  const stat = hostStat(fd);
  if (typeof stat === 'number') return fail(fileError(name, -stat));
  if ((stat.mode & S_IFMT) !== S_IFREG) {
    const what = (stat.mode & S_IFMT) === S_IFDIR ? 'is a directory' : 'is not a regular file';
    return fail(new LoadError(`${name}: ${what}`, 126, Errno.EACCES));
  }
  const access = hostAccess(fd);
  if (access < 0) return fail(new LoadError(`${name}: permission denied (not executable)`, 126, -access));
  const first = hostRead(fd, 0, FIRST_BYTES);
  if (typeof first === 'number') return fail(fileError(name, -first));
  return { fd, stat, first };
}

function hostAccess(fd: number): number {
  // Through the descriptor, so that a path that changes meanwhile does not matter.
  return syscall(HOST_FACCESSAT2, fd, emptyPath.address, X_OK, AT_EMPTY_PATH | AT_EACCESS);
}

function readElfFile(fd: number, stat: HostStat, first: Uint8Array, path: Uint8Array, name: string): ElfFile {
  const header = readElfHeader(first, name);
  const bytes = hostRead(fd, header.programHeaderOffset, programHeadersSize(header));
  if (typeof bytes === 'number') throw fileError(name, -bytes);
  const programHeaders = readProgramHeaders(bytes, header, name);
  checkSegments(programHeaders, stat, name);
  return { name, path, fd, stat, header, programHeaders };
}

function checkSegments(headers: readonly ProgramHeader[], stat: HostStat, name: string): void {
  const loads = headers.filter((header) => header.type === Segment.load && header.memorySize > 0);
  if (loads.length === 0) throw new LoadError(`${name}: damaged ELF file: nothing to load`, 126);
  for (const load of loads) {
    const place = `the segment at 0x${load.address.toString(16)}`;
    if (load.fileSize > load.memorySize) {
      throw new LoadError(
        `${name}: damaged ELF file: ${place} is larger in the file than in memory`,
        126,
        Errno.EINVAL,
      );
    }
    if (load.address + load.memorySize > 0xffffffff) {
      throw new LoadError(`${name}: damaged ELF file: ${place} goes beyond 4 GiB`, 126, Errno.EINVAL);
    }
    if (load.fileSize > 0 && load.offset + load.fileSize > stat.size) {
      throw new LoadError(`${name}: truncated ELF file: ${place} lies beyond the file's end`, 126);
    }
    if (load.fileSize > 0 && (load.address - load.offset) % 4096 !== 0) {
      throw new LoadError(
        `${name}: damaged ELF file: ${place} is not page-aligned with its file offset`,
        126,
        Errno.EINVAL,
      );
    }
  }
}

function interpreterPath(file: ElfFile): Uint8Array | undefined {
  const header = file.programHeaders.find((found) => found.type === Segment.interpreter);
  if (!header) return undefined;
  if (header.fileSize < 2 || header.fileSize > PATH_MAX) {
    throw new LoadError(`${file.name}: damaged ELF file: an interpreter's name of ${header.fileSize} bytes`, 126);
  }
  const bytes = hostRead(file.fd, header.offset, header.fileSize);
  if (typeof bytes === 'number') throw fileError(file.name, -bytes);
  if (bytes.length < header.fileSize || bytes[bytes.length - 1] !== 0) {
    throw new LoadError(`${file.name}: damaged ELF file: its interpreter's name is cut off`, 126);
  }
  return bytes.subarray(0, bytes.indexOf(0));
}

function openInterpreter(program: ElfFile, hostPath: (guestPath: Uint8Array) => Uint8Array): ElfFile | undefined {
  const path = interpreterPath(program);
  if (!path) return undefined;
  const name = utf8.decode(path);
  const resolved = hostPath(path);
  let opened;
  try {
    opened = openForExecution(resolved, name);
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    const hint = error.errno === Errno.ENOENT ? ' (a directory with the i386 system is given by -L)' : '';
    throw new LoadError(`${program.name}: its interpreter ${error.message}${hint}`, error.exitStatus, error.errno);
  }
  try {
    return readElfFile(opened.fd, opened.stat, opened.first, resolved, name);
  } catch (error) {
    hostClose(opened.fd);
    if (error instanceof LoadError) throw new LoadError(error.message, 126, Errno.ELIBBAD);
    throw error;
  }
}

/** Interpreter and optional argument of a `#!` line (fs/binfmt_script.c), undefined where there is none. */
export function parseScriptLine(
  first: Uint8Array,
): { interpreter: Uint8Array; argument: Uint8Array | undefined } | undefined {
  if (first.length < 3 || first[0] !== 0x23 || first[1] !== 0x21) return undefined;
  const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09;
  let end = first.indexOf(0x0a);
  const cut = end < 0;
  if (cut) end = first.length;
  let start = 2;
  while (start < end && isBlank(first[start])) start++;
  let nameEnd = start;
  while (nameEnd < end && !isBlank(first[nameEnd]) && first[nameEnd] !== 0) nameEnd++;
  if (nameEnd === start) return undefined;
  // A name that the buffer cuts off must not be executed.
  if (cut && nameEnd === end && first.length === FIRST_BYTES) return undefined;
  while (end > nameEnd && isBlank(first[end - 1])) end--;
  let argumentStart = nameEnd;
  while (argumentStart < end && isBlank(first[argumentStart])) argumentStart++;
  let argumentEnd = argumentStart;
  while (argumentEnd < end && first[argumentEnd] !== 0) argumentEnd++;
  return {
    interpreter: first.slice(start, nameEnd),
    argument: argumentEnd > argumentStart ? first.slice(argumentStart, argumentEnd) : undefined,
  };
}

/**
 * Opens what `guestPath` names and follows `#!` lines to a program.
 * @param hostPath the guest's path to the host's
 * @throws LoadError where the file cannot be executed
 */
export function openExecutable(
  guestPath: Uint8Array,
  args: readonly Uint8Array[],
  hostPath: (guestPath: Uint8Array) => Uint8Array,
): Executable {
  let path = guestPath;
  let argv = [...args];
  const script = utf8.decode(guestPath);
  for (let depth = 0; ; depth++) {
    const name = utf8.decode(path);
    const resolved = hostPath(path);
    const { fd, stat, first } = openForExecution(resolved, depth > 0 ? `${script}: its interpreter ${name}` : name);
    if (isGuestElf(first)) {
      let program: ElfFile | undefined;
      try {
        program = readElfFile(fd, stat, first, resolved, name);
        return {
          kind: 'guest',
          program,
          interpreter: openInterpreter(program, hostPath),
          path,
          arguments: argv,
        };
      } catch (error) {
        hostClose(fd);
        throw error;
      }
    }
    hostClose(fd);
    if (isElf(first)) {
      const machine = elfMachine(first);
      if (machine?.machine === EM_X86_64) return { kind: 'host', hostPath: resolved, path, arguments: argv };
      readElfHeader(first, name);
    }
    const line = parseScriptLine(first);
    if (!line) throw new LoadError(`${name}: not an ELF file and not a script`, 126);
    if (depth >= MAXIMUM_SCRIPT_DEPTH) throw new LoadError(`${name}: too many interpreters`, 126, Errno.ELOOP);
    const rest = argv.slice(1);
    argv = [line.interpreter, ...(line.argument ? [line.argument] : []), path, ...rest];
    path = line.interpreter;
  }
}
