/** i386 Linux programs as an embedder starts them: streams, environment, statuses, signals. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap from 'tap';
import { Process } from '../../lib/index.js';
import { GUESTS } from '../support/paths.js';

const guest = (name: string): string => join(GUESTS, name);
const HELLO = 'Hello from i386: this program was translated to JavaScript.\n';

void tap.test('output and status', async (t) => {
  const { text, end } = await new Process({ program: guest('hello') }).output();
  t.equal(text, HELLO);
  t.same(end, { kind: 'exit', status: 0 });
});

void tap.test('every engine and backend', async (t) => {
  for (const [engine, backend] of [
    ['interpret', 'js'],
    ['block', 'wasm'],
    ['region', 'auto'],
  ] as const) {
    const { text, end } = await new Process({
      program: guest('primes'),
      arguments: ['1000'],
      engine,
      backend,
    }).output();
    t.same(end, { kind: 'exit', status: 0 });
    t.match(text, /\d/, `${engine} ${backend}`);
  }
});

void tap.test('arguments and the whole environment', async (t) => {
  const environment = { ONE: '1', NODE_OPTIONS: '--no-such-option', PATH: '/nowhere' };
  const { text } = await new Process({
    program: guest('arguments'),
    arguments: ['-x', '', 'a b'],
    argv0: 'zero',
    environment,
  }).output();
  for (const word of ['zero', '-x', 'a b', 'ONE=1', 'NODE_OPTIONS=--no-such-option', 'PATH=/nowhere']) {
    t.ok(text.includes(word), word);
  }
  t.notOk(text.includes('HOME='), 'nothing else');
});

void tap.test('a status, and a program that there is not', async (t) => {
  const failed = new Process({ program: '/no/such/program' });
  const errors: Buffer[] = [];
  for await (const piece of failed.stderr!) errors.push(piece as Buffer);
  t.same(await failed.exit, { kind: 'exit', status: 127 });
  t.match(Buffer.concat(errors).toString(), /no\/such\/program/);
});

void tap.test('killed by a signal', async (t) => {
  const running = new Process({ program: guest('bench/fib'), arguments: ['1000000'] });
  t.ok(running.pid! > 0);
  running.kill('SIGTERM');
  t.same(await running.exit, { kind: 'signal', signal: 'SIGTERM' });
  running.dispose();
});

void tap.test('the event loop is free meanwhile; AbortSignal', async (t) => {
  const controller = new AbortController();
  const running = new Process({
    program: guest('bench/fib'),
    arguments: ['1000000'],
    signal: controller.signal,
  });
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks === 5) controller.abort();
  }, 10);
  t.same(await running.exit, { kind: 'signal', signal: 'SIGKILL' });
  clearInterval(timer);
  t.ok(ticks >= 5);
  const late = new Process({ program: guest('hello'), signal: AbortSignal.abort() });
  t.same(await late.exit, { kind: 'signal', signal: 'SIGKILL' });
});

void tap.test('two at the same time', async (t) => {
  const both = [1, 2].map(() => new Process({ program: guest('hello') }).output());
  for (const { text } of await Promise.all(both)) t.equal(text, HELLO);
});

void tap.test('descriptors of our own', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-api-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'out');
  const fd = openSync(file, 'w');
  const writing = new Process({ program: guest('hello'), stdin: 'ignore', stdout: fd });
  t.equal(writing.stdin, null);
  t.equal(writing.stdout, null);
  t.same(await writing.exit, { kind: 'exit', status: 0 });
  closeSync(fd);
  t.equal(readFileSync(file, 'utf8'), HELLO);
});

void tap.test('a directory that there is not', async (t) => {
  await t.rejects(new Process({ program: guest('hello'), cwd: '/no/such/directory' }).exit);
});
