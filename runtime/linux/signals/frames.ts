/**
 * Signal frames: what the kernel pushes on a program's stack before it calls a handler and takes back when that returns, laid
 * out as linux/i386 does (arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h; arch/x86/kernel/signal_32.c).
 */
import { Segment, State } from '../../../translator/state.js';
import type { CpuState } from '../../cpu/cpu-state.js';
import { loadSegment } from '../../cpu/segments.js';
import { createX87Helpers, type X87Helpers } from '../../helpers/x87/index.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { SIGNAL_RETURN_CODE, SIGNAL_RETURN_PAGE } from '../../loader/load.js';
import { ActionFlag, AlternateStackFlag } from '../constants/signals.js';
import type { AlternateStack, GuestThread } from '../thread.js';
import { SIGINFO_SIZE } from './siginfo.js';

/** `struct sigcontext_32`. Selectors are 16 bits wide, padded to 32. */
const Context = {
  gs: 0,
  fs: 4,
  es: 8,
  ds: 12,
  edi: 16,
  esi: 20,
  ebp: 24,
  esp: 28,
  ebx: 32,
  edx: 36,
  ecx: 40,
  eax: 44,
  trapno: 48,
  err: 52,
  eip: 56,
  cs: 60,
  eflags: 64,
  espAtSignal: 68,
  ss: 72,
  fpstate: 76,
  oldmask: 80,
  cr2: 84,
  size: 88,
} as const;

/** `struct _fpstate_32`: an fsave image with status and magic behind it, then an fxsave image. */
const FpState = { codeSelector: 16, dataSelector: 24, status: 108, fxImage: 112, size: 112 + 512 } as const;
const FX_IMAGE_SIZE = 512;
const FSAVE_SIZE = 108;

/** `struct sigframe_ia32`. */
const Frame = {
  returnAddress: 0,
  signal: 4,
  context: 8,
  extraMask: 8 + Context.size + FpState.size,
  returnCode: 12 + Context.size + FpState.size,
  size: 20 + Context.size + FpState.size,
} as const;

/** `struct ucontext_ia32` within a frame. */
const UserContext = {
  flags: 0,
  link: 4,
  stack: 8,
  context: 20,
  mask: 20 + Context.size,
  size: 28 + Context.size,
} as const;

/** `struct rt_sigframe_ia32`. */
const RtFrame = {
  returnAddress: 0,
  signal: 4,
  infoPointer: 8,
  contextPointer: 12,
  info: 16,
  context: 16 + SIGINFO_SIZE,
  returnCode: 16 + SIGINFO_SIZE + UserContext.size,
  size: 24 + SIGINFO_SIZE + UserContext.size,
} as const;

const USER_CS = 0x23;
const USER_DS = 0x2b;
const EFLAGS_TF = 0x100;
const EFLAGS_DF = 0x400;
const EFLAGS_RF = 0x10000;
/** The flags that a program may change by its signal frame (FIX_EFLAGS), but RF, which the first instruction would clear. */
const FIX_EFLAGS = 0x40000 | 0x800 | EFLAGS_DF | EFLAGS_TF | 0x80 | 0x40 | 0x10 | 0x4 | 0x1;

const GENERAL = [
  ['eax', State.eax, Context.eax],
  ['ecx', State.ecx, Context.ecx],
  ['edx', State.edx, Context.edx],
  ['ebx', State.ebx, Context.ebx],
  ['esp', State.esp, Context.esp],
  ['ebp', State.ebp, Context.ebp],
  ['esi', State.esi, Context.esi],
  ['edi', State.edi, Context.edi],
] as const;

/** The handler and how it is to be called. */
export interface HandlerCall {
  signal: number;
  info: Uint8Array;
  handler: number;
  flags: number;
  restorer: number;
  /** The mask to be restored when the handler returns. */
  mask: bigint;
}

