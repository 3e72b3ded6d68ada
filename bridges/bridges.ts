/**
 * The bridges of one process, as its engine asks for them: which guest addresses stand for host functions (found in the
 * libraries' symbol tables as the guest maps them), what the codes in a cookie mean, and the functions themselves, bound when
 * the first translation needs them.
 *
 * A whole library is bridged in the same way as a few functions of one: the guest loads its own library, and the code of the
 * chosen functions is not executed. So every function without a bridge is the guest's own, and nothing has to be renamed.
 */
import type { BridgeCall } from '../translator/bridge.js';
import { Trap } from '../translator/state.js';
import type { BridgeFunction, EngineBridges } from '../runtime/engine/index.js';
import { hostRead, hostStat } from '../runtime/host/buffer.js';
import type { MappedFile } from '../runtime/memory/mappings.js';
import { readFileSymbols } from '../runtime/loader/symbols.js';
import { GuestTrap } from '../runtime/memory/trap.js';
import { codeOf } from './codes.js';
import { type BridgedProcess, ProcessContext } from './context.js';
import { readSharedLibrary, type SharedLibrary, SymbolType } from './elf-library.js';
import { libraries } from './libraries/index.js';
import type { BridgedFunction, BridgedLibrary } from './library.js';
import { bindFunction, callsGuest, canFault, guestTypeOf, resultTypeOf } from './marshal.js';
import { Originals } from './originals.js';
import { type SharedPlace, SharedPlaces } from './places.js';
import type { Selection } from './selection.js';

export type { BridgedProcess } from './context.js';

interface Bound {
  readonly library: BridgedLibrary;
  readonly func: BridgedFunction;
  readonly call: BridgeCall;
  readonly implementation: BridgeFunction;
  /** Libraries of the guest's in which it took the place of the guest's function. */
  readonly places: string[];
}

/** A guest address that stands for a bridge, as long as the same file lies there and its bytes are the same. */
interface Place {
  readonly call: BridgeCall;
  readonly file: MappedFile | undefined;
  readonly bytes: Uint8Array;
}

const COMPARED_BYTES = 8;
/** Instead of a place's address: only where the guest's own function lies is told. */
const ORIGINAL_ONLY = 0;

export class Bridges implements EngineBridges {
  private readonly bound = new Map<BridgedFunction, Bound | string>();
  private readonly implementations = new Map<BridgeCall, BridgeFunction>();
  private readonly places = new Map<number, Place>();
  private readonly files = new Map<string, SharedLibrary | undefined>();
  private readonly reported = new Set<string>();
  /** Names of calls that generated code or the interpreter has met. */
  private readonly translated = new Set<string>();
  /** All libraries that there are bridges for. */
  private readonly known: readonly BridgedLibrary[];
  private readonly sonames = new Map<string, BridgedLibrary[]>();
  private readonly shared: SharedPlaces;
  /** Functions that programs and libraries look for elsewhere, as far as they are mapped. */
  private readonly imports = new Set<string>();
  /** Why families were left to the guest. */
  private readonly refusals = new Map<BridgedFunction, string>();
  private readonly context: ProcessContext;
  private readonly originals: Originals;
  private nextIndex = 0;

  constructor(
    private readonly guest: BridgedProcess,
    private readonly selection: Selection,
  ) {
    // A library that the selection has made takes the place of the one with its name.
    const all = new Map([...libraries(), ...selection.keys()].map((library) => [library.name, library]));
    this.known = [...all.values()];
    for (const library of this.known) {
      for (const soname of [library.soname, ...library.alsoIn]) {
        this.sonames.set(soname, [...(this.sonames.get(soname) ?? []), library]);
      }
    }
    this.shared = new SharedPlaces(guest.memory);
    this.context = new ProcessContext(guest);
    this.originals = new Originals(guest);
    this.context.originalOf = (library, func) => this.originals.address(library, func);
    guest.mappings.onCodeMapped = (start, length, fd, offset) => this.codeMapped(start, length, fd, offset);
  }

  // ---- what the engine asks ------------------------------------------------------------------------------------

  at(address: number): BridgeCall | undefined {
    if (this.shared.hasNews) this.adopt();
    const place = this.places.get(address);
    if (!place) return undefined;
    const at = address >>> 0;
    const { mappings, memory } = this.guest;
    const same =
      mappings.regions.at(at)?.file === place.file &&
      place.bytes.every((byte, index) => memory.u8[at + index] === byte);
    if (same) return place.call;
    this.places.delete(address);
    return undefined;
  }

