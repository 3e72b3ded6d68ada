/** Moves: mov, movzx/movsx, xchg, lea, cmov, set, the stack, flags and segment registers. */
import { Exit, State, Trap, Segment } from '../../state.js';
import { CONDITIONS, type Builder, type Size } from '../../ir/builder.js';
import { GENERAL_REGISTERS, type Value } from '../../ir/ir.js';
import { instruction } from '../declare.js';
import type { IntegerOperand } from '../kinds.js';

const move = (d: IntegerOperand, s: { read(): Value }): void => d.write(s.read());
instruction('mov', '88', ['Eb', 'Gb'], {}, (_, [d, s]) => move(d, s));
instruction('mov', '89', ['Ev', 'Gv'], {}, (_, [d, s]) => move(d, s));
instruction('mov', '8A', ['Gb', 'Eb'], {}, (_, [d, s]) => move(d, s));
instruction('mov', '8B', ['Gv', 'Ev'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'A0', ['AL', 'Ob'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'A1', ['rAX', 'Ov'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'A2', ['Ob', 'AL'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'A3', ['Ov', 'rAX'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'B0+', ['Zb', 'Ib'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'B8+', ['Zv', 'Iz'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'C6 /0', ['Eb', 'Ib'], {}, (_, [d, s]) => move(d, s));
instruction('mov', 'C7 /0', ['Ev', 'Iz'], {}, (_, [d, s]) => move(d, s));

instruction('movzx', '0F B6', ['Gv', 'Eb'], {}, (_, [d, s]) => move(d, s));
instruction('movzx', '0F B7', ['Gv', 'Ew'], {}, (_, [d, s]) => move(d, s));
instruction('movsx', '0F BE', ['Gv', 'Eb'], {}, (b, [d, s]) => d.write(b.signExtend(s.read(), 8)));
instruction('movsx', '0F BF', ['Gv', 'Ew'], {}, (b, [d, s]) => d.write(b.signExtend(s.read(), 16)));

const exchange = (d: IntegerOperand, s: IntegerOperand): void => {
  const left = d.read();
  const right = s.read();
  d.write(right);
  s.write(left);
};
instruction('xchg', '86', ['Eb', 'Gb'], { lock: true }, (_, [d, s]) => exchange(d, s));
instruction('xchg', '87', ['Ev', 'Gv'], { lock: true }, (_, [d, s]) => exchange(d, s));
instruction('xchg', '90+', ['Zv', 'rAX'], {}, (_, [d, s]) => exchange(d, s));

instruction('lea', '8D m', ['Gv', 'M'], {}, (_, [d, m]) => d.write(m.offset()));
instruction('xlat', 'D7', [], {}, (b, _, context) => {
  const offset = b.add(b.get('ebx'), b.zeroExtend(b.get('eax'), 8));
  const address = context.addressSize === 16 ? b.zeroExtend(offset, 16) : offset;
  const base = segmentBase(b, context.segment < 0 ? Segment.ds : context.segment);
  const byte = b.load(base ? b.add(address, base) : address, 8);
  b.put('eax', b.or(b.and(b.get('eax'), b.const(~0xff)), byte));
});

/** The base of a segment; undefined for those that are flat in every Linux process. */
export function segmentBase(b: Builder, segment: number): Value | undefined {
  if (segment !== Segment.fs && segment !== Segment.gs) return undefined;
  return b.read(State.segmentBases + 4 * segment);
}

CONDITIONS.forEach((condition, index) => {
  const digit = index.toString(16).toUpperCase();
  const reads = ['o', 'o', 'c', 'c', 'z', 'z', 'cz', 'cz', 's', 's', 'p', 'p', 'so', 'so', 'zso', 'zso'][index]!;
  instruction(`cmov${condition}`, `0F 4${digit}`, ['Gv', 'Ev'], { reads, feature: 'cmov' }, (b, [d, s]) => {
    const source = s.read();
    d.write(b.select(b.condition(condition), source, d.read()));
  });
  instruction(`set${condition}`, `0F 9${digit}`, ['Eb'], { reads }, (b, [d]) => d.write(b.condition(condition)));
});

// The stack --------------------------------------------------------------------------------------------------------------

export function push(b: Builder, value: Value, size: Size): void {
  const esp = b.add(b.get('esp'), b.const(-(size >> 3)));
  b.store(esp, size, value);
  b.put('esp', esp);
}
export function pop(b: Builder, size: Size): Value {
  const esp = b.get('esp');
  const value = b.load(esp, size);
  b.put('esp', b.add(esp, b.const(size >> 3)));
  return value;
}

instruction('push', '50+', ['Zv'], {}, (b, [s]) => push(b, s.read(), s.size));
instruction('push', 'FF /6', ['Ev'], {}, (b, [s]) => push(b, s.read(), s.size));
instruction('push', '68', ['Iz'], {}, (b, [s]) => push(b, s.read(), s.size));
instruction('push', '6A', ['Ibs'], {}, (b, [s]) => push(b, s.read(), s.size));
instruction('pop', '58+', ['Zv'], {}, (b, [d]) => d.write(pop(b, d.size)));
// The destination's address is computed with the incremented esp (SDM 2, POP).
instruction('pop', '8F /0', ['Ev'], {}, (b, [d]) => d.write(pop(b, d.size)));

const size = (context: { operandSize: 16 | 32 }): Size => context.operandSize;
instruction('pusha', '60', [], {}, (b, _, context) => {
  const bytes = size(context) >> 3;
  const esp = b.get('esp');
  b.probe(b.add(esp, b.const(-8 * bytes)), 8 * bytes);
  GENERAL_REGISTERS.forEach((register, index) =>
    b.store(b.add(esp, b.const(-(index + 1) * bytes)), size(context), b.get(register)),
  );
  b.put('esp', b.add(esp, b.const(-8 * bytes)));
});
instruction('popa', '61', [], {}, (b, _, context) => {
  const bits = size(context);
  const bytes = bits >> 3;
  const esp = b.get('esp');
  GENERAL_REGISTERS.forEach((register, index) => {
    if (register === 'esp') return;
    const value = b.load(b.add(esp, b.const((7 - index) * bytes)), bits);
    b.put(register, bits === 32 ? value : b.or(b.and(b.get(register), b.const(~0xffff)), value));
  });
  b.put('esp', b.add(esp, b.const(8 * bytes)));
});

instruction('enter', 'C8', ['Iw', 'Ib'], {}, (b, [allocated, level], context) => {
  b.callState('enter', [allocated.read(), b.and(level.read(), b.const(31)), b.const(context.operandSize)]);
});
instruction('leave', 'C9', [], {}, (b, _, context) => {
  const bits = size(context);
  const ebp = b.get('ebp');
  const value = b.load(ebp, bits);
  b.put('esp', b.add(ebp, b.const(bits >> 3)));
  b.put('ebp', bits === 32 ? value : b.or(b.and(ebp, b.const(~0xffff)), value));
});

// Flags -------------------------------------------------------------------------------------------------------------------

instruction('pushf', '9C', [], { reads: 'oszapcd' }, (b, _, context) => {
  // RF and VM are stored as zero.
  push(b, b.and(b.packFlags(), b.const(0xfcffff)), size(context));
});
instruction('popf', '9D', [], { writes: 'oszapcd', ends: true }, (b, _, context) => {
  const flags = pop(b, size(context));
  // TF and AC: from here on instructions are executed one by one, which begins outside of generated code.
  const stepping = b.ne(b.and(flags, b.const(context.operandSize === 32 ? 0x40100 : 0x100)), b.const(0));
  if (b.handler) b.write(State.exit, b.shl(stepping, b.const(Math.log2(Exit.step))));
  else b.guard(stepping, Trap.debug);
  b.unpackLowFlags(flags);
  b.unpackHighFlags(flags);
  // What a process may change: TF, NT, AC, ID (the last two only with a 32-bit operand). IF and IOPL stay.
  const may = b.const(context.operandSize === 32 ? 0x244100 : 0x4100);
  const rest = b.read(State.eflagsRest);
  b.write(State.eflagsRest, b.or(b.and(rest, b.not(may)), b.and(flags, may)));
  b.jump(b.nextAddress());
});
instruction('lahf', '9F', [], { reads: 'szapc' }, (b) => {
  const flags = b.and(b.packFlags(), b.const(0xd7));
  b.put('eax', b.or(b.and(b.get('eax'), b.const(~0xff00)), b.shl(flags, b.const(8))));
});
instruction('sahf', '9E', [], { writes: 'szapc' }, (b) => {
  b.unpackLowFlags(b.and(b.shrU(b.get('eax'), b.const(8)), b.const(0xff)));
});
instruction('clc', 'F8', [], { writes: 'c' }, (b) => b.put('cf', b.const(0)));
instruction('stc', 'F9', [], { writes: 'c' }, (b) => b.put('cf', b.const(1)));
instruction('cmc', 'F5', [], { writes: 'c', reads: 'c' }, (b) => b.put('cf', b.xor(b.get('cf'), b.const(1))));
instruction('cld', 'FC', [], { writes: 'd' }, (b) => b.put('df', b.const(1)));
instruction('std', 'FD', [], { writes: 'd' }, (b) => b.put('df', b.const(-1)));
/** Undocumented in old manuals, executed by every processor: AL = CF ? FF : 0. */
instruction('salc', 'D6', [], { reads: 'c' }, (b) => {
  b.put('eax', b.or(b.and(b.get('eax'), b.const(~0xff)), b.zeroExtend(b.neg(b.get('cf')), 8)));
});

// Segment registers -------------------------------------------------------------------------------------------------------

const selector = (b: Builder, index: Value): Value => b.read(State.selectors, 4, b.shl(index, b.const(2)));
instruction('mov', '8C r', ['Rv', 'Sw'], {}, (b, [d, s]) => d.write(selector(b, s.index())));
instruction('mov', '8C m', ['Ew', 'Sw'], { fixedSize: true }, (b, [d, s]) => d.write(selector(b, s.index())));
instruction('mov', '8E', ['Sw', 'Ew'], { fixedSize: true }, (b, [d, s]) => {
  const value = s.read();
  b.call('loadSegment', [d.index(), value], { trap: Trap.generalProtection });
});
const segments: [string, string | undefined, number][] = [
  ['06', '07', Segment.es],
  ['0E', undefined, Segment.cs],
  ['16', '17', Segment.ss],
  ['1E', '1F', Segment.ds],
  ['0F A0', '0F A1', Segment.fs],
  ['0F A8', '0F A9', Segment.gs],
];
const segmentName = (index: number): string => ['es', 'cs', 'ss', 'ds', 'fs', 'gs'][index]!;
for (const [pushOpcode, popOpcode, index] of segments) {
  instruction(`push ${segmentName(index)}`, pushOpcode, [], {}, (b, _, context) => {
    // Zero-extended, as AMD's processors write it (the manual allows to leave the slot's upper half as it was).
    push(b, b.read(State.selectors + 4 * index), context.operandSize);
  });
  if (popOpcode === undefined) continue;
  instruction(`pop ${segmentName(index)}`, popOpcode, [], {}, (b, _, context) => {
    const esp = b.get('esp');
    const value = b.load(esp, context.operandSize);
    b.call('loadSegment', [b.const(index), value], { trap: Trap.generalProtection });
    b.put('esp', b.add(esp, b.const(context.operandSize >> 3)));
  });
}
const farPointers: [string, string, number][] = [
  ['les', 'C4 m', Segment.es],
  ['lds', 'C5 m', Segment.ds],
  ['lss', '0F B2 m', Segment.ss],
  ['lfs', '0F B4 m', Segment.fs],
  ['lgs', '0F B5 m', Segment.gs],
];
for (const [name, opcode, index] of farPointers) {
  instruction(name, opcode, ['Gv', 'Mp'], {}, (b, [d, m]) => {
    const address = m.address();
    const offset = b.load(address, d.size);
    const value = b.load(b.add(address, b.const(d.size >> 3)), 16);
    b.call('loadSegment', [b.const(index), value], { trap: Trap.generalProtection });
    d.write(offset);
  });
}