/** Whether a stack pointer lies on the alternate stack. */
export function onAlternateStack(stack: AlternateStack, stackPointer: number): boolean {
  if (stack.flags & AlternateStackFlag.SS_AUTODISARM) return false;
  return stackPointer > stack.address && stackPointer - stack.address <= stack.size;
}

/** Frames of one thread. */
export class SignalFrames {
  private readonly x87: X87Helpers;

  constructor(
    private readonly memory: GuestMemory,
    private readonly thread: GuestThread,
  ) {
    this.x87 = createX87Helpers(thread.cpu);
  }

  private get cpu(): CpuState {
    return this.thread.cpu;
  }

  /**
   * Pushes a frame and points the registers at the handler. Throws the page fault when the stack cannot be written; false when
   * the alternate stack is too small.
   */
  push(call: HandlerCall): boolean {
    const { memory, cpu } = this;
    const rt = (call.flags & ActionFlag.SA_SIGINFO) !== 0;
    const fixed = rt ? RtFrame.size : Frame.size;
    const place = this.placeFrame(call.flags, fixed);
    if (!place) return false;
    const { frame, fpstate } = place;
    memory.checkWrite(frame, fpstate + FpState.size - frame);
    const view = memory.view;
    const put = (offset: number, value: number): void => view.setInt32(frame + offset, value, true);
    memory.u8.fill(0, frame, fpstate + FpState.size);

    this.saveFpState(fpstate);
    const code = rt ? SIGNAL_RETURN_CODE.rtSigreturn : SIGNAL_RETURN_CODE.sigreturn;
    const returnAddress =
      call.flags & ActionFlag.SA_RESTORER && call.restorer ? call.restorer : SIGNAL_RETURN_PAGE + code.offset;
    put(0, returnAddress);
    put(4, call.signal);
    const contextOffset = rt ? RtFrame.context + UserContext.context : Frame.context;
    this.saveContext(frame + contextOffset, fpstate, call.mask);
    if (rt) {
      put(RtFrame.infoPointer, frame + RtFrame.info);
      put(RtFrame.contextPointer, frame + RtFrame.context);
      memory.u8.set(call.info, frame + RtFrame.info);
      const { alternateStack } = this.thread;
      const stack = RtFrame.context + UserContext.stack;
      put(stack, alternateStack.address);
      put(stack + 4, this.alternateStackFlags());
      put(stack + 8, alternateStack.size);
      view.setBigUint64(frame + RtFrame.context + UserContext.mask, call.mask, true);
    } else {
      put(Frame.extraMask, Number((call.mask >> 32n) & 0xffffffffn) | 0);
    }
    // Debuggers and unwinders may look for the code here even where it is not used.
    memory.u8.set(code.bytes, frame + (rt ? RtFrame.returnCode : Frame.returnCode));

    cpu.i32[State.esp >> 2] = frame;
    cpu.i32[State.eip >> 2] = call.handler;
    cpu.i32[State.eax >> 2] = call.signal;
    cpu.i32[State.edx >> 2] = rt ? frame + RtFrame.info : 0;
    cpu.i32[State.ecx >> 2] = rt ? frame + RtFrame.context : 0;
    cpu.eflags = cpu.eflags & ~(EFLAGS_DF | EFLAGS_TF | EFLAGS_RF);
    const selectors = State.selectors >> 2;
    for (const segment of [Segment.ds, Segment.es, Segment.ss]) loadSegment(cpu, segment, USER_DS);
    cpu.i32[selectors + Segment.cs] = USER_CS;
    cpu.i32[(State.segmentBases >> 2) + Segment.cs] = 0;
    if (this.thread.alternateStack.flags & AlternateStackFlag.SS_AUTODISARM && rt) {
      this.thread.alternateStack = { address: 0, size: 0, flags: AlternateStackFlag.SS_DISABLE };
    }
    return true;
  }

