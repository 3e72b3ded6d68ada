/**
 * The pure operations of the IR, one line each: how many arguments, what they compute on constants, how each emitter
 * writes them. All are total functions on i32 (division by zero and overflow are guarded before the operation).
 * Comparisons give 0 or 1.
 */

export interface PureOperation {
  readonly arity: 1 | 2 | 3;
  /** The value for constant arguments (signed i32). */
  readonly fold: (a: number, b: number, c: number) => number;
  /** JavaScript for the operation on i32 operands, giving an i32 (or a boolean where `condition` is set). */
  readonly javascript: (a: string, b: string, c: string) => string;
  /** The JavaScript text is a boolean expression. */
  readonly condition?: true;
  readonly commutative?: true;
}

const unary = (fold: (a: number) => number, javascript: (a: string) => string): PureOperation => ({
  arity: 1,
  fold,
  javascript,
});
const binary = (
  fold: (a: number, b: number) => number,
  javascript: (a: string, b: string) => string,
  commutative = false,
): PureOperation => (commutative ? { arity: 2, fold, javascript, commutative } : { arity: 2, fold, javascript });
const compare = (
  fold: (a: number, b: number) => boolean,
  javascript: (a: string, b: string) => string,
  commutative = false,
): PureOperation => ({
  arity: 2,
  fold: (a, b) => (fold(a, b) ? 1 : 0),
  javascript,
  condition: true,
  ...(commutative ? { commutative } : {}),
});

