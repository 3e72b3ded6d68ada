/** A short run of the system-call fuzzer (`npm run fuzz:syscalls` makes a long one). */
import { join } from 'node:path';
import tap from 'tap';
import { canIsolate } from '../support/process-suite.js';
import { PROJECT } from '../support/paths.js';
import { runProgram } from '../support/run.js';

const skip = (await canIsolate()) ? false : 'needs namespaces (unshare), which this machine does not allow';

void tap.test('random system calls', { skip }, async (t) => {
  const fuzzer = join(PROJECT, 'dist/tests/process/fuzz/main.js');
  const outcome = await runProgram(process.execPath, [fuzzer, '--calls', '2500', '--seed', '42'], { timeout: 120_000 });
  const text = outcome.stdout.toString('latin1');
  t.match(text, /\d+ calls, 0 findings/, outcome.stderr.slice(0, 500));
  t.equal(outcome.status, 0, text.slice(0, 1000));
});
