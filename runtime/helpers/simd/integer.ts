/**
 * Integer arithmetic, comparison and shifts of MMX, SSE2, SSSE3, SSE4.1 and SSE4.2. Operands are slots (byte offsets in
 * the state block); the functions that have an MMX and an XMM form take the operand's width in bytes, 8 or 16, as the
 * last argument. Bytes are added and compared four at a time within 32-bit words.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { State } from '../../../translator/state.js';

const HIGH_BITS = 0x80808080 | 0;
const LOW_BITS = 0x7f7f7f7f;

const addBytes = (a: number, b: number): number => ((a & LOW_BITS) + (b & LOW_BITS)) ^ ((a ^ b) & HIGH_BITS);
const subtractBytes = (a: number, b: number): number => ((a | HIGH_BITS) - (b & LOW_BITS)) ^ ((a ^ ~b) & HIGH_BITS);
const addWords = (a: number, b: number): number => ((a & 0x7fff7fff) + (b & 0x7fff7fff)) ^ ((a ^ b) & (0x80008000 | 0));
const subtractWords = (a: number, b: number): number =>
  ((a | (0x80008000 | 0)) - (b & 0x7fff7fff)) ^ ((a ^ ~b) & (0x80008000 | 0));
/** 0xff in each byte where a equals b. */
function equalBytes(a: number, b: number): number {
  const x = a ^ b;
  const zero = ~(((x & LOW_BITS) + LOW_BITS) | x | LOW_BITS);
  return Math.imul(zero >>> 7, 255);
}
function equalWords(a: number, b: number): number {
  const x = a ^ b;
  return ((x & 0xffff) === 0 ? 0xffff : 0) | (x >>> 16 === 0 ? 0xffff0000 : 0);
}

/** 0xff in each byte where a is at least b, unsigned. */
function atLeastBytes(a: number, b: number): number {
  const low = (a | HIGH_BITS) - (b & LOW_BITS);
  return Math.imul((((a & ~b) | (~(a ^ b) & low)) & HIGH_BITS) >>> 7, 255);
}
/** a where the mask is set, else b. */
const choose = (mask: number, a: number, b: number): number => (a & mask) | (b & ~mask);

const signed8 = (x: number): number => (x << 24) >> 24;
const signed16 = (x: number): number => (x << 16) >> 16;
const saturate8 = (x: number): number => (x > 127 ? 127 : x < -128 ? -128 : x);
const saturate16 = (x: number): number => (x > 32767 ? 32767 : x < -32768 ? -32768 : x);
const saturateU16 = (x: number): number => (x > 65535 ? 65535 : x < 0 ? 0 : x);
/** High word of an unsigned 32 by 32 bit product. */
function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = ah * bl + ((al * bl) >>> 16);
  const carry = (middle & 0xffff) + al * bh;
  // Both sums stay below 2^53, but beyond 2^32 a shift would lose bits: divide.
  return (ah * bh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) | 0;
}

