/** Guest functions and callbacks by prototypes as bridges have them: strings, bytes and cells. */
import tap from 'tap';
import { ADD, CODE, DATA, ENGINES, hex, machineWith, PAGE } from './code.js';

/**
 * int count(in cstring text, int letter, inout int* total, out(length) bytes filled, int length): the letters of the text
 *
 *        push ebx; push edi; mov edx, [esp+12]; xor eax, eax
 *     a: mov cl, [edx]; test cl, cl; jz b; inc edx; cmp cl, [esp+16]; jne a; inc eax; jmp a
 *     b: mov edx, [esp+20]; add [edx], eax; mov edi, [esp+24]; mov ecx, [esp+28]; push eax; rep stosb; pop eax
 *        pop edi; pop ebx; ret
 */
const COUNT =
  '53 57 8b54240c 31c0 8a0a 84c9 740a 42 3a4c2410 75f3 40 ebf0 8b542414 0102 8b7c2418 8b4c241c 50 f3aa 58 5f 5b c3';
const COUNT_PROTOTYPE =
  'int count(in cstring text, int letter, inout int* total, out(length) bytes filled, int length)';

for (const how of ENGINES) {
  void tap.test(`strings, bytes and cells, ${how.engine} ${how.backend}`, (t) => {
    const machine = machineWith(COUNT, how);
    const count = machine.function(CODE, COUNT_PROTOTYPE);
    const total = { value: 10 };
    for (let i = 0; i < 50; i++) {
      const filled = new Uint8Array(5).fill(9);
      t.equal(count('mississippi', 's'.charCodeAt(0), total, filled, 3), 4);
      t.same([...filled], [4, 4, 4, 9, 9]);
    }
    t.equal(total.value, 210);
    machine.dispose();
    t.end();
  });
}

void tap.test('numbers only: as quick as without', (t) => {
  const machine = machineWith(ADD);
  const add = machine.function(CODE, 'uint add(uint a, uint b)');
  t.equal(add(0xffffffff, 0), 0xffffffff);
  t.throws(() => add(1), TypeError);
  machine.dispose();
  t.end();
});

void tap.test('arguments that do not fit', (t) => {
  const machine = machineWith(COUNT);
  const count = machine.function(CODE, COUNT_PROTOTYPE);
  const cell = { value: 0 };
  const bytes = new Uint8Array(1);
  t.throws(() => count('a', 1, cell, bytes), /5 arguments are expected, not 4/);
  t.throws(() => count(5, 1, cell, bytes, 1), /text is to be a string/);
  t.throws(() => count('a', 'b', cell, bytes, 1), /letter is to be a number/);
  t.throws(() => count('a', 1, 7, bytes, 1), /total is to be an object with a value/);
  t.throws(() => count('a', 1, cell, 'x', 1), /filled is to be a Uint8Array/);
  t.throws(() => machine.function(CODE, 'int wrong'), /no C prototype/);
  t.throws(() => machine.function(CODE, 'int wrong(short a)'), /unknown type/);
  t.equal(count('aba', 0x61, cell, bytes, 1), 2, 'and it can be called');
  machine.dispose();
  t.end();
});

void tap.test('the stack pointer stays, whatever lay above it', (t) => {
  const machine = machineWith(COUNT);
  machine.registers.esp = machine.map(undefined, 4 * PAGE) + 3 * PAGE;
  const before = machine.registers.esp;
  machine.function(CODE, COUNT_PROTOTYPE)('x'.repeat(3000), 0x78, { value: 0 }, new Uint8Array(16), 16);
  t.equal(machine.registers.esp, before);
  t.throws(
    () => machine.function(CODE, COUNT_PROTOTYPE)('x'.repeat(30000), 0x78, { value: 0 }, new Uint8Array(16), 16),
    RangeError,
    'no room',
  );
  t.equal(machine.registers.esp, before);
  machine.dispose();
  t.end();
});

void tap.test('a callback by its prototype', (t) => {
  // sub esp, 28; mov dword [esp+8], 0; mov dword [esp+12], 0x3ff80000; mov dword [esp], -5; mov dword [esp+4], DATA
  // call [DATA]; add esp, 28; ret
  const machine = machineWith(
    '83ec1c c744240800000000 c744240c0000f83f c70424fbffffff c744240400000200 ff1500000200 83c41c c3',
  );
  const seen: unknown[] = [];
  const address = machine.callback((...args) => {
    seen.push(...args);
    return -1;
  }, 'size_t told(int a, pointer p, double x)');
  machine.writeU32(DATA, address);
  t.equal(machine.function(CODE, { result: 'u32' })(), 0xffffffff);
  t.same(seen, [-5, DATA, 1.5]);
  t.same(hex('ff'), new Uint8Array([255]));
  machine.dispose();
  t.end();
});
