/**
 * The sysroot for tests over Debian's programs: the user's own where it has what is needed, else one in the cache directory
 * that is made by `bridge86 sysroot install`.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installPackages, installedPackages, type Progress } from '../../lib/sysroot/install.js';
import { aptDirectory, defaultSysroot } from '../../lib/sysroot/location.js';
import { SysrootError } from '../../lib/sysroot/error.js';

/** What the tests run. */
export const PACKAGES = (
  'bash bc busybox bzip2 coreutils diffutils file findutils gawk grep gzip jq lua5.4 openssl perl python3 sed sqlite3 tar ' +
  'xz-utils zstd'
).split(' ');

const cachedSysroot = (): string => join(dirname(aptDirectory()), 'test-sysroot');

function hasPackages(root: string): boolean {
  if (!existsSync(root)) return false;
  const installed = new Set(installedPackages(root).map(({ name }) => name));
  return PACKAGES.every((name) => installed.has(name));
}

/** A sysroot with all packages, if there is one. */
export function existingSysroot(): string | undefined {
  return [defaultSysroot(), cachedSysroot()].find(hasPackages);
}

/** A sysroot with all packages; a message when none can be had. */
export async function testSysroot(): Promise<{ root: string } | { reason: string }> {
  const existing = existingSysroot();
  if (existing) return { root: existing };
  const root = cachedSysroot();
  const silent: Progress = { step: () => undefined, fraction: () => undefined, warning: () => undefined };
  try {
    mkdirSync(dirname(root), { recursive: true });
    await installPackages(PACKAGES, { root, aptDirectory: aptDirectory(), progress: silent });
    return { root };
  } catch (error) {
    if (error instanceof SysrootError) return { reason: `no sysroot: ${error.message}` };
    throw error;
  }
}
