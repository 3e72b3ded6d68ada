/** The partial remainders, fprem and fprem1, by shifting and subtracting. Operands and answers as in arithmetic.ts. */
import { leadingZeros, normal, normalise, shiftLeftHigh, shiftLeftLow } from './arithmetic.js';
import {
  C0,
  C1,
  C2,
  C3,
  Kind,
  SIGN,
  borrowOf,
  carryOf,
  compareMantissas,
  denormalStops,
  invalid,
  kindOf,
  nanOperands,
  roundAndPack64,
  setResult,
  setZero,
} from './float80.js';

/**
 * The partial remainder of a by b with a truncated (fprem) or nearest quotient (fprem1): returns the quotient's low bits in C0,
 * C3, C1, or C2 alone when only a part of the exponents' distance was worked off; -1 when there is no quotient.
 */
export function remainder(
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
  nearest: boolean,
): number {
  if (nanOperands(aSe, aHigh, aLow, bSe, bHigh, bLow)) return -1;
  const aKind = kindOf(aSe, aHigh, aLow);
  const bKind = kindOf(bSe, bHigh, bLow);
  if (aKind === Kind.infinity || bKind === Kind.zero) {
    invalid();
    return -1;
  }
  if ((aKind === Kind.denormal || bKind === Kind.denormal) && denormalStops()) return -1;
  if (aKind === Kind.zero) {
    setResult(aSe, aHigh, aLow);
    return 0;
  }
  normalise(aSe, aHigh, aLow);
  const { exponent, high, low } = normal;
  if (bKind === Kind.infinity) {
    roundAndPack64(aSe & SIGN, exponent, high, low, 0);
    return 0;
  }
  normalise(bSe, bHigh, bLow);
  return remainderNormal(aSe & SIGN, exponent, high, low, normal.exponent, normal.high, normal.low, nearest);
}

function remainderNormal(
  sign: number,
  aExponent: number,
  high: number,
  low: number,
  bExponent: number,
  bHigh: number,
  bLow: number,
  nearest: boolean,
): number {
  const distance = aExponent - bExponent;
  if (distance < -1 || (distance === -1 && !nearest)) {
    roundAndPack64(sign, aExponent, high, low, 0);
    return 0;
  }
  const partial = distance >= 64;
  let steps = partial ? (distance & 31) | 32 : distance;
  let exponent = partial ? aExponent - steps : bExponent;
  let quotient = 0;
  let over = 0;
  if (steps >= 0) {
    for (;;) {
      quotient = quotient << 1;
      if (over !== 0 || compareMantissas(high, low, bHigh, bLow) >= 0) {
        const difference = (low - bLow) | 0;
        high = (high - bHigh - borrowOf(low, bLow, difference)) | 0;
        low = difference;
        quotient |= 1;
      }
      if (steps-- === 0) break;
      over = high >>> 31;
      high = (high << 1) | (low >>> 31);
      low = low << 1;
    }
  } else exponent = bExponent - 1;
  if (nearest && !partial) {
    // rest against b / 2, in units where the rest's exponent is `exponent`.
    let order: number;
    if (distance < 0) order = compareMantissas(high, low, bHigh, bLow);
    else if (high < 0) order = 1;
    else order = compareMantissas((high << 1) | (low >>> 31), low << 1, bHigh, bLow);
    if (order > 0 || (order === 0 && (quotient & 1) !== 0)) {
      quotient = (quotient + 1) | 0;
      sign ^= SIGN;
      // b - rest; for a below b / 2's binade the rest counts half.
      if (distance < 0) {
        const sum = (bLow - low) | 0;
        const sumHigh = (bHigh - high - borrowOf(bLow, low, sum)) | 0;
        // 2b - rest = b + (b - rest), in halves of b's unit
        low = (sum + bLow) | 0;
        high = (sumHigh + bHigh + carryOf(sum, bLow, low)) | 0;
      } else {
        const difference = (bLow - low) | 0;
        high = (bHigh - high - borrowOf(bLow, low, difference)) | 0;
        low = difference;
      }
    }
  }
  if ((high | low) === 0) setZero(sign);
  else {
    const shift = leadingZeros(high, low);
    roundAndPack64(sign, exponent - shift, shiftLeftHigh(high, low, shift), shiftLeftLow(low, shift), 0);
  }
  if (partial) return C2;
  return ((quotient & 4) !== 0 ? C0 : 0) | ((quotient & 2) !== 0 ? C3 : 0) | ((quotient & 1) !== 0 ? C1 : 0);
}
