/** Scripts for gdb: the same natively and through `-g`, so that the answers can be compared. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { GUEST_SOURCES, GUESTS, MAIN } from './paths.js';

const hasGdb = spawnSync('gdb', ['-nx', '-batch', '-ex', 'set architecture i386'], { encoding: 'utf8' }).status === 0;
/** Why tests with gdb are left out, or false. */
export const skip = hasGdb ? false : 'gdb is not installed';
const SETTINGS = ['set pagination off', 'set confirm off', 'set width 0', `directory ${GUEST_SOURCES}/src`];

/** What differs for no fault of ours: stacks, ids of processes and threads, paths, the times of files, the way in. */
export function normal(text: string): string[] {
  return text
    .replaceAll(/warning: Source file is more recent than executable\.\n/g, '')
    .split('\n')
    .filter(
      (line) =>
        line !== '' && !/^Program stopped|^Cannot|^warning|^Reading|_start|^\[Inferior|of file .*debugged/.test(line),
    )
    .map((line) =>
      line
        .replace(/0xf[fd][0-9a-f]{6}/g, 'STACK')
        .replace(/ of \/.*/, '')
        .replace(/"[^"]*" hit/, 'hit')
        .replace(/(Thread|LWP|process) [0-9.]+( "[^"]*")?/gi, 'process'),
    );
}

export function native(guest: string, script: readonly string[], args: readonly string[]): string[] {
  const commands = ['starti', ...script].flatMap((line) => ['-ex', line]);
  const settings = [...SETTINGS, 'set startup-with-shell off'].flatMap((line) => ['-ex', line]);
  const { stdout } = spawnSync(
    'gdb',
    ['-nx', '-batch', ...settings, ...commands, '--args', join(GUESTS, guest), ...args],
    { encoding: 'utf8', timeout: 60000 },
  );
  return normal(stdout);
}

export interface Session {
  readonly answers: string[];
  readonly output: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** @param options of `bridge86 run` */
export async function remote(
  guest: string,
  script: readonly string[],
  args: readonly string[],
  options: readonly string[] = [],
  settings: readonly string[] = ['set sysroot /'],
): Promise<Session> {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-gdb-'));
  const path = join(GUESTS, guest);
  try {
    const socket = join(directory, 'socket');
    const process = spawn(MAIN, ['run', '-g', `unix:${socket}`, ...options, path, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    process.stdout.on('data', (piece) => (output += String(piece)));
    process.stderr.on('data', (piece) => (output += String(piece)));
    const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      process.once('close', (status, signal) => resolve([status, signal]));
    });
    for (let i = 0; i < 400 && !existsSync(socket); i++) await setTimeout(25);
    const file = join(directory, 'script');
    writeFileSync(file, [...SETTINGS, ...settings, `target remote ${socket}`, ...script].join('\n'));
    const gdb = spawn('gdb', ['-nx', '-batch', '-x', file, path], { stdio: ['ignore', 'pipe', 'pipe'] });
    let answers = '';
    gdb.stdout.on('data', (piece) => (answers += String(piece)));
    gdb.stderr.on('data', (piece) => (answers += String(piece)));
    await new Promise((resolve) => gdb.once('close', resolve));
    const [status, signal] = await ended;
    return { answers: normal(answers), output, status, signal };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
