/**
 * The CPU state's layout: where each guest register lives, in bytes from the start of a thread's state block.
 *
 * The block lies inside the guest's own 4 GiB memory, above the guest's last usable page, so that one buffer and one
 * address serve the interpreter, generated JavaScript, generated WebAssembly, signal frames and other threads alike.
 * Everything that names a register (IR, emitters, interpreter, debugger) takes its offset from here.
 *
 * Flags are kept apart, each in the form that is cheapest to define:
 *   CF  0 or 1                               `cf`
 *   PF  parity of the low byte of            `pr`
 *   AF  bit 4 of                             `af`
 *   ZF  set when zero:                       `zr`
 *   SF  bit 31 of                            `sr`
 *   OF  bit 31 of                            `of`
 * `zr`, `sr` and `pr` usually hold the same (sign-extended) result of an operation.
 */

/** First address that belongs to the emulator; guest mappings end below it. */
export const GUEST_LIMIT = 0xfe000000;
/** One byte a guest page: see `PAGE_*` in `translator/pages.ts`. 1 MiB. */
export const PAGE_TABLE_ADDRESS = 0xfe000000;
/** Thread state blocks, one after the other. */
export const STATE_ADDRESS = 0xff000000;
/** Size of one thread's state block in bytes. */
export const STATE_SIZE = 4096;

/** A word that is 1 while a thread does what the processor does with a locked access that is not aligned. */
export const SPLIT_LOCK_ADDRESS = 0xfe7ff000;

/** Most threads of a process: as many state blocks and signal blocks have room. */
export const THREAD_LIMIT = 1024;

/** Jump tables of threads, one after the other (`emit/wasm/abi.ts`): as many as there is room for. 7 MiB. */
export const JUMP_TABLES_ADDRESS = 0xfe100000;
export const JUMP_TABLES_END = 0xfe800000;

/** What the threads of a process share of its kernel state: see `runtime/linux/threads/shared-state.ts`. 8 MiB. */
export const KERNEL_STATE_ADDRESS = 0xfe800000;

/** Signals that arrived from the host, by thread: shared with the machine-code handler, see `runtime/host/signal-handler.ts`. */
export const SIGNAL_BLOCK_ADDRESS = 0xff400000;

/** Nothing is kept from here on: no permission on the host, so that accesses at small negative addresses fault. */
export const EMULATOR_END = 0xffd00000;

/** Bytes from the start of the state block. All fields are i32 unless said otherwise. */
export const State = {
  eax: 0,
  ecx: 4,
  edx: 8,
  ebx: 12,
  esp: 16,
  ebp: 20,
  esi: 24,
  edi: 28,
  eip: 32,
  cf: 36,
  pr: 40,
  af: 44,
  zr: 48,
  sr: 52,
  of: 56,
  /** Direction flag as the step of string instructions: 1 or -1. */
  df: 60,
  /** EFLAGS bits other than the seven above (TF, IF, IOPL, NT, RF, VM, AC, VIF, VIP, ID), in their EFLAGS positions. */
  eflagsRest: 64,
  /** Always zero: the base or index of an address that has none. */
  zero: 68,
  /** Segment selectors in the processor's order: es cs ss ds fs gs. */
  selectors: 72,
  /** Segment bases, same order. */
  segmentBases: 96,
  /** Why generated code or an interpreted block returned: an `Exit`. */
  exit: 120,
  /** Non-zero when something (a signal, a request to stop) waits for the dispatcher. */
  pending: 124,
  /** Guest instructions that remain before the dispatcher is to be asked (only counted where that was asked for). */
  budget: 128,
  /** Detail of an exit: the interrupt's vector, the trap's number. */
  exitDetail: 132,
  /** How many regions have called one another on the host's stack. */
  callDepth: 136,
  /** High half of a bridge's 64-bit result, until it is in edx. */
  bridgeHigh: 140,
  /** The selector that a segment register refused last, without its privilege level: the error code of the #GP that follows. */
  refusedSelector: 144,
  /** A fault that the host found in guest memory, first one: its signal (0 = none), address, page-fault error code. */
  faultSignal: 148,
  faultAddress: 152,
  faultCode: 156,

  /** x87 control word. */
  fpuControl: 160,
  /** x87 status word without TOP (bits 11-13 are zero here). */
  fpuStatus: 164,
  /** TOP of the x87 stack, 0-7. */
  fpuTop: 168,
  /** One bit a physical x87 register: 1 = empty. (The 16-bit tag word is derived from it and the contents.) */
  fpuEmpty: 172,
  /** SSE control and status. */
  mxcsr: 176,
  /** Last x87 instruction's opcode (11 bits), eip, cs selector, operand address, ds selector: for fstenv and fsave. */
  fpuOpcode: 180,
  fpuIp: 184,
  fpuCs: 188,
  fpuDataPointer: 192,
  fpuDs: 196,
  /** The guest's stack pointer while a bridge is called that runs guest code. */
  bridgeStack: 200,
  /** Where loads go whose result nobody reads, so that they are made. */
  discarded: 204,

  /** Physical x87 registers 0-7, 16 bytes each: mantissa low u32, mantissa high u32, sign and exponent u16, padding.
   * MMX registers 0-7 are the mantissas (8 bytes at the same places). */
  fpuRegisters: 208,
  /** XMM registers 0-7, 16 bytes each. */
  xmm: 384,
  /** Scratch slots of 16 bytes for memory operands and temporaries of vector and x87 helpers. */
  scratch: 512,
  scratchSlots: 8,
  /** 576 bytes for fsave, frstor, fxsave, fxrstor images. */
  image: 640,

  /** Complement of the address at which the call returns that the dispatcher works for; 0: it works for no call. */
  expected: 1344,

  /** The thread's entries of the global descriptor table (set_thread_area): see `runtime/cpu/segments.ts`. */
  tlsDescriptors: 1280,
} as const;

/** General registers in encoding order. */
export const REGISTER_NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
export const Segment = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

/** Why control came back to the dispatcher. */
export const Exit = {
  /** An ordinary transfer: go on at `eip`. */
  none: 0,
  /** A check in generated code failed: the interpreter is to execute the one instruction at `eip`. */
  slow: 1,
  /** `int n`, `int3`, `into`: the vector is in `exitDetail`; `eip` is after the instruction. */
  interrupt: 2,
  /** `sysenter`. */
  sysenter: 3,
  /** Something waits for the process: an end, a signal, a program that was begun by a system call. */
  poll: 4,
  /** `hlt` and other instructions that only the kernel may execute: #GP at `eip`. */
  privileged: 5,
  /** The nativelib cookie. */
  bridge: 6,
  /** Flags were set by which instructions are to be executed one by one (`runtime/engine/stepping.ts`). */
  step: 8,
  /** The interpreter is to execute the block at `eip`, to its end. */
  rest: 9,
} as const;

/** x86 exception vectors (Intel SDM volume 3, table 6-1). */
export const Trap = {
  divideError: 0,
  debug: 1,
  breakpoint: 3,
  overflow: 4,
  boundRange: 5,
  invalidOpcode: 6,
  generalProtection: 13,
  pageFault: 14,
  floatingPoint: 16,
  alignment: 17,
  simd: 19,
} as const;
