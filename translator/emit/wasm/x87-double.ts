/**
 * Numbers as doubles, for the x87 emitter: as fast as it gets, and inexact. Results have 53 bits of precision and the range of a double,
 * whatever the control word says, and raise no exceptions; only conversions to integers go by its rounding.
 */
import type { X87Constant, X87Format, X87Operator } from '../../passes/x87-operations.js';
import type { PlainOpcode, ValueType } from './opcodes.js';
import type { Comparison, Push, Register, X87Numbers } from './x87-numbers.js';
import type { FunctionWriter } from './writer.js';

const BIAS = 0x3fff;
/** Biased exponents in 80 bits of the numbers that are normal as doubles, and how many they are. */
const FIRST_NORMAL = BIAS - 0x3fe;
const NORMALS = 0x7fe;

const CONSTANTS: Readonly<Record<X87Constant, number>> = {
  fldz: 0,
  fld1: 1,
  fldl2t: Math.log2(10),
  fldl2e: Math.LOG2E,
  fldpi: Math.PI,
  fldlg2: Math.log10(2),
  fldln2: Math.LN2,
};
const OPERATIONS: Readonly<Record<X87Operator, PlainOpcode>> = {
  add: 'f64.add',
  sub: 'f64.sub',
  mul: 'f64.mul',
  div: 'f64.div',
};

export interface X87DoubleContext {
  readonly w: FunctionWriter;
  temporary(type: ValueType): number;
}

export class X87Double implements X87Numbers {
  readonly types = ['f64'] as const;
  readonly isExact = false;
  /** Registers that hold a 64-bit integer as it was loaded, which programs copy that way. */
  private readonly integers = new Map<number, number>();

  constructor(private readonly c: X87DoubleContext) {}

  private set(to: Register, value: Push): void {
    value();
    this.c.w.set(to[0]!);
    this.integers.delete(to[0]!);
  }
  private let(type: ValueType, value: Push): number {
    const local = this.c.temporary(type);
    value();
    this.c.w.set(local);
    return local;
  }
  private when(condition: Push, then: () => void, otherwise: () => void): void {
    const { w } = this.c;
    condition();
    w.open('if');
    then();
    w.op('else');
    otherwise();
    w.close();
  }
  private readonly get =
    (local: number): Push =>
    () =>
      this.c.w.get(local);
  private readonly op =
    (name: PlainOpcode, ...operands: readonly Push[]): Push =>
    () => {
      for (const operand of operands) operand();
      this.c.w.op(name);
    };
  private readonly i32 =
    (value: number): Push =>
    () =>
      this.c.w.i32(value);
  private readonly i64 =
    (value: bigint): Push =>
    () =>
      this.c.w.i64(value);
  private readonly f64 =
    (value: number): Push =>
    () =>
      this.c.w.f64(value);

  copy(to: Register, from: Register): void {
    const integer = this.integers.get(from[0]!);
    this.set(to, this.get(from[0]!));
    if (integer !== undefined) this.integers.set(to[0]!, integer);
  }
  constant(to: Register, name: X87Constant): void {
    this.set(to, this.f64(CONSTANTS[name]));
  }
  arithmetic(operator: X87Operator, to: Register, a: Register, b: Register): void {
    this.set(to, this.op(OPERATIONS[operator], this.get(a[0]!), this.get(b[0]!)));
  }
  root(to: Register, from: Register): void {
    this.set(to, this.op('f64.sqrt', this.get(from[0]!)));
  }
  sign(register: Register, keep: number, flip: number): void {
    const value = this.get(register[0]!);
    this.set(register, this.op(keep === 0x7fff && flip === 0 ? 'f64.abs' : 'f64.neg', value));
  }
  leaveUnlessOrdinary(): void {
    // All numbers are.
  }

  compare(a: Register, b: Register): Comparison {
    const { op, get } = this;
    const compare = (name: PlainOpcode): Push => op(name, get(a[0]!), get(b[0]!));
    const unordered = op('i32.or', op('f64.ne', get(a[0]!), get(a[0]!)), op('f64.ne', get(b[0]!), get(b[0]!)));
    return {
      less: this.let('i32', op('i32.eqz', compare('f64.ge'))),
      equal: this.let('i32', op('i32.eqz', op('i32.or', compare('f64.lt'), compare('f64.gt')))),
      unordered: this.let('i32', unordered),
    };
  }

