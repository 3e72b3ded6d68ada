/**
 * Compares the vector helpers with the processor: random and special operands in many MXCSR modes, every bit of result,
 * MXCSR and flags. Run: gcc -m32 -O1 execute.c -o execute; node compare.js ./execute [--interpret | --compile] [CASES [PATTERN]] (exit
 * status 1 when something differs). With --interpret the instruction's bytes go through decoder and interpreter, with
 * register and memory operands, aligned or not; with --compile through generated code; without, the helpers are called.
 */
import { spawnSync } from 'node:child_process';
import { createSimdHelpers, type SimdHelpers } from '../../../runtime/helpers/simd/index.js';
import { Exit, State } from '../../../translator/state.js';
import { cases, moves, type SimdCase } from './cases.js';
import { Decoder, type DecodedInstruction } from '../../../translator/decode/decoder.js';
import { declarations, type Declaration } from '../../../translator/isa/index.js';
import { kinds } from '../../../translator/isa/kinds.js';
import { Page, PAGE_SHIFT } from '../../../translator/pages.js';
import { cpuModel } from '../../../runtime/cpu/cpuid.js';
import { CpuState } from '../../../runtime/cpu/cpu-state.js';
import { createEnvironment } from '../../../runtime/engine/environment.js';
import { HandlerTable } from '../../../runtime/interpreter/handlers.js';
import { createOperation } from '../../../runtime/interpreter/operation.js';
import { emitRegion } from '../../../translator/emit/region-javascript.js';
import { isTerminator, type Terminator } from '../../../translator/ir/ir.js';
import { liftBlock } from '../../../translator/lift/lift.js';
import { RegionGraph } from '../../../translator/region/graph.js';
import { GuestMemory } from '../../../runtime/memory/guest-memory.js';
import { GuestTrap } from '../../../runtime/memory/trap.js';

const RECORD = 192;
/** Fields of a record, in bytes (struct State in execute.c). */
const Record = {
  mxcsr: 0,
  eflags: 4,
  eax: 8,
  ecx: 12,
  edx: 16,
  trap: 20,
  x87: 24,
  mm: 32,
  xmm: 96,
  memory: 160,
} as const;
/** Where the record's memory lies, and where edi points. */
const MEMORY = 0x20000800;
const CODE = 0x30000000;
const SIGILL = 4;
const SIGFPE = 8;
const SIGSEGV = 11;

/** xorshift32: the same cases in every run. */
let seed = 0x2545f491;
function random(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}
const pick = <T>(values: readonly T[]): T => values[random() % values.length];

const SPECIAL_32 = [
  0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000, 0x00800001, 0x7f7fffff, 0xff7fffff,
  0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 0x7fc12345, 0x3f800000, 0xbf800000,
  0x3f000000, 0x3f7fffff, 0x40000000, 0x4f000000, 0xcf000000, 0x4effffff, 0xcf000001, 0x4b000000, 0x4b800001,
  0x3fc00000, 0x40200000, 0x33800000, 0x5f000000, 0x20000000, 0x1f000000, 0x7fffffff, 0xffffffff,
];
const SPECIAL_64: readonly (readonly [number, number])[] = [
  [0, 0],
  [0, 0x80000000],
  [1, 0],
  [1, 0x80000000],
  [0xffffffff, 0x000fffff],
  [0xffffffff, 0x800fffff],
  [0, 0x00100000],
  [0, 0x80100000],
  [1, 0x00100000],
  [0xffffffff, 0x7fefffff],
  [0xffffffff, 0xffefffff],
  [0, 0x7ff00000],
  [0, 0xfff00000],
  [0, 0x7ff80000],
  [0, 0xfff80000],
  [1, 0x7ff00000],
  [0xffffffff, 0xfff7ffff],
  [0x12345678, 0x7ff8abcd],
  [0, 0x3ff00000],
  [0, 0xbff00000],
  [0, 0x3fe00000],
  [0xffffffff, 0x3fefffff],
  [0, 0x41e00000],
  [0xffc00000, 0x41dfffff],
  [0xffe00000, 0x41dfffff],
  [0, 0xc1e00000],
  [0x00200000, 0xc1e00000],
  [0x00100000, 0xc1e00000],
  [0, 0x43300000],
  [1, 0x43300000],
  [0, 0x43e00000],
  [0, 0x36a00000],
  [0, 0x36900000],
  [1, 0x36900000],
  [0xe0000000, 0x380fffff],
  [0xffffffff, 0x380fffff],
  [0xe0000000, 0x47efffff],
  [0xf0000000, 0x47efffff],
  [0xefffffff, 0x47efffff],
  [0, 0x1ff00000],
  [0, 0x5fe00000],
  [0, 0x3ff80000],
  [0, 0x40040000],
];
const SPECIAL_BYTES = [0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe, 0x40];

