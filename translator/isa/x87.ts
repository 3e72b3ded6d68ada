/**
 * The x87 instructions, opcodes D8-DF and 9B. Arithmetic and the register stack are the helpers of `runtime/helpers/x87`, called by name:
 * register operands are stack positions, memory operands are copied into the first scratch slots before and out of them after. All
 * memory faults come before the helper changes anything.
 */
import type { Builder, Condition } from '../ir/builder.js';
import { FLAG_VARIABLES, type Value } from '../ir/ir.js';
import { State, Trap } from '../state.js';
import { instruction, type DeclarationOptions, type InstructionContext } from './declare.js';
import type { Kind, MemoryOperand, StackOperand } from './kinds.js';

const waiting: DeclarationOptions = { feature: 'fpu', waits: true };
const control: DeclarationOptions = { feature: 'fpu' };
const alias: DeclarationOptions = { ...waiting, alias: true };
const moving: DeclarationOptions = { feature: 'cmov', waits: true };
const flagging: DeclarationOptions = { feature: 'cmov', waits: true, writes: 'oszapc' };

const hex = (n: number): string => n.toString(16).toUpperCase();
const slotOf = (b: Builder): Value => b.const(State.scratch);

/**
 * Records what fnstenv and fnsave tell of the last instruction that was not a control instruction: its address, its eleven opcode
 * bits, and its memory operand's address.
 */
function remember(b: Builder, context: InstructionContext, address?: Value): void {
  b.write(State.fpuIp, b.thisAddress());
  b.write(State.fpuOpcode, b.handler ? b.field('imm2') : b.const(context.immediate2));
  if (address) b.write(State.fpuDataPointer, address);
}

/** helper() */
function plain(mnemonic: string, encoding: string, helper = mnemonic, options = waiting): void {
  instruction(mnemonic, encoding, [], options, (b, _, context) => {
    b.call(helper, []);
    remember(b, context);
  });
}

/** A register form with ST(i) in the low bits of its second byte. */
function withRegister(
  mnemonic: string,
  encoding: string,
  options: DeclarationOptions,
  lift: (b: Builder, i: Value) => void,
): void {
  instruction(mnemonic, `${encoding}+`, ['STi'], options, (b, [i]: readonly [StackOperand], context) => {
    lift(b, i.index());
    remember(b, context);
  });
}

/** helper(slot) after `bytes` were copied in. */
function fromMemory(mnemonic: string, encoding: string, kind: MemoryKind, bytes: number, helper: string): void {
  instruction(mnemonic, encoding, [kind], waiting, (b, [m]: readonly [MemoryOperand], context) => {
    const address = m.address();
    b.copyIn(slotOf(b), address, bytes);
    b.call(helper, [slotOf(b)]);
    remember(b, context, address);
  });
}
type MemoryKind = Extract<Kind, 'm16int' | 'm32int' | 'm64int' | 'm32fp' | 'm64fp' | 'm80fp' | 'm80bcd'>;

/**
 * helper(slot), then `bytes` copied out. The bytes are copied in too: an unmasked exception leaves them as they are. The
 * probe comes first, since the helper pops.
 */
function toMemory(
  mnemonic: string,
  encoding: string,
  kind: MemoryKind,
  bytes: number,
  helper: string,
  options = waiting,
): void {
  instruction(mnemonic, encoding, [kind], options, (b, [m]: readonly [MemoryOperand], context) => {
    const address = m.address();
    b.probe(address, bytes);
    b.copyIn(slotOf(b), address, bytes);
    b.call(helper, [slotOf(b)]);
    b.copyOut(address, slotOf(b), bytes);
    remember(b, context, address);
  });
}

// D8, DA, DC, DE: arithmetic. The reg field tells the operation; DC and DE exchange the two subtractions and divisions.
['add', 'mul', 'com', 'comp', 'sub', 'subr', 'div', 'divr'].forEach((name, reg) => {
  fromMemory(`f${name}`, `D8 /${reg}`, 'm32fp', 4, `f${name}F32`);
  fromMemory(`f${name}`, `DC /${reg}`, 'm64fp', 8, `f${name}F64`);
  fromMemory(`fi${name}`, `DA /${reg}`, 'm32int', 4, `fi${name}I32`);
  fromMemory(`fi${name}`, `DE /${reg}`, 'm16int', 2, `fi${name}I16`);
  const low = hex(0xc0 + reg * 8);
  if (name === 'com' || name === 'comp') {
    withRegister(`f${name}`, `D8 ${low}`, waiting, (b, i) => b.call(`f${name}`, [i]));
    withRegister(`f${name}`, `DC ${low}`, alias, (b, i) => b.call(`f${name}`, [i]));
    return;
  }
  withRegister(`f${name}`, `D8 ${low}`, waiting, (b, i) => b.call(`f${name}`, [b.const(0), i]));
});
(
  [
    ['add', 'C0'],
    ['mul', 'C8'],
    ['subr', 'E0'],
    ['sub', 'E8'],
    ['divr', 'F0'],
    ['div', 'F8'],
  ] as const
).forEach(([name, low]) => {
  withRegister(`f${name}`, `DC ${low}`, waiting, (b, i) => b.call(`f${name}`, [i, b.const(0)]));
  withRegister(`f${name}p`, `DE ${low}`, waiting, (b, i) => b.call(`f${name}p`, [i, b.const(0)]));
});
withRegister('fcomp', 'DE D0', alias, (b, i) => b.call('fcomp', [i]));
plain('fcompp', 'DE D9');
plain('fucompp', 'DA E9');
withRegister('fucom', 'DD E0', waiting, (b, i) => b.call('fucom', [i]));
withRegister('fucomp', 'DD E8', waiting, (b, i) => b.call('fucomp', [i]));
for (const [name, encoding] of [
  ['fcomi', 'DB F0'],
  ['fcomip', 'DF F0'],
  ['fucomi', 'DB E8'],
  ['fucomip', 'DF E8'],
] as const) {
  withRegister(name, encoding, flagging, (b, i) => b.call(name, [i], { writes: FLAG_VARIABLES }));
}

