/** Control transfer: jumps, calls, returns, loops, interrupts, and what only the kernel may execute. */
import { Exit, State, Trap } from '../../state.js';
import { CONDITIONS, type Builder } from '../../ir/builder.js';
import type { Value } from '../../ir/ir.js';
import { instruction, type DeclarationOptions, type InstructionContext } from '../declare.js';
import { pop, push } from './moves.js';

const ends: DeclarationOptions = { ends: true };
const SYSTEM_CALL_VECTOR = 0x80;

/** A 16-bit operand size cuts the target to 16 bits. */
const narrow = (b: Builder, target: Value, context: InstructionContext): Value =>
  context.operandSize === 16 ? b.zeroExtend(target, 16) : target;

CONDITIONS.forEach((condition, index) => {
  const digit = index.toString(16).toUpperCase();
  const reads = ['o', 'o', 'c', 'c', 'z', 'z', 'cz', 'cz', 's', 's', 'p', 'p', 'so', 'so', 'zso', 'zso'][index]!;
  const options: DeclarationOptions = { reads, ends: true };
  instruction(`j${condition}`, `7${digit}`, ['Jb'], options, (b, [t]) =>
    b.branch(b.condition(condition), t.target(), b.nextAddress()),
  );
  instruction(`j${condition}`, `0F 8${digit}`, ['Jz'], options, (b, [t]) =>
    b.branch(b.condition(condition), t.target(), b.nextAddress()),
  );
});
instruction('jmp', 'EB', ['Jb'], ends, (b, [t]) => b.jump(t.target()));
instruction('jmp', 'E9', ['Jz'], ends, (b, [t]) => b.jump(t.target()));
instruction('jmp', 'FF /4', ['Ev'], ends, (b, [s], context) => b.jump(narrow(b, s.read(), context), 'indirect'));
instruction('call', 'E8', ['Jz'], ends, (b, [t], context) => {
  push(b, b.nextAddress(), context.operandSize);
  b.jump(t.target(), 'call');
});
instruction('call', 'FF /2', ['Ev'], ends, (b, [s], context) => {
  const target = narrow(b, s.read(), context);
  push(b, b.nextAddress(), context.operandSize);
  b.jump(target, 'call');
});
instruction('ret', 'C3', [], ends, (b, _, context) => b.jump(pop(b, context.operandSize), 'return'));
instruction('ret', 'C2', ['Iw'], ends, (b, [i], context) => {
  const target = pop(b, context.operandSize);
  b.put('esp', b.add(b.get('esp'), i.read()));
  b.jump(target, 'return');
});

// loop and jcxz count in cx or ecx by address size.
function count(b: Builder, context: InstructionContext, by: number): Value {
  const ecx = b.add(b.get('ecx'), b.const(by));
  if (context.addressSize === 32) {
    if (by !== 0) b.put('ecx', ecx);
    return ecx;
  }
  const cx = b.zeroExtend(ecx, 16);
  if (by !== 0) b.put('ecx', b.or(b.and(b.get('ecx'), b.const(~0xffff)), cx));
  return cx;
}
instruction('loopne', 'E0', ['Jb'], { reads: 'z', ends: true }, (b, [t], context) => {
  const condition = b.condition('ne');
  const left = b.ne(count(b, context, -1), b.const(0));
  b.branch(b.and(left, condition), t.target(), b.nextAddress());
});
instruction('loope', 'E1', ['Jb'], { reads: 'z', ends: true }, (b, [t], context) => {
  const condition = b.condition('e');
  const left = b.ne(count(b, context, -1), b.const(0));
  b.branch(b.and(left, condition), t.target(), b.nextAddress());
});
instruction('loop', 'E2', ['Jb'], ends, (b, [t], context) => {
  b.branch(b.ne(count(b, context, -1), b.const(0)), t.target(), b.nextAddress());
});
instruction('jcxz', 'E3', ['Jb'], ends, (b, [t], context) => {
  b.branch(b.eq(count(b, context, 0), b.const(0)), t.target(), b.nextAddress());
});

