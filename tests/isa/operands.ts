/**
 * Makes a case of a variant: chooses registers, addresses, immediates and operand values that are worth trying, and sets
 * the state up so that addresses point where the variant wants them.
 */
import { parseEncoding, type Candidate } from '../../translator/decode/encoding.js';
import type { Declaration } from '../../translator/isa/declare.js';
import type { KindShape } from '../../translator/isa/kinds.js';
import { encode, type EncodingChoice, type MemoryChoice } from './encoder.js';
import {
  CODE_ADDRESS,
  CODE_START,
  DATA_ADDRESS,
  Field,
  FS_BASE,
  GS_BASE,
  LOW_ADDRESS,
  READ_ONLY_ADDRESS,
  STACK_ADDRESS,
  STACK_POINTER,
  type Case,
  type MachineState,
  type Patch,
} from './machine.js';
import {
  edgyDouble,
  edgyExtended,
  edgyInteger,
  edgySingle,
  edgyVector,
  Random,
  stateFromSeed,
  type Profile,
} from './random.js';
import { declarationKey, FAULTING, profileOf, type Addressing, type Variant } from './variants.js';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;
const ESP = 4;
const EBP = 5;
const ESI = 6;
const EDI = 7;
const FS_PREFIX = 0x64;
const GS_PREFIX = 0x65;
const PAGE = 4096;

/** First and second registers of 16-bit addresses by their r/m code. */
const BASE_16 = [EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX];
const INDEX_16 = [ESI, EDI, ESI, EDI, -1, -1, -1, -1];

/**
 * Selectors: null, flat data, flat code, the two thread-local ones, and some that are refused. 33 and 7B exist on 64-bit
 * kernels only (64-bit code, the processor's number) and are left out.
 */
const SELECTOR_CHOICES = [0, 3, 0x2b, 0x23, 0x63, 0x6b, 0x2a, 0x28, 0x73, 0x13, 0x57, 0x1000, 0xffff, 0x8];

class Maker {
  private readonly random: Random;
  private readonly state: MachineState;
  private readonly patches: Patch[] = [];
  private readonly candidate: Candidate;
  private readonly profile: Profile;
  private segmentPrefix = 0;
  private addressSize: 16 | 32;
  /** Linear address of the memory operand. */
  private linear = 0;

  constructor(
    private readonly declaration: Declaration,
    private readonly variant: Variant,
    seed: number,
  ) {
    const candidates = parseEncoding(declaration);
    this.random = new Random(seed ^ 0x5bd1e995);
    this.candidate = this.random.pick(candidates);
    this.profile = profileOf(declaration, this.candidate);
    this.state = stateFromSeed(seed, this.profile, CODE_START);
    this.addressSize = variant.addressSize;
  }

  make(): Case {
    const { declaration, variant, random, candidate, state } = this;
    const reg = this.chooseReg();
    const immediates = this.immediates();
    let rm: MemoryChoice | number = random.below(8);
    let offset = 0;
    if (variant.form === 'memory') {
      const size = this.operandBytes();
      const target = this.place(size, variant.addressing);
      if (candidate.shapes.some((shape) => shape.from === 'moffs')) offset = this.moffs(target, variant.addressing);
      else rm = this.address(target, variant.addressing);
      this.fillOperand(size);
    }
    this.implicit(reg, rm);
    const choice: EncodingChoice = {
      operandSize: variant.operandSize,
      addressSize: this.addressSize,
      segmentPrefix: this.segmentPrefix,
      lock: variant.lock,
      repeat: variant.repeat,
      reg,
      rm,
      immediates,
      offset,
    };
    const code = encode(candidate, choice);
    return { declaration: declarationKey(declaration), code, state, memory: this.patches };
  }

  // Registers and immediates ----------------------------------------------------------------------------------------------

  private chooseReg(): number {
    const segment = this.candidate.shapes.find((shape) => shape.class === 'segment');
    if (!segment) return this.random.below(8);
    // A move to cs, or to segment registers 6 and 7, is no instruction.
    return segment === this.candidate.shapes[0] ? this.random.pick([0, 2, 3, 4, 5]) : this.random.below(6);
  }

