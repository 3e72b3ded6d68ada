/** What a file or file system is: stat in all its ages, statx, access, readlink, statfs. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { AT_FDCWD } from '../../files.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import {
  clampLength,
  hostPath,
  readPath,
  translatePath,
  writable,
  writableStructure,
  writeStructure,
} from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

const AT_SYMLINK_NOFOLLOW = 0x100;
const OVERFLOW_ID16 = 65534;
const PATH_MAX = 4096;

const UID_OFFSET = structures.stat.host.fields.find(({ name }) => name === 'st_uid')!.offset;
const GID_OFFSET = structures.stat.host.fields.find(({ name }) => name === 'st_gid')!.offset;

/** Runs a host stat call and writes the guest's form of its result. */
function stat(process: LinuxProcess, structure: Structure, address: number, call: (host: number) => number): number {
  const offset = scratch.allocate(structure.host.size);
  const result = call(scratch.address + offset);
  if (result < 0) return result;
  if (structure !== structures.stat64) narrowIds(offset);
  const fits = writeStructure(process, structure, offset, address);
  return fits || structure === structures.stat64 ? 0 : -Errno.EOVERFLOW;
}

/** Ids that do not fit into 16 bits show as the overflow id (linux/highuid.h). */
function narrowIds(offset: number): void {
  for (const at of [offset + UID_OFFSET, offset + GID_OFFSET]) {
    if (scratch.view.getUint32(at, true) > 0xffff) scratch.view.setUint32(at, OVERFLOW_ID16, true);
  }
}

