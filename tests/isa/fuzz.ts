/**
 * `npm run fuzz:isa -- --cases N --seed S [--engine interpret|block|region|wasm] [--length L] [--only REGEXP] [--bytes]`: random instructions, or
 * sequences of L of them, and states against the live processor. Without `--bytes` the instructions are declared forms in random states; with it they are random bytes, of
 * which the processor's length or refusal is compared first. What differs is made as simple as it can be and printed.
 */
import { parseArgs } from 'node:util';
import { declarations } from '../../translator/isa/index.js';
import { Trap } from '../../translator/state.js';
import { caseText, compare, differencesText, outcomeText, type Difference } from './compare.js';
import { disassembleCase } from './disassembly.js';
import { CaseRunner, isTestedEngine, TESTED_ENGINES, type TestedEngine } from './execute.js';
import { decisions, knownExtension, randomBytes } from './bytes.js';
import {
  CODE_START,
  Field,
  regionAt,
  SELECTORS,
  STACK_POINTER,
  type Case,
  type MachineState,
  type Outcome,
} from './machine.js';
import { askProcessor } from './native.js';
import { makeCase } from './operands.js';
import { PROFILES, Random, stateFromSeed } from './random.js';
import { randomSequence } from './sequences.js';
import { declarationKey, reasonToSkip, variantsOf } from './variants.js';

const SIGTRAP = 5;
const SIGALRM = 14;
const SIGSYS = 31;
const BATCH = 4000;

const byKey = new Map(declarations.map((declaration) => [declarationKey(declaration), declaration]));
const declarationOf = (test: Case) => byKey.get(test.declaration);

class Fuzzer {
  readonly runner: CaseRunner;
  readonly random: Random;
  /** Of sequences, by their code: flags that are undefined at each offset. */
  readonly undefinedFlags = new Map<Uint8Array, ReadonlyMap<number, string>>();

  constructor(engine: TestedEngine, seed: number) {
    this.runner = new CaseRunner(engine);
    this.random = new Random(seed);
  }

  /** Differences of each case; undefined where the case is none (a system call, a loop without end, the harness's memory). */
  differences(cases: readonly Case[]): (Difference[] | undefined)[] {
    const outcomes = askProcessor(cases);
    return cases.map((test, i) => this.difference(test, outcomes[i]!));
  }
  private difference(test: Case, processor: Outcome): Difference[] | undefined {
    const signal = processor.state.u32(Field.signal);
    if (signal === SIGALRM || signal === SIGSYS) return undefined;
    // Generated code that a fault left is executed again from memory: an instruction that overwrote itself is another then.
    if (
      this.runner.kind !== 'interpret' &&
      processor.memory.some((patch) => regionAt(patch.address)?.name === 'code')
    ) {
      return undefined;
    }
    let engine: Outcome;
    try {
      engine = this.runner.run(test);
    } catch (error) {
      return [
        { what: 'the engine failed', processor: '', engine: error instanceof Error ? error.stack! : String(error) },
      ];
    }
    if (isForeign(engine.state) || isExcused(test, processor.state, engine.state)) return undefined;
    return compare(test, processor, engine, declarationOf(test), this.ignoredFlags(test, processor));
  }

  /**
   * Flags of no meaning where a sequence ended: what the manual leaves undefined there and, where generated code was left by
   * a fault, those that it found to be dead (runtime/engine: flags are precise only where somebody asks).
   */
  private ignoredFlags(test: Case, { state }: Outcome): string | undefined {
    const flags = this.undefinedFlags.get(test.code);
    if (!flags) return undefined;
    if (this.runner.kind !== 'interpret' && state.u32(Field.signal) !== SIGTRAP) return 'oszapc';
    return flags.get(state.u32(Field.eip) - test.state.u32(Field.eip)) ?? 'oszapc';
  }

  /** The simplest case that still differs, by undoing one thing after the other. */
  minimise(test: Case): Case {
    for (let round = 0; round < 40; round++) {
      const simpler = simplifications(test);
      const differences = this.differences(simpler);
      const better = simpler.find((_, i) => (differences[i]?.length ?? 0) > 0);
      if (!better) break;
      test = better;
    }
    return test;
  }

  report(test: Case): void {
    const simple = this.minimise(test);
    const outcome = askProcessor([simple])[0]!;
    let text: string;
    try {
      const engine = this.runner.run(simple);
      const differences = compare(simple, outcome, engine, declarationOf(simple), this.ignoredFlags(simple, outcome));
      text = `the engine:\n${outcomeText(simple, engine)}\ndifferences:\n${differencesText(differences)}`;
    } catch (error) {
      text = `the engine failed: ${error instanceof Error ? error.stack : String(error)}`;
    }
    console.log(
      `${caseText(simple, disassembleCase(simple))}\nthe processor:\n${outcomeText(simple, outcome)}\n${text}\n`,
    );
  }
}

