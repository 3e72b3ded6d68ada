/** Machines in Workers: the same as in the calling thread, while the event loop goes on, and side by side. */
import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import tap from 'tap';
import { GuestError, MachineWorker, Snapshot, type MachineOptions } from '../../lib/index.js';
import { ADD, CODE, DATA, FOREVER, hex, machineWith, PAGE, SUM } from './code.js';

async function workerWith(code: string, options: MachineOptions = {}): Promise<MachineWorker> {
  const machine = await MachineWorker.create(options);
  await machine.map(CODE, PAGE, 'rx');
  await machine.map(DATA, PAGE, 'rw');
  await machine.write(CODE, hex(code));
  return machine;
}

void tap.test('memory, registers, calls', async (t) => {
  const machine = await workerWith(ADD);
  t.equal(await machine.call(CODE, 40, 2), 42);
  t.equal(await machine.callFunction(CODE, 'uint add(uint a, uint b)', 0xffffffff, 0), 0xffffffff);
  await machine.setRegisters({ eax: 5, ebx: 6 });
  t.same(await machine.getRegisters('eax', 'ebx'), { eax: 5, ebx: 6 });
  await machine.write(DATA, Buffer.from('text\0'));
  t.equal(await machine.readString(DATA), 'text');
  t.same(await machine.read(DATA, 2), Uint8Array.of(0x74, 0x65));
  t.ok((await machine.mappings()).some(({ start, protection }) => start === CODE && protection === 'rx'));
  t.match((await machine.disassemble(CODE, 4))[0]!.text, /^mov eax/);
  t.match(await machine.translate(CODE, 9, 'ir'), /\S/);
  t.ok((await machine.statistics()).blocks > 0);
  await t.rejects(machine.map(1, PAGE), RangeError);
  const failed = await machine.call(DATA).catch((error: unknown) => error);
  t.ok(failed instanceof GuestError && failed.result.reason === 'invalid');
  await machine.dispose();
  await t.rejects(machine.read(DATA, 1), /disposed/);
});

void tap.test('the event loop is free, and an AbortSignal or stop() ends the run', async (t) => {
  for (const options of [{ engine: 'interpret' }, { backend: 'js' }, { backend: 'wasm' }] as const) {
    const machine = await workerWith(FOREVER, options);
    const controller = new AbortController();
    const running = machine.run({ from: CODE, signal: controller.signal });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await setTimeout(60);
    controller.abort();
    t.same(await running, { reason: 'abort' });
    clearInterval(timer);
    t.ok(ticks > 2);
    const again = machine.run({ from: CODE });
    machine.stop();
    t.same(await again, { reason: 'stop' });
    machine.stop();
    t.same(await machine.run({ from: CODE, count: 10 }), { reason: 'count' }, 'what is over cannot be stopped');
    t.same(await machine.run({ from: CODE, timeout: 5 }), { reason: 'timeout' });
    t.same(await machine.run({ signal: AbortSignal.abort() }), { reason: 'abort' });
    await machine.dispose();
  }
});

void tap.test('hooks tell the same as in the calling thread, and their listeners may use the machine', async (t) => {
  const here = machineWith(SUM);
  const expected: unknown[] = [];
  here.hook('code', (pc, size) => expected.push([pc, size, here.registers.eax]));
  here.hook('read', ({ pc, address, value }) => expected.push([pc, address, value]));
  here.call(CODE, 5);
  here.dispose();
  const machine = await workerWith(SUM);
  const seen: unknown[] = [];
  const hook = await machine.hook('code', async (pc, size) => {
    const { eax } = await machine.getRegisters('eax');
    seen.push([pc, size, eax]);
  });
  await machine.hook('read', ({ pc, address, value }) => seen.push([pc, address, value]));
  t.equal(await machine.call(CODE, 5), 15);
  t.same(seen, expected);
  await hook.remove();
  const events = seen.length;
  t.equal(await machine.call(CODE, 5), 15);
  t.equal(seen.length, events + 2, 'reads only');
  await machine.dispose();
});

