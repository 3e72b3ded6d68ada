/**
 * Packed integer instructions that exist on MMX and on XMM registers with the same opcode: MMX's own with their SSE2
 * forms (prefix 66), the additions of SSE and SSE2, and SSSE3's.
 */
import { instruction, type Feature } from '../declare.js';
import { enterMmx, markMmx, sized, sizedMmx, type WordOperationName, wordwiseMmx, wordwiseXmm } from './lifting.js';

/** Declares both forms; `mmx` is the feature of the MMX form, `xmm` that of the other. */
function both(mnemonic: string, opcode: string, mmx: Feature, xmm: Feature): void {
  instruction(mnemonic, `NP ${opcode}`, ['Pq', 'Qq'], { feature: mmx, waits: true }, sizedMmx(mnemonic));
  instruction(mnemonic, `66 ${opcode}`, ['Vdq', 'Wdq'], { feature: xmm }, sized(mnemonic));
}

const MMX = [
  ['packsswb', '0F 63'],
  ['pcmpgtb', '0F 64'],
  ['pcmpgtw', '0F 65'],
  ['pcmpgtd', '0F 66'],
  ['packuswb', '0F 67'],
  ['punpckhbw', '0F 68'],
  ['punpckhwd', '0F 69'],
  ['punpckhdq', '0F 6A'],
  ['packssdw', '0F 6B'],
  ['pcmpeqb', '0F 74'],
  ['pcmpeqw', '0F 75'],
  ['psrlw', '0F D1'],
  ['psrld', '0F D2'],
  ['psrlq', '0F D3'],
  ['pmullw', '0F D5'],
  ['psubusb', '0F D8'],
  ['psubusw', '0F D9'],
  ['paddusb', '0F DC'],
  ['paddusw', '0F DD'],
  ['psraw', '0F E1'],
  ['psrad', '0F E2'],
  ['pmulhw', '0F E5'],
  ['psubsb', '0F E8'],
  ['psubsw', '0F E9'],
  ['paddsb', '0F EC'],
  ['paddsw', '0F ED'],
  ['psllw', '0F F1'],
  ['pslld', '0F F2'],
  ['psllq', '0F F3'],
  ['pmaddwd', '0F F5'],
  ['psubb', '0F F8'],
  ['psubw', '0F F9'],
  ['paddb', '0F FC'],
  ['paddw', '0F FD'],
] as const;
for (const [mnemonic, opcode] of MMX) both(mnemonic, opcode, 'mmx', 'sse2');

const SSE = [
  ['pminub', '0F DA'],
  ['pmaxub', '0F DE'],
  ['pavgb', '0F E0'],
  ['pavgw', '0F E3'],
  ['pmulhuw', '0F E4'],
  ['pminsw', '0F EA'],
  ['pmaxsw', '0F EE'],
  ['psadbw', '0F F6'],
] as const;
for (const [mnemonic, opcode] of SSE) both(mnemonic, opcode, 'sse', 'sse2');

const SSE2 = [
  ['paddq', '0F D4'],
  ['pmuludq', '0F F4'],
  ['psubq', '0F FB'],
] as const;
for (const [mnemonic, opcode] of SSE2) both(mnemonic, opcode, 'sse2', 'sse2');

const SSSE3 = [
  ['pshufb', '0F 38 00'],
  ['phaddw', '0F 38 01'],
  ['phaddd', '0F 38 02'],
  ['phaddsw', '0F 38 03'],
  ['pmaddubsw', '0F 38 04'],
  ['phsubw', '0F 38 05'],
  ['phsubd', '0F 38 06'],
  ['phsubsw', '0F 38 07'],
  ['psignb', '0F 38 08'],
  ['psignw', '0F 38 09'],
  ['psignd', '0F 38 0A'],
  ['pmulhrsw', '0F 38 0B'],
  ['pabsb', '0F 38 1C'],
  ['pabsw', '0F 38 1D'],
  ['pabsd', '0F 38 1E'],
] as const;
for (const [mnemonic, opcode] of SSSE3) both(mnemonic, opcode, 'ssse3', 'ssse3');

instruction('palignr', 'NP 0F 3A 0F', ['Pq', 'Qq', 'Ib'], { feature: 'ssse3', waits: true }, (b, [d, s, count]) => {
  const source = s.slot();
  enterMmx(b);
  b.call('palignr', [d.slot(), source, count.read(), b.const(8)]);
  markMmx(b, d.slot());
});
instruction('palignr', '66 0F 3A 0F', ['Vdq', 'Wdq', 'Ib'], { feature: 'ssse3' }, (b, [d, s, count]) =>
  b.call('palignr', [d.slot(), s.slot(), count.read(), b.const(16)]),
);

// The low halves: of memory the MMX forms read only 4 bytes.
for (const [mnemonic, opcode] of [
  ['punpcklbw', '0F 60'],
  ['punpcklwd', '0F 61'],
  ['punpckldq', '0F 62'],
] as const) {
  instruction(mnemonic, `NP ${opcode}`, ['Pq', 'Qd'], { feature: 'mmx', waits: true }, sizedMmx(mnemonic));
  instruction(mnemonic, `66 ${opcode}`, ['Vdq', 'Wdq'], { feature: 'sse2' }, sized(mnemonic));
}

// Those that are plain IR.
const WORDS: readonly (readonly [string, string, WordOperationName])[] = [
  ['pcmpeqd', '0F 76', 'equal'],
  ['pand', '0F DB', 'and'],
  ['pandn', '0F DF', 'andNot'],
  ['por', '0F EB', 'or'],
  ['pxor', '0F EF', 'xor'],
  ['psubd', '0F FA', 'subtract'],
  ['paddd', '0F FE', 'add'],
];
for (const [mnemonic, opcode, operation] of WORDS) {
  instruction(mnemonic, `NP ${opcode}`, ['Pq', 'Qq'], { feature: 'mmx', waits: true }, wordwiseMmx(operation));
  instruction(mnemonic, `66 ${opcode}`, ['Vdq', 'Wdq'], { feature: 'sse2' }, wordwiseXmm(operation));
}

// Shifts by an immediate.
for (const [mnemonic, opcode] of [
  ['psrlw', '71 /2'],
  ['psraw', '71 /4'],
  ['psllw', '71 /6'],
  ['psrld', '72 /2'],
  ['psrad', '72 /4'],
  ['pslld', '72 /6'],
  ['psrlq', '73 /2'],
  ['psllq', '73 /6'],
] as const) {
  const helper = `${mnemonic}Immediate`;
  instruction(mnemonic, `NP 0F ${opcode}`, ['Nq', 'Ib'], { feature: 'mmx', waits: true }, (b, [d, count]) => {
    enterMmx(b);
    b.call(helper, [d.slot(), count.read(), b.const(8)]);
    markMmx(b, d.slot());
  });
  instruction(mnemonic, `66 0F ${opcode}`, ['Udq', 'Ib'], { feature: 'sse2' }, (b, [d, count]) =>
    b.call(helper, [d.slot(), count.read(), b.const(16)]),
  );
}