// Loads, stores, moves.
fromMemory('fld', 'D9 /0', 'm32fp', 4, 'fldF32');
fromMemory('fld', 'DD /0', 'm64fp', 8, 'fldF64');
fromMemory('fld', 'DB /5', 'm80fp', 10, 'fldF80');
fromMemory('fild', 'DF /0', 'm16int', 2, 'fildI16');
fromMemory('fild', 'DB /0', 'm32int', 4, 'fildI32');
fromMemory('fild', 'DF /5', 'm64int', 8, 'fildI64');
fromMemory('fbld', 'DF /4', 'm80bcd', 10, 'fbld');
toMemory('fst', 'D9 /2', 'm32fp', 4, 'fstF32');
toMemory('fstp', 'D9 /3', 'm32fp', 4, 'fstpF32');
toMemory('fst', 'DD /2', 'm64fp', 8, 'fstF64');
toMemory('fstp', 'DD /3', 'm64fp', 8, 'fstpF64');
toMemory('fstp', 'DB /7', 'm80fp', 10, 'fstpF80');
toMemory('fist', 'DF /2', 'm16int', 2, 'fistI16');
toMemory('fistp', 'DF /3', 'm16int', 2, 'fistpI16');
toMemory('fist', 'DB /2', 'm32int', 4, 'fistI32');
toMemory('fistp', 'DB /3', 'm32int', 4, 'fistpI32');
toMemory('fistp', 'DF /7', 'm64int', 8, 'fistpI64');
toMemory('fbstp', 'DF /6', 'm80bcd', 10, 'fbstp');
const sse3: DeclarationOptions = { feature: 'sse3', waits: true };
toMemory('fisttp', 'DF /1', 'm16int', 2, 'fisttpI16', sse3);
toMemory('fisttp', 'DB /1', 'm32int', 4, 'fisttpI32', sse3);
toMemory('fisttp', 'DD /1', 'm64int', 8, 'fisttpI64', sse3);

withRegister('fld', 'D9 C0', waiting, (b, i) => b.call('fld', [i]));
withRegister('fst', 'DD D0', waiting, (b, i) => b.call('fst', [i]));
withRegister('fstp', 'DD D8', waiting, (b, i) => b.call('fstp', [i]));
withRegister('fstpnce', 'D9 D8', alias, (b, i) => b.call('fstpnce', [i]));
withRegister('fstp', 'DF D0', alias, (b, i) => b.call('fstp', [i]));
withRegister('fstp', 'DF D8', alias, (b, i) => b.call('fstp', [i]));
withRegister('fxch', 'D9 C8', waiting, (b, i) => b.call('fxch', [i]));
withRegister('fxch', 'DD C8', alias, (b, i) => b.call('fxch', [i]));
withRegister('fxch', 'DF C8', alias, (b, i) => b.call('fxch', [i]));
withRegister('ffree', 'DD C0', waiting, (b, i) => b.call('ffree', [i]));
withRegister('ffreep', 'DF C0', alias, (b, i) => b.call('ffreep', [i]));

const MOVES: readonly (readonly [string, string, Condition, string])[] = [
  ['fcmovb', 'DA C0', 'b', 'c'],
  ['fcmove', 'DA C8', 'e', 'z'],
  ['fcmovbe', 'DA D0', 'be', 'cz'],
  ['fcmovu', 'DA D8', 'p', 'p'],
  ['fcmovnb', 'DB C0', 'ae', 'c'],
  ['fcmovne', 'DB C8', 'ne', 'z'],
  ['fcmovnbe', 'DB D0', 'a', 'cz'],
  ['fcmovnu', 'DB D8', 'np', 'p'],
];
for (const [name, encoding, condition, reads] of MOVES) {
  withRegister(name, encoding, { ...moving, reads }, (b, i) => b.call('fcmov', [i, b.condition(condition)]));
}

