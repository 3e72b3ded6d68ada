/**
 * Groups of SSE's floating-point instructions that generated code tests together (`translator/emit/wasm/float-checks.ts`): short programs over
 * three registers whose numbers are moderate, just not, or so large or small that results leave the range of normal numbers after
 * some products. Results and MXCSR are those of the interpreter.
 */
import t from 'tap';
import { compare, differencesText } from './compare.js';
import { CaseRunner } from './execute.js';
import { CODE_START, Field, SELECTORS, type Case } from './machine.js';
import { Random, stateFromSeed, usualVectors } from './random.js';

const PROGRAMS = 120;
const STATES = 6;
const REGISTERS = 3;
/** add, mul, sub, div; sqrt, of scalars only; comisd and comiss are apart. */
const ARITHMETIC = [0x58, 0x59, 0x59, 0x59, 0x5c, 0x5e];
const SQUARE_ROOT = 0x51;
const COMPARE = 0x2f;
const PREFIXES = { sd: [0xf2], ss: [0xf3], pd: [0x66], ps: [] } as const;

function program(random: Random): Uint8Array {
  const bytes: number[] = [];
  const kinds = random.pick([['sd'], ['ss'], ['pd'], ['ps'], ['sd', 'pd'], ['ss', 'ps']] as const);
  for (let count = 2 + random.below(9); count > 0; count--) {
    const kind = random.pick(kinds);
    const modrm = 0xc0 | (random.below(REGISTERS) << 3) | random.below(REGISTERS);
    const isScalar = kind === 'sd' || kind === 'ss';
    if (isScalar && random.chance(0.1)) bytes.push(...(kind === 'sd' ? [0x66] : []), 0x0f, COMPARE, modrm);
    else if (isScalar && random.chance(0.1)) bytes.push(...PREFIXES[kind], 0x0f, SQUARE_ROOT, modrm);
    else bytes.push(...PREFIXES[kind], 0x0f, random.pick(ARITHMETIC), modrm);
  }
  return Uint8Array.from(bytes);
}

t.test('results and flags are those of the interpreter', (t) => {
  const random = new Random(1);
  const interpreter = new CaseRunner('interpret');
  const generated = new CaseRunner('wasm', true);
  let left = 0;
  let executed = 0;
  for (let number = 0; number < PROGRAMS; number++) {
    const code = program(random);
    for (let i = 0; i < STATES; i++) {
      const state = stateFromSeed(random.u32(), 'vector', CODE_START);
      SELECTORS.forEach((selector, segment) => state.setU16(Field.selectors + 2 * segment, selector));
      usualVectors(state, random);
      const test: Case = { declaration: '', code, state, memory: [] };
      const before = generated.dispatcher.statistics.slowExits;
      const differences = compare(test, interpreter.run(test), generated.run(test));
      if (generated.dispatcher.statistics.slowExits > before) left++;
      executed++;
      if (differences.length > 0) t.fail(Buffer.from(code).toString('hex'), { text: differencesText(differences) });
    }
  }
  t.ok(left > executed / 10 && left < (executed * 9) / 10, `${left} of ${executed} programs left their region`);
  t.end();
});
