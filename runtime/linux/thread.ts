/** One guest thread: its processor state and what the kernel keeps for a thread beside it. */
import type { CpuState } from '../cpu/cpu-state.js';

export interface AlternateStack {
  address: number;
  size: number;
  flags: number;
}

export class GuestThread {
  /** Address to be cleared and woken when the thread ends (set_tid_address), 0 for none. */
  clearChildTid = 0;
  /** Head of the list of robust futexes and its size as registered. */
  robustList = 0;
  robustListSize = 0;
  /** Signals that are blocked: bit n-1 is signal n. */
  signalMask = 0n;
  /** The mask to go back to when sigsuspend, pselect or ppoll have let a handler run. */
  savedSignalMask: bigint | undefined;
  alternateStack: AlternateStack = { address: 0, size: 0, flags: 2 };

  /** Of the last processor exception: vector, error code and faulting address, for signal frames. */
  trapNumber = 0;
  errorCode = 0;
  faultAddress = 0;
  /** An exception of the kind that leaves eip at its instruction is about to become a signal: the processor sets RF then. */
  resumeFlag = false;

  constructor(readonly cpu: CpuState) {}

  /** A thread begins as `clone` leaves it; its mask and the address to clear are set by the caller. */
  reset(): void {
    this.resetForExec();
    this.savedSignalMask = undefined;
    this.trapNumber = this.errorCode = this.faultAddress = 0;
  }

  /** What a thread forgets when it executes a new program. */
  resetForExec(): void {
    this.clearChildTid = 0;
    this.robustList = 0;
    this.alternateStack = { address: 0, size: 0, flags: 2 };
  }
}
