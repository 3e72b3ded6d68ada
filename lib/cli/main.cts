#!/usr/bin/env -S node --single-threaded --no-maglev --max-optimized-bytecode-size=1000000 --wasm-lazy-compilation --wasm-lazy-validation --no-wasm-tier-up --no-wasm-dynamic-tiering
/**
 * The command `bridge86`. The first line starts Node with the flag that fork needs and that cannot be set later, and with those
 * that generated code needs (runtime/engine/v8-flags.ts).
 *
 * A run must start quickly: loading a hundred modules and compiling them takes longer than a small guest program. So `run-main` is
 * loaded as the one file that the build has made of it, with V8's compiled code of an earlier run; yargs is loaded only where
 * it is needed; and this file is CommonJS, because Node's loader of ES modules has a price, too.
 */
import fs = require('node:fs');
import nodeModule = require('node:module');
import os = require('node:os');
import path = require('node:path');
import vm = require('node:vm');
import type * as WorkerThreads from 'node:worker_threads';
import type * as RunMain from './run-main.js' with { 'resolution-mode': 'import' };

/** Written by the build beside this file (tools/finish-build.js). Its first line is a comment with the digest of the rest. */
const FILE = path.join(__dirname, 'run-bundle.cjs');
const DIGEST_LINE = /^\/\/ ([0-9a-f]{32})\n/;

/** Files of compiled code that are kept: for a few versions of Node and of the emulator. */
const KEPT_FILES = 6;

interface Bundle {
  readonly exports: typeof RunMain;
  /** Digest of the bundle. */
  readonly version: string | undefined;
  /** Gives the code that V8 has compiled so far, and keeps it for the next start; undefined where that has been done. */
  readonly compiledCode: (() => Buffer) | undefined;
  readonly saveCompiledCode: (() => void) | undefined;
}

/** Written by tsc when it compiles. */
const BUILD_RECORD = path.join(__dirname, '../../.tsbuildinfo');

/**
 * Undefined where there is no bundle or an old one (tsc alone was run), and for debugging: the modules have source maps and
 * lines that a stack trace can name.
 * @param given what V8 has compiled of it in another thread
 */
function loadBundle(given?: Uint8Array): Bundle | undefined {
  if (process.env.BRIDGE86_DEBUG !== undefined) return undefined;
  let source: string;
  try {
    const compiled = fs.statSync(BUILD_RECORD, { throwIfNoEntry: false });
    if (compiled && compiled.mtimeMs > fs.statSync(FILE).mtimeMs) return undefined;
    source = fs.readFileSync(FILE, 'latin1');
  } catch {
    return undefined;
  }
  const digest = DIGEST_LINE.exec(source)?.[1];
  // V8 accepts code only under the flags that it was made with, and without these they change on the way.
  const cacheFile = digest === undefined || !process.execArgv.includes('--no-maglev') ? undefined : cachePath(digest);
  const cachedData = given ?? (cacheFile === undefined ? undefined : readPrivateFile(cacheFile));
  const script = new vm.Script(`(function (module, exports, require, __filename, __dirname) {${source}\n})`, {
    filename: FILE,
    ...(cachedData ? { cachedData } : {}),
  });
  const module = { exports: {} };
  type Body = (
    module: object,
    exports: object,
    require: (name: string) => unknown,
    file: string,
    directory: string,
  ) => void;
  (script.runInThisContext() as Body)(module, module.exports, bundleRequire, FILE, __dirname);
  const fresh = cachedData !== undefined && script.cachedDataRejected !== true;
  return {
    exports: module.exports as typeof RunMain,
    version: digest,
    compiledCode: fresh ? undefined : () => script.createCachedData(),
    saveCompiledCode:
      cacheFile === undefined || fresh ? undefined : () => writePrivateFile(cacheFile, script.createCachedData()),
  };
}

/** `require` for the bundle: koffi is part of it, but its binaries lie beside it. */
function bundleRequire(name: string): unknown {
  const here = nodeModule.createRequire(FILE);
  return name.startsWith('@koromix/') ? nodeModule.createRequire(here.resolve('koffi'))(name) : here(name);
}