  private immediates(): number[] {
    const { random, candidate, variant } = this;
    const list: number[] = [];
    for (const shape of candidate.shapes) {
      if (shape.from !== 'imm') continue;
      if (shape.class === 'target') list.push(this.distance(shape));
      else if (shape.class === 'far') list.push(this.codeTarget(), random.chance(0.7) ? 0x23 : this.selector());
      else if (this.declaration.mnemonic === 'int')
        list.push(random.pick([0, 1, 3, 4, 5, 6, 13, 14, 0x20, 0x81, 0xff]));
      else if (shape.bytes === 1)
        list.push(
          random.chance(0.5)
            ? random.below(256)
            : random.pick([0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 127, 128, 255]),
        );
      else list.push(edgyInteger(random));
    }
    if (this.declaration.mnemonic === 'enter') {
      list[0] = random.chance(0.8) ? random.below(0x200) : random.below(0x10000);
      list[1] = random.chance(0.7) ? random.below(6) : random.below(256);
    } else if (/^ret/.test(this.declaration.mnemonic) && variant.form === 'none') {
      list[0] = random.below(0x10000);
    }
    return list;
  }

  /** A relative target: int3 in the code page, or nothing executable. Never the instruction's own bytes. */
  private distance(shape: KindShape): number {
    const { random } = this;
    if (shape.bytes === 1) return random.chance(0.5) ? -20 - random.below(100) : 20 + random.below(100);
    if (random.chance(0.2)) return edgyInteger(random) | 0x1000;
    return random.chance(0.5) ? -20 - random.below(1000) : 20 + random.below(1000);
  }
  private codeTarget(): number {
    const { random } = this;
    if (random.chance(0.2)) return random.pick([0, DATA_ADDRESS, 0x12345678, LOW_ADDRESS, 0xfffffff0]);
    return CODE_ADDRESS + random.below(0x700);
  }
  private selector(): number {
    return this.random.chance(0.15) ? (this.random.below(0x1000) << 7) | 3 : this.random.pick(SELECTOR_CHOICES);
  }

  // Memory ----------------------------------------------------------------------------------------------------------------

  private operandBytes(): number {
    for (const shape of this.candidate.shapes) {
      if (shape.from !== 'rm' && shape.from !== 'moffs') continue;
      if (shape.class === 'integer') {
        return (shape.width === 'v' ? this.variant.operandSize : (shape.width as number)) >> 3;
      }
      return (shape.width as number) || 16;
    }
    return 4;
  }

  /** Linear address of the operand. */
  private place(size: number, addressing: Addressing): number {
    const { random } = this;
    const alignment = random.chance(0.5) || this.mustAlign() ? 16 : 1;
    let at = DATA_ADDRESS + 0x100 + random.below(0xc00);
    switch (addressing) {
      case 'unmapped':
        at = random.pick([0x00900000, 0, 0x20, 0xfff, 0x30000000, DATA_ADDRESS - 0x800]) + random.below(64);
        break;
      case 'read-only':
        at = READ_ONLY_ADDRESS + random.below(0xc00);
        break;
      case 'across the end':
        return READ_ONLY_ADDRESS + PAGE - Math.max(1, alignment === 16 ? 16 : random.below(size));
      case 'across into read-only':
        return READ_ONLY_ADDRESS - Math.max(1, alignment === 16 ? 16 : random.below(size));
      case 'before the start':
        return DATA_ADDRESS - Math.max(1, alignment === 16 ? 16 : random.below(size));
      case 'misaligned':
        return (at & ~15) + 1 + random.below(15);
      case 'esp+disp8':
        at = STACK_POINTER - 128 + random.below(128 - Math.min(16, size)) + (alignment === 16 ? 15 : 0);
        break;
      case '16-bit':
        at = LOW_ADDRESS + 0x100 + random.below(0xc00);
        break;
      default:
    }
    return alignment === 16 ? at & ~15 : at;
  }
  private mustAlign(): boolean {
    return (
      this.candidate.shapes.some((shape) => shape.aligned) || this.declaration.operands.includes('m512byte' as never)
    );
  }

  private moffs(target: number, addressing: Addressing): number {
    this.linear = target;
    if (addressing === 'gs:base' || addressing === 'gs:16-bit') {
      this.segmentPrefix = GS_PREFIX;
      if (addressing === 'gs:16-bit') this.addressSize = 16;
      return target - GS_BASE;
    }
    return target;
  }

