import { Trap } from '../../translator/state.js';

/**
 * A processor exception on its way from an instruction to the process. Thrown by the interpreter's memory accesses and
 * helpers; `eip` is then the faulting instruction's. It is no `Error`: it is thrown often and needs no stack.
 */
export class GuestTrap {
  constructor(
    /** Exception vector, one of `Trap`. */
    readonly vector: number,
    /** Page fault: the address. */
    readonly address = 0,
    /** Page fault: bit 0 = the page was mapped, bit 1 = write, bit 4 = instruction fetch (Intel SDM 3, 4.7). */
    readonly errorCode = 0,
    /** Page fault that the host's kernel found: its signal (SIGSEGV or SIGBUS). The registers may be those of a later moment. */
    readonly hostSignal = 0,
  ) {}
}

export function pageFault(address: number, write: boolean, mapped: boolean, fetch = false): GuestTrap {
  return new GuestTrap(Trap.pageFault, address >>> 0, (mapped ? 1 : 0) | (write ? 2 : 0) | 4 | (fetch ? 16 : 0));
}
