/**
 * What a bridged library is: names, declarations of functions, and for functions that are more than a call of the host's
 * the TypeScript that does them. One file a library in `libraries/`.
 */
import type { BridgeFunction } from '../runtime/engine/index.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import type { NativeLibrary } from '../runtime/host/native-library.js';
import { parsePrototype, type Prototype } from './prototype.js';

/** What bridges written in TypeScript work on. */
export interface BridgeContext {
  readonly memory: GuestMemory;
  /** Host address of guest address 0. */
  readonly hostBase: number;
  /** The host's library; undefined for libraries that need none. */
  readonly native: NativeLibrary | undefined;
  /** To be returned where a range cannot be read or written: the guest gets its page fault at the address. */
  fault(address: number, write: boolean): undefined;
  /** True where all of the range may be read (written: translations in it are dropped then). Empty ranges always may. */
  readable(address: number, length: number): boolean;
  writable(address: number, length: number): boolean;
  /**
   * First place of a byte in [address, end) of readable guest memory (addresses 0 to 2^32), or -1. The range should not be
   * longer than a page: the search must not read far beyond what it finds.
   */
  findByte(address: number, value: number, end: number): number;
  /** Guest address of a copy of a string that stays for the process's life; 0 for NULL. */
  string(text: string | undefined): number;
}

export interface BridgedFunction {
  readonly prototype: Prototype;
  /** A function in TypeScript instead of the host's. */
  readonly implementation: ((context: BridgeContext) => BridgeFunction | undefined) | undefined;
  /** Functions of one family share state that only they understand: all of them are bridged or none. */
  readonly family: string | undefined;
}

export interface BridgedLibrary {
  /** As on the command line and in names of generated code: `libz`. */
  readonly name: string;
  /** The guest's library. */
  readonly soname: string;
  /** The host's, by the names it may have; empty where everything is TypeScript. */
  readonly hostNames: readonly string[];
  readonly functions: readonly BridgedFunction[];
  /** One sentence for the table of bridges. */
  readonly description: string;
  /** Functions that are bridged where a whole library is asked for; undefined: all. */
  readonly preferred?: ReadonlySet<string>;
  /** The dynamic linker and data in it make it no library that a stub could stand for. */
  readonly selectiveOnly?: true;
}

export interface LibraryDeclaration {
  readonly name: string;
  readonly soname: string;
  readonly hostNames?: readonly string[];
  readonly description: string;
  /** Prototypes whose host function is called as it is. */
  readonly direct?: readonly string[];
  /** Prototypes with what does them. */
  readonly written?: Readonly<Record<string, (context: BridgeContext) => BridgeFunction | undefined>>;
  /** Family by function. */
  readonly families?: Readonly<Record<string, readonly string[]>>;
  readonly preferred?: readonly string[];
  readonly selectiveOnly?: true;
}

export function declareLibrary(declaration: LibraryDeclaration): BridgedLibrary {
  const { direct = [], written = {}, families = {}, preferred } = declaration;
  const familyOf = (name: string): string | undefined =>
    Object.keys(families).find((family) => families[family]!.includes(name));
  const make = (text: string, implementation: BridgedFunction['implementation']): BridgedFunction => {
    const prototype = parsePrototype(text);
    return { prototype, implementation, family: familyOf(prototype.name) };
  };
  return {
    name: declaration.name,
    soname: declaration.soname,
    hostNames: declaration.hostNames ?? [],
    description: declaration.description,
    functions: [
      ...direct.map((text) => make(text, undefined)),
      ...Object.entries(written).map(([text, implementation]) => make(text, implementation)),
    ],
    ...(preferred ? { preferred: new Set(preferred) } : {}),
    ...(declaration.selectiveOnly ? { selectiveOnly: true } : {}),
  };
}