/** V8 itself refuses code of another version or made with other flags; those get files of their own. */
function cachePath(digest: string): string {
  const base = process.env.XDG_CACHE_HOME?.startsWith('/')
    ? process.env.XDG_CACHE_HOME
    : path.join(os.homedir(), '.cache');
  return path.join(base, 'bridge86', 'code', `${digest}-${process.versions.v8}`);
}

/** The contents of a file that nobody but this user can have written. */
function readPrivateFile(file: string): Buffer | undefined {
  let fd: number;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const { uid, mode } = fs.fstatSync(fd);
    return uid === process.getuid?.() && (mode & 0o022) === 0 ? fs.readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** A directory and those above it. (Node's own way never comes back where the kernel says ENOENT for good, as in /proc.) */
function makeDirectory(directory: string): void {
  if (fs.existsSync(directory)) return;
  const parent = path.dirname(directory);
  if (parent !== directory) makeDirectory(parent);
  fs.mkdirSync(directory, { mode: 0o700 });
}

/** Replaces a file in one step. Whatever goes wrong, there is only no cache then. */
function writePrivateFile(file: string, contents: Buffer): void {
  const temporary = `${file}.${process.pid}`;
  try {
    makeDirectory(path.dirname(file));
    fs.writeFileSync(temporary, contents, { mode: 0o600, flag: 'wx' });
    fs.renameSync(temporary, file);
    removeOldFiles(path.dirname(file));
  } catch {
    // A read-only or full disk.
  }
}

/** Code of other versions of the emulator or of Node that has not been replaced for long is not used any more. */
function removeOldFiles(directory: string): void {
  const files = fs.readdirSync(directory).map((name) => {
    const file = path.join(directory, name);
    return { file, time: fs.statSync(file).mtimeMs };
  });
  files.sort((a, b) => b.time - a.time);
  for (const { file } of files.slice(KEPT_FILES)) fs.unlinkSync(file);
}

/** Commands that yargs handles. Any other first word is a program to run. */
const YARGS_COMMANDS = new Set(['sysroot', 'nativelib', 'bench', 'cache', 'binfmt', 'help', 'completion']);
const YARGS_OPTIONS = new Set(['-h', '--help', '--version', '--get-yargs-completions']);

async function runThread(): Promise<void> {
  const { workerData } = nodeModule.createRequire(FILE)('node:worker_threads') as typeof WorkerThreads;
  const data = workerData as RunMain.ThreadData;
  const { compiled } = data;
  const bundle = loadBundle(compiled);
  const run = bundle?.exports ?? (await import('./run-main.js'));
  await run.runThread(data, { ...contextOf(undefined), ...(compiled && { compiledCode: () => compiled }) });
}

function contextOf(bundle: Bundle | undefined): Parameters<typeof RunMain.runMain>[1] {
  const { version, compiledCode, saveCompiledCode } = bundle ?? {};
  return {
    importModule: (url) => import(url) as Promise<unknown>,
    ...(version === undefined ? {} : { version }),
    ...(compiledCode === undefined ? {} : { compiledCode }),
    ...(saveCompiledCode === undefined ? {} : { atEnd: saveCompiledCode }),
  };
}

async function main(args: readonly string[]): Promise<void> {
  const first = args[0];
  const isWarming = first === 'cache' && args[1] === 'warm' && args.length > 2;
  if (isWarming || (first !== undefined && !YARGS_COMMANDS.has(first) && !YARGS_OPTIONS.has(first))) {
    const bundle = loadBundle();
    const { runMain } = bundle?.exports ?? (await import('./run-main.js'));
    if ((await runMain(args, contextOf(bundle))) !== 'help') return;
    args = ['run', '--help'];
  }
  await (await import('./yargs-main.js')).main(args);
}

/** A Worker of a run has this for its argument (lib/cli/worker.ts). */
const THREAD_ARGUMENT = 'bridge86:thread';

if (process.argv[2] === THREAD_ARGUMENT) void runThread();
else void main(process.argv.slice(2));
