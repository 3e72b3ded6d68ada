/** Which glibc a library of the guest's belongs to, by the versions that it defines, and whether its structures are known. */
import type { SharedLibrary } from '../../elf-library.js';

/** Since which minor version locks and semaphores are as `structures.ts` has them, and up to which condition variables are. */
const FIRST = 25;
const LAST_CONDITIONS = 40;
/** What the layouts were compared with; later ones may differ. */
const LAST = 42;

/** The 36 of GLIBC_2.36; 0 where there is none. A library of the older kind may define nothing in its own version. */
export function glibcMinor({ versions }: SharedLibrary): number {
  return versions.reduce((highest, { name }) => Math.max(highest, Number(/^GLIBC_2\.(\d+)/.exec(name)?.[1] ?? 0)), 0);
}

/** Why threads' structures are not known; undefined where they are. */
export function unsuitedThreads(file: SharedLibrary): string | undefined {
  const minor = glibcMinor(file);
  return minor < FIRST || minor > LAST ? `structures of glibc 2.${minor} are not known` : undefined;
}
export function unsuitedConditions(file: SharedLibrary): string | undefined {
  const minor = glibcMinor(file);
  return minor > LAST_CONDITIONS ? `condition variables of glibc 2.${minor} are not known` : undefined;
}
