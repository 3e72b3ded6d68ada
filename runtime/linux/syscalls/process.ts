/**
 * System calls that make, replace, await and end processes, and those on a thread's own state. Ids are in `ids.ts`.
 */
import { PAGE_SIZE } from '../../../translator/pages.js';
import { State } from '../../../translator/state.js';
import {
  setTlsDescriptor,
  TLS_ENTRY_COUNT,
  TLS_ENTRY_FIRST,
  tlsDescriptor,
  type TlsDescriptor,
} from '../../cpu/segments.js';
import { LoadError } from '../../loader/load-error.js';
import { checkArgumentSize, MAXIMUM_STRING } from '../../loader/stack.js';
import { STACK_SIZE } from '../../loader/load.js';
import { syscall } from '../../host/libc.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import { AT_FDCWD } from '../files.js';
import { forkProcess, vforkProcess } from '../fork.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import { cloneThread } from '../threads/clone.js';
import { infoToGuest, SIGINFO_SIZE } from '../signals/siginfo.js';
import { structures } from '../structures.js';
import { callWithStructure, hostStructure, readable, readPath, writable } from './access.js';
import { declare, NO_RESULT, refuse, type SyscallDeclaration } from './declare.js';

const SLASH = 0x2f;
const AT_EMPTY_PATH = 0x1000;
const MAXIMUM_STRINGS = 1 << 20;

// Programs ------------------------------------------------------------------------------------------------------------------

/** A NULL-terminated vector of strings; a null pointer is an empty one. */
function readStrings(process: LinuxProcess, address: number): Uint8Array[] {
  const strings: Uint8Array[] = [];
  if (address === 0) return strings;
  for (let at = address >>> 0; strings.length < MAXIMUM_STRINGS; at += 4) {
    const pointer = process.memory.readI32(at);
    if (pointer === 0) break;
    strings.push(process.memory.readCString(pointer, MAXIMUM_STRING));
  }
  return strings;
}

function execute(process: LinuxProcess, path: Uint8Array, argv: number, envp: number): number {
  const args = readStrings(process, argv);
  const environment = readStrings(process, envp);
  try {
    checkArgumentSize([args, environment], STACK_SIZE);
  } catch (error) {
    if (error instanceof LoadError) return -error.errno;
    throw error;
  }
  const result = process.execute(path, args, environment);
  return result < 0 ? result : NO_RESULT;
}

function pathAt(process: LinuxProcess, directory: number, path: Uint8Array, flags: number): Uint8Array | number {
  if (path.length === 0 && !(flags & AT_EMPTY_PATH)) return -Errno.ENOENT;
  if (path[0] === SLASH || directory === AT_FDCWD) return path;
  if (process.files.host(directory) < 0) return -Errno.EBADF;
  const prefix = new TextEncoder().encode(`/dev/fd/${directory}${path.length > 0 ? '/' : ''}`);
  const joined = new Uint8Array(prefix.length + path.length);
  joined.set(prefix);
  joined.set(path, prefix.length);
  return joined;
}

// Children ------------------------------------------------------------------------------------------------------------------

const CloneFlag = {
  CSIGNAL: 0xff,
  CLONE_VM: 0x100,
  CLONE_SIGHAND: 0x800,
  CLONE_PIDFD: 0x1000,
  CLONE_VFORK: 0x4000,
  CLONE_THREAD: 0x10000,
  CLONE_SETTLS: 0x80000,
  CLONE_PARENT_SETTID: 0x100000,
  CLONE_CHILD_CLEARTID: 0x200000,
  CLONE_CHILD_SETTID: 0x1000000,
  /** New namespaces of every kind. */
  NAMESPACES: 0x7e020080,
} as const;

