/**
 * Read-write locks that prefer readers, as long as nobody has to wait: the transitions of nptl/pthread_rwlock_common.c that the
 * comment there numbers, on the same words. Everything else is left to the guest's own function.
 */
import { DECLINED } from '../../../translator/bridge.js';
import type { BridgeContext } from '../../library.js';
import { Errno, FUTEX_USED, Readers, RwLock, ThreadWords } from './structures.js';

type Implementation = (context: BridgeContext) => (...args: number[]) => number;

const EVERYBODY = 0x7fffffff;
const STATE = Readers.writePhase | Readers.writeLocked;
/** As many readers as this are not counted here. */
const MANY = 1 << 30;

class RwLocks extends ThreadWords {
  /** A lock that prefers readers, and whose words may be used. */
  isPlain(at: number): boolean {
    return this.usable(at, RwLock.size) && (this.get(at + RwLock.flags) & 0xff) === 0;
  }
  isShared(at: number): boolean {
    return (this.get(at + RwLock.flags) & 0xff00) !== 0;
  }

  /** True where the lock is held for reading now. */
  read(at: number): boolean {
    for (;;) {
      const readers = this.load(at);
      if (readers & Readers.writeLocked || readers >>> 0 >= MANY) return false;
      const entered = (readers & ~Readers.writePhase) + Readers.one;
      if (!this.replace(at, readers, entered)) continue;
      // Who began the phase tells those who wait for it.
      if (readers & Readers.writePhase && this.exchange(at + RwLock.phase, 0) & FUTEX_USED) {
        this.wake(at + RwLock.phase, EVERYBODY, this.isShared(at));
      }
      return true;
    }
  }

  write(at: number, id: number): boolean {
    const readers = this.load(at);
    // Somebody reads, writes or waits.
    if ((readers & ~Readers.writePhase) !== 0 || !this.replace(at, readers, STATE)) return false;
    this.store(at + RwLock.writers, 1);
    if ((readers & Readers.writePhase) === 0) this.store(at + RwLock.phase, 1);
    this.store(at + RwLock.writer, id);
    return true;
  }

  unlockRead(at: number): boolean {
    for (;;) {
      const readers = this.load(at);
      // The last reader has to look after those who wait.
      if (readers >>> 0 < 2 * Readers.one && readers !== Readers.one) return false;
      if (readers & Readers.writePhase) return false;
      if (this.replace(at, readers, readers - Readers.one)) return true;
    }
  }

  unlockWrite(at: number): void {
    const shared = this.isShared(at);
    this.store(at + RwLock.writer, 0);
    const wakesWriters = (this.exchange(at + RwLock.writers, 0) & FUTEX_USED) !== 0;
    let readers: number;
    let left: number;
    do {
      readers = this.load(at);
      left = readers ^ Readers.writeLocked ^ (readers >>> 0 < Readers.one ? 0 : Readers.writePhase);
    } while (!this.replace(at, readers, left));
    if (readers >>> 0 >= Readers.one && this.exchange(at + RwLock.phase, 0) & FUTEX_USED) {
      this.wake(at + RwLock.phase, EVERYBODY, shared);
    }
    if (wakesWriters) this.wake(at + RwLock.writers, 1, shared);
  }
}

function rwlock(run: (locks: RwLocks, at: number, id: number) => number): Implementation {
  return (context) => {
    const locks = new RwLocks(context);
    return (address) => {
      const at = address! >>> 0;
      const id = locks.isPlain(at) ? locks.threadId() : 0;
      return id === 0 ? DECLINED : run(locks, at, id);
    };
  };
}

export const rwlockFunctions: Readonly<Record<string, Implementation>> = {
  'int pthread_rwlock_rdlock(pointer lock)': rwlock((locks, at, id) => {
    if (locks.load(at + RwLock.writer) === id) return Errno.EDEADLK;
    return locks.read(at) ? 0 : DECLINED;
  }),
  'int pthread_rwlock_tryrdlock(pointer lock)': rwlock((locks, at) => (locks.read(at) ? 0 : DECLINED)),
  'int pthread_rwlock_wrlock(pointer lock)': rwlock((locks, at, id) => {
    if (locks.load(at + RwLock.writer) === id) return Errno.EDEADLK;
    return locks.write(at, id) ? 0 : DECLINED;
  }),
  'int pthread_rwlock_trywrlock(pointer lock)': rwlock((locks, at, id) => (locks.write(at, id) ? 0 : DECLINED)),
  'int pthread_rwlock_unlock(pointer lock)': rwlock((locks, at, id) => {
    if (locks.load(at + RwLock.writer) !== id) return locks.unlockRead(at) ? 0 : DECLINED;
    locks.unlockWrite(at);
    return 0;
  }),
};
