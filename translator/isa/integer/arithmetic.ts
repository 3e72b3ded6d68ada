/** Integer arithmetic and logic: add ... cmp, inc/dec, neg/not, mul/div, BCD, and the exchanges that compute. */
import { Trap } from '../../state.js';
import type { Builder } from '../../ir/builder.js';
import type { Value } from '../../ir/ir.js';
import { instruction, type DeclarationOptions } from '../declare.js';
import type { IntegerOperand } from '../kinds.js';

type Readable = { read(): Value };

/** The eight operations of opcodes 00-3F, by their number in bits 3-5 of the opcode. */
const add = (b: Builder, d: IntegerOperand, s: Readable): void => {
  const left = d.read();
  d.write(b.addFlags(d.size, left, s.read()));
};
const or = (b: Builder, d: IntegerOperand, s: Readable): void => logic(b, d, b.or(d.read(), s.read()));
const adc = (b: Builder, d: IntegerOperand, s: Readable): void => {
  const left = d.read();
  d.write(b.addFlags(d.size, left, s.read(), b.carry()));
};
const sbb = (b: Builder, d: IntegerOperand, s: Readable): void => {
  const left = d.read();
  d.write(b.subFlags(d.size, left, s.read(), b.carry()));
};
const and = (b: Builder, d: IntegerOperand, s: Readable): void => logic(b, d, b.and(d.read(), s.read()));
const sub = (b: Builder, d: IntegerOperand, s: Readable): void => {
  const left = d.read();
  d.write(b.subFlags(d.size, left, s.read()));
};
const xor = (b: Builder, d: IntegerOperand & Readable, s: Readable): void => {
  logic(b, d, b.xor(d.read(), s.read()));
};
const cmp = (b: Builder, d: IntegerOperand, s: Readable): void => {
  const left = d.read();
  b.subFlags(d.size, left, s.read());
};
function logic(b: Builder, d: IntegerOperand, result: Value): void {
  d.write(result);
  b.logicFlags(d.size, result);
}

const arithmetic: DeclarationOptions = { writes: 'oszapc' };
const logical: DeclarationOptions = { writes: 'oszapc', undefined: 'a' };
const carrying: DeclarationOptions = { writes: 'oszapc', reads: 'c' };
const group = [
  { name: 'add', run: add, options: arithmetic },
  { name: 'or', run: or, options: logical },
  { name: 'adc', run: adc, options: carrying },
  { name: 'sbb', run: sbb, options: carrying },
  { name: 'and', run: and, options: logical },
  { name: 'sub', run: sub, options: arithmetic },
  { name: 'xor', run: xor, options: logical },
  { name: 'cmp', run: cmp, options: arithmetic },
];
const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0');

group.forEach(({ name, run, options }, index) => {
  const locked: DeclarationOptions = name === 'cmp' ? options : { ...options, lock: true };
  const opcode = index << 3;
  instruction(name, hex(opcode), ['Eb', 'Gb'], locked, (b, [d, s]) => run(b, d, s));
  instruction(name, hex(opcode + 1), ['Ev', 'Gv'], locked, (b, [d, s]) => run(b, d, s));
  instruction(name, hex(opcode + 2), ['Gb', 'Eb'], options, (b, [d, s]) => run(b, d, s));
  instruction(name, hex(opcode + 3), ['Gv', 'Ev'], options, (b, [d, s]) => run(b, d, s));
  instruction(name, hex(opcode + 4), ['AL', 'Ib'], options, (b, [d, s]) => run(b, d, s));
  instruction(name, hex(opcode + 5), ['rAX', 'Iz'], options, (b, [d, s]) => run(b, d, s));
  instruction(name, `80 /${index}`, ['Eb', 'Ib'], locked, (b, [d, s]) => run(b, d, s));
  instruction(name, `81 /${index}`, ['Ev', 'Iz'], locked, (b, [d, s]) => run(b, d, s));
  instruction(name, `82 /${index}`, ['Eb', 'Ib'], { ...locked, alias: true }, (b, [d, s]) => run(b, d, s));
  instruction(name, `83 /${index}`, ['Ev', 'Ibs'], locked, (b, [d, s]) => run(b, d, s));
});

const test = (b: Builder, d: IntegerOperand, s: Readable): void => b.logicFlags(d.size, b.and(d.read(), s.read()));
instruction('test', '84', ['Eb', 'Gb'], logical, (b, [d, s]) => test(b, d, s));
instruction('test', '85', ['Ev', 'Gv'], logical, (b, [d, s]) => test(b, d, s));
instruction('test', 'A8', ['AL', 'Ib'], logical, (b, [d, s]) => test(b, d, s));
instruction('test', 'A9', ['rAX', 'Iz'], logical, (b, [d, s]) => test(b, d, s));
instruction('test', 'F6 /0', ['Eb', 'Ib'], logical, (b, [d, s]) => test(b, d, s));
instruction('test', 'F7 /0', ['Ev', 'Iz'], logical, (b, [d, s]) => test(b, d, s));
instruction('test', 'F6 /1', ['Eb', 'Ib'], { ...logical, alias: true }, (b, [d, s]) => test(b, d, s));
instruction('test', 'F7 /1', ['Ev', 'Iz'], { ...logical, alias: true }, (b, [d, s]) => test(b, d, s));

