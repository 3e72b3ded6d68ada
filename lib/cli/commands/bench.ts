/** `bridge86 bench`: how fast the translator is, beside its own interpreter, qemu and the processor itself. */
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import {
  BENCH_ENGINES,
  type BenchEngine,
  isReference,
  qemuPath,
  type Reference,
  REFERENCES,
  runsNatively,
} from '../../bench/engines.js';
import { htmlReport } from '../../bench/html-report.js';
import { KERNELS, kernelPath } from '../../bench/kernels.js';
import { type BenchReport, Interrupted, NotRunnable, runSuite, type Subject } from '../../bench/suite.js';
import { textReport } from '../../bench/text-report.js';
import { defaultSysroot } from '../../sysroot/location.js';
import { ExitStatus, Failure } from '../failure.js';
import { ProgressBar } from '../progress.js';

const DEFAULT_ENGINES: readonly BenchEngine[] = ['interpret', 'auto'];

interface BenchArguments {
  kernels: string[];
  engines: string | undefined;
  references: boolean;
  baseline: string | undefined;
  repetitions: number;
  scale: number;
  cold: boolean;
  json: string | undefined;
  html: string | undefined;
  list: boolean;
  L: string | undefined;
  /** What follows `--` (yargs' populate--). */
  '--'?: string[];
}

const usage = (message: string): Failure =>
  new Failure(`bench: ${message} (bridge86 bench --help tells more)`, ExitStatus.usage);

/** The engines named, and the references that are there before them. */
function chosenEngines({ engines: names, references }: BenchArguments): BenchEngine[] {
  const named = names?.split(',') ?? DEFAULT_ENGINES;
  for (const name of named) {
    if (!(BENCH_ENGINES as readonly string[]).includes(name)) {
      throw usage(`${name}: choose engines of ${BENCH_ENGINES.join(', ')}`);
    }
  }
  const there: Record<Reference, () => boolean> = {
    native: () => runsNatively(kernelPath(KERNELS.find(({ category }) => category === 'start-up')!)),
    'qemu-i386': () => qemuPath() !== undefined,
  };
  const chosen = BENCH_ENGINES.filter((engine) =>
    named.includes(engine) ? true : references && isReference(engine) && there[engine](),
  );
  for (const reference of REFERENCES) {
    if (named.includes(reference) && !there[reference]()) throw new Failure(`bench: there is no ${reference} here`);
  }
  return chosen;
}

function chosenBaseline(name: string | undefined, engines: readonly BenchEngine[]): BenchEngine {
  if (name === undefined) return engines.find((engine) => engine === 'qemu-i386') ?? engines[0]!;
  const found = engines.find((engine) => engine === name);
  if (!found) throw usage(`--baseline ${name}: it is none of ${engines.join(', ')}`);
  return found;
}

function chosenSubjects(args: BenchArguments): Subject[] {
  const command = args['--'];
  const sysroot = args.L ?? (existsSync(defaultSysroot()) ? defaultSysroot() : undefined);
  if (command && command.length > 0) {
    if (args.kernels.length > 0) throw usage('kernels or a program, not both');
    const [name, ...rest] = command as [string, ...string[]];
    return [
      { name: command.join(' '), category: 'program', count: 0, program: () => ({ name, arguments: rest, sysroot }) },
    ];
  }
  const names = KERNELS.map(({ name }) => name);
  for (const name of args.kernels) {
    if (!names.includes(name)) throw usage(`no kernel ${name}: there are ${names.join(', ')}`);
  }
  return KERNELS.filter(({ name }) => args.kernels.length === 0 || args.kernels.includes(name)).map((kernel) => {
    const path = kernelPath(kernel);
    if (!existsSync(path)) throw new Failure(`bench: ${path} is not there`);
    return {
      name: kernel.name,
      category: kernel.category,
      count: kernel.count === 0 ? 0 : Math.max(4, Math.round(kernel.count * args.scale)),
      program: (count) => ({ name: path, arguments: count === 0 ? [] : [String(count)], sysroot: undefined }),
    };
  });
}

