/**
 * Regions as WebAssembly: collects the functions of several regions in one module, instantiates it over the guest's memory,
 * and keeps the table through which regions call one another.
 */
import {
  emitEntrance,
  emitUnlinked,
  JUMP_TABLE_BYTES,
  jumpTableOffset,
  READS_FLAGS,
  UNLINKED_SLOT,
} from '../../translator/emit/wasm/abi.js';
import { emitWasmRegion } from '../../translator/emit/wasm/region.js';
import { emitHash } from '../../translator/emit/wasm/support.js';
import { Import, ModuleBuilder } from '../../translator/emit/wasm/module.js';
import { moduleText } from '../../translator/emit/wasm/text.js';
import { FLAG_BITS } from '../../translator/ir/variable-sets.js';
import type { Liveness } from '../../translator/passes/liveness.js';
import type { X87Plan } from '../../translator/passes/x87-stack.js';
import type { RegionGraph } from '../../translator/region/graph.js';
import { JUMP_TABLES_ADDRESS, JUMP_TABLES_END, State } from '../../translator/state.js';
import type { Block, CompiledFunction, Region } from './code-cache.js';
import type { Dispatcher } from './engine.js';
import type { Helper } from './environment.js';
import { type KeptModule, NO_MACHINE_CODE } from './persistent/unit-file.js';
import { moduleOf, optimising } from './v8-flags.js';

/** Slots that the table has at first; it doubles when they are taken. */
const FIRST_SLOTS = 256;
const UNLINKED = 'unlinked';
const ENTRANCE = 'enter';
const HASH = 'hash';
const PENDING = State.pending >> 2;
/** The pending word while nothing is: signals and other threads store 1. */
const FIRST_CALL = 2;
/** MXCSR's flag of inexact results. */
const MXCSR_INEXACT = 0x20;
/** No region is there. */
const NO_ADDRESS = -1;

/** One of a region's entries. */
export interface WasmFunction {
  readonly region: Region;
  readonly block: Block;
  readonly name: string;
  readonly compiled: CompiledFunction;
}

/** First slots of a kept module's functions, and of what they call through. */
export interface Placement {
  readonly base: number;
  readonly links: number;
}

export class WasmBackend {
  private module = new ModuleBuilder();
  private pending: { region: Region; name: string; readsFlags: readonly boolean[] }[] = [];
  private readonly slots = new Map<number, number>();
  private readonly unlinked: WebAssembly.ExportValue;
  private readonly enter: (slot: number, address: number) => number;
  private readonly table: WebAssembly.Table;
  private usedSlots = UNLINKED_SLOT + 1;
  /** Further slots that stand for a guest address, in modules that count theirs from a base. */
  otherSlots: ((address: number) => readonly number[]) | undefined;
  /** Told that what such slots held is gone. */
  onUnlink: ((address: number) => void) | undefined;
  /** Hash over a number of bytes of guest memory that is a multiple of eight. */
  readonly hash: (address: number, bytes: number, seed: bigint) => bigint;
  private readonly jumpTable: Int32Array;
  private readonly hasJumpTable: boolean;

