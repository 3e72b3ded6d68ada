/**
 * Where the default sysroot lies. Every `bridge86 run` asks this, so the file imports nothing that is slow to load.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A directory of the XDG base directory specification: the variable where it is set and absolute, else `~/fallback`. */
function baseDirectory(variable: string, fallback: string): string {
  const value = process.env[variable];
  return value?.startsWith('/') ? value : join(homedir(), fallback);
}

/** The sysroot that `run` uses where neither `-L` nor BRIDGE86_SYSROOT names another. It need not exist. */
export function defaultSysroot(): string {
  return process.env.BRIDGE86_SYSROOT ?? join(baseDirectory('XDG_DATA_HOME', '.local/share'), 'bridge86', 'sysroot');
}

/** Where apt's package lists and downloads for sysroots are kept; it can be deleted at any time. */
export function aptDirectory(): string {
  return join(baseDirectory('XDG_CACHE_HOME', '.cache'), 'bridge86', 'apt');
}
