/** Opening, closing, reading, writing and duplicating file descriptors. */
import { hostMemoryFile } from '../../../host/buffer.js';
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { SyscallFailure } from '../../failure.js';
import { AT_FDCWD, COOKIE_BASE } from '../../files.js';
import { seekExact } from './directories.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import {
  clampLength,
  hostPath,
  hostVector,
  int64,
  madeUpDirectory,
  readable,
  readPath,
  translatePath,
  writable,
} from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

const SEEK_SET = 0;
const O_CREAT = 0o100;
const O_WRONLY = 1;
const O_TRUNC = 0o1000;
const O_CLOEXEC = 0o2000000;
const O_DIRECTORY = 0o200000;
const O_PATH = 0o10000000;
const O_ACCMODE = 3;
const RESOLVE_BENEATH = 8;
const RESOLVE_IN_ROOT = 16;
const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
/** A read or write transfers at most this (`MAX_RW_COUNT`). */
const MAX_TRANSFER = 0x7ffff000;

/** Opens the guest's path; files of /proc that would show the emulator are made up. */
export function openPath(
  process: LinuxProcess,
  directory: number,
  address: number,
  flags: number,
  mode: number,
): number {
  const path = readPath(process, address);
  const { files } = process;
  const virtual = (flags & (O_PATH | O_ACCMODE)) === 0 ? process.paths.virtualFile(path) : undefined;
  if (virtual !== undefined) return files.install(virtualFile(virtual, flags));
  const translated = scratch.cString(translatePath(process, path));
  const host = process.signals.blockingSyscall(Host.openat, files.directory(directory), translated, flags, mode);
  if (flags & O_TRUNC && host >= 0) process.mappings.hideTruncated(host);
  const madeUp = host >= 0 && madeUpDirectory(process, path);
  if (madeUp) files.directories.set(host, { madeUp, position: 0, offsets: [] });
  return files.install(host);
}

/** A host descriptor that reads `contents`. */
function virtualFile(contents: Uint8Array, flags: number): number {
  if (flags & O_DIRECTORY) return -Errno.ENOTDIR;
  return hostMemoryFile(contents, 'proc', (flags & O_CLOEXEC) !== 0);
}

function openat2(process: LinuxProcess, directory: number, path: number, how: number, size: number): number {
  if (size >>> 0 < 24) return -Errno.EINVAL;
  if (size >>> 0 > 4096) return -Errno.E2BIG;
  const bytes = process.memory.read(how, size);
  if (bytes.subarray(24).some((byte) => byte !== 0)) return -Errno.E2BIG;
  const resolve = new DataView(bytes.buffer).getUint32(16, true);
  const offset = scratch.allocate(24);
  scratch.u8.set(bytes.subarray(0, 24), offset);
  const confined = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0;
  const name = confined ? scratch.cString(readPath(process, path)) : hostPath(process, path);
  const { files } = process;
  return files.install(syscall(Host.openat2, files.directory(directory), name, scratch.address + offset, 24));
}

function closeRange(process: LinuxProcess, first: number, last: number, flags: number): number {
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first >>> 0 > last >>> 0) return -Errno.EINVAL;
  const { files } = process;
  for (const fd of files.open()) {
    if (fd < first >>> 0 || fd > last >>> 0) continue;
    if (flags & CLOSE_RANGE_CLOEXEC) syscall(Host.fcntl, files.host(fd), F_SETFD, FD_CLOEXEC);
    else files.close(fd);
  }
  return 0;
}

function read(process: LinuxProcess, fd: number, buffer: number, count: number): number {
  const length = Math.min(clampLength(buffer, count), MAX_TRANSFER);
  return process.signals.blockingSyscall(Host.read, process.files.host(fd), writable(process, buffer, length), length);
}

function write(process: LinuxProcess, fd: number, buffer: number, count: number): number {
  const length = Math.min(clampLength(buffer, count), MAX_TRANSFER);
  return process.signals.blockingSyscall(Host.write, process.files.host(fd), readable(process, buffer), length);
}

/** Moves a descriptor; positions in directories may be the emulator's own numbers for longer ones. */
function seek(process: LinuxProcess, fd: number, offset: number, whence: number): number {
  const host = process.files.host(fd);
  const directory = process.files.directories.get(host);
  if (directory === undefined || whence !== SEEK_SET) return syscall(Host.lseek, host, offset, whence);
  if (directory.madeUp) return (directory.position = offset);
  const position = directory.offsets[offset - COOKIE_BASE];
  if (position === undefined) return syscall(Host.lseek, host, offset, whence);
  const result = seekExact(host, position);
  return result < 0 ? result : offset;
}

