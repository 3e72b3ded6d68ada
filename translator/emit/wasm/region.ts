/**
 * A region as one WebAssembly function: guest registers in locals, control flow as blocks and loops, one place where the
 * registers are written back. `abi.ts` tells what it is given and gives; `exit` in the CPU state says why it was left where it
 * was not an ordinary transfer.
 */
import type { AccessChecks } from '../../ir/access-checks.js';
import { VARIABLE_NAMES, type Terminator, type Value, type Variable } from '../../ir/ir.js';
import { bitOf, FLAG_BITS } from '../../ir/variable-sets.js';
import type { Liveness } from '../../passes/liveness.js';
import type { X87Plan } from '../../passes/x87-stack.js';
import type { RegionGraph } from '../../region/graph.js';
import { isShortTransfer, structure, type StructureSink } from '../../region/structure.js';
import { Exit, State } from '../../state.js';
import { hex } from '../javascript.js';
import { variablesOf } from '../region-javascript.js';
import {
  FLAGS_WANTED,
  leaveCall,
  MAXIMUM_CALL_DEPTH,
  Parameter,
  pushFound,
  pushReadsFlags,
  pushSlot,
  pushWordOf,
  READS_FLAGS,
  REGION_SIGNATURE,
  returnNowhere,
  UNLINKED_SLOT,
} from './abi.js';
import { planDispatch } from './dispatch.js';
import { isInline, WasmEmitter } from './emitter.js';
import type { ModuleBuilder } from './module.js';
import { VectorSlots } from './vector-slots.js';
import { FunctionWriter } from './writer.js';
import { X87Emitter, type X87Mode } from './x87-emitter.js';

/** Ways out, with the guest address to go on at: to another region if there is one, to the dispatcher, to the interpreter. */
const OUT = 'out';
const LEAVE = 'leave';
const SLOW = 'slow';
/** The end of what is done first. */
const ENTERED = 'entered';
const FOUND = 'found';

/** Imported: makes the system call that the registers ask for. Gives 0 where the guest goes on after it as if nothing was. */
const SYSTEM_CALL = 'systemCall';

/** Variables that are parameters and results of regions. */
const PASSED: ReadonlySet<Variable> = new Set(['esp', 'eax']);
const isFlag = (variable: Variable): boolean => (bitOf(variable) & FLAG_BITS) !== 0;

export interface WasmRegionOptions {
  readonly liveness: Liveness;
  /** Where the region's x87 registers can be in locals. */
  readonly x87?: { readonly plan: X87Plan; readonly mode: X87Mode };
  /** What is tested before it is accessed; default: all. */
  readonly checks?: AccessChecks;
  /** The table slot that holds the region of a guest address, or what stands for it; in a relocatable module its link's number. */
  readonly slotOf: (address: number) => number;
  /** Other threads use the memory: locked instructions are indivisible. */
  readonly sharesMemory?: boolean;
  /** MXCSR says that results were inexact before: they need not be shown to be exact. */
  readonly expectsInexact?: boolean;
  /** See `WasmTarget`. */
  readonly isCareful?: (pc: number) => boolean;
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
  private readonly slots: VectorSlots;
  private readonly pc: number;
  /** Address of an entry of the jump table. */
  private readonly entry: number;
  private readonly type: number;
  /** This function's number among the module's own. */
  private readonly own: number;
  /** Where there is a dispatch: which of its targets it goes to. */
  private readonly selector: number;
  private readonly x87: X87Emitter | undefined;
  private serial = 0;