export function createIntegers({ i32, u8, u16 }: StateViews) {
  const words = new Int32Array(4);
  const halves = new Uint16Array(words.buffer);

  function paddb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = addBytes(i32[(d + i) >> 2], i32[(s + i) >> 2]);
  }
  function paddw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = addWords(i32[(d + i) >> 2], i32[(s + i) >> 2]);
  }
  function paddd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] += i32[(s + i) >> 2];
  }
  function paddq(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 8) {
      const at = (d + i) >> 2;
      const from = (s + i) >> 2;
      const a = i32[at];
      const sum = (a + i32[from]) | 0;
      const high = i32[from + 1];
      i32[at] = sum;
      i32[at + 1] += high + (sum >>> 0 < a >>> 0 ? 1 : 0);
    }
  }
  function psubb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = subtractBytes(i32[(d + i) >> 2], i32[(s + i) >> 2]);
  }
  function psubw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = subtractWords(i32[(d + i) >> 2], i32[(s + i) >> 2]);
  }
  function psubd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] -= i32[(s + i) >> 2];
  }
  function psubq(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 8) {
      const at = (d + i) >> 2;
      const from = (s + i) >> 2;
      const a = i32[at];
      const b = i32[from];
      const high = i32[from + 1];
      i32[at] = a - b;
      i32[at + 1] -= high + (a >>> 0 < b >>> 0 ? 1 : 0);
    }
  }
  function paddsb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i++) u8[d + i] = saturate8(signed8(u8[d + i]) + signed8(u8[s + i]));
  }
  function paddsw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2)
      u16[(d + i) >> 1] = saturate16(signed16(u16[(d + i) >> 1]) + signed16(u16[(s + i) >> 1]));
  }
  function paddusb(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      const sum = addBytes(a, b);
      i32[i] = sum | Math.imul((((a & b) | ((a | b) & ~sum)) & HIGH_BITS) >>> 7, 255);
    }
  }
  function paddusw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2) u16[(d + i) >> 1] = saturateU16(u16[(d + i) >> 1] + u16[(s + i) >> 1]);
  }
  function psubsb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i++) u8[d + i] = saturate8(signed8(u8[d + i]) - signed8(u8[s + i]));
  }
  function psubsw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2)
      u16[(d + i) >> 1] = saturate16(signed16(u16[(d + i) >> 1]) - signed16(u16[(s + i) >> 1]));
  }
  function psubusb(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = subtractBytes(a, b) & atLeastBytes(a, b);
    }
  }
  function psubusw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2) u16[(d + i) >> 1] = saturateU16(u16[(d + i) >> 1] - u16[(s + i) >> 1]);
  }
  function pavgb(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = (a | b) - (((a ^ b) & (0xfefefefe | 0)) >>> 1);
    }
  }
  function pavgw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2) u16[(d + i) >> 1] = (u16[(d + i) >> 1] + u16[(s + i) >> 1] + 1) >> 1;
  }

  // Minimum and maximum.
  function pminub(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = choose(atLeastBytes(a, b), b, a);
    }
  }
  function pmaxub(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = choose(atLeastBytes(a, b), a, b);
    }
  }
  function pminsb(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = choose(atLeastBytes(a ^ HIGH_BITS, b ^ HIGH_BITS), b, a);
    }
  }
  function pmaxsb(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = choose(atLeastBytes(a ^ HIGH_BITS, b ^ HIGH_BITS), a, b);
    }
  }
  function pminsw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++)
      if (signed16(u16[j]) < signed16(u16[i])) u16[i] = u16[j];
  }
  function pmaxsw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++)
      if (signed16(u16[j]) > signed16(u16[i])) u16[i] = u16[j];
  }
  function pminuw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++) if (u16[j] < u16[i]) u16[i] = u16[j];
  }
  function pmaxuw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++) if (u16[j] > u16[i]) u16[i] = u16[j];
  }
  function pminsd(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) if (i32[j] < i32[i]) i32[i] = i32[j];
  }
  function pmaxsd(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) if (i32[j] > i32[i]) i32[i] = i32[j];
  }
  function pminud(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++)
      if (i32[j] >>> 0 < i32[i] >>> 0) i32[i] = i32[j];
  }
  function pmaxud(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++)
      if (i32[j] >>> 0 > i32[i] >>> 0) i32[i] = i32[j];
  }

  // Comparisons.
  function pcmpeqb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = equalBytes(i32[(d + i) >> 2], i32[(s + i) >> 2]);
  }
  function pcmpeqw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = equalWords(i32[(d + i) >> 2], i32[(s + i) >> 2]);
  }
  function pcmpeqd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = i32[(d + i) >> 2] === i32[(s + i) >> 2] ? -1 : 0;
  }
  function pcmpeqq(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i += 2, j += 2)
      i32[i] = i32[i + 1] = i32[i] === i32[j] && i32[i + 1] === i32[j + 1] ? -1 : 0;
  }
  function pcmpgtb(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = ~atLeastBytes(b ^ HIGH_BITS, a ^ HIGH_BITS);
    }
  }
  function pcmpgtw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++)
      u16[i] = signed16(u16[i]) > signed16(u16[j]) ? 0xffff : 0;
  }
  function pcmpgtd(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) i32[i] = i32[i] > i32[j] ? -1 : 0;
  }
  function pcmpgtq(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i += 2, j += 2) {
      const high = i32[i + 1];
      const other = i32[j + 1];
      i32[i] = i32[i + 1] = high > other || (high === other && i32[i] >>> 0 > i32[j] >>> 0) ? -1 : 0;
    }
  }

  // Multiplication.
  function pmullw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++) u16[i] = Math.imul(u16[i], u16[j]);
  }
  function pmulhw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++)
      u16[i] = Math.imul(signed16(u16[i]), signed16(u16[j])) >> 16;
  }
  function pmulhuw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++)
      u16[i] = Math.imul(u16[i], u16[j]) >>> 16;
  }
  function pmulhrsw(d: number, s: number, width: number): void {
    for (let i = d >> 1, j = s >> 1, end = (d + width) >> 1; i < end; i++, j++)
      u16[i] = ((Math.imul(signed16(u16[i]), signed16(u16[j])) >> 14) + 1) >> 1;
  }
  function pmulld(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) i32[i] = Math.imul(i32[i], i32[j]);
  }
  function pmuludq(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i += 2, j += 2) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = Math.imul(a, b);
      i32[i + 1] = multiplyHigh(a, b);
    }
  }
  function pmuldq(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i += 2, j += 2) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = Math.imul(a, b);
      i32[i + 1] = multiplyHigh(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0);
    }
  }
  function pmaddwd(d: number, s: number, width: number): void {
    for (let i = d >> 2, j = s >> 2, end = (d + width) >> 2; i < end; i++, j++) {
      const a = i32[i];
      const b = i32[j];
      i32[i] = Math.imul(signed16(a), signed16(b)) + Math.imul(a >> 16, b >> 16);
    }
  }
  function pmaddubsw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2)
      u16[(d + i) >> 1] = saturate16(u8[d + i] * signed8(u8[s + i]) + u8[d + i + 1] * signed8(u8[s + i + 1]));
  }
  function psadbw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 8) {
      let sum = 0;
      for (let j = i; j < i + 8; j++) sum += Math.abs(u8[d + j] - u8[s + j]);
      i32[(d + i) >> 2] = sum;
      i32[(d + i + 4) >> 2] = 0;
    }
  }
  /** Sums of absolute differences of four source bytes against eight places of the destination. */
  function mpsadbw(d: number, s: number, immediate: number): void {
    const a = d + (immediate & 4);
    const b = s + 4 * (immediate & 3);
    for (let i = 0; i < 8; i++) {
      let sum = 0;
      for (let j = 0; j < 4; j++) sum += Math.abs(u8[a + i + j] - u8[b + j]);
      halves[i] = sum;
    }
    for (let i = 0; i < 4; i++) i32[(d >> 2) + i] = words[i];
  }
  function phminposuw(d: number, s: number): void {
    let best = 0;
    for (let i = 1; i < 8; i++) if (u16[(s >> 1) + i] < u16[(s >> 1) + best]) best = i;
    const value = u16[(s >> 1) + best];
    d >>= 2;
    i32[d] = value | (best << 16);
    i32[d + 1] = i32[d + 2] = i32[d + 3] = 0;
  }

  // SSSE3: absolute value, sign, horizontal sums.
  function pabsb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i++) u8[d + i] = Math.abs(signed8(u8[s + i]));
  }
  function pabsw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2) u16[(d + i) >> 1] = Math.abs(signed16(u16[(s + i) >> 1]));
  }
  function pabsd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = Math.abs(i32[(s + i) >> 2]);
  }
  function psignb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i++) u8[d + i] = u8[d + i] * Math.sign(signed8(u8[s + i]));
  }
  function psignw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 2) u16[(d + i) >> 1] = u16[(d + i) >> 1] * Math.sign(signed16(u16[(s + i) >> 1]));
  }
  function psignd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = i32[(d + i) >> 2] * Math.sign(i32[(s + i) >> 2]);
  }
  /** Copies the collected result of a horizontal operation. */
  function put(d: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = words[i >> 2];
  }
  function phaddw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) {
      halves[i >> 2] = u16[(d + i) >> 1] + u16[(d + i + 2) >> 1];
      halves[(width + i) >> 2] = u16[(s + i) >> 1] + u16[(s + i + 2) >> 1];
    }
    put(d, width);
  }
  function phsubw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) {
      halves[i >> 2] = u16[(d + i) >> 1] - u16[(d + i + 2) >> 1];
      halves[(width + i) >> 2] = u16[(s + i) >> 1] - u16[(s + i + 2) >> 1];
    }
    put(d, width);
  }
  function phaddsw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) {
      halves[i >> 2] = saturate16(signed16(u16[(d + i) >> 1]) + signed16(u16[(d + i + 2) >> 1]));
      halves[(width + i) >> 2] = saturate16(signed16(u16[(s + i) >> 1]) + signed16(u16[(s + i + 2) >> 1]));
    }
    put(d, width);
  }
  function phsubsw(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) {
      halves[i >> 2] = saturate16(signed16(u16[(d + i) >> 1]) - signed16(u16[(d + i + 2) >> 1]));
      halves[(width + i) >> 2] = saturate16(signed16(u16[(s + i) >> 1]) - signed16(u16[(s + i + 2) >> 1]));
    }
    put(d, width);
  }
  function phaddd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 8) {
      words[i >> 3] = i32[(d + i) >> 2] + i32[(d + i + 4) >> 2];
      words[(width + i) >> 3] = i32[(s + i) >> 2] + i32[(s + i + 4) >> 2];
    }
    put(d, width);
  }
  function phsubd(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 8) {
      words[i >> 3] = i32[(d + i) >> 2] - i32[(d + i + 4) >> 2];
      words[(width + i) >> 3] = i32[(s + i) >> 2] - i32[(s + i + 4) >> 2];
    }
    put(d, width);
  }

  // Shifts by an immediate count; those by a register's low 64 bits read the count and call them.
  function psllwImmediate(d: number, count: number, width: number): void {
    for (let i = d >> 1, end = (d + width) >> 1; i < end; i++) u16[i] = count > 15 ? 0 : u16[i] << count;
  }
  function pslldImmediate(d: number, count: number, width: number): void {
    for (let i = d >> 2, end = (d + width) >> 2; i < end; i++) i32[i] = count > 31 ? 0 : i32[i] << count;
  }
  function psllqImmediate(d: number, count: number, width: number): void {
    for (let i = d >> 2, end = (d + width) >> 2; i < end; i += 2) {
      const low = i32[i];
      if (count > 31) {
        i32[i + 1] = count > 63 ? 0 : low << (count - 32);
        i32[i] = 0;
      } else if (count > 0) {
        i32[i + 1] = (i32[i + 1] << count) | (low >>> (32 - count));
        i32[i] = low << count;
      }
    }
  }
  function psrlwImmediate(d: number, count: number, width: number): void {
    for (let i = d >> 1, end = (d + width) >> 1; i < end; i++) u16[i] = count > 15 ? 0 : u16[i] >>> count;
  }
  function psrldImmediate(d: number, count: number, width: number): void {
    for (let i = d >> 2, end = (d + width) >> 2; i < end; i++) i32[i] = count > 31 ? 0 : i32[i] >>> count;
  }
  function psrlqImmediate(d: number, count: number, width: number): void {
    for (let i = d >> 2, end = (d + width) >> 2; i < end; i += 2) {
      const high = i32[i + 1];
      if (count > 31) {
        i32[i] = count > 63 ? 0 : high >>> (count - 32);
        i32[i + 1] = 0;
      } else if (count > 0) {
        i32[i] = (i32[i] >>> count) | (high << (32 - count));
        i32[i + 1] = high >>> count;
      }
    }
  }
  function psrawImmediate(d: number, count: number, width: number): void {
    if (count > 15) count = 15;
    for (let i = d >> 1, end = (d + width) >> 1; i < end; i++) u16[i] = signed16(u16[i]) >> count;
  }
  function psradImmediate(d: number, count: number, width: number): void {
    if (count > 31) count = 31;
    for (let i = d >> 2, end = (d + width) >> 2; i < end; i++) i32[i] >>= count;
  }
  /** The count in a slot's low 64 bits, at most 64. */
  function shiftCount(s: number): number {
    const low = i32[s >> 2];
    return i32[(s >> 2) + 1] !== 0 || low >>> 0 > 64 ? 64 : low;
  }
  const psllw = (d: number, s: number, width: number): void => psllwImmediate(d, shiftCount(s), width);
  const pslld = (d: number, s: number, width: number): void => pslldImmediate(d, shiftCount(s), width);
  const psllq = (d: number, s: number, width: number): void => psllqImmediate(d, shiftCount(s), width);
  const psrlw = (d: number, s: number, width: number): void => psrlwImmediate(d, shiftCount(s), width);
  const psrld = (d: number, s: number, width: number): void => psrldImmediate(d, shiftCount(s), width);
  const psrlq = (d: number, s: number, width: number): void => psrlqImmediate(d, shiftCount(s), width);
  const psraw = (d: number, s: number, width: number): void => psrawImmediate(d, shiftCount(s), width);
  const psrad = (d: number, s: number, width: number): void => psradImmediate(d, shiftCount(s), width);

  // Bitwise logic, and ptest, which sets ZF when the AND and CF when the AND NOT is zero.
  function pand(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] &= i32[(s + i) >> 2];
  }
  function pandn(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = ~i32[(d + i) >> 2] & i32[(s + i) >> 2];
  }
  function por(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] |= i32[(s + i) >> 2];
  }
  function pxor(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] ^= i32[(s + i) >> 2];
  }
  function ptest(d: number, s: number): void {
    let and = 0;
    let andNot = 0;
    for (let i = 0; i < 16; i += 4) {
      and |= i32[(d + i) >> 2] & i32[(s + i) >> 2];
      andNot |= ~i32[(d + i) >> 2] & i32[(s + i) >> 2];
    }
    i32[State.zr >> 2] = and;
    i32[State.cf >> 2] = andNot === 0 ? 1 : 0;
    i32[State.pr >> 2] = 1;
    i32[State.af >> 2] = 0;
    i32[State.sr >> 2] = 0;
    i32[State.of >> 2] = 0;
  }

  return {
    paddb,
    paddw,
    paddd,
    paddq,
    psubb,
    psubw,
    psubd,
    psubq,
    paddsb,
    paddsw,
    paddusb,
    paddusw,
    psubsb,
    psubsw,
    psubusb,
    psubusw,
    pavgb,
    pavgw,
    pminub,
    pmaxub,
    pminsb,
    pmaxsb,
    pminsw,
    pmaxsw,
    pminuw,
    pmaxuw,
    pminsd,
    pmaxsd,
    pminud,
    pmaxud,
    pcmpeqb,
    pcmpeqw,
    pcmpeqd,
    pcmpeqq,
    pcmpgtb,
    pcmpgtw,
    pcmpgtd,
    pcmpgtq,
    pmullw,
    pmulhw,
    pmulhuw,
    pmulhrsw,
    pmulld,
    pmuludq,
    pmuldq,
    pmaddwd,
    pmaddubsw,
    psadbw,
    mpsadbw,
    phminposuw,
    pabsb,
    pabsw,
    pabsd,
    psignb,
    psignw,
    psignd,
    phaddw,
    phsubw,
    phaddsw,
    phsubsw,
    phaddd,
    phsubd,
    psllwImmediate,
    pslldImmediate,
    psllqImmediate,
    psrlwImmediate,
    psrldImmediate,
    psrlqImmediate,
    psrawImmediate,
    psradImmediate,
    psllw,
    pslld,
    psllq,
    psrlw,
    psrld,
    psrlq,
    psraw,
    psrad,
    pand,
    pandn,
    por,
    pxor,
    ptest,
  };
}