  /** Registers, displacement and segment so that the operand lies at `target`. */
  private address(target: number, addressing: Addressing): MemoryChoice {
    const { random, state } = this;
    this.linear = target;
    const choice = {
      base: -1,
      index: -1,
      scale: 0,
      displacement: 0,
      displacementBytes: 0 as MemoryChoice['displacementBytes'],
    };
    let offset = target;
    const signedByte = (): number => random.below(256) - 128;
    if (addressing === 'gs:16-bit' || addressing === '16-bit') {
      this.addressSize = 16;
      if (addressing === 'gs:16-bit') {
        this.segmentPrefix = GS_PREFIX;
        offset = target - GS_BASE;
      }
      const code = random.below(8);
      const mod = code === 6 ? random.pick([0, 1, 2]) : random.below(3);
      if (code === 6 && mod === 0) return { ...choice, displacement: offset, displacementBytes: 2 };
      const first = BASE_16[code]!;
      const second = INDEX_16[code]!;
      const displacement = mod === 0 ? 0 : mod === 1 ? signedByte() : random.below(0x10000);
      const rest = offset - displacement - (second >= 0 ? state.register(second) : 0);
      state.setRegister(first, (state.register(first) & ~0xffff) | (rest & 0xffff));
      return { ...choice, base: code, displacement, displacementBytes: mod as 0 | 1 | 2 };
    }
    if (addressing === 'gs:base') {
      this.segmentPrefix = GS_PREFIX;
      offset = target - GS_BASE;
    } else if (addressing === 'fs:base+disp32') {
      this.segmentPrefix = FS_PREFIX;
      offset = target - FS_BASE;
    } else if (random.chance(0.1)) {
      // The code segment cannot be written: a fault of its own, so not together with others.
      this.segmentPrefix = random.pick(
        FAULTING.includes(addressing) || /^(arpl|sgdt|sidt|smsw|sldt|str)$/.test(this.declaration.mnemonic)
          ? [0x26, 0x36, 0x3e]
          : [0x26, 0x2e, 0x36, 0x3e],
      );
    }

    const indexOf = (): number => random.pick([EAX, ECX, EDX, EBX, EBP, ESI, EDI]);
    const baseOf = (): number => random.pick([EAX, ECX, EDX, EBX, EBP, ESI, EDI]);
    const indexed = (index: number, scale: number): number => (index < 0 ? 0 : state.register(index) << scale);
    switch (addressing) {
      case 'disp32':
        return { ...choice, displacement: offset, displacementBytes: 4 };
      case 'index*scale+disp32': {
        const index = indexOf();
        const scale = random.below(4);
        return { ...choice, index, scale, displacement: (offset - indexed(index, scale)) | 0, displacementBytes: 4 };
      }
      case 'base+index*scale+disp32':
      case 'fs:base+disp32': {
        const base = baseOf();
        const index = addressing === 'fs:base+disp32' ? -1 : indexOf();
        const scale = random.below(4);
        const displacement = (offset - state.register(base) - indexed(index, scale)) | 0;
        return { base, index, scale, displacement, displacementBytes: 4 };
      }
      case 'base+index*scale+disp8': {
        const base = baseOf();
        const index = random.pick([EAX, ECX, EDX, EBX, EBP, ESI, EDI].filter((register) => register !== base));
        const scale = random.below(4);
        const displacement = signedByte();
        state.setRegister(base, offset - displacement - indexed(index, scale));
        return { base, index, scale, displacement, displacementBytes: 1 };
      }
      case 'esp+disp8': {
        const displacement = (offset - STACK_POINTER) | 0;
        return {
          ...choice,
          base: ESP,
          displacement,
          displacementBytes: displacement < -128 || displacement > 127 ? 4 : 1,
        };
      }
      default: {
        const base =
          addressing === 'base' || addressing === 'gs:base' ? random.pick([EAX, ECX, EDX, EBX, ESI, EDI]) : baseOf();
        const plain = addressing === 'base' || addressing === 'gs:base';
        const displacement = plain ? 0 : signedByte();
        state.setRegister(base, offset - displacement);
        return { ...choice, base, displacement, displacementBytes: plain ? 0 : 1 };
      }
    }
  }

