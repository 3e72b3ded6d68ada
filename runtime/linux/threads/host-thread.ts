/** What a Worker does all its life: waits for a guest thread that begins on its slot, runs it, and waits again. */
import type { LinuxProcess, ProcessEnd } from '../process.js';
import { beginThread, endThread } from './guest-thread.js';
import { Control, Phase, Slot, Status } from './thread-table.js';

/**
 * Never returns, unless this is the leader of a child that was forked here: then with that process's end.
 * @param process the view of the process that this thread has
 */
export function runHostThread(process: LinuxProcess): ProcessEnd {
  const { threads } = process;
  const { table, index, lock } = threads;
  process.signals.blockAll();
  table.setSlot(index, Slot.tid, process.tid);
  table.setSlot(index, Slot.applied, table.get(Control.invalidations));
  let begun = table.slot(index, Slot.begun);
  table.setSlot(index, Slot.phase, Phase.waiting);
  table.setSlot(index, Slot.status, Status.idle);
  table.wakeSlot(index, Slot.status);
  for (;;) {
    lock.rest(() => {
      while (table.slot(index, Slot.begun) === begun) table.waitSlot(index, Slot.begun, begun);
    });
    begun = table.slot(index, Slot.begun);
    beginThread(process);
    const end = process.run();
    if (end.kind !== 'thread') return end;
    // A forked child that this thread leads has other threads that are still alive.
    begun = table.slot(index, Slot.begun);
    endThread(process, end.killed);
  }
}
