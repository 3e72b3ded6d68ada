/** The x87 operations that the harness compares: instruction bytes (memory operand at [eax]) beside the helper call that means the same. */
import { State } from '../../../translator/state.js';
import type { StateViews } from '../../../runtime/cpu/cpu-state.js';
import type { X87Helpers } from '../../../runtime/helpers/x87/index.js';

export const SLOT = State.scratch;

export interface Operation {
  readonly name: string;
  readonly bytes: readonly number[];
  /** Runs the helper; a number of bytes returned is what it stored from `SLOT` to memory. */
  readonly run: (helpers: X87Helpers, views: StateViews) => number | void;
  /** What to put into memory: a kind of random operand. */
  readonly memory?: 'f32' | 'f64' | 'f80' | 'i16' | 'i32' | 'i64' | 'bcd' | 'control' | 'image';
  /** Pushes: ST(7) is usually to be empty. */
  readonly push?: boolean;
  /** Argument ranges for the transcendental instructions. */
  readonly range?: 'small' | 'angle' | 'power' | 'logarithm' | 'near-one';
  /** The result may differ by this many units in the last place. */
  readonly ulps?: number;
}

const ARITHMETIC = ['add', 'mul', 'com', 'comp', 'sub', 'subr', 'div', 'divr'] as const;

function registerForms(): Operation[] {
  const list: Operation[] = [];
  for (const i of [0, 1, 3, 7]) {
    ARITHMETIC.forEach((name, reg) => {
      const low = 0xc0 + reg * 8 + i;
      if (name === 'com' || name === 'comp') {
        for (const [first, base] of [[0xd8, reg * 8], [0xdc, reg * 8], ...(name === 'comp' ? [[0xde, 0x10]] : [])]) {
          list.push({
            name: `f${name} st${i} ${first!.toString(16)}`,
            bytes: [first!, 0xc0 + base! + i],
            run: (h) => (name === 'com' ? h.fcom(i) : h.fcomp(i)),
          });
        }
        return;
      }
      list.push({ name: `f${name} st0,st${i}`, bytes: [0xd8, low], run: (h) => h[`f${name}`](0, i) });
      // DC and DE swap the meaning of sub and subr, div and divr.
      const other = reg >= 4 ? ARITHMETIC[reg ^ 1]! : name;
      const reversed = (reg >= 4 ? other : name) as 'add' | 'mul' | 'sub' | 'subr' | 'div' | 'divr';
      list.push({ name: `f${reversed} st${i},st0`, bytes: [0xdc, low], run: (h) => h[`f${reversed}`](i, 0) });
      list.push({ name: `f${reversed}p st${i},st0`, bytes: [0xde, low], run: (h) => h[`f${reversed}p`](i, 0) });
    });
    list.push({ name: `fucom st${i}`, bytes: [0xdd, 0xe0 + i], run: (h) => h.fucom(i) });
    list.push({ name: `fucomp st${i}`, bytes: [0xdd, 0xe8 + i], run: (h) => h.fucomp(i) });
    list.push({ name: `fcomi st${i}`, bytes: [0xdb, 0xf0 + i], run: (h) => h.fcomi(i) });
    list.push({ name: `fcomip st${i}`, bytes: [0xdf, 0xf0 + i], run: (h) => h.fcomip(i) });
    list.push({ name: `fucomi st${i}`, bytes: [0xdb, 0xe8 + i], run: (h) => h.fucomi(i) });
    list.push({ name: `fucomip st${i}`, bytes: [0xdf, 0xe8 + i], run: (h) => h.fucomip(i) });
    list.push({ name: `fld st${i}`, bytes: [0xd9, 0xc0 + i], run: (h) => h.fld(i), push: true });
    list.push({ name: `fst st${i}`, bytes: [0xdd, 0xd0 + i], run: (h) => h.fst(i) });
    list.push({ name: `fstp st${i}`, bytes: [0xdd, 0xd8 + i], run: (h) => h.fstp(i) });
    list.push({ name: `fstp1 st${i}`, bytes: [0xd9, 0xd8 + i], run: (h) => h.fstpnce(i) });
    list.push({ name: `fstp8 st${i}`, bytes: [0xdf, 0xd0 + i], run: (h) => h.fstp(i) });
    list.push({ name: `fstp9 st${i}`, bytes: [0xdf, 0xd8 + i], run: (h) => h.fstp(i) });
    list.push({ name: `fxch st${i}`, bytes: [0xd9, 0xc8 + i], run: (h) => h.fxch(i) });
    list.push({ name: `fxch4 st${i}`, bytes: [0xdd, 0xc8 + i], run: (h) => h.fxch(i) });
    list.push({ name: `fxch7 st${i}`, bytes: [0xdf, 0xc8 + i], run: (h) => h.fxch(i) });
    list.push({ name: `ffree st${i}`, bytes: [0xdd, 0xc0 + i], run: (h) => h.ffree(i) });
    list.push({ name: `ffreep st${i}`, bytes: [0xdf, 0xc0 + i], run: (h) => h.ffreep(i) });
    // The harness sets all arithmetic flags: below/e/be/u hold, their negations do not.
    list.push({ name: `fcmovb st${i}`, bytes: [0xda, 0xc0 + i], run: (h) => h.fcmov(i, 1) });
    list.push({ name: `fcmovnb st${i}`, bytes: [0xdb, 0xc0 + i], run: (h) => h.fcmov(i, 0) });
  }
  return list;
}

