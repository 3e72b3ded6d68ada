/** Moving bytes between descriptors inside the kernel: sendfile, splice, tee, copy_file_range. */
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { hostVector, writableStructure } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

/** The position is `off_t` of 32 bits. */
function sendfile(process: LinuxProcess, out: number, input: number, position: number, count: number): number {
  const { files, memory } = process;
  if (position === 0)
    return process.signals.blockingSyscall(Host.sendfile, files.host(out), files.host(input), 0, count >>> 0);
  const offset = scratch.allocate(8);
  scratch.view.setBigInt64(offset, BigInt(memory.readI32(position)), true);
  memory.checkWrite(position, 4);
  const result = process.signals.blockingSyscall(
    Host.sendfile,
    files.host(out),
    files.host(input),
    scratch.address + offset,
    count >>> 0,
  );
  if (scratch.view.getBigInt64(offset, true) > 0x7fffffffn) return -Errno.EOVERFLOW;
  memory.writeU32(position, scratch.view.getInt32(offset, true));
  return result;
}

function sendfile64(process: LinuxProcess, out: number, input: number, position: number, count: number): number {
  const { files } = process;
  const target = writableStructure(process, position, 8);
  return process.signals.blockingSyscall(Host.sendfile, files.host(out), files.host(input), target, count >>> 0);
}

function between(number: number): SyscallDeclaration['run'] {
  return (process, input, inPosition, out, outPosition, count, flags) => {
    const { files } = process;
    const from = writableStructure(process, inPosition, 8);
    const to = writableStructure(process, outPosition, 8);
    return process.signals.blockingSyscall(number, files.host(input), from, files.host(out), to, count >>> 0, flags);
  };
}

export const transferCalls: readonly SyscallDeclaration[] = [
  declare('sendfile', ['fd', 'fd', 'int-in', 'unsigned'], 'int', sendfile),
  declare('sendfile64', ['fd', 'fd', 'int64-inout', 'unsigned'], 'int', sendfile64),
  declare(
    'copy_file_range',
    ['fd', 'int64-inout', 'fd', 'int64-inout', 'unsigned', 'hex'],
    'int',
    between(Host.copy_file_range),
  ),
  declare(
    'splice',
    ['fd', 'int64-inout', 'fd', 'int64-inout', 'unsigned', 'flags:splice'],
    'int',
    between(Host.splice),
  ),
  declare('tee', ['fd', 'fd', 'unsigned', 'flags:splice'], 'int', (process, input, out, count, flags) =>
    process.signals.blockingSyscall(Host.tee, process.files.host(input), process.files.host(out), count >>> 0, flags),
  ),
  declare('vmsplice', ['fd', 'iovec-in', 'unsigned', 'flags:splice'], 'int', (process, fd, vector, count, flags) =>
    process.signals.blockingSyscall(
      Host.vmsplice,
      process.files.host(fd),
      hostVector(process, vector, count, true),
      count >>> 0,
      flags,
    ),
  ),
];
