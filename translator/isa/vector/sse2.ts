/** SSE2: double-precision arithmetic, conversions, moves, and the integer instructions that exist on XMM registers alone. */
import { instruction } from '../declare.js';
import {
  comparing,
  enterMmx,
  loadHalf,
  moveQuadword,
  moveScalar,
  moveWhole,
  plain,
  plainImmediate,
  raising,
  raisingImmediate,
  readLane,
  readWords,
  storeHalf,
  toGeneral,
  wordwiseXmm,
  writeLane,
  writeWords,
  zeros,
} from './lifting.js';
import { maskedAddress, toMmx } from './sse.js';

const sse2 = { feature: 'sse2' } as const;

// Moves.
instruction('movupd', '66 0F 10', ['Vpd', 'Wdqu'], sse2, moveWhole);
instruction('movupd', '66 0F 11', ['Wdqu', 'Vpd'], sse2, moveWhole);
instruction('movsd', 'F2 0F 10', ['Vsd', 'Wsd'], sse2, moveScalar(2));
instruction('movsd', 'F2 0F 11', ['Wsd', 'Vsd'], sse2, moveScalar(2));
instruction('movlpd', '66 0F 12 m', ['Vq', 'Mq'], sse2, loadHalf(0));
instruction('movlpd', '66 0F 13', ['Mq', 'Vq'], sse2, storeHalf(0));
instruction('movhpd', '66 0F 16 m', ['Vdq', 'Mq'], sse2, loadHalf(8));
instruction('movhpd', '66 0F 17', ['Mq', 'Vq'], sse2, storeHalf(8));
instruction('movapd', '66 0F 28', ['Vpd', 'Wpd'], sse2, moveWhole);
instruction('movapd', '66 0F 29', ['Wpd', 'Vpd'], sse2, moveWhole);
instruction('movntpd', '66 0F 2B m', ['Wpd', 'Vpd'], sse2, moveWhole);
instruction('movmskpd', '66 0F 50', ['Gd', 'Upd'], sse2, (b, [d, s]) => d.write(b.callValue('movmskpd', [s.slot()])));
instruction('movd', '66 0F 6E', ['Vdq', 'Ed'], sse2, (b, [d, s]) =>
  writeWords(b, d.slot(), [s.read(), ...zeros(b, 3)]),
);
instruction('movd', '66 0F 7E', ['Ed', 'Vdq'], sse2, (b, [d, s]) => d.write(b.read(0, 4, s.slot())));
instruction('movdqa', '66 0F 6F', ['Vdq', 'Wdq'], sse2, moveWhole);
instruction('movdqa', '66 0F 7F', ['Wdq', 'Vdq'], sse2, moveWhole);
instruction('movdqu', 'F3 0F 6F', ['Vdq', 'Wdqu'], sse2, moveWhole);
instruction('movdqu', 'F3 0F 7F', ['Wdqu', 'Vdq'], sse2, moveWhole);
instruction('movq', 'F3 0F 7E', ['Vq', 'Wq'], sse2, moveQuadword);
instruction('movq', '66 0F D6', ['Wq', 'Vq'], sse2, moveQuadword);
instruction('movnti', 'NP 0F C3 m', ['Ed', 'Gd'], sse2, (_, [d, s]) => d.write(s.read()));
instruction('movntdq', '66 0F E7 m', ['Wdq', 'Vdq'], sse2, moveWhole);
instruction('maskmovdqu', '66 0F F7', ['Vdq', 'Udq'], sse2, (b, [s, mask], context) => {
  b.callState('maskmov', [maskedAddress(b, context), s.slot(), mask.slot(), b.const(16)]);
});

// Shuffles and single lanes.
instruction('unpcklpd', '66 0F 14', ['Vpd', 'Wpd'], sse2, plain('punpcklqdq'));
instruction('unpckhpd', '66 0F 15', ['Vpd', 'Wpd'], sse2, plain('punpckhqdq'));
instruction('punpcklqdq', '66 0F 6C', ['Vdq', 'Wdq'], sse2, (b, [d, s]) =>
  writeWords(b, d.slot(), readWords(b, s.slot(), 2), 2),
);
instruction('punpckhqdq', '66 0F 6D', ['Vdq', 'Wdq'], sse2, plain('punpckhqdq'));
instruction('shufpd', '66 0F C6', ['Vpd', 'Wpd', 'Ib'], sse2, plainImmediate('shufpd'));
instruction('pshufd', '66 0F 70', ['Vdq', 'Wdq', 'Ib'], sse2, (b, [d, s, order]) => {
  const source = s.slot();
  const lane = (i: number) => readLane(b, source, b.shrU(order.read(), b.const(2 * i)), 4, 4);
  writeWords(b, d.slot(), [lane(0), lane(1), lane(2), lane(3)]);
});
instruction('pshufhw', 'F3 0F 70', ['Vdq', 'Wdq', 'Ib'], sse2, plainImmediate('pshufhw'));
instruction('pshuflw', 'F2 0F 70', ['Vdq', 'Wdq', 'Ib'], sse2, plainImmediate('pshuflw'));
instruction('pinsrw', '66 0F C4 r', ['Vdq', 'Rd', 'Ib'], sse2, (b, [d, s, index]) =>
  writeLane(b, d.slot(), index.read(), 2, 8, s.read()),
);
instruction('pinsrw', '66 0F C4 m', ['Vdq', 'Ew', 'Ib'], sse2, (b, [d, s, index]) =>
  writeLane(b, d.slot(), index.read(), 2, 8, s.read()),
);
instruction('pextrw', '66 0F C5', ['Gd', 'Udq', 'Ib'], sse2, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 2, 8)),
);
instruction('pmovmskb', '66 0F D7', ['Gd', 'Udq'], sse2, (b, [d, s]) =>
  d.write(b.callValue('pmovmskb', [s.slot(), b.const(16)])),
);
instruction('psrldq', '66 0F 73 /3', ['Udq', 'Ib'], sse2, (b, [d, count]) =>
  b.call('psrldq', [d.slot(), count.read()]),
);
instruction('pslldq', '66 0F 73 /7', ['Udq', 'Ib'], sse2, (b, [d, count]) =>
  b.call('pslldq', [d.slot(), count.read()]),
);

