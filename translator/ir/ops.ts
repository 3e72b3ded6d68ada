/**
 * The pure operations of the IR, one line each: how many arguments, what they compute on constants, how each emitter
 * writes them. All are total functions on i32 (division by zero and overflow are guarded before the operation).
 * Comparisons give 0 or 1.
 */
import type { PlainOpcode, ValueType } from '../emit/wasm/opcodes.js';

/** What a lowering of several instructions writes through: `push` an operand, which may be done more than once. */
export interface WasmOperands {
  push(argument: 0 | 1 | 2): void;
  op(...names: readonly PlainOpcode[]): void;
  i32(value: number): void;
  i64(value: bigint): void;
  local(type: ValueType): number;
  get(local: number): void;
  tee(local: number): void;
}
/** Instructions after the operands (all i32, in order), or a function that pushes them itself; they give an i32. */
export type WasmLowering = readonly PlainOpcode[] | ((w: WasmOperands) => void);

export interface PureOperation {
  readonly arity: 1 | 2 | 3;
  /** The value for constant arguments (signed i32). */
  readonly fold: (a: number, b: number, c: number) => number;
  /** JavaScript for the operation on i32 operands, giving an i32 (or a boolean where `condition` is set). */
  readonly javascript: (a: string, b: string, c: string) => string;
  readonly wasm: WasmLowering;
  /** The JavaScript text is a boolean expression. */
  readonly condition?: true;
  readonly commutative?: true;
}

const unary = (fold: (a: number) => number, javascript: (a: string) => string, wasm: WasmLowering): PureOperation => ({
  arity: 1,
  fold,
  javascript,
  wasm,
});
const binary = (
  fold: (a: number, b: number) => number,
  javascript: (a: string, b: string) => string,
  wasm: WasmLowering,
  commutative = false,
): PureOperation => ({ arity: 2, fold, javascript, wasm, ...(commutative ? { commutative } : {}) });
const compare = (
  fold: (a: number, b: number) => boolean,
  javascript: (a: string, b: string) => string,
  wasm: PlainOpcode,
  commutative = false,
): PureOperation => ({
  arity: 2,
  fold: (a, b) => (fold(a, b) ? 1 : 0),
  javascript,
  wasm: [wasm],
  condition: true,
  ...(commutative ? { commutative } : {}),
});

/** The high half of the 64-bit product. */
const wasmMultiplyHigh =
  (extend: 'i64.extend_i32_s' | 'i64.extend_i32_u') =>
  (w: WasmOperands): void => {
    w.push(0);
    w.op(extend);
    w.push(1);
    w.op(extend, 'i64.mul');
    w.i64(32n);
    w.op('i64.shr_u', 'i32.wrap_i64');
  };
/** high:low as an i64. */
function wasmDividend(w: WasmOperands): void {
  w.push(0);
  w.op('i64.extend_i32_u');
  w.i64(32n);
  w.op('i64.shl');
  w.push(1);
  w.op('i64.extend_i32_u', 'i64.or');
}
/** WebAssembly traps where the processor raises #DE, which a guard before the operation has seen to. */
const wasmDivide =
  (divide: 'i64.div_s' | 'i64.div_u' | 'i64.rem_s' | 'i64.rem_u', extend: 'i64.extend_i32_s' | 'i64.extend_i32_u') =>
  (w: WasmOperands): void => {
    wasmDividend(w);
    w.push(2);
    w.op(extend, divide, 'i32.wrap_i64');
  };
/**
 * Without a trap: the magnitude of the quotient, by unsigned division of the magnitudes, is compared with the largest that
 * 32 bits hold.
 */
