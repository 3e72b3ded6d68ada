/**
 * The host's side of signals: a handler in machine code that notes what arrived and makes the guest look, and a system call
 * that cannot miss a signal which arrives just before it blocks.
 *
 * All signals are to reach the thread that runs the guest, whose mask is the guest's own. Node's other threads block none, so at
 * the start each is made to block all of them: by a signal whose handler changes the mask that it returns to. A thread that Node
 * starts later does the same when the first signal reaches it, and sends that one on.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';
import { CodeBytes, functionAt, placeCode } from './machine-code.js';

const SYS_RT_SIGACTION = 13;
const SYS_RT_SIGPROCMASK = 14;
const SYS_RT_SIGRETURN = 15;
const SYS_GETPID = 39;
const SYS_RT_SIGPENDING = 127;
const SYS_GETTID = 186;
const SYS_TGKILL = 234;
const SYS_SCHED_YIELD = 24;
const EINTR = 4;
const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;
const SIG_SETMASK = 2;
/** uc_mcontext.gregs[REG_RIP] in the host's ucontext. */
const UCONTEXT_RIP = 168;
/** uc_sigmask in the host's ucontext. */
const UCONTEXT_MASK = 296;
/** The signal that makes Node's threads block signals, before the guest has any use for it. */
const QUIET_SIGNAL = 64;
/** Everything but SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV, which only a thread itself can raise. */
const QUIET_MASK = ~0x4d8n & 0xffffffffffffffffn;
const QUIET_MILLISECONDS = 50;

/** Layout of the block that handler and emulator share, in bytes. */
const Block = {
  thread: 0,
  process: 4,
  head: 8,
  /** Non-zero while `quietThreads` runs. */
  quieting: 12,
  safeStart: 16,
  safeLength: 24,
  safeAbort: 32,
  /** How many threads have blocked their signals. */
  quiet: 40,
  ring: 64,
} as const;
const RING_ENTRIES = 256;
/** sizeof(siginfo_t). */
export const HOST_SIGINFO_SIZE = 128;
/** Bytes that the shared block takes. */
export const SIGNAL_BLOCK_SIZE = Block.ring + RING_ENTRIES * HOST_SIGINFO_SIZE;