const stepping: DeclarationOptions = { writes: 'oszap' };
const step = (b: Builder, d: IntegerOperand, by: 1 | -1): void => d.write(b.stepFlags(d.size, d.read(), by));
instruction('inc', '40+', ['Zv'], stepping, (b, [d]) => step(b, d, 1));
instruction('dec', '48+', ['Zv'], stepping, (b, [d]) => step(b, d, -1));
instruction('inc', 'FE /0', ['Eb'], { ...stepping, lock: true }, (b, [d]) => step(b, d, 1));
instruction('dec', 'FE /1', ['Eb'], { ...stepping, lock: true }, (b, [d]) => step(b, d, -1));
instruction('inc', 'FF /0', ['Ev'], { ...stepping, lock: true }, (b, [d]) => step(b, d, 1));
instruction('dec', 'FF /1', ['Ev'], { ...stepping, lock: true }, (b, [d]) => step(b, d, -1));

const neg = (b: Builder, d: IntegerOperand): void => d.write(b.subFlags(d.size, b.const(0), d.read()));
const not = (b: Builder, d: IntegerOperand): void => d.write(b.not(d.read()));
instruction('not', 'F6 /2', ['Eb'], { lock: true }, (b, [d]) => not(b, d));
instruction('not', 'F7 /2', ['Ev'], { lock: true }, (b, [d]) => not(b, d));
instruction('neg', 'F6 /3', ['Eb'], { ...arithmetic, lock: true }, (b, [d]) => neg(b, d));
instruction('neg', 'F7 /3', ['Ev'], { ...arithmetic, lock: true }, (b, [d]) => neg(b, d));

// Multiplication: CF = OF = the high half matters. SF, ZF, AF, PF are undefined and left as they were.
const multiplying: DeclarationOptions = { writes: 'oc', undefined: 'szap' };
function overflowFlags(b: Builder, overflow: Value): void {
  b.put('cf', overflow);
  b.put('of', b.neg(overflow));
}
/** mul and imul of the accumulator by an operand. */
function multiply(b: Builder, s: IntegerOperand, signed: boolean): void {
  const source = s.read();
  if (s.size === 8) {
    const al = b.zeroExtend(b.get('eax'), 8);
    const product = signed ? b.mul(b.signExtend(al, 8), b.signExtend(source, 8)) : b.mul(al, source);
    b.put('eax', b.or(b.and(b.get('eax'), b.const(~0xffff)), b.zeroExtend(product, 16)));
    overflowFlags(b, signed ? b.ne(b.signExtend(product, 8), product) : b.ne(b.shrU(product, b.const(8)), b.const(0)));
  } else if (s.size === 16) {
    const ax = b.zeroExtend(b.get('eax'), 16);
    const product = signed ? b.mul(b.signExtend(ax, 16), b.signExtend(source, 16)) : b.mul(ax, source);
    const high = b.shrU(product, b.const(16));
    b.put('eax', b.or(b.and(b.get('eax'), b.const(~0xffff)), b.zeroExtend(product, 16)));
    b.put('edx', b.or(b.and(b.get('edx'), b.const(~0xffff)), high));
    overflowFlags(b, signed ? b.ne(b.signExtend(product, 16), product) : b.ne(high, b.const(0)));
  } else {
    const eax = b.get('eax');
    const low = b.mul(eax, source);
    const high = signed ? b.mulhS(eax, source) : b.mulhU(eax, source);
    b.put('eax', low);
    b.put('edx', high);
    overflowFlags(b, signed ? b.ne(high, b.shrS(low, b.const(31))) : b.ne(high, b.const(0)));
  }
}
instruction('mul', 'F6 /4', ['Eb'], multiplying, (b, [s]) => multiply(b, s, false));
instruction('mul', 'F7 /4', ['Ev'], multiplying, (b, [s]) => multiply(b, s, false));
instruction('imul', 'F6 /5', ['Eb'], multiplying, (b, [s]) => multiply(b, s, true));
instruction('imul', 'F7 /5', ['Ev'], multiplying, (b, [s]) => multiply(b, s, true));

