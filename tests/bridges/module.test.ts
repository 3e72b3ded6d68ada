/** Bridges to functions of the user's own: called by guest code, calling guest code, and ends on the way. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap from 'tap';
import { runBridge } from '../support/run.js';
import { testDirectCalls } from './generated.js';

const directory = mkdtempSync(join(tmpdir(), 'bridge86-test-'));
tap.teardown(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const gcc = (...args: string[]): boolean => spawnSync('gcc', ['-m32', '-O1', ...args], { cwd: directory }).status === 0;

file(
  'mine.c',
  `int add(int a, int b) { return a - b; }
int twice(int a) { return 2 * a; }
int apply(int (*f)(int), int a) { return -1; }
long long wide(long long a) { return 0; }
double half(double a) { return 0; }
int length(const char *s) { return -1; }
`,
);
file(
  'main.c',
  `#include <stdio.h>
#include <stdlib.h>
int add(int, int), twice(int), apply(int (*)(int), int), length(const char *);
long long wide(long long);
double half(double);
static int callback(int x) { printf("callback %d\\n", x); return twice(x) + 1; }
int main(int argc, char **argv) {
  int sum = 0;
  for (int i = 0; i < 300000; i++) sum = add(sum, i);
  printf("%d %d %d %lld %g %d\\n", sum, twice(21), apply(callback, 5), wide(1LL << 33), half(3), length("four"));
  fflush(stdout);
  if (argc > 1) apply((int (*)(int))exit, 7);
  return length((char *)16);
}
`,
);
const canBuild =
  gcc('-shared', '-fPIC', '-Wl,-soname,libmine.so', '-o', 'libmine.so', 'mine.c') &&
  gcc('-o', 'main', 'main.c', '-L.', '-lmine', '-Wl,-rpath,$ORIGIN') &&
  spawnSync(join(directory, 'main')).status === 255;

const module = file(
  'module.mjs',
  `export default {
  name: 'mine',
  soname: 'libmine.so',
  written: {
    'int add(int a, int b)': () => (a, b) => (a + b) | 0,
    'int twice(int a)': ({ original, callGuest }) => (a) => callGuest(original('twice'), [a]) * 10,
    'int apply(pointer f, int a)': ({ callGuest }) => (f, a) => callGuest(f, [a]),
    'double half(double a)': () => (a) => a / 2,
    'int length(pointer s)': ({ memory, readable, fault }) => (s) => {
      if (!readable(s, 1)) return fault(s, false);
      return memory.u8.indexOf(0, s >>> 0) - (s >>> 0);
    },
  },
};
`,
);

for (const engine of ['interpret', 'block', 'region']) {
  tap.test(`a module's functions, engine ${engine}`, { skip: !canBuild && 'no gcc -m32' }, async (t) => {
    const command = ['run', '--engine', engine, '--bridge-module', module, '--bridge-report', join(directory, 'main')];
    const { stdout, stderr, signal } = await runBridge(command);
    const sum = Number(BigInt.asIntN(32, (299999n * 300000n) / 2n));
    t.equal(stdout.toString(), `callback 5\n${sum} 420 101 0 1.5 4\n`);
    t.match(stderr, /mine: called bridged: add twice apply half length/);
    t.equal(signal, 'SIGSEGV', 'a fault that a function gives is the guest');
    const ended = await runBridge([...command, 'exit']);
    t.equal(ended.status, 7, 'the guest ends in a function that a function called');
  });
}

/** What a run writes of its generated code, a text for each function. */
async function generated(backend: 'js' | 'wasm', module: string, program: string): Promise<string[]> {
  const { stdout, stderr, status } = await runBridge([
    'run',
    '--engine',
    'region',
    '--backend',
    backend,
    '--dump',
    backend,
    '--bridge-module',
    module,
    join(directory, program),
  ]);
  if (status === 127) throw new Error(stderr);
  return `${stdout.toString()}\n${stderr}`
    .split(new RegExp(`^${backend}: `, 'm'))
    .slice(1)
    .map((text) => text.replace(/^.*\n/, '').replace(/\n\n[^]*$/, ''));
}

tap.test('generated code calls a module directly', { skip: !canBuild && 'no gcc -m32' }, async (t) => {
  const program = file(
    'program.mjs',
    `export default { name: 'mine', soname: '', written: { 'int add(int a, int b)': () => (a, b) => (a + b) | 0 } };`,
  );
  t.ok(gcc('-fno-inline', '-no-pie', '-o', 'direct', 'main.c', 'mine.c'));
  const ways = [
    [module, 'main'],
    [program, 'direct'],
  ] as const;
  for (const [own, name] of ways) {
    const sources = (await generated('js', own, name)).filter((text) => text.includes('bridge_mine_add'));
    const callers = testDirectCalls(t, sources, 'bridge_mine_add', 2, 'M.getInt32');
    if (name === 'direct') {
      t.ok(
        callers.some((caller) => caller.startsWith('f_main_')),
        "it is part of the program's loop",
      );
    } else t.not(callers.length, 0);
    const texts = (await generated('wasm', own, name)).filter((text) => text.includes('call $bridge_mine_add'));
    t.not(texts.length, 0);
    for (const text of texts) t.match(text, /i32\.load[^\n]*\n[^\n]*\n\s*i32\.load[^\n]*\n\s*call \$bridge_mine_add/);
    if (name === 'direct') t.ok(texts.some((text) => text.startsWith('(func $f_main_')));
  }
});

tap.test('what is no module of bridges', async (t) => {
  const cases: Record<string, RegExp> = {
    'export const nothing = 1;': /no declaration of a library/,
    "export default { name: 'libz', soname: 'x' };": /there is a library libz already/,
    "export default { name: 'a', soname: 'x', written: { 'int f(unknown a)': () => 0 } };": /unknown type unknown/,
    'export default {': /bad\.mjs: /,
  };
  for (const [text, message] of Object.entries(cases)) {
    const bad = file('bad.mjs', text);
    const { stderr, status } = await runBridge(['run', '--bridge-module', bad, '/bin/true']);
    t.match(stderr, message);
    t.ok(status !== 0);
  }
});