function clone(
  process: LinuxProcess,
  flags: number,
  stack: number,
  parentTid: number,
  tls: number,
  childTid: number,
  pidfd: number,
): number {
  const { CLONE_VM, CLONE_SIGHAND, CLONE_THREAD, CLONE_SETTLS } = CloneFlag;
  if ((flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) || (flags & CLONE_SIGHAND && !(flags & CLONE_VM))) {
    return -Errno.EINVAL;
  }
  if (flags & CLONE_THREAD) {
    if (flags & CloneFlag.NAMESPACES) return -Errno.EINVAL;
    const given = (flag: number, address: number): number => (flags & flag ? address : 0);
    return cloneThread(process, {
      stack,
      tls: flags & CLONE_SETTLS ? readDescriptor(process, tls) : undefined,
      parentTid: given(CloneFlag.CLONE_PARENT_SETTID, parentTid),
      childTid: given(CloneFlag.CLONE_CHILD_SETTID, childTid),
      clearChildTid: given(CloneFlag.CLONE_CHILD_CLEARTID, childTid),
    });
  }
  if (flags & CloneFlag.CLONE_VM && !(flags & CloneFlag.CLONE_VFORK)) return -Errno.ENOSYS;
  if (flags & CloneFlag.NAMESPACES) return -Errno.EPERM;
  const { memory, cpu } = process;
  // Bad pointers fail before there is a child.
  if (flags & CloneFlag.CLONE_PARENT_SETTID) memory.checkWrite(parentTid, 4);
  const descriptor = flags & CloneFlag.CLONE_SETTLS ? readDescriptor(process, tls) : undefined;
  const exitSignal = flags & CloneFlag.CSIGNAL;
  const pid = flags & CloneFlag.CLONE_VFORK ? vforkProcess(process, exitSignal) : forkProcess(process, exitSignal);
  if (pid < 0) return pid;
  if (pid > 0) {
    if (flags & CloneFlag.CLONE_PARENT_SETTID) memory.writeU32(parentTid, pid);
    if (flags & CloneFlag.CLONE_PIDFD) {
      memory.writeU32(pidfd, process.files.install(syscall(Host.pidfd_open, pid)));
    }
    return pid;
  }
  if (stack !== 0) cpu.i32[State.esp >> 2] = stack;
  if (descriptor && descriptor.entry !== -1) setTlsDescriptor(cpu, descriptor.entry, descriptor.value);
  process.thread.clearChildTid = flags & CloneFlag.CLONE_CHILD_CLEARTID ? childTid : 0;
  if (flags & CloneFlag.CLONE_CHILD_SETTID && memory.isWritable(childTid, 4)) memory.writeU32(childTid, process.pid);
  return 0;
}

/** `struct clone_args`: 64-bit words, by their index. */
const CloneArgument = {
  flags: 0,
  pidfd: 1,
  childTid: 2,
  parentTid: 3,
  exitSignal: 4,
  stack: 5,
  stackSize: 6,
  tls: 7,
  setTid: 8,
  setTidSize: 9,
  cgroup: 10,
} as const;
/** CLONE_ARGS_SIZE_VER0. */
const CLONE_ARGUMENTS_MINIMUM = 64;
const CLONE_DETACHED = 0x400000;

function clone3(process: LinuxProcess, address: number, size: number): number {
  if (size >>> 0 > PAGE_SIZE) return -Errno.E2BIG;
  if (size < CLONE_ARGUMENTS_MINIMUM) return -Errno.EINVAL;
  const bytes = process.memory.read(address, size);
  const known = (CloneArgument.cgroup + 1) * 8;
  if (bytes.subarray(known).some((byte) => byte !== 0)) return -Errno.E2BIG;
  const words = new BigUint64Array(CloneArgument.cgroup + 1);
  new Uint8Array(words.buffer).set(bytes.subarray(0, known));
  const word = (name: keyof typeof CloneArgument): number => Number(words[CloneArgument[name]]!);
  const flags = word('flags');
  const exitSignal = word('exitSignal');
  // CLONE_INTO_CGROUP and CLONE_CLEAR_SIGHAND lie above the low 32 bits.
  if (flags > 0xffffffff || flags & (CloneFlag.CSIGNAL | CLONE_DETACHED)) return -Errno.EINVAL;
  if (exitSignal > 64 || (flags & CloneFlag.CLONE_THREAD && exitSignal !== 0)) return -Errno.EINVAL;
  if ((word('stack') === 0) !== (word('stackSize') === 0)) return -Errno.EINVAL;
  // Chosen ids need privileges over the namespace.
  if (word('setTidSize') !== 0) return -Errno.EPERM;
  const stack = word('stack') + word('stackSize');
  const parentTid = word('parentTid') | 0;
  const pidfd = word('pidfd') | 0;
  return clone(process, flags | exitSignal, stack | 0, parentTid, word('tls') | 0, word('childTid') | 0, pidfd);
}

