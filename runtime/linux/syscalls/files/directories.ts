/** Names in directories: making, removing and renaming them, reading directories, the working directory, modes and owners. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { AT_FDCWD, COOKIE_BASE, type DirectoryState } from '../../files.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { hostPath, readPath } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

/** `d_type` of directories and symbolic links. */
const DT_DIR = 4;
const DT_LNK = 10;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_SYMLINK_FOLLOW = 0x400;
const PATH_MAX = 4096;
/** `linux_dirent64` up to its name: inode and offset of 8 bytes, length, type. */
const HOST_ENTRY_NAME = 19;
const SEEK_SET = 0;

function fromWorkingDirectory(
  number: number,
  followLast: boolean,
): (process: LinuxProcess, path: number, b: number, c: number) => number {
  return (process, path, b, c) => syscall(number, hostPath(process, path, followLast), b, c);
}

function inDirectory(
  number: number,
  followLast: boolean,
): (process: LinuxProcess, directory: number, path: number, c: number, d: number, e: number) => number {
  return (process, directory, path, c, d, e) =>
    syscall(number, process.files.directory(directory), hostPath(process, path, followLast), c, d, e);
}

/** Both names are taken as they are: neither call follows a link in the last place unless the flags say so. */
function twoNames(
  process: LinuxProcess,
  number: number,
  fromDirectory: number,
  from: number,
  toDirectory: number,
  to: number,
  flags: number,
): number {
  const follow = number === Host.linkat && (flags & AT_SYMLINK_FOLLOW) !== 0;
  const { files } = process;
  return syscall(
    number,
    files.directory(fromDirectory),
    hostPath(process, from, follow),
    files.directory(toDirectory),
    hostPath(process, to, false),
    flags,
  );
}

/** The link's target is the guest's business: it is stored as it was given. */
function symlink(process: LinuxProcess, target: number, directory: number, name: number): number {
  const contents = scratch.cString(readPath(process, target));
  return syscall(Host.symlinkat, contents, process.files.directory(directory), hostPath(process, name, false));
}

/** A 16-bit user or group id: -1 (leave as it is) is widened. */
function wideId(id: number): number {
  return (id & 0xffff) === 0xffff ? -1 : id & 0xffff;
}

