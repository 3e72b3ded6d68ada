/**
 * One run of a program, measured by what the kernel tells of it when it has ended (wait4): processor time and memory of just
 * this process and those that it waited for. Node's own way of waiting does not tell that, so the wait is a system call.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostBuffer } from '../../runtime/host/buffer.js';
import { syscall } from '../../runtime/host/libc.js';
import { Host } from '../../runtime/linux/constants/host-syscalls.js';
import type { CommandLine } from './engines.js';

export interface Measurement {
  /** Exit status as a shell gives it: 128 + number where a signal ended the program, 127 where it could not be started. */
  readonly status: number;
  /** Seconds. */
  readonly wall: number;
  readonly user: number;
  readonly system: number;
  /** Largest resident memory in MiB; undefined where it is no more than a process has that has just been started. */
  readonly memory: number | undefined;
  /** Digest of the standard output. */
  readonly digest: string;
  /** First line of the standard error. */
  readonly complaint: string;
}

/** The host's `struct rusage`: two timevals, then the largest resident set in KiB. */
const RUSAGE_SIZE = 144;
const EINTR = 4;

export class Measurer {
  private readonly buffer = new HostBuffer(RUSAGE_SIZE + 8);
  /** A child's memory between fork and exec is this process's, and counts as its own: KiB. */
  private readonly floor: number;

  /** @param directory for the programs' output */
  constructor(private readonly directory: string) {
    this.run({ file: '/bin/true', arguments: [] }, process.env);
    this.floor = this.maximumResidentSet() * 1.1;
  }

  /** Runs a program to its end; standard input is empty. */
  run(command: CommandLine, environment: NodeJS.ProcessEnv): Measurement {
    const files = ['stdout', 'stderr'].map((name) => join(this.directory, name)) as [string, string];
    const descriptors = files.map((file) => openSync(file, 'w')) as [number, number];
    const start = performance.now();
    let status = 127;
    try {
      const child = spawn(command.file, command.arguments, { stdio: ['ignore', ...descriptors], env: environment });
      // What went wrong is seen in `pid`.
      child.on('error', () => undefined);
      child.unref();
      if (child.pid !== undefined) status = this.wait(child.pid);
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
    }
    const wall = (performance.now() - start) / 1000;
    const started = status !== 127;
    const memory = this.maximumResidentSet();
    return {
      status,
      wall,
      user: started ? this.seconds(0) : 0,
      system: started ? this.seconds(16) : 0,
      memory: started && memory > this.floor ? memory / 1024 : undefined,
      digest: createHash('sha256').update(readFileSync(files[0])).digest('hex').slice(0, 16),
      complaint: readFileSync(files[1], 'utf8').split('\n')[0]!.slice(0, 200),
    };
  }

  private wait(pid: number): number {
    const statusAt = this.buffer.address + RUSAGE_SIZE;
    let result: number;
    do result = syscall(Host.wait4, pid, statusAt, 0, this.buffer.address);
    while (result === -EINTR);
    if (result < 0) throw new Error(`wait4: error ${-result}`);
    const status = this.buffer.view.getInt32(RUSAGE_SIZE, true);
    return (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
  }

  private seconds(offset: number): number {
    const { view } = this.buffer;
    return Number(view.getBigInt64(offset, true)) + Number(view.getBigInt64(offset + 8, true)) / 1e6;
  }
  private maximumResidentSet(): number {
    return Number(this.buffer.view.getBigInt64(32, true));
  }
}
