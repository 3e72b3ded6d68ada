/**
 * The x87's 80-bit arithmetic as WebAssembly instructions on locals: sign and exponent (u16) in an i32, the mantissa with its
 * integer bit in an i64. Operands are normal numbers or zero, exceptions are masked, rounding is to nearest at one of two precisions.
 * Where the result would be neither normal nor zero, `leave` is written, before anything was changed: the helpers of
 * `runtime/helpers/x87` define the rest.
 */
import type { PlainOpcode, ValueType } from './opcodes.js';
import type { FunctionWriter } from './writer.js';

/** A number in two locals: sign and exponent, mantissa. */
export interface Pair {
  readonly se: number;
  readonly m: number;
}

/** Instructions that push one value. */
export type Push = () => void;

export interface X87Context {
  readonly w: FunctionWriter;
  temporary(type: ValueType): number;
  /** Leaves the region, with the state as it was before the instruction, where what is on the stack is not zero. */
  leaveIf(): void;
  /** Bits of the mantissa that results keep. */
  readonly precision: 64 | 53;
  /** i64, not zero: an inexact result came since the status word was last written. */
  readonly inexact: number;
  /** i32: C1, the last result was rounded away from zero. */
  readonly c1: number;
}

const SIGN = 0x8000;
const EXPONENT = 0x7fff;
const BIAS = 0x3fff;
const TOP_BIT = 1n << 63n;

export class X87Arithmetic {
  private readonly w: FunctionWriter;

  constructor(private readonly c: X87Context) {
    this.w = c.w;
  }

  // Writing expressions -------------------------------------------------------------------------------------------------

  private readonly get =
    (local: number): Push =>
    () =>
      this.w.get(local);
  private readonly i32 =
    (value: number): Push =>
    () =>
      this.w.i32(value);
  private readonly i64 =
    (value: bigint): Push =>
    () =>
      this.w.i64(value);
  private readonly op =
    (name: PlainOpcode, ...operands: readonly Push[]): Push =>
    () => {
      for (const operand of operands) operand();
      this.w.op(name);
    };
  private set(local: number, value: Push): void {
    value();
    this.w.set(local);
  }
  private let(type: ValueType, value: Push): number {
    const local = this.c.temporary(type);
    this.set(local, value);
    return local;
  }
  private when(condition: Push, then: () => void, otherwise?: () => void): void {
    condition();
    this.w.open('if');
    then();
    if (otherwise) {
      this.w.op('else');
      otherwise();
    }
    this.w.close();
  }
  leaveWhen(condition: Push): void {
    condition();
    this.c.leaveIf();
  }
  private readonly select = (condition: Push, yes: Push, no: Push): Push => this.op('select', yes, no, condition);
  private readonly and32 = (a: Push, b: number): Push => this.op('i32.and', a, this.i32(b));
  private readonly shiftLeft = (a: Push, by: Push): Push => this.op('i64.shl', a, by);
  private readonly shiftRight = (a: Push, by: Push): Push => this.op('i64.shr_u', a, by);
  private readonly wide = (a: Push): Push => this.op('i64.extend_i32_u', a);
  private readonly narrow = (a: Push): Push => this.op('i32.wrap_i64', a);
  private readonly nonZero = (a: Push): Push => this.op('i64.ne', a, this.i64(0n));

  // Classes ---------------------------------------------------------------------------------------------------------------

  /** 1 where the number is neither normal nor zero. */
  isExtraordinary({ se, m }: Pair): Push {
    const { get, op, and32 } = this;
    // Exponent 1 to 7FFE with the integer bit, or nothing at all.
    const exponent = and32(get(se), EXPONENT);
    const strange = op(
      'i32.or',
      op('i32.ge_u', op('i32.sub', exponent, this.i32(1)), this.i32(EXPONENT - 1)),
      op('i64.ge_s', get(m), this.i64(0n)),
    );
    const zero = op('i64.eqz', op('i64.or', get(m), this.wide(exponent)));
    return op('i32.gt_u', strange, zero);
  }