  private patch(address: number, bytes: Uint8Array): void {
    // Only what lies in writable pages can be given; the read-only page keeps its fill.
    for (const start of [DATA_ADDRESS, STACK_ADDRESS, LOW_ADDRESS]) {
      const from = Math.max(address, start);
      const to = Math.min(address + bytes.length, start + PAGE);
      if (from < to) this.patches.push({ address: from, bytes: bytes.slice(from - address, to - address) });
    }
  }
  private patchU32(address: number, ...values: number[]): void {
    const bytes = new Uint8Array(4 * values.length);
    const view = new DataView(bytes.buffer);
    values.forEach((value, i) => view.setUint32(4 * i, value, true));
    this.patch(address, bytes);
  }

  /** A value worth having in the memory operand. */
  private fillOperand(size: number): void {
    const { random, declaration } = this;
    const kind = declaration.operands.find((name) => /^(E|M|m|W|Q|O)/.test(name)) ?? '';
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    switch (kind as string) {
      case 'm32fp':
        view.setUint32(0, edgySingle(random), true);
        break;
      case 'm64fp': {
        const [low, high] = edgyDouble(random);
        view.setUint32(0, low, true);
        view.setUint32(4, high, true);
        break;
      }
      case 'm80fp':
        bytes.set(edgyExtended(random));
        break;
      case 'm80bcd':
        for (let i = 0; i < 9; i++)
          bytes[i] = random.chance(0.9) ? random.below(10) * 16 + random.below(10) : random.below(256);
        bytes[9] = random.chance(0.9) ? random.pick([0, 0x80]) : random.below(256);
        break;
      case 'm28byte':
      case 'm108byte':
      case 'm512byte':
        this.fillEnvironment(kind, bytes, view);
        break;
      default:
        if (size >= 8 && this.profile !== 'integer') bytes.set(edgyVector(random).subarray(0, size));
        else if (size === 4 && this.profile === 'vector')
          view.setUint32(0, random.chance(0.5) ? edgySingle(random) : edgyInteger(random), true);
        else
          for (let i = 0; i < size; i += 4) {
            const value = edgyInteger(random);
            for (let j = i; j < size && j < i + 4; j++) bytes[j] = value >>> (8 * (j - i));
          }
    }
    if (/mxcsr/.test(declaration.mnemonic))
      view.setUint32(0, random.chance(0.8) ? random.u32() & 0xffff : random.u32(), true);
    this.patch(this.linear, bytes);
  }

  private fillEnvironment(kind: string, bytes: Uint8Array, view: DataView): void {
    const image = stateFromSeed(this.random.u32(), 'mmx', 0);
    if (kind === 'm512byte') {
      bytes.set(image.bytes.subarray(Field.fx, Field.fx + 512));
      if (this.random.chance(0.1)) view.setUint32(24, this.random.u32(), true);
      return;
    }
    const source = stateFromSeed(this.random.u32(), 'x87', 0);
    view.setUint32(0, source.u16(Field.fxControl) | 0xffff0000, true);
    view.setUint32(4, source.u16(Field.fxStatus) | 0xffff0000, true);
    view.setUint32(8, this.random.chance(0.5) ? 0xffff0000 : this.random.u32() | 0xffff0000, true);
    for (let i = 28; i + 10 <= bytes.length; i += 10) bytes.set(edgyExtended(this.random), i);
  }

  // What instructions use without naming it -------------------------------------------------------------------------------

