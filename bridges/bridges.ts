/**
 * The bridges of one process, as its engine asks for them: which guest addresses stand for host functions (found in the
 * libraries' symbol tables as the guest maps them), what the codes in a cookie mean, and the functions themselves, bound when
 * the first translation needs them.
 *
 * A whole library is bridged in the same way as a few functions of one: the guest loads its own library, and the code of the
 * chosen functions is not executed. So every function without a bridge is the guest's own, and nothing has to be renamed.
 */
import { Page } from '../translator/pages.js';
import type { BridgeCall } from '../translator/bridge.js';
import { GUEST_LIMIT } from '../translator/state.js';
import type { CpuState } from '../runtime/cpu/cpu-state.js';
import type { BridgeFunction, EngineBridges } from '../runtime/engine/index.js';
import { hostRead, hostStat } from '../runtime/host/buffer.js';
import { type NativeFunction, NativeLibrary } from '../runtime/host/native-library.js';
import { MapFlag, Protection } from '../runtime/linux/constants/memory.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import type { MappedFile, Mappings } from '../runtime/memory/mappings.js';
import { type GuestTrap, pageFault } from '../runtime/memory/trap.js';
import { codeOf } from './codes.js';
import { readSharedLibrary, type SharedLibrary, SymbolType } from './elf-library.js';
import { libraries } from './libraries/index.js';
import type { BridgeContext, BridgedFunction, BridgedLibrary } from './library.js';
import { bindFunction, canFault, guestTypeOf, resultTypeOf } from './marshal.js';
import type { Selection } from './selection.js';

/** The guest process as bridges see it. */
export interface BridgedProcess {
  readonly memory: GuestMemory;
  readonly hostBase: number;
  readonly cpu: CpuState;
  readonly mappings: Mappings;
  report(line: string): void;
}

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
/** Bytes after which a call of the host is quicker than a loop. */
const SHORT_SEARCH = 64;
const STRING_PAGE = 4096;

export class Bridges implements EngineBridges {
  private readonly bound = new Map<BridgedFunction, Bound | string>();
  private readonly implementations = new Map<BridgeCall, BridgeFunction>();
  private readonly places = new Map<number, Place>();
  private readonly natives = new Map<BridgedLibrary, NativeLibrary | undefined>();
  private readonly contexts = new Map<BridgedLibrary, BridgeContext>();
  private readonly files = new Map<string, SharedLibrary | undefined>();
  private readonly reported = new Set<string>();
  /** Calls that generated code or the interpreter has met. */
  private readonly translated = new Set<BridgeCall>();
  private readonly sonames: ReadonlyMap<string, BridgedLibrary>;
  private pending: GuestTrap | undefined;
  private nextIndex = 0;
  private generation = -1;
  private stringsAt = 0;
  private stringsEnd = 0;

  constructor(
    private readonly guest: BridgedProcess,
    private readonly selection: Selection,
  ) {
    this.sonames = new Map([...selection.keys()].map((library) => [library.soname, library]));
    guest.mappings.onCodeMapped = (start, length, fd, offset) => this.codeMapped(start, length, fd, offset);
  }

  // ---- what the engine asks ------------------------------------------------------------------------------------

  at(address: number): BridgeCall | undefined {
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
    const bound = this.bind(found.library, found.func);
    if (typeof bound !== 'string') return bound.call;
    this.complain(`${at}: ${found.func.prototype.name} of ${found.library.name}: ${bound}`);
    return undefined;
  }

  implementation(call: BridgeCall): BridgeFunction {
    this.translated.add(call);
    return this.implementations.get(call)!;
  }

  fault(): GuestTrap {
    return this.pending!;
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
        const bound = this.bound.get(func);
        if (bound === undefined) return 'the guest has not loaded it';
        if (typeof bound === 'string') return bound;
        return this.translated.has(bound.call) ? 'called bridged' : 'bridged, not called';
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
    const context = this.contextOf(library);
    if (library.hostNames.length > 0 && !context.native) return `the host has no ${library.hostNames.join(' or ')}`;
    const call: BridgeCall = {
      name: `bridge_${library.name}_${prototype.name}`,
      index: this.nextIndex++,
      parameters: prototype.parameters.map(guestTypeOf),
      result: resultTypeOf(prototype),
      canFault: func.implementation !== undefined || canFault(prototype),
    };
    const implementation = func.implementation
      ? func.implementation(context)
      : bindFunction(prototype, call.name, context, this.guest.cpu.i32);
    if (!implementation) return `the host's ${context.native?.name ?? library.name} has no such function`;
    this.implementations.set(call, implementation);
    return { library, func, call, implementation, places: [] };
  }

  private contextOf(library: BridgedLibrary): BridgeContext {
    let context = this.contexts.get(library);
    if (!context) {
      const { memory, hostBase } = this.guest;
      const { pages } = memory;
      context = {
        memory,
        hostBase,
        native: this.nativeOf(library),
        fault: (address, write) => {
          this.pending = this.faultAt(address, write);
          return undefined;
        },
        readable: (address, length) => {
          const at = address >>> 0;
          // Most ranges lie within a page.
          if ((at & 4095) + length <= 4096 && length > 0) return (pages[at >>> 12]! & Page.read) !== 0;
          return memory.isReadable(at, length);
        },
        writable: (address, length) => {
          const at = address >>> 0;
          if ((at & 4095) + length <= 4096 && (pages[at >>> 12]! & Page.write) !== 0) return true;
          if (!memory.isWritable(at, length)) return false;
          memory.dropCode(at, length);
          return true;
        },
        findByte: this.findByte,
        string: (text) => this.string(text),
      };
      this.contexts.set(library, context);
    }
    return context;
  }

