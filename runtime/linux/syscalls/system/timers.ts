/** POSIX timers and message queues: host objects whose structures have other sizes. */
import { syscall } from '../../../host/libc.js';
import { Host } from '../../constants/host-syscalls.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import {
  callWithStructure,
  clampLength,
  hostStructure,
  readable,
  readStructure,
  writable,
  writableStructure,
} from '../access.js';
import { declare, type SyscallDeclaration, type SyscallFunction } from '../declare.js';

const { itimerspec, itimerspec64, mqAttr, sigevent, timespec, timespec64 } = structures;

/** Timers have the host's numbers: nothing else in this process makes any. */
function timerCreate(process: LinuxProcess, clock: number, event: number, id: number): number {
  const target = writableStructure(process, id, 4);
  return syscall(Host.timer_create, clock, hostStructure(process, sigevent, event), target);
}

function timerSettime(structure: Structure): SyscallFunction {
  return (process, id, flags, value, old) => {
    const request = scratch.address + readStructure(process, structure, value);
    return callWithStructure(process, structure, old, (host) => syscall(Host.timer_settime, id, flags, request, host));
  };
}

function timerGettime(structure: Structure): SyscallFunction {
  return (process, id, value) =>
    callWithStructure(process, structure, value, (host) => syscall(Host.timer_gettime, id, host));
}

/** A queue's name is no path: the kernel keeps it in a name space of its own. */
function queueName(process: LinuxProcess, address: number): number {
  return scratch.cString(process.memory.readCString(address, 4096));
}

function queueOpen(process: LinuxProcess, name: number, flags: number, mode: number, attributes: number): number {
  const host = hostStructure(process, mqAttr, attributes);
  return process.files.install(syscall(Host.mq_open, queueName(process, name), flags, mode, host));
}

function queueSend(structure: Structure): SyscallFunction {
  return (process, queue, message, length, priority, timeout) =>
    process.signals.blockingSyscall(
      Host.mq_timedsend,
      process.files.host(queue),
      readable(process, message),
      length >>> 0,
      priority >>> 0,
      hostStructure(process, structure, timeout),
    );
}

function queueReceive(structure: Structure): SyscallFunction {
  return (process, queue, message, length, priority, timeout) =>
    process.signals.blockingSyscall(
      Host.mq_timedreceive,
      process.files.host(queue),
      writable(process, message, clampLength(message, length)),
      length >>> 0,
      writableStructure(process, priority, 4),
      hostStructure(process, structure, timeout),
    );
}

function queueAttributes(process: LinuxProcess, queue: number, value: number, old: number): number {
  const request = hostStructure(process, mqAttr, value);
  return callWithStructure(process, mqAttr, old, (host) =>
    syscall(Host.mq_getsetattr, process.files.host(queue), request, host),
  );
}

const SIGEV_THREAD = 2;

/** The C library's notifications by threads are messages to a socket, `sigev_signo`, with what `sival_ptr` points to (ipc/mqueue.c). */
function queueNotify(process: LinuxProcess, queue: number, event: number): number {
  if (event === 0) return syscall(Host.mq_notify, process.files.host(queue), 0);
  const at = readStructure(process, sigevent, event);
  const { view } = scratch;
  const field = (name: string): number => at + sigevent.offset('host', name);
  if (view.getInt32(field('sigev_notify'), true) === SIGEV_THREAD) {
    const cookie = view.getUint32(field('sigev_value'), true);
    view.setBigUint64(field('sigev_value'), BigInt(readable(process, cookie)), true);
    const socket = process.files.host(view.getInt32(field('sigev_signo'), true));
    view.setInt32(field('sigev_signo'), socket, true);
  }
  return syscall(Host.mq_notify, process.files.host(queue), scratch.address + at);
}

export const timerCalls: readonly SyscallDeclaration[] = [
  declare('timer_create', ['enum:clock', 'in:sigevent', 'int-out'], 'int', timerCreate),
  declare(
    'timer_settime',
    ['int', 'flags:timerSet', 'in:itimerspec', 'out:itimerspec'],
    'int',
    timerSettime(itimerspec),
  ),
  declare(
    'timer_settime64',
    ['int', 'flags:timerSet', 'in:itimerspec64', 'out:itimerspec64'],
    'int',
    timerSettime(itimerspec64),
  ),
  declare('timer_gettime', ['int', 'out:itimerspec'], 'int', timerGettime(itimerspec)),
  declare('timer_gettime64', ['int', 'out:itimerspec64'], 'int', timerGettime(itimerspec64)),
  declare('timer_getoverrun', ['int'], 'int', (_process, id) => syscall(Host.timer_getoverrun, id)),
  declare('timer_delete', ['int'], 'int', (_process, id) => syscall(Host.timer_delete, id)),
  declare('mq_open', ['string', 'flags:open', 'mode', 'in:mqAttr'], 'fd', queueOpen),
  declare('mq_unlink', ['string'], 'int', (process, name) => syscall(Host.mq_unlink, queueName(process, name))),
  declare('mq_timedsend', ['fd', 'bytes-in:2', 'unsigned', 'unsigned', 'in:timespec'], 'int', queueSend(timespec)),
  declare(
    'mq_timedsend_time64',
    ['fd', 'bytes-in:2', 'unsigned', 'unsigned', 'in:timespec64'],
    'int',
    queueSend(timespec64),
  ),
  declare(
    'mq_timedreceive',
    ['fd', 'bytes-result', 'unsigned', 'unsigned-out', 'in:timespec'],
    'int',
    queueReceive(timespec),
  ),
  declare(
    'mq_timedreceive_time64',
    ['fd', 'bytes-result', 'unsigned', 'unsigned-out', 'in:timespec64'],
    'int',
    queueReceive(timespec64),
  ),
  declare('mq_notify', ['fd', 'in:sigevent'], 'int', queueNotify),
  declare('mq_getsetattr', ['fd', 'in:mqAttr', 'out:mqAttr'], 'int', queueAttributes),
];
