/**
 * The guest's address space as the kernel sees it: what `mmap`, `munmap`, `mprotect`, `mremap`, `brk` and their relatives do,
 * with Linux's own checks and error numbers (mm/mmap.c, mm/mprotect.c, mm/mremap.c). Three things move together here: the list
 * of regions, the host's mappings inside the guest memory, and the page table of permissions that the engines test.
 *
 * The host side never has a hole: what the guest has not mapped is PROT_NONE, so that a stray access faults and no other
 * thread of this process is ever given such an address. Host pages are never executable, and executable ones are readable.
 */
import { EMULATOR_END, GUEST_LIMIT } from '../../translator/state.js';
import { LOWEST_MAPPING, Page, PAGE_SHIFT, PAGE_SIZE } from '../../translator/pages.js';
import { HostBuffer, hostClose, hostOpen, hostProcessId, hostRead, type HostStat, hostStat } from '../host/buffer.js';
import { errno, madvise, mmap, mprotect, syscall } from '../host/libc.js';
import { Errno } from '../linux/constants/errno.js';
import { Advice, MapFlag, Protection, RemapFlag, SyncFlag } from '../linux/constants/memory.js';
import { readHostMappings } from '../loader/symbols.js';
import { type GuestMemory } from './guest-memory.js';
import { type MappedFile, type Region, RegionList, type RegionName } from './region-list.js';

export type { MappedFile, Region } from './region-list.js';

const { PROT_READ, PROT_WRITE, PROT_EXEC } = Protection;
const PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const HOST_MSYNC = 26;
const HOST_MREMAP = 25;
const HOST_MINCORE = 27;
const HOST_PROCESS_VM_READV = 310;

/** Where mappings are placed from, downwards: 128 MiB below the top, the gap that Linux keeps for a stack of the usual limit. */
export const MMAP_BASE = GUEST_LIMIT - 0x08000000;
/** Where the bottom-up search begins when nothing below `MMAP_BASE` is free (TASK_UNMAPPED_BASE). */
const UNMAPPED_BASE = 0x55555000;
/** Lowest address of a mapping that the guest did not ask for itself (vm.mmap_min_addr). */
const MINIMUM_ADDRESS = 0x10000;
/** Free space kept below a region that grows down (stack_guard_gap). */
const STACK_GUARD = 256 * PAGE_SIZE;

const pageAlign = (length: number): number => Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
const isAligned = (address: number): boolean => address % PAGE_SIZE === 0;

/** The permissions that the processor gives for a protection: x86 pages that are writable or executable are readable. */
function pageBits(protection: number): number {
  return (
    Page.mapped |
    (protection & PROT_ALL ? Page.read : 0) |
    (protection & PROT_WRITE ? Page.write : 0) |
    (protection & PROT_EXEC ? Page.execute : 0)
  );
}

function hostProtection(protection: number): number {
  return (protection & PROT_ALL ? PROT_READ : 0) | (protection & PROT_WRITE);
}

/** Words of the numbers that threads share beside the list of regions. */
const Word = { readImpliesExec: 0, brkStart: 1, brkEnd: 2, generation: 3, count: 4 } as const;
export const MAPPINGS_WORDS = Word.count;

export class Mappings {
  /** Called before translated code in these pages goes away or may no longer be executed. */
  onUnmapped: (firstPage: number, pageCount: number) => void = () => undefined;
  /** Called before the first mapping that code which tests no access cannot serve: in the lowest pages, or one that grows. */
  onUnusual: () => void = () => undefined;
  /** Called after part of a file (host descriptor, offset in bytes) was mapped executable. */
  onCodeMapped: ((start: number, length: number, fd: number, offset: number) => void) | undefined;
  /** Two `struct iovec` and one byte. */
  private readonly probe = new HostBuffer(64);

