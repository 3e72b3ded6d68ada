/** Where translations are kept, and how much of them: $XDG_CACHE_HOME/bridge86/translations, BRIDGE86_CACHE_SIZE. */
import os from 'node:os';
import { CacheDirectory } from '../../runtime/host/cache-directory.js';

const MEBIBYTE = 1 << 20;
const DEFAULT_MEBIBYTES = 256;

export function translationDirectory(): CacheDirectory {
  const { XDG_CACHE_HOME: home, BRIDGE86_CACHE_SIZE: size } = process.env;
  const base = home?.startsWith('/') ? home : `${os.homedir()}/.cache`;
  const mebibytes = size !== undefined && /^\d{1,6}$/.test(size) ? Number(size) : DEFAULT_MEBIBYTES;
  return new CacheDirectory(`${base}/bridge86/translations`, mebibytes * MEBIBYTE);
}
