/**
 * Exceptions in code that has long been compiled: signal, code, address, every register and the signal frame's contents as the
 * processor and the kernel gave them when the instruction was executed once (tests/guests/src/exceptions.c).
 */
import tap from 'tap';
import { guestPath, GUEST_CASES, inScratchDirectory, outputOf, readExpected } from './support/guest-cases.js';
import { runBridge } from './support/run.js';

/** More than any engine's threshold. */
const ROUNDS = '11000';
const wanted = readExpected().exceptions!;
const program = guestPath(GUEST_CASES.find(({ guest }) => guest === 'exceptions')!);

for (const options of [
  ['--engine', 'block'],
  ['--engine', 'region', '--backend', 'js'],
  ['--engine', 'region', '--backend', 'wasm'],
  ['--engine', 'region', '--backend', 'auto'],
]) {
  void tap.test(options.join(' '), async (t) => {
    await inScratchDirectory(async (directory) => {
      const got = await runBridge(['run', ...options, '--stats', program, ROUNDS], { directory });
      t.equal(got.status, wanted.status, got.stderr.slice(0, 300));
      const compiled = Number(/compiled functions: (\d+)/.exec(got.stderr)?.[1]);
      t.ok(compiled > 20, `the instructions were compiled: ${compiled} functions`);
      t.same(outputOf(got).split('\n'), wanted.stdout.split('\n'));
    });
  });
}
