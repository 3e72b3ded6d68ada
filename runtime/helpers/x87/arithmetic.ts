/**
 * Addition, multiplication, division, square root and comparison of 80-bit numbers in integer arithmetic.
 * Each function takes unpacked operands and leaves value, exceptions and C1 in `result` (see float80.ts).
 */
import {
  BIAS,
  C0,
  C2,
  C3,
  DENORMAL,
  EXPONENT,
  INVALID,
  Kind,
  ROUND_DOWN,
  ROUND_MASK,
  SIGN,
  ZERO_DIVIDE,
  borrowOf,
  carryOf,
  compareMantissas,
  denormalStops,
  invalid,
  kindOf,
  multiplyHigh,
  nanOperands,
  quietNan,
  result,
  roundAndPack,
  setInfinity,
  setResult,
  setZero,
} from './float80.js';

const TOP_BIT = 0x80000000 | 0;

/** Both operands normal numbers: the one test of every fast path. */
function areNormal(aSe: number, aHigh: number, bSe: number, bHigh: number): boolean {
  return (aHigh & bHigh) < 0 && ((aSe + 1) & EXPONENT) > 1 && ((bSe + 1) & EXPONENT) > 1;
}

/** Leading zeros of a non-zero 64-bit number. */
export function leadingZeros(high: number, low: number): number {
  return high !== 0 ? Math.clz32(high) : 32 + Math.clz32(low);
}
export function shiftLeftHigh(high: number, low: number, count: number): number {
  if (count === 0) return high;
  return count < 32 ? (high << count) | (low >>> (32 - count)) : low << (count - 32);
}
export function shiftLeftLow(low: number, count: number): number {
  return count < 32 ? low << count : 0;
}

/** The finite operand in normalised form: its exponent may become zero or negative. */
export const normal = { exponent: 0, high: 0, low: 0 };
export function normalise(signExponent: number, high: number, low: number): void {
  const exponent = signExponent & EXPONENT;
  const shift = leadingZeros(high, low);
  normal.exponent = (exponent === 0 ? 1 : exponent) - shift;
  normal.high = shiftLeftHigh(high, low, shift);
  normal.low = shiftLeftLow(low, shift);
}

/** Two finite operands in normalised form, as the special cases leave them for the common path. */
const left = { exponent: 0, high: 0, low: 0 };
const right = { exponent: 0, high: 0, low: 0 };
function normaliseBoth(aSe: number, aHigh: number, aLow: number, bSe: number, bHigh: number, bLow: number): void {
  normalise(aSe, aHigh, aLow);
  left.exponent = normal.exponent;
  left.high = normal.high;
  left.low = normal.low;
  normalise(bSe, bHigh, bLow);
  right.exponent = normal.exponent;
  right.high = normal.high;
  right.low = normal.low;
}