  /**
   * @param regions, words for threads: where the state lies that they share (`MAPPINGS_WORDS` words, zeroed at first)
   */
  constructor(
    readonly memory: GuestMemory,
    /** Host address of guest address 0. */
    readonly hostBase: number,
    readonly regions = new RegionList(),
    private readonly words: Uint32Array = new Uint32Array(MAPPINGS_WORDS),
  ) {
    if (this.generation > 0) return;
    this.reset();
    this.reserve(EMULATOR_END, 0x100000000 - EMULATOR_END);
  }

  /** Programs without PT_GNU_STACK: whatever is mapped readable is executable (READ_IMPLIES_EXEC). */
  get readImpliesExec(): boolean {
    return this.words[Word.readImpliesExec] !== 0;
  }
  set readImpliesExec(value: boolean) {
    this.words[Word.readImpliesExec] = value ? 1 : 0;
  }
  /** Start of the heap, and its present end (not aligned). */
  get brkStart(): number {
    return this.words[Word.brkStart]!;
  }
  set brkStart(value: number) {
    this.words[Word.brkStart] = value;
  }
  get brkEnd(): number {
    return this.words[Word.brkEnd]!;
  }
  set brkEnd(value: number) {
    this.words[Word.brkEnd] = value;
  }
  /** How often everything was unmapped: another number, another program. */
  get generation(): number {
    return this.words[Word.generation]!;
  }

  /** Unmaps everything, as `execve` does. */
  reset(): void {
    this.words[Word.generation]!++;
    // Not the whole space at once: looking through a million pages takes longer than all else that is done here.
    for (const { start, end } of this.regions.all) this.setPages(start, end - start, 0);
    this.regions.clear();
    this.readImpliesExec = false;
    this.brkStart = this.brkEnd = 0;
    this.reserve(0, GUEST_LIMIT);
  }

  // ---- mapping -----------------------------------------------------------------------------------------------

  /** `mmap`: the address (0 to 2^32-1) or a negated error number. `fd` is a host descriptor, `offset` in bytes. */
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number {
    const anonymous = (flags & MapFlag.MAP_ANONYMOUS) !== 0;
    const type = flags & MapFlag.MAP_TYPE;
    if (length === 0) return -Errno.EINVAL;
    length = pageAlign(length);
    if (length > GUEST_LIMIT || this.regions.isFull) return -Errno.ENOMEM;
    if (type !== MapFlag.MAP_SHARED && type !== MapFlag.MAP_PRIVATE && type !== MapFlag.MAP_SHARED_VALIDATE) {
      return -Errno.EINVAL;
    }
    if (anonymous && type === MapFlag.MAP_SHARED_VALIDATE) return -Errno.EINVAL;
    if (flags & MapFlag.MAP_HUGETLB) return -Errno.ENOMEM;
    if (flags & MapFlag.MAP_FIXED_NOREPLACE) flags |= MapFlag.MAP_FIXED;
    const start = this.chooseAddress(address >>> 0, length, flags);
    if (start < 0) return start;
    if (flags & MapFlag.MAP_GROWSDOWN) this.onUnusual();
    if (this.readImpliesExec && protection & PROT_READ) protection |= PROT_EXEC;
    protection &= PROT_ALL;

    const replaced = !this.regions.isFree(start, start + length);
    if (replaced) this.dropCode(start, length);
    const keep =
      MapFlag.MAP_LOCKED | MapFlag.MAP_NORESERVE | MapFlag.MAP_POPULATE | MapFlag.MAP_NONBLOCK | MapFlag.MAP_SYNC;
    const hostFlags = type | MapFlag.MAP_FIXED | (flags & (MapFlag.MAP_ANONYMOUS | keep));
    if (this.hostMap(start, length, protection, hostFlags, anonymous ? -1 : fd, anonymous ? 0 : offset) < 0) {
      const error = errno();
      this.fillHole(start, length);
      return -error;
    }
    this.setPages(start, length, pageBits(protection));
    const shared = type !== MapFlag.MAP_PRIVATE;
    this.regions.insert({
      start,
      end: start + length,
      protection,
      shared,
      growsDown: (flags & MapFlag.MAP_GROWSDOWN) !== 0 && anonymous,
      file: anonymous && !shared ? undefined : this.regions.newFile(),
      offset: anonymous ? 0 : offset,
      name: '',
    });
    if (!anonymous) this.hideBeyondEnd(fd, start, length, offset);
    if (!anonymous && protection & PROT_EXEC) this.onCodeMapped?.(start, length, fd, offset);
    return start;
  }

