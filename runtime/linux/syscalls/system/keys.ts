/** The kernel's key management: keys are the host's, of the same user; only pointers are to be turned into the host's. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { clampLength, readable, writable } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

const LONGEST_TEXT = 4096;

/** What `keyctl`'s arguments are: a number, a string, bytes that are read or written, as many as the next argument says. */
type Kind = 'number' | 'string' | 'in' | 'out';

/** Arguments of `keyctl` by its operation (uapi/linux/keyctl.h); what is not here answers EOPNOTSUPP, as in a kernel built without. */
const OPERATIONS: Readonly<Record<number, readonly Kind[]>> = {
  /* GET_KEYRING_ID */ 0: ['number', 'number'],
  /* JOIN_SESSION_KEYRING */ 1: ['string'],
  /* UPDATE */ 2: ['number', 'in', 'number'],
  /* REVOKE */ 3: ['number'],
  /* CHOWN */ 4: ['number', 'number', 'number'],
  /* SETPERM */ 5: ['number', 'number'],
  /* DESCRIBE */ 6: ['number', 'out', 'number'],
  /* CLEAR */ 7: ['number'],
  /* LINK */ 8: ['number', 'number'],
  /* UNLINK */ 9: ['number', 'number'],
  /* SEARCH */ 10: ['number', 'string', 'string', 'number'],
  /* READ */ 11: ['number', 'out', 'number'],
  /* INSTANTIATE */ 12: ['number', 'in', 'number', 'number'],
  /* NEGATE */ 13: ['number', 'number', 'number'],
  /* SET_REQKEY_KEYRING */ 14: ['number'],
  /* SET_TIMEOUT */ 15: ['number', 'number'],
  /* ASSUME_AUTHORITY */ 16: ['number'],
  /* GET_SECURITY */ 17: ['number', 'out', 'number'],
  /* REJECT */ 19: ['number', 'number', 'number', 'number'],
  /* INVALIDATE */ 21: ['number'],
  /* GET_PERSISTENT */ 22: ['number', 'number'],
  /* RESTRICT_KEYRING */ 29: ['number', 'string', 'string'],
  /* MOVE */ 30: ['number', 'number', 'number', 'number'],
  /* CAPABILITIES */ 31: ['out', 'number'],
};

function text(process: LinuxProcess, address: number): number {
  return address === 0 ? 0 : scratch.cString(process.memory.readCString(address, LONGEST_TEXT));
}

function keyctl(process: LinuxProcess, operation: number, ...values: number[]): number {
  const kinds = OPERATIONS[operation >>> 0];
  if (!kinds) return -Errno.EOPNOTSUPP;
  const host = kinds.map((kind, index) => {
    const value = values[index]!;
    switch (kind) {
      case 'number':
        return value;
      case 'string':
        return text(process, value);
      case 'in':
        return readable(process, value);
      case 'out':
        return writable(process, value, clampLength(value, values[index + 1]!));
    }
  });
  return syscall(Host.keyctl, operation, ...host);
}

export const keyCalls: readonly SyscallDeclaration[] = [
  declare(
    'add_key',
    ['string', 'string', 'pointer', 'unsigned', 'int'],
    'int',
    (process, type, description, payload, length, ring) => {
      const [hostType, hostDescription] = [text(process, type), text(process, description)];
      return syscall(Host.add_key, hostType, hostDescription, readable(process, payload), length >>> 0, ring);
    },
  ),
  declare('request_key', ['string', 'string', 'string', 'int'], 'int', (process, type, description, callout, ring) =>
    process.signals.blockingSyscall(
      Host.request_key,
      text(process, type),
      text(process, description),
      text(process, callout),
      ring,
    ),
  ),
  declare('keyctl', ['int', 'hex', 'hex', 'hex', 'hex'], 'int', keyctl),
];