/** Before the measurement, which takes minutes. */
function requireWritable(file: string | undefined): void {
  if (file === undefined || file === '-') return;
  try {
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK);
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new Error();
  } catch {
    throw new Failure(`bench: ${file} cannot be written`);
  }
}

async function handler(args: BenchArguments): Promise<void> {
  const { repetitions, scale, cold, json, html } = args;
  if (args.list) {
    process.stdout.write(KERNELS.map(({ name, category, count }) => `${name}\t${category}\t${count}\n`).join(''));
    return;
  }
  if (!Number.isInteger(repetitions) || repetitions < 1) throw usage('--repetitions is a number of 1 or more');
  if (!(scale > 0)) throw usage('--scale is a number above 0');
  requireWritable(json);
  requireWritable(html);
  const engines = chosenEngines(args);
  const baseline = chosenBaseline(args.baseline, engines);
  const bar = new ProgressBar();
  let interrupted = false;
  // The engines' processes get the terminal's signal, too, and end by it.
  process.once('SIGINT', () => (interrupted = true));
  let report: BenchReport;
  try {
    report = await runSuite(chosenSubjects(args), {
      engines,
      baseline,
      repetitions,
      cache: cold ? 'cold' : 'warm',
      progress: (fraction, text) => {
        bar.show(fraction, text);
      },
      interrupted: () => interrupted,
    });
  } catch (error) {
    if (error instanceof NotRunnable) throw new Failure(`bench: ${error.message}`, error.status);
    if (!(error instanceof Interrupted)) throw error;
    process.exitCode = 130;
    return;
  } finally {
    bar.clear();
  }
  const text = `${JSON.stringify(report, null, 1)}\n`;
  if (json === '-') process.stdout.write(text);
  else {
    process.stdout.write(textReport(report));
    if (json !== undefined) writeFileSync(json, text);
  }
  if (html !== undefined) writeFileSync(html, htmlReport(report));
  if (report.differences.length > 0) {
    if (json === '-') process.stderr.write(report.differences.map((line) => `bridge86: bench: ${line}\n`).join(''));
    process.exitCode = ExitStatus.failure;
  }
}

export const benchCommand: CommandModule<object, BenchArguments> = {
  command: 'bench [kernels..]',
  describe: 'measure engines: benchmark guests, or after -- a program with its arguments',
  builder: (yargs) =>
    (yargs as Argv<BenchArguments>)
      .parserConfiguration({ 'populate--': true })
      .positional('kernels', { describe: 'benchmark guests (default: all)', type: 'string', array: true, default: [] })
      .option('engines', {
        describe: `engines, with commas between: ${BENCH_ENGINES.join(',')} (default: ${DEFAULT_ENGINES.join(',')})`,
        type: 'string',
      })
      .option('references', {
        describe: 'also native and qemu-i386, where they are there (--no-references: only if named)',
        type: 'boolean',
        default: true,
      })
      .option('baseline', {
        describe: 'the engine whose times are 1 (default: qemu-i386 or the first)',
        type: 'string',
      })
      .option('repetitions', { alias: 'n', describe: 'runs of each', type: 'number', default: 3, nargs: 1 })
      .option('scale', { describe: "factor to the kernels' counts", type: 'number', default: 1, nargs: 1 })
      .option('cold', { describe: 'every run with an empty cache of translations', type: 'boolean', default: false })
      .option('json', { describe: 'write the report as JSON, - for standard output', type: 'string', nargs: 1 })
      .option('html', { describe: 'write a page with plots', type: 'string', nargs: 1 })
      .option('list', { describe: 'list the kernels with their counts', type: 'boolean', default: false })
      .option('L', {
        describe: "the program's root (default: bridge86 sysroot path)",
        type: 'string',
      }) as Argv<BenchArguments>,
  handler,
};
