/**
 * From hot blocks to generated code: finds the region around a block in the code cache, has it lifted, cleaned, structured
 * and written by the translator, and evaluates the text of several regions at once, which costs V8 much less than one by
 * one.
 */
import { emitRegion, linkName, type RegionSource } from '../../translator/emit/region-javascript.js';
import { isTerminator, type IrBlock, type Terminator } from '../../translator/ir/ir.js';
import { flagsOverwritten, flagsRead } from '../../translator/lift/flags.js';
import { liftBlock } from '../../translator/lift/lift.js';
import { forwardLoads } from '../../translator/passes/forward-loads.js';
import { ALL_BITS, FLAG_BITS, OTHER_BITS } from '../../translator/ir/variable-sets.js';
import { removeDeadPuts, type Liveness } from '../../translator/passes/liveness.js';
import { X87Plan } from '../../translator/passes/x87-stack.js';
import { RegionGraph, type RegionNode } from '../../translator/region/graph.js';
import { Exit } from '../../translator/state.js';
import type { Block, CompiledFunction, Region } from './code-cache.js';
import type { Compiler, Dispatcher, EngineOptions } from './engine.js';
import { Unsupported } from '../../translator/emit/wasm/emitter.js';
import { flowOf } from './flow.js';
import { withCallee } from './inlining.js';
import { RegionFinder } from './region-finder.js';
import { setV8Flags } from './v8-flags.js';
import { WasmBackend } from './wasm-backend.js';

export interface RegionCompilerOptions {
  /** Blocks in a region at most; 1 gives one function a block. */
  readonly maximumBlocks: number;
  readonly threshold: number;
  readonly preciseFlags?: boolean;
  /** Requests that are collected before they are compiled together. */
  readonly batch: number;
  /** Code is in one region only: others are replaced, or end there. */
  readonly merges?: boolean;
}

interface Optimised {
  readonly graph: RegionGraph;
  readonly liveness: Liveness;
  /** The code outside on which the region depends, too, also when the liveness is asked later. */
  readonly looked: ReadonlySet<Block>;
}

/** What a direct call goes through: the callee's region, or a function that only gives the callee's address. */
interface Link {
  run: CompiledFunction;
}

/** With a direct target these go nowhere else (loop and jcxz, which read no flags either, may). */
const GOES_TO_ITS_TARGET = new Set(['jmp', 'call']);

/** How often a block within a region must become hot before generated code can begin there, too. */
const REQUESTS_WITHIN = 4;

