/**
 * From hot blocks to generated code: finds the region around a block in the code cache, has it lifted, cleaned, structured
 * and written by the translator, and evaluates the text of several regions at once, which costs V8 much less than one by
 * one.
 */
import { emitRegion, linkName, type RegionSource } from '../../translator/emit/region-javascript.js';
import type { Terminator } from '../../translator/ir/ir.js';
import { isTerminator } from '../../translator/ir/ir.js';
import { liftBlock } from '../../translator/lift/lift.js';
import { forwardLoads } from '../../translator/passes/forward-loads.js';
import { FLAG_BITS, flagBits, OTHER_BITS, removeDeadPuts, type Liveness } from '../../translator/passes/liveness.js';
import { X87Plan } from '../../translator/passes/x87-stack.js';
import { internalTargets, RegionGraph, type RegionNode } from '../../translator/region/graph.js';
import { Exit } from '../../translator/state.js';
import type { Block, CompiledFunction } from './code-cache.js';
import type { Compiler, Dispatcher, EngineOptions } from './engine.js';
import { Unsupported } from '../../translator/emit/wasm/emitter.js';
import { setV8Flags } from './v8-flags.js';
import { WasmBackend } from './wasm-backend.js';

export interface RegionCompilerOptions {
  /** Blocks in a region at most; 1 gives one function a block. */
  readonly maximumBlocks: number;
  readonly threshold: number;
  readonly preciseFlags?: boolean;
  /** Requests that are collected before they are compiled together. */
  readonly batch: number;
}

/** What a direct call goes through: the callee's region, or a function that only gives the callee's address. */
interface Link {
  run: CompiledFunction;
}

/** With a direct target these go nowhere else (loop and jcxz, which read no flags either, may). */
const GOES_TO_ITS_TARGET = new Set(['jmp', 'call']);

/** Regions longer than this many guest instructions are cut. */
const MAXIMUM_INSTRUCTIONS = 3000;