// Constants, and what works on the top of the stack.
const D9: readonly (readonly [string, string])[] = [
  ['fnop', 'D0'],
  ['fchs', 'E0'],
  ['fabs', 'E1'],
  ['ftst', 'E4'],
  ['fxam', 'E5'],
  ['fld1', 'E8'],
  ['fldl2t', 'E9'],
  ['fldl2e', 'EA'],
  ['fldpi', 'EB'],
  ['fldlg2', 'EC'],
  ['fldln2', 'ED'],
  ['fldz', 'EE'],
  ['f2xm1', 'F0'],
  ['fyl2x', 'F1'],
  ['fptan', 'F2'],
  ['fpatan', 'F3'],
  ['fxtract', 'F4'],
  ['fprem1', 'F5'],
  ['fdecstp', 'F6'],
  ['fincstp', 'F7'],
  ['fprem', 'F8'],
  ['fyl2xp1', 'F9'],
  ['fsqrt', 'FA'],
  ['fsincos', 'FB'],
  ['frndint', 'FC'],
  ['fscale', 'FD'],
  ['fsin', 'FE'],
  ['fcos', 'FF'],
];
for (const [name, low] of D9) plain(name, `D9 ${low}`);

// Control.
instruction('fwait', '9B', [], waiting, () => {});
instruction('fnclex', 'DB E2', [], control, (b) => b.call('fnclex', []));
instruction('fninit', 'DB E3', [], control, (b) => b.call('fninit', []));
// What the 8087 and 80287 had; no operation since.
for (const [name, low] of [
  ['fneni', 'E0'],
  ['fndisi', 'E1'],
  ['fnsetpm', 'E4'],
] as const) {
  instruction(name, `DB ${low}`, [], { ...control, alias: true }, () => {});
}
instruction('fldcw', 'D9 /5', ['m2byte'], waiting, (b, [m]) => b.call('fldcw', [b.load(m.address(), 16)]));
instruction('fnstcw', 'D9 /7', ['m2byte'], control, (b, [m]) => b.store(m.address(), 16, b.read(State.fpuControl)));
const statusWord = (b: Builder): Value => b.or(b.read(State.fpuStatus), b.shl(b.read(State.fpuTop), b.const(11)));
instruction('fnstsw', 'DD /7', ['m2byte'], control, (b, [m]) => b.store(m.address(), 16, statusWord(b)));
instruction('fnstsw', 'DF E0', ['AX'], control, (b, [ax]) => ax.write(statusWord(b)));

/** A whole image by way of `State.image`; the 16-bit forms are shorter. */
function loadImage(
  mnemonic: string,
  encoding: string,
  kind: 'm28byte' | 'm108byte',
  short: number,
  long: number,
): void {
  instruction(mnemonic, encoding, [kind], waiting, (b, [m]: readonly [MemoryOperand], { operandSize }) => {
    const bytes = operandSize === 16 ? short : long;
    b.copyIn(b.const(State.image), m.address(), bytes);
    b.call(`${mnemonic}${bytes}`, [b.const(State.image)]);
  });
}
function storeImage(
  mnemonic: string,
  encoding: string,
  kind: 'm28byte' | 'm108byte',
  short: number,
  long: number,
): void {
  instruction(mnemonic, encoding, [kind], control, (b, [m]: readonly [MemoryOperand], { operandSize }) => {
    const bytes = operandSize === 16 ? short : long;
    b.probe(m.address(), bytes);
    b.call(`${mnemonic}${bytes}`, [b.const(State.image)]);
    b.copyOut(m.address(), b.const(State.image), bytes);
  });
}
loadImage('fldenv', 'D9 /4', 'm28byte', 14, 28);
storeImage('fnstenv', 'D9 /6', 'm28byte', 14, 28);
loadImage('frstor', 'DD /4', 'm108byte', 94, 108);
storeImage('fnsave', 'DD /6', 'm108byte', 94, 108);

const extended: DeclarationOptions = { feature: 'fxsr' };
/** What fxsave writes of its 512 bytes; the rest stays as it is. */
const FXSAVE_BYTES = 288;
instruction('fxsave', 'NP 0F AE /0', ['m512byte'], extended, (b, [m]) => {
  b.guard(b.and(m.address(), b.const(15)), Trap.generalProtection);
  b.probe(m.address(), 512);
  b.call('fxsave', [b.const(State.image)]);
  b.copyOut(m.address(), b.const(State.image), FXSAVE_BYTES);
});
instruction('fxrstor', 'NP 0F AE /1', ['m512byte'], extended, (b, [m]) => {
  b.guard(b.and(m.address(), b.const(15)), Trap.generalProtection);
  b.copyIn(b.const(State.image), m.address(), 512);
  b.call('fxrstor', [b.const(State.image)], { trap: Trap.generalProtection });
});
