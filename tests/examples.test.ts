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

void tap.test('hello', (t) => {
  t.equal(example('hello'), 'Hello from i386: this program was translated to JavaScript.\nIt exited with status 0.\n');
  t.end();
});

void tap.test('count-instructions', (t) => {
  const text = example('count-instructions');
  t.match(text, /^gcd\(1134903170, 701408733\) = 1$/m);
  t.match(text, /^ {4}43 {2}div ecx$/m);
  t.match(text, /^ {5}1 {2}ret$/m);
  t.match(example('count-instructions', '701408733'), /^ {5}1 {2}div ecx$/m);
  t.end();
});

void tap.test('fuzz-snapshots', (t) => {
  t.match(
    example('fuzz-snapshots'),
    /"BUG!": the function's instruction at 0x[0-9a-f]+ cannot write \(address 0x00000000\)/,
  );
  t.match(example('fuzz-snapshots', '10'), /blocks reached/);
  t.end();
});

void tap.test('compare-engines', (t) => {
  const text = example('compare-engines');
  t.match(text, /^interpret: 215063 steps, 0 functions compiled/m);
  t.match(text, /^region: 215063 steps, [1-9]/m);
  t.match(text, /They agree/);
  t.end();
});

void tap.test('bridge-module', (t) => {
  const text = example('bridge-module');
  t.match(
    text,
    /^the guest's own factorial\(1\) is 1\n(?:the guest's own .*\n){3}the guest's own factorial\(5\) is 120\n/,
  );
  t.match(text, /\narea\(6, 7\) in TypeScript\n$/);
  t.end();
});

void tap.test('call-back', (t) => {
  t.equal(example('call-back'), '1 4 9 16 25 36 49 64\n');
  t.end();
});

void tap.test('bridge-function', (t) => {
  t.equal(
    example('bridge-function'),
    "the guest's factorial(10) is 3628800\nthe guest asks for factorial(5)\nIt exited with status 3.\n",
  );
  t.end();
});
