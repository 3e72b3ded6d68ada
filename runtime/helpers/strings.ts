/**
 * String instructions with a repeat prefix or 16-bit addressing, over the whole CPU state: whole runs of pages at once
 * where nothing can be seen of it, element by element where it can. A fault leaves the registers at the element that
 * faulted, as the processor does.
 */
import { State } from '../../translator/state.js';
import { Page, PAGE_SIZE } from '../../translator/pages.js';
import { STRING_OPERATIONS } from '../../translator/isa/integer/strings.js';
import { Segment } from '../../translator/state.js';
import type { CpuState } from '../cpu/cpu-state.js';
import type { GuestMemory } from '../memory/guest-memory.js';

const MOVS = STRING_OPERATIONS.indexOf('movs');
const CMPS = STRING_OPERATIONS.indexOf('cmps');
const STOS = STRING_OPERATIONS.indexOf('stos');
const LODS = STRING_OPERATIONS.indexOf('lods');

export type StringHelper = (
  operation: number,
  size: number,
  repeat: number,
  addressSize: number,
  segment: number,
) => void;

/** Throws `GuestTrap` at a fault. `checkedStores`: every store asks `memory.checkWrite`, so that it can be logged. */
export function createStringHelper(cpu: CpuState, memory: GuestMemory, checkedStores: boolean): StringHelper {
  const s = cpu.i32;
  const { u8, view, pages } = memory;
  const EAX = State.eax >> 2;
  const ECX = State.ecx >> 2;
  const ESI = State.esi >> 2;
  const EDI = State.edi >> 2;

  const load = (address: number, size: number): number => {
    const at = address >>> 0;
    memory.checkRead(at, size);
    return size === 1 ? u8[at]! : size === 2 ? view.getUint16(at, true) : view.getInt32(at, true);
  };
  const store = (address: number, size: number, value: number): void => {
    const at = address >>> 0;
    memory.willWrite(at, size);
    if (size === 1) u8[at] = value;
    else if (size === 2) view.setInt16(at, value, true);
    else view.setInt32(at, value, true);
  };
  const setCompareFlags = (left: number, right: number, size: number): void => {
    const shift = 32 - 8 * size;
    const a = shift ? (left << shift) >>> shift : left;
    const b = shift ? (right << shift) >>> shift : right;
    const result = (a - b) | 0;
    const extended = (result << shift) >> shift;
    s[State.cf >> 2] = a >>> 0 < b >>> 0 ? 1 : 0;
    s[State.af >> 2] = a ^ b ^ result;
    s[State.of >> 2] = ((a ^ b) & (a ^ result)) << shift;
    s[State.zr >> 2] = extended;
    s[State.sr >> 2] = extended;
    s[State.pr >> 2] = extended;
  };

  /** Bytes of [address, ...) up to the end of its page, at most `bytes`, or 0 where the page lacks the permission. */
  const run = (address: number, bytes: number, permission: number): number => {
    const at = address >>> 0;
    if ((pages[at >>> 12]! & permission) === 0) return 0;
    return Math.min(bytes, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
  };

  /** Forward movs and stos of whole elements within pages; gives the number of elements done (0: go one by one). */
  const fast = (operation: number, size: number, sourceBase: number): number => {
    const wanted = (s[ECX]! >>> 0) * size;
    const destination = s[EDI]! >>> 0;
    let bytes = run(destination, wanted, Page.write);
    if (operation === MOVS) {
      const source = (s[ESI]! + sourceBase) >>> 0;
      bytes = Math.min(bytes, run(source, wanted, Page.read));
      bytes -= bytes % size;
      if (bytes === 0) return 0;
      // A destination inside the source's run sees what was just written: a pattern fill.
      if (destination > source && destination < source + bytes) {
        if (destination - source < size) return 0;
        for (let i = 0; i < bytes; i++) u8[destination + i] = u8[source + i]!;
      } else if (bytes <= 32) for (let i = 0; i < bytes; i++) u8[destination + i] = u8[source + i]!;
      else u8.copyWithin(destination, source, source + bytes);
      s[ESI] = s[ESI]! + bytes;
    } else {
      bytes -= bytes % size;
      if (bytes === 0) return 0;
      const value = s[EAX]!;
      if (size === 1) u8.fill(value, destination, destination + bytes);
      else if (size === 2) for (let i = 0; i < bytes; i += 2) view.setInt16(destination + i, value, true);
      else for (let i = 0; i < bytes; i += 4) view.setInt32(destination + i, value, true);
    }
    s[EDI] = destination + bytes;
    s[ECX] = s[ECX]! - bytes / size;
    return bytes / size;
  };

  return (operation, size, repeat, addressSize, segment) => {
    const mask = addressSize === 16 ? 0xffff : -1;
    const based = segment === Segment.fs || segment === Segment.gs;
    const sourceBase = based ? s[(State.segmentBases >> 2) + segment]! : 0;
    const step = s[State.df >> 2]! * size;
    const move = (register: number): void => {
      s[register] = (s[register]! & ~mask) | ((s[register]! + step) & mask);
    };
    const quick =
      !checkedStores && repeat !== 0 && mask === -1 && step > 0 && (operation === MOVS || operation === STOS);
    while (repeat === 0 || (s[ECX]! & mask) !== 0) {
      if (quick && fast(operation, size, sourceBase) > 0) continue;
      const source = ((s[ESI]! & mask) + sourceBase) | 0;
      const destination = s[EDI]! & mask;
      if (operation === MOVS) {
        store(destination, size, load(source, size));
        move(ESI);
        move(EDI);
      } else if (operation === STOS) {
        store(destination, size, s[EAX]!);
        move(EDI);
      } else if (operation === LODS) {
        const value = load(source, size);
        s[EAX] = size === 4 ? value : size === 2 ? (s[EAX]! & ~0xffff) | value : (s[EAX]! & ~0xff) | value;
        move(ESI);
      } else if (operation === CMPS) {
        const right = load(destination, size);
        setCompareFlags(load(source, size), right, size);
        move(ESI);
        move(EDI);
      } else {
        setCompareFlags(s[EAX]!, load(destination, size), size);
        move(EDI);
      }
      if (repeat === 0) return;
      s[ECX] = (s[ECX]! & ~mask) | ((s[ECX]! - 1) & mask);
      if (operation === CMPS || operation > LODS) {
        const equal = s[State.zr >> 2] === 0;
        if (equal !== (repeat === 1)) return;
      }
    }
  };
}
