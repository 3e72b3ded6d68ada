/** `--stats`: the engine's counts at the end of a run, one a line. */
import { CountingDispatcher } from '../../runtime/engine/counting.js';
import { HostBuffer } from '../../runtime/host/buffer.js';
import { syscall } from '../../runtime/host/libc.js';
import { Host } from '../../runtime/linux/constants/host-syscalls.js';
import type { LinuxProcess } from '../../runtime/linux/process.js';

export function reportStatistics(guest: LinuxProcess): void {
  const { engine } = guest;
  const numbers: Record<string, number> = { ...engine.statistics };
  if (engine instanceof CountingDispatcher) {
    const { exits, ...counts } = engine.counts;
    Object.assign(numbers, counts);
    for (const [reason, count] of Object.entries(exits)) numbers[`exits of generated code, ${reason}`] = count;
  }
  const lines = Object.entries(numbers).map(([name, value]) => {
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return `bridge86: ${words}: ${Number.isInteger(value) ? value : value.toFixed(1)}`;
  });
  // Not process.memoryUsage(): it opens a file, gets a standard descriptor's number where the guest closed its own, and aborts.
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  lines.push(`bridge86: processor time: ${((userCPUTime + systemCPUTime) / 1000).toFixed(1)} ms`);
  lines.push(`bridge86: largest resident memory: ${(maxRSS / 1024).toFixed(1)} MiB`);
  guest.report(lines.join('\n'));
}

const F_DUPFD_CLOEXEC = 1030;
/** Above what guests count on to be free. */
const LOWEST_DESCRIPTOR = 200;

/** A duplicate that guests do not come across, or a negated error number. */
export function lastingDescriptor(descriptor: number): number {
  return syscall(Host.fcntl, descriptor, F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR);
}

/** Writes lines to what is standard error now: many guests close theirs before they end. */
export function lastingReport(): (line: string) => void {
  const descriptor = lastingDescriptor(2);
  return (line) => {
    const bytes = new TextEncoder().encode(`${line}\n`);
    const buffer = new HostBuffer(bytes.length);
    buffer.bytes.set(bytes);
    syscall(Host.write, descriptor < 0 ? 2 : descriptor, buffer.address, bytes.length);
  };
}
