/**
 * The x87 register stack of a region, resolved before it runs: every stack position becomes a *slot*, a register's distance
 * from where the stack began (so that the processor's TOP itself need not be known). Calls and whatever else goes by the state in memory
 * begin a new stack; its distance is chosen such that paths meet with the same slots. What is known of slots (in use, empty,
 * ordinary numbers) travels along, so that generated code tests the rest only.
 */
import type { RegionGraph } from '../region/graph.js';
import { x87Units, type X87Operation, type X87Unit } from './x87-operations.js';

/** What is known at a point of a region. Sets of slots are bits by slot. */
export interface X87Facts {
  /** Pushes since the stack began: ST(i) is slot `(base + i) & 7`. */
  base: number;
  full: number;
  empty: number;
  /** Neither denormal nor infinite nor a NaN: normal numbers and zero. */
  ordinary: number;
  /** No unmasked exception waits. */
  quiet: boolean;
  /** The control word is the one that the region was made for (exceptions masked, rounding to nearest, precision). */
  standard: boolean;
  /** The state differs, or may differ, from the one in memory. */
  touched: boolean;
}

const NOTHING: Omit<X87Facts, 'base'> = {
  full: 0,
  empty: 0,
  ordinary: 0,
  quiet: false,
  standard: false,
  touched: false,
};

export interface X87Needs {
  full: number;
  empty: number;
  ordinary: number;
  standard: boolean;
}

export const slotOf = (base: number, position: number): number => (base + position) & 7;

/** What must hold for generated code to do the operation. */
export function x87Needs(operation: X87Operation, base: number): X87Needs {
  const bit = (position: number): number => 1 << slotOf(base, position);
  const needs: X87Needs = { full: 0, empty: 0, ordinary: 0, standard: false };
  const numbers = (...positions: number[]): void => {
    for (const position of positions) {
      needs.full |= bit(position);
      needs.ordinary |= bit(position);
    }
  };
  switch (operation.kind) {
    case 'arithmetic':
      numbers(operation.dst);
      if (typeof operation.src === 'number') numbers(operation.src);
      needs.standard = true;
      break;
    case 'load':
      if (typeof operation.src === 'number') needs.full = bit(operation.src);
      needs.empty = bit(-1);
      break;
    case 'constant':
      needs.empty = bit(-1);
      needs.standard = operation.name !== 'fldz' && operation.name !== 'fld1';
      break;
    case 'store':
      if (operation.format === 'f80') needs.full = bit(0);
      else numbers(0);
      needs.standard = operation.format === 'f32' || operation.format === 'f64';
      break;
    case 'storeRegister':
    case 'sign':
      needs.full = bit(0);
      break;
    case 'exchange':
      needs.full = bit(0) | bit(operation.other);
      break;
    case 'compare':
      numbers(0);
      if (typeof operation.src === 'number') numbers(operation.src);
      break;
    case 'root':
      numbers(0);
      needs.standard = true;
      break;
    case 'round':
      numbers(0);
      break;
    case 'move':
      needs.full = bit(0) | bit(operation.src);
      break;
    case 'control':
      break;
  }
  return needs;
}

