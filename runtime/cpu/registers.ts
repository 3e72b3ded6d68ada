/** A machine's registers by name: live, in both directions. Numbers of 32 bits are unsigned when they are read. */
import type { CpuState } from './cpu-state.js';
import { loadSegment } from './segments.js';
import { controlWords } from '../helpers/x87/control-words.js';
import { narrowDouble, operand, widenDouble } from '../helpers/x87/convert.js';
import { result } from '../helpers/x87/float80.js';
import { RegisterStack } from '../helpers/x87/register-stack.js';
import { REGISTER_NAMES, SEGMENT_NAMES, State } from '../../translator/state.js';

export type GeneralRegister = (typeof REGISTER_NAMES)[number];
export type SegmentRegister = (typeof SEGMENT_NAMES)[number];
export type RegisterName = GeneralRegister | SegmentRegister | 'eip' | 'eflags' | 'fctrl' | 'fstat' | 'ftag' | 'mxcsr';

const EXTENDED_BYTES = 10;
const DEFAULT_CONTROL = 0x37f;

export class Registers {
  private readonly words;

  constructor(private readonly cpu: CpuState) {
    this.words = controlWords(new RegisterStack(cpu));
  }

  /** A register of up to 32 bits by its name. Segment registers give their selectors; `fstat` has TOP in bits 11-13. */
  get(name: RegisterName): number {
    const s = this.cpu.i32;
    const general = REGISTER_NAMES.indexOf(name as GeneralRegister);
    if (general >= 0) return s[general]! >>> 0;
    const segment = SEGMENT_NAMES.indexOf(name as SegmentRegister);
    if (segment >= 0) return s[(State.selectors >> 2) + segment]! & 0xffff;
    switch (name) {
      case 'eip':
        return this.cpu.eip;
      case 'eflags':
        return this.cpu.eflags >>> 0;
      case 'fctrl':
        return s[State.fpuControl >> 2]! & 0xffff;
      case 'fstat':
        return this.words.statusWord();
      case 'ftag':
        return this.words.tagWord();
      case 'mxcsr':
        return s[State.mxcsr >> 2]! >>> 0;
      default:
        throw new RangeError(`no register ${name}`);
    }
  }

  /** @throws RangeError for a selector that the processor would refuse, and for names that there are not */
  set(name: RegisterName, value: number): void {
    const s = this.cpu.i32;
    const general = REGISTER_NAMES.indexOf(name as GeneralRegister);
    const segment = SEGMENT_NAMES.indexOf(name as SegmentRegister);
    if (general >= 0) s[general] = value;
    else if (segment >= 0) {
      if (!loadSegment(this.cpu, segment, value)) throw new RangeError(`${name}: no segment has selector ${value}`);
    } else if (name === 'eip') this.cpu.eip = value;
    else if (name === 'eflags') this.cpu.eflags = value;
    else if (name === 'fctrl') this.words.setControlWord(value);
    else if (name === 'fstat') this.words.setStatusWord(value);
    else if (name === 'ftag') this.words.setTagWord(value);
    else if (name === 'mxcsr') s[State.mxcsr >> 2] = value & 0xffff;
    else throw new RangeError(`no register ${String(name)}`);
  }

  get eax(): number {
    return this.cpu.i32[0]! >>> 0;
  }
  set eax(value: number) {
    this.cpu.i32[0] = value;
  }
  get ecx(): number {
    return this.cpu.i32[1]! >>> 0;
  }
  set ecx(value: number) {
    this.cpu.i32[1] = value;
  }
  get edx(): number {
    return this.cpu.i32[2]! >>> 0;
  }
  set edx(value: number) {
    this.cpu.i32[2] = value;
  }
  get ebx(): number {
    return this.cpu.i32[3]! >>> 0;
  }
  set ebx(value: number) {
    this.cpu.i32[3] = value;
  }
  get esp(): number {
    return this.cpu.i32[4]! >>> 0;
  }
  set esp(value: number) {
    this.cpu.i32[4] = value;
  }
  get ebp(): number {
    return this.cpu.i32[5]! >>> 0;
  }
  set ebp(value: number) {
    this.cpu.i32[5] = value;
  }
  get esi(): number {
    return this.cpu.i32[6]! >>> 0;
  }
  set esi(value: number) {
    this.cpu.i32[6] = value;
  }
  get edi(): number {
    return this.cpu.i32[7]! >>> 0;
  }
  set edi(value: number) {
    this.cpu.i32[7] = value;
  }
  get eip(): number {
    return this.cpu.eip;
  }
  set eip(value: number) {
    this.cpu.eip = value;
  }
  get eflags(): number {
    return this.cpu.eflags >>> 0;
  }
  set eflags(value: number) {
    this.cpu.eflags = value;
  }