function wait(process: LinuxProcess, pid: number, status: number, options: number, usage: number): number {
  const { signals } = process;
  const at = scratch.allocate(16);
  const result = callWithStructure(process, structures.rusage, usage, (hostUsage) =>
    signals.blockingSyscall(Host.wait4, pid, scratch.address + at, options, hostUsage),
  );
  if (result > 0 && status !== 0) process.memory.writeU32(status, scratch.view.getInt32(at, true));
  return result;
}

const P_PIDFD = 3;

function waitId(process: LinuxProcess, kind: number, id: number, info: number, options: number, usage: number): number {
  const at = scratch.allocate(SIGINFO_SIZE);
  scratch.u8.fill(0, at, at + SIGINFO_SIZE);
  const who = kind === P_PIDFD ? process.files.host(id) : id;
  const result = callWithStructure(process, structures.rusage, usage, (hostUsage) =>
    process.signals.blockingSyscall(Host.waitid, kind, who, scratch.address + at, options, hostUsage),
  );
  if (result >= 0 && info !== 0) {
    process.memory.write(info, infoToGuest(scratch.u8.slice(at, at + SIGINFO_SIZE)));
  }
  return result;
}

// Thread state --------------------------------------------------------------------------------------------------------------

const DESCRIPTOR_SIZE = 16;
/** Bits of `struct user_desc` that make it an empty descriptor: read_exec_only and seg_not_present alone (LDT_empty). */
const EMPTY_FLAGS = 0x28;

function readDescriptor(process: LinuxProcess, address: number): { entry: number; value: TlsDescriptor | undefined } {
  process.memory.checkRead(address, DESCRIPTOR_SIZE);
  const word = (index: number): number => process.memory.readI32(address + index * 4);
  const value = { base: word(1), limit: word(2), flags: word(3) };
  const isEmpty = value.base === 0 && value.limit === 0 && (value.flags === EMPTY_FLAGS || value.flags === 0);
  return { entry: word(0), value: isEmpty ? undefined : value };
}

function setThreadArea(process: LinuxProcess, address: number): number {
  const { cpu } = process;
  const { entry, value } = readDescriptor(process, address);
  let chosen = entry;
  if (entry === -1) {
    chosen = TLS_ENTRY_FIRST;
    while (chosen < TLS_ENTRY_FIRST + TLS_ENTRY_COUNT && tlsDescriptor(cpu, chosen)) chosen++;
    if (chosen === TLS_ENTRY_FIRST + TLS_ENTRY_COUNT) return -Errno.ESRCH;
    process.memory.writeU32(address, chosen);
  }
  if (chosen < TLS_ENTRY_FIRST || chosen >= TLS_ENTRY_FIRST + TLS_ENTRY_COUNT) return -Errno.EINVAL;
  setTlsDescriptor(cpu, chosen, value);
  return 0;
}

function getThreadArea(process: LinuxProcess, address: number): number {
  const entry = process.memory.readI32(address);
  if (entry < TLS_ENTRY_FIRST || entry >= TLS_ENTRY_FIRST + TLS_ENTRY_COUNT) return -Errno.EINVAL;
  const descriptor = tlsDescriptor(process.cpu, entry);
  process.memory.checkWrite(address, DESCRIPTOR_SIZE);
  process.memory.writeU32(address + 4, descriptor?.base ?? 0);
  process.memory.writeU32(address + 8, descriptor?.limit ?? 0);
  process.memory.writeU32(address + 12, descriptor?.flags ?? EMPTY_FLAGS);
  return 0;
}

