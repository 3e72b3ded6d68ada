/** System V shared memory, semaphores and message queues, by the direct calls and by `ipc`, the only way on older kernels. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { MapFlag, Protection } from '../../constants/memory.js';
import { SyscallFailure } from '../../failure.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import { readable, readStructure, writable, writableStructure, writeStructure } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

/** Asks for the structures with 32-bit ids; it is what every C library since 1999 asks for, and always meant here. */
const IPC_64 = 0x100;
const Command = {
  IPC_RMID: 0,
  IPC_SET: 1,
  IPC_STAT: 2,
  IPC_INFO: 3,
  SEM_GETALL: 13,
  SEM_SETALL: 17,
  SEM_SETVAL: 16,
  MSG_STAT: 11,
  MSG_INFO: 12,
  MSG_STAT_ANY: 13,
  SHM_LOCK: 11,
  SHM_UNLOCK: 12,
  SHM_STAT: 13,
  SHM_INFO: 14,
  SHM_STAT_ANY: 15,
  SEM_STAT: 18,
  SEM_INFO: 19,
  SEM_STAT_ANY: 20,
} as const;
const SHM_RDONLY = 0o10000;
const SHM_REMAP = 0o40000;
const SHM_RND = 0o20000;
const PAGE_MASK = 4095;
/** `sizeof(struct sembuf)`, and of the ten ints of `seminfo` and the eight words of `msginfo`. */
const SEMBUF_SIZE = 6;
const SEMINFO_SIZE = 40;
const MSGINFO_SIZE = 32;
const SEMOPM = 500;
const MESSAGE_LIMIT = 1 << 19;

/** Sizes of attached segments by guest address. */
const attached = new WeakMap<LinuxProcess, Map<number, number>>();

function attachments(process: LinuxProcess): Map<number, number> {
  let map = attached.get(process);
  if (map === undefined) attached.set(process, (map = new Map<number, number>()));
  return map;
}

/** Runs a control command whose argument is a structure that goes in, comes out, or both. */
function control(
  process: LinuxProcess,
  structure: Structure,
  address: number,
  sets: boolean,
  call: (host: number) => number,
): number {
  const offset = sets ? readStructure(process, structure, address) : scratch.allocate(structure.host.size);
  const result = call(scratch.address + offset);
  if (result >= 0 && !sets && !writeStructure(process, structure, offset, address)) return -Errno.EOVERFLOW;
  return result;
}

function semctl(process: LinuxProcess, id: number, index: number, commandWord: number, argument: number): number {
  const command = commandWord & ~IPC_64;
  const call = (host: number): number => syscall(Host.semctl, id, index, command, host);
  switch (command) {
    case Command.IPC_STAT:
    case Command.SEM_STAT:
    case Command.SEM_STAT_ANY:
      return control(process, structures.semidDs, argument, false, call);
    case Command.IPC_SET:
      return control(process, structures.semidDs, argument, true, call);
    case Command.IPC_INFO:
    case Command.SEM_INFO:
      return call(writableStructure(process, argument, SEMINFO_SIZE));
    case Command.SEM_GETALL:
      return call(writable(process, argument, 2 * semaphoreCount(id)));
    case Command.SEM_SETALL:
      return call(readable(process, argument));
    default:
      return call(argument);
  }
}

/** How many semaphores a set has: what GETALL writes. */
function semaphoreCount(id: number): number {
  const offset = scratch.allocate(structures.semidDs.host.size);
  const result = syscall(Host.semctl, id, 0, Command.IPC_STAT, scratch.address + offset);
  if (result < 0) throw new SyscallFailure(-result);
  return Number(scratch.view.getBigUint64(offset + structures.semidDs.offset('host', 'sem_nsems'), true));
}

function semtimedop(structure: 'timespec' | 'timespec64' | undefined) {
  return (process: LinuxProcess, id: number, operations: number, count: number, timeout: number): number => {
    if (count >>> 0 > SEMOPM) return -Errno.E2BIG;
    process.memory.checkRead(operations, count * SEMBUF_SIZE);
    const host = readable(process, operations);
    const time =
      structure === undefined || timeout === 0
        ? 0
        : scratch.address + readStructure(process, structures[structure], timeout);
    return process.signals.blockingSyscall(Host.semtimedop, id, host, count, time);
  };
}
const semop = semtimedop(undefined);