  /**
   * For the loader: maps anonymous private memory or part of a file at a fixed place, without `mmap`'s choices.
   * Returns 0 or a negated error number.
   */
  mapFixed(
    start: number,
    length: number,
    protection: number,
    source: { name?: RegionName; growsDown?: boolean; file?: MappedFile; fd?: number; offset?: number } = {},
  ): number {
    const { name = '', growsDown = false, file, fd = -1, offset = 0 } = source;
    if (start < 0 || start + length > GUEST_LIMIT || !isAligned(start)) return -Errno.ENOMEM;
    if (this.readImpliesExec && protection & PROT_READ) protection |= PROT_EXEC;
    const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_FIXED | (fd < 0 ? MapFlag.MAP_ANONYMOUS : 0);
    this.dropCode(start, length);
    if (this.hostMap(start, length, protection, flags, fd, offset) < 0) {
      const error = errno();
      this.fillHole(start, length);
      return -error;
    }
    this.setPages(start, length, pageBits(protection));
    this.regions.insert({ start, end: start + length, protection, shared: false, growsDown, file, offset, name });
    if (fd >= 0 && protection & PROT_EXEC) this.onCodeMapped?.(start, length, fd, offset);
    return 0;
  }

  /** An address for a mapping of `length` bytes (aligned), or a negated error number (get_unmapped_area). */
  private chooseAddress(address: number, length: number, flags: number): number {
    if (flags & MapFlag.MAP_FIXED) {
      if (!isAligned(address)) return -Errno.EINVAL;
      if (address + length > GUEST_LIMIT) return -Errno.ENOMEM;
      if (flags & MapFlag.MAP_FIXED_NOREPLACE && !this.regions.isFree(address, address + length)) return -Errno.EEXIST;
      return address;
    }
    let hint = pageAlign(address);
    if (hint !== 0 && hint < MINIMUM_ADDRESS) hint = MINIMUM_ADDRESS;
    if (hint !== 0 && hint + length <= GUEST_LIMIT && this.regions.isFree(hint, hint + length)) {
      const next = this.regions.atOrAfter(hint);
      const limit = next ? next.start - (next.growsDown ? STACK_GUARD : 0) : GUEST_LIMIT;
      if (hint + length <= limit) return hint;
    }
    return this.findFree(length);
  }

  /** A free range of `length` bytes where Linux would look for it, or -ENOMEM. */
  findFree(length: number): number {
    length = pageAlign(length);
    let found = this.regions.findTopDown(length, MINIMUM_ADDRESS, MMAP_BASE, STACK_GUARD);
    if (found < 0) found = this.regions.findTopDown(length, UNMAPPED_BASE, GUEST_LIMIT, STACK_GUARD);
    return found < 0 ? -Errno.ENOMEM : found;
  }

  /** `munmap`. */
  munmap(address: number, length: number): number {
    address >>>= 0;
    if (!isAligned(address) || address > GUEST_LIMIT || length > GUEST_LIMIT - address) return -Errno.EINVAL;
    length = pageAlign(length);
    if (length === 0) return -Errno.EINVAL;
    if (this.regions.isFull) return -Errno.ENOMEM;
    if (!this.regions.isFree(address, address + length)) this.unmap(address, length);
    return 0;
  }

