/** The processor and memory that embedders get: mapping, registers, running, calling, and the end of it all. */
import tap from 'tap';
import { GuestError, Machine, type Protection } from '../../lib/index.js';
import { ADD, CODE, DATA, ENGINES, FOREVER, hex, machineWith, PAGE, SUM } from './code.js';

void tap.test('map, protect, unmap and the list of mappings', (t) => {
  const machine = new Machine();
  t.equal(machine.map(0x5000, 2 * PAGE, 'r'), 0x5000);
  machine.protect(0x6000, PAGE, 'rwx');
  t.same(machine.mappings, [
    { start: 0x5000, end: 0x6000, protection: 'r' },
    { start: 0x6000, end: 0x7000, protection: 'rwx' },
  ]);
  machine.unmap(0x5000, PAGE);
  t.equal(machine.mappings.length, 1);
  const [first, second] = [machine.map(undefined, PAGE), machine.map(undefined, PAGE)];
  t.not(first, second, 'places of their own');
  machine.dispose();
  t.end();
});

void tap.test('what cannot be mapped is refused', (t) => {
  const machine = new Machine();
  t.throws(() => machine.map(0x1001, PAGE), RangeError);
  t.throws(() => machine.map(0x1000, 100), RangeError);
  t.throws(() => machine.map(0x1000, 0), RangeError);
  t.throws(() => machine.map(0xfffff000, PAGE), /not within memory/);
  t.throws(() => machine.map(0x1000, PAGE, 'rq' as Protection), /letters/);
  t.throws(() => machine.protect(0x1000, PAGE, 'r'), /nothing is mapped at 0x00001000/);
  machine.dispose();
  t.end();
});

void tap.test('memory is read and written whatever its protection', (t) => {
  const machine = new Machine();
  for (const protection of ['', 'r', 'rw', 'x', 'rwx'] as const) {
    const at = machine.map(undefined, 2 * PAGE, protection);
    machine.write(at + PAGE - 2, hex('01020304'));
    t.same(machine.read(at + PAGE - 2, 4), hex('01020304'), `protection "${protection}"`);
  }
  t.throws(() => machine.read(0x100, 4), /nothing is mapped at 0x00000100/);
  t.throws(() => machine.write(0x100, hex('00')), /nothing is mapped/);
  const at = machine.map(0x5000, PAGE);
  t.throws(() => machine.read(at + PAGE - 1, 2), RangeError, 'a range that leaves the mapping');
  machine.dispose();
  t.end();
});

void tap.test('numbers and strings in memory', (t) => {
  const machine = new Machine();
  const at = machine.map(undefined, PAGE);
  machine.writeU8(at, 0x1ff);
  machine.writeU16(at + 1, 0xabcd);
  machine.writeU32(at + 3, 0xdeadbeef);
  machine.writeU64(at + 7, 0x0123456789abcdefn);
  machine.writeF64(at + 15, -1.5);
  machine.write(at + 100, Buffer.from('grün\0'));
  t.equal(machine.readU8(at), 0xff);
  t.equal(machine.readU16(at + 1), 0xabcd);
  t.equal(machine.readU32(at + 3), 0xdeadbeef);
  t.equal(machine.readU64(at + 7), 0x0123456789abcdefn);
  t.equal(machine.readF64(at + 15), -1.5);
  t.equal(machine.readString(at + 100), 'grün');
  t.throws(() => machine.readString(4), RangeError);
  machine.dispose();
  t.end();
});

void tap.test('registers by name', (t) => {
  const machine = new Machine();
  const { registers } = machine;
  const names = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'eip'] as const;
  names.forEach((name, i) => registers.set(name, 0xfffffff0 + i));
  names.forEach((name, i) => {
    t.equal(registers.get(name), 0xfffffff0 + i);
    t.equal(registers[name], 0xfffffff0 + i);
  });
  registers.eflags = 0x8d5;
  t.equal(registers.eflags & 0x8d5, 0x8d5);
  registers.eflags = 0;
  t.equal(registers.eflags & 0x8d5, 0);
  t.equal(registers.get('cs'), 0x23);
  t.throws(() => registers.set('ss', 0x99), RangeError);
  registers.setSegmentBase('gs', 0x1000);
  t.equal(registers.segmentBase('gs'), 0x1000);
  t.throws(() => registers.get('rax' as 'eax'), /no register rax/);
  machine.dispose();
  t.end();
});

