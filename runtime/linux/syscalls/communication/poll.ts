/** Waiting for descriptors: poll, select and epoll in their variants, eventfd, signalfd, inotify. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { SyscallFailure } from '../../failure.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import { hostPath, readableStructure, readStructure, writableStructure, writeStructure } from '../access.js';
import { declare, type SyscallDeclaration, type SyscallFunction } from '../declare.js';

const POLLNVAL = 0x20;
const IN_DONT_FOLLOW = 0x02000000;
const EPOLL_CTL_DEL = 2;
const FD_SETSIZE = 1024;
const { timespec, timespec64 } = structures;

/** The signal mask for the duration of a call; it is put back once handlers have run. A null pointer changes nothing. */
function suspendMask(process: LinuxProcess, address: number, size: number): void {
  if (address === 0) return;
  if (size !== 8) throw new SyscallFailure(Errno.EINVAL);
  process.signals.suspendMask(process.memory.readU64(address));
}

/** Waits on a host array of `pollfd`; `time` is the scratch offset of a `timespec` or -1 to wait for ever. */
function waitFor(process: LinuxProcess, host: number, count: number, time: number): number {
  return process.signals.blockingSyscall(Host.ppoll, host, count, time < 0 ? 0 : scratch.address + time, 0, 8);
}

/**
 * `poll` on a converted array: the guest's numbers go back beside the events. A descriptor that the guest has not open is POLLNVAL,
 * and the host is told to look away from it.
 */
function pollDescriptors(
  process: LinuxProcess,
  address: number,
  count: number,
  call: (host: number, invalid: number) => number,
): number {
  if (count >>> 0 > process.files.limit) return -Errno.EINVAL;
  const { memory, files } = process;
  memory.checkWrite(address, count * 8);
  const offset = scratch.allocate(count * 8 + 8);
  const at = address >>> 0;
  let invalid = 0;
  for (let index = 0; index < count; index++) {
    const fd = memory.view.getInt32(at + index * 8, true);
    const host = fd < 0 ? -1 : files.host(fd);
    if (fd >= 0 && host < 0) invalid++;
    scratch.view.setInt32(offset + index * 8, host, true);
    scratch.view.setUint16(offset + index * 8 + 4, memory.view.getUint16(at + index * 8 + 4, true), true);
    scratch.view.setUint16(offset + index * 8 + 6, 0, true);
  }
  const result = call(scratch.address + offset, invalid);
  if (result < 0) return result;
  for (let index = 0; index < count; index++) {
    const isInvalid =
      memory.view.getInt32(at + index * 8, true) >= 0 && scratch.view.getInt32(offset + index * 8, true) < 0;
    const events = isInvalid ? POLLNVAL : scratch.view.getUint16(offset + index * 8 + 6, true);
    memory.view.setUint16(at + index * 8 + 6, events, true);
  }
  return result + invalid;
}

function poll(process: LinuxProcess, address: number, count: number, timeout: number): number {
  return pollDescriptors(process, address, count, (host, invalid) =>
    process.signals.blockingSyscall(Host.poll, host, count, invalid > 0 ? 0 : timeout),
  );
}

function ppoll(structure: Structure): SyscallFunction {
  return (process, address, count, timeout, mask, maskSize) => {
    let time = timeout === 0 ? -1 : readStructure(process, structure, timeout);
    suspendMask(process, mask, maskSize);
    const result = pollDescriptors(process, address, count, (host, invalid) => {
      if (invalid > 0) {
        if (time < 0) time = scratch.allocate(16);
        scratch.u8.fill(0, time, time + 16);
      }
      return waitFor(process, host, count, time);
    });
    if (timeout !== 0 && result !== -Errno.EINTR) writeBack(process, structure, time, timeout);
    return result;
  };
}

/** The time that remains; a timeout in read-only memory is no error (`poll_select_finish`). */
function writeBack(process: LinuxProcess, structure: Structure, offset: number, address: number): void {
  if (process.memory.isWritable(address, structure.i386.size)) writeStructure(process, structure, offset, address);
}

/** Descriptor numbers of a guest set. */
function* members(process: LinuxProcess, address: number, count: number): IterableIterator<number> {
  const bytes = process.memory.read(address, ((count + 31) >>> 5) * 4);
  for (let fd = 0; fd < count; fd++) if (bytes[fd >>> 3]! & (1 << (fd & 7))) yield fd;
}

/**
 * `select` over host descriptors, whose numbers are others than the guest's: done as a host `ppoll` on all of them. `events` of the
 * three sets as the kernel defines them (fs/select.c, POLLIN_SET ...).
 */
const READ_EVENTS = 0x1 | 0x40 | 0x80 | 0x10 | 0x8;
const WRITE_EVENTS = 0x4 | 0x100 | 0x200 | 0x8;
const EXCEPT_EVENTS = 0x2;

