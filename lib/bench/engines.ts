/** What a benchmark can be run by: the translator's engines, and the references beside it. Each becomes a command line. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';

/** Engines of `bridge86 run`, with the options that choose them. */
const OPTIONS = {
  interpret: ['--engine', 'interpret'],
  block: ['--engine', 'block'],
  'region:js': ['--engine', 'region', '--backend', 'js'],
  'region:wasm': ['--engine', 'region', '--backend', 'wasm'],
  auto: ['--engine', 'region', '--backend', 'auto'],
} as const;
export type TranslatorEngine = keyof typeof OPTIONS;
export type Reference = 'native' | 'qemu-i386';
export type BenchEngine = TranslatorEngine | Reference;

export const TRANSLATOR_ENGINES = Object.keys(OPTIONS) as readonly TranslatorEngine[];
export const REFERENCES: readonly Reference[] = ['native', 'qemu-i386'];
export const BENCH_ENGINES: readonly BenchEngine[] = [...REFERENCES, ...TRANSLATOR_ENGINES];

export const isReference = (engine: BenchEngine): engine is Reference =>
  (REFERENCES as readonly BenchEngine[]).includes(engine);

/** The part of a kernel's count that an engine gets: an interpreter would take minutes for all of it. */
export const shareOf = (engine: BenchEngine): number => (engine === 'interpret' ? 1 / 32 : 1);

export interface CommandLine {
  readonly file: string;
  readonly arguments: readonly string[];
}

/** A program to measure, as each engine finds it. */
export interface Program {
  /** As `bridge86 run` is told. */
  readonly name: string;
  readonly arguments: readonly string[];
  /** Where guests' libraries are; undefined: what `bridge86 run` takes by itself. */
  readonly sysroot: string | undefined;
}

const MAIN = fileURLToPath(new URL('../cli/main.cjs', import.meta.url));
/** Directories of an i386 Debian's programs and libraries. */
const PROGRAM_DIRECTORIES = ['usr/local/bin', 'usr/bin', 'bin', 'usr/sbin', 'sbin'];
const LIBRARY_DIRECTORIES = ['usr/lib/i386-linux-gnu', 'lib/i386-linux-gnu', 'usr/lib', 'lib'];
const LOADER = 'lib/ld-linux.so.2';

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The program's file on the host; undefined where it is in the guest's own world only, or nowhere. */
export function hostPath({ name, sysroot }: Program): string | undefined {
  if (sysroot !== undefined) {
    const inside = name.startsWith('/')
      ? [join(sysroot, name)]
      : name.includes('/')
        ? []
        : PROGRAM_DIRECTORIES.map((directory) => join(sysroot, directory, name));
    const found = inside.find(isProgram);
    if (found !== undefined) return found;
  }
  return name.includes('/') && isProgram(name) ? name : undefined;
}

let qemu: string | undefined | null = null;
/** qemu-user's emulator of i386 on the path. */
export function qemuPath(): string | undefined {
  if (qemu === null) {
    qemu = (process.env.PATH ?? '')
      .split(':')
      .flatMap((directory) => ['qemu-i386', 'qemu-i386-static'].map((name) => join(directory, name)))
      .find(isProgram);
  }
  return qemu;
}

/** Whether the host's kernel executes i386 programs: `probe` is one that ends at once. */
export const runsNatively = (probe: string): boolean => spawnSync(probe, [], { stdio: 'ignore' }).status === 0;

/** The command line by which an engine runs a program; undefined where it cannot. */
export function commandLine(engine: BenchEngine, program: Program): CommandLine | undefined {
  const { sysroot, name, arguments: args } = program;
  if (!isReference(engine)) {
    const root = sysroot === undefined ? [] : ['-L', sysroot];
    return { file: MAIN, arguments: ['run', ...root, ...OPTIONS[engine], '--', name, ...args] };
  }
  const path = hostPath(program);
  if (path === undefined) return undefined;
  if (engine === 'qemu-i386') {
    const file = qemuPath();
    const root = sysroot === undefined ? [] : ['-L', sysroot];
    return file === undefined ? undefined : { file, arguments: [...root, '-0', name, path, ...args] };
  }
  if (sysroot === undefined || !path.startsWith(sysroot)) return { file: path, arguments: args };
  // A program of another root: by its own loader, with its own libraries.
  const loader = join(sysroot, LOADER);
  if (!existsSync(loader)) return undefined;
  const libraries = LIBRARY_DIRECTORIES.map((directory) => join(sysroot, directory)).join(':');
  return { file: loader, arguments: ['--library-path', libraries, '--argv0', name, path, ...args] };
}