  private unmap(start: number, length: number): void {
    this.setPages(start, length, 0);
    this.reserve(start, length);
    this.regions.remove(start, start + length);
  }

  /** `mprotect`: changes what comes before the first hole, then says ENOMEM, as Linux does. */
  mprotect(address: number, length: number, protection: number): number {
    address >>>= 0;
    const growsDown = (protection & Protection.PROT_GROWSDOWN) !== 0;
    if (growsDown && protection & Protection.PROT_GROWSUP) return -Errno.EINVAL;
    protection &= ~(Protection.PROT_GROWSDOWN | Protection.PROT_GROWSUP);
    if (!isAligned(address)) return -Errno.EINVAL;
    if (length === 0) return 0;
    length = pageAlign(length);
    if (address + length > 0x100000000) return -Errno.ENOMEM;
    if (protection & ~(PROT_ALL | Protection.PROT_SEM)) return -Errno.EINVAL;
    if (this.readImpliesExec && protection & PROT_READ) protection |= PROT_EXEC;
    protection &= PROT_ALL;
    const end = Math.min(address + length, GUEST_LIMIT);
    let at = address;
    if (growsDown) {
      const region = this.regions.at(address);
      if (!region) return -Errno.ENOMEM;
      if (!region.growsDown) return -Errno.EINVAL;
      at = region.start;
    }
    for (const region of this.regions.within(at, end)) {
      if (region.start !== at) break;
      if (this.regions.isFull) return -Errno.ENOMEM;
      const error = this.protect(region, protection);
      if (error < 0) return error;
      at = region.end;
    }
    return at < address + length ? -Errno.ENOMEM : 0;
  }

  private protect(region: Region, protection: number): number {
    const length = region.end - region.start;
    if (mprotect(this.hostBase + region.start, length, hostProtection(protection)) < 0) return -errno();
    const { pages } = this.memory;
    const hidden: number[] = [];
    if (region.file && region.protection !== 0) {
      for (let page = region.start / PAGE_SIZE; page < region.end / PAGE_SIZE; page++) {
        if (pages[page] === Page.mapped) hidden.push(page);
      }
    }
    this.setPages(region.start, length, pageBits(protection));
    for (const page of hidden) pages[page] = Page.mapped;
    this.regions.insert({ ...region, protection });
    return 0;
  }

  /** `mremap`: the new address or a negated error number. */
  mremap(address: number, oldLength: number, newLength: number, flags: number, newAddress: number): number {
    address >>>= 0;
    newAddress >>>= 0;
    const mayMove = (flags & RemapFlag.MREMAP_MAYMOVE) !== 0;
    const fixed = (flags & RemapFlag.MREMAP_FIXED) !== 0;
    const keepOld = (flags & RemapFlag.MREMAP_DONTUNMAP) !== 0;
    if (flags & ~(RemapFlag.MREMAP_MAYMOVE | RemapFlag.MREMAP_FIXED | RemapFlag.MREMAP_DONTUNMAP)) return -Errno.EINVAL;
    if ((fixed || keepOld) && !mayMove) return -Errno.EINVAL;
    if (keepOld && oldLength !== newLength) return -Errno.EINVAL;
    if (!isAligned(address)) return -Errno.EINVAL;
    oldLength = pageAlign(oldLength);
    newLength = pageAlign(newLength);
    if (newLength === 0 || newLength > GUEST_LIMIT) return newLength === 0 ? -Errno.EINVAL : -Errno.ENOMEM;
    const region = this.regions.at(address);
    if (!region) return -Errno.EFAULT;
    if (oldLength === 0 && !region.shared) return -Errno.EINVAL;

    if (fixed) {
      if (!isAligned(newAddress) || newAddress + newLength > GUEST_LIMIT) return -Errno.EINVAL;
      if (newAddress < address + oldLength && address < newAddress + newLength) return -Errno.EINVAL;
    } else if (!keepOld && newLength <= oldLength) {
      if (newLength < oldLength) {
        if (address + oldLength > GUEST_LIMIT) return -Errno.EINVAL;
        this.unmap(address + newLength, oldLength - newLength);
      }
      return address;
    }
    if (fixed && newLength < oldLength) {
      this.unmap(address + newLength, oldLength - newLength);
      oldLength = newLength;
    }
    if (address + oldLength > region.end) return -Errno.EFAULT;
    const source = { ...region, start: address, offset: region.offset + (region.file ? address - region.start : 0) };

    if (!fixed && !keepOld && oldLength > 0 && address + oldLength === region.end) {
      const end = address + newLength;
      if (end <= GUEST_LIMIT && this.regions.isFree(region.end, end)) {
        const error = this.grow(source, oldLength, newLength);
        return error < 0 ? error : address;
      }
    }
    if (!mayMove) return -Errno.ENOMEM;
    const target = fixed ? newAddress : this.findFree(newLength);
    if (target < 0) return target;
    const error = this.move(source, oldLength, target, newLength, keepOld);
    return error < 0 ? error : target;
  }

