/**
 * `npm run record:golden [-- --larger]`: writes what the translator makes of the functions now into expected/, and prints bytes of
 * generated code per guest instruction, before and after. Code that became notably larger is only taken with --larger.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXPECTED, growth, sizeTable, sizeText, translateFunctions, type SizeTable } from './golden.js';

const SIZES = join(EXPECTED, 'sizes.json');

const goldens = translateFunctions();
const before = existsSync(SIZES) ? (JSON.parse(readFileSync(SIZES, 'utf8')) as SizeTable) : {};
const after = sizeTable(goldens);
console.log(sizeText(before, after));
const larger = growth(before, after);
for (const line of larger) console.log(`larger: ${line}`);
if (larger.length > 0 && !process.argv.includes('--larger')) {
  console.log('nothing is written: `npm run record:golden -- --larger` takes code that is so much larger');
  process.exitCode = 1;
} else {
  mkdirSync(EXPECTED, { recursive: true });
  const files = new Map(goldens.map(({ name, text }) => [`${name}.txt`, text]));
  for (const file of readdirSync(EXPECTED)) if (file.endsWith('.txt') && !files.has(file)) rmSync(join(EXPECTED, file));
  let changed = 0;
  for (const [file, text] of files) {
    const path = join(EXPECTED, file);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    writeFileSync(path, text);
    changed++;
  }
  const lines = Object.entries(after).map(([name, sizes]) => `  ${JSON.stringify(name)}: ${JSON.stringify(sizes)}`);
  writeFileSync(SIZES, `{\n${lines.join(',\n')}\n}\n`);
  console.log(`${changed} of ${files.size} functions changed: git diff tests/golden/expected`);
}
