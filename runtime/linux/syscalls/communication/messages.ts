/**
 * `sendmsg` and `recvmsg`: the header, the vector and the control messages have other sizes and alignment for 64 bits, and
 * descriptors sent in control messages are the guest's on one side and the host's on the other.
 */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { SyscallFailure } from '../../failure.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import { hostVector, readable, writable } from '../access.js';

const { msghdr } = structures;
const GUEST_HEADER = structures.cmsghdr.i386.size;
const HOST_HEADER = structures.cmsghdr.host.size;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 8;
const MSG_DONTWAIT = 0x40;
const MSG_WAITFORONE = 0x10000;
/** Marks 32-bit callers inside the kernel; a caller that sets it gets EINVAL. */
const MSG_CMSG_COMPAT = 0x80000000;
/** Most control bytes of one message (net.core.optmem_max is far less). */
const CONTROL_LIMIT = 1 << 16;
/** `struct mmsghdr` of the guest: msghdr and the length. */
const MULTIPLE_SIZE = msghdr.i386.size + 4;
const UIO_MAXIOV = 1024;

/** Socket-level control messages that carry times: what one element is, and how many there are. */
const TIME_MESSAGES = new Map<number, { structure: Structure; count: number }>([
  [29, { structure: structures.timeval, count: 1 }], // SO_TIMESTAMP_OLD
  [35, { structure: structures.timespec, count: 1 }], // SO_TIMESTAMPNS_OLD
  [37, { structure: structures.timespec, count: 3 }], // SO_TIMESTAMPING_OLD
]);

const alignTo = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

interface GuestHeader {
  readonly name: number;
  readonly nameLength: number;
  readonly vector: number;
  readonly vectorLength: number;
  readonly control: number;
  readonly controlLength: number;
}

function readHeader(process: LinuxProcess, address: number): GuestHeader {
  process.memory.checkRead(address, msghdr.i386.size);
  const values = msghdr.read(process.memory.view, address >>> 0) as Record<string, number>;
  if (values['msg_namelen']! < 0) throw new SyscallFailure(Errno.EINVAL);
  return {
    name: values['msg_name']!,
    nameLength: Math.min(values['msg_namelen']!, 128),
    vector: values['msg_iov']!,
    vectorLength: values['msg_iovlen']!,
    control: values['msg_control']!,
    controlLength: values['msg_controllen']!,
  };
}

/** Scratch offset of a host header. */
function writeHeader(
  process: LinuxProcess,
  header: GuestHeader,
  control: number,
  controlLength: number,
  receives: boolean,
): number {
  if (header.vectorLength > UIO_MAXIOV) throw new SyscallFailure(Errno.EMSGSIZE);
  const offset = scratch.allocate(msghdr.host.size);
  const { view } = scratch;
  const name = receives ? writable(process, header.name, header.nameLength) : readable(process, header.name);
  const vector = hostVector(process, header.vector, header.vectorLength, receives);
  view.setBigUint64(offset, BigInt(name), true);
  view.setBigUint64(offset + 8, BigInt(header.nameLength), true);
  view.setBigUint64(offset + 16, BigInt(vector), true);
  view.setBigUint64(offset + 24, BigInt(header.vectorLength), true);
  view.setBigUint64(offset + 32, BigInt(control), true);
  view.setBigUint64(offset + 40, BigInt(controlLength), true);
  view.setBigUint64(offset + 48, 0n, true);
  return offset;
}

/** The guest's control messages in the host's form: scratch offset and length. */
function controlToHost(process: LinuxProcess, address: number, length: number): { offset: number; length: number } {
  if (length > CONTROL_LIMIT) throw new SyscallFailure(Errno.ENOBUFS);
  const bytes = process.memory.read(address, length);
  const guest = new DataView(bytes.buffer);
  // A message grows by at most its header's and its padding's growth.
  const offset = scratch.allocate(length * 2 + HOST_HEADER);
  const { view, u8 } = scratch;
  let to = offset;
  for (let from = 0; from + GUEST_HEADER <= length;) {
    const size = guest.getUint32(from, true);
    if (size < GUEST_HEADER || size > length - from) throw new SyscallFailure(Errno.EINVAL);
    const dataLength = size - GUEST_HEADER;
    const level = guest.getInt32(from + 4, true);
    const type = guest.getInt32(from + 8, true);
    u8.fill(0, to, to + alignTo(HOST_HEADER + dataLength, 8));
    view.setBigUint64(to, BigInt(HOST_HEADER + dataLength), true);
    view.setInt32(to + 8, level, true);
    view.setInt32(to + 12, type, true);
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      for (let at = 0; at + 4 <= dataLength; at += 4) {
        const fd = process.files.host(guest.getInt32(from + GUEST_HEADER + at, true));
        if (fd < 0) throw new SyscallFailure(Errno.EBADF);
        view.setInt32(to + HOST_HEADER + at, fd, true);
      }
    } else {
      u8.set(bytes.subarray(from + GUEST_HEADER, from + size), to + HOST_HEADER);
    }
    to += alignTo(HOST_HEADER + dataLength, 8);
    from += alignTo(size, 4);
  }
  return { offset, length: to - offset };
}