/** A message is a `long` and its text. */
function msgsnd(process: LinuxProcess, id: number, message: number, size: number, flags: number): number {
  if (size < 0 || size > MESSAGE_LIMIT) return -Errno.EINVAL;
  const type = process.memory.readI32(message);
  const text = process.memory.read(message + 4, size);
  const offset = scratch.allocate(8 + size);
  scratch.view.setBigInt64(offset, BigInt(type), true);
  scratch.u8.set(text, offset + 8);
  return process.signals.blockingSyscall(Host.msgsnd, id, scratch.address + offset, size, flags);
}

function msgrcv(process: LinuxProcess, id: number, message: number, size: number, type: number, flags: number): number {
  if (size < 0) return -Errno.EINVAL;
  const room = Math.min(size, MESSAGE_LIMIT);
  const offset = scratch.allocate(8 + room);
  const result = process.signals.blockingSyscall(Host.msgrcv, id, scratch.address + offset, room, type, flags);
  if (result < 0) return result;
  process.memory.writeU32(message, scratch.view.getInt32(offset, true));
  process.memory.write(message + 4, scratch.u8.subarray(offset + 8, offset + 8 + result));
  return result;
}

function msgctl(process: LinuxProcess, id: number, commandWord: number, address: number): number {
  const command = commandWord & ~IPC_64;
  const call = (host: number): number => syscall(Host.msgctl, id, command, host);
  switch (command) {
    case Command.IPC_STAT:
    case Command.MSG_STAT:
    case Command.MSG_STAT_ANY:
      return control(process, structures.msqidDs, address, false, call);
    case Command.IPC_SET:
      return control(process, structures.msqidDs, address, true, call);
    case Command.IPC_INFO:
    case Command.MSG_INFO:
      return call(writableStructure(process, address, MSGINFO_SIZE));
    default:
      return call(0);
  }
}

/**
 * A segment is attached over pages that the guest's own mapping call has found and set up, so that its address space knows them; unmapping
 * those pages detaches it.
 */
function shmat(process: LinuxProcess, id: number, address: number, flags: number): number {
  const offset = scratch.allocate(structures.shmidDs.host.size);
  const stat = syscall(Host.shmctl, id, Command.IPC_STAT, scratch.address + offset);
  if (stat < 0) return stat;
  const bytes = Number(scratch.view.getBigUint64(offset + structures.shmidDs.offset('host', 'shm_segsz'), true));
  const size = (bytes + PAGE_MASK) & ~PAGE_MASK;
  let wanted = address >>> 0;
  if (wanted & PAGE_MASK) {
    if ((flags & SHM_RND) === 0) return -Errno.EINVAL;
    wanted &= ~PAGE_MASK;
  }
  const protection = Protection.PROT_READ | (flags & SHM_RDONLY ? 0 : Protection.PROT_WRITE);
  const place = wanted === 0 ? 0 : flags & SHM_REMAP ? MapFlag.MAP_FIXED : MapFlag.MAP_FIXED_NOREPLACE;
  const mapped = process.mappings.mmap(
    wanted,
    size,
    protection,
    MapFlag.MAP_SHARED | MapFlag.MAP_ANONYMOUS | place,
    -1,
    0,
  );
  if (mapped < 0 && mapped > -4096) return mapped === -Errno.EEXIST ? -Errno.EINVAL : mapped;
  const at = mapped >>> 0;
  const result = syscall(Host.shmat, id, process.hostBase + at, (flags & SHM_RDONLY) | SHM_REMAP);
  if (result < 0) {
    process.mappings.munmap(at, size);
    return result;
  }
  attachments(process).set(at, size);
  return at | 0;
}

function shmdt(process: LinuxProcess, address: number): number {
  const size = attachments(process).get(address >>> 0);
  if (size === undefined) return -Errno.EINVAL;
  attachments(process).delete(address >>> 0);
  return process.mappings.munmap(address >>> 0, size);
}

