/**
 * Workers that run threads of the guest: each loads this same command's file, which finds in its arguments that it is one.
 * Nothing of it needs the event loop of the thread that starts one: that thread runs guest code, and never turns it.
 */
import { createRequire } from 'node:module';
import type * as WorkerThreads from 'node:worker_threads';
import type { HostThreadStart } from '../../runtime/linux/threads/threads.js';
import type { RunOptions } from './run-options.js';

/** What a Worker is given. */
export interface ThreadData {
  readonly start: HostThreadStart;
  readonly options: RunOptions;
  /** What V8 has compiled of the emulator so far, where no file has it: to compile that anew takes two thirds of a Worker's start. */
  readonly compiled?: Uint8Array;
}

/** Argument of the command's file in a Worker. */
export const THREAD_ARGUMENT = 'bridge86:thread';

/** Guest stacks are not the host's, but regions call one another and V8's compilers recurse. */
const STACK_MEGABYTES = 4;

/** Workers whose object is collected would be ended. */
const workers: object[] = [];

export function startWorker(data: ThreadData): void {
  // Loading it takes time that a program without threads need not spend.
  const { Worker, SHARE_ENV } = createRequire('/')('node:worker_threads') as typeof WorkerThreads;
  const worker = new Worker(process.argv[1]!, {
    argv: [THREAD_ARGUMENT],
    workerData: data,
    env: SHARE_ENV as typeof WorkerThreads.SHARE_ENV,
    resourceLimits: { stackSizeMb: STACK_MEGABYTES },
    trackUnmanagedFds: false,
    // Else Node would open its own standard streams for what the Worker prints, and make pipes among them non-blocking for the guest.
    stdout: true,
    stderr: true,
  });
  workers.push(worker);
}
