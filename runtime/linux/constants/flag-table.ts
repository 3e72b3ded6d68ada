/** The form of a table of flag names; the tables are in `flags.ts` and its neighbours. */

/** A set of names. Bits are matched largest value first after the masked field; `zero` is printed for 0. */
export interface FlagTable {
  readonly names: Readonly<Record<string, number>>;
  /** Bits that hold a number and not flags, and that number's names (O_ACCMODE, MAP_TYPE, CSIGNAL). */
  readonly field?: { readonly mask: number; readonly names: Readonly<Record<string, number>>; readonly last?: boolean };
  readonly zero?: string;
}