// Interrupts and system calls ----------------------------------------------------------------------------------------------

instruction('int3', 'CC', [], ends, (b) => b.stop(Exit.interrupt, b.nextAddress(), b.const(Trap.breakpoint)));
// Programs may call the gates of #BP, #OF and system calls; any other vector is a fault at the instruction.
instruction('int', 'CD', ['Ib'], ends, (b, [i]) => {
  const vector = b.zeroExtend(i.read(), 8);
  const is = (gate: number): Value => b.eq(vector, b.const(gate));
  const open = b.or(b.or(is(Trap.breakpoint), is(Trap.overflow)), is(SYSTEM_CALL_VECTOR));
  b.stop(Exit.interrupt, b.select(open, b.nextAddress(), b.thisAddress()), vector);
});
instruction('into', 'CE', [], { reads: 'o', ends: true }, (b) => {
  // #OF is a trap: the process sees the address after the instruction; `GuestTrap` of this vector is adjusted there.
  b.guard(b.condition('o'), Trap.overflow);
  b.jump(b.nextAddress());
});
// #DB by int1 is a trap: the process sees the address after it.
instruction('int1', 'F1', [], ends, (b) => {
  b.guard(b.const(1), Trap.debug);
  b.jump(b.nextAddress());
});
instruction('sysenter', '0F 34', [], { feature: 'sep', ends: true }, (b) => b.stop(Exit.sysenter, b.nextAddress()));
instruction('bound', '62 m', ['Gv', 'Ma'], {}, (b, [index, m]) => {
  const address = m.address();
  const bits = index.size;
  const value = b.signExtend(index.read(), bits);
  const low = b.signExtend(b.load(address, bits), bits);
  const high = b.signExtend(b.load(b.add(address, b.const(bits >> 3)), bits), bits);
  b.guard(b.or(b.ltS(value, low), b.ltS(high, value)), Trap.boundRange);
});
for (const encoding of ['0F 0B', '0F B9', '0F FF']) {
  const operands = encoding === '0F 0B' ? ([] as const) : (['Gd', 'M'] as const);
  instruction('ud', encoding, operands, { ends: true, ...(operands.length ? { alias: true } : {}) }, (b) => {
    b.guard(b.const(1), Trap.invalidOpcode);
    b.jump(b.nextAddress());
  });
}

// Far transfers: only the flat user code segment can be a target in a 32-bit process.
instruction('call far', '9A', ['Ap'], ends, (b, [p], context) => {
  b.callState('farTransfer', [p.selector(), p.offset(), b.const(context.operandSize), b.nextAddress()]);
  b.jump(b.read(State.eip), 'indirect');
});
instruction('jmp far', 'EA', ['Ap'], ends, (b, [p]) => {
  b.callState('farTransfer', [p.selector(), p.offset(), b.const(0), b.nextAddress()]);
  b.jump(b.read(State.eip), 'indirect');
});
instruction('call far', 'FF /3 m', ['Mp'], ends, (b, [m], context) => {
  const offset = b.load(m.address(), context.operandSize);
  const selector = b.load(b.add(m.address(), b.const(context.operandSize >> 3)), 16);
  b.callState('farTransfer', [selector, offset, b.const(context.operandSize), b.nextAddress()]);
  b.jump(b.read(State.eip), 'indirect');
});
instruction('jmp far', 'FF /5 m', ['Mp'], ends, (b, [m], context) => {
  const offset = b.load(m.address(), context.operandSize);
  const selector = b.load(b.add(m.address(), b.const(context.operandSize >> 3)), 16);
  b.callState('farTransfer', [selector, offset, b.const(0), b.nextAddress()]);
  b.jump(b.read(State.eip), 'indirect');
});
instruction('ret far', 'CB', [], ends, (b, _, context) => {
  b.callState('farReturn', [b.const(context.operandSize), b.const(0)]);
  b.jump(b.read(State.eip), 'indirect');
});
instruction('ret far', 'CA', ['Iw'], ends, (b, [i], context) => {
  b.callState('farReturn', [b.const(context.operandSize), i.read()]);
  b.jump(b.read(State.eip), 'indirect');
});
instruction('iret', 'CF', [], { writes: 'oszapcd', ends: true }, (b, _, context) => {
  // What the flags may ask for begins outside of generated code.
  if (!b.handler) b.guard(b.const(1), Trap.debug);
  b.callState('interruptReturn', [b.const(context.operandSize)]);
  b.jump(b.read(State.eip), 'indirect');
});

