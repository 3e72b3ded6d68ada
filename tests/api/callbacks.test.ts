/** Host functions that guest code calls. */
import tap from 'tap';
import { Machine } from '../../lib/index.js';
import { CODE, ENGINES, hex, machineWith, PAGE } from './code.js';

/** L: push dword [esp+4]; call [esp+12]; add esp, 4; dec dword [esp+4]; jnz L; ret: calls f(n), f(n-1) ... f(1). */
const COUNTDOWN = 'ff742404 ff54240c 83c404 ff4c2404 75ef c3';

for (const how of ENGINES.filter(({ engine }) => engine !== 'lockstep')) {
  void tap.test(`calls from every engine, ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(COUNTDOWN, how);
    let sum = 0;
    const callback = machine.callback((n) => (sum += Number(n)) && undefined, { parameters: ['i32'] });
    machine.call(CODE, 30000, callback);
    t.equal(sum, (30000 * 30001) / 2);
    machine.dispose();
    t.end();
  });
  void tap.test(`what a callback throws, ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(COUNTDOWN, how);
    let calls = 0;
    const callback = machine.callback(
      (n) => {
        calls++;
        if (n === 5) throw new Error('no five');
        return undefined;
      },
      { parameters: ['i32'] },
    );
    t.throws(() => machine.call(CODE, 30000, callback), /no five/);
    t.equal(calls, 29996, 'once only');
    machine.call(CODE, 3, callback);
    t.equal(calls, 29999, 'the machine goes on');
    machine.dispose();
    t.end();
  });
}

void tap.test('types of arguments and results', (t) => {
  const machine = new Machine();
  machine.map(CODE, PAGE, 'rx');
  const seen: unknown[] = [];
  /** mov eax, ADDRESS; jmp eax: the callback sees what the function was called with. */
  const through = (address: number): number => {
    machine.write(CODE, hex('b800000000 ffe0'));
    machine.writeU32(CODE + 1, address);
    return CODE;
  };
  const mixed = machine.callback(
    (...args) => {
      seen.push(...args);
      return 1.5;
    },
    { parameters: ['i32', 'u32', 'i64', 'u64', 'f32', 'f64'], result: 'f64' },
  );
  const types = ['i32', 'u32', 'i64', 'u64', 'f32', 'f64'] as const;
  const call = machine.function(through(mixed), { parameters: types, result: 'f64' });
  t.equal(call(-1, 0xffffffff, -2n, 2n ** 64n - 2n, 0.25, Math.E), 1.5);
  t.same(seen, [-1, 0xffffffff, -2n, 2n ** 64n - 2n, 0.25, Math.E]);
  const wide = machine.callback(() => -(2n ** 40n), { result: 'i64' });
  t.equal(machine.function(through(wide), { parameters: [], result: 'i64' })(), -(2n ** 40n));
  const single = machine.callback(() => 0.1, { result: 'f32' });
  t.equal(machine.function(through(single), { parameters: [], result: 'f32' })(), Math.fround(0.1));
  const large = machine.callback(() => 0xfffffffe, { result: 'u32' });
  t.equal(machine.function(through(large), { parameters: [], result: 'u32' })(), 0xfffffffe);
  machine.dispose();
  t.end();
});

void tap.test('callbacks use memory, and stay through snapshots', (t) => {
  const machine = machineWith(COUNTDOWN);
  const data = machine.map(undefined, PAGE);
  const snapshot = machine.save();
  const callback = machine.callback(
    (n) => {
      machine.writeU32(data, machine.readU32(data) + Number(n));
      return undefined;
    },
    { parameters: ['i32'] },
  );
  machine.call(CODE, 10, callback);
  t.equal(machine.readU32(data), 55);
  machine.restore(snapshot);
  t.equal(machine.readU32(data), 0);
  machine.call(CODE, 10, callback);
  t.equal(machine.readU32(data), 55);
  machine.dispose();
  t.end();
});

void tap.test('not in lockstep', (t) => {
  const machine = new Machine({ engine: 'lockstep' });
  t.throws(() => machine.callback(() => 0), /lockstep/);
  machine.dispose();
  t.end();
});
