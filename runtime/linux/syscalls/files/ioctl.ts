/**
 * `ioctl`: terminals, descriptors, cloning of file contents. Requests that are not listed answer ENOTTY: their argument's form is
 * unknown, and a pointer must not reach the host unconverted.
 */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { writableStructure } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

/** How a request's third argument travels. Structures in this list are the same for 32 and 64 bits. */
type Argument =
  /** The number itself. */
  | 'value'
  /** Bytes that the kernel reads or writes; how many. */
  | { readonly bytes: number };

const int: Argument = { bytes: 4 };
const termios: Argument = { bytes: 36 };
const termio: Argument = { bytes: 18 };
const winsize: Argument = { bytes: 8 };
/** `struct termios2`: termios and two speeds. */
const termios2: Argument = { bytes: 44 };
const none: Argument = 'value';

const requests = new Map<number, Argument>([
  [0x5401, termios], // TCGETS
  [0x5402, termios], // TCSETS
  [0x5403, termios], // TCSETSW
  [0x5404, termios], // TCSETSF
  [0x5405, termio], // TCGETA
  [0x5406, termio], // TCSETA
  [0x5407, termio], // TCSETAW
  [0x5408, termio], // TCSETAF
  [0x5409, none], // TCSBRK
  [0x540a, none], // TCXONC
  [0x540b, none], // TCFLSH
  [0x540c, none], // TIOCEXCL
  [0x540d, none], // TIOCNXCL
  [0x540e, none], // TIOCSCTTY
  [0x540f, int], // TIOCGPGRP
  [0x5410, int], // TIOCSPGRP
  [0x5411, int], // TIOCOUTQ
  [0x5412, { bytes: 1 }], // TIOCSTI
  [0x5413, winsize], // TIOCGWINSZ
  [0x5414, winsize], // TIOCSWINSZ
  [0x5415, int], // TIOCMGET
  [0x5416, int], // TIOCMBIS
  [0x5417, int], // TIOCMBIC
  [0x5418, int], // TIOCMSET
  [0x5419, int], // TIOCGSOFTCAR
  [0x541a, int], // TIOCSSOFTCAR
  [0x541b, int], // FIONREAD
  [0x541d, none], // TIOCCONS
  [0x5420, int], // TIOCPKT
  [0x5421, int], // FIONBIO
  [0x5422, none], // TIOCNOTTY
  [0x5423, int], // TIOCSETD
  [0x5424, int], // TIOCGETD
  [0x5425, none], // TCSBRKP
  [0x5427, none], // TIOCSBRK
  [0x5428, none], // TIOCCBRK
  [0x5429, int], // TIOCGSID
  [0x802c542a, termios2], // TCGETS2
  [0x402c542b, termios2], // TCSETS2
  [0x402c542c, termios2], // TCSETSW2
  [0x402c542d, termios2], // TCSETSF2
  [0x80045430, int], // TIOCGPTN
  [0x40045431, int], // TIOCSPTLCK
  [0x80045432, int], // TIOCGDEV
  [0x40045436, none], // TIOCSIG
  [0x5437, none], // TIOCVHANGUP
  [0x80045438, int], // TIOCGPKT
  [0x80045439, int], // TIOCGPTLCK
  [0x80045440, int], // TIOCGEXCL
  [0x5450, none], // FIONCLEX
  [0x5451, none], // FIOCLEX
  [0x5452, int], // FIOASYNC
  [0x5456, termios], // TIOCGLCKTRMIOS
  [0x5457, termios], // TIOCSLCKTRMIOS
  [0x5460, { bytes: 8 }], // FIOQSIZE
  [0x8901, int], // FIOSETOWN
  [0x8902, int], // SIOCSPGRP
  [0x8903, int], // FIOGETOWN
  [0x8904, int], // SIOCGPGRP
  [0x8905, int], // SIOCATMARK
  [0x4b33, { bytes: 1 }], // KDGKBTYPE
  [0x4b3b, int], // KDGETMODE
  [0x4b44, int], // KDGKBMODE
  [0x125e, int], // BLKROGET
  [0x1260, int], // BLKGETSIZE
  [0x1268, int], // BLKSSZGET
  [0x127b, int], // BLKPBSZGET
  [0x80081272, { bytes: 8 }], // BLKGETSIZE64 by its 64-bit number
]);

/** Requests whose number holds the size of `long`, and is another one for the host. */
const renumbered = new Map<number, { host: number; argument: Argument }>([
  [0x80041272, { host: 0x80081272, argument: { bytes: 8 } }], // BLKGETSIZE64
  [0x80046601, { host: 0x80086601, argument: int }], // FS_IOC_GETFLAGS
  [0x40046602, { host: 0x40086602, argument: int }], // FS_IOC_SETFLAGS
  [0x80047601, { host: 0x80087601, argument: int }], // FS_IOC_GETVERSION
]);

