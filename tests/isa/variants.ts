/**
 * What forms of a declared instruction there are to try: operand sizes, register and memory operands, ways of addressing,
 * LOCK and the repeat prefixes. All of it follows from the declaration.
 */
import { parseEncoding, type Candidate } from '../../translator/decode/encoding.js';
import type { Declaration } from '../../translator/isa/declare.js';
import type { Profile } from './random.js';

/** How a memory operand is addressed, and where it lies. */
export const ADDRESSINGS = [
  'base',
  'base+disp8',
  'base+index*scale+disp8',
  'base+index*scale+disp32',
  'index*scale+disp32',
  'disp32',
  'esp+disp8',
  'gs:base',
  'fs:base+disp32',
  'gs:16-bit',
  '16-bit',
  // Operands that cannot be reached, wholly or in part.
  'unmapped',
  'read-only',
  'across the end',
  'across into read-only',
  'before the start',
  'misaligned',
] as const;
export type Addressing = (typeof ADDRESSINGS)[number];
export const FAULTING: readonly Addressing[] = [
  'unmapped',
  'read-only',
  'across the end',
  'across into read-only',
  'before the start',
];

export interface Variant {
  readonly operandSize: 16 | 32;
  readonly form: 'register' | 'memory' | 'none';
  readonly addressing: Addressing;
  readonly lock: boolean;
  readonly repeat: 'none' | 'rep' | 'repne';
  /** For instructions without ModRM that address memory (strings, xlat, loops). */
  readonly addressSize: 16 | 32;
}

export const declarationKey = (declaration: Declaration): string =>
  `${declaration.mnemonic} | ${declaration.encoding} | ${declaration.operands.join(',')}`;

export function profileOf(declaration: Declaration, candidate: Candidate): Profile {
  const { shapes, map, opcode } = candidate;
  if (map === '1' && ((opcode >= 0xd8 && opcode <= 0xdf) || opcode === 0x9b)) return 'x87';
  if (declaration.options.mmx || shapes.some((shape) => shape.file === 'mmx')) return 'mmx';
  if (shapes.some((shape) => shape.file === 'xmm')) return 'vector';
  if (declaration.operands.includes('m512byte' as never) || declaration.mnemonic === 'emms') return 'mmx';
  if (declaration.mnemonic.includes('mxcsr')) return 'vector';
  return 'integer';
}

/** Why a declaration has no cases; undefined where it has. */
export function reasonToSkip(declaration: Declaration): string | undefined {
  if (declaration.options.nondeterministic) return 'its result depends on time, chance or the processor';
  if (declaration.mnemonic.startsWith('sysenter') || declaration.mnemonic.startsWith('syscall')) {
    return 'it enters the kernel: tested with system calls';
  }
  if (declaration.mnemonic === 'int1') return 'under hypervisors processors differ in the address they report';
  return undefined;
}

const NONE: Variant = {
  operandSize: 32,
  form: 'none',
  addressing: 'base',
  lock: false,
  repeat: 'none',
  addressSize: 32,
};

/** Does the instruction address memory by esi, edi, ebx or count in ecx, so that the address size matters to it? */
const implicitAddress = (declaration: Declaration): boolean =>
  declaration.options.string !== undefined || /^(xlat|loop|jcxz|maskmov)/.test(declaration.mnemonic);

/** All variants of a declaration, with how many cases each is worth. */
export function variantsOf(declaration: Declaration): { variant: Variant; count: number }[] {
  const candidate = parseEncoding(declaration)[0]!;
  const { shapes, prefix } = candidate;
  const profile = profileOf(declaration, candidate);
  const { options } = declaration;
  const sized = shapes.some((shape) => shape.width === 'v' || shape.bytes === 'v');
  const operandless = shapes.every((shape) => shape.class !== 'integer') && profile === 'integer';
  const sizes: (16 | 32)[] =
    prefix === 'any' || prefix === 'F3' || prefix === 'F2'
      ? (sized || operandless) && (prefix === 'any' || sized)
        ? [32, 16]
        : [32]
      : [32];
  const result: { variant: Variant; count: number }[] = [];
  const add = (change: Partial<Variant>, count: number): void => {
    result.push({ variant: { ...NONE, ...change }, count });
  };
  if (options.privileged) {
    const form =
      !candidate.hasModRm || candidate.exact >= 0 ? 'none' : candidate.form === 'memory' ? 'memory' : 'register';
    add({ form }, 2);
    return result;
  }
  const shifting =
    shapes.some((shape) => shape.fixed === 1 && shape.class === 'integer') || /^sh[lr]d/.test(declaration.mnemonic);
  const weight = profile === 'x87' ? 10 : shifting || options.reads === 'oc' ? 8 : profile === 'integer' ? 4 : 6;
  for (const operandSize of sizes) {
    if (implicitAddress(declaration)) {
      const repeats: Variant['repeat'][] = options.string ? ['none', 'rep', 'repne'] : ['none'];
      for (const repeat of repeats) {
        for (const addressSize of [32, 16] as const) {
          add({ operandSize, repeat, addressSize, form: candidate.hasModRm ? 'register' : 'none' }, 5);
          if (options.string) {
            add({ operandSize, repeat, addressSize, addressing: 'across the end' }, 2);
            if (addressSize === 32) add({ operandSize, repeat, addressSize, addressing: 'gs:base' }, 1);
          }
        }
      }
      continue;
    }
    const offset = shapes.some((shape) => shape.from === 'moffs');
    const hasMemory = (candidate.hasModRm && candidate.exact < 0 && candidate.form !== 'register') || offset;
    const usesRm = shapes.some((shape) => shape.from === 'rm');
    const hasRegister = candidate.hasModRm && candidate.form !== 'memory' && (usesRm || candidate.exact >= 0);
    if (hasRegister) add({ operandSize, form: 'register' }, weight);
    if (!hasMemory && !hasRegister) add({ operandSize }, weight + 2);
    if (hasMemory) {
      const lists: Addressing[] = offset
        ? ['disp32', 'gs:base', 'gs:16-bit', 'unmapped', 'read-only']
        : [...ADDRESSINGS];
      for (const addressing of lists) {
        // arpl writes only what it changes, on some processors.
        if (declaration.mnemonic === 'arpl' && FAULTING.includes(addressing)) continue;
        const aligned = shapes.some((shape) => shape.aligned) || declaration.operands.includes('m512byte' as never);
        if (addressing === 'misaligned' && !aligned) continue;
        // Each way of addressing is independent of the operand size: 16 bits get half of them.
        if (operandSize === 16 && ADDRESSINGS.indexOf(addressing) % 2 === 1 && !offset) continue;
        add(
          { operandSize, form: 'memory', addressing },
          FAULTING.includes(addressing) ? 1 : profile === 'integer' ? 1 : 2,
        );
      }
      if (options.lock && !offset) {
        add({ operandSize, form: 'memory', lock: true }, 2);
        add({ operandSize, form: 'memory', lock: true, addressing: 'read-only' }, 1);
      }
    }
  }
  return result;
}