  /** One of two ordinary numbers is zero. */
  private anyZero(a: Pair, b: Pair): Push {
    return this.op('i64.ge_s', this.op('i64.and', this.get(a.m), this.get(b.m)), this.i64(0n));
  }

  // Rounding --------------------------------------------------------------------------------------------------------------

  /**
   * Rounds a local to nearest, to even where both are as near: `extra` (a local) has half a unit in its top bit, the unit is bit
   * `unit`. Gives an i64 local, 1 where it went up.
   */
  private roundToNearest(value: number, extra: number, unit: bigint): number {
    const { get, op } = this;
    const scaled = (bit: Push): Push => (unit === 0n ? bit : this.shiftLeft(bit, this.i64(unit)));
    const up = this.let('i64', this.shiftRight(get(extra), this.i64(63n)));
    this.set(value, op('i64.add', get(value), scaled(get(up))));
    this.when(op('i64.eq', get(extra), this.i64(TOP_BIT)), () => {
      const last = unit === 0n ? get(value) : this.shiftRight(get(value), this.i64(unit));
      const odd = this.let('i64', op('i64.and', last, this.i64(1n)));
      this.set(value, op('i64.sub', get(value), scaled(get(odd))));
      this.set(up, op('i64.xor', get(up), get(odd)));
    });
    return up;
  }

  /** The last bits of an operation: PE and C1. */
  private note(extra: number, up: number): void {
    this.set(this.c.inexact, this.op('i64.or', this.get(this.c.inexact), this.get(extra)));
    this.set(this.c.c1, this.narrow(this.get(up)));
  }

  /**
   * Rounds sign, exponent (i32, any) and mantissa hi:lo (normalised) into a pair. The locals are used up.
   */
  private roundInto(to: Pair, sign: Push, exponent: number, high: number, low: number): void {
    const { get, op } = this;
    let unit = 0n;
    if (this.c.precision === 53) {
      const sticky = this.wide(this.nonZero(get(low)));
      this.set(low, op('i64.or', this.shiftLeft(get(high), this.i64(53n)), sticky));
      this.set(high, op('i64.and', get(high), this.i64(~0x7ffn)));
      unit = 11n;
    }
    const up = this.roundToNearest(high, low, unit);
    this.when(op('i64.eqz', get(high)), () => {
      this.set(high, this.i64(TOP_BIT));
      this.set(exponent, op('i32.add', get(exponent), this.i32(1)));
    });
    this.leaveWhen(op('i32.ge_u', op('i32.sub', get(exponent), this.i32(1)), this.i32(EXPONENT - 1)));
    this.note(low, up);
    this.set(to.se, op('i32.or', sign, get(exponent)));
    this.set(to.m, get(high));
  }

  /** An exact result of the two locals. */
  private setExact(to: Pair, se: Push, m: Push): void {
    this.set(to.se, se);
    this.set(to.m, m);
    this.set(this.c.c1, this.i32(0));
  }

  // Operations ------------------------------------------------------------------------------------------------------------

  /** a + b, or a - b. */
  add(to: Pair, a: Pair, b: Pair, subtract: boolean): void {
    const { get, op } = this;
    const bSe = subtract ? this.let('i32', op('i32.xor', get(b.se), this.i32(SIGN))) : b.se;
    this.when(
      this.anyZero(a, b),
      () => {
        const m = this.let('i64', op('i64.or', get(a.m), get(b.m)));
        if (this.c.precision === 53) this.leaveWhen(this.nonZero(op('i64.and', get(m), this.i64(0x7ffn))));
        const both = this.select(op('i64.eqz', get(b.m)), op('i32.and', get(a.se), get(bSe)), get(bSe));
        this.setExact(to, this.select(op('i64.eqz', get(a.m)), both, get(a.se)), get(m));
      },
      () => this.addNormal(to, a, { se: bSe, m: b.m }),
    );
  }

