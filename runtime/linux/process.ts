/**
 * A guest process: memory, processor, descriptors, signals and the loop that runs them. It loads a program, lets the engine execute
 * it, and answers what the engine comes back with: system calls, exceptions, signals. Everything happens synchronously in
 * the calling thread.
 */
import { Page } from '../../translator/pages.js';
import {
  PAGE_TABLE_ADDRESS,
  State,
  STATE_ADDRESS,
  SIGNAL_BLOCK_ADDRESS,
  STATE_SIZE,
  Trap,
} from '../../translator/state.js';
import { CpuState } from '../cpu/cpu-state.js';
import type { Engine, MemoryMode } from '../engine/engine.js';
import { HostBuffer, hostProcessId, hostReadAll } from '../host/buffer.js';
import { hostExecute } from '../host/execute.js';
import { installFaultHandler } from '../host/fault-handler.js';
import { addressOf, syscall } from '../host/libc.js';
import { loadProgram } from '../loader/load.js';
import { closeExecutable, type Executable, openExecutable } from '../loader/program-file.js';
import { LoadError } from '../loader/load-error.js';
import { SymbolTable } from '../loader/symbols.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { Mappings } from '../memory/mappings.js';
import { RegionList } from '../memory/region-list.js';
import { GuestTrap } from '../memory/trap.js';
import { Errno } from './constants/errno.js';
import { Host } from './constants/host-syscalls.js';
import { keepTranslations } from './keeper.js';
import { defaultAction, Signal, SignalCode, signalName } from './constants/signals.js';
import type { ProcessProfiler } from '../profile/process-profiler.js';
import type { Supervisor } from './supervisor.js';
import { FileTable } from './files.js';
import { writeCoreDump } from './core-dump.js';
import { describeDeath } from './death.js';
import { PathResolver } from './paths.js';
import { guestProcFiles } from './proc-files.js';
import { SignalActions } from './signals/actions.js';
import { type Fault, faultOf } from './signals/faults.js';
import { describeInfo, infoNumber } from './signals/siginfo.js';
import { type InterruptedCall, Signals } from './signals/signals.js';
import type { StraceWriter } from './strace.js';
import { NO_RESULT } from './syscalls/declare.js';
import { translatePath } from './syscalls/access.js';
import { dispatchSyscall, pendingSyscall } from './syscalls/dispatch.js';
import { isRestartable } from './syscalls/restart.js';
import { GuestThread } from './thread.js';
import { attend, clearTid, isOver } from './threads/guest-thread.js';
import { releaseRobustFutexes } from './threads/robust-list.js';
import { sharedUnsigned, sharedWords } from './threads/shared-state.js';
import { Slot } from './threads/thread-table.js';
import { resetChecks, shareTranslations } from './threads/translations.js';
import { type HostThreadStart, Threads } from './threads/threads.js';

export interface ProcessOptions {
  /** Directory with an i386 system: absolute paths are looked for there first. */
  sysroot?: string;
  /** Makes the engine that executes the process's code. */
  createEngine: (process: LinuxProcess) => Engine;
  strace?: StraceWriter;
  /**
   * Default: precise. Lazy installs a handler of the host's SIGSEGV and SIGBUS for good, and a guest that writes where it
   * may not can damage its own emulation: not for guests that are to be kept from anything.
   */
  memory?: MemoryMode;
  /** CPUID 1's edx for AT_HWCAP. */
  hardwareCapabilities?: number;
  /** Random bytes for AT_RANDOM: the host's unless given. */
  random?: (length: number) => Uint8Array;
  /** What becomes of translations that later runs could use. Default: nothing. */
  keeping?: Keeping;
  /** Where one-line messages about the guest's end go; the host's stderr unless given. */
  report?: (line: string) => void;
  /** Starts a Worker that makes a `LinuxProcess` of `thread` and calls `runHostThread`; without it there are no threads. */
  startHostThread?: (start: HostThreadStart) => void;
  /** This is another thread's view of a process that runs already. */
  thread?: HostThreadStart;
}

/** How a process ended; `thread`: only the guest thread here did, `killed` for the sake of another. */
export type ProcessEnd =
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'thread'; readonly status: number; readonly killed: boolean };

