/**
 * Every committed guest program under each engine: output and exit status as recorded from the processor, and as the
 * processor gives them now where the host's kernel runs i386 programs.
 */
import { existsSync } from 'node:fs';
import tap from 'tap';
import {
  caseName,
  GUEST_CASES,
  guestPath,
  inScratchDirectory,
  outputOf,
  readExpected,
  runNatively,
  runsNatively,
  settingsOf,
} from './support/guest-cases.js';
import { runBridge } from './support/run.js';
import { existingSysroot } from './support/sysroot.js';

const expected = readExpected();
const native = await runsNatively();
const sysroot = existingSysroot();
const hasCLibrary = sysroot !== undefined || existsSync('/lib/ld-linux.so.2');

for (const test of GUEST_CASES) {
  const name = caseName(test);
  const skip = test.dynamic && !hasCLibrary ? 'needs an i386 C library (bridge86 sysroot install libc6)' : false;
  void tap.test(name, { skip }, async (t) => {
    const wanted = expected[name]!;
    t.ok(wanted, 'a result is recorded (npm run record:guests)');
    // A dynamically linked program's own kernel-run needs the host's C library.
    if (native && !(test.dynamic && !existsSync('/lib/ld-linux.so.2'))) {
      const outcome = await runNatively(test);
      t.equal(outcome.status, wanted.status, 'status of a native run');
      t.equal(outputOf(outcome), wanted.stdout, 'output of a native run');
    }
    for (const engine of ['interpret', 'block', 'region']) {
      await inScratchDirectory(async (directory) => {
        const args = [
          'run',
          ...(sysroot ? ['-L', sysroot] : []),
          '--engine',
          engine,
          guestPath(test),
          ...test.arguments,
        ];
        const got = await runBridge(args, { ...settingsOf(test), directory });
        t.notOk(got.timedOut, `${engine}: ends in time`);
        t.equal(got.status, wanted.status, `${engine}: status; ${got.stderr.slice(0, 300)}`);
        t.equal(got.signal, wanted.signal, `${engine}: signal`);
        t.equal(outputOf(got), wanted.stdout, `${engine}: output`);
        t.notMatch(got.stderr, /\n\s+at |internal error/, `${engine}: no JavaScript error`);
        if (wanted.signal && /^(hot-)?faults (?!kill|term|abort)/.test(name)) {
          t.match(got.stderr, /^bridge86: .*/, `${engine}: one line tells of the signal`);
          t.equal(got.stderr.trimEnd().split('\n').length, 1, `${engine}: and only one`);
        }
      });
    }
  });
}
