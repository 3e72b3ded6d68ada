/** `--stats`: the engine's counts at the end of a run, one a line. */
import type { LinuxProcess } from '../../runtime/linux/process.js';

export function reportStatistics(guest: LinuxProcess): void {
  const lines = Object.entries(guest.engine.statistics).map(([name, value]: [string, number]) => {
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return `bridge86: ${words}: ${Number.isInteger(value) ? value : value.toFixed(1)}`;
  });
  const { rss } = process.memoryUsage();
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  lines.push(`bridge86: processor time: ${((userCPUTime + systemCPUTime) / 1000).toFixed(1)} ms`);
  lines.push(`bridge86: resident memory: ${(rss / 2 ** 20).toFixed(1)} MiB`);
  guest.report(lines.join('\n'));
}
