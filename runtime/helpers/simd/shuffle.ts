/**
 * Moves of lanes: shuffles, interleaving, packing, widening, blending, insertion, extraction and sign masks of MMX to
 * SSE4.1. Operands are slots (byte offsets in the state block); functions with an MMX and an XMM form take the width in
 * bytes, 8 or 16, as the last argument. Destination and source may be the same slot.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { State } from '../../../translator/state.js';

const signed8 = (x: number): number => (x << 24) >> 24;
const signed16 = (x: number): number => (x << 16) >> 16;
const saturate8 = (x: number): number => (x > 127 ? 127 : x < -128 ? -128 : x);
const saturate16 = (x: number): number => (x > 32767 ? 32767 : x < -32768 ? -32768 : x);
const saturateU8 = (x: number): number => (x > 255 ? 255 : x < 0 ? 0 : x);
const saturateU16 = (x: number): number => (x > 65535 ? 65535 : x < 0 ? 0 : x);
/** Bits 7 of a word's four bytes, gathered in bits 0-3. */
const signsOfBytes = (x: number): number => ((x >>> 7) & 1) | ((x >>> 14) & 2) | ((x >>> 21) & 4) | ((x >>> 28) & 8);

/** The two bytes of a 16-bit number, one byte apart. */
const spread = (x: number): number => (x | (x << 8)) & 0x00ff00ff;

