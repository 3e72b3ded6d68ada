/** Hooks: the same events in every engine, results that do not change, and what listeners may do. */
import { createHash } from 'node:crypto';
import tap from 'tap';
import { GuestError, type Machine, type MemoryAccess } from '../../lib/index.js';
import { ADD, CODE, DATA, ENGINES, FOREVER, hex, HEAVY, machineWith, PAGE, SUM, WORK, WORK_LOOP } from './code.js';

const show = ({ pc, kind, address, size, value }: MemoryAccess): string =>
  `${kind} ${pc.toString(16)} ${address.toString(16)} ${size} ${value.toString(16)}`;

/** Runs WORK so often that it is compiled, then with hooks of all kinds; the events as a digest, and the memory after it. */
function trace(machine: Machine, passes: number): { events: number; digest: string; memory: string; first: string[] } {
  const work = machine.function(CODE);
  work(15 * passes);
  const hash = createHash('sha256');
  const first: string[] = [];
  let events = 0;
  const note = (text: string): void => {
    events++;
    if (first.length < 60) first.push(text);
    hash.update(text);
  };
  const { registers } = machine;
  const state = (): string => [registers.eax, registers.ebx, registers.esp, registers.eflags].join(' ');
  const data = { start: DATA, end: DATA + PAGE };
  const hooks = [
    machine.hook('read', (access) => note(`${show(access)} ${state()}`), data),
    machine.hook('write', (access) => note(`${show(access)} ${state()}`), data),
  ];
  work(passes);
  hooks.push(machine.hook('block', (pc) => note(`block ${pc.toString(16)} ${state()}`), { start: HEAVY }));
  work(64);
  hooks.push(
    machine.hook('code', (pc, size) => note(`code ${pc.toString(16)} ${size} ${state()}`), { end: WORK_LOOP + 5 }),
  );
  work(64);
  hooks.shift()!.remove();
  work(64);
  for (const hook of hooks) hook.remove();
  const before = events;
  work(64);
  if (events !== before) throw new Error('events after the last hook was removed');
  const memory = createHash('sha256').update(machine.read(DATA, PAGE)).digest('hex');
  return { events, digest: hash.digest('hex'), memory, first };
}

function expected(passes: number): ReturnType<typeof trace> {
  const machine = machineWith(WORK, { engine: 'interpret' });
  const events = trace(machine, passes);
  machine.dispose();
  return events;
}
const inInterpreter = { many: expected(2000), few: expected(20) };

