/** Processor exceptions as signals: which signal, code and address Linux gives for each (arch/x86/kernel/traps.c, mm/fault.c). */
import { State, Trap } from '../../../translator/state.js';
import type { CpuState } from '../../cpu/cpu-state.js';
import type { GuestTrap } from '../../memory/trap.js';
import { Signal, SignalCode } from '../constants/signals.js';

export interface Fault {
  signal: number;
  code: number;
  /** si_addr. */
  address: number;
}

/** The signal of a trap other than a page fault whose mapping is still to be asked (SEGV or BUS: `pageFaultSignal`). */
export function faultOf(trap: GuestTrap, cpu: CpuState): Fault {
  const { eip } = cpu;
  const kernel = (signal: number): Fault => ({ signal, code: SignalCode.SI_KERNEL, address: 0 });
  switch (trap.vector) {
    case Trap.divideError:
      return { signal: Signal.SIGFPE, code: SignalCode.FPE_INTDIV, address: eip };
    case Trap.debug:
      return { signal: Signal.SIGTRAP, code: SignalCode.TRAP_TRACE, address: eip };
    case Trap.breakpoint:
      return kernel(Signal.SIGTRAP);
    case Trap.invalidOpcode:
      return { signal: Signal.SIGILL, code: SignalCode.ILL_ILLOPN, address: eip };
    case Trap.floatingPoint:
      return { signal: Signal.SIGFPE, code: x87Code(cpu), address: eip };
    case Trap.simd:
      return { signal: Signal.SIGFPE, code: simdCode(cpu), address: eip };
    case Trap.alignment:
      return { signal: Signal.SIGBUS, code: SignalCode.BUS_ADRALN, address: 0 };
    case Trap.pageFault:
      return {
        signal: Signal.SIGSEGV,
        code: trap.errorCode & 1 ? SignalCode.SEGV_ACCERR : SignalCode.SEGV_MAPERR,
        address: trap.address,
      };
    default:
      return kernel(Signal.SIGSEGV);
  }
}

/** The code for pending exceptions that are not masked, the first that Linux looks for (fpu__exception_code). */
function exceptionCode(exceptions: number): number {
  if (exceptions & 0x01) return SignalCode.FPE_FLTINV;
  if (exceptions & 0x04) return SignalCode.FPE_FLTDIV;
  if (exceptions & 0x08) return SignalCode.FPE_FLTOVF;
  if (exceptions & 0x12) return SignalCode.FPE_FLTUND;
  if (exceptions & 0x20) return SignalCode.FPE_FLTRES;
  return 0;
}

function x87Code(cpu: CpuState): number {
  return exceptionCode(cpu.i32[State.fpuStatus >> 2]! & ~cpu.i32[State.fpuControl >> 2]!);
}

function simdCode(cpu: CpuState): number {
  const mxcsr = cpu.i32[State.mxcsr >> 2]!;
  return exceptionCode(mxcsr & ~(mxcsr >> 7));
}
