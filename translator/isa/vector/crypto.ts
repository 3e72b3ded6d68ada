/** AES-NI, PCLMULQDQ and the SHA extensions. */
import { instruction } from '../declare.js';
import { plain, plainImmediate } from './lifting.js';

for (const [mnemonic, opcode] of [
  ['aesimc', 'DB'],
  ['aesenc', 'DC'],
  ['aesenclast', 'DD'],
  ['aesdec', 'DE'],
  ['aesdeclast', 'DF'],
] as const) {
  instruction(mnemonic, `66 0F 38 ${opcode}`, ['Vdq', 'Wdq'], { feature: 'aes' }, plain(mnemonic));
}
instruction(
  'aeskeygenassist',
  '66 0F 3A DF',
  ['Vdq', 'Wdq', 'Ib'],
  { feature: 'aes' },
  plainImmediate('aeskeygenassist'),
);
instruction('pclmulqdq', '66 0F 3A 44', ['Vdq', 'Wdq', 'Ib'], { feature: 'pclmulqdq' }, plainImmediate('pclmulqdq'));

// AMD's processors take SHA operands from unaligned memory; Intel's manual asks for alignment.
for (const [mnemonic, opcode] of [
  ['sha1nexte', 'C8'],
  ['sha1msg1', 'C9'],
  ['sha1msg2', 'CA'],
  ['sha256rnds2', 'CB'],
  ['sha256msg1', 'CC'],
  ['sha256msg2', 'CD'],
] as const) {
  instruction(mnemonic, `NP 0F 38 ${opcode}`, ['Vdq', 'Wdqu'], { feature: 'sha' }, plain(mnemonic));
}
instruction('sha1rnds4', 'NP 0F 3A CC', ['Vdq', 'Wdqu', 'Ib'], { feature: 'sha' }, plainImmediate('sha1rnds4'));
