/**
 * What the packages' scripts would have done, as far as programs need it: alternatives (awk, lua, ...), /bin/sh, links
 * that stay inside the sysroot, the dynamic linker's cache, Python's byte code. No script is ever run.
 */
import {
  existsSync,
  lstatSync,
  readlinkSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { PackageDatabase } from './database.js';
import { hasTool, runTool } from './subprocess.js';
import { exists } from './unpack.js';

interface Alternative {
  readonly link: string;
  readonly path: string;
  readonly priority: number;
}

/**
 * Directories that are the machine's, not the sysroot's. A guest's path is looked up in the sysroot first, so an empty
 * /tmp or /proc there would hide the host's.
 */
const HOST_DIRECTORIES = ['boot', 'dev', 'home', 'media', 'mnt', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'var/tmp'];

/** Where the dynamic linker of Debian's i386 looks by itself; the host's ldconfig has other directories built in. */
export const LIBRARY_DIRECTORIES = ['/lib/i386-linux-gnu', '/usr/lib/i386-linux-gnu'];

export async function configure(root: string, database: PackageDatabase): Promise<void> {
  const names = [...database.paragraphs().keys()];
  const best = new Map<string, Alternative>();
  for (const alternative of names.flatMap((name) => parseAlternatives(database.script(name)))) {
    if (!exists(join(root, alternative.path))) continue;
    const known = best.get(alternative.link);
    if (!known || known.priority < alternative.priority) best.set(alternative.link, alternative);
  }
  for (const { link, path } of best.values()) replaceLink(root, link, path);

  if (!exists(join(root, 'bin/sh'))) {
    const shell = ['bin/dash', 'bin/bash', 'bin/busybox'].find((path) => exists(join(root, path)));
    if (shell) replaceLink(root, 'bin/sh', shell);
  }
  for (const file of names.flatMap((name) => database.files(name))) keepLinkInside(root, file);
  for (const directory of HOST_DIRECTORIES) {
    try {
      rmdirSync(join(root, directory));
    } catch {
      // Not there, or something is in it.
    }
  }
  await writeLinkerCache(root);
}

/**
 * The alternatives that a post-installation script registers: `update-alternatives --install LINK NAME PATH PRIORITY
 * [--slave LINK NAME PATH]...`. Calls with anything but plain words in them are passed over.
 */
export function parseAlternatives(script: string): Alternative[] {
  const result: Alternative[] = [];
  for (const line of script.replaceAll('\\\n', ' ').split('\n')) {
    const call = /^\s*update-alternatives\s+([^;|&>]*)/.exec(line);
    if (!call) continue;
    const words = call[1]!.trim().split(/\s+/);
    if (words.some((word) => /[$`'"*]/.test(word))) continue;
    const at = words.indexOf('--install');
    const [link, , path, priority] = at < 0 ? [] : words.slice(at + 1);
    if (!link || !path || !/^-?\d+$/.test(priority ?? '')) continue;
    result.push({ link, path, priority: Number(priority) });
    for (let index = words.indexOf('--slave'); index >= 0; index = words.indexOf('--slave', index + 1)) {
      const [slaveLink, , slavePath] = words.slice(index + 1);
      if (slaveLink && slavePath) result.push({ link: slaveLink, path: slavePath, priority: Number(priority) });
    }
  }
  return result;
}

/** Makes `link` point to `path` (both as the guest names them), by a relative link that leads there from the host, too. */
function replaceLink(root: string, link: string, path: string): void {
  const at = join(root, link);
  if (!existsSync(dirname(at))) return;
  const temporary = `${at}.bridge86`;
  rmSync(temporary, { force: true });
  symlinkSync(relative(dirname(at), join(root, path)), temporary);
  renameSync(temporary, at);
}

/** Turns an absolute link to something in the sysroot into a relative one: the host's kernel would follow it to the host's file. */
function keepLinkInside(root: string, file: string): void {
  const path = join(root, file);
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const target = readlinkSync(path);
  if (target.startsWith('/') && exists(join(root, target))) replaceLink(root, file, target);
}

/**
 * /etc/ld.so.cache for the sysroot's libraries. Without one the guest's dynamic linker would be given the host's, which
 * may name libraries of another C library's version; an empty file makes it look into the usual directories.
 */
async function writeLinkerCache(root: string): Promise<void> {
  const cache = join(root, 'etc/ld.so.cache');
  if (!existsSync(dirname(cache))) return;
  rmSync(cache, { force: true });
  const result = (await hasTool('ldconfig'))
    ? await runTool('ldconfig', ['-r', root, ...LIBRARY_DIRECTORIES.filter((path) => existsSync(join(root, path)))])
    : undefined;
  if (result?.status !== 0 || !existsSync(cache)) writeFileSync(cache, '');
}

/** Directories of Python's standard library that hold no byte code yet. */
export function uncompiledPythonLibraries(root: string): string[] {
  const lib = join(root, 'usr/lib');
  if (!existsSync(lib)) return [];
  return readdirSync(lib)
    .filter((name) => /^python3\.\d+$/.test(name) && !existsSync(join(lib, name, '__pycache__')))
    .map((name) => join(lib, name));
}
