/**
 * A region as one WebAssembly function: guest registers in locals, control flow as blocks and loops, one place where the
 * registers are written back. It is given the guest address it is called at and how many regions have called one another,
 * and gives the guest address to go on at; `exit` in the CPU state says why where it was not an ordinary transfer.
 */
import type { Terminator, Value, Variable } from '../../ir/ir.js';
import { bitOf, type Liveness } from '../../passes/liveness.js';
import type { RegionGraph } from '../../region/graph.js';
import { isShortTransfer, structure, type StructureSink } from '../../region/structure.js';
import { Exit, State } from '../../state.js';
import { hex } from '../javascript.js';
import { variablesOf } from '../region-javascript.js';
import { planDispatch } from './dispatch.js';
import { WasmEmitter } from './emitter.js';
import type { ModuleBuilder, Signature } from './module.js';
import { FunctionWriter } from './writer.js';

/** (guest address, depth of calls) -> guest address to go on at */
export const REGION_SIGNATURE: Signature = { parameters: ['i32', 'i32'], results: ['i32'] };
const ADDRESS = 0;
const DEPTH = 1;

/** Regions may call one another this deep on the host's stack; then they leave to the dispatcher. */
const MAXIMUM_CALL_DEPTH = 200;

/** Imported: runs the region of the guest address that it is given. */
const CALL_INDIRECT = 'callIndirect';

const OUT = 'out';
const SLOW = 'slow';

export interface WasmRegionOptions {
  readonly liveness: Liveness;
  /** The table slot that holds the region of a guest address, or what stands for it. */
  readonly slotOf: (address: number) => number;
}

/** Adds the region's function to a module. Throws `Unsupported` where the region cannot be written in WebAssembly. */
export function emitWasmRegion(
  module: ModuleBuilder,
  graph: RegionGraph,
  name: string,
  options: WasmRegionOptions,
): FunctionWriter {
  const writer = new RegionEmitter(module, graph, name, options).emit();
  module.add(writer, REGION_SIGNATURE);
  return writer;
}

class RegionEmitter implements StructureSink {
  private readonly w: FunctionWriter;
  private readonly emitter: WasmEmitter;
  private readonly dirty: Variable[];
  private readonly cached: Variable[];
  private readonly locals = new Map<Variable, number>();
  private readonly pc: number;
  private readonly type: number;
  /** This function's number among the module's own. */
  private readonly own: number;
  private serial = 0;

  constructor(
    private readonly module: ModuleBuilder,
    private readonly graph: RegionGraph,
    name: string,
    private readonly options: WasmRegionOptions,
  ) {
    const { dirty, used } = variablesOf(graph);
    this.dirty = dirty;
    this.cached = used;
    this.w = new FunctionWriter(name, REGION_SIGNATURE.parameters.length);
    this.type = module.type(REGION_SIGNATURE);
    this.own = module.size;
    this.w.useState(module.stateGlobal);
    for (const variable of used) this.locals.set(variable, this.w.local('i32'));
    this.pc = this.w.local('i32');
    this.emitter = new WasmEmitter(this.w, module, {
      local: (variable) => this.locals.get(variable)!,
      leave: (pc) => {
        this.w.i32(pc);
        this.w.branch(SLOW);
      },
      writeBack: dirty,
      reload: used,
    });
  }

  emit(): FunctionWriter {
    const { w, emitter } = this;
    this.reload(0);
    w.open('block', OUT, 'i32');
    w.open('block', SLOW, 'i32');
    structure(this.graph, this);
    w.op('unreachable');
    w.close();
    emitter.storeState(State.exit, () => w.i32(Exit.slow));
    w.close();
    for (const variable of this.dirty) emitter.storeVariable(variable);
    return w;
  }

  // Structure -----------------------------------------------------------------------------------------------------------

