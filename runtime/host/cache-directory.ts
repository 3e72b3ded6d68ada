/**
 * A directory of files that are only this user's and may vanish at any time: read whole, replaced in one step, bounded in size.
 * By system calls of the host, because Node's own file functions are not made for a process whose descriptors 0 to 2 come and go.
 * Whatever goes wrong, there is only no file then.
 */
import { HostBuffer, hostClose, hostOpen, hostProcessId, hostStat } from './buffer.js';
import { addressOf, syscall } from './libc.js';

const HOST = {
  write: 1,
  pread64: 17,
  flock: 73,
  rename: 82,
  mkdir: 83,
  unlink: 87,
  getdents64: 217,
  geteuid: 107,
  utimensat: 280,
} as const;
const LOCK_EXCLUSIVE = 2;
const LOCK_NOT_BLOCKING = 4;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
const AT_FDCWD = -100;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const OTHERS_WRITE = 0o022;
const WASM_PAGE = 65536;
/** One file is not to drive out all others. */
const MAXIMUM_SHARE = 1 / 4;
/** `struct linux_dirent64`: where its length and its name are. */
const DIRENT = { length: 16, name: 19 } as const;
/** A file that was read is marked as new again when its time is older than this: what is used stays. */
const TOUCH_AFTER_SECONDS = 3600;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A file's contents, in memory that WebAssembly can have; zeros follow up to the memory's end. */
export interface FileContents {
  readonly memory: WebAssembly.Memory;
  readonly size: number;
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly modified: number;
}

export class CacheDirectory {
  constructor(
    /** Absolute path. */
    readonly path: string,
    /** Most bytes of all files together. */
    readonly limit: number,
  ) {}

  private pathOf(name: string): Uint8Array {
    return encoder.encode(`${this.path}/${name}`);
  }

  /** A file that nobody but this user can have written; undefined where there is none. */
  read(name: string): FileContents | undefined {
    const fd = hostOpen(this.pathOf(name), O_NOFOLLOW);
    if (fd < 0) return undefined;
    try {
      const stat = hostStat(fd);
      if (typeof stat === 'number' || (stat.mode & S_IFMT) !== S_IFREG) return undefined;
      if (stat.userId !== syscall(HOST.geteuid) || (stat.mode & OTHERS_WRITE) !== 0) return undefined;
      if (stat.size === 0 || stat.size > this.limit) return undefined;
      const memory = new WebAssembly.Memory({ initial: Math.ceil(stat.size / WASM_PAGE) });
      const address = addressOf(memory.buffer);
      for (let done = 0; done < stat.size;) {
        const count = syscall(HOST.pread64, fd, address + done, stat.size - done, done);
        if (count <= 0) return undefined;
        done += count;
      }
      if (Date.now() / 1000 - stat.modified > TOUCH_AFTER_SECONDS) {
        const path = this.pathOf(name);
        const buffer = new HostBuffer(path.length + 1);
        syscall(HOST.utimensat, AT_FDCWD, buffer.putCString(path), 0, 0);
      }
      return { memory, size: stat.size };
    } finally {
      hostClose(fd);
    }
  }

  /** Replaces a file by the first `size` bytes of a memory, then removes the oldest files where there is too much. */
  write(name: string, { memory, size }: FileContents): boolean {
    if (size > this.limit * MAXIMUM_SHARE || !this.make()) return false;
    const temporary = this.pathOf(`.${name}.${hostProcessId()}`);
    const fd = hostOpen(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    if (fd < 0) return false;
    const address = addressOf(memory.buffer);
    let done = 0;
    while (done < size) {
      const count = syscall(HOST.write, fd, address + done, size - done);
      if (count <= 0) break;
      done += count;
    }
    hostClose(fd);
    const buffer = new HostBuffer(16384);
    const from = buffer.putCString(temporary);
    if (done < size || syscall(HOST.rename, from, buffer.putCString(this.pathOf(name), 8192)) < 0) {
      syscall(HOST.unlink, from);
      return false;
    }
    this.trim();
    return true;
  }

  /** A descriptor that holds the directory's lock until it is closed everywhere, or a negated error number. */
  lock(waits: boolean): number {
    if (!this.make()) return -1;
    const fd = hostOpen(encoder.encode(this.path), O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return fd;
    const result = syscall(HOST.flock, fd, LOCK_EXCLUSIVE | (waits ? 0 : LOCK_NOT_BLOCKING));
    if (result >= 0) return fd;
    hostClose(fd);
    return result;
  }

  remove(name: string): void {
    const path = this.pathOf(name);
    syscall(HOST.unlink, new HostBuffer(path.length + 1).putCString(path));
  }

  /** The files, oldest first; also those that were left behind half-written. */
  list(): Entry[] {
    const fd = hostOpen(encoder.encode(this.path), O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return [];
    const buffer = new HostBuffer(1 << 15);
    const names: string[] = [];
    for (;;) {
      const length = syscall(HOST.getdents64, fd, buffer.address, buffer.size);
      if (length <= 0) break;
      for (let at = 0; at < length; at += buffer.view.getUint16(at + DIRENT.length, true)) {
        const start = at + DIRENT.name;
        const name = decoder.decode(buffer.bytes.subarray(start, buffer.bytes.indexOf(0, start)));
        if (name !== '.' && name !== '..') names.push(name);
      }
    }
    hostClose(fd);
    const entries: Entry[] = [];
    for (const name of names) {
      const file = hostOpen(this.pathOf(name), O_NOFOLLOW);
      if (file < 0) continue;
      const stat = hostStat(file);
      hostClose(file);
      if (typeof stat !== 'number') entries.push({ name, size: stat.size, modified: stat.modified });
    }
    return entries.sort((a, b) => a.modified - b.modified);
  }

  private trim(): void {
    const entries = this.list();
    let total = entries.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size } of entries) {
      if (total <= this.limit) break;
      this.remove(name);
      total -= size;
    }
  }

  /** Makes the directory and those above it; false where it is not this user's alone. */
  private make(): boolean {
    const buffer = new HostBuffer(8192);
    for (let at = this.path.indexOf('/', 1); at > 0; at = this.path.indexOf('/', at + 1)) {
      syscall(HOST.mkdir, buffer.putCString(encoder.encode(this.path.slice(0, at))), 0o700);
    }
    const path = encoder.encode(this.path);
    syscall(HOST.mkdir, buffer.putCString(path), 0o700);
    const fd = hostOpen(path, O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return false;
    const stat = hostStat(fd);
    hostClose(fd);
    return typeof stat !== 'number' && stat.userId === syscall(HOST.geteuid) && (stat.mode & OTHERS_WRITE) === 0;
  }
}
