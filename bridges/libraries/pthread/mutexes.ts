/**
 * Mutexes and spin locks that nobody else holds. Whoever has to wait, and mutexes that are robust or care about priorities, are left to
 * the guest's own function, which finds everything as it would have left it itself.
 */
import { DECLINED } from '../../../translator/bridge.js';
import type { BridgeContext } from '../../library.js';
import { Errno, LowLevelLock, Mutex, MutexKind, ThreadWords } from './structures.js';

type Implementation = (context: BridgeContext) => (...args: number[]) => number;

/** Kinds without another bit than these are a lock, an owner and a count. */
const PLAIN = MutexKind.typeMask | MutexKind.shared | MutexKind.notElided;
const HIGHEST_COUNT = -1;

/** @param tries fails instead of waiting */
function lock(tries: boolean): Implementation {
  return (context) => {
    const words = new ThreadWords(context);
    return (mutex) => {
      const at = mutex! >>> 0;
      if (!words.usable(at, Mutex.size)) return DECLINED;
      const kind = words.get(at + Mutex.kind);
      if (kind & ~PLAIN) return DECLINED;
      const type = kind & MutexKind.typeMask;
      const id = words.threadId();
      if (id === 0) return DECLINED;
      if ((type === MutexKind.recursive || type === MutexKind.checking) && words.get(at + Mutex.owner) === id) {
        if (type === MutexKind.checking) return tries ? Errno.EBUSY : Errno.EDEADLK;
        const count = words.get(at + Mutex.count);
        if (count === HIGHEST_COUNT) return Errno.EAGAIN;
        words.set(at + Mutex.count, count + 1);
        return 0;
      }
      if (!words.replace(at, LowLevelLock.free, LowLevelLock.held)) return tries ? Errno.EBUSY : DECLINED;
      if (type === MutexKind.recursive) words.set(at + Mutex.count, 1);
      words.set(at + Mutex.owner, id);
      words.set(at + Mutex.users, words.get(at + Mutex.users) + 1);
      return 0;
    };
  };
}

const unlock: Implementation = (context) => {
  const words = new ThreadWords(context);
  return (mutex) => {
    const at = mutex! >>> 0;
    const usable = words.usable(at, Mutex.size);
    const kind = usable ? words.get(at + Mutex.kind) : 0;
    const type = kind & MutexKind.typeMask;
    const asks = type === MutexKind.recursive || type === MutexKind.checking;
    const id = asks ? words.threadId() : 1;
    if (!usable || kind & ~PLAIN || id === 0) return DECLINED;
    if (asks) {
      if (words.get(at + Mutex.owner) !== id || words.load(at) === LowLevelLock.free) return Errno.EPERM;
      if (type === MutexKind.recursive) {
        const count = words.get(at + Mutex.count) - 1;
        words.set(at + Mutex.count, count);
        if (count !== 0) return 0;
      }
    }
    words.set(at + Mutex.owner, 0);
    words.set(at + Mutex.users, words.get(at + Mutex.users) - 1);
    if (words.exchange(at, LowLevelLock.free) === LowLevelLock.awaited) {
      words.wake(at, 1, (kind & MutexKind.shared) !== 0);
    }
    return 0;
  };
};

/** `pthread_spinlock_t`: 1 is free, anything below is not (sysdeps/i386/nptl/pthread_spin_lock.c). */
const SPIN_FREE = 1;
const SPIN_HELD = 0;

function spin(tries: boolean): Implementation {
  return (context) => {
    const words = new ThreadWords(context);
    return (address) => {
      const at = address! >>> 0;
      if (words.usable(at, 4)) {
        if (words.replace(at, SPIN_FREE, SPIN_HELD)) return 0;
        if (tries) return Errno.EBUSY;
      }
      return DECLINED;
    };
  };
}

const spinUnlock: Implementation = (context) => {
  const words = new ThreadWords(context);
  return (address) => {
    if (!words.usable(address!, 4)) return DECLINED;
    words.store(address!, SPIN_FREE);
    return 0;
  };
};

export const mutexFunctions: Readonly<Record<string, Implementation>> = {
  'int pthread_mutex_lock(pointer mutex)': lock(false),
  'int pthread_mutex_trylock(pointer mutex)': lock(true),
  'int pthread_mutex_unlock(pointer mutex)': unlock,
  'int pthread_spin_lock(pointer lock)': spin(false),
  'int pthread_spin_trylock(pointer lock)': spin(true),
  'int pthread_spin_unlock(pointer lock)': spinUnlock,
};