export type SafeSyscall = (number: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;

export class HostSignals {
  private readonly view: DataView;
  private readonly scratch = new HostBuffer(256);
  private readonly handler: number;
  private readonly restorer: number;
  private tail = 0;
  /**
   * A system call by host number that returns -EINTR at once when a signal waits already, however late it came: for every
   * call that may block. Negated error numbers as the kernel returns them.
   */
  readonly safeSyscall: SafeSyscall;

  /**
   * @param buffer memory that the guest's thread shares with the handler
   * @param offset of `SIGNAL_BLOCK_SIZE` bytes in it
   * @param base host address of the buffer
   * @param pending offset of the 32-bit word that becomes 1 when a signal has arrived
   */
  constructor(buffer: SharedArrayBuffer, offset: number, base: number, pending: number) {
    this.view = new DataView(buffer, offset, SIGNAL_BLOCK_SIZE);
    const safe = safeSyscallCode(base + pending);
    const safeAddress = placeCode(safe.assemble());
    this.safeSyscall = functionAt(
      safeAddress,
      'int64_t bridge86_safe_syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)',
    );
    const start = safe.offsetOf('start');
    this.view.setBigUint64(Block.safeStart, BigInt(safeAddress + start), true);
    this.view.setBigUint64(Block.safeLength, BigInt(safe.offsetOf('end') - start), true);
    this.view.setBigUint64(Block.safeAbort, BigInt(safeAddress + safe.offsetOf('abort')), true);
    this.handler = placeCode(handlerCode(base + offset, base + pending));
    this.restorer = placeCode(new CodeBytes().emit(0xb8).i32(SYS_RT_SIGRETURN).emit(0x0f, 0x05).assemble());
    this.adoptThread();
  }

  /** Makes the calling thread the one that gets the signals: at the start, and in the child after a fork. */
  adoptThread(): void {
    this.view.setInt32(Block.thread, syscall(SYS_GETTID), true);
    this.view.setInt32(Block.process, syscall(SYS_GETPID), true);
    this.tail = this.view.getUint32(Block.head, true);
  }

  /** Makes every other thread of this process block all signals. */
  quietThreads(): void {
    const self = syscall(SYS_GETTID);
    const pid = syscall(SYS_GETPID);
    this.view.setInt32(Block.quieting, 1, true);
    this.view.setInt32(Block.quiet, 0, true);
    this.catch(QUIET_SIGNAL, SA_RESTART);
    let asked = 0;
    for (const name of readdirSync('/proc/self/task')) {
      const thread = Number(name);
      if (thread === self || blocksAll(thread)) continue;
      if (syscall(SYS_TGKILL, pid, thread, QUIET_SIGNAL) === 0) asked++;
    }
    const limit = performance.now() + QUIET_MILLISECONDS;
    while (this.view.getInt32(Block.quiet, true) < asked && performance.now() < limit) syscall(SYS_SCHED_YIELD);
    this.view.setInt32(Block.quieting, 0, true);
    this.release(QUIET_SIGNAL, 0);
  }

  /** The oldest signal that arrived and was not taken yet: its host `siginfo_t`. */
  take(): Uint8Array | undefined {
    const head = this.view.getUint32(Block.head, true);
    if (this.tail === head) return undefined;
    if ((head - this.tail) >>> 0 > RING_ENTRIES) this.tail = (head - RING_ENTRIES) >>> 0;
    const at = this.view.byteOffset + Block.ring + (this.tail % RING_ENTRIES) * HOST_SIGINFO_SIZE;
    this.tail = (this.tail + 1) >>> 0;
    return new Uint8Array(this.view.buffer, at, HOST_SIGINFO_SIZE).slice();
  }

  /** Has a signal noted by the handler. `flags`: SA_NOCLDSTOP and SA_NOCLDWAIT. 0 or a negated error number. */
  catch(signal: number, flags: number): number {
    return this.setAction(signal, this.handler, flags | SA_SIGINFO);
  }

  /** Gives a signal back to the kernel: 0 = SIG_DFL, 1 = SIG_IGN. */
  release(signal: number, disposition: 0 | 1, flags = 0): number {
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
    return ((mask >> BigInt(QUIET_SIGNAL - 1)) & 1n) !== 0n;
  } catch {
    // It has ended since.
    return true;
  }
}

function handlerCode(block: number, pending: number): Uint8Array {
  return (
    new CodeBytes()
      .emit(0x49, 0xb8) // mov r8, block
      .i64(block)
      .emit(0x41, 0x89, 0xf9) // mov r9d, edi (signal)
      .emit(0x49, 0x89, 0xf2) // mov r10, rsi (siginfo)
      .emit(0xb8) // mov eax, SYS_gettid
      .i32(SYS_GETTID)
      .emit(0x0f, 0x05) // syscall
      .emit(0x41, 0x3b, 0x00) // cmp eax, [r8 + thread]
      .emit(0x0f, 0x85) // jne forward
      .displacement('forward')
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
      .emit(0x41, 0x0f, 0xb6, 0x40, Block.head) // movzx eax, byte [r8 + head]
      .emit(0xc1, 0xe0, 0x07) // shl eax, 7
      .emit(0x49, 0x8d, 0x7c, 0x00, Block.ring) // lea rdi, [r8 + rax + ring]
      .emit(0x4c, 0x89, 0xd6) // mov rsi, r10
      .emit(0xb9) // mov ecx, 16
      .i32(HOST_SIGINFO_SIZE / 8)
      .emit(0xf3, 0x48, 0xa5) // rep movsq
      .emit(0x41, 0xff, 0x40, Block.head) // inc dword [r8 + head]
      .emit(0x48, 0xb8) // mov rax, pending
      .i64(pending)
      .emit(0xc7, 0x00) // mov dword [rax], 1
      .i32(1)
      .emit(0xc3) // ret
      .label('forward')
      .emit(0x48, 0xb8) // mov rax, QUIET_MASK
      .i64(QUIET_MASK)
      .emit(0x48, 0x89, 0x82) // mov [rdx + uc_sigmask], rax
      .i32(UCONTEXT_MASK)
      .emit(0x41, 0x83, 0x78, Block.quieting, 0x00) // cmp dword [r8 + quieting], 0
      .emit(0x0f, 0x84) // je send
      .displacement('send')
      .emit(0x41, 0x83, 0xf9, QUIET_SIGNAL) // cmp r9d, QUIET_SIGNAL
      .emit(0x0f, 0x85) // jne send
      .displacement('send')
      .emit(0xf0, 0x41, 0xff, 0x40, Block.quiet) // lock inc dword [r8 + quiet]
      .emit(0xc3) // ret
      .label('send')
      .emit(0x41, 0x8b, 0x78, Block.process) // mov edi, [r8 + process]
      .emit(0x41, 0x8b, 0x30) // mov esi, [r8 + thread]
      .emit(0x44, 0x89, 0xca) // mov edx, r9d
      .emit(0xb8) // mov eax, SYS_tgkill
      .i32(SYS_TGKILL)
      .emit(0x0f, 0x05) // syscall
      .emit(0xc3) // ret
      .assemble()
  );
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
    .emit(0x48, 0xc7, 0xc0) // mov rax, -EINTR
    .i32(-EINTR)
    .emit(0xc3); // ret
}
