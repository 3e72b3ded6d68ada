/** Programs that the embedder controls: functions called and implemented, system calls watched and replaced, state put back. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap from 'tap';
import { Process, type GuestSystemCall } from '../../lib/index.js';
import { GUESTS } from '../support/paths.js';
import { existingSysroot } from '../support/sysroot.js';

/** Calls `factorial(5)` and `area({6, 7})`, gets SIGUSR1 from itself, and exits with status 3. */
const start = (name = 'debugged', ...args: string[]): Process =>
  new Process({ program: join(GUESTS, name), arguments: args, control: true, stdin: 'ignore' });
const FACTORIAL = 'int factorial(int n)';
const EXITED = { kind: 'exit', status: 3 };

void tap.test('guest functions by name and by address, before main', async (t) => {
  const guest = start();
  t.equal(await guest.call(FACTORIAL, 6), 720);
  t.equal(await guest.call('double area(int x, int y)', 3, 4), 30);
  const address = await guest.control.symbol('factorial');
  t.ok(address! > 0x8048000);
  t.equal(await guest.control.callAt(address!, 'uint f(uint n)', 4), 24);
  t.equal(await guest.control.symbol('no_such_function'), undefined);
  await t.rejects(guest.call('int no_such_function(void)'), /no function no_such_function/);
  await t.rejects(guest.call(FACTORIAL, 'x'), TypeError);
  await t.rejects(guest.call(FACTORIAL), /1 arguments are expected, not 0/);
  await guest.control.resume();
  t.same(await guest.exit, EXITED, 'what was called has left nothing behind');
  await t.rejects(guest.call(FACTORIAL, 1), /has ended/);
});

void tap.test('the same in every engine', async (t) => {
  for (const [engine, backend] of [
    ['interpret', 'js'],
    ['block', 'js'],
    ['region', 'wasm'],
  ] as const) {
    const guest = new Process({ program: join(GUESTS, 'debugged'), control: true, stdin: 'ignore', engine, backend });
    const seen: string[] = [];
    await guest.control.hookSystemCalls(
      ({ name, arguments: [first] }) =>
        void seen.push(`${name} ${name === 'kill' || name === 'sigreturn' ? '' : first}`),
      { after: ({ name, result }) => void seen.push(`${name} = ${name === 'getpid' ? '' : result}`) },
    );
    const hook = await guest.control.implement(FACTORIAL, (n) => {
      seen.push(`factorial ${String(n)}`);
      return 100;
    });
    t.equal(await guest.call(FACTORIAL, 3), 100, 'called from here, too');
    await hook.remove();
    t.equal(await guest.call(FACTORIAL, 3), 6);
    await guest.control.implement(FACTORIAL, (n) => void seen.push(`factorial ${String(n)}`));
    await guest.control.resume();
    t.same(await guest.exit, EXITED);
    t.same(
      seen,
      [
        'factorial 3',
        'factorial 5',
        'rt_sigaction 10',
        'rt_sigaction = 0',
        'getpid 0',
        'getpid = ',
        'kill ',
        'kill = 0',
        'sigreturn ',
        'exit_group 3',
      ],
      `${engine} ${backend}`,
    );
  }
});

void tap.test('system calls are replaced, and the guest is looked at meanwhile', async (t) => {
  const guest = start('hello');
  const seen: GuestSystemCall[] = [];
  const hook = await guest.control.hookSystemCalls(
    async (call) => {
      seen.push(call);
      const [descriptor, address, length] = call.arguments;
      t.equal(descriptor, 1);
      t.match(Buffer.from(await guest.control.read(address!, length!)).toString(), /^Hello from i386/);
      t.equal((await guest.control.registers()).ecx, address);
      await t.rejects(guest.call('int f(void)'), /system call/);
      return length;
    },
    { names: ['write'] },
  );
  t.ok(hook);
  await guest.control.resume();
  const { text, end } = await guest.output();
  t.equal(text, '', 'nothing was written');
  t.same(end, { kind: 'exit', status: 0 });
  t.equal(seen.length, 1);
  t.equal(seen[0]!.number, 4);
});

void tap.test('an error for the guest, and a hook that is taken away', async (t) => {
  const guest = start('hello');
  const hook = await guest.control.hookSystemCalls(() => -9, { names: ['write'] });
  await t.rejects(
    guest.control.hookSystemCalls(() => 0, { names: ['no_such_call'] }),
    /no system call no_such_call/,
  );
  await hook.remove();
  await guest.control.resume();
  t.match((await guest.output()).text, /^Hello from i386/);
});

void tap.test('what a listener throws ends the program', async (t) => {
  const guest = start('hello');
  await guest.control.hookSystemCalls(() => {
    throw new RangeError('enough');
  });
  await guest.control.resume();
  await t.rejects(guest.exit, { name: 'RangeError', message: 'enough' });
  await t.rejects(guest.control.read(0, 1), /enough/);
});

