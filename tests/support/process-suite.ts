/** The programs of the process suite and how they are run: each in a process namespace of its own, since they send signals. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GUESTS, MAIN, PROJECT } from './paths.js';
import { NODE_FLAGS, type Outcome, runProgram } from './run.js';

export const THREAD_PROGRAMS = [
  ...[
    'threads',
    'locking',
    'atomics',
    'signalling',
    'ending',
    'forking',
    'sharing',
    'torture',
    'lives',
    'mutexes',
    'clocks',
    'queues',
  ],
] as const;
export const PROCESS_PROGRAMS = [
  ...['actions', 'frames', 'waiting', 'restart', 'timers', 'faults', 'memory', 'children', 'exec', 'jobs', 'proc'],
  ...['files', 'locks', 'events', 'sockets', 'ipc', 'times', 'limits'],
  ...THREAD_PROGRAMS,
] as const;

export const PROCESS_ENGINES: readonly (readonly string[])[] = [
  ['--engine', 'interpret'],
  ['--engine', 'block'],
  ['--engine', 'region', '--backend', 'js'],
  ['--engine', 'region', '--backend', 'wasm'],
];

export const SUITE_RECORD = join(PROJECT, 'tests/process/expected.json');
const SUITE = join(GUESTS, 'process');
/** `THREAD_PROGRAMS` with the C library apart. */
const THREAD_SUITE = join(GUESTS, 'threads');
const NAMESPACE = ['--pid', '--fork', '--kill-child', '--mount-proc'];
/** Ten times what the slowest takes on a machine with nothing else to do: for those that hang. */
const TIMEOUT = 180_000;

/** Lines by program. */
export type RecordedSuite = Record<string, string[]>;

export function readRecordedSuite(): RecordedSuite {
  return JSON.parse(readFileSync(SUITE_RECORD, 'utf8')) as RecordedSuite;
}

/** Whether a process namespace can be made here. */
export async function canIsolate(): Promise<boolean> {
  try {
    return (await runProgram('unshare', [...NAMESPACE, 'true'])).status === 0;
  } catch {
    return false;
  }
}

export function runIsolated(command: readonly string[], directory: string): Promise<Outcome> {
  // Behind a shell: the first process of a namespace ignores the signals that it does not handle.
  const args = [...NAMESPACE, 'sh', '-c', '"$@"; exit $?', 'sh', ...command];
  return runProgram('unshare', args, { directory, timeout: TIMEOUT });
}

export function runSuiteProgramNatively(program: string, directory: string): Promise<Outcome> {
  return runIsolated([SUITE, program], directory);
}

export function runSuiteProgram(program: string, options: readonly string[], directory: string): Promise<Outcome> {
  return runIsolated([process.execPath, ...NODE_FLAGS, MAIN, 'run', ...options, SUITE, program], directory);
}

/** Takes the C library of the default sysroot or, without one, of the host. */
export function runThreadProgram(
  program: string,
  options: readonly string[],
  directory: string,
  more: readonly string[] = [],
): Promise<Outcome> {
  const command = [MAIN, 'run', ...options, THREAD_SUITE, program, ...more];
  return runIsolated([process.execPath, ...NODE_FLAGS, ...command], directory);
}
