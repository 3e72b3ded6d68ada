/** The pass that removes loads of what a block stored itself: from IR to the text of IR. */
import t from 'tap';
import { Builder } from '../../translator/ir/builder.js';
import { printIr } from '../../translator/ir/print.js';
import { forwardLoads } from '../../translator/passes/forward-loads.js';

/** The text of a block after the pass, without its first line. */
function forwarded(build: (b: Builder) => void): string[] {
  const b = new Builder();
  b.startInstruction(0x1000, 0x1004);
  build(b);
  b.jump(b.const(0x2000));
  forwardLoads(b.statements);
  const text = printIr({ pc: 0x1000, end: 0x1004, statements: b.statements });
  return text
    .trimEnd()
    .split('\n')
    .slice(2)
    .map((line) => line.trim());
}
const stack = (b: Builder, distance: number) => b.add(b.get('esp'), b.const(distance));

t.same(
  forwarded((b) => {
    b.store(stack(b, 8), 32, b.get('ecx'));
    b.store(stack(b, 12), 32, b.get('edx'));
    b.put('eax', b.add(b.load(stack(b, 8), 32), b.const(1)));
  }),
  ['store4 add(esp, 8), ecx', 'store4 add(esp, 12), edx', 'eax = add(ecx, 1)', 'jump 0x00002000'],
  'a stored value is taken instead of loaded again; stores beside it do not matter',
);

t.same(
  forwarded((b) => {
    b.put('eax', b.load(stack(b, 8), 32));
    b.put('ebx', b.load(stack(b, 8), 32));
  }),
  ['%1 = load4 add(esp, 8)', 'eax = %1', 'ebx = %1', 'jump 0x00002000'],
  'so is a loaded one',
);

for (const [name, between] of [
  ['a store at another value', (b: Builder) => b.store(b.get('edi'), 8, b.const(1))],
  ['a store that overlaps', (b: Builder) => b.store(stack(b, 11), 8, b.const(1))],
  ['a helper on the whole state', (b: Builder) => b.callState('cpuid', [])],
  ['an atomic store', (b: Builder) => b.store(stack(b, 100), 32, b.const(1), true)],
] as const) {
  const text = forwarded((b) => {
    b.store(stack(b, 8), 32, b.get('ecx'));
    between(b);
    b.put('eax', b.load(stack(b, 8), 32));
  });
  t.ok(
    text.some((line) => line.includes('load4')),
    `${name} forgets what was stored`,
  );
}

t.ok(
  forwarded((b) => {
    b.put('eax', b.load(stack(b, 8), 32));
    b.put('ebx', b.loadForWrite(stack(b, 8), 32));
    b.storeLoaded(stack(b, 8), 32, b.const(1));
  }).some((line) => line.includes('load4.forWrite')),
  'a load that finds out whether memory may be written stays',
);