export class RegionCompiler implements Compiler {
  readonly threshold: number;
  private readonly queue: Block[] = [];
  private readonly links = new Map<number, Link>();
  private readonly declaredLinks = new Set<number>();
  private readonly finder: RegionFinder;
  readonly wasm: WasmBackend | undefined;
  private serial = 0;

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly engineOptions: EngineOptions,
    private readonly options: RegionCompilerOptions,
  ) {
    this.threshold = options.threshold;
    this.finder = new RegionFinder(dispatcher.cache, {
      ...options,
      // What ran once in a while is left out: it would cost more to compile than it gives.
      leastCount: Math.max(1, options.threshold >> 6),
    });
    setV8Flags();
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
    environment.declare('finishCall', (expected: number, depth: number) =>
      dispatcher.finishCall(expected, depth) ? 1 : 0,
    );
    if ((engineOptions.backend ?? 'js') !== 'js')
      this.wasm = new WasmBackend(dispatcher, engineOptions.x87 === 'double', engineOptions.namesFunctions);
  }

  request(block: Block): void {
    // What a region calls being cold is often why it is left, and soon over.
    if (block.region?.isCurrent && ++block.requests < REQUESTS_WITHIN) return;
    const waited = this.queue.includes(block);
    if (!waited) this.queue.push(block);
    // A block that became hot again while it waits for company is worth compiling without.
    if (waited || this.queue.length >= this.options.batch) this.compileQueue();
  }

  private compileQueue(): void {
    const started = process.hrtime.bigint();
    const sources: { region: Region; source: RegionSource }[] = [];
    for (const block of this.queue) {
      if (block.compiled !== null || this.dispatcher.cache.find(block.pc) !== block) continue;
      const { region, absorbed } = this.finder.regionAround(block);
      for (const other of absorbed) for (const entry of other.entries) uninstall(entry);
      const { graph, liveness } = this.graphOf(region);
      const name = this.nameOf(region.entries[0]!.pc >>> 0);
      if (!this.addToModule(region, graph, liveness, name))
        sources.push({ region, source: emitRegion(graph, name, this.dispatcher.checks, this.dispatcher.sharesMemory) });
    }
    this.queue.length = 0;
    this.finishModule(started);
    if (sources.length > 0) this.finishScript(sources, this.wasm ? process.hrtime.bigint() : started);
  }

  /** Is the region's code in the WebAssembly module under construction now? */
  private addToModule(region: Region, graph: RegionGraph, liveness: Liveness, name: string): boolean {
    if (!this.wasm) return false;
    const plan = X87Plan.of(graph);
    try {
      this.wasm.add(region, graph, liveness, name, plan);
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
    for (const { region, block, compiled } of functions) {
      this.install(region, block, compiled);
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

  private finishScript(sources: readonly { region: Region; source: RegionSource }[], started: bigint): void {
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
    const functions = environment.evaluate(text, `bridge86:region${this.serial++}`) as ((entry?: number) => number)[];
    sources.forEach(({ region, source }, index) => {
      this.engineOptions.onCompiled?.(source.name, source.text, 'js');
      const compiled = functions[index]!;
      region.entries.forEach((block, entry) => {
        this.install(region, block, region.entries.length === 1 ? compiled : () => compiled(entry));
      });
    });
    statistics.compiledModules++;
    statistics.compiledFunctions += sources.length;
    statistics.compiledBytes += text.length;
    statistics.translateMilliseconds += Number(translated - started) / 1e6;
    statistics.evaluateMilliseconds += Number(process.hrtime.bigint() - translated) / 1e6;
  }

  private install(region: Region, block: Block, compiled: CompiledFunction): void {
    block.compiled = compiled;
    const address = block.pc;
    const link = this.links.get(address) ?? { run: compiled };
    link.run = compiled;
    this.links.set(address, link);
    block.onDrop = () => {
      link.run = () => address;
      region.isCurrent = false;
    };
  }

  private graphOf({ entries, members }: Region): Optimised {
    const { cache } = this.dispatcher;
    const addresses = entries.map(({ pc }) => pc);
    const optimised = this.optimised(addresses, members);
    for (const entry of entries) {
      for (const block of optimised.looked) cache.watchAll(block, entry);
      for (const block of members) cache.watchAll(block, entry);
    }
    return optimised;
  }

  /**
   * A region of given blocks, some of which it is entered at.
   * @param mayLook whether it may depend on a block
   */
  regionOf(entries: readonly Block[], blocks: readonly Block[], mayLook: (block: Block) => boolean): Optimised {
    const addresses = entries.map(({ pc }) => pc);
    return this.optimised(addresses, blocks, mayLook, withSystemCall);
  }

  private optimised(
    entries: readonly number[],
    blocks: readonly Block[],
    mayLook: (block: Block) => boolean = () => true,
    finish: (node: RegionNode) => RegionNode = (node) => node,
  ): Optimised {
    const preciseFlags =
      this.options.preciseFlags === true ||
      this.engineOptions.exactFlags === true ||
      this.dispatcher.exactFlags ||
      this.dispatcher.memory.watch !== undefined;
    const looked = new Set<Block>();
    const known = new Map<number, number>();
    const liveAt = (address: number): number => {
      let live = known.get(address);
      if (live === undefined) known.set(address, (live = this.liveAt(address, looked, mayLook)));
      return live;
    };
    const find = (pc: number): Block | undefined => {
      const block = this.dispatcher.cache.find(pc);
      if (!block || block.observed || !mayLook(block)) return undefined;
      looked.add(block);
      return block;
    };
    const nodes = new Map<number, RegionNode>();
    for (const block of blocks) {
      const node = nodeOf(block, preciseFlags ? ALL_BITS : liveAfter(block, liveAt), find);
      nodes.set(block.pc, finish(node));
    }
    const graph = new RegionGraph(entries, nodes);
    const liveness = removeDeadPuts(graph, { preciseFlags, checks: this.dispatcher.checks, liveAt });
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
      for (const instruction of block.instructions) {
        live |= flagsRead(instruction) & unknown;
        unknown &= ~flagsOverwritten(instruction);
        if (unknown === 0) break;
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

/** Variables that may be read after a block, as far as its last instruction tells where it goes. */
function liveAfter(block: Block, liveAt: (address: number) => number): number {
  const last = block.instructions[block.instructions.length - 1]!;
  if (last.declaration.options.ends === true && last.shapes[0]?.class !== 'target') return ALL_BITS;
  const { next, called } = flowOf(block);
  let live = 0;
  for (const address of next) live |= liveAt(address);
  for (const address of called) live |= liveAt(address);
  return live;
}

function nodeOf(block: Block, live: number, find: (pc: number) => Block | undefined): RegionNode {
  const ir = withCallee(block, live, find) ?? liftedAlone(block, live);
  const last = ir.statements[ir.statements.length - 1]!;
  return {
    ir,
    terminator: (isTerminator(last) ? last : undefined) as Terminator,
    indirectTargets: block.targets ?? [],
  };
}

function liftedAlone(block: Block, live: number): IrBlock {
  const ir = liftBlock(block.instructions, live);
  forwardLoads(ir.statements);
  return ir;
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

/** A block is interpreted again. */
function uninstall(block: Block): void {
  block.onDrop?.();
  block.onDrop = null;
  block.compiled = null;
  block.hotAt = block.count;
}
