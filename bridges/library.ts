/**
 * What a bridged library is: names, declarations of functions, and for functions that are more than a call of the host's
 * the TypeScript that does them. One file a library in `libraries/`.
 */
import type { BridgeFunction } from '../runtime/engine/index.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import type { NativeLibrary } from '../runtime/host/native-library.js';
import { type CallbackPrototype, parseCallback } from './callback.js';
import type { SharedLibrary } from './elf-library.js';
import type { Entry, Handles } from './handles.js';
import { parsePrototype, type Prototype } from './prototype.js';
import type { Scratch } from './scratch.js';
import type { StructureMarshal } from './structure-marshal.js';
import { type BridgedStructure, parseStructure } from './structure.js';

/** What bridges written in TypeScript work on. */
export interface BridgeContext {
  readonly memory: GuestMemory;
  /** Host address of guest address 0. */
  readonly hostBase: number;
  /** The host's library; undefined for libraries that need none. */
  readonly native: NativeLibrary | undefined;
  readonly handles: Handles;
  readonly scratch: Scratch;
  /** To be returned where a range cannot be read or written: the guest gets its page fault at the address. */
  fault(address: number, write: boolean): undefined;
  /**
   * To be returned (as undefined) where the guest's own version of a function is to do the call, with nothing done so far.
   * False where the guest has none: there is nothing to fall back to.
   */
  decline(func: string): boolean;
  /** Guest address of the calling thread's own structures: where gs begins. */
  threadPointer(): number;
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
  /** The same for a string at a host address that never changes. */
  constantString(hostAddress: number): number;
  /** A copy of a string that belongs to a handle: it goes with it, or with the next one that `what` gives for it. */
  ownedString(kind: string, handle: number, what: string, hostAddress: number): number;
  /** A copy of bytes in guest memory, until `free`; 0 where there is no room. */
  copy(bytes: Uint8Array): number;
  free(address: number): void;
  /** Calls guest code with 32-bit arguments; gives eax. Only from bridges that are declared to call the guest. */
  callGuest(address: number, args: readonly number[]): number;
  /** Guest address of the guest's own version of a function, 0 where it has none. */
  original(func: string): number;
  structure(name: string): StructureMarshal;
  /** The structure that an entry holds. */
  structureOf(entry: Entry): StructureMarshal;
  /** Host address behind a handle, 0 for NULL (where the library takes it), -1 where the call is not to be made. */
  handleAddress(kind: string, handle: number, func: string, nullable: boolean): number;
  /** A handle of a host object, 0 for NULL; `known`: the one that it has already, if any. */
  newHandle(kind: string, hostAddress: number, known: boolean): number;
  closeHandle(kind: string, handle: number): void;
  /** Host address of a function that calls the guest's. */
  callback(name: string, address: number): number;
}

export interface BridgedFunction {
  readonly prototype: Prototype;
  /** A function in TypeScript instead of the host's. */
  readonly implementation: ((context: BridgeContext) => BridgeFunction | undefined) | undefined;
  /** Functions of one family share state that only they understand: all of them are bridged or none. */
  readonly family: string | undefined;
  /** The TypeScript calls guest code. */
  readonly callsGuest?: boolean;
  /** The TypeScript may give `DECLINED`: only where the guest's own version can be called is it bridged. */
  readonly declines: boolean;
}

export interface BridgedLibrary {
  /** As on the command line and in names of generated code: `libz`. */
  readonly name: string;
  /** The guest's library. */
  readonly soname: string;
  /** Other libraries of the guest's that may have the same functions. */
  readonly alsoIn: readonly string[];
  /** The host's, by the names it may have; empty where everything is TypeScript. */
  readonly hostNames: readonly string[];
  readonly functions: readonly BridgedFunction[];
  readonly structures: ReadonlyMap<string, BridgedStructure>;
  readonly callbacks: ReadonlyMap<string, CallbackPrototype>;
  /** One sentence for the table of bridges. */
  readonly description: string;
  /** The headers that declare it, for the check of the declarations. */
  readonly headers: readonly string[];
  /** Functions that are bridged where a whole library is asked for; undefined: all. */
  readonly preferred?: ReadonlySet<string>;
  /** The dynamic linker and data in it make it no library that a stub could stand for. */
  readonly selectiveOnly?: true;
  /**
   * Functions of the guest's library that must not meet handles of bridged ones: where something imports one of them, the family
   * is left to the guest.
   */
  readonly strangers?: ReadonlyMap<string, ReadonlySet<string> | 'undeclared'>;
  /** Why a function of a library of the guest's is to be left alone; undefined where it is not. */
  readonly unsuited?: (name: string, file: SharedLibrary) => string | undefined;
  /** Functions without a bridge that meet no handles: no strangers to anyone. */
  readonly harmless?: RegExp;
}

