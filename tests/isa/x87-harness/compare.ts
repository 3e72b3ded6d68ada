/**
 * Compares every declared x87 instruction with the processor, bit for bit: random and special operands in random states go through the
 * native harness and through the interpreter's handlers; registers, control, status, tags, last opcode, EFLAGS and memory must agree.
 * Use: node compare.js HARNESS [cases per operation] [name filter] [seed]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CpuState } from '../../../runtime/cpu/cpu-state.js';
import { cpuModel } from '../../../runtime/cpu/cpuid.js';
import { createEnvironment } from '../../../runtime/engine/environment.js';
import { createX87Helpers } from '../../../runtime/helpers/x87/index.js';
import { HandlerTable } from '../../../runtime/interpreter/handlers.js';
import { createOperation } from '../../../runtime/interpreter/operation.js';
import { GuestMemory } from '../../../runtime/memory/guest-memory.js';
import { Decoder } from '../../../translator/decode/decoder.js';
import { Page } from '../../../translator/pages.js';
import { State } from '../../../translator/state.js';
import { OPERATIONS, type Operation } from './operations.js';
import { Random, memoryOperand, registerOperand } from './operands.js';

const CODE = 0x10000;
const DATA = 0x20000;
/** All arithmetic flags set, so that what an instruction clears is seen. */
const EFLAGS = 0x8d7;
const FLAGS = 0x8d5;

const [harness, perOperation = '2000', filter = '', seed = '1'] = process.argv.slice(2);
if (harness === undefined) throw new Error('use: node compare.js HARNESS [cases per operation] [name filter] [seed]');
const count = Number(perOperation);
const random = new Random(Number(seed));

const memory = new GuestMemory();
memory.pages.fill(Page.read | Page.write | Page.mapped, CODE >>> 12, (DATA >>> 12) + 1);
const cpu = new CpuState(memory);
const { u8 } = cpu;
const handlers = new HandlerTable(
  createEnvironment(cpu, memory, { model: cpuModel('max'), random32: () => 0, clock: () => 0n }),
);
const decoder = new Decoder(memory.u8);
const helpers = createX87Helpers(cpu);

function makeCase(operation: Operation, record: Buffer): void {
  record.fill(0);
  record.set(operation.bytes, 0);
  record[15] = operation.bytes.length;
  const image = record.subarray(16, 16 + 108);
  const masks = makeImage(operation, image);
  record.writeUInt32LE(EFLAGS, 124);
  const data = record.subarray(128);
  if (operation.memory === 'image') {
    makeImage(operation, data);
    if (operation.bytes[0] === 0x66) shorten(data);
  } else if (operation.memory === 'fximage') {
    for (let i = 0; i < data.length; i += 4) data.writeUInt32LE(random.next(), i);
    data.writeUInt32LE(random.bits(16), 24);
    for (let i = 0; i < 8; i++) data.set(registerOperand(random, 0x3fff), 32 + 16 * i);
  } else data.set(memoryOperand(random, operation.memory, image), 0);
  if (operation.memory === 'control' && random.chance(0.5)) data[0]! |= masks;
}

/** An frstor image without pending exceptions. Returns its exception masks. */
function makeImage(operation: Operation, image: Buffer): number {
  const masks = random.chance(0.7) ? 0x3f : random.bits(6);
  const control = masks | 0x40 | (random.bits(2) << 8) | (random.bits(2) << 10);
  const top = random.bits(3);
  const status = (random.bits(7) & (masks | 0x40)) | (random.bits(16) & 0x4700) | (top << 11);
  const emptiness = random.chance(0.8) ? 0.03 : 0.5;
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    const isSeventh = register === ((top + 7) & 7);
    const wanted = isSeventh && operation.push && random.chance(0.9);
    if (wanted || random.chance(emptiness)) tags |= 3 << (2 * register);
  }
  image.writeUInt16LE(control, 0);
  image.writeUInt16LE(status, 4);
  image.writeUInt16LE(tags, 8);
  image.writeUInt32LE(random.next(), 12);
  image.writeUInt32LE(random.bits(16) | (random.bits(11) << 16), 16);
  image.writeUInt32LE(random.next(), 20);
  image.writeUInt32LE(random.bits(16), 24);
  const shared = random.bits(15);
  for (let i = 0; i < 8; i++)
    image.set(registerOperand(random, shared, i < 2 ? operation.range : undefined), 28 + 10 * i);
  return masks;
}

/** Turns a 32-bit image into a 16-bit one. */
function shorten(image: Buffer): void {
  for (let i = 1; i < 7; i++) image.writeUInt16LE(image.readUInt16LE(4 * i), 2 * i);
  image.copyWithin(14, 28);
}

function loadState(record: Buffer, memorySize: number): void {
  cpu.reset();
  u8.set(record.subarray(16, 124), State.image);
  helpers.frstor108(State.image);
  cpu.eflags = record.readUInt32LE(124);
  cpu.setRegister(0, DATA);
  memory.u8.set(record.subarray(128, 128 + memorySize), DATA);
}

interface Outcome {
  control: string;
  status: string;
  tags: string;
  pointers: string;
  registers: string;
  eflags: string;
  eax: string;
  memory: string;
}
const hex = (value: number): string => value.toString(16).padStart(4, '0');
const registerText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, 10))
    .reverse()
    .toString('hex')
    .replace(/^(.{4})/, '$1.');

