/**
 * Turns a region's control-flow graph back into loops and labelled blocks, from its dominator tree (Norman Ramsey,
 * "Beyond Relooper: Recursive Translation of Unstructured Control Flow to Structured Control Flow", ICFP 2022). JavaScript
 * and WebAssembly are both written through the same sink. A jump back to where a loop is entered beside its head, which no
 * structure expresses, goes by the graph's dispatch.
 */
import type { RegionGraph } from './graph.js';

export interface StructureSink {
  /** A loop whose body never falls out of its end: it is left by breaks, and repeated by `again`. */
  loop(node: number, body: () => void): void;
  /** A block; `leave` of the same node within it goes on after it. */
  block(node: number, body: () => void): void;
  /** The node's own code; its transfers to nodes of the region are made by `transfer`. */
  node(node: number, transfer: (target: number) => void): void;
  again(node: number): void;
  leave(node: number): void;
  /** The code of a dispatch, which is around all other: goes to the node that is asked for, the first time an entry. */
  dispatch(transfer: (target: number) => void): void;
  /** A jump to a node by way of the dispatch. */
  redispatch(node: number): void;
}

export function structure(graph: RegionGraph, sink: StructureSink): void {
  const count = graph.nodes.length;
  const children: number[][] = Array.from({ length: count }, () => []);
  for (let node = 1; node < count; node++) children[graph.dominator[node]!]!.push(node);
  const isBackEdge = (from: number, to: number): boolean => to <= from && graph.dominates(to, from);
  const isLoop = graph.predecessors.map((sources, node) => sources.some((from) => isBackEdge(from, node)));
  // Forward edges count; retreating edges that are no back-edges go by the dispatch.
  const isMerge = graph.predecessors.map((sources, node) => sources.filter((from) => from < node).length > 1);

  const tree = (node: number): void => {
    const merges = children[node]!.filter((child) => isMerge[child]!);
    // The innermost block ends before the first merge node in reverse postorder, so they nest from last to first.
    const within = (at: number): void => {
      if (at < 0) {
        if (graph.nodes[node]!.dispatch) sink.dispatch((target) => transfer(node, target));
        else sink.node(node, (target) => transfer(node, target));
        return;
      }
      const merge = merges[at]!;
      sink.block(merge, () => within(at - 1));
      tree(merge);
    };
    if (isLoop[node] || graph.nodes[node]!.dispatch) sink.loop(node, () => within(merges.length - 1));
    else within(merges.length - 1);
  };
  const transfer = (from: number, to: number): void => {
    if (to <= from) {
      if (graph.dominates(to, from)) sink.again(to);
      else sink.redispatch(to);
    } else if (isMerge[to]) sink.leave(to);
    else tree(to);
  };
  tree(0);
}

/** Does a transfer from one node to another need nothing but a jump (so that it is short to write)? */
export function isShortTransfer(graph: RegionGraph, from: number, to: number): boolean {
  return to <= from || graph.predecessors[to]!.filter((source) => source < to).length > 1;
}