export function createShuffles({ i32, u8, u16 }: StateViews) {
  const words = new Int32Array(8);
  const halves = new Uint16Array(words.buffer);
  const bytes = new Uint8Array(words.buffer);

  /** Copies the collected result to its slot. */
  function put(d: number, width: number): void {
    for (let i = 0; i < width; i += 4) i32[(d + i) >> 2] = words[i >> 2];
  }

  /** An MMX instruction other than emms: the x87 stack becomes valid with TOP 0 (Intel SDM volume 1, 9.5). */
  function enterMmx(): void {
    i32[State.fpuTop >> 2] = 0;
    i32[State.fpuEmpty >> 2] = 0;
  }
  /** A write to an MMX register fills sign and exponent of the x87 register that it lies in. */
  function markMmx(slot: number): void {
    u16[(slot + 8) >> 1] = 0xffff;
  }
  function emms(): void {
    i32[State.fpuTop >> 2] = 0;
    i32[State.fpuEmpty >> 2] = 0xff;
  }

  // Shuffles.
  function pshufd(d: number, s: number, immediate: number): void {
    s >>= 2;
    for (let i = 0; i < 4; i++) words[i] = i32[s + ((immediate >> (2 * i)) & 3)];
    put(d, 16);
  }
  function pshuflw(d: number, s: number, immediate: number): void {
    for (let i = 0; i < 4; i++) halves[i] = u16[(s >> 1) + ((immediate >> (2 * i)) & 3)];
    words[2] = i32[(s >> 2) + 2];
    words[3] = i32[(s >> 2) + 3];
    put(d, 16);
  }
  function pshufhw(d: number, s: number, immediate: number): void {
    for (let i = 0; i < 4; i++) halves[4 + i] = u16[(s >> 1) + 4 + ((immediate >> (2 * i)) & 3)];
    words[0] = i32[s >> 2];
    words[1] = i32[(s >> 2) + 1];
    put(d, 16);
  }
  function pshufw(d: number, s: number, immediate: number): void {
    for (let i = 0; i < 4; i++) halves[i] = u16[(s >> 1) + ((immediate >> (2 * i)) & 3)];
    put(d, 8);
  }
  function shufps(d: number, s: number, immediate: number): void {
    words[0] = i32[(d >> 2) + (immediate & 3)];
    words[1] = i32[(d >> 2) + ((immediate >> 2) & 3)];
    words[2] = i32[(s >> 2) + ((immediate >> 4) & 3)];
    words[3] = i32[(s >> 2) + ((immediate >> 6) & 3)];
    put(d, 16);
  }
  function shufpd(d: number, s: number, immediate: number): void {
    const a = (d >> 2) + 2 * (immediate & 1);
    const b = (s >> 2) + (immediate & 2);
    words[0] = i32[a];
    words[1] = i32[a + 1];
    words[2] = i32[b];
    words[3] = i32[b + 1];
    put(d, 16);
  }
  function pshufb(d: number, s: number, width: number): void {
    for (let i = 0; i < width; i++) {
      const selector = u8[s + i];
      bytes[i] = selector & 0x80 ? 0 : u8[d + (selector & (width - 1))];
    }
    put(d, width);
  }
  /** Destination above source, shifted right by `count` bytes. */
  function palignr(d: number, s: number, count: number, width: number): void {
    const size = width >> 2;
    for (let i = 0; i < size; i++) {
      words[i] = i32[(s >> 2) + i];
      words[size + i] = i32[(d >> 2) + i];
    }
    const whole = count >> 2;
    const bits = (count & 3) * 8;
    for (let i = 0; i < size; i++) {
      const low = i + whole < 2 * size ? words[i + whole] : 0;
      const high = i + whole + 1 < 2 * size ? words[i + whole + 1] : 0;
      i32[(d >> 2) + i] = (low >>> bits) | ((high << 1) << (31 - bits));
    }
  }
  /** Byte shifts by words: `whole` words and `bits` bits; a shift by 32 - 0 bits is done in two steps. */
  function pslldq(d: number, count: number): void {
    const whole = count >> 2;
    const bits = (count & 3) * 8;
    for (let i = 3; i >= 0; i--) {
      const high = i - whole >= 0 ? i32[(d >> 2) + i - whole] : 0;
      const low = i - whole >= 1 ? i32[(d >> 2) + i - whole - 1] : 0;
      i32[(d >> 2) + i] = (high << bits) | ((low >>> 1) >>> (31 - bits));
    }
  }
  function psrldq(d: number, count: number): void {
    const whole = count >> 2;
    const bits = (count & 3) * 8;
    for (let i = 0; i < 4; i++) {
      const low = i + whole < 4 ? i32[(d >> 2) + i + whole] : 0;
      const high = i + whole < 3 ? i32[(d >> 2) + i + whole + 1] : 0;
      i32[(d >> 2) + i] = (low >>> bits) | ((high << 1) << (31 - bits));
    }
  }
  function movddup(d: number, s: number): void {
    d >>= 2;
    const low = i32[s >> 2];
    const high = i32[(s >> 2) + 1];
    i32[d] = i32[d + 2] = low;
    i32[d + 1] = i32[d + 3] = high;
  }
  function movsldup(d: number, s: number): void {
    d >>= 2;
    const low = i32[s >> 2];
    const high = i32[(s >> 2) + 2];
    i32[d] = i32[d + 1] = low;
    i32[d + 2] = i32[d + 3] = high;
  }
  function movshdup(d: number, s: number): void {
    d >>= 2;
    const low = i32[(s >> 2) + 1];
    const high = i32[(s >> 2) + 3];
    i32[d] = i32[d + 1] = low;
    i32[d + 2] = i32[d + 3] = high;
  }

  // Interleaving the low or high halves of destination and source.
  function interleaveBytes(d: number, s: number, from: number, width: number): void {
    for (let i = 0; i < width >> 1; i += 4) {
      const a = i32[(d + from + i) >> 2];
      const b = i32[(s + from + i) >> 2];
      words[i >> 1] = spread(a & 0xffff) | (spread(b & 0xffff) << 8);
      words[(i >> 1) + 1] = spread(a >>> 16) | (spread(b >>> 16) << 8);
    }
    put(d, width);
  }
  function interleaveWords(d: number, s: number, from: number, width: number): void {
    for (let i = 0; i < width >> 1; i += 4) {
      const a = i32[(d + from + i) >> 2];
      const b = i32[(s + from + i) >> 2];
      words[i >> 1] = (a & 0xffff) | (b << 16);
      words[(i >> 1) + 1] = (a >>> 16) | (b & 0xffff0000);
    }
    put(d, width);
  }
  function interleaveDoublewords(d: number, s: number, from: number, width: number): void {
    for (let i = 0; i < width >> 3; i++) {
      words[2 * i] = i32[((d + from) >> 2) + i];
      words[2 * i + 1] = i32[((s + from) >> 2) + i];
    }
    put(d, width);
  }
  const punpcklbw = (d: number, s: number, width: number): void => interleaveBytes(d, s, 0, width);
  const punpckhbw = (d: number, s: number, width: number): void => interleaveBytes(d, s, width >> 1, width);
  const punpcklwd = (d: number, s: number, width: number): void => interleaveWords(d, s, 0, width);
  const punpckhwd = (d: number, s: number, width: number): void => interleaveWords(d, s, width >> 1, width);
  /** Also unpcklps. */
  const punpckldq = (d: number, s: number, width: number): void => interleaveDoublewords(d, s, 0, width);
  const punpckhdq = (d: number, s: number, width: number): void => interleaveDoublewords(d, s, width >> 1, width);
  /** Also unpcklpd, movlhps. */
  function punpcklqdq(d: number, s: number): void {
    i32[(d >> 2) + 2] = i32[s >> 2];
    i32[(d >> 2) + 3] = i32[(s >> 2) + 1];
  }
  function punpckhqdq(d: number, s: number): void {
    d >>= 2;
    s >>= 2;
    i32[d] = i32[d + 2];
    i32[d + 1] = i32[d + 3];
    i32[d + 2] = i32[s + 2];
    i32[d + 3] = i32[s + 3];
  }

  // Narrowing with saturation: the destination's lanes give the low half.
  function packsswb(d: number, s: number, width: number): void {
    for (let i = 0; i < width >> 1; i++) {
      bytes[i] = saturate8(signed16(u16[(d >> 1) + i]));
      bytes[(width >> 1) + i] = saturate8(signed16(u16[(s >> 1) + i]));
    }
    put(d, width);
  }
  function packuswb(d: number, s: number, width: number): void {
    for (let i = 0; i < width >> 1; i++) {
      bytes[i] = saturateU8(signed16(u16[(d >> 1) + i]));
      bytes[(width >> 1) + i] = saturateU8(signed16(u16[(s >> 1) + i]));
    }
    put(d, width);
  }
  function packssdw(d: number, s: number, width: number): void {
    for (let i = 0; i < width >> 2; i++) {
      halves[i] = saturate16(i32[(d >> 2) + i]);
      halves[(width >> 2) + i] = saturate16(i32[(s >> 2) + i]);
    }
    put(d, width);
  }
  function packusdw(d: number, s: number, width: number): void {
    for (let i = 0; i < width >> 2; i++) {
      halves[i] = saturateU16(i32[(d >> 2) + i]);
      halves[(width >> 2) + i] = saturateU16(i32[(s >> 2) + i]);
    }
    put(d, width);
  }

  // Widening.
  function pmovsxbw(d: number, s: number): void {
    for (let i = 0; i < 8; i++) halves[i] = signed8(u8[s + i]);
    put(d, 16);
  }
  function pmovzxbw(d: number, s: number): void {
    for (let i = 0; i < 8; i++) halves[i] = u8[s + i];
    put(d, 16);
  }
  function pmovsxbd(d: number, s: number): void {
    for (let i = 0; i < 4; i++) words[i] = signed8(u8[s + i]);
    put(d, 16);
  }
  function pmovzxbd(d: number, s: number): void {
    for (let i = 0; i < 4; i++) words[i] = u8[s + i];
    put(d, 16);
  }
  function pmovsxwd(d: number, s: number): void {
    for (let i = 0; i < 4; i++) words[i] = signed16(u16[(s >> 1) + i]);
    put(d, 16);
  }
  function pmovzxwd(d: number, s: number): void {
    for (let i = 0; i < 4; i++) words[i] = u16[(s >> 1) + i];
    put(d, 16);
  }
  /** Two signed numbers as quadwords. */
  function quadwords(d: number, low: number, high: number, lowSign: number, highSign: number): void {
    d >>= 2;
    i32[d] = low;
    i32[d + 1] = lowSign;
    i32[d + 2] = high;
    i32[d + 3] = highSign;
  }
  function pmovsxbq(d: number, s: number): void {
    const low = signed8(u8[s]);
    const high = signed8(u8[s + 1]);
    quadwords(d, low, high, low >> 31, high >> 31);
  }
  const pmovzxbq = (d: number, s: number): void => quadwords(d, u8[s], u8[s + 1], 0, 0);
  function pmovsxwq(d: number, s: number): void {
    const low = signed16(u16[s >> 1]);
    const high = signed16(u16[(s >> 1) + 1]);
    quadwords(d, low, high, low >> 31, high >> 31);
  }
  const pmovzxwq = (d: number, s: number): void => quadwords(d, u16[s >> 1], u16[(s >> 1) + 1], 0, 0);
  function pmovsxdq(d: number, s: number): void {
    const low = i32[s >> 2];
    const high = i32[(s >> 2) + 1];
    quadwords(d, low, high, low >> 31, high >> 31);
  }
  const pmovzxdq = (d: number, s: number): void => quadwords(d, i32[s >> 2], i32[(s >> 2) + 1], 0, 0);

  // Blends: by immediate, or by the sign bits of xmm0.
  function blendps(d: number, s: number, immediate: number): void {
    for (let i = 0; i < 4; i++) if (immediate & (1 << i)) i32[(d >> 2) + i] = i32[(s >> 2) + i];
  }
  function blendpd(d: number, s: number, immediate: number): void {
    blendps(d, s, (immediate & 1 ? 3 : 0) | (immediate & 2 ? 12 : 0));
  }
  function pblendw(d: number, s: number, immediate: number): void {
    for (let i = 0; i < 8; i++) if (immediate & (1 << i)) u16[(d >> 1) + i] = u16[(s >> 1) + i];
  }
  function blendvps(d: number, s: number): void {
    let mask = 0;
    for (let i = 0; i < 4; i++) mask |= (i32[(State.xmm >> 2) + i] >>> 31) << i;
    blendps(d, s, mask);
  }
  function blendvpd(d: number, s: number): void {
    blendpd(d, s, (i32[(State.xmm >> 2) + 1] >>> 31) | ((i32[(State.xmm >> 2) + 3] >>> 31) << 1));
  }
  function pblendvb(d: number, s: number): void {
    // The mask may be the destination: each byte's sign is read before the byte is written.
    for (let i = 0; i < 16; i++) if (u8[State.xmm + i] & 0x80) u8[d + i] = u8[s + i];
  }

  // Single lanes.
  /** `source` is the inserted float's bits: bits 6-7 of the immediate chose it, 4-5 place it, 0-3 clear lanes. */
  function insertps(d: number, source: number, immediate: number): void {
    i32[(d >> 2) + ((immediate >> 4) & 3)] = source;
    for (let i = 0; i < 4; i++) if (immediate & (1 << i)) i32[(d >> 2) + i] = 0;
  }

  // Sign masks.
  function pmovmskb(s: number, width: number): number {
    s >>= 2;
    const low = signsOfBytes(i32[s]) | (signsOfBytes(i32[s + 1]) << 4);
    return width === 8 ? low : low | (signsOfBytes(i32[s + 2]) << 8) | (signsOfBytes(i32[s + 3]) << 12);
  }
  function movmskps(s: number): number {
    s >>= 2;
    return (i32[s] >>> 31) | ((i32[s + 1] >>> 31) << 1) | ((i32[s + 2] >>> 31) << 2) | ((i32[s + 3] >>> 31) << 3);
  }
  function movmskpd(s: number): number {
    s >>= 2;
    return (i32[s + 1] >>> 31) | ((i32[s + 3] >>> 31) << 1);
  }

  return {
    enterMmx,
    markMmx,
    emms,
    pshufd,
    pshuflw,
    pshufhw,
    pshufw,
    shufps,
    shufpd,
    pshufb,
    palignr,
    pslldq,
    psrldq,
    movddup,
    movsldup,
    movshdup,
    punpcklbw,
    punpckhbw,
    punpcklwd,
    punpckhwd,
    punpckldq,
    punpckhdq,
    punpcklqdq,
    punpckhqdq,
    packsswb,
    packuswb,
    packssdw,
    packusdw,
    pmovsxbw,
    pmovzxbw,
    pmovsxbd,
    pmovzxbd,
    pmovsxwd,
    pmovzxwd,
    pmovsxbq,
    pmovzxbq,
    pmovsxwq,
    pmovzxwq,
    pmovsxdq,
    pmovzxdq,
    blendps,
    blendpd,
    pblendw,
    blendvps,
    blendvpd,
    pblendvb,
    insertps,
    pmovmskb,
    movmskps,
    movmskpd,
  };
}