  private addNormal(to: Pair, a: Pair, b: Pair): void {
    const { get, op, and32 } = this;
    const difference = this.let('i32', op('i32.sub', and32(get(a.se), EXPONENT), and32(get(b.se), EXPONENT)));
    // All ones where the second is larger: the two change places then.
    const swap = this.let('i32', op('i32.shr_s', get(difference), this.i32(31)));
    const apart = this.let('i32', op('i32.xor', get(a.se), get(b.se)));
    const se = this.let('i32', op('i32.xor', get(a.se), op('i32.and', get(apart), get(swap))));
    const opposite = this.let('i32', and32(get(apart), SIGN));
    const exchange = this.let(
      'i64',
      op('i64.and', op('i64.xor', get(a.m), get(b.m)), op('i64.extend_i32_s', get(swap))),
    );
    const high = this.let('i64', op('i64.xor', get(a.m), get(exchange)));
    const small = this.let('i64', op('i64.xor', get(b.m), get(exchange)));
    const distance = this.let('i64', this.wide(op('i32.sub', op('i32.xor', get(difference), get(swap)), get(swap))));
    const exponent = this.let('i32', and32(get(se), EXPONENT));
    // The smaller number moves right: what is left of it in `small`, what leaves it in `low`.
    const low = this.c.temporary('i64');
    this.when(
      op('i64.ge_u', get(distance), this.i64(64n)),
      () => {
        // Below the unit; far below, only that it is there matters.
        const odd = op('i64.and', get(distance), this.i64(1n));
        const near = op('i64.or', this.shiftRight(get(small), odd), op('i64.and', get(small), odd));
        this.set(low, this.select(op('i64.lt_u', get(distance), this.i64(66n)), near, this.i64(1n)));
        this.set(small, this.i64(0n));
      },
      () => {
        this.set(
          low,
          this.shiftLeft(this.shiftLeft(get(small), this.i64(1n)), op('i64.xor', get(distance), this.i64(63n))),
        );
        this.set(small, this.shiftRight(get(small), get(distance)));
      },
    );
    const isZero = this.let('i32', this.i32(0));
    this.when(
      get(opposite),
      () => {
        this.set(high, op('i64.sub', op('i64.sub', get(high), get(small)), this.wide(this.nonZero(get(low)))));
        this.set(low, op('i64.sub', this.i64(0n), get(low)));
        // Of equal exponents the second may have been the larger.
        this.when(
          op('i32.and', op('i64.eqz', get(distance)), op('i64.lt_u', this.sumBack(high, small), get(small))),
          () => {
            this.set(high, op('i64.sub', this.i64(0n), get(high)));
            this.set(se, op('i32.xor', get(se), this.i32(SIGN)));
          },
        );
        this.when(op('i64.eqz', get(high)), () => {
          this.set(high, get(low));
          this.set(low, this.i64(0n));
          this.set(exponent, op('i32.sub', get(exponent), this.i32(64)));
          this.set(isZero, op('i64.eqz', get(high)));
        });
        const shift = this.let('i64', op('i64.clz', get(high)));
        this.set(
          high,
          op(
            'i64.or',
            this.shiftLeft(get(high), get(shift)),
            this.shiftRight(this.shiftRight(get(low), this.i64(1n)), op('i64.xor', get(shift), this.i64(63n))),
          ),
        );
        this.set(low, this.shiftLeft(get(low), get(shift)));
        this.set(exponent, op('i32.sub', get(exponent), this.narrow(get(shift))));
      },
      () => {
        const sum = this.let('i64', op('i64.add', get(high), get(small)));
        const carry = this.let('i64', this.wide(op('i64.lt_u', get(sum), get(high))));
        const out = op('i64.or', this.shiftRight(get(low), get(carry)), op('i64.and', get(low), get(carry)));
        this.set(low, op('i64.or', out, this.shiftLeft(op('i64.and', get(sum), get(carry)), this.i64(63n))));
        this.set(high, op('i64.or', this.shiftRight(get(sum), get(carry)), this.shiftLeft(get(carry), this.i64(63n))));
        this.set(exponent, op('i32.add', get(exponent), this.narrow(get(carry))));
      },
    );
    this.when(
      get(isZero),
      () => this.setExact(to, this.i32(0), this.i64(0n)),
      () => this.roundInto(to, and32(get(se), SIGN), exponent, high, low),
    );
  }

