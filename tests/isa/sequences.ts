/**
 * Sequences of random declared instructions, for what single ones cannot show: flags that die, comparisons fused with their
 * jumps, values forwarded from one instruction to the next, faults in the middle of a block. Forward jumps over an
 * instruction make several blocks of them.
 */
import { parseEncoding } from '../../translator/decode/encoding.js';
import type { Declaration } from '../../translator/isa/declare.js';
import { declarations } from '../../translator/isa/index.js';
import { CODE_START, Field, SELECTORS, type Case, type Patch } from './machine.js';
import { makeCase } from './operands.js';
import { PROFILES, stateFromSeed, usualX87, type Random } from './random.js';
import { declarationKey, reasonToSkip, variantsOf, type Variant } from './variants.js';

export interface Sequence {
  readonly test: Case;
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

const union = (a: string, b: string): string => [...new Set(a + b)].join('');
const without = (a: string, b: string): string => [...a].filter((letter) => !b.includes(letter)).join('');
const meets = (a: string, b: string): boolean => [...a].some((letter) => b.includes(letter));

interface Choice {
  readonly declaration: Declaration;
  readonly variants: Variant[];
  readonly jump: boolean;
}

let choices: Choice[] | undefined;
function allChoices(): Choice[] {
  if (choices) return choices;
  choices = [];
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
    if (variants.length > 0) choices.push({ declaration, variants, jump });
  }
  return choices;
}

/** The integer instructions come as often as all others together; those that are asked for more often. */
function pick(random: Random, wanted: readonly Choice[]): Choice {
  if (wanted.length > 0 && random.chance(0.85)) return random.pick(wanted);
  const list = allChoices();
  for (;;) {
    const choice = random.pick(list);
    const { map, opcode } = parseEncoding(choice.declaration)[0]!;
    const integer =
      choice.declaration.options.feature === undefined && !(map === '1' && opcode >= 0xd8 && opcode <= 0xdf);
    if (integer || random.chance(0.3)) return choice;
  }
}

/** `only`: most instructions are of the declarations whose key matches. */
export function randomSequence(random: Random, length: number, only?: RegExp): Sequence {
  const wanted = only ? allChoices().filter(({ declaration }) => only.test(declarationKey(declaration))) : [];
  const state = stateFromSeed(random.u32(), random.pick(PROFILES), CODE_START);
  if (only && random.chance(0.8)) usualX87(state, random);
  SELECTORS.forEach((selector, i) => state.setU16(Field.selectors + 2 * i, selector));
  const codes: Uint8Array[] = [];
  const jumps: boolean[] = [];
  const memory: Patch[] = [];
  let undefinedFlags = '';
  const at = new Map<number, string>([[0, '']]);
  let end = 0;
  let afterJump = false;
  while (codes.length < length) {
    const { declaration, variants, jump } = pick(random, wanted);
    const { reads = '', writes = '', undefined: leaves = '' } = declaration.options;
    const counted = COUNTED.test(declaration.mnemonic) || declaration.options.string !== undefined;
    const passesOn = counted && !/^rc[lr]$/.test(declaration.mnemonic);
    if (!passesOn && meets(reads, undefinedFlags)) continue;
    const made = makeCase(declaration, random.pick(variants), random.u32());
    if (jump) made.code[made.code.length - 1] = 0;
    codes.push(made.code);
    jumps.push(jump);
    memory.push(...made.memory);
    // An instruction that may be jumped over, or whose count may be zero, defines nothing for certain.
    if (!afterJump && !counted) undefinedFlags = without(undefinedFlags, without(writes, leaves));
    undefinedFlags = union(undefinedFlags, leaves);
    afterJump = jump;
    end += made.code.length;
    at.set(end, undefinedFlags);
  }
  // The int3 that ends the case, which eip is after.
  at.set(end + 1, undefinedFlags);
  // A jump goes over the instruction after it.
  jumps.forEach((jump, i) => {
    const next = codes[i + 1];
    if (jump && next) codes[i]![codes[i]!.length - 1] = next.length;
  });
  const code = Uint8Array.from(codes.flatMap((bytes) => [...bytes]));
  return { test: { declaration: '', code, state, memory: memory.slice(0, 60) }, undefinedFlags: at };
}