  /** Lengthens a mapping in place; what follows it is free. */
  private grow(source: Region, oldLength: number, newLength: number): number {
    if (!source.file) {
      const extra = newLength - oldLength;
      const start = source.start + oldLength;
      const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS | MapFlag.MAP_FIXED;
      if (this.hostMap(start, extra, source.protection, flags, -1, 0) < 0) return -errno();
      this.setPages(start, extra, pageBits(source.protection));
      this.regions.insert({ ...source, start, end: start + extra });
      return 0;
    }
    return this.move(source, oldLength, source.start, newLength, false);
  }

  /**
   * Moves (and lengthens) a mapping with its contents. The kernel cannot lengthen over our reservation, so the pages take a
   * detour over an address of the kernel's choice; MREMAP_DONTUNMAP keeps the place they leave from being given away meanwhile.
   */
  private move(source: Region, oldLength: number, target: number, newLength: number, keepOld: boolean): number {
    const { MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP } = RemapFlag;
    const from = this.hostBase + source.start;
    this.dropCode(source.start, oldLength);
    this.dropCode(target, newLength);
    let host = from;
    let hostLength = oldLength;
    if (oldLength > 0) {
      host = syscall(HOST_MREMAP, from, oldLength, oldLength, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
      // Before Linux 5.13 only anonymous memory could leave its place mapped.
      if (host === -Errno.EINVAL) host = syscall(HOST_MREMAP, from, oldLength, newLength, MREMAP_MAYMOVE, 0);
      if (host === -Errno.EFAULT && !source.file) {
        // Memory that has grown in place is several mappings for the host.
        const error = this.movePieces(source.start, oldLength, target);
        if (error < 0) return error;
        return this.finishMove(source, oldLength, target, newLength, keepOld);
      }
      if (host < 0) {
        this.fillHole(source.start, oldLength);
        return host;
      }
    } else {
      host = syscall(HOST_MREMAP, from, 0, newLength, MREMAP_MAYMOVE, 0);
      if (host < 0) return host;
      hostLength = newLength;
    }
    const moved = syscall(
      HOST_MREMAP,
      host,
      hostLength,
      newLength,
      MREMAP_MAYMOVE | MREMAP_FIXED,
      this.hostBase + target,
    );
    if (moved < 0) {
      // Back to where it was.
      if (oldLength > 0) syscall(HOST_MREMAP, host, hostLength, hostLength, MREMAP_MAYMOVE | MREMAP_FIXED, from);
      return moved;
    }
    if (oldLength > 0 && source.start !== target && !keepOld) this.unmap(source.start, oldLength);
    this.setPages(target, newLength, pageBits(source.protection));
    this.regions.insert({ ...source, start: target, end: target + newLength });
    return 0;
  }

  /** Moves anonymous private memory, halving what the host takes for several mappings. */
  private movePieces(from: number, length: number, to: number): number {
    const { MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP } = RemapFlag;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    const result = syscall(HOST_MREMAP, this.hostBase + from, length, length, flags, this.hostBase + to);
    if (result !== -Errno.EFAULT || length <= PAGE_SIZE) return Math.min(result, 0);
    const half = Math.floor(length / PAGE_SIZE / 2) * PAGE_SIZE;
    const error = this.movePieces(from, half, to);
    return error < 0 ? error : this.movePieces(from + half, length - half, to + half);
  }

  private finishMove(source: Region, oldLength: number, target: number, newLength: number, keepOld: boolean): number {
    const extra = newLength - oldLength;
    const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS | MapFlag.MAP_FIXED;
    if (extra > 0 && this.hostMap(target + oldLength, extra, source.protection, flags, -1, 0) < 0) return -errno();
    if (!keepOld) this.unmap(source.start, oldLength);
    this.setPages(target, newLength, pageBits(source.protection));
    this.regions.insert({ ...source, start: target, end: target + newLength });
    return 0;
  }

  /** `brk`: the new end, or the old one where the request cannot be met. */
  brk(address: number): number {
    address >>>= 0;
    if (address < this.brkStart) return this.brkEnd;
    const oldEnd = pageAlign(this.brkEnd);
    const newEnd = pageAlign(address);
    if (newEnd < oldEnd) {
      this.unmap(newEnd, oldEnd - newEnd);
    } else if (newEnd > oldEnd) {
      const next = this.regions.atOrAfter(oldEnd);
      if (newEnd > GUEST_LIMIT || (next && next.start < newEnd + (next.growsDown ? STACK_GUARD : PAGE_SIZE))) {
        return this.brkEnd;
      }
      const protection = PROT_READ | PROT_WRITE;
      if (this.mapFixed(oldEnd, newEnd - oldEnd, protection, { name: '[heap]' }) < 0) return this.brkEnd;
    }
    this.brkEnd = address;
    return address;
  }

  // ---- advice, locking, synchronisation ----------------------------------------------------------------------

  /** `madvise`. Advice about forking and core dumps concerns the guest's mappings alone and is accepted without effect. */
  madvise(address: number, length: number, advice: number): number {
    address >>>= 0;
    if (!KNOWN_ADVICE.has(advice)) return -Errno.EINVAL;
    if (!isAligned(address)) return -Errno.EINVAL;
    length = pageAlign(length);
    if (length === 0) return 0;
    const end = address + length;
    if (end > 0x100000000) return -Errno.EINVAL;
    let at = address;
    let holes = false;
    for (const region of this.regions.within(address, Math.min(end, GUEST_LIMIT))) {
      if (region.start !== at) holes = true;
      at = region.end;
      if (advice === Advice.MADV_DONTFORK || advice === Advice.MADV_DOFORK) continue;
      if (DISCARDING_ADVICE.has(advice)) this.dropCode(region.start, region.end - region.start);
      if (madvise(this.hostBase + region.start, region.end - region.start, advice) < 0) return -errno();
    }
    return holes || at < end ? -Errno.ENOMEM : 0;
  }

  /** `msync`. */
  msync(address: number, length: number, flags: number): number {
    address >>>= 0;
    const { MS_ASYNC, MS_INVALIDATE, MS_SYNC } = SyncFlag;
    if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) return -Errno.EINVAL;
    if (!isAligned(address)) return -Errno.EINVAL;
    if (flags & MS_ASYNC && flags & MS_SYNC) return -Errno.EINVAL;
    length = pageAlign(length);
    const end = address + length;
    if (end > 0x100000000) return -Errno.ENOMEM;
    if (length === 0) return 0;
    let at = address;
    let holes = false;
    for (const region of this.regions.within(address, Math.min(end, GUEST_LIMIT))) {
      if (region.start !== at) holes = true;
      at = region.end;
      const result = syscall(HOST_MSYNC, this.hostBase + region.start, region.end - region.start, flags);
      if (result < 0) return result;
    }
    return holes || at < end ? -Errno.ENOMEM : 0;
  }

