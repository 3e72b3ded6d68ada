/**
 * The XMM registers, and the scratch slots of operands, of one region in v128 locals. Everything in the emitter that touches
 * bytes of those slots comes through here; other bytes of the CPU state stay in memory. In memory an XMM register is up to date
 * outside the region and while a helper runs that may use it; a scratch slot is where a helper may read it.
 */
import type { Statement } from '../../ir/ir.js';
import type { RegionGraph } from '../../region/graph.js';
import { State } from '../../state.js';
import type { FunctionWriter } from './writer.js';

const VECTOR = 16;
const XMM_END = State.xmm + 8 * VECTOR;
const SCRATCH_END = State.scratch + State.scratchSlots * VECTOR;

const isXmm = (offset: number): boolean => offset >= State.xmm && offset < XMM_END;
const isScratch = (offset: number): boolean => offset >= State.scratch && offset < SCRATCH_END;
const slotOf = (offset: number): number => offset & -VECTOR;

export type LaneType = 'f64' | 'f32' | 'i32' | 'i16' | 'i8';
const LANES = {
  f64: { bytes: 8, extract: 'f64x2.extract_lane', replace: 'f64x2.replace_lane' },
  f32: { bytes: 4, extract: 'f32x4.extract_lane', replace: 'f32x4.replace_lane' },
  i32: { bytes: 4, extract: 'i32x4.extract_lane', replace: 'i32x4.replace_lane' },
  i16: { bytes: 2, extract: 'i16x8.extract_lane_u', replace: 'i16x8.replace_lane' },
  i8: { bytes: 1, extract: 'i8x16.extract_lane_u', replace: 'i8x16.replace_lane' },
} as const;

/** MXCSR: all exceptions masked, rounding to nearest; and PE set: an inexact result changes nothing. */
const MODE_BITS = 0x7f80;
const PLAIN = 0x1f80;
const INEXACT = 0x20;

/**
 * A number that is zero or of a magnitude from 2^-n to 2^n, where n is `factors` times that of what is moderate
 * (`float-checks.ts`), and `bits`.
 */
export interface Bound {
  readonly factors: number;
  readonly bits: number;
}

export class VectorSlots {
  private readonly locals = new Map<number, number>();
  private readonly used: readonly number[];
  private readonly changed: readonly number[];
  /** 1 while MXCSR is plain with PE set, and while it is plain. -1: nothing asks. */
  readonly quiet: number;
  readonly plain: number;
  /** Told before the local of an XMM register changes, and when a slot gets another value. */
  onChange: ((local: number) => void) | undefined;
  onOverwrite: ((slot: number) => void) | undefined;
  /** Scratch slots whose local holds what was put there last. */
  private readonly current = new Set<number>();
  /** Low halves (as doubles or floats) that are known to be neither denormal nor a NaN: offset and type. */
  private readonly ordinary = new Map<string, Bound | undefined>();
  /** i32 locals with the low word of a scratch slot. */
  private readonly words = new Map<number, number>();

  constructor(
    private readonly w: FunctionWriter,
    graph: RegionGraph,
    private readonly isInline: (call: Extract<Statement, { kind: 'call' }>) => boolean,
    /** Inexact results are expected to have been flagged before. */
    expectsInexact: boolean,
  ) {
    const used = new Set<number>();
    const changed = new Set<number>();
    let computes = false;
    for (const { ir } of graph.nodes) {
      for (const statement of ir.statements) {
        const { reads, writes } = slotsOf(statement);
        for (const slot of reads) if (isXmm(slot)) used.add(slotOf(slot));
        for (const slot of writes) if (isXmm(slot)) changed.add(slotOf(slot));
        if (statement.kind === 'call' && isInline(statement)) computes = true;
      }
    }
    this.changed = [...changed];
    this.used = [...new Set([...used, ...changed])];
    for (const slot of this.used) this.locals.set(slot, w.local('v128'));
    this.quiet = computes ? w.local('i32') : -1;
    this.plain = computes && !expectsInexact ? w.local('i32') : -1;
  }