  constructor(
    private readonly module: ModuleBuilder,
    private readonly graph: RegionGraph,
    name: string,
    private readonly options: WasmRegionOptions,
  ) {
    const { dirty, used } = variablesOf(graph);
    this.dirty = VARIABLE_NAMES.filter((variable) => PASSED.has(variable) || dirty.includes(variable));
    this.cached = used.filter((variable) => !PASSED.has(variable));
    this.w = new FunctionWriter(name, REGION_SIGNATURE.parameters.length);
    this.type = module.type(REGION_SIGNATURE);
    this.own = module.size;
    this.w.useState(module.stateGlobal);
    for (const variable of this.cached) this.locals.set(variable, this.w.local('i32'));
    this.locals.set('esp', Parameter.esp);
    this.locals.set('eax', Parameter.eax);
    this.pc = this.w.local('i32');
    this.entry = this.w.local('i32');
    this.selector = graph.hasDispatch ? this.w.local('i32') : -1;
    this.x87 = options.x87 && new X87Emitter(this.w, options.x87.plan, options.x87.mode);
    this.slots = new VectorSlots(this.w, graph, isInline, options.expectsInexact === true);
    this.emitter = new WasmEmitter(this.w, module, {
      ...(this.x87 ? { x87: this.x87 } : {}),
      local: (variable) => this.locals.get(variable)!,
      leave: (pc) => {
        this.w.i32(pc);
        this.leaveBy(SLOW);
      },
      leaveForRest: (pc) => {
        this.emitter.storeState(State.exit, () => this.w.i32(Exit.rest));
        this.w.i32(pc);
        this.leaveBy(LEAVE);
      },
      ...(options.isCareful && { isCareful: options.isCareful }),
      ...(options.checks && { accessChecks: options.checks }),
      writeBack: this.dirty,
      reload: [...this.cached, ...PASSED],
      slots: this.slots,
      sharesMemory: options.sharesMemory === true,
    });
  }

  emit(): FunctionWriter {
    const { w, emitter } = this;
    emitter.start(this.graph.nodes.map(({ ir }) => ir.statements));
    this.reload(0);
    this.enter();
    w.open('block', LEAVE, 'i32');
    w.open('block', OUT, 'i32');
    w.open('block', SLOW, 'i32');
    structure(this.graph, this);
    w.op('unreachable');
    w.close();
    emitter.storeState(State.exit, () => w.i32(Exit.slow));
    w.branch(LEAVE);
    w.close();
    this.goOnElsewhere();
    w.close();
    w.set(this.pc);
    this.x87?.atEnd();
    this.storeVariables(this.dirty);
    this.slots.store();
    emitter.storeState(State.eip, () => w.get(this.pc));
    leaveCall(w, this.module);
    return w;
  }

  /** Reads what depends on the address that is called, and has the dispatch go there. */
  private enter(): void {
    const { w, x87, graph } = this;
    const { entries } = graph;
    if (entries.length === 1) {
      x87?.enter(entries[0]!);
      return;
    }
    const byAddress = [...entries].sort((a, b) => this.addressOf(a) - this.addressOf(b));
    const search = (low: number, high: number): void => {
      if (high - low === 1) {
        const node = byAddress[low]!;
        x87?.enter(node);
        if (entries[0] === node) return;
        w.i32(entries.indexOf(node));
        w.set(this.selector);
        return;
      }
      const middle = (low + high) >> 1;
      w.get(Parameter.address);
      w.i32(this.addressOf(byAddress[middle]!));
      w.op('i32.lt_s');
      this.nested('if', '', () => {
        search(low, middle);
        w.branch(ENTERED);
      });
      search(middle, high);
    };
    this.nested('block', ENTERED, () => search(0, byAddress.length));
  }
  private addressOf(node: number): number {
    return this.graph.nodes[node]!.ir.pc | 0;
  }

  dispatch(transfer: (target: number) => void): void {
    const { w, graph, selector } = this;
    const { dispatched } = graph;
    const label = (index: number): string => `D${index}`;
    for (let index = dispatched.length - 1; index >= 0; index--) w.open('block', label(index));
    w.get(selector);
    w.branchTable(
      dispatched.slice(0, -1).map((_, index) => label(index)),
      label(dispatched.length - 1),
    );
    for (const node of dispatched) {
      w.close();
      transfer(node);
    }
  }
  redispatch(node: number): void {
    const { w } = this;
    this.poll(node);
    w.i32(this.graph.dispatched.indexOf(node));
    w.set(this.selector);
    w.branch('L0');
  }

