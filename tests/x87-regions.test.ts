/**
 * The x87 in generated WebAssembly: sequences of instructions leave the state that the interpreter's helpers leave, also
 * where an instruction has to be left to those; and `--x87 double` is near enough.
 */
import tap from 'tap';
import { compare, differencesText } from './isa/compare.js';
import { disassembleCase } from './isa/disassembly.js';
import { CaseRunner } from './isa/execute.js';
import { randomSequence } from './isa/fuzz/sequences.js';
import { CODE_START, Field, type Case } from './isa/machine.js';
import { Random, stateFromSeed, usualX87 } from './isa/random.js';
import { join } from 'node:path';
import { GUESTS } from './support/paths.js';
import { runBridge, runProgram } from './support/run.js';

const SEQUENCES = 400;
const LENGTH = 8;
const SEED = 20;
const SHOWN = 5;

tap.test('sequences of x87 instructions', (t) => {
  const interpreter = new CaseRunner('interpret');
  const regions = new CaseRunner('wasm', true);
  const random = new Random(SEED);
  let inline = 0;
  let failures = 0;
  for (let i = 0; i < SEQUENCES; i++) {
    const { test } = randomSequence(random, LENGTH, /^f/);
    const wanted = interpreter.run(test);
    const got = regions.run(test);
    // Numbers with 64 bits of mantissa are only there where the x87 is inline.
    if (regions.lastSource.includes('i64.clz') || regions.lastSource.includes('i64.mul')) inline++;
    const differences = compare(test, wanted, got, undefined, 'oszapc');
    if (differences.length === 0 || failures++ >= SHOWN) continue;
    t.comment(`${disassembleCase(test)}\n${differencesText(differences)}`);
  }
  t.equal(failures, 0, 'the interpreter and generated code agree');
  t.ok(inline > SEQUENCES / 4, `${inline} of ${SEQUENCES} were computed by generated code`);
  t.end();
});

tap.test('the greatest double is stored without leaving the region', (t) => {
  // isinf and its kin are compiled to comparisons with it. fst qword [esp]
  const code = Uint8Array.from([0xdd, 0x14, 0x24]);
  const exits = (low: number): number => {
    const state = stateFromSeed(1, 'x87', CODE_START);
    usualX87(state, new Random(1));
    state.setU16(Field.fxControl, 0x37f);
    state.setU16(Field.fxStatus, 0);
    state.bytes[Field.fxTags] = 1;
    state.setU16(Field.st + 8, 0x3fff + 1023);
    state.setU32(Field.st + 4, 0xffffffff);
    state.setU32(Field.st, low);
    const test: Case = { declaration: '', code, state, memory: [] };
    const regions = new CaseRunner('wasm', true);
    const differences = compare(test, new CaseRunner('interpret').run(test), regions.run(test));
    t.equal(differencesText(differences), '', `low half ${low.toString(16)}`);
    return regions.dispatcher.statistics.slowExits;
  };
  t.equal(exits(0xfffff800), 0, 'the greatest double');
  t.equal(exits(0xfffffc00), 1, 'what is rounded to infinity is left to the helper');
  t.end();
});

tap.test('--x87 double', async (t) => {
  const run = async (name: string, count: string): Promise<[string, string]> => {
    const program = join(GUESTS, 'bench', name);
    const options = ['run', '--engine', 'region', '--backend', 'wasm', '--x87'];
    const [exact, double] = await Promise.all(
      ['exact', 'double'].map((kind) => runBridge([...options, kind, program, count])),
    );
    return [exact!.stdout.toString('latin1'), double!.stdout.toString('latin1')];
  };
  const [trace, traceDouble] = await run('matmul-x87', '1');
  t.equal(traceDouble, trace, 'a matrix product whose numbers are small integers');
  const [bodies, bodiesDouble] = await run('nbody-x87', '8');
  t.not(bodiesDouble, bodies, 'the last digits of an orbit differ');
  const energies = (text: string): string[] => text.split('\n').map((line) => line.slice(0, 6));
  t.same(energies(bodiesDouble), energies(bodies), 'the first do not');
  const native = await runProgram(join(GUESTS, 'bench/nbody-x87'), ['8']).catch(() => undefined);
  if (native?.status === 0) t.equal(bodies, native.stdout.toString('latin1'), 'exact: as the processor');
});