  /** May the byte at a state offset be in a local: does it belong to an XMM register or a scratch slot? */
  keeps(offset: number): boolean {
    return isXmm(offset) || isScratch(offset);
  }
  /** Is it in one now? */
  holds(offset: number): boolean {
    return isXmm(offset) ? this.locals.has(slotOf(offset)) : this.current.has(slotOf(offset));
  }

  startBlock(): void {
    this.startInstruction();
    this.ordinary.clear();
  }
  /** Scratch slots serve one instruction. */
  startInstruction(): void {
    this.current.clear();
    this.words.clear();
    for (const known of this.ordinary.keys()) if (isScratch(Number(known.slice(3)))) this.ordinary.delete(known);
  }

  // With the CPU state ----------------------------------------------------------------------------------------------------

  /** At the region's start and after what may have changed the registers. */
  load(): void {
    const { w } = this;
    for (const slot of this.used) {
      w.state();
      w.memory('v128.load', slot);
      w.set(this.locals.get(slot)!);
    }
    this.ordinary.clear();
    this.observe();
  }
  /** MXCSR may have changed. */
  observe(): void {
    const compare = (local: number, bits: number, expected: number): void => {
      if (local < 0) return;
      const { w } = this;
      w.state();
      w.memory('i32.load', State.mxcsr);
      w.i32(bits);
      w.op('i32.and');
      w.i32(expected);
      w.op('i32.eq');
      w.set(local);
    };
    compare(this.quiet, MODE_BITS | INEXACT, PLAIN | INEXACT);
    compare(this.plain, MODE_BITS, PLAIN);
  }
  /** Before the region is left and before what may read the registers. */
  store(): void {
    for (const slot of this.changed) this.storeSlot(slot, this.locals.get(slot)!);
  }
  private storeSlot(slot: number, local: number): void {
    const { w } = this;
    w.state();
    w.get(local);
    w.memory('v128.store', slot);
  }

  /** Around a helper's call with these arguments; the result is to be called after it. */
  aroundHelper(helper: string, args: readonly number[]): () => void {
    if (!mayUseXmm(helper, args)) {
      return () => {
        this.current.clear();
        this.observe();
      };
    }
    this.store();
    return () => {
      this.load();
      this.current.clear();
    };
  }

  // Whole slots -----------------------------------------------------------------------------------------------------------

  push(offset: number): void {
    const { w } = this;
    if (this.holds(offset)) w.get(this.locals.get(offset)!);
    else {
      w.state();
      w.memory('v128.load', offset);
    }
  }
  /** Takes a v128 from the stack; not for slots that are neither XMM registers nor scratch. */
  set(offset: number): void {
    this.forget(offset);
    const local = this.localOf(offset);
    if (isXmm(offset)) this.onChange?.(local);
    this.w.set(local);
  }
  private localOf(offset: number): number {
    const slot = slotOf(offset);
    let local = this.locals.get(slot);
    if (local === undefined) this.locals.set(slot, (local = this.w.local('v128')));
    if (isScratch(slot)) this.current.add(slot);
    return local;
  }
  private forget(offset: number): void {
    const slot = slotOf(offset);
    this.onOverwrite?.(slot);
    this.words.delete(slot);
    for (const type of ['f64', 'f32']) {
      for (let at = 0; at < VECTOR; at += 4) this.ordinary.delete(`${type}${slot + at}`);
    }
  }
  /** A vector that was put into a scratch slot is wanted in memory, too. */
  writeThrough(offset: number): void {
    this.storeSlot(slotOf(offset), this.localOf(offset));
  }

  // Lanes -------------------------------------------------------------------------------------------------------------------

