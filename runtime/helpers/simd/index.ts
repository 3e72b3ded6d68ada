/**
 * The vector instructions' helpers, MMX to SSE4.2, AES, PCLMULQDQ and SHA: functions over one thread's state block that
 * the interpreter and generated code call by name. Operands are slots: byte offsets of registers, or of the scratch slots
 * that hold memory operands, within the block.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { createApproximations } from './approximate.js';
import { createArithmetic } from './arithmetic.js';
import { createConversions } from './convert.js';
import { createCrypto } from './crypto.js';
import { createIntegers } from './integer.js';
import { createShuffles } from './shuffle.js';
import { createStrings } from './strings.js';

export function createSimdHelpers(state: StateViews) {
  return {
    ...createArithmetic(state),
    ...createConversions(state),
    ...createApproximations(state),
    ...createIntegers(state),
    ...createShuffles(state),
    ...createStrings(state),
    ...createCrypto(state),
  };
}

export type SimdHelpers = ReturnType<typeof createSimdHelpers>;
