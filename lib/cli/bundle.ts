/**
 * Loads `run-main` as the one file that the build has made of it, with V8's compiled code of an earlier run. Loading a hundred
 * modules and compiling them takes longer than a small guest program.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import type * as RunMain from './run-main.js';

/** Written by the build beside this file (tools/finish-build.js). Its first line is a comment with the digest of the rest. */
const FILE = fileURLToPath(new URL('run-bundle.cjs', import.meta.url));
const DIGEST_LINE = /^\/\/ ([0-9a-f]{32})\n/;

export interface Bundle {
  readonly exports: typeof RunMain;
  /** Keeps the code that V8 has compiled so far for the next start; undefined where that has been done. */
  readonly saveCompiledCode: (() => void) | undefined;
}

/** Written by tsc when it compiles. */
const BUILD_RECORD = fileURLToPath(new URL('../../.tsbuildinfo', import.meta.url));

/**
 * Undefined where there is no bundle or an old one (tsc alone was run), and for debugging: the modules have source maps and
 * lines that a stack trace can name.
 */
export function loadBundle(): Bundle | undefined {
  if (process.env.BRIDGE86_DEBUG !== undefined) return undefined;
  let source: string;
  try {
    const compiled = statSync(BUILD_RECORD, { throwIfNoEntry: false });
    if (compiled && compiled.mtimeMs > statSync(FILE).mtimeMs) return undefined;
    source = readFileSync(FILE, 'latin1');
  } catch {
    return undefined;
  }
  const digest = DIGEST_LINE.exec(source)?.[1];
  const cacheFile = digest === undefined ? undefined : cachePath(digest);
  const cachedData = cacheFile === undefined ? undefined : readPrivateFile(cacheFile);
  const script = new Script(`(function (module, exports, require) {${source}\n})`, {
    filename: FILE,
    ...(cachedData ? { cachedData } : {}),
  });
  const module = { exports: {} };
  const body = script.runInThisContext() as (module: object, exports: object, require: NodeJS.Require) => void;
  body(module, module.exports, createRequire(FILE));
  const fresh = cachedData !== undefined && script.cachedDataRejected !== true;
  return {
    exports: module.exports as typeof RunMain,
    saveCompiledCode:
      cacheFile === undefined || fresh ? undefined : () => writePrivateFile(cacheFile, script.createCachedData()),
  };
}

/** V8 itself refuses code of another version or made with other flags; those get files of their own. */
function cachePath(digest: string): string {
  const base = process.env.XDG_CACHE_HOME?.startsWith('/') ? process.env.XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'bridge86', 'code', `${digest}-${process.versions.v8}`);
}

/** The contents of a file that nobody but this user can have written. */
function readPrivateFile(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const { uid, mode } = fstatSync(fd);
    return uid === process.getuid?.() && (mode & 0o022) === 0 ? readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Replaces a file in one step. Whatever goes wrong, there is only no cache then. */
function writePrivateFile(path: string, contents: Buffer): void {
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, contents, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } catch {
    // A read-only or full disk.
  }
}
