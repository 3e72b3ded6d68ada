/**
 * The machine of a test case: where its memory lies, and its state as one block of bytes, which the program that asks the
 * processor, the recordings and the comparison share.
 */

/** A memory region with the contents that it has before every case. */
export interface Region {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  /** PROT_* bits: 1 read, 2 write, 4 execute. */
  readonly protection: number;
  readonly fill: Uint8Array;
}

const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXECUTE = 4;

export const CODE_ADDRESS = 0x00400000;
export const DATA_ADDRESS = 0x00600000;
/** Read-only page right after the data page; what follows it is not mapped. */
export const READ_ONLY_ADDRESS = DATA_ADDRESS + PAGE;
export const STACK_ADDRESS = 0x00700000;
/** Within reach of 16-bit addresses. */
export const LOW_ADDRESS = 0x8000;

/** Where instructions are placed, unless a case is about page ends. */
export const CODE_START = CODE_ADDRESS + 0x800;
/** Initial stack pointer: the middle of the stack page. */
export const STACK_POINTER = STACK_ADDRESS + 0x800;

function fillOf(seed: number): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  let x = seed;
  for (let i = 0; i < PAGE; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x >>> 11;
  }
  return bytes;
}

/** int3 all around: whatever an instruction does, the next one ends the case. */
const BREAKPOINT = 0xcc;

export const REGIONS: readonly Region[] = [
  {
    name: 'code',
    address: CODE_ADDRESS,
    size: PAGE,
    protection: PROT_READ | PROT_WRITE | PROT_EXECUTE,
    fill: new Uint8Array(PAGE).fill(BREAKPOINT),
  },
  {
    name: 'data',
    address: DATA_ADDRESS,
    size: PAGE,
    protection: PROT_READ | PROT_WRITE,
    fill: fillOf(0x1234567),
  },
  { name: 'read-only', address: READ_ONLY_ADDRESS, size: PAGE, protection: PROT_READ, fill: fillOf(0x2345678) },
  {
    name: 'stack',
    address: STACK_ADDRESS,
    size: PAGE,
    protection: PROT_READ | PROT_WRITE,
    fill: fillOf(0x3456789),
  },
  { name: 'low', address: LOW_ADDRESS, size: PAGE, protection: PROT_READ | PROT_WRITE, fill: fillOf(0x456789a) },
];

export function regionAt(address: number): Region | undefined {
  return REGIONS.find((region) => address >= region.address && address < region.address + region.size);
}

/** Thread-local segments: gs begins at the data page, fs a page before it. */
export const GS_SELECTOR = 0x63;
export const GS_BASE = DATA_ADDRESS;
export const FS_SELECTOR = 0x6b;
export const FS_BASE = DATA_ADDRESS - PAGE;
/** es cs ss ds fs gs */
export const SELECTORS = [0x2b, 0x23, 0x2b, 0x2b, FS_SELECTOR, GS_SELECTOR];

/** The state block: `struct State` of harness/harness.c. Byte offsets. */
export const Field = {
  registers: 0,
  eip: 32,
  eflags: 36,
  selectors: 40,
  /** How the case ended: signal, si_code, si_addr, processor's exception vector and error code. */
  signal: 52,
  code: 56,
  address: 60,
  trap: 64,
  error: 68,
  /** An fxsave image. */
  fx: 72,
  fxControl: 72,
  fxStatus: 74,
  /** One bit a physical register, 1 = not empty. */
  fxTags: 76,
  mxcsr: 72 + 24,
  /** ST(0) ... ST(7), 16 bytes each. */
  st: 72 + 32,
  xmm: 72 + 160,
} as const;
export const STATE_SIZE = 72 + 512;

export class MachineState {
  readonly view: DataView;
  constructor(readonly bytes: Uint8Array = new Uint8Array(STATE_SIZE)) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, STATE_SIZE);
  }
  clone(): MachineState {
    return new MachineState(this.bytes.slice());
  }
  u32(field: number): number {
    return this.view.getUint32(field, true);
  }
  setU32(field: number, value: number): void {
    this.view.setUint32(field, value, true);
  }
  u16(field: number): number {
    return this.view.getUint16(field, true);
  }
  setU16(field: number, value: number): void {
    this.view.setUint16(field, value, true);
  }
  register(index: number): number {
    return this.u32(Field.registers + 4 * index);
  }
  setRegister(index: number, value: number): void {
    this.setU32(Field.registers + 4 * index, value);
  }
}

/** Bytes at a guest address. */
export interface Patch {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** One instruction with what is before it. */
export interface Case {
  /** Name of the declaration it was made for (`declarationKey`), or empty. */
  readonly declaration: string;
  readonly code: Uint8Array;
  /** eip says where the code lies. */
  readonly state: MachineState;
  /** Memory that differs from the regions' fill, beside the code. */
  readonly memory: readonly Patch[];
}

/** What is there after it. */
export interface Outcome {
  readonly state: MachineState;
  /** Memory that differs from what the case had before. */
  readonly memory: readonly Patch[];
}

/** The case's memory patches with its code as one more. */
export function allPatches(test: Case): Patch[] {
  return [...test.memory, { address: test.state.u32(Field.eip), bytes: test.code }];
}
