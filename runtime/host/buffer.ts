/** Host memory of fixed address that the emulator passes to the kernel: for structures, paths and file contents of its own. */
import { addressOf, syscall } from './libc.js';

export class HostBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Host address of the first byte. */
  readonly address: number;

  constructor(readonly size: number) {
    // An ArrayBuffer made by itself lies outside V8's moving heap.
    const buffer = new ArrayBuffer(size);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.address = addressOf(buffer);
  }

  /** Writes bytes and a NUL at `offset`; returns their host address. */
  putCString(bytes: Uint8Array, offset = 0): number {
    this.bytes.set(bytes, offset);
    this.bytes[offset + bytes.length] = 0;
    return this.address + offset;
  }
}

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const HOST = {
  close: 3,
  fstat: 5,
  pread64: 17,
  pwrite64: 18,
  getpid: 39,
  openat: 257,
  readlinkat: 267,
  memfd_create: 319,
} as const;
const MFD_CLOEXEC = 1;
/** PATH_MAX; also the piece in which files are read. */
const PATH_MAX = 4096;
const READ_PIECE = 1 << 16;
const scratch = new HostBuffer(READ_PIECE);

/** The fields of the host's `struct stat` (x86_64) that the emulator itself looks at. */
export interface HostStat {
  device: bigint;
  inode: bigint;
  mode: number;
  userId: number;
  groupId: number;
  size: number;
  /** Seconds since 1970. */
  modified: number;
}

/** Opens a file for the emulator's own use: a descriptor or a negated error number. */
export function hostOpen(path: Uint8Array, flags = 0, mode = 0): number {
  if (path.length >= PATH_MAX) return -36; // ENAMETOOLONG
  return syscall(HOST.openat, AT_FDCWD, scratch.putCString(path), flags | O_CLOEXEC, mode);
}

export function hostClose(fd: number): void {
  syscall(HOST.close, fd);
}

/** `fstat`, or the negated error number. */
export function hostStat(fd: number): HostStat | number {
  const result = syscall(HOST.fstat, fd, scratch.address);
  if (result < 0) return result;
  const { view } = scratch;
  return {
    device: view.getBigUint64(0, true),
    inode: view.getBigUint64(8, true),
    mode: view.getUint32(24, true),
    userId: view.getUint32(28, true),
    groupId: view.getUint32(32, true),
    size: Number(view.getBigInt64(48, true)),
    modified: Number(view.getBigInt64(88, true)),
  };
}

/** Up to `length` bytes of a file from `offset`: fewer at its end; or a negated error number. */
export function hostRead(fd: number, offset: number, length: number): Uint8Array | number {
  const pieces: Uint8Array[] = [];
  let total = 0;
  while (total < length) {
    const count = syscall(HOST.pread64, fd, scratch.address, Math.min(READ_PIECE, length - total), offset + total);
    if (count < 0) return count;
    if (count === 0) break;
    pieces.push(scratch.bytes.slice(0, count));
    total += count;
  }
  if (pieces.length === 1) return pieces[0]!;
  const all = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** All that a file gives when read to its end (for files of /proc, whose size is 0), or a negated error number. */
export function hostReadAll(path: string): Uint8Array | number {
  const fd = hostOpen(new TextEncoder().encode(path));
  if (fd < 0) return fd;
  const all = hostRead(fd, 0, Number.MAX_SAFE_INTEGER);
  hostClose(fd);
  return all;
}

/** A file in memory that has these contents, or a negated error number. @param name that /proc shows */
export function hostMemoryFile(contents: Uint8Array, name: string, closeOnExecute = true): number {
  const path = scratch.putCString(new TextEncoder().encode(name));
  const fd = syscall(HOST.memfd_create, path, closeOnExecute ? MFD_CLOEXEC : 0);
  for (let at = 0; fd >= 0 && at < contents.length;) {
    const piece = contents.subarray(at, at + READ_PIECE);
    scratch.bytes.set(piece);
    const count = syscall(HOST.pwrite64, fd, scratch.address, piece.length, at);
    if (count <= 0) {
      hostClose(fd);
      return count;
    }
    at += count;
  }
  return fd;
}

/** A symbolic link's target, or a negated error number. */
export function hostReadLink(path: Uint8Array): Uint8Array | number {
  if (path.length >= PATH_MAX) return -36;
  const target = scratch.address + 8192;
  const length = syscall(HOST.readlinkat, AT_FDCWD, scratch.putCString(path), target, PATH_MAX);
  return length < 0 ? length : scratch.bytes.slice(8192, 8192 + length);
}

/** The process's id: Node's own `process.pid` is stale after a fork. */
export function hostProcessId(): number {
  return syscall(HOST.getpid);
}
