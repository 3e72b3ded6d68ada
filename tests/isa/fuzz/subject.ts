/** What is executed: a case with all that is needed to compare it, count it and make it simpler. */
import type { DecodedInstruction } from '../../../translator/decode/decoder.js';
import { Decoder } from '../../../translator/decode/decoder.js';
import type { Declaration } from '../../../translator/isa/declare.js';
import type { Case } from '../machine.js';
import { caseProfile, makeCase } from '../operands.js';
import { PROFILES, type Random } from '../random.js';
import type { Variant } from '../variants.js';
import { randomSequence, type Part } from './sequences.js';
import { vary, varyState } from './vary.js';

export interface Subject {
  readonly test: Case;
  /** Of a single instruction that was declared so. */
  readonly declaration: Declaration | undefined;
  readonly variant: Variant | undefined;
  /** Of sequences: what they are made of, and flags that are undefined at each offset in the code. */
  readonly parts?: readonly Part[];
  readonly undefinedFlags?: ReadonlyMap<number, string>;
}

/** States that an instruction, once made and translated, is executed in. */
const STATES = 24;

const decodeMemory = new Uint8Array(32);
const decoder = new Decoder(decodeMemory);
export function decode(code: Uint8Array): DecodedInstruction | undefined {
  decodeMemory.fill(0);
  decodeMemory.set(code.subarray(0, 16));
  const result = decoder.decode(0, 32);
  return 'failure' in result ? undefined : result;
}

/** A declared form in several states. */
export function declaredSubjects(
  random: Random,
  declaration: Declaration,
  variant: Variant,
  states = STATES,
): Subject[] {
  const first = makeCase(declaration, variant, random.u32());
  const instruction = decode(first.code);
  const subjects: Subject[] = [{ test: first, declaration, variant }];
  const profile = caseProfile(declaration);
  while (instruction && subjects.length < states) {
    subjects.push({ test: vary(first, declaration, instruction, profile, random), declaration, variant });
  }
  return subjects;
}

/** A sequence of instructions in several states. */
export function sequenceSubjects(random: Random, length: number, only?: RegExp): Subject[] {
  const { test, parts, undefinedFlags } = randomSequence(random, length, only);
  return Array.from({ length: STATES }, (_, i) => ({
    test: i === 0 ? test : varyState(test, random.pick(PROFILES), random),
    declaration: undefined,
    variant: undefined,
    parts,
    undefinedFlags,
  }));
}
