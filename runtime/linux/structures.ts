/**
 * The structures that system calls pass, each declared once with its C types (uapi headers of Linux 6.1; for the guest's side
 * arch/x86/include/asm/compat.h). Where one list of fields serves both sides, the host's differs only by the width of `long`.
 */
import { Structure, type FieldDeclaration } from './layout.js';

function timespec(prefix = ''): FieldDeclaration[] {
  return [
    [`${prefix}tv_sec`, 'long'],
    [`${prefix}tv_nsec`, 'long'],
  ];
}
/** `struct __kernel_timespec`: the upper half of tv_nsec is not looked at when it comes from a 32-bit program. */
function timespec64(prefix = ''): FieldDeclaration[] {
  return [
    [`${prefix}tv_sec`, 'long long'],
    [`${prefix}tv_nsec`, 'int'],
    [`_${prefix}pad`, 'int'],
  ];
}
function timeval(prefix = ''): FieldDeclaration[] {
  return [
    [`${prefix}tv_sec`, 'long'],
    [`${prefix}tv_usec`, 'long'],
  ];
}

const hostStat: FieldDeclaration[] = [
  ['st_dev', 'unsigned long'],
  ['st_ino', 'unsigned long'],
  ['st_nlink', 'unsigned long'],
  ['st_mode', 'unsigned int'],
  ['st_uid', 'unsigned int'],
  ['st_gid', 'unsigned int'],
  ['_pad0', 'int'],
  ['st_rdev', 'unsigned long'],
  ['st_size', 'long'],
  ['st_blksize', 'long'],
  ['st_blocks', 'long'],
  ['st_atime', 'long'],
  ['st_atime_nsec', 'unsigned long'],
  ['st_mtime', 'long'],
  ['st_mtime_nsec', 'unsigned long'],
  ['st_ctime', 'long'],
  ['st_ctime_nsec', 'unsigned long'],
  ['_unused', 'long', 3],
];

const hostStatfs: FieldDeclaration[] = [
  ['f_type', 'long'],
  ['f_bsize', 'long'],
  ['f_blocks', 'unsigned long'],
  ['f_bfree', 'unsigned long'],
  ['f_bavail', 'unsigned long'],
  ['f_files', 'unsigned long'],
  ['f_ffree', 'unsigned long'],
  ['f_fsid', 'int', 2],
  ['f_namelen', 'long'],
  ['f_frsize', 'long'],
  ['f_flags', 'long'],
  ['_f_spare', 'long', 4],
];

const ipcPermissions: FieldDeclaration[] = [
  ['key', 'int'],
  ['uid', 'unsigned int'],
  ['gid', 'unsigned int'],
  ['cuid', 'unsigned int'],
  ['cgid', 'unsigned int'],
  ['mode', 'unsigned short'],
  ['_pad1', 'unsigned short'],
  ['seq', 'unsigned short'],
  ['_pad2', 'unsigned short'],
  ['_unused1', 'unsigned long'],
  ['_unused2', 'unsigned long'],
];
/** `struct ipc64_perm` of x86_64: the mode has 32 bits there. */
const hostIpcPermissions: FieldDeclaration[] = ipcPermissions
  .filter(([name]) => name !== '_pad1')
  .map((field) => (field[0] === 'mode' ? ['mode', 'unsigned int'] : field));

/** On i386 the upper halves of the times have words of their own (`*_high`). */
function ipcTimes(names: readonly string[]): FieldDeclaration[] {
  return names.flatMap((name): FieldDeclaration[] => [
    [name, 'unsigned long'],
    [`_${name}_high`, 'unsigned long'],
  ]);
}
function hostIpcTimes(names: readonly string[], padded = false): FieldDeclaration[] {
  return names.flatMap((name): FieldDeclaration[] =>
    padded
      ? [
          [name, 'long'],
          [`_${name}_pad`, 'long'],
        ]
      : [[name, 'long']],
  );
}

const shmTail: FieldDeclaration[] = [
  ['shm_cpid', 'int'],
  ['shm_lpid', 'int'],
  ['shm_nattch', 'unsigned long'],
  ['_unused4', 'unsigned long'],
  ['_unused5', 'unsigned long'],
];
const msgTail: FieldDeclaration[] = [
  ['msg_cbytes', 'unsigned long'],
  ['msg_qnum', 'unsigned long'],
  ['msg_qbytes', 'unsigned long'],
  ['msg_lspid', 'int'],
  ['msg_lrpid', 'int'],
  ['_unused4', 'unsigned long'],
  ['_unused5', 'unsigned long'],
];

