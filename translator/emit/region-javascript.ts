/**
 * A region as one JavaScript function: guest registers in locals, control flow as loops and labelled blocks, one place
 * where the registers are written back. The function gives the guest address to go on at; `S[exit]` says why where it was
 * not an ordinary transfer.
 */
import {
  argumentsOf,
  operandsOf,
  variables,
  VARIABLE_NAMES,
  type Terminator,
  type Value,
  type Variable,
} from '../ir/ir.js';
import { type RegionGraph } from '../region/graph.js';
import type { AccessChecks } from '../ir/access-checks.js';
import { isShortTransfer, structure, type StructureSink } from '../region/structure.js';
import { Exit, State } from '../state.js';
import { hex, JavaScriptEmitter, strip, type Target } from './javascript.js';

export interface RegionSource {
  readonly name: string;
  /** A function declaration of that name. */
  readonly text: string;
  /** Guest addresses whose regions are called directly: `link_ADDRESS` objects must exist. */
  readonly links: readonly number[];
}

/** Regions may call one another this deep on the host's stack; then they leave to the dispatcher. */
const MAXIMUM_CALL_DEPTH = 100;

const SELECTOR = 'entry';
const DISPATCH = 'dispatch';

export const linkName = (address: number): string => `link_${(address >>> 0).toString(16)}`;

/** @param sharesMemory other threads use the memory: accesses are as indivisible as the processor's */
export function emitRegion(
  graph: RegionGraph,
  name: string,
  checks?: AccessChecks,
  sharesMemory = false,
): RegionSource {
  return new RegionEmitter(graph, name, checks, sharesMemory).emit();
}

class RegionEmitter implements StructureSink {
  private readonly emitter: JavaScriptEmitter;
  private readonly dirty: Variable[];
  private readonly cached: Variable[];
  private readonly links = new Set<number>();
  private usesSlow = false;
  private usesOut = false;

  constructor(
    private readonly graph: RegionGraph,
    private readonly name: string,
    checks: AccessChecks | undefined,
    sharesMemory: boolean,
  ) {
    const { dirty, used } = variablesOf(graph);
    this.dirty = dirty;
    this.cached = used;
    const target: Target = {
      variable: (variable) => variable,
      leave: (pc) => {
        this.usesSlow = true;
        return `{ pc = ${pc | 0}; break slow; }`;
      },
      again: (pc) => target.leave(pc, 0),
      sharesMemory,
      throwing: false,
      ...(checks && { checks }),
      writeBack: dirty,
      reload: used,
    };
    this.emitter = new JavaScriptEmitter(target);
  }

  emit(): RegionSource {
    const { emitter } = this;
    emitter.indent = '    ';
    structure(this.graph, this);
    // With a dispatch: which of its targets it goes to, at first an entry.
    const lines = [`function ${this.name}(${this.graph.hasDispatch ? `${SELECTOR} = 0` : ''}) {`];
    for (const variable of this.cached) lines.push(`  let ${variable} = S[${variables[variable] >> 2}];`);
    lines.push('  let pc = 0;');
    if (this.usesOut || this.usesSlow) lines.push('  out: {');
    if (this.usesSlow) lines.push('  slow: {');
    lines.push(...emitter.lines);
    if (this.usesSlow) lines.push('  }', `  S[${State.exit >> 2}] = ${Exit.slow};`);
    if (this.usesOut || this.usesSlow) lines.push('  }');
    for (const variable of this.dirty) lines.push(`  S[${variables[variable] >> 2}] = ${variable};`);
    lines.push('  return pc;', '}');
    return { name: this.name, text: lines.join('\n'), links: [...this.links] };
  }

  // Structure -----------------------------------------------------------------------------------------------------------

  private label(kind: 'L' | 'B', node: number): string {
    return `${kind}${(this.graph.nodes[node]!.ir.pc >>> 0).toString(16)}`;
  }
  private nested(open: string, body: () => void): void {
    const { emitter } = this;
    emitter.line(open);
    const { indent } = emitter;
    if (indent.length < 60) emitter.indent = `${indent}  `;
    body();
    emitter.indent = indent;
    emitter.line('}');
  }
  loop(node: number, body: () => void): void {
    const label = this.graph.nodes[node]!.dispatch ? DISPATCH : this.label('L', node);
    this.nested(`${label}: for (;;) {`, body);
  }
  block(node: number, body: () => void): void {
    this.nested(`${this.label('B', node)}: {`, body);
  }
  again(node: number): void {
    this.poll(node);
    this.emitter.line(`continue ${this.label('L', node)};`);
  }
  private poll(node: number): void {
    const pc = this.graph.nodes[node]!.ir.pc | 0;
    this.usesOut = true;
    this.emitter.line(`if (S[${State.pending >> 2}] !== 0) { pc = ${pc}; break out; }`);
  }
  leave(node: number): void {
    this.emitter.line(`break ${this.label('B', node)};`);
  }
  dispatch(transfer: (target: number) => void): void {
    const { dispatched } = this.graph;
    this.nested(`switch (${SELECTOR}) {`, () => {
      dispatched.forEach((node, index) => {
        const isLast = index === dispatched.length - 1;
        this.nested(isLast ? 'default: {' : `case ${index}: {`, () => transfer(node));
      });
    });
  }
  redispatch(node: number): void {
    this.poll(node);
    this.emitter.line(`${SELECTOR} = ${this.graph.dispatched.indexOf(node)};`);
    this.emitter.line(`continue ${DISPATCH};`);
  }
  node(node: number, transfer: (target: number) => void): void {
    const { ir } = this.graph.nodes[node]!;
    const terminator = this.emitter.block(ir.statements);
    if (!terminator) throw new Error(`block ${hex(ir.pc)} has no terminator`);
    this.terminator(node, terminator, transfer);
  }

