/**
 * A region's control-flow graph: translation blocks and the transfers between them that stay inside. Numbered in reverse
 * postorder from the entry, with immediate dominators (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm").
 */
import type { IrBlock, Terminator } from '../ir/ir.js';

export interface RegionNode {
  readonly ir: IrBlock;
  readonly terminator: Terminator;
  /** Guest addresses that an indirect jump is known to go to. */
  readonly indirectTargets: readonly number[];
  /** Where a system call goes on that the region itself asks for, instead of leaving. */
  readonly continuation?: number;
}

export class RegionGraph {
  /** Nodes in reverse postorder; the entry is node 0. */
  readonly nodes: RegionNode[] = [];
  readonly successors: number[][] = [];
  readonly predecessors: number[][] = [];
  /** Immediate dominator of each node; the entry's is itself. */
  readonly dominator: number[] = [];
  private readonly byAddress = new Map<number, number>();

  constructor(entry: number, blocks: ReadonlyMap<number, RegionNode>) {
    const order: number[] = [];
    const visited = new Set<number>();
    // Depth first without recursion: a region may be long.
    const stack: { pc: number; next: number; targets: number[] }[] = [];
    const enter = (pc: number): void => {
      visited.add(pc);
      const targets = internalTargets(blocks.get(pc)!).filter((target) => blocks.has(target));
      stack.push({ pc, next: 0, targets });
    };
    enter(entry);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const target = top.targets[top.next++];
      if (target === undefined) {
        order.push(top.pc);
        stack.pop();
      } else if (!visited.has(target)) enter(target);
    }
    order.reverse();
    order.forEach((pc, number) => {
      this.byAddress.set(pc, number);
      this.nodes.push(blocks.get(pc)!);
      this.predecessors.push([]);
    });
    this.nodes.forEach((node, number) => {
      const targets = [...new Set(internalTargets(node))]
        .map((target) => this.byAddress.get(target))
        .filter((target) => target !== undefined);
      this.successors.push(targets);
      for (const target of targets) this.predecessors[target]!.push(number);
    });
    this.findDominators();
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
