/**
 * fork and vfork of the guest: a fork of the whole host process. A vfork's child has memory of its own here, so what it wrote is
 * sent to the parent, which waits, when it executes another program or ends; posix_spawn learns of failures that way.
 */
import { PAGE_SIZE } from '../../translator/pages.js';
import { GUEST_LIMIT, State } from '../../translator/state.js';
import { HostBuffer, hostClose, hostOpen, hostRead } from '../host/buffer.js';
import { canFork, fork } from '../host/fork.js';
import { errno, syscall } from '../host/libc.js';
import { Errno } from './constants/errno.js';
import { Host } from './constants/host-syscalls.js';
import { Protection } from './constants/memory.js';
import type { LinuxProcess } from './process.js';

const O_CLOEXEC = 0o2000000;
/** Bits of a /proc/self/pagemap entry's high byte: present, mapped by this process alone (Documentation/admin-guide/mm/pagemap.rst). */
const PAGE_PRESENT = 0x80;
const PAGE_EXCLUSIVE = 0x01;
const ENTRY_SIZE = 8;
/** posix_spawn's results lie in the caller's frames; more than these is not looked at where there are other threads. */
const FRAMES_SIZE = 1 << 16;

let explained = false;

/** 0 in the child, the child's id in the parent, or a negated error number. */
export function forkProcess(process: LinuxProcess, exitSignal?: number, isVfork = false): number {
  if (!canFork()) {
    if (!explained) {
      process.report('bridge86: the guest wants to fork, for which Node must be started with --single-threaded');
      explained = true;
    }
    return -Errno.EAGAIN;
  }
  process.debugger?.beforeFork();
  // What is sent to the child before its handler knows the child's ids has to wait.
  process.signals.blockAll();
  // The child must not inherit locks of V8 that another thread holds.
  const { lock } = process.threads;
  lock.stopOthersInKernel();
  const { profiler } = process;
  profiler?.pause();
  const pid = fork(exitSignal);
  const error = pid === -1 ? errno() : pid < 0 ? -pid : 0;
  if (pid === 0) process.becomeChild();
  else {
    profiler?.start();
    lock.resumeOthers();
  }
  process.signals.unblock();
  if (pid !== 0) process.debugger?.afterFork(error ? -error : pid, isVfork);
  return error ? -error : pid;
}

/** As `forkProcess`; the parent comes back only when the child executes another program or ends. */
export function vforkProcess(process: LinuxProcess, exitSignal?: number): number {
  const buffer = new HostBuffer(128);
  const piped = syscall(Host.pipe2, buffer.address, O_CLOEXEC);
  if (piped < 0) return piped;
  const readEnd = buffer.view.getInt32(0, true);
  const writeEnd = buffer.view.getInt32(4, true);
  // Other threads go on: what they write meanwhile must stay. The caller's frames are its own.
  const frames = process.cpu.i32[State.esp >> 2]! >>> 0;
  const sent = process.threads.isThreaded ? ([frames, frames + FRAMES_SIZE] as const) : ([0, GUEST_LIMIT] as const);
  const pid = forkProcess(process, exitSignal, true);
  if (pid === 0) {
    hostClose(readEnd);
    process.releaseParent = () => {
      process.releaseParent = undefined;
      sendPages(process, writeEnd, ...sent);
      hostClose(writeEnd);
    };
    return 0;
  }
  hostClose(writeEnd);
  if (pid > 0) receivePages(process, readEnd);
  hostClose(readEnd);
  if (pid > 0) process.debugger?.afterVfork();
  return pid;
}

/** Writes address and contents of every page between two addresses that this process has and its parent has not. */
function sendPages(process: LinuxProcess, fd: number, start: number, end: number): void {
  const pagemap = hostOpen(new TextEncoder().encode('/proc/self/pagemap'));
  if (pagemap < 0) return;
  const header = new HostBuffer(128);
  for (const region of process.mappings.regions.all) {
    if (region.shared || !(region.protection & Protection.PROT_WRITE)) continue;
    const firstPage = (process.hostBase + region.start) / PAGE_SIZE;
    const count = (region.end - region.start) / PAGE_SIZE;
    const entries = hostRead(pagemap, firstPage * ENTRY_SIZE, count * ENTRY_SIZE);
    if (typeof entries === 'number') continue;
    for (let page = 0; (page + 1) * ENTRY_SIZE <= entries.length; page++) {
      const bits = entries[page * ENTRY_SIZE + 7]!;
      if (!(bits & PAGE_PRESENT) || !(bits & PAGE_EXCLUSIVE)) continue;
      const address = region.start + page * PAGE_SIZE;
      if (address + PAGE_SIZE <= start || address >= end) continue;
      header.view.setUint32(0, address, true);
      if (!writeAll(fd, header.address, 4)) break;
      if (!writeAll(fd, process.hostBase + address, PAGE_SIZE)) break;
    }
  }
  hostClose(pagemap);
}

function writeAll(fd: number, address: number, length: number): boolean {
  for (let done = 0; done < length;) {
    const count = syscall(Host.write, fd, address + done, length - done);
    if (count === -Errno.EINTR) continue;
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

function receivePages(process: LinuxProcess, fd: number): void {
  const buffer = new HostBuffer(4 + PAGE_SIZE);
  const { memory } = process;
  const { lock } = process.threads;
  for (;;) {
    for (let have = 0; have < buffer.size;) {
      const count = lock.block(() => syscall(Host.read, fd, buffer.address + have, buffer.size - have));
      if (count === -Errno.EINTR) continue;
      if (count <= 0) return;
      have += count;
    }
    const address = buffer.view.getUint32(0, true);
    if (!memory.isWritable(address, PAGE_SIZE)) continue;
    memory.write(address, buffer.bytes.subarray(4));
  }
}
