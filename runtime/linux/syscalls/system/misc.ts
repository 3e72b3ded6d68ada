/** Mounts, file handles and what else passes through; and the calls that answer ENOSYS, each with its reason. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { SyscallName } from '../../constants/syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { hostPath, readable, writable, writableStructure } from '../access.js';
import { declare, refuse, type SyscallDeclaration } from '../declare.js';

const AT_SYMLINK_FOLLOW = 0x400;
const UMOUNT_NOFOLLOW = 8;
const KCMP_FILE = 0;
/** `struct file_handle` up to its variable part, and the most that the kernel puts there. */
const FILE_HANDLE_SIZE = 8 + 128;

function text(process: LinuxProcess, address: number): number {
  return address === 0 ? 0 : scratch.cString(process.memory.readCString(address, 4096));
}

/** The data of a file system that is mounted is text or a structure of its own; up to a page of it is read. */
function mount(
  process: LinuxProcess,
  source: number,
  target: number,
  type: number,
  flags: number,
  data: number,
): number {
  const from = source === 0 ? 0 : hostPath(process, source);
  const to = hostPath(process, target);
  return syscall(Host.mount, from, to, text(process, type), flags >>> 0, readable(process, data));
}

function nameToHandle(
  process: LinuxProcess,
  directory: number,
  path: number,
  handle: number,
  mount: number,
  flags: number,
): number {
  const name = hostPath(process, path, (flags & AT_SYMLINK_FOLLOW) !== 0);
  const target = writable(process, handle, FILE_HANDLE_SIZE);
  const mountId = writableStructure(process, mount, 4);
  return syscall(Host.name_to_handle_at, process.files.directory(directory), name, target, mountId, flags);
}

/** Descriptors are compared by the host's numbers where the process is this one. */
function kcmp(process: LinuxProcess, first: number, second: number, type: number, a: number, b: number): number {
  const own = (pid: number, fd: number): number => (pid === process.pid ? process.files.host(fd) : fd);
  if (type !== KCMP_FILE) return syscall(Host.kcmp, first, second, type, a, b);
  return syscall(Host.kcmp, first, second, type, own(first, a), own(second, b));
}

const passed: readonly SyscallDeclaration[] = [
  declare('mount', ['path', 'path', 'string', 'hex', 'pointer'], 'int', mount),
  declare('umount', ['path'], 'int', (process, path) => syscall(Host.umount2, hostPath(process, path), 0)),
  declare('umount2', ['path', 'hex'], 'int', (process, path, flags) =>
    syscall(Host.umount2, hostPath(process, path, (flags & UMOUNT_NOFOLLOW) === 0), flags),
  ),
  declare('name_to_handle_at', ['directory', 'path', 'pointer', 'int-out', 'flags:at'], 'int', nameToHandle),
  declare('open_by_handle_at', ['fd', 'pointer', 'flags:open'], 'fd', (process, fd, handle, flags) =>
    process.files.install(
      syscall(Host.open_by_handle_at, process.files.directory(fd), readable(process, handle), flags),
    ),
  ),
  declare('kcmp', ['int', 'int', 'int', 'unsigned', 'unsigned'], 'int', kcmp),
  declare('memfd_secret', ['hex'], 'fd', (process, flags) => process.files.install(syscall(Host.memfd_secret, flags))),
  declare('process_mrelease', ['fd', 'hex'], 'int', (process, fd, flags) =>
    syscall(Host.process_mrelease, process.files.host(fd), flags),
  ),
  declare('vhangup', [], 'int', () => syscall(Host.vhangup)),
];

/** Reasons, each with the calls that it holds for. */
const refusals: readonly (readonly [reason: string, ...names: SyscallName[]])[] = [
  [
    'Linux itself has answered ENOSYS for as long as anyone remembers, or has removed the call',
    'break',
    'stty',
    'gtty',
    'ftime',
    'prof',
    'lock',
    'mpx',
    'ulimit',
    'profil',
    'idle',
    'create_module',
    'get_kernel_syms',
    'query_module',
    'bdflush',
    'afs_syscall',
    '_sysctl',
    'nfsservctl',
    'getpmsg',
    'putpmsg',
    'vserver',
    'lookup_dcookie',
  ],
  ['old form that no C library uses any more', 'ustat', 'uselib', 'sysfs'],
  ['virtual 8086 mode and port input/output need the processor itself', 'vm86', 'vm86old', 'ioperm', 'iopl'],
  [
    'administers the machine, which is not the guest’s',
    'acct',
    'swapon',
    'swapoff',
    'reboot',
    'init_module',
    'finit_module',
    'delete_module',
    'quotactl',
    'quotactl_fd',
    'pivot_root',
    'kexec_load',
    'bpf',
    'perf_event_open',
    'fanotify_init',
    'fanotify_mark',
  ],
  [
    'the kernel would write into guest memory behind the emulator’s back; programs use other input/output',
    'io_setup',
    'io_destroy',
    'io_getevents',
    'io_submit',
    'io_cancel',
    'io_pgetevents',
    'io_pgetevents_time64',
    'io_uring_setup',
    'io_uring_enter',
    'io_uring_register',
  ],
  [
    'the restrictions would bind the emulator too',
    'landlock_create_ruleset',
    'landlock_add_rule',
    'landlock_restrict_self',
  ],
  ['addresses of another guest mean nothing in its host process', 'process_madvise', 'userfaultfd'],
  [
    'programs fall back to mount',
    'open_tree',
    'move_mount',
    'fsopen',
    'fsconfig',
    'fsmount',
    'fspick',
    'mount_setattr',
  ],
  ['programs fall back to futex', 'futex_waitv'],
];

export const miscellaneousCalls: readonly SyscallDeclaration[] = [
  ...passed,
  ...refusals.flatMap(([reason, ...names]) => names.map((name) => refuse(name, Errno.ENOSYS, reason))),
];