  byCode(library: number, func: number, address: number): BridgeCall | undefined {
    const found = functionByCode(library, func);
    const at = `nativelib cookie at 0x${(address >>> 0).toString(16)}`;
    if (typeof found === 'string') {
      this.complain(`${at}: ${found}`);
      return undefined;
    }
    const { library: owner, func: one } = found;
    const bound = this.bind(owner, one);
    const complaint = `${at}: ${one.prototype.name} of ${owner.name}`;
    if (typeof bound === 'string') {
      this.complain(`${complaint}: ${bound}`);
      return undefined;
    }
    if (!one.declines) return bound.call;
    const original = this.originals.address(owner, one.prototype.name);
    if (original !== 0) return this.withOriginal(bound, original);
    this.complain(`${complaint}: the guest has no such function to fall back to`);
    return undefined;
  }

  implementation(call: BridgeCall): BridgeFunction {
    this.translated.add(call.name);
    return this.implementations.get(call)!;
  }

  fault(): GuestTrap | number {
    return this.context.pending;
  }

  damagedCookie(address: number): void {
    this.complain(`damaged nativelib cookie at 0x${(address >>> 0).toString(16)}`);
  }

  private complain(line: string): void {
    if (this.reported.has(line)) return;
    this.reported.add(line);
    this.guest.report(`bridge86: ${line}`);
  }

  /** What `--bridge-report` prints: what was bridged and reached, what was not, and what fell back and why. */
  reportLines(): string[] {
    const lines: string[] = [];
    for (const [library, functions] of this.selection) {
      const name = ({ prototype }: BridgedFunction): string => prototype.name;
      const stateOf = (func: BridgedFunction): string => {
        const refusal = this.refusals.get(func);
        if (refusal !== undefined) return refusal;
        const bound = this.bound.get(func);
        if (bound === undefined) return 'the guest has not loaded it';
        if (typeof bound === 'string') return bound;
        return this.translated.has(bound.call.name) ? 'called bridged' : 'bridged, not called';
      };
      const groups = new Map<string, string[]>();
      for (const func of functions) {
        const state = stateOf(func);
        const group = groups.get(state);
        if (group) group.push(name(func));
        else groups.set(state, [name(func)]);
      }
      for (const [state, names] of groups) lines.push(`bridges: ${library.name}: ${state}: ${names.join(' ')}`);
    }
    return lines;
  }

  // ---- binding ---------------------------------------------------------------------------------------------------

  /** A function of the host's, or why there is none. */
  private bind(library: BridgedLibrary, func: BridgedFunction): Bound | string {
    let bound = this.bound.get(func);
    if (bound === undefined) {
      bound = this.make(library, func);
      this.bound.set(func, bound);
    }
    return bound;
  }

  private make(library: BridgedLibrary, func: BridgedFunction): Bound | string {
    const { prototype } = func;
    const context = this.context.contextOf(library);
    if (library.hostNames.length > 0 && !context.native) return `the host has no ${library.hostNames.join(' or ')}`;
    const call: BridgeCall = {
      name: `bridge_${library.name}_${prototype.name}`,
      index: this.nextIndex++,
      parameters: prototype.parameters.map(guestTypeOf),
      result: resultTypeOf(prototype),
      canFault: canFault(prototype),
      ...(func.callsGuest || callsGuest(prototype) ? { callsGuest: true } : {}),
    };
    const implementation = func.implementation
      ? func.implementation(context)
      : bindFunction(prototype, call.name, context, this.guest.cpu.i32);
    if (!implementation) return `the host's ${context.native?.name ?? library.name} has no such function`;
    this.implementations.set(call, implementation);
    return { library, func, call, implementation, places: [] };
  }

  // ---- the guest's libraries ---------------------------------------------------------------------------------------

  private codeMapped(start: number, length: number, fd: number, offset: number): void {
    if (this.context.noticeExec()) {
      this.places.clear();
      this.imports.clear();
      this.originals.clear();
    }
    const file = this.libraryOf(fd);
    if (!file) return;
    for (const name of file.imports) this.imports.add(name);
    const found = this.sonames.get(file.soname ?? '');
    // Of functions that work on the guest library's structures, older versions have other ones.
    const addresses = (name: string, declines = false): [address: number, type: number][] =>
      file.symbols.flatMap((symbol) => {
        if (symbol.name !== name || (declines && symbol.hidden)) return [];
        const address = addressOf(file, symbol.value, start, length, offset);
        return address === undefined ? [] : [[address, symbol.type]];
      });
    for (const library of found ?? []) this.libraryMapped(library, file, addresses);
  }