const ROBUST_LIST_HEAD_SIZE = 12;

// Futexes -------------------------------------------------------------------------------------------------------------------

const FUTEX_COMMAND = ~(128 | 256);
/** Operations whose fourth argument is a time: WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2. */
const TIMED: ReadonlySet<number> = new Set([0, 6, 9, 11, 13]);
/** Operations on a second futex: REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_REQUEUE_PI, CMP_REQUEUE_PI. Others leave anything in its place. */
const ON_TWO: ReadonlySet<number> = new Set([3, 4, 5, 11, 12]);

function futex(wide: boolean) {
  return (
    process: LinuxProcess,
    address: number,
    operation: number,
    value: number,
    timeout: number,
    second: number,
    third: number,
  ): number => {
    const isTimed = TIMED.has(operation & FUTEX_COMMAND);
    const structure = wide ? structures.timespec64 : structures.timespec;
    const fourth = isTimed ? hostStructure(process, structure, timeout) : timeout >>> 0;
    const host = readable(process, address);
    if (host === 0) return -Errno.EFAULT;
    return process.signals.blockingSyscall(
      Host.futex,
      host,
      operation,
      value >>> 0,
      fourth,
      ON_TWO.has(operation & FUTEX_COMMAND) ? readable(process, second) : 0,
      third >>> 0,
    );
  };
}

// prctl and personality -----------------------------------------------------------------------------------------------------

/** `prctl` options whose arguments are numbers alone. */
const PRCTL_NUMBERS: ReadonlySet<number> = new Set([
  1, 3, 4, 7, 8, 23, 24, 27, 28, 29, 30, 33, 34, 36, 38, 39, 41, 42, 47, 52, 53, 0x59616d61,
]);
/** Options whose second argument points to an int that is written: PDEATHSIG, TSC, CHILD_SUBREAPER. */
const PRCTL_INTEGERS: ReadonlySet<number> = new Set([2, 25, 37]);
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_GET_SECCOMP = 21;
const PR_GET_TID_ADDRESS = 40;
const NAME_SIZE = 16;

function prctl(process: LinuxProcess, option: number, a: number, b: number, c: number, d: number): number {
  if (PRCTL_NUMBERS.has(option)) return syscall(Host.prctl, option, a >>> 0, b >>> 0, c >>> 0, d >>> 0);
  if (PRCTL_INTEGERS.has(option)) return syscall(Host.prctl, option, writable(process, a, 4));
  switch (option) {
    case PR_SET_NAME: {
      const name = process.memory.readCString(a, NAME_SIZE - 1);
      return syscall(Host.prctl, option, scratch.cString(name));
    }
    case PR_GET_NAME:
      process.memory.checkWrite(a, NAME_SIZE);
      return syscall(Host.prctl, option, writable(process, a, NAME_SIZE));
    case PR_GET_SECCOMP:
      return 0;
    case PR_GET_TID_ADDRESS:
      process.memory.writeU32(a, process.thread.clearChildTid);
      return 0;
    default:
      return -Errno.EINVAL;
  }
}

/** Commands on restartable sequences, which there are none of: PRIVATE_EXPEDITED_RSEQ and its registration. */
const MEMBARRIER_RSEQ = 0x80 | 0x100;

/** The guest's threads are the host's, and so are its processes. */
function membarrier(_process: LinuxProcess, command: number, flags: number, cpu: number): number {
  if (command & MEMBARRIER_RSEQ) return -Errno.EINVAL;
  const result = syscall(Host.membarrier, command, flags, cpu);
  return command === 0 && result > 0 ? result & ~MEMBARRIER_RSEQ : result;
}

const PERSONALITY_QUERY = -1;

