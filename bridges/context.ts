/**
 * What bridged functions work on in one process: its memory, the tables of host objects, strings and callbacks that the guest has,
 * and calls of guest code. `contextOf` makes of it what the functions of one library are given.
 */
import { Page } from '../translator/pages.js';
import { GUEST_LIMIT, Segment, State } from '../translator/state.js';
import type { CpuState } from '../runtime/cpu/cpu-state.js';
import { NativeLibrary, type NativeFunction } from '../runtime/host/native-library.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import type { Mappings } from '../runtime/memory/mappings.js';
import { type GuestTrap, pageFault } from '../runtime/memory/trap.js';
import { callbackFunction, callbackTypes } from './callback.js';
import { GuestHeap } from './guest-heap.js';
import { type Entry, Handles } from './handles.js';
import type { BridgeContext, BridgedLibrary } from './library.js';
import { Scratch } from './scratch.js';
import { StructureMarshal } from './structure-marshal.js';

/** The guest process as bridges see it. */
export interface BridgedProcess {
  readonly memory: GuestMemory;
  readonly hostBase: number;
  readonly cpu: CpuState;
  readonly mappings: Mappings;
  report(line: string): void;
  /**
   * Runs the guest function at an address with 32-bit arguments on the stack below `stack`, system calls and signals included;
   * gives eax. Missing where nobody runs the guest but the engine.
   */
  callFunction?(address: number, args: readonly number[], stack: number): number;
}

/** Bytes after which a call of the host is quicker than a loop. */
const SHORT_SEARCH = 64;
const PAGE = 4096;
const THREAD_POINTER = (State.segmentBases >> 2) + Segment.gs;

export class ProcessContext {
  /** What the last call that gave `undefined` wants. */
  pending: GuestTrap | number = 0;
  /** Told when a guest function is looked for that a bridge stands for: its address, 0 for none. */
  originalOf: (library: BridgedLibrary, func: string) => number = () => 0;
  private readonly heap: GuestHeap;
  private readonly handles: Handles;
  private readonly scratch = new Scratch();
  private readonly strings = new Map<string, number>();
  private readonly constants = new Map<number, number>();
  /** Copies of strings by handle and by what they are. */
  private readonly owned = new Map<number, Map<string, number>>();
  private readonly contexts = new Map<BridgedLibrary, BridgeContext>();
  private readonly natives = new Map<BridgedLibrary, NativeLibrary | undefined>();
  /** Structures by entry's kind: attached ones are found by their entries. */
  private readonly structures: StructureMarshal[] = [];
  private generation = -1;
  private memchr: NativeFunction | undefined;

  constructor(private readonly guest: BridgedProcess) {
    this.heap = new GuestHeap(guest.memory, guest.mappings);
    this.handles = new Handles(guest.memory, guest.hostBase);
  }

  /** After `execve` nothing is where it was. True where that has happened since the last call. */
  noticeExec(): boolean {
    const { generation } = this.guest.mappings;
    if (generation === this.generation) return false;
    this.generation = generation;
    this.strings.clear();
    this.constants.clear();
    this.owned.clear();
    this.heap.reset();
    return true;
  }

  contextOf(library: BridgedLibrary): BridgeContext {
    let context = this.contexts.get(library);
    if (!context) this.contexts.set(library, (context = this.make(library)));
    return context;
  }

  private nativeOf(library: BridgedLibrary): NativeLibrary | undefined {
    if (!this.natives.has(library)) {
      this.natives.set(library, library.hostNames.length > 0 ? NativeLibrary.open(library.hostNames) : undefined);
    }
    return this.natives.get(library);
  }