  /** Goes on in the region of the address on the stack, for good, if there is one. Regions that go round poll here. */
  private goOnElsewhere(): void {
    const { w } = this;
    w.set(this.pc);
    this.x87?.atEnd();
    pushFound(w, this.module, this.pc, this.entry);
    this.pushPending();
    w.op('i32.eqz', 'i32.and');
    this.nested('if', '', () => {
      this.storeVariables(this.dirty.filter((variable) => !PASSED.has(variable)));
      this.slots.store();
      w.get(this.pc);
      w.get(Parameter.expected);
      w.get(Parameter.depth);
      w.get(Parameter.esp);
      w.get(Parameter.eax);
      pushSlot(w, () => pushWordOf(w, this.entry));
      w.returnCallIndirect(this.type);
    });
    w.get(this.pc);
  }

  /** A branch to where the region ends. The address is on the stack. */
  private leaveBy(label: typeof OUT | typeof LEAVE | typeof SLOW): void {
    this.x87?.beforeExit();
    this.w.branch(label);
  }

  private storeVariables(variables: readonly Variable[]): void {
    for (const variable of variables) this.emitter.storeVariable(variable);
  }
  private pushPending(): void {
    this.w.state();
    this.w.memory('i32.load', State.pending);
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
    this.poll(node);
    this.w.branch(`L${node}`);
  }
  leave(node: number): void {
    this.w.branch(`B${node}`);
  }
  /** Leaves for a node if something is pending. */
  private poll(node: number): void {
    this.pushPending();
    this.nested('if', '', () => {
      this.emitter.settleApart(this.isIn(this.options.liveness.guestIn[node]!));
      this.w.i32(this.addressOf(node));
      this.x87?.atEntryOf(node);
      this.leaveBy(LEAVE);
    });
  }
  private isIn(live: number): (variable: Variable) => boolean {
    return (variable) => (live & bitOf(variable)) !== 0;
  }
  node(node: number, transfer: (target: number) => void): void {
    const { ir } = this.graph.nodes[node]!;
    const terminator = this.emitter.block(ir.statements, node);
    if (!terminator) throw new Error(`block ${hex(ir.pc)} has no terminator`);
    this.terminator(node, terminator, transfer);
  }

  // Terminators ---------------------------------------------------------------------------------------------------------

  /** Leaves for a guest address. */
  private exit(address: number): void {
    this.emitter.settleApart(this.isIn(this.options.liveness.liveAt(address)));
    this.w.i32(address);
    this.leaveBy(OUT);
  }

  /** Computes the flags that code within the region reads where it goes on at one of some addresses. */
  private settleFor(addresses: readonly number[]): void {
    let live = 0;
    for (const address of addresses) {
      const target = this.graph.nodeAt(address);
      if (target !== undefined) live |= this.options.liveness.liveIn[target]!;
    }
    this.emitter.settle(this.isIn(live));
  }

  private goTo(node: number, address: number, transfer: (target: number) => void): void {
    const target = this.graph.nodeAt(address);
    if (target === undefined) {
      this.x87?.atExitOf(node);
      this.exit(address);
    } else transfer(target);
  }

