/**
 * Making the engine look up from its work: timers and sockets send a signal whose handler, a few bytes of machine code, sets
 * one word for every machine of this process. Nothing of it needs the event loop; a word set for no reason does no harm.
 */
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';
import { CodeBytes, placeCode } from './machine-code.js';

const SYS_RT_SIGACTION = 13;
const SYS_RT_SIGRETURN = 15;
const SYS_FCNTL = 72;
const SYS_GETTID = 186;
const SYS_TIMER_CREATE = 222;
const SYS_TIMER_SETTIME = 223;
const SYS_TIMER_DELETE = 226;
const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;
/** What a timer measures: the time that passes, or the processor time of the thread that makes it. */
export const WakeupClock = { monotonic: 1, threadProcessorTime: 3 } as const;
/** SIGEV_THREAD_ID: the signal goes to one thread. */
const SIGEV_THREAD_ID = 4;
const F_SETFL = 4;
const F_GETFL = 3;
const F_SETSIG = 10;
const F_SETOWN_EX = 15;
const F_OWNER_TID = 0;
const O_ASYNC = 0o20000;
/** The last but one of the real-time signals: the last quietens Node's threads (signal-handler.ts). */
export const WAKEUP_SIGNAL = 63;
const MAXIMUM_WORDS = 4096;

let installed = false;
/** Host addresses of the words, ended by a zero. */
let words: HostBuffer | undefined;
let wordCount = 0;

function table(): HostBuffer {
  return (words ??= new HostBuffer(8 * (MAXIMUM_WORDS + 1)));
}

/** Whether a signal is taken: nobody else may catch or block it. */
export function isWakeupSignal(signal: number): boolean {
  return installed && signal === WAKEUP_SIGNAL;
}

/** @param interrupts whether system calls in which the signal finds the thread come back with EINTR */
function install(interrupts = false): void {
  if (installed && !interrupts) return;
  installed = true;
  const code = new CodeBytes()
    .emit(0x48, 0xb9) // mov rcx, table
    .i64(table().address)
    .label('next')
    .emit(0x48, 0x8b, 0x01) // mov rax, [rcx]
    .emit(0x48, 0x85, 0xc0) // test rax, rax
    .emit(0x0f, 0x84) // je done
    .displacement('done')
    .emit(0xc7, 0x00) // mov dword [rax], 1
    .i32(1)
    .emit(0x48, 0x83, 0xc1, 0x08) // add rcx, 8
    .emit(0xe9) // jmp next
    .displacement('next')
    .label('done')
    .emit(0xc3); // ret
  const handler = placeCode(code.assemble());
  const restorer = placeCode(new CodeBytes().emit(0xb8).i32(SYS_RT_SIGRETURN).emit(0x0f, 0x05).assemble());
  const action = new HostBuffer(128);
  action.view.setBigUint64(0, BigInt(handler), true);
  action.view.setBigUint64(8, BigInt(SA_SIGINFO | SA_RESTORER | (interrupts ? 0 : SA_RESTART)), true);
  action.view.setBigUint64(16, BigInt(restorer), true);
  syscall(SYS_RT_SIGACTION, WAKEUP_SIGNAL, action.address, 0, 8);
}

/** A word (by its host address) that is to become 1 when something calls. Gives the function that takes it out again. */
export function addWakeupWord(address: number): () => void {
  const { view } = table();
  if (wordCount === MAXIMUM_WORDS) throw new Error(`more than ${MAXIMUM_WORDS} machines wait for timers or sockets`);
  view.setBigUint64(8 * (wordCount + 1), 0n, true);
  view.setBigUint64(8 * wordCount++, BigInt(address), true);
  return () => {
    for (let at = 0; at < wordCount; at++) {
      if (view.getBigUint64(8 * at, true) !== BigInt(address)) continue;
      wordCount--;
      // The last one's address is in the table twice for a moment: the handler may come in between.
      view.setBigUint64(8 * at, view.getBigUint64(8 * wordCount, true), true);
      view.setBigUint64(8 * wordCount, 0n, true);
      return;
    }
  };
}

/** A timer of this thread that calls once, or again and again until it is stopped. */
export class WakeupTimer {
  private readonly buffer = new HostBuffer(128);
  private readonly id: number;

  constructor(clock: (typeof WakeupClock)[keyof typeof WakeupClock] = WakeupClock.monotonic) {
    install();
    const { view, address } = this.buffer;
    // struct sigevent: value, signal, notification, thread.
    view.setInt32(8, WAKEUP_SIGNAL, true);
    view.setInt32(12, SIGEV_THREAD_ID, true);
    view.setInt32(16, syscall(SYS_GETTID), true);
    const result = syscall(SYS_TIMER_CREATE, clock, address, address + 64);
    if (result < 0) throw new Error(`the host has no timer for us (errno ${-result})`);
    this.id = view.getInt32(64, true);
  }

  /** Calls after so many milliseconds, and then again every so many, until `stop`. */
  start(milliseconds: number): void {
    const { view, address } = this.buffer;
    const nanoseconds = Math.max(1, Math.round(milliseconds * 1e6));
    for (const at of [0, 16]) {
      view.setBigInt64(at, BigInt(Math.floor(nanoseconds / 1e9)), true);
      view.setBigInt64(at + 8, BigInt(nanoseconds % 1e9), true);
    }
    syscall(SYS_TIMER_SETTIME, this.id, 0, address, 0);
  }

  stop(): void {
    this.buffer.bytes.fill(0, 0, 32);
    syscall(SYS_TIMER_SETTIME, this.id, 0, this.buffer.address, 0);
  }

  dispose(): void {
    syscall(SYS_TIMER_DELETE, this.id);
  }
}

/** Has a socket call when bytes arrive, also in the midst of system calls that block. */
export function wakeOnInput(fd: number): void {
  install(true);
  const owner = new HostBuffer(128);
  owner.view.setInt32(0, F_OWNER_TID, true);
  owner.view.setInt32(4, syscall(SYS_GETTID), true);
  syscall(SYS_FCNTL, fd, F_SETOWN_EX, owner.address);
  syscall(SYS_FCNTL, fd, F_SETSIG, WAKEUP_SIGNAL);
  syscall(SYS_FCNTL, fd, F_SETFL, syscall(SYS_FCNTL, fd, F_GETFL) | O_ASYNC);
}