/** Changes facts into those after the operation. */
export function applyOperation(facts: X87Facts, operation: X87Operation): void {
  const needs = x87Needs(operation, facts.base);
  facts.full |= needs.full;
  facts.empty |= needs.empty;
  facts.ordinary |= needs.ordinary;
  if (needs.standard) facts.standard = true;
  facts.touched = true;
  const bit = (position: number): number => 1 << slotOf(facts.base, position);
  const setOrdinary = (position: number, ordinary: boolean): void => {
    facts.ordinary = ordinary ? facts.ordinary | bit(position) : facts.ordinary & ~bit(position);
  };
  const isOrdinary = (position: number): boolean => (facts.ordinary & bit(position)) !== 0;
  const push = (ordinary: boolean): void => {
    facts.base = (facts.base - 1) & 7;
    facts.full |= bit(0);
    facts.empty &= ~bit(0);
    setOrdinary(0, ordinary);
  };
  switch (operation.kind) {
    case 'load':
      push(typeof operation.src === 'number' ? isOrdinary(operation.src) : operation.src !== 'f80');
      break;
    case 'constant':
      push(true);
      break;
    case 'storeRegister':
      facts.full |= bit(operation.dst);
      facts.empty &= ~bit(operation.dst);
      setOrdinary(operation.dst, isOrdinary(0));
      break;
    case 'exchange': {
      const first = isOrdinary(0);
      setOrdinary(0, isOrdinary(operation.other));
      setOrdinary(operation.other, first);
      break;
    }
    case 'move':
      setOrdinary(0, isOrdinary(0) && isOrdinary(operation.src));
      break;
    case 'control':
      facts.standard = false;
      break;
    default:
      break;
  }
  const pops = 'pops' in operation ? operation.pops : 0;
  for (let count = pops; count > 0; count--) {
    facts.empty |= bit(0);
    facts.full &= ~bit(0);
    facts.base = (facts.base + 1) & 7;
  }
}

/** Slots that an operation reads or writes. */
function slotsOf(operation: X87Operation, base: number): number {
  const { full, empty } = x87Needs(operation, base);
  const written = operation.kind === 'storeRegister' ? 1 << slotOf(base, operation.dst) : 0;
  return full | empty | written;
}

interface NodePlan {
  readonly entry: X87Facts;
  readonly exit: X87Facts;
  /** Bases of the stacks that begin within the block, one after the other. */
  readonly bases: readonly number[];
}

/** Classes of stacks whose distances from one another are known (union-find with offsets). */
class Distances {
  private readonly parent: number[] = [];
  private readonly offset: number[] = [];

  add(): number {
    this.parent.push(this.parent.length);
    this.offset.push(0);
    return this.parent.length - 1;
  }
  find(item: number): { root: number; offset: number } {
    let offset = 0;
    let at = item;
    for (; this.parent[at] !== at; at = this.parent[at]!) offset += this.offset[at]!;
    return { root: at, offset: offset & 7 };
  }
  /** item's base is other's plus `distance`. False: it is known to be another. */
  join(item: number, other: number, distance: number): boolean {
    const a = this.find(item);
    const b = this.find(other);
    const wanted = (b.offset + distance - a.offset) & 7;
    if (a.root === b.root) return wanted === 0;
    this.parent[a.root] = b.root;
    this.offset[a.root] = wanted;
    return true;
  }
}

export class X87Plan {
  /** Slots that the region reads or writes, as bits. */
  slots = 0;

  private constructor(private readonly nodes: readonly NodePlan[]) {}

  entry(node: number): X87Facts {
    return { ...this.nodes[node]!.entry };
  }
  exit(node: number): X87Facts {
    return { ...this.nodes[node]!.exit };
  }
  bases(node: number): readonly number[] {
    return this.nodes[node]!.bases;
  }

  /**
   * Undefined where the region has no x87 operation that generated code could do, or where paths meet with different
   * depths of the stack.
   */
  static of(graph: RegionGraph): X87Plan | undefined {
    const units = graph.nodes.map(({ ir }) => x87Units(ir.statements).map(({ unit }) => unit));
    if (!units.some((list) => list.some(({ kind }) => kind === 'operation'))) return undefined;
    const distances = new Distances();
    const first = graph.nodes.map(() => distances.add());
    const segments = units.map((list, node) => {
      const own = [first[node]!];
      for (const { kind } of list) if (kind === 'synchronise') own.push(distances.add());
      return own;
    });
    for (const [node, list] of units.entries()) {
      if (isCall(graph, node)) continue;
      const last = segments[node]!.at(-1)!;
      const change = changeOfLast(list);
      for (const successor of graph.successors[node]!) {
        if (!distances.join(first[successor]!, last, change)) return undefined;
      }
    }
    // The entry's stack begins at distance 0; others are relative to it, or to themselves.
    const start = distances.find(first[0]!);
    const baseOf = (segment: number): number => {
      const { root, offset } = distances.find(segment);
      return root === start.root ? (offset - start.offset) & 7 : offset;
    };
    const bases = segments.map((own) => own.slice(1).map(baseOf));
    const plan = new X87Plan(resolve(graph, units, first.map(baseOf), bases));
    for (const [node, list] of units.entries()) {
      const facts = plan.entry(node);
      const waiting = [...bases[node]!];
      for (const unit of list) {
        if (unit.kind === 'operation') plan.slots |= slotsOf(unit.operation, facts.base);
        applyUnit(facts, unit, waiting);
      }
    }
    return plan;
  }
}

