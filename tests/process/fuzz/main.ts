/**
 * `npm run fuzz:syscalls -- [--calls N] [--seed S]`: random system calls with random arguments, by workers that each make a few
 * thousand, in namespaces and a directory of their own and without privileges. A worker may end by a signal that the guest
 * would have ended by; a JavaScript error, an internal one or a worker that runs without getting on is a finding.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NODE_FLAGS } from '../../support/run.js';

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));
const NOBODY = '65534';
const CALLS_A_WORKER = 2500;
/** Milliseconds between two looks at a worker, how many without progress before it is woken, and before it is given up. */
const LOOK = 40;
const STILL_BEFORE_WAKING = 2;
const STILL_BEFORE_END = 125;
/** A worker that has used so much time (in ticks of 10 ms) without progress does not wait. */
const HANG_TICKS = 100;

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    inside: { type: 'boolean', default: false },
  },
});

if (values.inside) {
  process.exitCode = await runWorkers(Number(values.calls), Number(values.seed));
} else {
  const isRoot = process.getuid?.() === 0;
  const namespaces = ['--pid', '--fork', '--kill-child', '--mount-proc', '--net', '--ipc', '--uts'];
  // A file of many gigabytes would take a while and the disk.
  const limit = ['prlimit', '--fsize=16777216'];
  const drop = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
  const self = [
    process.execPath,
    fileURLToPath(import.meta.url),
    '--inside',
    '--calls',
    values.calls,
    '--seed',
    values.seed,
  ];
  const args = isRoot
    ? [...namespaces, ...drop, ...limit, ...self]
    : ['--map-root-user', ...namespaces, ...limit, ...self];
  const child = spawn('unshare', args, { stdio: 'inherit' });
  process.exitCode = await new Promise<number>((resolve) => {
    child.on('error', () => resolve(77));
    child.on('close', (status) => resolve(status ?? 1));
  });
}

async function runWorkers(calls: number, firstSeed: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-fuzz-'));
  chmodSync(directory, 0o700);
  let findings = 0;
  let made = 0;
  const endings = new Map<string, number>();
  for (let seed = firstSeed; made < calls; seed++) {
    const count = Math.min(CALLS_A_WORKER, calls - made);
    const { ending, last, error } = await runWorker(directory, seed, count);
    const index = Number(/^\d+/.exec(last)?.[0] ?? 0);
    made += Math.max(index + 1, 1);
    endings.set(ending, (endings.get(ending) ?? 0) + 1);
    const isFinding =
      /\n\s+at |internal error|Check failed|FATAL|Fatal/.test(error) || /^exit [^0]|hang|SIGABRT|SIGTRAP/.test(ending);
    if (isFinding) {
      findings++;
      console.log(`seed ${seed}: ${ending}; last call ${last.trim()}\n${error.slice(0, 2000)}`);
    }
  }
  spawnSync('chmod', ['-R', 'u+rwx', directory]);
  rmSync(directory, { recursive: true, force: true });
  const summary = [...endings].map(([ending, times]) => `${ending} ${times}`).join(', ');
  console.log(`${made} calls, ${findings} findings; workers: ${summary}`);
  return findings === 0 ? 0 : 1;
}

interface WorkerEnd {
  /** `exit 0`, a signal's name, `hang`, or `waiting` for one that waits in a call and cannot be woken. */
  readonly ending: string;
  /** The call that was being made. */
  readonly last: string;
  readonly error: string;
}

async function runWorker(directory: string, seed: number, count: number): Promise<WorkerEnd> {
  const record = join(directory, 'record');
  const work = mkdtempSync(join(directory, 'work-'));
  const child = spawn(process.execPath, [...NODE_FLAGS, WORKER, String(seed), String(count), record], {
    cwd: work,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let error = '';
  child.stderr.setEncoding('latin1').on('data', (text: string) => (error += text));
  const closed = new Promise((resolve) => child.stderr.on('close', resolve));
  let last = '';
  let still = 0;
  let used = 0;
  let gaveUp: string | undefined;
  const read = (): string => {
    try {
      return readFileSync(record, 'latin1').split('\n', 1)[0]!;
    } catch {
      return '';
    }
  };
  const watch = setInterval(() => {
    const now = read();
    still = now === last ? still + 1 : 0;
    last = now;
    if (still >= STILL_BEFORE_WAKING && last !== '') child.kill('SIGWINCH');
    if (still === STILL_BEFORE_WAKING) used = processorTime(child.pid!);
    if (still >= STILL_BEFORE_END) {
      gaveUp = processorTime(child.pid!) - used > HANG_TICKS ? 'hang' : 'waiting';
      child.kill('SIGKILL');
    }
  }, LOOK);
  const ending = await new Promise<string>((resolve) => {
    child.on('exit', (status, signal) => {
      // What it has forked may hold the other end of the pipe.
      setTimeout(() => child.stderr.destroy(), 100);
      resolve(gaveUp ?? signal ?? `exit ${status}`);
    });
  });
  clearInterval(watch);
  await closed;
  last = read();
  try {
    rmSync(work, { recursive: true, force: true });
  } catch {
    // A directory that it may not read any more: that is put right at the end.
  }
  return { ending, last, error };
}

/** User and system time in clock ticks. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
