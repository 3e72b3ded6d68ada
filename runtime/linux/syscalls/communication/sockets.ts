/** Sockets, by the direct system calls and by `socketcall`, which is all that older C libraries use on i386. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import { clampLength, readable, readStructure, writable, writableStructure, writeStructure } from '../access.js';
import { declare, type SyscallDeclaration, type SyscallFunction } from '../declare.js';
import { installPair } from '../files/descriptors.js';
import { receiveMessage, receiveMessages, sendMessage, sendMessages } from './messages.js';

const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_ATTACH_FILTER = 26;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const ADDRESS_LIMIT = 128;

function socket(process: LinuxProcess, domain: number, type: number, protocol: number): number {
  return process.files.install(syscall(Host.socket, domain, type, protocol));
}

function socketpair(process: LinuxProcess, domain: number, type: number, protocol: number, pair: number): number {
  return installPair(process, pair, (host) => syscall(Host.socketpair, domain, type, protocol, host));
}

function bind(process: LinuxProcess, fd: number, address: number, length: number): number {
  return syscall(Host.bind, process.files.host(fd), readable(process, address), length);
}

function connect(process: LinuxProcess, fd: number, address: number, length: number): number {
  return process.signals.blockingSyscall(Host.connect, process.files.host(fd), readable(process, address), length);
}

function listen(process: LinuxProcess, fd: number, backlog: number): number {
  return syscall(Host.listen, process.files.host(fd), backlog);
}

function accept4(process: LinuxProcess, fd: number, address: number, length: number, flags: number): number {
  return process.files.install(
    process.signals.blockingSyscall(
      Host.accept4,
      process.files.host(fd),
      writable(process, address, ADDRESS_LIMIT),
      writableStructure(process, length, 4),
      flags,
    ),
  );
}

function accept(process: LinuxProcess, fd: number, address: number, length: number): number {
  return accept4(process, fd, address, length, 0);
}

function nameOf(number: number): (process: LinuxProcess, fd: number, address: number, length: number) => number {
  return (process, fd, address, length) =>
    syscall(
      number,
      process.files.host(fd),
      writable(process, address, ADDRESS_LIMIT),
      writableStructure(process, length, 4),
    );
}
const getsockname = nameOf(Host.getsockname);
const getpeername = nameOf(Host.getpeername);

function sendto(
  process: LinuxProcess,
  fd: number,
  buffer: number,
  length: number,
  flags: number,
  address: number,
  addressLength: number,
): number {
  return process.signals.blockingSyscall(
    Host.sendto,
    process.files.host(fd),
    readable(process, buffer),
    clampLength(buffer, length),
    flags,
    readable(process, address),
    addressLength,
  );
}

function send(process: LinuxProcess, fd: number, buffer: number, length: number, flags: number): number {
  return sendto(process, fd, buffer, length, flags, 0, 0);
}

function recvfrom(
  process: LinuxProcess,
  fd: number,
  buffer: number,
  length: number,
  flags: number,
  address: number,
  addressLength: number,
): number {
  const size = clampLength(buffer, length);
  return process.signals.blockingSyscall(
    Host.recvfrom,
    process.files.host(fd),
    writable(process, buffer, size),
    size,
    flags,
    writable(process, address, ADDRESS_LIMIT),
    writableStructure(process, addressLength, 4),
  );
}

function recv(process: LinuxProcess, fd: number, buffer: number, length: number, flags: number): number {
  return recvfrom(process, fd, buffer, length, flags, 0, 0);
}

function shutdown(process: LinuxProcess, fd: number, how: number): number {
  return syscall(Host.shutdown, process.files.host(fd), how);
}

function isTimeout(level: number, name: number): boolean {
  return level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO);
}

function setsockopt(
  process: LinuxProcess,
  fd: number,
  level: number,
  name: number,
  value: number,
  length: number,
): number {
  const host = process.files.host(fd);
  if (host < 0) return -Errno.EBADF;
  if (isTimeout(level, name)) {
    if (length >>> 0 < structures.timeval.i386.size) return -Errno.EINVAL;
    const offset = readStructure(process, structures.timeval, value);
    return syscall(Host.setsockopt, host, level, name, scratch.address + offset, structures.timeval.host.size);
  }
  if (level === SOL_SOCKET && (name === SO_ATTACH_FILTER || name === SO_ATTACH_REUSEPORT_CBPF)) {
    // `struct sock_fprog`: a count and a pointer.
    const offset = scratch.allocate(16);
    scratch.view.setBigUint64(offset, BigInt(process.memory.readU16(value)), true);
    const filter = readable(process, process.memory.readU32(value + 4));
    scratch.view.setBigUint64(offset + 8, BigInt(filter), true);
    return syscall(Host.setsockopt, host, level, name, scratch.address + offset, 16);
  }
  return syscall(Host.setsockopt, host, level, name, readable(process, value), length);
}

function getsockopt(
  process: LinuxProcess,
  fd: number,
  level: number,
  name: number,
  value: number,
  length: number,
): number {
  const host = process.files.host(fd);
  if (host < 0) return -Errno.EBADF;
  const { memory } = process;
  if (isTimeout(level, name)) {
    const { timeval } = structures;
    if (memory.readU32(length) < timeval.i386.size) return -Errno.EINVAL;
    const offset = scratch.allocate(timeval.host.size + 8);
    scratch.view.setInt32(offset + timeval.host.size, timeval.host.size, true);
    const lengthAddress = scratch.address + offset + timeval.host.size;
    const result = syscall(Host.getsockopt, host, level, name, scratch.address + offset, lengthAddress);
    if (result < 0) return result;
    writeStructure(process, timeval, offset, value);
    memory.writeU32(length, timeval.i386.size);
    return result;
  }
  const size = memory.readI32(length);
  return syscall(
    Host.getsockopt,
    host,
    level,
    name,
    writable(process, value, Math.max(size, 0)),
    writableStructure(process, length, 4),
  );
}

function recvmmsg(structure: 'timespec' | 'timespec64'): SyscallFunction {
  return (process, fd, vector, count, flags, timeout) => {
    let deadline: number | undefined;
    if (timeout !== 0) {
      const offset = readStructure(process, structures[structure], timeout);
      const seconds = Number(scratch.view.getBigInt64(offset, true));
      const nanoseconds = Number(scratch.view.getBigInt64(offset + 8, true));
      deadline = performance.now() + seconds * 1e3 + nanoseconds / 1e6;
    }
    return receiveMessages(process, fd, vector, count, flags, deadline);
  };
}

/** `socketcall`'s functions by number (uapi/linux/net.h) and how many arguments each takes. */
const calls: readonly (readonly [count: number, run: SyscallFunction] | undefined)[] = [
  undefined,
  [3, socket],
  [3, bind],
  [3, connect],
  [2, listen],
  [3, accept],
  [3, getsockname],
  [3, getpeername],
  [4, socketpair],
  [4, send],
  [4, recv],
  [6, sendto],
  [6, recvfrom],
  [2, shutdown],
  [5, setsockopt],
  [5, getsockopt],
  [3, sendMessage],
  [3, receiveMessage],
  [4, accept4],
  [5, recvmmsg('timespec')],
  [4, sendMessages],
];

