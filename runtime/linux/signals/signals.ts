/**
 * Signals of one process: what each is to do, which wait, and their delivery to the guest by a frame, a default action or
 * death. The host's kernel keeps order where it can: dispositions and masks are passed on to it, so a signal that the guest
 * blocks or ignores never interrupts anything; what arrives is noted by the machine-code handler and delivered from here,
 * between two guest instructions.
 */
import { SIGNAL_BLOCK_ADDRESS, State, STATE_ADDRESS, STATE_SIZE } from '../../../translator/state.js';
import { HOST_SIGINFO_SIZE, HostSignals, NOT_BEGUN } from '../../host/signal-handler.js';
import { HostBuffer, hostProcessId } from '../../host/buffer.js';
import { syscall } from '../../host/libc.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { GuestTrap } from '../../memory/trap.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import {
  ActionFlag,
  defaultAction,
  SIG_DFL,
  SIG_IGN,
  Signal,
  SIGNAL_COUNT,
  SIGNAL_REALTIME,
  signalBit,
  SignalCode,
} from '../constants/signals.js';
import type { GuestThread } from '../thread.js';
import type { Threads } from '../threads/threads.js';
import { defaultSignalAction, type SignalAction, type SignalActions } from './actions.js';
import type { Fault } from './faults.js';
import { SignalFrames } from './frames.js';
import { faultInfo, infoCode, infoNumber, infoToGuest, infoToHost } from './siginfo.js';

/** A system call that was cut short: how to begin it again. */
export interface InterruptedCall {
  /** eax at its beginning. */
  number: number;
  /** Address of the instruction that made it. */
  address: number;
  /** Whether SA_RESTART applies to it. */
  restartable: boolean;
  /** False where the signal came first: the kernel would have run the handler before the call. */
  begun: boolean;
}

/** Signals that are raised by instructions: the host's own handlers for them belong to V8 and stay. */
const SYNCHRONOUS: readonly number[] = [Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGFPE, Signal.SIGILL, Signal.SIGTRAP];
const SYNCHRONOUS_MASK = SYNCHRONOUS.reduce((mask, signal) => mask | signalBit(signal), 0n);
const FAULT_SIGNALS: ReadonlySet<number> = new Set([Signal.SIGSEGV, Signal.SIGBUS]);
const UNBLOCKABLE = signalBit(Signal.SIGKILL) | signalBit(Signal.SIGSTOP);
const HOST_FLAGS = ActionFlag.SA_NOCLDSTOP | ActionFlag.SA_NOCLDWAIT;

export class Signals {
  readonly host: HostSignals;
  readonly frames: SignalFrames;
  /** Of `blockingSyscall`: whether the host's kernel was asked at all. */
  lastCallBegan = true;
  /** Guest `siginfo_t` of signals that arrived and are not delivered yet, oldest first. */
  private queue: Uint8Array[] = [];
  /** The threads of the process, once they are known. */
  threads: Threads | undefined;
  /** Told when the guest dies of a signal: the signal and, for faults, their `siginfo_t`. */
  onDeath: (signal: number, info: Uint8Array) => void = () => undefined;
  /** Told when the guest installs a handler for faults in memory: their exact state matters from now on. */
  onFaultHandler: () => void = () => undefined;
  /** The guest's number of a host descriptor. */
  guestDescriptor: ((fd: number) => number) | undefined;
  /** Asked before a signal acts: false where it is to be forgotten. */
  intercept: ((info: Uint8Array) => boolean) | undefined;
  /** Told of every signal that is delivered, before it acts. */
  onDelivery: ((info: Uint8Array) => void) | undefined;

  constructor(
    memory: GuestMemory,
    private readonly thread: GuestThread,
    hostBase: number,
    private readonly actions: SignalActions,
  ) {
    const signalMemory = {
      buffer: memory.buffer,
      base: hostBase,
      table: SIGNAL_BLOCK_ADDRESS,
      pending: STATE_ADDRESS + State.pending,
      pendingStride: STATE_SIZE,
    };
    this.host = new HostSignals(signalMemory, thread.cpu.threadIndex);
    this.frames = new SignalFrames(memory, thread);
  }

  /** Undoes what Node has set up, so that the guest begins as any program does. */
  /** Called before the guest's action for a signal changes. */
  onAction: ((signal: number) => void) | undefined;

