/** `bridge86 bench`: what it measures, that it notices outputs that differ, its page and its usage errors. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { htmlReport } from '../lib/bench/html-report.js';
import { KERNELS, kernelPath } from '../lib/bench/kernels.js';
import { geometricMean, median, sampleOf, spreadOf } from '../lib/bench/statistics.js';
import type { BenchReport } from '../lib/bench/suite.js';
import { inScratchDirectory } from './support/guest-cases.js';
import { GUESTS, PROJECT } from './support/paths.js';
import { runBridge } from './support/run.js';

void tap.test('statistics', (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.equal(spreadOf(sampleOf([8, 10, 12])), 0.2);
  t.equal(geometricMean([0.25, 4, 8])?.toFixed(9), '2.000000000');
  t.equal(geometricMean([]), undefined);
  t.end();
});

void tap.test('every kernel is a program of the package', (t) => {
  const { files } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { files: string[] };
  for (const kernel of KERNELS) {
    const path = kernelPath(kernel);
    t.ok(existsSync(path), path);
    t.ok(files.some((folder) => path.startsWith(join(PROJECT, folder))));
  }
  t.end();
});

void tap.test('a measurement', async (t) => {
  await inScratchDirectory(async (directory) => {
    const page = join(directory, 'page.html');
    const args = ['bench', 'lz', 'startup', '--engines', 'interpret,auto', '--repetitions', '2', '--scale', '0.02'];
    const got = await runBridge([...args, '--json', '-', '--html', page]);
    t.equal(got.status, 0, got.stderr);
    const report = JSON.parse(got.stdout.toString()) as BenchReport;
    t.same(report.differences, []);
    t.same(
      report.subjects.map(({ name }) => name),
      ['lz', 'startup'],
    );
    for (const engine of ['interpret', 'auto'] as const) {
      const lz = report.subjects[0]!.engines[engine]!;
      t.equal(lz.wall.values.length, 2, `${engine}: two repetitions`);
      t.ok(lz.user.median > 0.005 && lz.user.median <= lz.wall.median * 4, `${engine}: user time ${lz.user.median}`);
      t.ok(lz.memory! > 20 && lz.memory! < 2000, `${engine}: ${lz.memory} MiB`);
      t.equal(typeof lz.steady, 'number');
      t.equal(report.subjects[1]!.engines[engine]!.steady, null, 'start-up has no steady state');
    }
    t.equal(report.means[report.baseline]!.wall, 1);
    const html = readFileSync(page, 'utf8');
    t.match(html, /<svg [\s\S]*lz, auto: /);
    t.notMatch(html, /<script|https?:/, 'the page needs nothing else');
  });
});

void tap.test('outputs that differ are an error', async (t) => {
  // The program prints its environment, in which each cold cache has a name of its own.
  const args = ['bench', '--cold', '--no-references', '--engines', 'interpret,block', '--repetitions', '1', '--'];
  const got = await runBridge([...args, join(GUESTS, 'arguments')]);
  t.equal(got.status, 1, got.stderr);
  t.match(got.stdout.toString(), /^DIFFERENT: .*arguments: block: another output than interpret's$/m);
  const status = await runBridge([...args, join(GUESTS, 'status'), '3']);
  t.equal(status.status, 0, 'a status other than 0 is none, if all have it');
  t.match(status.stdout.toString(), /all outputs are the same/);
});

void tap.test('names in the page are text', (t) => {
  const report: BenchReport = {
    version: 1,
    date: '',
    host: { processor: 'a <b>', processors: 1, node: 'v20' },
    repetitions: 1,
    cache: 'warm',
    engines: ['auto'],
    baseline: 'auto',
    subjects: [],
    means: {},
    differences: ['<i>'],
    notes: [],
  };
  t.match(htmlReport(report), /a &lt;b&gt;[\s\S]*&lt;i&gt;/);
  t.end();
});

void tap.test('usage', async (t) => {
  const wrong: readonly (readonly [string[], number, RegExp])[] = [
    [['no-such-kernel'], 2, /no kernel no-such-kernel: there are /],
    [['--engines', 'steam'], 2, /steam: choose engines of /],
    [['--repetitions', '0'], 2, /--repetitions/],
    [['--scale', '-1'], 2, /--scale/],
    [['--engines', 'auto', '--baseline', 'block'], 2, /--baseline block/],
    [['lz', '--', 'ls'], 2, /kernels or a program/],
    [['--html', '/no/such/directory/x'], 1, /cannot be written/],
  ];
  for (const [args, status, message] of wrong) {
    const got = await runBridge(['bench', ...args]);
    t.equal(got.status, status, args.join(' '));
    t.match(got.stderr, message);
    t.match(got.stderr, /^bridge86: [^\n]*\n$/, 'one line');
  }
});
