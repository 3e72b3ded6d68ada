/** System calls on scheduling: priorities, policies, processor affinity, and descriptors of processes. */
import { syscall } from '../../host/libc.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import { infoToHost, SIGINFO_SIZE } from '../signals/siginfo.js';
import { structures } from '../structures.js';
import { callWithStructure, readableStructure, writable } from './access.js';
import { declare, type SyscallDeclaration } from './declare.js';

const PARAMETER_SIZE = 4;
/** Room for the mask of 8192 processors, the kernel's most. */
const MAXIMUM_MASK = 1024;
const PRIO_PROCESS = 0;

function pass(number: number) {
  return (_process: LinuxProcess, a: number, b: number, c: number): number => syscall(number, a, b, c);
}

/** Masks are arrays of longs, little-endian: the same bytes under both ABIs, in units of 4 and 8. */
function getAffinity(process: LinuxProcess, pid: number, length: number, mask: number): number {
  if (length % 4 !== 0) return -Errno.EINVAL;
  const at = scratch.allocate(MAXIMUM_MASK);
  const result = syscall(Host.sched_getaffinity, pid, MAXIMUM_MASK, scratch.address + at);
  if (result < 0) return result;
  const bytes = scratch.u8.slice(at, at + result);
  const size = Math.min(result, length >>> 0);
  if (bytes.subarray(size).some((byte) => byte !== 0)) return -Errno.EINVAL;
  process.memory.write(mask, bytes.subarray(0, size));
  return size;
}

function setAffinity(process: LinuxProcess, pid: number, length: number, mask: number): number {
  const size = Math.min(length >>> 0, MAXIMUM_MASK);
  const at = scratch.allocate(MAXIMUM_MASK);
  scratch.u8.fill(0, at, at + MAXIMUM_MASK);
  scratch.u8.set(process.memory.read(mask, size), at);
  return syscall(Host.sched_setaffinity, pid, Math.ceil(size / 8) * 8, scratch.address + at);
}

function nice(_process: LinuxProcess, increment: number): number {
  const current = 20 - syscall(Host.getpriority, PRIO_PROCESS, 0);
  const wanted = Math.max(-20, Math.min(19, current + Math.max(-40, Math.min(40, increment))));
  const result = syscall(Host.setpriority, PRIO_PROCESS, 0, wanted);
  return result === -Errno.EACCES ? -Errno.EPERM : result;
}

/** `struct sched_attr` begins with its size. */
const ATTRIBUTES_SIZE = 48;

export const schedulingCalls: readonly SyscallDeclaration[] = [
  declare('sched_yield', [], 'int', pass(Host.sched_yield)),
  declare('sched_getscheduler', ['int'], 'int', pass(Host.sched_getscheduler)),
  declare('sched_setscheduler', ['int', 'int', 'pointer'], 'int', (process, pid, policy, parameter) =>
    syscall(Host.sched_setscheduler, pid, policy, readableStructure(process, parameter, PARAMETER_SIZE)),
  ),
  declare('sched_getparam', ['int', 'pointer'], 'int', (process, pid, parameter) =>
    syscall(Host.sched_getparam, pid, writable(process, parameter, PARAMETER_SIZE)),
  ),
  declare('sched_setparam', ['int', 'pointer'], 'int', (process, pid, parameter) =>
    syscall(Host.sched_setparam, pid, readableStructure(process, parameter, PARAMETER_SIZE)),
  ),
  declare('sched_get_priority_max', ['int'], 'int', pass(Host.sched_get_priority_max)),
  declare('sched_get_priority_min', ['int'], 'int', pass(Host.sched_get_priority_min)),
  declare('sched_rr_get_interval', ['int', 'out:timespec'], 'int', (process, pid, interval) =>
    callWithStructure(process, structures.timespec, interval, (host) => syscall(Host.sched_rr_get_interval, pid, host)),
  ),
  declare('sched_rr_get_interval_time64', ['int', 'out:timespec64'], 'int', (process, pid, interval) =>
    callWithStructure(process, structures.timespec64, interval, (host) =>
      syscall(Host.sched_rr_get_interval, pid, host),
    ),
  ),
  declare('sched_getaffinity', ['int', 'unsigned', 'pointer'], 'int', getAffinity),
  declare('sched_setaffinity', ['int', 'unsigned', 'pointer'], 'int', setAffinity),
  declare('sched_getattr', ['int', 'pointer', 'unsigned', 'hex'], 'int', (process, pid, attributes, size, flags) =>
    syscall(Host.sched_getattr, pid, writable(process, attributes, size), size >>> 0, flags),
  ),
  declare('sched_setattr', ['int', 'pointer', 'hex'], 'int', (process, pid, attributes, flags) =>
    syscall(Host.sched_setattr, pid, writable(process, attributes, ATTRIBUTES_SIZE), flags),
  ),
  declare('getpriority', ['enum:priorityWhich', 'int'], 'int', pass(Host.getpriority)),
  declare('setpriority', ['enum:priorityWhich', 'int', 'int'], 'int', pass(Host.setpriority)),
  declare('nice', ['int'], 'int', nice),
  declare('ioprio_get', ['int', 'int'], 'int', pass(Host.ioprio_get)),
  declare('ioprio_set', ['int', 'int', 'int'], 'int', pass(Host.ioprio_set)),
  declare('getcpu', ['unsigned-out', 'unsigned-out', 'unused'], 'int', (process, cpu, node) =>
    syscall(Host.getcpu, writable(process, cpu, 4), writable(process, node, 4)),
  ),
  declare('unshare', ['flags:clone'], 'int', pass(Host.unshare)),
  declare('setns', ['fd', 'hex'], 'int', (process, fd, type) => syscall(Host.setns, process.files.host(fd), type)),
  declare('pidfd_open', ['int', 'hex'], 'fd', (process, pid, flags) =>
    process.files.install(syscall(Host.pidfd_open, pid, flags)),
  ),
  declare('pidfd_getfd', ['fd', 'int', 'hex'], 'fd', (process, fd, target, flags) =>
    process.files.install(syscall(Host.pidfd_getfd, process.files.host(fd), target, flags)),
  ),
  declare('pidfd_send_signal', ['fd', 'signal', 'pointer', 'hex'], 'int', (process, fd, number, info, flags) => {
    let hostInfo = 0;
    if (info !== 0) {
      const at = scratch.allocate(SIGINFO_SIZE);
      scratch.u8.set(infoToHost(process.memory.read(info, SIGINFO_SIZE), number), at);
      hostInfo = scratch.address + at;
    }
    return syscall(Host.pidfd_send_signal, process.files.host(fd), number, hostInfo, flags);
  }),
];