// Privileged in a process: #GP.
const privileged: DeclarationOptions = { privileged: true, ends: true };
function refuse(b: Builder): void {
  b.guard(b.const(1), Trap.generalProtection);
  b.jump(b.nextAddress());
}
for (const [name, encoding] of [
  ['hlt', 'F4'],
  ['cli', 'FA'],
  ['sti', 'FB'],
  ['insb', '6C'],
  ['ins', '6D'],
  ['outsb', '6E'],
  ['outs', '6F'],
  ['in', 'EC'],
  ['in', 'ED'],
  ['out', 'EE'],
  ['out', 'EF'],
  ['clts', '0F 06'],
  ['invd', '0F 08'],
  ['wbinvd', '0F 09'],
  ['wrmsr', '0F 30'],
  ['rdmsr', '0F 32'],
  ['rdpmc', '0F 33'],
  ['sysexit', '0F 35'],
  ['rsm', '0F AA'],
] as const) {
  if (name === 'rsm') continue; // #UD outside system management mode: not declared
  instruction(name, encoding, [], privileged, refuse);
}
for (const [name, encoding] of [
  ['in', 'E4'],
  ['in', 'E5'],
  ['out', 'E6'],
  ['out', 'E7'],
] as const) {
  instruction(name, encoding, ['Ib'], privileged, refuse);
}
// Control registers other than these do not exist: #UD.
for (const number of [0, 2, 3, 4]) {
  instruction('mov cr', `0F 20 /${number}`, ['Ed'], { ...privileged, fixedSize: true, anyMod: true }, refuse);
  instruction('mov cr', `0F 22 /${number}`, ['Ed'], { ...privileged, fixedSize: true, anyMod: true }, refuse);
}
for (const encoding of ['0F 21', '0F 23']) {
  instruction('mov dr', encoding, ['Ed'], { ...privileged, fixedSize: true, anyMod: true }, refuse);
}
for (const [name, encoding] of [
  ['lldt', '0F 00 /2'],
  ['ltr', '0F 00 /3'],
  ['lmsw', '0F 01 /6'],
] as const) {
  instruction(name, encoding, ['Ew'], privileged, refuse);
}
for (const [name, encoding] of [
  ['lgdt', '0F 01 /2 m'],
  ['lidt', '0F 01 /3 m'],
  ['invlpg', '0F 01 /7 m'],
] as const) {
  instruction(name, encoding, ['M'], privileged, refuse);
}
// UMIP: processors refuse these to processes, and Linux answers in their place with dummy values (arch/x86/kernel/umip.c):
// no local descriptor table, the task register's selector.
for (const [name, extension, value] of [
  ['sldt', 0, 0],
  ['str', 1, 0x40],
] as const) {
  instruction(name, `0F 00 /${extension} r`, ['Rv'], {}, (b, [d]) => d.write(b.const(value)));
  instruction(name, `0F 00 /${extension} m`, ['Ew'], { fixedSize: true }, (b, [d]) => d.write(b.const(value)));
}
instruction('sgdt', '0F 01 /0 m', ['M'], {}, (b, [m]) => storeTable(b, m.address(), 0xfffe0000));
instruction('sidt', '0F 01 /1 m', ['M'], {}, (b, [m]) => storeTable(b, m.address(), 0xffff0000));
function storeTable(b: Builder, address: Value, base: number): void {
  b.probe(address, 6);
  b.store(address, 16, b.const(0));
  b.store(b.add(address, b.const(2)), 32, b.const(base));
}
instruction('smsw', '0F 01 /4 r', ['Rv'], {}, (b, [d]) => d.write(b.const(0x80050033)));
instruction('smsw', '0F 01 /4 m', ['Ew'], { fixedSize: true }, (b, [d]) => d.write(b.const(0x0033)));

