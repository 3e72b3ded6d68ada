/**
 * `--perf-map`: V8 writes the addresses of generated functions, which are named after the guest's, to /tmp/perf-PID.map, where the host's
 * perf looks for them. V8 does so only when it is told at its start.
 */
import { hostExecute } from '../../runtime/host/execute.js';
import { flushStreams } from '../../runtime/host/libc.js';
import { Failure } from './failure.js';
import { rawArguments, rawEnvironment } from './raw-arguments.js';

const FLAG = '--perf-basic-prof';
/** V8 would write a log into the current directory, too; this is a temporary file. */
const NO_LOG = ['--no-logfile-per-isolate', '--logfile=+'];

/** Starts Node anew, with the flag, unless it has that already: the process stays the same. */
export function requirePerfMap(): void {
  if (process.execArgv.includes(FLAG)) return;
  const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  const node = Buffer.from(process.execPath);
  const own = rawArguments(process.argv.length - 1);
  const args = [node, ...[...process.execArgv, FLAG, ...NO_LOG].map((flag) => Buffer.from(flag)), ...own.map(bytes)];
  const error = hostExecute(node, args, rawEnvironment().map(bytes));
  throw new Failure(`--perf-map: Node cannot be started again (errno ${-error})`);
}

/** Before the process's end, which does not write out what V8 has collected. */
export const finishPerfMap = flushStreams;
