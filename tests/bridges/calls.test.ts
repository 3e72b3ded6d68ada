/** Bridged functions called with good and with wild arguments: results, faults, and nothing else. */
import { deflateSync, gzipSync, inflateSync } from 'node:zlib';
import tap from 'tap';
import { libraries } from '../../bridges/libraries/index.js';
import { guestTypeOf } from '../../bridges/marshal.js';
import { Trap } from '../../translator/state.js';
import { BridgeMachine, DATA, READ_ONLY } from './machine.js';

const text = Buffer.from('some text that is worth compressing, some text that is worth it. '.repeat(50));

/** The checksum as a gzip file's trailer has it. */
const crc32 = (bytes: Uint8Array): number => gzipSync(bytes).readUInt32LE(gzipSync(bytes).length - 8);

tap.test('libz: whole buffers', (t) => {
  const machine = new BridgeMachine('block');
  const { memory } = machine;
  const [source, destination, length] = [DATA, DATA + 0x10000, DATA + 0x20000];
  memory.write(source, text);
  memory.writeU32(length, 0x8000);
  t.equal(machine.call('libz', 'compress2', [destination, length, source, text.length, 9]), 0);
  const packed = memory.read(destination, memory.readU32(length));
  t.ok(packed.length < text.length / 4);
  t.same(inflateSync(packed), text);
  memory.writeU32(length, 5);
  t.equal(
    machine.call('libz', 'uncompress', [destination, length, destination, packed.length]),
    -5 >>> 0,
    'Z_BUF_ERROR',
  );
  t.equal(machine.call('libz', 'crc32', [0, source, text.length]), crc32(text));
  t.equal(machine.call('libz', 'crc32', [0, 0, 0]), 0, 'NULL where it may be');
  t.end();
});

tap.test('libz: a stream', (t) => {
  const machine = new BridgeMachine('block');
  const { memory } = machine;
  const [stream, input, output, version] = [DATA, DATA + 0x1000, DATA + 0x20000, DATA + 0x100];
  const packed = deflateSync(text);
  memory.write(version, Buffer.from('1.2.13\0'));
  memory.write(input, packed);
  t.equal(machine.call('libz', 'inflateInit_', [stream, version, 60]), -6 >>> 0, 'Z_VERSION_ERROR: another structure');
  t.equal(machine.call('libz', 'inflateInit_', [stream, version, 56]), 0);
  const handle = memory.readU32(stream + 28);
  t.ok(handle >= 0xfe000000, 'the state is no guest address and no host address');
  memory.writeU32(stream, input);
  memory.writeU32(stream + 4, packed.length);
  memory.writeU32(stream + 12, output);
  memory.writeU32(stream + 16, 100);
  t.equal(machine.call('libz', 'inflate', [stream, 0]), 0);
  t.equal(memory.readU32(stream + 12), output + 100, 'next_out is a guest address');
  t.equal(memory.readU32(stream + 20), 100, 'total_out');
  memory.writeU32(stream + 16, 0x10000);
  t.equal(machine.call('libz', 'inflate', [stream, 4]), 1, 'Z_STREAM_END');
  t.same(Buffer.from(memory.read(output, text.length)), text);
  t.equal(machine.call('libz', 'inflate', [stream + 4, 0]), -2 >>> 0, 'Z_STREAM_ERROR: not where it was');
  t.equal(machine.call('libz', 'inflateReset', [stream]), 0);
  memory.write(input, Buffer.from('no zlib data'));
  memory.writeU32(stream, input);
  memory.writeU32(stream + 4, 12);
  t.equal(machine.call('libz', 'inflate', [stream, 0]), -3 >>> 0, 'Z_DATA_ERROR');
  t.equal(memory.readCStringText(memory.readU32(stream + 24)), 'incorrect header check', 'msg is in guest memory');
  memory.writeU32(stream + 12, READ_ONLY);
  const event = machine.call('libz', 'inflate', [stream, 0]);
  t.match(
    event,
    { kind: 'trap', trap: { vector: Trap.pageFault, address: READ_ONLY } },
    'output that cannot be written',
  );
  t.equal(machine.call('libz', 'inflateEnd', [stream]), 0);
  t.equal(machine.call('libz', 'inflateEnd', [stream]), -2 >>> 0, 'twice');
  t.end();
});