/** FPU, TSC, CX8, CMOV, MMX, FXSR, SSE, SSE2. */
const DEFAULT_CAPABILITIES = 0x07808111;
const SYSCALL_VECTOR = 0x80;
/** `int 0x80` and `sysenter` are two bytes long. */
const SYSCALL_LENGTH = 2;
/** How long a program's end may be put off for what later runs gain: so many milliseconds and a share of its run's time. */
const GRND_NONE = 0;

/** Where functions return to that are called for a host function. No guest can map anything there. */
const RETURN_ADDRESS = 0xfffff000 | 0;
/** Registers, flags and the reason of the last exit: a call gives them back as they were. */
const SAVED_WORDS = (State.exit >> 2) + 1;
/** Room that some code keeps below its stack pointer. */
const RED_BYTES = 128;

/** The guest's end while a host function was calling it. */
class EndWithin {
  constructor(readonly end: ProcessEnd) {}
}

export class LinuxProcess {
  readonly memory: GuestMemory;
  /** Host address of guest address 0. */
  readonly hostBase: number;
  readonly cpu: CpuState;
  readonly mappings: Mappings;
  readonly thread: GuestThread;
  readonly signals: Signals;
  readonly files: FileTable;
  readonly paths: PathResolver;
  readonly symbols: SymbolTable;
  readonly engine: Engine;
  readonly threads: Threads;
  readonly strace: StraceWriter | undefined;
  /** Path of the program as the guest knows it (absolute) and as the host does. */
  executable: Uint8Array = new Uint8Array();
  hostExecutable: Uint8Array = new Uint8Array();
  arguments: readonly Uint8Array[] = [];
  environment: readonly Uint8Array[] = [];
  /** Stack pointer at the program's first instruction: arguments, environment and auxiliary vector lie there. */
  stackStart = 0;
  personality = 0;
  /** Set by what ends the process; the loop returns it. */
  end: ProcessEnd | undefined;
  /** Host process id; kept through forks. */
  pid = hostProcessId();
  /** False in a fork's child until it executes another program. */
  private startedProgram = false;
  /** Takes samples of what the first thread does, where that is asked for. */
  profiler: ProcessProfiler | undefined;
  /** Stands between this loop and the engine, where somebody debugs or controls the process. */
  debugger: Supervisor | undefined;
  /** Called in the child of a vfork when it executes another program or ends: its parent waits for that. */
  releaseParent: (() => void) | undefined;

  constructor(readonly options: ProcessOptions) {
    const { thread } = options;
    this.memory = new GuestMemory(thread?.memory);
    this.hostBase = addressOf(this.memory.buffer);
    this.cpu = new CpuState(this.memory, thread?.index);
    if (!thread) this.cpu.reset();
    const { memory } = this;
    const regions = new RegionList(sharedUnsigned(memory, 'regions'));
    this.mappings = new Mappings(memory, this.hostBase, regions, sharedUnsigned(memory, 'mappings'));
    this.files = new FileTable(sharedWords(memory, 'files'));
    this.thread = new GuestThread(this.cpu);
    this.signals = new Signals(memory, this.thread, this.hostBase, new SignalActions(sharedWords(memory, 'actions')));
    this.signals.guestDescriptor = (fd) => this.files.guest(fd);
    this.signals.onDeath = (signal, info) => this.reportDeath(signal, info);
    const { strace } = options;
    if (strace) {
      this.signals.onDelivery = (info) =>
        strace.note(this, `--- ${signalName(infoNumber(info))} ${describeInfo(info)} ---`);
    }
    this.paths = new PathResolver(options.sysroot);
    this.paths.procFiles = guestProcFiles(this);
    this.symbols = new SymbolTable(this.mappings, this.hostBase);
    this.strace = options.strace;
    this.engine = options.createEngine(this);
    this.threads = new Threads(this, this.cpu.threadIndex);
    this.signals.threads = this.threads;
    if (thread) this.engine.startThreads();
    else if (options.memory === 'lazy') this.useHostFaults();
    shareTranslations(this);
  }

  /** Lets the host find faults in guest memory for generated code, until somebody must know the exact state at them. */
  private useHostFaults(): void {
    const { hostBase } = this;
    installFaultHandler({
      base: hostBase,
      pageTable: hostBase + PAGE_TABLE_ADDRESS,
      readable: Page.read,
      states: hostBase + STATE_ADDRESS,
      stateSize: STATE_SIZE,
      threadTable: hostBase + SIGNAL_BLOCK_ADDRESS,
      pending: State.pending,
      signal: State.faultSignal,
      address: State.faultAddress,
      code: State.faultCode,
    });
  }

