/** Signals and their flags as linux/i386 numbers them (uapi/asm/signal.h, asm-generic/siginfo.h). */
export const Signal = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

export const SIGNAL_COUNT = 64;
/** First real-time signal as the kernel counts. */
export const SIGNAL_REALTIME = 32;

const names = new Map<number, string>(Object.entries(Signal).map(([name, number]) => [number, name]));

/** `SIGSEGV` for 11, `SIGRT_1` for 33 as strace writes it, the number itself for what is no signal. */
export function signalName(signal: number): string {
  const name = names.get(signal);
  if (name !== undefined) return name;
  return signal >= SIGNAL_REALTIME && signal <= SIGNAL_COUNT ? `SIGRT_${signal - SIGNAL_REALTIME}` : String(signal);
}

export const ActionFlag = {
  SA_NOCLDSTOP: 0x1,
  SA_NOCLDWAIT: 0x2,
  SA_SIGINFO: 0x4,
  SA_UNSUPPORTED: 0x400,
  SA_EXPOSE_TAGBITS: 0x800,
  SA_RESTORER: 0x04000000,
  SA_ONSTACK: 0x08000000,
  SA_RESTART: 0x10000000,
  SA_NODEFER: 0x40000000,
  SA_RESETHAND: 0x80000000,
} as const;

/** Values of a handler that are no address. */
export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const MaskOperation = { SIG_BLOCK: 0, SIG_UNBLOCK: 1, SIG_SETMASK: 2 } as const;

export const AlternateStackFlag = { SS_ONSTACK: 1, SS_DISABLE: 2, SS_AUTODISARM: 0x80000000 } as const;

/** si_code of signals that the processor's exceptions raise, and of those that a process sends. */
export const SignalCode = {
  SI_USER: 0,
  SI_KERNEL: 0x80,
  SI_QUEUE: -1,
  SI_TIMER: -2,
  SI_MESGQ: -3,
  SI_ASYNCIO: -4,
  SI_SIGIO: -5,
  SI_TKILL: -6,
  SEGV_MAPERR: 1,
  SEGV_ACCERR: 2,
  BUS_ADRALN: 1,
  BUS_ADRERR: 2,
  FPE_INTDIV: 1,
  FPE_INTOVF: 2,
  FPE_FLTDIV: 3,
  FPE_FLTOVF: 4,
  FPE_FLTUND: 5,
  FPE_FLTRES: 6,
  FPE_FLTINV: 7,
  ILL_ILLOPN: 2,
  TRAP_BRKPT: 1,
  TRAP_TRACE: 2,
} as const;

/** What a signal does when it is neither handled nor ignored (signal(7)). */
export type DefaultAction = 'terminate' | 'core' | 'ignore' | 'stop' | 'continue';

const IGNORED: ReadonlySet<number> = new Set([Signal.SIGCHLD, Signal.SIGURG, Signal.SIGWINCH]);
const STOPPING: ReadonlySet<number> = new Set([Signal.SIGSTOP, Signal.SIGTSTP, Signal.SIGTTIN, Signal.SIGTTOU]);
const CORE: ReadonlySet<number> = new Set([
  Signal.SIGQUIT,
  Signal.SIGILL,
  Signal.SIGTRAP,
  Signal.SIGABRT,
  Signal.SIGBUS,
  Signal.SIGFPE,
  Signal.SIGSEGV,
  Signal.SIGXCPU,
  Signal.SIGXFSZ,
  Signal.SIGSYS,
]);

export function defaultAction(signal: number): DefaultAction {
  if (IGNORED.has(signal)) return 'ignore';
  if (STOPPING.has(signal)) return 'stop';
  if (signal === Signal.SIGCONT) return 'continue';
  return CORE.has(signal) ? 'core' : 'terminate';
}

/** A signal's bit in a set. */
export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);

const CODES: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [Signal.SIGSEGV]: { 1: 'SEGV_MAPERR', 2: 'SEGV_ACCERR' },
  [Signal.SIGBUS]: { 1: 'BUS_ADRALN', 2: 'BUS_ADRERR' },
  [Signal.SIGFPE]: {
    1: 'FPE_INTDIV',
    2: 'FPE_INTOVF',
    3: 'FPE_FLTDIV',
    4: 'FPE_FLTOVF',
    5: 'FPE_FLTUND',
    6: 'FPE_FLTRES',
    7: 'FPE_FLTINV',
  },
  [Signal.SIGILL]: { 2: 'ILL_ILLOPN' },
  [Signal.SIGTRAP]: { 1: 'TRAP_BRKPT', 2: 'TRAP_TRACE' },
  [Signal.SIGCHLD]: {
    1: 'CLD_EXITED',
    2: 'CLD_KILLED',
    3: 'CLD_DUMPED',
    4: 'CLD_TRAPPED',
    5: 'CLD_STOPPED',
    6: 'CLD_CONTINUED',
  },
};
const GENERAL_CODES = new Map<number, string>(
  Object.entries(SignalCode)
    .filter(([name]) => name.startsWith('SI_'))
    .map(([name, code]) => [code, name]),
);

/** `SEGV_MAPERR`, `SI_USER`: a `si_code` by name. */
export function signalCodeName(signal: number, code: number): string {
  return CODES[signal]?.[code] ?? GENERAL_CODES.get(code) ?? String(code);
}