/** a + b, or a - b when `negate` is 0x8000. */
export function add(
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
  negate: number,
): void {
  let aSign = aSe & SIGN;
  let bSign = (bSe ^ negate) & SIGN;
  let aExponent = aSe & EXPONENT;
  let bExponent = bSe & EXPONENT;
  if (!areNormal(aSe, aHigh, bSe, bHigh)) {
    if (addSpecial(aSe, aHigh, aLow, bSe, bHigh, bLow, negate)) return;
    aExponent = left.exponent;
    aHigh = left.high;
    aLow = left.low;
    bExponent = right.exponent;
    bHigh = right.high;
    bLow = right.low;
  }
  // The larger magnitude first; for a sum only the exponents matter.
  let distance = aExponent - bExponent;
  if (distance < 0 || (distance === 0 && aSign !== bSign && compareMantissas(aHigh, aLow, bHigh, bLow) < 0)) {
    let swap = aHigh;
    aHigh = bHigh;
    bHigh = swap;
    swap = aLow;
    aLow = bLow;
    bLow = swap;
    swap = aSign;
    aSign = bSign;
    bSign = swap;
    aExponent = bExponent;
    distance = -distance;
  }
  let extra = 0;
  if (distance >= 32) {
    if (distance > 66) {
      extra = 1;
      bLow = 0;
    } else {
      const count = distance & 31;
      const far = distance >= 64;
      // Two or one whole words go down, then the rest of the distance.
      if (count === 0) {
        extra = far ? bHigh | (bLow !== 0 ? 1 : 0) : bLow;
      } else {
        const lost = far ? (bHigh << (32 - count)) | bLow : bLow << (32 - count);
        extra = (far ? bHigh >>> count : (bLow >>> count) | (bHigh << (32 - count))) | (lost !== 0 ? 1 : 0);
      }
      bLow = far ? 0 : (bHigh >>> count) | 0;
    }
    bHigh = 0;
  } else if (distance > 0) {
    extra = bLow << (32 - distance);
    bLow = (bLow >>> distance) | (bHigh << (32 - distance));
    bHigh = bHigh >>> distance;
  }
  if (aSign === bSign) {
    let low = (aLow + bLow) | 0;
    const carry = carryOf(aLow, bLow, low);
    let high = (aHigh + bHigh + carry) | 0;
    if (carryOf(aHigh, bHigh, high) !== 0) {
      extra = (extra >>> 1) | (extra & 1) | (low << 31);
      low = (low >>> 1) | (high << 31);
      high = (high >>> 1) | TOP_BIT;
      aExponent++;
    }
    roundAndPack(aSign, aExponent, high, low, extra);
    return;
  }
  const difference = -extra | 0;
  const borrow = extra !== 0 ? 1 : 0;
  let low = (aLow - bLow - borrow) | 0;
  let high = (aHigh - bHigh - borrowOf(aLow, bLow, low)) | 0;
  extra = difference;
  if (high >= 0) {
    if (high === 0) {
      if ((low | extra) === 0) return setZero(zeroSign());
      if (low === 0) {
        high = extra;
        extra = 0;
        aExponent -= 64;
      } else {
        high = low;
        low = extra;
        extra = 0;
        aExponent -= 32;
      }
    }
    const shift = Math.clz32(high);
    if (shift !== 0) {
      high = (high << shift) | (low >>> (32 - shift));
      low = (low << shift) | (extra >>> (32 - shift));
      extra = extra << shift;
      aExponent -= shift;
    }
  }
  roundAndPack(aSign, aExponent, high, low, extra);
}

/** Sums with zeros, infinities, NaNs: true. With denormals: false, both operands in `left` and `right`. */
function addSpecial(
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
  negate: number,
): boolean {
  if (nanOperands(aSe, aHigh, aLow, bSe, bHigh, bLow)) return true;
  const aKind = kindOf(aSe, aHigh, aLow);
  const bKind = kindOf(bSe, bHigh, bLow);
  const aSign = aSe & SIGN;
  const bSign = (bSe ^ negate) & SIGN;
  if (aKind === Kind.infinity && bKind === Kind.infinity && aSign !== bSign) invalid();
  else if ((aKind === Kind.denormal || bKind === Kind.denormal) && denormalStops()) return true;
  else if (aKind === Kind.infinity) setInfinity(aSign);
  else if (bKind === Kind.infinity) setInfinity(bSign);
  else if (aKind === Kind.zero && bKind === Kind.zero) setZero(aSign === bSign ? aSign : zeroSign());
  else if (aKind === Kind.zero) {
    normalise(bSe, bHigh, bLow);
    roundAndPack(bSign, normal.exponent, normal.high, normal.low, 0);
  } else if (bKind === Kind.zero) {
    normalise(aSe, aHigh, aLow);
    roundAndPack(aSign, normal.exponent, normal.high, normal.low, 0);
  } else {
    normaliseBoth(aSe, aHigh, aLow, bSe, bHigh, bLow);
    return false;
  }
  return true;
}

/** The sign of an exact zero difference. */
function zeroSign(): number {
  return (result.control & ROUND_MASK) === ROUND_DOWN ? SIGN : 0;
}

