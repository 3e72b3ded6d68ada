/** System calls on the address space. What they do is `runtime/memory/mappings.ts`'s business; here are their arguments. */
import { PAGE_SIZE } from '../../../translator/pages.js';
import { syscall } from '../../host/libc.js';
import { Errno } from '../constants/errno.js';
import { Host } from '../constants/host-syscalls.js';
import { MapFlag } from '../constants/memory.js';
import type { LinuxProcess } from '../process.js';
import { hostVector } from './access.js';
import { declare, refuse, type SyscallDeclaration, type SyscallFunction } from './declare.js';

/** mmap2's offset counts pages of 4096 bytes whatever the page size. */
const MMAP2_UNIT = 4096;

function map(
  process: LinuxProcess,
  address: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  let hostFd = -1;
  if (!(flags & MapFlag.MAP_ANONYMOUS)) {
    hostFd = process.files.host(fd);
    if (hostFd < 0) return -Errno.EBADF;
  }
  const result = process.mappings.mmap(address, length >>> 0, protection, flags, hostFd, offset);
  return result | 0;
}

/**
 * Between a process's own addresses, as programs use it to look at memory that may not be there. What another guest's addresses mean
 * is known to that one's emulator alone.
 */
function processMemory(number: number, write: boolean): SyscallFunction {
  return (process, pid, local, localCount, remote, remoteCount, flags) => {
    if (pid !== process.pid && !process.threadIds().includes(pid)) return -Errno.EPERM;
    const here = hostVector(process, local, localCount, !write);
    const there = hostVector(process, remote, remoteCount, write);
    return syscall(number, pid, here, localCount, there, remoteCount, flags);
  };
}

export const memoryCalls: readonly SyscallDeclaration[] = [
  declare('mmap', ['pointer'], 'hex', (process, a) => {
    const word = (index: number): number => process.memory.readI32(a + index * 4);
    const offset = word(5) >>> 0;
    if (offset % PAGE_SIZE !== 0) return -Errno.EINVAL;
    return map(process, word(0), word(1), word(2), word(3), word(4), offset);
  }),
  declare(
    'mmap2',
    ['pointer', 'unsigned', 'flags:protection', 'flags:map', 'fd', 'hex'],
    'hex',
    (process, address, length, protection, flags, fd, page) =>
      map(process, address, length, protection, flags, fd, (page >>> 0) * MMAP2_UNIT),
  ),
  declare('munmap', ['pointer', 'unsigned'], 'int', (process, address, length) =>
    process.mappings.munmap(address, length >>> 0),
  ),
  declare('mprotect', ['pointer', 'unsigned', 'flags:protection'], 'int', (process, address, length, protection) =>
    process.mappings.mprotect(address, length >>> 0, protection),
  ),
  declare(
    'mremap',
    ['pointer', 'unsigned', 'unsigned', 'flags:remap', 'pointer'],
    'hex',
    (process, address, oldLength, newLength, flags, newAddress) =>
      process.mappings.mremap(address, oldLength >>> 0, newLength >>> 0, flags, newAddress) | 0,
  ),
  declare('madvise', ['pointer', 'unsigned', 'enum:advice'], 'int', (process, address, length, advice) =>
    process.mappings.madvise(address, length >>> 0, advice),
  ),
  declare('msync', ['pointer', 'unsigned', 'flags:sync'], 'int', (process, address, length, flags) =>
    process.mappings.msync(address, length >>> 0, flags),
  ),
  declare('mincore', ['pointer', 'unsigned', 'pointer'], 'int', (process, address, length, vector) =>
    process.mappings.mincore(address, length >>> 0, vector),
  ),
  declare('mlock', ['pointer', 'unsigned'], 'int', (process, address, length) =>
    process.mappings.lock(Host.mlock, address, length >>> 0),
  ),
  declare('mlock2', ['pointer', 'unsigned', 'hex'], 'int', (process, address, length, flags) =>
    process.mappings.lock(Host.mlock2, address, length >>> 0, flags),
  ),
  declare('munlock', ['pointer', 'unsigned'], 'int', (process, address, length) =>
    process.mappings.lock(Host.munlock, address, length >>> 0),
  ),
  // The host would lock Node and 4 GiB of reservations.
  declare('mlockall', ['hex'], 'int', (_process, flags) => (flags === 0 || flags & ~7 ? -Errno.EINVAL : 0)),
  declare('munlockall', [], 'int', () => 0),
  declare(
    'process_vm_readv',
    ['int', 'iovec-out', 'unsigned', 'iovec-in', 'unsigned', 'hex'],
    'int',
    processMemory(Host.process_vm_readv, false),
  ),
  declare(
    'process_vm_writev',
    ['int', 'iovec-in', 'unsigned', 'iovec-out', 'unsigned', 'hex'],
    'int',
    processMemory(Host.process_vm_writev, true),
  ),
  declare('brk', ['pointer'], 'hex', (process, address) => process.mappings.brk(address) | 0),
  refuse('remap_file_pages', Errno.ENOSYS, 'emulated by the kernel itself since Linux 4.0; programs fall back to mmap'),
  refuse('pkey_mprotect', Errno.ENOSYS, 'no protection keys on this processor'),
  refuse('pkey_alloc', Errno.ENOSYS, 'no protection keys on this processor'),
  refuse('pkey_free', Errno.ENOSYS, 'no protection keys on this processor'),
];
