/** Decoded code of the program before: used where memory holds the same bytes again, and only there. */
import tap from 'tap';
import { CpuState } from '../../runtime/cpu/cpu-state.js';
import { createEngine } from '../../runtime/engine/index.js';
import { addressOf } from '../../runtime/host/libc.js';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { Mappings } from '../../runtime/memory/mappings.js';
import { State } from '../../translator/state.js';

const CODE = 0x400000;
const PAGE = 4096;
const READ_WRITE_EXECUTE = 7;
const READ = 1;

void tap.test('code of the program before', (t) => {
  const memory = new GuestMemory();
  const cpu = new CpuState(memory);
  const mappings = new Mappings(memory, addressOf(memory.buffer));
  cpu.reset();
  const engine = createEngine(memory, cpu, { kind: 'interpret' });
  mappings.onUnmapped = (first, count) => engine.invalidatePages(first, count);

  /** `mov eax, VALUE; jmp +0; int3` in memory that was mapped anew. */
  const start = (value: number): void => {
    mappings.reset();
    mappings.mapFixed(CODE, PAGE, READ_WRITE_EXECUTE);
    memory.write(CODE, Uint8Array.from([0xb8, value, 0, 0, 0, 0xeb, 0x00, 0xcc]));
  };
  const run = (): string => {
    cpu.i32[State.eax >> 2] = 0;
    cpu.i32[State.eip >> 2] = CODE;
    const event = engine.run();
    return `${event.kind} ${cpu.i32[State.eax >> 2]} ${engine.statistics.blocks}`;
  };

  start(1);
  t.equal(run(), 'interrupt 1 2', 'two blocks are decoded');
  engine.leaveProgram();
  start(1);
  t.equal(run(), 'interrupt 1 2', 'the same program: nothing is');
  memory.write(CODE + 1, Uint8Array.of(5));
  engine.invalidatePages(CODE / PAGE, 1);
  t.equal(run(), 'interrupt 5 4', 'code that changes is decoded, though it was taken over');
  engine.leaveProgram();
  start(7);
  t.equal(run(), 'interrupt 7 5', 'another program: only what differs is decoded');
  engine.leaveProgram();
  start(7);
  mappings.mprotect(CODE, PAGE, READ);
  t.equal(run(), 'trap 0 5', 'what may not be executed is not');
  t.end();
});
