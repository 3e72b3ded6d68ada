/** What the machine and the process are: names, memory, limits, use of resources, random bytes, scheduling. */
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import { RESOURCE_NOFILE } from '../../files.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { structures } from '../../structures.js';
import { callWithStructure, clampLength, readable, writable, writableStructure, writeStructure } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

const INFINITY32 = 0xffffffff;
const INFINITY64 = 0xffff_ffff_ffff_ffffn;
const RLIM_NLIMITS = 16;
const NAME_LENGTH = 65;
/** Names of the machine start after system, node, release and version. */
const MACHINE_OFFSET = 4 * NAME_LENGTH;

/** The processor's family as the kernel of a 32-bit personality names it. */
const MACHINE = 'i686';

function uname(process: LinuxProcess, address: number): number {
  const { utsname } = structures;
  const offset = scratch.allocate(utsname.host.size);
  const result = syscall(Host.uname, scratch.address + offset);
  if (result < 0) return result;
  scratch.u8.fill(0, offset + MACHINE_OFFSET, offset + MACHINE_OFFSET + NAME_LENGTH);
  scratch.u8.set(new TextEncoder().encode(MACHINE), offset + MACHINE_OFFSET);
  writeStructure(process, utsname, offset, address);
  return 0;
}

/** The older structures: five names of 65 or of 9 bytes. */
function oldUname(nameLength: number): SyscallDeclaration['run'] {
  return (process, address) => {
    const offset = scratch.allocate(structures.utsname.host.size);
    const result = syscall(Host.uname, scratch.address + offset);
    if (result < 0) return result;
    process.memory.checkWrite(address, 5 * nameLength);
    for (let index = 0; index < 5; index++) {
      const from = offset + index * NAME_LENGTH;
      const name =
        index === 4
          ? new TextEncoder().encode(MACHINE)
          : scratch.u8.slice(from, scratch.u8.indexOf(0, from)).subarray(0, nameLength - 1);
      const at = (address >>> 0) + index * nameLength;
      process.memory.u8.fill(0, at, at + nameLength);
      process.memory.u8.set(name, at);
    }
    return 0;
  };
}

/** Memory sizes that do not fit into 32 bits are counted in larger units (kernel/sys.c, compat_sysinfo). */
function sysinfo(process: LinuxProcess, address: number): number {
  const { host } = structures.sysinfo;
  const offset = scratch.allocate(host.size);
  const result = syscall(Host.sysinfo, scratch.address + offset);
  if (result < 0) return result;
  const { view } = scratch;
  const at = (name: string): number => offset + structures.sysinfo.offset('host', name);
  const sizes = ['totalram', 'freeram', 'sharedram', 'bufferram', 'totalswap', 'freeswap', 'totalhigh', 'freehigh'];
  let unit = view.getUint32(at('mem_unit'), true);
  let shift = 0n;
  const largest = [view.getBigUint64(at('totalram'), true), view.getBigUint64(at('totalswap'), true)];
  while (unit < 4096 && largest.some((value) => value >> shift > 0xffffffffn)) {
    unit *= 2;
    shift++;
  }
  for (const name of sizes) view.setBigUint64(at(name), view.getBigUint64(at(name), true) >> shift, true);
  view.setUint32(at('mem_unit'), unit, true);
  writeStructure(process, structures.sysinfo, offset, address);
  return 0;
}

const limits = new WeakMap<LinuxProcess, Map<number, bigint>>();

/** Soft limits that only the guest sees, by resource: the host's own would bind the emulator. */
export function guestLimits(process: LinuxProcess): Map<number, bigint> {
  let map = limits.get(process);
  if (map === undefined) limits.set(process, (map = new Map<number, bigint>()));
  return map;
}

/** A limit of the guest by value: the number of descriptors is the guest's own, the others are the host's. */
function getLimit(process: LinuxProcess, resource: number): [soft: bigint, hard: bigint] | number {
  const offset = scratch.allocate(16);
  const result = syscall(Host.prlimit64, 0, resource, 0, scratch.address + offset);
  if (result < 0) return result;
  const soft = scratch.view.getBigUint64(offset, true);
  const hard = scratch.view.getBigUint64(offset + 8, true);
  const guest = guestLimits(process).get(resource);
  if (guest !== undefined) return [guest, hard < guest ? guest : hard];
  if (resource !== RESOURCE_NOFILE) return [soft, hard];
  const { limit, hardLimit } = process.files;
  return [BigInt(limit), hardLimit < 0 ? hard : BigInt(hardLimit)];
}

