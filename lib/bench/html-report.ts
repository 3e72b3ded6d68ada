/**
 * A benchmark's report as one page that needs nothing else: plots in SVG, drawn here, and the numbers as tables. Colours follow
 * the reader's choice of light or dark.
 */
import type { BenchEngine } from './engines.js';
import { isEstimated, percent, shortNumber } from './text-report.js';
import { spreadOf } from './statistics.js';
import { type BenchReport, type EngineResult, FIGURES, type Mean, ratioOf, type SubjectResult } from './suite.js';

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!);

const STYLE = `
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --faint: #ddd; --bad: #b00020;
  --e0: #777; --e1: #b8860b; --e2: #c2410c; --e3: #7c3aed; --e4: #2563eb; --e5: #0d9488; --e6: #15803d; }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #181818; --faint: #3a3a3a; --bad: #ff6b6b;
  --e0: #999; --e1: #e0b040; --e2: #fb923c; --e3: #a78bfa; --e4: #60a5fa; --e5: #2dd4bf; --e6: #4ade80; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; }
svg .grid { stroke: var(--faint); } svg .unit { stroke: var(--ink); } svg .range { stroke: var(--ink); stroke-width: 1; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .15rem .6rem; border-bottom: 1px solid var(--faint); text-align: right; }
th:first-child, td:first-child, td:nth-child(2) { text-align: left; }
.legend span { margin-right: 1.2rem; } .legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.bad { color: var(--bad); } small { opacity: .75; }
`;

const color = (index: number): string => `var(--e${index % 7})`;

interface Bar {
  readonly value: number;
  /** Smallest and largest measurement, where the plot shows them. */
  readonly range?: readonly [number, number];
  readonly series: number;
  readonly title: string;
}
interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
}

const LEFT = 130;
const RIGHT = 70;
const WIDTH = 960;
const BAR = 11;
const GAP = 9;
const HEAD = 22;

/** 1, 2, 5 times powers of ten that lie between two numbers: about as many as there is room for. */
function ticks(low: number, high: number, logarithmic: boolean): number[] {
  const result: number[] = [];
  if (logarithmic) {
    const wide = high / low > 300;
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of wide ? [1] : [1, 2, 5]) {
        const value = step * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) result.push(value);
      }
    }
    return result;
  }
  const raw = high / 8;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw)!;
  for (let value = 0; value <= high * 1.001; value += step) result.push(value);
  return result;
}

/** Horizontal bars in groups. Logarithmic: from 1, to the left what is less and to the right what is more. */
function barPlot(groups: readonly Group[], logarithmic: boolean): string {
  const values = groups.flatMap(({ bars }) => bars.flatMap(({ value, range }) => [value, ...(range ?? [])]));
  if (values.length === 0) return '';
  const high = Math.max(...values, 1) * (logarithmic ? 1.2 : 1);
  const low = logarithmic ? Math.min(...values, 1) / 1.2 : 0;
  const scale = (value: number): number => {
    const part = logarithmic ? Math.log(value / low) / Math.log(high / low) : value / high;
    return LEFT + part * (WIDTH - LEFT - RIGHT);
  };
  const parts: string[] = [];
  let y = HEAD;
  for (const { label, bars } of groups) {
    const middle = y + (bars.length * BAR) / 2 + 4;
    parts.push(`<text x="${LEFT - 8}" y="${middle}" text-anchor="end">${escaped(label)}</text>`);
    for (const { value, range, series, title } of bars) {
      const from = logarithmic ? scale(1) : LEFT;
      const to = scale(value);
      const [x, width] = [Math.min(from, to), Math.max(Math.abs(to - from), 1)];
      parts.push(
        `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 2}" fill="${color(series)}">` +
          `<title>${escaped(title)}</title></rect>`,
      );
      let end = Math.max(to, from);
      if (range) {
        const [a, b] = range.map(scale) as [number, number];
        const line = y + BAR / 2 - 1;
        parts.push(`<line class="range" x1="${a.toFixed(1)}" x2="${b.toFixed(1)}" y1="${line}" y2="${line}"/>`);
        end = Math.max(end, b);
      }
      parts.push(
        `<text x="${(end + 4).toFixed(1)}" y="${y + BAR - 2}" style="font-size:10px">${shortNumber(value)}</text>`,
      );
      y += BAR;
    }
    y += GAP;
  }
  const grid = ticks(low, high, logarithmic).map((value) => {
    const x = scale(value).toFixed(1);
    const style = logarithmic && value === 1 ? 'unit' : 'grid';
    return (
      `<line class="${style}" x1="${x}" x2="${x}" y1="${HEAD - 6}" y2="${y}"/>` +
      `<text x="${x}" y="${HEAD - 10}" text-anchor="middle">${shortNumber(value)}</text>`
    );
  });
  return `<svg viewBox="0 0 ${WIDTH} ${y}" role="img">${grid.join('')}${parts.join('')}</svg>`;
}