  /** Threads' ids are the host's; the guest's first thread is the process's. */
  get tid(): number {
    return syscall(Host.gettid);
  }

  /** The host's ids of the guest's threads: Node has more. */
  threadIds(): number[] {
    const { table } = this.threads;
    return [...table.running()].map((index) => table.slot(index, Slot.tid));
  }

  /**
   * Loads the program that `run` is to execute. Takes over the host process's descriptors and signals.
   * @throws LoadError where it cannot be started
   */
  load(path: Uint8Array, args: readonly Uint8Array[], environment: readonly Uint8Array[]): void {
    this.files.takeOver();
    this.signals.takeOver();
    const found = openExecutable(path, args, (guestPath) => this.paths.hostPath(guestPath));
    if (found.kind === 'host') {
      const name = new TextDecoder().decode(found.path);
      const hint = found.path === path ? '' : ' (a directory with the i386 system is given by -L)';
      throw new LoadError(`${name}: an ELF file for x86_64, not for i386${hint}`, 126);
    }
    this.start(found, path, environment);
  }

  /** `execve`: 0 when the registers are those of a new program, else a negated error number. Returns only in the guest's case. */
  execute(path: Uint8Array, args: readonly Uint8Array[], environment: readonly Uint8Array[]): number {
    let found: Executable;
    try {
      // Linux gives a program that was called with no arguments an empty one (fs/exec.c, since 5.18).
      const given = args.length > 0 ? args : [new Uint8Array()];
      found = openExecutable(path, given, (guestPath) => translatePath(this, guestPath));
    } catch (error) {
      if (error instanceof LoadError) return -error.errno;
      throw error;
    }
    const { threads } = this;
    if (found.kind === 'guest' && !threads.isLeader) {
      closeExecutable(found);
      return threads.executeInLeader(path, args, environment) ? 0 : -Errno.E2BIG;
    }
    this.releaseParent?.();
    this.keepTranslations(true);
    if (found.kind === 'host') {
      threads.lock.stopOthers();
      const error = this.executeOnHost(found, environment);
      threads.lock.resumeOthers();
      return error;
    }
    threads.endOthers();
    threads.executionDone();
    this.engine.leaveProgram();
    this.mappings.reset();
    this.thread.resetForExec();
    this.signals.resetForExec();
    this.files.closeOnExec();
    try {
      this.start(found, path, environment);
      this.debugger?.onExecute();
      this.profiler?.onExecute();
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      // The old program is gone: Linux kills the process.
      this.report(`bridge86: ${error.message}`);
      this.end = { kind: 'signal', signal: Signal.SIGSEGV };
    }
    return 0;
  }

  /**
   * Before the program's end: keeps what was translated of it, unless it shares that with the parent that it was forked from.
   * @param goesOn whether another program follows
   */
  keepTranslations(goesOn: boolean): void {
    const { keeping = 'none' } = this.options;
    if (!this.startedProgram || keeping === 'none') return;
    keepTranslations(this, keeping === 'wait', goesOn);
  }

  private start(found: Executable & { kind: 'guest' }, path: Uint8Array, environment: readonly Uint8Array[]): void {
    this.startedProgram = true;
    this.cpu.reset();
    // A signal that came meanwhile is still noted, though the word that tells of it is gone.
    this.cpu.i32[State.pending >> 2] = 1;
    this.symbols.clear();
    resetChecks(this);
    try {
      const ids = {
        userId: syscall(Host.getuid),
        effectiveUserId: syscall(Host.geteuid),
        groupId: syscall(Host.getgid),
        effectiveGroupId: syscall(Host.getegid),
      };
      const { entry, stackPointer } = loadProgram(this.memory, this.mappings, found.program, found.interpreter, {
        execPath: path,
        arguments: found.arguments,
        environment,
        ids,
        random: this.randomBytes(16),
        hardwareCapabilities: this.options.hardwareCapabilities ?? DEFAULT_CAPABILITIES,
      });
      this.cpu.eip = entry;
      this.cpu.i32[State.esp >> 2] = stackPointer;
      this.stackStart = stackPointer;
      this.hostExecutable = this.absoluteHostPath(found.program.fd, found.program.path);
      this.executable = this.paths.guestPath(this.hostExecutable);
      this.arguments = found.arguments;
      this.environment = environment;
      setThreadName(found.program.path);
    } finally {
      closeExecutable(found);
    }
  }

