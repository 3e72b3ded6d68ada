/**
 * The lockstep engine: whenever generated code is to run, the interpreter goes first over the same blocks with every store
 * logged, everything is undone, the generated code runs to its first way out, and both states and memories are compared.
 */
import { disassemble } from '../../translator/disasm.js';
import { VARIABLE_NAMES, variables } from '../../translator/ir/ir.js';
import { State } from '../../translator/state.js';
import { GuestTrap } from '../memory/trap.js';
import type { Block, CompiledFunction } from './code-cache.js';
import { Dispatcher } from './engine.js';

/** Bytes of the state block that are compared: registers, x87, XMM. */
const COMPARED = State.scratch;
/** Interpreted blocks that generated code may cover before its first back-edge. */
const MAXIMUM_TRACE = 400;

interface Write {
  address: number;
  before: Uint8Array;
  after: Uint8Array;
}
interface Boundary {
  pc: number;
  state: Uint8Array;
  writes: number;
}

/** A difference between interpreter and generated code: a defect of the translator. The message is the report. */
export class LockstepDifference extends Error {}

export class LockstepDispatcher extends Dispatcher {
  protected override readonly supervised = true;

  /** What is compared must not run on beyond a fault. */
  override setMemoryMode(): void {}

  protected override runSupervised(block: Block, compiled: CompiledFunction): number {
    const { memory, cpu } = this;
    const before = cpu.u8.slice();
    const writes: Write[] = [];
    const original = memory.checkWrite;
    memory.checkWrite = (address, length) => {
      original.call(memory, address, length);
      const from = address >>> 0;
      writes.push({ address: from, before: memory.u8.slice(from, from + length), after: new Uint8Array(0) });
    };
    const trace = this.interpretTrace(block, writes);
    memory.checkWrite = original;
    for (let i = writes.length - 1; i >= 0; i--) {
      const write = writes[i]!;
      write.after = memory.u8.slice(write.address, write.address + write.before.length);
      memory.u8.set(write.before, write.address);
    }
    cpu.u8.set(before);
    if (block.compiled === null) {
      // The code changed itself: there is nothing to compare with.
      return block.pc;
    }
    cpu.i32[State.pending >> 2] = 1;
    const pc = compiled();
    cpu.i32[State.pending >> 2] = 0;
    const reason = cpu.i32[State.exit >> 2]!;
    if (reason !== 0) {
      // A slow exit is in the middle of a block, a stop is compared when its state has gone on.
      return pc;
    }
    const after = cpu.u8.slice(0, COMPARED);
    neutral(after);
    const candidates = trace.filter((boundary) => boundary.pc === pc);
    const match = candidates.find((boundary) => sameBytes(boundary.state, after) && this.sameMemory(writes, boundary));
    if (!match && trace.length < MAXIMUM_TRACE)
      this.report(block, before, after, pc, candidates[0] ?? trace.at(-1), writes);
    return pc;
  }

  /** Runs blocks from `block` on in the interpreter; the state at each boundary. */
  private interpretTrace(first: Block, writes: Write[]): Boundary[] {
    const { cpu } = this;
    const trace: Boundary[] = [];
    let block = first;
    try {
      for (let i = 0; i < MAXIMUM_TRACE; i++) {
        for (const operation of block.operations) operation.run(operation);
        const state = cpu.u8.slice(0, COMPARED);
        neutral(state);
        trace.push({ pc: cpu.i32[State.eip >> 2]!, state, writes: writes.length });
        if (cpu.i32[State.exit >> 2] !== 0) break;
        const next = this.cache.find(cpu.i32[State.eip >> 2]!);
        if (!next || next.observed) break;
        block = next;
      }
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
    }
    return trace;
  }

  private sameMemory(writes: readonly Write[], boundary: Boundary): boolean {
    const expected = new Map<number, number>();
    for (const write of writes.slice(0, boundary.writes)) {
      write.after.forEach((byte, i) => expected.set(write.address + i, byte));
    }
    // Bytes written again later in the trace have their later value in `after`; those cannot be told apart here.
    for (const write of writes.slice(boundary.writes))
      write.after.forEach((_, i) => expected.delete(write.address + i));
    for (const [address, byte] of expected) if (this.memory.u8[address] !== byte) return false;
    return true;
  }

  private report(
    block: Block,
    before: Uint8Array,
    after: Uint8Array,
    pc: number,
    expected: Boundary | undefined,
    writes: readonly Write[],
  ): never {
    const at = (address: number): string => `0x${(address >>> 0).toString(16).padStart(8, '0')}`;
    const lines = [`lockstep: generated code of the block at ${at(block.pc)} differs from the interpreter`];
    lines.push(`  ends at: generated ${at(pc)}, interpreter ${expected ? at(expected.pc) : 'a fault'}`);
    const word = (bytes: Uint8Array, offset: number): number =>
      new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset, true);
    for (const name of VARIABLE_NAMES) {
      const offset = variables[name];
      const [from, got] = [word(before, offset), word(after, offset)];
      const want = expected ? word(expected.state, offset) : got;
      lines.push(
        `  ${name.padEnd(4)} before ${at(from)} interpreter ${at(want)} generated ${at(got)}${want === got ? '' : '  <<<'}`,
      );
    }
    if (expected) {
      for (let offset = State.fpuControl; offset < COMPARED; offset++) {
        if (expected.state[offset] === after[offset]) continue;
        lines.push(`  state byte ${offset}: interpreter ${expected.state[offset]} generated ${after[offset]}`);
      }
      for (const write of writes.slice(0, expected.writes)) {
        const got = this.memory.u8.subarray(write.address, write.address + write.after.length);
        if (sameBytes(got, write.after)) continue;
        lines.push(`  memory ${at(write.address)}: interpreter ${hexBytes(write.after)} generated ${hexBytes(got)}`);
      }
    }
    for (const instruction of block.instructions) {
      const { pc: address, length } = instruction;
      const bytes = hexBytes(this.memory.u8.subarray(address >>> 0, (address >>> 0) + length));
      lines.push(`  ${at(address)}  ${bytes.padEnd(24)} ${disassemble(instruction)}`);
    }
    lines.push(
      `  again: the same command with --engine lockstep --dump in_asm,ir,js --dump-range ${at(block.pc)}-${at(block.end)}`,
    );
    throw new LockstepDifference(lines.join('\n'));
  }
}

/** Fields in which the engines may differ. */
function neutral(state: Uint8Array): void {
  for (const field of [State.eip, State.exit, State.pending, State.budget, State.exitDetail, State.callDepth]) {
    state.fill(0, field, field + 4);
  }
  // Flags are compared by their meaning, not by the value that stands for it.
  const words = new Int32Array(state.buffer, state.byteOffset, state.byteLength >> 2);
  words[State.zr >> 2] = words[State.zr >> 2] === 0 ? 0 : 1;
  words[State.sr >> 2] = words[State.sr >> 2]! < 0 ? -1 : 0;
  words[State.of >> 2] = words[State.of >> 2]! < 0 ? -1 : 0;
  words[State.af >> 2] = words[State.af >> 2]! & 16;
  let parity = words[State.pr >> 2]! & 0xff;
  parity ^= parity >> 4;
  words[State.pr >> 2] = (0x9669 >> (parity & 15)) & 1;
}

const hexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
