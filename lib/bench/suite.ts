/**
 * Runs subjects (benchmark guests or a given program) by several engines: repetitions interleaved, so that what else the machine
 * does falls on all engines alike; outputs compared; medians. The outcome is plain data (`--json` writes it as it is).
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchEngine, commandLine, isReference, type Program, shareOf } from './engines.js';
import { Measurer, type Measurement } from './measure.js';
import { geometricMean, type Sample, sampleOf } from './statistics.js';

export interface Subject {
  readonly name: string;
  readonly category: string;
  /** How often the work is repeated within a whole run; 0 where the program takes no count. */
  readonly count: number;
  readonly program: (count: number) => Program;
}

export interface EngineResult {
  /** Repetitions within the runs that were measured: fewer than the subject's for an interpreter. */
  readonly count: number;
  /** Seconds of a whole run of the subject's count; reckoned from fewer repetitions where `count` is less. */
  readonly wall: Sample;
  /** Seconds of processor time, user's part. */
  readonly user: Sample;
  /** Largest resident memory, MiB; null where it is too little to be told from the start of a process. */
  readonly memory: number | null;
  /** User milliseconds of one repetition, start-up and warm-up left out: a quarter of the count against all of it. */
  readonly steady: number | null;
}

export interface SubjectResult {
  readonly name: string;
  readonly category: string;
  readonly count: number;
  readonly engines: Partial<Record<BenchEngine, EngineResult>>;
}

export interface Mean {
  readonly wall: number | null;
  readonly user: number | null;
  readonly steady: number | null;
}

