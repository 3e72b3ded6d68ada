/** System calls on signals: actions, masks, stacks, sending, waiting (signal(7), kernel/signal.c). */
import { State } from '../../../translator/state.js';
import { syscall } from '../../host/libc.js';
import { GuestTrap } from '../../memory/trap.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import {
  ActionFlag,
  AlternateStackFlag,
  MaskOperation,
  Signal,
  SIGNAL_COUNT,
  signalBit,
  SignalCode,
} from '../constants/signals.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import { onAlternateStack } from '../signals/frames.js';
import { infoNumber, infoToGuest, infoToHost, SIGINFO_SIZE, userInfo } from '../signals/siginfo.js';
import type { SignalAction } from '../signals/actions.js';
import { structures } from '../structures.js';
import { hostStructure } from './access.js';
import { declare, NO_RESULT, refuse, type SyscallDeclaration } from './declare.js';

const SIGNAL_SET_SIZE = 8;
/** MINSIGSTKSZ on i386. */
const MINIMUM_STACK = 2048;
const KNOWN_FLAGS =
  ActionFlag.SA_NOCLDSTOP |
  ActionFlag.SA_NOCLDWAIT |
  ActionFlag.SA_SIGINFO |
  ActionFlag.SA_EXPOSE_TAGBITS |
  ActionFlag.SA_RESTORER |
  ActionFlag.SA_ONSTACK |
  ActionFlag.SA_RESTART |
  ActionFlag.SA_NODEFER |
  (ActionFlag.SA_RESETHAND | 0);

// Actions -------------------------------------------------------------------------------------------------------------------

function changeAction(process: LinuxProcess, signal: number, action: SignalAction | undefined): number {
  if (signal < 1 || signal > SIGNAL_COUNT) return -Errno.EINVAL;
  if (!action) return 0;
  if (signal === Signal.SIGKILL || signal === Signal.SIGSTOP) return -Errno.EINVAL;
  process.signals.setAction(signal, { ...action, flags: action.flags & KNOWN_FLAGS });
  return 0;
}

/** `struct old_sigaction`: handler, 32-bit mask, flags, restorer. */
function sigaction(process: LinuxProcess, signal: number, address: number, oldAddress: number): number {
  const { memory, signals } = process;
  let action: SignalAction | undefined;
  if (address !== 0) {
    action = {
      handler: memory.readU32(address),
      mask: BigInt(memory.readU32(address + 4)),
      flags: memory.readI32(address + 8),
      restorer: memory.readU32(address + 12),
    };
  }
  if (signal < 1 || signal > SIGNAL_COUNT) return -Errno.EINVAL;
  const old = signals.action(signal);
  const result = changeAction(process, signal, action);
  if (result < 0 || oldAddress === 0) return result;
  memory.writeU32(oldAddress, old.handler);
  memory.writeU32(oldAddress + 4, Number(old.mask & 0xffffffffn));
  memory.writeU32(oldAddress + 8, old.flags);
  memory.writeU32(oldAddress + 12, old.restorer);
  return 0;
}

/** `struct sigaction`: handler, flags, restorer, 64-bit mask. */
function rtSigaction(process: LinuxProcess, signal: number, address: number, oldAddress: number, size: number): number {
  if (size !== SIGNAL_SET_SIZE) return -Errno.EINVAL;
  const { memory, signals } = process;
  let action: SignalAction | undefined;
  if (address !== 0) {
    action = {
      handler: memory.readU32(address),
      flags: memory.readI32(address + 4),
      restorer: memory.readU32(address + 8),
      mask: memory.readU64(address + 12),
    };
  }
  if (signal < 1 || signal > SIGNAL_COUNT) return -Errno.EINVAL;
  const old = signals.action(signal);
  const result = changeAction(process, signal, action);
  if (result < 0 || oldAddress === 0) return result;
  memory.writeU32(oldAddress, old.handler);
  memory.writeU32(oldAddress + 4, old.flags);
  memory.writeU32(oldAddress + 8, old.restorer);
  memory.writeU64(oldAddress + 12, old.mask);
  return 0;
}