  /** What was subtracted from. */
  private sumBack(difference: number, subtrahend: number): Push {
    return this.op('i64.add', this.get(difference), this.get(subtrahend));
  }

  multiply(to: Pair, a: Pair, b: Pair): void {
    const { get, op, and32 } = this;
    const sign = this.let('i32', and32(op('i32.xor', get(a.se), get(b.se)), SIGN));
    this.when(
      this.anyZero(a, b),
      () => this.setExact(to, get(sign), this.i64(0n)),
      () => {
        const exponent = this.let(
          'i32',
          op('i32.sub', op('i32.add', and32(get(a.se), EXPONENT), and32(get(b.se), EXPONENT)), this.i32(BIAS - 1)),
        );
        const { high, low } = this.product(a.m, b.m);
        // All ones where the product of two numbers from 1 to 2 is below 2: it is doubled then.
        const below = this.let('i64', op('i64.xor', op('i64.shr_s', get(high), this.i64(63n)), this.i64(-1n)));
        const carried = op('i64.and', this.shiftRight(get(low), this.i64(63n)), get(below));
        this.set(high, op('i64.add', op('i64.add', get(high), op('i64.and', get(high), get(below))), carried));
        this.set(low, op('i64.add', get(low), op('i64.and', get(low), get(below))));
        this.set(exponent, op('i32.add', get(exponent), this.narrow(get(below))));
        this.roundInto(to, get(sign), exponent, high, low);
      },
    );
  }

  /** The 128-bit product of two locals, from four of their halves. */
  private product(a: number, b: number): { high: number; low: number } {
    const { get, op } = this;
    const lower = (x: Push): Push => op('i64.and', x, this.i64(0xffffffffn));
    const upper = (x: Push): Push => this.shiftRight(x, this.i64(32n));
    const aLow = this.let('i64', lower(get(a)));
    const aHigh = this.let('i64', upper(get(a)));
    const bLow = this.let('i64', lower(get(b)));
    const bHigh = this.let('i64', upper(get(b)));
    const times = (x: number, y: number): Push => op('i64.mul', get(x), get(y));
    const cross = this.let('i64', op('i64.add', times(aHigh, bLow), upper(times(aLow, bLow))));
    const other = this.let('i64', op('i64.add', times(aLow, bHigh), lower(get(cross))));
    const high = this.let(
      'i64',
      op('i64.add', op('i64.add', times(aHigh, bHigh), upper(get(cross))), upper(get(other))),
    );
    return { high, low: this.let('i64', times(a, b)) };
  }

  /** a / b. A divisor of zero leaves. */
  divide(to: Pair, a: Pair, b: Pair): void {
    const { get, op, and32 } = this;
    this.leaveWhen(op('i64.eqz', get(b.m)));
    const sign = this.let('i32', and32(op('i32.xor', get(a.se), get(b.se)), SIGN));
    this.when(
      op('i64.eqz', get(a.m)),
      () => this.setExact(to, get(sign), this.i64(0n)),
      () => this.divideNormal(to, a, b, sign),
    );
  }

