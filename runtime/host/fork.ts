/**
 * fork of the whole Node process. V8 marks its heap MADV_DONTFORK, so a few bytes of machine code take that mark off
 * everything and fork before any JavaScript can run in between. The child has the calling thread alone, so Node must run with
 * `--single-threaded`: otherwise V8 waits for worker threads that the child does not have.
 */
import { CodeBytes, functionAt, placeCode, symbolAddress } from './machine-code.js';

const MADV_DOFORK = 11;
const SYS_MADVISE = 28;
const LOWEST = 0x10000;
const HIGHEST = 0x7fffffff0000;

let forkFunction: (() => number) | undefined;

/** Whether this Node was started so that a child can go on running JavaScript. */
export function canFork(): boolean {
  const options = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
  return options.some((option) => option.replaceAll('_', '-') === '--single-threaded');
}

/** 0 in the child, the child's process id in the parent, -1 with errno set on failure. */
export function fork(): number {
  forkFunction ??= functionAt<() => number>(placeCode(forkCode()), 'int bridge86_fork(void)');
  return forkFunction();
}

function forkCode(): Uint8Array {
  return new CodeBytes()
    .emit(0x50) // push rax: aligns the stack
    .emit(0xbf) // mov edi, LOWEST
    .i32(LOWEST)
    .emit(0x48, 0xbe) // mov rsi, length
    .i64(HIGHEST - LOWEST)
    .emit(0xba) // mov edx, MADV_DOFORK
    .i32(MADV_DOFORK)
    .emit(0xb8) // mov eax, SYS_madvise
    .i32(SYS_MADVISE)
    .emit(0x0f, 0x05) // syscall
    .emit(0x48, 0xb8) // mov rax, fork
    .i64(symbolAddress('fork'))
    .emit(0xff, 0xd0) // call rax
    .emit(0x59) // pop rcx
    .emit(0xc3) // ret
    .assemble();
}