  /** `mincore`: one byte a page at guest address `vector`. */
  mincore(address: number, length: number, vector: number): number {
    address >>>= 0;
    if (!isAligned(address)) return -Errno.EINVAL;
    const end = address + pageAlign(length);
    if (end > GUEST_LIMIT || this.regions.firstHole(address, end) < end) return -Errno.ENOMEM;
    this.memory.checkWrite(vector, pageAlign(length) / PAGE_SIZE);
    return syscall(HOST_MINCORE, this.hostBase + address, length, this.hostBase + (vector >>> 0));
  }

  /** `mlock`, `mlock2`, `munlock` by host number: the range must be mapped. */
  lock(hostNumber: number, address: number, length: number, flags = 0): number {
    address >>>= 0;
    const start = Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
    const end = pageAlign(address + length);
    if (end > 0x100000000) return -Errno.EINVAL;
    if (end > GUEST_LIMIT || this.regions.firstHole(start, end) < end) return -Errno.ENOMEM;
    return syscall(hostNumber, this.hostBase + start, end - start, flags);
  }

  // ---- faults ------------------------------------------------------------------------------------------------

  /** A fault just below a region that grows down makes it grow, as Linux does; true when the access is to be tried again. */
  growDown(address: number): boolean {
    const next = this.regions.atOrAfter(address);
    if (!next?.growsDown || next.start <= address || next.name === '[stack]') return false;
    const start = Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
    const previous = this.regions.before(next.start);
    if (next.start - start > STACK_LIMIT || (previous && start - previous.end < STACK_GUARD)) return false;
    return this.mapFixed(start, next.start - start, next.protection, { growsDown: true, name: next.name }) === 0;
  }