  private terminator(node: number, terminator: Terminator, transfer: (target: number) => void): void {
    const { emitter, w } = this;
    switch (terminator.kind) {
      case 'branch': {
        const taken = (terminator.taken as { value: number }).value;
        const notTaken = (terminator.notTaken as { value: number }).value;
        if (terminator.condition.op === 'const') {
          const only = terminator.condition.value !== 0 ? taken : notTaken;
          this.settleFor([only]);
          this.goTo(node, only, transfer);
          return;
        }
        this.settleFor([taken, notTaken]);
        emitter.pushCondition(terminator.condition);
        // The arm that is only a jump goes first, so that the rest needs no nesting.
        const swap = !this.isShort(node, taken) && this.isShort(node, notTaken);
        if (swap) w.op('i32.eqz');
        const goOn = emitter.fork();
        this.nested('if', '', () => this.goTo(node, swap ? notTaken : taken, transfer));
        goOn();
        this.goTo(node, swap ? taken : notTaken, transfer);
        return;
      }
      case 'jump':
        if (terminator.hint === 'call') this.call(terminator, transfer);
        else if (terminator.hint === 'return') this.return(terminator.target);
        else if (terminator.target.op === 'const') {
          this.settleFor([terminator.target.value]);
          this.goTo(node, terminator.target.value, transfer);
        } else this.indirect(node, terminator, transfer);
        return;
      case 'stop': {
        emitter.settle(() => true);
        const continuation = this.graph.nodes[node]!.continuation;
        const next = continuation === undefined ? undefined : this.graph.nodeAt(continuation);
        if (next !== undefined) {
          this.systemCall(continuation!, next, transfer);
          return;
        }
        emitter.storeState(State.exitDetail, () => emitter.push(terminator.detail));
        emitter.storeState(State.exit, () => w.i32(terminator.reason));
        emitter.push(terminator.eip);
        this.leaveBy(LEAVE);
        return;
      }
    }
  }

  private systemCall(continuation: number, next: number, transfer: (target: number) => void): void {
    const { emitter, w } = this;
    this.storeVariables(this.dirty);
    emitter.storeState(State.eip, () => w.i32(continuation));
    w.call(this.module.helper(SYSTEM_CALL, 0, true));
    this.nested('if', '', () => returnNowhere(w, () => w.get(Parameter.eax)));
    for (const variable of PASSED) emitter.loadVariable(variable);
    this.reload(next);
    transfer(next);
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
    if (targets.length === 0) {
      emitter.settle(() => true);
      emitter.push(terminator.target);
      this.leaveBy(OUT);
      return;
    }
    this.settleFor(targets);
    emitter.push(terminator.target);
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
    emitter.settleApart(() => true);
    w.get(this.pc);
    this.leaveBy(OUT);
    const goOn = emitter.fork();
    for (const target of targets) {
      w.close();
      this.goTo(node, target, transfer);
      goOn();
    }
  }

  /** To the expected address with all but the flags in place; elsewhere with the flags. */
  private return(target: Value): void {
    const { emitter, w } = this;
    emitter.push(target);
    w.tee(this.pc);
    w.get(Parameter.expected);
    w.op('i32.eq');
    this.nested('if', '', () => {
      this.x87?.beforeCall();
      this.storeVariables(this.dirty.filter((variable) => !PASSED.has(variable) && !isFlag(variable)));
      this.slots.store();
      w.get(Parameter.esp);
      w.get(Parameter.eax);
      w.op('return');
    });
    // Elsewhere: it is a jump. Callers that wait for something else may still see it.
    emitter.settle(() => true);
    w.get(this.pc);
    this.leaveBy(OUT);
  }

  /**
   * A call whose continuation is in the region: the callee's region is called through the table, and says whether it returned
   * there. Anything else (no region yet, an exit within the callee) leaves at once: the state is in place, and the locals
   * here are stale.
   */
  private call(terminator: Extract<Terminator, { kind: 'jump' }>, transfer: (target: number) => void): void {
    const { emitter, w } = this;
    const { target: called, returnAddress } = terminator;
    const continuation = returnAddress === undefined ? undefined : returnAddress | 0;
    const target = continuation === undefined ? undefined : this.graph.nodeAt(continuation);
    const { liveIn, liveAt } = this.options.liveness;
    if (target === undefined) {
      const live = called.op === 'const' ? liveAt(called.value) : ~0;
      emitter.settle(this.isIn(live));
      emitter.push(called);
      this.leaveBy(OUT);
      return;
    }
    const live = liveIn[target]!;
    const wantsFlags = (live & FLAG_BITS) !== 0;
    const expected = wantsFlags ? FLAGS_WANTED : continuation!;
    if (called.op === 'const') this.callDirect(called.value, live, expected);
    else this.callIndirect(called, live, expected);
    w.set(Parameter.eax);
    w.tee(Parameter.esp);
    w.op('i32.eqz');
    this.nested('if', '', () => {
      if (!wantsFlags) {
        returnNowhere(w, () => w.get(Parameter.eax));
        return;
      }
      w.state();
      w.memory('i32.load', State.eip);
      w.i32(continuation!);
      w.op('i32.ne');
      this.nested('if', '', () => returnNowhere(w, () => w.get(Parameter.eax)));
      emitter.loadVariable('esp');
    });
    this.reload(target);
    this.x87?.enter(target);
    transfer(target);
  }

