/**
 * Host memory for what a system call passes by pointer after conversion: paths, structures, vectors. Allocation only moves a mark;
 * the dispatcher puts the mark back after each call, so nothing here outlives the call that made it.
 */
import { addressOf } from '../host/libc.js';
import { SyscallFailure } from './failure.js';
import { Errno } from './constants/errno.js';

const CAPACITY = 1 << 20;

export class Scratch {
  private readonly buffer = new ArrayBuffer(CAPACITY);
  readonly u8 = new Uint8Array(this.buffer);
  readonly view = new DataView(this.buffer);
  /** Host address of the first byte; an offset added to it is what the kernel is given. */
  readonly address = addressOf(this.buffer);
  private used = 0;

  mark(): number {
    return this.used;
  }

  release(mark: number): void {
    this.used = mark;
  }

  /** Offset of `size` bytes, 16-aligned, contents undefined. */
  allocate(size: number): number {
    const offset = this.used;
    if (size > CAPACITY - offset) throw new SyscallFailure(Errno.ENOMEM);
    this.used = (offset + size + 15) & ~15;
    return offset;
  }

  /** Host address of a copy of the bytes with a NUL behind them. */
  cString(bytes: Uint8Array): number {
    const offset = this.allocate(bytes.length + 1);
    this.u8.set(bytes, offset);
    this.u8[offset + bytes.length] = 0;
    return this.address + offset;
  }
}

/** One a JavaScript thread: system calls are synchronous, so there is never a second user. */
export const scratch = new Scratch();