for (const how of ENGINES.slice(1)) {
  void tap.test(`the same events: ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(WORK, how);
    // Lockstep compiles what runs four times, and takes its time.
    if (how.engine === 'lockstep') t.same(trace(machine, 20), inInterpreter.few);
    else t.same(trace(machine, 2000), inInterpreter.many);
    t.ok(machine.statistics.compiledFunctions > 0, 'code was generated');
    machine.dispose();
    t.end();
  });
}

void tap.test('hooks do not change results', (t) => {
  const run = (hooked: boolean): string => {
    const machine = machineWith(WORK);
    if (hooked) {
      machine.hook('code', () => undefined);
      machine.hook('block', () => undefined);
      machine.hook('read', () => undefined);
      machine.hook('write', () => undefined);
    }
    machine.call(CODE, 20000);
    const text = Buffer.from(machine.read(DATA, PAGE)).toString('hex') + machine.registers.eax;
    machine.dispose();
    return text;
  };
  t.equal(run(true), run(false));
  t.end();
});

void tap.test('events of one pass, as they are', (t) => {
  const machine = machineWith(WORK);
  const seen: string[] = [];
  machine.hook('read', (access) => seen.push(show(access)), { start: DATA, end: DATA + PAGE });
  machine.hook('write', (access) => seen.push(show(access)), { start: DATA, end: DATA + PAGE });
  machine.writeU32(DATA, 0x11223344);
  machine.call(CODE, 1);
  t.same(seen, [
    'read 10011 20000 4 11223344',
    'read 10013 20004 4 0',
    'write 10013 20004 4 1',
    'write 10016 20008 2 3344',
    'read 1001a 20004 1 1',
  ]);
  machine.dispose();
  t.end();
});

void tap.test('code and block events of a loop', (t) => {
  const machine = machineWith(SUM);
  const code: number[] = [];
  const blocks: number[] = [];
  machine.hook('code', (pc, size) => code.push(pc - CODE, size));
  machine.hook('block', (pc) => blocks.push(pc - CODE));
  machine.call(CODE, 2);
  t.same(code, [0, 2, 2, 4, 6, 2, 8, 1, 9, 2, 6, 2, 8, 1, 9, 2, 11, 1]);
  t.same(blocks, [0, 6, 11]);
  machine.dispose();
  t.end();
});

void tap.test('a range is entered and left', (t) => {
  const machine = machineWith(SUM);
  const seen: number[] = [];
  machine.call(CODE, 20000);
  machine.hook('code', (pc) => seen.push(pc - CODE), { start: CODE + 8, end: CODE + 9 });
  machine.hook('block', (pc) => seen.push(-(pc - CODE)), { start: CODE + 8, end: CODE + 9 });
  machine.call(CODE, 3);
  t.same(seen, [-8, 8, -8, 8, -8, 8], 'it is a block each time');
  machine.dispose();
  t.end();
});

void tap.test('straight code longer than a translation block is one block', (t) => {
  const machine = machineWith(`${'40'.repeat(200)}c3`);
  let blocks = 0;
  machine.hook('block', () => blocks++);
  machine.registers.eax = 0;
  t.equal(machine.call(CODE), 200);
  t.equal(blocks, 1);
  machine.dispose();
  t.end();
});

void tap.test('listeners see and set registers', (t) => {
  const machine = machineWith(ADD);
  const hook = machine.hook('code', (pc) => {
    if (pc === CODE + 4) machine.registers.eax = 100;
  });
  t.equal(machine.call(CODE, 1, 2), 102);
  hook.remove();
  hook.remove();
  machine.hook('code', (pc) => {
    t.equal(machine.registers.eip, pc);
    if (pc === CODE) machine.registers.eip = CODE + 8;
  });
  machine.registers.eax = 7;
  t.equal(machine.call(CODE, 1, 2), 7, 'went to the return at once');
  machine.dispose();
  t.end();
});

void tap.test('stop before an instruction, and after an access', (t) => {
  const machine = machineWith(WORK);
  const { registers } = machine;
  const stack = machine.map(undefined, PAGE) + PAGE - 64;
  registers.esp = stack;
  machine.writeU32(stack + 4, 5);
  const code = machine.hook('code', (pc) => {
    if (pc === WORK_LOOP) machine.stop();
  });
  t.same(machine.run({ from: CODE }), { reason: 'stop' });
  t.equal(registers.eip, WORK_LOOP);
  t.not(registers.esi, DATA, 'not executed');
  code.remove();
  const write = machine.hook('write', () => machine.stop(), { start: DATA + 8, end: DATA + 10 });
  t.same(machine.run(), { reason: 'stop' });
  t.equal(registers.eip, CODE + 0x1a, 'after the store');
  write.remove();
  t.match(machine.run(), { reason: 'invalid', pc: 0 });
  machine.dispose();
  t.end();
});

void tap.test('what a listener throws comes out of run, and the machine goes on', (t) => {
  const machine = machineWith(SUM);
  const hook = machine.hook('code', (pc) => {
    if (pc === CODE + 8) throw new Error('enough');
  });
  t.throws(() => machine.call(CODE, 3), /enough/);
  hook.remove();
  t.equal(machine.call(CODE, 3), 6);
  const write = machine.hook('read', () => {
    throw new TypeError('no reading');
  });
  t.throws(() => machine.call(CODE, 3), TypeError);
  write.remove();
  t.equal(machine.call(CODE, 3), 6);
  machine.dispose();
  t.end();
});

void tap.test('hooks are added and removed by listeners', (t) => {
  const machine = machineWith(SUM);
  const seen: string[] = [];
  const outer = machine.hook('code', (pc) => {
    seen.push(`outer ${pc - CODE}`);
    if (pc !== CODE + 6) return;
    outer.remove();
    const inner = machine.hook('code', (at) => {
      seen.push(`inner ${at - CODE}`);
      if (at === CODE + 9) inner.remove();
    });
  });
  t.equal(machine.call(CODE, 2), 3);
  t.same(seen, ['outer 0', 'outer 2', 'outer 6', 'inner 8', 'inner 9']);
  machine.dispose();
  t.end();
});

void tap.test('the machine does not run twice at once', (t) => {
  const machine = machineWith(SUM);
  machine.hook('code', () => machine.call(CODE, 1));
  t.throws(() => machine.call(CODE, 3), /running already/);
  machine.dispose();
  t.end();
});

for (const how of ENGINES) {
  void tap.test(`invalid accesses, ${how.engine} ${how.backend}`, (t) => {
    // mov eax, [esp+4]; L: mov [eax], eax; add eax, 4096; dec dword [esp+8]; jnz L; ret
    const machine = machineWith('8b442404 8900 0500100000 ff4c2408 75f3 c3', how);
    const seen: string[] = [];
    machine.hook('invalid', ({ pc, access, address, mapped }) => {
      seen.push(`${access} ${(pc - CODE).toString(16)} ${address.toString(16)} ${mapped}`);
      machine.map(address & -PAGE, PAGE);
      return true;
    });
    machine.call(CODE, 0x400000, 20);
    t.equal(seen.length, 20);
    t.equal(seen[0], 'write 4 400000 false');
    t.equal(seen[19], 'write 4 413000 false');
    t.equal(machine.readU32(0x413000), 0x413000);
    machine.dispose();
    t.end();
  });
}

void tap.test('an invalid access that nobody repairs ends the run', (t) => {
  const machine = machineWith('a100000000 c3');
  let told = 0;
  machine.hook('invalid', () => {
    told++;
  });
  t.throws(() => machine.call(CODE), GuestError);
  t.equal(told, 1);
  machine.hook('invalid', () => {
    machine.registers.eip += 5;
    return true;
  });
  machine.call(CODE);
  t.equal(told, 2, 'skipped');
  machine.dispose();
  t.end();
});

void tap.test('interrupts and exceptions', (t) => {
  // mov eax, 5; int 0x80; ud2; add eax, 1; ret
  const machine = machineWith('b805000000 cd80 0f0b 83c001 c3');
  machine.hook('interrupt', (vector) => {
    t.equal(vector, 0x80);
    t.equal(machine.registers.eip, CODE + 7);
    machine.registers.eax *= 2;
    return true;
  });
  machine.hook('exception', (vector) => {
    t.equal(vector, 6);
    machine.registers.eip += 2;
    return true;
  });
  t.equal(machine.call(CODE), 11);
  machine.dispose();
  t.end();
});

void tap.test('translations', (t) => {
  const machine = machineWith(SUM, { backend: 'js' });
  const kinds = new Map<string, number[]>();
  const hook = machine.hook('translate', ({ kind, address, text }) => {
    t.ok(text.length > 0);
    kinds.set(kind, [...(kinds.get(kind) ?? []), address]);
  });
  machine.call(CODE, 100000);
  t.ok(kinds.get('block')!.includes(CODE));
  t.ok(kinds.get('js')!.includes(CODE + 6), 'the loop');
  hook.remove();
  machine.dispose();
  t.end();
});

void tap.test('a hooked page that is mapped anew, and one that holds code', (t) => {
  const machine = machineWith('a300000200 c3');
  const seen: bigint[] = [];
  machine.hook('write', ({ value }) => seen.push(value), { start: DATA, end: DATA + 4 });
  machine.registers.eax = 1;
  machine.call(CODE);
  machine.map(DATA, PAGE);
  machine.registers.eax = 2;
  machine.call(CODE);
  machine.protect(DATA, PAGE, 'r');
  t.throws(() => machine.call(CODE), GuestError);
  machine.protect(DATA, PAGE, 'rwx');
  // inc eax; ret; the page is watched, and its code changes.
  machine.write(DATA, hex('40c3'));
  machine.registers.eax = 5;
  t.equal(machine.call(DATA), 6);
  machine.registers.eax = 0xc34848;
  machine.call(CODE);
  machine.registers.eax = 5;
  t.equal(machine.call(DATA), 3, 'dec eax, twice');
  t.same(seen, [1n, 2n, 0xc34848n]);
  machine.dispose();
  t.end();
});

void tap.test('a range that is none', (t) => {
  const machine = machineWith(FOREVER);
  t.throws(() => machine.hook('code', () => undefined, { start: 5, end: 5 }), RangeError);
  t.throws(() => machine.hook('read', () => undefined, { start: -1 }), RangeError);
  machine.dispose();
  t.end();
});