export function multiply(aSe: number, aHigh: number, aLow: number, bSe: number, bHigh: number, bLow: number): void {
  const sign = (aSe ^ bSe) & SIGN;
  let exponent = (aSe & EXPONENT) + (bSe & EXPONENT) - BIAS + 1;
  if (!areNormal(aSe, aHigh, bSe, bHigh)) {
    if (multiplySpecial(sign, aSe, aHigh, aLow, bSe, bHigh, bLow)) return;
    exponent = left.exponent + right.exponent - BIAS + 1;
    aHigh = left.high;
    aLow = left.low;
    bHigh = right.high;
    bLow = right.low;
  }
  // Four products of 32 bits, each by halves of 16 as `multiplyHigh` does, written out since V8 would not inline that much.
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const a2 = aHigh & 0xffff;
  const a3 = aHigh >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const b2 = bHigh & 0xffff;
  const b3 = bHigh >>> 16;
  let middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  let other = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  const lowLow = (Math.imul(a1, b1) + (middle >>> 16) + (other >>> 16)) | 0;
  middle = (Math.imul(a3, b0) + (Math.imul(a2, b0) >>> 16)) | 0;
  other = (Math.imul(a2, b1) + (middle & 0xffff)) | 0;
  const upperA = (Math.imul(a3, b1) + (middle >>> 16) + (other >>> 16)) | 0;
  middle = (Math.imul(a1, b2) + (Math.imul(a0, b2) >>> 16)) | 0;
  other = (Math.imul(a0, b3) + (middle & 0xffff)) | 0;
  const upperB = (Math.imul(a1, b3) + (middle >>> 16) + (other >>> 16)) | 0;
  middle = (Math.imul(a3, b2) + (Math.imul(a2, b2) >>> 16)) | 0;
  other = (Math.imul(a2, b3) + (middle & 0xffff)) | 0;
  let high = (Math.imul(a3, b3) + (middle >>> 16) + (other >>> 16)) | 0;
  // Added up with their carries: extra, low, high from the second word on.
  const crossA = Math.imul(aHigh, bLow);
  const crossB = Math.imul(aLow, bHigh);
  const upper = Math.imul(aHigh, bHigh);
  const partial = (lowLow + crossA) | 0;
  let extra = (partial + crossB) | 0;
  const carry = carryOf(lowLow, crossA, partial) + carryOf(partial, crossB, extra);
  const uppers = (upperA + upperB) | 0;
  const sum = (uppers + upper) | 0;
  let low = (sum + carry) | 0;
  high = (high + carryOf(upperA, upperB, uppers) + carryOf(uppers, upper, sum) + carryOf(sum, carry, low)) | 0;
  if (high >= 0) {
    high = (high << 1) | (low >>> 31);
    low = (low << 1) | (extra >>> 31);
    extra = extra << 1;
    exponent--;
  }
  roundAndPack(sign, exponent, high, low, Math.imul(aLow, bLow) !== 0 ? extra | 1 : extra);
}

/** As `addSpecial`. */
function multiplySpecial(
  sign: number,
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
): boolean {
  if (nanOperands(aSe, aHigh, aLow, bSe, bHigh, bLow)) return true;
  const aKind = kindOf(aSe, aHigh, aLow);
  const bKind = kindOf(bSe, bHigh, bLow);
  if ((aKind === Kind.infinity && bKind === Kind.zero) || (aKind === Kind.zero && bKind === Kind.infinity)) invalid();
  else if ((aKind === Kind.denormal || bKind === Kind.denormal) && denormalStops()) return true;
  else if (aKind === Kind.infinity || bKind === Kind.infinity) setInfinity(sign);
  else if (aKind === Kind.zero || bKind === Kind.zero) setZero(sign);
  else {
    normaliseBoth(aSe, aHigh, aLow, bSe, bHigh, bLow);
    return false;
  }
  return true;
}

