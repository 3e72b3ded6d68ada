/**
 * Watched code: ranges whose instructions or blocks somebody is to be told of before they are executed, and addresses at
 * which execution stops. Code of such ranges is interpreted, with operations that tell between the others; a translation
 * block never crosses the border of a range, so that generated code knows nothing of all this and costs nothing.
 */
import { State } from '../../translator/state.js';
import { Operation } from '../interpreter/operation.js';
import type { CpuState } from '../cpu/cpu-state.js';
import { DroppedBlock } from './code-cache.js';
import type { DecodedInstruction } from '../../translator/decode/decoder.js';

/** What is to be done at an address, as bits. */
export const Observe = { instructions: 1, blocks: 2, stop: 4 } as const;

/** @param size in bytes; of a block (whose length depends on what is watched) that of its first instruction */
export type CodeListener = (pc: number, size: number) => void;

export interface ObservedRange {
  readonly kind: 'instructions' | 'blocks';
  readonly start: number;
  /** First address after it. */
  readonly end: number;
  readonly listener: CodeListener;
}

/** No address is this number. */
const NOWHERE = 0.5;
/** A stop that nobody wants any more is passed this often before the code there is translated again. */
const IDLE_PASSES = 1000;

const EIP = State.eip >> 2;
const PENDING = State.pending >> 2;

export class Observation {
  /** Address (i32) at which execution stopped, until the engine has told. */
  stoppedAt: number | undefined;
  /** A listener asked for the end of the run. */
  stopRequested = false;
  /** The instruction at this address was told of already: the next to be executed. */
  announced = NOWHERE;
  private ranges: readonly ObservedRange[] = [];
  /** Address (i32) to the number of those who want the stop, and how often it was passed while nobody did. */
  private readonly stops = new Map<number, { wanted: number; passes: number }>();
  /** A stop at this address is not one: execution begins there. */
  private startsAt = NOWHERE;
  /** The block at this address goes on with the one before: it was cut for its length. */
  private continuation = NOWHERE;

  constructor(
    private readonly cpu: CpuState,
    /** Drops the translations of addresses from start to end (exclusive). */
    private readonly drop: (start: number, end: number) => void,
  ) {}

  add(range: ObservedRange): void {
    this.ranges = [...this.ranges, range];
    this.drop(range.start, range.end);
  }
  remove(range: ObservedRange): void {
    this.ranges = this.ranges.filter((one) => one !== range);
    this.drop(range.start, range.end);
  }

  /** Execution is to stop before the instruction at an address. */
  addStop(address: number): void {
    const stop = this.stops.get(address | 0);
    if (stop) {
      stop.wanted++;
      stop.passes = 0;
      return;
    }
    this.stops.set(address | 0, { wanted: 1, passes: 0 });
    this.drop(address >>> 0, (address >>> 0) + 1);
  }
  /** The code there stays as it is for a while: the same stop is often wanted again. */
  removeStop(address: number): void {
    const stop = this.stops.get(address | 0);
    if (stop && stop.wanted > 0) stop.wanted--;
  }

  /** What is to be done at an address: bits of `Observe`. */
  kindAt(address: number): number {
    let kind = this.stops.has(address | 0) ? Observe.stop : 0;
    for (const range of this.ranges) {
      if (address >= range.start && address < range.end) {
        kind |= range.kind === 'blocks' ? Observe.blocks : Observe.instructions;
      }
    }
    return kind;
  }

  /** Execution begins at an address. */
  begin(address: number): void {
    this.startsAt = address;
    this.continuation = NOWHERE;
    this.announced = NOWHERE;
    this.stopRequested = false;
    this.stoppedAt = undefined;
  }

  /** Execution is to stop as soon as it can: after the present instruction, or before it where it was only told of. */
  requestStop(): void {
    this.stopRequested = true;
    this.cpu.i32[PENDING] = 1;
  }

  /** The instruction at an address is to be tried again: a stop there was one already. */
  passStopAt(address: number): void {
    this.startsAt = address;
  }

  /** Execution goes on at an address after the block there was translated anew. */
  goOnAt(address: number): void {
    if (this.kindAt(address >>> 0) & Observe.blocks) this.continuation = address;
  }

  /** The operation that stops before the instruction at an address. */
  stopOperation(pc: number): Operation {
    const stop = this.stops.get(pc)!;
    return new Operation(
      () => {
        if (this.startsAt === pc) {
          this.startsAt = NOWHERE;
          return;
        }
        if (stop.wanted === 0) {
          if (++stop.passes >= IDLE_PASSES) {
            this.stops.delete(pc);
            this.drop(pc >>> 0, (pc >>> 0) + 1);
          }
          return;
        }
        this.stoppedAt = pc;
        this.cpu.i32[PENDING] = 1;
        throw new DroppedBlock(pc, true);
      },
      pc,
      pc,
    );
  }

  /** The operation that tells of an instruction. `first`: it begins a block. */
  tellOperation(instruction: DecodedInstruction, kind: number, first: boolean): Operation | undefined {
    const blocks = first && (kind & Observe.blocks) !== 0;
    const instructions = (kind & Observe.instructions) !== 0;
    if (!blocks && !instructions) return undefined;
    const pc = instruction.pc | 0;
    const operation = new Operation(
      () => {
        this.startsAt = NOWHERE;
        const goesOn = this.continuation === pc;
        this.continuation = NOWHERE;
        if (blocks && !goesOn) this.tell('blocks', pc, instruction.length);
        if (instructions) this.tell('instructions', pc, instruction.length);
        // Another handler: a listener has changed the code or what is watched of it. It is not told again.
        if (operation.run !== run) this.announced = pc;
      },
      pc,
      pc,
    );
    const { run } = operation;
    return operation;
  }

  private tell(kind: ObservedRange['kind'], pc: number, size: number): void {
    const s = this.cpu.i32;
    s[EIP] = pc;
    const address = pc >>> 0;
    for (const range of this.ranges) {
      if (range.kind === kind && address >= range.start && address < range.end) range.listener(address, size);
    }
    this.leaveIfAsked(pc);
  }

  /** After listeners were called: leaves the block where they asked for the end of the run or set eip. */
  leaveIfAsked(expected: number): void {
    const eip = this.cpu.i32[EIP]!;
    if (this.stopRequested || eip !== expected) throw new DroppedBlock(eip, eip !== expected);
  }
}