  /** Long division of 128 bits by 64 in two digits of 32 (Knuth's algorithm D). */
  private divideNormal(to: Pair, a: Pair, b: Pair, sign: number): void {
    const { get, op, and32 } = this;
    const fits = this.let('i32', op('i64.lt_u', get(a.m), get(b.m)));
    const exponent = this.let(
      'i32',
      op(
        'i32.sub',
        op('i32.add', op('i32.sub', and32(get(a.se), EXPONENT), and32(get(b.se), EXPONENT)), this.i32(BIAS)),
        get(fits),
      ),
    );
    // The dividend rest:next is below the divisor:0.
    const half = this.let('i64', this.wide(op('i32.eqz', get(fits))));
    const rest = this.let('i64', this.shiftRight(get(a.m), get(half)));
    const next = this.let('i64', this.shiftLeft(op('i64.and', get(a.m), get(half)), this.i64(63n)));
    const upper = this.let('i64', this.shiftRight(get(b.m), this.i64(32n)));
    const lower = this.let('i64', op('i64.and', get(b.m), this.i64(0xffffffffn)));
    /** One digit of rest:next; the rest takes its 32 bits. */
    const digit = (bits: Push): number => {
      const q = this.let('i64', op('i64.div_u', get(rest), get(upper)));
      const remaining = this.let('i64', op('i64.sub', get(rest), op('i64.mul', get(q), get(upper))));
      // A digit is at most two too large.
      for (let i = 0; i < 2; i++) {
        const tooLarge = op(
          'i32.or',
          op('i64.gt_u', get(q), this.i64(0xffffffffn)),
          op(
            'i64.gt_u',
            op('i64.mul', get(q), get(lower)),
            op('i64.or', this.shiftLeft(get(remaining), this.i64(32n)), bits),
          ),
        );
        const small = op('i64.le_u', get(remaining), this.i64(0xffffffffn));
        this.when(op('i32.and', tooLarge, small), () => {
          this.set(q, op('i64.sub', get(q), this.i64(1n)));
          this.set(remaining, op('i64.add', get(remaining), get(upper)));
        });
      }
      const dividend = op('i64.or', this.shiftLeft(get(rest), this.i64(32n)), bits);
      this.set(rest, op('i64.sub', dividend, op('i64.mul', get(q), get(b.m))));
      return q;
    };
    const first = digit(this.shiftRight(get(next), this.i64(32n)));
    const second = digit(this.i64(0n));
    const high = this.let('i64', op('i64.or', this.shiftLeft(get(first), this.i64(32n)), get(second)));
    // A quotient is never halfway between two numbers.
    const above = op('i64.gt_u', get(rest), op('i64.sub', get(b.m), get(rest)));
    const part = this.select(above, this.i64(3n << 62n), this.i64(1n << 62n));
    const low = this.let('i64', this.select(op('i64.eqz', get(rest)), this.i64(0n), part));
    this.roundInto(to, get(sign), exponent, high, low);
  }

  /**
   * The square root of a number that is not negative. An estimate of 53 bits is made right to 64 by one step of Newton's iteration; what remains says
   * whether it is one off.
   */
  squareRoot(to: Pair, a: Pair): void {
    const { get, op } = this;
    this.when(
      op('i64.eqz', get(a.m)),
      () => this.setExact(to, get(a.se), get(a.m)),
      () => this.rootNormal(to, a),
    );
  }

