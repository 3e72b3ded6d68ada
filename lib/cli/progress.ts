/**
 * Progress on standard error: one line a step; on a terminal the line is rewritten with the percentage as it goes, or is a bar.
 */
import type { Progress } from '../sysroot/install.js';

export class TerminalProgress implements Progress {
  private text = '';
  private percent = -1;
  private open = false;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  step(text: string): void {
    this.done();
    this.text = text;
    this.percent = -1;
    this.open = true;
    this.stream.write(this.stream.isTTY ? `${text} ...` : `${text}\n`);
  }

  fraction(value: number): void {
    const percent = Math.floor(Math.min(Math.max(value, 0), 1) * 100);
    if (!this.stream.isTTY || !this.open || percent === this.percent) return;
    this.percent = percent;
    this.stream.write(`\r${this.text} ... ${percent} %`);
  }

  warning(text: string): void {
    this.done();
    this.stream.write(`bridge86: warning: ${text}\n`);
  }

  /** Ends the current line. */
  done(): void {
    if (this.open && this.stream.isTTY) this.stream.write(this.percent >= 0 ? `\r${this.text} ... done \n` : '\n');
    this.open = false;
  }
}

const BAR_CELLS = 30;

/** One line that is rewritten: a bar, the percentage, what is being done. Only on a terminal. */
export class ProgressBar {
  private width = 0;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  show(fraction: number, text: string): void {
    if (!this.stream.isTTY) return;
    const part = Math.min(Math.max(fraction, 0), 1);
    const full = Math.round(part * BAR_CELLS);
    const bar = '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
    const line = `${bar} ${Math.floor(part * 100)} % ${text}`.slice(0, Math.max(this.stream.columns - 1, 20));
    this.stream.write(`\r${line.padEnd(this.width)}`);
    this.width = line.length;
  }

  /** Takes the line away. */
  clear(): void {
    if (this.width > 0) this.stream.write(`\r${' '.repeat(this.width)}\r`);
    this.width = 0;
  }
}
