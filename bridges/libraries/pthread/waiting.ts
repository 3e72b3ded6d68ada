/**
 * Semaphores, condition variables and initialisation where there is nothing to wait for and nobody to wake but by one call of the
 * kernel. Waiting, which signals and cancellation interrupt, is the business of the guest's own functions.
 */
import { DECLINED } from '../../../translator/bridge.js';
import type { BridgeContext } from '../../library.js';
import {
  Condition,
  CONDITION_WAITERS_SHIFT,
  ONCE_DONE,
  Semaphore,
  SEMAPHORE_AWAITED,
  SEMAPHORE_ONE,
  ThreadWords,
} from './structures.js';

type Implementation = (context: BridgeContext) => (...args: number[]) => number;

/** Takes one where there is one. */
const take: Implementation = (context) => {
  const words = new ThreadWords(context);
  return (semaphore) => {
    const at = semaphore! >>> 0;
    if (words.usable(at, Semaphore.size)) {
      for (let value = words.load(at); value >>> 0 >= SEMAPHORE_ONE; value = words.load(at)) {
        if (words.replace(at, value, value - SEMAPHORE_ONE)) return 0;
      }
    }
    // Also what errno is to be is the guest's business.
    return DECLINED;
  };
};

/** SEM_VALUE_MAX, as it lies in the word. */
const HIGHEST = 0xfffffffe;

const post: Implementation = (context) => {
  const words = new ThreadWords(context);
  return (semaphore) => {
    const at = semaphore! >>> 0;
    if (words.usable(at, Semaphore.size)) {
      const isPrivate = words.get(at + Semaphore.private) === 0;
      for (let value = words.load(at); (value | SEMAPHORE_AWAITED) >>> 0 < HIGHEST; value = words.load(at)) {
        if (!words.replace(at, value, value + SEMAPHORE_ONE)) continue;
        if (value & SEMAPHORE_AWAITED) words.wake(at, 1, !isPrivate);
        return 0;
      }
    }
    return DECLINED;
  };
};

/** Nothing to do where nobody waits. */
const tell: Implementation = (context) => {
  const words = new ThreadWords(context);
  return (condition) => {
    const at = condition! >>> 0;
    if (words.usable(at, Condition.size) && words.load(at + Condition.waiters) >>> CONDITION_WAITERS_SHIFT === 0) {
      return 0;
    }
    return DECLINED;
  };
};

const once: Implementation = (context) => {
  const words = new ThreadWords(context);
  return (control) => {
    if (words.usable(control!, 4) && words.load(control!) & ONCE_DONE) return 0;
    return DECLINED;
  };
};

export const waitingFunctions: Readonly<Record<string, Implementation>> = {
  'int sem_trywait(pointer semaphore)': take,
  'int sem_post(pointer semaphore)': post,
  'int pthread_cond_signal(pointer condition)': tell,
  'int pthread_cond_broadcast(pointer condition)': tell,
  'int pthread_once(pointer control, pointer initialise)': once,
};