  private rootNormal(to: Pair, a: Pair): void {
    const { get, op } = this;
    this.leaveWhen(this.and32(get(a.se), SIGN));
    // The radicand has 127 or 128 bits, so that its exponent is even.
    const odd = this.let('i64', this.wide(this.and32(get(a.se), 1)));
    const high = this.let('i64', this.shiftRight(get(a.m), get(odd)));
    const low = this.let('i64', this.shiftLeft(op('i64.and', get(a.m), get(odd)), this.i64(63n)));
    const exponent = this.let('i32', op('i32.shr_u', op('i32.add', get(a.se), this.i32(BIAS)), this.i32(1)));
    // Somewhat too small, so that the estimate's rounding cannot take it to 2^64.
    const estimate = this.let('f64', op('f64.sqrt', op('f64.convert_i64_u', get(high))));
    const whole = op('f64.mul', get(estimate), () => this.w.f64(4294967296 * (1 - 2 ** -51)));
    const root = this.let('i64', op('i64.trunc_f64_u', whole));
    const squared = (): { top: number; bottom: number } => {
      const square = this.product(root, root);
      const bottom = this.let('i64', op('i64.sub', get(low), get(square.low)));
      const borrow = this.wide(op('i64.lt_u', get(low), get(square.low)));
      const top = this.let('i64', op('i64.sub', op('i64.sub', get(high), get(square.high)), borrow));
      return { top, bottom };
    };
    const rest = squared();
    // The rest is below 2^78: as a number it is top * 2^64 + bottom, and the step is rest / (2 root).
    const value = op(
      'f64.add',
      op('f64.mul', op('f64.convert_i64_s', get(rest.top)), () => this.w.f64(2 ** 64)),
      op('f64.convert_i64_u', get(rest.bottom)),
    );
    const twice = op('f64.mul', op('f64.convert_i64_u', get(root)), () => this.w.f64(2));
    const step = this.let('i64', op('i64.trunc_f64_s', op('f64.div', value, twice)));
    this.set(root, op('i64.add', get(root), get(step)));
    const { top, bottom } = squared();
    // Too large by one where the rest is negative, too small where it is above twice the root.
    this.when(
      op('i64.lt_s', get(top), this.i64(0n)),
      () => {
        this.set(root, op('i64.sub', get(root), this.i64(1n)));
        const doubled = this.let('i64', op('i64.or', this.shiftLeft(get(root), this.i64(1n)), this.i64(1n)));
        this.set(bottom, op('i64.add', get(bottom), get(doubled)));
        this.set(
          top,
          op(
            'i64.add',
            op('i64.add', get(top), this.shiftRight(get(root), this.i64(63n))),
            this.wide(op('i64.lt_u', get(bottom), get(doubled))),
          ),
        );
      },
      () => {
        const doubled = this.let('i64', this.shiftLeft(get(root), this.i64(1n)));
        const over = this.shiftRight(get(root), this.i64(63n));
        const above = op(
          'i32.or',
          op('i64.gt_s', get(top), over),
          op('i32.and', op('i64.eq', get(top), over), op('i64.gt_u', get(bottom), get(doubled))),
        );
        this.when(above, () => {
          const more = this.let('i64', op('i64.or', get(doubled), this.i64(1n)));
          const borrow = this.wide(op('i64.lt_u', get(bottom), get(more)));
          this.set(top, op('i64.sub', op('i64.sub', get(top), over), borrow));
          this.set(bottom, op('i64.sub', get(bottom), get(more)));
          this.set(root, op('i64.add', get(root), this.i64(1n)));
        });
      },
    );
    // A root is never halfway either: a rest above the root means above the half.
    const above = op('i32.or', this.nonZero(get(top)), op('i64.gt_u', get(bottom), get(root)));
    const part = this.select(above, this.i64(3n << 62n), this.i64(1n << 62n));
    const isExact = op('i64.eqz', op('i64.or', get(top), get(bottom)));
    const extra = this.let('i64', this.select(isExact, this.i64(0n), part));
    this.roundInto(to, this.i32(0), exponent, root, extra);
  }

  // Comparison ------------------------------------------------------------------------------------------------------------

  /** a below b, and a equal to b, as locals of 0 or 1. */
  compare(a: Pair, b: Pair): { less: number; equal: number } {
    const { get, op, and32 } = this;
    // Signed exponents order numbers of different magnitude; zero has none.
    const order = ({ se }: Pair): number => {
      const sign = op('i32.shr_s', op('i32.shl', get(se), this.i32(16)), this.i32(31));
      const mask = this.let('i32', sign);
      return this.let('i32', op('i32.sub', op('i32.xor', and32(get(se), EXPONENT), get(mask)), get(mask)));
    };
    const aOrder = order(a);
    const bOrder = order(b);
    const same = this.let('i32', op('i32.eq', get(aOrder), get(bOrder)));
    const negative = op('i32.lt_s', get(aOrder), this.i32(0));
    const mantissas = this.select(negative, op('i64.gt_u', get(a.m), get(b.m)), op('i64.lt_u', get(a.m), get(b.m)));
    const less = this.let(
      'i32',
      op('i32.or', op('i32.lt_s', get(aOrder), get(bOrder)), op('i32.and', get(same), mantissas)),
    );
    const equal = this.let('i32', op('i32.and', get(same), op('i64.eq', get(a.m), get(b.m))));
    return { less, equal };
  }

  // Formats of memory -------------------------------------------------------------------------------------------------------

  /** A signed integer (i64 on the stack) as a number. */
  fromInteger(to: Pair, value: Push): void {
    const { get, op } = this;
    const number = this.let('i64', value);
    const mask = this.let('i64', op('i64.shr_s', get(number), this.i64(63n)));
    const magnitude = this.let('i64', op('i64.sub', op('i64.xor', get(number), get(mask)), get(mask)));
    this.normalise(to, this.and32(this.narrow(get(mask)), SIGN), magnitude, 0);
  }