function wasmDivideOverflow(w: WasmOperands): void {
  const dividend = w.local('i64');
  const sign = w.local('i64');
  const divisor = w.local('i64');
  const divisorSign = w.local('i64');
  wasmDividend(w);
  w.tee(dividend);
  w.get(dividend);
  w.i64(63n);
  w.op('i64.shr_s');
  w.tee(sign);
  w.op('i64.xor');
  w.get(sign);
  w.op('i64.sub');
  w.push(2);
  w.op('i64.extend_i32_s');
  w.tee(divisor);
  w.get(divisor);
  w.i64(63n);
  w.op('i64.shr_s');
  w.tee(divisorSign);
  w.op('i64.xor');
  w.get(divisorSign);
  w.op('i64.sub');
  // A divisor of zero overflows in any case: it is taken as one.
  w.push(2);
  w.op('i32.eqz', 'i64.extend_i32_u', 'i64.or', 'i64.div_u');
  w.i64(0x7fffffffn);
  w.get(sign);
  w.get(divisorSign);
  w.op('i64.xor');
  w.i64(1n);
  w.op('i64.and', 'i64.add', 'i64.gt_u');
  w.push(2);
  w.op('i32.eqz', 'i32.or');
}
function wasmByteSwap(w: WasmOperands): void {
  w.push(0);
  w.i32(8);
  w.op('i32.rotl');
  w.i32(0x00ff00ff);
  w.op('i32.and');
  w.push(0);
  w.i32(8);
  w.op('i32.rotr');
  w.i32(0xff00ff00 | 0);
  w.op('i32.and', 'i32.or');
}

