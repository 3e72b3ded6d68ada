/** System calls on priorities, namespaces and descriptors of processes. */
import { syscall } from '../../host/libc.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import { infoToHost, SIGINFO_SIZE } from '../signals/siginfo.js';
import { declare, type SyscallDeclaration } from './declare.js';

const PRIO_PROCESS = 0;

function pass(number: number) {
  return (_process: LinuxProcess, a: number, b: number, c: number): number => syscall(number, a, b, c);
}

function nice(_process: LinuxProcess, increment: number): number {
  const current = 20 - syscall(Host.getpriority, PRIO_PROCESS, 0);
  const wanted = Math.max(-20, Math.min(19, current + Math.max(-40, Math.min(40, increment))));
  const result = syscall(Host.setpriority, PRIO_PROCESS, 0, wanted);
  return result === -Errno.EACCES ? -Errno.EPERM : result;
}

export const priorityCalls: readonly SyscallDeclaration[] = [
  declare('getpriority', ['enum:priorityWhich', 'int'], 'int', pass(Host.getpriority)),
  declare('setpriority', ['enum:priorityWhich', 'int', 'int'], 'int', pass(Host.setpriority)),
  declare('nice', ['int'], 'int', nice),
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
