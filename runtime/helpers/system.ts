/**
 * Helpers of instructions that touch what is neither a plain register nor plain memory: segments, far transfers, cpuid,
 * time, 64-bit arithmetic that JavaScript lacks. Those that work on the whole state return 1 with `pendingTrap` set where
 * the instruction faults, so that generated code can leave in good order.
 */
import { Exit, Segment, SPLIT_LOCK_ADDRESS, State, Trap } from '../../translator/state.js';
import { loadSegment, tlsDescriptor } from '../cpu/segments.js';
import type { CpuState } from '../cpu/cpu-state.js';
import { GuestTrap } from '../memory/trap.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { cpuidLeaf, type CpuModel } from '../cpu/cpuid.js';
import { createMaskedStore } from './simd/masked-store.js';
import { createStringHelper } from './strings.js';
import { STEPPING_FLAGS } from '../engine/stepping.js';

/** The code selector of a 32-bit Linux process on x86_64 (arch/x86/include/asm/segment.h). */
const USER_CODE_SELECTOR = 0x23;
const USER_DATA_SELECTOR = 0x2b;
/** Bits of `struct user_desc` from `seg_32bit` on, and of a descriptor's upper word. */
const USER_DESC = { is32Bit: 1, contents: 6, readOnly: 8, limitInPages: 0x10, notPresent: 0x20, usable: 0x40 } as const;
const ACCESS = { writableOrReadable: 0x200, code: 0x800 } as const;

export interface SystemHelperOptions {
  readonly model: CpuModel;
  /** 32 random bits, for rdrand and rdseed. */
  random32(): number;
  /** Every store of a handler asks `memory.checkWrite` first, so that it can be logged. */
  readonly checkedStores?: boolean;
  /** Nanoseconds since some start, for rdtsc. */
  clock(): bigint;
}

export type SystemHelpers = ReturnType<typeof createSystemHelpers>;