  private libraryMapped(
    library: BridgedLibrary,
    file: SharedLibrary,
    addresses: (name: string, declines?: boolean) => [address: number, type: number][],
  ): void {
    const chosen = this.selection.get(library) ?? [];
    const refused = this.refusedFamilies(library, chosen, file);
    const own = new Set(chosen);
    for (const func of library.functions) {
      const { name } = func.prototype;
      for (const [address, type] of addresses(name, func.declines)) {
        if (this.isCookie(address)) continue;
        this.originals.found(library, name, address, type);
        // What a cookie in a stub may leave a call to, in any thread.
        if (!own.has(func) && type === SymbolType.function) this.publish(ORIGINAL_ONLY, library, func, address);
      }
    }
    for (const func of chosen) {
      if (func.family !== undefined && refused.has(func.family)) {
        this.refusals.set(func, refused.get(func.family)!);
        continue;
      }
      const { name } = func.prototype;
      const unsuited = library.unsuited?.(name, file);
      for (const [address, type] of addresses(name, func.declines)) {
        if (this.isCookie(address)) continue;
        if (unsuited !== undefined) {
          this.refusals.set(func, unsuited);
          break;
        }
        const bound = this.bind(library, func);
        if (typeof bound === 'string') break;
        if (func.declines) {
          this.originals.replaced(library, name);
          const original = type === SymbolType.function ? this.originals.address(library, name) : 0;
          if (original === 0) {
            this.refusals.set(func, "the guest's own function could not be called any more");
            continue;
          }
          this.replace(address, this.withOriginal(bound, original));
          this.publish(address, library, func, original);
        } else if (type === SymbolType.function) {
          this.replace(address, bound.call);
          this.publish(address, library, func);
        } else if (type === SymbolType.ifunc) {
          this.replaceResolver(address, bound.call);
          this.publish(address + 1, library, func);
        } else continue;
        this.originals.replaced(library, name);
        bound.places.push(`${name} of ${library.soname} at 0x${address.toString(16)}`);
      }
    }
    for (const [family] of library.strangers ?? []) {
      if (refused.has(family)) continue;
      if (![...chosen].some((func) => func.family === family)) continue;
      for (const name of strangersOf(library, family, file)) {
        for (const [address, type] of addresses(name)) {
          if (type === SymbolType.function) this.replace(address, this.refusal(library, name));
        }
      }
    }
  }

  /**
   * Families that are left to the guest, and why: the host lacks a function that the guest's library has, or something imports
   * a function that has no bridge and would meet handles of those that have.
   */
  private refusedFamilies(
    library: BridgedLibrary,
    chosen: Iterable<BridgedFunction>,
    file: SharedLibrary,
  ): Map<string, string> {
    const names = new Set(file.symbols.map(({ name }) => name));
    const refused = new Map<string, string>();
    for (const func of chosen) {
      if (func.family === undefined || !names.has(func.prototype.name)) continue;
      const bound = this.bind(library, func);
      if (typeof bound === 'string') refused.set(func.family, `${func.prototype.name}: ${bound}`);
    }
    for (const [family] of library.strangers ?? []) {
      const imported = strangersOf(library, family, file).filter((name) => this.imports.has(name));
      if (imported.length > 0) {
        refused.set(family, `the guest's own is used for ${imported.join(', ')}, so for all of it`);
      }
    }
    return refused;
  }

  /** In the place of a function that must not meet handles, though somebody has found it: a line that says so, and SIGILL. */
  private refusal(library: BridgedLibrary, name: string): BridgeCall {
    const call: BridgeCall = {
      name: `refused_${library.name}_${name}`,
      index: this.nextIndex++,
      parameters: [],
      result: 'i32',
      canFault: true,
    };
    this.implementations.set(call, () => {
      this.complain(`${name} has no bridge, and others of ${library.name} are bridged: leave ${library.name} out`);
      this.context.pending = new GuestTrap(Trap.invalidOpcode);
      return undefined;
    });
    return call;
  }

  /** The same bridge where it stands for one function of the guest's that it may leave a call to. */
  private withOriginal({ call, implementation }: Bound, original: number): BridgeCall {
    const one: BridgeCall = { ...call, index: this.nextIndex++, original, canFault: false };
    this.implementations.set(one, implementation);
    return one;
  }

  private publish(address: number, library: BridgedLibrary, func: BridgedFunction, original = 0): void {
    const codes = { library: codeOf(library.name) | 0, func: codeOf(func.prototype.name) | 0 };
    this.shared.publish(this.guest.mappings.generation, { address: address | 0, ...codes, original });
  }

  /** Takes over what other threads have found. */
  private adopt(): void {
    const { isNewProgram, places } = this.shared.news();
    if (isNewProgram) {
      // Else what is taken over now would be forgotten when this thread maps a library itself.
      this.context.noticeExec();
      this.places.clear();
      this.originals.clear();
    }
    for (const place of places) this.adoptPlace(place);
  }