function shmctl(process: LinuxProcess, id: number, commandWord: number, address: number): number {
  const command = commandWord & ~IPC_64;
  const call = (host: number): number => syscall(Host.shmctl, id, command, host);
  switch (command) {
    case Command.IPC_STAT:
    case Command.SHM_STAT:
    case Command.SHM_STAT_ANY:
      return control(process, structures.shmidDs, address, false, call);
    case Command.IPC_SET:
      return control(process, structures.shmidDs, address, true, call);
    case Command.IPC_INFO:
      return shmInfo(process, address, call);
    case Command.SHM_INFO:
      return control(process, structures.shmInfo, address, false, call);
    default:
      return call(0);
  }
}

/** Limits beyond 32 bits show as the largest that fits (ipc/shm.c, compat). */
function shmInfo(process: LinuxProcess, address: number, call: (host: number) => number): number {
  const { shminfo } = structures;
  const offset = scratch.allocate(shminfo.host.size);
  const result = call(scratch.address + offset);
  if (result < 0) return result;
  for (const field of shminfo.host.fields) {
    const at = offset + field.offset;
    if (scratch.view.getBigUint64(at, true) > 0x7fffffffn) scratch.view.setBigUint64(at, 0x7fffffffn, true);
  }
  writeStructure(process, shminfo, offset, address);
  return result;
}

function get(number: number) {
  return (_process: LinuxProcess, a: number, b: number, c: number): number => syscall(number, a, b, c);
}

/** The old multiplexer: its first argument's upper half is a version (arch/x86: ipc/syscall.c, compat_ksys_ipc). */
function ipc(
  process: LinuxProcess,
  call: number,
  first: number,
  second: number,
  third: number,
  address: number,
  fifth: number,
): number {
  const version = call >>> 16;
  const { memory } = process;
  switch (call & 0xffff) {
    case 1:
      return semop(process, first, address, second, 0);
    case 2:
      return syscall(Host.semget, first, second, third);
    case 3:
      return semctl(process, first, second, third, memory.readI32(address));
    case 4:
      return semtimedop('timespec')(process, first, address, second, fifth);
    case 11:
      return msgsnd(process, first, address, second, third);
    case 12:
      if (version !== 0) return msgrcv(process, first, address, second, fifth, third);
      return msgrcv(process, first, memory.readI32(address), second, memory.readI32(address + 4), third);
    case 13:
      return syscall(Host.msgget, first, second);
    case 14:
      return msgctl(process, first, second, address);
    case 21: {
      if (version === 1) return -Errno.EINVAL;
      memory.checkWrite(third, 4);
      const at = shmat(process, first, address, second);
      if (at < 0 && at > -4096) return at;
      memory.writeU32(third, at);
      return 0;
    }
    case 22:
      return shmdt(process, address);
    case 23:
      return syscall(Host.shmget, first, second >>> 0, third);
    case 24:
      return shmctl(process, first, second, address);
    default:
      return -Errno.ENOSYS;
  }
}

export const ipcCalls: readonly SyscallDeclaration[] = [
  declare('ipc', ['enum:ipcCall', 'int', 'int', 'int', 'pointer', 'int'], 'int', ipc, 'fail'),
  declare('semget', ['hex', 'int', 'octal'], 'int', get(Host.semget)),
  declare('semctl', ['int', 'int', 'int', 'hex'], 'int', semctl),
  declare(
    'semtimedop_time64',
    ['int', 'pointer', 'unsigned', 'in:timespec64'],
    'int',
    semtimedop('timespec64'),
    'fail',
  ),
  declare('msgget', ['hex', 'octal'], 'int', get(Host.msgget)),
  declare('msgsnd', ['int', 'pointer', 'unsigned', 'hex'], 'int', msgsnd, 'fail'),
  declare('msgrcv', ['int', 'pointer', 'unsigned', 'int', 'hex'], 'int', msgrcv, 'fail'),
  declare('msgctl', ['int', 'int', 'pointer'], 'int', msgctl),
  declare('shmget', ['hex', 'unsigned', 'octal'], 'int', (_process, key, size, flags) =>
    syscall(Host.shmget, key, size >>> 0, flags),
  ),
  declare('shmat', ['int', 'pointer', 'octal'], 'hex', shmat),
  declare('shmdt', ['pointer'], 'int', shmdt),
  declare('shmctl', ['int', 'int', 'pointer'], 'int', shmctl),
];