/** Faults at addresses where the native harness itself, its stack or the kernel's page lies. */
function isForeign(state: MachineState): boolean {
  const address = state.u32(Field.address);
  return state.u32(Field.signal) === 11 && ((address >= 0x70000000 && address < 0x70100000) || address >= 0xe0000000);
}

/** Faults that processors take and this translator does not, or in another order; each is known and accepted. */
function isExcused(test: Case, processor: MachineState, engine: MachineState): boolean {
  const theirs = processor.u32(Field.signal) === SIGTRAP ? -1 : processor.u32(Field.trap);
  const ours = engine.u32(Field.signal) === SIGTRAP ? -1 : engine.u32(Field.trap);
  // Segment limits, and writes through cs that would fault anyway.
  if (theirs === Trap.generalProtection && ours === Trap.pageFault) return true;
  // A pending x87 exception beside a page fault.
  if (theirs === Trap.pageFault && ours === Trap.floatingPoint) return true;
  // Repeat prefixes turn the conditions of loope and loopne on some processors; the manual reserves them.
  if (/^loopn?e/.test(test.declaration) && [0xf2, 0xf3].some((prefix) => test.code.includes(prefix))) return true;
  // Selectors that only 64-bit kernels have: 64-bit code, the processor's number.
  const selectors = [0, 1, 2, 3, 4, 5].map((i) => processor.u16(Field.selectors + 2 * i) >> 2);
  if (selectors.includes(0x33 >> 2) || selectors.includes(0x7b >> 2)) return true;
  // Executed by the kernel in the processor's place, which does not know all prefixes.
  if (/^(sgdt|sidt|smsw|sldt|str) /.test(test.declaration) && theirs !== ours) return true;
  // Whether an empty mask faults, and what was done before a fault, the manual leaves open.
  return theirs === Trap.pageFault && /^maskmov/.test(test.declaration);
}

/** Cases with one thing less each. */
function simplifications(test: Case): Case[] {
  const result: Case[] = [];
  const withState = (change: (state: MachineState) => void): void => {
    const state = test.state.clone();
    change(state);
    if (Buffer.compare(state.bytes, test.state.bytes) !== 0) result.push({ ...test, state });
  };
  for (let i = 0; i < test.memory.length; i++) result.push({ ...test, memory: test.memory.filter((_, j) => j !== i) });
  for (let i = 0; i < 8; i++) {
    if (i === 4) continue;
    withState((state) => state.setRegister(i, 0));
    withState((state) => state.setRegister(i, state.register(i) & 0xffff));
    withState((state) => state.setRegister(i, state.register(i) & 0xff));
  }
  withState((state) => state.setRegister(4, STACK_POINTER));
  for (const bit of [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800]) {
    withState((state) => state.setU32(Field.eflags, state.u32(Field.eflags) & ~bit));
  }
  withState((state) => state.setU16(Field.fxControl, 0x37f));
  withState((state) => state.setU16(Field.fxStatus, state.u16(Field.fxStatus) & 0x3800));
  withState((state) => state.setU16(Field.fxStatus, 0));
  withState((state) => (state.bytes[Field.fxTags] = 0xff));
  withState((state) => state.setU32(Field.mxcsr, 0x1f80));
  for (let i = 0; i < 8; i++) {
    withState((state) => state.bytes.fill(0, Field.st + 16 * i, Field.st + 16 * i + 16));
    withState((state) => state.bytes.fill(0, Field.xmm + 16 * i, Field.xmm + 16 * i + 16));
    for (let j = 0; j < 16; j += 4) {
      withState((state) => state.bytes.fill(0, Field.xmm + 16 * i + j, Field.xmm + 16 * i + j + 4));
    }
  }
  return result;
}

function declaredCases(random: Random, count: number, only: RegExp): Case[] {
  const usable = declarations
    .filter((declaration) => reasonToSkip(declaration) === undefined && only.test(declarationKey(declaration)))
    .map((declaration) => ({ declaration, variants: variantsOf(declaration) }));
  return Array.from({ length: count }, () => {
    const { declaration, variants } = random.pick(usable);
    return makeCase(declaration, random.pick(variants).variant, random.u32());
  });
}

