/**
 * The guest's file descriptors. Their numbers are the guest's own: each maps to a host descriptor, so that descriptors of Node and of
 * the emulator can neither be seen nor closed by the guest. The close-on-exec flag is kept by the host descriptor.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { HostBuffer } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import { Errno } from './constants/errno.js';
import { Host } from './constants/host-syscalls.js';

/** Entries of the table; RLIMIT_NOFILE cannot be more. */
const CAPACITY = 1 << 16;
export const FILE_TABLE_WORDS = CAPACITY + 2;
/** `AT_FDCWD` (uapi/linux/fcntl.h). */
export const AT_FDCWD = -100;

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;
const O_CLOEXEC = 0o2000000;
const O_ACCMODE = 3;
const RLIMIT_NOFILE = 7;

/** What the emulator keeps about an open directory. Descriptors made by `dup` share it. */
export interface DirectoryState {
  /** What the entries are that the emulator makes up, for directories of /proc; then `position` is the index of the next one. */
  readonly madeUp: 'descriptors' | 'threads' | false;
  position: number;
  /** Positions that do not fit into 31 bits; the guest has seen `COOKIE_BASE` + index instead. */
  readonly offsets: bigint[];
}

/**
 * File systems with hashed directories give a 64-bit process 64-bit positions. A 32-bit kernel gives shorter hashes; glibc fails
 * with EOVERFLOW on a position that does not fit, so such positions are numbered from here.
 */
export const COOKIE_BASE = 0x40000000;

export class FileTable {
  /** Directories that need to be remembered, by host descriptor. */
  readonly directories = new Map<number, DirectoryState>();
  /** Host descriptor + 1 or 0, by the guest's number; behind them the soft and the hard limit + 1, 0 where not known yet. */
  private readonly entries: Int32Array;

  /** @param words `FILE_TABLE_WORDS` words that threads share, zeroed at first; else the table is this thread's own */
  constructor(words?: Int32Array) {
    this.entries = words ?? new Int32Array(FILE_TABLE_WORDS);
  }

  /** Hard RLIMIT_NOFILE of the guest; -1 where it has not set one. */
  get hardLimit(): number {
    return this.entries[CAPACITY + 1]! - 1;
  }
  set hardLimit(value: number) {
    this.entries[CAPACITY + 1] = Math.min(value, CAPACITY) + 1;
  }

  private get softLimit(): number {
    return this.entries[CAPACITY]! - 1;
  }
  private set softLimit(value: number) {
    this.entries[CAPACITY] = value + 1;
  }

  /** Takes 0, 1, 2 and what the parent let us inherit under their own numbers, and leaves Node's descriptors alone. */
  takeOver(which: 'inherited' | 'standard' = 'inherited'): void {
    for (const fd of which === 'standard' ? [0, 1, 2] : inheritedDescriptors()) {
      this.entries[fd] = fd + 1;
      // libuv has set close-on-exec on everything it found.
      syscall(Host.fcntl, fd, F_SETFD, 0);
    }
  }

  /** Soft RLIMIT_NOFILE of the guest. Node has raised the host's to the hard limit; the parent still has what was meant. */
  get limit(): number {
    if (this.softLimit < 0) this.softLimit = Math.min(parentSoftLimit(), CAPACITY);
    return this.softLimit;
  }
  set limit(value: number) {
    this.softLimit = Math.min(value, CAPACITY);
  }

  /** The host's descriptor, or -1, which makes any host call answer EBADF. */
  host(fd: number): number {
    return fd >= 0 && fd < CAPACITY ? this.entries[fd]! - 1 : -1;
  }

  /** As `host`; AT_FDCWD stays itself. */
  directory(fd: number): number {
    return fd === AT_FDCWD ? AT_FDCWD : this.host(fd);
  }

  /** The guest's number of a host descriptor, or -1. */
  guest(host: number): number {
    const fd = host < 0 ? -1 : this.entries.indexOf(host + 1);
    return fd < CAPACITY ? fd : -1;
  }

  /** Open descriptors in ascending order. */
  *open(): IterableIterator<number> {
    for (let fd = 0; fd < CAPACITY; fd++) if (this.entries[fd] !== 0) yield fd;
  }

  /**
   * Gives a host descriptor (or passes on a negative errno) the lowest free number from `lowest` up. -EMFILE closes the host
   * descriptor again.
   */
  install(host: number, lowest = 0): number {
    if (host < 0) return host;
    for (let fd = lowest; fd < CAPACITY; fd++) {
      if (this.entries[fd] !== 0) continue;
      if (fd > 255 && fd >= this.limit) break;
      if (this.softLimit >= 0 && fd >= this.softLimit) break;
      if (Atomics.compareExchange(this.entries, fd, 0, host + 1) === 0) return fd;
    }
    syscall(Host.close, host);
    return -Errno.EMFILE;
  }

  close(fd: number): number {
    const host = this.host(fd);
    if (host < 0) return -Errno.EBADF;
    this.directories.delete(host);
    this.entries[fd] = 0;
    return syscall(Host.close, host);
  }

  /** `fcntl(F_DUPFD)`. */
  duplicate(fd: number, lowest: number, closeOnExec: boolean): number {
    if (lowest < 0 || lowest >= this.limit) return this.host(fd) < 0 ? -Errno.EBADF : -Errno.EINVAL;
    const host = syscall(Host.fcntl, this.host(fd), closeOnExec ? F_DUPFD_CLOEXEC : F_DUPFD, 3);
    this.copyDirectory(this.host(fd), host);
    return this.install(host, lowest);
  }