/** @param before the frstor image that the instruction started with */
function outcome(
  before: Buffer,
  image: Buffer,
  eflags: number,
  eax: number,
  data: Buffer,
  operation: Operation,
): Outcome {
  const registers = [];
  for (let i = 0; i < 8; i++) registers.push(registerText(image.subarray(28 + 10 * i)));
  const kept = (at: number): string => (image.readUInt32LE(at) === before.readUInt32LE(at) ? 'kept' : 'new');
  // Addresses differ by nature: only whether they were recorded is compared. Bytes that depend on the rest of the machine are blanked.
  if (operation.memory === 'fximage') data.fill(0, 24, 32).fill(0, 160, 288);
  return {
    control: hex(image.readUInt16LE(0)),
    status: hex(image.readUInt16LE(4)),
    tags: hex(image.readUInt16LE(8)),
    pointers: `${kept(12)} ${hex(image.readUInt16LE(18))} ${kept(20)}`,
    registers: registers.join(' '),
    eflags: hex(eflags & FLAGS),
    eax: operation.name.startsWith('fnstsw DF') ? hex(eax & 0xffff) : '',
    memory: data.toString('hex'),
  };
}

/** Distance of two register texts in units of the last place, large when they differ otherwise. */
function distance(a: string, b: string): number {
  let most = 0;
  const others = b.split(' ');
  const value = (text: string): bigint => BigInt(`0x${text.replace('.', '')}`);
  const low = (1n << 63n) - 1n;
  const ordinal = (text: string): bigint => (((value(text) >> 64n) & 0x7fffn) << 63n) + (value(text) & low);
  a.split(' ').forEach((text, i) => {
    if (text === others[i]) return;
    const difference = Number(ordinal(text) - ordinal(others[i]!));
    most = Math.max(most, text[0]! >= '8' !== others[i]![0]! >= '8' ? Infinity : Math.abs(difference));
  });
  return most;
}

const selected = OPERATIONS.filter((operation) => operation.name.includes(filter));
const directory = mkdtempSync(join(tmpdir(), 'x87-'));
let total = 0;
let failures = 0;
for (const operation of selected) {
  const { memorySize } = operation;
  const inSize = 128 + memorySize;
  const outSize = 116 + memorySize;
  const cases = Buffer.alloc(8 + inSize * count);
  cases.writeUInt32LE(count, 0);
  cases.writeUInt32LE(memorySize, 4);
  for (let i = 0; i < count; i++) makeCase(operation, cases.subarray(8 + inSize * i, 8 + inSize * (i + 1)));
  const [casesFile, answersFile] = [join(directory, 'cases'), join(directory, 'answers')];
  writeFileSync(casesFile, cases);
  const run = spawnSync(harness, [casesFile, answersFile]);
  if (run.status !== 0) throw new Error(`harness: ${operation.name}: status ${run.status} signal ${run.signal}`);
  const answers = readFileSync(answersFile);

  memory.u8.fill(0x90, CODE, CODE + 16);
  memory.u8.set(operation.bytes, CODE);
  const decoded = decoder.decode(CODE, CODE + 16);
  if ('failure' in decoded) throw new Error(`${operation.name} does not decode`);
  const handler = handlers.handlerFor(decoded);
  const interpreted = createOperation(decoded, handler);

  let different = 0;
  let lastPlace = 0;
  let lostPointers = 0;
  const shown: string[] = [];
  for (let i = 0; i < count; i++) {
    const record = cases.subarray(8 + inSize * i, 8 + inSize * (i + 1));
    const before = record.subarray(16, 124);
    loadState(record, memorySize);
    handler(interpreted);
    const eflags = cpu.eflags;
    helpers.fnsave108(State.image);
    const image = Buffer.from(u8.subarray(State.image, State.image + 108));
    const data = Buffer.from(memory.u8.subarray(DATA, DATA + memorySize));
    const ours = outcome(before, image, eflags, cpu.register(0), data, operation);
    const answer = answers.subarray(outSize * i, outSize * (i + 1));
    const native = outcome(
      before,
      answer,
      answer.readUInt32LE(108),
      answer.readUInt32LE(112),
      answer.subarray(116),
      operation,
    );
    const keys = (Object.keys(native) as (keyof Outcome)[]).filter((key) => native[key] !== ours[key]);
    // A context switch of the kernel may lose the processor's pointers.
    if (keys.length === 1 && keys[0] === 'pointers' && lostPointers++ < count / 100) continue;
    if (keys.length === 0) continue;
    if (operation.ulps > 0 && keys.every((key) => key === 'registers' || key === 'status')) {
      // Another last bit may come with another C1.
      const statusDiffers = (parseInt(native.status, 16) ^ parseInt(ours.status, 16)) & ~0x200;
      if (statusDiffers === 0 && distance(native.registers, ours.registers) <= operation.ulps) {
        lastPlace++;
        continue;
      }
    }
    different++;
    if (shown.length < 3) {
      const registers = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => registerText(before.subarray(28 + 10 * k))).join(' ');
      const words = [0, 4, 8].map((at) => hex(before.readUInt16LE(at))).join(' ');
      shown.push(
        `  case ${i}: control, status, tags ${words} memory ${record.subarray(128).toString('hex')}\n    before ${registers}\n` +
          keys.map((key) => `    ${key}\n      processor  ${native[key]}\n      interpreter ${ours[key]}\n`).join(''),
      );
    }
  }
  total += count;
  failures += different;
  if (different || lastPlace) {
    console.log(
      `${operation.name}: ${different} of ${count} differ${lastPlace ? `, ${lastPlace} in the last place` : ''}`,
    );
    process.stdout.write(shown.join(''));
  }
}
rmSync(directory, { recursive: true });
console.log(`${selected.length} operations, ${total} cases, ${failures} differences`);
process.exitCode = failures ? 1 : 0;
