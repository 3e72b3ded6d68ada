/**
 * `npm run fuzz:isa -- [--cases N] [--seed S] [--engines interpret,block,region:js,region:wasm,region:lazy] [--only REGEXP] [--length L]
 * [--coverage FILE] [--keep]`: instructions in random states against the live processor. Most of the executions go through all declared forms,
 * each as often as the others, with every way of addressing; the rest are random sequences and random bytes. What differs is made as simple
 * as it can be and printed; `--keep` adds it to the regression cases. `--only`: just declarations whose key matches; with `--length` just sequences of at most
 * L instructions, mostly of those. `npm run fuzz:decoder -- [--cases N] [--seed S]`: see decoder.ts.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { FUZZED_ENGINES, isTestedEngine, type TestedEngine } from '../execute.js';
import { Random } from '../random.js';
import { addRegressions } from '../regressions.js';
import { byteSubjects } from './byte-subjects.js';
import { Coverage } from './coverage.js';
import { fuzzDecoder } from './decoder.js';
import { Fuzzer, topicOf, type Finding } from './fuzzer.js';
import { declaredSubjects, sequenceSubjects, type Subject } from './subject.js';

/** Executions that the processor is asked for at once. */
const BATCH = 8000;
/** Parts of the executions. */
const SEQUENCES = 0.15;
const BYTES = 0.05;
const LONGEST_SEQUENCE = 12;
/** What most instructions of a sequence are: anything, x87, SSE of scalars and of integers. */
const THEMES = [
  undefined,
  undefined,
  /^f/,
  /^(mov|add|mul|sub|div|sqrt|min|max|u?comi|cvt)\w*s[sd] /,
  /^(p[a-z]+|mov[dq]\w*) /,
];
/** Topics whose first finding is made simple and printed. */
const SHOWN = 25;
/** What each form should have been executed at least, where there are so many executions. */
const LEAST = 200;
const ENOUGH = 1e6;

/** Names as `bridge86 bench` has them. */
const ENGINE_NAMES: Readonly<Record<string, TestedEngine>> = {
  'region:js': 'region',
  'region:wasm': 'wasm',
  'region:lazy': 'lazy',
};

function enginesOf(names: string): TestedEngine[] | undefined {
  const engines = names.split(',').map((name) => ENGINE_NAMES[name] ?? name);
  return engines.every(isTestedEngine) ? engines : undefined;
}

interface Settings {
  readonly cases: number;
  readonly seed: number;
  readonly engines: readonly TestedEngine[];
  readonly only: RegExp | undefined;
  /** Above 0: only sequences, of so many instructions at most. */
  readonly length: number;
  readonly coverageFile: string | undefined;
  readonly keep: boolean;
}

function fuzzInstructions({ cases, seed, engines, only, length, coverageFile, keep }: Settings): number {
  const random = new Random(seed);
  const fuzzer = new Fuzzer(engines);
  const coverage = new Coverage(random, only);
  const times = new Map<string, number>();
  const shown: Finding[] = [];
  const seen = new Set<string>();
  const started = performance.now();
  let done = 0;
  let lastLine = started;
  while (done < cases) {
    const subjects: Subject[] = [];
    const wanted = Math.min(BATCH, cases - done);
    while (subjects.length < wanted) {
      const kind = length > 0 ? 0 : only ? 1 : random.u32() / 0x100000000;
      if (kind < SEQUENCES) {
        const theme = length > 0 ? only : random.pick(THEMES);
        subjects.push(...sequenceSubjects(random, 2 + random.below((length || LONGEST_SEQUENCE) - 1), theme));
      } else if (kind < SEQUENCES + BYTES) subjects.push(...byteSubjects(random));
      else {
        const { declaration, variant } = coverage.next();
        subjects.push(...declaredSubjects(random, declaration, variant));
      }
    }
    const findings = fuzzer.examine(subjects, ({ declaration, variant }) => {
      if (declaration && variant) coverage.add(declaration, variant);
      else coverage.other++;
    });
    for (const finding of findings) {
      const topic = `${topicOf(finding.subject)} (${finding.engine})`;
      times.set(topic, (times.get(topic) ?? 0) + 1);
      // What differs in one engine often differs in all.
      if (seen.has(topicOf(finding.subject)) || shown.length >= SHOWN) continue;
      seen.add(topicOf(finding.subject));
      const simple = fuzzer.minimised(finding);
      shown.push(simple);
      console.log(fuzzer.text(simple));
    }
    done += subjects.length;
    if (performance.now() - lastLine > 60000) {
      lastLine = performance.now();
      console.log(`${done} executions in ${((lastLine - started) / 1000).toFixed(0)} s, ${times.size} topics differ`);
    }
  }
  for (const [topic, count] of times) console.log(`${count} executions differ: ${topic}`);
  console.log(coverage.summary());
  if (cases >= ENOUGH) console.log(coverage.compact());
  const few = coverage.below(LEAST);
  if (few.length > 0 && cases >= ENOUGH) console.log(`executed less than ${LEAST} times:\n${few.join('\n')}`);
  if (coverageFile !== undefined) writeFileSync(coverageFile, coverage.table());
  const seconds = (performance.now() - started) / 1000;
  const cpu = process.resourceUsage();
  const parts = [...fuzzer.times].map(([name, ms]) => `${name} ${((ms * 1000) / done).toFixed(0)}`);
  console.log(
    `${done} executions in ${seconds.toFixed(1)} s (${((cpu.userCPUTime + cpu.systemCPUTime) / 1e6).toFixed(1)} s of this process); ` +
      `microseconds each: ${parts.join(', ')}; largest memory ${(cpu.maxRSS / 1024).toFixed(0)} MiB`,
  );
  if (keep) console.log(`${addRegressions(shown.map(({ subject }) => subject))} regression cases added`);
  return times.size;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '20000' },
      seed: { type: 'string' },
      engines: { type: 'string', default: FUZZED_ENGINES.join(',') },
      only: { type: 'string', default: '' },
      length: { type: 'string', default: '0' },
      coverage: { type: 'string' },
      keep: { type: 'boolean', default: false },
      decoder: { type: 'boolean', default: false },
    },
  });
  const fail = (message: string): void => {
    console.error(`fuzz:isa: ${message}`);
    process.exitCode = 2;
  };
  const engines = enginesOf(values.engines);
  if (!engines) {
    fail(`the engines are interpret, block, region:js, region:wasm and region:lazy, not '${values.engines}'`);
    return;
  }
  const seed = values.seed === undefined ? Date.now() & 0xffffff : Number(values.seed);
  const cases = Number(values.cases);
  const length = Number(values.length);
  if (!Number.isInteger(length) || length < 0 || length === 1) {
    fail('--length is a whole number above 1');
    return;
  }
  if (!Number.isInteger(seed) || !Number.isInteger(cases) || cases < 1) {
    fail('--cases and --seed are whole numbers');
    return;
  }
  console.log(`seed ${seed}, ${cases} cases${values.decoder ? ' of random bytes' : `, engines ${engines.join(', ')}`}`);
  const found = values.decoder
    ? fuzzDecoder(new Random(seed), cases)
    : fuzzInstructions({
        cases,
        seed,
        engines,
        only: values.only === '' ? undefined : new RegExp(values.only),
        length,
        coverageFile: values.coverage,
        keep: values.keep,
      });
  console.log(found === 0 ? 'nothing differs' : `${found} kinds of difference`);
  if (found > 0) process.exitCode = 1;
}

main();
