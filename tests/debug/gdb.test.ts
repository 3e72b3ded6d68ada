/** gdb at a guest: the same scripts natively and through `-g`, and the answers compared, in the engines that differ in it. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import tap from 'tap';
import * as gdb from '../support/gdb.js';
import { skip } from '../support/gdb.js';
import { GUESTS, MAIN } from '../support/paths.js';

const GUEST = join(GUESTS, 'debugged');
const native = gdb.native.bind(undefined, 'debugged');
const remote = gdb.remote.bind(undefined, 'debugged');

const WALK = [
  'break factorial',
  'continue',
  'bt',
  'info args',
  'continue',
  'bt 2',
  'delete',
  'finish',
  'next',
  'info locals',
  'finish',
  'next',
  'next',
  'print f',
  'print p',
  'break area',
  'continue',
  'stepi',
  'next',
  'next',
  'print a',
  'print $st0',
  'info registers eip esp',
  'finish',
  'info float',
  'print $mxcsr',
  'print $xmm3',
  'print $cs',
  'set var p.x = 60',
  'print p',
  'print factorial(6)',
  'hbreak crash',
  'info registers eax edx eip cs gs',
  // Flags of a sum of esp, which depends on the environment: but for the parity.
  'print $eflags & 0x8c1',
];
const WATCH = [
  'watch watched',
  'continue',
  'print watched',
  'continue',
  'continue',
  'print handled',
  'continue',
  'delete',
  'continue',
  'info symbol $pc',
  'print $_siginfo.si_signo',
  'print $_siginfo._sifields._sigfault.si_addr',
  'x/i $pc',
  'print where',
  'bt',
  'up',
  'info locals',
];

for (const options of [
  ['--engine', 'interpret'],
  ['--engine', 'block'],
  ['--engine', 'region', '--backend', 'wasm'],
]) {
  void tap.test(`break, step, finish, print: ${options.join(' ')}`, { skip }, async (t) => {
    const { answers, status } = await remote(
      [...WALK, 'delete', 'handle SIGUSR1 nostop noprint', 'continue'],
      [],
      options,
    );
    t.ok(answers.some((line) => /factorial \(n=5\) at .*debugged\.c:\d+/.test(line)));
    t.ok(answers.some((line) => /= \{x = 6, y = 7\}$/.test(line)));
    t.ok(
      answers.some((line) => /= 720$/.test(line)),
      'a call of a guest function',
    );
    t.equal(status, 3, 'and it went on to its end');
    const wanted = native([...WALK, 'delete', 'handle SIGUSR1 nostop noprint', 'continue'], []);
    if (wanted.length > 20) t.same(answers, wanted, 'as gdb answers at the native process');
  });
}

void tap.test('watchpoints, a signal, and the place of a fault', { skip }, async (t) => {
  const { answers, signal } = await remote([...WATCH, 'kill'], ['crash'], ['--engine', 'region']);
  t.ok(answers.includes('Program received signal SIGUSR1, User defined signal 1.'));
  t.ok(answers.includes('Program received signal SIGSEGV, Segmentation fault.'));
  t.ok(answers.some((line) => /crash \(where=0x10\) at .*debugged\.c:\d+/.test(line)));
  t.equal(signal, 'SIGKILL');
  const wanted = native([...WATCH, 'kill'], ['crash']);
  if (wanted.length > 10) t.same(answers, wanted, 'as gdb answers at the native process');
});

void tap.test('detach', { skip }, async (t) => {
  const { status } = await remote(['break area', 'continue', 'detach'], []);
  t.equal(status, 3);
});

void tap.test('a signal that gdb forgets', { skip }, async (t) => {
  const { answers } = await remote(
    ['handle SIGUSR1 stop nopass', 'continue', 'next', 'next', 'print handled', 'kill'],
    [],
  );
  t.ok(answers.some((line) => /= 0$/.test(line)));
});

void tap.test('an address that is none', async (t) => {
  const { status, stderr } = spawnSync(MAIN, ['run', '-g', 'x', GUEST], { encoding: 'utf8' });
  t.equal(status, 2);
  t.match(stderr, /-g x: a port's number or unix:PATH is expected/);
  t.end();
});

void tap.test('a machine', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-gdb-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const socket = join(directory, 'socket');
  const index = new URL('../../lib/index.js', import.meta.url).href;
  // xor eax, eax; mov ecx, 5; L: add eax, ecx; mov [0x20000], eax; dec ecx; jnz L; ud2
  const program = `
    import { Machine } from ${JSON.stringify(index)};
    const machine = new Machine();
    machine.map(0x10000, 4096, 'rx');
    machine.map(0x20000, 4096);
    machine.write(0x10000, Buffer.from('31c0b90500000001c8a3000002004975f60f0b', 'hex'));
    machine.registers.eip = 0x10000;
    console.log(machine.serveGdb({ path: ${JSON.stringify(socket)} }), machine.registers.eax);
    machine.dispose();`;
  const guest = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  guest.stdout.on('data', (piece) => (output += String(piece)));
  const ended = new Promise((resolve) => guest.once('close', resolve));
  for (let i = 0; i < 400 && !existsSync(socket); i++) await setTimeout(25);
  const script = [
    'set architecture i386',
    `target remote ${socket}`,
    'break *0x10007',
    'continue',
    'continue',
    'print $eax',
    'delete',
    'watch *(int *)0x20000',
    'continue',
    'stepi',
    'delete',
    'continue',
    'x/i $pc',
    'set var $eax = 77',
    'detach',
  ];
  const debuggerProcess = spawn('gdb', ['-nx', '-batch', ...script.flatMap((line) => ['-ex', line])]);
  let answers = '';
  debuggerProcess.stdout.on('data', (piece) => (answers += String(piece)));
  await new Promise((resolve) => debuggerProcess.once('close', resolve));
  await ended;
  t.match(answers, /\$1 = 5\n/);
  t.match(answers, /Old value = 5\nNew value = 9\n/);
  t.match(answers, /SIGILL, Illegal instruction/);
  t.match(answers, /=> 0x10011:\tud2/);
  t.equal(output, 'detach 77\n');
});