// Logic.
instruction('andpd', '66 0F 54', ['Vpd', 'Wpd'], sse2, wordwiseXmm('and'));
instruction('andnpd', '66 0F 55', ['Vpd', 'Wpd'], sse2, wordwiseXmm('andNot'));
instruction('orpd', '66 0F 56', ['Vpd', 'Wpd'], sse2, wordwiseXmm('or'));
instruction('xorpd', '66 0F 57', ['Vpd', 'Wpd'], sse2, wordwiseXmm('xor'));

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
  instruction(`${name}pd`, `66 0F ${opcode}`, ['Vpd', 'Wpd'], sse2, raising(`${name}pd`));
  instruction(`${name}sd`, `F2 0F ${opcode}`, ['Vsd', 'Wsd'], sse2, raising(`${name}sd`));
}

// Comparisons.
instruction('cmppd', '66 0F C2', ['Vpd', 'Wpd', 'Ib'], sse2, raisingImmediate('cmppd'));
instruction('cmpsd', 'F2 0F C2', ['Vsd', 'Wsd', 'Ib'], sse2, raisingImmediate('cmpsd'));
instruction('ucomisd', '66 0F 2E', ['Vsd', 'Wsd'], { feature: 'sse2', writes: 'oszapc' }, comparing('ucomisd'));
instruction('comisd', '66 0F 2F', ['Vsd', 'Wsd'], { feature: 'sse2', writes: 'oszapc' }, comparing('comisd'));

// Conversions.
instruction('cvtpi2pd', '66 0F 2A r', ['Vpd', 'Qq'], { feature: 'sse2', waits: true }, (b, [d, s]) => {
  b.call('cvtdq2pd', [d.slot(), s.slot()]);
  enterMmx(b);
});
instruction('cvtpi2pd', '66 0F 2A m', ['Vpd', 'Qq'], sse2, (b, [d, s]) => b.call('cvtdq2pd', [d.slot(), s.slot()]));
instruction('cvtsi2sd', 'F2 0F 2A', ['Vsd', 'Ed'], sse2, (b, [d, s]) => b.call('cvtsi2sd', [d.slot(), s.read()]));
instruction('cvttpd2pi', '66 0F 2C', ['Pq', 'Wpd'], { feature: 'sse2', waits: true }, toMmx('cvttpd2pi'));
instruction('cvtpd2pi', '66 0F 2D', ['Pq', 'Wpd'], { feature: 'sse2', waits: true }, toMmx('cvtpd2pi'));
instruction('cvttsd2si', 'F2 0F 2C', ['Gd', 'Wsd'], sse2, toGeneral('cvttsd2si'));
instruction('cvtsd2si', 'F2 0F 2D', ['Gd', 'Wsd'], sse2, toGeneral('cvtsd2si'));
instruction('cvtps2pd', 'NP 0F 5A', ['Vpd', 'Wq'], sse2, raising('cvtps2pd'));
instruction('cvtpd2ps', '66 0F 5A', ['Vps', 'Wpd'], sse2, raising('cvtpd2ps'));
instruction('cvtss2sd', 'F3 0F 5A', ['Vsd', 'Wss'], sse2, raising('cvtss2sd'));
instruction('cvtsd2ss', 'F2 0F 5A', ['Vss', 'Wsd'], sse2, raising('cvtsd2ss'));
instruction('cvtdq2ps', 'NP 0F 5B', ['Vps', 'Wdq'], sse2, raising('cvtdq2ps'));
instruction('cvtps2dq', '66 0F 5B', ['Vdq', 'Wps'], sse2, raising('cvtps2dq'));
instruction('cvttps2dq', 'F3 0F 5B', ['Vdq', 'Wps'], sse2, raising('cvttps2dq'));
instruction('cvtdq2pd', 'F3 0F E6', ['Vpd', 'Wq'], sse2, plain('cvtdq2pd'));
instruction('cvtpd2dq', 'F2 0F E6', ['Vdq', 'Wpd'], sse2, raising('cvtpd2dq'));
instruction('cvttpd2dq', '66 0F E6', ['Vdq', 'Wpd'], sse2, raising('cvttpd2dq'));

// Memory order and cache control.
instruction('lfence', 'NP 0F AE E8+', [], sse2, () => undefined);
instruction('mfence', 'NP 0F AE F0+', [], sse2, (b) => b.call('fence', []));
/** Touches its line as a read does. */
instruction('clflush', 'NP 0F AE /7 m', ['Mb'], { feature: 'clfsh' }, (b, [m]) => void b.load(m.address(), 8));
instruction('clflushopt', '66 0F AE /7 m', ['Mb'], { feature: 'clflushopt' }, (b, [m]) => void b.load(m.address(), 8));
