/** Shifts, rotates, double shifts, bit tests and scans, bit counts, byte swaps. */
import type { Builder } from '../../ir/builder.js';
import type { Value } from '../../ir/ir.js';
import { instruction, type DeclarationOptions } from '../declare.js';
import type { ImmediateOperand, IntegerOperand } from '../kinds.js';

type Counted = (b: Builder, d: IntegerOperand, count: Value) => void;

/** Puts a flag only where the (masked) count is not zero. */
function putIf(b: Builder, changed: Value, variable: 'cf' | 'of' | 'af' | 'zr' | 'sr' | 'pr', value: Value): void {
  b.put(variable, changed.op === 'const' ? value : b.select(changed, value, b.get(variable)));
}
function shiftResult(b: Builder, d: IntegerOperand, changed: Value, result: Value, cf: Value, of: Value): void {
  const extended = b.signExtend(result, d.size);
  d.write(result);
  putIf(b, changed, 'cf', cf);
  putIf(b, changed, 'of', of);
  putIf(b, changed, 'af', b.const(0));
  putIf(b, changed, 'zr', extended);
  putIf(b, changed, 'sr', extended);
  putIf(b, changed, 'pr', extended);
}

const isZero = (count: Value): boolean => count.op === 'const' && count.value === 0;

const shl: Counted = (b, d, count) => {
  const value = d.read();
  if (isZero(count)) return d.write(value);
  const one = b.const(1);
  let result: Value;
  let cf: Value;
  if (d.size === 32) {
    result = b.shl(value, count);
    cf = b.and(b.shrU(value, b.sub(b.const(32), count)), one);
  } else {
    // Bits shifted beyond 32 are gone, as they must be: a count of up to 31 of a 16-bit value.
    const wide = b.shl(value, count);
    result = b.zeroExtend(wide, d.size);
    cf = b.and(b.shrU(wide, b.const(d.size)), one);
  }
  const of = b.xor(b.shl(result, b.const(32 - d.size)), b.shl(cf, b.const(31)));
  shiftResult(b, d, count, result, cf, of);
};
const shr: Counted = (b, d, count) => {
  const value = d.read();
  if (isZero(count)) return d.write(value);
  const result = b.shrU(value, count);
  const cf = b.and(b.shrU(value, b.sub(count, b.const(1))), b.const(1));
  // OF is defined for a count of 1: the sign bit before. Processors give the two top bits' difference in general.
  const of = b.shl(b.xor(result, b.shl(result, b.const(1))), b.const(32 - d.size));
  shiftResult(b, d, count, result, cf, of);
};
const sar: Counted = (b, d, count) => {
  const value = b.signExtend(d.read(), d.size);
  if (isZero(count)) return d.write(value);
  const result = b.shrS(value, count);
  const cf = b.and(b.shrS(value, b.sub(count, b.const(1))), b.const(1));
  shiftResult(b, d, count, result, cf, b.const(0));
};

/** The other way's count, written so that V8 sees a rotation. (Of zero it is 32, which shifts take as zero.) */
const rest = (b: Builder, count: Value): Value => b.sub(b.const(32), count);

/** Rotates: CF and OF change where the masked count is not zero. */
const rol: Counted = (b, d, count) => {
  const value = d.read();
  if (isZero(count)) return d.write(value);
  const bits = d.size;
  let result: Value;
  if (bits === 32) result = b.or(b.shl(value, count), b.shrU(value, rest(b, count)));
  else {
    const turn = b.and(count, b.const(bits - 1));
    result = b.zeroExtend(b.or(b.shl(value, turn), b.shrU(value, b.sub(b.const(bits), turn))), bits);
  }
  const cf = b.and(result, b.const(1));
  d.write(result);
  putIf(b, count, 'cf', cf);
  putIf(b, count, 'of', b.xor(b.shl(result, b.const(32 - bits)), b.shl(cf, b.const(31))));
};
const ror: Counted = (b, d, count) => {
  const value = d.read();
  if (isZero(count)) return d.write(value);
  const bits = d.size;
  let result: Value;
  if (bits === 32) result = b.or(b.shrU(value, count), b.shl(value, rest(b, count)));
  else {
    const turn = b.and(count, b.const(bits - 1));
    result = b.zeroExtend(b.or(b.shrU(value, turn), b.shl(value, b.sub(b.const(bits), turn))), bits);
  }
  const top = b.shl(result, b.const(32 - bits));
  d.write(result);
  putIf(b, count, 'cf', b.shrU(top, b.const(31)));
  putIf(b, count, 'of', b.xor(top, b.shl(top, b.const(1))));
};

