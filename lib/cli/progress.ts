/**
 * Progress on standard error: one line a step; on a terminal the line is rewritten with the percentage as it goes.
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