// Selector inspection: what Linux's descriptor tables answer to a process.
instruction('lar', '0F 02', ['Gv', 'Ew'], { writes: 'z' }, (b, [d, s]) => inspect(b, d, s.read(), 'accessRights'));
instruction('lsl', '0F 03', ['Gv', 'Ew'], { writes: 'z' }, (b, [d, s]) => inspect(b, d, s.read(), 'segmentLimit'));
function inspect(
  b: Builder,
  d: { read(): Value; write(value: Value): void },
  selector: Value,
  helper: 'accessRights' | 'segmentLimit',
): void {
  // The helper answers -1 ... a limit may be 0xffffffff, so validity is asked apart.
  const valid = b.callValue('selectorValid', [selector]);
  const value = b.callValue(helper, [selector]);
  d.write(b.select(valid, value, d.read()));
  b.put('zr', b.xor(valid, b.const(1)));
}
instruction('verr', '0F 00 /4', ['Ew'], { writes: 'z' }, (b, [s]) => {
  b.put('zr', b.xor(b.callValue('selectorReadable', [s.read()]), b.const(1)));
});
instruction('verw', '0F 00 /5', ['Ew'], { writes: 'z' }, (b, [s]) => {
  b.put('zr', b.xor(b.callValue('selectorWritable', [s.read()]), b.const(1)));
});
instruction('arpl', '63', ['Ew', 'Gw'], { writes: 'z', fixedSize: true }, (b, [d, s]) => {
  const left = d.read();
  const level = b.and(s.read(), b.const(3));
  const raise = b.ltU(b.and(left, b.const(3)), level);
  d.write(b.select(raise, b.or(b.and(left, b.const(~3)), level), left));
  b.put('zr', b.xor(raise, b.const(1)));
});

// Time, identification, chance --------------------------------------------------------------------------------------------

instruction('cpuid', '0F A2', [], { nondeterministic: true }, (b) => b.callState('cpuid', []));
instruction('rdtsc', '0F 31', [], { nondeterministic: true, feature: 'tsc' }, (b) => b.callState('rdtsc', []));
instruction('rdtscp', '0F 01 F9', [], { nondeterministic: true, feature: 'rdtscp' }, (b) => {
  b.callState('rdtscp', []);
});
const random: DeclarationOptions = { writes: 'oszapc', nondeterministic: true };
for (const [name, encoding] of [
  ['rdrand', '0F C7 /6 r'],
  ['rdseed', '0F C7 /7 r'],
] as const) {
  instruction(name, encoding, ['Rv'], { ...random, feature: name }, (b, [d]) => {
    d.write(b.callValue('random32', []));
    const zero = b.const(0);
    b.put('cf', b.const(1));
    b.put('of', zero);
    b.put('sr', zero);
    b.put('af', zero);
    b.put('pr', b.const(1));
    b.put('zr', b.const(1));
  });
}
instruction(
  'rdpid',
  'F3 0F C7 /7 r',
  ['Rd'],
  { nondeterministic: true, feature: 'rdpid', fixedSize: true },
  (b, [d]) => {
    d.write(b.callValue('processorId', []));
  },
);

// Nothing to do: hints.
instruction('nop', '0F 1F /0', ['Ev'], {}, () => undefined);
for (const opcode of ['0F 19', '0F 1A', '0F 1B', '0F 1C', '0F 1D', '0F 1E', '0F 18']) {
  instruction('nop', opcode, ['Ev', 'Gv'], { alias: true }, () => undefined);
}
for (let extension = 1; extension < 8; extension++) {
  instruction('nop', `0F 1F /${extension}`, ['Ev'], { alias: true }, () => undefined);
}
instruction('pause', 'F3 90', [], {}, () => undefined);
instruction('prefetchw', '0F 0D', ['M', 'Gd'], { feature: 'prefetchw' }, () => undefined);