  /** An integer's magnitude with a sign; of zero the sign is `zeroSign`, 0 or the same. */
  private normalise(to: Pair, sign: Push, magnitude: number, zeroSign: Push | 0): void {
    const { get, op } = this;
    const shift = this.let('i64', op('i64.clz', get(magnitude)));
    const se = op('i32.or', sign, op('i32.sub', this.i32(BIAS + 63), this.narrow(get(shift))));
    const zero = zeroSign === 0 ? this.i32(0) : zeroSign;
    this.set(to.se, this.select(op('i64.eqz', get(magnitude)), zero, se));
    this.set(to.m, this.shiftLeft(get(magnitude), get(shift)));
  }

  /** The bits of an f64 (i64 on the stack) as a number. Leaves for what is neither normal nor zero. */
  fromDouble(to: Pair, bits: Push): void {
    const { get, op } = this;
    const source = this.let('i64', bits);
    const exponent = this.let('i32', this.and32(this.narrow(this.shiftRight(get(source), this.i64(52n))), 0x7ff));
    const sign = this.and32(this.narrow(this.shiftRight(get(source), this.i64(48n))), SIGN);
    this.fromFormat(to, sign, exponent, 0x7ff, op('i64.shl', get(source), this.i64(11n)));
  }
  /** The bits of an f32 (i32 on the stack). */
  fromSingle(to: Pair, bits: Push): void {
    const { get, op } = this;
    const source = this.let('i32', bits);
    const exponent = this.let('i32', this.and32(op('i32.shr_u', get(source), this.i32(23)), 0xff));
    const sign = this.and32(op('i32.shr_u', get(source), this.i32(16)), SIGN);
    this.fromFormat(to, sign, exponent, 0xff, this.shiftLeft(this.wide(get(source)), this.i64(40n)));
  }
  private fromFormat(to: Pair, sign: Push, exponent: number, maximum: number, mantissa: Push): void {
    const { get, op } = this;
    const m = this.let('i64', op('i64.or', mantissa, this.i64(TOP_BIT)));
    const se = this.let('i32', op('i32.or', sign, op('i32.add', get(exponent), this.i32(BIAS - (maximum >> 1)))));
    this.when(op('i32.ge_u', op('i32.sub', get(exponent), this.i32(1)), this.i32(maximum - 1)), () => {
      const fraction = this.shiftLeft(get(m), this.i64(1n));
      this.leaveWhen(op('i32.or', get(exponent), this.nonZero(fraction)));
      this.set(m, this.i64(0n));
      this.set(se, sign);
    });
    this.set(to.se, get(se));
    this.set(to.m, get(m));
  }

  /** The bits of the number as an f64 or f32, in an i64 local. PE and C1 are noted. */
  toFormat({ se, m }: Pair, format: 'f64' | 'f32'): number {
    const { get, op } = this;
    const [fraction, maximum] = format === 'f64' ? [52, 0x7ff] : [23, 0xff];
    const dropped = BigInt(63 - fraction);
    const exponent = this.let('i32', op('i32.sub', this.and32(get(se), EXPONENT), this.i32(BIAS - (maximum >> 1))));
    const bits = this.c.temporary('i64');
    this.when(
      op('i64.eqz', get(m)),
      () => {
        this.set(bits, this.i64(0n));
        this.set(this.c.c1, this.i32(0));
      },
      () => {
        const extra = this.let('i64', this.shiftLeft(get(m), this.i64(64n - dropped)));
        this.when(op('i32.ge_u', op('i32.sub', get(exponent), this.i32(1)), this.i32(maximum - 2)), () => {
          // The greatest number itself, which isinf and its kin are compiled to comparisons with, is not rounded.
          const isGreatest = op('i32.eq', get(exponent), this.i32(maximum - 1));
          this.leaveWhen(op('i32.eqz', op('i32.and', isGreatest, op('i64.eqz', get(extra)))));
        });
        const kept = this.let('i64', this.shiftRight(get(m), this.i64(dropped)));
        const up = this.roundToNearest(kept, extra, 0n);
        // The integer bit adds itself to the exponent, and so does a carry out of the fraction.
        const field = this.shiftLeft(this.wide(op('i32.sub', get(exponent), this.i32(1))), this.i64(BigInt(fraction)));
        this.set(bits, op('i64.add', field, get(kept)));
        this.note(extra, up);
      },
    );
    const sign = this.shiftLeft(
      this.wide(op('i32.shr_u', get(se), this.i32(15))),
      this.i64(format === 'f64' ? 63n : 31n),
    );
    this.set(bits, op('i64.or', get(bits), sign));
    return bits;
  }