function selectDescriptors(
  process: LinuxProcess,
  count: number,
  sets: readonly [number, number, number],
  call: (host: number, entries: number) => number,
): number {
  if (count < 0) return -Errno.EINVAL;
  const { memory, files } = process;
  const limit = Math.min(count, Math.max(FD_SETSIZE, files.limit));
  const size = ((limit + 31) >>> 5) * 4;
  const wanted = [READ_EVENTS, WRITE_EVENTS, EXCEPT_EVENTS];
  const events = new Map<number, number>();
  sets.forEach((set, which) => {
    if (set === 0) return;
    memory.checkWrite(set, size);
    for (const fd of members(process, set, limit)) events.set(fd, (events.get(fd) ?? 0) | (1 << which));
  });
  const descriptors = [...events.keys()];
  const offset = scratch.allocate(descriptors.length * 8 + 8);
  let entry = offset;
  for (const fd of descriptors) {
    const host = files.host(fd);
    if (host < 0) return -Errno.EBADF;
    const which = events.get(fd)!;
    let mask = 0;
    for (let set = 0; set < 3; set++) if (which & (1 << set)) mask |= wanted[set]!;
    scratch.view.setInt32(entry, host, true);
    scratch.view.setInt32(entry + 4, mask, true);
    entry += 8;
  }
  const result = call(scratch.address + offset, descriptors.length);
  if (result < 0) return result;
  for (const set of sets) if (set !== 0) memory.u8.fill(0, set >>> 0, (set >>> 0) + size);
  let ready = 0;
  descriptors.forEach((fd, index) => {
    const returned = scratch.view.getUint16(offset + index * 8 + 6, true);
    const which = events.get(fd)!;
    for (let set = 0; set < 3; set++) {
      if ((which & (1 << set)) === 0 || (returned & wanted[set]!) === 0) continue;
      memory.u8[(sets[set]! >>> 0) + (fd >>> 3)]! |= 1 << (fd & 7);
      ready++;
    }
  });
  return ready;
}

/** `timeval` in, `timespec` for the host, the remaining time back. */
function select(
  process: LinuxProcess,
  count: number,
  read: number,
  write: number,
  except: number,
  timeout: number,
): number {
  let time = -1;
  if (timeout !== 0) {
    time = readStructure(process, structures.timeval, timeout);
    const seconds = scratch.view.getBigInt64(time, true);
    const microseconds = scratch.view.getBigInt64(time + 8, true);
    if (seconds < 0n || microseconds < 0n) return -Errno.EINVAL;
    scratch.view.setBigInt64(time, seconds + microseconds / 1000000n, true);
    scratch.view.setBigInt64(time + 8, (microseconds % 1000000n) * 1000n, true);
  }
  const result = selectDescriptors(process, count, [read, write, except], (host, entries) =>
    waitFor(process, host, entries, time),
  );
  if (time >= 0) {
    scratch.view.setBigInt64(time + 8, scratch.view.getBigInt64(time + 8, true) / 1000n, true);
    writeBack(process, structures.timeval, time, timeout);
  }
  return result;
}

/** The first `select`: one pointer to its five arguments. */
function oldSelect(process: LinuxProcess, argument: number): number {
  const { memory } = process;
  memory.checkRead(argument, 20);
  const at = argument >>> 0;
  const word = (index: number): number => memory.view.getInt32(at + index * 4, true);
  return select(process, word(0), word(1), word(2), word(3), word(4));
}

function pselect(structure: Structure): SyscallFunction {
  return (process, count, read, write, except, timeout, signals) => {
    const time = timeout === 0 ? -1 : readStructure(process, structure, timeout);
    if (signals !== 0) {
      const { memory } = process;
      suspendMask(process, memory.readU32(signals), memory.readU32(signals + 4));
    }
    const result = selectDescriptors(process, count, [read, write, except], (host, entries) =>
      waitFor(process, host, entries, time),
    );
    if (time >= 0) writeBack(process, structure, time, timeout);
    return result;
  };
}

function epollControl(process: LinuxProcess, epoll: number, operation: number, fd: number, event: number): number {
  const host = process.files.host(fd);
  if (host < 0) return -Errno.EBADF;
  let target = 0;
  if (operation !== EPOLL_CTL_DEL) {
    const offset = scratch.allocate(16);
    scratch.u8.set(process.memory.read(event, 12), offset);
    target = scratch.address + offset;
  }
  return syscall(Host.epoll_ctl, process.files.host(epoll), operation, host, target);
}

/** `struct epoll_event` is packed on the host, so the guest's array serves as it is. */
function epollWait(process: LinuxProcess, epoll: number, events: number, maximum: number, timeout: number): number {
  if (maximum <= 0 || maximum > 0x7fffffff / 12) return -Errno.EINVAL;
  const target = writableStructure(process, events, maximum * 12);
  return process.signals.blockingSyscall(Host.epoll_wait, process.files.host(epoll), target, maximum, timeout);
}

function epollPwait(
  process: LinuxProcess,
  epoll: number,
  events: number,
  maximum: number,
  timeout: number,
  mask: number,
): number {
  suspendMask(process, mask, 8);
  return epollWait(process, epoll, events, maximum, timeout);
}