const BLKGETSIZE = 0x1260;
const TIOCGPTPEER = 0x5441;
const FICLONE = 0x40049409;
const FICLONERANGE = 0x4020940d;
const NS_REQUESTS = 0xb7;
const SIOCGIFCONF = 0x8912;
const IFREQ_SIZE = 32;
const HOST_IFREQ_SIZE = 40;

function ioctl(process: LinuxProcess, fd: number, request: number, argument: number): number {
  const { files } = process;
  const host = files.host(fd);
  if (host < 0) return -Errno.EBADF;
  const number = request >>> 0;
  switch (number) {
    case TIOCGPTPEER:
      return files.install(syscall(Host.ioctl, host, number, argument));
    case FICLONE:
      return syscall(Host.ioctl, host, number, files.host(argument));
    case FICLONERANGE: {
      // `struct file_clone_range`: the source descriptor first, in 64 bits.
      const offset = scratch.allocate(32);
      scratch.u8.set(process.memory.read(argument, 32), offset);
      scratch.view.setBigInt64(offset, BigInt(files.host(scratch.view.getInt32(offset, true))), true);
      return syscall(Host.ioctl, host, number, scratch.address + offset);
    }
    case BLKGETSIZE: {
      // An `unsigned long` of the host's size comes back.
      const offset = scratch.allocate(8);
      const result = syscall(Host.ioctl, host, number, scratch.address + offset);
      if (result < 0) return result;
      if (scratch.view.getUint32(offset + 4, true) !== 0) return -Errno.EFBIG;
      process.memory.writeU32(argument, scratch.view.getUint32(offset, true));
      return result;
    }
  }
  const other = renumbered.get(number);
  const kind = other?.argument ?? requests.get(number);
  if (kind === undefined) return interfaceRequest(process, host, number, argument);
  const passed = kind === 'value' ? argument : writableStructure(process, argument, kind.bytes);
  return syscall(Host.ioctl, host, other?.host ?? number, passed);
}

/** `struct ifreq` is 32 bytes here and 40 on the host; names, flags, addresses and numbers lie in its first 32. */
function interfaceRequest(process: LinuxProcess, host: number, number: number, argument: number): number {
  if (number === SIOCGIFCONF) return interfaceList(process, host, argument);
  const isInterface = number >= 0x8910 && number <= 0x8943 && number !== 0x8912;
  if (isInterface) {
    process.memory.checkWrite(argument, 32);
    const offset = scratch.allocate(40);
    scratch.u8.fill(0, offset, offset + 40);
    scratch.u8.set(process.memory.read(argument, 32), offset);
    const result = syscall(Host.ioctl, host, number, scratch.address + offset);
    if (result >= 0) process.memory.write(argument, scratch.u8.subarray(offset, offset + 32));
    return result;
  }
  if (number >>> 8 === NS_REQUESTS) return process.files.install(syscall(Host.ioctl, host, number, argument));
  return -Errno.ENOTTY;
}

/** `struct ifconf`: a length and a pointer to `struct ifreq`s, which come one by one from the host's longer ones. */
function interfaceList(process: LinuxProcess, host: number, argument: number): number {
  const { memory } = process;
  memory.checkWrite(argument, 8);
  const list = memory.readU32(argument + 4);
  const room = list === 0 ? 0 : Math.max(Math.min(memory.readI32(argument), 1 << 14), 0);
  const count = Math.floor(room / IFREQ_SIZE);
  const offset = scratch.allocate(16 + count * HOST_IFREQ_SIZE);
  scratch.view.setInt32(offset, count * HOST_IFREQ_SIZE, true);
  scratch.view.setBigUint64(offset + 8, list === 0 ? 0n : BigInt(scratch.address + offset + 16), true);
  const result = syscall(Host.ioctl, host, SIOCGIFCONF, scratch.address + offset);
  if (result < 0) return result;
  const found = scratch.view.getInt32(offset, true) / HOST_IFREQ_SIZE;
  for (let index = 0; list !== 0 && index < found; index++) {
    const at = offset + 16 + index * HOST_IFREQ_SIZE;
    memory.write(list + index * IFREQ_SIZE, scratch.u8.slice(at, at + IFREQ_SIZE));
  }
  memory.writeU32(argument, found * IFREQ_SIZE);
  return result;
}

export const ioctlCalls: readonly SyscallDeclaration[] = [
  declare('ioctl', ['fd', 'enum:ioctl', 'ioctl-argument'], 'int', ioctl),
];
