/** The x87 operations that the harness compares, made from the declarations: instruction bytes (memory operand at [eax]) and kinds of operands. */
import { declarations, type Declaration } from '../../../translator/isa/index.js';
import type { Kind } from '../../../translator/isa/kinds.js';

export type MemoryKind = 'f32' | 'f64' | 'f80' | 'i16' | 'i32' | 'i64' | 'bcd' | 'control' | 'image' | 'fximage';

export interface Operation {
  readonly name: string;
  readonly bytes: readonly number[];
  /** What to put into memory: a kind of random operand. */
  readonly memory: MemoryKind;
  readonly memorySize: number;
  /** Pushes: ST(7) is usually to be empty. */
  readonly push: boolean;
  /** Argument ranges for the transcendental instructions. */
  readonly range: Range | undefined;
  /** The result may differ by this many units in the last place. */
  readonly ulps: number;
}
export type Range = 'angle' | 'power' | 'logarithm' | 'near-one';

const RANGES: Record<string, Range> = {
  f2xm1: 'power',
  fyl2x: 'logarithm',
  fpatan: 'logarithm',
  fyl2xp1: 'near-one',
  fptan: 'angle',
  fsincos: 'angle',
  fsin: 'angle',
  fcos: 'angle',
};
const MEMORY: Partial<Record<Kind, MemoryKind>> = {
  m32fp: 'f32',
  m64fp: 'f64',
  m80fp: 'f80',
  m80bcd: 'bcd',
  m16int: 'i16',
  m32int: 'i32',
  m64int: 'i64',
  m28byte: 'image',
  m108byte: 'image',
  m512byte: 'fximage',
};
const REGISTERS = [0, 1, 3, 7];

function operationsOf({ mnemonic, encoding, operands }: Declaration): Operation[] {
  const range = RANGES[mnemonic];
  const kind = operands[0] === undefined ? undefined : MEMORY[operands[0]];
  const memory = mnemonic === 'fldcw' ? 'control' : (kind ?? 'f80');
  const base = {
    memory,
    memorySize: memory === 'fximage' ? 512 : memory === 'image' ? 108 : 16,
    push: /^f(i|b)?ld|^fptan|^fsincos|^fxtract/.test(mnemonic) && !/^fld(cw|env)/.test(mnemonic),
    range,
    ulps: range ? 1 : 0,
  };
  const tokens = encoding.split(' ').filter((token) => token !== 'NP');
  const last = tokens.pop()!;
  const first = tokens.map((token) => parseInt(token, 16));
  const name = `${mnemonic} ${encoding}`;
  if (last.startsWith('/')) {
    const bytes = [...first, Number(last[1]) << 3];
    const list = [{ ...base, name, bytes }];
    if (memory === 'image') list.push({ ...base, name: `${name} 16-bit`, bytes: [0x66, ...bytes] });
    return list;
  }
  if (!last.endsWith('+')) return [{ ...base, name, bytes: [...first, parseInt(last, 16)] }];
  return REGISTERS.map((i) => ({ ...base, name: `${name} st${i}`, bytes: [...first, parseInt(last, 16) + i] }));
}

export const OPERATIONS: readonly Operation[] = declarations
  .filter(({ encoding, mnemonic }) => /^D[89A-F] |^9B/.test(encoding) || /^fx(save|rstor)$/.test(mnemonic))
  .flatMap(operationsOf);
