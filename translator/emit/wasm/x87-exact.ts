/** Numbers of 80 bits in two locals, for the x87 emitter: the forms of memory, and `x87-arithmetic.ts` for the rest. */
import { X87_BYTES, type X87Constant, type X87Format, type X87Operator } from '../../passes/x87-operations.js';
import { X87Arithmetic, type Pair, type X87Context } from './x87-arithmetic.js';
import type { Comparison, Push, Register, X87Numbers } from './x87-numbers.js';

/** Sign with exponent, and mantissa to nearest. */
const CONSTANTS = {
  fldz: [0, 0n],
  fld1: [0x3fff, 1n << 63n],
  fldl2t: [0x4000, 0xd49a784bcd1b8afen],
  fldl2e: [0x3fff, 0xb8aa3b295c17f0bcn],
  fldpi: [0x4000, 0xc90fdaa22168c235n],
  fldlg2: [0x3ffd, 0x9a209a84fbcff799n],
  fldln2: [0x3ffe, 0xb17217f7d1cf79acn],
} as const;

const pair = ([se, m]: Register): Pair => ({ se: se!, m: m! });

export class X87Exact implements X87Numbers {
  readonly types = ['i32', 'i64'] as const;
  readonly isExact = true;
  private readonly numbers: X87Arithmetic;

  constructor(private readonly c: X87Context) {
    this.numbers = new X87Arithmetic(c);
  }

  copy(to: Register, from: Register): void {
    const { w } = this.c;
    from.forEach((local, part) => {
      w.get(local);
      w.set(to[part]!);
    });
  }
  readRegister(to: Register, place: Push, offset: number): void {
    const { w } = this.c;
    const { se, m } = pair(to);
    place();
    w.memory('i32.load16_u', offset + 8);
    w.set(se);
    place();
    w.memory('i64.load', offset);
    w.set(m);
  }
  writeRegister(from: Register, place: Push, offset: number): void {
    const { w } = this.c;
    const { se, m } = pair(from);
    place();
    w.get(se);
    w.memory('i32.store', offset + 8);
    place();
    w.get(m);
    w.memory('i64.store', offset);
  }
  constant(to: Register, name: X87Constant): void {
    const { w } = this.c;
    const [signExponent, mantissa] = CONSTANTS[name];
    const { se, m } = pair(to);
    w.i32(signExponent);
    w.set(se);
    w.i64(mantissa);
    w.set(m);
  }

  load(to: Register, format: X87Format, place: Push): void {
    const { w } = this.c;
    const { numbers } = this;
    const number = pair(to);
    const i64 = (): void => {
      place();
      w.memory('i64.load');
    };
    switch (format) {
      case 'f64':
        numbers.fromDouble(number, i64);
        break;
      case 'f32':
        numbers.fromSingle(number, () => {
          place();
          w.memory('i32.load');
        });
        break;
      case 'f80':
        this.readRegister(to, place, 0);
        break;
      case 'i64':
        numbers.fromInteger(number, i64);
        break;
      default:
        numbers.fromInteger(number, () => {
          place();
          w.memory(format === 'i16' ? 'i32.load16_u' : 'i32.load');
          if (format === 'i16') w.op('i32.extend16_s');
          w.op('i64.extend_i32_s');
        });
    }
  }

  store(from: Register, format: X87Format, place: Push, control: number, truncate: boolean): void {
    const { w } = this.c;
    const number = pair(from);
    if (format === 'f80') {
      place();
      w.get(number.m);
      w.memory('i64.store');
      place();
      w.get(number.se);
      w.memory('i32.store16', 8);
      w.i32(0);
      w.set(this.c.c1);
      return;
    }
    const bits =
      format === 'f32' || format === 'f64'
        ? this.numbers.toFormat(number, format)
        : this.numbers.toInteger(number, (X87_BYTES[format] * 8) as 16 | 32 | 64, control, truncate);
    place();
    w.get(bits);
    if (X87_BYTES[format] === 8) w.memory('i64.store');
    else {
      w.op('i32.wrap_i64');
      w.memory(X87_BYTES[format] === 4 ? 'i32.store' : 'i32.store16');
    }
  }

  arithmetic(operator: X87Operator, to: Register, a: Register, b: Register): void {
    const { numbers } = this;
    if (operator === 'mul') numbers.multiply(pair(to), pair(a), pair(b));
    else if (operator === 'div') numbers.divide(pair(to), pair(a), pair(b));
    else numbers.add(pair(to), pair(a), pair(b), operator === 'sub');
  }
  root(to: Register, from: Register): void {
    this.numbers.squareRoot(pair(to), pair(from));
  }
  round(to: Register, from: Register, control: number): void {
    this.numbers.round(pair(to), pair(from), control);
  }
  sign(register: Register, keep: number, flip: number): void {
    const { w } = this.c;
    const { se } = pair(register);
    w.get(se);
    w.i32(keep);
    w.op('i32.and');
    w.i32(flip);
    w.op('i32.xor');
    w.set(se);
  }
  compare(a: Register, b: Register): Comparison {
    return this.numbers.compare(pair(a), pair(b));
  }
  leaveUnlessOrdinary(register: Register): void {
    this.numbers.leaveWhen(this.numbers.isExtraordinary(pair(register)));
  }
}
