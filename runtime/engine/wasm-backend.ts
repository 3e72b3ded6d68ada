/**
 * Regions as WebAssembly: collects the functions of several regions in one module, instantiates it over the guest's memory,
 * and keeps the table through which regions call one another.
 */
import { emitUnlinked, emitWasmRegion } from '../../translator/emit/wasm/region.js';
import { Import, ModuleBuilder } from '../../translator/emit/wasm/module.js';
import { moduleText } from '../../translator/emit/wasm/text.js';
import type { Liveness } from '../../translator/passes/liveness.js';
import type { RegionGraph } from '../../translator/region/graph.js';
import type { Block, CompiledFunction } from './code-cache.js';
import type { Dispatcher } from './engine.js';

/** Slots that the table has at first; it doubles when they are taken. */
const FIRST_SLOTS = 256;
const UNLINKED = 'unlinked';

export interface WasmFunction {
  readonly block: Block;
  readonly name: string;
  readonly compiled: CompiledFunction;
}

export class WasmBackend {
  private module = new ModuleBuilder();
  private pending: { block: Block; name: string }[] = [];
  private readonly slots = new Map<number, number>();
  private readonly linked = new Map<number, CompiledFunction>();
  private readonly helpers = new Map<string, (...args: number[]) => number>();
  private readonly unlinked: CompiledFunction;
  private readonly table: WebAssembly.Table;

  constructor(private readonly dispatcher: Dispatcher) {
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: FIRST_SLOTS });
    emitUnlinked(this.module, UNLINKED);
    this.unlinked = this.instantiate(this.module)[UNLINKED] as CompiledFunction;
    for (let slot = 0; slot < FIRST_SLOTS; slot++) this.table.set(slot, this.unlinked);
    this.module = new ModuleBuilder();
  }

  /** Adds a region to the module under construction. Throws `Unsupported` where it has no WebAssembly form. */
  add(block: Block, graph: RegionGraph, liveness: Liveness, name: string): void {
    emitWasmRegion(this.module, graph, name, {
      liveness,
      slotOf: (address) => this.slotOf(address),
    });
    this.pending.push({ block, name });
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
    const functions = pending.map(({ block, name }) => ({ block, name, compiled: exports[name] as CompiledFunction }));
    return { functions, bytes: bytes.length };
  }

  /** Regions call this one directly from now on. */
  link(address: number, compiled: CompiledFunction): void {
    this.linked.set(address, compiled);
    const slot = this.slots.get(address);
    if (slot !== undefined) this.table.set(slot, compiled);
  }
  unlink(address: number): void {
    this.linked.delete(address);
    const slot = this.slots.get(address);
    if (slot !== undefined) this.table.set(slot, this.unlinked);
  }

  private slotOf(address: number): number {
    let slot = this.slots.get(address);
    if (slot === undefined) {
      slot = this.slots.size;
      this.slots.set(address, slot);
      if (slot >= this.table.length) this.table.grow(this.table.length, this.unlinked);
      const compiled = this.linked.get(address);
      if (compiled) this.table.set(slot, compiled);
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
