/**
 * `siginfo_t`: the guest's 128 bytes, made from the host's or by the emulator itself (uapi/asm-generic/siginfo.h,
 * linux/compat.h). Which member of the union is valid follows from signal and code as in kernel/signal.c, siginfo_layout.
 */
import { FORWARDED_CODE } from '../../host/signal-handler.js';
import { Signal, SIGNAL_REALTIME, SignalCode, signalCodeName, signalName } from '../constants/signals.js';

export const SIGINFO_SIZE = 128;
/** Codes below were sent on by a thread of Node's. */
const FORWARDED_LIMIT = -FORWARDED_CODE / 2;
/** Offsets of the union: after three ints, on the host padded to 8 bytes. */
const GUEST_UNION = 12;
const HOST_UNION = 16;

type Kind = 'kill' | 'timer' | 'child' | 'fault' | 'poll' | 'system' | 'queue';

const FAULTS: ReadonlySet<number> = new Set([
  Signal.SIGILL,
  Signal.SIGFPE,
  Signal.SIGSEGV,
  Signal.SIGBUS,
  Signal.SIGTRAP,
]);

function kindOf(signal: number, code: number): Kind {
  if (code > 0 && code < SignalCode.SI_KERNEL) {
    // F_SETSIG makes any signal one about a descriptor (POLL_IN to POLL_HUP).
    if (signal >= SIGNAL_REALTIME) return 'poll';
    if (FAULTS.has(signal)) return 'fault';
    if (signal === Signal.SIGCHLD) return 'child';
    if (signal === Signal.SIGIO) return 'poll';
    if (signal === Signal.SIGSYS) return 'system';
    return 'kill';
  }
  if (code === SignalCode.SI_TIMER) return 'timer';
  if (code === SignalCode.SI_SIGIO) return 'poll';
  return code < 0 && code !== SignalCode.SI_TKILL ? 'queue' : 'kill';
}

/** A guest `siginfo_t` of the kind that `kill` sends. */
export function userInfo(signal: number, code: number, pid: number, uid: number): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, signal, true);
  view.setInt32(8, code, true);
  view.setInt32(GUEST_UNION, pid, true);
  view.setInt32(GUEST_UNION + 4, uid, true);
  return bytes;
}

/** A guest `siginfo_t` of a processor exception. */
export function faultInfo(signal: number, code: number, address: number): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, signal, true);
  view.setInt32(8, code, true);
  if (code !== SignalCode.SI_KERNEL) view.setUint32(GUEST_UNION, address >>> 0, true);
  return bytes;
}

/** The guest's `siginfo_t` for one of the host's; `guestDescriptor` gives the guest's number of a host descriptor. */
export function infoToGuest(host: Uint8Array, guestDescriptor = (fd: number): number => fd): Uint8Array {
  const from = new DataView(host.buffer, host.byteOffset, SIGINFO_SIZE);
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const to = new DataView(bytes.buffer);
  const sent = from.getInt32(8, true);
  const code = sent < FORWARDED_LIMIT ? sent + FORWARDED_CODE : sent;
  for (const offset of [0, 4]) to.setInt32(offset, from.getInt32(offset, true), true);
  to.setInt32(8, code, true);
  const word = (index: number, hostOffset: number): void =>
    to.setInt32(GUEST_UNION + index * 4, from.getInt32(HOST_UNION + hostOffset, true), true);
  switch (kindOf(from.getInt32(0, true), code)) {
    case 'kill':
      word(0, 0);
      word(1, 4);
      break;
    case 'timer':
    case 'queue':
      word(0, 0);
      word(1, 4);
      word(2, 8);
      break;
    case 'child':
      // pid, uid, status; then the two times, `long` on each side.
      word(0, 0);
      word(1, 4);
      word(2, 8);
      word(3, 16);
      word(4, 24);
      break;
    case 'fault':
      word(0, 0);
      break;
    case 'poll':
      word(0, 0);
      to.setInt32(GUEST_UNION + 4, guestDescriptor(from.getInt32(HOST_UNION + 8, true)), true);
      break;
    case 'system':
      word(0, 0);
      word(1, 8);
      word(2, 12);
      break;
  }
  return bytes;
}

/** The host's `siginfo_t` for one that the guest sends (`rt_sigqueueinfo`): pid, uid and value. */
export function infoToHost(guest: Uint8Array, signal: number): Uint8Array {
  const from = new DataView(guest.buffer, guest.byteOffset, SIGINFO_SIZE);
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const to = new DataView(bytes.buffer);
  to.setInt32(0, signal, true);
  to.setInt32(4, from.getInt32(4, true), true);
  to.setInt32(8, from.getInt32(8, true), true);
  for (let index = 0; index < 3; index++) {
    to.setInt32(HOST_UNION + index * 4, from.getInt32(GUEST_UNION + index * 4, true), true);
  }
  return bytes;
}

/** Number and code of a `siginfo_t` (the same place under both ABIs). */
export function infoNumber(info: Uint8Array): number {
  return new DataView(info.buffer, info.byteOffset).getInt32(0, true);
}
export function infoCode(info: Uint8Array): number {
  return new DataView(info.buffer, info.byteOffset).getInt32(8, true);
}

/** `{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10}`: a guest `siginfo_t` as strace shows it. */
export function describeInfo(info: Uint8Array): string {
  const view = new DataView(info.buffer, info.byteOffset);
  const signal = infoNumber(info);
  const code = infoCode(info);
  const word = (index: number): number => view.getInt32(GUEST_UNION + index * 4, true);
  let detail = '';
  switch (kindOf(signal, code)) {
    case 'fault':
      detail = `, si_addr=${word(0) === 0 ? 'NULL' : `0x${(word(0) >>> 0).toString(16)}`}`;
      break;
    case 'child':
      detail = `, si_pid=${word(0)}, si_uid=${word(1)}, si_status=${word(2)}, si_utime=${word(3)}, si_stime=${word(4)}`;
      break;
    case 'kill':
      if (code !== SignalCode.SI_KERNEL) detail = `, si_pid=${word(0)}, si_uid=${word(1)}`;
      break;
    case 'queue':
      detail = `, si_pid=${word(0)}, si_uid=${word(1)}, si_int=${word(2)}`;
      break;
    default:
      break;
  }
  return `{si_signo=${signalName(signal)}, si_code=${signalCodeName(signal, code)}${detail}}`;
}