function float32(): number {
  switch (random() & 7) {
    case 0:
    case 1:
      return pick(SPECIAL_32);
    case 2:
      // Near one another: cancellation, exact sums.
      return ((random() & 0x80000000) | 0x3f800000 | (random() & 0x00ff0003)) >>> 0;
    case 3:
      // Products and quotients near the ends of the range.
      return (
        ((random() & 0x80000000) |
          (pick([1, 2, 24, 40, 62, 63, 64, 65, 150, 190, 191, 192, 240, 253, 254]) << 23) |
          (random() & 0x7fffff)) >>>
        0
      );
    case 4:
      return ((random() & 0x80000000) | ((0x7f + (random() % 34)) << 23) | (random() & 0x7fffff)) >>> 0;
    case 5:
      return ((random() & 0x80000000) | (random() >>> (9 + (random() % 23)))) >>> 0;
    default:
      return random();
  }
}
function float64(): readonly [number, number] {
  const sign = random() & 0x80000000;
  switch (random() & 7) {
    case 0:
    case 1:
      return pick(SPECIAL_64);
    case 2:
      return [(random() & 3) as number, (sign | 0x3ff00000 | (random() & 0x001f0000)) >>> 0];
    case 3:
      return [
        random(),
        (sign |
          (pick([1, 2, 53, 60, 510, 511, 512, 513, 1200, 1535, 1536, 2040, 2045, 2046]) << 20) |
          (random() & 0xfffff)) >>>
          0,
      ];
    case 4:
      return [random(), (sign | ((0x3ff + (random() % 66)) << 20) | (random() & 0xfffff)) >>> 0];
    case 5:
      return [random(), (sign | (random() >>> (12 + (random() % 20)))) >>> 0];
    case 6:
      // Around what a float can hold.
      return [
        random() & pick([0xffffffff, 0xf0000000, 0x30000000]),
        (sign |
          ((0x3ff + pick([-151, -150, -149, -127, -126, -125, -100, 0, 100, 127, 128])) << 20) |
          (random() & 0xfffff)) >>>
          0,
      ];
    default:
      return [random(), random()];
  }
}

function fill(words: Uint32Array, at: number, kind: SimdCase['operands']): void {
  if (kind === 'f32') for (let i = 0; i < 4; i++) words[at + i] = float32();
  else if (kind === 'f64')
    for (let i = 0; i < 4; i += 2) {
      const [low, high] = float64();
      words[at + i] = low;
      words[at + i + 1] = high;
    }
  else if (kind === 'text')
    for (let i = 0; i < 4; i++) {
      words[at + i] = 0;
      for (let k = 0; k < 4; k++)
        words[at + i] |= pick([0x61, 0x62, 0x63, 0x61, 0x62, 0x80, random() % 9 ? 0x64 : 0]) << (8 * k);
    }
  else
    for (let i = 0; i < 4; i++) {
      words[at + i] = random();
      if (random() & 1)
        for (let k = 0; k < 4; k++)
          words[at + i] = (words[at + i] & ~(255 << (8 * k))) | (pick(SPECIAL_BYTES) << (8 * k));
    }
  if (kind === 'count' && random() % 4 !== 0) {
    words[at] = random() % 70;
    words[at + 1] = 0;
  }
}

function makeRecords(c: SimdCase, count: number): Uint32Array {
  const records = new Uint32Array((count * RECORD) / 4);
  const float = c.operands === 'f32' || c.operands === 'f64';
  for (let n = 0; n < count; n++) {
    const at = (n * RECORD) / 4;
    let mxcsr = 0x1f80;
    if (float || c.mxcsr) {
      mxcsr |= (random() & 3) << 13;
      if (random() % 4 === 0) mxcsr |= 0x8000;
      if (random() % 4 === 0) mxcsr |= 0x40;
      if (random() % 3 === 0) mxcsr = (mxcsr & ~0x1f80) | (random() & 0x1f80);
      if (random() & 1) mxcsr |= random() & 0x3f;
      if (random() & 1) mxcsr = (mxcsr & 0x3f) | 0x1fa0;
    }
    records[at] = mxcsr;
    records[at + 1] = random() & 0x8d5;
    for (let i = 2; i < 5; i++) records[at + i] = random() & 1 ? random() : (random() % 40) - 20;
    records[at + 6] = (random() & 7) | ((random() & 0xff) << 8);
    for (let r = 0; r < 4; r++) {
      fill(records, at + Record.mm / 4 + 4 * r, c.operands);
      fill(records, at + Record.xmm / 4 + 4 * r, c.operands);
      if (r < 2) fill(records, at + Record.memory / 4 + 4 * r, c.operands);
      records[at + Record.mm / 4 + 4 * r + 2] &= 0xffff;
      records[at + Record.mm / 4 + 4 * r + 3] = 0;
    }
    // Often an operand that equals, or negates, the other.
    if (random() % 8 === 0)
      records.copyWithin(at + Record.xmm / 4 + 8, at + Record.xmm / 4 + 4, at + Record.xmm / 4 + 8);
    if (random() % 16 === 0) records[at + Record.xmm / 4 + 8 + (c.operands === 'f64' ? 1 : 0)] ^= 0x80000000;
  }
  return records;
}

