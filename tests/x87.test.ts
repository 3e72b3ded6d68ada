/**
 * The x87 instructions against the processor under the test: fresh random cases through the native harness. Where the manual leaves
 * results open the helpers follow AMD's processors, so others cannot be asked; nor can machines without a 32-bit compiler.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { PROJECT } from './support/paths.js';

const CASES = 40;
const source = join(PROJECT, 'tests/isa/x87-harness/harness.c');
const compare = join(PROJECT, 'dist/tests/isa/x87-harness/compare.js');

function isAmd(): boolean {
  try {
    return /AuthenticAMD/.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return false;
  }
}

tap.test('x87 instructions do what the processor does', (t) => {
  const harness = join(t.testdir(), 'harness');
  const compiler = ['-m32', '-O1', '-fno-pie', '-no-pie', '-o', harness, source];
  if (!isAmd() || spawnSync('gcc', compiler).status !== 0) {
    t.comment('skipped: needs an AMD processor and gcc -m32');
    t.end();
    return;
  }
  const seed = String((Date.now() & 0xffffff) | 1);
  const run = spawnSync(process.execPath, [compare, harness, String(CASES), '', seed], { encoding: 'utf8' });
  if (run.status !== 0) t.comment(run.stdout + run.stderr);
  t.equal(run.status, 0, `no differences with seed ${seed}`);
  t.end();
});
