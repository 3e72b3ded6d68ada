/** Replays recorded cases in the engines: which fail, and how. */
import { declarations } from '../../translator/isa/index.js';
import { caseText, compare, differencesText, outcomeText } from './compare.js';
import { CaseRunner, type TestedEngine } from './execute.js';
import type { Case, Outcome } from './machine.js';
import type { Recorded } from './recording.js';
import { declarationKey } from './variants.js';

export interface Failure {
  readonly number: number;
  readonly test: Case;
  readonly text: string;
}

const byKey = new Map(declarations.map((declaration) => [declarationKey(declaration), declaration]));

/** Runs the cases in one engine and gives what went wrong; an engine's own error is a failure too. */
export function replay(
  kind: TestedEngine,
  cases: readonly Recorded[],
  disassemble: (test: Case) => string,
  wanted: (declaration: string) => boolean = () => true,
): { failures: Failure[]; executed: Map<string, number> } {
  const runner = new CaseRunner(kind, kind === 'wasm');
  const failures: Failure[] = [];
  const executed = new Map<string, number>();
  cases.forEach(({ test, outcome }, number) => {
    if (!wanted(test.declaration)) return;
    executed.set(test.declaration, (executed.get(test.declaration) ?? 0) + 1);
    const fail = (text: string): void => {
      failures.push({ number, test, text: `case ${number}: ${caseText(test, disassemble(test))}\n${text}` });
    };
    let result: Outcome;
    try {
      result = runner.run(test);
    } catch (error) {
      fail(`the engine failed: ${error instanceof Error ? error.stack : String(error)}`);
      return;
    }
    const differences = compare(test, outcome, result, byKey.get(test.declaration));
    if (differences.length === 0) return;
    fail(
      `the processor:\n${outcomeText(test, outcome)}\nengine ${kind}:\n${outcomeText(test, result)}\n` +
        `differences:\n${differencesText(differences)}`,
    );
  });
  return { failures, executed };
}