export function divide(aSe: number, aHigh: number, aLow: number, bSe: number, bHigh: number, bLow: number): void {
  const sign = (aSe ^ bSe) & SIGN;
  if (areNormal(aSe, aHigh, bSe, bHigh)) {
    divideNormal(sign, (aSe & EXPONENT) - (bSe & EXPONENT), aHigh, aLow, bHigh, bLow);
    return;
  }
  if (nanOperands(aSe, aHigh, aLow, bSe, bHigh, bLow)) return;
  const aKind = kindOf(aSe, aHigh, aLow);
  const bKind = kindOf(bSe, bHigh, bLow);
  if ((aKind === Kind.infinity || aKind === Kind.zero) && aKind === bKind) return invalid();
  if (bKind === Kind.zero && aKind !== Kind.infinity) {
    // No DE for a denormal dividend.
    result.flags |= ZERO_DIVIDE;
    return setInfinity(sign);
  }
  if ((aKind === Kind.denormal || bKind === Kind.denormal) && denormalStops()) return;
  if (aKind === Kind.infinity) return setInfinity(sign);
  if (aKind === Kind.zero || bKind === Kind.infinity) return setZero(sign);
  normalise(aSe, aHigh, aLow);
  const { exponent, high, low } = normal;
  normalise(bSe, bHigh, bLow);
  divideNormal(sign, exponent - normal.exponent, high, low, normal.high, normal.low);
}

/** The remainder that `quotientDigit` leaves. */
const rest = { high: 0, low: 0 };

/**
 * One 32-bit digit of a long division: floor((high:low:next) / (bHigh:bLow)), the divisor normalised and larger than
 * high:low. A quotient of doubles is within one of it.
 */
function quotientDigit(high: number, low: number, next: number, bHigh: number, bLow: number): number {
  const estimate =
    ((high >>> 0) * 4294967296 + (low >>> 0) + (next >>> 0) * 2.3283064365386963e-10) /
    ((bHigh >>> 0) + (bLow >>> 0) * 2.3283064365386963e-10);
  let digit = estimate >= 4294967295 ? -1 : estimate | 0;
  // remainder = high:low:next - digit * b, as 96 bits.
  const d0 = digit & 0xffff;
  const d1 = digit >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const b2 = bHigh & 0xffff;
  const b3 = bHigh >>> 16;
  let half = (Math.imul(d1, b0) + (Math.imul(d0, b0) >>> 16)) | 0;
  let other = (Math.imul(d0, b1) + (half & 0xffff)) | 0;
  const upperLow = (Math.imul(d1, b1) + (half >>> 16) + (other >>> 16)) | 0;
  half = (Math.imul(d1, b2) + (Math.imul(d0, b2) >>> 16)) | 0;
  other = (Math.imul(d0, b3) + (half & 0xffff)) | 0;
  const upperHigh = (Math.imul(d1, b3) + (half >>> 16) + (other >>> 16)) | 0;
  const product = Math.imul(digit, bLow);
  const crossLow = Math.imul(digit, bHigh);
  const middle = (upperLow + crossLow) | 0;
  const top = (upperHigh + carryOf(upperLow, crossLow, middle)) | 0;
  let restLow = (next - product) | 0;
  let borrow = borrowOf(next, product, restLow);
  const partial = (low - middle) | 0;
  let restHigh = (partial - borrow) | 0;
  borrow = borrowOf(low, middle, partial) + (partial === 0 ? borrow : 0);
  let restTop = (high - top - borrow) | 0;
  while (restTop < 0) {
    digit = (digit - 1) | 0;
    const sum = (restLow + bLow) | 0;
    const carry = carryOf(restLow, bLow, sum);
    const sumHigh = (restHigh + bHigh + carry) | 0;
    restTop += carryOf(restHigh, bHigh, sumHigh);
    restLow = sum;
    restHigh = sumHigh;
  }
  while (restTop > 0 || compareMantissas(restHigh, restLow, bHigh, bLow) >= 0) {
    digit = (digit + 1) | 0;
    const difference = (restLow - bLow) | 0;
    const differenceHigh = (restHigh - bHigh - borrowOf(restLow, bLow, difference)) | 0;
    restTop -= borrowOf(restHigh, bHigh, differenceHigh);
    restLow = difference;
    restHigh = differenceHigh;
  }
  rest.high = restHigh;
  rest.low = restLow;
  return digit;
}