function statAt(
  process: LinuxProcess,
  structure: Structure,
  directory: number,
  path: number,
  flags: number,
  address: number,
): number {
  const name = hostPath(process, path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  const host = process.files.directory(directory);
  return stat(process, structure, address, (buffer) => syscall(Host.newfstatat, host, name, buffer, flags));
}

function declareStat(
  name: 'stat' | 'lstat' | 'oldstat' | 'oldlstat' | 'stat64' | 'lstat64',
  structure: 'stat' | 'oldStat' | 'stat64',
): SyscallDeclaration {
  const flags = name.includes('lstat') ? AT_SYMLINK_NOFOLLOW : 0;
  return declare(name, ['path', `out:${structure}`], 'int', (process, path, buffer) =>
    statAt(process, structures[structure], AT_FDCWD, path, flags, buffer),
  );
}

function declareFstat(
  name: 'fstat' | 'oldfstat' | 'fstat64',
  structure: 'stat' | 'oldStat' | 'stat64',
): SyscallDeclaration {
  return declare(name, ['fd', `out:${structure}`], 'int', (process, fd, buffer) =>
    stat(process, structures[structure], buffer, (host) => syscall(Host.fstat, process.files.host(fd), host)),
  );
}

/** `struct statx` is the same for 32 and 64 bits: the kernel writes it where the guest wants it. */
function statx(
  process: LinuxProcess,
  directory: number,
  path: number,
  flags: number,
  mask: number,
  buffer: number,
): number {
  const name = hostPath(process, path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  const target = writableStructure(process, buffer, structures.statx.i386.size);
  return syscall(Host.statx, process.files.directory(directory), name, flags, mask, target);
}

function access(process: LinuxProcess, directory: number, path: number, mode: number, flags: number): number {
  const name = hostPath(process, path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  return syscall(Host.faccessat2, process.files.directory(directory), name, mode, flags);
}

/** Links below /proc name host files: the guest sees them without the sysroot, and its own program instead of the emulator. */
function readlink(process: LinuxProcess, directory: number, path: number, buffer: number, size: number): number {
  if (size <= 0) return -Errno.EINVAL;
  const name = readPath(process, path);
  const virtual = process.paths.virtualLink(name);
  if (virtual !== undefined) {
    const part = virtual.subarray(0, size);
    process.memory.write(buffer, part);
    return part.length;
  }
  const host = process.files.directory(directory);
  const translated = scratch.cString(translatePath(process, name, false));
  if (!new TextDecoder('latin1').decode(name.subarray(0, 6)).startsWith('/proc/')) {
    return syscall(Host.readlinkat, host, translated, writable(process, buffer, size), clampLength(buffer, size));
  }
  const offset = scratch.allocate(PATH_MAX);
  const length = syscall(Host.readlinkat, host, translated, scratch.address + offset, PATH_MAX);
  if (length < 0) return length;
  const target = process.paths.guestPath(scratch.u8.slice(offset, offset + length)).subarray(0, size);
  process.memory.write(buffer, target);
  return target.length;
}

function statfs(process: LinuxProcess, structure: Structure, address: number, call: (host: number) => number): number {
  const offset = scratch.allocate(structure.host.size);
  const result = call(scratch.address + offset);
  if (result < 0) return result;
  return writeStructure(process, structure, offset, address) ? 0 : -Errno.EOVERFLOW;
}

/** The 64-bit calls are told the structure's size; both 84 and its padded form 88 are in use (fs/statfs.c, compat). */
function isStatfs64Size(size: number): boolean {
  return size === 84 || size === 88;
}

export const statCalls: readonly SyscallDeclaration[] = [
  declareStat('oldstat', 'oldStat'),
  declareStat('oldlstat', 'oldStat'),
  declareFstat('oldfstat', 'oldStat'),
  declareStat('stat', 'stat'),
  declareStat('lstat', 'stat'),
  declareFstat('fstat', 'stat'),
  declareStat('stat64', 'stat64'),
  declareStat('lstat64', 'stat64'),
  declareFstat('fstat64', 'stat64'),
  declare(
    'fstatat64',
    ['directory', 'path', 'out:stat64', 'flags:at'],
    'int',
    (process, directory, path, buffer, flags) => statAt(process, structures.stat64, directory, path, flags, buffer),
  ),
  declare('statx', ['directory', 'path', 'flags:at', 'flags:statx', 'out:statx'], 'int', statx),
  declare('access', ['path', 'flags:access'], 'int', (process, path, mode) => access(process, AT_FDCWD, path, mode, 0)),
  declare('faccessat', ['directory', 'path', 'flags:access'], 'int', (process, directory, path, mode) =>
    access(process, directory, path, mode, 0),
  ),
  declare('faccessat2', ['directory', 'path', 'flags:access', 'flags:accessAt'], 'int', access),
  declare('readlink', ['path', 'bytes-result', 'unsigned'], 'int', (process, path, buffer, size) =>
    readlink(process, AT_FDCWD, path, buffer, size),
  ),
  declare('readlinkat', ['directory', 'path', 'bytes-result', 'unsigned'], 'int', readlink),
  declare('statfs', ['path', 'out:statfs'], 'int', (process, path, buffer) => {
    const name = hostPath(process, path);
    return statfs(process, structures.statfs, buffer, (host) => syscall(Host.statfs, name, host));
  }),
  declare('fstatfs', ['fd', 'out:statfs'], 'int', (process, fd, buffer) =>
    statfs(process, structures.statfs, buffer, (host) => syscall(Host.fstatfs, process.files.host(fd), host)),
  ),
  declare('statfs64', ['path', 'unsigned', 'out:statfs64'], 'int', (process, path, size, buffer) => {
    if (!isStatfs64Size(size)) return -Errno.EINVAL;
    const name = hostPath(process, path);
    return statfs(process, structures.statfs64, buffer, (host) => syscall(Host.statfs, name, host));
  }),
  declare('fstatfs64', ['fd', 'unsigned', 'out:statfs64'], 'int', (process, fd, size, buffer) => {
    if (!isStatfs64Size(size)) return -Errno.EINVAL;
    return statfs(process, structures.statfs64, buffer, (host) => syscall(Host.fstatfs, process.files.host(fd), host));
  }),
];
