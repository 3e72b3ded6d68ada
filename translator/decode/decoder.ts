/** The decoder: bytes at a guest address to a decoded instruction, by the tables made from the declarations. */
import { COOKIE_LENGTH } from '../bridge.js';
import type { Declaration, InstructionContext } from '../isa/declare.js';
import type { KindShape } from '../isa/kinds.js';
import { Segment } from '../state.js';
import { OpcodeTable, type Candidate, type OpcodeMap } from './encoding.js';

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
  private readonly table = new OpcodeTable();

  constructor(private readonly memory: Uint8Array) {}

  /**
   * Decodes the instruction at `pc`; bytes from `limit` on cannot be fetched.
   */
  decode(pc: number, limit: number): DecodedInstruction | DecodeFailure {
    this.start = pc;
    this.at = pc;
    this.end = Math.min(limit, pc + MAXIMUM_LENGTH);
    try {
      return this.instruction();
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

  // What the parts of a decoding find; parts, because V8 compiles one long function many times over while it is young.
  private operandSize: 16 | 32 = 32;
  private addressSize: 16 | 32 = 32;
  private segment = -1;
  private lock = false;
  private repeat: 'none' | 'rep' | 'repne' = 'none';
  private opcode = 0;
  private modrm = -1;
  private base = -1;
  private index = -1;
  private scale = 0;
  private displacement = 0;
  private immediate = 0;
  private immediate2 = 0;

  private instruction(): DecodedInstruction | DecodeFailure {
    const list = this.candidates();
    const chosen = list === undefined ? undefined : this.choose(list);
    if (chosen === undefined) return { failure: 'invalid', length: this.at - this.start };
    const { declaration, shapes } = chosen;
    const { modrm, lock, operandSize } = this;
    const memory = modrm >= 0 && modrm < 0xc0 && !declaration.options.anyMod;
    this.base = -1;
    this.index = -1;
    this.scale = 0;
    this.displacement = 0;
    this.immediate = 0;
    this.immediate2 = 0;
    if (memory) {
      if (this.addressSize === 32) this.address32(modrm >> 6, modrm & 7);
      else this.address16(modrm >> 6, modrm & 7);
    }
    if (declaration.options.cookie) {
      const codes = this.cookie();
      // The prefixes that instructions may have make it none.
      if (!codes || this.at - this.start !== COOKIE_LENGTH) return { failure: 'invalid', length: this.at - this.start };
      [this.immediate, this.immediate2] = codes;
    }
    if (chosen.hasImmediate) this.immediates(shapes);
    if (chosen.map === '1' && (this.opcode & 0xf8) === 0xd8) this.immediate2 = ((this.opcode & 7) << 8) | modrm;
    const pc = this.start;
    const length = this.at - pc;
    if (length > MAXIMUM_LENGTH) return { failure: 'tooLong' };
    if (chosen.hasTarget) {
      this.immediate = (pc + length + this.immediate) | 0;
      if (operandSize === 16) this.immediate &= 0xffff;
    }
    const reg = modrm < 0 ? 0 : (modrm >> 3) & 7;
    if (lock && !(declaration.options.lock && memory)) return { failure: 'invalid', length };
    // mov to cs and to segment registers 6 and 7 do not exist.
    if (chosen.hasSegment && (reg > 5 || (reg === Segment.cs && shapes[0]!.class === 'segment'))) {
      return { failure: 'invalid', length };
    }
    return {
      declaration,
      shapes,
      pc,
      length,
      operandSize,
      addressSize: this.addressSize,
      repeat: this.repeat,
      lock,
      segment: this.segment,
      memory,
      reg,
      rm: modrm < 0 ? 0 : modrm & 7,
      opcodeRegister: this.opcode & 7,
      base: this.base,
      index: this.index,
      scale: this.scale,
      displacement: this.displacement,
      immediate: this.immediate,
      immediate2: this.immediate2,
    };
  }

  /** Reads prefixes and opcode. */
  private candidates(): readonly Candidate[] | undefined {
    this.operandSize = 32;
    this.addressSize = 32;
    this.segment = -1;
    this.lock = false;
    this.repeat = 'none';
    let opcode = this.byte();
    while (IS_PREFIX[opcode] !== 0) {
      this.prefix(opcode);
      opcode = this.byte();
    }
    let map: OpcodeMap = '1';
    if (opcode === 0x0f) {
      opcode = this.byte();
      map = '0F';
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? '0F38' : '0F3A';
        opcode = this.byte();
      }
    }
    this.opcode = opcode;
    return this.table.candidates(map, opcode);
  }

  private prefix(byte: number): void {
    if (byte === 0x66) this.operandSize = 16;
    else if (byte === 0x67) this.addressSize = 16;
    else if (byte === 0xf0) this.lock = true;
    else if (byte === 0xf2) this.repeat = 'repne';
    else if (byte === 0xf3) this.repeat = 'rep';
    else if (byte === 0x64) this.segment = Segment.fs;
    else if (byte === 0x65) this.segment = Segment.gs;
    // 26, 2e, 36, 3e: es, cs, ss, ds
    else this.segment = (byte - 0x26) >> 3;
  }

  /** The candidate that prefixes and ModRM select. */
  private choose(list: readonly Candidate[]): Candidate | undefined {
    this.modrm = -1;
    const { repeat } = this;
    for (const candidate of list) {
      if (candidate.prefix !== 'any') {
        if (!this.prefixFits(candidate)) continue;
      }
      // movbe takes its operand size from 66, but is no instruction with a repeat prefix.
      else if (repeat !== 'none' && candidate.map === '0F38') continue;
      if (candidate.hasModRm) {
        if (this.modrm < 0) this.modrm = this.byte();
        const { modrm } = this;
        if (candidate.extension >= 0 && ((modrm >> 3) & 7) !== candidate.extension) continue;
        if (candidate.exact >= 0 && (modrm & candidate.exactMask) !== candidate.exact) continue;
        if (candidate.form === 'memory' && modrm >= 0xc0) continue;
        if (candidate.form === 'register' && modrm < 0xc0) continue;
      }
      return candidate;
    }
    return undefined;
  }

  private prefixFits({ prefix }: Candidate): boolean {
    const { repeat } = this;
    if (prefix === 'F3') return repeat === 'rep';
    if (prefix === 'F2') return repeat === 'repne';
    return repeat === 'none' && (this.operandSize === 16) === (prefix === '66');
  }

  private address32(mod: number, rm: number): void {
    if (rm === 4) {
      const sib = this.byte();
      this.scale = sib >> 6;
      const index = (sib >> 3) & 7;
      this.index = index === 4 ? -1 : index;
      const base = sib & 7;
      if (base === 5 && mod === 0) this.displacement = this.long();
      else this.base = base;
    } else if (rm === 5 && mod === 0) this.displacement = this.long();
    else this.base = rm;
    if (mod === 1) this.displacement = this.signedByte();
    else if (mod === 2) this.displacement = this.long();
  }

  private address16(mod: number, rm: number): void {
    if (rm === 6 && mod === 0) {
      this.displacement = this.word();
      return;
    }
    this.base = BASE_16[rm]!;
    this.index = INDEX_16[rm]!;
    if (mod === 1) this.displacement = this.signedByte();
    else if (mod === 2) this.displacement = this.word();
  }

  private immediates(shapes: readonly KindShape[]): void {
    let count = 0;
    for (const shape of shapes) {
      if (shape.from === 'moffs') this.displacement = this.addressSize === 32 ? this.long() : this.word();
      if (shape.from !== 'imm') continue;
      if (shape.class === 'far') {
        this.immediate = this.operandSize === 32 ? this.long() : this.word();
        this.immediate2 = this.word();
        continue;
      }
      const value = this.immediateOf(shape);
      if (count++ === 0) this.immediate = value;
      else this.immediate2 = value;
    }
  }

  private immediateOf(shape: KindShape): number {
    const bytes = shape.bytes === 'v' ? this.operandSize >> 3 : shape.bytes!;
    let value: number;
    if (bytes === 1) value = shape.signed ? this.signedByte() : this.byte();
    else if (bytes === 2) value = shape.signed ? (this.word() << 16) >> 16 : this.word();
    else value = this.long();
    // A sign-extended byte beside a 16-bit operand is a 16-bit value, like every value of that size.
    return shape.class === 'immediate' && shape.signed && this.operandSize === 16 ? value & 0xffff : value;
  }
}

const IS_PREFIX = new Uint8Array(256);
for (const prefix of [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) IS_PREFIX[prefix] = 1;

const FETCH = Symbol('fetch');
