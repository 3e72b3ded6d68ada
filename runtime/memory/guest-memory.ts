/**
 * Guest memory: 4 GiB of shared WebAssembly memory in which a guest address is an index, and the page table of
 * permissions beside it. What is mapped where (files, sharing) is `mappings.ts`'s business; this file is the bytes.
 */
import { GUEST_LIMIT, PAGE_TABLE_ADDRESS, STATE_ADDRESS, STATE_SIZE } from '../../translator/state.js';
import { Page, PAGE_SHIFT, PAGE_SIZE, withholdWrite, WRITE_WITHHELD } from '../../translator/pages.js';
import { pageFault } from './trap.js';
import type { MemoryWatch } from './watch.js';

const textDecoder = new TextDecoder('latin1');

export class GuestMemory {
  readonly wasmMemory: WebAssembly.Memory;
  readonly buffer: SharedArrayBuffer;
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Permissions: one byte of `Page` bits a page. */
  readonly pages: Uint8Array;
  /** Called before bytes of a page with `Page.code` change or go away; must clear the bit. */
  onCodeWrite: (page: number) => void = () => undefined;
  /** Called before code in a writable page is translated: runs `protect`, after which nobody writes there unnoticed. */
  onCodeFound: (protect: () => void) => void = (protect) => protect();
  /** Whether another thread may be about to clear `Page.code` of some page: `onCodeFound` waits until it has. */
  isCodeLeaving: () => boolean = () => false;
  /** Called before the first write to a page with `Page.clean`; must clear the bit. */
  onFirstWrite: (page: number) => void = () => undefined;
  /** Called after the page table's bytes of a range were set anew (mapped, unmapped, protected). */
  readonly onPagesSet: ((firstPage: number, pageCount: number) => void)[] = [];
  /** Told of accesses to watched pages; undefined where nothing is watched. */
  watch: MemoryWatch | undefined;

  /** @param wasmMemory the memory of a process that has threads already; else a new one is made */
  constructor(wasmMemory?: WebAssembly.Memory) {
    this.wasmMemory = wasmMemory ?? new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
    this.buffer = this.wasmMemory.buffer as ArrayBufferLike as SharedArrayBuffer;
    this.u8 = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.pages = new Uint8Array(this.buffer, PAGE_TABLE_ADDRESS, 1 << 20);
  }

  /** Address of thread `index`'s state block. */
  static stateAddress(index: number): number {
    return STATE_ADDRESS + index * STATE_SIZE;
  }

  /** First address of [address, address+length) that lacks all of `permission`'s bits, or -1 when all is permitted. */
  findForbidden(address: number, length: number, permission: number): number {
    address >>>= 0;
    if (length === 0) return -1;
    const end = address + length;
    if (end > GUEST_LIMIT) {
      return address >= GUEST_LIMIT ? address : GUEST_LIMIT;
    }
    const last = (end - 1) >>> PAGE_SHIFT;
    for (let page = address >>> PAGE_SHIFT; page <= last; page++) {
      let bits = this.pages[page]!;
      if (bits & WRITE_WITHHELD) bits |= Page.write;
      if (bits & Page.watchRead) bits |= Page.read;
      if ((bits & permission) !== permission) return Math.max(address, page * PAGE_SIZE);
    }
    return -1;
  }

  isReadable(address: number, length: number): boolean {
    return this.findForbidden(address, length, Page.read) < 0;
  }

  isWritable(address: number, length: number): boolean {
    return this.findForbidden(address, length, Page.write) < 0;
  }

  /** Throws the guest's page fault unless all of the range may be read. */
  checkRead(address: number, length: number): void {
    const bad = this.findForbidden(address, length, Page.read);
    if (bad >= 0) throw pageFault(bad, false, (this.pages[bad >>> PAGE_SHIFT]! & Page.mapped) !== 0);
    this.watch?.note(address, length, false);
  }

