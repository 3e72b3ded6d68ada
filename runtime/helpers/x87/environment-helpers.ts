/**
 * The helpers of control: control and status word, environment and whole-state images (fnstenv, fnsave, fxsave and their loads),
 * TOP and tags (Intel SDM volume 1, chapters 8.1.10 and 10.5). Images are bytes in the state block
 * at offset `image`; the lifter copies them to and from the guest.
 */
import { Segment, State } from '../../../translator/state.js';
import { controlWords } from './control-words.js';
import { C1 } from './float80.js';
import type { RegisterStack } from './register-stack.js';

const OPCODE = State.fpuOpcode >> 2;
const IP = State.fpuIp >> 2;
const CS = State.fpuCs >> 2;
const DATA = State.fpuDataPointer >> 2;
const DS = State.fpuDs >> 2;
const SELECTORS = State.selectors >> 2;
const RESERVED = 0xffff0000 | 0;
const MXCSR_BITS = 0xffff;

export function createEnvironmentHelpers(stack: RegisterStack) {
  const { i32 } = stack;
  const { u8, u16 } = stack.views;

  const { statusWord, setStatusWord, setControlWord, tagWord, setTagWord } = controlWords(stack);

  function initialise(): void {
    stack.control = 0x37f;
    stack.status = 0;
    stack.top = 0;
    stack.empty = 0xff;
    i32[OPCODE] = i32[IP] = i32[CS] = i32[DATA] = i32[DS] = 0;
  }

  /** The selectors are those in force unless an environment with others was loaded: the lifter does not record them. */
  function codeSelector(): number {
    return i32[CS]! !== 0 || i32[IP] === 0 ? i32[CS]! & 0xffff : i32[SELECTORS + Segment.cs]! & 0xffff;
  }
  function dataSelector(): number {
    return i32[DS]! !== 0 || i32[DATA] === 0 ? i32[DS]! & 0xffff : i32[SELECTORS + Segment.ds]! & 0xffff;
  }

  function storeEnvironment(image: number, size: number): void {
    if (size === 28) {
      const word = image >> 2;
      i32[word] = RESERVED | stack.control;
      i32[word + 1] = RESERVED | statusWord();
      i32[word + 2] = RESERVED | tagWord();
      i32[word + 3] = i32[IP]!;
      i32[word + 4] = codeSelector() | (i32[OPCODE]! << 16);
      i32[word + 5] = i32[DATA]!;
      i32[word + 6] = RESERVED | dataSelector();
    } else {
      const half = image >> 1;
      u16[half] = stack.control;
      u16[half + 1] = statusWord();
      u16[half + 2] = tagWord();
      u16[half + 3] = i32[IP]!;
      u16[half + 4] = codeSelector();
      u16[half + 5] = i32[DATA]!;
      u16[half + 6] = dataSelector();
    }
  }
  function loadEnvironment(image: number, size: number): void {
    const half = image >> 1;
    const step = size === 28 ? 2 : 1;
    setControlWord(u16[half]!);
    setStatusWord(u16[half + step]!);
    setTagWord(u16[half + 2 * step]!);
    if (size === 28) {
      const word = image >> 2;
      i32[IP] = i32[word + 3]!;
      i32[CS] = i32[word + 4]! & 0xffff;
      i32[OPCODE] = (i32[word + 4]! >>> 16) & 0x7ff;
      i32[DATA] = i32[word + 5]!;
      i32[DS] = i32[word + 6]! & 0xffff;
    } else {
      i32[IP] = u16[half + 3]!;
      i32[CS] = u16[half + 4]!;
      i32[DATA] = u16[half + 5]!;
      i32[DS] = u16[half + 6]!;
      i32[OPCODE] = 0;
    }
    stack.summarise();
  }

  /** ST(0) to ST(7), ten bytes each, at `offset`; or 16 bytes apart for fxsave. */
  function storeRegisters(offset: number, stride: number): void {
    for (let i = 0; i < 8; i++) {
      const from = stack.word(i) * 4;
      for (let k = 0; k < 10; k++) u8[offset + i * stride + k] = u8[from + k]!;
    }
  }
  function loadRegisters(offset: number, stride: number): void {
    for (let i = 0; i < 8; i++) {
      const to = stack.word(i) * 4;
      for (let k = 0; k < 10; k++) u8[to + k] = u8[offset + i * stride + k]!;
    }
  }

  return {
    fnop: (): void => {},
    fninit: initialise,
    fnclex: (): void => {
      stack.status = stack.status & 0x7f00;
    },
    fldcw: (value: number): void => {
      setControlWord(value);
      stack.summarise();
    },
    /** The 16-bit status word, TOP included. */
    fnstswValue: statusWord,
    fpuTagWord: tagWord,
    /** Non-zero: an unmasked exception waits; a waiting instruction raises #MF. */
    fpuPending: (): number => stack.status & 0x80,

    fnstenv28: (image: number): void => {
      storeEnvironment(image, 28);
      stack.control = stack.control | 0x3f;
      stack.summarise();
    },
    fnstenv14: (image: number): void => {
      storeEnvironment(image, 14);
      stack.control = stack.control | 0x3f;
      stack.summarise();
    },
    fldenv28: (image: number): void => loadEnvironment(image, 28),
    fldenv14: (image: number): void => loadEnvironment(image, 14),
    fnsave108: (image: number): void => {
      storeEnvironment(image, 28);
      storeRegisters(image + 28, 10);
      initialise();
    },
    fnsave94: (image: number): void => {
      storeEnvironment(image, 14);
      storeRegisters(image + 14, 10);
      initialise();
    },
    frstor108: (image: number): void => {
      loadEnvironment(image, 28);
      loadRegisters(image + 28, 10);
    },
    frstor94: (image: number): void => {
      loadEnvironment(image, 14);
      loadRegisters(image + 14, 10);
    },

    /**
     * Bytes 0-287 of the 512: what lies above is left alone by the processor too. As on AMD's processors the last instruction's
     * pointers are only saved while an unmasked exception waits.
     */
    fxsave: (image: number): void => {
      const half = image >> 1;
      const word = image >> 2;
      const pending = (stack.status & 0x80) !== 0;
      u16[half] = stack.control;
      u16[half + 1] = statusWord();
      u16[half + 2] = ~stack.empty & 0xff;
      u16[half + 3] = pending ? i32[OPCODE]! : 0;
      i32[word + 2] = pending ? i32[IP]! : 0;
      i32[word + 3] = pending ? codeSelector() : 0;
      i32[word + 4] = pending ? i32[DATA]! : 0;
      i32[word + 5] = pending ? dataSelector() : 0;
      i32[word + 6] = i32[State.mxcsr >> 2]!;
      i32[word + 7] = MXCSR_BITS;
      u8.fill(0, image + 32, image + 160);
      storeRegisters(image + 32, 16);
      u8.copyWithin(image + 160, State.xmm, State.xmm + 128);
    },
    /** Returns 1, and changes nothing, when the image's MXCSR has reserved bits set (#GP). */
    fxrstor: (image: number): number => {
      const half = image >> 1;
      const word = image >> 2;
      if ((i32[word + 6]! & ~MXCSR_BITS) !== 0) return 1;
      setControlWord(u16[half]!);
      setStatusWord(u16[half + 1]!);
      stack.empty = ~u8[image + 4]! & 0xff;
      stack.summarise();
      i32[OPCODE] = u16[half + 3]! & 0x7ff;
      i32[IP] = i32[word + 2]!;
      i32[CS] = i32[word + 3]! & 0xffff;
      i32[DATA] = i32[word + 4]!;
      i32[DS] = i32[word + 5]! & 0xffff;
      i32[State.mxcsr >> 2] = i32[word + 6]!;
      loadRegisters(image + 32, 16);
      u8.copyWithin(State.xmm, image + 160, image + 288);
      return 0;
    },

    fincstp: (): void => {
      stack.top = stack.top + 1;
      stack.status = stack.status & ~C1;
    },
    fdecstp: (): void => {
      stack.top = stack.top - 1;
      stack.status = stack.status & ~C1;
    },
    ffree: (i: number): void => {
      stack.status = stack.status & ~C1;
      stack.empty = stack.empty | (1 << ((stack.top + i) & 7));
    },
    /** Undocumented (DF C0+i): frees ST(i) and pops. */
    ffreep: (i: number): void => {
      stack.status = stack.status & ~C1;
      stack.empty = stack.empty | (1 << ((stack.top + i) & 7));
      stack.pop(1);
    },
  };
}