export interface LibraryDeclaration {
  readonly name: string;
  readonly soname: string;
  readonly alsoIn?: readonly string[];
  readonly hostNames?: readonly string[];
  readonly description?: string;
  readonly headers?: readonly string[];
  readonly structures?: readonly string[];
  readonly callbacks?: readonly string[];
  /** Prototypes whose host function is called as it is. */
  readonly direct?: readonly string[];
  /** Prototypes with what does them. */
  readonly written?: Readonly<Record<string, (context: BridgeContext) => BridgeFunction | undefined>>;
  /** The same, where the guest's own version may be what has to do a call: that is said by `DECLINED`. */
  readonly declining?: Readonly<Record<string, (context: BridgeContext) => BridgeFunction | undefined>>;
  readonly unsuited?: (name: string, file: SharedLibrary) => string | undefined;
  /** Family by function. */
  readonly families?: Readonly<Record<string, readonly string[]>>;
  readonly preferred?: readonly string[];
  readonly selectiveOnly?: true;
  /** By family: see `BridgedLibrary`; `undeclared`: all that have no prototype here. */
  readonly strangers?: Readonly<Record<string, readonly string[] | 'undeclared'>>;
  readonly harmless?: RegExp;
  /** What is written calls guest code. */
  readonly callsGuest?: true;
}

export function declareLibrary(declaration: LibraryDeclaration): BridgedLibrary {
  const { direct = [], written = {}, declining = {}, families = {}, preferred } = declaration;
  const familyOf = (name: string): string | undefined =>
    Object.keys(families).find((family) => families[family]!.includes(name));
  const structures = new Map(
    (declaration.structures ?? []).map((text) => {
      const structure = parseStructure(text);
      return [structure.name, structure] as const;
    }),
  );
  const kinds = new Map([...structures].map(([name, { keptIn }]) => [name, { isKept: keptIn !== undefined }]));
  const callbacks = new Map(
    (declaration.callbacks ?? []).map((text) => {
      const callback = parseCallback(text);
      return [callback.name, callback] as const;
    }),
  );
  const make = (text: string, implementation: BridgedFunction['implementation'], declines = false): BridgedFunction => {
    const prototype = parsePrototype(text, kinds);
    return {
      prototype,
      implementation,
      family: familyOf(prototype.name),
      declines,
      ...(implementation && declaration.callsGuest ? { callsGuest: true } : {}),
    };
  };
  return {
    name: declaration.name,
    soname: declaration.soname,
    alsoIn: declaration.alsoIn ?? [],
    hostNames: declaration.hostNames ?? [],
    description: declaration.description ?? '',
    functions: [
      ...direct.map((text) => make(text, undefined)),
      ...Object.entries(written).map(([text, implementation]) => make(text, implementation)),
      ...Object.entries(declining).map(([text, implementation]) => make(text, implementation, true)),
    ],
    headers: declaration.headers ?? [],
    structures,
    callbacks,
    ...(preferred ? { preferred: new Set(preferred) } : {}),
    ...(declaration.selectiveOnly ? { selectiveOnly: true } : {}),
    ...(declaration.unsuited ? { unsuited: declaration.unsuited } : {}),
    ...(declaration.harmless ? { harmless: declaration.harmless } : {}),
    ...(declaration.strangers
      ? {
          strangers: new Map(
            Object.entries(declaration.strangers).map(([family, names]) => [
              family,
              names === 'undeclared' ? names : new Set(names),
            ]),
          ),
        }
      : {}),
  };
}
