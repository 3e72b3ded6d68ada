/**
 * A package's files on their way into and out of a sysroot: unpacked by dpkg-deb and tar without owners and without
 * set-user-id bits (nothing in a sysroot is to run with anyone else's rights), removed by their list.
 */
import { lstatSync, mkdirSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { SysrootError } from './error.js';
import { runTool } from './subprocess.js';

/** Directories that Debian has merged into /usr (its packages may still name them): links, made before anything is unpacked. */
const MERGED_DIRECTORIES = ['bin', 'sbin', 'lib'] as const;

export interface Unpacked {
  readonly control: string;
  readonly script: string;
  readonly files: readonly string[];
}

/** Makes the root directory with the links of a merged /usr. */
export function makeRoot(root: string): void {
  for (const name of MERGED_DIRECTORIES) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    if (!exists(join(root, name))) symlinkSync(`usr/${name}`, join(root, name));
  }
}

/** Unpacks a .deb into the root. May be repeated. */
export async function unpack(root: string, archive: string): Promise<Unpacked> {
  const control = await shell('dpkg-deb --field "$1"', archive);
  const script = await shell('dpkg-deb --ctrl-tarfile "$1" | tar -xO ./postinst 2>/dev/null || :', archive);
  const files = await shell(
    'dpkg-deb --fsys-tarfile "$1" | (umask 022; tar -xv --keep-directory-symlink --no-same-owner --no-same-permissions -C "$2" -f -)',
    archive,
    root,
  );
  const paths = files
    .split('\n')
    .map((line) => line.replace(/^\.\//, '').replace(/\/$/, ''))
    .filter((line) => line !== '');
  return { control, script, files: paths };
}

async function shell(script: string, ...args: string[]): Promise<string> {
  const result = await runTool('bash', ['-o', 'pipefail', '-c', script, 'bash', ...args]);
  if (result.status !== 0) {
    throw new SysrootError(`${args[0] ?? script} could not be unpacked: ${result.stderr.trim().split('\n')[0] ?? ''}`);
  }
  return result.stdout;
}

/** Removes files, and directories that are empty then; what is missing already is no matter. */
export function removeFiles(root: string, files: readonly string[]): void {
  for (const file of [...files].reverse()) {
    const path = join(root, file);
    try {
      if (lstatSync(path).isDirectory()) rmdirSync(path);
      else if (!(MERGED_DIRECTORIES as readonly string[]).includes(file)) unlinkSync(path);
    } catch {
      // Not empty, or gone.
    }
  }
}

/** Whether something has this name, be it a link that leads nowhere. */
export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
