/**
 * Each thread has translations of its own. What one does to pages that have some, and what generated code must test from now on,
 * concerns all: here the memory's and the engine's hooks are connected with the threads' requests to one another.
 */
import type { LinuxProcess } from '../process.js';
import { Control } from './thread-table.js';

const PAGE_COUNT = 1 << 20;
/** What generated code tests at least; the values of `Control.checks`. */
const Checks = { none: 0, writes: 1, all: 2 } as const;

export function shareTranslations(process: LinuxProcess): void {
  const { memory, mappings, signals, engine, threads } = process;
  const { lock, table } = threads;
  const isLazy = process.options.memory === 'lazy';
  const applyChecks = (): void => {
    if (!isLazy) return;
    const checks = table.get(Control.checks);
    if (checks === Checks.all) engine.setMemoryMode('precise');
    else if (checks === Checks.writes) engine.testWrites();
  };
  const raiseChecks = (checks: number): void => {
    if (!isLazy || table.get(Control.checks) >= checks) return;
    lock.enter();
    table.set(Control.checks, checks);
    applyChecks();
    lock.awaitOthers();
    lock.leave();
  };
  const { onCodeWrite } = memory;
  memory.onCodeWrite = (page) => {
    lock.enter();
    // Who has dropped its translations must not make new ones of the old bytes while the page is not yet free to be written.
    table.set(Control.dropping, 1);
    lock.invalidate(page, 1);
    onCodeWrite(page);
    table.set(Control.dropping, 0);
    lock.leave();
  };
  memory.isCodeLeaving = () => table.get(Control.dropping) !== 0;
  mappings.onUnmapped = (firstPage, count) => {
    lock.invalidate(firstPage, count);
    engine.invalidatePages(firstPage, count);
  };
  memory.onCodeFound = (protect) => {
    lock.enter();
    raiseChecks(Checks.writes);
    protect();
    lock.awaitOthers();
    lock.leave();
  };
  mappings.onUnusual = () => raiseChecks(Checks.all);
  signals.onFaultHandler = () => raiseChecks(Checks.all);
  lock.requests = {
    drop: (firstPage, count) => engine.dropTranslations(firstPage, count),
    dropAll: () => engine.dropTranslations(0, PAGE_COUNT),
    attend: applyChecks,
  };
}

/** A new program begins: generated code tests nothing, or all where that was asked for. */
export function resetChecks(process: LinuxProcess): void {
  process.threads.table.set(Control.checks, Checks.none);
  process.engine.setMemoryMode(process.options.memory ?? 'precise');
}

/** A thread begins, perhaps of another program than the last on this host thread. */
export function beginTranslations(process: LinuxProcess, isNewProgram: boolean): void {
  if (isNewProgram) {
    process.engine.dropTranslations(0, PAGE_COUNT);
    process.engine.setMemoryMode(process.options.memory ?? 'precise');
  }
  process.threads.lock.requests.attend();
}
