/** Stream sockets without the event loop: the emulator listens, waits for one peer, and reads and writes synchronously. */
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';

const SYS = {
  read: 0,
  write: 1,
  close: 3,
  poll: 7,
  socket: 41,
  accept4: 288,
  bind: 49,
  listen: 50,
  setsockopt: 54,
  unlink: 87,
};
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const LOOPBACK = [127, 0, 0, 1];
const POLLIN = 1;
const F_DUPFD_CLOEXEC = 1030;
const SYS_FCNTL = 72;
/** Above the descriptors that guests count on to be free. */
const LOWEST_DESCRIPTOR = 200;
const EINTR = 4;
const PIECE = 1 << 14;

/** A TCP port of the loopback interface, or the path of a Unix socket. */
export type SocketAddress = { readonly port: number } | { readonly path: string };

/** Waits for one peer and gives its descriptor, or a negated error number. */
export function acceptOne(address: SocketAddress): number {
  const buffer = new HostBuffer(256);
  const { view, bytes } = buffer;
  let length: number;
  if ('port' in address) {
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, address.port, false);
    bytes.set(LOOPBACK, 4);
    length = 16;
  } else {
    const path = new TextEncoder().encode(address.path);
    if (path.length > 107) return -36; // ENAMETOOLONG
    view.setUint16(0, AF_UNIX, true);
    buffer.putCString(path, 2);
    length = 2 + path.length + 1;
    syscall(SYS.unlink, buffer.address + 2);
  }
  const family = 'port' in address ? AF_INET : AF_UNIX;
  const listener = syscall(SYS.socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return listener;
  view.setInt32(200, 1, true);
  syscall(SYS.setsockopt, listener, SOL_SOCKET, SO_REUSEADDR, buffer.address + 200, 4);
  let result = syscall(SYS.bind, listener, buffer.address, length);
  if (result === 0) result = syscall(SYS.listen, listener, 1);
  if (result === 0) {
    do result = syscall(SYS.accept4, listener, 0, 0, SOCK_CLOEXEC);
    while (result === -EINTR);
  }
  syscall(SYS.close, listener);
  if ('path' in address) syscall(SYS.unlink, buffer.address + 2);
  if (result < 0) return result;
  if (family === AF_INET) syscall(SYS.setsockopt, result, IPPROTO_TCP, TCP_NODELAY, buffer.address + 200, 4);
  const high = keepDescriptor(result);
  if (high !== result) syscall(SYS.close, result);
  return high;
}

/** A descriptor for the emulator's own use that is the same as another, or that itself where there are no more. */
export function keepDescriptor(fd: number): number {
  const high = syscall(SYS_FCNTL, fd, F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR);
  return high >= 0 ? high : fd;
}

export class SocketStream {
  private readonly buffer = new HostBuffer(PIECE);

  constructor(readonly fd: number) {}

  /** Whether bytes (or the end) have arrived. */
  get isReadable(): boolean {
    const { view, address } = this.buffer;
    view.setInt32(0, this.fd, true);
    view.setInt16(4, POLLIN, true);
    view.setInt16(6, 0, true);
    return syscall(SYS.poll, address, 1, 0) > 0;
  }

  /** Waits for bytes; none at the peer's end. */
  read(): Uint8Array {
    for (;;) {
      const count = syscall(SYS.read, this.fd, this.buffer.address, PIECE);
      if (count !== -EINTR) return this.buffer.bytes.slice(0, Math.max(0, count));
    }
  }

  /** Writes all; false where the peer is gone. */
  write(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + PIECE);
      this.buffer.bytes.set(piece);
      const count = syscall(SYS.write, this.fd, this.buffer.address, piece.length);
      if (count === -EINTR) continue;
      if (count <= 0) return false;
      at += count;
    }
    return true;
  }

  close(): void {
    syscall(SYS.close, this.fd);
  }
}