void tap.test('x87 registers as numbers and as bytes', (t) => {
  const machine = new Machine();
  const { registers } = machine;
  t.equal(registers.get('ftag'), 0xffff, 'empty at first');
  for (const value of [1, -0.1, 0, -0, 2 ** 1000, 5e-324, Infinity, NaN, Math.PI]) {
    registers.setSt(0, value);
    t.ok(Object.is(registers.st(0), value), String(value));
  }
  registers.setSt(0, 1);
  t.same(registers.stBytes(0), hex('0000000000000080ff3f'));
  t.equal(registers.get('ftag') & 3, 0);
  registers.setStBytes(1, hex('00000000000000c00040'));
  t.equal(registers.st(1), 3);
  registers.set('fctrl', 0x27f);
  t.equal(registers.get('fctrl'), 0x27f);
  registers.set('fstat', 0x3800);
  t.equal(registers.get('fstat'), 0x3800, 'TOP');
  t.throws(() => registers.st(8), RangeError);
  machine.dispose();
  t.end();
});

void tap.test('vector registers are views', (t) => {
  // movdqa xmm1, xmm0; paddd xmm1, xmm1
  const machine = machineWith('660f6fc8 660ffec9');
  const { registers } = machine;
  registers.xmm(0).setInt32(8, 21, true);
  machine.run({ from: CODE, count: 2 });
  t.equal(registers.xmm(1).getInt32(8, true), 42);
  registers.mm(3).setBigInt64(0, 7n, true);
  t.equal(registers.mm(3).getBigInt64(0, true), 7n);
  t.throws(() => registers.xmm(8), RangeError);
  machine.dispose();
  t.end();
});

