/** Flags and enumerated values as text, by the tables of `flags.ts`. */
import type { FlagTable } from './flag-table.js';
import { flagTables, type FlagTableName } from './flags.js';

function hex(value: number): string {
  return '0x' + (value >>> 0).toString(16);
}

/** One of a table's names, or the number with a comment as strace prints what it does not know. */
export function enumerationText(name: FlagTableName, value: number): string {
  for (const [text, number] of Object.entries<number>(flagTables[name].names)) {
    if ((number | 0) === (value | 0)) return text;
  }
  return hex(value);
}

/** `O_RDWR|O_CREAT`; bits without a name come last in hexadecimal, 0 is `0` or the table's name for it. */
export function flagsText(name: FlagTableName, value: number): string {
  const table: FlagTable = flagTables[name];
  let rest = value >>> 0;
  if (rest === 0 && table.zero !== undefined) return table.zero;
  const parts: string[] = [];
  let field: string | undefined;
  if (table.field !== undefined) {
    const { mask, names } = table.field;
    const part = (rest & mask) >>> 0;
    field = Object.keys(names).find((key) => names[key] === part) ?? (part === 0 ? undefined : hex(part));
    rest = (rest & ~mask) >>> 0;
  }
  const entries = Object.entries(table.names).map(([text, bits]) => [text, bits >>> 0] as const);
  const matched: (readonly [string, number])[] = [];
  for (const entry of entries.sort((x, y) => y[1] - x[1])) {
    if (entry[1] !== 0 && (rest & entry[1]) >>> 0 === entry[1]) {
      matched.push(entry);
      rest = (rest & ~entry[1]) >>> 0;
    }
  }
  for (const [text] of matched.reverse()) parts.push(text);
  if (rest !== 0) parts.push(hex(rest));
  if (field !== undefined) {
    if (table.field?.last === true) parts.push(field);
    else parts.unshift(field);
  }
  return parts.length === 0 ? '0' : parts.join('|');
}
