/** Every example runs and prints what its heading says. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import tap from 'tap';
import { PROJECT } from './support/paths.js';

function example(name: string, ...args: string[]): string {
  const path = join(PROJECT, 'dist/examples', `${name}.js`);
  return execFileSync('env', ['-u', 'NODE_OPTIONS', process.execPath, path, ...args], { encoding: 'utf8' });
}

void tap.test('read-machine-code', (t) => {
  const text = example('read-machine-code');
  t.match(text, /0 {2}lea eax,\[ecx\+edx\*4\]/);
  t.match(text, /6 {2}jl/);
  t.match(text, /branch ltS\(/, 'the comparison became the condition');
  t.match(example('read-machine-code', 'f30fbdc1'), /lzcnt eax,ecx/);
  t.end();
});

void tap.test('run-machine-code', (t) => {
  t.equal(example('run-machine-code'), '1 + ... + 1000000 = 1784293664 (modulo 2^32)\n');
  t.equal(example('run-machine-code', '10'), '1 + ... + 10 = 55 (modulo 2^32)\n');
  t.end();
});