/** Rotates through carry: the value and CF as a number of size + 1 bits; counts modulo that. */
function rotateThroughCarry(b: Builder, d: IntegerOperand, count: Value, left: boolean): void {
  const value = d.read();
  if (isZero(count)) return d.write(value);
  const cf = b.get('cf');
  const bits = d.size;
  const one = b.const(1);
  const turn = bits === 32 ? count : b.remU(count, b.const(bits + 1));
  let result: Value;
  let out: Value;
  if (bits === 32) {
    // Shifts by 32 are done as two shifts, since counts are taken modulo 32.
    const less = b.sub(turn, one);
    const back = b.sub(b.const(32), turn);
    if (left) {
      const low = b.or(b.shl(cf, less), b.shrU(b.shrU(value, one), back));
      result = b.or(b.shl(value, turn), low);
      out = b.and(b.shrU(value, back), one);
    } else {
      const high = b.or(b.shl(cf, back), b.shl(b.shl(value, one), back));
      result = b.or(b.shrU(value, turn), high);
      out = b.and(b.shrU(value, less), one);
    }
  } else {
    const back = b.sub(b.const(bits + 1), turn);
    // size + 1 <= 17 bits: shifts of the whole number fit 32 bits, save the part that wraps around.
    const whole = b.or(value, b.shl(cf, b.const(bits)));
    const turned = left
      ? b.or(b.shl(value, turn), b.or(b.shl(cf, b.sub(turn, one)), b.shrU(value, back)))
      : b.or(b.shrU(whole, turn), b.shl(value, back));
    const straightened = b.select(turn, turned, whole);
    result = b.zeroExtend(straightened, bits);
    out = b.and(b.shrU(straightened, b.const(bits)), one);
    if (left) {
      // CF is the last bit that left the top.
      out = b.select(turn, b.and(b.shrU(value, b.sub(b.const(bits), turn)), one), cf);
    } else {
      out = b.select(turn, b.and(b.shrU(value, b.sub(turn, one)), one), cf);
    }
  }
  if (count.op !== 'const') result = b.select(count, result, value);
  const top = b.shl(result, b.const(32 - bits));
  d.write(result);
  putIf(b, count, 'cf', out);
  putIf(b, count, 'of', left ? b.xor(top, b.shl(out, b.const(31))) : b.xor(top, b.shl(top, one)));
}
const rcl: Counted = (b, d, count) => rotateThroughCarry(b, d, count, true);
const rcr: Counted = (b, d, count) => rotateThroughCarry(b, d, count, false);

const shifting: DeclarationOptions = { writes: 'oszapc', reads: 'oszapc', undefined: 'a' };
const rotating: DeclarationOptions = { writes: 'oc', reads: 'oc' };
const carryRotating: DeclarationOptions = { writes: 'oc', reads: 'oc' };
const shifts = [
  { name: 'rol', run: rol, options: rotating },
  { name: 'ror', run: ror, options: rotating },
  { name: 'rcl', run: rcl, options: carryRotating },
  { name: 'rcr', run: rcr, options: carryRotating },
  { name: 'shl', run: shl, options: shifting },
  { name: 'shr', run: shr, options: shifting },
  { name: 'shl', run: shl, options: { ...shifting, alias: true } as DeclarationOptions },
  { name: 'sar', run: sar, options: shifting },
];
const masked = (b: Builder, count: { read(): Value }): Value => b.and(count.read(), b.const(31));
shifts.forEach(({ name, run, options }, index) => {
  // Only a count of 1 defines OF.
  const many: DeclarationOptions = { ...options, undefined: `${options.undefined ?? ''}o` };
  instruction(name, `D0 /${index}`, ['Eb', 'I1'], options, (b, [d, c]) => run(b, d, c.read()));
  instruction(name, `D1 /${index}`, ['Ev', 'I1'], options, (b, [d, c]) => run(b, d, c.read()));
  instruction(name, `C0 /${index}`, ['Eb', 'Ib'], many, (b, [d, c]) => run(b, d, masked(b, c)));
  instruction(name, `C1 /${index}`, ['Ev', 'Ib'], many, (b, [d, c]) => run(b, d, masked(b, c)));
  instruction(name, `D2 /${index}`, ['Eb', 'CL'], many, (b, [d, c]) => run(b, d, masked(b, c)));
  instruction(name, `D3 /${index}`, ['Ev', 'CL'], many, (b, [d, c]) => run(b, d, masked(b, c)));
});