  /** Stores what is live and pushes a region's arguments; the address is pushed by the caller of this. */
  private pushArguments(live: number, expected: number): void {
    const { w } = this;
    this.x87?.beforeCall();
    this.storeVariables(this.dirty.filter((variable) => !PASSED.has(variable) && (live & bitOf(variable)) !== 0));
    this.slots.store();
    w.i32(expected);
    w.get(Parameter.depth);
    w.i32(1);
    w.op('i32.add');
    w.get(Parameter.esp);
    w.get(Parameter.eax);
  }

  /** Reads what may be read from a node on. Other locals may hold anything: they are dead wherever they are written back. */
  private reload(node: number): void {
    const live = this.options.liveness.liveIn[node]!;
    for (const variable of this.cached) if (live & bitOf(variable)) this.emitter.loadVariable(variable);
    this.slots.load();
  }

  private callDirect(address: number, liveAfter: number, expected: number): void {
    const { emitter, w } = this;
    const live = this.options.liveness.liveAt(address) | liveAfter;
    emitter.settle(this.isIn(live));
    w.get(Parameter.depth);
    w.i32(MAXIMUM_CALL_DEPTH);
    w.op('i32.gt_s');
    this.nested('if', '', () => {
      w.i32(address);
      this.leaveBy(LEAVE);
    });
    w.i32(address);
    this.pushArguments(live, expected);
    if (this.graph.entries.some((node) => this.addressOf(node) === address)) w.callOwn(this.own);
    else {
      w.i32(this.options.slotOf(address));
      if (this.module.relocatable) {
        w.global(this.module.linksGlobal);
        w.op('i32.add');
      }
      w.callIndirect(this.type);
    }
  }

  /** The callee's region is looked up in the jump table. Flags are computed for one that reads them, and for the dispatcher where there is none. */
  private callIndirect(called: Value, liveAfter: number, expected: number): void {
    const { emitter, w } = this;
    emitter.settle(this.isIn(liveAfter));
    emitter.push(called);
    w.set(this.pc);
    w.get(Parameter.depth);
    w.i32(MAXIMUM_CALL_DEPTH);
    w.op('i32.gt_s');
    this.nested('if', '', () => {
      emitter.settleApart(() => true);
      w.get(this.pc);
      this.leaveBy(LEAVE);
    });
    this.nested('block', FOUND, () => {
      pushFound(w, this.module, this.pc, this.entry);
      this.nested('if', '', () => {
        pushWordOf(w, this.entry);
        w.set(this.entry);
        w.branch(FOUND);
      });
      w.i32(UNLINKED_SLOT | READS_FLAGS);
      w.set(this.entry);
    });
    const flags = this.dirty.filter(isFlag);
    if (flags.length > 0) {
      pushReadsFlags(w, this.entry);
      this.nested('if', '', () => {
        emitter.settleApart(() => true);
        this.storeVariables(flags);
      });
    }
    w.get(this.pc);
    this.pushArguments(liveAfter | ~FLAG_BITS, expected);
    pushSlot(w, () => w.get(this.entry));
    w.callIndirect(this.type);
  }
}
