/**
 * Faults in guest memory that the host's page protection finds: a handler of SIGSEGV and SIGBUS in machine code that notes
 * the first fault of a guest thread in that thread's state, gives it a page of its own in the place of what it must not
 * touch, and lets the access be tried again. The thread notices at its next look at `pending` and gives the guest its signal.
 *
 * The page is private to this process whatever was there: nothing that the guest does until then reaches a file or another
 * process. A fault anywhere else, or on a thread that runs no guest, goes to the handler that was there before (V8's).
 */
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';
import { CodeBytes, placeCode } from './machine-code.js';
import { THREAD_TABLE } from './signal-handler.js';

const SIGBUS = 7;
const SIGSEGV = 11;
const SYS_MMAP = 9;
const SYS_RT_SIGACTION = 13;
const SYS_RT_SIGRETURN = 15;
const SYS_GETTID = 186;
const SYS_TKILL = 200;
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;
const SA_RESTORER = 0x04000000;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_FIXED = 0x32;
const PAGE_SIZE = 4096;
/** Of siginfo_t: si_code, si_addr; of ucontext_t: gregs[REG_ERR], the processor's page-fault error code. */
const INFO_CODE = 8;
const INFO_ADDRESS = 16;
const UCONTEXT_ERROR = 192;
/** sizeof(struct kernel_sigaction). */
const ACTION_SIZE = 32;

/** Where the handler finds what it needs. Offsets are bytes from the start of the thread's state unless said otherwise. */
export interface FaultLayout {
  /** Host address of guest address 0; 4 GiB from there are the guest's. */
  readonly base: number;
  /** Host address of the page table (one byte a page), and its bit that says that a page may be read. */
  readonly pageTable: number;
  readonly readable: number;
  /** Host address of the table of threads that `HostSignals` keeps. */
  readonly threadTable: number;
  /** Host address of the threads' states, in the table's order, and their size. */
  readonly states: number;
  readonly stateSize: number;
  /** Non-zero: the thread is to look. */
  readonly pending: number;
  readonly signal: number;
  readonly address: number;
  readonly code: number;
}

/**
 * Installs the handler for good: the guest memory must live as long as the host process.
 * @throws where the host gives no executable memory
 */
export function installFaultHandler(layout: FaultLayout): void {
  const previous = [SIGSEGV, SIGBUS].map((signal) => Number(exchangeAction(signal)));
  const code = handlerCode(layout, previous[0]!, previous[1]!);
  const address = placeCode(code.assemble());
  for (const signal of [SIGSEGV, SIGBUS]) exchangeAction(signal, address, address + code.offsetOf('restorer'));
}

/** The handler that a signal has; another takes its place where one is given. Every other signal waits while it runs. */
function exchangeAction(signal: number, handler?: number, restorer = 0): bigint {
  const { view, address } = new HostBuffer(2 * ACTION_SIZE + 64);
  view.setBigUint64(0, BigInt(handler ?? 0), true);
  view.setBigUint64(8, BigInt(SA_SIGINFO | SA_ONSTACK | SA_RESTORER), true);
  view.setBigUint64(16, BigInt(restorer), true);
  view.setBigUint64(24, 0xffffffffffffffffn, true);
  const result = syscall(SYS_RT_SIGACTION, signal, handler === undefined ? 0 : address, address + ACTION_SIZE, 8);
  if (result < 0) throw new Error(`the host refused a handler of signal ${signal} (errno ${-result})`);
  return view.getBigUint64(ACTION_SIZE, true);
}