/** Ratios to the baseline, with their means. */
function ratioPlot(report: BenchReport, figure: keyof Mean): string {
  const { baseline, subjects, means } = report;
  const engines = report.engines.filter((engine) => engine !== baseline);
  const series = (engine: BenchEngine): number => report.engines.indexOf(engine);
  const groups = subjects.map((subject): Group => {
    const bars = engines.flatMap((engine): Bar[] => {
      const value = ratioOf(subject, engine, baseline, FIGURES[figure]);
      if (value === undefined) return [];
      const result = subject.engines[engine]!;
      const title = `${subject.name}, ${engine}: ${shortNumber(value)} times ${baseline}`;
      if (figure === 'steady') return [{ value, series: series(engine), title }];
      const divisor = FIGURES[figure](subject.engines[baseline]!);
      const { minimum, maximum } = result[figure];
      return minimum > 0
        ? [{ value, range: [minimum / divisor, maximum / divisor], series: series(engine), title }]
        : [{ value, series: series(engine), title }];
    });
    return { label: subject.name, bars };
  });
  const mean: Group = {
    label: 'geometric mean',
    bars: engines.flatMap((engine) => {
      const value = means[engine]?.[figure] ?? null;
      return value === null ? [] : [{ value, series: series(engine), title: `${engine}: ${shortNumber(value)}` }];
    }),
  };
  return barPlot(
    [...groups, ...(subjects.length > 1 ? [mean] : [])].filter(({ bars }) => bars.length > 0),
    true,
  );
}

function memoryPlot({ subjects, engines }: BenchReport): string {
  const groups = subjects.map(({ name, engines: results }) => ({
    label: name,
    bars: engines.flatMap((engine, series) => {
      const memory = results[engine]?.memory ?? null;
      return memory === null ? [] : [{ value: memory, series, title: `${name}, ${engine}: ${memory.toFixed(0)} MiB` }];
    }),
  }));
  return barPlot(
    groups.filter(({ bars }) => bars.length > 0),
    false,
  );
}

function table(
  { subjects, engines }: BenchReport,
  cell: (subject: SubjectResult, result: EngineResult) => string,
): string {
  const head = ['', '', 'count', ...engines].map((text) => `<th>${escaped(text)}</th>`).join('');
  const rows = subjects.map((subject) => {
    const cells = engines.map((engine) => {
      const result = subject.engines[engine];
      return result ? cell(subject, result) : '';
    });
    const words = [subject.name, subject.category, subject.count === 0 ? '' : String(subject.count), ...cells];
    return `<tr>${words.map((text) => `<td>${escaped(text)}</td>`).join('')}</tr>`;
  });
  return `<div class="wide"><table><tr>${head}</tr>${rows.join('\n')}</table></div>`;
}

export function htmlReport(report: BenchReport): string {
  const { engines, baseline, host, date, repetitions, cache, differences, notes } = report;
  const legend = engines
    .map((engine, i) => `<span><i style="background:${color(i)}"></i>${escaped(engine)}</span>`)
    .join('');
  const time =
    (field: 'wall' | 'user') =>
    (subject: SubjectResult, result: EngineResult): string =>
      `${isEstimated(subject, result) ? '~' : ''}${shortNumber(result[field].median)} ${percent(spreadOf(result[field]))}`;
  const steady = ratioPlot(report, 'steady');
  const section = (title: string, body: string): string => (body === '' ? '' : `<h2>${title}</h2>\n${body}\n`);
  const over = escaped(baseline);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bridge86 bench</title>
<style>${STYLE}</style>
</head>
<body>
<h1>bridge86 bench</h1>
<p>${escaped(host.processor)}, ${host.processors} processors, Node ${escaped(host.node)}; ${escaped(date)}.
${repetitions} interleaved repetitions, ${cache} cache; medians, with the range as a line or ± half of it.
${
  differences.length === 0 ? 'All outputs are the same.' : `<b class="bad">${differences.map(escaped).join('<br>')}</b>`
}</p>
${notes.length === 0 ? '' : `<p><small>${notes.map(escaped).join('<br>')}</small></p>`}
<p class="legend">${legend}</p>
${section(`Whole runs: time over that of ${over} (logarithmic; less is better)`, ratioPlot(report, 'wall'))}
${section(`Steady state, start-up and warm-up left out: processor time over that of ${over}`, steady)}
${section('Largest resident memory, MiB', memoryPlot(report))}
${section('Whole runs: seconds (~: reckoned from fewer repetitions)', table(report, time('wall')))}
${section('Whole runs: processor time, user seconds', table(report, time('user')))}
${
  steady === ''
    ? ''
    : section(
        'Steady state: user milliseconds per repetition',
        table(report, (_, { steady: value }) => (value === null ? '' : shortNumber(value))),
      )
}
${section(
  'Largest resident memory: MiB',
  table(report, (_, { memory }) => (memory === null ? '' : memory.toFixed(0))),
)}
</body>
</html>
`;
}
