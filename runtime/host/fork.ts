/**
 * fork of the whole Node process. V8 marks its heap MADV_DONTFORK, so a few bytes of machine code take that mark off
 * everything and fork before any JavaScript can run in between. The child has the calling thread alone, so Node must run with
 * `--single-threaded`: otherwise V8 waits for worker threads that the child does not have.
 */
import { CodeBytes, functionAt, placeCode, symbolAddress } from './machine-code.js';
import { findWaiters, forgetWaiters } from './stale-waiters.js';

const MADV_DOFORK = 11;
const SYS_MADVISE = 28;
const SYS_CLONE = 56;
const LOWEST = 0x10000;
const HIGHEST = 0x7fffffff0000;

let forkFunction: (() => number) | undefined;
let cloneFunction: ((flags: number) => number) | undefined;

/** Whether this Node was started so that a child can go on running JavaScript. */
export function canFork(): boolean {
  const options = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
  return options.some((option) => option.replaceAll('_', '-') === '--single-threaded');
}

const SIGCHLD = 17;

/**
 * 0 in the child, the child's process id in the parent, -1 with errno set on failure. With another signal than SIGCHLD for its
 * end, the child is made by the bare system call, without the C library's preparations.
 */
export function fork(exitSignal = SIGCHLD): number {
  findWaiters();
  const pid = exitSignal === SIGCHLD ? forkByLibrary() : forkBySystemCall(exitSignal);
  if (pid === 0) forgetWaiters();
  return pid;
}

function forkByLibrary(): number {
  forkFunction ??= functionAt<() => number>(placeCode(forkCode()), 'int bridge86_fork(void)');
  return forkFunction();
}

function forkBySystemCall(exitSignal: number): number {
  cloneFunction ??= functionAt<(flags: number) => number>(placeCode(cloneCode()), 'int bridge86_clone(int)');
  return cloneFunction(exitSignal);
}

function cloneCode(): Uint8Array {
  return doFork(new CodeBytes().emit(0x57)) // push rdi
    .emit(0x5f) // pop rdi
    .emit(0x31, 0xf6) // xor esi, esi
    .emit(0x31, 0xd2) // xor edx, edx
    .emit(0x4d, 0x31, 0xd2) // xor r10, r10
    .emit(0x4d, 0x31, 0xc0) // xor r8, r8
    .emit(0xb8) // mov eax, SYS_clone
    .i32(SYS_CLONE)
    .emit(0x0f, 0x05) // syscall
    .emit(0xc3) // ret
    .assemble();
}

/** Takes V8's mark off all memory. */
function doFork(code: CodeBytes): CodeBytes {
  return code
    .emit(0xbf) // mov edi, LOWEST
    .i32(LOWEST)
    .emit(0x48, 0xbe) // mov rsi, length
    .i64(HIGHEST - LOWEST)
    .emit(0xba) // mov edx, MADV_DOFORK
    .i32(MADV_DOFORK)
    .emit(0xb8) // mov eax, SYS_madvise
    .i32(SYS_MADVISE)
    .emit(0x0f, 0x05); // syscall
}

function forkCode(): Uint8Array {
  return doFork(new CodeBytes().emit(0x50)) // push rax: aligns the stack
    .emit(0x48, 0xb8) // mov rax, fork
    .i64(symbolAddress('fork'))
    .emit(0xff, 0xd0) // call rax
    .emit(0x59) // pop rcx
    .emit(0xc3) // ret
    .assemble();
}
