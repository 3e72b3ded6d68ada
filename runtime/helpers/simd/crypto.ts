/**
 * AES-NI (FIPS 197), PCLMULQDQ and the SHA extensions (FIPS 180-4; Intel SDM volume 2 for the order of the words in a
 * register). Operands are slots of 16 bytes.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { State } from '../../../translator/state.js';

interface AesTables {
  readonly box: Uint8Array;
  readonly inverse: Uint8Array;
  /** MixColumns and its inverse for a column whose first byte is the index; the other bytes are rotations. */
  readonly mix: Int32Array;
  readonly unmix: Int32Array;
}

/** Product in AES's field, GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (; b !== 0; b >>= 1) {
    if (b & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? 0x11b : 0);
  }
  return product;
}

function buildTables(): AesTables {
  const box = new Uint8Array(256);
  const inverse = new Uint8Array(256);
  const mix = new Int32Array(256);
  const unmix = new Int32Array(256);
  // p runs through the powers of the generator 3, q through those of its inverse 0xf6: q is always 1 / p.
  let p = 1;
  let q = 1;
  box[0] = 0x63;
  do {
    p = multiply(p, 3);
    q = multiply(q, 0xf6);
    const spread = q | (q << 8);
    box[p] = (q ^ (spread >> 7) ^ (spread >> 6) ^ (spread >> 5) ^ (spread >> 4) ^ 0x63) & 0xff;
  } while (p !== 1);
  for (let i = 0; i < 256; i++) {
    inverse[box[i]] = i;
    mix[i] = multiply(i, 2) | (i << 8) | (i << 16) | (multiply(i, 3) << 24);
    unmix[i] = multiply(i, 14) | (multiply(i, 9) << 8) | (multiply(i, 13) << 16) | (multiply(i, 11) << 24);
  }
  return { box, inverse, mix, unmix };
}

const rotateLeft = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
const rotateRight = (x: number, n: number): number => (x >>> n) | (x << (32 - n));

/**
 * Low word of the carry-less product of two words. Every fourth bit is multiplied by itself, so that the at most eight
 * ones that a product's column adds up stay within their four bits: their lowest bit is the sum without carries.
 */