  loop(node: number, body: () => void): void {
    this.nested('loop', `L${node}`, body);
  }
  block(node: number, body: () => void): void {
    this.nested('block', `B${node}`, body);
  }
  private nested(kind: 'block' | 'loop' | 'if', label: string, body: () => void): void {
    this.w.open(kind, label);
    body();
    this.w.close();
  }
  again(node: number): void {
    const { w } = this;
    w.state();
    w.memory('i32.load', State.pending);
    this.nested('if', '', () => this.outside(node));
    w.branch(`L${node}`);
  }
  leave(node: number): void {
    this.w.branch(`B${node}`);
  }
  outside(node: number): void {
    this.exit(this.graph.nodes[node]!.ir.pc);
  }
  node(node: number, transfer: (target: number) => void): void {
    const { ir } = this.graph.nodes[node]!;
    const terminator = this.emitter.block(ir.statements);
    if (!terminator) throw new Error(`block ${hex(ir.pc)} has no terminator`);
    this.terminator(node, terminator, transfer);
  }

  // Terminators ---------------------------------------------------------------------------------------------------------

  /** Leaves for a guest address, or for the one on the stack. */
  private exit(pc?: number): void {
    if (pc !== undefined) this.w.i32(pc);
    this.w.branch(OUT);
  }

  private goTo(address: number, transfer: (target: number) => void): void {
    const target = this.graph.nodeAt(address);
    if (target === undefined) this.exit(address);
    else transfer(target);
  }

  private terminator(node: number, terminator: Terminator, transfer: (target: number) => void): void {
    const { emitter, w } = this;
    switch (terminator.kind) {
      case 'branch': {
        const taken = (terminator.taken as { value: number }).value;
        const notTaken = (terminator.notTaken as { value: number }).value;
        if (terminator.condition.op === 'const') {
          this.goTo(terminator.condition.value !== 0 ? taken : notTaken, transfer);
          return;
        }
        emitter.pushCondition(terminator.condition);
        // The arm that is only a jump goes first, so that the rest needs no nesting.
        const swap = !this.isShort(node, taken) && this.isShort(node, notTaken);
        if (swap) w.op('i32.eqz');
        this.nested('if', '', () => this.goTo(swap ? notTaken : taken, transfer));
        this.goTo(swap ? taken : notTaken, transfer);
        return;
      }
      case 'jump':
        if (terminator.hint === 'call') this.call(terminator, transfer);
        else if (terminator.target.op === 'const') this.goTo(terminator.target.value, transfer);
        else this.indirect(node, terminator, transfer);
        return;
      case 'stop':
        emitter.storeState(State.exitDetail, () => emitter.push(terminator.detail));
        emitter.storeState(State.exit, () => w.i32(terminator.reason));
        emitter.push(terminator.eip);
        this.exit();
        return;
    }
  }

  private isShort(node: number, address: number): boolean {
    const target = this.graph.nodeAt(address);
    return target === undefined || isShortTransfer(this.graph, node, target);
  }

  /**
   * An indirect jump over the targets seen: a hash of the address selects one of few by `br_table`, comparison makes sure of
   * it; any other address leaves.
   */
  private indirect(
    node: number,
    terminator: Extract<Terminator, { kind: 'jump' }>,
    transfer: (target: number) => void,
  ): void {
    const { emitter, w } = this;
    const targets = [
      ...new Set(
        terminator.hint === 'indirect'
          ? this.graph.nodes[node]!.indirectTargets.filter((target) => this.graph.nodeAt(target) !== undefined)
          : [],
      ),
    ];
    emitter.push(terminator.target);
    if (targets.length === 0) {
      this.exit();
      return;
    }
    w.set(this.pc);
    const prefix = `I${this.serial++}_`;
    for (let i = targets.length - 1; i >= 0; i--) w.open('block', `${prefix}${i}`);
    const compare = (target: number): void => {
      w.get(this.pc);
      w.i32(target);
      w.op('i32.eq');
      w.branchIf(`${prefix}${targets.indexOf(target)}`);
    };
    const plan = planDispatch(targets);
    const other = `${prefix}other`;
    if (!plan) for (const target of targets) compare(target);
    else {
      w.open('block', other);
      const bucketLabel = (bucket: number): string => `${prefix}bucket${bucket}`;
      const filled = plan.buckets.flatMap((bucket, number) => (bucket.length > 0 ? [number] : []));
      for (const bucket of [...filled].reverse()) w.open('block', bucketLabel(bucket));
      w.get(this.pc);
      w.i32(plan.multiplier);
      w.op('i32.mul');
      w.i32(plan.shift);
      w.op('i32.shr_u');
      w.branchTable(
        plan.buckets.map((bucket, number) => (bucket.length > 0 ? bucketLabel(number) : other)),
        other,
      );
      for (const bucket of filled) {
        w.close();
        for (const target of plan.buckets[bucket]!) compare(target);
        w.branch(other);
      }
      w.close();
    }
    w.get(this.pc);
    this.exit();
    for (const target of targets) {
      w.close();
      this.goTo(target, transfer);
    }
  }

