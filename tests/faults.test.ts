/**
 * Faults in hot code, found by the host's page protection: the signal, its address, and nothing that the guest does after
 * its fault is seen. With both backends, and with accesses that are tested instead.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { HOT_FAULTS, inScratchDirectory, readExpected } from './support/guest-cases.js';
import { GUESTS } from './support/paths.js';
import { type Outcome, runBridge } from './support/run.js';

const expected = readExpected();
const PAGE_SIZE = 4096;
/** Kinds that are also run with accesses that are tested. */
const TESTED_TOO: ReadonlySet<string> = new Set(['null-read', 'system-call', 'handler', 'longjmp']);

function run(directory: string, ...args: string[]): Promise<Outcome> {
  return runBridge(['run', '--engine', 'region', ...args], { directory });
}

for (const [kind, signal, address] of HOT_FAULTS) {
  void tap.test(`hot ${kind}`, async (t) => {
    const wanted = expected[`hot-faults ${kind}`]!;
    const modes = ['--backend js --memory lazy', '--backend wasm --memory lazy'];
    if (TESTED_TOO.has(kind)) modes.push('--backend wasm --memory precise');
    for (const options of modes) {
      await inScratchDirectory(async (directory) => {
        const got = await run(directory, ...options.split(' '), join(GUESTS, 'hot-faults'), kind);
        t.equal(got.stdout.toString('latin1'), wanted.stdout, `${options}: output`);
        t.equal(got.status, wanted.status, `${options}: status; ${got.stderr.slice(0, 300)}`);
        if (signal) {
          t.match(
            got.stderr,
            new RegExp(`^bridge86: guest killed by ${signal} at 0x\\w{8}\\b`),
            `${options}: the signal`,
          );
          t.match(got.stderr, address!, `${options}: the address`);
          if (kind !== 'jump') t.match(got.stderr, /<\w+\+0x\w+> in .*; bytes( \w\w){8}$/m, `${options}: the place`);
        }
        if (kind === 'shared-file') {
          t.ok(
            readFileSync(join(directory, 'shared')).equals(Buffer.alloc(PAGE_SIZE)),
            `${options}: the file is as it was`,
          );
        }
      });
    }
  });
}

void tap.test('code in writable pages, hot', async (t) => {
  for (const backend of ['js', 'wasm']) {
    await inScratchDirectory(async (directory) => {
      const program = [join(GUESTS, 'self-modifying'), '20000'];
      const lazy = await run(directory, '--backend', backend, ...program);
      const interpreted = await runBridge(['run', '--engine', 'interpret', ...program], { directory });
      t.equal(lazy.status, 0, `${backend}: status`);
      t.equal(lazy.stdout.toString('latin1'), interpreted.stdout.toString('latin1'), `${backend}: output`);
    });
  }
});