export class RegionCompiler implements Compiler {
  readonly threshold: number;
  private readonly queue: Block[] = [];
  private readonly links = new Map<number, Link>();
  private readonly declaredLinks = new Set<number>();
  readonly wasm: WasmBackend | undefined;
  private serial = 0;

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly engineOptions: EngineOptions,
    private readonly options: RegionCompilerOptions,
  ) {
    this.threshold = options.threshold;
    setV8Flags();
    if ((engineOptions.backend ?? 'js') !== 'js')
      this.wasm = new WasmBackend(dispatcher, engineOptions.x87 === 'double', engineOptions.namesFunctions);
    const links = this.links;
    const linkTo = (address: number): Link => {
      let link = links.get(address);
      if (!link) links.set(address, (link = { run: () => address }));
      return link;
    };
    const { cache, environment } = dispatcher;
    const callIndirect = (address: number): number => {
      const compiled = cache.find(address)?.compiled;
      return compiled ? compiled() : address;
    };
    environment.declare('linkTo', linkTo);
    environment.declare('callIndirect', callIndirect);
    environment.declare('systemCall', () => (dispatcher.systemCall() ? 0 : 1));
  }

  request(block: Block): void {
    const waited = this.queue.includes(block);
    if (!waited) this.queue.push(block);
    // A block that became hot again while it waits for company is worth compiling without.
    if (waited || this.queue.length >= this.options.batch) this.compileQueue();
  }

  private compileQueue(): void {
    const started = process.hrtime.bigint();
    const sources: { block: Block; source: RegionSource }[] = [];
    for (const block of this.queue) {
      if (block.compiled !== null || this.dispatcher.cache.find(block.pc) !== block) continue;
      const { graph, liveness } = this.region(block);
      const name = this.nameOf(block.pc >>> 0);
      if (!this.addToModule(block, graph, liveness, name))
        sources.push({ block, source: emitRegion(graph, name, this.dispatcher.checks, this.dispatcher.sharesMemory) });
    }
    this.queue.length = 0;
    this.finishModule(started);
    if (sources.length > 0) this.finishScript(sources, this.wasm ? process.hrtime.bigint() : started);
  }

  /** Is the region's code in the WebAssembly module under construction now? */
  private addToModule(block: Block, graph: RegionGraph, liveness: Liveness, name: string): boolean {
    if (!this.wasm) return false;
    const plan = X87Plan.of(graph);
    try {
      this.wasm.add(block, graph, liveness, name, plan);
      return true;
    } catch (error) {
      if (error instanceof Unsupported) return false;
      throw error;
    }
  }

  private finishModule(started: bigint): void {
    const { wasm } = this;
    if (!wasm || wasm.isEmpty) return;
    const translated = process.hrtime.bigint();
    const { onCompiled } = this.engineOptions;
    const { functions, bytes } = wasm.finish(onCompiled && ((name, text) => onCompiled(name, text, 'wasm')));
    for (const { block, compiled } of functions) {
      this.install(block, compiled);
      const address = block.pc;
      const unlink = block.onDrop;
      block.onDrop = () => {
        unlink?.();
        wasm.unlink(address);
      };
    }
    const { statistics } = this.dispatcher;
    statistics.compiledModules++;
    statistics.compiledFunctions += functions.length;
    statistics.compiledBytes += bytes;
    statistics.translateMilliseconds += Number(translated - started) / 1e6;
    statistics.evaluateMilliseconds += Number(process.hrtime.bigint() - translated) / 1e6;
  }

  private finishScript(sources: readonly { block: Block; source: RegionSource }[], started: bigint): void {
    const texts: string[] = [];
    for (const { source } of sources) {
      for (const address of source.links) {
        if (this.declaredLinks.has(address)) continue;
        this.declaredLinks.add(address);
        texts.push(`const ${linkName(address)} = linkTo(${address});`);
      }
    }
    texts.push('(function () {', ...sources.map(({ source }) => source.text));
    texts.push(`return [${sources.map(({ source }) => source.name).join(', ')}];`, '})()');
    const text = texts.join('\n');
    const translated = process.hrtime.bigint();
    const { statistics, environment } = this.dispatcher;
    const functions = environment.evaluate(text, `bridge86:region${this.serial++}`) as CompiledFunction[];
    sources.forEach(({ block, source }, index) => {
      this.engineOptions.onCompiled?.(source.name, source.text, 'js');
      this.install(block, functions[index]!);
    });
    statistics.compiledModules++;
    statistics.compiledFunctions += sources.length;
    statistics.compiledBytes += text.length;
    statistics.translateMilliseconds += Number(translated - started) / 1e6;
    statistics.evaluateMilliseconds += Number(process.hrtime.bigint() - translated) / 1e6;
  }

  private install(block: Block, compiled: CompiledFunction): void {
    block.compiled = compiled;
    const address = block.pc;
    const link = this.links.get(address) ?? { run: compiled };
    link.run = compiled;
    this.links.set(address, link);
    block.onDrop = () => {
      link.run = () => address;
    };
  }

  private region(entry: Block): { graph: RegionGraph; liveness: Liveness } {
    const { cache } = this.dispatcher;
    const nodes = new Map<number, RegionNode>();
    const worklist: Block[] = [entry];
    // What ran once in a while is left out: it would cost more to compile than it gives.
    const leastCount = Math.max(1, this.threshold >> 6);
    let instructions = 0;
    while (worklist.length > 0 && nodes.size < this.options.maximumBlocks && instructions < MAXIMUM_INSTRUCTIONS) {
      const block = takeHottest(worklist);
      if (nodes.has(block.pc)) continue;
      const node = nodeOf(block);
      instructions += block.instructions.length;
      nodes.set(block.pc, node);
      for (const target of internalTargets(node)) {
        const next = cache.find(target);
        if (next && !next.observed && next.count >= leastCount && !nodes.has(target)) worklist.push(next);
      }
    }
    const { graph, liveness, looked } = this.optimised(entry.pc, nodes);
    for (const block of looked) cache.watchAll(block, entry);
    for (const { ir } of graph.nodes) cache.watchAll(ir, entry);
    return { graph, liveness };
  }

  /**
   * A region of given blocks; `looked`: the code outside on which it depends, too, also when the liveness is asked later.
   * @param mayLook whether it may depend on a block
   */
  regionOf(
    blocks: readonly Block[],
    mayLook: (block: Block) => boolean,
  ): { graph: RegionGraph; liveness: Liveness; looked: ReadonlySet<Block> } {
    return this.optimised(
      blocks[0]!.pc,
      new Map(blocks.map((block) => [block.pc, withSystemCall(nodeOf(block))])),
      mayLook,
    );
  }

  private optimised(
    entry: number,
    nodes: ReadonlyMap<number, RegionNode>,
    mayLook: (block: Block) => boolean = () => true,
  ): { graph: RegionGraph; liveness: Liveness; looked: ReadonlySet<Block> } {
    const graph = new RegionGraph(entry, nodes);
    const looked = new Set<Block>();
    const liveness = removeDeadPuts(graph, {
      preciseFlags:
        this.options.preciseFlags === true ||
        this.engineOptions.exactFlags === true ||
        this.dispatcher.exactFlags ||
        this.dispatcher.memory.watch !== undefined,
      checks: this.dispatcher.checks,
      liveAt: (address) => this.liveAt(address, looked, mayLook),
    });
    return { graph, liveness, looked };
  }

  /**
   * Variables that the code at an address may read before it writes them. Only flags are ever dead there, and only where
   * the cache knows the code; the blocks looked at are noted, since the answer holds as long as they do.
   */
  private liveAt(address: number, looked: Set<Block>, mayLook: (block: Block) => boolean): number {
    let unknown = FLAG_BITS;
    let live = 0;
    let at = address;
    for (let depth = 0; depth < 4 && unknown !== 0; depth++) {
      const block = this.dispatcher.cache.find(at);
      // Listeners may look at all flags.
      if (!block || block.observed || !mayLook(block)) break;
      looked.add(block);
      for (const { declaration, repeat } of block.instructions) {
        const { reads, writes, undefined: loose, string } = declaration.options;
        if (reads !== undefined) live |= flagBits(reads) & unknown;
        // A repeated comparison of nothing leaves the flags as they were.
        if (string !== undefined && repeat !== 'none') continue;
        if (writes !== undefined) unknown &= ~(flagBits(writes) & ~(loose === undefined ? 0 : flagBits(loose)));
      }
      const last = block.instructions[block.instructions.length - 1]!;
      if (last.declaration.options.ends !== true) at = block.end | 0;
      else if (GOES_TO_ITS_TARGET.has(last.declaration.mnemonic) && last.shapes[0]?.class === 'target')
        at = last.immediate;
      else break;
    }
    return OTHER_BITS | live | unknown;
  }

  /** `f_SYMBOL_ADDRESS`, so that profiles and stack traces name the guest's function. */
  private nameOf(address: number): string {
    const symbol = this.engineOptions.symbolAt?.(address)?.replace(/[^A-Za-z0-9_]/g, '_');
    const at = address.toString(16);
    return symbol ? `f_${symbol}_${at}` : `f_${at}`;
  }
}

function nodeOf(block: Block): RegionNode {
  const ir = liftBlock(block.instructions);
  forwardLoads(ir.statements);
  const last = ir.statements[ir.statements.length - 1]!;
  return {
    ir,
    terminator: (isTerminator(last) ? last : undefined) as Terminator,
    indirectTargets: block.targets ?? [],
  };
}

const SYSTEM_CALL = 0x80;

/** `int 0x80` within a region: WebAssembly code asks for the system call and goes on. */
function withSystemCall(node: RegionNode): RegionNode {
  const { terminator } = node;
  if (terminator?.kind !== 'stop' || terminator.reason !== Exit.interrupt) return node;
  const { detail, eip } = terminator;
  if (detail.op !== 'const' || detail.value !== SYSTEM_CALL || eip.op !== 'const') return node;
  return { ...node, continuation: eip.value };
}

/** Removes and gives the block that ran most. */
function takeHottest(blocks: Block[]): Block {
  let best = 0;
  for (let i = 1; i < blocks.length; i++) if (blocks[i]!.count > blocks[best]!.count) best = i;
  return blocks.splice(best, 1)[0]!;
}