function carrylessLow(a: number, b: number): number {
  const a0 = a & 0x11111111;
  const a1 = a & 0x22222222;
  const a2 = a & 0x44444444;
  const a3 = a & 0x88888888;
  const b0 = b & 0x11111111;
  const b1 = b & 0x22222222;
  const b2 = b & 0x44444444;
  const b3 = b & 0x88888888;
  const c0 = Math.imul(a0, b0) ^ Math.imul(a1, b3) ^ Math.imul(a2, b2) ^ Math.imul(a3, b1);
  const c1 = Math.imul(a0, b1) ^ Math.imul(a1, b0) ^ Math.imul(a2, b3) ^ Math.imul(a3, b2);
  const c2 = Math.imul(a0, b2) ^ Math.imul(a1, b1) ^ Math.imul(a2, b0) ^ Math.imul(a3, b3);
  const c3 = Math.imul(a0, b3) ^ Math.imul(a1, b2) ^ Math.imul(a2, b1) ^ Math.imul(a3, b0);
  return (c0 & 0x11111111) | (c1 & 0x22222222) | (c2 & 0x44444444) | (c3 & 0x88888888);
}
function reverseBits(x: number): number {
  x = ((x >>> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >>> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >>> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  x = ((x >>> 8) & 0x00ff00ff) | ((x & 0x00ff00ff) << 8);
  return (x >>> 16) | (x << 16);
}
/** High word of the 63-bit carry-less product: the reversed operands' low word, reversed. */
const carrylessHigh = (a: number, b: number): number => reverseBits(carrylessLow(reverseBits(a), reverseBits(b))) >>> 1;

export function createCrypto({ i32, u8 }: StateViews) {
  let tables: AesTables | undefined;
  const words = new Int32Array(4);
  const bytes = new Uint8Array(words.buffer);

  function mixColumn(table: Int32Array, at: number): number {
    return (
      table[bytes[at]] ^
      rotateLeft(table[bytes[at + 1]], 8) ^
      rotateLeft(table[bytes[at + 2]], 16) ^
      rotateLeft(table[bytes[at + 3]], 24)
    );
  }
  function aesenclast(d: number, s: number): void {
    const { box } = (tables ??= buildTables());
    // ShiftRows: row r of column c comes from column c + r.
    for (let i = 0; i < 16; i++) bytes[i] = box[u8[d + ((i + 4 * (i & 3)) & 15)]];
    for (let i = 0; i < 4; i++) i32[(d >> 2) + i] = words[i] ^ i32[(s >> 2) + i];
  }
  function aesenc(d: number, s: number): void {
    const { box, mix } = (tables ??= buildTables());
    for (let i = 0; i < 16; i++) bytes[i] = box[u8[d + ((i + 4 * (i & 3)) & 15)]];
    for (let i = 0; i < 4; i++) i32[(d >> 2) + i] = mixColumn(mix, 4 * i) ^ i32[(s >> 2) + i];
  }
  function aesdeclast(d: number, s: number): void {
    const { inverse } = (tables ??= buildTables());
    for (let i = 0; i < 16; i++) bytes[i] = inverse[u8[d + ((i - 4 * (i & 3)) & 15)]];
    for (let i = 0; i < 4; i++) i32[(d >> 2) + i] = words[i] ^ i32[(s >> 2) + i];
  }
  function aesdec(d: number, s: number): void {
    const { inverse, unmix } = (tables ??= buildTables());
    for (let i = 0; i < 16; i++) bytes[i] = inverse[u8[d + ((i - 4 * (i & 3)) & 15)]];
    for (let i = 0; i < 4; i++) i32[(d >> 2) + i] = mixColumn(unmix, 4 * i) ^ i32[(s >> 2) + i];
  }
  function aesimc(d: number, s: number): void {
    const { unmix } = (tables ??= buildTables());
    for (let i = 0; i < 4; i++) words[i] = i32[(s >> 2) + i];
    for (let i = 0; i < 4; i++) i32[(d >> 2) + i] = mixColumn(unmix, 4 * i);
  }
  function aeskeygenassist(d: number, s: number, immediate: number): void {
    const { box } = (tables ??= buildTables());
    const substitute = (x: number): number =>
      box[x & 0xff] | (box[(x >>> 8) & 0xff] << 8) | (box[(x >>> 16) & 0xff] << 16) | (box[x >>> 24] << 24);
    const x1 = substitute(i32[(s >> 2) + 1]);
    const x3 = substitute(i32[(s >> 2) + 3]);
    d >>= 2;
    i32[d] = x1;
    i32[d + 1] = rotateRight(x1, 8) ^ immediate;
    i32[d + 2] = x3;
    i32[d + 3] = rotateRight(x3, 8) ^ immediate;
  }

  /** Carry-less product of one quadword of each operand, by Karatsuba's three products of doublewords. */
  function pclmulqdq(d: number, s: number, immediate: number): void {
    const a = (d >> 2) + (immediate & 1 ? 2 : 0);
    const b = (s >> 2) + (immediate & 0x10 ? 2 : 0);
    const a0 = i32[a];
    const a1 = i32[a + 1];
    const b0 = i32[b];
    const b1 = i32[b + 1];
    const low0 = carrylessLow(a0, b0);
    const low1 = carrylessHigh(a0, b0);
    const high0 = carrylessLow(a1, b1);
    const high1 = carrylessHigh(a1, b1);
    const middle0 = carrylessLow(a0 ^ a1, b0 ^ b1) ^ low0 ^ high0;
    const middle1 = carrylessHigh(a0 ^ a1, b0 ^ b1) ^ low1 ^ high1;
    d >>= 2;
    i32[d] = low0;
    i32[d + 1] = low1 ^ middle0;
    i32[d + 2] = high0 ^ middle1;
    i32[d + 3] = high1;
  }

  // SHA-1: a register holds a b c d (or four message words) from its highest doubleword down.
  function sha1rnds4(destination: number, source: number, immediate: number): void {
    destination >>= 2;
    source >>= 2;
    let a = i32[destination + 3];
    let b = i32[destination + 2];
    let c = i32[destination + 1];
    let d = i32[destination];
    let e = 0;
    for (let i = 0; i < 4; i++) {
      let f: number;
      switch (immediate & 3) {
        case 0:
          f = ((b & c) ^ (~b & d)) + 0x5a827999;
          break;
        case 1:
          f = (b ^ c ^ d) + 0x6ed9eba1;
          break;
        case 2:
          f = ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
          break;
        default:
          f = (b ^ c ^ d) + 0xca62c1d6;
      }
      // The first word of the source already has e added to it.
      const next = (f + rotateLeft(a, 5) + i32[source + 3 - i] + e) | 0;
      e = d;
      d = c;
      c = rotateLeft(b, 30);
      b = a;
      a = next;
    }
    i32[destination + 3] = a;
    i32[destination + 2] = b;
    i32[destination + 1] = c;
    i32[destination] = d;
  }
  function sha1nexte(d: number, s: number): void {
    d >>= 2;
    s >>= 2;
    const e = rotateLeft(i32[d + 3], 30);
    for (let i = 0; i < 3; i++) i32[d + i] = i32[s + i];
    i32[d + 3] = i32[s + 3] + e;
  }
  function sha1msg1(d: number, s: number): void {
    d >>= 2;
    s >>= 2;
    const w4 = i32[s + 3];
    const w5 = i32[s + 2];
    i32[d + 3] ^= i32[d + 1];
    i32[d + 2] ^= i32[d];
    i32[d + 1] ^= w4;
    i32[d] ^= w5;
  }
  function sha1msg2(d: number, s: number): void {
    d >>= 2;
    s >>= 2;
    const w13 = i32[s + 2];
    const w14 = i32[s + 1];
    const w15 = i32[s];
    const w16 = rotateLeft(i32[d + 3] ^ w13, 1);
    i32[d + 2] = rotateLeft(i32[d + 2] ^ w14, 1);
    i32[d + 1] = rotateLeft(i32[d + 1] ^ w15, 1);
    i32[d] = rotateLeft(i32[d] ^ w16, 1);
    i32[d + 3] = w16;
  }

  /** Two rounds of SHA-256: c d g h in the destination, a b e f in the source, words plus constants in xmm0. */
  function sha256rnds2(destination: number, source: number): void {
    destination >>= 2;
    source >>= 2;
    let a = i32[source + 3];
    let b = i32[source + 2];
    let e = i32[source + 1];
    let f = i32[source];
    let c = i32[destination + 3];
    let d = i32[destination + 2];
    let g = i32[destination + 1];
    let h = i32[destination];
    for (let i = 0; i < 2; i++) {
      const word = i32[(State.xmm >> 2) + i];
      const choose = (e & f) ^ (~e & g);
      const majority = (a & b) ^ (a & c) ^ (b & c);
      const sum1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25);
      const sum0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22);
      const t = (choose + sum1 + word + h) | 0;
      h = g;
      g = f;
      f = e;
      e = (t + d) | 0;
      d = c;
      c = b;
      b = a;
      a = (t + majority + sum0) | 0;
    }
    i32[destination + 3] = a;
    i32[destination + 2] = b;
    i32[destination + 1] = e;
    i32[destination] = f;
  }
  const sigma0 = (x: number): number => rotateRight(x, 7) ^ rotateRight(x, 18) ^ (x >>> 3);
  const sigma1 = (x: number): number => rotateRight(x, 17) ^ rotateRight(x, 19) ^ (x >>> 10);
  function sha256msg1(d: number, s: number): void {
    const next = i32[s >> 2];
    d >>= 2;
    i32[d] += sigma0(i32[d + 1]);
    i32[d + 1] += sigma0(i32[d + 2]);
    i32[d + 2] += sigma0(i32[d + 3]);
    i32[d + 3] += sigma0(next);
  }
  function sha256msg2(d: number, s: number): void {
    const w14 = i32[(s >> 2) + 2];
    const w15 = i32[(s >> 2) + 3];
    d >>= 2;
    i32[d] += sigma1(w14);
    i32[d + 1] += sigma1(w15);
    i32[d + 2] += sigma1(i32[d]);
    i32[d + 3] += sigma1(i32[d + 1]);
  }

  return {
    aesenc,
    aesenclast,
    aesdec,
    aesdeclast,
    aesimc,
    aeskeygenassist,
    pclmulqdq,
    sha1rnds4,
    sha1nexte,
    sha1msg1,
    sha1msg2,
    sha256rnds2,
    sha256msg1,
    sha256msg2,
  };
}