function memoryForms(): Operation[] {
  const list: Operation[] = [];
  const forms = [
    [0xd8, 'f32', 'f', 'F32'],
    [0xdc, 'f64', 'f', 'F64'],
    [0xda, 'i32', 'fi', 'I32'],
    [0xde, 'i16', 'fi', 'I16'],
  ] as const;
  for (const [byte, memory, prefix, suffix] of forms) {
    ARITHMETIC.forEach((name, reg) => {
      const helper = `${prefix}${name}${suffix}` as keyof X87Helpers;
      list.push({
        name: helper,
        bytes: [byte, reg << 3],
        memory,
        run: (h) => (h[helper] as (slot: number) => void)(SLOT),
      });
    });
  }
  const loads = [
    ['fldF32', 0xd9, 0, 'f32'],
    ['fldF64', 0xdd, 0, 'f64'],
    ['fldF80', 0xdb, 5, 'f80'],
    ['fildI16', 0xdf, 0, 'i16'],
    ['fildI32', 0xdb, 0, 'i32'],
    ['fildI64', 0xdf, 5, 'i64'],
    ['fbld', 0xdf, 4, 'bcd'],
  ] as const;
  for (const [name, byte, reg, memory] of loads)
    list.push({ name, bytes: [byte, reg << 3], memory, push: true, run: (h) => h[name](SLOT) });
  const stores = [
    ['fstF32', 0xd9, 2, 4],
    ['fstpF32', 0xd9, 3, 4],
    ['fstF64', 0xdd, 2, 8],
    ['fstpF64', 0xdd, 3, 8],
    ['fstpF80', 0xdb, 7, 10],
    ['fistI16', 0xdf, 2, 2],
    ['fistpI16', 0xdf, 3, 2],
    ['fistI32', 0xdb, 2, 4],
    ['fistpI32', 0xdb, 3, 4],
    ['fistpI64', 0xdf, 7, 8],
    ['fisttpI16', 0xdf, 1, 2],
    ['fisttpI32', 0xdb, 1, 4],
    ['fisttpI64', 0xdd, 1, 8],
    ['fbstp', 0xdf, 6, 10],
  ] as const;
  for (const [name, byte, reg, size] of stores)
    list.push({ name, bytes: [byte, reg << 3], memory: 'f80', run: (h) => (h[name](SLOT) ? size : 0) });
  return list;
}

function plain(name: keyof X87Helpers & string, bytes: number[], more: Partial<Operation> = {}): Operation {
  return { name, bytes, run: (h) => (h[name] as () => void)(), ...more };
}

export const OPERATIONS: readonly Operation[] = [
  ...registerForms(),
  ...memoryForms(),
  plain('fcompp', [0xde, 0xd9]),
  plain('fucompp', [0xda, 0xe9]),
  plain('fchs', [0xd9, 0xe0]),
  plain('fabs', [0xd9, 0xe1]),
  plain('ftst', [0xd9, 0xe4]),
  plain('fxam', [0xd9, 0xe5]),
  plain('fld1', [0xd9, 0xe8], { push: true }),
  plain('fldl2t', [0xd9, 0xe9], { push: true }),
  plain('fldl2e', [0xd9, 0xea], { push: true }),
  plain('fldpi', [0xd9, 0xeb], { push: true }),
  plain('fldlg2', [0xd9, 0xec], { push: true }),
  plain('fldln2', [0xd9, 0xed], { push: true }),
  plain('fldz', [0xd9, 0xee], { push: true }),
  plain('fxtract', [0xd9, 0xf4], { push: true }),
  plain('fprem1', [0xd9, 0xf5]),
  plain('fdecstp', [0xd9, 0xf6]),
  plain('fincstp', [0xd9, 0xf7]),
  plain('fprem', [0xd9, 0xf8]),
  plain('fsqrt', [0xd9, 0xfa]),
  plain('frndint', [0xd9, 0xfc]),
  plain('fscale', [0xd9, 0xfd]),
  plain('f2xm1', [0xd9, 0xf0], { range: 'power', ulps: 1 }),
  plain('fyl2x', [0xd9, 0xf1], { range: 'logarithm', ulps: 1 }),
  plain('fptan', [0xd9, 0xf2], { range: 'angle', ulps: 1, push: true }),
  plain('fpatan', [0xd9, 0xf3], { range: 'logarithm', ulps: 1 }),
  plain('fyl2xp1', [0xd9, 0xf9], { range: 'near-one', ulps: 1 }),
  plain('fsincos', [0xd9, 0xfb], { range: 'angle', ulps: 1, push: true }),
  plain('fsin', [0xd9, 0xfe], { range: 'angle', ulps: 1 }),
  plain('fcos', [0xd9, 0xff], { range: 'angle', ulps: 1 }),
  plain('fnop', [0xd9, 0xd0]),
  plain('fninit', [0xdb, 0xe3]),
  plain('fnclex', [0xdb, 0xe2]),
  { name: 'fldcw', bytes: [0xd9, 5 << 3], memory: 'control', run: (h, { u16 }) => h.fldcw(u16[SLOT >> 1]!) },
];