/** In 64 bits: the processor raises #DE for -2^31 / -1 after the operation here, WebAssembly would trap in it. */
function wasmDivideSigned(w: WasmOperands): void {
  w.push(0);
  w.op('i64.extend_i32_s');
  w.push(1);
  w.op('i64.extend_i32_s', 'i64.div_s', 'i32.wrap_i64');
}
function wasmNot(w: WasmOperands): void {
  w.push(0);
  w.i32(-1);
  w.op('i32.xor');
}

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
    ['i32.add'],
    true,
  ),
  sub: binary(
    (a, b) => (a - b) | 0,
    (a, b) => `(${a} - ${b} | 0)`,
    ['i32.sub'],
  ),
  mul: binary(
    (a, b) => Math.imul(a, b),
    (a, b) => `Math.imul(${a}, ${b})`,
    ['i32.mul'],
    true,
  ),
  /** High 32 bits of the 64-bit product. */
  mulhU: binary(mulHighUnsigned, (a, b) => `mulHighUnsigned(${a}, ${b})`, wasmMultiplyHigh('i64.extend_i32_u'), true),
  mulhS: binary(mulHighSigned, (a, b) => `mulHighSigned(${a}, ${b})`, wasmMultiplyHigh('i64.extend_i32_s'), true),
  and: binary(
    (a, b) => a & b,
    (a, b) => `(${a} & ${b})`,
    ['i32.and'],
    true,
  ),
  or: binary(
    (a, b) => a | b,
    (a, b) => `(${a} | ${b})`,
    ['i32.or'],
    true,
  ),
  xor: binary(
    (a, b) => a ^ b,
    (a, b) => `(${a} ^ ${b})`,
    ['i32.xor'],
    true,
  ),
  /** Shift counts are taken modulo 32, as JavaScript, WebAssembly and the 32-bit instructions do. */
  shl: binary(
    (a, b) => a << b,
    (a, b) => `(${a} << ${b})`,
    ['i32.shl'],
  ),
  shrU: binary(
    (a, b) => (a >>> b) | 0,
    (a, b) => `(${a} >>> ${b} | 0)`,
    ['i32.shr_u'],
  ),
  shrS: binary(
    (a, b) => a >> b,
    (a, b) => `(${a} >> ${b})`,
    ['i32.shr_s'],
  ),
  eq: compare(
    (a, b) => a === b,
    (a, b) => `${a} === ${b}`,
    'i32.eq',
    true,
  ),
  ne: compare(
    (a, b) => a !== b,
    (a, b) => `${a} !== ${b}`,
    'i32.ne',
    true,
  ),
  ltS: compare(
    (a, b) => a < b,
    (a, b) => `${a} < ${b}`,
    'i32.lt_s',
  ),
  leS: compare(
    (a, b) => a <= b,
    (a, b) => `${a} <= ${b}`,
    'i32.le_s',
  ),
  ltU: compare(
    (a, b) => a >>> 0 < b >>> 0,
    (a, b) => `${a} >>> 0 < ${b} >>> 0`,
    'i32.lt_u',
  ),
  leU: compare(
    (a, b) => a >>> 0 <= b >>> 0,
    (a, b) => `${a} >>> 0 <= ${b} >>> 0`,
    'i32.le_u',
  ),
  not: unary(
    (a) => ~a,
    (a) => `~${a}`,
    wasmNot,
  ),
  ext8S: unary(
    (a) => (a << 24) >> 24,
    (a) => `(${a} << 24 >> 24)`,
    ['i32.extend8_s'],
  ),
  ext16S: unary(
    (a) => (a << 16) >> 16,
    (a) => `(${a} << 16 >> 16)`,
    ['i32.extend16_s'],
  ),
  /** Leading and trailing zero counts; 32 for zero. */
  clz: unary(
    (a) => Math.clz32(a),
    (a) => `Math.clz32(${a})`,
    ['i32.clz'],
  ),
  ctz: unary(trailingZeros, (a) => `countTrailingZeros(${a})`, ['i32.ctz']),
  popcnt: unary(popcount, (a) => `populationCount(${a})`, ['i32.popcnt']),
  bswap: unary(byteSwap, (a) => `byteSwap(${a})`, wasmByteSwap),
  /** a ? b : c */
  select: {
    arity: 3,
    fold: (a, b, c) => (a !== 0 ? b : c),
    javascript: (a, b, c) => `(${a} ? ${b} : ${c})`,
    wasm: (w) => {
      w.push(1);
      w.push(2);
      w.push(0);
      w.op('select');
    },
  },
  /** Unsigned 32-bit division; the divisor is not zero. */
  divU: binary(
    (a, b) => ((a >>> 0) / (b >>> 0)) | 0,
    (a, b) => `((${a} >>> 0) / (${b} >>> 0) | 0)`,
    ['i32.div_u'],
  ),
  remU: binary(
    (a, b) => ((a >>> 0) % (b >>> 0)) | 0,
    (a, b) => `((${a} >>> 0) % (${b} >>> 0) | 0)`,
    ['i32.rem_u'],
  ),
  divS: binary(
    (a, b) => (a / b) | 0,
    (a, b) => `(${a} / ${b} | 0)`,
    wasmDivideSigned,
  ),
  remS: binary(
    (a, b) => (a % b) | 0,
    (a, b) => `(${a} % ${b} | 0)`,
    ['i32.rem_s'],
  ),
  /**
   * 64 by 32 bit division (high, low, divisor): the low 32 bits of the quotient, the remainder. Total: 0 for divisor 0.
   * `divOverflow*` is 1 where the processor raises #DE.
   */
  divU64: ternary(
    (high, low, divisor) => divideUnsigned(high, low, divisor).quotient,
    'divideUnsigned64',
    wasmDivide('i64.div_u', 'i64.extend_i32_u'),
  ),
  remU64: ternary(
    (high, low, divisor) => divideUnsigned(high, low, divisor).remainder,
    'remainderUnsigned64',
    wasmDivide('i64.rem_u', 'i64.extend_i32_u'),
  ),
  divS64: ternary(
    (high, low, divisor) => divideSigned(high, low, divisor).quotient,
    'divideSigned64',
    wasmDivide('i64.div_s', 'i64.extend_i32_s'),
  ),
  remS64: ternary(
    (high, low, divisor) => divideSigned(high, low, divisor).remainder,
    'remainderSigned64',
    wasmDivide('i64.rem_s', 'i64.extend_i32_s'),
  ),
  divOverflowS64: ternary(
    (high, low, divisor) => (divideSigned(high, low, divisor).overflow ? 1 : 0),
    'divideOverflowSigned64',
    wasmDivideOverflow,
  ),
} satisfies Record<string, PureOperation>;

function ternary(fold: (a: number, b: number, c: number) => number, helper: string, wasm: WasmLowering): PureOperation {
  return { arity: 3, fold, javascript: (a, b, c) => `${helper}(${a}, ${b}, ${c})`, wasm };
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