export function createSystemHelpers(cpu: CpuState, memory: GuestMemory, options: SystemHelperOptions) {
  const s = cpu.i32;
  const stringStep = createStringHelper(cpu, memory, options.checkedStores === true);
  const quadwords = new BigInt64Array(memory.buffer);
  const splitLock = new Int32Array(memory.buffer, SPLIT_LOCK_ADDRESS, 1);
  const fenceWord = new Int32Array(1);
  const maskedStore = createMaskedStore(cpu, memory);
  let pendingTrap: GuestTrap | undefined;

  /** Runs a whole-state helper: 1 and the trap kept where it faults. */
  const attempt = (run: () => void): number => {
    try {
      run();
      return 0;
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
      pendingTrap = error;
      return 1;
    }
  };
  const isCode = (selector: number): boolean => (selector & 0xfffc) === (USER_CODE_SELECTOR & ~3);
  /**
   * The upper word of the descriptor that a selector names, as `lar` gives it, and its limit in bytes as i32; undefined
   * where there is none. Thread-local ones as arch/x86/include/asm/desc.h (fill_ldt) makes them.
   */
  const descriptor = (selector: number): { access: number; limit: number } | undefined => {
    if (isCode(selector)) return { access: 0xcffb00, limit: -1 };
    if ((selector & 0xfffc) === (USER_DATA_SELECTOR & ~3)) return { access: 0xcff300, limit: -1 };
    const thread = selector & 4 ? undefined : tlsDescriptor(cpu, (selector & 0xffff) >> 3);
    if (!thread) return undefined;
    const { flags, limit } = thread;
    const type = ((flags & USER_DESC.readOnly ? 0 : 1) << 1) | ((flags & USER_DESC.contents) << 1) | 1;
    const access =
      (flags & USER_DESC.notPresent ? 0x7000 : 0xf000) |
      (type << 8) |
      (flags & USER_DESC.usable ? 0x100000 : 0) |
      (flags & USER_DESC.is32Bit ? 0x400000 : 0) |
      (flags & USER_DESC.limitInPages ? 0x800000 : 0);
    // Bits 16-19 of the limit lie among the access bits; `lar` leaves what they are undefined, processors show them.
    return {
      access: access | (limit & 0xf0000),
      limit: flags & USER_DESC.limitInPages ? (limit << 12) | 0xfff : limit,
    };
  };
  const protectionFault = (): never => {
    throw new GuestTrap(Trap.generalProtection);
  };
  const pushValue = (esp: number, value: number, bytes: number): number => {
    const address = (esp - bytes) | 0;
    if (bytes === 4) memory.writeU32(address, value);
    else memory.writeU16(address, value);
    return address;
  };
  const popValue = (esp: number, bytes: number): number => (bytes === 4 ? memory.readI32(esp) : memory.readU16(esp));

  return {
    raise(vector: number): never {
      throw new GuestTrap(vector);
    },
    raisePending(): never {
      const trap = pendingTrap ?? new GuestTrap(Trap.generalProtection);
      pendingTrap = undefined;
      throw trap;
    },
    checkWrite(address: number, bytes: number): void {
      memory.checkWrite(address, bytes);
    },
    copyIn(slot: number, address: number, bytes: number): void {
      memory.checkRead(address, bytes);
      const from = address >>> 0;
      for (let i = 0; i < bytes; i++) cpu.u8[slot + i] = memory.u8[from + i]!;
    },
    copyOut(address: number, slot: number, bytes: number): void {
      memory.willWrite(address, bytes);
      const to = address >>> 0;
      for (let i = 0; i < bytes; i++) memory.u8[to + i] = cpu.u8[slot + i]!;
    },
    tryCopyIn(slot: number, address: number, bytes: number): number {
      if (!memory.isReadable(address, bytes) || memory.watch?.isWatched(address, bytes, false)) return 1;
      const from = address >>> 0;
      for (let i = 0; i < bytes; i++) cpu.u8[slot + i] = memory.u8[from + i]!;
      return 0;
    },
    tryCopyOut(address: number, slot: number, bytes: number): number {
      if (!memory.isWritable(address, bytes) || memory.watch?.isWatched(address, bytes, true)) return 1;
      memory.dropCode(address, bytes);
      const to = address >>> 0;
      for (let i = 0; i < bytes; i++) memory.u8[to + i] = cpu.u8[slot + i]!;
      return 0;
    },

    string(operation: number, size: number, repeat: number, addressSize: number, segment: number): number {
      try {
        stringStep(operation, size, repeat, addressSize, segment);
        return 0;
      } catch (error) {
        if (!(error instanceof GuestTrap)) throw error;
        pendingTrap = error;
        return 1;
      }
    },

    /** maskmovq and maskmovdqu. */
    maskmov(address: number, data: number, mask: number, bytes: number): number {
      return attempt(() => maskedStore(address, data, mask, bytes));
    },

    /** cmpxchg8b, of memory that may be written. */
    compareExchange8b(address: number): number {
      return attempt(() => {
        memory.checkWrite(address, 8);
        const at = address >>> 0;
        const pair = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);
        const expected = pair(s[State.edx >> 2]!, s[State.eax >> 2]!);
        const replacement = pair(s[State.ecx >> 2]!, s[State.ebx >> 2]!);
        let found: bigint;
        if (at % 8 === 0) found = Atomics.compareExchange(quadwords, at / 8, expected, replacement);
        else {
          while (Atomics.compareExchange(splitLock, 0, 0, 1) !== 0);
          found = memory.view.getBigInt64(at, true);
          if (found === expected) memory.view.setBigInt64(at, replacement, true);
          Atomics.store(splitLock, 0, 0);
        }
        const equal = found === expected;
        s[State.zr >> 2] = equal ? 0 : 1;
        if (equal) return;
        s[State.eax >> 2] = Number(BigInt.asIntN(32, found));
        s[State.edx >> 2] = Number(found >> 32n);
      });
    },

    /** mfence: no load of this thread comes before its stores. */
    fence(): void {
      Atomics.exchange(fenceWord, 0, 0);
    },

    /** enter (Intel SDM 2): pushes the frame pointer and, for nested procedures, the display. */
    enter(allocated: number, level: number, operandSize: number): number {
      return attempt(() => {
        const bytes = operandSize >> 3;
        const ebp = s[State.ebp >> 2]!;
        let esp = pushValue(s[State.esp >> 2]!, ebp, bytes);
        const frame = esp;
        if (level > 0) {
          let display = ebp;
          for (let i = 1; i < level; i++) {
            display = (display - bytes) | 0;
            esp = pushValue(esp, popValue(display, bytes), bytes);
          }
          esp = pushValue(esp, frame, bytes);
        }
        esp = (esp - (allocated & 0xffff)) | 0;
        // The processor probes the new stack top for writing before it commits.
        memory.checkWrite(esp, bytes);
        s[State.ebp >> 2] = bytes === 4 ? frame : (ebp & ~0xffff) | (frame & 0xffff);
        s[State.esp >> 2] = esp;
      });
    },

    /** Loads a segment register; 1 where the processor raises #GP. */
    loadSegment(segment: number, selector: number): number {
      return loadSegment(cpu, segment, selector) ? 0 : 1;
    },

    /** jmp far and call far (`operandSize` 0: jump): only the flat user code segment can be a target. */
    farTransfer(selector: number, offset: number, operandSize: number, returnAddress: number): number {
      return attempt(() => {
        if ((selector & 0xffff) !== USER_CODE_SELECTOR) protectionFault();
        if (operandSize !== 0) {
          const bytes = operandSize >> 3;
          let esp = pushValue(s[State.esp >> 2]!, s[(State.selectors >> 2) + Segment.cs]!, bytes);
          esp = pushValue(esp, returnAddress, bytes);
          s[State.esp >> 2] = esp;
        }
        s[State.eip >> 2] = offset;
      });
    },
    farReturn(operandSize: number, released: number): number {
      return attempt(() => {
        const bytes = operandSize >> 3;
        const esp = s[State.esp >> 2]!;
        const target = popValue(esp, bytes);
        const selector = popValue((esp + bytes) | 0, bytes) & 0xffff;
        if (selector !== USER_CODE_SELECTOR) protectionFault();
        s[State.esp >> 2] = (esp + 2 * bytes + (released & 0xffff)) | 0;
        s[State.eip >> 2] = target;
      });
    },
    interruptReturn(operandSize: number): number {
      return attempt(() => {
        const bytes = operandSize >> 3;
        const esp = s[State.esp >> 2]!;
        const target = popValue(esp, bytes);
        const selector = popValue((esp + bytes) | 0, bytes) & 0xffff;
        const flags = popValue((esp + 2 * bytes) | 0, bytes);
        if (selector !== USER_CODE_SELECTOR) protectionFault();
        const may = operandSize === 32 ? 0x244dd5 : 0x4dd5;
        cpu.eflags = (cpu.eflags & ~may) | (flags & may);
        if (flags & may & STEPPING_FLAGS) s[State.exit >> 2] = Exit.step;
        s[State.esp >> 2] = (esp + 3 * bytes) | 0;
        s[State.eip >> 2] = target;
      });
    },

    selectorValid(selector: number): number {
      return descriptor(selector) ? 1 : 0;
    },
    selectorReadable(selector: number): number {
      const access = descriptor(selector)?.access ?? 0;
      return access !== 0 && (access & (ACCESS.code | ACCESS.writableOrReadable)) !== ACCESS.code ? 1 : 0;
    },
    selectorWritable(selector: number): number {
      const access = descriptor(selector)?.access ?? 0;
      return (access & (ACCESS.code | ACCESS.writableOrReadable)) === ACCESS.writableOrReadable ? 1 : 0;
    },
    accessRights(selector: number): number {
      return descriptor(selector)?.access ?? 0;
    },
    segmentLimit(selector: number): number {
      return descriptor(selector)?.limit ?? 0;
    },

    cpuid(): number {
      const [eax, ebx, ecx, edx] = cpuidLeaf(options.model, s[State.eax >> 2]! >>> 0, s[State.ecx >> 2]! >>> 0);
      s[State.eax >> 2] = eax;
      s[State.ebx >> 2] = ebx;
      s[State.ecx >> 2] = ecx;
      s[State.edx >> 2] = edx;
      return 0;
    },
    rdtsc(): number {
      const now = options.clock();
      s[State.eax >> 2] = Number(BigInt.asIntN(32, now));
      s[State.edx >> 2] = Number(BigInt.asIntN(32, now >> 32n));
      return 0;
    },
    rdtscp(): number {
      const now = options.clock();
      s[State.eax >> 2] = Number(BigInt.asIntN(32, now));
      s[State.edx >> 2] = Number(BigInt.asIntN(32, now >> 32n));
      s[State.ecx >> 2] = 0;
      return 0;
    },
    random32: (): number => options.random32() | 0,
    processorId: (): number => 0,
  };
}