void tap.test('memory, registers and mappings', async (t) => {
  const guest = start();
  await guest.control.ready;
  const { esp, eip } = await guest.control.registers();
  t.equal(eip, await guest.control.symbol('main'));
  await guest.control.write(esp - 64, Uint8Array.of(1, 2, 3));
  t.same([...(await guest.control.read(esp - 64, 3))], [1, 2, 3]);
  await t.rejects(guest.control.read(16, 1), RangeError);
  await t.rejects(guest.control.write(16, Uint8Array.of(1)), RangeError);
  await guest.control.setRegisters({ edi: 0x12345678 });
  t.equal((await guest.control.registers()).edi, 0x12345678);
  const mappings = await guest.control.mappings();
  const code = mappings.find(({ start: from, end }) => eip >= from && eip < end)!;
  t.match(code.file, /debugged$/);
  t.match(code.protection, /x/);
  guest.dispose();
  t.same(await guest.exit, { kind: 'signal', signal: 'SIGKILL' });
});

void tap.test('pause in the midst of a loop, and of a system call that blocks', async (t) => {
  const guest = start('bench/fib', '1000000');
  await guest.control.resume();
  await guest.control.pause();
  const { eip } = await guest.control.registers();
  t.ok(eip > 0x8048000);
  await guest.control.resume();
  guest.dispose();
  t.same(await guest.exit, { kind: 'signal', signal: 'SIGKILL' });
});

void tap.test('snapshots: back to before main as often as one likes, and in another process', async (t) => {
  const guest = start();
  await guest.control.ready;
  const before = await guest.control.save();
  const { esp } = await guest.control.registers();
  for (let i = 0; i < 20; i++) {
    await guest.control.write(esp, Uint8Array.of(i, i, i, i));
    t.equal(await guest.call(FACTORIAL, 5), 120);
    await guest.control.setRegisters({ esi: i });
    t.same(await guest.control.restore(before), []);
  }
  t.not((await guest.control.registers()).esi, 19);
  const bytes = await before.serialize();
  const other = start();
  await other.control.ready;
  await other.control.write(esp, new Uint8Array(64));
  await t.rejects(other.control.restore(new Uint8Array(100)), /snapshot/);
  t.same(await other.control.restore(bytes), []);
  t.same(await other.control.read(esp, 64), await guest.control.read(esp, 64));
  await before.dispose();
  await t.rejects(guest.control.restore(before), /snapshot is of another process/);
  await Promise.all([guest.control.resume(), other.control.resume()]);
  t.same(await guest.exit, EXITED);
  t.same(await other.exit, EXITED);
});

const root = existingSysroot();
const skip = root ? false : 'no sysroot';

void tap.test('libraries, strings and buffers; files stand where they stood', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-control-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'text');
  writeFileSync(file, 'abcdefgh');
  const guest = new Process({ program: 'cat', arguments: ['-'], control: true, stderr: 'inherit', root: root! });
  t.equal(await guest.call('int atoi(in cstring text)', '-42'), -42);
  t.equal(await guest.call('double atof(in cstring text)', '2.5e3'), 2500);
  const text = new Uint8Array(16);
  const print = 'int snprintf(out(size) bytes text, size_t size, in cstring format, int value)';
  t.equal(await guest.call(print, text, 16, 'value %d', 77), 8);
  t.equal(Buffer.from(text).toString('latin1', 0, 8), 'value 77');
  const fd = await guest.call('int open(in cstring path, int flags)', file, 0);
  const piece = new Uint8Array(4);
  const read = 'int read(int fd, out(length) bytes piece, size_t length)';
  t.equal(await guest.call(read, fd, piece.subarray(0, 2), 2), 2);
  const snapshot = await guest.control.save();
  const opened = await guest.call('int dup(int fd)', fd);
  for (let i = 0; i < 3; i++) {
    t.equal(await guest.call(read, fd, piece, 4), 4);
    t.equal(Buffer.from(piece).toString(), 'cdef', 'the same piece of the file each time');
    t.same(await guest.control.restore(snapshot), []);
  }
  t.equal(await guest.call('int close(int fd)', opened), -1, 'what was opened since is closed');
  t.equal(await guest.call('int close(int fd)', fd), 0);
  t.same(await guest.control.restore(snapshot), [fd], 'what was closed since is named');
  await guest.control.resume();
  guest.stdin!.end('through\n');
  t.equal((await guest.output()).text, 'through\n');
});

void tap.test('blocked in a system call, the guest answers and then goes on', { skip }, async (t) => {
  const guest = new Process({ program: 'cat', control: true, stderr: 'inherit', root: root! });
  let isReading!: () => void;
  let reads = 0;
  const reading = new Promise<void>((resolve) => (isReading = resolve));
  await guest.control.hookSystemCalls(
    ({ arguments: [descriptor] }) => {
      if (descriptor !== 0) return;
      reads++;
      isReading();
    },
    { names: ['read'] },
  );
  await guest.control.resume();
  await reading;
  t.ok((await guest.control.registers()).eip > 0);
  await guest.control.pause();
  t.equal(await guest.call('int abs(int n)', -5), 5);
  await guest.control.resume();
  guest.stdin!.end('late\n');
  t.equal((await guest.output()).text, 'late\n');
  t.ok(reads >= 2 && reads <= 3, `a call that is begun again is told once: ${reads} reads`);
});

void tap.test('without control there is none', async (t) => {
  const guest = new Process({ program: join(GUESTS, 'hello'), stdin: 'ignore' });
  t.throws(() => guest.control, /without control/);
  await guest.output();
  const none = new Process({ program: '/no/such/program', control: true, stdin: 'ignore', stderr: 'ignore' });
  await t.rejects(none.control.ready, /has ended/);
  t.same(await none.exit, { kind: 'exit', status: 127 });
});