function epollPwait2(
  process: LinuxProcess,
  epoll: number,
  events: number,
  maximum: number,
  timeout: number,
  mask: number,
): number {
  if (maximum <= 0 || maximum > 0x7fffffff / 12) return -Errno.EINVAL;
  const time = timeout === 0 ? 0 : scratch.address + readStructure(process, timespec64, timeout);
  const target = writableStructure(process, events, maximum * 12);
  suspendMask(process, mask, 8);
  return process.signals.blockingSyscall(Host.epoll_pwait2, process.files.host(epoll), target, maximum, time, 0);
}

function inotifyAddWatch(process: LinuxProcess, fd: number, path: number, mask: number): number {
  const name = hostPath(process, path, (mask & IN_DONT_FOLLOW) === 0);
  return syscall(Host.inotify_add_watch, process.files.host(fd), name, mask >>> 0);
}

const SIGNAL_SET_SIZE = 8;

/** The signals wait in the host's kernel while the guest blocks them, so the host's descriptor finds them there. */
function signalDescriptor(process: LinuxProcess, fd: number, set: number, size: number, flags: number): number {
  if (size !== SIGNAL_SET_SIZE) return -Errno.EINVAL;
  const { files } = process;
  const host = fd === -1 ? -1 : files.host(fd);
  if (fd !== -1 && host < 0) return -Errno.EBADF;
  const result = syscall(
    Host.signalfd4,
    host,
    readableStructure(process, set, SIGNAL_SET_SIZE),
    SIGNAL_SET_SIZE,
    flags,
  );
  return result < 0 ? result : fd === -1 ? files.install(result) : fd;
}

export const pollCalls: readonly SyscallDeclaration[] = [
  declare('poll', ['pollfds', 'unsigned', 'int'], 'int', poll, 'fail'),
  declare('ppoll', ['pollfds', 'unsigned', 'in:timespec', 'signal-set', 'unsigned'], 'int', ppoll(timespec), 'fail'),
  declare(
    'ppoll_time64',
    ['pollfds', 'unsigned', 'in:timespec64', 'signal-set', 'unsigned'],
    'int',
    ppoll(timespec64),
    'fail',
  ),
  declare('select', ['pointer'], 'int', oldSelect, 'fail'),
  declare('_newselect', ['int', 'fd-set', 'fd-set', 'fd-set', 'in:timeval'], 'int', select, 'fail'),
  declare(
    'pselect6',
    ['int', 'fd-set', 'fd-set', 'fd-set', 'in:timespec', 'pointer'],
    'int',
    pselect(timespec),
    'fail',
  ),
  declare(
    'pselect6_time64',
    ['int', 'fd-set', 'fd-set', 'fd-set', 'in:timespec64', 'pointer'],
    'int',
    pselect(timespec64),
    'fail',
  ),
  declare('epoll_create', ['int'], 'fd', (process, size) => process.files.install(syscall(Host.epoll_create, size))),
  declare('epoll_create1', ['flags:epollCreate'], 'fd', (process, flags) =>
    process.files.install(syscall(Host.epoll_create1, flags)),
  ),
  declare('epoll_ctl', ['fd', 'enum:epollControl', 'fd', 'in:epollEvent'], 'int', epollControl),
  declare('epoll_wait', ['fd', 'pointer', 'int', 'int'], 'int', epollWait, 'fail'),
  declare('epoll_pwait', ['fd', 'pointer', 'int', 'int', 'signal-set'], 'int', epollPwait, 'fail'),
  declare('epoll_pwait2', ['fd', 'pointer', 'int', 'in:timespec64', 'signal-set'], 'int', epollPwait2, 'fail'),
  declare('eventfd', ['unsigned'], 'fd', (process, value) =>
    process.files.install(syscall(Host.eventfd2, value >>> 0, 0)),
  ),
  declare('eventfd2', ['unsigned', 'flags:eventfd'], 'fd', (process, value, flags) =>
    process.files.install(syscall(Host.eventfd2, value >>> 0, flags)),
  ),
  declare('signalfd', ['fd', 'signal-set', 'unsigned'], 'fd', (process, fd, set, size) =>
    signalDescriptor(process, fd, set, size, 0),
  ),
  declare('signalfd4', ['fd', 'signal-set', 'unsigned', 'flags:signalfd'], 'fd', signalDescriptor),
  declare('inotify_init', [], 'fd', (process) => process.files.install(syscall(Host.inotify_init1, 0))),
  declare('inotify_init1', ['flags:inotifyCreate'], 'fd', (process, flags) =>
    process.files.install(syscall(Host.inotify_init1, flags)),
  ),
  declare('inotify_add_watch', ['fd', 'path', 'flags:inotify'], 'int', inotifyAddWatch),
  declare('inotify_rm_watch', ['fd', 'int'], 'int', (process, fd, watch) =>
    syscall(Host.inotify_rm_watch, process.files.host(fd), watch),
  ),
];
