/** MMX: moves, emms, and what SSE and SSE2 added on MMX registers alone. */
import type { Builder } from '../../ir/builder.js';
import type { Value } from '../../ir/ir.js';
import { instruction } from '../declare.js';
import type { VectorOperand } from '../kinds.js';
import { enterMmx, markMmx, readLane, readWords, writeLane, writeWords, zeros } from './lifting.js';

const mmx = { feature: 'mmx', waits: true } as const;
const sse = { feature: 'sse', waits: true } as const;
const sse2 = { feature: 'sse2', waits: true } as const;

/** Writes words to an MMX register (and zeros above). */
function put(b: Builder, d: VectorOperand, values: readonly Value[]): void {
  enterMmx(b);
  writeWords(b, d.slot(), values);
  markMmx(b, d.slot());
}

instruction('movd', 'NP 0F 6E', ['Pq', 'Ed'], mmx, (b, [d, s]) => put(b, d, [s.read(), b.const(0)]));
instruction('movd', 'NP 0F 7E', ['Ed', 'Pq'], mmx, (b, [d, s]) => {
  d.write(b.read(0, 4, s.slot()));
  enterMmx(b);
});
instruction('movq', 'NP 0F 6F', ['Pq', 'Qq'], mmx, (b, [d, s]) => put(b, d, readWords(b, s.slot(), 2)));
instruction('movq', 'NP 0F 7F', ['Qq', 'Pq'], mmx, (b, [d, s]) => {
  if (d.isRegister) put(b, d, readWords(b, s.slot(), 2));
  else {
    b.copyOut(d.address(), s.slot(), 8);
    enterMmx(b);
  }
});
instruction('emms', 'NP 0F 77', [], mmx, (b) => b.call('emms', []));

instruction('movntq', 'NP 0F E7 m', ['Qq', 'Pq'], sse, (b, [d, s]) => {
  b.copyOut(d.address(), s.slot(), 8);
  enterMmx(b);
});
instruction('pshufw', 'NP 0F 70', ['Pq', 'Qq', 'Ib'], sse, (b, [d, s, order]) => {
  const source = s.slot();
  enterMmx(b);
  b.call('pshufw', [d.slot(), source, order.read()]);
  markMmx(b, d.slot());
});
instruction('pinsrw', 'NP 0F C4 r', ['Pq', 'Rd', 'Ib'], sse, (b, [d, s, index]) => {
  enterMmx(b);
  writeLane(b, d.slot(), index.read(), 2, 4, s.read());
  markMmx(b, d.slot());
});
instruction('pinsrw', 'NP 0F C4 m', ['Pq', 'Ew', 'Ib'], sse, (b, [d, s, index]) => {
  const word = s.read();
  enterMmx(b);
  writeLane(b, d.slot(), index.read(), 2, 4, word);
  markMmx(b, d.slot());
});
instruction('pextrw', 'NP 0F C5', ['Gd', 'Nq', 'Ib'], sse, (b, [d, s, index]) => {
  enterMmx(b);
  d.write(readLane(b, s.slot(), index.read(), 2, 4));
});
instruction('pmovmskb', 'NP 0F D7', ['Gd', 'Nq'], sse, (b, [d, s]) => {
  enterMmx(b);
  d.write(b.callValue('pmovmskb', [s.slot(), b.const(8)]));
});

instruction('movq2dq', 'F3 0F D6', ['Vdq', 'Nq'], sse2, (b, [d, s]) => {
  enterMmx(b);
  writeWords(b, d.slot(), [...readWords(b, s.slot(), 2), ...zeros(b, 2)]);
});
instruction('movdq2q', 'F2 0F D6', ['Pq', 'Udq'], sse2, (b, [d, s]) => put(b, d, readWords(b, s.slot(), 2)));