function socketcall(process: LinuxProcess, call: number, address: number): number {
  const entry = call > 0 ? calls[call] : undefined;
  if (entry === undefined) return -Errno.EINVAL;
  const [count, run] = entry;
  const { memory } = process;
  memory.checkRead(address, count * 4);
  const at = address >>> 0;
  const word = (index: number): number => (index < count ? memory.view.getInt32(at + index * 4, true) : 0);
  return run(process, word(0), word(1), word(2), word(3), word(4), word(5));
}

export const socketCalls: readonly SyscallDeclaration[] = [
  declare('socketcall', ['enum:socketCall', 'pointer'], 'int', socketcall),
  declare('socket', ['enum:socketDomain', 'flags:socketType', 'int'], 'fd', socket),
  declare('socketpair', ['enum:socketDomain', 'flags:socketType', 'int', 'pair-out'], 'int', socketpair),
  declare('bind', ['fd', 'address-in', 'int'], 'int', bind),
  declare('connect', ['fd', 'address-in', 'int'], 'int', connect),
  declare('listen', ['fd', 'int'], 'int', listen),
  declare('accept4', ['fd', 'address-out', 'int-out', 'flags:socketFlags'], 'fd', accept4),
  declare('getsockname', ['fd', 'address-out', 'int-out'], 'int', getsockname),
  declare('getpeername', ['fd', 'address-out', 'int-out'], 'int', getpeername),
  declare('sendto', ['fd', 'bytes-in:2', 'unsigned', 'flags:messageFlags', 'address-in', 'int'], 'int', sendto),
  declare(
    'recvfrom',
    ['fd', 'bytes-result', 'unsigned', 'flags:messageFlags', 'address-out', 'int-out'],
    'int',
    recvfrom,
  ),
  declare('sendmsg', ['fd', 'message-in', 'flags:messageFlags'], 'int', sendMessage),
  declare('recvmsg', ['fd', 'message-out', 'flags:messageFlags'], 'int', receiveMessage),
  declare('sendmmsg', ['fd', 'pointer', 'unsigned', 'flags:messageFlags'], 'int', sendMessages),
  declare('recvmmsg', ['fd', 'pointer', 'unsigned', 'flags:messageFlags', 'in:timespec'], 'int', recvmmsg('timespec')),
  declare(
    'recvmmsg_time64',
    ['fd', 'pointer', 'unsigned', 'flags:messageFlags', 'in:timespec64'],
    'int',
    recvmmsg('timespec64'),
  ),
  declare('shutdown', ['fd', 'enum:shutdown'], 'int', shutdown),
  declare('setsockopt', ['fd', 'enum:socketLevel', 'enum:socketOption', 'pointer', 'int'], 'int', setsockopt),
  declare('getsockopt', ['fd', 'enum:socketLevel', 'enum:socketOption', 'pointer', 'int-out'], 'int', getsockopt),
];
