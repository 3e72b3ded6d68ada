/**
 * SSE4.2's text instructions (pcmpestri, pcmpestrm, pcmpistri, pcmpistrm: Intel SDM volume 2, section 4.1) and the crc32
 * instruction.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { State } from '../../../translator/state.js';

/** CRC-32C, the Castagnoli polynomial, bits reflected. */
const CASTAGNOLI = 0x82f63b78 | 0;

/** The aggregations of immediate bits 2-3. */
const EQUAL_ANY = 0;
const RANGES = 1;
const EQUAL_EACH = 2;

export function createStrings({ i32, u8, u16 }: StateViews) {
  let table: Int32Array | undefined;

  /** The elements of both operands, in the format of immediate bits 0-1: bytes or words, unsigned or signed. */
  const first = new Int32Array(16);
  const second = new Int32Array(16);

  function take(to: Int32Array, slot: number, format: number): void {
    switch (format & 3) {
      case 0:
        for (let i = 0; i < 16; i++) to[i] = u8[slot + i];
        break;
      case 1:
        for (let i = 0; i < 8; i++) to[i] = u16[(slot >> 1) + i];
        break;
      case 2:
        for (let i = 0; i < 16; i++) to[i] = (u8[slot + i] << 24) >> 24;
        break;
      default:
        for (let i = 0; i < 8; i++) to[i] = (u16[(slot >> 1) + i] << 16) >> 16;
    }
  }
  function implicitLength(elements: Int32Array, format: number): number {
    const size = format & 1 ? 8 : 16;
    let length = 0;
    while (length < size && elements[length] !== 0) length++;
    return length;
  }
  function explicitLength(value: number, format: number): number {
    const size = format & 1 ? 8 : 16;
    // Math.abs of the most negative integer is beyond the limit too.
    return Math.min(Math.abs(value), size);
  }

  /** Bits of the second operand's `n` elements that equal a value. */
  function equalTo(value: number, n: number): number {
    let bits = 0;
    for (let j = 0; j < n; j++) if (second[j] === value) bits |= 1 << j;
    return bits;
  }
  /** IntRes1 for lengths m of the first operand and n of the second, both taken. */
  function aggregate(m: number, n: number, immediate: number): number {
    const size = immediate & 1 ? 8 : 16;
    const all = (1 << size) - 1;
    let result = 0;
    switch ((immediate >> 2) & 3) {
      case EQUAL_ANY:
        for (let i = 0; i < m; i++) result |= equalTo(first[i]!, n);
        return result;
      case RANGES:
        for (let i = 0; i + 1 < m; i += 2) {
          const low = first[i]!;
          const high = first[i + 1]!;
          for (let j = 0; j < n; j++) if (low <= second[j]! && second[j]! <= high) result |= 1 << j;
        }
        return result;
      case EQUAL_EACH: {
        const both = Math.min(m, n);
        for (let j = 0; j < both; j++) if (first[j] === second[j]) result |= 1 << j;
        // Both have ended.
        return result | (all & -(1 << Math.max(m, n)));
      }
      default:
        // Equal ordered: the first operand's text matches from j on, as far as the register reaches.
        result = all;
        for (let i = 0; i < m; i++) result &= (equalTo(first[i]!, n) | ~all) >> i;
        return result;
    }
  }

  /** IntRes2, and the flags. */
  function compare(m: number, n: number, immediate: number, aggregated: number): number {
    const size = immediate & 1 ? 8 : 16;
    const all = (1 << size) - 1;
    let result = aggregated;
    if (immediate & 0x10) result ^= immediate & 0x20 ? (1 << n) - 1 : all;
    i32[State.cf >> 2] = result !== 0 ? 1 : 0;
    i32[State.zr >> 2] = n < size ? 0 : 1;
    i32[State.sr >> 2] = m < size ? -1 : 0;
    i32[State.of >> 2] = result & 1 ? -1 : 0;
    i32[State.af >> 2] = 0;
    i32[State.pr >> 2] = 1;
    return result;
  }
  /** Index of the lowest or (immediate bit 6) highest set bit; the number of elements when there is none. */
  function index(result: number, immediate: number): number {
    if (result === 0) return immediate & 1 ? 8 : 16;
    return 31 - Math.clz32(immediate & 0x40 ? result : result & -result);
  }
  /** The mask in xmm0: bits, or (immediate bit 6) whole elements. */
  function mask(result: number, immediate: number): void {
    const low = State.xmm >> 2;
    for (let i = 0; i < 4; i++) i32[low + i] = 0;
    if (!(immediate & 0x40)) i32[low] = result;
    else if (immediate & 1) for (let i = 0; i < 8; i++) u16[(State.xmm >> 1) + i] = (result >> i) & 1 ? 0xffff : 0;
    else for (let i = 0; i < 16; i++) u8[State.xmm + i] = (result >> i) & 1 ? 0xff : 0;
  }

  function compareImplicit(d: number, s: number, immediate: number): number {
    if ((immediate & 0xd) === EQUAL_EACH << 2) return compareBytes(d, s, immediate);
    take(first, d, immediate);
    take(second, s, immediate);
    const m = implicitLength(first, immediate);
    const n = implicitLength(second, immediate);
    return compare(m, n, immediate, aggregate(m, n, immediate));
  }
  /** Bytes, each with its counterpart, as strcmp is made of: in one pass. */
  function compareBytes(d: number, s: number, immediate: number): number {
    let m = 16;
    let n = 16;
    let equal = 0;
    for (let i = 15; i >= 0; i--) {
      const left = u8[d + i]!;
      const right = u8[s + i]!;
      if (left === 0) m = i;
      if (right === 0) n = i;
      equal = (equal << 1) | (left === right ? 1 : 0);
    }
    const result = (equal & ((1 << Math.min(m, n)) - 1)) | (0xffff & -(1 << Math.max(m, n)));
    return compare(m, n, immediate, result);
  }
  function compareExplicit(d: number, s: number, immediate: number, eax: number, edx: number): number {
    take(first, d, immediate);
    take(second, s, immediate);
    const m = explicitLength(eax, immediate);
    const n = explicitLength(edx, immediate);
    return compare(m, n, immediate, aggregate(m, n, immediate));
  }

  /** Returns the index that goes to ecx. */
  function pcmpistri(d: number, s: number, immediate: number): number {
    return index(compareImplicit(d, s, immediate), immediate);
  }
  function pcmpistrm(d: number, s: number, immediate: number): void {
    mask(compareImplicit(d, s, immediate), immediate);
  }
  /** `eax` and `edx` are the lengths of the two texts. */
  function pcmpestri(d: number, s: number, immediate: number, eax: number, edx: number): number {
    return index(compareExplicit(d, s, immediate, eax, edx), immediate);
  }
  function pcmpestrm(d: number, s: number, immediate: number, eax: number, edx: number): void {
    mask(compareExplicit(d, s, immediate, eax, edx), immediate);
  }

  function crcTable(): Int32Array {
    const t = new Int32Array(256);
    for (let i = 0; i < 256; i++) {
      let c = i;
      for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? CASTAGNOLI : 0);
      t[i] = c;
    }
    return t;
  }
  /** The checksum carried on over `size` (1, 2, 4) bytes of `value`. */
  function crc32(checksum: number, value: number, size: number): number {
    table ??= crcTable();
    for (let i = 0; i < size; i++) {
      checksum = (checksum >>> 8) ^ table[(checksum ^ value) & 0xff];
      value >>>= 8;
    }
    return checksum;
  }

  return { pcmpistri, pcmpistrm, pcmpestri, pcmpestrm, crc32 };
}
