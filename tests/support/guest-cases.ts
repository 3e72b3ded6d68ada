/** Command lines of the committed guest programs, and what the processor itself makes of them (`tests/guests/expected.json`). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GUEST_SOURCES, GUESTS } from './paths.js';
import { type Outcome, runProgram, type RunSettings } from './run.js';

export interface GuestCase {
  readonly guest: string;
  readonly arguments: readonly string[];
  readonly environment?: Record<string, string>;
  readonly input?: string;
  /** Needs an i386 C library, which the host may lack. */
  readonly dynamic?: boolean;
}

export interface Expected {
  readonly status: number;
  readonly signal: string | null;
  readonly stdout: string;
}

const FAULTS =
  'null-read null-write read-only divide-zero divide-overflow ud2 jump-nowhere jump-data kernel-address int3 int-41 hlt cli ' +
  'stack abort kill term none';

/** Kinds of `hot-faults`, and what kills the guest: the signal and the address in the line that tells of it. */
export const HOT_FAULTS: readonly (readonly [kind: string, signal?: string, address?: RegExp])[] = [
  ['null-read', 'SIGSEGV', /0x00000000 not mapped \(read\)/],
  ['null-write', 'SIGSEGV', /0x00000010 not mapped \(write\)/],
  ['read-only', 'SIGSEGV', /0x0804\w{4} not accessible \(write\)/],
  ['no-access', 'SIGSEGV', /0x\w{5}008 not accessible \(write\)/],
  ['shared-file', 'SIGSEGV', /0x\w{5}008 not accessible \(write\)/],
  ['change', 'SIGSEGV', /0x00000020 not mapped/],
  ['unused-read', 'SIGSEGV', /0x00000040 not mapped \(read\)/],
  ['double', 'SIGSEGV', /0x00000080 not mapped \(read\)/],
  ['string', 'SIGSEGV', /0x00000100 not mapped \(write\)/],
  ['top', 'SIGSEGV', /0xfffffff\w not mapped \(read\)/],
  ['kernel-address', 'SIGSEGV', /0xffffe000 not mapped \(read\)/],
  ['beyond-file', 'SIGBUS', /0x\w{5}00c beyond the end of its file \(write\)/],
  ['jump', 'SIGSEGV', /0x00002000 not mapped \(execute\)/],
  ['system-call', 'SIGSEGV', /0x00000000 not mapped \(read\)/],
  ['fork'],
  ['grows-down'],
  ['handler'],
  ['longjmp'],
];

const guest = (name: string, args = '', more: Partial<GuestCase> = {}): GuestCase => ({
  guest: name,
  arguments: args === '' ? [] : args.split(' '),
  ...more,
});

export const GUEST_CASES: readonly GuestCase[] = [
  guest('hello'),
  {
    guest: 'arguments',
    arguments: ['one', '', '--strace', '--', '-L', 'with space', 'tab\tand\nnewline', 'ünï', '*'],
    environment: { A: '1', EMPTY: '', QUOTED: '"x\\y"' },
  },
  guest('arguments', '', { environment: {} }),
  guest('status'),
  guest('status', '42'),
  guest('status', '255'),
  guest('status', '256'),
  guest('primes', '200'),
  guest('integers'),
  guest('floats'),
  guest('strings'),
  guest('flags'),
  guest('self-modifying'),
  guest('files', '', { input: 'a line of input' }),
  guest('files'),
  guest('time'),
  guest('pie'),
  guest('processes'),
  guest('signals'),
  ...FAULTS.split(' ').map((kind) => guest('faults', kind)),
  ...HOT_FAULTS.map(([kind]) => guest('hot-faults', kind)),
  guest('exceptions'),
  guest('dynamic', 'pear apple fig', { dynamic: true }),
  // The benchmarks, short enough for an interpreter.
  guest('bench/sieve', '1'),
  guest('bench/sha256', '2'),
  guest('bench/quicksort', '1'),
  guest('bench/fib', '1'),
  guest('bench/bytecode', '1'),
  guest('bench/matmul-x87', '1'),
  guest('bench/matmul-sse2', '1'),
  guest('bench/nbody-x87', '2'),
  guest('bench/nbody-sse2', '2'),
  guest('bench/strings', '20'),
  guest('bench/arithmetic', '1'),
  guest('bench/lists', '1'),
  guest('bench/lz', '1'),
  guest('bench/pixels-sse2', '1'),
  guest('bench/startup'),
];

/** The case's command line: its name in messages and in the file of expected results. */
export function caseName({ guest: name, arguments: args, environment, input }: GuestCase): string {
  const words = args.map((word) => (/^[\w./=-]+$/.test(word) ? word : JSON.stringify(word)));
  const notes = [environment ? `env ${JSON.stringify(environment)}` : '', input === undefined ? '' : 'with input'];
  return [name, ...words, ...notes.filter((note) => note !== '').map((note) => `(${note})`)].join(' ');
}

export const guestPath = ({ guest: name }: GuestCase): string => join(GUESTS, name);

export const settingsOf = (test: GuestCase): RunSettings => ({
  environment: test.environment ?? { PATH: '/usr/bin:/bin' },
  ...(test.input === undefined ? {} : { input: test.input }),
});

/** A guest's output as text (one char a byte), without what depends on where the project lies. */
export const outputOf = ({ stdout }: Outcome): string => stdout.toString('latin1').replaceAll(GUESTS, 'GUESTS');

/** Runs `action` in an empty directory of its own. */
export async function inScratchDirectory<T>(action: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-test-'));
  try {
    return await action(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function runNatively(test: GuestCase): Promise<Outcome> {
  return inScratchDirectory((directory) =>
    runProgram(guestPath(test), test.arguments, { ...settingsOf(test), directory }),
  );
}

/** Whether the host's kernel runs i386 programs. */
export async function runsNatively(): Promise<boolean> {
  try {
    return (await runNatively(guest('status', '7'))).status === 7;
  } catch {
    return false;
  }
}

const EXPECTED_FILE = join(GUEST_SOURCES, 'expected.json');

export function readExpected(): Record<string, Expected> {
  return JSON.parse(readFileSync(EXPECTED_FILE, 'utf8')) as Record<string, Expected>;
}

export { EXPECTED_FILE };
