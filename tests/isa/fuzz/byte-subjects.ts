/** Random bytes that the decoder takes for an instruction, in several states. */
import { CODE_START, Field, SELECTORS } from '../machine.js';
import { PROFILES, stateFromSeed, type Random } from '../random.js';
import { declarationKey, reasonToSkip } from '../variants.js';
import { randomBytes } from './bytes.js';
import { decode, type Subject } from './subject.js';

const STATES = 8;

/** Nothing where the bytes are no instruction, or one whose answer is not the processor's alone. */
export function byteSubjects(random: Random): Subject[] {
  const bytes = randomBytes(random);
  const instruction = decode(bytes);
  if (!instruction) return [];
  const { declaration, length } = instruction;
  if (declaration.options.nondeterministic || declaration.options.cookie || reasonToSkip(declaration) !== undefined) {
    return [];
  }
  const code = bytes.slice(0, length);
  return Array.from({ length: STATES }, () => {
    const state = stateFromSeed(random.u32(), random.pick(PROFILES), CODE_START);
    SELECTORS.forEach((selector, i) => state.setU16(Field.selectors + 2 * i, selector));
    return {
      test: { declaration: declarationKey(declaration), code, state, memory: [] },
      declaration: undefined,
      variant: undefined,
    };
  });
}