  private absoluteHostPath(fd: number, path: Uint8Array): Uint8Array {
    const link = this.readDescriptorPath(fd);
    return link ?? path;
  }

  private readDescriptorPath(fd: number): Uint8Array | undefined {
    const buffer = new HostBuffer(8192);
    const name = buffer.putCString(new TextEncoder().encode(`/proc/self/fd/${fd}`));
    const length = syscall(Host.readlink, name, buffer.address + 4096, 4096);
    return length > 0 ? buffer.bytes.slice(4096, 4096 + length) : undefined;
  }

  /** Gives this process to a program of the host's own kind. Comes back only with a negated error number. */
  private executeOnHost(found: Executable & { kind: 'host' }, environment: readonly Uint8Array[]): number {
    this.files.installForHostExec();
    this.profiler?.finish();
    return hostExecute(found.hostPath, found.arguments, environment);
  }

  private randomBytes(length: number): Uint8Array {
    if (this.options.random) return this.options.random(length);
    const buffer = new HostBuffer(Math.max(length, 128));
    syscall(Host.getrandom, buffer.address, length, GRND_NONE);
    return buffer.bytes.slice(0, length);
  }

  // ---- the loop ----------------------------------------------------------------------------------------------

  /** Runs until the guest's end. In the child of a guest's fork the same call returns that child's end. */
  run(): ProcessEnd {
    this.engine.onSystemCall = this.systemCallWithin;
    try {
      return this.loop(false)!;
    } catch (error) {
      if (error instanceof EndWithin) return error.end;
      throw error;
    }
  }

  /**
   * Runs the guest function at an address with 32-bit arguments, on the stack below `stack`, while a bridge's host function is
   * called; gives eax. All that the guest may do then is done here, up to its end.
   */
  callFunction(address: number, args: readonly number[], stack: number): number {
    const { cpu, memory } = this;
    const s = cpu.i32;
    const saved = s.slice(0, SAVED_WORDS);
    const depth = s[State.callDepth >> 2]!;
    const bytes = 4 * args.length;
    // Arguments begin at a multiple of 16, as compilers expect.
    const base = ((stack - RED_BYTES - bytes) & -16) >>> 0;
    memory.checkWrite(base - 4, bytes + 4);
    memory.view.setInt32(base - 4, RETURN_ADDRESS, true);
    args.forEach((value, index) => memory.view.setInt32(base + 4 * index, value, true));
    s[State.esp >> 2] = base - 4;
    s[State.eip >> 2] = address;
    s[State.df >> 2] = 1;
    s[State.exit >> 2] = s[State.callDepth >> 2] = 0;
    const end = this.loop(true);
    // Host functions that are in the way are left for good.
    if (end) throw new EndWithin(end);
    if (s[State.esp >> 2] !== (base | 0)) throw new Error('a guest function returned to another call than its own');
    const result = s[State.eax >> 2]!;
    s.set(saved);
    s[State.callDepth >> 2] = depth;
    return result;
  }

  /** @param within ends when a function returns to `RETURN_ADDRESS`, too: without a result then */
  private loop(within: boolean): ProcessEnd | undefined {
    const { cpu, signals, engine, threads } = this;
    for (;;) {
      const event = this.debugger ? this.debugger.run() : engine.run();
      switch (event.kind) {
        case 'interrupt':
          if (event.vector === SYSCALL_VECTOR) this.systemCall((cpu.eip - SYSCALL_LENGTH) >>> 0);
          else this.softwareInterrupt(event.vector);
          break;
        case 'sysenter':
          this.fastSystemCall();
          break;
        case 'trap':
          if (within && cpu.i32[State.eip >> 2] === RETURN_ADDRESS && event.trap.address === RETURN_ADDRESS >>> 0) {
            return undefined;
          }
          this.raise(event.trap);
          break;
        case 'poll':
          this.profiler?.sample();
          break;
        case 'stop':
        case 'counted':
          break;
      }
      if (!this.end && signals.hasWork) this.deliver();
      if (threads.isThreaded) attend(this);
      if (this.end && isOver(this)) {
        this.debugger?.onEnd(this.end);
        if (this.end.kind === 'exit') this.strace?.note(this, `+++ exited with ${this.end.status} +++`);
        return this.end;
      }
    }
  }

  /** What a signal is to do is state that threads share. */
  private deliver(interrupted?: InterruptedCall): void {
    const { lock } = this.threads;
    lock.enter();
    this.finishWith(this.signals.deliver(interrupted));
    lock.leave();
  }