  private adoptPlace({ address, library: libraryCode, func: code, original }: SharedPlace): void {
    for (const library of this.known) {
      if ((codeOf(library.name) | 0) !== libraryCode) continue;
      for (const func of library.functions) {
        const { name } = func.prototype;
        if ((codeOf(name) | 0) !== code) continue;
        if (address === ORIGINAL_ONLY) {
          this.originals.found(library, name, original >>> 0, SymbolType.function);
          continue;
        }
        const bound = this.bind(library, func);
        if (typeof bound === 'string') return;
        this.replace(address >>> 0, original === 0 ? bound.call : this.withOriginal(bound, original));
      }
    }
  }

  private isCookie(address: number): boolean {
    const { u8 } = this.guest.memory;
    return u8[address] === 0x0f && u8[address + 1] === 0x3c;
  }

  private replace(address: number, call: BridgeCall): void {
    const { memory, mappings } = this.guest;
    this.places.set(address | 0, {
      call,
      file: mappings.regions.at(address)?.file,
      bytes: memory.u8.slice(address, address + COMPARED_BYTES),
    });
  }

  /**
   * An indirect function: the dynamic linker calls the function at the symbol to learn the address of the one to use. The
   * answer becomes the address after the resolver's first byte, where nothing else jumps, and that stands for the bridge.
   */
  private replaceResolver(address: number, call: BridgeCall): void {
    const target = (address + 1) | 0;
    const resolver: BridgeCall = {
      name: `${call.name}_resolver_${(address >>> 0).toString(16)}`,
      index: this.nextIndex++,
      parameters: [],
      result: 'i32',
      canFault: false,
    };
    this.implementations.set(resolver, () => target);
    this.replace(address, resolver);
    this.replace(address + 1, call);
  }

  private libraryOf(fd: number): SharedLibrary | undefined {
    const stat = hostStat(fd);
    if (typeof stat === 'number') return undefined;
    const key = `${stat.device}:${stat.inode}:${stat.size}`;
    if (!this.files.has(key)) {
      const read = (offset: number, length: number): Uint8Array => {
        const bytes = hostRead(fd, offset, length);
        return typeof bytes === 'number' ? new Uint8Array() : bytes;
      };
      const file = readSharedLibrary(read, 'library');
      const isProgram = file?.soname === undefined && this.sonames.has('');
      this.files.set(key, isProgram ? (programAt(fd, file) ?? file) : file);
    }
    return this.files.get(key);
  }
}

/** A program as if it exported all its functions: those that are not for the dynamic linker, too. */
function programAt(fd: number, exported: SharedLibrary | undefined): SharedLibrary | undefined {
  const found = readFileSymbols(`/proc/self/fd/${fd}`);
  if (!found) return undefined;
  const { names, values, sizes, indirect, segments } = found;
  const symbols = names.map((name, index) => ({
    name,
    value: values[index]!,
    size: sizes[index]!,
    type: indirect.has(name) ? SymbolType.ifunc : SymbolType.function,
    binding: 1,
    version: undefined,
    hidden: false,
  }));
  return { soname: undefined, symbols, imports: exported?.imports ?? [], versions: [], segments };
}

/** Where a symbol lies when [offset, offset + length) of its file is mapped at `start`; undefined where it is not in that part. */
function addressOf(
  file: SharedLibrary,
  value: number,
  start: number,
  length: number,
  offset: number,
): number | undefined {
  const segment = file.segments.find((one) => value >= one.address && value < one.address + one.fileSize);
  if (!segment) return undefined;
  const inFile = value - segment.address + segment.offset;
  return inFile >= offset && inFile < offset + length ? start + inFile - offset : undefined;
}

/** Functions of the guest's library that a family's handles must not meet. */
function strangersOf(library: BridgedLibrary, family: string, file: SharedLibrary): string[] {
  const strangers = library.strangers?.get(family);
  if (strangers === undefined) return [];
  const declared = new Set(library.functions.map(({ prototype }) => prototype.name));
  const isStranger = (name: string): boolean =>
    strangers === 'undeclared' ? !declared.has(name) : strangers.has(name);
  return [...new Set(file.symbols.filter(({ name }) => isStranger(name)).map(({ name }) => name))];
}

/** The function that a cookie's codes mean, or what is wrong with them. */
export function functionByCode(
  library: number,
  func: number,
): { library: BridgedLibrary; func: BridgedFunction } | string {
  const found = libraries().find(({ name }) => codeOf(name) === library >>> 0);
  if (!found) return `unknown library code 0x${(library >>> 0).toString(16)}`;
  const one = found.functions.find(({ prototype }) => codeOf(prototype.name) === func >>> 0);
  return one ? { library: found, func: one } : `unknown function code 0x${(func >>> 0).toString(16)} of ${found.name}`;
}