/** Prints each kind of difference once; gives how many there were. */
function fuzzDeclared(fuzzer: Fuzzer, total: number, only: RegExp): number {
  const seen = new Map<string, number>();
  for (let done = 0; done < total; done += BATCH) {
    const cases = declaredCases(fuzzer.random, Math.min(BATCH, total - done), only);
    fuzzer.differences(cases).forEach((differences, i) => {
      if (!differences?.length) return;
      const key = cases[i]!.declaration;
      const times = seen.get(key) ?? 0;
      seen.set(key, times + 1);
      if (times === 0) fuzzer.report(cases[i]!);
    });
  }
  for (const [key, times] of seen) console.log(`${times} cases differ: ${key}`);
  return seen.size;
}

function fuzzSequences(fuzzer: Fuzzer, total: number, length: number, only: RegExp | undefined): number {
  let found = 0;
  for (let done = 0; done < total; done += BATCH) {
    fuzzer.undefinedFlags.clear();
    const cases = Array.from({ length: Math.min(BATCH, total - done) }, () => {
      const { test, undefinedFlags } = randomSequence(fuzzer.random, length, only);
      fuzzer.undefinedFlags.set(test.code, undefinedFlags);
      return test;
    });
    fuzzer.differences(cases).forEach((differences, i) => {
      if (!differences?.length) return;
      if (found++ < 5) fuzzer.report(cases[i]!);
    });
  }
  return found;
}

function fuzzBytes(fuzzer: Fuzzer, total: number): number {
  const undeclared = new Map<string, { times: number; example: string }>();
  const wrong = new Map<string, Case>();
  const { random } = fuzzer;
  for (let done = 0; done < total; done += BATCH / 4) {
    const strings = Array.from({ length: Math.min(BATCH / 4, total - done) }, () => randomBytes(random));
    const verdicts = decisions(strings, fuzzer.runner.dispatcher);
    const cases: Case[] = [];
    strings.forEach((bytes, i) => {
      const { processor, engine, opcode } = verdicts[i]!;
      if (processor !== engine) {
        const known = knownExtension(bytes);
        const group = `${opcode}: processor ${processor}, engine ${engine}${known ? ` (${known})` : ''}`;
        const entry = undeclared.get(group) ?? { times: 0, example: Buffer.from(bytes).toString('hex') };
        undeclared.set(group, { ...entry, times: entry.times + 1 });
        return;
      }
      if (typeof engine !== 'number') return;
      const state = stateFromSeed(random.u32(), random.pick(PROFILES), CODE_START);
      SELECTORS.forEach((selector, j) => state.setU16(Field.selectors + 2 * j, selector));
      const declaration = verdicts[i]!.declaration;
      if (declaration?.options.nondeterministic || (declaration && reasonToSkip(declaration) !== undefined)) return;
      cases.push({
        declaration: declaration ? declarationKey(declaration) : '',
        code: bytes.slice(0, engine),
        state,
        memory: [],
      });
    });
    fuzzer.differences(cases).forEach((differences, i) => {
      const test = cases[i]!;
      if (differences?.length && !wrong.has(test.declaration)) {
        wrong.set(test.declaration, test);
        fuzzer.report(test);
      }
    });
  }
  for (const [group, { times, example }] of [...undeclared].sort())
    console.log(`${times} decisions differ: ${group}: ${example}`);
  const unknown = [...undeclared.keys()].filter((group) => !group.includes('('));
  return wrong.size + unknown.length;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '20000' },
      seed: { type: 'string' },
      engine: { type: 'string', default: 'interpret' },
      bytes: { type: 'boolean', default: false },
      length: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
    },
  });
  if (!isTestedEngine(values.engine)) {
    console.error(`fuzz:isa: the engines are ${TESTED_ENGINES.join(', ')}, not '${values.engine}'`);
    process.exitCode = 2;
    return;
  }
  const seed = values.seed === undefined ? Date.now() & 0xffffff : Number(values.seed);
  const total = Number(values.cases);
  if (!Number.isInteger(seed) || !Number.isInteger(total) || !Number.isInteger(Number(values.length))) {
    console.error('fuzz:isa: --cases, --seed and --length are whole numbers');
    process.exitCode = 2;
    return;
  }
  console.log(`seed ${seed}, ${total} cases, engine ${values.engine}${values.bytes ? ', random bytes' : ''}`);
  const fuzzer = new Fuzzer(values.engine, seed);
  const length = Number(values.length);
  const found = values.bytes
    ? fuzzBytes(fuzzer, total)
    : length > 1
      ? fuzzSequences(fuzzer, total, length, values.only === '' ? undefined : new RegExp(values.only))
      : fuzzDeclared(fuzzer, total, new RegExp(values.only));
  console.log(found === 0 ? 'nothing differs' : `${found} kinds of difference`);
  if (found > 0) process.exitCode = 1;
}

main();
