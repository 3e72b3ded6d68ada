/**
 * Translations that outlive a run. An executable stretch of guest memory that nobody can write is a unit: when its first block is
 * asked for, what earlier runs kept of the same code at the same address is put in place, to be compiled by V8 as it is called;
 * at the end, what was executed without such a function is translated and kept for the next run.
 */
import { emitUnlinked } from '../../../translator/emit/wasm/abi.js';
import { emitWasmRegion } from '../../../translator/emit/wasm/region.js';
import { Unsupported } from '../../../translator/emit/wasm/emitter.js';
import { emitHash } from '../../../translator/emit/wasm/support.js';
import { Import, ModuleBuilder } from '../../../translator/emit/wasm/module.js';
import { Page, PAGE_SHIFT, PAGE_SIZE } from '../../../translator/pages.js';
import type { CacheDirectory } from '../../host/cache-directory.js';
import { FLAG_BITS } from '../../../translator/ir/variable-sets.js';
import { Block, type KeptTranslations } from '../code-cache.js';
import type { Dispatcher } from '../engine.js';
import type { RegionCompiler } from '../region-compiler.js';
import type { WasmBackend } from '../wasm-backend.js';
import { divide, type Limits } from './divide.js';
import { flowOf } from '../flow.js';
import { compileWhole } from '../v8-flags.js';
import { BLOCK, type CodeRange, ENTRY, Unit } from './unit.js';
import {
  decodeUnit,
  encodeUnit,
  type HashMemory,
  type KeptModule,
  NO_MACHINE_CODE,
  type UnitContents,
} from './unit-file.js';

export interface KeptOptions {
  readonly directory: CacheDirectory;
  /** What translations depend on besides the guest's code: the translator's version and V8's, options. */
  readonly key: string;
  /** The mapping that contains an address, where it is executable and not writable. */
  readonly codeRangeAt: (address: number) => CodeRange | undefined;
}

/** Unit files are found by a hash of this much of the code; all that was translated is compared when they are loaded. */
const NAMED_BY = 1 << 16;
/** Code that changes and is translated anew is not looked up again for ever. */
const MAXIMUM_LOADS = 3;
/** Fewer new blocks than this in a unit, or than this part of it, are not worth its file's being written again... */
const WORTH_KEEPING = 16;
const WORTH_KEEPING_SHARE = 1 / 32;
/** ... unless they ran so often. */
const WORTH_KEEPING_RUNS = 1000;
/** A custom section of no name and nothing in it. */
const EMPTY_SECTION = [0, 1, 0];
/** An indirect jump with as little before it is one of the procedure linkage table's: it goes to a function. */
const LINKAGE_INSTRUCTIONS = 2;
/** How long V8's optimising compiler takes for a byte of WebAssembly. */
const COMPILING_MILLISECONDS = 1 / 2000;
/** A file is not added to for ever: all of it is read when the program starts, at some 5 ms a megabyte. */
const MAXIMUM_MODULES = 8;
const MAXIMUM_BYTES = 24 << 20;
const LIMITS: Limits = { blocks: 1500, instructions: 8000 };
/** Of functions that begin within one that is kept already. */
const LIMITS_WITHIN: Limits = { blocks: 50, instructions: 400 };
/** A place within a function that the dispatcher came to so often in one run is an entry. */
const OFTEN_ENTERED = 16;
const UNLINKED = 'unlinked';
const HASH = 'hash';

interface Seen {
  readonly range: CodeRange;
  readonly name: string;
  /** Undefined where nothing is kept. */
  unit: Unit | undefined;
}

