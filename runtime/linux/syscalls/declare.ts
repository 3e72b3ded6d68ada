/**
 * What a system call is: its number, the kinds of its arguments (from which `--strace` lines and the documentation come) and
 * the function that runs it. Families of calls are files beside this one that export arrays of declarations;
 * `table.ts` collects them by number and `dispatch.ts` runs one.
 */
import type { FlagTableName } from '../constants/flags.js';
import { SYSCALL_NUMBERS, type SyscallName } from '../constants/syscalls.js';
import type { StructureName } from '../structures.js';
import type { LinuxProcess } from '../process.js';

/**
 * How one argument is to be shown. What is read from the guest's memory is read before the call for arguments that go in and
 * after it (when it succeeded) for those that come out.
 */
export type ArgumentKind =
  | 'int'
  | 'unsigned'
  | 'hex'
  | 'octal'
  | 'pointer'
  /** A file descriptor; `directory` also knows AT_FDCWD. */
  | 'fd'
  | 'directory'
  /** A NUL-terminated string, shown whole (path) or cut at 32 bytes (string). */
  | 'path'
  | 'string'
  /** A NULL-terminated vector of strings; `environment` shows only how many there are. */
  | 'strings'
  | 'environment'
  | 'signal'
  /** A pointer to a 64-bit signal set; `signal-set32` to a 32-bit one. */
  | 'signal-set'
  | 'signal-set32'
  | 'signal-set-out'
  | 'mode'
  | 'device'
  /** A 64-bit value in two registers, low half first: fills two places of the declaration's list by itself. */
  | 'int64'
  /** A 64-bit value high half first (`_llseek`). */
  | 'int64-high-first'
  /** A register that the call does not look at. */
  | 'unused'
  /** Bytes whose count is argument `N` (0-5), or, coming out, the result; `full` for N counted by argument. */
  | `bytes-in:${number}`
  | `bytes-out:${number}`
  | `bytes-result`
  /** `struct iovec[]`, its count in the following argument. */
  | 'iovec-in'
  | 'iovec-out'
  /** `int *`, `int[2]`, `int64_t *` that the call writes or reads. */
  | 'int-out'
  | 'int-in'
  | 'pair-out'
  /** `int *` that `wait` writes. */
  | 'wait-status'
  | 'int64-inout'
  | 'unsigned-out'
  /** A set of descriptors (`select`), the highest + 1 in argument 0. */
  | 'fd-set'
  /** `struct pollfd[]`, its count in the following argument. */
  | 'pollfds'
  /** `struct sockaddr` with its length in the following argument; coming out the length is behind a pointer. */
  | 'address-in'
  | 'address-out'
  | 'message-in'
  | 'message-out'
  /** `ioctl`'s argument: its meaning follows from the request. */
  | 'ioctl-argument'
  | 'fcntl-argument'
  /** Flags joined by `|`, or one of a list of names: see `constants/flags.ts`. */
  | `flags:${FlagTableName}`
  | `enum:${FlagTableName}`
  /** A pointer to a structure of `structures.ts`. */
  | `in:${StructureName}`
  | `out:${StructureName}`;

/** How the result is shown; `none` for calls that do not come back. */
export type ResultKind = 'int' | 'unsigned' | 'fd' | 'hex' | 'octal' | 'none' | `flags:${FlagTableName}`;

/**
 * Runs the call. Arguments are ebx, ecx, edx, esi, edi, ebp as signed 32-bit numbers; the result is what goes to eax
 * (negative errno on failure). A page fault thrown while it runs becomes -EFAULT.
 */
export type SyscallFunction = (
  process: LinuxProcess,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
) => number;

/** What a signal handler that ran during the call does to it when it was installed with SA_RESTART (signal(7)). */
export type Interruption =
  /** -EINTR becomes a restart. */
  | 'restart'
  /** -EINTR is what the guest gets, SA_RESTART or not. */
  | 'fail';

export interface SyscallDeclaration {
  readonly number: number;
  readonly name: SyscallName;
  readonly arguments: readonly ArgumentKind[];
  readonly result: ResultKind;
  readonly run: SyscallFunction;
  readonly interruption: Interruption;
  /** For the documentation: why the call answers ENOSYS or another fixed error. */
  readonly refused?: { readonly errno: number; readonly reason: string };
}

/** Returned by calls that have set all registers themselves (`sigreturn`, a successful `execve`): eax is to be left alone. */
export const NO_RESULT = 0x1_0000_0000;

/** A declaration by the call's name; the number comes from the kernel's table. */
export function declare(
  name: SyscallName,
  kinds: readonly ArgumentKind[],
  result: ResultKind,
  run: SyscallFunction,
  interruption: Interruption = 'restart',
): SyscallDeclaration {
  return { number: SYSCALL_NUMBERS[name], name, arguments: kinds, result, run, interruption };
}

/** A call that always fails with `errno`, and the reason that the documentation gives. */
export function refuse(name: SyscallName, errno: number, reason: string): SyscallDeclaration {
  return {
    number: SYSCALL_NUMBERS[name],
    name,
    arguments: ['hex', 'hex', 'hex', 'hex', 'hex', 'hex'],
    result: 'int',
    run: () => -errno,
    interruption: 'fail',
    refused: { errno, reason },
  };
}
