/** Operations of the IR that JavaScript has no operator for; generated code calls them by these names. */

/** High 32 bits of an unsigned product, by 16-bit halves; every partial sum is exact in a double. */
export function mulHighUnsigned(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((Math.imul(aLow, bLow) >>> 16) | 0);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)) | 0;
}
export function mulHighSigned(a: number, b: number): number {
  return (mulHighUnsigned(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}
export function countTrailingZeros(a: number): number {
  return a === 0 ? 32 : 31 - Math.clz32(a & -a);
}
export function populationCount(a: number): number {
  a -= (a >>> 1) & 0x55555555;
  a = (a & 0x33333333) + ((a >>> 2) & 0x33333333);
  return Math.imul((a + (a >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
export function byteSwap(a: number): number {
  return (a << 24) | ((a & 0xff00) << 8) | ((a >>> 8) & 0xff00) | (a >>> 24);
}

// 64 by 32 bit division. The remainder and quotient of one instruction are asked for one after the other: both come from
// exact double arithmetic where the dividend fits 53 bits, else from BigInt.

const EXACT = 0x20_0000_0000_0000;

export function divideUnsigned64(high: number, low: number, divisor: number): number {
  const by = divisor >>> 0;
  if (high === 0) return by === 0 ? 0 : ((low >>> 0) / by) | 0;
  const dividend = (high >>> 0) * 0x100000000 + (low >>> 0);
  if (dividend < EXACT) return by === 0 ? 0 : Math.floor(dividend / by) | 0;
  if (by === 0) return 0;
  return Number(BigInt.asIntN(32, wide(high >>> 0, low) / BigInt(by)));
}
export function remainderUnsigned64(high: number, low: number, divisor: number): number {
  const by = divisor >>> 0;
  if (by === 0) return 0;
  if (high === 0) return ((low >>> 0) % by) | 0;
  const dividend = (high >>> 0) * 0x100000000 + (low >>> 0);
  if (dividend < EXACT) return (dividend % by) | 0;
  return Number(BigInt.asIntN(32, wide(high >>> 0, low) % BigInt(by)));
}
export function divideSigned64(high: number, low: number, divisor: number): number {
  if (divisor === 0) return 0;
  if (high === low >> 31) return (low / divisor) | 0;
  const dividend = high * 0x100000000 + (low >>> 0);
  if (dividend < EXACT && dividend > -EXACT) return Math.trunc(dividend / divisor) | 0;
  return Number(BigInt.asIntN(32, wide(high, low) / BigInt(divisor)));
}
export function remainderSigned64(high: number, low: number, divisor: number): number {
  if (divisor === 0) return 0;
  if (high === low >> 31) return (low % divisor) | 0;
  const dividend = high * 0x100000000 + (low >>> 0);
  if (dividend < EXACT && dividend > -EXACT) return (dividend % divisor) | 0;
  return Number(BigInt.asIntN(32, wide(high, low) % BigInt(divisor)));
}
export function divideOverflowSigned64(high: number, low: number, divisor: number): number {
  if (divisor === 0) return 1;
  if (high === low >> 31) return low === -0x80000000 && divisor === -1 ? 1 : 0;
  const dividend = high * 0x100000000 + (low >>> 0);
  if (dividend < EXACT && dividend > -EXACT) {
    const quotient = Math.trunc(dividend / divisor);
    return quotient > 0x7fffffff || quotient < -0x80000000 ? 1 : 0;
  }
  const quotient = wide(high, low) / BigInt(divisor);
  return quotient !== BigInt.asIntN(32, quotient) ? 1 : 0;
}
const wide = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);
