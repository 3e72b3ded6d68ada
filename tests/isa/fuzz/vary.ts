/**
 * The same instruction in other states: to find and write an instruction, and to translate it, costs far more than to execute
 * it. Registers that an address was made of stay as they are, as do operands that only certain values are sense in.
 */
import type { Declaration } from '../../../translator/isa/declare.js';
import type { DecodedInstruction } from '../../../translator/decode/decoder.js';
import { Field, STACK_POINTER, type Case, type MachineState, type Patch } from '../machine.js';
import {
  edgyDouble,
  edgyExtended,
  edgyInteger,
  edgySingle,
  edgyVector,
  stateFromSeed,
  usualVectors,
  usualX87,
  type Profile,
  type Random,
} from '../random.js';

const [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI] = [0, 1, 2, 3, 4, 5, 6, 7];
const ALL = [0, 1, 2, 3, 4, 5, 6, 7];

/** Their operands are addresses, selectors, flags or environments. */
const PARTICULAR =
  /^(jmp|call|ret|iret|l[defgs]s|lar|lsl|verr|verw|arpl|pop [defgs]s|popf|bound|fldenv|frstor|fxrstor|enter|leave)/;

/** Registers that must keep their values, so that memory operands stay where they are. */
function pinnedRegisters(declaration: Declaration, instruction: DecodedInstruction, random: Random): number[] {
  const { mnemonic, options, encoding, operands } = declaration;
  if (PARTICULAR.test(mnemonic) || encoding === '8E') return ALL;
  const pinned = [ESP];
  if (instruction.memory) {
    if (instruction.addressSize === 16) pinned.push(EBX, EBP, ESI, EDI);
    else pinned.push(...[instruction.base, instruction.index].filter((register) => register >= 0));
  }
  if (options.string) pinned.push(ESI, EDI, ...(instruction.repeat === 'none' ? [] : [ECX]));
  if (mnemonic === 'xlat') pinned.push(EBX);
  if (mnemonic.startsWith('maskmov')) pinned.push(EDI);
  if (/^bt[src]?$/.test(mnemonic) && operands[0] === 'M') pinned.push(instruction.reg);
  if (/^(i?div|cmpxchg|loop|jcxz)/.test(mnemonic) && random.chance(0.7)) return ALL;
  return pinned;
}

/** Other bytes for an operand in memory. */
function otherBytes(random: Random, size: number, profile: Profile): Uint8Array | undefined {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const floating = profile !== 'integer' && random.chance(0.7);
  if (size === 10) return edgyExtended(random);
  if (size === 16) return edgyVector(random);
  if (size === 8) {
    const [low, high] = floating ? edgyDouble(random) : [edgyInteger(random), edgyInteger(random)];
    view.setUint32(0, low, true);
    view.setUint32(4, high, true);
  } else if (size === 4) view.setUint32(0, floating ? edgySingle(random) : edgyInteger(random), true);
  else if (size === 2) view.setUint16(0, edgyInteger(random) & 0xffff, true);
  else if (size === 1) bytes[0] = edgyInteger(random);
  else return undefined;
  return bytes;
}

/** The case's code in another state. */
export function vary(
  test: Case,
  declaration: Declaration,
  instruction: DecodedInstruction,
  profile: Profile,
  random: Random,
): Case {
  const state = stateFromSeed(random.u32(), profile, test.state.u32(Field.eip));
  for (const register of pinnedRegisters(declaration, instruction, random)) {
    state.setRegister(register, test.state.register(register));
  }
  if (profile === 'x87' && random.chance(0.3)) usualX87(state, random);
  if (profile === 'vector' && random.chance(0.4)) usualVectors(state, random);
  const fixed = PARTICULAR.test(declaration.mnemonic) || declaration.operands.includes('m80bcd');
  const memory = fixed
    ? test.memory
    : test.memory.map((patch): Patch => {
        const bytes = random.chance(0.3) ? undefined : otherBytes(random, patch.bytes.length, profile);
        return bytes ? { address: patch.address, bytes } : patch;
      });
  return { ...test, state, memory };
}

/** A sequence in another state: its memory operands are addressed absolutely, or by the stack pointer. */
export function varyState(test: Case, profile: Profile, random: Random): Case {
  const state: MachineState = stateFromSeed(random.u32(), profile, test.state.u32(Field.eip));
  if (random.chance(0.3)) usualX87(state, random);
  if (random.chance(0.4)) usualVectors(state, random);
  state.setRegister(ESP, STACK_POINTER);
  if (random.chance(0.5)) state.setRegister(EAX, test.state.register(EAX));
  if (random.chance(0.5)) state.setRegister(EDX, test.state.register(EDX));
  return { ...test, state };
}