function multiplyTo(b: Builder, d: IntegerOperand, left: Value, right: Value): void {
  const a = b.signExtend(left, d.size);
  const c = b.signExtend(right, d.size);
  const low = b.mul(a, c);
  d.write(low);
  overflowFlags(b, d.size === 16 ? b.ne(b.signExtend(low, 16), low) : b.ne(b.mulhS(a, c), b.shrS(low, b.const(31))));
}
instruction('imul', '0F AF', ['Gv', 'Ev'], multiplying, (b, [d, s]) => multiplyTo(b, d, d.read(), s.read()));
instruction('imul', '69', ['Gv', 'Ev', 'Iz'], multiplying, (b, [d, s, i]) => multiplyTo(b, d, s.read(), i.read()));
instruction('imul', '6B', ['Gv', 'Ev', 'Ibs'], multiplying, (b, [d, s, i]) => multiplyTo(b, d, s.read(), i.read()));

// Division: all flags undefined and left alone; #DE where the quotient does not fit.
const dividing: DeclarationOptions = { undefined: 'oszapc' };
function divide(b: Builder, s: IntegerOperand, signed: boolean): void {
  const divisor = signed ? b.signExtend(s.read(), s.size) : s.read();
  const zero = b.const(0);
  b.guard(b.eq(divisor, zero), Trap.divideError);
  if (s.size === 32) {
    const low = b.get('eax');
    const high = b.get('edx');
    b.guard(signed ? b.divide64('divOverflowS64', high, low, divisor) : b.leU(divisor, high), Trap.divideError);
    const quotient = b.divide64(signed ? 'divS64' : 'divU64', high, low, divisor);
    const remainder = b.divide64(signed ? 'remS64' : 'remU64', high, low, divisor);
    b.put('eax', quotient);
    b.put('edx', remainder);
    return;
  }
  const byte = s.size === 8;
  const low16 = b.zeroExtend(b.get('eax'), 16);
  const dividend = byte ? (signed ? b.signExtend(low16, 16) : low16) : b.or(b.shl(b.get('edx'), b.const(16)), low16);
  const quotient = signed ? b.divS(dividend, divisor) : b.divU(dividend, divisor);
  const remainder = signed ? b.remS(dividend, divisor) : b.remU(dividend, divisor);
  const overflow = signed
    ? b.ne(b.signExtend(quotient, s.size), quotient)
    : b.ne(b.zeroExtend(quotient, s.size), quotient);
  // -2^31 / -1 is 2^31, which wraps to a negative number that could look right: it never fits 16 bits, so no case of it.
  b.guard(overflow, Trap.divideError);
  const eaxHigh = b.and(b.get('eax'), b.const(~0xffff));
  if (byte) {
    const ah = b.shl(b.zeroExtend(remainder, 8), b.const(8));
    b.put('eax', b.or(eaxHigh, b.or(b.zeroExtend(quotient, 8), ah)));
  } else {
    b.put('eax', b.or(eaxHigh, b.zeroExtend(quotient, 16)));
    b.put('edx', b.or(b.and(b.get('edx'), b.const(~0xffff)), b.zeroExtend(remainder, 16)));
  }
}
instruction('div', 'F6 /6', ['Eb'], dividing, (b, [s]) => divide(b, s, false));
instruction('div', 'F7 /6', ['Ev'], dividing, (b, [s]) => divide(b, s, false));
instruction('idiv', 'F6 /7', ['Eb'], dividing, (b, [s]) => divide(b, s, true));
instruction('idiv', 'F7 /7', ['Ev'], dividing, (b, [s]) => divide(b, s, true));

// Exchange and add, compare and exchange.
const xadd = (b: Builder, d: IntegerOperand, s: IntegerOperand): void => {
  const left = d.read();
  const sum = b.addFlags(d.size, left, s.read());
  s.write(left);
  d.write(sum);
};
instruction('xadd', '0F C0', ['Eb', 'Gb'], { ...arithmetic, lock: true }, (b, [d, s]) => xadd(b, d, s));
instruction('xadd', '0F C1', ['Ev', 'Gv'], { ...arithmetic, lock: true }, (b, [d, s]) => xadd(b, d, s));

const cmpxchg = (b: Builder, d: IntegerOperand, s: IntegerOperand): void => {
  const eax = b.get('eax');
  const accumulator = b.zeroExtend(eax, d.size);
  const destination = d.read();
  const source = s.read();
  const equal = b.eq(accumulator, destination);
  b.subFlags(d.size, accumulator, destination);
  const keep = d.size === 32 ? b.const(0) : b.and(eax, b.const(d.size === 8 ? ~0xff : ~0xffff));
  b.put('eax', b.select(equal, eax, b.or(keep, destination)));
  d.write(b.select(equal, source, destination));
};
instruction('cmpxchg', '0F B0', ['Eb', 'Gb'], { ...arithmetic, lock: true }, (b, [d, s]) => cmpxchg(b, d, s));
instruction('cmpxchg', '0F B1', ['Ev', 'Gv'], { ...arithmetic, lock: true }, (b, [d, s]) => cmpxchg(b, d, s));