const guest = new GuestMemory();
guest.pages[CODE >>> PAGE_SHIFT] = Page.read | Page.execute | Page.mapped;
guest.pages[MEMORY >>> PAGE_SHIFT] = Page.read | Page.write | Page.mapped;
const state: CpuState = new CpuState(guest);
const { i32 } = state;
const memoryWords = new Int32Array(guest.buffer, MEMORY, 8);
const helpers: SimdHelpers = createSimdHelpers(state);
const environment = createEnvironment(state, guest, { model: cpuModel('max'), random32: () => 0, clock: () => 0n });
const handlers = new HandlerTable(environment);
const decoder = new Decoder(guest.u8);

let slowExits = 0;
let regions = 0;
/** The instruction as a region of its own, in generated JavaScript. */
function compiled(instruction: DecodedInstruction): () => number {
  const ir = liftBlock([instruction]);
  const last = ir.statements[ir.statements.length - 1];
  const node = { ir, terminator: (isTerminator(last) ? last : undefined) as Terminator, indirectTargets: [] };
  const source = emitRegion(new RegionGraph([ir.pc], new Map([[ir.pc, node]])), `region${regions++}`);
  return environment.evaluate(`(${source.text})`, 'simd-harness') as () => number;
}

/** What executes a case: gives the signal that the process would get, 0 for none. */
function interpreterOf(code: readonly number[]): () => number {
  guest.u8.set(code, CODE);
  const instruction = decoder.decode(CODE, CODE + 16);
  if ('failure' in instruction) return () => SIGILL;
  unused.delete(instruction.declaration);
  if (instruction.length !== code.length) throw new Error(`decoded ${instruction.length} of ${code.length} bytes`);
  const operation = createOperation(instruction, handlers.handlerFor(instruction));
  const generated = compile ? compiled(instruction) : undefined;
  return () => {
    try {
      if (generated) {
        generated();
        if (i32[State.exit >> 2] !== Exit.slow) return 0;
        i32[State.exit >> 2] = 0;
        slowExits++;
      }
      operation.run(operation);
      return 0;
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
      return error.vector === 13 || error.vector === 14 ? SIGSEGV : SIGFPE;
    }
  };
}

function load(record: Int32Array): void {
  i32.fill(0);
  i32[State.edi >> 2] = MEMORY;
  i32[State.mxcsr >> 2] = record[0];
  const flags = record[1];
  i32[State.cf >> 2] = flags & 1;
  i32[State.pr >> 2] = flags & 4 ? 0 : 1;
  i32[State.af >> 2] = flags & 0x10;
  i32[State.zr >> 2] = flags & 0x40 ? 0 : 1;
  i32[State.sr >> 2] = flags & 0x80 ? -1 : 0;
  i32[State.of >> 2] = flags & 0x800 ? -1 : 0;
  for (let i = 0; i < 3; i++) i32[i] = record[2 + i];
  i32[State.fpuTop >> 2] = record[6] & 7;
  i32[State.fpuEmpty >> 2] = ~(record[6] >> 8) & 0xff;
  for (let i = 0; i < 16; i++) {
    i32[(State.fpuRegisters >> 2) + i] = record[Record.mm / 4 + i];
    i32[(State.xmm >> 2) + i] = record[Record.xmm / 4 + i];
  }
  for (let i = 0; i < 8; i++) memoryWords[i] = record[Record.memory / 4 + i];
}
function flagsNow(): number {
  let parity = i32[State.pr >> 2] & 0xff;
  parity ^= parity >> 4;
  return (
    (i32[State.cf >> 2] ? 1 : 0) |
    ((0x9669 >> (parity & 15)) & 1 ? 4 : 0) |
    (i32[State.af >> 2] & 0x10) |
    (i32[State.zr >> 2] === 0 ? 0x40 : 0) |
    (i32[State.sr >> 2] < 0 ? 0x80 : 0) |
    (i32[State.of >> 2] < 0 ? 0x800 : 0)
  );
}
/** The state after the helper as the record's words. */
function store(record: Int32Array, trap: number): void {
  record[0] = i32[State.mxcsr >> 2];
  record[1] = flagsNow();
  for (let i = 0; i < 3; i++) record[2 + i] = i32[i];
  record[5] = trap;
  record[6] = (i32[State.fpuTop >> 2] & 7) | ((~i32[State.fpuEmpty >> 2] & 0xff) << 8);
  for (let i = 0; i < 16; i++) {
    record[Record.mm / 4 + i] = i32[(State.fpuRegisters >> 2) + i];
    record[Record.xmm / 4 + i] = i32[(State.xmm >> 2) + i];
  }
  for (let i = 0; i < 8; i++) record[Record.memory / 4 + i] = memoryWords[i];
}

