/**
 * libm: functions of doubles. i386's library computes with the x87 unit, so that most of its results carry more bits than a
 * double and a bridge would change programs' output. `EXACT` are those whose results were the same bit for bit (all 80 bits of
 * st(0), over 60,000 inputs each, special values among them); the others are only bridged where they are named.
 */
import { type BridgedLibrary, declareLibrary } from '../library.js';

const EXACT = [
  'double ceil(double x)',
  'double floor(double x)',
  'double trunc(double x)',
  'double rint(double x)',
  'double nearbyint(double x)',
  'double round(double x)',
  'double roundeven(double x)',
  'double fabs(double x)',
  'double sqrt(double x)',
  'double copysign(double x, double y)',
  'double fdim(double x, double y)',
  'double fmod(double x, double y)',
  'double remainder(double x, double y)',
  'double drem(double x, double y)',
  'double nextafter(double x, double y)',
  'double logb(double x)',
];

/** Rounded to a double by both libraries; 0.05 to 1.1 % of the results differ in the last bit. */
const ROUNDED_OTHERWISE = [
  'double sin(double x)',
  'double cos(double x)',
  'double tan(double x)',
  'double exp(double x)',
  'double exp2(double x)',
  'double pow(double x, double y)',
  'double hypot(double x, double y)',
];

/** i386's library gives these in the x87 unit's full precision; of fmax and fmin the sign of a zero differs. */
const EXTENDED = [
  'double asin(double x)',
  'double acos(double x)',
  'double atan(double x)',
  'double atan2(double y, double x)',
  'double sinh(double x)',
  'double cosh(double x)',
  'double tanh(double x)',
  'double asinh(double x)',
  'double acosh(double x)',
  'double atanh(double x)',
  'double expm1(double x)',
  'double log(double x)',
  'double log2(double x)',
  'double log10(double x)',
  'double log1p(double x)',
  'double cbrt(double x)',
  'double erf(double x)',
  'double erfc(double x)',
  'double lgamma(double x)',
  'double tgamma(double x)',
  'double fmax(double x, double y)',
  'double fmin(double x, double y)',
];

export const libm = (): BridgedLibrary =>
  declareLibrary({
    name: 'libm',
    soname: 'libm.so.6',
    hostNames: ['libm.so.6'],
    description: 'Mathematics. Only functions whose results are the same bit for bit, unless others are named.',
    headers: ['math.h'],
    direct: [...EXACT, ...ROUNDED_OTHERWISE, ...EXTENDED],
    preferred: EXACT.map((text) => /(\w+)\(/.exec(text)![1]!),
  });
