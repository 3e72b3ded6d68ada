/** Generated code as it was recorded, and what may pass as growth. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EXPECTED, growth, type SizeTable, sizeTable, sizeText, translateFunctions } from './golden.js';

const SIZES = join(EXPECTED, 'sizes.json');

void t.test('generated code is as recorded', { skip: existsSync(SIZES) ? false : 'nothing is recorded' }, (t) => {
  const recorded = JSON.parse(readFileSync(SIZES, 'utf8')) as SizeTable;
  const goldens = translateFunctions();
  t.same(
    goldens.map(({ name }) => name),
    Object.keys(recorded),
    'every function is recorded',
  );
  const different = goldens.filter(({ name, text }) => {
    const path = join(EXPECTED, `${name}.txt`);
    return !existsSync(path) || readFileSync(path, 'utf8') !== text;
  });
  const names = different.map(({ name }) => name);
  if (names.length > 0)
    t.comment(`npm run record:golden shows it in git diff\n${sizeText(recorded, sizeTable(goldens))}`);
  t.same(names, [], 'no code is another than the recorded');
  t.same(growth(recorded, sizeTable(goldens)), [], 'no code is larger');
  t.end();
});

void t.test('what counts as larger', (t) => {
  const table = (javascript: number, wasm: number): SizeTable => ({
    a: { instructions: 10, javascript, wasm },
    b: { instructions: 1000, javascript: 100000, wasm: 100000 },
  });
  t.same(growth(table(1000, 500), table(1100, 510)), [], 'a little in one function');
  t.match(growth(table(1000, 500), table(1000, 700)), [/^a: wasm: 50.0 bytes per instruction became 70.0$/]);
  t.match(growth(table(1000, 500), { ...table(1000, 500), b: { instructions: 1000, javascript: 102000, wasm: 1 } }), [
    /^all functions: javascript/,
  ]);
  t.same(growth({}, table(1000, 500)), [], 'what was not there before');
  t.end();
});