  /** A system call out of the middle of generated code: can that just go on? */
  private readonly systemCallWithin = (): boolean => {
    this.systemCall((this.cpu.eip - SYSCALL_LENGTH) >>> 0);
    return this.end === undefined && !this.signals.hasWork;
  };

  private systemCall(address: number): void {
    const { cpu } = this;
    const number = cpu.i32[State.eax >> 2]!;
    const declaration = pendingSyscall(cpu);
    this.signals.lastCallBegan = true;
    this.engine.noteWork(1);
    const result = this.debugger?.onSystemCall?.(number) ?? dispatchSyscall(this, cpu);
    if (result === NO_RESULT) return;
    this.debugger?.onSystemCallEnd?.(number, result);
    cpu.i32[State.eax >> 2] = result;
    if (result === -Errno.EINTR && !this.end) {
      // What only gdb has interrupted goes on as if nothing had been.
      const restartable =
        this.debugger?.noticeInterrupt(number) || (declaration !== undefined && isRestartable(this, declaration));
      this.deliver({ number, address, restartable, begun: this.signals.lastCallBegan });
    }
  }

  /**
   * `sysenter`: the program has pushed ecx, edx and ebp, as the kernel's own entry does, and ebp points there; the sixth argument lies
   * on top. The kernel returns to code that pops the three and returns.
   */
  private fastSystemCall(): void {
    const { cpu, memory } = this;
    const stack = cpu.i32[State.ebp >> 2]! >>> 0;
    try {
      const sixth = memory.readI32(stack);
      const [edx, ecx, target] = [memory.readI32(stack + 4), memory.readI32(stack + 8), memory.readI32(stack + 12)];
      const address = (cpu.eip - SYSCALL_LENGTH) >>> 0;
      cpu.i32[State.ebp >> 2] = sixth;
      cpu.i32[State.edx >> 2] = edx;
      cpu.i32[State.ecx >> 2] = ecx;
      cpu.i32[State.esp >> 2] = stack + 16;
      cpu.i32[State.eip >> 2] = target;
      this.systemCall(address);
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
      this.raise(error);
    }
  }

  /** `int3`, `int 4` and interrupts that belong to the kernel; eip is where the process goes on or, of the last, their own. */
  private softwareInterrupt(vector: number): void {
    const { thread } = this;
    thread.trapNumber = vector === Trap.breakpoint || vector === Trap.overflow ? vector : Trap.generalProtection;
    thread.errorCode = 0;
    if (vector === Trap.breakpoint) {
      this.raiseSignal({ signal: Signal.SIGTRAP, code: SignalCode.SI_KERNEL, address: 0 });
      return;
    }
    // #GP is a fault: at the instruction, with the vector's gate as error code.
    if (vector !== Trap.overflow) {
      thread.errorCode = vector * 8 + 2;
      thread.resumeFlag = true;
    }
    this.raiseSignal({ signal: Signal.SIGSEGV, code: SignalCode.SI_KERNEL, address: 0 });
  }

  /** A processor exception: a signal, unless the kernel would only have to provide the page. */
  raise(trap: GuestTrap): void {
    const { lock } = this.threads;
    lock.enter();
    this.raiseLocked(trap);
    lock.leave();
  }

  private raiseLocked(trap: GuestTrap): void {
    const { thread, cpu, mappings } = this;
    const fault = faultOf(trap, cpu);
    thread.errorCode = trap.errorCode;
    if (trap.vector === Trap.pageFault) {
      const write = (trap.errorCode & 2) !== 0;
      const fetch = (trap.errorCode & 16) !== 0;
      if (trap.hostSignal !== 0) {
        // Nothing can be put right: the access was made elsewhere.
        if (trap.hostSignal === Signal.SIGBUS) {
          Object.assign(fault, { signal: Signal.SIGBUS, code: SignalCode.BUS_ADRERR });
          thread.errorCode &= ~1;
        }
      } else if (!(trap.errorCode & 1)) {
        if (mappings.growDown(trap.address)) return;
      } else {
        const region = mappings.regions.at(trap.address);
        const needed = write ? 2 : fetch ? 4 : 7;
        if (region && region.protection & needed) {
          if (mappings.revealPage(trap.address)) return;
          Object.assign(fault, { signal: Signal.SIGBUS, code: SignalCode.BUS_ADRERR });
          thread.errorCode &= ~1;
        } else if (!region?.protection || !mappings.isPresent(trap.address)) thread.errorCode &= ~1;
      }
      thread.faultAddress = trap.address;
    } else if (trap.vector === Trap.generalProtection) {
      thread.errorCode = cpu.i32[State.refusedSelector >> 2]!;
      cpu.i32[State.refusedSelector >> 2] = 0;
    }
    thread.trapNumber = trap.vector;
    thread.resumeFlag = trap.vector !== Trap.debug && trap.vector !== Trap.overflow;
    this.raiseSignal(fault);
  }

