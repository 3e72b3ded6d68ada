/**
 * Cases in which an engine once differed from the processor, kept with the processor's answer in a file that a person can read.
 * States are written as what is not zero: registers by name, the rest as bytes at offsets of the state block.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { REGISTER_NAMES } from '../../translator/state.js';
import { normalise } from './compare.js';
import { disassembleCase } from './disassembly.js';
import { Field, MachineState, type Case, type Outcome, type Patch } from './machine.js';
import { askProcessor } from './native.js';
import type { Recorded } from './recording.js';

/** What is written; `state` has runs of bytes by their offset. */
interface Written {
  readonly instructions: string;
  readonly declaration: string;
  readonly code: string;
  readonly before: Readonly<Record<string, string>>;
  readonly memory: Readonly<Record<string, string>>;
  readonly after: Readonly<Record<string, string>>;
  readonly changed: Readonly<Record<string, string>>;
}

const FILE = fileURLToPath(new URL('../../../tests/isa/regressions.json', import.meta.url));

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

const NAMED: readonly (readonly [name: string, offset: number])[] = [
  ...REGISTER_NAMES.map((name, i) => [name, Field.registers + 4 * i] as const),
  ['eip', Field.eip],
  ['eflags', Field.eflags],
];

/** What of a state is not as in another: named registers as numbers, the rest as bytes. */
function written(state: MachineState, other: MachineState): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, offset] of NAMED) {
    if (state.u32(offset) !== other.u32(offset)) result[name] = state.u32(offset).toString(16);
  }
  for (let at = Field.selectors; at < state.bytes.length; at++) {
    if (state.bytes[at] === other.bytes[at]) continue;
    const start = at;
    while (at < state.bytes.length && state.bytes[at] !== other.bytes[at]) at++;
    result[`+${start}`] = hexOf(state.bytes.subarray(start, at));
  }
  return result;
}

function apply(state: MachineState, values: Readonly<Record<string, string>>): MachineState {
  for (const [name, value] of Object.entries(values)) {
    const named = NAMED.find(([known]) => known === name);
    if (named) state.setU32(named[1], Number.parseInt(value, 16));
    else state.bytes.set(bytesOf(value), Number(name.slice(1)));
  }
  return state;
}

const writtenPatches = (patches: readonly Patch[]): Record<string, string> =>
  Object.fromEntries(patches.map(({ address, bytes }) => [address.toString(16), hexOf(bytes)]));
const readPatches = (written: Readonly<Record<string, string>>): Patch[] =>
  Object.entries(written).map(([address, bytes]) => ({ address: Number.parseInt(address, 16), bytes: bytesOf(bytes) }));

const readFile = (): Written[] => (existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Written[]) : []);

export function readRegressions(): Recorded[] {
  return readFile().map(({ declaration, code, before, memory, after, changed }) => {
    const state = apply(new MachineState(), before);
    const test: Case = { declaration, code: bytesOf(code), state, memory: readPatches(memory) };
    const outcome: Outcome = { state: apply(state.clone(), after), memory: readPatches(changed) };
    return { test, outcome };
  });
}

/** Adds single-instruction cases with the processor's answers; gives how many were not there before. */
export function addRegressions(subjects: readonly { readonly test: Case }[]): number {
  const all = readFile();
  const before = all.length;
  const cases = subjects.map(({ test }) => test).filter(({ declaration }) => declaration !== '');
  if (cases.length === 0) return 0;
  askProcessor(cases)
    .map(normalise)
    .forEach((outcome, i) => {
      const test = cases[i]!;
      const entry: Written = {
        instructions: disassembleCase(test),
        declaration: test.declaration,
        code: hexOf(test.code),
        before: written(test.state, new MachineState()),
        memory: writtenPatches(test.memory),
        after: written(outcome.state, test.state),
        changed: writtenPatches(outcome.memory),
      };
      if (!all.some((known) => JSON.stringify(known) === JSON.stringify(entry))) all.push(entry);
    });
  writeFileSync(FILE, `${JSON.stringify(all, null, 1)}\n`);
  return all.length - before;
}