export class PersistentTranslations implements KeptTranslations {
  private readonly seen: Seen[] = [];
  private readonly loads = new Map<string, number>();
  private readonly wasm: WasmBackend;
  private hashFile: HashMemory | undefined;
  private last: Seen | undefined;

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly compiler: RegionCompiler,
    private readonly options: KeptOptions,
  ) {
    this.wasm = compiler.wasm!;
    this.wasm.otherSlots = (address) => this.seen.flatMap(({ unit }) => unit?.slotsOf(address) ?? NONE);
    this.wasm.onUnlink = (address) => this.seenAt(address)?.unit?.forget(address);
  }

  private seenAt(pc: number): Seen | undefined {
    const address = pc >>> 0;
    const { last } = this;
    if (last && address >= last.range.start && address < last.range.end) return last;
    for (const seen of this.seen) {
      if (address >= seen.range.start && address < seen.range.end) return (this.last = seen);
    }
    return undefined;
  }

  blockAt(pc: number): Block | undefined {
    // What threads share is translated otherwise, and pages change under other threads' hands.
    if (this.dispatcher.sharesMemory || this.dispatcher.isWatched) return undefined;
    const unit = (this.seenAt(pc) ?? this.see(pc))?.unit;
    if (!unit) return undefined;
    const known = unit.blockAt(pc);
    if (!known) return undefined;
    const block = new Block(pc, known.end, null, this.decode);
    block.count = block.hotAt = block.keptCount = known.count;
    block.targets = known.targets;
    const slot = unit.entryAt(pc);
    if (slot >= 0) {
      block.compiled = this.wasm.entryOf(pc, slot, unit.readsFlags(pc));
    }
    this.dispatcher.cache.add(block);
    return block;
  }

  private readonly decode = (block: Block) => this.dispatcher.decodeBlock(block);

  dropPages(first: number, count: number): void {
    const start = first * PAGE_SIZE;
    const end = start + count * PAGE_SIZE;
    for (let index = this.seen.length - 1; index >= 0; index--) {
      const { range, unit } = this.seen[index]!;
      if (range.end <= start || range.start >= end) continue;
      this.seen.splice(index, 1);
      this.last = undefined;
      if (!unit) continue;
      this.dispatcher.cache.epoch++;
      for (const slot of unit.slots()) this.wasm.setSlot(slot, undefined);
      this.wasm.clearJumpTable();
      this.dropBlocks(range);
    }
  }

  /** Blocks made from a unit's functions lie in pages that may not be among those that are dropped. */
  private dropBlocks({ start, end }: CodeRange): void {
    this.dispatcher.cache.dropPages(start >>> PAGE_SHIFT, (end - start) >>> PAGE_SHIFT);
  }

  // Loading ---------------------------------------------------------------------------------------------------------------

  private see(pc: number): Seen | undefined {
    const range = this.options.codeRangeAt(pc >>> 0);
    if (!range) return undefined;
    const started = process.hrtime.bigint();
    const name = this.nameOf(range);
    const seen: Seen = { range, name, unit: undefined };
    this.seen.push(seen);
    const loads = this.loads.get(name) ?? 0;
    this.loads.set(name, loads + 1);
    if (loads < MAXIMUM_LOADS) {
      const contents = this.read(name, range);
      if (contents) seen.unit = this.place(range, contents);
    }
    this.dispatcher.statistics.keptMilliseconds += Number(process.hrtime.bigint() - started) / 1e6;
    return seen;
  }

  private nameOf({ start, end }: CodeRange): string {
    const hash = BigInt.asUintN(64, this.wasm.hash(start, Math.min(end - start, NAMED_BY), 1n));
    const { reads, writes } = this.dispatcher.checks;
    const mode = reads ? 'precise' : writes ? 'writes' : 'lazy';
    return `${[start, end - start, hash].map((number) => number.toString(16)).join('-')}-${mode}`;
  }

  private read(name: string, range: CodeRange): UnitContents | undefined {
    const file = this.options.directory.read(name);
    if (!file) return undefined;
    try {
      const contents = decodeUnit(file, this.options.key, this.hashMemory());
      return contents && this.isPermitted(contents) && this.isCurrent(contents, range) ? contents : undefined;
    } catch {
      return undefined;
    }
  }

  /** Do the modules call nothing but what generated code may call? */
  private isPermitted({ modules }: UnitContents): boolean {
    const { environment } = this.dispatcher;
    return modules.every(({ imports }) => imports.every(({ helper }) => environment.helper(helper) !== undefined));
  }

  /** Is all that was translated what lies in memory now, and can nobody write it? */
  private isCurrent({ pages, hash }: UnitContents, range: CodeRange): boolean {
    const first = range.start >>> PAGE_SHIFT;
    const last = (range.end - 1) >>> PAGE_SHIFT;
    return pages.every((page) => page >= first && page <= last) && this.hashPages(pages) === hash;
  }

  private hashPages(pages: Int32Array): bigint | undefined {
    const { pages: permissions } = this.dispatcher.memory;
    let hash = 0n;
    for (let at = 0; at < pages.length;) {
      const first = pages[at]!;
      let count = 0;
      while (at < pages.length && pages[at] === first + count) {
        const bits = permissions[pages[at]!]!;
        if ((bits & Page.execute) === 0 || (bits & (Page.write | Page.code)) !== 0) return undefined;
        count++;
        at++;
      }
      hash = this.wasm.hash(first * PAGE_SIZE, count * PAGE_SIZE, hash ^ BigInt(first));
    }
    return hash;
  }

  private place(range: CodeRange, contents: UnitContents): Unit {
    const { wasm } = this;
    const { statistics } = this.dispatcher;
    const placements = contents.modules.map((module) => {
      statistics.keptFunctions += module.functions;
      statistics.keptBytes += module.bytes.length;
      return wasm.place(module);
    });
    statistics.keptUnits++;
    const unit = new Unit(range, contents, placements);
    // What one module calls in another, and what was compiled meanwhile.
    contents.modules.forEach(({ entries, links }, module) => {
      const own = new Set(entries.filter((_, at) => at % ENTRY === 0));
      links.forEach((address, index) => {
        if (own.has(address)) return;
        const slot = this.slotAt(address, range, unit);
        const target = slot >= 0 ? wasm.slotFunction(slot) : wasm.regionAt(address);
        if (target) wasm.setSlot(placements[module]!.links + index, target);
      });
    });
    contents.modules.forEach(({ entries }, module) => {
      const { base } = placements[module]!;
      for (let at = 0; at < entries.length; at += ENTRY) {
        wasm.announce(entries[at]!, base + entries[at + 1]!, entries[at + 2] !== 0);
      }
    });
    for (const { unit: other } of this.seen) {
      for (const { address, slot } of other?.linksInto(range) ?? []) {
        const target = unit.entryAt(address);
        if (target >= 0) wasm.setSlot(slot, wasm.slotFunction(target));
      }
    }
    return unit;
  }

  /** The slot of a kept function in the unit that is being placed, or in another that is in place; -1 where there is none. */
  private slotAt(address: number, { start, end }: CodeRange, unit: Unit): number {
    const pc = address >>> 0;
    return pc >= start && pc < end ? unit.entryAt(address) : (this.seenAt(address)?.unit?.entryAt(address) ?? -1);
  }

  private hashMemory(): HashMemory {
    if (!this.hashFile) {
      const builder = new ModuleBuilder({ guestMemory: false });
      emitHash(builder, HASH);
      const module = new WebAssembly.Module(builder.finish() as Uint8Array<ArrayBuffer>);
      const table = new WebAssembly.Table({ element: 'anyfunc', initial: 0 });
      this.hashFile = (memory, offset, bytes) => {
        const state = new WebAssembly.Global({ value: 'i32' }, 0);
        const environment = {
          [Import.memory]: memory,
          [Import.table]: table,
          [Import.state]: state,
          [Import.jumpTable]: state,
        };
        const instance = new WebAssembly.Instance(module, { [Import.environment]: environment, [Import.helper]: {} });
        return (instance.exports[HASH] as (address: number, bytes: number, seed: bigint) => bigint)(offset, bytes, 0n);
      };
    }
    return this.hashFile;
  }

  // Keeping ---------------------------------------------------------------------------------------------------------------

  /** What was executed without a kept function, by unit, where it is worth keeping. */
  private candidates(): Map<Seen, Block[]> {
    const byUnit = new Map<Seen, Block[]>();
    if (this.dispatcher.sharesMemory || this.dispatcher.isWatched) return byUnit;
    for (const block of this.dispatcher.cache.all()) {
      const seen = this.seenAt(block.pc);
      if (!seen || block.end > seen.range.end || block.count <= block.keptCount) continue;
      const { unit } = seen;
      if (unit && (unit.entryAt(block.pc) >= 0 || (unit.blockAt(block.pc) && !isOftenEntered(block)))) continue;
      const blocks = byUnit.get(seen);
      if (blocks) blocks.push(block);
      else byUnit.set(seen, [block]);
    }
    for (const [seen, blocks] of byUnit) if (!isWorthKeeping(seen.unit, blocks)) byUnit.delete(seen);
    return byUnit;
  }

  isWorthKeeping(): boolean {
    const isIncomplete = ({ unit }: Seen): boolean =>
      unit !== undefined && unit.contents.modules.some(({ native }) => native.length === 0);
    return this.candidates().size > 0 || this.seen.some(isIncomplete);
  }

  lock(waits: boolean): number {
    return this.options.directory.lock(waits);
  }

  /**
   * Translates what was executed without a kept function, and writes the files; for about `budget` milliseconds at most.
   * @param compiles to machine code, too
   */
  keep(budget: number, compiles: boolean): void {
    const deadline = performance.now() + budget;
    const byUnit = this.candidates();
    const called = new Set<number>();
    for (const [{ range }, blocks] of byUnit) {
      for (const block of blocks) {
        const flow = flowOf(block);
        for (const pc of flow.called) called.add(pc);
        const onlyJumps = block.instructions.length <= LINKAGE_INSTRUCTIONS && block.targets !== null;
        for (const pc of flow.next) if (onlyJumps || pc >>> 0 < range.start || pc >>> 0 >= range.end) called.add(pc);
      }
    }
    const order = [...byUnit].sort(([, a], [, b]) => b.length - a.length);
    const uncompiled = new Map<string, UnitContents>();
    for (const { name, unit } of this.seen) if (unit) uncompiled.set(name, unit.contents);
    for (const [seen, blocks] of order) {
      if (performance.now() > deadline) break;
      const contents = this.contentsOf(seen, blocks, called, deadline);
      if (!contents) continue;
      uncompiled.set(seen.name, contents);
      this.write(seen.name, contents);
    }
    if (compiles) {
      for (const [name, contents] of uncompiled)
        if (performance.now() < deadline) this.compile(name, contents, deadline);
    }
  }

  private write(name: string, contents: UnitContents): void {
    this.options.directory.write(name, encodeUnit(contents, this.options.key, this.hashMemory()));
  }

  /** Adds machine code to a unit's file, which V8 makes at a few megabytes of WebAssembly a second. */
  private compile(name: string, contents: UnitContents, deadline: number): void {
    let changed = false;
    const modules = contents.modules.map((module) => {
      if (module.native.length > 0) return module;
      if (performance.now() + module.bytes.length * COMPILING_MILLISECONDS > deadline) return module;
      changed = true;
      // V8 shares what it compiles between modules of the same bytes, and one that is in use is compiled otherwise.
      const bytes = new Uint8Array(module.bytes.length + EMPTY_SECTION.length);
      bytes.set(module.bytes);
      bytes.set(EMPTY_SECTION, module.bytes.length);
      return { ...module, bytes, native: new Uint8Array(compileWhole(bytes) ?? new ArrayBuffer(NO_MACHINE_CODE)) };
    });
    if (changed) this.write(name, { ...contents, modules });
  }

  /** The contents of a unit's file with what was executed in it. */
  private contentsOf(
    seen: Seen,
    executed: Block[],
    called: ReadonlySet<number>,
    deadline: number,
  ): UnitContents | undefined {
    const { range } = seen;
    const { cache } = this.dispatcher;
    const isInside = ({ pc, end }: { pc: number; end: number }): boolean => pc >>> 0 >= range.start && end <= range.end;
    const blockAt = (pc: number): Block | undefined => {
      const block = cache.find(pc);
      return block && block.count > 0 && isInside(block) ? block : undefined;
    };
    const limitsOf = ({ pc }: Block): Limits => (seen.unit?.blockAt(pc) ? LIMITS_WITHIN : LIMITS);
    const functions = divide(executed, called, isOftenEntered, blockAt, limitsOf);
    const module = new ModuleBuilder({ relocatable: true });
    emitUnlinked(module, UNLINKED);
    const links = new Map<number, number>();
    const slotOf = (address: number): number => {
      let link = links.get(address);
      if (link === undefined) links.set(address, (link = links.size));
      return link;
    };
    const pages = new Set<number>(seen.unit?.contents.pages);
    const numbers = new Map<number, number>();
    const readFlags = new Set<number>();
    for (const { blocks, entries } of functions) {
      if (performance.now() > deadline) break;
      const { graph, liveness, looked } = this.compiler.regionOf(entries, blocks, isInside);
      try {
        emitWasmRegion(module, graph, '', {
          liveness,
          checks: this.dispatcher.checks,
          slotOf,
        });
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        continue;
      }
      entries.forEach(({ pc }, index) => {
        numbers.set(pc, module.size - 1);
        if ((liveness.liveIn[graph.entries[index]!]! & FLAG_BITS) !== 0) readFlags.add(pc);
      });
      for (const block of [...blocks, ...looked]) addPages(pages, block);
    }
    if (numbers.size === 0) return undefined;
    module.links = Array.from(links.keys(), (address) => numbers.get(address) ?? 0);
    const entries = [...numbers]
      .sort(([a], [b]) => a - b)
      .flatMap(([pc, number]) => [pc, number, readFlags.has(pc) ? 1 : 0]);
    const kept: KeptModule = {
      entries: Int32Array.from(entries),
      functions: module.size,
      links: Int32Array.from(links.keys()),
      imports: module.helperImports.map(({ field, helper }) => ({ field, helper })),
      bytes: module.finish() as Uint8Array<ArrayBuffer>,
      native: new Uint8Array(),
    };
    const all = new Map<number, { end: number; count: number; targets: readonly number[] | null }>();
    const old = seen.unit?.contents;
    if (old) {
      for (let at = 0; at < old.blocks.length; at += 3) {
        const pc = old.blocks[at]!;
        all.set(pc, seen.unit!.blockAt(pc)!);
      }
    }
    for (const blocks of [executed, ...functions.map((made) => made.blocks)]) {
      for (const block of blocks) {
        all.set(block.pc, block);
        addPages(pages, block);
      }
    }
    const addresses = Int32Array.from(all.keys()).sort();
    const blocks = new Int32Array(3 * addresses.length);
    const targets: number[] = [];
    addresses.forEach((pc, index) => {
      const block = all.get(pc)!;
      blocks.set([pc, block.end, block.count], 3 * index);
      if (block.targets) targets.push(pc, block.targets.length, ...block.targets);
    });
    const pageNumbers = Int32Array.from(pages).sort();
    const hash = this.hashPages(pageNumbers);
    if (hash === undefined) return undefined;
    const modules = [...(old?.modules ?? []), kept];
    return { pages: pageNumbers, hash, blocks, targets: Int32Array.from(targets), modules };
  }
}

const isOftenEntered = ({ arrivals }: Block): boolean => arrivals >= OFTEN_ENTERED;

const NONE: readonly number[] = [];

function isWorthKeeping(unit: Unit | undefined, executed: readonly Block[]): boolean {
  if (!unit) return true;
  const { modules, blocks } = unit.contents;
  const size = modules.reduce((sum, { bytes, native }) => sum + bytes.length + native.length, 0);
  if (modules.length >= MAXIMUM_MODULES || size >= MAXIMUM_BYTES) return false;
  const least = Math.max(WORTH_KEEPING, (blocks.length / BLOCK) * WORTH_KEEPING_SHARE);
  return executed.length >= least || executed.reduce((sum, block) => sum + runsOf(block), 0) >= WORTH_KEEPING_RUNS;
}

/** How often a block was interpreted in this run. */
const runsOf = ({ count, keptCount }: Block): number => count - keptCount;

function addPages(pages: Set<number>, { pc, end }: { pc: number; end: number }): void {
  const last = (end - 1) >>> PAGE_SHIFT;
  for (let page = pc >>> PAGE_SHIFT; page <= last; page++) pages.add(page);
}