/** The original `signal`: the handler is called once. */
function signal(process: LinuxProcess, number: number, handler: number): number {
  if (number < 1 || number > SIGNAL_COUNT) return -Errno.EINVAL;
  const old = process.signals.action(number);
  const flags = ActionFlag.SA_RESETHAND | ActionFlag.SA_NODEFER;
  const result = changeAction(process, number, { handler: handler >>> 0, flags, restorer: 0, mask: 0n });
  return result < 0 ? result : old.handler;
}

// Masks ---------------------------------------------------------------------------------------------------------------------

function changeMask(process: LinuxProcess, how: number, set: bigint): number {
  const { signalMask } = process.thread;
  switch (how) {
    case MaskOperation.SIG_BLOCK:
      process.signals.setMask(signalMask | set);
      return 0;
    case MaskOperation.SIG_UNBLOCK:
      process.signals.setMask(signalMask & ~set);
      return 0;
    case MaskOperation.SIG_SETMASK:
      process.signals.setMask(set);
      return 0;
    default:
      return -Errno.EINVAL;
  }
}

function rtSigprocmask(process: LinuxProcess, how: number, set: number, old: number, size: number): number {
  if (size !== SIGNAL_SET_SIZE) return -Errno.EINVAL;
  const { memory } = process;
  const before = process.thread.signalMask;
  if (set !== 0) {
    const result = changeMask(process, how, memory.readU64(set));
    if (result < 0) return result;
  }
  if (old !== 0) memory.writeU64(old, before);
  return 0;
}

/** The old call changes the first 32 signals alone. */
function sigprocmask(process: LinuxProcess, how: number, set: number, old: number): number {
  const { memory } = process;
  const before = process.thread.signalMask;
  if (set !== 0) {
    let given = BigInt(memory.readU32(set));
    if (how === MaskOperation.SIG_SETMASK) given |= before & ~0xffffffffn;
    const result = changeMask(process, how, given);
    if (result < 0) return result;
  }
  if (old !== 0) memory.writeU32(old, Number(before & 0xffffffffn));
  return 0;
}

function pause(process: LinuxProcess): number {
  return process.signals.blockingSyscall(Host.pause);
}

function suspend(process: LinuxProcess, mask: bigint): number {
  process.signals.suspendMask(mask);
  return pause(process);
}

// Sending -------------------------------------------------------------------------------------------------------------------

/**
 * A signal to this very process. The only guest thread is the one that the kernel would choose; among several it chooses itself, as
 * none of Node's own takes any. What the host's handlers are in the way of is queued here.
 */
function toSelf(process: LinuxProcess, info: Uint8Array): number {
  const number = infoNumber(info);
  if (process.signals.isSynchronous(number)) {
    process.signals.enqueue(info);
    return 0;
  }
  const at = scratch.allocate(SIGINFO_SIZE);
  scratch.u8.set(infoToHost(info, number), at);
  if (process.threads.isThreaded) return syscall(Host.rt_sigqueueinfo, process.pid, number, scratch.address + at);
  return syscall(Host.rt_tgsigqueueinfo, process.pid, process.tid, number, scratch.address + at);
}

/** Whether the kernel is to choose among the guest's threads; it lets no thread but the first send as if with `kill` itself. */
function isForAnyThread(process: LinuxProcess, number: number): boolean {
  return process.threads.isThreaded && !process.signals.isSynchronous(number);
}

function isSignal(number: number): boolean {
  return number > 0 && number <= SIGNAL_COUNT;
}

function kill(process: LinuxProcess, pid: number, number: number): number {
  if (pid !== process.pid || !isSignal(number) || isForAnyThread(process, number))
    return syscall(Host.kill, pid, number);
  return toSelf(process, userInfo(number, SignalCode.SI_USER, process.pid, syscall(Host.getuid)));
}

function tgkill(process: LinuxProcess, group: number, tid: number, number: number): number {
  if (tid <= 0 || group <= 0) return -Errno.EINVAL;
  const isSelf = tid === process.tid && group === process.pid;
  // The host's other threads are none of the guest's.
  if (group === process.pid && !isSelf && process.threads.table.find(tid) < 0) return -Errno.ESRCH;
  if (isSelf && isSignal(number) && process.signals.isSynchronous(number)) {
    return toSelf(process, userInfo(number, SignalCode.SI_TKILL, process.pid, syscall(Host.getuid)));
  }
  return syscall(Host.tgkill, group, tid, number);
}