  constructor(
    private readonly dispatcher: Dispatcher,
    /** x87 registers are doubles. */
    private readonly double: boolean,
    /** Modules have a section of names. */
    private readonly namesFunctions = false,
  ) {
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: FIRST_SLOTS });
    const { memory, cpu } = dispatcher;
    const jumpTable = JUMP_TABLES_ADDRESS + cpu.threadIndex * JUMP_TABLE_BYTES;
    // The last place is for the threads that have none of their own, and stays empty.
    const last = JUMP_TABLES_END - JUMP_TABLE_BYTES;
    this.jumpTable = new Int32Array(memory.buffer, Math.min(jumpTable, last), JUMP_TABLE_BYTES / 4).fill(NO_ADDRESS);
    this.hasJumpTable = jumpTable < last;
    emitUnlinked(this.module, UNLINKED);
    emitEntrance(this.module, ENTRANCE);
    emitHash(this.module, HASH);
    const exports = this.instantiate(this.module);
    this.unlinked = exports[UNLINKED]!;
    this.enter = exports[ENTRANCE] as (slot: number, address: number) => number;
    this.hash = exports[HASH] as typeof this.hash;
    for (let slot = 0; slot < FIRST_SLOTS; slot++) this.table.set(slot, this.unlinked);
    this.module = new ModuleBuilder();
  }

  /** Adds a region to the module under construction. Throws `Unsupported` where it has no WebAssembly form. */
  add(region: Region, graph: RegionGraph, liveness: Liveness, name: string, plan: X87Plan | undefined): void {
    const expectsInexact = (this.dispatcher.cpu.i32[State.mxcsr >> 2]! & MXCSR_INEXACT) !== 0;
    const precision = (this.dispatcher.cpu.i32[State.fpuControl >> 2]! & 0x300) === 0x200 ? 53 : 64;
    emitWasmRegion(this.module, graph, name, {
      liveness,
      checks: this.dispatcher.checks,
      ...(plan ? { x87: { plan, mode: { precision, double: this.double } } } : {}),
      slotOf: (address) => this.slotOf(address),
      sharesMemory: this.dispatcher.sharesMemory,
      expectsInexact,
      isCareful: (pc) => this.dispatcher.carefulGroups.has(pc | 0),
    });
    const readsFlags = graph.entries.map((node) => (liveness.liveIn[node]! & FLAG_BITS) !== 0);
    this.pending.push({ region, name, readsFlags });
  }

  get isEmpty(): boolean {
    return this.pending.length === 0;
  }

  /** Compiles what was added. `onText` is told the module's text form. */
  finish(onText?: (name: string, text: string) => void): { functions: WasmFunction[]; bytes: number } {
    const { module, pending } = this;
    this.module = new ModuleBuilder();
    this.pending = [];
    const bytes = module.finish(this.namesFunctions);
    if (onText) moduleText(module).forEach((text, index) => onText(pending[index]!.name, text));
    const exports = this.instantiate(module, bytes);
    const functions = pending.flatMap(({ region, name, readsFlags }) =>
      region.entries.map((block, index) => {
        const slot = this.slotOf(block.pc);
        this.table.set(slot, exports[name]);
        for (const other of this.otherSlots?.(block.pc) ?? []) this.table.set(other, exports[name]);
        return { region, block, name, compiled: this.firstEntryOf(block, slot, readsFlags[index]!) };
      }),
    );
    return { functions, bytes: bytes.length };
  }

  /** What the dispatcher calls to enter a region. Other regions find it in the jump table from then on. */
  entryOf(address: number, slot: number, readsFlags: boolean): CompiledFunction {
    const { enter } = this;
    if (!this.hasJumpTable) return () => enter(slot, address);
    return () => {
      this.announce(address, slot, readsFlags);
      return enter(slot, address);
    };
  }

  /** Takes a region out of the table: who calls it leaves to the dispatcher. */
  unlink(address: number): void {
    const slot = this.slots.get(address);
    if (slot !== undefined) this.table.set(slot, this.unlinked);
    for (const other of this.otherSlots?.(address) ?? []) this.table.set(other, this.unlinked);
    this.onUnlink?.(address);
    const entry = jumpTableOffset(address) >> 2;
    if (this.jumpTable[entry] === address) this.jumpTable[entry] = NO_ADDRESS;
  }

  /**
   * V8 compiles a function when it is first called. So that this is by the optimising compiler, and what else it calls is not,
   * the first call ends soon: something seems to be pending.
   */
  private firstEntryOf(block: Block, slot: number, readsFlags: boolean): CompiledFunction {
    const enter = this.entryOf(block.pc, slot, readsFlags);
    const { i32 } = this.dispatcher.cpu;
    const first = (): number => {
      if (block.compiled === first) block.compiled = enter;
      return optimising(() => {
        // A mark of its own: what others store meanwhile must not be taken for it and lost.
        Atomics.compareExchange(i32, PENDING, 0, FIRST_CALL);
        try {
          return enter();
        } finally {
          Atomics.compareExchange(i32, PENDING, FIRST_CALL, 0);
        }
      });
    };
    return first;
  }

  /** Other regions find the one in a slot in the jump table from now on. */
  announce(address: number, slot: number, readsFlags: boolean): void {
    if (!this.hasJumpTable) return;
    const entry = jumpTableOffset(address) >> 2;
    this.jumpTable[entry] = address;
    this.jumpTable[entry + 1] = readsFlags ? slot | READS_FLAGS : slot;
  }
  /** Nothing is found in the jump table. */
  clearJumpTable(): void {
    this.jumpTable.fill(NO_ADDRESS);
  }

  /** Takes consecutive slots; gives the first. */
  private reserve(count: number): number {
    const first = this.usedSlots;
    this.usedSlots += count;
    if (this.usedSlots > this.table.length) {
      this.table.grow(Math.max(this.table.length, this.usedSlots - this.table.length), this.unlinked);
    }
    return first;
  }

  /** Puts a kept module's functions into the table. V8 compiles each when it is first called, unless its machine code was kept, too. */
  place({ bytes, native, functions, links, imports }: KeptModule): Placement {
    const base = this.reserve(functions + links.length);
    const placement = { base, links: base + functions };
    const helpers: Record<string, Helper> = {};
    for (const { field, helper } of imports) helpers[field] = this.helper(helper);
    const compiled = native.length > NO_MACHINE_CODE ? moduleOf(native, bytes) : undefined;
    this.instance(compiled ?? new WebAssembly.Module(bytes), helpers, placement);
    return placement;
  }
  /** The region of an address that was compiled in this run, for a slot. */
  regionAt(address: number): WebAssembly.ExportValue | undefined {
    const slot = this.slots.get(address);
    const found = slot === undefined ? this.unlinked : this.slotFunction(slot);
    return found === this.unlinked ? undefined : found;
  }
  setSlot(slot: number, region: WebAssembly.ExportValue | undefined): void {
    this.table.set(slot, region ?? this.unlinked);
  }
  slotFunction(slot: number): WebAssembly.ExportValue {
    return this.table.get(slot) as WebAssembly.ExportValue;
  }

  private slotOf(address: number): number {
    let slot = this.slots.get(address);
    if (slot === undefined) {
      slot = this.reserve(1);
      this.slots.set(address, slot);
    }
    return slot;
  }

  private instantiate(module: ModuleBuilder, bytes = module.finish()): WebAssembly.Exports {
    const helpers: Record<string, Helper> = {};
    for (const { field, helper } of module.helperImports) helpers[field] = this.helper(helper);
    return this.instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), helpers).exports;
  }

  private instance(
    module: WebAssembly.Module,
    helpers: Record<string, Helper>,
    { base, links }: Placement = { base: 0, links: 0 },
  ): WebAssembly.Instance {
    const global = (value: number): WebAssembly.Global => new WebAssembly.Global({ value: 'i32' }, value);
    return new WebAssembly.Instance(module, {
      [Import.environment]: {
        [Import.memory]: this.dispatcher.memory.wasmMemory,
        [Import.table]: this.table,
        [Import.state]: global(this.dispatcher.cpu.address),
        [Import.jumpTable]: global(this.jumpTable.byteOffset),
        [Import.base]: global(base),
        [Import.links]: global(links),
      },
      [Import.helper]: helpers,
    });
  }

  private helper(name: string): Helper {
    const helper = this.dispatcher.environment.helper(name);
    if (!helper) throw new Error(`generated code cannot call ${name}`);
    return helper;
  }
}
