/** gdb at a machine: runs it as gdb says until gdb detaches, goes away or kills, in the calling thread. */
import { Connection } from '../runtime/debug/gdb/connection.js';
import { type DebugTarget, GdbServer } from '../runtime/debug/gdb/server.js';
import { DebugSession } from '../runtime/debug/gdb/session.js';
import { GdbSignal } from '../runtime/debug/gdb/signals.js';
import { acceptOne, type SocketAddress, SocketStream } from '../runtime/host/socket.js';
import { strerror } from '../runtime/host/strerror.js';
import { wakeOnInput } from '../runtime/host/wakeup.js';
import { Trap } from '../translator/state.js';
import type { RunOptions, RunResult } from './machine-types.js';

/**
 * @param run executes until something happens or `isInterrupted` says so
 * @returns why gdb left
 */
export function serveGdb(
  address: SocketAddress,
  target: DebugTarget,
  run: (options: RunOptions, isInterrupted: () => boolean) => RunResult,
): 'detach' | 'kill' {
  const fd = acceptOne(address);
  if (fd < 0) throw new Error(`no connection for gdb: ${strerror(-fd)}`);
  const session = new DebugSession();
  const connection = new Connection(new SocketStream(fd), session);
  const server = new GdbServer(connection, target, session);
  wakeOnInput(fd);
  try {
    let signal: number = GdbSignal.SIGTRAP;
    let detail = '';
    for (let tell = false; ; tell = true) {
      const resumption = server.stop(signal, detail, tell);
      if (resumption.kind === 'detach' || resumption.kind === 'kill') return resumption.kind;
      const result = run(resumption.kind === 'step' ? { count: 1 } : {}, () => server.pollInterrupt());
      const hit = server.points.takeHit();
      const isBreakpoint = result.reason === 'until' && server.points.isBreakpoint(target.registers.eip);
      detail = hit ?? (isBreakpoint ? 'swbreak:;' : '');
      signal = hit === undefined ? signalOf(result) : GdbSignal.SIGTRAP;
    }
  } finally {
    server.clear();
    connection.close();
  }
}

/** The signal that Linux would send a process for it. */
function signalOf(result: RunResult): number {
  switch (result.reason) {
    case 'until':
    case 'count':
      return GdbSignal.SIGTRAP;
    case 'invalid':
      return GdbSignal.SIGSEGV;
    case 'interrupt':
      return result.vector === Trap.breakpoint ? GdbSignal.SIGTRAP : GdbSignal.SIGSEGV;
    case 'exception':
      if (result.vector === Trap.invalidOpcode) return GdbSignal.SIGILL;
      if (result.vector === Trap.debug) return GdbSignal.SIGTRAP;
      return [Trap.divideError, Trap.floatingPoint, Trap.simd].includes(result.vector as 0)
        ? GdbSignal.SIGFPE
        : GdbSignal.SIGSEGV;
    case 'timeout':
    case 'stop':
    case 'abort':
      return GdbSignal.SIGINT;
  }
}