const notification: FieldDeclaration[] = [
  ['sigev_value', 'pointer'],
  ['sigev_signo', 'int'],
  ['sigev_notify', 'int'],
  ['sigev_notify_thread_id', 'int'],
];

export const structures = {
  timespec: new Structure(timespec()),
  timespec64: new Structure(timespec64(), timespec()),
  timeval: new Structure(timeval()),
  itimerspec: new Structure([...timespec('it_interval.'), ...timespec('it_value.')]),
  itimerspec64: new Structure(
    [...timespec64('it_interval.'), ...timespec64('it_value.')],
    [...timespec('it_interval.'), ...timespec('it_value.')],
  ),
  itimerval: new Structure([...timeval('it_interval.'), ...timeval('it_value.')]),
  timezone: new Structure([
    ['tz_minuteswest', 'int'],
    ['tz_dsttime', 'int'],
  ]),
  utimbuf: new Structure([
    ['actime', 'long'],
    ['modtime', 'long'],
  ]),
  tms: new Structure([
    ['tms_utime', 'long'],
    ['tms_stime', 'long'],
    ['tms_cutime', 'long'],
    ['tms_cstime', 'long'],
  ]),
  timex: new Structure([
    ['modes', 'unsigned int'],
    ['offset', 'long'],
    ['freq', 'long'],
    ['maxerror', 'long'],
    ['esterror', 'long'],
    ['status', 'int'],
    ['constant', 'long'],
    ['precision', 'long'],
    ['tolerance', 'long'],
    ...timeval('time.'),
    ['tick', 'long'],
    ['ppsfreq', 'long'],
    ['jitter', 'long'],
    ['shift', 'int'],
    ['stabil', 'long'],
    ['jitcnt', 'long'],
    ['calcnt', 'long'],
    ['errcnt', 'long'],
    ['stbcnt', 'long'],
    ['tai', 'int'],
    ['_pad', 'int', 11],
  ]),

  oldStat: new Structure(
    [
      ['st_dev', 'unsigned short'],
      ['st_ino', 'unsigned short'],
      ['st_mode', 'unsigned short'],
      ['st_nlink', 'unsigned short'],
      ['st_uid', 'unsigned short'],
      ['st_gid', 'unsigned short'],
      ['st_rdev', 'unsigned short'],
      ['st_size', 'unsigned int'],
      ['st_atime', 'unsigned int'],
      ['st_mtime', 'unsigned int'],
      ['st_ctime', 'unsigned int'],
    ],
    hostStat,
  ),
  stat: new Structure(
    [
      ['st_dev', 'unsigned int'],
      ['st_ino', 'unsigned int'],
      ['st_mode', 'unsigned short'],
      ['st_nlink', 'unsigned short'],
      ['st_uid', 'unsigned short'],
      ['st_gid', 'unsigned short'],
      ['st_rdev', 'unsigned int'],
      ['st_size', 'unsigned int'],
      ['st_blksize', 'unsigned int'],
      ['st_blocks', 'unsigned int'],
      ['st_atime', 'unsigned int'],
      ['st_atime_nsec', 'unsigned int'],
      ['st_mtime', 'unsigned int'],
      ['st_mtime_nsec', 'unsigned int'],
      ['st_ctime', 'unsigned int'],
      ['st_ctime_nsec', 'unsigned int'],
      ['_unused4', 'unsigned int'],
      ['_unused5', 'unsigned int'],
    ],
    hostStat,
  ),
  stat64: new Structure(
    [
      ['st_dev', 'unsigned long long'],
      ['_pad0', 'unsigned int'],
      ['lowIno', 'unsigned int', 1, 'st_ino'],
      ['st_mode', 'unsigned int'],
      ['st_nlink', 'unsigned int'],
      ['st_uid', 'unsigned int'],
      ['st_gid', 'unsigned int'],
      ['st_rdev', 'unsigned long long'],
      ['_pad3', 'unsigned int'],
      ['st_size', 'long long'],
      ['st_blksize', 'unsigned int'],
      ['st_blocks', 'long long'],
      ['st_atime', 'int'],
      ['st_atime_nsec', 'unsigned int'],
      ['st_mtime', 'int'],
      ['st_mtime_nsec', 'unsigned int'],
      ['st_ctime', 'int'],
      ['st_ctime_nsec', 'unsigned int'],
      ['st_ino', 'unsigned long long'],
    ],
    hostStat,
  ),
  /** The same under both ABIs. */
  statx: new Structure([
    ['stx_mask', 'unsigned int'],
    ['stx_blksize', 'unsigned int'],
    ['stx_attributes', 'unsigned long long'],
    ['stx_nlink', 'unsigned int'],
    ['stx_uid', 'unsigned int'],
    ['stx_gid', 'unsigned int'],
    ['stx_mode', 'unsigned short'],
    ['_spare0', 'unsigned short'],
    ['stx_ino', 'unsigned long long'],
    ['stx_size', 'unsigned long long'],
    ['stx_blocks', 'unsigned long long'],
    ['stx_attributes_mask', 'unsigned long long'],
    ['stx_atime.tv_sec', 'long long'],
    ['stx_atime.tv_nsec', 'unsigned int'],
    ['_reserved1', 'int'],
    ['stx_btime.tv_sec', 'long long'],
    ['stx_btime.tv_nsec', 'unsigned int'],
    ['_reserved2', 'int'],
    ['stx_ctime.tv_sec', 'long long'],
    ['stx_ctime.tv_nsec', 'unsigned int'],
    ['_reserved3', 'int'],
    ['stx_mtime.tv_sec', 'long long'],
    ['stx_mtime.tv_nsec', 'unsigned int'],
    ['_reserved4', 'int'],
    ['stx_rdev_major', 'unsigned int'],
    ['stx_rdev_minor', 'unsigned int'],
    ['stx_dev_major', 'unsigned int'],
    ['stx_dev_minor', 'unsigned int'],
    ['_spare', 'unsigned long long', 14],
  ]),
  statfs: new Structure(hostStatfs),
  statfs64: new Structure(
    [
      ['f_type', 'unsigned int'],
      ['f_bsize', 'unsigned int'],
      ['f_blocks', 'unsigned long long'],
      ['f_bfree', 'unsigned long long'],
      ['f_bavail', 'unsigned long long'],
      ['f_files', 'unsigned long long'],
      ['f_ffree', 'unsigned long long'],
      ['f_fsid', 'int', 2],
      ['f_namelen', 'unsigned int'],
      ['f_frsize', 'unsigned int'],
      ['f_flags', 'unsigned int'],
      ['_f_spare', 'unsigned int', 4],
    ],
    hostStatfs,
  ),
  flock: new Structure([
    ['l_type', 'short'],
    ['l_whence', 'short'],
    ['l_start', 'long'],
    ['l_len', 'long'],
    ['l_pid', 'int'],
  ]),
  flock64: new Structure([
    ['l_type', 'short'],
    ['l_whence', 'short'],
    ['l_start', 'long long'],
    ['l_len', 'long long'],
    ['l_pid', 'int'],
  ]),
  openHow: new Structure([
    ['flags', 'unsigned long long'],
    ['mode', 'unsigned long long'],
    ['resolve', 'unsigned long long'],
  ]),

  iovec: new Structure([
    ['iov_base', 'pointer'],
    ['iov_len', 'unsigned long'],
  ]),
  msghdr: new Structure([
    ['msg_name', 'pointer'],
    ['msg_namelen', 'int'],
    ['msg_iov', 'pointer'],
    ['msg_iovlen', 'unsigned long'],
    ['msg_control', 'pointer'],
    ['msg_controllen', 'unsigned long'],
    ['msg_flags', 'unsigned int'],
  ]),
  cmsghdr: new Structure([
    ['cmsg_len', 'unsigned long'],
    ['cmsg_level', 'int'],
    ['cmsg_type', 'int'],
  ]),
  pollfd: new Structure([
    ['fd', 'int'],
    ['events', 'short'],
    ['revents', 'short'],
  ]),
  /** Packed on x86_64, so it is the same. */
  epollEvent: new Structure(
    [
      ['events', 'unsigned int'],
      ['data', 'unsigned long long'],
    ],
    undefined,
    4,
  ),

  rlimit: new Structure([
    ['rlim_cur', 'unsigned long'],
    ['rlim_max', 'unsigned long'],
  ]),
  rlimit64: new Structure([
    ['rlim_cur', 'unsigned long long'],
    ['rlim_max', 'unsigned long long'],
  ]),
  rusage: new Structure([
    ...timeval('ru_utime.'),
    ...timeval('ru_stime.'),
    ...'maxrss ixrss idrss isrss minflt majflt nswap inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw'
      .split(' ')
      .map((name): FieldDeclaration => [`ru_${name}`, 'long']),
  ]),
  sysinfo: new Structure(
    [
      ['uptime', 'long'],
      ['loads', 'unsigned long', 3],
      ['totalram', 'unsigned long'],
      ['freeram', 'unsigned long'],
      ['sharedram', 'unsigned long'],
      ['bufferram', 'unsigned long'],
      ['totalswap', 'unsigned long'],
      ['freeswap', 'unsigned long'],
      ['procs', 'unsigned short'],
      ['_pad', 'unsigned short'],
      ['totalhigh', 'unsigned long'],
      ['freehigh', 'unsigned long'],
      ['mem_unit', 'unsigned int'],
      ['_f', 'char', 8],
    ],
    [
      ['uptime', 'long'],
      ['loads', 'unsigned long', 3],
      ['totalram', 'unsigned long'],
      ['freeram', 'unsigned long'],
      ['sharedram', 'unsigned long'],
      ['bufferram', 'unsigned long'],
      ['totalswap', 'unsigned long'],
      ['freeswap', 'unsigned long'],
      ['procs', 'unsigned short'],
      ['_pad', 'unsigned short'],
      ['totalhigh', 'unsigned long'],
      ['freehigh', 'unsigned long'],
      ['mem_unit', 'unsigned int'],
    ],
  ),
  utsname: new Structure([
    ['sysname', 'char', 65],
    ['nodename', 'char', 65],
    ['release', 'char', 65],
    ['version', 'char', 65],
    ['machine', 'char', 65],
    ['domainname', 'char', 65],
  ]),

  /** The kernel's own termios (asm-generic/termbits.h), not the C library's. */
  termios: new Structure([
    ['c_iflag', 'unsigned int'],
    ['c_oflag', 'unsigned int'],
    ['c_cflag', 'unsigned int'],
    ['c_lflag', 'unsigned int'],
    ['c_line', 'unsigned char'],
    ['c_cc', 'unsigned char', 19],
  ]),
  winsize: new Structure([
    ['ws_row', 'unsigned short'],
    ['ws_col', 'unsigned short'],
    ['ws_xpixel', 'unsigned short'],
    ['ws_ypixel', 'unsigned short'],
  ]),
  /** The kernel's `struct sigaction`; the host's has the same fields, but only the guest's is ever read. */
  rtSigaction: new Structure([
    ['sa_handler', 'pointer'],
    ['sa_flags', 'unsigned long'],
    ['sa_restorer', 'pointer'],
    ['sa_mask', 'unsigned int', 2],
  ]),
  /** `sigval` is a pointer's width; the thread id is the first word of the union behind. 64 bytes in all. */
  sigevent: new Structure([...notification, ['_pad', 'int', 12]], [...notification, ['_pad', 'int', 11]]),
  mqAttr: new Structure([
    ['mq_flags', 'long'],
    ['mq_maxmsg', 'long'],
    ['mq_msgsize', 'long'],
    ['mq_curmsgs', 'long'],
    ['_reserved', 'long', 4],
  ]),
  fOwnerEx: new Structure([
    ['type', 'int'],
    ['pid', 'int'],
  ]),

  shmidDs: new Structure(
    [
      ...ipcPermissions,
      ['shm_segsz', 'unsigned long'],
      ...ipcTimes(['shm_atime', 'shm_dtime', 'shm_ctime']),
      ...shmTail,
    ],
    [
      ...hostIpcPermissions,
      ['shm_segsz', 'unsigned long'],
      ...hostIpcTimes(['shm_atime', 'shm_dtime', 'shm_ctime']),
      ...shmTail,
    ],
  ),
  shminfo: new Structure([
    ['shmmax', 'unsigned long'],
    ['shmmin', 'unsigned long'],
    ['shmmni', 'unsigned long'],
    ['shmseg', 'unsigned long'],
    ['shmall', 'unsigned long'],
    ['_unused', 'unsigned long', 4],
  ]),
  shmInfo: new Structure([
    ['used_ids', 'int'],
    ['shm_tot', 'unsigned long'],
    ['shm_rss', 'unsigned long'],
    ['shm_swp', 'unsigned long'],
    ['swap_attempts', 'unsigned long'],
    ['swap_successes', 'unsigned long'],
  ]),
  semidDs: new Structure(
    [
      ...ipcPermissions,
      ...ipcTimes(['sem_otime', 'sem_ctime']),
      ['sem_nsems', 'unsigned long'],
      ['_unused3', 'unsigned long', 2],
    ],
    [
      ...hostIpcPermissions,
      ...hostIpcTimes(['sem_otime', 'sem_ctime'], true),
      ['sem_nsems', 'unsigned long'],
      ['_unused3', 'unsigned long', 2],
    ],
  ),
  msqidDs: new Structure(
    [...ipcPermissions, ...ipcTimes(['msg_stime', 'msg_rtime', 'msg_ctime']), ...msgTail],
    [...hostIpcPermissions, ...hostIpcTimes(['msg_stime', 'msg_rtime', 'msg_ctime']), ...msgTail],
  ),
} as const satisfies Record<string, Structure>;

export type StructureName = keyof typeof structures;
