/**
 * Making the engine look up from its work: timers and sockets send a signal whose handler, a few bytes of machine code, sets
 * one word for every machine of this process. Nothing of it needs the event loop; a word set for no reason does no harm.
 */
import { HostBuffer } from './buffer.js';
import { mmap, syscall } from './libc.js';
import { CodeBytes, copyMemory, functionAt, placeCode } from './machine-code.js';

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
const PAGE_SIZE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;

/** An entry of the table that nobody uses any more. */
const FREE = 1;
/** Offsets of the code's parts, and of the bytes by which another thread knows it. */
const Part = { handler: 0, add: 128, remove: 208, mark: 240, end: 256 } as const;
const MARK = Buffer.from('b86 wakeup words');

interface WakeupCode {
  /** Gives the entry's host address, 0 where the table is full. */
  add(address: number): number;
  remove(entry: number): void;
}

/**
 * Handler and table are the process's, though each of Node's threads has modules of its own: the code is known by the signal's
 * handler, and what changes the table is part of it.
 */
let code: WakeupCode | undefined;

/** Whether a signal is taken: nobody else may catch or block it. */
export function isWakeupSignal(signal: number): boolean {
  return code !== undefined && signal === WAKEUP_SIGNAL;
}

function wakeupCode(): WakeupCode {
  if (code) return code;
  let handler = currentHandler();
  if (handler === undefined) {
    handler = placeCode(assembleCode());
    setHandler(handler, SA_RESTART);
  }
  const add = functionAt<(address: number) => number>(handler + Part.add, 'uint64_t bridge86_add_wakeup(uint64_t)');
  const remove = functionAt<(entry: number) => void>(handler + Part.remove, 'void bridge86_remove_wakeup(uint64_t)');
  return (code = { add: (address) => Number(add(address)), remove });
}

function assembleCode(): Uint8Array {
  const size = 8 * (MAXIMUM_WORDS + 1);
  const table = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (table === -1) throw new Error('no memory for the table of wake-up words');
  // Entries: the host address of a word, FREE, or 0 at the end.
  const handler = new CodeBytes()
    .emit(0x48, 0xb9) // mov rcx, table
    .i64(table)
    .label('next')
    .emit(0x48, 0x8b, 0x01) // mov rax, [rcx]
    .emit(0x48, 0x85, 0xc0) // test rax, rax
    .emit(0x0f, 0x84) // je done
    .displacement('done')
    .emit(0x48, 0x83, 0xc1, 0x08) // add rcx, 8
    .emit(0x48, 0x83, 0xf8, FREE) // cmp rax, FREE
    .emit(0x0f, 0x84) // je next
    .displacement('next')
    .emit(0xc7, 0x00) // mov dword [rax], 1
    .i32(1)
    .emit(0xe9) // jmp next
    .displacement('next')
    .label('done')
    .emit(0xc3); // ret
  const add = new CodeBytes()
    .emit(0x48, 0xb9) // mov rcx, table
    .i64(table)
    .emit(0x48, 0xba) // mov rdx, the last entry, which stays 0
    .i64(table + size - 8)
    .label('next')
    .emit(0x31, 0xc0) // xor eax, eax
    .emit(0xf0, 0x48, 0x0f, 0xb1, 0x39) // lock cmpxchg [rcx], rdi
    .emit(0x0f, 0x84) // je done
    .displacement('done')
    .emit(0xb8) // mov eax, FREE
    .i32(FREE)
    .emit(0xf0, 0x48, 0x0f, 0xb1, 0x39) // lock cmpxchg [rcx], rdi
    .emit(0x0f, 0x84) // je done
    .displacement('done')
    .emit(0x48, 0x83, 0xc1, 0x08) // add rcx, 8
    .emit(0x48, 0x39, 0xd1) // cmp rcx, rdx
    .emit(0x0f, 0x82) // jb next
    .displacement('next')
    .emit(0x31, 0xc0, 0xc3) // xor eax, eax; ret
    .label('done')
    .emit(0x48, 0x89, 0xc8, 0xc3); // mov rax, rcx; ret
  const remove = new CodeBytes().emit(0x48, 0xc7, 0x07).i32(FREE).emit(0xc3); // mov qword [rdi], FREE; ret
  const bytes = new Uint8Array(Part.end);
  bytes.set(handler.assemble(), Part.handler);
  bytes.set(add.assemble(), Part.add);
  bytes.set(remove.assemble(), Part.remove);
  bytes.set(MARK, Part.mark);
  return bytes;
}

/** The handler, where another thread has installed it. */
function currentHandler(): number | undefined {
  const buffer = new HostBuffer(512);
  syscall(SYS_RT_SIGACTION, WAKEUP_SIGNAL, 0, buffer.address, 8);
  const handler = Number(buffer.view.getBigUint64(0, true));
  // SIG_DFL and SIG_IGN; and what lies at no page's start is nobody's code of ours.
  if (handler < PAGE_SIZE || handler % PAGE_SIZE !== 0) return undefined;
  copyMemory(buffer.address, handler, Part.end);
  return MARK.equals(buffer.bytes.subarray(Part.mark, Part.end)) ? handler : undefined;
}

function setHandler(handler: number, flags: number): void {
  const restorer = placeCode(new CodeBytes().emit(0xb8).i32(SYS_RT_SIGRETURN).emit(0x0f, 0x05).assemble());
  const action = new HostBuffer(128);
  action.view.setBigUint64(0, BigInt(handler), true);
  action.view.setBigUint64(8, BigInt(SA_SIGINFO | SA_RESTORER | flags), true);
  action.view.setBigUint64(16, BigInt(restorer), true);
  syscall(SYS_RT_SIGACTION, WAKEUP_SIGNAL, action.address, 0, 8);
}

/** @param interrupts whether system calls in which the signal finds the thread come back with EINTR */
function install(interrupts = false): void {
  wakeupCode();
  if (interrupts) setHandler(currentHandler()!, 0);
}

/** A word (by its host address) that is to become 1 when something calls. Gives the function that takes it out again. */
export function addWakeupWord(address: number): () => void {
  const { add, remove } = wakeupCode();
  const entry = add(address);
  if (entry === 0) throw new Error(`more than ${MAXIMUM_WORDS} machines wait for timers or sockets`);
  let isThere = true;
  return () => {
    if (isThere) remove(entry);
    isThere = false;
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