  round(to: Register, from: Register, control: number): void {
    this.set(to, this.get(this.rounded(from, control)));
  }
  /** The value as an integer, in an f64 local. */
  private rounded(from: Register, control: number): number {
    const { get, op } = this;
    const value = get(from[0]!);
    const result = this.let('f64', op('f64.nearest', value));
    const rounding = op('i32.and', get(control), this.i32(0xc00));
    const into = (push: Push) => (): void => {
      push();
      this.c.w.set(result);
    };
    this.when(
      op('i32.eqz', rounding),
      () => undefined,
      () =>
        this.when(op('i32.eq', rounding, this.i32(0xc00)), into(op('f64.trunc', value)), () =>
          this.when(op('i32.eq', rounding, this.i32(0x400)), into(op('f64.floor', value)), into(op('f64.ceil', value))),
        ),
    );
    return result;
  }

  // Memory ------------------------------------------------------------------------------------------------------------------

  load(to: Register, format: X87Format, place: Push): void {
    const { w } = this.c;
    const memory = (name: 'f64.load' | 'f32.load' | 'i64.load' | 'i32.load' | 'i32.load16_u') => (): void => {
      place();
      w.memory(name);
    };
    switch (format) {
      case 'f64':
        this.set(to, memory('f64.load'));
        break;
      case 'f32':
        this.set(to, this.op('f64.promote_f32', memory('f32.load')));
        break;
      case 'f80':
        this.readRegister(to, place, 0);
        break;
      case 'i64': {
        const integer = this.let('i64', memory('i64.load'));
        this.set(to, this.op('f64.convert_i64_s', this.get(integer)));
        this.integers.set(to[0]!, integer);
        break;
      }
      case 'i32':
        this.set(to, this.op('f64.convert_i32_s', memory('i32.load')));
        break;
      case 'i16':
        this.set(to, this.op('f64.convert_i32_s', this.op('i32.extend16_s', memory('i32.load16_u'))));
    }
  }

  store(from: Register, format: X87Format, place: Push, control: number, truncate: boolean): void {
    const { w } = this.c;
    const { get, op } = this;
    const value = get(from[0]!);
    switch (format) {
      case 'f64':
        place();
        value();
        w.memory('f64.store');
        return;
      case 'f32':
        place();
        op('f32.demote_f64', value)();
        w.memory('f32.store');
        return;
      case 'f80':
        this.writeRegister(from, place, 0, true);
        return;
      default:
        this.storeInteger(from, format, place, control, truncate);
    }
  }

  private storeInteger(
    from: Register,
    format: 'i16' | 'i32' | 'i64',
    place: Push,
    control: number,
    truncate: boolean,
  ): void {
    const { w } = this.c;
    const { get } = this;
    const known = format === 'i64' ? this.integers.get(from[0]!) : undefined;
    const integer = known ?? this.toInteger(from, format, control, truncate);
    place();
    get(integer)();
    if (format === 'i64') w.memory('i64.store');
    else {
      w.op('i32.wrap_i64');
      w.memory(format === 'i32' ? 'i32.store' : 'i32.store16');
    }
  }

  /** As an i64 local: the integer indefinite where it does not fit. */
  private toInteger(from: Register, format: 'i16' | 'i32' | 'i64', control: number, truncate: boolean): number {
    const { w } = this.c;
    const { get, op } = this;
    const whole = truncate ? this.let('f64', op('f64.trunc', get(from[0]!))) : this.rounded(from, control);
    const bits = { i16: 15, i32: 31, i64: 63 }[format];
    const result = this.let('i64', this.i64(-(1n << BigInt(bits))));
    op('f64.lt', op('f64.abs', get(whole)), this.f64(2 ** bits))();
    w.open('if');
    op('i64.trunc_f64_s', get(whole))();
    w.set(result);
    w.close();
    return result;
  }