function divideNormal(sign: number, distance: number, aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  let exponent = distance + BIAS;
  let next = 0;
  if (compareMantissas(aHigh, aLow, bHigh, bLow) >= 0) {
    next = aLow << 31;
    aLow = (aLow >>> 1) | (aHigh << 31);
    aHigh = aHigh >>> 1;
  } else exponent--;
  const high = quotientDigit(aHigh, aLow, next, bHigh, bLow);
  const low = quotientDigit(rest.high, rest.low, 0, bHigh, bLow);
  roundAndPack(sign, exponent, high, low, remainderAsExtra(bHigh, bLow));
}

/** A division's remainder against its divisor, in the form that rounding wants. */
function remainderAsExtra(bHigh: number, bLow: number): number {
  if ((rest.high | rest.low) === 0) return 0;
  if (rest.high < 0) return 0xc0000000 | 0;
  const order = compareMantissas((rest.high << 1) | (rest.low >>> 31), rest.low << 1, bHigh, bLow);
  return order < 0 ? 0x40000000 : order === 0 ? TOP_BIT : 0xc0000000 | 0;
}

export function squareRoot(aSe: number, aHigh: number, aLow: number): void {
  const kind = kindOf(aSe, aHigh, aLow);
  if (kind === Kind.nan) return quietNan(aSe, aHigh, aLow);
  if (kind === Kind.unsupported) return invalid();
  if (kind === Kind.zero) return setResult(aSe, 0, 0);
  if ((aSe & SIGN) !== 0) return invalid();
  if (kind === Kind.infinity) return setInfinity(0);
  if (kind === Kind.denormal && denormalStops()) return;
  normalise(aSe, aHigh, aLow);
  rootNormal(normal.exponent - BIAS, normal.high, normal.low);
}

