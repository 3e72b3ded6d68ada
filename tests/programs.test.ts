/**
 * Debian's i386 programs under each engine: standard output and exit status as the processor gives them, run natively beside
 * (or, where the host cannot, as recorded from it).
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { makeInputs, type ProgramCase, PROGRAM_CASES } from './programs/cases.js';
import { inScratchDirectory } from './support/guest-cases.js';
import { hasNativeRoot, runInNativeRoot } from './support/native-root.js';
import { PROJECT } from './support/paths.js';
import { ENVIRONMENT, type Outcome, runAll, runBridge, type RunSettings } from './support/run.js';
import { testSysroot } from './support/sysroot.js';

/** Status and output (longer output as its digest). */
interface Recorded {
  status: number;
  stdout: string;
}

const RECORD_FILE = join(PROJECT, 'tests/programs/expected.json');
/** Set to write what the processor gives into the file of recorded results. */
const record = process.env.BRIDGE86_RECORD !== undefined;
/** Only cases whose name contains this. */
const only = process.env.BRIDGE86_TEST_ONLY;
/** `ENGINE` or `ENGINE:BACKEND`. */
const engines = (process.env.BRIDGE86_TEST_ENGINES ?? 'interpret,block,region:auto')
  .split(',')
  .filter((name) => name !== '');
const SECOND = 1000;

function shorten({ status, stdout }: Outcome): Recorded {
  const text = stdout.toString('latin1');
  if (text.length <= 1000) return { status, stdout: text };
  return { status, stdout: `${text.length} bytes, SHA-256 ${createHash('sha256').update(stdout).digest('hex')}` };
}

const recorded: Record<string, Recorded> = existsSync(RECORD_FILE)
  ? (JSON.parse(readFileSync(RECORD_FILE, 'utf8')) as Record<string, Recorded>)
  : {};

const sysroot = await testSysroot();
if ('reason' in sysroot) {
  void tap.test('Debian programs', { skip: sysroot.reason }, () => undefined);
} else {
  const { root } = sysroot;
  await inScratchDirectory(async (directory) => {
    makeInputs(directory);
    const native = await hasNativeRoot(root);
    if (!native) tap.comment('i386 programs cannot be run natively here: recorded results are compared with');
    for (const program of PROGRAM_CASES) {
      if (only !== undefined && !program.name.includes(only)) continue;
      await tap.test(program.name, { timeout: 600 * SECOND }, async (t) => {
        const wanted = native ? shorten(await runOne(program, undefined)) : recorded[program.name];
        if (!wanted) {
          t.fail('no result is recorded');
          return;
        }
        if (record) recorded[program.name] = wanted;
        const results = await runAll(
          engines.map((engine) => () => runOne(program, engine)),
          2,
        );
        results.forEach((got, index) => {
          const engine = engines[index]!;
          t.notOk(got.timedOut, `${engine}: ends in time`);
          t.same(shorten(got), wanted, `${engine}: output and status; ${got.stderr.slice(0, 500)}`);
          t.notMatch(got.stderr, /\n\s+at |internal error/, `${engine}: no JavaScript error`);
        });
      });
    }

    function runOne({ command, input, timeout = 60 }: ProgramCase, engine: string | undefined): Promise<Outcome> {
      return inScratchDirectory(async (own) => {
        const work = join(own, 'work');
        cpSync(directory, work, { recursive: true });
        const settings: RunSettings & { directory: string } = {
          environment: ENVIRONMENT,
          directory: work,
          timeout: timeout * SECOND,
          ...(input === undefined ? {} : { input }),
        };
        if (engine === undefined) return await runInNativeRoot(root, join(own, 'root'), command, settings);
        const [kind, backend = 'js'] = engine.split(':');
        return await runBridge(['run', '-L', root, '--engine', kind!, '--backend', backend, ...command], settings);
      });
    }
  });
  if (record) writeFileSync(RECORD_FILE, `${JSON.stringify(recorded, null, 1)}\n`);
}
