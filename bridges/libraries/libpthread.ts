/**
 * libpthread: locks and what belongs to them, on the guest library's own structures. A library of its own up to glibc 2.33, part of
 * libc.so.6 since.
 */
import { syscall } from '../../runtime/host/libc.js';
import { Host } from '../../runtime/linux/constants/host-syscalls.js';
import { type BridgedLibrary, declareLibrary } from '../library.js';
import { mutexFunctions } from './pthread/mutexes.js';
import { rwlockFunctions } from './pthread/rwlocks.js';
import { unsuitedConditions, unsuitedThreads } from './pthread/versions.js';
import { waitingFunctions } from './pthread/waiting.js';

export const libpthread = (): BridgedLibrary =>
  declareLibrary({
    name: 'libpthread',
    soname: 'libpthread.so.0',
    alsoIn: ['libc.so.6'],
    description:
      "Locks that are free, and what is to be done where nobody waits, on the guest's own structures. Whatever has to wait, and " +
      "threads' making, cancellation and end, are the guest's own functions, which find all as they would have left it.",
    declining: { ...mutexFunctions, ...rwlockFunctions, ...waitingFunctions },
    written: {
      'int sched_yield()': () => () => syscall(Host.sched_yield),
    },
    unsuited: (name, file) =>
      unsuitedThreads(file) ?? (name.startsWith('pthread_cond') ? unsuitedConditions(file) : undefined),
  });