/** Registers are free to use: the kernel restores all of them when a handler returns. */
function handlerCode(layout: FaultLayout, previousSegv: number, previousBus: number): CodeBytes {
  const { base, pageTable, readable, threadTable, states, stateSize } = layout;
  return (
    new CodeBytes()
      .emit(0x89, 0xfb) // mov ebx, edi (signal)
      .emit(0x49, 0x89, 0xf6) // mov r14, rsi (siginfo)
      .emit(0x49, 0x89, 0xd5) // mov r13, rdx (ucontext)
      // Sent by a process, not raised by an instruction?
      .emit(0x83, 0x7e, INFO_CODE, 0x00) // cmp dword [rsi + si_code], 0
      .emit(0x0f, 0x8e) // jle pass
      .displacement('pass')
      .emit(0x4c, 0x8b, 0x66, INFO_ADDRESS) // mov r12, [rsi + si_addr]
      .emit(0x49, 0xbf) // mov r15, base
      .i64(base)
      .emit(0x4d, 0x29, 0xfc) // sub r12, r15
      .emit(0x4c, 0x89, 0xe0) // mov rax, r12
      .emit(0x48, 0xc1, 0xe8, 0x20) // shr rax, 32
      // One above: an access that begins in guest memory, with a constant offset that WebAssembly added.
      .emit(0x83, 0xf8, 0x01) // cmp eax, 1
      .emit(0x0f, 0x87) // ja pass
      .displacement('pass')
      .emit(0xb8) // mov eax, SYS_gettid
      .i32(SYS_GETTID)
      .emit(0x0f, 0x05) // syscall
      .emit(0x48, 0xbd) // mov rbp, states
      .i64(states)
      .emit(0x48, 0xba) // mov rdx, threadTable
      .i64(threadTable)
      .emit(0x31, 0xc9) // xor ecx, ecx
      .label('search')
      .emit(0x3b, 0x4a, THREAD_TABLE.count) // cmp ecx, [rdx + count]
      .emit(0x0f, 0x83) // jae pass
      .displacement('pass')
      .emit(0x3b, 0x44, 0x8a, THREAD_TABLE.threads) // cmp eax, [rdx + rcx * 4 + threads]
      .emit(0x0f, 0x84) // je found
      .displacement('found')
      .emit(0x48, 0x81, 0xc5) // add rbp, stateSize
      .i32(stateSize)
      .emit(0xff, 0xc1) // inc ecx
      .emit(0xe9) // jmp search
      .displacement('search')

      .label('found')
      .emit(0x83, 0xbd) // cmp dword [rbp + signal], 0
      .i32(layout.signal)
      .emit(0x00)
      .emit(0x0f, 0x85) // jne noted
      .displacement('noted')
      .emit(0x89, 0x9d) // mov [rbp + signal], ebx
      .i32(layout.signal)
      .emit(0x44, 0x89, 0xa5) // mov [rbp + address], r12d
      .i32(layout.address)
      .emit(0x49, 0x8b, 0x85) // mov rax, [r13 + REG_ERR]
      .i32(UCONTEXT_ERROR)
      .emit(0x89, 0x85) // mov [rbp + code], eax
      .i32(layout.code)
      .label('noted')
      .emit(0xc7, 0x85) // mov dword [rbp + pending], 1
      .i32(layout.pending)
      .i32(1)
      .emit(0x4c, 0x89, 0xe0) // mov rax, r12
      .emit(0x48, 0xc1, 0xe8, 0x20) // shr rax, 32
      .emit(0x0f, 0x85) // jnz pass: no page of ours; V8 throws
      .displacement('pass')

      // What may be read there must still be read there: into the stack and back.
      .emit(0x48, 0x81, 0xec) // sub rsp, PAGE_SIZE
      .i32(PAGE_SIZE)
      .emit(0x31, 0xed) // xor ebp, ebp
      .emit(0x4c, 0x89, 0xe0) // mov rax, r12
      .emit(0x48, 0xc1, 0xe8, 0x0c) // shr rax, 12
      .emit(0x48, 0xb9) // mov rcx, pageTable
      .i64(pageTable)
      .emit(0x49, 0x81, 0xe4) // and r12, -PAGE_SIZE
      .i32(-PAGE_SIZE)
      .emit(0x4d, 0x01, 0xe7) // add r15, r12 (host address of the page)
      .emit(0x83, 0xfb, SIGBUS) // cmp ebx, SIGBUS
      .emit(0x0f, 0x84) // je map
      .displacement('map')
      .emit(0xf6, 0x04, 0x01, readable) // test byte [rcx + rax], readable
      .emit(0x0f, 0x84) // jz map
      .displacement('map')
      .emit(0xff, 0xc5) // inc ebp
      .emit(0x4c, 0x89, 0xfe) // mov rsi, r15
      .emit(0x48, 0x89, 0xe7) // mov rdi, rsp
      .emit(0xb9) // mov ecx, PAGE_SIZE / 8
      .i32(PAGE_SIZE / 8)
      .emit(0xf3, 0x48, 0xa5) // rep movsq
      .label('map')
      .emit(0x4c, 0x89, 0xff) // mov rdi, r15
      .emit(0xbe) // mov esi, PAGE_SIZE
      .i32(PAGE_SIZE)
      .emit(0xba) // mov edx, PROT_READ | PROT_WRITE
      .i32(PROT_READ_WRITE)
      .emit(0x41, 0xba) // mov r10d, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
      .i32(MAP_PRIVATE_ANONYMOUS_FIXED)
      .emit(0x49, 0xc7, 0xc0) // mov r8, -1
      .i32(-1)
      .emit(0x45, 0x31, 0xc9) // xor r9d, r9d
      .emit(0xb8) // mov eax, SYS_mmap
      .i32(SYS_MMAP)
      .emit(0x0f, 0x05) // syscall
      .emit(0x4c, 0x39, 0xf8) // cmp rax, r15
      .emit(0x0f, 0x85) // jne refused
      .displacement('refused')
      .emit(0x85, 0xed) // test ebp, ebp
      .emit(0x0f, 0x84) // jz done
      .displacement('done')
      .emit(0x48, 0x89, 0xe6) // mov rsi, rsp
      .emit(0x4c, 0x89, 0xff) // mov rdi, r15
      .emit(0xb9) // mov ecx, PAGE_SIZE / 8
      .i32(PAGE_SIZE / 8)
      .emit(0xf3, 0x48, 0xa5) // rep movsq
      .label('done')
      .emit(0x48, 0x81, 0xc4) // add rsp, PAGE_SIZE
      .i32(PAGE_SIZE)
      .emit(0xc3) // ret

      .label('refused')
      .emit(0x48, 0x81, 0xc4) // add rsp, PAGE_SIZE
      .i32(PAGE_SIZE)
      .emit(0xe9) // jmp die
      .displacement('die')

      .label('pass')
      .emit(0x48, 0xb8) // mov rax, previousSegv
      .i64(previousSegv)
      .emit(0x83, 0xfb, SIGSEGV) // cmp ebx, SIGSEGV
      .emit(0x0f, 0x84) // je go
      .displacement('go')
      .emit(0x48, 0xb8) // mov rax, previousBus
      .i64(previousBus)
      .label('go')
      .emit(0x48, 0x83, 0xf8, 0x01) // cmp rax, SIG_IGN
      .emit(0x0f, 0x86) // jbe die
      .displacement('die')
      .emit(0x89, 0xdf) // mov edi, ebx
      .emit(0x4c, 0x89, 0xf6) // mov rsi, r14
      .emit(0x4c, 0x89, 0xea) // mov rdx, r13
      .emit(0xff, 0xe0) // jmp rax

      // The default action: the signal, sent again, waits until this handler has returned.
      .label('die')
      .emit(0x89, 0xdf) // mov edi, ebx
      .emit(0x48, 0x8d, 0x35) // lea rsi, [default]
      .displacement('default')
      .emit(0x31, 0xd2) // xor edx, edx
      .emit(0x41, 0xba) // mov r10d, 8
      .i32(8)
      .emit(0xb8) // mov eax, SYS_rt_sigaction
      .i32(SYS_RT_SIGACTION)
      .emit(0x0f, 0x05) // syscall
      .emit(0xb8) // mov eax, SYS_gettid
      .i32(SYS_GETTID)
      .emit(0x0f, 0x05) // syscall
      .emit(0x89, 0xc7) // mov edi, eax
      .emit(0x89, 0xde) // mov esi, ebx
      .emit(0xb8) // mov eax, SYS_tkill
      .i32(SYS_TKILL)
      .emit(0x0f, 0x05) // syscall
      .emit(0xc3) // ret

      .label('restorer')
      .emit(0xb8) // mov eax, SYS_rt_sigreturn
      .i32(SYS_RT_SIGRETURN)
      .emit(0x0f, 0x05) // syscall
      .label('default')
      .emit(...new Array<number>(ACTION_SIZE).fill(0))
  );
}