  /** `checkWrite` before a write that follows at once: watchers are told of it. */
  willWrite(address: number, length: number): void {
    this.checkWrite(address, length);
    this.watch?.note(address, length, true);
  }

  /** Throws the guest's page fault unless all of the range may be written; drops translations in it. */
  checkWrite(address: number, length: number): void {
    const bad = this.findForbidden(address, length, Page.write);
    if (bad >= 0) throw pageFault(bad, true, (this.pages[bad >>> PAGE_SHIFT]! & Page.mapped) !== 0);
    this.dropCode(address, length);
  }

  /** Makes writes to a page noticed, before what lies there is translated. */
  protectCode(page: number): void {
    const { pages } = this;
    const bits = pages[page]!;
    if ((bits & (Page.write | WRITE_WITHHELD)) === 0) return;
    if (bits & Page.code && !this.isCodeLeaving()) return;
    this.onCodeFound(() => {
      pages[page] = withholdWrite(pages[page]!, Page.code);
    });
  }

  /**
   * Drops translations of the range, and notes the first write to pages of a snapshot: to be called before anything but
   * guest code (a system call) writes there.
   */
  dropCode(address: number, length: number): void {
    if (length === 0) return;
    const first = (address >>> 0) >>> PAGE_SHIFT;
    const last = Math.min((address >>> 0) + length - 1, 0xffffffff) >>> PAGE_SHIFT;
    for (let page = first; page <= last; page++) {
      if (this.pages[page]! & Page.code) this.onCodeWrite(page);
      if (this.pages[page]! & Page.clean) this.onFirstWrite(page);
    }
  }

  // Checked accesses for the emulator's own use: they throw `GuestTrap`, which a system call turns into EFAULT.

  readU8(address: number): number {
    this.checkRead(address, 1);
    return this.u8[address >>> 0]!;
  }
  readU16(address: number): number {
    this.checkRead(address, 2);
    return this.view.getUint16(address >>> 0, true);
  }
  readI32(address: number): number {
    this.checkRead(address, 4);
    return this.view.getInt32(address >>> 0, true);
  }
  readU32(address: number): number {
    return this.readI32(address) >>> 0;
  }
  readU64(address: number): bigint {
    this.checkRead(address, 8);
    return this.view.getBigUint64(address >>> 0, true);
  }
  writeU8(address: number, value: number): void {
    this.willWrite(address, 1);
    this.u8[address >>> 0] = value;
  }
  writeU16(address: number, value: number): void {
    this.willWrite(address, 2);
    this.view.setUint16(address >>> 0, value, true);
  }
  writeU32(address: number, value: number): void {
    this.willWrite(address, 4);
    this.view.setInt32(address >>> 0, value, true);
  }
  writeU64(address: number, value: bigint): void {
    this.willWrite(address, 8);
    this.view.setBigUint64(address >>> 0, value, true);
  }

  /** A copy of guest bytes. */
  read(address: number, length: number): Uint8Array {
    this.checkRead(address, length);
    return this.u8.slice(address >>> 0, (address >>> 0) + length);
  }

  write(address: number, bytes: Uint8Array): void {
    this.willWrite(address, bytes.length);
    this.u8.set(bytes, address >>> 0);
  }

  /** The NUL-terminated string at an address, without its NUL, as bytes. Throws at the first unreadable byte. */
  readCString(address: number, limit = 1 << 20): Uint8Array {
    let at = address >>> 0;
    const start = at;
    for (;;) {
      this.checkRead(at, 1);
      const end = Math.min((Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE, start + limit);
      const nul = this.u8.subarray(at, end).indexOf(0);
      if (nul >= 0) return this.u8.slice(start, at + nul);
      at = end;
      if (at - start >= limit) return this.u8.slice(start, at);
    }
  }

  /** `readCString` as a latin1 string (one char a byte), for messages and look-ups of ASCII names. */
  readCStringText(address: number, limit?: number): string {
    return textDecoder.decode(this.readCString(address, limit));
  }
}
