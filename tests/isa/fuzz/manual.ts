/**
 * Where flags are undefined: the titles in Intel's Software Developer's Manual, volume 2, whose sections "Flags Affected" say so. The
 * flags themselves are in the instructions' declarations (`undefined`).
 */
const TITLES: readonly (readonly [mnemonics: string, title: string])[] = [
  ['or', 'OR—Logical Inclusive OR'],
  ['and', 'AND—Logical AND'],
  ['xor', 'XOR—Logical Exclusive OR'],
  ['test', 'TEST—Logical Compare'],
  ['mul', 'MUL—Unsigned Multiply'],
  ['imul', 'IMUL—Signed Multiply'],
  ['div', 'DIV—Unsigned Divide'],
  ['idiv', 'IDIV—Signed Divide'],
  ['aaa', 'AAA—ASCII Adjust After Addition'],
  ['aas', 'AAS—ASCII Adjust AL After Subtraction'],
  ['daa', 'DAA—Decimal Adjust AL After Addition'],
  ['das', 'DAS—Decimal Adjust AL After Subtraction'],
  ['aam', 'AAM—ASCII Adjust AX After Multiply'],
  ['aad', 'AAD—ASCII Adjust AX Before Division'],
  ['rol ror rcl rcr', 'RCL/RCR/ROL/ROR—Rotate'],
  ['shl shr sar', 'SAL/SAR/SHL/SHR—Shift'],
  ['shld', 'SHLD—Double Precision Shift Left'],
  ['shrd', 'SHRD—Double Precision Shift Right'],
  ['bt', 'BT—Bit Test'],
  ['bts', 'BTS—Bit Test and Set'],
  ['btr', 'BTR—Bit Test and Reset'],
  ['btc', 'BTC—Bit Test and Complement'],
  ['bsf', 'BSF—Bit Scan Forward'],
  ['bsr', 'BSR—Bit Scan Reverse'],
  ['tzcnt', 'TZCNT—Count the Number of Trailing Zero Bits'],
  ['lzcnt', 'LZCNT—Count the Number of Leading Zero Bits'],
];
const byMnemonic = new Map(TITLES.flatMap(([mnemonics, title]) => mnemonics.split(' ').map((name) => [name, title])));

/** The manual's title for an instruction that leaves flags undefined. Throws for one that is not in the list. */
export function manualTitle(mnemonic: string): string {
  const title = byMnemonic.get(mnemonic);
  if (title === undefined) throw new Error(`${mnemonic} leaves flags undefined: where does the manual say so?`);
  return title;
}