  /**
   * A call whose continuation is in the region: the callee's region is called through the table, and what it returns is
   * compared with the return address. Anything else (no region yet, an exit within the callee) leaves at once: the state is
   * in place, and the locals here are stale.
   */
  private call(terminator: Extract<Terminator, { kind: 'jump' }>, transfer: (target: number) => void): void {
    const { emitter, w } = this;
    const continuation = terminator.returnAddress;
    const target = continuation === undefined ? undefined : this.graph.nodeAt(continuation | 0);
    if (target === undefined) {
      emitter.push(terminator.target);
      this.exit();
      return;
    }
    if (terminator.target.op === 'const') this.callDirect(terminator.target.value, target);
    else this.callIndirect(terminator.target);
    w.tee(this.pc);
    w.i32(continuation! | 0);
    w.op('i32.ne');
    this.nested('if', '', () => {
      w.get(this.pc);
      w.op('return');
    });
    this.reload(target);
    transfer(target);
  }

  /** Reads what may be read from a node on. Other locals may hold anything: they are dead wherever they are written back. */
  private reload(node: number): void {
    const live = this.options.liveness.liveIn[node]!;
    for (const variable of this.cached) if (live & bitOf(variable)) this.emitter.loadVariable(variable);
  }

  private callDirect(address: number, continuation: number): void {
    const { emitter, w } = this;
    w.get(DEPTH);
    w.i32(MAXIMUM_CALL_DEPTH);
    w.op('i32.gt_s');
    this.nested('if', '', () => this.exit(address));
    const { liveIn, liveAt } = this.options.liveness;
    const live = liveAt(address) | liveIn[continuation]!;
    for (const variable of this.dirty) if (live & bitOf(variable)) emitter.storeVariable(variable);
    w.i32(address);
    w.get(DEPTH);
    w.i32(1);
    w.op('i32.add');
    if (address === this.graph.nodes[0]!.ir.pc) w.callOwn(this.own);
    else {
      w.i32(this.options.slotOf(address));
      w.callIndirect(this.type);
    }
  }

  /**
   * The callee is found outside, and counts depth from zero again: what it is called at is kept in the CPU state, which bounds
   * the sum.
   */
  private callIndirect(target: Value): void {
    const { emitter, w } = this;
    emitter.push(target);
    w.set(this.pc);
    const total = emitter.temporary();
    w.state();
    w.memory('i32.load', State.callDepth);
    w.get(DEPTH);
    w.op('i32.add');
    w.tee(total);
    w.i32(MAXIMUM_CALL_DEPTH);
    w.op('i32.gt_s');
    this.nested('if', '', () => {
      w.get(this.pc);
      this.exit();
    });
    for (const variable of this.dirty) emitter.storeVariable(variable);
    emitter.storeState(State.callDepth, () => {
      w.get(total);
      w.i32(1);
      w.op('i32.add');
    });
    w.get(this.pc);
    w.call(this.module.helper(CALL_INDIRECT, 1, true));
    emitter.storeState(State.callDepth, () => {
      w.get(total);
      w.get(DEPTH);
      w.op('i32.sub');
    });
  }
}

/** What an empty table slot holds: it gives the address it is called with, so that the caller leaves. */
export function emitUnlinked(module: ModuleBuilder, name: string): void {
  const w = new FunctionWriter(name, REGION_SIGNATURE.parameters.length);
  w.get(ADDRESS);
  module.add(w, REGION_SIGNATURE);
}