/**
 * Sets a limit. Those that would starve the emulator itself (its 4 GiB of address space, its stack, its heap) are only remembered
 * for the guest and handed to the host at a host `execve`.
 */
function setLimit(process: LinuxProcess, resource: number, soft: bigint, hard: bigint): number {
  if (soft > hard) return -Errno.EINVAL;
  const old = getLimit(process, resource);
  if (typeof old === 'number') return old;
  if (resource === RESOURCE_NOFILE) {
    // The host's own limit would count Node's descriptors, too.
    if (hard > old[1] && syscall(Host.geteuid) !== 0) return -Errno.EPERM;
    process.files.limit = Number(soft);
    process.files.hardLimit = Number(hard);
    return 0;
  }
  const offset = scratch.allocate(16);
  scratch.view.setBigUint64(offset, soft, true);
  scratch.view.setBigUint64(offset + 8, hard, true);
  if (KEPT_FOR_GUEST.has(resource)) {
    if (hard > old[1]) return -Errno.EPERM;
    guestLimits(process).set(resource, soft);
    return 0;
  }
  return syscall(Host.prlimit64, 0, resource, scratch.address + offset, 0);
}

/** RLIMIT_DATA, RLIMIT_STACK, RLIMIT_RSS, RLIMIT_MEMLOCK, RLIMIT_AS. */
const KEPT_FOR_GUEST: ReadonlySet<number> = new Set([2, 3, 5, 8, 9]);

function to32(value: bigint): number {
  return value > BigInt(INFINITY32) ? INFINITY32 : Number(value);
}
function from32(value: number): bigint {
  return value === INFINITY32 ? INFINITY64 : BigInt(value);
}

/** `ceiling` is what the oldest call shows for no limit. */
function getrlimit(ceiling: number): SyscallDeclaration['run'] {
  return (process, resource, address) => {
    if (resource >>> 0 >= RLIM_NLIMITS) return -Errno.EINVAL;
    const limit = getLimit(process, resource);
    if (typeof limit === 'number') return limit;
    process.memory.checkWrite(address, 8);
    process.memory.writeU32(address, Math.min(to32(limit[0]), ceiling));
    process.memory.writeU32(address + 4, Math.min(to32(limit[1]), ceiling));
    return 0;
  };
}

function setrlimit(process: LinuxProcess, resource: number, address: number): number {
  const { memory } = process;
  return setLimit(process, resource, from32(memory.readU32(address)), from32(memory.readU32(address + 4)));
}

function prlimit(process: LinuxProcess, pid: number, resource: number, limit: number, old: number): number {
  const { memory } = process;
  if (pid !== 0 && pid !== process.pid) {
    return syscall(
      Host.prlimit64,
      pid,
      resource,
      limit === 0 ? 0 : readable(process, limit),
      writableStructure(process, old, 16),
    );
  }
  const before = getLimit(process, resource);
  if (typeof before === 'number') return before;
  if (limit !== 0) {
    const result = setLimit(process, resource, memory.readU64(limit), memory.readU64(limit + 8));
    if (result < 0) return result;
  }
  if (old !== 0) {
    memory.checkWrite(old, 16);
    memory.writeU64(old, before[0]);
    memory.writeU64(old + 8, before[1]);
  }
  return 0;
}

function getrandom(process: LinuxProcess, buffer: number, length: number, flags: number): number {
  const size = Math.min(clampLength(buffer, length), 0x7ffff000);
  const { random } = process.options;
  if (random === undefined) return syscall(Host.getrandom, writable(process, buffer, size), size, flags);
  process.memory.write(buffer, random(size));
  return size;
}

/** The mask of processors as the kernel's 32-bit words; the result is how many bytes were written. */
function schedGetaffinity(process: LinuxProcess, pid: number, size: number, mask: number): number {
  return syscall(Host.sched_getaffinity, pid, size >>> 0, writableStructure(process, mask, Math.min(size >>> 0, 1024)));
}

function schedRrGetInterval(structure: 'timespec' | 'timespec64'): SyscallDeclaration['run'] {
  return (process, pid, address) =>
    callWithStructure(process, structures[structure], address, (host) =>
      syscall(Host.sched_rr_get_interval, pid, host),
    );
}

