/** The examples of docs/embedding.md that stand by themselves run as they stand. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import tap from 'tap';
import { PROJECT } from '../support/paths.js';
import { existingSysroot } from '../support/sysroot.js';

const GUIDE = readFileSync(join(PROJECT, 'docs/embedding.md'), 'utf8');
const INDEX = new URL('../../lib/index.js', import.meta.url).href;

/** Blocks of code with an import, and what they print. */
const EXAMPLES = [...GUIDE.matchAll(/(?:^ {4}.*\n|^\n(?= {4}))+/gm)]
  .map(([text]) => text.replace(/^ {4}/gm, ''))
  .filter((text) => text.includes("from 'bridge86'"));

const PRINTED: readonly { name: RegExp; output: RegExp; needsSysroot: boolean }[] = [
  { name: /new Machine\(/, output: /^1784293664\n$/, needsSysroot: false },
  { name: /MachineWorker/, output: /^0\n4\n8\n42\n$/, needsSysroot: false },
  { name: /program: 'ls'/, output: /^$/, needsSysroot: true },
  { name: /control: true/, output: /^2500\n<42>\n995\nexit_group\n$/, needsSysroot: true },
];

const root = existingSysroot();

void tap.test('each example is known here', (t) => {
  t.equal(EXAMPLES.length, PRINTED.length);
  t.end();
});

for (const { name, output, needsSysroot } of PRINTED) {
  const skip = needsSysroot && !root ? 'no sysroot' : false;
  void tap.test(String(name), { skip }, async (t) => {
    const example = EXAMPLES.find((text) => name.test(text));
    if (!example) throw new Error('the guide has no such example');
    let program = example.replace("'bridge86'", JSON.stringify(INDEX));
    if (root) program = program.replace('new Process({', `new Process({ root: ${JSON.stringify(root)},`);
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    t.match(stdout, output);
  });
}
