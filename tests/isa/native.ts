/** Asks the processor: runs cases in the program of `harness/`, a batch at a time. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  allPatches,
  FS_BASE,
  GS_BASE,
  MachineState,
  REGIONS,
  STATE_SIZE,
  type Case,
  type Outcome,
  type Patch,
} from './machine.js';

const MAGIC = 0x36384269;
/** From the sources as from dist/. */
const candidates = ['./harness/harness', '../../../tests/isa/harness/harness'];

export function harnessPath(): string | undefined {
  return candidates.map((path) => fileURLToPath(new URL(path, import.meta.url))).find((path) => existsSync(path));
}

class Writer {
  private buffer = Buffer.alloc(1 << 20);
  private end = 0;
  u32(value: number): void {
    this.reserve(4);
    this.end = this.buffer.writeUInt32LE(value >>> 0, this.end);
  }
  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.end);
    this.end += bytes.length;
  }
  private reserve(size: number): void {
    if (this.end + size <= this.buffer.length) return;
    const larger = Buffer.alloc(Math.max(this.buffer.length * 2, this.end + size));
    larger.set(this.buffer);
    this.buffer = larger;
  }
  get written(): Buffer {
    return this.buffer.subarray(0, this.end);
  }
}

/** What the processor does in each case. Throws where the machine cannot run i386 programs. */
export function askProcessor(cases: readonly Case[]): Outcome[] {
  const path = harnessPath();
  if (path === undefined) throw new Error('tests/isa/harness/harness is missing: run tests/isa/harness/build.sh');
  const outcomes: Outcome[] = [];
  const BATCH = 20000;
  for (let first = 0; first < cases.length; first += BATCH) {
    outcomes.push(...askBatch(path, cases.slice(first, first + BATCH)));
  }
  return outcomes;
}

function askBatch(path: string, cases: readonly Case[]): Outcome[] {
  const writer = new Writer();
  writer.u32(MAGIC);
  writer.u32(REGIONS.length);
  writer.u32(GS_BASE);
  writer.u32(FS_BASE);
  for (const region of REGIONS) {
    writer.u32(region.address);
    writer.u32(region.size);
    writer.u32(region.protection);
    writer.bytes(region.fill);
  }
  for (const test of cases) {
    const patches = allPatches(test);
    writer.u32(patches.length);
    writer.bytes(test.state.bytes);
    for (const patch of patches) {
      writer.u32(patch.address);
      writer.u32(patch.bytes.length);
      writer.bytes(patch.bytes);
    }
  }
  const { stdout, status, signal, error } = spawnSync(path, { input: writer.written, maxBuffer: 1 << 30 });
  if (error) throw error;
  const outcomes: Outcome[] = [];
  for (let at = 0; at < stdout.length;) {
    const state = new MachineState(new Uint8Array(stdout.subarray(at, at + STATE_SIZE)));
    at += STATE_SIZE;
    const memory: Patch[] = [];
    for (;;) {
      const address = stdout.readUInt32LE(at);
      const length = stdout.readUInt32LE(at + 4);
      at += 8;
      if (length === 0) break;
      memory.push({ address, bytes: new Uint8Array(stdout.subarray(at, at + length)) });
      at += length;
    }
    outcomes.push({ state, memory });
  }
  if (status !== 0 || outcomes.length !== cases.length) {
    throw new Error(
      `the native harness ended with ${signal ?? `status ${status}`} after ${outcomes.length} of ${cases.length} cases`,
    );
  }
  return outcomes;
}
