/** The declarations of bridges, and what follows from them. */
import tap from 'tap';
import { codeOf } from '../../bridges/codes.js';
import { libraries } from '../../bridges/libraries/index.js';
import { canFault, marshallingText } from '../../bridges/marshal.js';
import { parsePrototype } from '../../bridges/prototype.js';
import { selectBridges } from '../../bridges/selection.js';

tap.test('codes are unique', (t) => {
  const names = libraries().map(({ name }) => name);
  t.equal(new Set(names.map(codeOf)).size, names.length, 'libraries');
  for (const library of libraries()) {
    const functions = library.functions.map(({ prototype }) => prototype.name);
    t.equal(new Set(functions).size, functions.length, `${library.name}: each function is declared once`);
    t.equal(new Set(functions.map(codeOf)).size, functions.length, `${library.name}: codes`);
  }
  t.end();
});

tap.test('prototypes', (t) => {
  const parsed = parsePrototype(
    'int compress(out(*destLen) bytes dest, inout ulong* destLen, in(4*count)? bytes source, ulong count)',
  );
  t.equal(parsed.name, 'compress');
  t.match(parsed.parameters, [
    { name: 'dest', kind: 'bytes', direction: 'out', length: [{ cell: 'destLen' }], nullable: false },
    { name: 'destLen', kind: 'cell', direction: 'inout', type: { guest: 'i32', host: 'uint64_t' } },
    { name: 'source', kind: 'bytes', direction: 'in', length: [4, { parameter: 'count' }], nullable: true },
    { name: 'count', kind: 'scalar' },
  ]);
  const text = marshallingText(parsed, 'bridge_test');
  t.match(text, /^function bridge_test\(dest, destLen, source, count\) \{/);
  t.ok(
    text.indexOf('destLenValue =') < text.indexOf('writable(dest, destLenValue)'),
    'a length is read before its use',
  );
  t.match(text, /source !== 0 && !readable\(source, 4 \* \(count >>> 0\)\)/);
  t.ok(canFault(parsed));
  t.notOk(canFault(parsePrototype('double pow(double x, double y)')));
  for (const wrong of [
    'sin(double)',
    'strange f(int x)',
    'int f(in(missing) bytes p)',
    'int f(bytes p)',
    'int f(int* p)',
    'int f(out(*p) bytes q, int p)',
  ]) {
    t.throws(() => parsePrototype(wrong), /bridge declaration/, wrong);
  }
  t.end();
});

tap.test('selection', (t) => {
  const names = (selection: ReturnType<typeof selectBridges>): Record<string, string[]> =>
    Object.fromEntries(
      [...selection].map(([library, set]) => [library.name, [...set].map((one) => one.prototype.name)]),
    );
  const libm = names(selectBridges(['libm'], []))['libm']!;
  t.ok(libm.includes('fmod'));
  t.notOk(libm.includes('sin'), 'results that differ are bridged only where they are named');
  t.same(names(selectBridges([], ['libm.so.6:sin,cos'])), { libm: ['sin', 'cos'] });
  t.same(names(selectBridges(['libc:strlen+memcpy'], [])), { libc: ['strlen', 'memcpy'] }, 'as in the environment');
  const inflate = names(selectBridges([], ['libz:inflate']))['libz']!;
  t.ok(inflate.includes('inflateInit2_') && inflate.includes('inflateEnd'), 'functions that share state come together');
  t.notOk(inflate.some((name) => name.startsWith('deflate')));
  t.throws(() => selectBridges(['libnothing'], []), /no bridges for a library/);
  t.throws(() => selectBridges([], ['libm:nothing']), /no bridge for nothing/);
  t.throws(() => selectBridges([], ['memcpy']), /is expected/);
  t.end();
});
