/** The decoder: bytes at a guest address to a decoded instruction, by the tables made from the declarations. */
import { COOKIE_LENGTH } from '../bridge.js';
import type { Declaration, InstructionContext } from '../isa/declare.js';
import type { KindShape } from '../isa/kinds.js';
import { Segment } from '../state.js';
import { opcodeTable, type Candidate } from './encoding.js';

/** Longest instruction that processors accept; one byte more is #GP (Intel SDM 2, 2.3.11). */
export const MAXIMUM_LENGTH = 15;

export interface DecodedInstruction extends InstructionContext {
  readonly declaration: Declaration;
  readonly shapes: readonly KindShape[];
  readonly pc: number;
  readonly length: number;
  /** ModRM names memory. */
  readonly memory: boolean;
  /** ModRM reg and r/m; low three bits of the opcode. */
  readonly reg: number;
  readonly rm: number;
  readonly opcodeRegister: number;
  /** Address: register numbers or -1. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: number;
  /** Immediates as extended as their kinds say; for targets the absolute address; for far pointers offset, selector. */
  readonly immediate: number;
  readonly immediate2: number;
}

/** Why bytes are no instruction. `fetch`: byte `address` cannot be fetched. */
export type DecodeFailure =
  | { readonly failure: 'invalid'; readonly length: number }
  | { readonly failure: 'tooLong' }
  | { readonly failure: 'fetch'; readonly address: number };

// What the nativelib cookie is made of besides its opcode and codes.
const MOV_EAX = 0xb8;
const MOV_EDX = 0xba;
const RET = 0xc3;

const BASE_16 = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX_16 = [6, 7, 6, 7, -1, -1, -1, -1];

export class Decoder {
  private at = 0;
  private start = 0;
  private end = 0;
  private readonly table = opcodeTable();

  constructor(private readonly memory: Uint8Array) {}

  /**
   * Decodes the instruction at `pc`; bytes from `limit` on cannot be fetched.
   */
  decode(pc: number, limit: number): DecodedInstruction | DecodeFailure {
    this.start = pc;
    this.at = pc;
    this.end = Math.min(limit, pc + MAXIMUM_LENGTH);
    try {
      return this.instruction(limit);
    } catch (error) {
      if (error !== FETCH) throw error;
      if (this.at >= pc + MAXIMUM_LENGTH) return { failure: 'tooLong' };
      return { failure: 'fetch', address: this.at };
    }
  }

  private byte(): number {
    if (this.at >= this.end) throw FETCH;
    return this.memory[this.at++]!;
  }
  private signedByte(): number {
    return (this.byte() << 24) >> 24;
  }
  private word(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }
  private long(): number {
    const low = this.word();
    return low | (this.word() << 16);
  }

  /** Library and function code behind a cookie's opcode; undefined where it is damaged, or cut off by what cannot be fetched. */
  private cookie(): [number, number] | undefined {
    if (this.at + COOKIE_LENGTH - 2 > this.end || this.byte() !== MOV_EAX) return undefined;
    const library = this.long();
    if (this.byte() !== MOV_EDX) return undefined;
    const func = this.long();
    return this.byte() === RET ? [library, func] : undefined;
  }

