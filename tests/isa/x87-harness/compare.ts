/**
 * Compares the x87 helpers with the processor, bit for bit: random and special operands in random states go through the native
 * harness and through the helpers; registers, control, status, tags, EFLAGS and memory must agree.
 * Use: node compare.js HARNESS [cases per operation] [name filter] [seed]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createX87Helpers, type X87Helpers } from '../../../runtime/helpers/x87/index.js';
import type { StateViews } from '../../../runtime/cpu/cpu-state.js';
import { STATE_SIZE, State } from '../../../translator/state.js';
import { OPERATIONS, SLOT, type Operation } from './operations.js';
import { Random, memoryOperand, registerOperand } from './operands.js';

const MEMORY = 16;
const IN = 16 + 108 + 4 + MEMORY;
const OUT = 108 + 4 + 4 + MEMORY;
/** All arithmetic flags set, so that what an instruction clears is seen. */
const EFLAGS = 0x8d7;

const [harness, perOperation = '2000', filter = '', seed = '1'] = process.argv.slice(2);
if (harness === undefined) throw new Error('use: node compare.js HARNESS [cases per operation] [name filter] [seed]');
const count = Number(perOperation);
const random = new Random(Number(seed));

const buffer = new ArrayBuffer(STATE_SIZE);
const views: StateViews = {
  u8: new Uint8Array(buffer),
  u16: new Uint16Array(buffer),
  i32: new Int32Array(buffer),
  f32: new Float32Array(buffer),
  f64: new Float64Array(buffer),
  i64: new BigInt64Array(buffer),
};
const helpers: X87Helpers = createX87Helpers(views);
const { u8, i32 } = views;

function makeCase(operation: Operation, record: Buffer): void {
  record.fill(0);
  record.set(operation.bytes, 0);
  record[15] = operation.bytes.length;
  const masks = random.chance(0.7) ? 0x3f : random.bits(6);
  const control = masks | 0x40 | (random.bits(2) << 8) | (random.bits(2) << 10);
  const top = random.bits(3);
  const status = (random.bits(7) & (masks | 0x40)) | (random.bits(16) & 0x4700) | (top << 11);
  const emptiness = random.chance(0.8) ? 0.03 : 0.5;
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    const isSeventh = register === ((top + 7) & 7);
    if (random.chance(isSeventh && operation.push && random.chance(0.9) ? 1 : emptiness)) tags |= 3 << (2 * register);
  }
  const image = record.subarray(16, 16 + 108);
  image.writeUInt16LE(control, 0);
  image.writeUInt16LE(status, 4);
  image.writeUInt16LE(tags, 8);
  const shared = random.bits(15);
  for (let i = 0; i < 8; i++)
    image.set(registerOperand(random, shared, i < 2 ? operation.range : undefined), 28 + 10 * i);
  record.writeUInt32LE(EFLAGS, 16 + 108);
  record.set(memoryOperand(random, operation.memory ?? 'f80', image), 16 + 108 + 4);
  if (operation.memory === 'control')
    record.writeUInt16LE(record.readUInt16LE(128) | (0x7f & (control | 0x40)) | (status & 0x3f), 128);
}

function loadState(record: Buffer): void {
  u8.fill(0);
  const image = record.subarray(16);
  i32[State.fpuControl >> 2] = image.readUInt16LE(0);
  const status = image.readUInt16LE(4);
  const top = (status >> 11) & 7;
  i32[State.fpuStatus >> 2] = status & ~0x3800;
  i32[State.fpuTop >> 2] = top;
  const tags = image.readUInt16LE(8);
  for (let register = 0; register < 8; register++) {
    if (((tags >> (2 * register)) & 3) === 3) i32[State.fpuEmpty >> 2]! |= 1 << register;
    u8.set(image.subarray(28 + 10 * register, 38 + 10 * register), State.fpuRegisters + 16 * ((top + register) & 7));
  }
  i32[State.cf >> 2] = 1;
  i32[State.af >> 2] = 16;
  i32[State.sr >> 2] = i32[State.of >> 2] = -1;
  u8.set(record.subarray(128, 128 + MEMORY), SLOT);
}

interface Outcome {
  control: string;
  status: string;
  tags: string;
  registers: string;
  eflags: string;
  memory: string;
}
const hex = (value: number): string => value.toString(16).padStart(4, '0');
const registerText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, 10))
    .reverse()
    .toString('hex')
    .replace(/^(.{4})/, '$1.');

function nativeOutcome(answer: Buffer): Outcome {
  const registers = [];
  for (let i = 0; i < 8; i++) registers.push(registerText(answer.subarray(28 + 10 * i, 38 + 10 * i)));
  return {
    control: hex(answer.readUInt16LE(0)),
    status: hex(answer.readUInt16LE(4)),
    tags: hex(answer.readUInt16LE(8)),
    registers: registers.join(' '),
    eflags: hex(answer.readUInt32LE(108) & 0x8d5),
    memory: answer.subarray(116, 116 + MEMORY).toString('hex'),
  };
}

