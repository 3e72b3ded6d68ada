/** SSE4.2: text comparison, 64-bit comparison, CRC-32C. */
import { FLAG_VARIABLES } from '../../ir/ir.js';
import { instruction } from '../declare.js';
import { sized } from './lifting.js';

const sse42 = { feature: 'sse4_2' } as const;
const text = { feature: 'sse4_2', writes: 'oszapc' } as const;

instruction('pcmpgtq', '66 0F 38 37', ['Vdq', 'Wdq'], sse42, sized('pcmpgtq'));

// The explicit lengths are eax and edx; an index goes to ecx, a mask to xmm0.
instruction('pcmpestrm', '66 0F 3A 60', ['Vdq', 'Wdqu', 'Ib'], text, (b, [d, s, control]) =>
  b.call('pcmpestrm', [d.slot(), s.slot(), control.read(), b.get('eax'), b.get('edx')], { writes: FLAG_VARIABLES }),
);
instruction('pcmpestri', '66 0F 3A 61', ['Vdq', 'Wdqu', 'Ib'], text, (b, [d, s, control]) => {
  const lengths = [b.get('eax'), b.get('edx')];
  b.put('ecx', b.callValue('pcmpestri', [d.slot(), s.slot(), control.read(), ...lengths], FLAG_VARIABLES));
});
instruction('pcmpistrm', '66 0F 3A 62', ['Vdq', 'Wdqu', 'Ib'], text, (b, [d, s, control]) =>
  b.call('pcmpistrm', [d.slot(), s.slot(), control.read()], { writes: FLAG_VARIABLES }),
);
instruction('pcmpistri', '66 0F 3A 63', ['Vdq', 'Wdqu', 'Ib'], text, (b, [d, s, control]) =>
  b.put('ecx', b.callValue('pcmpistri', [d.slot(), s.slot(), control.read()], FLAG_VARIABLES)),
);

instruction('crc32', 'F2 0F 38 F0', ['Gd', 'Eb'], sse42, (b, [d, s]) =>
  d.write(b.callValue('crc32', [d.read(), s.read(), b.const(1)])),
);
instruction('crc32', 'F2 0F 38 F1', ['Gd', 'Ev'], sse42, (b, [d, s]) =>
  d.write(b.callValue('crc32', [d.read(), s.read(), b.const(s.size >> 3)])),
);
