/**
 * Stub libraries in use: the guest's names of bridged libraries lead to the stubs of a directory, and the name under which a
 * stub asks for what it lacks leads to the guest's own library.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PathResolver } from '../runtime/linux/paths.js';
import { libraries } from './libraries/index.js';

/** What a stub's DT_NEEDED adds to the path of the guest's own library. */
export const GUEST_SUFFIX = '.guest';

export const stubFileName = (library: string): string => `nativelib-${library}.so`;

const latin1 = new TextDecoder('latin1');
const encoder = new TextEncoder();
/** Directories of libraries: a file of such a name elsewhere is the program's own. */
const LIBRARY_DIRECTORY = /^(?:\/usr)?\/(?:local\/)?lib(?:32)?(?:\/i[3-6]86-linux-gnu)?(?:\/(?:sse2|i686|tls))*$/;

/** Makes the resolver lead to the stubs in `directory`. Gives the names of the libraries that it has stubs of. */
export function useStubDirectory(paths: PathResolver, directory: string): string[] {
  const stubs = new Map(
    libraries()
      .map(({ name, soname }) => [soname, join(directory, stubFileName(name))] as const)
      .filter(([, file]) => existsSync(file)),
  );
  let resolving = false;
  paths.redirect = (guestPath) => {
    if (resolving) return undefined;
    const slash = guestPath.lastIndexOf(0x2f);
    const name = latin1.decode(guestPath.subarray(slash + 1));
    const own = name.endsWith(GUEST_SUFFIX);
    const stub = stubs.get(own ? name.slice(0, -GUEST_SUFFIX.length) : name);
    if (stub === undefined || !LIBRARY_DIRECTORY.test(latin1.decode(guestPath.subarray(0, slash)))) return undefined;
    if (!own) return encoder.encode(stub);
    resolving = true;
    try {
      return paths.hostPath(guestPath.subarray(0, guestPath.length - GUEST_SUFFIX.length));
    } finally {
      resolving = false;
    }
  };
  return [...stubs.keys()];
}