function syslog(process: LinuxProcess, type: number, buffer: number, length: number): number {
  return syscall(Host.syslog, type, writable(process, buffer, length), length);
}

function hostName(number: number): SyscallDeclaration['run'] {
  return (process, name, length) => syscall(number, readableText(process, name, length), length);
}
function readableText(process: LinuxProcess, address: number, length: number): number {
  return length < 0 || length > 64 ? 0 : scratch.cString(process.memory.read(address, length));
}

export const infoCalls: readonly SyscallDeclaration[] = [
  declare('uname', ['out:utsname'], 'int', uname),
  declare('olduname', ['pointer'], 'int', oldUname(NAME_LENGTH)),
  declare('oldolduname', ['pointer'], 'int', oldUname(9)),
  declare('sethostname', ['string', 'int'], 'int', hostName(Host.sethostname)),
  declare('setdomainname', ['string', 'int'], 'int', hostName(Host.setdomainname)),
  declare('sysinfo', ['out:sysinfo'], 'int', sysinfo),
  declare('getrlimit', ['enum:resource', 'out:rlimit'], 'int', getrlimit(0x7fffffff)),
  declare('ugetrlimit', ['enum:resource', 'out:rlimit'], 'int', getrlimit(INFINITY32)),
  declare('setrlimit', ['enum:resource', 'in:rlimit'], 'int', setrlimit),
  declare('prlimit64', ['int', 'enum:resource', 'in:rlimit64', 'out:rlimit64'], 'int', prlimit),
  declare('getrusage', ['enum:rusageWho', 'out:rusage'], 'int', (process, who, address) =>
    callWithStructure(process, structures.rusage, address, (host) => syscall(Host.getrusage, who, host)),
  ),
  declare('getrandom', ['bytes-result', 'unsigned', 'flags:random'], 'int', getrandom),
  declare('syslog', ['int', 'pointer', 'int'], 'int', syslog),
  declare('sched_yield', [], 'int', () => syscall(Host.sched_yield)),
  declare('sched_getaffinity', ['int', 'unsigned', 'pointer'], 'int', schedGetaffinity),
  declare('sched_setaffinity', ['int', 'unsigned', 'pointer'], 'int', (process, pid, size, mask) =>
    syscall(Host.sched_setaffinity, pid, size >>> 0, readable(process, mask)),
  ),
  declare('sched_getparam', ['int', 'pointer'], 'int', (process, pid, address) =>
    syscall(Host.sched_getparam, pid, writableStructure(process, address, 4)),
  ),
  declare('sched_setparam', ['int', 'pointer'], 'int', (process, pid, address) =>
    syscall(Host.sched_setparam, pid, readable(process, address)),
  ),
  declare('sched_getscheduler', ['int'], 'int', (_process, pid) => syscall(Host.sched_getscheduler, pid)),
  declare('sched_setscheduler', ['int', 'int', 'pointer'], 'int', (process, pid, policy, address) =>
    syscall(Host.sched_setscheduler, pid, policy, readable(process, address)),
  ),
  declare('sched_get_priority_max', ['int'], 'int', (_process, policy) => syscall(Host.sched_get_priority_max, policy)),
  declare('sched_get_priority_min', ['int'], 'int', (_process, policy) => syscall(Host.sched_get_priority_min, policy)),
  declare('sched_rr_get_interval', ['int', 'out:timespec'], 'int', schedRrGetInterval('timespec')),
  declare('sched_rr_get_interval_time64', ['int', 'out:timespec64'], 'int', schedRrGetInterval('timespec64')),
  declare('sched_getattr', ['int', 'pointer', 'unsigned', 'unsigned'], 'int', (process, pid, address, size, flags) =>
    syscall(Host.sched_getattr, pid, writableStructure(process, address, size), size >>> 0, flags),
  ),
  declare('sched_setattr', ['int', 'pointer', 'unsigned'], 'int', (process, pid, address, flags) =>
    syscall(Host.sched_setattr, pid, readable(process, address), flags),
  ),
  declare('ioprio_get', ['int', 'int'], 'int', (_process, which, who) => syscall(Host.ioprio_get, which, who)),
  declare('ioprio_set', ['int', 'int', 'int'], 'int', (_process, which, who, value) =>
    syscall(Host.ioprio_set, which, who, value),
  ),
];