  private implicit(reg: number, rm: MemoryChoice | number): void {
    const { declaration, random, state, variant } = this;
    const { mnemonic } = declaration;
    const memory = variant.form === 'memory';
    const operandMask = variant.operandSize === 16 ? 0xffff : 0xffffffff;
    const isStack = /^(push|pop|call|ret|enter|leave|iret)/.test(mnemonic);
    const usesEsp = memory && typeof rm !== 'number' && this.addressSize === 32 && rm.base === ESP;
    if (isStack && !usesEsp && random.chance(0.25)) {
      const edge = random.chance(0.5) ? STACK_ADDRESS : STACK_ADDRESS + PAGE;
      state.setRegister(ESP, edge + random.below(40) - 20);
    }
    if (declaration.options.string) this.strings();
    else if (mnemonic === 'xlat') {
      const inReach = variant.addressSize === 16 ? LOW_ADDRESS : DATA_ADDRESS;
      state.setRegister(
        EBX,
        (variant.addressSize === 16 ? state.register(EBX) & ~0xffff : 0) | (inReach + random.below(0xf80)),
      );
    } else if (/^(loop|jcxz)/.test(mnemonic)) {
      if (random.chance(0.6)) state.setRegister(ECX, random.pick([0, 1, 2, 0x10000, 0x10001, 0xffff0000, 0xffffffff]));
    } else if (mnemonic.startsWith('maskmov')) {
      const at = (variant.addressSize === 16 ? LOW_ADDRESS : DATA_ADDRESS) + random.below(0xff0);
      state.setRegister(EDI, (variant.addressSize === 16 ? state.register(EDI) & ~0xffff : 0) | at);
    } else if (/^bt[src]?$/.test(mnemonic) && memory && declaration.operands[0] === 'M') {
      const value = random.below(8000) - 4000;
      const usedForAddress =
        typeof rm !== 'number' && (this.addressSize === 16 || rm.base === reg || rm.index === reg || reg === ESP);
      if (!usedForAddress) {
        const high = variant.operandSize === 16 ? state.register(reg) & ~0xffff : 0;
        state.setRegister(reg, high | (value & operandMask));
      }
    } else if (/^cmpxchg/.test(mnemonic) && random.chance(0.5)) this.makeEqual(rm);
    else if (/^i?div$/.test(mnemonic) && random.chance(0.7)) this.makeDivisible(rm);
    else if (/^(jmp|call)$/.test(mnemonic) && variant.form !== 'none') this.setOperand(rm, this.codeTarget());
    else if (/^(jmp|call) far$/.test(mnemonic) && memory) this.setFar(this.linear);
    else if (/^(ret|iret)/.test(mnemonic)) this.setReturn();
    else if (/^l[defgs]s$/.test(mnemonic) && memory) {
      this.patch(this.linear + (variant.operandSize >> 3), Uint8Array.of(...this.word(this.selector())));
    } else if (declaration.encoding === '8E' || /^(lar|lsl|verr|verw|arpl)$/.test(mnemonic))
      this.setOperand(rm, this.selector());
    else if (/^pop [defgs]s$/.test(mnemonic))
      this.patch(state.register(ESP), Uint8Array.of(...this.word(this.selector())));
    else if (mnemonic === 'bound' && memory) {
      const low = random.below(0x100) - 0x80;
      if (variant.operandSize === 32) this.patchU32(this.linear, low, low + random.below(0x100));
      const address = typeof rm !== 'number' && this.addressSize === 32 && (rm.base === reg || rm.index === reg);
      if (!address && reg !== ESP && this.addressSize === 32)
        state.setRegister(reg, (low + random.below(0x200) - 0x80) >>> 0);
    } else if (mnemonic === 'leave' || mnemonic === 'enter') {
      const edge = random.chance(0.2) ? STACK_ADDRESS + PAGE - random.below(8) : STACK_POINTER + random.below(0x100);
      state.setRegister(EBP, edge);
    } else if (mnemonic === 'popf') {
      // TF would make every later instruction trap.
      this.patchU32(state.register(ESP), random.u32() & ~0x100);
    }
  }

  private word(value: number): number[] {
    return [value & 0xff, (value >>> 8) & 0xff];
  }

  /** Gives the r/m operand a value. */
  private setOperand(rm: MemoryChoice | number, value: number): void {
    if (typeof rm === 'number') {
      const keep = this.variant.operandSize === 16 || this.declaration.operands.some((name) => name === 'Ew');
      this.state.setRegister(
        rm,
        keep && this.random.chance(0.5) ? (this.state.register(rm) & ~0xffff) | (value & 0xffff) : value,
      );
    } else if (this.operandBytes() === 2) this.patch(this.linear, Uint8Array.of(...this.word(value)));
    else this.patchU32(this.linear, value);
  }
  private setFar(address: number): void {
    const selector = this.random.chance(0.7) ? 0x23 : this.selector();
    if (this.variant.operandSize === 32) this.patchU32(address, this.codeTarget());
    this.patch(address + (this.variant.operandSize >> 3), Uint8Array.of(...this.word(selector)));
  }
  private setReturn(): void {
    const esp = this.state.register(ESP);
    const selector = this.random.chance(0.8) ? 0x23 : this.selector();
    const flags = this.random.u32() & ~0x24100;
    if (this.variant.operandSize === 32)
      this.patchU32(esp, this.codeTarget(), selector | (this.random.u32() & 0xffff0000), flags);
    else this.patch(esp, Uint8Array.of(...this.word(this.codeTarget()), ...this.word(selector), ...this.word(flags)));
  }