/**
 * shld, shrd. For 16-bit operands counts above 16 are undefined by the manual: here as AMD's processors do it, which shift
 * dest:src:src and clear CF (Intel's shift dest:src:dest).
 */
function doubleShift(b: Builder, d: IntegerOperand, s: IntegerOperand, count: Value, left: boolean): void {
  const value = d.read();
  const source = s.read();
  if (isZero(count)) return d.write(value);
  const one = b.const(1);
  let result: Value;
  let cf: Value;
  if (d.size === 32) {
    const back = b.sub(b.const(32), count);
    const turned = left
      ? b.or(b.shl(value, count), b.shrU(source, back))
      : b.or(b.shrU(value, count), b.shl(source, back));
    result = count.op === 'const' ? turned : b.select(count, turned, value);
    cf = left ? b.and(b.shrU(value, back), one) : b.and(b.shrU(value, b.sub(count, one)), one);
  } else {
    const sixteen = b.const(16);
    if (left) {
      // dest:src as 32 bits, and for counts beyond 16 src again below.
      const pair = b.or(b.shl(value, sixteen), source);
      const back = b.sub(b.const(32), count);
      result = b.select(count, b.or(b.shrU(b.shl(pair, count), sixteen), b.shrU(source, back)), value);
      cf = b.and(b.shrU(pair, back), one);
    } else {
      const pair = b.or(b.shl(source, sixteen), value);
      const wrapped = b.shl(source, b.sub(b.const(32), count));
      result = b.select(count, b.zeroExtend(b.or(b.shrU(pair, count), wrapped), 16), value);
      cf = b.and(b.shrU(pair, b.sub(count, one)), one);
    }
    cf = b.and(cf, b.leU(count, sixteen));
  }
  const of = b.shl(b.xor(value, result), b.const(32 - d.size));
  shiftResult(b, d, count, result, cf, of);
}
const doubling: DeclarationOptions = { writes: 'oszapc', reads: 'oszapc', undefined: 'ao' };
const counted = (b: Builder, c: ImmediateOperand | IntegerOperand): Value => masked(b, c);
instruction('shld', '0F A4', ['Ev', 'Gv', 'Ib'], doubling, (b, [d, s, c]) => doubleShift(b, d, s, counted(b, c), true));
instruction('shld', '0F A5', ['Ev', 'Gv', 'CL'], doubling, (b, [d, s, c]) => doubleShift(b, d, s, counted(b, c), true));
instruction('shrd', '0F AC', ['Ev', 'Gv', 'Ib'], doubling, (b, [d, s, c]) =>
  doubleShift(b, d, s, counted(b, c), false),
);
instruction('shrd', '0F AD', ['Ev', 'Gv', 'CL'], doubling, (b, [d, s, c]) =>
  doubleShift(b, d, s, counted(b, c), false),
);

