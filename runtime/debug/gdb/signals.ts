/** Signal numbers as gdb's protocol has them (gdb's include/gdb/signals.def), which are nobody's else. */
import { Signal } from '../../linux/constants/signals.js';

export const GdbSignal = { SIGINT: 2, SIGILL: 4, SIGTRAP: 5, SIGFPE: 8, SIGSEGV: 11 } as const;

/** Linux's numbers in the order of gdb's 1 to 32; 0 where Linux has no such signal. */
const BY_GDB_NUMBER: readonly number[] = [
  Signal.SIGHUP,
  Signal.SIGINT,
  Signal.SIGQUIT,
  Signal.SIGILL,
  Signal.SIGTRAP,
  Signal.SIGABRT,
  0,
  Signal.SIGFPE,
  Signal.SIGKILL,
  Signal.SIGBUS,
  Signal.SIGSEGV,
  Signal.SIGSYS,
  Signal.SIGPIPE,
  Signal.SIGALRM,
  Signal.SIGTERM,
  Signal.SIGURG,
  Signal.SIGSTOP,
  Signal.SIGTSTP,
  Signal.SIGCONT,
  Signal.SIGCHLD,
  Signal.SIGTTIN,
  Signal.SIGTTOU,
  Signal.SIGIO,
  Signal.SIGXCPU,
  Signal.SIGXFSZ,
  Signal.SIGVTALRM,
  Signal.SIGPROF,
  Signal.SIGWINCH,
  0,
  Signal.SIGUSR1,
  Signal.SIGUSR2,
  Signal.SIGPWR,
];
/** Real-time signals 33 to 63; 32 and 64 have places of their own. */
const FIRST_REALTIME = 33;
const GDB_FIRST_REALTIME = 45;
const GDB_REALTIME_32 = 77;
const GDB_REALTIME_64 = 78;
const GDB_UNKNOWN = 143;

export function gdbSignal(signal: number): number {
  const index = BY_GDB_NUMBER.indexOf(signal);
  if (signal > 0 && index >= 0) return index + 1;
  if (signal === 32) return GDB_REALTIME_32;
  if (signal === 64) return GDB_REALTIME_64;
  return signal >= FIRST_REALTIME && signal < 64 ? signal - FIRST_REALTIME + GDB_FIRST_REALTIME : GDB_UNKNOWN;
}

/** Linux's number, 0 where there is none. */
export function guestSignal(number: number): number {
  if (number === GDB_REALTIME_32) return 32;
  if (number === GDB_REALTIME_64) return 64;
  if (number >= GDB_FIRST_REALTIME && number < GDB_REALTIME_32) return number - GDB_FIRST_REALTIME + FIRST_REALTIME;
  return BY_GDB_NUMBER[number - 1] ?? 0;
}
