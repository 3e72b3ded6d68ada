/**
 * How system calls reach the guest's memory: host addresses of guest buffers, paths with the sysroot applied, structures
 * converted into and out of the scratch buffer. What the kernel is to write is cleared of translations first.
 */
import { GUEST_LIMIT } from '../../../translator/state.js';
import { pageFault } from '../../memory/trap.js';
import { Errno } from '../constants/errno.js';
import { SyscallFailure } from '../failure.js';
import type { Structure } from '../layout.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';

/** `PATH_MAX`, its NUL included. */
const PATH_MAX = 4096;
const SLASH = 0x2f;
const latin1 = new TextDecoder('latin1');

/** How many of `length` bytes lie below the guest's limit: a longer transfer ends there as at an unmapped page. */
export function clampLength(address: number, length: number): number {
  return Math.min(length >>> 0, Math.max(GUEST_LIMIT - (address >>> 0), 0));
}

/** Host address of bytes that the kernel will read. The emulator's own pages above the guest's limit are no guest memory. */
export function readable(process: LinuxProcess, address: number): number {
  if (address === 0) return 0;
  if (address >>> 0 >= GUEST_LIMIT) throw pageFault(address, false, false);
  return process.hostBase + (address >>> 0);
}

/** Host address of `length` bytes that the kernel will write; 0 for a null pointer. */
export function writable(process: LinuxProcess, address: number, length: number): number {
  if (address === 0) return 0;
  if (address >>> 0 >= GUEST_LIMIT) throw pageFault(address, true, false);
  process.memory.dropCode(address, clampLength(address, length));
  return process.hostBase + (address >>> 0);
}

/** As `writable`, but all of a structure must be there: for fixed sizes that must not reach past the limit. */
export function writableStructure(process: LinuxProcess, address: number, size: number): number {
  if (address !== 0 && clampLength(address, size) < size) throw pageFault(address, true, false);
  return writable(process, address, size);
}

/** As `readable` for a structure. */
export function readableStructure(process: LinuxProcess, address: number, size: number): number {
  if (address !== 0 && clampLength(address, size) < size) throw pageFault(address, false, false);
  return readable(process, address);
}