  /** Pushes bytes at an offset that is a multiple of their size. */
  pushLane(type: LaneType, offset: number): void {
    const { w } = this;
    const slot = slotOf(offset);
    const word = this.words.get(offset);
    if (type === 'i32' && word !== undefined && this.holds(offset)) {
      w.get(word);
      return;
    }
    const { bytes, extract } = LANES[type];
    w.get(this.locals.get(slot)!);
    w.lane(extract, (offset - slot) / bytes);
  }
  setLane(type: LaneType, offset: number, push: () => void): void {
    const { w } = this;
    const { bytes, replace } = LANES[type];
    const slot = slotOf(offset);
    const local = this.localOf(offset);
    if (isXmm(offset)) this.onChange?.(local);
    w.get(local);
    push();
    w.lane(replace, (offset - slot) / bytes);
    this.forget(offset);
    w.set(local);
  }
  /** The low word of a scratch slot is in an i32 local. */
  setWord(offset: number, local: number): void {
    this.localOf(offset);
    this.words.set(offset, local);
  }

  // What is known -----------------------------------------------------------------------------------------------------------

  isOrdinary(type: 'f64' | 'f32', offset: number): boolean {
    return this.ordinary.has(`${type}${offset}`);
  }
  markOrdinary(type: 'f64' | 'f32', offset: number, bound?: Bound): void {
    this.ordinary.set(`${type}${offset}`, bound);
  }
  boundOf(type: 'f64' | 'f32', offset: number): Bound | undefined {
    return this.ordinary.get(`${type}${offset}`);
  }
  isOrdinaryVector(type: 'f64' | 'f32', offset: number): boolean {
    for (let at = 0; at < VECTOR; at += LANES[type].bytes) if (!this.isOrdinary(type, offset + at)) return false;
    return true;
  }
  markOrdinaryVector(type: 'f64' | 'f32', offset: number): void {
    for (let at = 0; at < VECTOR; at += LANES[type].bytes) this.markOrdinary(type, offset + at);
  }
  /** What is known of one slot holds for another that it was copied to. */
  copyKnown(from: number, to: number): void {
    for (const type of ['f64', 'f32'] as const) {
      for (let at = 0; at < VECTOR; at += 4)
        if (this.isOrdinary(type, from + at)) this.markOrdinary(type, to + at, this.boundOf(type, from + at));
    }
  }

  /** Is a scratch slot that is written at `position` read only by what is inline, until its instruction ends? */
  staysHere(statements: readonly Statement[], position: number): boolean {
    for (let at = position + 1; at < statements.length; at++) {
      const statement = statements[at]!;
      if (statement.kind === 'instruction') return true;
      if (statement.kind === 'call' && !this.isInline(statement)) return false;
      if (statement.kind === 'callState' || statement.kind === 'copyOut') return false;
    }
    return true;
  }
}

/** Helpers of x87 instructions leave the XMM registers alone; others may use XMM0 without naming it. */
function mayUseXmm(helper: string, args: readonly number[]): boolean {
  return args.some(isXmm) || !/^f(?!x)|^enterMmx$/.test(helper);
}

/** Bytes of XMM registers and scratch slots that a statement reads and writes. */
function slotsOf(statement: Statement): { reads: number[]; writes: number[] } {
  const none: number[] = [];
  switch (statement.kind) {
    case 'read':
    case 'write': {
      if (statement.slot && statement.slot.op !== 'const') return { reads: none, writes: none };
      const offset = statement.offset + (statement.slot ? statement.slot.value : 0);
      return statement.kind === 'read' ? { reads: [offset], writes: none } : { reads: none, writes: [offset] };
    }
    case 'copyIn':
    case 'copyOut': {
      if (statement.slot.op !== 'const') return { reads: none, writes: none };
      const offset = statement.slot.value;
      return statement.kind === 'copyOut' ? { reads: [offset], writes: none } : { reads: none, writes: [offset] };
    }
    case 'call': {
      const args = statement.args.flatMap((value) => (value.op === 'const' ? [value.value] : []));
      return { reads: args, writes: args.slice(0, 1) };
    }
    default:
      return { reads: none, writes: none };
  }
}
