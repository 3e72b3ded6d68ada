/**
 * A region's control-flow graph: translation blocks and the transfers between them that stay inside. Numbered in reverse
 * postorder from the entry, with immediate dominators (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm").
 *
 * A region with several entries, or with a loop that is entered at several places (irreducible control flow), begins with a node
 * of no code, the *dispatch*: it goes to any entry, and to any such place when a jump back has asked for it. That makes all
 * other control flow reducible.
 */
import type { IrBlock, Terminator } from '../ir/ir.js';

export interface RegionNode {
  readonly ir: IrBlock;
  readonly terminator: Terminator;
  /** Guest addresses that an indirect jump is known to go to. */
  readonly indirectTargets: readonly number[];
  /** Where a system call goes on that the region itself asks for, instead of leaving. */
  readonly continuation?: number;
  /** Has no code, and goes where the graph's `dispatched` says. */
  readonly dispatch?: true;
}

function dispatchNode(pc: number): RegionNode {
  const terminator: Terminator = { kind: 'jump', target: { op: 'result', uses: 0 }, hint: 'indirect' };
  return { ir: { pc, end: pc + 1, statements: [] }, terminator, indirectTargets: [], dispatch: true };
}

export class RegionGraph {
  /** Nodes in reverse postorder; node 0 is the entry, or the dispatch. */
  readonly nodes: RegionNode[] = [];
  readonly successors: number[][] = [];
  readonly predecessors: number[][] = [];
  /** Immediate dominator of each node; the entry's is itself. */
  readonly dominator: number[] = [];
  /** Nodes that the region is entered at, in the order that was asked for. */
  readonly entries: readonly number[];
  /** Where there is a dispatch: the nodes that it goes to, entries first. */
  readonly dispatched: readonly number[] = [];
  private readonly byAddress = new Map<number, number>();

  /** @param entries guest addresses (i32, as all here) at which the region is entered, which must be blocks' */
  constructor(entries: readonly number[], blocks: ReadonlyMap<number, RegionNode>) {
    const dispatched = [...entries];
    this.build(dispatched, blocks, entries.length > 1);
    // Each round makes at least one more place a target of the dispatch.
    for (let more = this.irreducible(); more.length > 0; more = this.irreducible()) {
      dispatched.push(...more);
      this.build(dispatched, blocks, true);
    }
    this.entries = entries.map((pc) => this.byAddress.get(pc)!);
    if (this.hasDispatch) this.dispatched = dispatched.map((pc) => this.byAddress.get(pc)!);
  }

  /** Is node 0 a dispatch? */
  get hasDispatch(): boolean {
    return this.nodes[0]!.dispatch === true;
  }

  private build(targets: readonly number[], blocks: ReadonlyMap<number, RegionNode>, dispatch: boolean): void {
    const { nodes, successors, predecessors, byAddress } = this;
    nodes.length = successors.length = predecessors.length = 0;
    byAddress.clear();
    const order: number[] = [];
    const visited = new Set<number>();
    // Depth first without recursion: a region may be long.
    const stack: { pc: number; next: number; targets: number[] }[] = [];
    const enter = (pc: number): void => {
      visited.add(pc);
      const inside = internalTargets(blocks.get(pc)!).filter((target) => blocks.has(target));
      stack.push({ pc, next: 0, targets: inside });
    };
    for (let at = targets.length - 1; at >= 0; at--) {
      if (!visited.has(targets[at]!)) enter(targets[at]!);
      while (stack.length > 0) {
        const top = stack[stack.length - 1]!;
        const target = top.targets[top.next++];
        if (target === undefined) {
          order.push(top.pc);
          stack.pop();
        } else if (!visited.has(target)) enter(target);
      }
    }
    order.reverse();
    if (dispatch) {
      nodes.push(dispatchNode(targets[0]!));
      predecessors.push([]);
    }
    for (const pc of order) {
      byAddress.set(pc, nodes.length);
      nodes.push(blocks.get(pc)!);
      predecessors.push([]);
    }
    nodes.forEach((node, number) => {
      const to = node.dispatch ? targets : new Set(internalTargets(node));
      const inside: number[] = [];
      for (const pc of to) {
        const target = byAddress.get(pc);
        if (target !== undefined) inside.push(target);
      }
      successors.push(inside);
      for (const target of inside) predecessors[target]!.push(number);
    });
    this.findDominators();
  }

  /** Addresses that are jumped back to without being a loop's only entrance, and that the dispatch does not go to yet. */
  private irreducible(): number[] {
    const { nodes, predecessors } = this;
    const known = new Set(this.hasDispatch ? this.successors[0] : []);
    const found: number[] = [];
    for (let node = 0; node < nodes.length; node++) {
      if (known.has(node)) continue;
      if (predecessors[node]!.some((from) => from >= node && !this.dominates(node, from)))
        found.push(nodes[node]!.ir.pc | 0);
    }
    return found;
  }

  /** The node at a guest address, or undefined where it is outside. */
  nodeAt(address: number): number | undefined {
    return this.byAddress.get(address);
  }

  dominates(a: number, b: number): boolean {
    let at = b;
    while (at > a) at = this.dominator[at]!;
    return at === a;
  }

  private findDominators(): void {
    const { dominator, predecessors } = this;
    dominator.length = this.nodes.length;
    dominator.fill(-1);
    dominator[0] = 0;
    const intersect = (a: number, b: number): number => {
      while (a !== b) {
        while (a > b) a = dominator[a]!;
        while (b > a) b = dominator[b]!;
      }
      return a;
    };
    for (let changed = true; changed;) {
      changed = false;
      for (let node = 1; node < this.nodes.length; node++) {
        let found = -1;
        for (const predecessor of predecessors[node]!) {
          if (dominator[predecessor] === -1) continue;
          found = found === -1 ? predecessor : intersect(found, predecessor);
        }
        if (dominator[node] !== found) {
          dominator[node] = found;
          changed = true;
        }
      }
    }
  }
}

/** Guest addresses that a block may go on at without leaving, as far as they are known. */
export function internalTargets({ terminator, indirectTargets, continuation }: RegionNode): number[] {
  switch (terminator.kind) {
    case 'branch':
      return [terminator.taken, terminator.notTaken].flatMap((value) => (value.op === 'const' ? [value.value] : []));
    case 'jump':
      if (terminator.hint === 'call')
        return terminator.returnAddress === undefined ? [] : [terminator.returnAddress | 0];
      if (terminator.target.op === 'const') return [terminator.target.value];
      return terminator.hint === 'indirect' ? [...indirectTargets] : [];
    case 'stop':
      return continuation === undefined ? [] : [continuation];
  }
}
