/**
 * MXCSR: the SSE control and status register's bits (Intel SDM volume 1, section 10.2.3), and the one word that the
 * fast paths compare with.
 */

/** Exception flags, in MXCSR's positions; the masks are the same bits seven places higher. */
export const Flag = {
  invalid: 0x01,
  denormal: 0x02,
  divideByZero: 0x04,
  overflow: 0x08,
  underflow: 0x10,
  precision: 0x20,
} as const;
/** Flags that are known before the operation is computed: unmasked, they suppress the others of the instruction. */
export const PRE_COMPUTATION = Flag.invalid | Flag.denormal | Flag.divideByZero;
export const ALL_FLAGS = 0x3f;
export const DENORMALS_ARE_ZERO = 0x40;
export const MASK_SHIFT = 7;
export const ALL_MASKS = 0x1f80;
export const ROUNDING_SHIFT = 13;
export const FLUSH_TO_ZERO = 0x8000;
/** Bits that `ldmxcsr` and `fxrstor` may set; any other raises #GP. */
export const MXCSR_VALID = 0xffff;

export const Rounding = { nearest: 0, down: 1, up: 2, zero: 3 } as const;

/**
 * `(mxcsr & PLAIN_BITS) === PLAIN` holds when all exceptions are masked and rounding is the one that JavaScript has, to
 * nearest. FTZ and DAZ do not matter to the fast paths, which take normal numbers and zeros only.
 */
export const PLAIN_BITS = 0x7f80;
export const PLAIN = 0x1f80;
/** `(mxcsr & QUIET_BITS) === QUIET`: the same, and PE is set already, so that an inexact result changes nothing. */
export const QUIET_BITS = PLAIN_BITS | Flag.precision;
export const QUIET = PLAIN | Flag.precision;
