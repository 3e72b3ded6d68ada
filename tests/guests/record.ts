/** Records what the guest programs print when the processor itself runs them: `npm run record:guests`. */
import { writeFileSync } from 'node:fs';
import {
  caseName,
  type Expected,
  EXPECTED_FILE,
  GUEST_CASES,
  inScratchDirectory,
  outputOf,
  runNatively,
  runsNatively,
} from '../support/guest-cases.js';
import {
  PROCESS_PROGRAMS,
  type RecordedSuite,
  runSuiteProgramNatively,
  SUITE_RECORD,
} from '../support/process-suite.js';

if (!(await runsNatively())) {
  console.error('This machine does not run i386 programs by itself: there is nothing to record.');
  process.exit(1);
}
const expected: Record<string, Expected> = {};
for (const test of GUEST_CASES) {
  const outcome = await runNatively(test);
  const { status, signal } = outcome;
  expected[caseName(test)] = { status, signal, stdout: outputOf(outcome) };
}
writeFileSync(EXPECTED_FILE, `${JSON.stringify(expected, null, 1)}\n`);
const suite: RecordedSuite = {};
for (const program of PROCESS_PROGRAMS) {
  const outcome = await inScratchDirectory((directory) => runSuiteProgramNatively(program, directory));
  suite[program] = outcome.stdout.toString('latin1').trimEnd().split('\n');
}
writeFileSync(SUITE_RECORD, `${JSON.stringify(suite, null, 1)}\n`);
console.log(`${Object.keys(expected).length} results recorded`);
