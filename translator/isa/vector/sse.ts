/** SSE: single-precision arithmetic, comparisons, conversions, shuffles and moves; MXCSR; cache control. */
import { State, Trap } from '../../state.js';
import { segmentBase } from '../integer/moves.js';
import { Segment } from '../../state.js';
import { instruction, type InstructionContext } from '../declare.js';
import type { Builder } from '../../ir/builder.js';
import type { VectorOperand } from '../kinds.js';
import type { Value } from '../../ir/ir.js';
import {
  comparing,
  enterMmx,
  loadHalf,
  markMmx,
  moveScalar,
  moveWhole,
  plain,
  plainImmediate,
  raising,
  raisingImmediate,
  readWords,
  sized,
  storeHalf,
  toGeneral,
  wordwiseXmm,
  writeWords,
} from './lifting.js';

const sse = { feature: 'sse' } as const;

// Moves.
instruction('movups', 'NP 0F 10', ['Vps', 'Wdqu'], sse, moveWhole);
instruction('movups', 'NP 0F 11', ['Wdqu', 'Vps'], sse, moveWhole);
instruction('movss', 'F3 0F 10', ['Vss', 'Wss'], sse, moveScalar(1));
instruction('movss', 'F3 0F 11', ['Wss', 'Vss'], sse, moveScalar(1));
instruction('movlps', 'NP 0F 12 m', ['Vq', 'Mq'], sse, loadHalf(0));
instruction('movhlps', 'NP 0F 12 r', ['Vq', 'Uq'], sse, (b, [d, s]) =>
  writeWords(b, d.slot(), readWords(b, s.slot(), 2, 2)),
);
instruction('movlps', 'NP 0F 13', ['Mq', 'Vq'], sse, storeHalf(0));
instruction('movhps', 'NP 0F 16 m', ['Vdq', 'Mq'], sse, loadHalf(8));
instruction('movlhps', 'NP 0F 16 r', ['Vdq', 'Uq'], sse, (b, [d, s]) =>
  writeWords(b, d.slot(), readWords(b, s.slot(), 2), 2),
);
instruction('movhps', 'NP 0F 17', ['Mq', 'Vq'], sse, storeHalf(8));
instruction('movaps', 'NP 0F 28', ['Vps', 'Wps'], sse, moveWhole);
instruction('movaps', 'NP 0F 29', ['Wps', 'Vps'], sse, moveWhole);
instruction('movntps', 'NP 0F 2B m', ['Wps', 'Vps'], sse, moveWhole);
instruction('movmskps', 'NP 0F 50', ['Gd', 'Ups'], sse, (b, [d, s]) => d.write(b.callValue('movmskps', [s.slot()])));

// Shuffles.
instruction('unpcklps', 'NP 0F 14', ['Vps', 'Wps'], sse, sized('punpckldq'));
instruction('unpckhps', 'NP 0F 15', ['Vps', 'Wps'], sse, sized('punpckhdq'));
instruction('shufps', 'NP 0F C6', ['Vps', 'Wps', 'Ib'], sse, plainImmediate('shufps'));

// Logic.
instruction('andps', 'NP 0F 54', ['Vps', 'Wps'], sse, wordwiseXmm('and'));
instruction('andnps', 'NP 0F 55', ['Vps', 'Wps'], sse, wordwiseXmm('andNot'));
instruction('orps', 'NP 0F 56', ['Vps', 'Wps'], sse, wordwiseXmm('or'));
instruction('xorps', 'NP 0F 57', ['Vps', 'Wps'], sse, wordwiseXmm('xor'));

// Arithmetic.
for (const [name, opcode] of [
  ['sqrt', '51'],
  ['add', '58'],
  ['mul', '59'],
  ['sub', '5C'],
  ['min', '5D'],
  ['div', '5E'],
  ['max', '5F'],
] as const) {
  instruction(`${name}ps`, `NP 0F ${opcode}`, ['Vps', 'Wps'], sse, raising(`${name}ps`));
  instruction(`${name}ss`, `F3 0F ${opcode}`, ['Vss', 'Wss'], sse, raising(`${name}ss`));
}
instruction('rsqrtps', 'NP 0F 52', ['Vps', 'Wps'], sse, plain('rsqrtps'));
instruction('rsqrtss', 'F3 0F 52', ['Vss', 'Wss'], sse, plain('rsqrtss'));
instruction('rcpps', 'NP 0F 53', ['Vps', 'Wps'], sse, plain('rcpps'));
instruction('rcpss', 'F3 0F 53', ['Vss', 'Wss'], sse, plain('rcpss'));

