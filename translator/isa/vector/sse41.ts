/** SSE4.1: blends, roundings, dot products, insertion and extraction, widening moves, more integer lanes. */
import { FLAG_VARIABLES } from '../../ir/ir.js';
import { instruction } from '../declare.js';
import { moveWhole, plain, plainImmediate, raisingImmediate, readLane, sized, writeLane } from './lifting.js';

const sse41 = { feature: 'sse4_1' } as const;

// Blends. The variable ones take their mask from xmm0.
instruction('pblendvb', '66 0F 38 10', ['Vdq', 'Wdq'], sse41, plain('pblendvb'));
instruction('blendvps', '66 0F 38 14', ['Vps', 'Wps'], sse41, plain('blendvps'));
instruction('blendvpd', '66 0F 38 15', ['Vpd', 'Wpd'], sse41, plain('blendvpd'));
instruction('blendps', '66 0F 3A 0C', ['Vps', 'Wps', 'Ib'], sse41, plainImmediate('blendps'));
instruction('blendpd', '66 0F 3A 0D', ['Vpd', 'Wpd', 'Ib'], sse41, plainImmediate('blendpd'));
instruction('pblendw', '66 0F 3A 0E', ['Vdq', 'Wdq', 'Ib'], sse41, plainImmediate('pblendw'));

instruction('ptest', '66 0F 38 17', ['Vdq', 'Wdq'], { feature: 'sse4_1', writes: 'oszapc' }, (b, [d, s]) =>
  b.call('ptest', [d.slot(), s.slot()], { writes: FLAG_VARIABLES }),
);

// Widening.
instruction('pmovsxbw', '66 0F 38 20', ['Vdq', 'Wq'], sse41, plain('pmovsxbw'));
instruction('pmovsxbd', '66 0F 38 21', ['Vdq', 'Wd'], sse41, plain('pmovsxbd'));
instruction('pmovsxbq', '66 0F 38 22', ['Vdq', 'Ww'], sse41, plain('pmovsxbq'));
instruction('pmovsxwd', '66 0F 38 23', ['Vdq', 'Wq'], sse41, plain('pmovsxwd'));
instruction('pmovsxwq', '66 0F 38 24', ['Vdq', 'Wd'], sse41, plain('pmovsxwq'));
instruction('pmovsxdq', '66 0F 38 25', ['Vdq', 'Wq'], sse41, plain('pmovsxdq'));
instruction('pmovzxbw', '66 0F 38 30', ['Vdq', 'Wq'], sse41, plain('pmovzxbw'));
instruction('pmovzxbd', '66 0F 38 31', ['Vdq', 'Wd'], sse41, plain('pmovzxbd'));
instruction('pmovzxbq', '66 0F 38 32', ['Vdq', 'Ww'], sse41, plain('pmovzxbq'));
instruction('pmovzxwd', '66 0F 38 33', ['Vdq', 'Wq'], sse41, plain('pmovzxwd'));
instruction('pmovzxwq', '66 0F 38 34', ['Vdq', 'Wd'], sse41, plain('pmovzxwq'));
instruction('pmovzxdq', '66 0F 38 35', ['Vdq', 'Wq'], sse41, plain('pmovzxdq'));

// Integer lanes.
for (const [mnemonic, opcode] of [
  ['pmuldq', '28'],
  ['pcmpeqq', '29'],
  ['packusdw', '2B'],
  ['pminsb', '38'],
  ['pminsd', '39'],
  ['pminuw', '3A'],
  ['pminud', '3B'],
  ['pmaxsb', '3C'],
  ['pmaxsd', '3D'],
  ['pmaxuw', '3E'],
  ['pmaxud', '3F'],
  ['pmulld', '40'],
] as const) {
  instruction(mnemonic, `66 0F 38 ${opcode}`, ['Vdq', 'Wdq'], sse41, sized(mnemonic));
}
instruction('phminposuw', '66 0F 38 41', ['Vdq', 'Wdq'], sse41, plain('phminposuw'));
instruction('mpsadbw', '66 0F 3A 42', ['Vdq', 'Wdq', 'Ib'], sse41, plainImmediate('mpsadbw'));
instruction('movntdqa', '66 0F 38 2A m', ['Vdq', 'Wdq'], sse41, moveWhole);

// Floating point.
instruction('roundps', '66 0F 3A 08', ['Vps', 'Wps', 'Ib'], sse41, raisingImmediate('roundps'));
instruction('roundpd', '66 0F 3A 09', ['Vpd', 'Wpd', 'Ib'], sse41, raisingImmediate('roundpd'));
instruction('roundss', '66 0F 3A 0A', ['Vss', 'Wss', 'Ib'], sse41, raisingImmediate('roundss'));
instruction('roundsd', '66 0F 3A 0B', ['Vsd', 'Wsd', 'Ib'], sse41, raisingImmediate('roundsd'));
instruction('dpps', '66 0F 3A 40', ['Vps', 'Wps', 'Ib'], sse41, raisingImmediate('dpps'));
instruction('dppd', '66 0F 3A 41', ['Vpd', 'Wpd', 'Ib'], sse41, raisingImmediate('dppd'));

// Single lanes. To a general register the lane is zero-extended; to memory only its bytes are written.
instruction('pextrb', '66 0F 3A 14 r', ['Rd', 'Vdq', 'Ib'], sse41, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 1, 16)),
);
instruction('pextrb', '66 0F 3A 14 m', ['Eb', 'Vdq', 'Ib'], sse41, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 1, 16)),
);
instruction('pextrw', '66 0F 3A 15 r', ['Rd', 'Vdq', 'Ib'], sse41, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 2, 8)),
);
instruction('pextrw', '66 0F 3A 15 m', ['Ew', 'Vdq', 'Ib'], sse41, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 2, 8)),
);
instruction('pextrd', '66 0F 3A 16', ['Ed', 'Vdq', 'Ib'], sse41, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 4, 4)),
);
instruction('extractps', '66 0F 3A 17', ['Ed', 'Vdq', 'Ib'], sse41, (b, [d, s, index]) =>
  d.write(readLane(b, s.slot(), index.read(), 4, 4)),
);
instruction('pinsrb', '66 0F 3A 20 r', ['Vdq', 'Rd', 'Ib'], sse41, (b, [d, s, index]) =>
  writeLane(b, d.slot(), index.read(), 1, 16, s.read()),
);
instruction('pinsrb', '66 0F 3A 20 m', ['Vdq', 'Eb', 'Ib'], sse41, (b, [d, s, index]) =>
  writeLane(b, d.slot(), index.read(), 1, 16, s.read()),
);
instruction('pinsrd', '66 0F 3A 22', ['Vdq', 'Ed', 'Ib'], sse41, (b, [d, s, index]) =>
  writeLane(b, d.slot(), index.read(), 4, 4, s.read()),
);
instruction('insertps', '66 0F 3A 21', ['Vps', 'Wd', 'Ib'], sse41, (b, [d, s, immediate]) => {
  // Bits 6-7 choose a lane of a register; memory is the one float.
  const lane = s.isRegister ? b.shrU(immediate.read(), b.const(6)) : b.const(0);
  b.call('insertps', [d.slot(), readLane(b, s.slot(), lane, 4, 4), immediate.read()]);
});