  /** `dup`: the lowest free number. */
  duplicateLowest(fd: number): number {
    const host = syscall(Host.dup, this.host(fd));
    this.copyDirectory(this.host(fd), host);
    return this.install(host);
  }

  /** `dup3`: what `to` was is closed; `dup2`'s rule for equal numbers is the caller's. */
  duplicateTo(fd: number, to: number, closeOnExec: boolean): number {
    const host = this.host(fd);
    if (host < 0 || to < 0 || to >= this.limit) return -Errno.EBADF;
    const target = this.host(to);
    const result =
      target < 0
        ? syscall(Host.fcntl, host, closeOnExec ? F_DUPFD_CLOEXEC : F_DUPFD, to <= 2 ? 0 : 3)
        : syscall(Host.dup3, host, target, closeOnExec ? O_CLOEXEC : 0);
    if (result < 0) return result;
    this.directories.delete(result);
    this.copyDirectory(host, result);
    this.entries[to] = result + 1;
    return to;
  }

  /** Closes all that the guest has open, and nothing of Node's. */
  closeAll(): void {
    for (const fd of this.open()) this.close(fd);
  }

  /** Closes what a guest `execve` closes. */
  closeOnExec(): void {
    for (const fd of this.open()) {
      if (syscall(Host.fcntl, this.host(fd), F_GETFD) & FD_CLOEXEC) this.close(fd);
    }
  }

  /**
   * Puts every descriptor at the guest's number for an `execve` by the host. Node's descriptors in the way are lost: call it
   * only when nothing but the exec follows. What has close-on-exec keeps it.
   */
  installForHostExec(): void {
    const parked: { fd: number; host: number; flags: number }[] = [];
    let highest = 2;
    for (const fd of this.open()) highest = fd;
    const above = Math.max(highest + 1, 64);
    for (const fd of this.open()) {
      const host = this.host(fd);
      if (host === fd) continue;
      const flags = syscall(Host.fcntl, host, F_GETFD);
      if (flags & FD_CLOEXEC) continue;
      parked.push({ fd, host: syscall(Host.fcntl, host, F_DUPFD_CLOEXEC, above), flags });
    }
    for (const { fd, host } of parked) {
      if (host >= 0) syscall(Host.dup3, host, fd, 0);
    }
    // Descriptors under numbers that the guest does not know must not be inherited.
    const moved = new Set(parked.map(({ fd }) => fd));
    for (const fd of this.open()) {
      const host = this.host(fd);
      if (host !== fd && !moved.has(host) && this.host(host) !== host) syscall(Host.fcntl, host, F_SETFD, FD_CLOEXEC);
    }
    for (let fd = 0; fd <= 2; fd++) if (this.host(fd) < 0) syscall(Host.close, fd);
    const limits = new HostBuffer(128);
    syscall(Host.prlimit64, 0, RLIMIT_NOFILE, 0, limits.address);
    limits.view.setBigUint64(0, BigInt(this.limit), true);
    if (this.hardLimit >= 0) limits.view.setBigUint64(8, BigInt(this.hardLimit), true);
    syscall(Host.prlimit64, 0, RLIMIT_NOFILE, limits.address, 0);
  }

  private copyDirectory(from: number, to: number): void {
    const directory = this.directories.get(from);
    if (directory !== undefined && to >= 0) this.directories.set(to, directory);
  }
}

/**
 * Descriptors that the emulator's parent gave it. libuv has set close-on-exec everywhere, so the flag tells nothing: what lies
 * below Node's first descriptor (its epoll instance) was there before it, above it Node's own are known by what they are.
 */
function inheritedDescriptors(): number[] {
  interface Candidate {
    readonly fd: number;
    readonly target: string;
    readonly access: number;
  }
  const candidates: Candidate[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    const flags = syscall(Host.fcntl, fd, F_GETFL);
    if (flags < 0) continue;
    try {
      candidates.push({ fd, target: readlinkSync(`/proc/self/fd/${name}`), access: flags & O_ACCMODE });
    } catch {
      // Closed since it was listed: the listing's own descriptor.
    }
  }
  candidates.sort((x, y) => x.fd - y.fd);
  const firstOfNode =
    candidates.find(({ fd, target }) => fd > 2 && target === 'anon_inode:[eventpoll]')?.fd ?? Infinity;
  // Node opens /dev/null once, just before its first eventfd.
  const firstEvent =
    candidates.find(({ fd, target }) => fd > firstOfNode && target === 'anon_inode:[eventfd]')?.fd ?? 0;
  const nullOfNode = candidates.findLast(
    ({ fd, target, access }) => fd > firstOfNode && fd < firstEvent && target === '/dev/null' && access === 0,
  )?.fd;
  const isOfNode = ({ fd, target, access }: Candidate): boolean => {
    if (fd < firstOfNode) return false;
    if (/^anon_inode:\[(eventpoll|eventfd|io_uring)\]$/.test(target)) return true;
    if (fd === nullOfNode) return true;
    const isPipe = target.startsWith('pipe:');
    return isPipe && candidates.some((other) => other.target === target && other.access !== access);
  };
  return candidates.filter((candidate) => !isOfNode(candidate)).map(({ fd }) => fd);
}

function parentSoftLimit(): number {
  for (const who of [process.ppid, 'self']) {
    try {
      const match = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${who}/limits`, 'latin1'));
      if (match !== null) return Number(match[1]);
    } catch {
      // The parent is another user's or has ended.
    }
  }
  return 1024;
}

/** Host RLIMIT_NOFILE's number, for callers that set it. */
export const RESOURCE_NOFILE = RLIMIT_NOFILE;