  /** A segment's base address: not zero only for fs and gs, through descriptors of thread-local storage. */
  segmentBase(name: SegmentRegister): number {
    return this.cpu.i32[(State.segmentBases >> 2) + SEGMENT_NAMES.indexOf(name)]! >>> 0;
  }
  /** Sets a base without any descriptor; loading the segment register sets it anew. */
  setSegmentBase(name: SegmentRegister, base: number): void {
    this.cpu.i32[(State.segmentBases >> 2) + SEGMENT_NAMES.indexOf(name)] = base;
  }

  /** ST(i) as the nearest number. */
  st(i: number): number {
    const word = this.stWord(i);
    const s = this.cpu.i32;
    result.control = DEFAULT_CONTROL;
    narrowDouble(s[word + 2]! & 0xffff, s[word + 1]!, s[word]!);
    return doubleOf(result.high, result.low);
  }
  /** Sets ST(i), exactly; the register is no longer empty. */
  setSt(i: number, value: number): void {
    double.setFloat64(0, value, true);
    widenDouble(double.getInt32(4, true), double.getInt32(0, true));
    const word = this.stWord(i);
    const s = this.cpu.i32;
    s[word] = operand.low;
    s[word + 1] = operand.high;
    s[word + 2] = operand.signExponent;
    this.fill(i);
  }
  /** ST(i) as the ten bytes that `fstp m80` would write. */
  stBytes(i: number): Uint8Array {
    const at = 4 * this.stWord(i);
    return this.cpu.u8.slice(at, at + EXTENDED_BYTES);
  }
  setStBytes(i: number, bytes: Uint8Array): void {
    if (bytes.length !== EXTENDED_BYTES) throw new RangeError(`an x87 register has ${EXTENDED_BYTES} bytes`);
    this.cpu.u8.set(bytes, 4 * this.stWord(i));
    this.fill(i);
  }
  /** Makes ST(i) empty. */
  freeSt(i: number): void {
    const s = this.cpu.i32;
    s[State.fpuEmpty >> 2] = s[State.fpuEmpty >> 2]! | (1 << ((s[State.fpuTop >> 2]! + i) & 7));
  }

  /** XMM register i as a live view of its 16 bytes (little-endian lanes). */
  xmm(i: number): DataView {
    if (!(i >= 0 && i < 8)) throw new RangeError(`no register xmm${i}`);
    const { u8 } = this.cpu;
    return new DataView(u8.buffer, u8.byteOffset + State.xmm + 16 * i, 16);
  }
  /** MMX register i as a live view of its 8 bytes. */
  mm(i: number): DataView {
    if (!(i >= 0 && i < 8)) throw new RangeError(`no register mm${i}`);
    const { u8 } = this.cpu;
    return new DataView(u8.buffer, u8.byteOffset + State.fpuRegisters + 16 * i, 8);
  }

  /** Makes ST(0) empty and ST(1) the new ST(0). */
  popSt(): void {
    this.freeSt(0);
    this.cpu.i32[State.fpuTop >> 2] = (this.cpu.i32[State.fpuTop >> 2]! + 1) & 7;
  }

  /** Puts a number on the register stack: it becomes ST(0). */
  pushSt(value: number): void {
    this.cpu.i32[State.fpuTop >> 2] = (this.cpu.i32[State.fpuTop >> 2]! - 1) & 7;
    this.setSt(0, value);
  }

  private stWord(i: number): number {
    if (!(i >= 0 && i < 8)) throw new RangeError(`no register st(${i})`);
    return (State.fpuRegisters >> 2) + (((this.cpu.i32[State.fpuTop >> 2]! + i) & 7) << 2);
  }
  private fill(i: number): void {
    const s = this.cpu.i32;
    s[State.fpuEmpty >> 2] = s[State.fpuEmpty >> 2]! & ~(1 << ((s[State.fpuTop >> 2]! + i) & 7));
  }
}

const double = new DataView(new ArrayBuffer(8));
function doubleOf(high: number, low: number): number {
  double.setInt32(0, low, true);
  double.setInt32(4, high, true);
  return double.getFloat64(0, true);
}
