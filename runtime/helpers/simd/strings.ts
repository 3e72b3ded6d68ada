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

  /** Element `index` of a slot, in the format of immediate bits 0-1: bytes or words, unsigned or signed. */
  function element(slot: number, index: number, format: number): number {
    switch (format & 3) {
      case 0:
        return u8[slot + index];
      case 1:
        return u16[(slot >> 1) + index];
      case 2:
        return (u8[slot + index] << 24) >> 24;
      default:
        return (u16[(slot >> 1) + index] << 16) >> 16;
    }
  }
  function implicitLength(slot: number, format: number): number {
    const size = format & 1 ? 8 : 16;
    let length = 0;
    while (length < size && element(slot, length, format) !== 0) length++;
    return length;
  }
  function explicitLength(value: number, format: number): number {
    const size = format & 1 ? 8 : 16;
    // Math.abs of the most negative integer is beyond the limit too.
    return Math.min(Math.abs(value), size);
  }

  /** IntRes1 for lengths m of the first operand and n of the second. */
  function aggregate(d: number, s: number, m: number, n: number, immediate: number): number {
    const size = immediate & 1 ? 8 : 16;
    let result = 0;
    for (let j = 0; j < size; j++) {
      let bit = false;
      switch ((immediate >> 2) & 3) {
        case EQUAL_ANY:
          for (let i = 0; j < n && i < m && !bit; i++) bit = element(d, i, immediate) === element(s, j, immediate);
          break;
        case RANGES:
          for (let i = 0; j < n && i + 1 < m && !bit; i += 2) {
            const value = element(s, j, immediate);
            bit = element(d, i, immediate) <= value && value <= element(d, i + 1, immediate);
          }
          break;
        case EQUAL_EACH:
          if (j < m && j < n) bit = element(d, j, immediate) === element(s, j, immediate);
          else bit = j >= m && j >= n;
          break;
        default:
          // Equal ordered: the needle's valid elements match from j on, as far as the register reaches.
          bit = true;
          for (let i = 0; i < m && i + j < size && bit; i++)
            bit = i + j < n && element(d, i, immediate) === element(s, i + j, immediate);
      }
      if (bit) result |= 1 << j;
    }
    return result;
  }

  /** IntRes2, and the flags. */
  function compare(d: number, s: number, m: number, n: number, immediate: number): number {
    const size = immediate & 1 ? 8 : 16;
    const all = (1 << size) - 1;
    let result = aggregate(d, s, m, n, immediate);
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

  /** Returns the index that goes to ecx. */
  function pcmpistri(d: number, s: number, immediate: number): number {
    const m = implicitLength(d, immediate);
    const n = implicitLength(s, immediate);
    return index(compare(d, s, m, n, immediate), immediate);
  }
  function pcmpistrm(d: number, s: number, immediate: number): void {
    const m = implicitLength(d, immediate);
    const n = implicitLength(s, immediate);
    mask(compare(d, s, m, n, immediate), immediate);
  }
  /** `eax` and `edx` are the lengths of the two texts. */
  function pcmpestri(d: number, s: number, immediate: number, eax: number, edx: number): number {
    const m = explicitLength(eax, immediate);
    const n = explicitLength(edx, immediate);
    return index(compare(d, s, m, n, immediate), immediate);
  }
  function pcmpestrm(d: number, s: number, immediate: number, eax: number, edx: number): void {
    const m = explicitLength(eax, immediate);
    const n = explicitLength(edx, immediate);
    mask(compare(d, s, m, n, immediate), immediate);
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