function helperOutcome(memory: Buffer): Outcome {
  const registers = [];
  const top = i32[State.fpuTop >> 2]!;
  for (let i = 0; i < 8; i++) {
    const at = State.fpuRegisters + 16 * ((top + i) & 7);
    registers.push(registerText(u8.subarray(at, at + 10)));
  }
  const eflags =
    (i32[State.cf >> 2] ? 1 : 0) |
    (i32[State.pr >> 2] === 0 ? 4 : 0) |
    (i32[State.af >> 2]! & 16) |
    (i32[State.zr >> 2] === 0 ? 0x40 : 0) |
    (i32[State.sr >> 2]! < 0 ? 0x80 : 0) |
    (i32[State.of >> 2]! < 0 ? 0x800 : 0);
  return {
    control: hex(i32[State.fpuControl >> 2]!),
    status: hex(helpers.fnstswValue()),
    tags: hex(helpers.fpuTagWord()),
    registers: registers.join(' '),
    eflags: hex(eflags),
    memory: memory.toString('hex'),
  };
}

/** Distance of two register texts in units of the last place, large when they differ otherwise. */
function distance(a: string, b: string): number {
  let most = 0;
  const others = b.split(' ');
  a.split(' ').forEach((text, i) => {
    if (text === others[i]) return;
    const value = (t: string): bigint => BigInt(`0x${t.replace('.', '')}`);
    const ordinal = (t: string): bigint =>
      ((value(t) >> 64n) & 0x7fffn) * (1n << 63n) + (value(t) & ((1n << 63n) - 1n));
    const d = ordinal(text) - ordinal(others[i]!);
    const size = Number(d < 0n ? -d : d);
    most = Math.max(most, text[0]! >= '8' !== others[i]![0]! >= '8' ? 1e9 : size);
  });
  return most;
}

const selected = OPERATIONS.filter((operation) => operation.name.includes(filter));
const directory = mkdtempSync(join(tmpdir(), 'x87-'));
let total = 0;
let failures = 0;
for (const operation of selected) {
  const cases = Buffer.alloc(8 + IN * count);
  cases.writeUInt32LE(count, 0);
  cases.writeUInt32LE(MEMORY, 4);
  for (let i = 0; i < count; i++) makeCase(operation, cases.subarray(8 + IN * i, 8 + IN * (i + 1)));
  const [casesFile, answersFile] = [join(directory, 'cases'), join(directory, 'answers')];
  writeFileSync(casesFile, cases);
  const run = spawnSync(harness, [casesFile, answersFile]);
  if (run.status !== 0) throw new Error(`harness: ${operation.name}: status ${run.status} signal ${run.signal}`);
  const answers = readFileSync(answersFile);
  let different = 0;
  let lastPlace = 0;
  const shown: string[] = [];
  for (let i = 0; i < count; i++) {
    const record = cases.subarray(8 + IN * i, 8 + IN * (i + 1));
    loadState(record);
    const memory = Buffer.from(record.subarray(128, 128 + MEMORY));
    const size = operation.run(helpers, views);
    if (size) memory.set(u8.subarray(SLOT, SLOT + size));
    const native = nativeOutcome(answers.subarray(OUT * i, OUT * (i + 1)));
    const ours = helperOutcome(memory);
    const keys = (Object.keys(native) as (keyof Outcome)[]).filter((key) => native[key] !== ours[key]);
    if (keys.length === 0) continue;
    if (operation.ulps !== undefined && keys.every((key) => key === 'registers' || key === 'status')) {
      const statusDiffers = (parseInt(native.status, 16) ^ parseInt(ours.status, 16)) & ~0x200;
      if (statusDiffers === 0 && distance(native.registers, ours.registers) <= operation.ulps) {
        lastPlace++;
        if (process.env['X87_LAST_PLACE'] && lastPlace < 20)
          console.log(
            `  ${hex(record.readUInt16LE(16))} ${registerText(record.subarray(44))} ${registerText(record.subarray(54))} ${native.status} ${native.registers.slice(0, 42)}, helpers ${ours.status} ${ours.registers.slice(0, 42)}`,
          );
        continue;
      }
    }
    different++;
    if (shown.length < 3) {
      const image = record.subarray(16);
      const before = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => registerText(image.subarray(28 + 10 * k))).join(' ');
      shown.push(
        `  case ${i}: control ${hex(image.readUInt16LE(0))} status ${hex(image.readUInt16LE(4))} tags ${hex(image.readUInt16LE(8))} memory ${memory.toString('hex')}\n    before ${before}\n` +
          keys.map((key) => `    ${key}\n      processor ${native[key]}\n      helpers   ${ours[key]}\n`).join(''),
      );
    }
  }
  total += count;
  failures += different;
  if (different || lastPlace) {
    console.log(
      `${operation.name}: ${different} of ${count} differ${operation.ulps !== undefined ? `, ${lastPlace} in the last place` : ''}`,
    );
    process.stdout.write(shown.join(''));
  }
}
rmSync(directory, { recursive: true });
console.log(`${selected.length} operations, ${total} cases, ${failures} differences`);
process.exitCode = failures ? 1 : 0;
