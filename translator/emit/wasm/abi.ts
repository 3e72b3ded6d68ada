/**
 * How regions call one another: what is passed in parameters and results rather than through the CPU state, what stands in a
 * table slot that holds no region, and the jump table by which a region is found from a guest address that only the run
 * tells.
 */
import { State } from '../../state.js';
import type { ModuleBuilder, Signature } from './module.js';
import { FunctionWriter } from './writer.js';

/**
 * `address`: guest address that is called. `expected`: the address that the caller goes on at; where a return goes there, the
 * flags are not wanted. `depth`: how many regions have called one another. esp and eax travel in both directions, all else
 * is in the CPU state.
 *
 * The results are esp and eax after a return to the expected address; else esp is given as zero, and the whole state,
 * eip and these two included, is in memory: the caller gives the same at once, its own registers being stale.
 */
export const REGION_SIGNATURE: Signature = {
  parameters: ['i32', 'i32', 'i32', 'i32', 'i32'],
  results: ['i32', 'i32'],
};
export const Parameter = { address: 0, expected: 1, depth: 2, esp: 3, eax: 4 } as const;

/** Guest code never lies here: no return goes to it. */
export const NOWHERE = -1;
/** What a caller expects that wants the flags whatever happens: no return goes there, so that all is stored. */
export const FLAGS_WANTED = NOWHERE - 1;

/** Slot of the table that never holds a region. */
export const UNLINKED_SLOT = 0;

/** (expected, depth) -> whether the guest is there now: the dispatcher does what is left of a call. */
const FINISH_CALL = 'finishCall';

/** Regions may call one another this deep on the host's stack; then they leave to the dispatcher. */
export const MAXIMUM_CALL_DEPTH = 200;

/** Leaves an unlinked slot's function, and any other whose state is stored: (eax) -> results. */
export function returnNowhere(w: FunctionWriter, pushEax: () => void): void {
  w.i32(0);
  pushEax();
  w.op('return');
}

/**
 * Leaves for the dispatcher, the whole state being in memory. It goes on for who called with the rest of the call, however much
 * of that is interpreted, so that one cold piece of code does not end all that wait for it. Where nobody did, and where the
 * dispatcher is wanted for something else, everybody leaves.
 */
export function leaveCall(w: FunctionWriter, module: ModuleBuilder): void {
  w.get(Parameter.depth);
  w.state();
  w.memory('i32.load', State.callDepth);
  w.op('i32.gt_s');
  w.get(Parameter.expected);
  w.i32(FLAGS_WANTED);
  w.op('i32.lt_u', 'i32.and');
  w.open('if');
  w.get(Parameter.expected);
  w.get(Parameter.depth);
  w.call(module.helper(FINISH_CALL, 2, true));
  w.open('if');
  for (const field of [State.esp, State.eax]) {
    w.state();
    w.memory('i32.load', field);
  }
  w.op('return');
  w.close();
  w.close();
  returnNowhere(w, () => w.get(Parameter.eax));
}

/** What an empty table slot holds: it stores what it is given, and the dispatcher goes on at the address. */
export function emitUnlinked(module: ModuleBuilder, name: string): void {
  const w = new FunctionWriter(name, REGION_SIGNATURE.parameters.length);
  w.useState(module.stateGlobal);
  for (const [field, parameter] of [
    [State.eip, Parameter.address],
    [State.esp, Parameter.esp],
    [State.eax, Parameter.eax],
  ] as const) {
    w.state();
    w.get(parameter);
    w.memory('i32.store', field);
  }
  leaveCall(w, module);
  module.add(w, REGION_SIGNATURE);
}

/** (slot, address) -> guest address to go on at: the dispatcher's way into regions. */
export function emitEntrance(module: ModuleBuilder, name: string): void {
  const signature: Signature = { parameters: ['i32', 'i32'], results: ['i32'] };
  const w = new FunctionWriter(name, signature.parameters.length);
  w.useState(module.stateGlobal);
  const expected = w.local('i32');
  const esp = w.local('i32');
  const eax = w.local('i32');
  w.get(1);
  w.state();
  w.memory('i32.load', State.expected);
  w.i32(-1);
  w.op('i32.xor');
  w.tee(expected);
  for (const field of [State.callDepth, State.esp, State.eax]) {
    w.state();
    w.memory('i32.load', field);
  }
  w.get(0);
  w.callIndirect(module.type(REGION_SIGNATURE));
  w.set(eax);
  w.tee(esp);
  w.open('if');
  for (const [field, local] of [
    [State.eip, expected],
    [State.esp, esp],
    [State.eax, eax],
  ] as const) {
    w.state();
    w.get(local);
    w.memory('i32.store', field);
  }
  w.close();
  w.state();
  w.memory('i32.load', State.eip);
  module.add(w, signature);
}

// The jump table --------------------------------------------------------------------------------------------------------

/**
 * One entry for each value of a hash of the guest address: the address, the table slot of its region; the slot's highest bit is
 * set where the region reads flags.
 */
const HASH_BITS = 14;
/** Knuth, The Art of Computer Programming 3, 6.4. */
const MULTIPLIER = 0x9e3779b1 | 0;
const ENTRY_BYTES = 8;
const SLOT = 4;
export const READS_FLAGS = 0x80000000 | 0;
export const JUMP_TABLE_BYTES = ENTRY_BYTES << HASH_BITS;

/** Byte offset of an address's entry. */
export const jumpTableOffset = (address: number): number =>
  (Math.imul(address, MULTIPLIER) >>> (32 - HASH_BITS)) * ENTRY_BYTES;

/** Pushes whether the address in a local has its entry; the entry's own address is left in `entry`. */
export function pushFound(w: FunctionWriter, module: ModuleBuilder, address: number, entry: number): void {
  w.get(address);
  w.i32(MULTIPLIER);
  w.op('i32.mul');
  w.i32(32 - HASH_BITS);
  w.op('i32.shr_u');
  w.i32(Math.log2(ENTRY_BYTES));
  w.op('i32.shl');
  w.global(module.jumpTableGlobal);
  w.op('i32.add');
  w.tee(entry);
  w.memory('i32.load');
  w.get(address);
  w.op('i32.eq');
}
/** Pushes the slot of what an entry says (`SLOT`). */
export function pushSlot(w: FunctionWriter, pushWord: () => void): void {
  pushWord();
  w.i32(~READS_FLAGS);
  w.op('i32.and');
}
export function pushWordOf(w: FunctionWriter, entry: number): void {
  w.get(entry);
  w.memory('i32.load', SLOT);
}
/** Pushes whether the region reads flags of which the entry's word is in a local. */
export function pushReadsFlags(w: FunctionWriter, word: number): void {
  w.get(word);
  w.i32(0);
  w.op('i32.lt_s');
}
