/**
 * Which functions a run is to bridge: `--bridge libz,libm` or `all`, `--bridge-symbol libc.so.6:memcpy,strlen`, `--no-bridge`, and
 * the same as one text in the environment (`BRIDGE86_BRIDGES=libz,libc.so.6:memcpy+strlen`).
 */
import type { BridgedFunction, BridgedLibrary } from './library.js';
import { libraries } from './libraries/index.js';

/** Functions by library. */
export type Selection = ReadonlyMap<BridgedLibrary, ReadonlySet<BridgedFunction>>;

/** A name that is not known; the message says what there is. */
export class SelectionError extends Error {}

/** Libraries that `all` stands for: what a whole library replaces pays there. */
const ALL = ['libm', 'libz', 'libbz2', 'liblzma', 'libzstd', 'libcrypto'];

/** @param own libraries that are bridged whole besides */
export function selectBridges(
  wanted: readonly string[],
  symbols: readonly string[],
  own: readonly BridgedLibrary[] = [],
): Selection {
  const selection = new Map<BridgedLibrary, Set<BridgedFunction>>();
  const setOf = (library: BridgedLibrary): Set<BridgedFunction> => {
    let set = selection.get(library);
    if (!set) selection.set(library, (set = new Set()));
    return set;
  };
  const choose = (library: BridgedLibrary): void => {
    for (const one of library.functions) {
      if (library.preferred?.has(one.prototype.name) !== false) setOf(library).add(one);
    }
  };
  for (const name of wanted.flatMap((text) => text.split(','))) {
    if (name === '') continue;
    if (name.includes(':')) chooseSymbols(name.replaceAll('+', ','), setOf);
    else if (name === 'all') for (const one of ALL) choose(libraryNamed(one));
    else choose(libraryNamed(name));
  }
  for (const text of symbols) chooseSymbols(text, setOf);
  for (const library of own) choose(library);
  return selection;
}

function libraryNamed(name: string): BridgedLibrary {
  const found = libraries().find((library) => library.name === name || library.soname === name);
  if (!found) {
    const known = libraries()
      .map((library) => library.name)
      .join(', ');
    throw new SelectionError(`no bridges for a library ${name}: there are ${known}`);
  }
  return found;
}

function chooseSymbols(text: string, setOf: (library: BridgedLibrary) => Set<BridgedFunction>): void {
  const colon = text.indexOf(':');
  if (colon < 0) throw new SelectionError(`${text}: LIBRARY:FUNCTION,... is expected`);
  const library = libraryNamed(text.slice(0, colon));
  const set = setOf(library);
  for (const name of text.slice(colon + 1).split(',')) {
    const found = library.functions.find(({ prototype }) => prototype.name === name);
    if (!found)
      throw new SelectionError(`no bridge for ${name} of ${library.name} (bridge86 nativelib list ${library.name})`);
    set.add(found);
    if (found.family) for (const one of library.functions) if (one.family === found.family) set.add(one);
  }
}
