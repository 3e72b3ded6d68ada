/**
 * Removes puts that nobody reads: a variable overwritten before it is read, on every path within the region. Every way out
 * of the region reads all variables; a check that fails (and has the interpreter execute the instruction) reads the
 * general registers, and the flags too where `preciseFlags` asks for exact flags at faults.
 */
import {
  argumentsOf,
  canExit,
  FLAG_VARIABLES,
  operandsOf,
  VARIABLE_NAMES,
  type Statement,
  type Value,
  type Variable,
} from '../ir/ir.js';
import { internalTargets, type RegionGraph, type RegionNode } from '../region/graph.js';

const BIT = new Map<Variable, number>(VARIABLE_NAMES.map((name, index) => [name, 1 << index]));
const bitOf = (variable: Variable): number => BIT.get(variable)!;
const ALL = (1 << VARIABLE_NAMES.length) - 1;
const FLAGS = FLAG_VARIABLES.reduce((bits, flag) => bits | bitOf(flag), 0);

/** Variables that a statement's operands read. */
function readsOf(statement: Statement): number {
  let bits = 0;
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (value.op === 'get') bits |= bitOf(value.variable);
    for (const argument of argumentsOf(value)) visit(argument);
  };
  for (const value of operandsOf(statement)) visit(value);
  return bits;
}

export interface LivenessOptions {
  /** Flags are exact wherever the region can be left, also where nothing that follows reads them. */
  readonly preciseFlags: boolean;
  /** Variables that code outside may read at a guest address, as bits by `VARIABLE_NAMES`; all where unknown. */
  readonly liveAt?: (address: number) => number;
}

/** Walks a block backwards from what is live after it; `onDead` is told each put that is not read. */
function walk(
  statements: readonly Statement[],
  reads: readonly number[],
  live: number,
  atChecks: number,
  onDead?: (index: number) => void,
): number {
  for (let index = statements.length - 1; index >= 0; index--) {
    const statement = statements[index]!;
    if (statement.kind === 'put') {
      const bit = bitOf(statement.variable);
      if ((live & bit) === 0) {
        onDead?.(index);
        continue;
      }
      live &= ~bit;
    } else if (statement.kind === 'callState') live = ALL;
    else if (statement.kind === 'call') for (const variable of statement.writes) live &= ~bitOf(variable);
    if (canExit(statement)) live |= atChecks;
    live |= reads[index]!;
  }
  return live;
}

export function removeDeadPuts(graph: RegionGraph, options: LivenessOptions): void {
  const atChecks = options.preciseFlags ? ALL : ALL & ~FLAGS;
  const liveAt = options.liveAt ?? (() => ALL);
  const reads = graph.nodes.map((node) => node.ir.statements.map(readsOf));
  const liveIn = graph.nodes.map(() => 0);
  const liveOut = (number: number): number => {
    const node = graph.nodes[number]!;
    let live = outsideReads(node, graph, liveAt);
    for (const successor of graph.successors[number]!) {
      live |= liveIn[successor]!;
      // A back-edge polls and may leave.
      if (options.preciseFlags && successor <= number) live = ALL;
    }
    return live;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let number = graph.nodes.length - 1; number >= 0; number--) {
      const live = walk(graph.nodes[number]!.ir.statements, reads[number]!, liveOut(number), atChecks);
      if (live !== liveIn[number]) {
        liveIn[number] = live;
        changed = true;
      }
    }
  }
  graph.nodes.forEach((node, number) => {
    const dead = new Set<number>();
    walk(node.ir.statements, reads[number]!, liveOut(number), atChecks, (index) => dead.add(index));
    if (dead.size > 0) node.ir.statements = node.ir.statements.filter((_, index) => !dead.has(index));
  });
}

/** What the ways out of a node read. */
function outsideReads(node: RegionNode, graph: RegionGraph, liveAt: (address: number) => number): number {
  const { terminator } = node;
  if (terminator.kind === 'stop') return ALL;
  if (terminator.kind === 'jump') {
    if (terminator.hint === 'call' || terminator.target.op !== 'const') return ALL;
  }
  let live = 0;
  for (const target of internalTargets(node)) if (graph.nodeAt(target) === undefined) live |= liveAt(target);
  return live;
}
