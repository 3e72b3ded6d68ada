/** SSE3 (its x87 instruction fisttp is with the x87's). SSSE3's instructions are all in `packed-integer.ts`. */
import { instruction } from '../declare.js';
import { moveWhole, plain, raising, readWords, writeWords } from './lifting.js';

const sse3 = { feature: 'sse3' } as const;

instruction('movddup', 'F2 0F 12', ['Vpd', 'Wq'], sse3, (b, [d, s]) => {
  const pair = readWords(b, s.slot(), 2);
  writeWords(b, d.slot(), [...pair, ...pair]);
});
instruction('movsldup', 'F3 0F 12', ['Vps', 'Wps'], sse3, plain('movsldup'));
instruction('movshdup', 'F3 0F 16', ['Vps', 'Wps'], sse3, plain('movshdup'));
instruction('haddpd', '66 0F 7C', ['Vpd', 'Wpd'], sse3, raising('haddpd'));
instruction('haddps', 'F2 0F 7C', ['Vps', 'Wps'], sse3, raising('haddps'));
instruction('hsubpd', '66 0F 7D', ['Vpd', 'Wpd'], sse3, raising('hsubpd'));
instruction('hsubps', 'F2 0F 7D', ['Vps', 'Wps'], sse3, raising('hsubps'));
instruction('addsubpd', '66 0F D0', ['Vpd', 'Wpd'], sse3, raising('addsubpd'));
instruction('addsubps', 'F2 0F D0', ['Vps', 'Wps'], sse3, raising('addsubps'));
instruction('lddqu', 'F2 0F F0 m', ['Vdq', 'Wdqu'], sse3, moveWhole);