  takeOver(): void {
    for (const signal of [Signal.SIGPIPE, Signal.SIGXFSZ, Signal.SIGINT, Signal.SIGTERM, Signal.SIGUSR1]) {
      this.host.release(signal, 0);
    }
    this.host.quietThreads();
    for (const signal of SYNCHRONOUS) this.host.catchSent(signal);
    this.setMask(this.thread.signalMask);
  }

  // ---- actions -----------------------------------------------------------------------------------------------

  action(signal: number): Readonly<SignalAction> {
    return this.actions.get(signal);
  }

  /** `sigaction` without its checks. */
  setAction(signal: number, action: SignalAction): void {
    this.onAction?.(signal);
    this.actions.set(signal, { ...action, mask: action.mask & ~UNBLOCKABLE });
    // What waits is forgotten when it is ignored from now on (kernel/signal.c, do_sigaction).
    const ignores = action.handler === SIG_IGN || (action.handler === SIG_DFL && defaultAction(signal) === 'ignore');
    if (ignores) this.queue = this.queue.filter((info) => infoNumber(info) !== signal);
    if (FAULT_SIGNALS.has(signal) && action.handler !== SIG_IGN && action.handler !== SIG_DFL) this.onFaultHandler();
    this.updateHost(signal);
  }

  /** Tells the host what the guest wants done with a signal. */
  private updateHost(signal: number): void {
    if (signalBit(signal) & (SYNCHRONOUS_MASK | UNBLOCKABLE)) return;
    const { handler, flags } = this.actions.get(signal);
    const hostFlags = flags & HOST_FLAGS;
    if (handler === SIG_IGN) {
      this.host.release(signal, 1, hostFlags);
      this.actions.setCaught(signal, false);
    } else if (handler !== SIG_DFL || this.thread.signalMask & signalBit(signal)) {
      this.host.catch(signal, hostFlags);
      this.actions.setCaught(signal, true);
    } else {
      this.host.release(signal, 0, hostFlags);
      this.actions.setCaught(signal, false);
    }
  }

  /** `execve`: handlers are gone, what was ignored stays ignored. */
  resetForExec(): void {
    for (let signal = 1; signal <= SIGNAL_COUNT; signal++) {
      const { handler } = this.actions.get(signal);
      if (handler === SIG_IGN) continue;
      this.actions.set(signal, defaultSignalAction());
      if (handler !== SIG_DFL || this.actions.isCaught(signal)) this.updateHost(signal);
    }
  }

  /** In the child after a fork: it begins with nothing that waits. */
  resetForFork(): void {
    this.queue = [];
    this.host.adoptProcess();
    this.thread.cpu.i32[State.pending >> 2] = 0;
  }

  /** A guest thread begins on this host thread, with a mask. */
  beginThread(mask: bigint): void {
    this.queue = [];
    this.host.adoptThread();
    this.setMask(mask);
  }

  /** The guest thread here is gone: what was sent to the process is left to its other threads. */
  endThread(): void {
    this.blockAll();
    this.drain();
    this.host.leaveThread();
    for (const info of this.queue.splice(0)) {
      if (infoCode(info) !== SignalCode.SI_TKILL) this.resend(info);
    }
  }

  // ---- masks -------------------------------------------------------------------------------------------------

  setMask(mask: bigint): void {
    mask &= ~UNBLOCKABLE;
    const added = mask & ~this.thread.signalMask & ~SYNCHRONOUS_MASK;
    this.thread.signalMask = mask;
    // A thread that Node has started since `takeOver` blocks nothing: without a handler a blocked signal would act there.
    for (let signal = 1; added !== 0n && signal <= SIGNAL_COUNT; signal++) {
      if (added & signalBit(signal) && !this.actions.isCaught(signal) && this.actions.get(signal).handler === SIG_DFL)
        this.updateHost(signal);
    }
    this.host.setMask(mask & ~SYNCHRONOUS_MASK);
  }

  /** Keeps every signal waiting in the kernel until `unblock`; a fault meanwhile would end the host process. */
  blockAll(): void {
    this.host.setMask(0xffffffffffffffffn);
  }

  unblock(): void {
    this.host.setMask(this.thread.signalMask & ~SYNCHRONOUS_MASK);
  }

  /** For sigsuspend, pselect, ppoll and epoll_pwait: another mask until the call is over and handlers have run. */
  suspendMask(mask: bigint): void {
    this.thread.savedSignalMask ??= this.thread.signalMask;
    this.setMask(mask);
    this.drain();
  }