  /** `ss_flags` as `sigaltstack` reports them. */
  alternateStackFlags(): number {
    const { alternateStack: stack } = this.thread;
    const esp = this.cpu.i32[State.esp >> 2]! >>> 0;
    const mode =
      stack.size === 0
        ? AlternateStackFlag.SS_DISABLE
        : onAlternateStack(stack, esp)
          ? AlternateStackFlag.SS_ONSTACK
          : 0;
    return mode | (stack.flags & AlternateStackFlag.SS_AUTODISARM);
  }

  private placeFrame(flags: number, fixed: number): { frame: number; fpstate: number } | undefined {
    const stack = this.thread.alternateStack;
    let sp = this.cpu.i32[State.esp >> 2]! >>> 0;
    let alternate = onAlternateStack(stack, sp);
    if (flags & ActionFlag.SA_ONSTACK && !alternate && stack.size > 0) {
      sp = stack.address + stack.size;
      alternate = true;
    }
    const fxImage = Math.floor((sp - FX_IMAGE_SIZE) / 64) * 64;
    const fpstate = fxImage - FpState.fxImage;
    // align_sigframe: at the handler's entry esp + 4 is a multiple of 16.
    const frame = Math.floor((fpstate - fixed + 4) / 16) * 16 - 4;
    if (frame < 0 || (alternate && frame < stack.address)) return undefined;
    return { frame, fpstate };
  }

  private saveContext(at: number, fpstate: number, mask: bigint): void {
    const { cpu, thread } = this;
    const view = this.memory.view;
    const put = (offset: number, value: number): void => view.setInt32(at + offset, value, true);
    const selectors = State.selectors >> 2;
    put(Context.gs, cpu.i32[selectors + Segment.gs]! & 0xffff);
    put(Context.fs, cpu.i32[selectors + Segment.fs]! & 0xffff);
    put(Context.es, cpu.i32[selectors + Segment.es]! & 0xffff);
    put(Context.ds, cpu.i32[selectors + Segment.ds]! & 0xffff);
    for (const [, field, offset] of GENERAL) put(offset, cpu.i32[field >> 2]!);
    put(Context.trapno, thread.trapNumber);
    put(Context.err, thread.errorCode);
    put(Context.eip, cpu.i32[State.eip >> 2]!);
    put(Context.cs, cpu.i32[selectors + Segment.cs]! & 0xffff);
    put(Context.eflags, cpu.eflags | (thread.resumeFlag ? EFLAGS_RF : 0));
    thread.resumeFlag = false;
    put(Context.espAtSignal, cpu.i32[State.esp >> 2]!);
    put(Context.ss, cpu.i32[selectors + Segment.ss]! & 0xffff);
    put(Context.fpstate, fpstate);
    put(Context.oldmask, Number(mask & 0xffffffffn) | 0);
    put(Context.cr2, thread.faultAddress);
  }

  /** The floating-point state in the two forms that core files have. */
  floatingPointImages(): { fsave: Uint8Array; fxsave: Uint8Array } {
    const { cpu, x87 } = this;
    const image = State.image;
    cpu.u8.fill(0, image, image + FX_IMAGE_SIZE);
    x87.fxsave(image);
    const fxsave = cpu.u8.slice(image, image + FX_IMAGE_SIZE);
    x87.fnsave108(image);
    const fsave = cpu.u8.slice(image, image + FSAVE_SIZE);
    x87.frstor108(image);
    return { fsave, fxsave };
  }

  private saveFpState(at: number): void {
    const { cpu, x87 } = this;
    const { u8, view } = this.memory;
    const image = State.image;
    cpu.u8.fill(0, image, image + FX_IMAGE_SIZE);
    x87.fxsave(image);
    u8.set(cpu.u8.subarray(image, image + FX_IMAGE_SIZE), at + FpState.fxImage);
    const status = x87.fnstswValue();
    x87.fnsave108(image);
    u8.set(cpu.u8.subarray(image, image + FSAVE_SIZE), at);
    // A 64-bit kernel does not know the selectors of the x87's pointers and gives the program's own.
    view.setUint32(at + FpState.codeSelector, cpu.i32[(State.selectors >> 2) + Segment.cs]! & 0xffff, true);
    view.setUint32(
      at + FpState.dataSelector,
      (cpu.i32[(State.selectors >> 2) + Segment.ds]! & 0xffff) | 0xffff0000,
      true,
    );
    view.setUint16(at + FpState.status, status, true);
    this.clearFpState();
  }