tap.test('libc: memory and strings', (t) => {
  const machine = new BridgeMachine('block');
  const { memory } = machine;
  memory.write(DATA, Buffer.from('abcdefgh\0abcdefgi\0'));
  t.equal(machine.call('libc', 'strcmp', [DATA, DATA + 9]), 0xffffffff);
  t.equal(machine.call('libc', 'strncmp', [DATA, DATA + 9, 7]), 0);
  t.equal(machine.call('libc', 'memcmp', [DATA + 9, DATA, 9]), 1);
  t.equal(machine.call('libc', 'strrchr', [DATA, 0]), DATA + 8);
  t.equal(machine.call('libc', 'memchr', [DATA, 0x69, 100]), DATA + 16);
  for (const length of [3, 40, 1000]) {
    for (const by of [-1, 1, 20]) {
      const start = DATA + 0x1000;
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
      memory.write(start, bytes);
      t.equal(machine.call('libc', 'memmove', [start + by, start, length]), start + by);
      t.same(memory.read(start + by, length), bytes, `memmove of ${length} bytes by ${by}`);
    }
    t.equal(machine.call('libc', 'mempcpy', [DATA + 0x8000, DATA + 0x1000, length]), DATA + 0x8000 + length);
    t.equal(machine.call('libc', 'memset', [DATA, 0x141, length]), DATA);
    t.ok(memory.read(DATA, length).every((byte) => byte === 0x41));
  }
  // A string across pages, and one that never ends.
  memory.u8.fill(0x61, DATA, READ_ONLY);
  memory.u8[DATA + 5000] = 0;
  t.equal(machine.call('libc', 'strlen', [DATA]), 5000);
  t.match(machine.call('libc', 'strlen', [READ_ONLY]), {
    kind: 'trap',
    trap: { vector: Trap.pageFault, address: READ_ONLY + 4096 },
  });
  t.match(machine.call('libc', 'memcpy', [READ_ONLY, DATA, 10]), { kind: 'trap', trap: { address: READ_ONLY } });
  t.equal(machine.get('eip') >>> 0, 0x400800, 'the fault is at the function');
  t.end();
});

/** Numbers in order of a seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 4;
  };
}

const CALLS = 2000;
for (const library of libraries()) {
  // Those that may leave a call to the guest's own function need a guest that has it: `threads.test.ts`.
  const functions = library.functions.filter(({ declines }) => !declines);
  if (functions.length === 0) continue;
  tap.test(`${library.name}: ${CALLS} calls with wild arguments`, (t) => {
    const machine = new BridgeMachine('block');
    const next = numbers(1);
    const wild = [
      0,
      1,
      -1,
      DATA,
      DATA + 100,
      READ_ONLY - 3,
      READ_ONLY,
      READ_ONLY + 4095,
      0x7ffffff0,
      0xfdfffff0,
      0xfffffff0,
    ];
    let faults = 0;
    for (let i = 0; i < CALLS; i++) {
      const { prototype } = functions[next() % functions.length]!;
      if (i % 50 === 0) for (let at = DATA; at < READ_ONLY; at += 4) machine.memory.view.setUint32(at, next(), true);
      const words = prototype.parameters.reduce((sum, one) => sum + (/64$/.test(guestTypeOf(one)) ? 2 : 1), 0);
      const args = Array.from({ length: words }, () => {
        const kind = next() % 4;
        return kind === 0 ? next() % 70 : kind === 1 ? DATA + (next() % 0x1000) : wild[next() % wild.length]!;
      });
      const result = machine.call(library.name, prototype.name, args);
      if (typeof result === 'number') continue;
      faults++;
      if (result.kind !== 'trap' || result.trap.vector !== Trap.pageFault) {
        t.fail(`${prototype.name}(${args.join(', ')}) ended in ${JSON.stringify(result)}`);
        break;
      }
    }
    t.pass(`${faults} page faults`);
    t.same(machine.reports, []);
    t.end();
  });
}
