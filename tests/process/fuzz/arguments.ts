/** Random arguments for system calls: by the kinds that each declares, and now and then anything at all. */
import type { ArgumentKind, SyscallDeclaration } from '../../../runtime/linux/syscalls/declare.js';
import type { SyscallName } from '../../../runtime/linux/constants/syscalls.js';
import type { Random } from '../../isa/random.js';

/**
 * Calls that are not made: they end or stop the process itself on purpose, wait for ever by their nature, take long, or would do
 * more than a test may even as an unprivileged user.
 */
export const EXCLUDED: ReadonlySet<SyscallName> = new Set<SyscallName>([
  ...(['exit', 'exit_group', 'execve', 'execveat', 'sync', 'syncfs', 'reboot', 'vhangup', 'syslog'] as const),
  ...(['pause', 'sigsuspend', 'rt_sigsuspend', 'setpriority', 'nice', 'sched_setscheduler', 'sched_setattr'] as const),
  ...(['mount', 'umount', 'umount2', 'chroot', 'unshare', 'setns', 'kill', 'tkill', 'tgkill'] as const),
  ...(['rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'pidfd_send_signal', 'ptrace'] as const),
]);

/** What the arguments point to, and which descriptors there are. */
export interface Surroundings {
  /** Readable and writable memory of `size` bytes; what follows it is not mapped. */
  readonly buffer: number;
  readonly size: number;
  readonly readOnly: number;
  readonly code: number;
  readonly paths: readonly number[];
}

const EDGES = [0, 1, 2, 3, 4, 7, 8, 12, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 4095, 4096, 4097, 65535, 65536];
const EXTREMES = [-1, -2, -100, -4096, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffe000, 0xff000000, 0x7ffffffe];

export function randomArguments(random: Random, declaration: SyscallDeclaration, around: Surroundings): number[] {
  return Array.from({ length: 6 }, (_, index) => {
    const kind = declaration.arguments[index];
    return (kind === undefined || random.chance(0.1) ? anything(random, around) : byKind(random, kind, around)) | 0;
  });
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}

function number(random: Random): number {
  const choice = random.below(10);
  if (choice < 5) return pick(random, EDGES);
  if (choice < 7) return pick(random, EXTREMES);
  return choice < 9 ? random.below(1 << random.below(31)) : random.u32();
}

function pointer(random: Random, { buffer, size, readOnly, code, paths }: Surroundings): number {
  switch (random.below(12)) {
    case 0:
      return 0;
    case 1:
      return pick(
        random,
        [1, 8, 4095, 0x10000, 0xffffffff, 0xfffffff0, 0xffffe000, 0xff000000, 0xfefff000, 0x80000000],
      );
    case 2:
      return buffer + size - random.below(64);
    case 3:
      return readOnly + random.below(4096);
    case 4:
      return code + random.below(64);
    case 5:
      return pick(random, paths);
    default:
      return buffer + random.below(size >> 4) * 16;
  }
}

function flags(random: Random): number {
  let value = 0;
  for (let count = random.below(4); count > 0; count--) value |= 1 << random.below(32);
  return value;
}

function anything(random: Random, around: Surroundings): number {
  return random.chance(0.5) ? number(random) : pointer(random, around);
}

function byKind(random: Random, kind: ArgumentKind, around: Surroundings): number {
  switch (kind) {
    case 'fd':
      return random.chance(0.9) ? random.below(24) : number(random);
    case 'directory':
      return random.chance(0.6) ? -100 : random.below(24);
    case 'path':
    case 'string':
      return random.chance(0.85) ? pick(random, around.paths) : pointer(random, around);
    case 'signal':
      return random.chance(0.9) ? random.below(66) : number(random);
    case 'int':
    case 'unsigned':
    case 'hex':
    case 'octal':
    case 'mode':
      return number(random);
    default:
      if (kind.startsWith('flags:')) return random.chance(0.7) ? flags(random) : number(random);
      if (kind.startsWith('enum:')) return random.chance(0.8) ? random.below(48) : number(random);
      return pointer(random, around);
  }
}
