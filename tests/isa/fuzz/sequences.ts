/**
 * Sequences of random declared instructions, for what single ones cannot show: flags that die, comparisons fused with their
 * jumps, values forwarded from one instruction to the next, faults in the middle of a block. Forward jumps over an
 * instruction make several blocks of them.
 */
import { parseEncoding } from '../../../translator/decode/encoding.js';
import type { Declaration } from '../../../translator/isa/declare.js';
import { declarations } from '../../../translator/isa/index.js';
import { CODE_START, Field, SELECTORS, type Case, type MachineState, type Patch } from '../machine.js';
import { makeCase } from '../operands.js';
import { PROFILES, stateFromSeed, usualX87, type Random } from '../random.js';
import { declarationKey, reasonToSkip, variantsOf, type Variant } from '../variants.js';

/** One instruction of a sequence. */
export interface Part {
  readonly declaration: Declaration;
  readonly code: Uint8Array;
  readonly memory: readonly Patch[];
  /** A jump goes over the instruction after it. */
  readonly jump: boolean;
}

export interface Sequence {
  readonly test: Case;
  readonly parts: readonly Part[];
  /** Letters of flags whose value the manual leaves undefined, by the offset in the code that execution came to. */
  readonly undefinedFlags: ReadonlyMap<number, string>;
}

/** They leave flags as they were where the count is zero: what was undefined may stay so, but does not spread. */
const COUNTED = /^(rol|ror|rcl|rcr|shl|shr|sar|shld|shrd)$/;
/** Ends a sequence: it would go elsewhere, or faults always, or its answer is the kernel's. */
const UNSUITABLE =
  /^(jmp|call|ret|iret|int|into|ud|loop|jcxz|popf|enter|leave|l[defgs]s|pop [defgs]s|bound|lar|lsl|verr|verw|arpl|s[gil]dt|str|smsw)/;
/** How they fault depends on the processor, or their results do. */
const VAGUE =
  /^(maskmov|cmpsb?$|fldenv|frstor|fxrstor|fnstenv|fnsave|fxsave|f2xm1|fyl2x|fpatan|fptan|fsin|fcos|rcp|rsqrt|pusha|popa)/;
/** Patches that a case may have. */
const MAXIMUM_PATCHES = 60;

const union = (a: string, b: string): string => [...new Set(a + b)].join('');
const without = (a: string, b: string): string => [...a].filter((letter) => !b.includes(letter)).join('');
const meets = (a: string, b: string): boolean => [...a].some((letter) => b.includes(letter));

interface Choice {
  readonly declaration: Declaration;
  readonly variants: Variant[];
  readonly jump: boolean;
}

let choices: { integer: Choice[]; other: Choice[] } | undefined;
function allChoices(): { integer: Choice[]; other: Choice[] } {
  if (choices) return choices;
  choices = { integer: [], other: [] };
  for (const declaration of declarations) {
    if (reasonToSkip(declaration) !== undefined || declaration.options.privileged) continue;
    const jump = /^j/.test(declaration.mnemonic) && declaration.operands[0] === 'Jb';
    const { mnemonic } = declaration;
    if (
      !(jump && mnemonic !== 'jcxz') &&
      (UNSUITABLE.test(mnemonic) || VAGUE.test(mnemonic) || declaration.options.ends)
    ) {
      continue;
    }
    if (declaration.operands[0] === 'Sw') continue;
    // Registers change from one instruction to the next: memory is addressed absolutely, or by the stack pointer.
    const variants = variantsOf(declaration)
      .map(({ variant }) => variant)
      .filter((variant) => variant.form !== 'memory' || ['disp32', 'esp+disp8'].includes(variant.addressing));
    if (variants.length === 0) continue;
    const { map, opcode } = parseEncoding(declaration)[0]!;
    const isInteger = declaration.options.feature === undefined && !(map === '1' && opcode >= 0xd8 && opcode <= 0xdf);
    choices[isInteger ? 'integer' : 'other'].push({ declaration, variants, jump });
  }
  return choices;
}

/** What a part does to the flags whose value is undefined; undefined where it would read one of them. */
function flagsAfter({ declaration }: Part, before: string, mayBeSkipped: boolean): string | undefined {
  const { reads = '', writes = '', undefined: leaves = '' } = declaration.options;
  const counted = COUNTED.test(declaration.mnemonic) || declaration.options.string !== undefined;
  const passesOn = counted && !/^rc[lr]$/.test(declaration.mnemonic);
  if (!passesOn && meets(reads, before)) return undefined;
  // An instruction that may be jumped over, or whose count may be zero, defines nothing for certain.
  const after = !mayBeSkipped && !counted ? without(before, without(writes, leaves)) : before;
  return union(after, leaves);
}

/** Parts as a case; undefined where one of them would read an undefined flag. */
export function assemble(parts: readonly Part[], state: MachineState): Sequence | undefined {
  const at = new Map<number, string>([[0, '']]);
  let flags: string | undefined = '';
  let end = 0;
  const codes = parts.map((part, i) => {
    const code = part.code.slice();
    const next = parts[i + 1];
    if (part.jump) code[code.length - 1] = next ? next.code.length : 0;
    return code;
  });
  for (const [i, part] of parts.entries()) {
    flags = flagsAfter(part, flags, parts[i - 1]?.jump === true);
    if (flags === undefined) return undefined;
    end += part.code.length;
    at.set(end, flags);
  }
  // The int3 that ends the case, which eip is after.
  at.set(end + 1, flags);
  const code = Uint8Array.from(codes.flatMap((bytes) => [...bytes]));
  const memory = parts.flatMap((part) => part.memory).slice(0, MAXIMUM_PATCHES);
  return { test: { declaration: '', code, state, memory }, parts, undefinedFlags: at };
}

/**
 * Integer instructions come more often than all others together.
 * @param only most instructions are of the declarations whose key matches
 */
export function randomSequence(random: Random, length: number, only?: RegExp): Sequence {
  const state = stateFromSeed(random.u32(), random.pick(PROFILES), CODE_START);
  SELECTORS.forEach((selector, i) => state.setU16(Field.selectors + 2 * i, selector));
  if (only && random.chance(0.8)) usualX87(state, random);
  const { integer, other } = allChoices();
  const wanted = only ? [...integer, ...other].filter(({ declaration }) => only.test(declarationKey(declaration))) : [];
  const parts: Part[] = [];
  let flags = '';
  while (parts.length < length) {
    const list = wanted.length > 0 && random.chance(0.85) ? wanted : random.chance(0.65) ? integer : other;
    const { declaration, variants, jump } = random.pick(list);
    const { code, memory } = makeCase(declaration, random.pick(variants), random.u32());
    const part: Part = { declaration, code, memory, jump };
    const after = flagsAfter(part, flags, parts[parts.length - 1]?.jump === true);
    if (after === undefined) continue;
    flags = after;
    parts.push(part);
  }
  return assemble(parts, state)!;
}
