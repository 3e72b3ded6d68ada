/** Extended attributes of files. */
import { syscall } from '../../../host/libc.js';
import { Host } from '../../constants/host-syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { clampLength, hostPath, readable, writable } from '../access.js';
import { declare, type ArgumentKind, type SyscallDeclaration } from '../declare.js';

/** What the first argument names: a path, a path whose last link is not followed, or a descriptor. */
type Target = 'path' | 'link' | 'fd';

const firstArgument: Record<Target, ArgumentKind> = { path: 'path', link: 'path', fd: 'fd' };

function target(process: LinuxProcess, kind: Target, argument: number): number {
  return kind === 'fd' ? process.files.host(argument) : hostPath(process, argument, kind === 'path');
}

function attributeName(process: LinuxProcess, address: number): number {
  return scratch.cString(process.memory.readCString(address, 4096));
}

function get(number: number, kind: Target): SyscallDeclaration['run'] {
  return (process, what, name, value, size) => {
    const length = clampLength(value, size);
    const host = target(process, kind, what);
    return syscall(number, host, attributeName(process, name), writable(process, value, length), size >>> 0);
  };
}

function set(number: number, kind: Target): SyscallDeclaration['run'] {
  return (process, what, name, value, size, flags) =>
    syscall(
      number,
      target(process, kind, what),
      attributeName(process, name),
      readable(process, value),
      size >>> 0,
      flags,
    );
}

function list(number: number, kind: Target): SyscallDeclaration['run'] {
  return (process, what, buffer, size) =>
    syscall(number, target(process, kind, what), writable(process, buffer, size), size >>> 0);
}

function remove(number: number, kind: Target): SyscallDeclaration['run'] {
  return (process, what, name) => syscall(number, target(process, kind, what), attributeName(process, name));
}

function family(prefix: '' | 'l' | 'f', kind: Target): SyscallDeclaration[] {
  const first = firstArgument[kind];
  return [
    declare(
      `${prefix}setxattr`,
      [first, 'string', 'bytes-in:3', 'unsigned', 'flags:xattr'],
      'int',
      set(Host[`${prefix}setxattr`], kind),
    ),
    declare(
      `${prefix}getxattr`,
      [first, 'string', 'bytes-result', 'unsigned'],
      'int',
      get(Host[`${prefix}getxattr`], kind),
    ),
    declare(`${prefix}listxattr`, [first, 'bytes-result', 'unsigned'], 'int', list(Host[`${prefix}listxattr`], kind)),
    declare(`${prefix}removexattr`, [first, 'string'], 'int', remove(Host[`${prefix}removexattr`], kind)),
  ];
}

export const attributeCalls: readonly SyscallDeclaration[] = [
  ...family('', 'path'),
  ...family('l', 'link'),
  ...family('f', 'fd'),
];