  /** From 80 bits, rounded to nearest; what is too large becomes infinite. */
  readRegister(to: Register, place: Push, offset: number): void {
    const { w } = this.c;
    const { get, op } = this;
    const m = this.let('i64', () => {
      place();
      w.memory('i64.load', offset);
    });
    const se = this.let('i32', () => {
      place();
      w.memory('i32.load16_u', offset + 8);
    });
    const exponent = op('i32.and', get(se), this.i32(0x7fff));
    // As a number from 1 to 2, rounded, times a power of two by the bits of its exponent.
    const mantissa = op('f64.mul', op('f64.convert_i64_u', get(m)), this.f64(2 ** -63));
    const scaled = (power: Push): Push =>
      op('f64.mul', mantissa, op('f64.reinterpret_i64', op('i64.shl', op('i64.extend_i32_u', power), this.i64(52n))));
    const magnitude = this.c.temporary('f64');
    const keep = (value: Push) => (): void => {
      value();
      w.set(magnitude);
    };
    this.when(
      op('i32.lt_u', op('i32.sub', exponent, this.i32(FIRST_NORMAL)), this.i32(NORMALS)),
      keep(scaled(op('i32.sub', exponent, this.i32(BIAS - 1023)))),
      () =>
        this.when(
          op('i32.eqz', op('i32.or', op('i64.eqz', get(m)), op('i32.lt_u', exponent, this.i32(FIRST_NORMAL - 53)))),
          () =>
            this.when(
              op('i32.lt_u', exponent, this.i32(FIRST_NORMAL)),
              keep(op('f64.mul', scaled(op('i32.sub', exponent, this.i32(BIAS - 1023 - 1000))), this.f64(2 ** -1000))),
              // Infinite, too large, or a NaN, which keeps the upper bits of its fraction.
              keep(
                op(
                  'f64.reinterpret_i64',
                  op(
                    'i64.or',
                    this.i64(0x7ffn << 52n),
                    op(
                      'select',
                      op(
                        'i64.or',
                        op('i64.shr_u', op('i64.shl', get(m), this.i64(1n)), this.i64(12n)),
                        this.i64(1n << 51n),
                      ),
                      this.i64(0n),
                      op(
                        'i32.and',
                        op('i32.eq', exponent, this.i32(0x7fff)),
                        op('i64.ne', op('i64.shl', get(m), this.i64(1n)), this.i64(0n)),
                      ),
                    ),
                  ),
                ),
              ),
            ),
          keep(this.f64(0)),
        ),
    );
    const sign = op('i64.shl', op('i64.extend_i32_u', op('i32.shr_u', get(se), this.i32(15))), this.i64(63n));
    this.set(to, op('f64.reinterpret_i64', op('i64.or', op('i64.reinterpret_f64', get(magnitude)), sign)));
  }

  /** To 80 bits; `short`: without the two bytes after them. */
  writeRegister(from: Register, place: Push, offset: number, short = false): void {
    const { w } = this.c;
    const { get, op } = this;
    const bits = this.let('i64', op('i64.reinterpret_f64', get(from[0]!)));
    const field = op('i32.and', op('i32.wrap_i64', op('i64.shr_u', get(bits), this.i64(52n))), this.i32(0x7ff));
    const exponent = this.let('i32', field);
    const m = this.let('i64', op('i64.shl', get(bits), this.i64(11n)));
    const sign = op('i32.and', op('i32.wrap_i64', op('i64.shr_u', get(bits), this.i64(48n))), this.i32(0x8000));
    this.when(
      op('i32.lt_u', op('i32.sub', get(exponent), this.i32(1)), this.i32(0x7fe)),
      () => {
        op('i32.add', get(exponent), this.i32(BIAS - 1023))();
        w.set(exponent);
        op('i64.or', get(m), this.i64(1n << 63n))();
        w.set(m);
      },
      () =>
        this.when(
          get(exponent),
          () => {
            this.i32(0x7fff)();
            w.set(exponent);
            op('i64.or', get(m), this.i64(1n << 63n))();
            w.set(m);
          },
          () => {
            // Zero, or a denormal, whose first one becomes the integer bit.
            op('i64.and', get(m), this.i64((1n << 63n) - 1n))();
            w.set(m);
            const shift = this.let('i64', op('i64.clz', get(m)));
            op(
              'select',
              this.i32(0),
              op('i32.sub', this.i32(FIRST_NORMAL), op('i32.wrap_i64', get(shift))),
              op('i64.eqz', get(m)),
            )();
            w.set(exponent);
            op('i64.shl', get(m), get(shift))();
            w.set(m);
          },
        ),
    );
    place();
    get(m)();
    w.memory('i64.store', offset);
    place();
    op('i32.or', sign, get(exponent))();
    w.memory(short ? 'i32.store16' : 'i32.store', offset + 8);
  }
}
