/**
 * Guest memory that bridges put strings and buffers of the host's into: pages of their own, divided into pieces of powers of two.
 */
import { MapFlag, Protection } from '../runtime/linux/constants/memory.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import type { Mappings } from '../runtime/memory/mappings.js';

const SMALLEST = 5;
const CHUNK = 1 << 16;
const PAGE = 4096;

export class GuestHeap {
  /** Free pieces by the logarithm of their size. */
  private free: number[][] = [];
  /** Logarithms of pieces in use; bytes of those that have pages of their own. */
  private readonly sizes = new Map<number, number>();
  private at = 0;
  private end = 0;

  constructor(
    private readonly memory: GuestMemory,
    private readonly mappings: Mappings,
  ) {}

  /** After `execve`: nothing is where it was. */
  reset(): void {
    this.free = [];
    this.sizes.clear();
    this.at = this.end = 0;
  }

  /** Address (0 to 2^32-1) of a copy of bytes; 0 where there is no room. */
  copy(bytes: Uint8Array): number {
    const address = this.allocate(Math.max(1, bytes.length));
    if (address !== 0) this.memory.write(address, bytes);
    return address;
  }

  private allocate(bytes: number): number {
    if (bytes > CHUNK / 2) {
      const size = Math.ceil(bytes / PAGE) * PAGE;
      const start = this.map(size);
      if (start !== 0) this.sizes.set(start, size);
      return start;
    }
    const power = Math.max(SMALLEST, Math.ceil(Math.log2(bytes)));
    const again = this.free[power]?.pop();
    if (again !== undefined) {
      this.sizes.set(again, power);
      return again;
    }
    if (this.at + 2 ** power > this.end) {
      this.at = this.map(CHUNK);
      if (this.at === 0) return (this.end = 0);
      this.end = this.at + CHUNK;
    }
    const address = this.at;
    this.at += 2 ** power;
    this.sizes.set(address, power);
    return address;
  }

  private map(size: number): number {
    const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS;
    const start = this.mappings.mmap(0, size, Protection.PROT_READ | Protection.PROT_WRITE, flags, -1, 0);
    return start < 0 ? 0 : start;
  }

  release(address: number): void {
    const at = address >>> 0;
    const size = this.sizes.get(at);
    if (size === undefined) return;
    this.sizes.delete(at);
    if (size > 32) this.mappings.munmap(at, size);
    else (this.free[size] ??= []).push(at);
  }
}