/** Writes the host's control messages in the guest's form; bytes written and whether something had to be left out. */
function controlToGuest(
  process: LinuxProcess,
  offset: number,
  length: number,
  address: number,
  room: number,
): { length: number; truncated: boolean } {
  const { view, u8 } = scratch;
  const { memory } = process;
  let to = 0;
  let truncated = false;
  for (let from = offset; from + HOST_HEADER <= offset + length;) {
    const size = Number(view.getBigUint64(from, true));
    if (size < HOST_HEADER) break;
    const level = view.getInt32(from + 8, true);
    const type = view.getInt32(from + 12, true);
    let data: Uint8Array = u8.slice(from + HOST_HEADER, from + size);
    from += alignTo(size, 8);
    const time = level === SOL_SOCKET ? TIME_MESSAGES.get(type) : undefined;
    if (time !== undefined) data = convertTimes(data, time.structure, time.count);
    const isRights = level === SOL_SOCKET && type === SCM_RIGHTS;
    const left = room - to - GUEST_HEADER;
    if (isRights) data = receiveDescriptors(process, data, left);
    if (left < 0 || (isRights && left < 4)) {
      truncated = true;
      continue;
    }
    const wanted = isRights ? Math.floor(left / 4) * 4 : left;
    if (data.length > wanted) truncated = true;
    const kept = data.subarray(0, wanted);
    memory.checkWrite(address + to, GUEST_HEADER + kept.length);
    memory.writeU32(address + to, GUEST_HEADER + kept.length);
    memory.writeU32(address + to + 4, level);
    memory.writeU32(address + to + 8, type);
    memory.write(address + to + GUEST_HEADER, kept);
    to = Math.min(to + alignTo(GUEST_HEADER + kept.length, 4), room);
  }
  return { length: to, truncated };
}

/** Host descriptors become the guest's; those for which there is no room are closed. The result is as long as the input. */
function receiveDescriptors(process: LinuxProcess, data: Uint8Array, room: number): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at + 4 <= data.length; at += 4) {
    const host = view.getInt32(at, true);
    if (at + 4 > room) syscall(Host.close, host);
    else view.setInt32(at, process.files.install(host), true);
  }
  return data;
}

function convertTimes(data: Uint8Array, structure: Structure, count: number): Uint8Array {
  if (data.length < count * structure.host.size) return data;
  const converted = new Uint8Array(count * structure.i386.size);
  const from = new DataView(data.buffer, data.byteOffset);
  const to = new DataView(converted.buffer);
  for (let index = 0; index < count; index++) {
    structure.toGuest(from, index * structure.host.size, to, index * structure.i386.size);
  }
  return converted;
}

export function sendMessage(process: LinuxProcess, fd: number, address: number, flags: number): number {
  if (flags & MSG_CMSG_COMPAT) return -Errno.EINVAL;
  const host = process.files.host(fd);
  if (host < 0) return -Errno.EBADF;
  const header = readHeader(process, address);
  let control = { offset: 0, length: 0 };
  if (header.control !== 0 && header.controlLength > 0) {
    control = controlToHost(process, header.control, header.controlLength);
  }
  const controlAddress = control.length > 0 ? scratch.address + control.offset : 0;
  const offset = writeHeader(process, header, controlAddress, control.length, false);
  return process.signals.blockingSyscall(Host.sendmsg, host, scratch.address + offset, flags);
}

export function receiveMessage(process: LinuxProcess, fd: number, address: number, flags: number): number {
  if (flags & MSG_CMSG_COMPAT) return -Errno.EINVAL;
  const host = process.files.host(fd);
  if (host < 0) return -Errno.EBADF;
  const header = readHeader(process, address);
  const room = header.control === 0 ? 0 : Math.min(header.controlLength, CONTROL_LIMIT);
  const capacity = room === 0 ? 0 : room * 2 + HOST_HEADER;
  const control = scratch.allocate(capacity + 16);
  const offset = writeHeader(process, header, capacity === 0 ? 0 : scratch.address + control, capacity, true);
  const result = process.signals.blockingSyscall(Host.recvmsg, host, scratch.address + offset, flags);
  if (result < 0) return result;
  const { view } = scratch;
  let messageFlags = view.getInt32(offset + msghdr.offset('host', 'msg_flags'), true);
  const received = Number(view.getBigUint64(offset + msghdr.offset('host', 'msg_controllen'), true));
  const written = controlToGuest(process, control, received, header.control, room);
  if (written.truncated) messageFlags |= MSG_CTRUNC;
  const { memory } = process;
  if (header.name !== 0) memory.writeU32(address + 4, view.getInt32(offset + 8, true));
  memory.writeU32(address + msghdr.offset('i386', 'msg_controllen'), written.length);
  memory.writeU32(address + msghdr.offset('i386', 'msg_flags'), messageFlags);
  return result;
}

/** `sendmmsg`: until one fails; an error counts only for the first. */
export function sendMessages(process: LinuxProcess, fd: number, vector: number, count: number, flags: number): number {
  const limit = Math.min(count >>> 0, UIO_MAXIOV);
  for (let index = 0; index < limit; index++) {
    const at = (vector >>> 0) + index * MULTIPLE_SIZE;
    const mark = scratch.mark();
    const result = sendMessage(process, fd, at, flags);
    scratch.release(mark);
    if (result < 0) return index > 0 ? index : result;
    process.memory.writeU32(at + msghdr.i386.size, result);
  }
  return limit;
}

/** `recvmmsg` without its timeout, which the kernel looks at only between two messages. */
export function receiveMessages(
  process: LinuxProcess,
  fd: number,
  vector: number,
  count: number,
  flags: number,
  deadline: number | undefined,
): number {
  const limit = Math.min(count >>> 0, UIO_MAXIOV);
  let wanted = flags & ~MSG_WAITFORONE;
  for (let index = 0; index < limit; index++) {
    const at = (vector >>> 0) + index * MULTIPLE_SIZE;
    const mark = scratch.mark();
    const result = receiveMessage(process, fd, at, wanted);
    scratch.release(mark);
    if (result < 0) return index > 0 ? index : result;
    process.memory.writeU32(at + msghdr.i386.size, result);
    if (flags & MSG_WAITFORONE) wanted |= MSG_DONTWAIT;
    if (deadline !== undefined && performance.now() >= deadline) return index + 1;
  }
  return limit;
}