/** A call whose continuation is in the region, or the way in: what comes back, or is given, is a new stack. */
function isCall(graph: RegionGraph, node: number): boolean {
  const { terminator, dispatch } = graph.nodes[node]!;
  if (dispatch) return true;
  return terminator.kind === 'jump' && terminator.hint === 'call';
}

/** How the base changes after a block's last synchronisation. */
function changeOfLast(units: readonly X87Unit[]): number {
  const facts: X87Facts = { base: 0, ...NOTHING };
  for (const unit of units) applyUnit(facts, unit, [0]);
  return facts.base;
}

/** `bases`: of the stacks that begin from here on; the first is taken off where one begins. */
export function applyUnit(facts: X87Facts, unit: X87Unit, bases: number[]): void {
  if (unit.kind === 'operation') applyOperation(facts, unit.operation);
  else if (unit.kind === 'wait') facts.quiet = true;
  else if (unit.kind === 'synchronise') Object.assign(facts, NOTHING, { base: bases.shift() ?? 0 });
}

/** Facts at each node's ends, as far as they hold on all paths. */
function resolve(
  graph: RegionGraph,
  units: readonly (readonly X87Unit[])[],
  base: readonly number[],
  bases: readonly (readonly number[])[],
): NodePlan[] {
  const entries: (X87Facts | undefined)[] = graph.nodes.map(() => undefined);
  const exits: X87Facts[] = [];
  for (let changed = true; changed;) {
    changed = false;
    for (let node = 0; node < graph.nodes.length; node++) {
      const entry = meet(graph, node, base[node]!, exits);
      const known = entries[node];
      if (known && sameFacts(known, entry)) continue;
      changed = true;
      entries[node] = entry;
      const facts = { ...entry };
      const waiting = [...bases[node]!];
      for (const unit of units[node]!) applyUnit(facts, unit, waiting);
      exits[node] = facts;
    }
  }
  return entries.map((entry, node) => ({ entry: entry!, exit: exits[node]!, bases: bases[node]! }));
}

function meet(graph: RegionGraph, node: number, base: number, exits: readonly (X87Facts | undefined)[]): X87Facts {
  if (node === 0) return { base, ...NOTHING, touched: graph.predecessors[0]!.some((from) => exits[from]?.touched) };
  let met: X87Facts | undefined;
  for (const from of graph.predecessors[node]!) {
    const exit = isCall(graph, from) ? { base, ...NOTHING } : exits[from];
    // Not looked at yet: a back-edge, which may only take facts away.
    if (!exit) continue;
    if (!met) met = { ...exit, base };
    else {
      met.full &= exit.full;
      met.empty &= exit.empty;
      met.ordinary &= exit.ordinary;
      met.quiet &&= exit.quiet;
      met.standard &&= exit.standard;
      met.touched ||= exit.touched;
    }
  }
  return met ?? { base, ...NOTHING };
}

function sameFacts(a: X87Facts, b: X87Facts): boolean {
  return (
    a.full === b.full &&
    a.empty === b.empty &&
    a.ordinary === b.ordinary &&
    a.quiet === b.quiet &&
    a.standard === b.standard &&
    a.touched === b.touched
  );
}