  /**
   * A fault in a mapped page whose permissions would allow the access: the page lay beyond the end of its file. True when the
   * file has grown meanwhile, so the access is to be tried again; false: SIGBUS.
   */
  revealPage(address: number): boolean {
    const start = Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
    const region = this.regions.at(address);
    if (!region || !this.canTouch(start)) return false;
    this.setPages(start, PAGE_SIZE, pageBits(region.protection));
    return true;
  }

  /** Whether the kernel can read a byte there: no file's end in the way. */
  private canTouch(address: number): boolean {
    const { view, address: local } = this.probe;
    view.setBigUint64(0, BigInt(local + 32), true);
    view.setBigUint64(8, 1n, true);
    view.setBigUint64(16, BigInt(this.hostBase + address), true);
    view.setBigUint64(24, 1n, true);
    return syscall(HOST_PROCESS_VM_READV, hostProcessId(), local, 1, local + 16, 1, 0) === 1;
  }

  /**
   * After a file may have become shorter: its pages wholly beyond the end raise SIGBUS from now on. Which mappings are of that
   * file, the host knows. Shared ones alone are looked for: who maps a file privately does not cut it off.
   */
  hideTruncated(fd: number): void {
    const shared = this.sharedFiles();
    if (shared.length === 0) return;
    const stat = hostStat(fd);
    if (typeof stat === 'number' || (stat.mode & S_IFMT) !== S_IFREG) return;
    for (const region of shared) {
      if (region.protection === 0) continue;
      const length = region.end - region.start;
      if (region.offset + length <= pageAlign(stat.size) || !this.isMappingOf(region.start, stat)) continue;
      this.dropCode(region.start, length);
      this.hideBeyondEnd(fd, region.start, length, region.offset);
    }
  }

  get hasSharedFiles(): boolean {
    return this.sharedFiles().length > 0;
  }

  private sharedFiles(): Region[] {
    return [...this.regions.all].filter(({ file, shared }) => shared && file !== undefined);
  }