  /** A signal that cannot be blocked, for an exception. */
  raiseSignal(fault: Fault): void {
    this.finishWith(this.signals.force(fault));
  }

  private finishWith(signal: number): void {
    if (signal !== 0) this.end ??= { kind: 'signal', signal };
  }

  /** `exit_group`. */
  exit(status: number): void {
    this.end ??= { kind: 'exit', status: status & 0xff };
    releaseRobustFutexes(this, this.thread.robustList, this.tid);
    const address = this.thread.clearChildTid;
    this.thread.clearChildTid = 0;
    // Nobody else sees memory that is not shared.
    if (this.mappings.regions.at(address >>> 0)?.shared) clearTid(this, address);
  }

  /** `exit`: the end of the process where this is its only thread. */
  exitThread(status: number): void {
    if (this.threads.isThreaded) this.end ??= { kind: 'thread', status: status & 0xff, killed: false };
    else this.exit(status);
  }

  // ---- fork --------------------------------------------------------------------------------------------------

  /** In the child of a fork: what belonged to the parent's threads and ids. */
  becomeChild(): void {
    this.pid = hostProcessId();
    this.threads.becomeAlone();
    this.engine.becomeChild();
    this.startedProgram = false;
    this.debugger?.inChild();
    this.profiler = undefined;
    this.signals.resetForFork();
    this.thread.robustList = 0;
  }

  // ---- messages ----------------------------------------------------------------------------------------------

  report(line: string): void {
    if (this.options.report) {
      this.options.report(line);
      return;
    }
    const bytes = new TextEncoder().encode(`${line}\n`);
    const buffer = new HostBuffer(Math.max(bytes.length, 128));
    buffer.bytes.set(bytes);
    syscall(Host.write, 2, buffer.address, bytes.length);
  }

  private reportDeath(signal: number, info: Uint8Array): void {
    const line = describeDeath(this, signal, info);
    if (line !== undefined) this.report(line);
    const dumped = defaultAction(signal) === 'core' && writeCoreDump(this, signal, info);
    this.strace?.note(this, `+++ killed by ${signalName(signal)}${dumped ? ' (core dumped)' : ''} +++`);
  }

  /** Bytes of a file of the host's /proc about this process. */
  readHostProc(name: string): Uint8Array {
    const bytes = hostReadAll(`/proc/self/${name}`);
    return typeof bytes === 'number' ? new Uint8Array() : bytes;
  }
}

const nameBuffer = new HostBuffer(128);
/** Translations are kept by a process of their own, for which the program's end may wait. */
export type Keeping = 'background' | 'wait' | 'none';

const PR_SET_NAME = 15;

/** The name that `ps` shows: the program's. */
function setThreadName(path: Uint8Array): void {
  const slash = path.lastIndexOf(0x2f);
  syscall(Host.prctl, PR_SET_NAME, nameBuffer.putCString(path.slice(slash + 1, slash + 16)));
}

const SIGKILL_STATUS = 128;
const RLIMIT_CORE = 4;

/** Ends the host process as the guest ended: the same status, or death by the same signal. Node's own teardown does not run. */
export function endHostProcess(guest: LinuxProcess, end: ProcessEnd): never {
  guest.releaseParent?.();
  if (end.kind === 'signal') {
    const { signal } = end;
    // A core file of Node would be no use to anyone who debugs the guest.
    const buffer = new HostBuffer(128);
    syscall(Host.setrlimit, RLIMIT_CORE, buffer.address);
    guest.signals.host.release(signal, 0);
    guest.signals.host.setMask(0n);
    syscall(Host.tgkill, hostProcessId(), guest.tid, signal);
  }
  for (;;) syscall(Host.exit_group, end.kind === 'signal' ? SIGKILL_STATUS + end.signal : end.status);
}