function rootNormal(exponent: number, high: number, low: number): void {
  // The radicand in [2^62, 2^64) with an even exponent: its root has 32 integer bits, then 32 more come digit by digit.
  let next = 0;
  if ((exponent & 1) === 0) {
    next = low << 31;
    low = (low >>> 1) | (high << 31);
    high = high >>> 1;
  }
  const estimate = Math.sqrt((high >>> 0) * 4294967296 + (low >>> 0));
  const root = estimate >= 4294967295 ? -1 : estimate | 0;
  const square = Math.imul(root, root);
  let bottom = (low - square) | 0;
  let restMiddle = (high - multiplyHigh(root, root) - borrowOf(low, square, bottom)) | 0;
  let rootLow = root;
  if (restMiddle < 0) {
    // The estimate was one too large: the rest grows by 2 root - 1 of the old root.
    rootLow = (root - 1) | 0;
    const twice = (rootLow << 1) | 1;
    const sum = (bottom + twice) | 0;
    restMiddle = (restMiddle + (rootLow >>> 31) + carryOf(bottom, twice, sum)) | 0;
    bottom = sum;
  } else if (restMiddle > root >>> 31 || (restMiddle === root >>> 31 && bottom >>> 0 > (root << 1) >>> 0)) {
    const twice = (root << 1) | 1;
    const difference = (bottom - twice) | 0;
    restMiddle = (restMiddle - (root >>> 31) - borrowOf(bottom, twice, difference)) | 0;
    bottom = difference;
    rootLow = (root + 1) | 0;
  }
  // The lower half q is about rest / 2 root; then rest - 2 root q - q^2 tells whether it was too large (P. Zimmermann, "Karatsuba
  // Square Root", 1999). Both are halved for the division, which nothing is lost by: `next` has at most its top bit.
  const rootMiddle = rootLow;
  const dividendHigh = (restMiddle << 31) | (bottom >>> 1);
  const dividendLow = (bottom << 31) | (next >>> 1);
  const quotient = ((dividendHigh >>> 0) * 4294967296 + (dividendLow >>> 0)) / (rootMiddle >>> 0);
  rootLow = quotient >= 4294967295 ? -1 : quotient | 0;
  let product = Math.imul(rootLow, rootMiddle);
  let low32 = (dividendLow - product) | 0;
  let high32 = (dividendHigh - multiplyHigh(rootLow, rootMiddle) - borrowOf(dividendLow, product, low32)) | 0;
  if (high32 < 0) {
    rootLow = (rootLow - 1) | 0;
    const sum = (low32 + rootMiddle) | 0;
    high32 += carryOf(low32, rootMiddle, sum);
    low32 = sum;
  } else if (rootLow !== -1 && (high32 > 0 || low32 >>> 0 >= rootMiddle >>> 0)) {
    rootLow = (rootLow + 1) | 0;
    const difference = (low32 - rootMiddle) | 0;
    high32 -= borrowOf(low32, rootMiddle, difference);
    low32 = difference;
  }
  product = Math.imul(rootLow, rootLow);
  const squareHigh = multiplyHigh(rootLow, rootLow);
  const doubled = low32 << 1;
  bottom = -product | 0;
  restMiddle = (doubled - squareHigh - (product !== 0 ? 1 : 0)) | 0;
  let restTop = ((high32 << 1) | (low32 >>> 31)) - borrowOf(doubled, squareHigh, restMiddle);
  while (restTop < 0) {
    rootLow = (rootLow - 1) | 0;
    const addLow = (rootLow << 1) | 1;
    const addMiddle = (rootMiddle << 1) | (rootLow >>> 31);
    const sum = (bottom + addLow) | 0;
    const sumMiddle = (restMiddle + addMiddle + carryOf(bottom, addLow, sum)) | 0;
    restTop += (rootMiddle >>> 31) + carryOf(restMiddle, addMiddle, sumMiddle);
    bottom = sum;
    restMiddle = sumMiddle;
  }
  // A root is never halfway: remainder > root means above the half.
  let extra = 0;
  if ((restTop | restMiddle | bottom) !== 0) {
    const above = restTop > 0 || compareMantissas(restMiddle, bottom, rootMiddle, rootLow) > 0;
    extra = above ? 0xc0000000 | 0 : 0x40000000;
  }
  roundAndPack(0, (exponent >> 1) + BIAS, rootMiddle, rootLow, extra);
}

/**
 * The condition bits of a - b: C0 less, C3 equal, all three unordered.
 * @param quiet a quiet NaN raises no exception (fucom)
 */
export function compare(
  aSe: number,
  aHigh: number,
  aLow: number,
  bSe: number,
  bHigh: number,
  bLow: number,
  quiet: boolean,
): number {
  if (!areNormal(aSe, aHigh, bSe, bHigh)) {
    const aKind = kindOf(aSe, aHigh, aLow);
    const bKind = kindOf(bSe, bHigh, bLow);
    if (aKind >= Kind.nan || bKind >= Kind.nan) {
      const signals =
        (aKind === Kind.nan && (aHigh & 0x40000000) === 0) || (bKind === Kind.nan && (bHigh & 0x40000000) === 0);
      if (!quiet || signals || aKind === Kind.unsupported || bKind === Kind.unsupported) result.flags |= INVALID;
      return C3 | C2 | C0;
    }
    if (aKind === Kind.denormal || bKind === Kind.denormal) result.flags |= DENORMAL;
    if (aKind === Kind.zero && bKind === Kind.zero) return C3;
    // A pseudo-denormal has the value of the same mantissa with exponent 1.
    if ((aSe & EXPONENT) === 0 && aHigh < 0) aSe |= 1;
    if ((bSe & EXPONENT) === 0 && bHigh < 0) bSe |= 1;
  }
  if (((aSe ^ bSe) & SIGN) !== 0) return (aSe & SIGN) !== 0 ? C0 : 0;
  let order = (aSe & EXPONENT) - (bSe & EXPONENT);
  if (order === 0) order = compareMantissas(aHigh, aLow, bHigh, bLow);
  if (order === 0) return C3;
  return order < 0 === ((aSe & SIGN) === 0) ? C0 : 0;
}