function queue(process: LinuxProcess, info: number, number: number, send: (hostInfo: number) => number): number {
  const bytes = process.memory.read(info, SIGINFO_SIZE);
  const at = scratch.allocate(SIGINFO_SIZE);
  scratch.u8.set(infoToHost(bytes, number), at);
  return send(scratch.address + at);
}

// Waiting -------------------------------------------------------------------------------------------------------------------

/** Bits of signals that never leave the emulator's queue: the host must not be asked for them. */
const SYNCHRONOUS =
  signalBit(Signal.SIGSEGV) |
  signalBit(Signal.SIGBUS) |
  signalBit(Signal.SIGFPE) |
  signalBit(Signal.SIGILL) |
  signalBit(Signal.SIGTRAP);

function sigtimedwait(wide: boolean) {
  return (process: LinuxProcess, set: number, info: number, timeout: number, size: number): number => {
    if (size !== SIGNAL_SET_SIZE) return -Errno.EINVAL;
    const { memory, signals } = process;
    const wanted = memory.readU64(set);
    const structure = wide ? structures.timespec64 : structures.timespec;
    const hostTimeout = hostStructure(process, structure, timeout);
    let found = signals.takeFromSet(wanted);
    if (!found) {
      const at = scratch.allocate(SIGINFO_SIZE + 16);
      scratch.view.setBigUint64(at + SIGINFO_SIZE, wanted & ~SYNCHRONOUS, true);
      const hostInfo = scratch.address + at;
      const result = signals.blockingSyscall(
        Host.rt_sigtimedwait,
        hostInfo + SIGINFO_SIZE,
        hostInfo,
        hostTimeout,
        SIGNAL_SET_SIZE,
      );
      if (result < 0) {
        // The handler may have noted one of them just before the call.
        found = signals.takeFromSet(wanted);
        if (!found) return result;
      } else {
        found = infoToGuest(scratch.u8.slice(at, at + SIGINFO_SIZE));
      }
    }
    if (info !== 0) memory.write(info, found);
    return infoNumber(found);
  };
}

// Return and stacks ---------------------------------------------------------------------------------------------------------

function returnFromHandler(process: LinuxProcess, rt: boolean): number {
  try {
    process.signals.returnFromHandler(rt);
  } catch (error) {
    if (!(error instanceof GuestTrap)) throw error;
    // A frame that cannot be read is a segmentation fault (signal_fault).
    process.raiseSignal({ signal: Signal.SIGSEGV, code: SignalCode.SI_KERNEL, address: 0 });
  }
  return NO_RESULT;
}

function sigaltstack(process: LinuxProcess, address: number, oldAddress: number): number {
  const { memory, thread, signals, cpu } = process;
  const { SS_DISABLE, SS_ONSTACK, SS_AUTODISARM } = AlternateStackFlag;
  const old = { ...thread.alternateStack, flags: signals.frames.alternateStackFlags() };
  if (address !== 0) {
    const stack = {
      address: memory.readU32(address),
      flags: memory.readI32(address + 4),
      size: memory.readU32(address + 8),
    };
    if (onAlternateStack(thread.alternateStack, cpu.i32[State.esp >> 2]! >>> 0)) return -Errno.EPERM;
    const mode = stack.flags & ~SS_AUTODISARM;
    if (mode !== 0 && mode !== SS_DISABLE && mode !== SS_ONSTACK) return -Errno.EINVAL;
    if (mode === SS_DISABLE) stack.address = stack.size = 0;
    else if (stack.size < MINIMUM_STACK) return -Errno.ENOMEM;
    thread.alternateStack = stack;
  }
  if (oldAddress !== 0) {
    memory.writeU32(oldAddress, old.address);
    memory.writeU32(oldAddress + 4, old.flags);
    memory.writeU32(oldAddress + 8, old.size);
  }
  return 0;
}