  // Terminators ---------------------------------------------------------------------------------------------------------

  private exit(pc: string): void {
    this.usesOut = true;
    this.emitter.line(`pc = ${strip(pc)};`);
    this.emitter.line('break out;');
  }

  /** To a guest address: inside the region if it is there. */
  private goTo(address: number, transfer: (target: number) => void): void {
    const target = this.graph.nodeAt(address);
    if (target === undefined) this.exit(String(address));
    else transfer(target);
  }

  private terminator(node: number, terminator: Terminator, transfer: (target: number) => void): void {
    const { emitter } = this;
    switch (terminator.kind) {
      case 'branch': {
        const taken = (terminator.taken as { value: number }).value;
        const notTaken = (terminator.notTaken as { value: number }).value;
        if (terminator.condition.op === 'const') {
          this.goTo(terminator.condition.value !== 0 ? taken : notTaken, transfer);
          return;
        }
        // The arm that is only a jump goes first, so that the rest needs no nesting.
        const condition = emitter.condition(terminator.condition);
        const swap = !this.isShort(node, taken) && this.isShort(node, notTaken);
        const first = swap ? notTaken : taken;
        this.nested(swap ? `if (${negate(condition)}) {` : `if (${condition}) {`, () => this.goTo(first, transfer));
        this.goTo(swap ? taken : notTaken, transfer);
        return;
      }
      case 'jump':
        if (terminator.hint === 'call') this.call(terminator, transfer);
        else if (terminator.target.op === 'const') this.goTo(terminator.target.value, transfer);
        else this.indirect(node, terminator, transfer);
        return;
      case 'stop':
        emitter.line(`S[${State.exitDetail >> 2}] = ${strip(emitter.integer(terminator.detail))};`);
        emitter.line(`S[${State.exit >> 2}] = ${terminator.reason};`);
        this.exit(emitter.integer(terminator.eip));
        return;
    }
  }

  private isShort(node: number, address: number): boolean {
    const target = this.graph.nodeAt(address);
    return target === undefined || isShortTransfer(this.graph, node, target);
  }

  private indirect(
    node: number,
    terminator: Extract<Terminator, { kind: 'jump' }>,
    transfer: (target: number) => void,
  ): void {
    const { emitter } = this;
    const targets =
      terminator.hint === 'indirect'
        ? this.graph.nodes[node]!.indirectTargets.filter((target) => this.graph.nodeAt(target) !== undefined)
        : [];
    const pc = emitter.integer(terminator.target);
    if (targets.length === 0) {
      this.exit(pc);
      return;
    }
    emitter.line(`pc = ${strip(pc)};`);
    emitter.line('switch (pc) {');
    for (const target of new Set(targets)) this.nested(`case ${target}: {`, () => this.goTo(target, transfer));
    emitter.line('}');
    this.usesOut = true;
    emitter.line('break out;');
  }

  /**
   * A call whose continuation is in the region: the callee's region is called directly, and what it returns is compared
   * with the return address. Anything else (no region yet, an exit within the callee) leaves at once: the state is in
   * place, and the locals here are stale.
   */
  private call(terminator: Extract<Terminator, { kind: 'jump' }>, transfer: (target: number) => void): void {
    const { emitter } = this;
    const continuation = terminator.returnAddress;
    const target = continuation === undefined ? undefined : this.graph.nodeAt(continuation | 0);
    const pc = emitter.integer(terminator.target);
    if (target === undefined) {
      this.exit(pc);
      return;
    }
    const depth = `S[${State.callDepth >> 2}]`;
    this.usesOut = true;
    emitter.line(`pc = ${strip(pc)};`);
    emitter.line(`if (${depth} > ${MAXIMUM_CALL_DEPTH}) break out;`);
    for (const variable of this.dirty) emitter.line(`S[${variables[variable] >> 2}] = ${variable};`);
    emitter.line(`${depth}++;`);
    if (terminator.target.op === 'const') {
      this.links.add(terminator.target.value);
      emitter.line(`pc = ${linkName(terminator.target.value)}.run();`);
    } else emitter.line('pc = callIndirect(pc);');
    emitter.line(`if (pc !== ${continuation! | 0}) return pc;`);
    emitter.line(`${depth}--;`);
    for (const variable of this.cached) emitter.line(`${variable} = S[${variables[variable] >> 2}];`);
    transfer(target);
  }
}

function negate(condition: string): string {
  const match = /^(.*) (===|!==) (\S+)$/.exec(condition);
  if (match && !condition.includes('&&') && !condition.includes('||') && !condition.includes('?')) {
    return `${match[1]} ${match[2] === '===' ? '!==' : '==='} ${match[3]}`;
  }
  return `!(${condition})`;
}

/** Variables that the region changes, and those that it uses at all (changed ones included), in state order. */
export function variablesOf(graph: RegionGraph): { dirty: Variable[]; used: Variable[] } {
  const dirty = new Set<Variable>();
  const used = new Set<Variable>();
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (value.op === 'get') used.add(value.variable);
    for (const argument of argumentsOf(value)) visit(argument);
  };
  for (const node of graph.nodes) {
    for (const statement of node.ir.statements) {
      if (statement.kind === 'put') dirty.add(statement.variable);
      // A helper's writes are in the state already, but the local must follow and is written back with the others.
      if (statement.kind === 'call') for (const variable of statement.writes) dirty.add(variable);
      for (const value of operandsOf(statement)) visit(value);
    }
  }
  for (const variable of dirty) used.add(variable);
  return {
    dirty: VARIABLE_NAMES.filter((name) => dirty.has(name)),
    used: VARIABLE_NAMES.filter((name) => used.has(name)),
  };
}