  private instruction(limit: number): DecodedInstruction | DecodeFailure {
    let operandSize: 16 | 32 = 32;
    let addressSize: 16 | 32 = 32;
    let segment = -1;
    let lock = false;
    let repeat: 'none' | 'rep' | 'repne' = 'none';
    let opcode: number;
    prefixes: for (;;) {
      opcode = this.byte();
      switch (opcode) {
        case 0x66:
          operandSize = 16;
          break;
        case 0x67:
          addressSize = 16;
          break;
        case 0xf0:
          lock = true;
          break;
        case 0xf2:
          repeat = 'repne';
          break;
        case 0xf3:
          repeat = 'rep';
          break;
        case 0x26:
          segment = Segment.es;
          break;
        case 0x2e:
          segment = Segment.cs;
          break;
        case 0x36:
          segment = Segment.ss;
          break;
        case 0x3e:
          segment = Segment.ds;
          break;
        case 0x64:
          segment = Segment.fs;
          break;
        case 0x65:
          segment = Segment.gs;
          break;
        default:
          break prefixes;
      }
    }
    let list: Candidate[] | undefined;
    if (opcode !== 0x0f) list = this.table['1'][opcode];
    else {
      opcode = this.byte();
      if (opcode === 0x38) {
        opcode = this.byte();
        list = this.table['0F38'][opcode];
      } else if (opcode === 0x3a) {
        opcode = this.byte();
        list = this.table['0F3A'][opcode];
      } else list = this.table['0F'][opcode];
    }
    if (list === undefined) return { failure: 'invalid', length: this.at - this.start };

    let modrm = -1;
    let chosen: Candidate | undefined;
    for (const candidate of list) {
      if (candidate.prefix !== 'any') {
        if (candidate.prefix === '66' ? operandSize !== 16 || repeat !== 'none' : false) continue;
        if (candidate.prefix === 'F3' && repeat !== 'rep') continue;
        if (candidate.prefix === 'F2' && repeat !== 'repne') continue;
        if (candidate.prefix === 'none' && (repeat !== 'none' || operandSize === 16)) continue;
      }
      // movbe takes its operand size from 66, but is no instruction with a repeat prefix.
      else if (candidate.map === '0F38' && repeat !== 'none') continue;
      if (candidate.hasModRm) {
        if (modrm < 0) modrm = this.byte();
        if (candidate.extension >= 0 && ((modrm >> 3) & 7) !== candidate.extension) continue;
        if (candidate.exact >= 0 && (modrm & candidate.exactMask) !== candidate.exact) continue;
        if (candidate.form === 'memory' && modrm >= 0xc0) continue;
        if (candidate.form === 'register' && modrm < 0xc0) continue;
      }
      chosen = candidate;
      break;
    }
    if (chosen === undefined) return { failure: 'invalid', length: this.at - this.start };

    const { declaration, shapes } = chosen;
    let base = -1;
    let index = -1;
    let scale = 0;
    let displacement = 0;
    const memory = modrm >= 0 && modrm < 0xc0;
    if (memory) {
      const mod = modrm >> 6;
      const rm = modrm & 7;
      if (addressSize === 32) {
        if (rm === 4) {
          const sib = this.byte();
          scale = sib >> 6;
          index = (sib >> 3) & 7;
          if (index === 4) index = -1;
          base = sib & 7;
          if (base === 5 && mod === 0) {
            base = -1;
            displacement = this.long();
          }
        } else if (rm === 5 && mod === 0) displacement = this.long();
        else base = rm;
        if (mod === 1) displacement = this.signedByte();
        else if (mod === 2) displacement = this.long();
      } else {
        if (rm === 6 && mod === 0) displacement = this.word();
        else {
          base = BASE_16[rm]!;
          index = INDEX_16[rm]!;
          if (mod === 1) displacement = this.signedByte();
          else if (mod === 2) displacement = this.word();
        }
      }
    }

    let immediate = 0;
    let immediate2 = 0;
    let count = 0;
    if (declaration.options.cookie) {
      const codes = this.cookie();
      // The prefixes that instructions may have make it none.
      if (!codes || this.at - this.start !== COOKIE_LENGTH) return { failure: 'invalid', length: this.at - this.start };
      [immediate, immediate2] = codes;
    }
    for (const shape of shapes) {
      let value = 0;
      if (shape.from === 'moffs') {
        displacement = addressSize === 32 ? this.long() : this.word();
        continue;
      }
      if (shape.from !== 'imm') continue;
      if (shape.class === 'far') {
        immediate = operandSize === 32 ? this.long() : this.word();
        immediate2 = this.word();
        continue;
      }
      const bytes = shape.bytes === 'v' ? operandSize >> 3 : shape.bytes!;
      if (bytes === 1) value = shape.signed ? this.signedByte() : this.byte();
      else if (bytes === 2) value = shape.signed ? (this.word() << 16) >> 16 : this.word();
      else value = this.long();
      // A sign-extended byte beside a 16-bit operand is a 16-bit value, like every value of that size.
      if (shape.class === 'immediate' && shape.signed && operandSize === 16) value &= 0xffff;
      if (count++ === 0) immediate = value;
      else immediate2 = value;
    }
    if (chosen.map === '1' && (opcode & 0xf8) === 0xd8) immediate2 = ((opcode & 7) << 8) | modrm;
    const pc = this.start;
    const length = this.at - pc;
    if (length > MAXIMUM_LENGTH) return { failure: 'tooLong' };
    void limit;
    if (shapes.some((shape) => shape.class === 'target')) {
      immediate = (pc + length + immediate) | 0;
      if (operandSize === 16) immediate &= 0xffff;
    }
    const reg = modrm < 0 ? 0 : (modrm >> 3) & 7;
    const rm = modrm < 0 ? 0 : modrm & 7;
    if (lock && !(declaration.options.lock && memory)) return { failure: 'invalid', length };
    for (const shape of shapes) {
      // mov to cs and to segment registers 6 and 7 do not exist.
      if (shape.class === 'segment' && (reg > 5 || (reg === Segment.cs && shape === shapes[0]))) {
        return { failure: 'invalid', length };
      }
    }
    return {
      declaration,
      shapes,
      pc,
      length,
      operandSize,
      addressSize,
      repeat,
      lock,
      segment,
      memory,
      reg,
      rm,
      opcodeRegister: opcode & 7,
      base,
      index,
      scale,
      displacement,
      immediate,
      immediate2,
    };
  }
}

const FETCH = Symbol('fetch');
