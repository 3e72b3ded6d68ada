/**
 * The recordings' file: cases and the processor's answers, compact. A case's state is kept as a seed of `stateFromSeed` and
 * what differs from that; an outcome as what differs from the case. All of it is gzipped.
 *
 * Layout after gunzip: u32 length of a JSON header (`RecordingHeader`), the header, then the cases: declaration index, seed,
 * profile, code, state's differences, memory patches, outcome's differences, memory patches. Numbers are LEB128 varints.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Field, type MachineState, type Case, type Outcome, type Patch } from './machine.js';
import { PROFILES, stateFromSeed, type Profile } from './random.js';

export interface RecordingHeader {
  readonly version: 1;
  /** The processor that gave the answers, as it names itself. */
  readonly processor: string;
  readonly cases: number;
  /** Keys of declarations (`declarationKey`), in the order of the cases' indices. */
  readonly declarations: string[];
  readonly skipped: { readonly declaration: string; readonly reason: string }[];
}

export interface Recorded {
  readonly test: Case;
  readonly outcome: Outcome;
}

class Writer {
  private buffer = Buffer.alloc(1 << 16);
  private end = 0;
  byte(value: number): void {
    if (this.end === this.buffer.length) this.buffer = Buffer.concat([this.buffer], this.end * 2);
    this.buffer[this.end++] = value;
  }
  number(value: number): void {
    value >>>= 0;
    for (; value >= 0x80; value >>>= 7) this.byte((value & 0x7f) | 0x80);
    this.byte(value);
  }
  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    for (const byte of bytes) this.byte(byte);
  }
  get written(): Buffer {
    return this.buffer.subarray(0, this.end);
  }
}
class Reader {
  constructor(
    private readonly buffer: Uint8Array,
    private at: number,
  ) {}
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.buffer[this.at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
  bytes(): Uint8Array {
    const length = this.number();
    this.at += length;
    return this.buffer.slice(this.at - length, this.at);
  }
}

function writeDifferences(writer: Writer, from: MachineState, to: MachineState): void {
  const runs: [number, number][] = [];
  const a = from.bytes;
  const b = to.bytes;
  for (let at = 0; at < a.length; at++) {
    if (a[at] === b[at]) continue;
    const last = runs[runs.length - 1];
    if (last && at - last[1] < 3) last[1] = at + 1;
    else runs.push([at, at + 1]);
  }
  writer.number(runs.length);
  let previous = 0;
  for (const [start, end] of runs) {
    writer.number(start - previous);
    writer.bytes(b.subarray(start, end));
    previous = end;
  }
}
function readDifferences(reader: Reader, state: MachineState): void {
  let at = 0;
  for (let runs = reader.number(); runs > 0; runs--) {
    at += reader.number();
    const bytes = reader.bytes();
    state.bytes.set(bytes, at);
    at += bytes.length;
  }
}
function writePatches(writer: Writer, patches: readonly Patch[]): void {
  writer.number(patches.length);
  for (const patch of patches) {
    writer.number(patch.address);
    writer.bytes(patch.bytes);
  }
}
const readPatches = (reader: Reader): Patch[] =>
  Array.from({ length: reader.number() }, () => ({ address: reader.number(), bytes: reader.bytes() }));

export interface RecordingInput {
  readonly test: Case;
  readonly outcome: Outcome;
  readonly seed: number;
  readonly profile: Profile;
}

export function writeRecording(
  inputs: readonly RecordingInput[],
  processor: string,
  skipped: RecordingHeader['skipped'],
): Uint8Array {
  const declarations = [...new Set(inputs.map((input) => input.test.declaration))];
  const index = new Map(declarations.map((key, i) => [key, i]));
  const header: RecordingHeader = { version: 1, processor, cases: inputs.length, declarations, skipped };
  const writer = new Writer();
  for (const { test, outcome, seed, profile } of inputs) {
    const eip = test.state.u32(Field.eip);
    writer.number(index.get(test.declaration)!);
    writer.number(seed);
    writer.number(PROFILES.indexOf(profile));
    writer.number(eip);
    writer.bytes(test.code);
    writeDifferences(writer, stateFromSeed(seed, profile, eip), test.state);
    writePatches(writer, test.memory);
    writeDifferences(writer, test.state, outcome.state);
    writePatches(writer, outcome.memory);
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return gzipSync(Buffer.concat([length, json, writer.written]), { level: 9 });
}

/** The committed recording, from the sources as from dist/. */
export function recordingPath(): string {
  const paths = ['./recorded/cases.bin.gz', '../../../tests/isa/recorded/cases.bin.gz'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  return paths.find((path) => existsSync(dirname(path))) ?? paths[1]!;
}

export function readRecording(path = recordingPath()): { header: RecordingHeader; cases: Recorded[] } {
  const bytes = gunzipSync(readFileSync(path));
  const length = bytes.readUInt32LE(0);
  const header = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as RecordingHeader;
  const reader = new Reader(bytes, 4 + length);
  const cases: Recorded[] = [];
  for (let i = 0; i < header.cases; i++) {
    const declaration = header.declarations[reader.number()]!;
    const seed = reader.number();
    const profile = PROFILES[reader.number()]!;
    const eip = reader.number();
    const code = reader.bytes();
    const state = stateFromSeed(seed, profile, eip);
    readDifferences(reader, state);
    const memory = readPatches(reader);
    const after = state.clone();
    readDifferences(reader, after);
    cases.push({ test: { declaration, code, state, memory }, outcome: { state: after, memory: readPatches(reader) } });
  }
  return { header, cases };
}