void tap.test('what listeners answer, and what they throw', async (t) => {
  const machine = await workerWith('b801000000 cd80 c3');
  const call = await machine.hook('systemCall', async ({ number }) => {
    await setTimeout(1);
    return number + 41;
  });
  t.equal(await machine.call(CODE), 42);
  await call.remove();
  const thrown = new Error('no more');
  const throwing = await machine.hook('systemCall', () => {
    throw thrown;
  });
  await t.rejects(machine.call(CODE), thrown);
  await throwing.remove();
  await machine.hook('code', (pc) => {
    if (pc === CODE + 5) machine.stop();
  });
  t.same(await machine.run({ from: CODE }), { reason: 'stop' });
  t.equal((await machine.getRegisters('eip')).eip, CODE + 5);
  await machine.dispose();
});

void tap.test('callbacks, strings and cells', async (t) => {
  // sub esp, 12; push dword [esp+16]; call [DATA]; add esp, 16; ret
  const machine = await workerWith('83ec0c ff742410 ff1500000200 83c410 c3');
  const address = await machine.callback(async (pointer) => {
    const text = await machine.readString(Number(pointer));
    return text.length;
  }, 'int measure(pointer text)');
  await machine.write(DATA, new Uint8Array(Uint32Array.of(address).buffer));
  t.equal(await machine.callFunction(CODE, 'int measured(in cstring text)', 'seven!!'), 7);
  // mov eax, [esp+4]; add dword [eax], 5; ret
  await machine.write(CODE, hex('8b442404 830005 c3'));
  const cell = { value: 2 };
  await machine.callFunction(CODE, 'void add(inout int* cell)', cell);
  t.equal(cell.value, 7);
  await machine.dispose();
});

void tap.test('snapshots go from one to the other, and to a machine here', async (t) => {
  const [one, other] = await Promise.all([workerWith(SUM), workerWith(ADD)]);
  await one.write(DATA, Uint8Array.of(1, 2, 3));
  await one.setRegisters({ esi: 77 });
  const snapshot = await one.save();
  await other.restore(snapshot);
  t.same(await other.read(DATA, 3), Uint8Array.of(1, 2, 3));
  t.equal((await other.getRegisters('esi')).esi, 77);
  t.equal(await other.call(CODE, 10), 55, 'the code, too');
  const here = machineWith(ADD);
  here.restore(Snapshot.deserialize(snapshot));
  t.equal(here.call(CODE, 10), 55);
  here.dispose();
  await Promise.all([one.dispose(), other.dispose()]);
});

void tap.test('two machines run at the same time', async (t) => {
  const machines = await Promise.all([workerWith(FOREVER), workerWith(FOREVER)]);
  const order: string[] = [];
  const runs = machines.map(async (machine, index) => {
    order.push(`${index} begins`);
    await machine.run({ from: CODE, timeout: 150 });
    order.push(`${index} ends`);
  });
  await Promise.all(runs);
  t.same(order.slice(0, 2), ['0 begins', '1 begins']);
  const counter = '31c0 40 ebfd';
  if (availableParallelism() > 1) {
    // Both count meanwhile: xor eax, eax; L: inc eax; jmp L
    await Promise.all(machines.map((machine) => machine.write(CODE, hex(counter))));
    const results = await Promise.all(
      machines.map(async (machine) => {
        await machine.run({ from: CODE, timeout: 100 });
        return (await machine.getRegisters('eax')).eax;
      }),
    );
    for (const result of results) t.ok(result > 1000, `${result}`);
  }
  await Promise.all(machines.map((machine) => machine.dispose()));
});

void tap.test('a machine that is forgotten keeps no process alive', async (t) => {
  const machine = await workerWith(SUM);
  t.equal(await machine.call(CODE, 3), 6);
  await using other = await workerWith(SUM);
  t.equal(await other.call(CODE, 4), 10);
  // Neither is disposed here: the test's process must end.
});
