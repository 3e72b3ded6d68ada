/** The nativelib cookie: what it does where there are bridges, what it is where there are none, and what code it becomes. */
import tap from 'tap';
import { codeOf } from '../../bridges/codes.js';
import { State, Trap } from '../../translator/state.js';
import { testDirectCalls } from './generated.js';
import { BridgeMachine, bytesOf, CODE, COOKIE, DATA } from './machine.js';

const doubleBytes = (value: number): number[] => [...new Uint8Array(Float64Array.of(value).buffer)];
const word = (value: number, index: number): number[] => doubleBytes(value).slice(4 * index, 4 * index + 4);

/** Calls the cookie `count` times with a double and stores st(0) at DATA. */
function loop(count: number, value: number): number[] {
  const head = [0xb9, ...bytesOf(count)]; // mov ecx, count
  const body = [0x68, ...word(value, 1), 0x68, ...word(value, 0)]; // push high; push low
  const call = [0xe8, ...bytesOf(COOKIE - (CODE + head.length + body.length + 5))];
  const tail = [0xdd, 0x1d, ...bytesOf(DATA), 0x83, 0xc4, 0x08, 0x49]; // fstp qword [DATA]; add esp, 8; dec ecx
  const length = body.length + call.length + tail.length + 2;
  return [...head, ...body, ...call, ...tail, 0x75, -length & 0xff, 0xcc]; // jnz; int3
}

for (const kind of ['interpret', 'block', 'region'] as const) {
  tap.test(`a cookie is a call of the host's function, engine ${kind}`, (t) => {
    const machine = new BridgeMachine(kind);
    machine.cookie('libm', 'sqrt');
    const event = machine.run(loop(kind === 'interpret' ? 100 : 200_000, 2));
    t.same(event, { kind: 'interrupt', vector: Trap.breakpoint });
    t.equal(machine.memory.view.getFloat64(DATA, true), Math.SQRT2);
    t.equal(machine.cpu.i32[State.fpuEmpty >> 2], 0xff, 'the x87 stack is empty again');
    t.equal(machine.get('ecx'), 0);
    t.same(machine.reports, []);
    t.end();
  });
}

tap.test('generated code calls the bridge directly', (t) => {
  const machine = new BridgeMachine('region');
  machine.cookie('libm', 'sqrt');
  machine.run(loop(200_000, 2));
  const callers = testDirectCalls(t, machine.sources, 'bridge_libm_sqrt', 1, 'M.getFloat64');
  const own = `f_${COOKIE.toString(16)}`;
  t.ok(
    callers.includes(own) && callers.some((caller) => caller !== own),
    'it is part of the loop that calls the cookie',
  );
  t.end();
});

tap.test('WebAssembly imports the bridge and calls it', (t) => {
  const machine = new BridgeMachine('region', true, 'wasm');
  machine.cookie('libm', 'sqrt');
  t.same(machine.run(loop(200_000, 2)), { kind: 'interrupt', vector: Trap.breakpoint });
  t.equal(machine.memory.view.getFloat64(DATA, true), Math.SQRT2);
  const [source] = machine.sources.filter((text) => text.includes('bridge_libm_sqrt'));
  t.match(source, /f64\.load[^\n]*\n\s*call \$?bridge_libm_sqrt/, 'right after its argument is read');
  t.end();
});

tap.test('what is no whole cookie is SIGILL, with a line that says so', (t) => {
  const invalid = (machine: BridgeMachine): void => {
    const event = machine.start(COOKIE);
    t.equal(event.kind, 'trap');
    if (event.kind === 'trap') t.equal(event.trap.vector, Trap.invalidOpcode);
    t.equal(machine.get('eip') >>> 0, COOKIE, 'at the cookie');
  };
  const machine = new BridgeMachine('block');
  machine.cookie('libm', 'sqrt');
  machine.memory.writeU8(COOKIE + 12, 0x90);
  invalid(machine);
  t.same(machine.reports.splice(0), ['bridge86: damaged nativelib cookie at 0x400800']);

  machine.cookie('libm', 'no_such_function');
  invalid(machine);
  const code = codeOf('no_such_function').toString(16);
  t.same(machine.reports.splice(0), [
    `bridge86: nativelib cookie at 0x400800: unknown function code 0x${code} of libm`,
  ]);

  machine.cookie('libnothing', 'sqrt');
  invalid(machine);
  t.match(machine.reports.splice(0).join(), /unknown library code 0x[0-9a-f]+$/);

  const without = new BridgeMachine('block', false);
  without.cookie('libm', 'sqrt');
  invalid(without);
  t.same(without.reports, [], 'without bridges it is what it is for processors');
  t.end();
});

tap.test('a cookie is code: it can be jumped into, and changed', (t) => {
  const machine = new BridgeMachine('block');
  machine.cookie('libm', 'sqrt');
  t.equal(machine.start(COOKIE + 2).kind, 'trap', 'the ret in it goes to address 0');
  t.equal(machine.get('eax') >>> 0, codeOf('libm'));
  t.equal(machine.get('edx') >>> 0, codeOf('sqrt'));

  t.equal(machine.call('libc', 'strlen', [DATA]), 0);
  machine.memory.write(DATA, new TextEncoder().encode('four'));
  t.equal(machine.call('libc', 'strlen', [DATA]), 4);
  t.equal(machine.call('libc', 'strchr', [DATA, 0x75]), DATA + 2, 'another cookie in its place');
  t.end();
});