  /** A host call that signals interrupt: -EINTR also when one is waiting already. For every call that may block. */
  blockingSyscall(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
    const result = this.hasDeliverable()
      ? NOT_BEGUN
      : this.threads?.isThreaded
        ? this.blockAmongThreads(number, a, b, c, d, e, f)
        : this.host.safeSyscall(number, a, b, c, d, e, f);
    this.lastCallBegan = result !== NOT_BEGUN;
    return result === NOT_BEGUN ? -Errno.EINTR : result;
  }

  /** The same where other threads may ask for something meanwhile, of which the guest must not see anything. */
  private blockAmongThreads(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number {
    const threads = this.threads!;
    for (;;) {
      if (threads.mustLeave) return -Errno.EINTR;
      const result = threads.lock.block(() => this.host.safeSyscall(number, a, b, c, d, e, f));
      if ((result !== -Errno.EINTR && result !== NOT_BEGUN) || threads.mustLeave) return result;
      if (this.drain() > 0 || this.hasDeliverable()) {
        // `deliver` is to see that something has arrived.
        this.thread.cpu.i32[State.pending >> 2] = 1;
        return result;
      }
    }
  }

  /** Sends a signal that this thread has taken and cannot use to the process again. */
  private resend(info: Uint8Array): void {
    const signal = infoNumber(info);
    const buffer = new HostBuffer(HOST_SIGINFO_SIZE);
    buffer.bytes.set(infoToHost(info, signal));
    syscall(Host.rt_sigqueueinfo, hostProcessId(), signal, buffer.address);
  }

  // ---- what waits --------------------------------------------------------------------------------------------

  /** Signals that wait while blocked, in the kernel or here. */
  pending(): bigint {
    this.drain();
    let set = this.host.pending();
    for (const info of this.queue) set |= signalBit(infoNumber(info));
    return set & this.thread.signalMask;
  }

  /** Takes the lowest waiting signal of a set out of the queue (sigtimedwait). */
  takeFromSet(set: bigint): Uint8Array | undefined {
    this.drain();
    return this.takeNext(set);
  }

  /** Puts a signal in the queue as if it had been sent (signals to oneself that the host cannot deliver). */
  enqueue(info: Uint8Array): void {
    const signal = infoNumber(info);
    const { handler } = this.actions.get(signal);
    const blocked = (this.thread.signalMask & signalBit(signal)) !== 0n;
    if (!blocked && handler === SIG_IGN) return;
    if (signal < SIGNAL_REALTIME && this.queue.some((waiting) => infoNumber(waiting) === signal)) return;
    this.queue.push(info);
  }

  /** Fetches what the handler has noted. */
  private drain(): number {
    const pending = State.pending >> 2;
    this.thread.cpu.i32[pending] = 0;
    let count = 0;
    for (let info = this.host.take(); info; info = this.host.take()) {
      this.enqueue(infoToGuest(info, this.guestDescriptor));
      count++;
    }
    if (this.host.wasThrottled()) this.host.setMask(this.thread.signalMask & ~SYNCHRONOUS_MASK);
    return count;
  }

  private hasDeliverable(): boolean {
    return this.queue.some((info) => !(this.thread.signalMask & signalBit(infoNumber(info))));
  }

  /** Whether `deliver` has something to do. */
  get hasWork(): boolean {
    return (
      this.queue.length > 0 ||
      this.thread.cpu.i32[State.pending >> 2] !== 0 ||
      this.thread.savedSignalMask !== undefined
    );
  }

  private takeNext(set: bigint): Uint8Array | undefined {
    let best = -1;
    for (let index = 0; index < this.queue.length; index++) {
      const signal = infoNumber(this.queue[index]!);
      if (!(set & signalBit(signal))) continue;
      if (best < 0 || this.rank(signal) < this.rank(infoNumber(this.queue[best]!))) best = index;
    }
    return best < 0 ? undefined : this.queue.splice(best, 1)[0];
  }

  /** Synchronous signals first, then by number (kernel/signal.c, next_signal). */
  private rank(signal: number): number {
    return signalBit(signal) & SYNCHRONOUS_MASK ? signal - SIGNAL_COUNT : signal;
  }

  // ---- delivery ----------------------------------------------------------------------------------------------

  /**
   * Delivers whatever waits and is not blocked. `interrupted` is the system call that has just returned -EINTR; it is begun
   * again when no handler ran, when the handler's SA_RESTART asks for it, or when it had not begun. Where not even a signal arrived, the call was
   * kept from beginning by a request to the emulator alone, which the guest must not see.
   * @returns the signal that ends the process, or 0
   */
  deliver(interrupted?: InterruptedCall): number {
    const { thread } = this;
    let arrived = this.drain() > 0 || this.queue.length > 0;
    for (;;) {
      const info = this.takeNext(~thread.signalMask & ((1n << 64n) - 1n));
      if (!info) break;
      arrived = true;
      if (this.intercept?.(info) === false) continue;
      this.onDelivery?.(info);
      const signal = infoNumber(info);
      const action = this.actions.get(signal);
      if (action.handler === SIG_IGN) continue;
      if (action.handler === SIG_DFL) {
        if (this.defaultAction(signal, info)) return signal;
        continue;
      }
      if (interrupted) {
        const { restartable, begun } = interrupted;
        if (restartable && (!begun || action.flags & ActionFlag.SA_RESTART)) this.restart(interrupted);
        interrupted = undefined;
      }
      if (!this.callHandler(signal, info, action)) return Signal.SIGSEGV;
    }
    if (interrupted && (arrived || interrupted.restartable)) this.restart(interrupted);
    if (thread.savedSignalMask !== undefined) {
      const mask = thread.savedSignalMask;
      thread.savedSignalMask = undefined;
      this.setMask(mask);
    }
    return 0;
  }

  private restart(call: InterruptedCall): void {
    this.thread.cpu.i32[State.eax >> 2] = call.number;
    this.thread.cpu.i32[State.eip >> 2] = call.address;
  }

  /** True when the signal ends the process. */
  private defaultAction(signal: number, info: Uint8Array): boolean {
    switch (defaultAction(signal)) {
      case 'ignore':
      case 'continue':
        return false;
      case 'stop': {
        // The kernel stops us, if the job's process group is not an orphaned one; we come back with SIGCONT.
        this.host.release(signal, 0);
        this.actions.setCaught(signal, false);
        syscall(Host.tgkill, hostProcessId(), syscall(Host.gettid), signal);
        return false;
      }
      default:
        this.onDeath(signal, info);
        return true;
    }
  }

  private callHandler(signal: number, info: Uint8Array, action: SignalAction): boolean {
    const { thread } = this;
    const mask = thread.savedSignalMask ?? thread.signalMask;
    thread.savedSignalMask = undefined;
    let pushed: boolean;
    try {
      pushed = this.frames.push({ signal, info, ...action, mask });
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
      pushed = false;
    }
    if (!pushed) {
      // No room for the frame: SIGSEGV, fatal when it was SIGSEGV that found none (force_sigsegv).
      const fault = { signal: Signal.SIGSEGV, code: SignalCode.SI_KERNEL, address: 0 };
      if (signal === Signal.SIGSEGV) this.actions.set(signal, defaultSignalAction());
      this.setMask(mask);
      return this.force(fault) === 0;
    }
    if (action.flags & ActionFlag.SA_RESETHAND) this.setAction(signal, { ...action, handler: SIG_DFL });
    const own = action.flags & ActionFlag.SA_NODEFER ? 0n : signalBit(signal);
    this.setMask(thread.signalMask | action.mask | own);
    return true;
  }

  /**
   * A signal that an instruction raised: it cannot be blocked or ignored. Returns the signal that ends the process, or 0.
   */
  force(fault: Fault): number {
    const { signal } = fault;
    const info = faultInfo(signal, fault.code, fault.address);
    if (this.intercept?.(info) === false) return 0;
    this.onDelivery?.(info);
    const action = this.actions.get(signal);
    const blocked = (this.thread.signalMask & signalBit(signal)) !== 0n;
    if (blocked || action.handler === SIG_IGN || action.handler === SIG_DFL) {
      this.onDeath(signal, info);
      return signal;
    }
    return this.callHandler(signal, info, action) ? 0 : Signal.SIGSEGV;
  }

  /** `sigreturn` and `rt_sigreturn`. */
  returnFromHandler(rt: boolean): void {
    this.setMask(rt ? this.frames.popRt() : this.frames.popOld());
  }

  /** Whether a signal to oneself must be put in the queue because the host's handler for it is not the guest's. */
  isSynchronous(signal: number): boolean {
    return (signalBit(signal) & SYNCHRONOUS_MASK) !== 0n;
  }
}
