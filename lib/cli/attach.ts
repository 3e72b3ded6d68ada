/** What watches a guest from its start: gdb, an embedder, a profiler. Ordinary runs do not load it. */
import { debugProcess, debugThread } from '../../runtime/debug/process-debugger.js';
import type { LinuxProcess } from '../../runtime/linux/process.js';
import { ProcessController } from '../control/controller.js';
import { startProfile } from './prof.js';
import type { RunOptions } from './run-options.js';

export function attach(guest: LinuxProcess, { gdb, control, prof }: RunOptions): void {
  if (gdb) debugProcess(guest, gdb);
  else if (control !== undefined) guest.debugger = new ProcessController(guest, control);
  if (prof !== undefined) startProfile(guest, prof);
}

/** As `attach`, of a thread on a Worker. */
export function attachThread(guest: LinuxProcess, { gdb }: RunOptions): void {
  if (gdb) debugThread(guest);
}
