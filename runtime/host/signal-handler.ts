/**
 * The host's side of signals: a handler in machine code that notes what arrived and makes the guest look, and a system call
 * that cannot miss a signal which arrives just before it blocks.
 *
 * All signals are to reach threads that run the guest, whose masks are the guest's own. Node's other threads block none, so at
 * the start each is made to block all of them: by a signal whose handler changes the mask that it returns to. A thread that Node
 * starts later does the same when the first signal reaches it, and sends that one on.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';
import { CodeBytes, functionAt, placeCode } from './machine-code.js';
import { isWakeupSignal, WAKEUP_SIGNAL } from './wakeup.js';

const SYS_RT_SIGACTION = 13;
const SYS_RT_SIGPROCMASK = 14;
const SYS_RT_SIGRETURN = 15;
const SYS_GETPID = 39;
const SYS_RT_SIGPENDING = 127;
const SYS_GETTID = 186;
const SYS_TGKILL = 234;
const SYS_RT_TGSIGQUEUEINFO = 297;
const SYS_SCHED_YIELD = 24;
/** What a call gives that was not begun, because a signal waited already: -ERESTARTNOINTR, which the kernel gives nobody. */
export const NOT_BEGUN = -513;
const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;
const SA_ONSTACK = 0x08000000;
const SA_RESTART = 0x10000000;
const SIG_SETMASK = 2;
/** si_code in siginfo_t. */
const INFO_CODE = 8;
/** uc_mcontext.gregs[REG_RIP] in the host's ucontext. */
const UCONTEXT_RIP = 168;
/** uc_sigmask in the host's ucontext. */
const UCONTEXT_MASK = 296;
/** Everything but SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV, which only a thread itself can raise. */
const QUIET_MASK = ~0x4d8n & 0xffffffffffffffffn;
const QUIET_MILLISECONDS = 50;
/** What is taken off the `si_code` of a signal that a thread of Node's got and sent on. */
export const FORWARDED_CODE = 0x40000000;

/** Offsets of what the handler knows of the process, in bytes. */
const Table = {
  /** The thread that a signal is sent on to from a thread that runs no guest code, and the process. */
  leader: 0,
  process: 4,
  /** Non-zero while `quietThreads` runs. */
  quieting: 8,
  /** How many threads have blocked their signals. */
  quiet: 12,
  /** Threads that may be in the table. */
  count: 16,
  /** Host addresses of the handler and of what it returns to. */
  handler: 24,
  restorer: 32,
  /** Thread ids by index, 0 where there is none. */
  threads: 64,
} as const;
/** For the handler of faults. */
export const THREAD_TABLE = { count: Table.count, threads: Table.threads } as const;
const TABLE_SIZE = 8192;
/** Offsets in the block of one thread, which lie behind the table. */
const Block = {
  /** Signals noted, and signals taken, since the start. */
  head: 0,
  tail: 4,
  /** Non-zero when the ring was so full that the handler has blocked all signals. */
  throttled: 8,
  safeStart: 16,
  safeLength: 24,
  safeAbort: 32,
  ring: 64,
} as const;
const RING_ENTRIES = 64;
/** sizeof(siginfo_t). */
export const HOST_SIGINFO_SIZE = 128;
const BLOCK_SIZE = Block.ring + RING_ENTRIES * HOST_SIGINFO_SIZE;
/** Interrupts a thread's system call without being a signal of the guest: this signal with this `si_code`. */
const KICK_SIGNAL = 64;
const KICK_CODE = -86;

const KICK_BIT = 1n << BigInt(KICK_SIGNAL - 1);
const WAKEUP_BIT = 1n << BigInt(WAKEUP_SIGNAL - 1);