/** `off_t` has 32 bits: a position that does not fit is EOVERFLOW, though the file is there already. */
function lseek(process: LinuxProcess, fd: number, offset: number, whence: number): number {
  const result = seek(process, fd, offset, whence);
  return result > 0x7fffffff ? -Errno.EOVERFLOW : result;
}

function llseek(process: LinuxProcess, fd: number, high: number, low: number, result: number, whence: number): number {
  const position = seek(process, fd, int64(low, high), whence);
  if (position < 0) return position;
  process.memory.writeU64(result, BigInt(position));
  return 0;
}

function vectored(
  number: number,
  write: boolean,
): (
  process: LinuxProcess,
  fd: number,
  vector: number,
  count: number,
  low: number,
  high: number,
  flags: number,
) => number {
  return (process, fd, vector, count, low, high, flags) => {
    const host = process.files.host(fd);
    if (host < 0) return -Errno.EBADF;
    const address = hostVector(process, vector, count, !write);
    return process.signals.blockingSyscall(number, host, address, count, int64(low, high), 0, flags);
  };
}

/** `dup2`: equal numbers only test the descriptor. */
function duplicateTo(process: LinuxProcess, fd: number, to: number): number {
  if (fd === to) return process.files.host(fd) < 0 ? -Errno.EBADF : to;
  return process.files.duplicateTo(fd, to, false);
}

function duplicateTo3(process: LinuxProcess, fd: number, to: number, flags: number): number {
  if (flags & ~O_CLOEXEC || fd === to) return -Errno.EINVAL;
  return process.files.duplicateTo(fd, to, (flags & O_CLOEXEC) !== 0);
}

/** Calls the host for a pair of descriptors and writes the guest's numbers for them. */
export function installPair(process: LinuxProcess, address: number, call: (pair: number) => number): number {
  process.memory.checkWrite(address, 8);
  const pair = scratch.allocate(8);
  const result = call(scratch.address + pair);
  if (result < 0) return result;
  const { files } = process;
  const second = scratch.view.getInt32(pair + 4, true);
  const first = files.install(scratch.view.getInt32(pair, true));
  if (first < 0) {
    syscall(Host.close, second);
    return first;
  }
  const secondFd = files.install(second);
  if (secondFd < 0) {
    files.close(first);
    return secondFd;
  }
  process.memory.writeU32(address, first);
  process.memory.writeU32(address + 4, secondFd);
  return result;
}

function truncate(process: LinuxProcess, path: number, low: number, high: number): number {
  const result = syscall(Host.truncate, hostPath(process, path), int64(low, high));
  if (result < 0 || !process.mappings.hasSharedFiles) return result;
  const fd = syscall(Host.openat, AT_FDCWD, hostPath(process, path), O_PATH | O_CLOEXEC, 0);
  if (fd >= 0) {
    process.mappings.hideTruncated(fd);
    syscall(Host.close, fd);
  }
  return result;
}

function ftruncate(process: LinuxProcess, fd: number, low: number, high: number): number {
  const host = process.files.host(fd);
  const result = syscall(Host.ftruncate, host, int64(low, high));
  if (result >= 0) process.mappings.hideTruncated(host);
  return result;
}

function memfdCreate(process: LinuxProcess, name: number, flags: number): number {
  const text = process.memory.readCString(name, 256);
  if (text.length > 249) throw new SyscallFailure(Errno.EINVAL);
  return process.files.install(syscall(Host.memfd_create, scratch.cString(text), flags >>> 0));
}

