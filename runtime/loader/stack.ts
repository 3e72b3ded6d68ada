/**
 * The stack of a program's first instruction: strings, auxiliary vector, environment and argument pointers, laid out as Linux
 * does for i386 (fs/exec.c, copy_strings; fs/binfmt_elf.c, create_elf_tables), so that even layout-dependent programs agree.
 */
import { PAGE_SIZE } from '../../translator/pages.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { Errno } from '../linux/constants/errno.js';
import { LoadError } from './load-error.js';
import type { LoadOptions } from './load.js';

/** Auxiliary vector entry types (uapi/linux/auxvec.h). */
export const AuxiliaryType = {
  AT_NULL: 0,
  AT_PHDR: 3,
  AT_PHENT: 4,
  AT_PHNUM: 5,
  AT_PAGESZ: 6,
  AT_BASE: 7,
  AT_FLAGS: 8,
  AT_ENTRY: 9,
  AT_UID: 11,
  AT_EUID: 12,
  AT_GID: 13,
  AT_EGID: 14,
  AT_PLATFORM: 15,
  AT_HWCAP: 16,
  AT_CLKTCK: 17,
  AT_SECURE: 23,
  AT_RANDOM: 25,
  AT_HWCAP2: 26,
  AT_EXECFN: 31,
} as const;

/** Longest single argument or environment string with its NUL (MAX_ARG_STRLEN). */
export const MAXIMUM_STRING = 32 * PAGE_SIZE;
const PLATFORM = new TextEncoder().encode('i686');
const CLOCK_TICKS = 100;
const PROGRAM_HEADER_SIZE = 32;
/** The null pointer of the kernel (64 bits wide) that ends every stack. */
const TOP_PADDING = 8;

export interface StackContents extends LoadOptions {
  programHeaders: number;
  programHeaderCount: number;
  interpreterBase: number;
  entry: number;
}

/** Bytes of argument and environment strings and pointers that Linux allows for a stack of this size. */
export function argumentLimit(stackSize: number): number {
  return Math.max(Math.min(stackSize / 4, (8 << 20) * (3 / 4)), MAXIMUM_STRING);
}

/** Throws `LoadError` (E2BIG) where Linux would refuse arguments and environment for their size. */
export function checkArgumentSize(strings: readonly (readonly Uint8Array[])[], stackSize: number): void {
  let total = 0;
  for (const list of strings) {
    for (const string of list) {
      if (string.length >= MAXIMUM_STRING) throw new LoadError('an argument is too long', 126, Errno.E2BIG);
      total += string.length + 1 + 4;
    }
  }
  if (total > argumentLimit(stackSize)) throw new LoadError('argument list too long', 126, Errno.E2BIG);
}

/** Writes the stack below `top`; returns the first stack pointer. */
export function writeInitialStack(memory: GuestMemory, top: number, size: number, contents: StackContents): number {
  checkArgumentSize([contents.arguments, contents.environment], size);
  let at = top - TOP_PADDING;
  const push = (bytes: Uint8Array, terminated = true): number => {
    at -= bytes.length + (terminated ? 1 : 0);
    memory.u8.set(bytes, at);
    if (terminated) memory.u8[at + bytes.length] = 0;
    return at;
  };
  const pushAll = (strings: readonly Uint8Array[]): number[] =>
    strings
      .toReversed()
      .map((string) => push(string))
      .reverse();
  const execPath = push(contents.execPath);
  const environment = pushAll(contents.environment);
  const args = pushAll(contents.arguments);
  at -= at % 16;
  const platform = push(PLATFORM);
  const random = push(contents.random, false);

  const { ids } = contents;
  const secure = ids.userId !== ids.effectiveUserId || ids.groupId !== ids.effectiveGroupId;
  const type = AuxiliaryType;
  const vector: [type: number, value: number][] = [
    [type.AT_HWCAP, contents.hardwareCapabilities],
    [type.AT_PAGESZ, PAGE_SIZE],
    [type.AT_CLKTCK, CLOCK_TICKS],
    [type.AT_PHDR, contents.programHeaders],
    [type.AT_PHENT, PROGRAM_HEADER_SIZE],
    [type.AT_PHNUM, contents.programHeaderCount],
    [type.AT_BASE, contents.interpreterBase],
    [type.AT_FLAGS, 0],
    [type.AT_ENTRY, contents.entry],
    [type.AT_UID, ids.userId],
    [type.AT_EUID, ids.effectiveUserId],
    [type.AT_GID, ids.groupId],
    [type.AT_EGID, ids.effectiveGroupId],
    [type.AT_SECURE, secure ? 1 : 0],
    [type.AT_RANDOM, random],
    [type.AT_HWCAP2, 0],
    [type.AT_EXECFN, execPath],
    [type.AT_PLATFORM, platform],
    [type.AT_NULL, 0],
  ];
  const words = [args.length, ...args, 0, ...environment, 0, ...vector.flat()];
  at -= words.length * 4;
  // STACK_ROUND works on pointers, so the vector's end moves with the alignment.
  at -= at % 16;
  words.forEach((word, index) => memory.view.setUint32(at + index * 4, word, true));
  return at;
}
