/**
 * Clocks, sleeping and file times. Each call exists twice: with the 32-bit `timespec` and, since Linux 5.1, with the 64-bit one
 * (`*_time64`); one function serves both, given the structure.
 */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { AT_FDCWD } from '../../files.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import {
  callWithStructure,
  hostPath,
  hostStructure,
  readStructure,
  writable,
  writableStructure,
  writeStructure,
} from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

const AT_SYMLINK_NOFOLLOW = 0x100;
const TIMER_ABSTIME = 1;
const { timespec, timespec64, timeval, itimerspec, itimerspec64 } = structures;

function clockGettime(structure: Structure): (process: LinuxProcess, clock: number, address: number) => number {
  return (process, clock, address) => {
    const offset = scratch.allocate(16);
    const result = syscall(Host.clock_gettime, clock, scratch.address + offset);
    if (result >= 0) writeStructure(process, structure, offset, address);
    return result;
  };
}

function clockGetres(structure: Structure): (process: LinuxProcess, clock: number, address: number) => number {
  return (process, clock, address) =>
    callWithStructure(process, structure, address, (host) => syscall(Host.clock_getres, clock, host));
}

function clockSettime(structure: Structure): (process: LinuxProcess, clock: number, address: number) => number {
  return (process, clock, address) =>
    syscall(Host.clock_settime, clock, scratch.address + readStructure(process, structure, address));
}

/** Room for what remains of a sleep: all of it, where a signal comes before the host's kernel is asked. */
function allOf(requested: number): number {
  const offset = scratch.allocate(16);
  scratch.u8.copyWithin(offset, requested, requested + 16);
  return offset;
}

/** What remains is written only when a relative sleep was interrupted. */
function clockNanosleep(
  structure: Structure,
): (process: LinuxProcess, clock: number, flags: number, request: number, remaining: number) => number {
  return (process, clock, flags, request, remaining) => {
    const requested = readStructure(process, structure, request);
    const offset = allOf(requested);
    const result = process.signals.blockingSyscall(
      Host.clock_nanosleep,
      clock,
      flags,
      scratch.address + requested,
      scratch.address + offset,
    );
    if (result === -Errno.EINTR && remaining !== 0 && (flags & TIMER_ABSTIME) === 0) {
      writeStructure(process, structure, offset, remaining);
    }
    return result;
  };
}

function nanosleep(process: LinuxProcess, request: number, remaining: number): number {
  const requested = readStructure(process, timespec, request);
  const offset = allOf(requested);
  const { address } = scratch;
  const result = process.signals.blockingSyscall(Host.nanosleep, address + requested, address + offset);
  if (result === -Errno.EINTR && remaining !== 0) writeStructure(process, timespec, offset, remaining);
  return result;
}

function time(process: LinuxProcess, address: number): number {
  const seconds = Math.floor(Date.now() / 1000);
  if (address !== 0) process.memory.writeU32(address, seconds);
  return seconds | 0;
}

/** Seconds as the result: negative ones are no errors, but nobody lives before 1970. */
function gettimeofday(process: LinuxProcess, value: number, zone: number): number {
  const offset = scratch.allocate(32);
  const result = syscall(Host.gettimeofday, scratch.address + offset, scratch.address + offset + 16);
  if (result < 0) return result;
  if (value !== 0) writeStructure(process, timeval, offset, value);
  if (zone !== 0) writeStructure(process, structures.timezone, offset + 16, zone);
  return 0;
}

function settimeofday(process: LinuxProcess, value: number, zone: number): number {
  return syscall(
    Host.settimeofday,
    hostStructure(process, timeval, value),
    hostStructure(process, structures.timezone, zone),
  );
}

/** Two consecutive structures as the host's, or 0 for a null pointer, which means "now". */
function hostPair(process: LinuxProcess, structure: Structure, address: number): number {
  if (address === 0) return 0;
  process.memory.checkRead(address, 2 * structure.i386.size);
  const offset = scratch.allocate(32);
  for (let index = 0; index < 2; index++) {
    const from = (address >>> 0) + index * structure.i386.size;
    structure.toHost(process.memory.view, from, scratch.view, offset + index * 16);
  }
  return scratch.address + offset;
}