const words = (a: Int32Array, from: number, n: number): string =>
  Array.from(a.subarray(from, from + n), (x) => (x >>> 0).toString(16).padStart(8, '0')).join(' ');
function show(record: Int32Array): string {
  return (
    `mxcsr ${words(record, 0, 1)} fl ${words(record, 1, 1)} eax/ecx/edx ${words(record, 2, 3)} trap ${record[5]} x87 ${record[6].toString(16)}\n` +
    `        mm1 ${words(record, 12, 3)} mm2 ${words(record, 16, 3)}\n        xmm0 ${words(record, 24, 4)} xmm1 ${words(record, 28, 4)} xmm2 ${words(record, 32, 4)}\n        memory ${words(record, 40, 8)}`
  );
}

const parameters = process.argv.slice(2);
const compile = parameters.includes('--compile');
const interpret = compile || parameters.includes('--interpret');
/** Declarations that no case decoded to. */
const unused = new Set<Declaration>(declarations.filter((d) => d.encoding.includes('0F')));
const [executable, countText = '2000', pattern = ''] = parameters.filter((x) => !x.startsWith('--'));
const perOperation = Number(countText);

/** The case as it is, and with memory (aligned, or 4 bytes on) for its second operand where ModRM says register 2. */
function variants(c: SimdCase): SimdCase[] {
  const at = c.code.lastIndexOf(0xca);
  if (at < c.code.length - 2) return [c];
  const memory = (offset: number): SimdCase => ({
    ...c,
    name: `${c.name} [memory+${offset}]`,
    code: [...c.code.slice(0, at), 0x0d, offset, 0x08, 0x00, 0x20, ...c.code.slice(at + 1)],
  });
  return [c, memory(0), memory(4)];
}

let total = 0;
let differing = 0;
const all = interpret ? [...cases, ...moves].flatMap(variants) : cases;
for (const c of all.filter((x) => new RegExp(pattern).test(x.name))) {
  const count = c.operands === 'f32' || c.operands === 'f64' ? perOperation : Math.ceil(perOperation / 8);
  const input = makeRecords(c, count);
  const header = Buffer.alloc(24);
  header.writeUInt32LE(c.code.length, 0);
  Buffer.from(c.code).copy(header, 4);
  header.writeUInt32LE(count, 20);
  const run = spawnSync(executable, { input: Buffer.concat([header, Buffer.from(input.buffer)]), maxBuffer: 1 << 30 });
  const output = new Int32Array(run.stdout.buffer.slice(run.stdout.byteOffset, run.stdout.byteOffset + count * RECORD));
  const execute = interpret
    ? interpreterOf(c.code)
    : (): number => {
        if (c.mmx) helpers.enterMmx();
        return c.run(helpers, i32) === 1 ? SIGFPE : 0;
      };
  let bad = 0;
  for (let n = 0; n < count; n++) {
    const before = new Int32Array(input.buffer, n * RECORD, RECORD / 4);
    const native = output.subarray((n * RECORD) / 4, ((n + 1) * RECORD) / 4);
    load(before);
    const signal = execute();
    const ours = Int32Array.from(before);
    store(ours, signal);
    // Helpers alone cannot take back what enterMmx did.
    if (signal !== 0 && c.mmx && !interpret) ours[6] = native[6];
    for (let i = 0; i < RECORD / 4; i++) {
      if (i === 7 || (i >= 8 && i < 24 && i % 4 === 3)) continue;
      let a = ours[i];
      let b = native[i];
      if (i >= 8 && i < 24 && i % 4 === 2) {
        a &= 0xffff;
        b &= 0xffff;
      }
      if (a !== b) {
        if (bad++ < 2)
          console.log(
            `${c.name}: word ${i}\n  before ${show(before)}\n  native ${show(native)}\n  ours   ${show(ours)}`,
          );
        break;
      }
    }
  }
  total += count;
  differing += bad;
  if (bad) console.log(`${c.name}: ${bad} of ${count} differ`);
}
console.log(`${total} cases, ${differing} differ${compile ? `, ${slowExits} left to the interpreter` : ''}`);
if (interpret && pattern === '') {
  const vector = [...unused].filter((d) => d.operands.some((kind) => kinds[kind].class === 'vector'));
  console.log(`not executed: ${vector.map((d) => `${d.mnemonic} (${d.encoding})`).join(', ') || 'none'}`);
}
process.exitCode = differing ? 1 : 0;