export type SafeSyscall = (number: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;

/** Where in the memory that threads share the handler finds what it needs; all are offsets in bytes. */
export interface SignalMemory {
  readonly buffer: SharedArrayBuffer;
  /** Host address of the buffer. */
  readonly base: number;
  /** The table and, behind it, the threads' blocks; zeroed at first. */
  readonly table: number;
  /** The word of the first thread that becomes 1 when a signal has arrived, and the distance to the next thread's. */
  readonly pending: number;
  readonly pendingStride: number;
}

export class HostSignals {
  private readonly table: DataView;
  private readonly view: DataView;
  /** The same bytes: a word is read at once, which a DataView does not promise. */
  private readonly words: Int32Array;
  private readonly scratch = new HostBuffer(256);
  private readonly handler: number;
  private readonly restorer: number;
  private canKick: boolean;
  /**
   * A system call by host number that gives `NOT_BEGUN` at once when a signal waits already, however late it came: for every
   * call that may block. Negated error numbers as the kernel returns them.
   */
  readonly safeSyscall: SafeSyscall;

  /** @param index of the calling thread in the table: 0 for the process's first */
  constructor(
    memory: SignalMemory,
    private readonly index = 0,
  ) {
    const { buffer, base, table } = memory;
    this.canKick = index !== 0;
    const block = table + TABLE_SIZE;
    this.table = new DataView(buffer, table, TABLE_SIZE);
    this.view = new DataView(buffer, block + index * BLOCK_SIZE, BLOCK_SIZE);
    this.words = new Int32Array(buffer, block + index * BLOCK_SIZE, BLOCK_SIZE >> 2);
    const safe = safeSyscallCode(base + memory.pending + index * memory.pendingStride);
    const safeAddress = placeCode(safe.assemble());
    this.safeSyscall = functionAt(
      safeAddress,
      'int64_t bridge86_safe_syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)',
    );
    const start = safe.offsetOf('start');
    this.view.setBigUint64(Block.safeStart, BigInt(safeAddress + start), true);
    this.view.setBigUint64(Block.safeLength, BigInt(safe.offsetOf('end') - start), true);
    this.view.setBigUint64(Block.safeAbort, BigInt(safeAddress + safe.offsetOf('abort')), true);
    if (index === 0) {
      const restorer = new CodeBytes().emit(0xb8).i32(SYS_RT_SIGRETURN).emit(0x0f, 0x05).assemble();
      this.table.setBigUint64(Table.handler, BigInt(placeCode(handlerCode(memory))), true);
      this.table.setBigUint64(Table.restorer, BigInt(placeCode(restorer)), true);
      this.adoptProcess();
    }
    this.handler = Number(this.table.getBigUint64(Table.handler, true));
    this.restorer = Number(this.table.getBigUint64(Table.restorer, true));
  }

  /** Makes the calling thread the only one that gets signals: at the start, and in the child after a fork. */
  adoptProcess(): void {
    for (let at = 0; at < this.table.getInt32(Table.count, true); at++)
      this.table.setInt32(Table.threads + at * 4, 0, true);
    this.table.setInt32(Table.leader, syscall(SYS_GETTID), true);
    this.table.setInt32(Table.process, syscall(SYS_GETPID), true);
    this.adoptThread();
  }

  /** From now on signals of the calling thread are noted. */
  adoptThread(): void {
    const { table, words, index } = this;
    words[Block.tail >> 2] = words[Block.head >> 2]!;
    table.setInt32(Table.threads + index * 4, syscall(SYS_GETTID), true);
    if (table.getInt32(Table.count, true) <= index) table.setInt32(Table.count, index + 1, true);
  }

  /** The calling thread runs no guest code any more: it must have blocked all signals. */
  leaveThread(): void {
    this.table.setInt32(Table.threads + this.index * 4, 0, true);
  }

  /** Makes every other thread of this process block all signals. */
  quietThreads(): void {
    const self = syscall(SYS_GETTID);
    const pid = syscall(SYS_GETPID);
    this.table.setInt32(Table.quieting, 1, true);
    this.table.setInt32(Table.quiet, 0, true);
    this.catch(KICK_SIGNAL, SA_RESTART);
    let asked = 0;
    for (const name of readdirSync('/proc/self/task')) {
      const thread = Number(name);
      if (thread === self || blocksAll(thread)) continue;
      if (syscall(SYS_TGKILL, pid, thread, KICK_SIGNAL) === 0) asked++;
    }
    const limit = performance.now() + QUIET_MILLISECONDS;
    while (this.table.getInt32(Table.quiet, true) < asked && performance.now() < limit) syscall(SYS_SCHED_YIELD);
    // A thread that was given no time yet finds the handler still there, and counts itself.
    if (this.table.getInt32(Table.quiet, true) < asked) return;
    this.table.setInt32(Table.quieting, 0, true);
    this.release(KICK_SIGNAL, 0);
  }

  /** The oldest signal that arrived and was not taken yet: its host `siginfo_t`. */
  take(): Uint8Array | undefined {
    const { words } = this;
    const tail = words[Block.tail >> 2]!;
    if (tail === words[Block.head >> 2]) return undefined;
    const at = words.byteOffset + Block.ring + (tail & (RING_ENTRIES - 1)) * HOST_SIGINFO_SIZE;
    const info = new Uint8Array(words.buffer, at, HOST_SIGINFO_SIZE).slice();
    words[Block.tail >> 2] = tail + 1;
    return info;
  }

  /** Whether the handler has blocked all signals since this was asked last, because too many waited: the mask must be set again. */
  wasThrottled(): boolean {
    const throttled = this.words[Block.throttled >> 2] !== 0;
    this.words[Block.throttled >> 2] = 0;
    return throttled;
  }

  /** From now on threads can be kicked: one signal is never blocked and always noted. */
  enableKicks(): void {
    this.canKick = true;
    this.setAction(KICK_SIGNAL, this.handler, SA_SIGINFO);
  }

  /** Makes a thread look at its pending word, also out of a system call that blocks. */
  kick(thread: number): void {
    const { view, address } = this.scratch;
    view.setBigUint64(0, 0n, true);
    view.setInt32(0, KICK_SIGNAL, true);
    view.setInt32(8, KICK_CODE, true);
    syscall(SYS_RT_TGSIGQUEUEINFO, syscall(SYS_GETPID), thread, KICK_SIGNAL, address);
  }

  /** Has a signal noted by the handler. `flags`: SA_NOCLDSTOP and SA_NOCLDWAIT. 0 or a negated error number. */
  catch(signal: number, flags: number): number {
    if (isWakeupSignal(signal)) return 0;
    return this.setAction(signal, this.handler, flags | SA_SIGINFO);
  }

  /**
   * Has a signal noted when a process sent it; when an instruction raised it, it goes to the handler that was there before
   * (V8's, or the one for faults in guest memory), or has its default action.
   */
  catchSent(signal: number): void {
    const { view, address } = this.scratch;
    syscall(SYS_RT_SIGACTION, signal, 0, address, 8);
    const code = sentSignalCode(this.handler, Number(view.getBigUint64(0, true)));
    const handler = placeCode(code.assemble());
    this.setAction(signal, handler, SA_SIGINFO | SA_ONSTACK);
  }

  /** Gives a signal back to the kernel: 0 = SIG_DFL, 1 = SIG_IGN. */
  release(signal: number, disposition: 0 | 1, flags = 0): number {
    if (this.canKick && signal === KICK_SIGNAL) return this.catch(signal, flags);
    if (isWakeupSignal(signal)) return 0;
    return this.setAction(signal, disposition, flags);
  }

  private setAction(signal: number, handler: number, flags: number): number {
    const { view, address } = this.scratch;
    view.setBigUint64(0, BigInt(handler), true);
    view.setBigUint64(8, BigInt(flags | SA_RESTORER), true);
    view.setBigUint64(16, BigInt(this.restorer), true);
    view.setBigUint64(24, 0xffffffffffffffffn, true);
    return syscall(SYS_RT_SIGACTION, signal, address, 0, 8);
  }

  /** Sets the calling thread's signal mask: bit n-1 is signal n. */
  setMask(mask: bigint): void {
    if (this.canKick) mask &= ~KICK_BIT;
    if (isWakeupSignal(WAKEUP_SIGNAL)) mask &= ~WAKEUP_BIT;
    this.scratch.view.setBigUint64(0, mask, true);
    syscall(SYS_RT_SIGPROCMASK, SIG_SETMASK, this.scratch.address, 0, 8);
  }

  /** The signals that wait in the kernel because they are blocked. */
  pending(): bigint {
    syscall(SYS_RT_SIGPENDING, this.scratch.address, 8);
    return this.scratch.view.getBigUint64(0, true);
  }
}

/** Whether a thread blocks the signal that would make it block the others. */
function blocksAll(thread: number): boolean {
  try {
    const status = readFileSync(`/proc/self/task/${thread}/status`, 'latin1');
    const mask = BigInt(`0x${/^SigBlk:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
    return ((mask >> BigInt(KICK_SIGNAL - 1)) & 1n) !== 0n;
  } catch {
    // It has ended since.
    return true;
  }
}

function handlerCode({ base, table, pending, pendingStride }: SignalMemory): Uint8Array {
  return (
    new CodeBytes()
      .emit(0x49, 0xb8) // mov r8, table
      .i64(base + table)
      .emit(0x41, 0x89, 0xf9) // mov r9d, edi (signal)
      .emit(0x49, 0x89, 0xf2) // mov r10, rsi (siginfo)
      .emit(0xb8) // mov eax, SYS_gettid
      .i32(SYS_GETTID)
      .emit(0x0f, 0x05) // syscall
      .emit(0x31, 0xc9) // xor ecx, ecx
      .label('scan')
      .emit(0x41, 0x3b, 0x48, Table.count) // cmp ecx, [r8 + count]
      .emit(0x0f, 0x83) // jae forward
      .displacement('forward')
      .emit(0x41, 0x3b, 0x44, 0x88, Table.threads) // cmp eax, [r8 + rcx * 4 + threads]
      .emit(0x0f, 0x84) // je found
      .displacement('found')
      .emit(0xff, 0xc1) // inc ecx
      .emit(0xe9) // jmp scan
      .displacement('scan')
      .label('found')
      .emit(0x44, 0x69, 0xd9) // imul r11d, ecx, pendingStride
      .i32(pendingStride)
      .emit(0x69, 0xc9) // imul ecx, ecx, BLOCK_SIZE
      .i32(BLOCK_SIZE)
      .emit(0x4d, 0x8d, 0x84, 0x08) // lea r8, [r8 + rcx + TABLE_SIZE]
      .i32(TABLE_SIZE)
      .emit(0x48, 0xb8) // mov rax, pending
      .i64(base + pending)
      .emit(0x49, 0x01, 0xc3) // add r11, rax
      // A system call that was about to begin is not begun.
      .emit(0x48, 0x8b, 0x82) // mov rax, [rdx + RIP]
      .i32(UCONTEXT_RIP)
      .emit(0x49, 0x2b, 0x40, Block.safeStart) // sub rax, [r8 + safeStart]
      .emit(0x49, 0x3b, 0x40, Block.safeLength) // cmp rax, [r8 + safeLength]
      .emit(0x0f, 0x83) // jae note
      .displacement('note')
      .emit(0x49, 0x8b, 0x40, Block.safeAbort) // mov rax, [r8 + safeAbort]
      .emit(0x48, 0x89, 0x82) // mov [rdx + RIP], rax
      .i32(UCONTEXT_RIP)
      .label('note')
      .emit(0x41, 0x83, 0xf9, KICK_SIGNAL) // cmp r9d, KICK_SIGNAL
      .emit(0x0f, 0x85) // jne keep
      .displacement('keep')
      .emit(0x41, 0x83, 0x7a, 0x08, KICK_CODE & 0xff) // cmp dword [r10 + si_code], KICK_CODE
      .emit(0x0f, 0x84) // je tell
      .displacement('tell')
      .label('keep')
      .emit(0x41, 0x8b, 0x40, Block.head) // mov eax, [r8 + head]
      .emit(0x83, 0xe0, RING_ENTRIES - 1) // and eax, RING_ENTRIES - 1
      .emit(0xc1, 0xe0, 0x07) // shl eax, 7
      .emit(0x49, 0x8d, 0x7c, 0x00, Block.ring) // lea rdi, [r8 + rax + ring]
      .emit(0x4c, 0x89, 0xd6) // mov rsi, r10
      .emit(0xb9) // mov ecx, 16
      .i32(HOST_SIGINFO_SIZE / 8)
      .emit(0xf3, 0x48, 0xa5) // rep movsq
      .emit(0x41, 0xff, 0x40, Block.head) // inc dword [r8 + head]
      // No more of them before some are taken.
      .emit(0x41, 0x8b, 0x40, Block.head) // mov eax, [r8 + head]
      .emit(0x41, 0x2b, 0x40, Block.tail) // sub eax, [r8 + tail]
      .emit(0x83, 0xf8, RING_ENTRIES - 2) // cmp eax, RING_ENTRIES - 2
      .emit(0x0f, 0x82) // jb tell
      .displacement('tell')
      .emit(0x48, 0xb8) // mov rax, QUIET_MASK
      .i64(QUIET_MASK)
      .emit(0x48, 0x89, 0x82) // mov [rdx + uc_sigmask], rax
      .i32(UCONTEXT_MASK)
      .emit(0x41, 0xc7, 0x40, Block.throttled) // mov dword [r8 + throttled], 1
      .i32(1)
      .label('tell')
      .emit(0x41, 0xc7, 0x03) // mov dword [r11], 1
      .i32(1)
      .emit(0xc3) // ret
      .label('forward')
      .emit(0x48, 0xb8) // mov rax, QUIET_MASK
      .i64(QUIET_MASK)
      .emit(0x48, 0x89, 0x82) // mov [rdx + uc_sigmask], rax
      .i32(UCONTEXT_MASK)
      .emit(0x41, 0x83, 0xf9, KICK_SIGNAL) // cmp r9d, KICK_SIGNAL
      .emit(0x0f, 0x85) // jne send
      .displacement('send')
      .emit(0x41, 0x83, 0x78, Table.quieting, 0x00) // cmp dword [r8 + quieting], 0
      .emit(0x0f, 0x85) // jne count
      .displacement('count')
      .emit(0x41, 0x83, 0x7a, 0x08, KICK_CODE & 0xff) // cmp dword [r10 + si_code], KICK_CODE
      .emit(0x0f, 0x85) // jne send
      .displacement('send')
      .emit(0xc3) // ret
      .label('count')
      .emit(0xf0, 0x41, 0xff, 0x40, Table.quiet) // lock inc dword [r8 + quiet]
      .emit(0xc3) // ret
      .label('send')
      .emit(0x41, 0x8b, 0x78, Table.process) // mov edi, [r8 + process]
      .emit(0x41, 0x8b, 0x70, Table.leader) // mov esi, [r8 + leader]
      .emit(0x44, 0x89, 0xca) // mov edx, r9d
      // With all that came with it: r10 is the siginfo. Only negative codes may be sent by another thread.
      .emit(0x41, 0x81, 0x6a, INFO_CODE) // sub dword [r10 + si_code], FORWARDED_CODE
      .i32(FORWARDED_CODE)
      .emit(0xb8) // mov eax, SYS_rt_tgsigqueueinfo
      .i32(SYS_RT_TGSIGQUEUEINFO)
      .emit(0x0f, 0x05) // syscall
      .emit(0xc3) // ret
      .assemble()
  );
}

/** The handler of a signal that instructions raise as well; all registers are as the kernel has set them when it goes on elsewhere. */
function sentSignalCode(noting: number, previous: number): CodeBytes {
  const code = new CodeBytes()
    .emit(0x83, 0x7e, INFO_CODE, 0x00) // cmp dword [rsi + si_code], 0
    .emit(0x0f, 0x8f) // jg raised
    .displacement('raised')
    .emit(0x48, 0xb8) // mov rax, noting
    .i64(noting)
    .emit(0xff, 0xe0) // jmp rax
    .label('raised');
  const SIG_IGN = 1;
  if (previous > SIG_IGN) {
    return code
      .emit(0x48, 0xb8) // mov rax, previous
      .i64(previous)
      .emit(0xff, 0xe0); // jmp rax
  }
  // The default action: when this returns, the instruction raises it again.
  return code
    .emit(0x48, 0x8d, 0x35) // lea rsi, [default]
    .displacement('default')
    .emit(0x31, 0xd2) // xor edx, edx
    .emit(0x41, 0xba) // mov r10d, 8
    .i32(8)
    .emit(0xb8) // mov eax, SYS_rt_sigaction
    .i32(SYS_RT_SIGACTION)
    .emit(0x0f, 0x05) // syscall
    .emit(0xc3) // ret
    .label('default')
    .emit(...new Array<number>(32).fill(0));
}

function safeSyscallCode(pending: number): CodeBytes {
  return new CodeBytes()
    .emit(0x48, 0x89, 0xf8) // mov rax, rdi
    .emit(0x48, 0x89, 0xf7) // mov rdi, rsi
    .emit(0x48, 0x89, 0xd6) // mov rsi, rdx
    .emit(0x48, 0x89, 0xca) // mov rdx, rcx
    .emit(0x4d, 0x89, 0xc2) // mov r10, r8
    .emit(0x4d, 0x89, 0xc8) // mov r8, r9
    .emit(0x4c, 0x8b, 0x4c, 0x24, 0x08) // mov r9, [rsp + 8]
    .emit(0x48, 0xb9) // mov rcx, pending
    .i64(pending)
    .label('start')
    .emit(0x83, 0x39, 0x00) // cmp dword [rcx], 0
    .emit(0x0f, 0x85) // jne abort
    .displacement('abort')
    .emit(0x0f, 0x05) // syscall
    .label('end')
    .emit(0xc3) // ret
    .label('abort')
    .emit(0x48, 0xc7, 0xc0) // mov rax, NOT_BEGUN
    .i32(NOT_BEGUN)
    .emit(0xc3); // ret
}
