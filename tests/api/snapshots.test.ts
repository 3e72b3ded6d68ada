/** Snapshots: what is put back, what that costs, and snapshots as bytes. */
import tap from 'tap';
import { Machine, Snapshot } from '../../lib/index.js';
import { CODE, DATA, ENGINES, hex, machineWith, PAGE, WORK } from './code.js';

for (const how of ENGINES) {
  void tap.test(`registers and memory come back, ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(WORK, how);
    const { registers } = machine;
    const passes = how.engine === 'lockstep' ? 50 : 20000;
    machine.call(CODE, passes);
    registers.setSt(2, 0.5);
    registers.xmm(7).setInt32(0, 99, true);
    const memory = machine.read(DATA, PAGE);
    const before = [registers.eax, registers.esp, registers.eflags, registers.st(2)];
    const snapshot = machine.save();
    for (let i = 0; i < 3; i++) {
      machine.call(CODE, passes / 10);
      t.notSame(machine.read(DATA, PAGE), memory);
      registers.freeSt(2);
      registers.xmm(7).setInt32(0, 1, true);
      machine.restore(snapshot);
      t.same(machine.read(DATA, PAGE), memory);
      t.same([registers.eax, registers.esp, registers.eflags, registers.st(2)], before);
      t.equal(registers.xmm(7).getInt32(0, true), 99);
    }
    machine.dispose();
    t.end();
  });
}

void tap.test('mappings and protections come back', (t) => {
  const machine = machineWith('c3');
  machine.map(0x400000, 4 * PAGE, 'rw');
  machine.writeU32(0x401000, 7);
  machine.writeU32(0x403000, 9);
  const { mappings } = machine;
  const snapshot = machine.save();
  machine.unmap(0x401000, PAGE);
  machine.protect(0x403000, PAGE, 'r');
  machine.map(0x500000, PAGE, 'rwx');
  machine.map(0x400000, PAGE);
  machine.restore(snapshot);
  t.same(machine.mappings, mappings);
  t.equal(machine.readU32(0x401000), 7);
  t.equal(machine.readU32(0x403000), 9);
  machine.restore(snapshot);
  t.same(machine.mappings, mappings, 'again');
  machine.dispose();
  t.end();
});

void tap.test('code that was changed comes back', (t) => {
  const machine = machineWith('b801000000 c3');
  machine.protect(CODE, PAGE, 'rwx');
  const one = machine.function(CODE, { parameters: [] });
  for (let i = 0; i < 20000; i++) one();
  const snapshot = machine.save();
  machine.writeU8(CODE + 1, 2);
  t.equal(one(), 2);
  machine.restore(snapshot);
  t.equal(one(), 1);
  // mov byte [CODE+1], 3; ret: the guest changes it.
  machine.write(CODE + 0x100, hex('c6050100010003 c3'));
  const second = machine.save();
  machine.call(CODE + 0x100);
  t.equal(one(), 3);
  machine.restore(second);
  t.equal(one(), 1);
  machine.restore(snapshot);
  t.equal(machine.readU8(CODE + 0x100), 0, 'what was written between the snapshots is gone');
  machine.dispose();
  t.end();
});

void tap.test('read-only pages that the host writes to', (t) => {
  const machine = machineWith('c3');
  machine.protect(DATA, PAGE, 'r');
  const snapshot = machine.save();
  machine.writeU32(DATA, 5);
  machine.restore(snapshot);
  t.equal(machine.readU32(DATA), 0);
  machine.dispose();
  t.end();
});

void tap.test('several snapshots, in any order', (t) => {
  const machine = machineWith('c3');
  const snapshots = [1, 2, 3].map((value) => {
    machine.writeU32(DATA, value);
    machine.writeU32(DATA + 8 * value, value);
    machine.registers.eax = value;
    return machine.save();
  });
  for (const i of [2, 0, 1, 1, 0, 2]) {
    machine.writeU32(DATA, 77);
    machine.restore(snapshots[i]!);
    t.equal(machine.readU32(DATA), i + 1);
    t.equal(machine.registers.eax, i + 1);
    t.equal(machine.readU32(DATA + 24), i === 2 ? 3 : 0);
  }
  machine.dispose();
  t.end();
});

void tap.test('a snapshot goes through bytes into another machine', (t) => {
  const machine = machineWith(WORK);
  machine.call(CODE, 1000);
  const bytes = machine.save().serialize();
  const result = machine.call(CODE, 1000);
  const memory = machine.read(DATA, PAGE);
  machine.dispose();
  const other = new Machine({ engine: 'interpret' });
  other.map(0x7000, PAGE);
  other.restore(Snapshot.deserialize(bytes));
  t.notOk(other.mappings.some(({ start }) => start === 0x7000));
  t.equal(other.call(CODE, 1000), result);
  t.same(other.read(DATA, PAGE), memory);
  other.dispose();
  t.throws(() => Snapshot.deserialize(bytes.subarray(0, 500)), RangeError);
  t.throws(() => Snapshot.deserialize(hex('00')), /not a snapshot/);
  t.end();
});

void tap.test('hooks and snapshots together', (t) => {
  const machine = machineWith(WORK);
  let writes = 0;
  const hook = machine.hook('write', () => writes++, { start: DATA, end: DATA + PAGE });
  const snapshot = machine.save();
  machine.call(CODE, 10);
  const memory = machine.read(DATA, PAGE);
  const once = writes;
  t.ok(once > 0);
  machine.restore(snapshot);
  machine.call(CODE, 10);
  t.equal(writes, 2 * once);
  t.same(machine.read(DATA, PAGE), memory);
  hook.remove();
  machine.restore(snapshot);
  t.same(machine.read(DATA, PAGE), new Uint8Array(PAGE));
  machine.dispose();
  t.end();
});

void tap.test('going back costs what was changed, not what there is', (t) => {
  const machine = new Machine();
  const pages = 8192;
  const data = machine.map(undefined, pages * PAGE);
  machine.write(data, new Uint8Array(pages * PAGE).fill(1));
  const snapshot = machine.save();
  const times: number[] = [];
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 100; i++) machine.writeU8(data + i * 80 * PAGE, 2);
    const before = performance.now();
    machine.restore(snapshot);
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  t.comment(`${times[10]!.toFixed(3)} ms after 100 of ${pages} pages`);
  t.ok(times[10]! < 5);
  t.equal(machine.readU8(data + 80 * PAGE), 1);
  machine.dispose();
  t.end();
});