// Comparisons.
instruction('cmpps', 'NP 0F C2', ['Vps', 'Wps', 'Ib'], sse, raisingImmediate('cmpps'));
instruction('cmpss', 'F3 0F C2', ['Vss', 'Wss', 'Ib'], sse, raisingImmediate('cmpss'));
instruction('ucomiss', 'NP 0F 2E', ['Vss', 'Wss'], { feature: 'sse', writes: 'oszapc' }, comparing('ucomiss'));
instruction('comiss', 'NP 0F 2F', ['Vss', 'Wss'], { feature: 'sse', writes: 'oszapc' }, comparing('comiss'));

// Conversions.
// Processors wait for the x87 and switch to MMX only where an MMX register is used, and switch even where they raise #XM.
instruction('cvtpi2ps', 'NP 0F 2A r', ['Vps', 'Qq'], { feature: 'sse', waits: true }, (b, [d, s]) => {
  enterMmx(b);
  b.call('cvtpi2ps', [d.slot(), s.slot()], { trap: Trap.simd });
});
instruction('cvtpi2ps', 'NP 0F 2A m', ['Vps', 'Qq'], sse, (b, [d, s]) => {
  b.call('cvtpi2ps', [d.slot(), s.slot()], { trap: Trap.simd });
});
instruction('cvtsi2ss', 'F3 0F 2A', ['Vss', 'Ed'], sse, (b, [d, s]) =>
  b.call('cvtsi2ss', [d.slot(), s.read()], { trap: Trap.simd }),
);
/** Conversions into an MMX register, of SSE and SSE2. */
export function toMmx(helper: string) {
  return (b: Builder, [d, s]: readonly [VectorOperand, VectorOperand]): void => {
    const source = s.slot();
    enterMmx(b);
    b.call(helper, [d.slot(), source], { trap: Trap.simd });
    markMmx(b, d.slot());
  };
}
instruction('cvttps2pi', 'NP 0F 2C', ['Pq', 'Wq'], { feature: 'sse', waits: true }, toMmx('cvttps2pi'));
instruction('cvtps2pi', 'NP 0F 2D', ['Pq', 'Wq'], { feature: 'sse', waits: true }, toMmx('cvtps2pi'));
instruction('cvttss2si', 'F3 0F 2C', ['Gd', 'Wss'], sse, toGeneral('cvttss2si'));
instruction('cvtss2si', 'F3 0F 2D', ['Gd', 'Wss'], sse, toGeneral('cvtss2si'));

// MXCSR.
instruction('ldmxcsr', 'NP 0F AE /2 m', ['Md'], sse, (b, [m]) => {
  const value = b.load(m.address(), 32);
  b.guard(b.and(value, b.const(~0xffff)), Trap.generalProtection);
  b.write(State.mxcsr, value);
});
instruction('stmxcsr', 'NP 0F AE /3 m', ['Md'], sse, (b, [m]) => b.store(m.address(), 32, b.read(State.mxcsr)));

// Cache control.
const prefetches = ['prefetchnta', 'prefetcht0', 'prefetcht1', 'prefetcht2'];
prefetches.forEach((name, hint) => instruction(name, `0F 18 /${hint} m`, ['Mb'], sse, () => undefined));
instruction('sfence', 'NP 0F AE F8+', [], sse, () => undefined);

/** The address that maskmovq and maskmovdqu write to: edi in ds, or the overriding segment. */
export function maskedAddress(b: Builder, context: InstructionContext): Value {
  const edi = b.get('edi');
  const offset = context.addressSize === 16 ? b.zeroExtend(edi, 16) : edi;
  // ModRM names a register: what a handler knows as the effective address is the segment's base alone.
  if (b.handler) return b.add(offset, b.effectiveAddress(true));
  const base = segmentBase(b, context.segment < 0 ? Segment.ds : context.segment);
  return base ? b.add(offset, base) : offset;
}
instruction('maskmovq', 'NP 0F F7', ['Pq', 'Nq'], { feature: 'sse', waits: true }, (b, [s, mask], context) => {
  b.callState('maskmov', [maskedAddress(b, context), s.slot(), mask.slot(), b.const(8)]);
  enterMmx(b);
});