export interface BenchReport {
  readonly version: 1;
  readonly date: string;
  readonly host: { readonly processor: string; readonly processors: number; readonly node: string };
  readonly repetitions: number;
  readonly cache: 'warm' | 'cold';
  readonly engines: readonly BenchEngine[];
  /** What the means' ratios are to. */
  readonly baseline: BenchEngine;
  readonly subjects: readonly SubjectResult[];
  /** Geometric means of the ratios to the baseline over the subjects that both have. */
  readonly means: Partial<Record<BenchEngine, Mean>>;
  /** Outputs or statuses that are not the same, one line each. */
  readonly differences: readonly string[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

export interface SuiteOptions {
  readonly engines: readonly BenchEngine[];
  readonly baseline: BenchEngine;
  readonly repetitions: number;
  /** cold: every run has an empty cache; warm: one kept cache, and a first run that is not counted. */
  readonly cache: 'warm' | 'cold';
  /** Told before each run. */
  readonly progress: (fraction: number, text: string) => void;
  /** Asked before each run; true ends the suite. */
  readonly interrupted: () => boolean;
}

/** Thrown where `interrupted` said so. */
export class Interrupted extends Error {}

/** The smaller count of a pair whose difference is the steady state. */
const lowerCount = (count: number): number => Math.floor(count / 4);

interface Lane {
  readonly engine: BenchEngine;
  readonly counts: readonly number[];
  /** By count. */
  readonly runs: Map<number, Measurement[]>;
}

export async function runSuite(subjects: readonly Subject[], options: SuiteOptions): Promise<BenchReport> {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-bench-'));
  try {
    return await new Suite(subjects, options, directory).run();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The emulator says that there is nothing to run. */
export class NotRunnable extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

class Suite {
  private readonly measurer: Measurer;
  private readonly differences: string[] = [];
  private readonly notes: string[] = [];
  private runsDone = 0;
  private caches = 0;

  constructor(
    private readonly subjects: readonly Subject[],
    private readonly options: SuiteOptions,
    private readonly directory: string,
  ) {
    this.measurer = new Measurer(directory);
  }

  async run(): Promise<BenchReport> {
    const { engines, baseline, repetitions, cache } = this.options;
    const results: SubjectResult[] = [];
    for (const subject of this.subjects) results.push(await this.measure(subject));
    const processors = cpus();
    return {
      version: 1,
      date: new Date().toISOString(),
      host: { processor: processors[0]?.model ?? 'unknown', processors: processors.length, node: process.version },
      repetitions,
      cache,
      engines,
      baseline,
      subjects: results,
      means: meansOf(results, engines, baseline),
      differences: this.differences,
      notes: this.notes,
    };
  }

  private async measure(subject: Subject): Promise<SubjectResult> {
    const { engines, repetitions, cache } = this.options;
    const lanes: Lane[] = [];
    for (const engine of engines) {
      if (!commandLine(engine, subject.program(0))) {
        this.notes.push(`${subject.name}: ${engine} cannot run it here`);
        continue;
      }
      const count = subject.count === 0 ? 0 : Math.max(4, Math.round(subject.count * shareOf(engine)));
      lanes.push({ engine, counts: count === 0 ? [0] : [lowerCount(count), count], runs: new Map() });
    }
    if (cache === 'warm') for (const lane of lanes) await this.once(subject, lane, lane.counts[0]!, false);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const lane of lanes) for (const count of lane.counts) await this.once(subject, lane, count, true);
    }
    this.compare(subject, lanes);
    const entries = lanes.map((lane) => [lane.engine, resultOf(subject, lane)] as const);
    return {
      name: subject.name,
      category: subject.category,
      count: subject.count,
      engines: Object.fromEntries(entries),
    };
  }

  private async once(subject: Subject, lane: Lane, count: number, counted: boolean): Promise<void> {
    // Between runs this process gets to its signals.
    await new Promise(setImmediate);
    if (this.options.interrupted()) throw new Interrupted();
    this.options.progress(this.fractionDone(), `${subject.name}, ${lane.engine}`);
    const command = commandLine(lane.engine, subject.program(count))!;
    const measurement = this.measurer.run(command, this.environmentOf(lane.engine));
    if (counted) {
      const runs = lane.runs.get(count) ?? [];
      runs.push(measurement);
      lane.runs.set(count, runs);
    }
    this.runsDone++;
    const { status, complaint } = measurement;
    if ((status === 126 || status === 127) && complaint.startsWith('bridge86: ')) {
      throw new NotRunnable(complaint.slice('bridge86: '.length), status);
    }
  }

  private fractionDone(): number {
    const perLane = 2 * this.options.repetitions + (this.options.cache === 'warm' ? 1 : 0);
    return this.runsDone / (this.subjects.length * this.options.engines.length * perLane);
  }

  private environmentOf(engine: BenchEngine): NodeJS.ProcessEnv {
    if (isReference(engine)) return process.env;
    const cache = join(this.directory, `cache-${this.options.cache === 'warm' ? 0 : ++this.caches}`);
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    return { ...process.env, XDG_CACHE_HOME: cache };
  }

  /** Every run with the same arguments must have ended alike; the first engine that ran with them (native, if it is there) is right. */
  private compare(subject: Subject, lanes: Lane[]): void {
    const wanted = new Map<number, { engine: BenchEngine; run: Measurement }>();
    // An interpreter's counts are its own: they are compared with runs of the first engine made for that.
    for (const lane of lanes) {
      for (const [count, runs] of lane.runs) {
        if (!wanted.has(count)) {
          const first = lanes[0]!;
          const run =
            first === lane
              ? runs[0]!
              : this.measurer.run(commandLine(first.engine, subject.program(count))!, this.environmentOf(first.engine));
          wanted.set(count, { engine: first.engine, run });
        }
        const { engine, run } = wanted.get(count)!;
        const other = runs.find(({ status, digest }) => status !== run.status || digest !== run.digest);
        if (!other) continue;
        const what =
          other.status === run.status
            ? `another output than ${engine}'s`
            : `status ${other.status}, ${engine}'s is ${run.status}`;
        const name = count === 0 ? subject.name : `${subject.name} ${count}`;
        const complaint = other.complaint === '' ? '' : ` (${other.complaint})`;
        this.differences.push(`${name}: ${lane.engine}: ${what}${complaint}`);
      }
    }
  }
}

function resultOf(subject: Subject, lane: Lane): EngineResult {
  const [low, high] = lane.counts as [number, number | undefined];
  const runs = lane.runs.get(high ?? low)!;
  const memories = runs.flatMap(({ memory }) => (memory === undefined ? [] : [memory]));
  const pairs = high === undefined ? [] : lane.runs.get(low)!.map((run, i) => [run, runs[i]!] as const);
  /** What one repetition costs, by the differences of the pairs. */
  const slope = (field: 'wall' | 'user'): number =>
    sampleOf(pairs.map(([less, more]) => (more[field] - less[field]) / (high! - low))).median;
  const whole = (field: 'wall' | 'user'): Sample => {
    const missing = high === undefined ? 0 : subject.count - high;
    const rest = missing > 0 ? Math.max(0, slope(field)) * missing : 0;
    return sampleOf(runs.map((run) => run[field] + rest));
  };
  return {
    count: high ?? low,
    wall: whole('wall'),
    user: whole('user'),
    memory: memories.length > 0 ? sampleOf(memories).median : null,
    steady: high === undefined ? null : Math.max(0, slope('user') * 1000),
  };
}

/** A result's figure over the baseline's; undefined where one is missing or too small to be a divisor. */
export function ratioOf(
  subject: SubjectResult,
  engine: BenchEngine,
  baseline: BenchEngine,
  figure: (result: EngineResult) => number | null,
): number | undefined {
  const ours = subject.engines[engine];
  const theirs = subject.engines[baseline];
  if (!ours || !theirs) return undefined;
  const [a, b] = [figure(ours), figure(theirs)];
  return a === null || b === null || a <= 0 || b <= 0 ? undefined : a / b;
}

export const FIGURES = {
  wall: (result: EngineResult): number => result.wall.median,
  user: (result: EngineResult): number => result.user.median,
  steady: (result: EngineResult): number | null => result.steady,
} as const satisfies Record<keyof Mean, (result: EngineResult) => number | null>;

function meansOf(
  subjects: readonly SubjectResult[],
  engines: readonly BenchEngine[],
  baseline: BenchEngine,
): Partial<Record<BenchEngine, Mean>> {
  const mean = (engine: BenchEngine, figure: keyof Mean): number | null =>
    geometricMean(subjects.flatMap((subject) => ratioOf(subject, engine, baseline, FIGURES[figure]) ?? [])) ?? null;
  return Object.fromEntries(
    engines.map((engine) => [
      engine,
      { wall: mean(engine, 'wall'), user: mean(engine, 'user'), steady: mean(engine, 'steady') },
    ]),
  );
}