/** A signed 64-bit number from two registers, as near as a double holds it (file offsets beyond 2^53 are clamped). */
export function int64(low: number, high: number): number {
  const value = high * 0x1_0000_0000 + (low >>> 0);
  return Math.max(Math.min(value, Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER);
}

/** The guest's path as bytes. */
export function readPath(process: LinuxProcess, address: number): Uint8Array {
  const path = process.memory.readCString(address, PATH_MAX);
  if (path.length >= PATH_MAX) throw new SyscallFailure(Errno.ENAMETOOLONG);
  return path;
}

/**
 * Host address of the path that the host is to be given for the guest's; a null pointer stays one. `followLast` is false for calls
 * that act on a symbolic link itself.
 */
export function hostPath(process: LinuxProcess, address: number, followLast = true): number {
  if (address === 0) return 0;
  return scratch.cString(translatePath(process, readPath(process, address), followLast));
}

/** The guest's path under the sysroot, its descriptors' names under `/proc` and `/dev` with the host's numbers. */
export function translatePath(process: LinuxProcess, path: Uint8Array, followLast = true): Uint8Array {
  if (path[0] !== SLASH) return path;
  const match = descriptorPath(process, path);
  if (match !== undefined) {
    return new TextEncoder().encode(`/proc/self/${match.directory}/${process.files.host(match.fd)}${match.rest}`);
  }
  return process.paths.hostPath(path, followLast);
}

/** Only `/proc/...` and `/dev/...` are worth decoding. */
function mayNameDescriptor(path: Uint8Array): boolean {
  return path[0] === SLASH && (path[1] === 0x70 || path[1] === 0x64);
}

/** The descriptor that a path such as `/dev/fd/3` or `/proc/self/fdinfo/3` names. */
export function descriptorPath(
  process: LinuxProcess,
  bytes: Uint8Array,
): { fd: number; directory: string; rest: string } | undefined {
  if (!mayNameDescriptor(bytes)) return undefined;
  const path = latin1.decode(bytes);
  const standard = /^\/dev\/std(in|out|err)$/.exec(path);
  if (standard !== null) return { fd: ['in', 'out', 'err'].indexOf(standard[1]!), directory: 'fd', rest: '' };
  const match = /^(?:\/dev\/fd|\/proc\/(self|thread-self|\d+)\/(fd|fdinfo))\/(\d+)(\/.*)?$/.exec(path);
  if (match === null) return undefined;
  if (match[1] !== undefined && /^\d/.test(match[1]) && Number(match[1]) !== process.pid) return undefined;
  return { fd: Number(match[3]), directory: match[2] ?? 'fd', rest: match[4] ?? '' };
}

/** What the path is the directory of, among those whose entries are the guest's own. */
export function madeUpDirectory(process: LinuxProcess, path: Uint8Array): 'descriptors' | 'threads' | false {
  if (!mayNameDescriptor(path)) return false;
  const match = /^(?:\/dev\/fd|\/proc\/(self|thread-self|\d+)\/(?:fd|fdinfo|(task)))\/?$/.exec(latin1.decode(path));
  if (match === null) return false;
  if (match[1] !== undefined && /^\d/.test(match[1]) && Number(match[1]) !== process.pid) return false;
  return match[2] === undefined ? 'descriptors' : 'threads';
}

/** Scratch offset of the host's form of a guest structure. */
export function readStructure(process: LinuxProcess, structure: Structure, address: number): number {
  process.memory.checkRead(address, structure.i386.size);
  const offset = scratch.allocate(structure.host.size);
  structure.toHost(process.memory.view, address >>> 0, scratch.view, offset);
  return offset;
}

/** Host address of a converted structure; 0 for a null pointer. */
export function hostStructure(process: LinuxProcess, structure: Structure, address: number): number {
  return address === 0 ? 0 : scratch.address + readStructure(process, structure, address);
}

/** Writes the guest's form of the host structure at a scratch offset; false when a value lost its high bits. */
export function writeStructure(process: LinuxProcess, structure: Structure, offset: number, address: number): boolean {
  process.memory.checkWrite(address, structure.i386.size);
  return structure.toGuest(scratch.view, offset, process.memory.view, address >>> 0);
}

/**
 * Calls the host with room for a structure and writes it to the guest when that succeeded. A null guest pointer is passed on as one.
 */
export function callWithStructure(
  process: LinuxProcess,
  structure: Structure,
  address: number,
  call: (hostAddress: number) => number,
): number {
  if (address === 0) return call(0);
  const offset = scratch.allocate(structure.host.size);
  const result = call(scratch.address + offset);
  if (result >= 0) writeStructure(process, structure, offset, address);
  return result;
}

/** Most entries of a vector (`UIO_MAXIOV`). */
const UIO_MAXIOV = 1024;

/** Host address of an iovec array; what is to be written is cleared of translations. */
export function hostVector(process: LinuxProcess, address: number, count: number, write: boolean): number {
  if (count < 0 || count > UIO_MAXIOV) throw new SyscallFailure(Errno.EINVAL);
  const { memory } = process;
  memory.checkRead(address, count * 8);
  const offset = scratch.allocate(count * 16 + 16);
  for (let index = 0; index < count; index++) {
    const at = (address >>> 0) + index * 8;
    const base = memory.view.getUint32(at, true);
    const length = memory.view.getInt32(at + 4, true);
    if (length < 0) throw new SyscallFailure(Errno.EINVAL);
    const host = length === 0 ? 0 : write ? writable(process, base, length) : readable(process, base);
    scratch.view.setBigUint64(offset + index * 16, BigInt(host), true);
    scratch.view.setBigUint64(offset + index * 16 + 8, BigInt(clampLength(base, length)), true);
  }
  return scratch.address + offset;
}
