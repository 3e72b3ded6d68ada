/**
 * Removes puts that nobody reads: a variable overwritten before it is read, on every path within the region. Every way out
 * of the region reads all variables; a check that fails (and has the interpreter execute the instruction) reads the
 * general registers, and the flags too where `preciseFlags` asks for exact flags at faults.
 */
import { argumentsOf, operandsOf, type Statement, type Value } from '../ir/ir.js';
import { ALL_BITS as ALL, bitOf, FLAG_BITS as FLAGS, flagBits } from '../ir/variable-sets.js';
import { CHECK_ALL, canLeave, type AccessChecks } from '../ir/access-checks.js';
import { internalTargets, type RegionGraph, type RegionNode } from '../region/graph.js';

/** A variable as it was before the statement with an index. */
interface Read {
  readonly at: number;
  readonly bit: number;
}

/** What a statement's operands read: often variables that were overwritten since, whose values are kept for it. */
function readsOf(statement: Statement): Read[] {
  const reads: Read[] = [];
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (value.op === 'get') reads.push({ at: value.at, bit: bitOf(value.variable) });
    for (const argument of argumentsOf(value)) visit(argument);
  };
  for (const value of operandsOf(statement)) visit(value);
  return reads;
}

export interface LivenessOptions {
  /** Flags are exact wherever the region can be left, also where nothing that follows reads them. */
  readonly preciseFlags: boolean;
  /** Variables that code outside may read at a guest address, as bits by `VARIABLE_NAMES`; all where unknown. */
  readonly liveAt?: (address: number) => number;
  /** Accesses that are not tested do not leave. Default: all are. */
  readonly checks?: AccessChecks;
}

/**
 * What is live at a point: for the generated code, and for the guest's own instructions. They differ where a condition was
 * lifted to the comparison itself: the code no longer reads the flags, but the interpreter does where it takes over there.
 */
interface Live {
  code: number;
  guest: number;
}

interface StatementReads {
  readonly operands: readonly Read[];
  /** Flags that the guest instruction it belongs to reads. */
  readonly instruction: number;
}

function statementReads(statements: readonly Statement[]): StatementReads[] {
  let instruction = 0;
  return statements.map((statement) => {
    if (statement.kind === 'instruction') instruction = flagBits(statement.reads);
    return { operands: readsOf(statement), instruction };
  });
}

/** Walks a block backwards from what is live after it; `onDead` is told each put that is not read. */
function walk(
  statements: readonly Statement[],
  reads: readonly StatementReads[],
  live: Live,
  { preciseFlags, checks = CHECK_ALL }: LivenessOptions,
  onDead?: (index: number) => void,
): Live {
  let { code, guest } = live;
  // By index, what live statements after it read of the variables as they were before the statement there.
  const read = new Int32Array(statements.length);
  for (let index = statements.length - 1; index >= 0; index--) {
    const statement = statements[index]!;
    const { operands, instruction } = reads[index]!;
    if (statement.kind === 'put') {
      const bit = bitOf(statement.variable);
      guest &= ~bit;
      if ((code & bit) === 0) {
        onDead?.(index);
        code |= read[index]!;
        continue;
      }
      code &= ~bit;
    } else if (statement.kind === 'callState') code = guest = ALL;
    else if (statement.kind === 'call') {
      for (const variable of statement.writes) {
        code &= ~bitOf(variable);
        guest &= ~bitOf(variable);
      }
    } else if (statement.kind === 'instruction') guest |= instruction;
    if (canLeave(statement, checks)) code |= preciseFlags ? ALL : (ALL & ~FLAGS) | guest | instruction;
    for (const { at, bit } of operands) read[at]! |= bit;
    code |= read[index]!;
  }
  return { code, guest };
}

/** What is live, as sets of variables: at the start of each node, and at addresses outside. */
export interface Liveness {
  readonly liveIn: readonly number[];
  /** What the interpreter may read where it takes over at a node's start. */
  readonly guestIn: readonly number[];
  readonly liveAt: (address: number) => number;
}

export function removeDeadPuts(graph: RegionGraph, options: LivenessOptions): Liveness {
  const { preciseFlags } = options;
  const liveAt = preciseFlags || !options.liveAt ? () => ALL : options.liveAt;
  const reads = graph.nodes.map((node) => statementReads(node.ir.statements));
  const liveIn: Live[] = graph.nodes.map(() => ({ code: 0, guest: 0 }));
  const liveOut = (number: number): Live => {
    const outside = outsideReads(graph.nodes[number]!, graph, liveAt);
    let code = outside;
    let guest = outside;
    for (const successor of graph.successors[number]!) {
      const live = liveIn[successor]!;
      code |= live.code;
      guest |= live.guest;
      // A back-edge polls, and may leave to the interpreter.
      if (successor <= number) code |= preciseFlags ? ALL : live.guest;
    }
    return { code, guest };
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let number = graph.nodes.length - 1; number >= 0; number--) {
      const live = walk(graph.nodes[number]!.ir.statements, reads[number]!, liveOut(number), options);
      const known = liveIn[number]!;
      if (live.code !== known.code || live.guest !== known.guest) {
        liveIn[number] = live;
        changed = true;
      }
    }
  }
  graph.nodes.forEach((node, number) => {
    const { statements } = node.ir;
    walk(statements, reads[number]!, liveOut(number), options, (index) => {
      statements[index] = { kind: 'removed' };
    });
  });
  return {
    liveIn: liveIn.map(({ code }) => code),
    guestIn: liveIn.map(({ guest }) => (preciseFlags ? ALL : guest)),
    liveAt,
  };
}

/** What the ways out of a node read. */
function outsideReads(node: RegionNode, graph: RegionGraph, liveAt: (address: number) => number): number {
  const { terminator } = node;
  if (node.dispatch) return 0;
  if (terminator.kind === 'stop') return ALL;
  if (terminator.kind === 'jump') {
    if (terminator.target.op !== 'const') return ALL;
    if (terminator.hint === 'call') return liveAt(terminator.target.value);
  }
  let live = 0;
  for (const target of internalTargets(node)) if (graph.nodeAt(target) === undefined) live |= liveAt(target);
  return live;
}
