/** Events that end a run unless a hook takes care of them, and fetches: the same in every engine, while code is hot. */
import { createHash } from 'node:crypto';
import tap from 'tap';
import type { Hook, Machine } from '../../lib/index.js';
import { ADD, CODE, DATA, ENGINES, machineWith, PAGE, SUM } from './code.js';

const READ_ONLY = 0x30000;
const HOT = 30_000;
/**
 * events(n): n times a system call, every eighth time all else that can happen.
 *
 *           push ebx; mov ebx, [esp+8]
 *     loop: mov eax, 20; mov ecx, ebx; int 0x80; add [DATA], eax; test bl, 7; jnz skip
 *           ud2; mov [READ_ONLY], eax; xor edx, edx; mov eax, ebx; div edx; int3; nop
 *     skip: dec ebx; jnz loop; mov eax, [DATA]; pop ebx; ret
 */
const EVENTS =
  '53 8b5c2408 b814000000 89d9 cd80 010500000200 f6c307 750f 0f0b a300000300 31d2 89d8 f7f2 cc 90 4b 75da a100000200 5b c3';

function withAllHooks(machine: Machine, note: (text: string) => void): Hook[] {
  const { registers } = machine;
  const skip = (bytes: number): true => {
    registers.eip += bytes;
    return true;
  };
  return [
    machine.hook('systemCall', ({ number, arguments: [, second] }) => {
      note(`systemCall ${number} ${second} ${registers.eip}`);
      return number + second!;
    }),
    machine.hook('invalidInstruction', (pc) => {
      note(`invalidInstruction ${pc}`);
      return skip(2);
    }),
    machine.hook('invalid', ({ pc, access, address, mapped }) => {
      note(`invalid ${pc} ${access} ${address} ${mapped}`);
      return skip(5);
    }),
    machine.hook('exception', (vector) => {
      note(`exception ${vector} ${registers.eip}`);
      return skip(2);
    }),
    machine.hook('interrupt', (vector) => {
      note(`interrupt ${vector} ${registers.eip}`);
      return true;
    }),
  ];
}

/** Runs hot, with hooks that come and go; all events as a digest. */
function trace(machine: Machine, hot: number): { events: number; digest: string; result: number; first: string[] } {
  const hash = createHash('sha256');
  const first: string[] = [];
  let events = 0;
  let silent = true;
  const note = (text: string): void => {
    if (silent) return;
    events++;
    if (first.length < 40) first.push(text);
    hash.update(text);
  };
  machine.map(READ_ONLY, PAGE, 'r');
  const run = machine.function(CODE, { parameters: ['i32'] });
  const hooks = withAllHooks(machine, note);
  run(hot);
  machine.writeU32(DATA, 0);
  silent = false;
  run(40);
  const inner = { start: CODE + 0x1c, end: CODE + 0x21 };
  const fetch = machine.hook(
    'fetch',
    ({ pc, size, value }) => note(`fetch ${pc.toString(16)} ${size} ${value} ${machine.registers.eax}`),
    inner,
  );
  run(40);
  const write = machine.hook('write', ({ pc, value }) => note(`write ${pc} ${value}`), { start: DATA, end: DATA + 4 });
  run(40);
  fetch.remove();
  write.remove();
  machine.writeU32(DATA, 0);
  const result = run(40) as number;
  for (const hook of hooks) hook.remove();
  return { events, digest: hash.digest('hex'), result, first };
}

const reference = machineWith(EVENTS, { engine: 'interpret' });
const expected = trace(reference, 1000);
reference.dispose();

