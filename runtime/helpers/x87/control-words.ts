/** Control, status and tag word as programs and debuggers see them, put together from the state's parts (Intel SDM 1, 8.1). */
import { State } from '../../../translator/state.js';
import { Kind, kindOf } from './float80.js';
import type { RegisterStack } from './register-stack.js';

/** Bits of the control word that exist; bit 6 always reads as one. */
const CONTROL_BITS = 0x1f3f;
/** Bits of the status word apart from TOP. */
const STATUS_BITS = 0xc7ff;

export function controlWords(stack: RegisterStack) {
  const { i32 } = stack;

  function statusWord(): number {
    return (stack.status & STATUS_BITS) | (stack.top << 11);
  }
  function setStatusWord(value: number): void {
    stack.status = value & STATUS_BITS;
    stack.top = (value >> 11) & 7;
  }
  function setControlWord(value: number): void {
    stack.control = (value & CONTROL_BITS) | 0x40;
  }

  /** The 16-bit tag word: 0 valid, 1 zero, 2 special, 3 empty, two bits a physical register. */
  function tagWord(): number {
    let tags = 0;
    for (let register = 7; register >= 0; register--) {
      let tag = 3;
      if (((stack.empty >> register) & 1) === 0) {
        const word = (State.fpuRegisters >> 2) + register * 4;
        const kind = kindOf(i32[word + 2]! & 0xffff, i32[word + 1]!, i32[word]!);
        tag = kind === Kind.normal ? 0 : kind === Kind.zero ? 1 : 2;
      }
      tags = (tags << 2) | tag;
    }
    return tags;
  }
  /** Of a loaded tag word only empty or not counts. */
  function setTagWord(tags: number): void {
    let empty = 0;
    for (let register = 0; register < 8; register++) {
      if (((tags >> (2 * register)) & 3) === 3) empty |= 1 << register;
    }
    stack.empty = empty;
  }

  return { statusWord, setStatusWord, setControlWord, tagWord, setTagWord };
}