// Bit tests. Registers and immediates take the bit number modulo the size; a register bit number with a memory operand
// addresses memory beyond it.
type BitChange = (b: Builder, value: Value, bit: Value) => Value | undefined;
const bitTests: { name: string; change: BitChange }[] = [
  { name: 'bt', change: () => undefined },
  { name: 'bts', change: (b, value, bit) => b.or(value, bit) },
  { name: 'btr', change: (b, value, bit) => b.and(value, b.not(bit)) },
  { name: 'btc', change: (b, value, bit) => b.xor(value, bit) },
];
const testing: DeclarationOptions = { writes: 'c', undefined: 'oszap' };
const bitOf = (b: Builder, value: Value, position: Value): Value => b.and(b.shrU(value, position), b.const(1));
bitTests.forEach(({ name, change }, index) => {
  const options: DeclarationOptions = name === 'bt' ? testing : { ...testing, lock: true };
  instruction(name, `0F BA /${index + 4}`, ['Ev', 'Ib'], options, (b, [d, i]) => {
    const position = b.and(i.read(), b.const(d.size - 1));
    const value = d.read();
    b.put('cf', bitOf(b, value, position));
    const changed = change(b, value, b.shl(b.const(1), position));
    if (changed) d.write(changed);
  });
  const opcode = ['0F A3', '0F AB', '0F B3', '0F BB'][index]!;
  instruction(`${name}`, `${opcode} r`, ['Ev', 'Gv'], testing, (b, [d, s]) => {
    const position = b.and(s.read(), b.const(d.size - 1));
    const value = d.read();
    b.put('cf', bitOf(b, value, position));
    const changed = change(b, value, b.shl(b.const(1), position));
    if (changed) d.write(changed);
  });
  instruction(name, `${opcode} m`, ['M', 'Gv'], options, (b, [m, s], context) => {
    const size = s.size;
    const number = b.signExtend(s.read(), size);
    const shift = size === 32 ? 5 : 4;
    const element = b.shl(b.shrS(number, b.const(shift)), b.const(size === 32 ? 2 : 1));
    let address = b.add(m.address(), element);
    if (context.addressSize === 16) {
      // The element's offset wraps within 64 KiB, the segment's base apart.
      const base = b.sub(m.address(), m.offset());
      address = b.add(base, b.zeroExtend(b.add(m.offset(), element), 16));
    }
    const position = b.and(number, b.const(size - 1));
    const writes = name !== 'bt';
    const value = writes ? b.loadForWrite(address, size, context.lock) : b.load(address, size);
    b.put('cf', bitOf(b, value, position));
    const changed = change(b, value, b.shl(b.const(1), position));
    if (changed) b.storeLoaded(address, size, changed, context.lock);
  });
});

// Bit scans: a zero source leaves the destination (as AMD documents and Intel does) and sets ZF.
const scanning: DeclarationOptions = { writes: 'z', undefined: 'osapc' };
instruction('bsf', '0F BC', ['Gv', 'Ev'], scanning, (b, [d, s]) => {
  const source = s.read();
  d.write(b.select(source, b.ctz(source), d.read()));
  b.put('zr', source);
});
instruction('bsr', '0F BD', ['Gv', 'Ev'], scanning, (b, [d, s]) => {
  const source = s.read();
  d.write(b.select(source, b.sub(b.const(31), b.clz(source)), d.read()));
  b.put('zr', source);
});
const counting: DeclarationOptions = { writes: 'zc', undefined: 'osap' };
// No feature: compilers write `rep bsf` for every processor, since the two agree on all but zero. BMI1's other
// instructions need VEX, so CPUID must not tell it.
instruction('tzcnt', 'F3 0F BC', ['Gv', 'Ev'], counting, (b, [d, s]) => {
  const source = s.read();
  const result = b.ctz(d.size === 16 ? b.or(source, b.const(0x10000)) : source);
  d.write(result);
  b.put('cf', b.eq(source, b.const(0)));
  b.put('zr', result);
});
instruction('lzcnt', 'F3 0F BD', ['Gv', 'Ev'], { ...counting, feature: 'lzcnt' }, (b, [d, s]) => {
  const source = s.read();
  const result = d.size === 16 ? b.sub(b.clz(source), b.const(16)) : b.clz(source);
  d.write(result);
  b.put('cf', b.eq(source, b.const(0)));
  b.put('zr', result);
});
instruction('popcnt', 'F3 0F B8', ['Gv', 'Ev'], { writes: 'oszapc', feature: 'popcnt' }, (b, [d, s]) => {
  const source = s.read();
  d.write(b.popcnt(source));
  const zero = b.const(0);
  b.put('cf', zero);
  b.put('of', zero);
  b.put('sr', zero);
  b.put('af', zero);
  b.put('pr', b.const(1));
  b.put('zr', source);
});

instruction('bswap', '0F C8+', ['Zv'], {}, (b, [d]) => {
  // With a 16-bit operand processors give zero (the manual: undefined).
  d.write(d.size === 32 ? b.bswap(d.read()) : b.const(0));
});
const swapBytes = (b: Builder, value: Value, size: number): Value =>
  size === 32 ? b.bswap(value) : b.shrU(b.bswap(value), b.const(16));
instruction('movbe', '0F 38 F0 m', ['Gv', 'Ev'], { feature: 'movbe' }, (b, [d, s]) =>
  d.write(swapBytes(b, s.read(), d.size)),
);
instruction('movbe', '0F 38 F1 m', ['Ev', 'Gv'], { feature: 'movbe' }, (b, [d, s]) =>
  d.write(swapBytes(b, s.read(), d.size)),
);
