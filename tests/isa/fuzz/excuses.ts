/** Cases that prove nothing, and differences that are known and accepted: each with its reason. */
import { Trap } from '../../../translator/state.js';
import { Field, regionAt, type Case, type MachineState, type Outcome } from '../machine.js';

const SIGSEGV = 11;
const SIGTRAP = 5;
const SIGALRM = 14;
const SIGSYS = 31;
const MXCSR_MM = 0x20000;

/** Is what the processor did no measure: a loop without end, a system call? */
export function provesNothing({ state }: Outcome): boolean {
  const signal = state.u32(Field.signal);
  return signal === SIGALRM || signal === SIGSYS;
}

/** An instruction that overwrote its own code: generated code that is left by a fault is executed again from memory. */
export const changedCode = ({ memory }: Outcome): boolean =>
  memory.some((patch) => regionAt(patch.address)?.name === 'code');

/** Faults at addresses where the native harness itself, its stack or the kernel's page lies. */
export function isForeign(state: MachineState): boolean {
  const address = state.u32(Field.address);
  return (
    state.u32(Field.signal) === SIGSEGV && ((address >= 0x70000000 && address < 0x70100000) || address >= 0xe0000000)
  );
}

/** Faults that processors take and this translator does not, or in another order; each is known and accepted. */
export function isExcused(test: Case, processor: MachineState, engine: MachineState): boolean {
  const theirs = processor.u32(Field.signal) === SIGTRAP ? -1 : processor.u32(Field.trap);
  const ours = engine.u32(Field.signal) === SIGTRAP ? -1 : engine.u32(Field.trap);
  // Segment limits, and writes through cs that would fault anyway.
  if (theirs === Trap.generalProtection && ours === Trap.pageFault) return true;
  // A pending x87 exception beside a page fault.
  if (theirs === Trap.pageFault && ours === Trap.floatingPoint) return true;
  // Repeat prefixes turn the conditions of loope and loopne on some processors; the manual reserves them.
  if (/^loopn?e/.test(test.declaration) && [0xf2, 0xf3].some((prefix) => test.code.includes(prefix))) return true;
  // Some processors do not write what arpl does not change, so that it cannot fault.
  if (/^arpl /.test(test.declaration) && theirs === -1 && ours !== -1) return true;
  // Selectors that only 64-bit kernels have: 64-bit code, the processor's number.
  const selectors = [0, 1, 2, 3, 4, 5].map((i) => processor.u16(Field.selectors + 2 * i) >> 2);
  if (selectors.includes(0x33 >> 2) || selectors.includes(0x7b >> 2)) return true;
  // AMD's processors have one bit more in MXCSR (misaligned operands); the manual reserves it.
  if (/^(ldmxcsr|fxrstor) /.test(test.declaration) && (processor.u32(Field.mxcsr) & MXCSR_MM) !== 0) return true;
  // Executed by the kernel in the processor's place, which does not know all prefixes.
  if (/^(sgdt|sidt|smsw|sldt|str) /.test(test.declaration) && theirs !== ours) return true;
  // Whether an empty mask faults, and what was done before a fault, the manual leaves open.
  return theirs === Trap.pageFault && /^maskmov/.test(test.declaration);
}