function mulHighUnsigned(a: number, b: number): number {
  return Number(BigInt.asIntN(32, (BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n));
}
function mulHighSigned(a: number, b: number): number {
  return Number(BigInt.asIntN(32, (BigInt(a) * BigInt(b)) >> 32n));
}
function popcount(a: number): number {
  let n = 0;
  for (; a !== 0; a &= a - 1) n++;
  return n;
}
const byteSwap = (a: number): number => (a << 24) | ((a & 0xff00) << 8) | ((a >>> 8) & 0xff00) | (a >>> 24);
const trailingZeros = (a: number): number => (a === 0 ? 32 : 31 - Math.clz32(a & -a));

export const pureOperations = {
  add: binary(
    (a, b) => (a + b) | 0,
    (a, b) => `(${a} + ${b} | 0)`,
    true,
  ),
  sub: binary(
    (a, b) => (a - b) | 0,
    (a, b) => `(${a} - ${b} | 0)`,
  ),
  mul: binary(
    (a, b) => Math.imul(a, b),
    (a, b) => `Math.imul(${a}, ${b})`,
    true,
  ),
  /** High 32 bits of the 64-bit product. */
  mulhU: binary(mulHighUnsigned, (a, b) => `mulHighUnsigned(${a}, ${b})`, true),
  mulhS: binary(mulHighSigned, (a, b) => `mulHighSigned(${a}, ${b})`, true),
  and: binary(
    (a, b) => a & b,
    (a, b) => `(${a} & ${b})`,
    true,
  ),
  or: binary(
    (a, b) => a | b,
    (a, b) => `(${a} | ${b})`,
    true,
  ),
  xor: binary(
    (a, b) => a ^ b,
    (a, b) => `(${a} ^ ${b})`,
    true,
  ),
  /** Shift counts are taken modulo 32, as JavaScript, WebAssembly and the 32-bit instructions do. */
  shl: binary(
    (a, b) => a << b,
    (a, b) => `(${a} << ${b})`,
  ),
  shrU: binary(
    (a, b) => (a >>> b) | 0,
    (a, b) => `(${a} >>> ${b} | 0)`,
  ),
  shrS: binary(
    (a, b) => a >> b,
    (a, b) => `(${a} >> ${b})`,
  ),
  eq: compare(
    (a, b) => a === b,
    (a, b) => `${a} === ${b}`,
    true,
  ),
  ne: compare(
    (a, b) => a !== b,
    (a, b) => `${a} !== ${b}`,
    true,
  ),
  ltS: compare(
    (a, b) => a < b,
    (a, b) => `${a} < ${b}`,
  ),
  leS: compare(
    (a, b) => a <= b,
    (a, b) => `${a} <= ${b}`,
  ),
  ltU: compare(
    (a, b) => a >>> 0 < b >>> 0,
    (a, b) => `${a} >>> 0 < ${b} >>> 0`,
  ),
  leU: compare(
    (a, b) => a >>> 0 <= b >>> 0,
    (a, b) => `${a} >>> 0 <= ${b} >>> 0`,
  ),
  not: unary(
    (a) => ~a,
    (a) => `~${a}`,
  ),
  ext8S: unary(
    (a) => (a << 24) >> 24,
    (a) => `(${a} << 24 >> 24)`,
  ),
  ext16S: unary(
    (a) => (a << 16) >> 16,
    (a) => `(${a} << 16 >> 16)`,
  ),
  /** Leading and trailing zero counts; 32 for zero. */
  clz: unary(
    (a) => Math.clz32(a),
    (a) => `Math.clz32(${a})`,
  ),
  ctz: unary(trailingZeros, (a) => `countTrailingZeros(${a})`),
  popcnt: unary(popcount, (a) => `populationCount(${a})`),
  bswap: unary(byteSwap, (a) => `byteSwap(${a})`),
  /** a ? b : c */
  select: {
    arity: 3,
    fold: (a, b, c) => (a !== 0 ? b : c),
    javascript: (a, b, c) => `(${a} ? ${b} : ${c})`,
  },
  /** Unsigned 32-bit division; the divisor is not zero. */
  divU: binary(
    (a, b) => ((a >>> 0) / (b >>> 0)) | 0,
    (a, b) => `((${a} >>> 0) / (${b} >>> 0) | 0)`,
  ),
  remU: binary(
    (a, b) => ((a >>> 0) % (b >>> 0)) | 0,
    (a, b) => `((${a} >>> 0) % (${b} >>> 0) | 0)`,
  ),
  divS: binary(
    (a, b) => (a / b) | 0,
    (a, b) => `(${a} / ${b} | 0)`,
  ),
  remS: binary(
    (a, b) => (a % b) | 0,
    (a, b) => `(${a} % ${b} | 0)`,
  ),
  /**
   * 64 by 32 bit division (high, low, divisor): the low 32 bits of the quotient, the remainder. Total: 0 for divisor 0.
   * `divOverflow*` is 1 where the processor raises #DE.
   */
  divU64: ternary((high, low, divisor) => divideUnsigned(high, low, divisor).quotient, 'divideUnsigned64'),
  remU64: ternary((high, low, divisor) => divideUnsigned(high, low, divisor).remainder, 'remainderUnsigned64'),
  divS64: ternary((high, low, divisor) => divideSigned(high, low, divisor).quotient, 'divideSigned64'),
  remS64: ternary((high, low, divisor) => divideSigned(high, low, divisor).remainder, 'remainderSigned64'),
  divOverflowS64: ternary(
    (high, low, divisor) => (divideSigned(high, low, divisor).overflow ? 1 : 0),
    'divideOverflowSigned64',
  ),
} satisfies Record<string, PureOperation>;

function ternary(fold: (a: number, b: number, c: number) => number, helper: string): PureOperation {
  return { arity: 3, fold, javascript: (a, b, c) => `${helper}(${a}, ${b}, ${c})` };
}

interface Division {
  quotient: number;
  remainder: number;
  overflow: boolean;
}
function divideUnsigned(high: number, low: number, divisor: number): Division {
  if (divisor === 0) return { quotient: 0, remainder: 0, overflow: true };
  const dividend = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const by = BigInt(divisor >>> 0);
  const quotient = dividend / by;
  return {
    quotient: Number(BigInt.asIntN(32, quotient)),
    remainder: Number(BigInt.asIntN(32, dividend % by)),
    overflow: quotient > 0xffffffffn,
  };
}
function divideSigned(high: number, low: number, divisor: number): Division {
  if (divisor === 0) return { quotient: 0, remainder: 0, overflow: true };
  const dividend = (BigInt(high) << 32n) | BigInt(low >>> 0);
  const by = BigInt(divisor);
  const quotient = dividend / by;
  return {
    quotient: Number(BigInt.asIntN(32, quotient)),
    remainder: Number(BigInt.asIntN(32, dividend % by)),
    overflow: quotient !== BigInt.asIntN(32, quotient),
  };
}

export type PureOpcode = keyof typeof pureOperations;
