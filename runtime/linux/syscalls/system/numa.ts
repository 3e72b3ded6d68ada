/**
 * Placement of memory on the host's nodes (mempolicy): guest memory is the host's, so policies are passed on with the host's
 * addresses. Sets of nodes are arrays of `unsigned long`, 32 bits here and 64 there, with the same bytes.
 */
import { GUEST_LIMIT } from '../../../../translator/state.js';
import { syscall } from '../../../host/libc.js';
import { Errno } from '../../constants/errno.js';
import { Host } from '../../constants/host-syscalls.js';
import type { LinuxProcess } from '../../process.js';
import { scratch } from '../../scratch.js';
import { readable, readableStructure, writableStructure } from '../access.js';
import { declare, type SyscallDeclaration } from '../declare.js';

/** The kernel refuses sets that do not fit into a page. */
const MOST_NODES = 4096 * 8;
const MPOL_F_ADDR = 2;
/** Pages that one call moves at most here; Linux has no limit. */
const MOST_PAGES = 1 << 16;

/** Bytes of a set of nodes: the kernel looks at one bit less than it is told of (mm/mempolicy.c, get_nodes). */
function setSize(maximum: number, bits: 32 | 64): number {
  return Math.ceil(Math.max((maximum >>> 0) - 1, 0) / bits) * (bits / 8);
}

/** A copy of a guest's set of nodes for the host. */
function nodeSet(process: LinuxProcess, address: number, maximum: number): number {
  if (address === 0) return 0;
  if (maximum >>> 0 > MOST_NODES) return readable(process, address);
  const at = scratch.allocate(setSize(maximum, 64));
  scratch.u8.fill(0, at, at + setSize(maximum, 64));
  scratch.u8.set(process.memory.read(address, setSize(maximum, 32)), at);
  return scratch.address + at;
}

function getPolicy(
  process: LinuxProcess,
  mode: number,
  nodes: number,
  maximum: number,
  address: number,
  flags: number,
): number {
  const target = writableStructure(process, mode, 4);
  const hostAddress = flags & MPOL_F_ADDR ? process.hostBase + (address >>> 0) : address >>> 0;
  if (nodes === 0) return syscall(Host.get_mempolicy, target, 0, maximum >>> 0, hostAddress, flags);
  if (maximum >>> 0 > MOST_NODES) return -Errno.EINVAL;
  const [size, guestSize] = [setSize(maximum, 64), setSize(maximum, 32)];
  const at = scratch.allocate(size);
  scratch.u8.fill(0, at, at + size);
  process.memory.checkWrite(nodes, guestSize);
  const result = syscall(Host.get_mempolicy, target, scratch.address + at, maximum >>> 0, hostAddress, flags);
  if (result >= 0) process.memory.write(nodes, scratch.u8.subarray(at, at + guestSize));
  return result;
}

/** Only of this process: addresses of others mean nothing here. */
function movePages(
  process: LinuxProcess,
  pid: number,
  count: number,
  pages: number,
  nodes: number,
  status: number,
  flags: number,
): number {
  if (pid !== 0 && pid !== process.pid) return -Errno.EPERM;
  if (count >>> 0 > MOST_PAGES) return -Errno.E2BIG;
  const at = scratch.allocate(count * 8);
  for (let index = 0; index < count; index++) {
    const page = process.memory.readI32(pages + index * 4) >>> 0;
    scratch.view.setBigUint64(at + index * 8, BigInt(process.hostBase + page), true);
  }
  return syscall(
    Host.move_pages,
    0,
    count,
    scratch.address + at,
    readableStructure(process, nodes, count * 4),
    writableStructure(process, status, count * 4),
    flags,
  );
}

function bind(
  process: LinuxProcess,
  start: number,
  length: number,
  mode: number,
  nodes: number,
  maximum: number,
  flags: number,
): number {
  // The host has something mapped everywhere.
  const first = start >>> 0;
  const end = first + (length >>> 0);
  if (end > GUEST_LIMIT || process.mappings.regions.firstHole(first, end) < end) return -Errno.EFAULT;
  const hostNodes = nodeSet(process, nodes, maximum);
  return syscall(Host.mbind, process.hostBase + first, length >>> 0, mode, hostNodes, maximum >>> 0, flags);
}

export const memoryPolicyCalls: readonly SyscallDeclaration[] = [
  declare('mbind', ['pointer', 'unsigned', 'int', 'pointer', 'unsigned', 'hex'], 'int', bind),
  declare('get_mempolicy', ['int-out', 'pointer', 'unsigned', 'pointer', 'hex'], 'int', getPolicy),
  declare('set_mempolicy', ['int', 'pointer', 'unsigned'], 'int', (process, mode, nodes, maximum) =>
    syscall(Host.set_mempolicy, mode, nodeSet(process, nodes, maximum), maximum >>> 0),
  ),
  declare(
    'set_mempolicy_home_node',
    ['pointer', 'unsigned', 'unsigned', 'hex'],
    'int',
    (process, start, length, node, flags) =>
      syscall(
        Host.set_mempolicy_home_node,
        readable(process, start) || process.hostBase,
        length >>> 0,
        node >>> 0,
        flags >>> 0,
      ),
  ),
  declare('migrate_pages', ['int', 'unsigned', 'pointer', 'pointer'], 'int', (process, pid, maximum, from, to) =>
    syscall(Host.migrate_pages, pid, maximum >>> 0, nodeSet(process, from, maximum), nodeSet(process, to, maximum)),
  ),
  declare('move_pages', ['int', 'unsigned', 'pointer', 'pointer', 'pointer', 'hex'], 'int', movePages),
];
