/** Executes subjects on the processor and in every engine, and tells what differs. */
import { declarations } from '../../../translator/isa/index.js';
import type { Declaration } from '../../../translator/isa/declare.js';
import { caseText, compare, differencesText, outcomeText, type Difference } from '../compare.js';
import { disassembleCase } from '../disassembly.js';
import { CaseRunner, type TestedEngine } from '../execute.js';
import { Field, type Outcome } from '../machine.js';
import { askProcessor } from '../native.js';
import { declarationKey } from '../variants.js';
import { changedCode, isExcused, isForeign, provesNothing } from './excuses.js';
import { minimise } from './minimise.js';
import type { Subject } from './subject.js';

const SIGTRAP = 5;
/** Translations after which an engine is made anew: each is a module with a mapping of its own, of which a process has 65530. */
const TRANSLATIONS = 4000;

export interface Finding {
  readonly engine: TestedEngine;
  readonly subject: Subject;
}

/** Names of what a difference is about: the form of a single instruction, or the sequence's first few. */
export const topicOf = ({ declaration, test, parts }: Subject): string =>
  declaration
    ? declarationKey(declaration)
    : parts
      ? 'sequences'
      : `bytes ${Buffer.from(test.code.subarray(0, 3)).toString('hex')}`;

interface Entry {
  readonly runner: CaseRunner;
  translations: number;
  /** The last subject's. */
  code: Uint8Array | undefined;
}

export class Fuzzer {
  private readonly runners = new Map<string, Entry>();
  /** Milliseconds: the processor's part, and each engine's. */
  readonly times = new Map<string, number>();

  constructor(readonly engines: readonly TestedEngine[]) {}

  /** Single instructions are run with exact flags at faults, sequences as programs are. */
  private entry(engine: TestedEngine, subject: Subject): Entry {
    const exact = subject.parts === undefined;
    const key = `${engine}${exact}`;
    let entry = this.runners.get(key);
    if (!entry || entry.translations > TRANSLATIONS) {
      entry = { runner: new CaseRunner(engine, exact), translations: 0, code: undefined };
      this.runners.set(key, entry);
      globalThis.gc?.();
    }
    if (entry.code !== subject.test.code) {
      entry.code = subject.test.code;
      entry.translations++;
    }
    return entry;
  }

  private timed<T>(name: string, action: () => T): T {
    const start = performance.now();
    const result = action();
    this.times.set(name, (this.times.get(name) ?? 0) + performance.now() - start);
    return result;
  }

  /** What differs, by engine and subject. `proven` is told of each subject that was compared in every engine. */
  examine(subjects: readonly Subject[], proven: (subject: Subject) => void = () => undefined): Finding[] {
    const outcomes = this.timed('processor', () => askProcessor(subjects.map(({ test }) => test)));
    const findings: Finding[] = [];
    const compared = new Uint8Array(subjects.length);
    for (const engine of this.engines) {
      this.timed(engine, () => {
        subjects.forEach((subject, i) => {
          const differences = this.differences(engine, subject, outcomes[i]!);
          if (differences) compared[i]!++;
          if (differences?.length) findings.push({ engine, subject });
        });
      });
    }
    subjects.forEach((subject, i) => {
      // Without tests of accesses there is nothing to compare where they fault.
      const wanted = this.engines.filter((engine) => !isFaultOfLazy(engine, outcomes[i]!)).length;
      if (compared[i] === wanted) proven(subject);
    });
    return findings;
  }

  /** Differences of a subject in an engine; undefined where the case is none. */
  private differences(engine: TestedEngine, subject: Subject, processor: Outcome): Difference[] | undefined {
    const { test } = subject;
    if (provesNothing(processor) || (engine !== 'interpret' && changedCode(processor))) return undefined;
    if (isFaultOfLazy(engine, processor)) return undefined;
    const { runner } = this.entry(engine, subject);
    let outcome: Outcome;
    try {
      outcome = runner.run(test);
    } catch (error) {
      const stack = error instanceof Error ? error.stack! : String(error);
      return [{ what: 'the engine failed', processor: '', engine: stack }];
    }
    if (isForeign(outcome.state) || isExcused(test, processor.state, outcome.state)) return undefined;
    return compare(test, processor, outcome, declarationOf(subject), ignoredFlags(engine, subject, processor));
  }

  /** The finding in its simplest form. */
  minimised({ engine, subject }: Finding): Finding {
    const simple = minimise(subject, (subjects) => {
      const outcomes = askProcessor(subjects.map(({ test }) => test));
      return subjects.map((one, i) => (this.differences(engine, one, outcomes[i]!)?.length ?? 0) > 0);
    });
    return { engine, subject: simple };
  }

  /** The finding for a person to read. */
  text({ engine, subject }: Finding): string {
    const { test } = subject;
    const processor = askProcessor([test])[0]!;
    let text: string;
    try {
      const outcome = this.entry(engine, subject).runner.run(test);
      const differences = compare(
        test,
        processor,
        outcome,
        declarationOf(subject),
        ignoredFlags(engine, subject, processor),
      );
      text = `engine ${engine}:\n${outcomeText(test, outcome)}\ndifferences:\n${differencesText(differences)}`;
    } catch (error) {
      text = `engine ${engine} failed: ${error instanceof Error ? error.stack : String(error)}`;
    }
    return `${caseText(test, disassembleCase(test))}\nthe processor:\n${outcomeText(test, processor)}\n${text}\n`;
  }
}

const isFaultOfLazy = (engine: TestedEngine, { state }: Outcome): boolean =>
  engine === 'lazy' && state.u32(Field.signal) !== SIGTRAP;

const byKey = new Map(declarations.map((declaration) => [declarationKey(declaration), declaration]));
const declarationOf = ({ declaration, test }: Subject): Declaration | undefined =>
  declaration ?? byKey.get(test.declaration);

/**
 * Flags of no meaning where a sequence ended: what the manual leaves undefined there and, where generated code was left by a
 * fault, those that it found to be dead (runtime/engine: flags are precise only where somebody asks).
 */
function ignoredFlags(engine: TestedEngine, { undefinedFlags, test }: Subject, { state }: Outcome): string | undefined {
  if (!undefinedFlags) return undefined;
  if (engine !== 'interpret' && state.u32(Field.signal) !== SIGTRAP) return 'oszapc';
  return undefinedFlags.get(state.u32(Field.eip) - test.state.u32(Field.eip)) ?? 'oszapc';
}