export const fileCalls: readonly SyscallDeclaration[] = [
  declare('open', ['path', 'flags:open', 'mode'], 'fd', (process, path, flags, mode) =>
    openPath(process, AT_FDCWD, path, flags, mode),
  ),
  declare('creat', ['path', 'mode'], 'fd', (process, path, mode) =>
    openPath(process, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode),
  ),
  declare('openat', ['directory', 'path', 'flags:open', 'mode'], 'fd', openPath),
  declare('openat2', ['directory', 'path', 'in:openHow', 'unsigned'], 'fd', openat2),
  declare('close', ['fd'], 'int', (process, fd) => process.files.close(fd)),
  declare('close_range', ['unsigned', 'unsigned', 'flags:closeRange'], 'int', closeRange),
  declare('read', ['fd', 'bytes-result', 'unsigned'], 'int', read),
  declare('write', ['fd', 'bytes-in:2', 'unsigned'], 'int', write),
  declare('pread64', ['fd', 'bytes-result', 'unsigned', 'int64'], 'int', (process, fd, buffer, count, low, high) => {
    const length = clampLength(buffer, count);
    return syscall(Host.pread64, process.files.host(fd), writable(process, buffer, length), length, int64(low, high));
  }),
  declare('pwrite64', ['fd', 'bytes-in:2', 'unsigned', 'int64'], 'int', (process, fd, buffer, count, low, high) => {
    const length = clampLength(buffer, count);
    return syscall(Host.pwrite64, process.files.host(fd), readable(process, buffer), length, int64(low, high));
  }),
  declare('readv', ['fd', 'iovec-out', 'int'], 'int', vectored(Host.readv, false)),
  declare('writev', ['fd', 'iovec-in', 'int'], 'int', vectored(Host.writev, true)),
  declare('preadv', ['fd', 'iovec-out', 'int', 'int64'], 'int', vectored(Host.preadv, false)),
  declare('pwritev', ['fd', 'iovec-in', 'int', 'int64'], 'int', vectored(Host.pwritev, true)),
  declare('preadv2', ['fd', 'iovec-out', 'int', 'int64', 'flags:readWrite'], 'int', vectored(Host.preadv2, false)),
  declare('pwritev2', ['fd', 'iovec-in', 'int', 'int64', 'flags:readWrite'], 'int', vectored(Host.pwritev2, true)),
  declare('lseek', ['fd', 'int', 'enum:seek'], 'int', lseek),
  declare('_llseek', ['fd', 'int64-high-first', 'int64-inout', 'enum:seek'], 'int', llseek),
  declare('dup', ['fd'], 'fd', (process, fd) => process.files.duplicateLowest(fd)),
  declare('dup2', ['fd', 'fd'], 'fd', duplicateTo),
  declare('dup3', ['fd', 'fd', 'flags:open'], 'fd', duplicateTo3),
  declare('pipe', ['pair-out'], 'int', (process, pair) =>
    installPair(process, pair, (host) => syscall(Host.pipe2, host, 0)),
  ),
  declare('pipe2', ['pair-out', 'flags:open'], 'int', (process, pair, flags) =>
    installPair(process, pair, (host) => syscall(Host.pipe2, host, flags)),
  ),
  declare('truncate', ['path', 'int'], 'int', (process, path, length) => truncate(process, path, length, length >> 31)),
  declare('ftruncate', ['fd', 'unsigned'], 'int', (process, fd, length) =>
    ftruncate(process, fd, length, length >> 31),
  ),
  declare('truncate64', ['path', 'int64'], 'int', truncate),
  declare('ftruncate64', ['fd', 'int64'], 'int', ftruncate),
  declare(
    'fallocate',
    ['fd', 'flags:fallocate', 'int64', 'int64'],
    'int',
    (process, fd, mode, low, high, lengthLow, lengthHigh) =>
      syscall(Host.fallocate, process.files.host(fd), mode, int64(low, high), int64(lengthLow, lengthHigh)),
  ),
  declare('fsync', ['fd'], 'int', (process, fd) => syscall(Host.fsync, process.files.host(fd))),
  declare('fdatasync', ['fd'], 'int', (process, fd) => syscall(Host.fdatasync, process.files.host(fd))),
  declare('sync', [], 'int', () => syscall(Host.sync)),
  declare('syncfs', ['fd'], 'int', (process, fd) => syscall(Host.syncfs, process.files.host(fd))),
  // The flags come before the second offset only on other machines: on i386 the order is that of the C function.
  declare(
    'sync_file_range',
    ['fd', 'int64', 'int64', 'hex'],
    'int',
    (process, fd, low, high, countLow, countHigh, flags) =>
      syscall(Host.sync_file_range, process.files.host(fd), int64(low, high), int64(countLow, countHigh), flags),
  ),
  declare('fadvise64', ['fd', 'int64', 'unsigned', 'enum:fadvise'], 'int', (process, fd, low, high, length, advice) =>
    syscall(Host.fadvise64, process.files.host(fd), int64(low, high), length >>> 0, advice),
  ),
  declare(
    'fadvise64_64',
    ['fd', 'int64', 'int64', 'enum:fadvise'],
    'int',
    (process, fd, low, high, lengthLow, lengthHigh, advice) =>
      syscall(Host.fadvise64, process.files.host(fd), int64(low, high), int64(lengthLow, lengthHigh), advice),
  ),
  declare('readahead', ['fd', 'int64', 'unsigned'], 'int', (process, fd, low, high, count) =>
    syscall(Host.readahead, process.files.host(fd), int64(low, high), count >>> 0),
  ),
  declare('memfd_create', ['string', 'flags:memfd'], 'fd', memfdCreate),
  declare('flock', ['fd', 'flags:lock'], 'int', (process, fd, operation) =>
    process.signals.blockingSyscall(Host.flock, process.files.host(fd), operation),
  ),
];
