/**
 * The embedder's and the debugger's access to guest memory: whatever the guest itself may do with a page, as long as there is one.
 * Pages that the host protects are reached through the kernel's file of this process's memory, as debuggers do.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../translator/pages.js';
import { GUEST_LIMIT } from '../../translator/state.js';
import { HostBuffer, hostClose, hostOpen } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import type { Mappings } from './mappings.js';

const SYS_PREAD64 = 17;
const SYS_PWRITE64 = 18;
const O_RDWR = 2;

/** The first address of a range at which nothing is mapped, or -1. */
export function firstUnmapped({ regions }: Mappings, address: number, length: number): number {
  const end = address + length;
  if (length === 0) return -1;
  if (end > GUEST_LIMIT) return Math.max(address, GUEST_LIMIT);
  const hole = regions.firstHole(address, end);
  return hole < end ? hole : -1;
}

/** Bytes of mapped memory; undefined where some of it is not mapped or cannot be read (beyond the end of its file). */
export function peek(mappings: Mappings, address: number, length: number): Uint8Array | undefined {
  address >>>= 0;
  if (firstUnmapped(mappings, address, length) >= 0) return undefined;
  const { memory } = mappings;
  if (memory.isReadable(address, length)) return memory.u8.slice(address, address + length);
  const buffer = new HostBuffer(Math.max(length, 128));
  const done = transfer(SYS_PREAD64, mappings.hostBase + address, buffer, length);
  return done === length ? buffer.bytes.slice(0, length) : undefined;
}

/** Writes to mapped memory; false, and nothing is certain to be written, where that is not possible. Translations follow. */
export function poke(mappings: Mappings, address: number, bytes: Uint8Array): boolean {
  address >>>= 0;
  const { length } = bytes;
  if (length === 0) return true;
  if (firstUnmapped(mappings, address, length) >= 0) return false;
  const { memory } = mappings;
  if (memory.isWritable(address, length)) {
    memory.dropCode(address, length);
    memory.u8.set(bytes, address);
    return true;
  }
  const first = address >>> PAGE_SHIFT;
  const count = ((address + length - 1) >>> PAGE_SHIFT) - first + 1;
  mappings.onUnmapped(first, count);
  for (let page = first; page < first + count; page++) memory.onFirstWrite(page);
  const buffer = new HostBuffer(Math.max(length, 128));
  buffer.bytes.set(bytes);
  return transfer(SYS_PWRITE64, mappings.hostBase + address, buffer, length) === length;
}

function transfer(number: number, hostAddress: number, buffer: HostBuffer, length: number): number {
  const fd = hostOpen(new TextEncoder().encode('/proc/self/mem'), O_RDWR);
  if (fd < 0) return fd;
  let done = 0;
  while (done < length) {
    // Page by page, so that a page that cannot be accessed does not hide those before it.
    const piece = Math.min(length - done, PAGE_SIZE - ((hostAddress + done) & (PAGE_SIZE - 1)));
    if (syscall(number, fd, buffer.address + done, piece, hostAddress + done) !== piece) break;
    done += piece;
  }
  hostClose(fd);
  return done;
}
