/**
 * The registers as gdb numbers them: the target description that it is sent, and their bytes. Names and order are those of gdb's
 * i386 features (gdb manual, appendix G.5.9), in which the emulator's own registers are listed once, here.
 */
import type { RegisterName, Registers } from '../../cpu/registers.js';

interface TargetRegister {
  readonly name: string;
  readonly bits: number;
  readonly type: string;
  readonly group?: string;
  read(registers: Registers): Uint8Array;
  write(registers: Registers, bytes: Uint8Array): void;
}

function word(name: string, type: string, register?: RegisterName, group?: string): TargetRegister {
  return {
    name,
    bits: 32,
    type,
    ...(group ? { group } : {}),
    read(registers) {
      const bytes = Buffer.alloc(4);
      if (register) bytes.writeUInt32LE(registers.get(register));
      return bytes;
    },
    write(registers, bytes) {
      if (register) registers.set(register, Buffer.from(bytes).readUInt32LE());
    },
  };
}

const CORE: readonly TargetRegister[] = [
  ...(['eax', 'ecx', 'edx', 'ebx'] as const).map((name) => word(name, 'int32', name)),
  word('esp', 'data_ptr', 'esp'),
  word('ebp', 'data_ptr', 'ebp'),
  word('esi', 'int32', 'esi'),
  word('edi', 'int32', 'edi'),
  word('eip', 'code_ptr', 'eip'),
  word('eflags', 'i386_eflags', 'eflags'),
  ...(['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const).map((name) => word(name, 'int32', name)),
  ...Array.from({ length: 8 }, (_, i): TargetRegister => ({
    name: `st${i}`,
    bits: 80,
    type: 'i387_ext',
    read: (registers) => registers.stBytes(i),
    write: (registers, bytes) => registers.setStBytes(i, bytes),
  })),
  word('fctrl', 'int', 'fctrl', 'float'),
  word('fstat', 'int', 'fstat', 'float'),
  word('ftag', 'int', 'ftag', 'float'),
  ...['fiseg', 'fioff', 'foseg', 'fooff', 'fop'].map((name) => word(name, 'int', undefined, 'float')),
];

const SSE: readonly TargetRegister[] = [
  ...Array.from({ length: 8 }, (_, i): TargetRegister => ({
    name: `xmm${i}`,
    bits: 128,
    type: 'vec128',
    read(registers) {
      const view = registers.xmm(i);
      return new Uint8Array(view.buffer, view.byteOffset, 16).slice();
    },
    write(registers, bytes) {
      const view = registers.xmm(i);
      new Uint8Array(view.buffer, view.byteOffset, 16).set(bytes);
    },
  })),
  word('mxcsr', 'i386_mxcsr', 'mxcsr', 'vector'),
];

/** What tells gdb that this is Linux: the number of the system call that is to be begun again, -1 outside of any. */
const LINUX: readonly TargetRegister[] = [
  {
    name: 'orig_eax',
    bits: 32,
    type: 'int',
    group: 'system',
    read: () => Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    write: () => undefined,
  },
];

const ALL = [...CORE, ...SSE, ...LINUX];

const flagFields = (names: readonly (readonly [string, number])[]): string =>
  names.map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`).join('');
const EFLAGS = [
  ['CF', 0],
  ['', 1],
  ['PF', 2],
  ['AF', 4],
  ['ZF', 6],
  ['SF', 7],
  ['TF', 8],
  ['IF', 9],
  ['DF', 10],
  ['OF', 11],
  ['NT', 14],
  ['RF', 16],
  ['VM', 17],
  ['AC', 18],
  ['VIF', 19],
  ['VIP', 20],
  ['ID', 21],
] as const;
const MXCSR = ['IE', 'DE', 'ZE', 'OE', 'UE', 'PE', 'DAZ', 'IM', 'DM', 'ZM', 'OM', 'UM', 'PM', '', '', 'FZ'];
/** Names of the union's fields, their vector types and those of the elements. */
const VECTOR_TYPES = [
  ['v8_bfloat16', 'v8bf16', 'bfloat16', 8],
  ['v8_half', 'v8h', 'ieee_half', 8],
  ['v4_float', 'v4f', 'ieee_single', 4],
  ['v2_double', 'v2d', 'ieee_double', 2],
  ['v16_int8', 'v16i8', 'int8', 16],
  ['v8_int16', 'v8i16', 'int16', 8],
  ['v4_int32', 'v4i32', 'int32', 4],
  ['v2_int64', 'v2i64', 'int64', 2],
] as const;

function feature(name: string, registers: readonly TargetRegister[], first: number, types: string): string {
  const lines = registers.map(({ name: register, bits, type, group }, i) => {
    const inGroup = group ? ` group="${group}"` : '';
    return `<reg name="${register}" bitsize="${bits}" type="${type}" regnum="${first + i}"${inGroup}/>`;
  });
  return `<feature name="${name}">${types}${lines.join('')}</feature>`;
}

/** The description's text. Made when it is asked for: most runs never do. */
export const targetDescription = (): string =>
  '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">' +
  '<architecture>i386</architecture><osabi>GNU/Linux</osabi>' +
  feature('org.gnu.gdb.i386.core', CORE, 0, `<flags id="i386_eflags" size="4">${flagFields(EFLAGS)}</flags>`) +
  feature(
    'org.gnu.gdb.i386.sse',
    SSE,
    CORE.length,
    VECTOR_TYPES.map(([, id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`).join('') +
      `<union id="vec128">${VECTOR_TYPES.map(([field, id]) => `<field name="${field}" type="${id}"/>`).join('')}` +
      '<field name="uint128" type="uint128"/></union>' +
      `<flags id="i386_mxcsr" size="4">${flagFields(MXCSR.flatMap((name, bit) => (name ? [[name, bit] as const] : [])))}</flags>`,
  ) +
  feature('org.gnu.gdb.i386.linux', LINUX, CORE.length + SSE.length, '') +
  '</target>';

/** A register's bytes, undefined where there is none of that number. */
export function readTargetRegister(registers: Registers, number: number): Uint8Array | undefined {
  return ALL[number]?.read(registers);
}

/** False where there is no such register or it refuses the value. */
export function writeTargetRegister(registers: Registers, number: number, bytes: Uint8Array): boolean {
  const register = ALL[number];
  if (!register || bytes.length < register.bits / 8) return false;
  try {
    // Writing what is there already would load segments anew and fill empty x87 registers.
    const before = register.read(registers);
    if (before.some((byte, i) => byte !== bytes[i])) register.write(registers, bytes.subarray(0, register.bits / 8));
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** All registers in their order. */
export function readTargetRegisters(registers: Registers): Uint8Array {
  return Buffer.concat(ALL.map((register) => register.read(registers)));
}

export function writeTargetRegisters(registers: Registers, bytes: Uint8Array): void {
  let at = 0;
  ALL.forEach(({ bits }, number) => {
    if (at + bits / 8 <= bytes.length) writeTargetRegister(registers, number, bytes.subarray(at, at + bits / 8));
    at += bits / 8;
  });
}
