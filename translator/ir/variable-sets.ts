/** Sets of variables as bits, by their position in `VARIABLE_NAMES`. */
import { FLAG_VARIABLES, VARIABLE_NAMES, type Variable } from './ir.js';

const BIT = new Map<Variable, number>(VARIABLE_NAMES.map((name, index) => [name, 1 << index]));
/** A variable's bit. */
export const bitOf = (variable: Variable): number => BIT.get(variable)!;
export const ALL_BITS = (1 << VARIABLE_NAMES.length) - 1;
export const FLAG_BITS = FLAG_VARIABLES.reduce((bits, flag) => bits | bitOf(flag), 0);
/** All variables but the flags. */
export const OTHER_BITS = ALL_BITS & ~FLAG_BITS;

const LETTERS: Record<string, Variable> = { o: 'of', s: 'sr', z: 'zr', a: 'af', p: 'pr', c: 'cf', d: 'df' };
const known = new Map<string, number>();
/** Flags by the declarations' letters. */
export function flagBits(letters: string): number {
  let bits = known.get(letters);
  if (bits === undefined) {
    bits = 0;
    for (const letter of letters) bits |= bitOf(LETTERS[letter]!);
    known.set(letters, bits);
  }
  return bits;
}
