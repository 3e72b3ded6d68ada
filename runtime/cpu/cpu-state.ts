/** One thread's CPU state: typed views over its state block, and EFLAGS put together from its parts. */
import { Segment, State, STATE_SIZE } from '../../translator/state.js';
import { GuestMemory } from '../memory/guest-memory.js';

const FLAG_CF = 0x1;
const FLAG_FIXED = 0x2;
const FLAG_PF = 0x4;
const FLAG_AF = 0x10;
const FLAG_ZF = 0x40;
const FLAG_SF = 0x80;
const FLAG_DF = 0x400;
const FLAG_OF = 0x800;
const PARTS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_DF | FLAG_OF;

/** Views of a state block by element type; a field's index is its byte offset divided by the element size. */
export interface StateViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
  readonly i64: BigInt64Array;
}

export class CpuState implements StateViews {
  readonly address: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
  readonly i64: BigInt64Array;

  constructor(
    readonly memory: GuestMemory,
    readonly threadIndex = 0,
  ) {
    const address = GuestMemory.stateAddress(threadIndex);
    this.address = address;
    this.u8 = new Uint8Array(memory.buffer, address, STATE_SIZE);
    this.u16 = new Uint16Array(memory.buffer, address, STATE_SIZE / 2);
    this.i32 = new Int32Array(memory.buffer, address, STATE_SIZE / 4);
    this.f32 = new Float32Array(memory.buffer, address, STATE_SIZE / 4);
    this.f64 = new Float64Array(memory.buffer, address, STATE_SIZE / 8);
    this.i64 = new BigInt64Array(memory.buffer, address, STATE_SIZE / 8);
  }

  /** The state at a process's first instruction: flat segments, x87 and SSE as the kernel leaves them. */
  reset(): void {
    this.u8.fill(0);
    this.i32[State.df >> 2] = 1;
    this.i32[State.zr >> 2] = 1;
    this.i32[State.pr >> 2] = 1;
    this.i32[State.eflagsRest >> 2] = 0x200;
    this.i32[State.fpuControl >> 2] = 0x37f;
    this.i32[State.fpuEmpty >> 2] = 0xff;
    this.i32[State.mxcsr >> 2] = 0x1f80;
    const selector = State.selectors >> 2;
    // The selectors that Linux on x86_64 gives a 32-bit process (arch/x86/include/asm/segment.h).
    this.i32[selector + Segment.cs] = 0x23;
    for (const segment of [Segment.es, Segment.ss, Segment.ds]) this.i32[selector + segment] = 0x2b;
  }

  get eip(): number {
    return this.i32[State.eip >> 2]! >>> 0;
  }
  set eip(value: number) {
    this.i32[State.eip >> 2] = value;
  }

  /** General register by encoding number (0 = eax ... 7 = edi), signed. */
  register(index: number): number {
    return this.i32[index]!;
  }
  setRegister(index: number, value: number): void {
    this.i32[index] = value;
  }

  get eflags(): number {
    const s = this.i32;
    let parity = s[State.pr >> 2]! & 0xff;
    parity ^= parity >> 4;
    const even = (0x9669 >> (parity & 15)) & 1;
    return (
      (s[State.eflagsRest >> 2]! & ~PARTS) |
      FLAG_FIXED |
      (s[State.cf >> 2]! ? FLAG_CF : 0) |
      (even ? FLAG_PF : 0) |
      (s[State.af >> 2]! & 0x10) |
      (s[State.zr >> 2] === 0 ? FLAG_ZF : 0) |
      (s[State.sr >> 2]! < 0 ? FLAG_SF : 0) |
      (s[State.df >> 2]! < 0 ? FLAG_DF : 0) |
      (s[State.of >> 2]! < 0 ? FLAG_OF : 0)
    );
  }

  set eflags(value: number) {
    const s = this.i32;
    s[State.eflagsRest >> 2] = value & ~PARTS;
    s[State.cf >> 2] = value & FLAG_CF;
    s[State.pr >> 2] = value & FLAG_PF ? 0 : 1;
    s[State.af >> 2] = value & FLAG_AF;
    s[State.zr >> 2] = value & FLAG_ZF ? 0 : 1;
    s[State.sr >> 2] = value & FLAG_SF ? -1 : 0;
    s[State.df >> 2] = value & FLAG_DF ? -1 : 1;
    s[State.of >> 2] = value & FLAG_OF ? -1 : 0;
  }
}