export const processCalls: readonly SyscallDeclaration[] = [
  declare('exit', ['int'], 'none', (process, status) => {
    process.exitThread(status);
    return NO_RESULT;
  }),
  declare('exit_group', ['int'], 'none', (process, status) => {
    process.exit(status);
    return NO_RESULT;
  }),
  declare('fork', [], 'int', (process) => forkProcess(process)),
  declare('vfork', [], 'int', (process) => vforkProcess(process)),
  declare(
    'clone',
    ['flags:clone', 'pointer', 'pointer', 'pointer', 'pointer'],
    'int',
    (process, flags, stack, parentTid, tls, childTid) =>
      clone(process, flags, stack, parentTid, tls, childTid, parentTid),
  ),
  declare('clone3', ['pointer', 'unsigned'], 'int', clone3),
  declare('execve', ['path', 'strings', 'environment'], 'int', (process, path, argv, envp) =>
    execute(process, readPath(process, path), argv, envp),
  ),
  declare(
    'execveat',
    ['directory', 'path', 'strings', 'environment', 'flags:at'],
    'int',
    (process, directory, path, argv, envp, flags) => {
      const resolved = pathAt(process, directory, readPath(process, path), flags);
      return typeof resolved === 'number' ? resolved : execute(process, resolved, argv, envp);
    },
  ),
  declare('wait4', ['int', 'wait-status', 'flags:wait', 'out:rusage'], 'int', wait),
  declare('waitpid', ['int', 'wait-status', 'flags:wait'], 'int', (process, pid, status, options) =>
    wait(process, pid, status, options, 0),
  ),
  declare('waitid', ['enum:waitId', 'int', 'pointer', 'flags:wait', 'out:rusage'], 'int', waitId),

  declare('set_thread_area', ['pointer'], 'int', setThreadArea),
  declare('get_thread_area', ['pointer'], 'int', getThreadArea),
  refuse(
    'modify_ldt',
    Errno.ENOSYS,
    'a local descriptor table is not kept; the kernel can be built without it as well',
  ),
  declare('set_tid_address', ['pointer'], 'int', (process, address) => {
    process.thread.clearChildTid = address;
    return process.tid;
  }),
  declare('set_robust_list', ['pointer', 'unsigned'], 'int', (process, head, size) => {
    if (size !== ROBUST_LIST_HEAD_SIZE) return -Errno.EINVAL;
    process.thread.robustList = head;
    process.thread.robustListSize = size;
    return 0;
  }),
  declare('get_robust_list', ['int', 'pointer', 'pointer'], 'int', (process, pid, head, size) => {
    if (pid !== 0 && pid !== process.tid) return -Errno.ESRCH;
    process.memory.writeU32(size, ROBUST_LIST_HEAD_SIZE);
    process.memory.writeU32(head, process.thread.robustList);
    return 0;
  }),
  refuse(
    'rseq',
    Errno.ENOSYS,
    'restartable sequences would have to be restarted by the translator; the C libraries do without',
  ),
  declare('membarrier', ['int', 'hex', 'int'], 'int', membarrier),
  declare('futex', ['pointer', 'enum:futex', 'unsigned', 'pointer', 'pointer', 'hex'], 'int', futex(false)),
  declare('futex_time64', ['pointer', 'enum:futex', 'unsigned', 'pointer', 'pointer', 'hex'], 'int', futex(true)),
  declare('prctl', ['enum:prctl', 'hex', 'hex', 'hex', 'hex'], 'int', prctl),
  refuse('arch_prctl', Errno.EINVAL, 'what it sets on i386 (CPUID faulting) is not there'),
  declare('personality', ['flags:personality'], 'flags:personality', (process, value) => {
    const old = process.personality;
    if (value !== PERSONALITY_QUERY) process.personality = value;
    return old;
  }),
  refuse(
    'ptrace',
    Errno.EPERM,
    'as under a kernel that forbids it (Yama): `bridge86 run -g` serves gdb, `--strace` shows calls',
  ),
  refuse('seccomp', Errno.ENOSYS, 'filters would see the emulator’s own calls'),
];