  private isMappingOf(start: number, { device, inode }: HostStat): boolean {
    const mapping = readHostMappings(this.hostBase).find((one) => one.start <= start && start < one.end);
    if (mapping?.inode !== String(inode)) return false;
    const [major = 0, minor = 0] = mapping.device.split(':').map((part) => parseInt(part, 16));
    // The halves as stat's st_dev has them (gnu_dev_makedev).
    return device === BigInt(((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12));
  }

  /** Whether somebody has touched the page, so that the kernel has provided it (/proc/self/pagemap, bit 63 of its word). */
  isPresent(address: number): boolean {
    const fd = hostOpen(PAGE_MAP);
    if (fd < 0) return true;
    const word = hostRead(fd, 8 * Math.floor((this.hostBase + address) / PAGE_SIZE), 8);
    hostClose(fd);
    return typeof word === 'number' || word.length < 8 || (word[7]! & 0x80) !== 0;
  }

  // ---- host and page table -----------------------------------------------------------------------------------

  private hostMap(
    start: number,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): number {
    return mmap(this.hostBase + start, length, hostProtection(protection), flags, fd, offset);
  }

  private reserve(start: number, length: number): void {
    const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS | MapFlag.MAP_NORESERVE | MapFlag.MAP_FIXED;
    if (mmap(this.hostBase + start, length, 0, flags, -1, 0) < 0) {
      throw new Error(`the host refused to reserve guest memory (errno ${errno()})`);
    }
  }

  /** After a mapping that failed: the kernel may have taken away what was there. */
  private fillHole(start: number, length: number): void {
    const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS | MapFlag.MAP_NORESERVE | MapFlag.MAP_FIXED_NOREPLACE;
    if (mmap(this.hostBase + start, length, 0, flags, -1, 0) < 0) return;
    this.setPages(start, length, 0);
    this.regions.remove(start, start + length);
  }

  /** Translations lie in executable pages; `Page.code` marks only those among them that are writable. */
  private dropCode(start: number, length: number): void {
    const { pages } = this.memory;
    const first = start >>> PAGE_SHIFT;
    const end = first + length / PAGE_SIZE;
    for (let page = first; page < end; page++) {
      if (pages[page]! & (Page.code | Page.execute)) {
        this.onUnmapped(first, end - first);
        return;
      }
    }
  }

  private setPages(start: number, length: number, bits: number): void {
    if (start < LOWEST_MAPPING && bits !== 0) this.onUnusual();
    this.dropCode(start, length);
    const first = start / PAGE_SIZE;
    this.memory.pages.fill(bits, first, first + length / PAGE_SIZE);
    for (const told of this.memory.onPagesSet) told(first, length / PAGE_SIZE);
  }

  /** Pages wholly beyond a file's end raise SIGBUS: they stay mapped without permission, see `revealPage`. */
  private hideBeyondEnd(fd: number, start: number, length: number, offset: number): void {
    const stat = hostStat(fd);
    if (typeof stat === 'number' || (stat.mode & S_IFMT) !== S_IFREG) return;
    if (offset + length <= pageAlign(stat.size)) return;
    const visible = Math.max(0, pageAlign(stat.size) - offset);
    this.memory.pages.fill(Page.mapped, (start + visible) / PAGE_SIZE, (start + length) / PAGE_SIZE);
  }
}

const PAGE_MAP = new TextEncoder().encode('/proc/self/pagemap');

/** How far a region that grows down may grow (RLIMIT_STACK's usual value). */
const STACK_LIMIT = 8 << 20;

const KNOWN_ADVICE: ReadonlySet<number> = new Set(Object.values(Advice));
/** Advice that may change the contents of pages. */
const DISCARDING_ADVICE: ReadonlySet<number> = new Set([
  Advice.MADV_DONTNEED,
  Advice.MADV_FREE,
  Advice.MADV_REMOVE,
  Advice.MADV_DONTNEED_LOCKED,
]);
