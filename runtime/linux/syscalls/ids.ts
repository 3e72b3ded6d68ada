/**
 * System calls on process ids, users, groups and capabilities. The old calls have 16-bit ids: larger ones show as 65534, and -1 stays
 * -1 (kernel/uid16.c).
 */
import { syscall } from '../../host/libc.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import { readable, writable } from './access.js';
import { declare, type SyscallDeclaration } from './declare.js';

const OVERFLOW_ID = 65534;
const MAXIMUM_GROUPS = 65536;

const narrow = (id: number): number => (id < 0 || id > 0xffff ? OVERFLOW_ID : id);
const widen = (id: number): number => ((id & 0xffff) === 0xffff ? -1 : id & 0xffff);

/** A call with numbers alone that is the same on the host. */
function pass(number: number) {
  return (_process: LinuxProcess, a: number, b: number, c: number): number => syscall(number, a, b, c);
}
function pass16(number: number) {
  return (_process: LinuxProcess, a: number, b: number, c: number): number =>
    syscall(number, widen(a), widen(b), widen(c));
}

/** getresuid and its like: three ids of `size` bytes each. */
function threeIds(number: number, size: 2 | 4) {
  return (process: LinuxProcess, a: number, b: number, c: number): number => {
    const at = scratch.allocate(12);
    const host = scratch.address + at;
    const result = syscall(number, host, host + 4, host + 8);
    if (result < 0) return result;
    [a, b, c].forEach((address, index) => {
      const id = scratch.view.getInt32(at + index * 4, true);
      if (size === 4) process.memory.writeU32(address, id);
      else process.memory.writeU16(address, narrow(id));
    });
    return 0;
  };
}

function getGroups16(process: LinuxProcess, count: number, address: number): number {
  if (count < 0 || count > MAXIMUM_GROUPS) return -Errno.EINVAL;
  const at = scratch.allocate(count * 4);
  const result = syscall(Host.getgroups, count, scratch.address + at);
  if (count === 0) return result;
  for (let index = 0; index < result; index++) {
    process.memory.writeU16(address + index * 2, narrow(scratch.view.getInt32(at + index * 4, true)));
  }
  return result;
}

function setGroups16(process: LinuxProcess, count: number, address: number): number {
  if (count < 0 || count > MAXIMUM_GROUPS) return -Errno.EINVAL;
  const at = scratch.allocate(count * 4);
  for (let index = 0; index < count; index++) {
    scratch.view.setInt32(at + index * 4, widen(process.memory.readU16(address + index * 2)), true);
  }
  return syscall(Host.setgroups, count, scratch.address + at);
}

const CAPABILITY_HEADER_SIZE = 8;
const CAPABILITY_DATA_SIZE = 24;

export const idCalls: readonly SyscallDeclaration[] = [
  declare('getpid', [], 'int', (process) => process.pid),
  declare('gettid', [], 'int', (process) => process.tid),
  declare('getppid', [], 'int', pass(Host.getppid)),
  declare('getpgrp', [], 'int', pass(Host.getpgrp)),
  declare('getpgid', ['int'], 'int', pass(Host.getpgid)),
  declare('setpgid', ['int', 'int'], 'int', pass(Host.setpgid)),
  declare('getsid', ['int'], 'int', pass(Host.getsid)),
  declare('setsid', [], 'int', pass(Host.setsid)),

  declare('getuid32', [], 'int', pass(Host.getuid)),
  declare('geteuid32', [], 'int', pass(Host.geteuid)),
  declare('getgid32', [], 'int', pass(Host.getgid)),
  declare('getegid32', [], 'int', pass(Host.getegid)),
  declare('setuid32', ['int'], 'int', pass(Host.setuid)),
  declare('setgid32', ['int'], 'int', pass(Host.setgid)),
  declare('setreuid32', ['int', 'int'], 'int', pass(Host.setreuid)),
  declare('setregid32', ['int', 'int'], 'int', pass(Host.setregid)),
  declare('setresuid32', ['int', 'int', 'int'], 'int', pass(Host.setresuid)),
  declare('setresgid32', ['int', 'int', 'int'], 'int', pass(Host.setresgid)),
  declare('getresuid32', ['unsigned-out', 'unsigned-out', 'unsigned-out'], 'int', threeIds(Host.getresuid, 4)),
  declare('getresgid32', ['unsigned-out', 'unsigned-out', 'unsigned-out'], 'int', threeIds(Host.getresgid, 4)),
  declare('setfsuid32', ['int'], 'int', pass(Host.setfsuid)),
  declare('setfsgid32', ['int'], 'int', pass(Host.setfsgid)),
  declare('getgroups32', ['int', 'pointer'], 'int', (process, count, address) =>
    syscall(Host.getgroups, count, writable(process, address, Math.max(count, 0) * 4)),
  ),
  declare('setgroups32', ['int', 'pointer'], 'int', (process, count, address) =>
    syscall(Host.setgroups, count, readable(process, address)),
  ),

  declare('getuid', [], 'int', () => narrow(syscall(Host.getuid))),
  declare('geteuid', [], 'int', () => narrow(syscall(Host.geteuid))),
  declare('getgid', [], 'int', () => narrow(syscall(Host.getgid))),
  declare('getegid', [], 'int', () => narrow(syscall(Host.getegid))),
  declare('setuid', ['int'], 'int', pass16(Host.setuid)),
  declare('setgid', ['int'], 'int', pass16(Host.setgid)),
  declare('setreuid', ['int', 'int'], 'int', pass16(Host.setreuid)),
  declare('setregid', ['int', 'int'], 'int', pass16(Host.setregid)),
  declare('setresuid', ['int', 'int', 'int'], 'int', pass16(Host.setresuid)),
  declare('setresgid', ['int', 'int', 'int'], 'int', pass16(Host.setresgid)),
  declare('getresuid', ['pointer', 'pointer', 'pointer'], 'int', threeIds(Host.getresuid, 2)),
  declare('getresgid', ['pointer', 'pointer', 'pointer'], 'int', threeIds(Host.getresgid, 2)),
  declare('setfsuid', ['int'], 'int', (_process, id) => narrow(syscall(Host.setfsuid, widen(id)))),
  declare('setfsgid', ['int'], 'int', (_process, id) => narrow(syscall(Host.setfsgid, widen(id)))),
  declare('getgroups', ['int', 'pointer'], 'int', getGroups16),
  declare('setgroups', ['int', 'pointer'], 'int', setGroups16),

  declare('capget', ['pointer', 'pointer'], 'int', (process, header, data) =>
    syscall(
      Host.capget,
      writable(process, header, CAPABILITY_HEADER_SIZE),
      writable(process, data, CAPABILITY_DATA_SIZE),
    ),
  ),
  declare('capset', ['pointer', 'pointer'], 'int', (process, header, data) =>
    syscall(Host.capset, writable(process, header, CAPABILITY_HEADER_SIZE), readable(process, data)),
  ),
];