export const signalCalls: readonly SyscallDeclaration[] = [
  declare('signal', ['signal', 'pointer'], 'hex', signal),
  declare('sigaction', ['signal', 'pointer', 'pointer'], 'int', sigaction),
  declare('rt_sigaction', ['signal', 'in:rtSigaction', 'out:rtSigaction', 'unsigned'], 'int', rtSigaction),
  declare('sigprocmask', ['enum:signalHow', 'signal-set32', 'pointer'], 'int', sigprocmask),
  declare('rt_sigprocmask', ['enum:signalHow', 'signal-set', 'signal-set-out', 'unsigned'], 'int', rtSigprocmask),
  declare('sgetmask', [], 'hex', (process) => Number(process.thread.signalMask & 0xffffffffn) | 0),
  declare('ssetmask', ['hex'], 'hex', (process, mask) => {
    const old = process.thread.signalMask;
    process.signals.setMask((old & ~0xffffffffn) | BigInt(mask >>> 0));
    return Number(old & 0xffffffffn) | 0;
  }),
  declare('sigpending', ['pointer'], 'int', (process, set) => {
    process.memory.writeU32(set, Number(process.signals.pending() & 0xffffffffn));
    return 0;
  }),
  declare('rt_sigpending', ['signal-set-out', 'unsigned'], 'int', (process, set, size) => {
    if (size >>> 0 > SIGNAL_SET_SIZE) return -Errno.EINVAL;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, process.signals.pending(), true);
    process.memory.write(set, bytes.subarray(0, size));
    return 0;
  }),
  declare(
    'sigsuspend',
    ['unused', 'unused', 'hex'],
    'int',
    (process, _a, _b, mask) => suspend(process, (process.thread.signalMask & ~0xffffffffn) | BigInt(mask >>> 0)),
    'fail',
  ),
  declare(
    'rt_sigsuspend',
    ['signal-set', 'unsigned'],
    'int',
    (process, set, size) => (size !== SIGNAL_SET_SIZE ? -Errno.EINVAL : suspend(process, process.memory.readU64(set))),
    'fail',
  ),
  declare('pause', [], 'int', pause, 'fail'),
  declare('rt_sigtimedwait', ['signal-set', 'pointer', 'in:timespec', 'unsigned'], 'int', sigtimedwait(false), 'fail'),
  declare(
    'rt_sigtimedwait_time64',
    ['signal-set', 'pointer', 'in:timespec64', 'unsigned'],
    'int',
    sigtimedwait(true),
    'fail',
  ),
  declare('kill', ['int', 'signal'], 'int', kill),
  declare('tkill', ['int', 'signal'], 'int', (process, tid, number) => {
    if (tid <= 0) return -Errno.EINVAL;
    const isOwn = tid === process.tid || process.threads.table.find(tid) >= 0;
    return isOwn ? tgkill(process, process.pid, tid, number) : syscall(Host.tkill, tid, number);
  }),
  declare('tgkill', ['int', 'int', 'signal'], 'int', tgkill),
  declare('rt_sigqueueinfo', ['int', 'signal', 'pointer'], 'int', (process, pid, number, info) => {
    if (pid === process.pid && isSignal(number)) {
      const bytes = process.memory.read(info, SIGINFO_SIZE);
      new DataView(bytes.buffer).setInt32(0, number, true);
      return toSelf(process, bytes);
    }
    return queue(process, info, number, (hostInfo) => syscall(Host.rt_sigqueueinfo, pid, number, hostInfo));
  }),
  declare('rt_tgsigqueueinfo', ['int', 'int', 'signal', 'pointer'], 'int', (process, group, tid, number, info) =>
    queue(process, info, number, (hostInfo) => syscall(Host.rt_tgsigqueueinfo, group, tid, number, hostInfo)),
  ),
  declare('sigreturn', [], 'none', (process) => returnFromHandler(process, false)),
  declare('rt_sigreturn', [], 'none', (process) => returnFromHandler(process, true)),
  declare('sigaltstack', ['pointer', 'pointer'], 'int', sigaltstack),
  refuse('restart_syscall', Errno.EINTR, 'only the kernel makes a program call it'),
];