for (const how of ENGINES) {
  void tap.test(`all events, ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(EVENTS, how);
    // Lockstep compiles what runs four times, and takes its time. What ran before makes no difference.
    t.same(trace(machine, how.engine === 'lockstep' ? 1000 : HOT), expected);
    if (how.engine !== 'interpret') t.ok(machine.statistics.compiledFunctions > 0, 'code was generated');
    machine.dispose();
    t.end();
  });
}

void tap.test('events of one pass, as they are', (t) => {
  const machine = machineWith(EVENTS);
  machine.map(READ_ONLY, PAGE, 'r');
  const seen: string[] = [];
  withAllHooks(machine, (text) => seen.push(text));
  machine.hook('fetch', ({ pc, kind, size }) => seen.push(`${kind} ${pc} ${size}`), {
    start: CODE + 0x1c,
    end: CODE + 0x21,
  });
  machine.registers.ebx = 5;
  t.equal(machine.call(CODE, 8), 20 * 8 + 36);
  t.same(seen, [
    `systemCall 20 8 ${CODE + 0xe}`,
    `invalidInstruction ${CODE + 0x19}`,
    `fetch ${CODE + 0x1b} 5`,
    `invalid ${CODE + 0x1b} write ${READ_ONLY} true`,
    `fetch ${CODE + 0x20} 2`,
    `exception 0 ${CODE + 0x24}`,
    `interrupt 3 ${CODE + 0x27}`,
    ...[7, 6, 5, 4, 3, 2, 1].map((n) => `systemCall 20 ${n} ${CODE + 0xe}`),
  ]);
  machine.dispose();
  t.end();
});

void tap.test('who answers first', (t) => {
  // mov eax, 1; int 0x80; ret
  const machine = machineWith('b801000000 cd80 c3');
  const seen: string[] = [];
  machine.hook('interrupt', () => {
    seen.push('interrupt');
    return true;
  });
  const observer = machine.hook('systemCall', () => void seen.push('observed'));
  t.equal(machine.call(CODE), 1, 'nobody replaced it');
  const replacing = machine.hook('systemCall', () => 77);
  t.equal(machine.call(CODE), 77);
  observer.remove();
  t.equal(machine.call(CODE), 77);
  replacing.remove();
  machine.call(CODE);
  t.same(seen, ['observed', 'interrupt', 'observed', 'interrupt']);
  machine.dispose();
  t.end();
});

void tap.test('an invalid instruction is an exception where no hook takes it', (t) => {
  const machine = machineWith('0f0b c3');
  let told = 0;
  const hook = machine.hook('invalidInstruction', () => void told++);
  machine.hook('exception', (vector) => {
    t.equal(vector, 6);
    machine.registers.eip += 2;
    return true;
  });
  machine.call(CODE);
  hook.remove();
  machine.call(CODE);
  t.equal(told, 1);
  machine.dispose();
  t.end();
});

void tap.test('the same listener twice, one taken away', (t) => {
  const machine = machineWith('cd80 c3');
  let told = 0;
  const listener = (): number => ++told;
  const one = machine.hook('systemCall', () => {
    told++;
    return undefined;
  });
  machine.hook('systemCall', listener);
  const again = machine.hook('systemCall', listener);
  again.remove();
  t.equal(machine.call(CODE), 2);
  one.remove();
  t.equal(machine.call(CODE), 3);
  machine.dispose();
  t.end();
});

void tap.test('a hook on hot code in the midst of a run, and away again', (t) => {
  for (const how of ENGINES) {
    const machine = machineWith(SUM, how);
    const passes = how.engine === 'lockstep' ? 500 : 100_000;
    machine.call(CODE, passes);
    let events = 0;
    const stop = machine.hook('interrupt', () => true);
    const hook = machine.hook('code', () => void events++, { start: CODE + 8, end: CODE + 9 });
    t.equal(machine.call(CODE, 50), 1275);
    hook.remove();
    stop.remove();
    t.equal(machine.call(CODE, 50), 1275);
    t.equal(events, 50, `${how.engine} ${how.backend}`);
    machine.dispose();
  }
  t.end();
});

void tap.test('AbortSignal in a listener ends the run', (t) => {
  const machine = machineWith(ADD);
  const controller = new AbortController();
  machine.hook('code', () => controller.abort());
  machine.registers.esp = machine.map(undefined, PAGE) + 64;
  t.same(machine.run({ from: CODE, signal: controller.signal }), { reason: 'abort' });
  machine.dispose();
  t.end();
});