instruction(
  'cmpxchg8b',
  '0F C7 /1 m',
  ['Mq'],
  { writes: 'z', lock: true, feature: 'cx8', fixedSize: true },
  (b, [m]) => {
    const address = m.address();
    b.probe(address, 8);
    b.callState('compareExchange8b', [address]);
  },
);

// BCD. Undefined flags follow what processors do (Intel SDM 2, AAA ... DAS).
function setAx(b: Builder, ax: Value): void {
  b.put('eax', b.or(b.and(b.get('eax'), b.const(~0xffff)), b.zeroExtend(ax, 16)));
}
function adjustAscii(b: Builder, direction: 1 | -1): void {
  const eax = b.get('eax');
  const al = b.zeroExtend(eax, 8);
  const af = b.and(b.shrU(b.get('af'), b.const(4)), b.const(1));
  const adjust = b.or(b.ltU(b.const(9), b.and(al, b.const(15))), af);
  const ax = b.zeroExtend(eax, 16);
  const adjusted = b.select(adjust, b.add(ax, b.const(direction * 0x106)), ax);
  setAx(b, b.and(adjusted, b.const(0xff0f)));
  b.put('cf', adjust);
  b.put('af', b.shl(adjust, b.const(4)));
}
instruction('aaa', '37', [], { writes: 'ac', reads: 'a', undefined: 'oszp' }, (b) => adjustAscii(b, 1));
instruction('aas', '3F', [], { writes: 'ac', reads: 'a', undefined: 'oszp' }, (b) => adjustAscii(b, -1));

function adjustDecimal(b: Builder, subtract: boolean): void {
  const eax = b.get('eax');
  const al = b.zeroExtend(eax, 8);
  const cf = b.get('cf');
  const af = b.and(b.shrU(b.get('af'), b.const(4)), b.const(1));
  const low = b.or(b.ltU(b.const(9), b.and(al, b.const(15))), af);
  const high = b.or(b.ltU(b.const(0x99), al), cf);
  const sign = subtract ? -1 : 1;
  const first = b.add(al, b.select(low, b.const(6 * sign), b.const(0)));
  const second = b.add(first, b.select(high, b.const(0x60 * sign), b.const(0)));
  // das: a borrow out of the first subtraction also sets CF.
  const carry = subtract ? b.or(high, b.and(low, b.ltU(al, b.const(6)))) : high;
  b.put('eax', b.or(b.and(eax, b.const(~0xff)), b.zeroExtend(second, 8)));
  b.resultFlags(8, second);
  b.put('cf', carry);
  b.put('af', b.shl(low, b.const(4)));
}
instruction('daa', '27', [], { writes: 'szapc', reads: 'ac', undefined: 'o' }, (b) => adjustDecimal(b, false));
instruction('das', '2F', [], { writes: 'szapc', reads: 'ac', undefined: 'o' }, (b) => adjustDecimal(b, true));

instruction('aam', 'D4', ['Ib'], { writes: 'szp', undefined: 'oac' }, (b, [base]) => {
  const divisor = b.zeroExtend(base.read(), 8);
  b.guard(b.eq(divisor, b.const(0)), Trap.divideError);
  const al = b.zeroExtend(b.get('eax'), 8);
  const remainder = b.remU(al, divisor);
  setAx(b, b.or(b.shl(b.divU(al, divisor), b.const(8)), remainder));
  b.resultFlags(8, remainder);
});
instruction('aad', 'D5', ['Ib'], { writes: 'szp', undefined: 'oac' }, (b, [base]) => {
  const eax = b.get('eax');
  const ah = b.and(b.shrU(eax, b.const(8)), b.const(0xff));
  const result = b.zeroExtend(b.add(b.zeroExtend(eax, 8), b.mul(ah, b.zeroExtend(base.read(), 8))), 8);
  setAx(b, result);
  b.resultFlags(8, result);
});

// Sign extension of the accumulator.
instruction('cbw', '98', [], {}, (b, _, context) => {
  const eax = b.get('eax');
  if (context.operandSize === 32) b.put('eax', b.signExtend(eax, 16));
  else setAx(b, b.signExtend(eax, 8));
});
instruction('cwd', '99', [], {}, (b, _, context) => {
  const eax = b.get('eax');
  if (context.operandSize === 32) b.put('edx', b.shrS(eax, b.const(31)));
  else {
    const sign = b.zeroExtend(b.shrS(b.signExtend(eax, 16), b.const(15)), 16);
    b.put('edx', b.or(b.and(b.get('edx'), b.const(~0xffff)), sign));
  }
});
