/**
 * The process suite: signals, faults, processes and system calls as the processor and its kernel do them. Each program of
 * `tests/process/guest` prints a line a check; the lines are compared with recorded ones and, where the host's kernel runs i386
 * programs, with those that it gives now. `npm run record:guests` records.
 */
import tap from 'tap';
import { inScratchDirectory, runsNatively } from '../support/guest-cases.js';
import { runAll } from '../support/run.js';
import {
  canIsolate,
  PROCESS_ENGINES,
  PROCESS_PROGRAMS,
  readRecordedSuite,
  runSuiteProgram,
  runSuiteProgramNatively,
} from '../support/process-suite.js';

const recorded = readRecordedSuite();
const native = await runsNatively();
const isolated = await canIsolate();
const skip = isolated ? false : 'needs a process namespace (unshare), which this machine does not allow';

for (const program of PROCESS_PROGRAMS) {
  void tap.test(program, { skip }, async (t) => {
    const wanted = recorded[program]!;
    t.ok(wanted.length > 5, 'there is a recording');
    if (native) {
      const outcome = await inScratchDirectory((directory) => runSuiteProgramNatively(program, directory));
      t.same(outcome.stdout.toString('latin1').trimEnd().split('\n'), wanted, 'a native run');
    }
    const jobs = PROCESS_ENGINES.map((options) => async () => {
      const outcome = await inScratchDirectory((directory) => runSuiteProgram(program, options, directory));
      return { options, outcome };
    });
    for (const { options, outcome } of await runAll(jobs, 2)) {
      const name = options.join(' ');
      t.notOk(outcome.timedOut, `${name}: ends in time`);
      t.same(outcome.stdout.toString('latin1').trimEnd().split('\n'), wanted, name);
      t.equal(outcome.status, 0, `${name}: status; ${outcome.stderr.slice(0, 300)}`);
      t.notMatch(outcome.stderr, /\n\s+at |internal error/, `${name}: no JavaScript error`);
    }
  });
}
