/**
 * The process that keeps translations for later runs: a fork of the emulator, made when a program ends or executes another one,
 * so that neither waits for it. It has no descriptors, signals or parent of the guest's, the lowest priority, and a lock: one
 * is at work at a time for each cache.
 */
import { HostBuffer, hostClose, hostOpen, hostReadLink } from '../host/buffer.js';
import { canFork, fork } from '../host/fork.js';
import { syscall } from '../host/libc.js';
import { Host } from './constants/host-syscalls.js';
import type { LinuxProcess } from './process.js';

/** Milliseconds after which no further work is begun. */
const BUDGET = 60_000;
const PRIO_PROCESS = 0;
const LOWEST_PRIORITY = 19;
const IOPRIO_WHO_PROCESS = 1;
/** IOPRIO_CLASS_IDLE (include/uapi/linux/ioprio.h). */
const IOPRIO_IDLE = 3 << 13;
const LAST_SIGNAL = 64;
const RLIMIT_CORE = 4;
/** Descriptors above these are none that the emulator has opened. */
const DESCRIPTORS = 1024;
const O_RDWR = 2;
const STANDARD_ERROR = 2;
/** The parent waits for a child that sends no signal when it ends (wait4, __WCLONE). */
const NO_SIGNAL = 0;
const WAIT_FOR_CLONE = 0x80000000;
const EINTR = 4;
const DEV_NULL = new TextEncoder().encode('/dev/null');
const ROOT = new TextEncoder().encode('/');

/**
 * Keeps what was translated of the program, where that is worth it and nobody else is at it.
 * @param waits until that is done
 * @param goesOn whether this process will run another program
 */
export function keepTranslations(guest: LinuxProcess, waits: boolean, goesOn: boolean): void {
  const started = performance.now();
  keep(guest, waits, goesOn);
  guest.engine.statistics.keepMilliseconds += performance.now() - started;
}

function keep(guest: LinuxProcess, waits: boolean, goesOn: boolean): void {
  const { engine } = guest;
  if (!engine.isWorthKeeping()) return;
  if (!canFork()) {
    if (waits) engine.keepTranslations(BUDGET, false);
    return;
  }
  const lock = engine.lockKept(waits);
  if (lock < 0) return;
  guest.signals.blockAll();
  const pid = fork(NO_SIGNAL);
  if (pid === 0) {
    // The next program is to find no child that it did not make: whoever adopts orphans gets this one.
    if (goesOn && !waits && fork(NO_SIGNAL) !== 0) exit();
    leaveGuest(guest, lock);
    try {
      engine.keepTranslations(BUDGET, true);
    } finally {
      exit();
    }
  }
  if (pid > 0 && (goesOn || waits)) while (syscall(Host.wait4, pid, 0, WAIT_FOR_CLONE, 0) === -EINTR);
  hostClose(lock);
  guest.signals.unblock();
}

/** Nobody is to notice that this process lives on. */
function leaveGuest({ files, signals }: LinuxProcess, lock: number): void {
  syscall(Host.setsid);
  syscall(Host.setpriority, PRIO_PROCESS, 0, LOWEST_PRIORITY);
  syscall(Host.ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
  const buffer = new HostBuffer(128);
  // Should V8 end this process, that is to leave nothing behind.
  syscall(Host.setrlimit, RLIMIT_CORE, buffer.address);
  files.closeAll();
  for (let fd = 0; fd < DESCRIPTORS; fd++) if (fd !== lock && !isOfNode(fd)) hostClose(fd);
  // Who writes an error message finds nobody.
  for (let fd = hostOpen(DEV_NULL, O_RDWR); fd >= 0; fd = hostOpen(DEV_NULL, O_RDWR)) {
    if (fd <= STANDARD_ERROR) continue;
    hostClose(fd);
    break;
  }
  syscall(Host.chdir, buffer.putCString(ROOT));
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) signals.host.release(signal, 0);
  signals.host.setMask(0n);
}

/** V8's and libuv's way to wake themselves up, without which they abort; not a debugger's connection or an embedder's. */
function isOfNode(fd: number): boolean {
  const target = hostReadLink(new TextEncoder().encode(`/proc/self/fd/${fd}`));
  return typeof target !== 'number' && /^(anon_inode|pipe):/.test(new TextDecoder().decode(target));
}

function exit(): never {
  for (;;) syscall(Host.exit_group, 0);
}
