/**
 * From the guest's file names to the host's. Absolute names are looked for below the sysroot first, then on the host, as
 * qemu-user's `-L` does; symbolic links inside the sysroot that are absolute stay inside it. Files of /proc that would show
 * the emulator instead of the guest are answered from here.
 */
import { hostProcessId, hostReadLink } from '../host/buffer.js';
import { HostBuffer } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import { Host } from './constants/host-syscalls.js';

const AT_FDCWD = -100;
const F_OK = 0;
const AT_SYMLINK_NOFOLLOW = 0x100;
const MAXIMUM_LINKS = 40;
const SLASH = 0x2f;
const PATH_MAX = 4096;

const encoder = new TextEncoder();
const latin1 = new TextDecoder('latin1');

/** Files of /proc/self that show the guest: by the name after `/proc/self/`. */
export interface GuestProcFiles {
  /** Contents for `open`. */
  file(name: string): Uint8Array | undefined;
  /** Target for `readlink`. */
  link(name: string): Uint8Array | undefined;
}

function concatenate(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export class PathResolver {
  private readonly scratch = new HostBuffer(PATH_MAX * 2);
  private readonly sysroot: Uint8Array | undefined;
  /** Answers for /proc/self; set by the process. */
  procFiles: GuestProcFiles | undefined;
  /** Asked first for every absolute name: another host path for it, where libraries are to come from elsewhere. */
  redirect: ((guestPath: Uint8Array) => Uint8Array | undefined) | undefined;

  /** @param sysroot directory with an i386 system */
  constructor(sysroot: string | undefined) {
    const trimmed = sysroot?.replace(/\/+$/, '');
    this.sysroot = trimmed ? encoder.encode(trimmed) : undefined;
  }

  /**
   * The host's name for the guest's.
   * @param followLast false for calls that act on a symbolic link itself (lstat, unlink, rename)
   */
  hostPath(guestPath: Uint8Array, followLast = true): Uint8Array {
    if (guestPath[0] !== SLASH) return guestPath;
    const redirected = this.redirect?.(guestPath);
    if (redirected) return redirected;
    if (followLast) {
      const name = this.procName(guestPath);
      const target = name !== undefined ? this.procFiles?.link(name) : undefined;
      if (target) return this.hostPath(target);
    }
    return this.sysroot ? this.below(this.sysroot, guestPath, followLast) : guestPath;
  }

  /** The guest's name for a host path: without the sysroot in front. */
  guestPath(hostPath: Uint8Array): Uint8Array {
    const { sysroot } = this;
    if (!sysroot || hostPath.length < sysroot.length) return hostPath;
    for (let index = 0; index < sysroot.length; index++) if (hostPath[index] !== sysroot[index]) return hostPath;
    if (hostPath.length === sysroot.length) return encoder.encode('/');
    return hostPath[sysroot.length] === SLASH ? hostPath.slice(sysroot.length) : hostPath;
  }

  /** Contents of a file of /proc that shows the guest, undefined for every other file. */
  virtualFile(guestPath: Uint8Array): Uint8Array | undefined {
    const name = this.procName(guestPath);
    return name === undefined ? undefined : this.procFiles?.file(name);
  }

  /** What `readlink` says for a link of /proc that shows the guest, undefined for every other file. */
  virtualLink(guestPath: Uint8Array): Uint8Array | undefined {
    const name = this.procName(guestPath);
    return name === undefined ? undefined : this.procFiles?.link(name);
  }

  /** `exe` for `/proc/self/exe` and its other names; undefined for what is not of this process in /proc. */
  private procName(path: Uint8Array): string | undefined {
    // "/proc/" before anything is decoded.
    if (path[1] !== 0x70 || path[2] !== 0x72 || path[3] !== 0x6f || path[4] !== 0x63 || path[5] !== SLASH)
      return undefined;
    const match = /^\/proc\/(self|thread-self|\d+)\/(?:task\/\d+\/)?(\w+)$/.exec(latin1.decode(path));
    if (!match) return undefined;
    const [, owner, name] = match;
    return owner === 'self' || owner === 'thread-self' || Number(owner) === hostProcessId() ? name : undefined;
  }

  private below(sysroot: Uint8Array, guestPath: Uint8Array, followLast: boolean): Uint8Array {
    let path = guestPath;
    for (let links = 0; links < MAXIMUM_LINKS; links++) {
      const candidate = concatenate(sysroot, path);
      if (candidate.length >= PATH_MAX) return path;
      const name = this.scratch.putCString(candidate);
      if (syscall(Host.faccessat2, AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) return path;
      if (!followLast) return candidate;
      const target = hostReadLink(candidate);
      if (typeof target === 'number' || target[0] !== SLASH) return candidate;
      path = target;
    }
    return path;
  }
}