  private make(library: BridgedLibrary): BridgeContext {
    const { guest, handles, scratch } = this;
    const { memory, hostBase } = guest;
    const { pages } = memory;
    const structures = new Map<string, StructureMarshal>();
    const callbacks = new Map<string, number>();
    const fault = (address: number, write: boolean): undefined => {
      this.pending = this.faultAt(address, write);
      return undefined;
    };
    const decline = (func: string): boolean => {
      const address = this.originalOf(library, func);
      if (address !== 0) this.pending = address;
      return address !== 0;
    };
    const native = this.nativeOf(library);
    const context: BridgeContext = {
      memory,
      hostBase,
      native,
      handles,
      scratch,
      fault,
      decline,
      threadPointer: () => guest.cpu.i32[THREAD_POINTER]! >>> 0,
      readable: (address, length) => {
        const at = address >>> 0;
        // Most ranges lie within a page.
        if ((at & 4095) + length <= PAGE && length > 0) return (pages[at >>> 12]! & Page.read) !== 0;
        return memory.isReadable(at, length);
      },
      writable: (address, length) => {
        const at = address >>> 0;
        if ((at & 4095) + length <= PAGE && (pages[at >>> 12]! & Page.write) !== 0) return true;
        if (!memory.isWritable(at, length)) return false;
        memory.dropCode(at, length);
        return true;
      },
      findByte: this.findByte,
      string: (text) => this.string(text),
      constantString: (hostAddress) => this.constant(native!, hostAddress),
      ownedString: (kind, handle, what, hostAddress) =>
        this.ownedString(handles.find(kind, handle), what, native!, hostAddress),
      copy: (bytes) => {
        this.noticeExec();
        return this.heap.copy(bytes) | 0;
      },
      free: (address) => this.heap.release(address),
      callGuest: (address, args) => this.callGuest(address, args),
      original: (func) => this.originalOf(library, func),
      structure: (name) => {
        let structure = structures.get(name);
        if (!structure) {
          structure = new StructureMarshal(library.structures.get(name)!, context);
          structures.set(name, structure);
          this.structures.push(structure);
        }
        return structure;
      },
      structureOf: (entry) => this.structureOf(entry),
      handleAddress: (kind, handle, func, nullable) => {
        if (handle === 0) {
          if (nullable) return 0;
          fault(0, false);
          return -1;
        }
        const entry = handles.find(kind, handle);
        if (entry >= 0) return handles.hostAddress(entry);
        if (!decline(func)) fault(handle, false);
        return -1;
      },
      newHandle: (kind, hostAddress, known) => {
        if (hostAddress === 0) return 0;
        const old = known ? handles.findHost(kind, hostAddress) : -1;
        const entry = old >= 0 ? old : handles.create(kind, hostAddress);
        return entry < 0 ? 0 : handles.handle(entry);
      },
      closeHandle: (kind, handle) => {
        const entry = handles.find(kind, handle);
        if (entry < 0) return;
        for (const address of this.owned.get(entry)?.values() ?? []) this.heap.release(address);
        this.owned.delete(entry);
        handles.delete(entry);
      },
      callback: (name, address) => {
        if (address === 0) return 0;
        const key = `${name} ${address}`;
        let pointer = callbacks.get(key);
        if (pointer === undefined) {
          const prototype = library.callbacks.get(name)!;
          const { parameters, result } = callbackTypes(prototype);
          pointer = native!.callback(result, parameters, callbackFunction(prototype, context, address));
          callbacks.set(key, pointer);
        }
        return pointer;
      },
    };
    return context;
  }

  private structureOf(entry: Entry): StructureMarshal {
    const { handles } = this;
    const handle = handles.handle(entry);
    return this.structures.find(({ declaration }) => handles.find(declaration.name, handle) === entry)!;
  }

  private callGuest(address: number, args: readonly number[]): number {
    const { guest } = this;
    if (!guest.callFunction) throw new Error('no guest code can be called here');
    return guest.callFunction(address, args, guest.cpu.i32[State.bridgeStack >> 2]!);
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

  /** The page fault of an access to a range that starts at an address: at the first byte that refuses it. */
  private faultAt(address: number, write: boolean): GuestTrap {
    const { memory } = this.guest;
    const permission = write ? Page.write : Page.read;
    const found = memory.findForbidden(address, Math.max(1, GUEST_LIMIT - (address >>> 0)), permission);
    const at = found < 0 ? address >>> 0 : found;
    return pageFault(at, write, (memory.pages[at >>> 12]! & Page.mapped) !== 0);
  }

  // ---- strings for the guest -------------------------------------------------------------------------------------

  private string(text: string | undefined): number {
    if (text === undefined) return 0;
    this.noticeExec();
    let address = this.strings.get(text);
    if (address === undefined) {
      address = this.heap.copy(new TextEncoder().encode(`${text}\0`)) | 0;
      if (address !== 0) this.strings.set(text, address);
    }
    return address;
  }

  private constant(native: NativeLibrary, hostAddress: number): number {
    if (hostAddress === 0) return 0;
    this.noticeExec();
    let address = this.constants.get(hostAddress);
    if (address === undefined) {
      address = this.heap.copy(terminated(native.cstring(hostAddress))) | 0;
      if (address !== 0) this.constants.set(hostAddress, address);
    }
    return address;
  }

  private ownedString(entry: Entry, what: string, native: NativeLibrary, hostAddress: number): number {
    this.noticeExec();
    let strings = this.owned.get(entry);
    if (!strings) this.owned.set(entry, (strings = new Map()));
    const old = strings.get(what);
    if (old !== undefined) this.heap.release(old);
    const address = hostAddress === 0 ? 0 : this.heap.copy(terminated(native.cstring(hostAddress)));
    strings.set(what, address);
    return address | 0;
  }
}

function terminated(bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(bytes.length + 1);
  all.set(bytes);
  return all;
}