  /**
   * Rounds the magnitude to an integer by the control word's rounding, or towards zero: an i64 local, with what was dropped and whether it
   * went up. The exponent is below that of 2^63.
   */
  private integer({ se, m }: Pair, control: number, truncate: boolean): { whole: number; extra: number; up: number } {
    const { get, op } = this;
    const shift = this.let('i64', this.wide(op('i32.sub', this.i32(BIAS + 63), this.and32(get(se), EXPONENT))));
    const whole = this.c.temporary('i64');
    const extra = this.c.temporary('i64');
    this.when(
      op('i64.ge_u', get(shift), this.i64(64n)),
      () => {
        this.set(whole, this.i64(0n));
        const little = this.wide(this.nonZero(get(m)));
        this.set(extra, this.select(op('i64.eq', get(shift), this.i64(64n)), get(m), little));
      },
      () => {
        this.set(whole, this.shiftRight(get(m), get(shift)));
        const doubled = this.shiftLeft(get(m), this.i64(1n));
        this.set(extra, this.shiftLeft(doubled, op('i64.xor', get(shift), this.i64(63n))));
      },
    );
    const up = this.let('i64', this.i64(0n));
    if (!truncate) {
      const rounding = this.let('i32', this.and32(get(control), 0xc00));
      this.when(
        op('i32.eqz', get(rounding)),
        () => this.set(up, get(this.roundToNearest(whole, extra, 0n))),
        () => {
          // Down for negative numbers and up for others go away from zero.
          const away = op('i32.sub', this.i32(0x800), op('i32.shr_u', this.and32(get(se), SIGN), this.i32(5)));
          const goes = op('i32.and', op('i32.eq', get(rounding), away), this.nonZero(get(extra)));
          this.set(up, this.wide(goes));
          this.set(whole, op('i64.add', get(whole), get(up)));
        },
      );
    }
    return { whole, extra, up };
  }

  /** The number as a signed integer of `bits`, in an i64 local. Leaves where it does not fit, or nearly so. */
  toInteger(from: Pair, bits: 16 | 32 | 64, control: number, truncate: boolean): number {
    const { get, op } = this;
    this.leaveWhen(op('i32.ge_u', this.and32(get(from.se), EXPONENT), this.i32(BIAS + bits - 1)));
    const { whole, extra, up } = this.integer(from, control, truncate);
    // Rounding may have taken it to 2^(bits - 1).
    if (!truncate && bits < 64) this.leaveWhen(this.nonZero(this.shiftRight(get(whole), this.i64(BigInt(bits - 1)))));
    if (!truncate && bits === 64) this.leaveWhen(op('i64.lt_s', get(whole), this.i64(0n)));
    this.note(extra, up);
    const mask = op('i64.sub', this.i64(0n), this.wide(op('i32.shr_u', get(from.se), this.i32(15))));
    const signs = this.let('i64', mask);
    this.set(whole, op('i64.sub', op('i64.xor', get(whole), get(signs)), get(signs)));
    return whole;
  }

  /** frndint. */
  round(to: Pair, from: Pair, control: number): void {
    const { get, op } = this;
    this.when(
      op('i32.ge_u', this.and32(get(from.se), EXPONENT), this.i32(BIAS + 63)),
      () => this.setExact(to, get(from.se), get(from.m)),
      () => {
        const { whole, extra, up } = this.integer(from, control, false);
        this.note(extra, up);
        const sign = this.let('i32', this.and32(get(from.se), SIGN));
        this.normalise(to, get(sign), whole, get(sign));
      },
    );
  }
}
