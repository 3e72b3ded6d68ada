/**
 * Control flow of regions: random graphs, irreducible ones and several entries among them, are written as structured JavaScript,
 * which must go through the same nodes as the graph does.
 */
import tap from 'tap';
import { RegionGraph, type RegionNode } from '../../translator/region/graph.js';
import { structure, type StructureSink } from '../../translator/region/structure.js';

/** xorshift32 */
function generator(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** A block at an address that goes to any of some others, or ends. */
function nodeTo(pc: number, targets: readonly number[]): RegionNode {
  const target = { op: 'result', uses: 0 } as const;
  return {
    ir: { pc, end: pc + 1, statements: [] },
    terminator: { kind: 'jump', target, hint: 'indirect' },
    indirectTargets: targets,
  };
}

/** Negative addresses are those above 2 GiB. */
const addressOf = (block: number): number => (block % 2 === 0 ? block + 1 : -block);

function randomBlocks(below: (limit: number) => number, count: number): Map<number, RegionNode> {
  const blocks = new Map<number, RegionNode>();
  for (let block = 0; block < count; block++) {
    const targets = Array.from({ length: below(4) }, () => addressOf(below(count)));
    // The next one, so that most can be reached.
    if (block + 1 < count) targets.push(addressOf(block + 1));
    blocks.set(addressOf(block), nodeTo(addressOf(block), [...new Set(targets)]));
  }
  return blocks;
}

/** A function of an entry's index, of what tells of each node, and of what chooses one of so many successors. */
type Walk = (entry: number, visit: (pc: number) => void, choose: (count: number) => number) => void;

function structured(graph: RegionGraph): Walk {
  const lines: string[] = [];
  const nested = (open: string, body: () => void): void => {
    lines.push(open);
    body();
    lines.push('}');
  };
  const sink: StructureSink = {
    loop: (node, body) => nested(`L${node}: for (;;) {`, body),
    block: (node, body) => nested(`B${node}: {`, body),
    node: (node, transfer) => {
      const successors = graph.successors[node]!;
      lines.push(`visit(${graph.nodes[node]!.ir.pc});`);
      if (successors.length === 0) {
        lines.push('return;');
        return;
      }
      lines.push(`switch (choose(${successors.length})) {`);
      successors.forEach((target, index) => nested(`case ${index}: {`, () => transfer(target)));
      lines.push('}', 'throw new Error("fell out of a node");');
    },
    again: (node) => lines.push(`continue L${node};`),
    leave: (node) => lines.push(`break B${node};`),
    dispatch: (transfer) => {
      lines.push('switch (entry) {');
      graph.dispatched.forEach((node, index) => nested(`case ${index}: {`, () => transfer(node)));
      lines.push('}', 'throw new Error("fell out of the dispatch");');
    },
    redispatch: (node) => lines.push(`entry = ${graph.dispatched.indexOf(node)}; continue L0;`),
  };
  structure(graph, sink);
  return new Function('entry', 'visit', 'choose', lines.join('\n')) as Walk;
}

const STEPS = 60;
class Enough extends Error {}

function pathOf(walk: Walk, entry: number, seed: number): number[] {
  const below = generator(seed);
  const path: number[] = [];
  try {
    walk(
      entry,
      (pc) => {
        path.push(pc);
        if (path.length >= STEPS) throw new Enough();
      },
      below,
    );
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return path;
}

const direct =
  (graph: RegionGraph): Walk =>
  (entry, visit, choose) => {
    let node = graph.entries[entry]!;
    for (;;) {
      visit(graph.nodes[node]!.ir.pc);
      const successors = graph.successors[node]!;
      if (successors.length === 0) return;
      node = successors[choose(successors.length)]!;
    }
  };

void tap.test('structured control flow goes where the graph does', (t) => {
  const below = generator(12345);
  let dispatches = 0;
  let different = 0;
  for (let round = 0; round < 600; round++) {
    const count = 1 + below(12);
    const blocks = randomBlocks(below, count);
    const entries = [...new Set([0, ...(below(3) === 0 ? [below(count), below(count)] : [])])].map(addressOf);
    const graph = new RegionGraph(entries, blocks);
    if (graph.hasDispatch) dispatches++;
    const walk = structured(graph);
    entries.forEach((_, entry) => {
      for (let seed = 1; seed <= 4; seed++) {
        const wanted = pathOf(direct(graph), entry, seed * 7919 + round);
        const found = pathOf(walk, entry, seed * 7919 + round);
        if (wanted.join() === found.join()) continue;
        different++;
        t.same(found, wanted, `round ${round}, entry ${entry}`);
      }
    });
  }
  t.equal(different, 0, 'no path differs');
  t.ok(dispatches > 50 && dispatches < 550, `graphs of both kinds: ${dispatches} of 600 have a dispatch`);
  t.end();
});

void tap.test('a loop with one entrance needs no dispatch, one with two does', (t) => {
  const loop = new Map([
    [10, nodeTo(10, [20])],
    [20, nodeTo(20, [30, 40])],
    [30, nodeTo(30, [20])],
    [40, nodeTo(40, [])],
  ]);
  t.notOk(new RegionGraph([10], loop).hasDispatch);
  const crossed = new Map([
    [10, nodeTo(10, [20, 30])],
    [20, nodeTo(20, [30, 40])],
    [30, nodeTo(30, [20])],
    [40, nodeTo(40, [])],
  ]);
  const graph = new RegionGraph([10], crossed);
  t.ok(graph.hasDispatch);
  t.same(
    graph.entries.map((node) => graph.nodes[node]!.ir.pc),
    [10],
  );
  const several = new RegionGraph([10, 30], loop);
  t.same(several.dispatched.map((node) => several.nodes[node]!.ir.pc).slice(0, 2), [10, 30], 'entries come first');
  t.end();
});
