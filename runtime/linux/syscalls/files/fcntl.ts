/** `fcntl`: descriptor flags, owners, and record locks whose structure has 32-bit or 64-bit offsets. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { Structure } from '../../layout.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import { readStructure, writableStructure, writeStructure } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

const Command = {
  F_DUPFD: 0,
  F_GETLK: 5,
  F_SETLK: 6,
  F_SETLKW: 7,
  F_GETLK64: 12,
  F_SETLK64: 13,
  F_SETLKW64: 14,
  F_SETOWN_EX: 15,
  F_GETOWN_EX: 16,
  F_GETOWNER_UIDS: 17,
  F_OFD_GETLK: 36,
  F_OFD_SETLK: 37,
  F_OFD_SETLKW: 38,
  F_DUPFD_CLOEXEC: 1030,
  F_GET_RW_HINT: 1035,
  F_SET_FILE_RW_HINT: 1038,
} as const;

/** The host has only the 64-bit commands, under the numbers that are 32-bit ones here. */
const hostLockCommand = new Map<number, number>([
  [Command.F_GETLK, Command.F_GETLK],
  [Command.F_SETLK, Command.F_SETLK],
  [Command.F_SETLKW, Command.F_SETLKW],
  [Command.F_GETLK64, Command.F_GETLK],
  [Command.F_SETLK64, Command.F_SETLK],
  [Command.F_SETLKW64, Command.F_SETLKW],
  [Command.F_OFD_GETLK, Command.F_OFD_GETLK],
  [Command.F_OFD_SETLK, Command.F_OFD_SETLK],
  [Command.F_OFD_SETLKW, Command.F_OFD_SETLKW],
]);

function lock(process: LinuxProcess, host: number, command: number, structure: Structure, address: number): number {
  const offset = readStructure(process, structure, address);
  const hostCommand = hostLockCommand.get(command)!;
  const result = process.signals.blockingSyscall(Host.fcntl, host, hostCommand, scratch.address + offset);
  const asks = hostCommand === Command.F_GETLK || hostCommand === Command.F_OFD_GETLK;
  if (result < 0 || !asks) return result;
  // A length that does not fit means "to the end" as 0 does (fs/fcntl.c, fixup_compat_flock).
  const length = structure.offset('host', 'l_len');
  if (structure === structures.flock && scratch.view.getBigInt64(offset + length, true) > 0x7fffffffn) {
    scratch.view.setBigInt64(offset + length, 0n, true);
  }
  return writeStructure(process, structure, offset, address) ? 0 : -Errno.EOVERFLOW;
}

function fcntl(process: LinuxProcess, fd: number, command: number, argument: number): number {
  const { files } = process;
  const host = files.host(fd);
  if (host < 0) return -Errno.EBADF;
  switch (command) {
    case Command.F_DUPFD:
      return files.duplicate(fd, argument, false);
    case Command.F_DUPFD_CLOEXEC:
      return files.duplicate(fd, argument, true);
    case Command.F_GETLK:
    case Command.F_SETLK:
    case Command.F_SETLKW:
      return lock(process, host, command, structures.flock, argument);
    case Command.F_SETOWN_EX:
    case Command.F_GETOWN_EX:
    case Command.F_GETOWNER_UIDS:
      return syscall(Host.fcntl, host, command, writableStructure(process, argument, 8));
    default:
      if (command >= Command.F_GET_RW_HINT && command <= Command.F_SET_FILE_RW_HINT) {
        return syscall(Host.fcntl, host, command, writableStructure(process, argument, 8));
      }
      return syscall(Host.fcntl, host, command, argument);
  }
}

function fcntl64(process: LinuxProcess, fd: number, command: number, argument: number): number {
  const is64 = command >= Command.F_GETLK64 && command <= Command.F_SETLKW64;
  const isOfd = command >= Command.F_OFD_GETLK && command <= Command.F_OFD_SETLKW;
  if (!is64 && !isOfd) return fcntl(process, fd, command, argument);
  const host = process.files.host(fd);
  return host < 0 ? -Errno.EBADF : lock(process, host, command, structures.flock64, argument);
}

/** The old call does not know the 64-bit commands, which mean something else to the host. */
function fcntl32(process: LinuxProcess, fd: number, command: number, argument: number): number {
  const is64 = command >= Command.F_GETLK64 && command <= Command.F_SETLKW64;
  const isOfd = command >= Command.F_OFD_GETLK && command <= Command.F_OFD_SETLKW;
  return is64 || isOfd ? -Errno.EINVAL : fcntl(process, fd, command, argument);
}

export const fcntlCalls: readonly SyscallDeclaration[] = [
  declare('fcntl', ['fd', 'enum:fcntl', 'fcntl-argument'], 'int', fcntl32),
  declare('fcntl64', ['fd', 'enum:fcntl', 'fcntl-argument'], 'int', fcntl64),
];
