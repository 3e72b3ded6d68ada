/**
 * String instructions. A single step is plain IR; the repeated forms and 16-bit addressing are helpers over the whole
 * state, which move many bytes at once and can be interrupted by a fault with the registers where they were.
 */
import { Segment } from '../../state.js';
import type { Builder, Size } from '../../ir/builder.js';
import type { Value } from '../../ir/ir.js';
import { instruction, type DeclarationOptions, type InstructionContext } from '../declare.js';
import { segmentBase } from './moves.js';

/** The operations, by the number that the helper is given. */
export const STRING_OPERATIONS = ['movs', 'cmps', 'stos', 'lods', 'scas'] as const;
export type StringOperation = (typeof STRING_OPERATIONS)[number];
const REPEATS = ['none', 'rep', 'repne'] as const;

function step(b: Builder, register: 'esi' | 'edi', size: Size): void {
  const shift = size === 8 ? 0 : size === 16 ? 1 : 2;
  b.put(register, b.add(b.get(register), b.shl(b.get('df'), b.const(shift))));
}
function source(b: Builder, size: Size, context: InstructionContext): Value {
  const base = segmentBase(b, context.segment < 0 ? Segment.ds : context.segment);
  return b.load(base ? b.add(b.get('esi'), base) : b.get('esi'), size);
}
function setAccumulator(b: Builder, size: Size, value: Value): void {
  const eax = b.get('eax');
  b.put('eax', size === 32 ? value : b.or(b.and(eax, b.const(size === 8 ? ~0xff : ~0xffff)), value));
}

const single: Record<StringOperation, (b: Builder, size: Size, context: InstructionContext) => void> = {
  movs(b, size, context) {
    b.store(b.get('edi'), size, source(b, size, context));
    step(b, 'esi', size);
    step(b, 'edi', size);
  },
  cmps(b, size, context) {
    // Where neither can be read, processors mostly name the second operand.
    const right = b.load(b.get('edi'), size);
    const left = source(b, size, context);
    b.subFlags(size, left, right);
    step(b, 'esi', size);
    step(b, 'edi', size);
  },
  stos(b, size) {
    b.store(b.get('edi'), size, b.zeroExtend(b.get('eax'), size));
    step(b, 'edi', size);
  },
  lods(b, size, context) {
    setAccumulator(b, size, source(b, size, context));
    step(b, 'esi', size);
  },
  scas(b, size) {
    b.subFlags(size, b.zeroExtend(b.get('eax'), size), b.load(b.get('edi'), size));
    step(b, 'edi', size);
  },
};

function string(operation: StringOperation, b: Builder, size: Size, context: InstructionContext): void {
  if (context.repeat === 'none' && context.addressSize === 32) {
    single[operation](b, size, context);
    return;
  }
  const segment = context.segment < 0 ? Segment.ds : context.segment;
  b.callState('string', [
    b.const(STRING_OPERATIONS.indexOf(operation)),
    b.const(size >> 3),
    b.const(REPEATS.indexOf(context.repeat)),
    b.const(context.addressSize),
    // In handlers the segment is not known when they are made: they are made once a segment class.
    b.const(segment),
  ]);
}

for (const [operation, opcode] of [
  ['movs', 0xa4],
  ['cmps', 0xa6],
  ['stos', 0xaa],
  ['lods', 0xac],
  ['scas', 0xae],
] as const) {
  const compares = operation === 'cmps' || operation === 'scas';
  const options: DeclarationOptions = {
    reads: 'd',
    string: compares ? 'repe' : 'rep',
    ...(compares ? { writes: 'oszapc' } : {}),
  };
  const code = (n: number): string => n.toString(16).toUpperCase();
  instruction(`${operation}b`, code(opcode), [], { ...options, fixedSize: true }, (b, _, c) =>
    string(operation, b, 8, c),
  );
  instruction(operation, code(opcode + 1), [], options, (b, _, c) => string(operation, b, c.operandSize, c));
}