  /** Short searches are a loop, longer ones the host's memchr. */
  private readonly findByte = (address: number, value: number, end: number): number => {
    const { u8 } = this.guest.memory;
    const loopEnd = Math.min(end, address + SHORT_SEARCH);
    let at = address;
    for (; at < loopEnd; at++) if (u8[at] === value) return at;
    if (at === end) return -1;
    const { hostBase } = this.guest;
    this.memchr ??= NativeLibrary.open(['libc.so.6'])?.func('memchr', 'uint64_t', ['uint64_t', 'int', 'uint64_t']);
    if (this.memchr) {
      const found = Number(this.memchr(hostBase + at, value, end - at));
      return found === 0 ? -1 : found - hostBase;
    }
    for (; at < end; at++) if (u8[at] === value) return at;
    return -1;
  };
  private memchr: NativeFunction | undefined;

  private nativeOf(library: BridgedLibrary): NativeLibrary | undefined {
    if (!this.natives.has(library)) {
      this.natives.set(library, library.hostNames.length > 0 ? NativeLibrary.open(library.hostNames) : undefined);
    }
    return this.natives.get(library);
  }

  /** The page fault of an access to a range that starts at an address: at the first byte that refuses it. */
  private faultAt(address: number, write: boolean): GuestTrap {
    const { memory } = this.guest;
    const permission = write ? Page.write : Page.read;
    const found = memory.findForbidden(address, Math.max(1, GUEST_LIMIT - (address >>> 0)), permission);
    const at = found < 0 ? address >>> 0 : found;
    return pageFault(at, write, (memory.pages[at >>> 12]! & Page.mapped) !== 0);
  }

  /** Strings for the guest lie in pages of their own, each string once. */
  private readonly strings = new Map<string, number>();
  private string(text: string | undefined): number {
    if (text === undefined) return 0;
    this.noticeExec();
    const known = this.strings.get(text);
    if (known !== undefined) return known;
    const bytes = new TextEncoder().encode(`${text}\0`);
    const { mappings, memory } = this.guest;
    if (this.stringsAt + bytes.length > this.stringsEnd) {
      const size = Math.ceil(bytes.length / STRING_PAGE) * STRING_PAGE;
      const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS;
      const start = mappings.mmap(0, size, Protection.PROT_READ | Protection.PROT_WRITE, flags, -1, 0);
      if (start < 0) return 0;
      this.stringsAt = start;
      this.stringsEnd = start + size;
    }
    const address = this.stringsAt;
    memory.write(address, bytes);
    this.stringsAt += bytes.length;
    this.strings.set(text, address | 0);
    return address | 0;
  }

  // ---- the guest's libraries ---------------------------------------------------------------------------------------

  /** After `execve` nothing is where it was. */
  private noticeExec(): void {
    const { generation } = this.guest.mappings;
    if (generation === this.generation) return;
    this.generation = generation;
    this.places.clear();
    this.strings.clear();
    this.stringsAt = this.stringsEnd = 0;
  }

  private codeMapped(start: number, length: number, fd: number, offset: number): void {
    this.noticeExec();
    const file = this.libraryOf(fd);
    const library = file?.soname === undefined ? undefined : this.sonames.get(file.soname);
    if (!file || !library) return;
    const chosen = this.selection.get(library)!;
    const refused = this.refusedFamilies(library, chosen, file);
    for (const func of chosen) {
      if (func.family !== undefined && refused.has(func.family)) continue;
      const { name } = func.prototype;
      for (const symbol of file.symbols) {
        if (symbol.name !== name) continue;
        const address = addressOf(file, symbol.value, start, length, offset);
        if (address === undefined) continue;
        const bound = this.bind(library, func);
        if (typeof bound === 'string') break;
        if (symbol.type === SymbolType.function) this.replace(address, bound.call);
        else if (symbol.type === SymbolType.ifunc) this.replaceResolver(address, bound.call);
        else continue;
        bound.places.push(`${name} of ${file.soname} at 0x${address.toString(16)}`);
      }
    }
  }

  /** Families of which the host lacks a function that the guest's library has. */
  private refusedFamilies(
    library: BridgedLibrary,
    chosen: Iterable<BridgedFunction>,
    file: SharedLibrary,
  ): Set<string> {
    const names = new Set(file.symbols.map(({ name }) => name));
    const refused = new Set<string>();
    for (const func of chosen) {
      if (func.family === undefined || !names.has(func.prototype.name)) continue;
      if (typeof this.bind(library, func) === 'string') refused.add(func.family);
    }
    return refused;
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
      this.files.set(key, readSharedLibrary(read, 'library'));
    }
    return this.files.get(key);
  }
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