function chown(process: LinuxProcess, path: number, user: number, group: number, flags: number): number {
  const name = hostPath(process, path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  return syscall(Host.fchownat, AT_FDCWD, name, user, group, flags);
}

function getcwd(process: LinuxProcess, buffer: number, size: number): number {
  const offset = scratch.allocate(PATH_MAX);
  const length = syscall(Host.getcwd, scratch.address + offset, PATH_MAX);
  if (length < 0) return length;
  const path = process.paths.guestPath(scratch.u8.slice(offset, offset + length - 1));
  if (path.length + 1 > size >>> 0) return -Errno.ERANGE;
  process.memory.checkWrite(buffer, path.length + 1);
  process.memory.write(buffer, path);
  process.memory.writeU8(buffer + path.length, 0);
  return path.length + 1;
}

interface Entry {
  readonly inode: bigint;
  /** Position after the entry, for lseek. */
  readonly offset: bigint;
  readonly type: number;
  readonly name: Uint8Array;
}

/** The entries of a buffer that getdents64 filled. */
function* hostEntries(offset: number, length: number): IterableIterator<Entry> {
  const { view, u8 } = scratch;
  for (let at = offset; at < offset + length;) {
    const size = view.getUint16(at + 16, true);
    const name = u8.subarray(at + HOST_ENTRY_NAME, at + size);
    yield {
      inode: view.getBigUint64(at, true),
      offset: view.getBigInt64(at + 8, true),
      type: u8[at + 18]!,
      name: name.subarray(0, name.indexOf(0)),
    };
    at += size;
  }
}

/**
 * The guest's descriptors or threads as directory entries from a position on. A descriptor's place is its own whatever is opened or
 * closed between two calls (fs/proc/fd.c, proc_readfd_common): programs close all that they read of there.
 */
function* madeUpEntries(
  process: LinuxProcess,
  kind: 'descriptors' | 'threads',
  position: number,
): IterableIterator<Entry> {
  const isThreads = kind === 'threads';
  const numbers = isThreads ? process.threadIds() : [...process.files.open()];
  const places = [
    { place: 0, name: '.' },
    { place: 1, name: '..' },
    ...numbers.map((number, index) => ({ place: (isThreads ? index : number) + 2, name: String(number) })),
  ];
  for (const { place, name } of places) {
    if (place < position) continue;
    yield {
      inode: BigInt(place + 1),
      offset: BigInt(place + 1),
      type: place < 2 || isThreads ? DT_DIR : DT_LNK,
      name: new TextEncoder().encode(name),
    };
  }
}

/** Writes one entry in the guest's form; its size, or 0 when it does not fit into `room`. */
type EntryWriter = (process: LinuxProcess, address: number, room: number, entry: Entry) => number;

/** `struct linux_dirent64`: the same for 32 and 64 bits (fs/readdir.c). */
const writeEntry64: EntryWriter = ({ memory }, address, room, { inode, offset, type, name }) => {
  const size = (HOST_ENTRY_NAME + name.length + 1 + 7) & ~7;
  if (size > room) return 0;
  memory.checkWrite(address, size);
  memory.u8.fill(0, address + HOST_ENTRY_NAME, address + size);
  memory.writeU64(address, inode);
  memory.writeU64(address + 8, offset);
  memory.writeU16(address + 16, size);
  memory.writeU8(address + 18, type);
  memory.write(address + HOST_ENTRY_NAME, name);
  return size;
};

/** `struct compat_linux_dirent`: 32-bit inode and offset, the type in the last byte. */
const writeEntry32: EntryWriter = ({ memory }, address, room, { inode, offset, type, name }) => {
  const size = (10 + name.length + 2 + 3) & ~3;
  if (size > room) return 0;
  memory.checkWrite(address, size);
  memory.u8.fill(0, address + 10, address + size);
  memory.writeU32(address, Number(inode & 0xffffffffn));
  memory.writeU32(address + 4, Number(offset & 0xffffffffn));
  memory.writeU16(address + 8, size);
  memory.write(address + 10, name);
  memory.writeU8(address + size - 1, type);
  return size;
};

/** `lseek` to a position with all its 64 bits. A double would round a hash. */
export function seekExact(host: number, position: bigint): number {
  // The binding takes numbers; koffi converts a BigInt to the same int64_t parameter.
  const result = syscall(Host.lseek, host, position as unknown as number, SEEK_SET);
  return result < 0 ? result : 0;
}

/** The position that the guest is shown for a host position, remembered where it had to be replaced. */
function guestOffset(process: LinuxProcess, host: number, offset: bigint): bigint {
  if (offset >= 0n && offset < BigInt(COOKIE_BASE)) return offset;
  const { directories } = process.files;
  let state: DirectoryState | undefined = directories.get(host);
  if (state === undefined) directories.set(host, (state = { madeUp: false, position: 0, offsets: [] }));
  return BigInt(COOKIE_BASE + state.offsets.push(offset) - 1);
}

/**
 * Entries are converted one by one. What the host returned and the guest's buffer cannot hold is read again next time: the
 * directory is wound back to the last entry that fitted.
 */
function getdents(process: LinuxProcess, fd: number, buffer: number, count: number, write: EntryWriter): number {
  const host = process.files.host(fd);
  const capacity = count >>> 0;
  const directory = process.files.directories.get(host);
  const madeUp = directory?.madeUp ?? false;
  let entries: IterableIterator<Entry>;
  if (madeUp && directory) {
    entries = madeUpEntries(process, madeUp, directory.position);
  } else {
    const room = Math.min(capacity, 1 << 16);
    const offset = scratch.allocate(room);
    const length = syscall(Host.getdents64, host, scratch.address + offset, room);
    if (length <= 0) return length;
    entries = hostEntries(offset, length);
  }
  let used = 0;
  let last = 0n;
  for (const entry of entries) {
    const offset = madeUp ? entry.offset : guestOffset(process, host, entry.offset);
    const size = write(process, (buffer >>> 0) + used, capacity - used, { ...entry, offset });
    if (size === 0) {
      if (used === 0) return -Errno.EINVAL;
      if (!madeUp) seekExact(host, last);
      break;
    }
    used += size;
    last = entry.offset;
    if (madeUp && directory) directory.position = Number(entry.offset);
  }
  return used;
}

/** The old `readdir`: one entry a call, its offset the entry's own (fs/readdir.c, compat_old_readdir). */
function readdir(process: LinuxProcess, fd: number, buffer: number): number {
  const host = process.files.host(fd);
  const offset = scratch.allocate(512);
  const length = syscall(Host.getdents64, host, scratch.address + offset, 512);
  if (length <= 0) return length;
  for (const entry of hostEntries(offset, length)) {
    seekExact(host, entry.offset);
    const { memory } = process;
    memory.checkWrite(buffer, 10 + entry.name.length + 1);
    memory.writeU32(buffer, Number(entry.inode & 0xffffffffn));
    memory.writeU32(buffer + 4, Number(entry.offset & 0xffffffffn));
    memory.writeU16(buffer + 8, entry.name.length);
    memory.write(buffer + 10, entry.name);
    memory.writeU8(buffer + 10 + entry.name.length, 0);
    return 1;
  }
  return 0;
}

export const directoryCalls: readonly SyscallDeclaration[] = [
  declare('mkdir', ['path', 'mode'], 'int', fromWorkingDirectory(Host.mkdir, false)),
  declare('mkdirat', ['directory', 'path', 'mode'], 'int', inDirectory(Host.mkdirat, false)),
  declare('rmdir', ['path'], 'int', fromWorkingDirectory(Host.rmdir, false)),
  declare('unlink', ['path'], 'int', fromWorkingDirectory(Host.unlink, false)),
  declare('unlinkat', ['directory', 'path', 'flags:at'], 'int', inDirectory(Host.unlinkat, false)),
  declare('mknod', ['path', 'octal', 'device'], 'int', fromWorkingDirectory(Host.mknod, false)),
  declare('mknodat', ['directory', 'path', 'octal', 'device'], 'int', inDirectory(Host.mknodat, false)),
  declare('link', ['path', 'path'], 'int', (process, from, to) =>
    twoNames(process, Host.linkat, AT_FDCWD, from, AT_FDCWD, to, 0),
  ),
  declare('linkat', ['directory', 'path', 'directory', 'path', 'flags:at'], 'int', (process, a, b, c, d, flags) =>
    twoNames(process, Host.linkat, a, b, c, d, flags),
  ),
  declare('rename', ['path', 'path'], 'int', (process, from, to) =>
    twoNames(process, Host.renameat2, AT_FDCWD, from, AT_FDCWD, to, 0),
  ),
  declare('renameat', ['directory', 'path', 'directory', 'path'], 'int', (process, a, b, c, d) =>
    twoNames(process, Host.renameat2, a, b, c, d, 0),
  ),
  declare(
    'renameat2',
    ['directory', 'path', 'directory', 'path', 'flags:rename'],
    'int',
    (process, a, b, c, d, flags) => twoNames(process, Host.renameat2, a, b, c, d, flags),
  ),
  declare('symlink', ['path', 'path'], 'int', (process, target, name) => symlink(process, target, AT_FDCWD, name)),
  declare('symlinkat', ['path', 'directory', 'path'], 'int', symlink),
  declare('chdir', ['path'], 'int', fromWorkingDirectory(Host.chdir, true)),
  declare('fchdir', ['fd'], 'int', (process, fd) => syscall(Host.fchdir, process.files.host(fd))),
  declare('chroot', ['path'], 'int', fromWorkingDirectory(Host.chroot, true)),
  declare('getcwd', ['bytes-result', 'unsigned'], 'int', getcwd),
  declare('chmod', ['path', 'mode'], 'int', fromWorkingDirectory(Host.chmod, true)),
  declare('fchmod', ['fd', 'mode'], 'int', (process, fd, mode) => syscall(Host.fchmod, process.files.host(fd), mode)),
  declare('fchmodat', ['directory', 'path', 'mode'], 'int', inDirectory(Host.fchmodat, true)),
  declare('chown', ['path', 'int', 'int'], 'int', (process, path, user, group) =>
    chown(process, path, wideId(user), wideId(group), 0),
  ),
  declare('lchown', ['path', 'int', 'int'], 'int', (process, path, user, group) =>
    chown(process, path, wideId(user), wideId(group), AT_SYMLINK_NOFOLLOW),
  ),
  declare('fchown', ['fd', 'int', 'int'], 'int', (process, fd, user, group) =>
    syscall(Host.fchown, process.files.host(fd), wideId(user), wideId(group)),
  ),
  declare('chown32', ['path', 'int', 'int'], 'int', (process, path, user, group) =>
    chown(process, path, user, group, 0),
  ),
  declare('lchown32', ['path', 'int', 'int'], 'int', (process, path, user, group) =>
    chown(process, path, user, group, AT_SYMLINK_NOFOLLOW),
  ),
  declare('fchown32', ['fd', 'int', 'int'], 'int', (process, fd, user, group) =>
    syscall(Host.fchown, process.files.host(fd), user, group),
  ),
  declare(
    'fchownat',
    ['directory', 'path', 'int', 'int', 'flags:at'],
    'int',
    (process, directory, path, user, group, flags) =>
      syscall(
        Host.fchownat,
        process.files.directory(directory),
        hostPath(process, path, (flags & AT_SYMLINK_NOFOLLOW) === 0),
        user,
        group,
        flags,
      ),
  ),
  declare('umask', ['octal'], 'octal', (_process, mask) => syscall(Host.umask, mask)),
  declare('getdents', ['fd', 'pointer', 'unsigned'], 'int', (process, fd, buffer, count) =>
    getdents(process, fd, buffer, count, writeEntry32),
  ),
  declare('getdents64', ['fd', 'pointer', 'unsigned'], 'int', (process, fd, buffer, count) =>
    getdents(process, fd, buffer, count, writeEntry64),
  ),
  declare('readdir', ['fd', 'pointer', 'unsigned'], 'int', readdir),
];