for (const how of ENGINES) {
  void tap.test(`running, ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(SUM, how);
    const { registers } = machine;
    const stack = machine.map(undefined, PAGE) + PAGE - 16;
    machine.writeU32(stack + 4, 3);
    registers.esp = stack;
    t.same(machine.run({ from: CODE, until: CODE + 6 }), { reason: 'until' });
    t.equal(registers.eip, CODE + 6);
    t.equal(registers.ecx, 3);
    t.same(machine.run({ until: CODE + 6 }), { reason: 'until' }, 'not before its first instruction');
    t.equal(registers.ecx, 2);
    t.same(machine.run({ count: 2 }), { reason: 'count' });
    t.equal(registers.eip, CODE + 9);
    t.same(machine.step(), { reason: 'count' });
    t.equal(registers.eip, CODE + 6);
    t.same(
      machine.run(),
      { reason: 'invalid', pc: 0, access: 'fetch', address: 0, mapped: false },
      'returned to where nothing is',
    );
    t.equal(registers.eax, 6);
    const sum = machine.function(CODE);
    // Lockstep takes half a millisecond a round.
    const n = how.engine === 'lockstep' ? 300 : 100000;
    t.equal(sum(n), ((n * (n + 1)) / 2) | 0);
    machine.write(CODE, hex(FOREVER));
    const before = performance.now();
    t.same(machine.run({ from: CODE, timeout: 20 }), { reason: 'timeout' });
    t.ok(performance.now() - before >= 20);
    machine.dispose();
    t.end();
  });
}

void tap.test('why runs end', (t) => {
  // int3; int 0x21; ud2; xor ecx,ecx + div ecx; mov [0x20000],eax; hlt
  const machine = machineWith('cc cd21 0f0b 31c9f7f1 a300000200 f4');
  machine.protect(DATA, PAGE, 'r');
  t.same(machine.run({ from: CODE }), { reason: 'interrupt', vector: 3 });
  t.equal(machine.registers.eip, CODE + 1, 'after the instruction');
  t.same(machine.run(), { reason: 'interrupt', vector: 0x21 });
  t.same(machine.run(), { reason: 'exception', vector: 6 });
  t.equal(machine.registers.eip, CODE + 3, 'at the instruction');
  t.same(machine.run({ from: CODE + 5 }), { reason: 'exception', vector: 0 });
  t.same(machine.run({ from: CODE + 9 }), {
    reason: 'invalid',
    pc: CODE + 9,
    access: 'write',
    address: DATA,
    mapped: true,
  });
  t.same(machine.run({ from: CODE + 14 }), { reason: 'exception', vector: 13 });
  machine.dispose();
  t.end();
});

void tap.test('until an address where nothing is mapped', (t) => {
  const machine = machineWith('c3');
  const stack = machine.map(undefined, PAGE) + PAGE - 16;
  machine.writeU32(stack, 0x1234);
  machine.registers.esp = stack;
  t.same(machine.run({ from: CODE, until: 0x1234 }), { reason: 'until' });
  t.match(machine.run({ until: 0x9999 }), { reason: 'invalid', access: 'fetch', address: 0x1234 });
  machine.dispose();
  t.end();
});

void tap.test('an address that was waited for once costs no later run its speed', (t) => {
  const machine = machineWith(SUM);
  const sum = machine.function(CODE);
  sum(100000);
  machine.run({ from: CODE, until: CODE + 6 });
  machine.registers.esp += 0;
  for (let i = 0; i < 3; i++) sum(100000);
  const { interpretedBlocks, slowExits } = machine.statistics;
  sum(1e6);
  // What is around the loop has run a few times only.
  t.ok(machine.statistics.interpretedBlocks - interpretedBlocks < 10, 'the loop is not interpreted');
  t.equal(machine.statistics.slowExits, slowExits);
  machine.dispose();
  t.end();
});

void tap.test('AbortSignal', (t) => {
  const machine = machineWith(FOREVER);
  t.same(machine.run({ from: CODE, signal: AbortSignal.abort() }), { reason: 'abort' });
  const controller = new AbortController();
  let seen = 0;
  machine.hook('code', () => {
    if (++seen === 5) controller.abort();
  });
  t.same(machine.run({ from: CODE, signal: controller.signal }), { reason: 'abort' });
  t.equal(seen, 5);
  machine.dispose();
  t.end();
});

void tap.test('code that is written anew', (t) => {
  // mov eax, 1; ret
  const machine = machineWith('b801000000 c3');
  const one = machine.function(CODE, { parameters: [] });
  for (let i = 0; i < 20000; i++) one();
  t.equal(one(), 1);
  machine.writeU8(CODE + 1, 2);
  t.equal(one(), 2, 'written by the host');
  machine.map(CODE, PAGE, 'rx');
  machine.write(CODE, hex('b803000000 c3'));
  t.equal(one(), 3, 'mapped anew');
  machine.protect(CODE, PAGE, 'rw');
  t.throws(() => one(), /cannot be fetched/);
  machine.dispose();
  t.end();
});

void tap.test('functions: types of arguments and results', (t) => {
  const machine = machineWith(ADD);
  const at = (offset: number, code: string): number => {
    machine.write(CODE + offset, hex(code));
    return CODE + offset;
  };
  t.equal(machine.call(CODE, 40, 2), 42);
  t.equal(machine.function(CODE)(0x7fffffff, 1), -0x80000000);
  t.equal(machine.function(CODE, { parameters: ['u32', 'u32'], result: 'u32' })(0x7fffffff, 1), 0x80000000);
  // fld qword [esp+4]; fmul dword [esp+12]; ret
  const multiply = machine.function(at(0x100, 'dd442404 d84c240c c3'), { parameters: ['f64', 'f32'], result: 'f64' });
  t.equal(multiply(1.25, 0.5), 0.625);
  for (let i = 0; i < 20; i++) multiply(1, 1);
  t.equal(machine.registers.get('ftag'), 0xffff, 'results do not stay on the stack');
  // mov eax, [esp+4]; mov edx, [esp+8]; ret
  const same = at(0x140, '8b442404 8b542408 c3');
  t.equal(machine.function(same, { parameters: ['i64'], result: 'i64' })(-5n), -5n);
  t.equal(machine.function(same, { parameters: ['u64'], result: 'u64' })(2n ** 63n), 2n ** 63n);
  // fld dword [esp+4]; ret
  t.equal(machine.function(at(0x180, 'd9442404 c3'), { parameters: ['f32'], result: 'f32' })(0.1), Math.fround(0.1));
  // mov eax, [esp+20]; ret
  t.equal(machine.call(at(0x1a0, '8b442414 c3'), 1, 2, 3, 4, 5), 5);
  t.throws(() => multiply(1), /2 arguments are expected, not 1/);
  t.throws(() => machine.function(CODE, { parameters: ['i32', 'i32'] })(1, 2, 3), TypeError);
  machine.dispose();
  t.end();
});

void tap.test('functions: the stack is as compilers expect it, and the registers of the caller stay', (t) => {
  // lea eax, [esp+4]; ret 8
  const machine = machineWith('8d442404 c20800');
  const { registers } = machine;
  t.equal((machine.call(CODE, 1, 2) as number) & 15, 0, 'arguments at a multiple of 16');
  const { esp } = registers;
  registers.eip = 0x777;
  machine.call(CODE, 1, 2, 3);
  t.equal(registers.esp, esp, 'whoever takes the arguments away');
  t.equal(registers.eip, 0x777);
  registers.esp = 0x500;
  t.throws(() => machine.call(CODE), /no memory that can be written/);
  machine.dispose();
  t.end();
});

void tap.test('functions that do not return', (t) => {
  const machine = machineWith('0f0b');
  t.throws(() => machine.call(CODE), GuestError);
  try {
    machine.call(CODE);
  } catch (error) {
    t.ok(error instanceof GuestError);
    t.same((error as GuestError).result, { reason: 'exception', vector: 6 });
  }
  machine.write(CODE, hex(ADD));
  t.equal(machine.call(CODE, 1, 2), 3, 'the machine can go on');
  machine.dispose();
  t.end();
});

void tap.test('calls of compiled code are cheap', (t) => {
  const machine = machineWith(ADD);
  const add = machine.function(CODE, { parameters: ['i32', 'i32'] });
  let sum = 0;
  for (let i = 0; i < 20000; i++) sum = (add(sum, i) as number) | 0;
  const calls = 300000;
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i++) sum = (add(sum, i) as number) | 0;
  const { user, system } = process.cpuUsage(before);
  const nanoseconds = ((user + system) * 1000) / calls;
  t.comment(`${nanoseconds.toFixed(0)} ns a call`);
  t.ok(nanoseconds < 1000, 'far from what the dispatcher takes');
  machine.dispose();
  t.end();
});

void tap.test('machines share nothing', (t) => {
  const machines = [1, 2, 3].map((n) => {
    // mov eax, [DATA]; add eax, n; mov [DATA], eax; ret
    const machine = machineWith(`a100000200 83c00${n} a300000200 c3`);
    return { machine, step: machine.function(CODE, { parameters: [] }) };
  });
  for (let i = 0; i < 20000; i++) for (const { step } of machines) step();
  t.same(
    machines.map(({ machine }) => machine.readU32(DATA)),
    [20000, 40000, 60000],
  );
  for (const { machine } of machines) machine.dispose();
  t.end();
});

void tap.test('dispose', (t) => {
  const machine = machineWith(SUM);
  const sum = machine.function(CODE);
  machine.dispose();
  machine[Symbol.dispose]();
  t.throws(() => machine.run(), /disposed/);
  t.throws(() => machine.read(CODE, 1), /disposed/);
  t.throws(() => sum(1), /disposed/);
  t.end();
});

void tap.test('a hundred machines, one after the other, leave no memory behind', (t) => {
  const round = (): void => {
    for (let i = 0; i < 25; i++) {
      const machine = machineWith(SUM);
      const big = machine.map(undefined, 4 << 20);
      machine.write(big, new Uint8Array(4 << 20).fill(1));
      t.equal(machine.call(CODE, 20000), 200010000);
      machine.dispose();
    }
  };
  round();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 3; i++) round();
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
  t.comment(`${grown.toFixed(1)} MiB more after 75 machines of 4 MiB`);
  t.ok(grown < 100);
  t.end();
});

void tap.test('disassembly and translations as text', (t) => {
  const machine = machineWith(`${SUM} ff`);
  const lines = machine.disassemble(CODE, 12);
  t.equal(lines[0]!.text, 'xor eax,eax');
  t.same(lines[1], { address: CODE + 2, bytes: hex('8b4c2404'), text: 'mov ecx,dword [esp+0x4]' });
  t.match(lines[4]!.text, /jn[ze] /);
  t.match(machine.translate(CODE, 12, 'ir'), /load/);
  t.match(machine.translate(CODE, 12, 'js'), /^function f_10000\(\) \{[^]*for \(;;\)/);
  t.match(machine.translate(CODE, 12, 'wasm'), /loop/);
  t.throws(() => machine.translate(DATA, 1, 'js'), /no instruction/);
  t.throws(() => machine.disassemble(0, 4), RangeError);
  machine.dispose();
  t.end();
});
