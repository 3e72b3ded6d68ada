/** A benchmark's report as tables for a terminal. */
import type { BenchEngine } from './engines.js';
import { spreadOf } from './statistics.js';
import { type BenchReport, type EngineResult, FIGURES, type Mean, ratioOf, type SubjectResult } from './suite.js';

/** Three significant digits, without exponents. */
export function shortNumber(value: number): string {
  if (value === 0) return '0';
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(digits, 0), 6));
}

export const percent = (part: number): string => `±${Math.round(part * 100)}%`;

/** Lines of cells as aligned columns: the first two to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** Whether a whole run's time was reckoned from a shorter one. */
export const isEstimated = (subject: SubjectResult, result: EngineResult): boolean => result.count < subject.count;

interface Table {
  readonly title: string;
  readonly cell: (subject: SubjectResult, result: EngineResult) => string;
  /** Of the means; undefined: the table has no ratios. */
  readonly figure?: keyof Mean;
}

const TABLES: readonly Table[] = [
  {
    title: 'whole runs: seconds',
    cell: (subject, result) =>
      `${isEstimated(subject, result) ? '~' : ''}${shortNumber(result.wall.median)} ${percent(spreadOf(result.wall))}`,
    figure: 'wall',
  },
  {
    title: 'whole runs: processor time, user seconds',
    cell: (subject, result) =>
      `${isEstimated(subject, result) ? '~' : ''}${shortNumber(result.user.median)} ${percent(spreadOf(result.user))}`,
    figure: 'user',
  },
  {
    title: 'steady state, start-up and warm-up left out: user milliseconds per repetition',
    cell: (_, result) => (result.steady === null ? '' : shortNumber(result.steady)),
    figure: 'steady',
  },
  { title: 'largest resident memory: MiB', cell: (_, { memory }) => (memory === null ? '' : memory.toFixed(0)) },
];

function tableLines(report: BenchReport, { title, cell, figure }: Table): string[] {
  const { engines, baseline, subjects, means } = report;
  const compared = (engine: BenchEngine): boolean => figure !== undefined && engine !== baseline;
  const rows: string[][] = [['', '', '', ...engines.flatMap((engine) => (compared(engine) ? [engine, ''] : [engine]))]];
  for (const subject of subjects) {
    const cells = engines.flatMap((engine) => {
      const result = subject.engines[engine];
      const text = result ? cell(subject, result) : '';
      if (!compared(engine)) return [text];
      const ratio = text === '' ? undefined : ratioOf(subject, engine, baseline, FIGURES[figure!]);
      return [text, ratio === undefined ? '' : `×${shortNumber(ratio)}`];
    });
    if (cells.some((text) => text !== '')) {
      rows.push([subject.name, subject.category, subject.count === 0 ? '' : String(subject.count), ...cells]);
    }
  }
  if (rows.length === 1) return [];
  if (figure !== undefined && subjects.length > 1) {
    const cells = engines.flatMap((engine) => {
      const mean = means[engine]?.[figure] ?? null;
      return compared(engine) ? ['', mean === null ? '' : `×${shortNumber(mean)}`] : [''];
    });
    rows.push(['geometric mean', '', '', ...cells]);
  }
  const ratios = figure === undefined || engines.length === 1 ? '' : ` (×: over ${baseline})`;
  return [`${title}${ratios}`, ...aligned(rows), ''];
}

export function textReport(report: BenchReport): string {
  const { host, repetitions, cache, notes, differences } = report;
  const lines = [
    `${host.processor}, ${host.processors} processors, Node ${host.node.replace(/^v/, '')}; ` +
      `${repetitions} repetitions, medians ± half of the range, ${cache} cache`,
    '',
    ...TABLES.flatMap((table) => tableLines(report, table)),
    ...notes,
    ...(differences.length > 0 ? differences.map((text) => `DIFFERENT: ${text}`) : ['all outputs are the same']),
  ];
  return `${lines.join('\n')}\n`;
}
