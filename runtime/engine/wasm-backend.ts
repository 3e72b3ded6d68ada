/**
 * Regions as WebAssembly: collects the functions of several regions in one module, instantiates it over the guest's memory,
 * and keeps the table through which regions call one another.
 */
import { emitEntrance, emitUnlinked, JUMP_TABLE_BYTES, jumpTableOffset } from '../../translator/emit/wasm/abi.js';
import { emitWasmRegion } from '../../translator/emit/wasm/region.js';
import { Import, ModuleBuilder } from '../../translator/emit/wasm/module.js';
import { moduleText } from '../../translator/emit/wasm/text.js';
import { FLAG_BITS, type Liveness } from '../../translator/passes/liveness.js';
import type { X87Plan } from '../../translator/passes/x87-stack.js';
import type { RegionGraph } from '../../translator/region/graph.js';
import { JUMP_TABLES_ADDRESS, JUMP_TABLES_END, State } from '../../translator/state.js';
import type { Block, CompiledFunction } from './code-cache.js';
import type { Dispatcher } from './engine.js';

/** Slots that the table has at first; it doubles when they are taken. */
const FIRST_SLOTS = 256;
const UNLINKED = 'unlinked';
const ENTRANCE = 'enter';
/** No region is there. */
const NO_ADDRESS = -1;

export interface WasmFunction {
  readonly block: Block;
  readonly name: string;
  readonly compiled: CompiledFunction;
}

export class WasmBackend {
  private module = new ModuleBuilder();
  private pending: { block: Block; name: string; readsFlags: boolean }[] = [];
  private readonly slots = new Map<number, number>();
  private readonly helpers = new Map<string, (...args: number[]) => number>();
  private readonly unlinked: WebAssembly.ExportValue;
  private readonly enter: (slot: number) => number;
  private readonly table: WebAssembly.Table;
  private readonly jumpTable: Int32Array;
  private readonly hasJumpTable: boolean;

  constructor(
    private readonly dispatcher: Dispatcher,
    /** x87 registers are doubles. */
    private readonly double: boolean,
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
    const exports = this.instantiate(this.module);
    this.unlinked = exports[UNLINKED]!;
    this.enter = exports[ENTRANCE] as (slot: number) => number;
    for (let slot = 0; slot < FIRST_SLOTS; slot++) this.table.set(slot, this.unlinked);
    this.module = new ModuleBuilder();
  }

  /** Adds a region to the module under construction. Throws `Unsupported` where it has no WebAssembly form. */
  add(block: Block, graph: RegionGraph, liveness: Liveness, name: string, plan: X87Plan | undefined): void {
    const precision = (this.dispatcher.cpu.i32[State.fpuControl >> 2]! & 0x300) === 0x200 ? 53 : 64;
    emitWasmRegion(this.module, graph, name, {
      liveness,
      checks: this.dispatcher.checks,
      ...(plan ? { x87: { plan, mode: { precision, double: this.double } } } : {}),
      slotOf: (address) => this.slotOf(address),
      sharesMemory: this.dispatcher.sharesMemory,
    });
    this.pending.push({ block, name, readsFlags: (liveness.liveIn[0]! & FLAG_BITS) !== 0 });
  }

  get isEmpty(): boolean {
    return this.pending.length === 0;
  }

  /** Compiles what was added. `onText` is told the module's text form. */
  finish(onText?: (name: string, text: string) => void): { functions: WasmFunction[]; bytes: number } {
    const { module, pending } = this;
    this.module = new ModuleBuilder();
    this.pending = [];
    const bytes = module.finish();
    if (onText) moduleText(module).forEach((text, index) => onText(pending[index]!.name, text));
    const exports = this.instantiate(module, bytes);
    const functions = pending.map(({ block, name, readsFlags }) => {
      const slot = this.slotOf(block.pc);
      this.table.set(slot, exports[name]);
      return { block, name, compiled: this.entryOf(block.pc, slot, readsFlags) };
    });
    return { functions, bytes: bytes.length };
  }

  /** What the dispatcher calls to enter a region. Other regions find it in the jump table from then on. */
  private entryOf(address: number, slot: number, readsFlags: boolean): CompiledFunction {
    const { enter, jumpTable } = this;
    if (readsFlags || !this.hasJumpTable) return () => enter(slot);
    const entry = jumpTableOffset(address) >> 2;
    return () => {
      jumpTable[entry] = address;
      jumpTable[entry + 1] = slot;
      return enter(slot);
    };
  }

  /** Takes a region out of the table: who calls it leaves to the dispatcher. */
  unlink(address: number): void {
    const slot = this.slots.get(address);
    if (slot !== undefined) this.table.set(slot, this.unlinked);
    const entry = jumpTableOffset(address) >> 2;
    if (this.jumpTable[entry] === address) this.jumpTable[entry] = NO_ADDRESS;
  }

  private slotOf(address: number): number {
    let slot = this.slots.get(address);
    if (slot === undefined) {
      slot = this.slots.size;
      this.slots.set(address, slot);
      if (slot >= this.table.length) this.table.grow(this.table.length, this.unlinked);
    }
    return slot;
  }

  private instantiate(module: ModuleBuilder, bytes = module.finish()): WebAssembly.Exports {
    const helpers: Record<string, (...args: number[]) => number> = {};
    for (const { field, helper } of module.helperImports) helpers[field] = this.helper(helper);
    const compiled = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    return new WebAssembly.Instance(compiled, {
      [Import.environment]: {
        [Import.memory]: this.dispatcher.memory.wasmMemory,
        [Import.table]: this.table,
        [Import.state]: new WebAssembly.Global({ value: 'i32' }, this.dispatcher.cpu.address),
        [Import.jumpTable]: new WebAssembly.Global({ value: 'i32' }, this.jumpTable.byteOffset),
      },
      [Import.helper]: helpers,
    }).exports;
  }

  private helper(name: string): (...args: number[]) => number {
    let helper = this.helpers.get(name);
    if (!helper) {
      helper = this.dispatcher.environment.evaluate(name, 'bridge86:helper') as (...args: number[]) => number;
      this.helpers.set(name, helper);
    }
    return helper;
  }
}
