/** Runs programs for tests: through the emulator and natively, with everything that they could depend on fixed. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { MAIN } from './paths.js';

export interface Outcome {
  /** Exit status, or 128 + number of the signal that ended the program, as a shell gives it. */
  status: number;
  /** Name of the signal that ended it. */
  signal: string | null;
  stdout: Buffer;
  stderr: string;
  /** The time limit ended it. */
  timedOut: boolean;
}

export interface RunSettings {
  /** The whole environment. Default: PATH, HOME and the C locale. */
  environment?: Record<string, string>;
  directory?: string;
  /** Default: none (/dev/null). */
  input?: string | Buffer;
  /** Milliseconds. Default: 60000. */
  timeout?: number;
}

export const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  TZ: 'UTC',
  // Tests leave nothing behind, and no process at work.
  BRIDGE86_NO_KEEP: '1',
};

export function runProgram(command: string, args: readonly string[], settings: RunSettings = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // By env, because tap adds variables of its own to what its tests spawn, and with them a hook to every Node.
    const variables = Object.entries(settings.environment ?? ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
    const child = spawn('env', ['-i', ...variables, command, ...args], {
      cwd: settings.directory,
      stdio: [settings.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    let stderr = '';
    let timedOut = false;
    child.stdout!.on('data', (data: Buffer) => stdout.push(data));
    child.stderr!.setEncoding('latin1').on('data', (text: string) => (stderr += text));
    if (child.stdin) {
      // A program that does not read its input closes it early.
      child.stdin.on('error', () => undefined);
      child.stdin.end(settings.input);
    }
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, settings.timeout ?? 60_000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const status = code ?? 128 + (signal ? constants.signals[signal] : 0);
      resolve({ status, signal, stdout: Buffer.concat(stdout), stderr, timedOut });
    });
  });
}

/** The flags of the command line's first line. */
export const NODE_FLAGS = readFileSync(MAIN, 'utf8')
  .split('\n', 1)[0]!
  .split(' ')
  .filter((word) => word.startsWith('--'));

/** `bridge86 ARGS`, started as its first line would start it. */
export function runBridge(args: readonly string[], settings: RunSettings = {}): Promise<Outcome> {
  return runProgram(process.execPath, [...NODE_FLAGS, MAIN, ...args], settings);
}

/** Runs the jobs `limit` at a time; results in the jobs' order. */
export async function runAll<T>(jobs: readonly (() => Promise<T>)[], limit: number): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      results[index] = await jobs[index]!();
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}
