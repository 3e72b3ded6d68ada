/** What each signal is to do (`sigaction`), in words that the threads of a process share. */
import { SIG_DFL, SIGNAL_COUNT, signalBit } from '../constants/signals.js';

export interface SignalAction {
  /** Address, SIG_DFL or SIG_IGN. */
  handler: number;
  flags: number;
  restorer: number;
  mask: bigint;
}

export const defaultSignalAction = (): SignalAction => ({ handler: SIG_DFL, flags: 0, restorer: 0, mask: 0n });

/** Words of one action: handler, flags, restorer, mask low and high, and whether the host's handler is installed. */
const Field = { handler: 0, flags: 1, restorer: 2, maskLow: 3, maskHigh: 4, caught: 5 } as const;
const STRIDE = 6;
export const ACTION_WORDS = (SIGNAL_COUNT + 1) * STRIDE;

export class SignalActions {
  /** @param words `ACTION_WORDS` words, zeroed at first: every signal does its default then */
  constructor(private readonly words: Int32Array) {}

  get(signal: number): SignalAction {
    const { words } = this;
    const at = signal * STRIDE;
    return {
      handler: words[at + Field.handler]! >>> 0,
      flags: words[at + Field.flags]!,
      restorer: words[at + Field.restorer]!,
      mask: BigInt(words[at + Field.maskLow]! >>> 0) | (BigInt(words[at + Field.maskHigh]! >>> 0) << 32n),
    };
  }

  set(signal: number, { handler, flags, restorer, mask }: SignalAction): void {
    const { words } = this;
    const at = signal * STRIDE;
    words[at + Field.handler] = handler;
    words[at + Field.flags] = flags;
    words[at + Field.restorer] = restorer;
    words[at + Field.maskLow] = Number(BigInt.asIntN(32, mask));
    words[at + Field.maskHigh] = Number(BigInt.asIntN(32, mask >> 32n));
  }

  /** Whether the host calls the machine-code handler for the signal. */
  isCaught(signal: number): boolean {
    return this.words[signal * STRIDE + Field.caught] !== 0;
  }
  setCaught(signal: number, caught: boolean): void {
    this.words[signal * STRIDE + Field.caught] = caught ? 1 : 0;
  }

  /** The set of signals that are caught. */
  get caught(): bigint {
    let set = 0n;
    for (let signal = 1; signal <= SIGNAL_COUNT; signal++) if (this.isCaught(signal)) set |= signalBit(signal);
    return set;
  }
}