function utimensat(
  structure: Structure,
): (process: LinuxProcess, directory: number, path: number, times: number, flags: number) => number {
  return (process, directory, path, times, flags) => {
    const host = process.files.directory(directory);
    const name = hostPath(process, path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
    return syscall(Host.utimensat, host, name, hostPair(process, structure, times), flags);
  };
}

function utime(process: LinuxProcess, path: number, times: number): number {
  return syscall(Host.utime, hostPath(process, path), hostStructure(process, structures.utimbuf, times));
}

function futimesat(process: LinuxProcess, directory: number, path: number, times: number): number {
  const host = process.files.directory(directory);
  return syscall(Host.futimesat, host, hostPath(process, path), hostPair(process, timeval, times));
}

function adjust(number: number, clock: number | undefined, process: LinuxProcess, address: number): number {
  const offset = readStructure(process, structures.timex, address);
  const host = scratch.address + offset;
  const result = clock === undefined ? syscall(number, host) : syscall(number, clock, host);
  if (result >= 0) writeStructure(process, structures.timex, offset, address);
  return result;
}

function getitimer(process: LinuxProcess, which: number, value: number): number {
  return callWithStructure(process, structures.itimerval, value, (host) => syscall(Host.getitimer, which, host));
}

function setitimer(process: LinuxProcess, which: number, value: number, old: number): number {
  const request = hostStructure(process, structures.itimerval, value);
  return callWithStructure(process, structures.itimerval, old, (host) => syscall(Host.setitimer, which, request, host));
}

function timerfdSettime(
  structure: Structure,
): (process: LinuxProcess, fd: number, flags: number, value: number, old: number) => number {
  return (process, fd, flags, value, old) => {
    const request = scratch.address + readStructure(process, structure, value);
    return callWithStructure(process, structure, old, (host) =>
      syscall(Host.timerfd_settime, process.files.host(fd), flags, request, host),
    );
  };
}

function timerfdGettime(structure: Structure): (process: LinuxProcess, fd: number, value: number) => number {
  return (process, fd, value) =>
    callWithStructure(process, structure, value, (host) => syscall(Host.timerfd_gettime, process.files.host(fd), host));
}

export const timeCalls: readonly SyscallDeclaration[] = [
  declare('time', ['int-out'], 'int', time),
  declare('stime', ['int-in'], 'int', (process, address) => {
    const offset = scratch.allocate(16);
    scratch.view.setBigInt64(offset, BigInt(process.memory.readI32(address)), true);
    scratch.view.setBigInt64(offset + 8, 0n, true);
    return syscall(Host.settimeofday, scratch.address + offset, 0);
  }),
  declare('gettimeofday', ['out:timeval', 'out:timezone'], 'int', gettimeofday),
  declare('settimeofday', ['in:timeval', 'in:timezone'], 'int', settimeofday),
  declare('clock_gettime', ['enum:clock', 'out:timespec'], 'int', clockGettime(timespec)),
  declare('clock_gettime64', ['enum:clock', 'out:timespec64'], 'int', clockGettime(timespec64)),
  declare('clock_getres', ['enum:clock', 'out:timespec'], 'int', clockGetres(timespec)),
  declare('clock_getres_time64', ['enum:clock', 'out:timespec64'], 'int', clockGetres(timespec64)),
  declare('clock_settime', ['enum:clock', 'in:timespec'], 'int', clockSettime(timespec)),
  declare('clock_settime64', ['enum:clock', 'in:timespec64'], 'int', clockSettime(timespec64)),
  declare('nanosleep', ['in:timespec', 'pointer'], 'int', nanosleep, 'fail'),
  declare(
    'clock_nanosleep',
    ['enum:clock', 'flags:timerSet', 'in:timespec', 'pointer'],
    'int',
    clockNanosleep(timespec),
    'fail',
  ),
  declare(
    'clock_nanosleep_time64',
    ['enum:clock', 'flags:timerSet', 'in:timespec64', 'pointer'],
    'int',
    clockNanosleep(timespec64),
    'fail',
  ),
  declare('adjtimex', ['out:timex'], 'int', (process, address) => adjust(Host.adjtimex, undefined, process, address)),
  declare('clock_adjtime', ['enum:clock', 'out:timex'], 'int', (process, clock, address) =>
    adjust(Host.clock_adjtime, clock, process, address),
  ),
  // `struct __kernel_timex` is the 64-bit host's own.
  declare('clock_adjtime64', ['enum:clock', 'pointer'], 'int', (process, clock, address) =>
    syscall(Host.clock_adjtime, clock, writableStructure(process, address, structures.timex.host.size)),
  ),
  declare('getitimer', ['enum:intervalTimer', 'out:itimerval'], 'int', getitimer),
  declare('setitimer', ['enum:intervalTimer', 'in:itimerval', 'out:itimerval'], 'int', setitimer),
  declare('alarm', ['unsigned'], 'unsigned', (_process, seconds) => syscall(Host.alarm, seconds >>> 0)),
  declare('timerfd_create', ['enum:clock', 'flags:timerfd'], 'fd', (process, clock, flags) =>
    process.files.install(syscall(Host.timerfd_create, clock, flags)),
  ),
  declare(
    'timerfd_settime',
    ['fd', 'flags:timerfdSet', 'in:itimerspec', 'out:itimerspec'],
    'int',
    timerfdSettime(itimerspec),
  ),
  declare(
    'timerfd_settime64',
    ['fd', 'flags:timerfdSet', 'in:itimerspec64', 'out:itimerspec64'],
    'int',
    timerfdSettime(itimerspec64),
  ),
  declare('timerfd_gettime', ['fd', 'out:itimerspec'], 'int', timerfdGettime(itimerspec)),
  declare('timerfd_gettime64', ['fd', 'out:itimerspec64'], 'int', timerfdGettime(itimerspec64)),
  declare('utime', ['path', 'in:utimbuf'], 'int', utime),
  declare('utimes', ['path', 'pointer'], 'int', (process, path, times) => futimesat(process, AT_FDCWD, path, times)),
  declare('futimesat', ['directory', 'path', 'pointer'], 'int', futimesat),
  declare('utimensat', ['directory', 'path', 'pointer', 'flags:at'], 'int', utimensat(timespec)),
  declare('utimensat_time64', ['directory', 'path', 'pointer', 'flags:at'], 'int', utimensat(timespec64)),
  declare('times', ['out:tms'], 'int', (process, address) =>
    callWithStructure(process, structures.tms, address, (host) => syscall(Host.times, host)),
  ),
  declare('getcpu', ['unsigned-out', 'unsigned-out', 'pointer'], 'int', (process, cpu, node) =>
    syscall(Host.getcpu, writable(process, cpu, 4), writable(process, node, 4), 0),
  ),
];