  /** A handler starts with a fresh state (fpu__clear_user_states). */
  private clearFpState(): void {
    this.x87.fninit();
    this.cpu.i32[State.mxcsr >> 2] = 0x1f80;
    this.cpu.u8.fill(0, State.xmm, State.xmm + 128);
  }

  private restoreFpState(at: number): void {
    const { cpu, x87, memory } = this;
    const image = State.image;
    if (at === 0) {
      this.clearFpState();
      return;
    }
    memory.checkRead(at, FpState.size);
    const fx = at + FpState.fxImage;
    cpu.u8.set(memory.u8.subarray(fx, fx + FX_IMAGE_SIZE), image);
    // Reserved bits are masked off rather than refused.
    cpu.i32[(image + 24) >> 2]! &= 0xffff;
    x87.fxrstor(image);
    // The x87 registers come from the fsave image, which old programs change (convert_to_fxsr).
    cpu.u8.set(memory.u8.subarray(at, at + FSAVE_SIZE), image);
    x87.frstor108(image);
  }

  /** `sigreturn`: restores the registers from the frame below the stack pointer; the result is the mask to be set. */
  popOld(): bigint {
    const frame = (this.cpu.i32[State.esp >> 2]! - 8) >>> 0;
    this.memory.checkRead(frame, Frame.size);
    const { view } = this.memory;
    const low = view.getUint32(frame + Frame.context + Context.oldmask, true);
    const high = view.getUint32(frame + Frame.extraMask, true);
    this.restoreContext(frame + Frame.context);
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** `rt_sigreturn`: also restores the alternate stack. */
  popRt(): bigint {
    const frame = (this.cpu.i32[State.esp >> 2]! - 4) >>> 0;
    this.memory.checkRead(frame, RtFrame.size);
    const { view } = this.memory;
    const context = frame + RtFrame.context;
    const mask = view.getBigUint64(context + UserContext.mask, true);
    const stack = context + UserContext.stack;
    const flags = view.getInt32(stack + 4, true);
    const saved = {
      address: view.getUint32(stack, true),
      size: view.getUint32(stack + 8, true),
      flags: flags & (AlternateStackFlag.SS_DISABLE | AlternateStackFlag.SS_AUTODISARM),
    };
    this.restoreContext(context + UserContext.context);
    const esp = this.cpu.i32[State.esp >> 2]! >>> 0;
    // While on the alternate stack it cannot be changed (do_sigaltstack's EPERM, which sigreturn ignores).
    if (!onAlternateStack(this.thread.alternateStack, esp)) {
      if (saved.flags & AlternateStackFlag.SS_DISABLE) saved.address = saved.size = 0;
      this.thread.alternateStack = saved;
    }
    return mask;
  }

  private restoreContext(at: number): void {
    const { cpu } = this;
    const view = this.memory.view;
    const get = (offset: number): number => view.getInt32(at + offset, true);
    const fpstate = get(Context.fpstate) >>> 0;
    this.restoreFpState(fpstate);
    for (const [, field, offset] of GENERAL) cpu.i32[field >> 2] = get(offset);
    cpu.i32[State.eip >> 2] = get(Context.eip);
    cpu.eflags = (cpu.eflags & ~FIX_EFLAGS) | (get(Context.eflags) & FIX_EFLAGS);
    for (const [segment, offset] of [
      [Segment.gs, Context.gs],
      [Segment.fs, Context.fs],
      [Segment.es, Context.es],
      [Segment.ds, Context.ds],
      [Segment.ss, Context.ss],
    ] as const) {
      if (!loadSegment(cpu, segment, get(offset) & 0xffff)) loadSegment(cpu, segment, 0);
    }
  }
}