  private makeEqual(rm: MemoryChoice | number): void {
    const { state, declaration, random } = this;
    if (declaration.mnemonic === 'cmpxchg8b') {
      this.patchU32(this.linear, state.register(EAX), state.register(EDX));
      return;
    }
    if (typeof rm !== 'number') this.patchU32(this.linear, state.register(EAX));
    else if (declaration.operands[0] === 'Eb') {
      const al = state.register(EAX) & 0xff;
      const shift = rm >= 4 ? 8 : 0;
      state.setRegister(rm & 3, (state.register(rm & 3) & ~(0xff << shift)) | (al << shift));
    } else
      state.setRegister(rm, random.chance(0.5) ? state.register(EAX) : (state.register(EAX) & 0xffff) | 0x5a5a0000);
  }

  private makeDivisible(rm: MemoryChoice | number): void {
    const { state, random, variant, declaration } = this;
    if (
      typeof rm !== 'number' &&
      this.addressSize === 32 &&
      (rm.base === EDX || rm.base === EAX || rm.index === EDX || rm.index === EAX)
    )
      return;
    const byte = declaration.operands[0] === 'Eb';
    const eax = state.register(EAX);
    if (byte) state.setRegister(EAX, random.chance(0.5) ? eax & 0xff : random.below(0x2000) - 0x1000);
    else if (random.chance(0.4)) state.setRegister(EDX, random.below(16));
    else if (random.chance(0.5)) state.setRegister(EDX, (eax << (32 - variant.operandSize)) >> 31);
    else state.setRegister(EDX, 0);
  }

  private strings(): void {
    const { random, state, variant } = this;
    const narrow = variant.addressSize === 16;
    const page = narrow ? LOW_ADDRESS : DATA_ADDRESS;
    let source = page + 0x200 + random.below(0x600);
    let destination = random.chance(0.5) ? source + random.below(64) - 32 : page + 0x900 + random.below(0x600);
    if (variant.addressing === 'across the end') {
      const end = page + (narrow ? PAGE : 2 * PAGE);
      const backwards = (state.u32(Field.eflags) & 0x400) !== 0;
      if (random.chance(0.5)) source = backwards ? page + random.below(12) : end - random.below(12) - 1;
      else destination = backwards ? page + random.below(12) : page + PAGE - random.below(12) - 1;
    }
    if (variant.addressing === 'gs:base') {
      this.segmentPrefix = GS_PREFIX;
      source -= GS_BASE;
    } else if (random.chance(0.1)) this.segmentPrefix = random.pick([0x26, 0x2e, 0x36, 0x3e]);
    const set = (register: number, value: number, force = false): void => {
      const high = narrow && !force ? state.register(register) & ~0xffff : 0;
      state.setRegister(register, high | (narrow ? value & 0xffff : value));
    };
    set(ESI, source);
    set(EDI, destination);
    if (variant.repeat !== 'none') {
      set(ECX, random.chance(0.1) ? 0 : random.chance(0.1) ? 0x2000 : random.below(24));
    }
    // A run of equal elements, so that comparisons go on for a while.
    const length = 4 * random.below(12);
    const from = variant.addressing === 'gs:base' ? source + GS_BASE : source;
    const value = random.chance(0.5) ? state.register(EAX) : edgyInteger(random);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = value >>> (8 * (i & 3));
    if (random.chance(0.7)) this.patch(from, bytes);
    if (random.chance(0.7)) this.patch(destination, bytes);
  }
}

/** The case of a seed: the same for ever, as long as this file stays as it is. */
export function makeCase(declaration: Declaration, variant: Variant, seed: number): Case {
  return new Maker(declaration, variant, seed).make();
}

/** Which profile the case's state was made with. */
export function caseProfile(declaration: Declaration): Profile {
  return profileOf(declaration, parseEncoding(declaration)[0]!);
}
