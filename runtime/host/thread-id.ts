/**
 * A new id for the calling host thread, which a guest thread that has ended had for its own: programs take it that a thread's id is not
 * soon another's. The kernel gives none to a thread that goes on, so a copy is made of it that goes on in its place, on the same stack
 * and with the same thread-local storage, while the old one ends without another look at memory.
 */
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';
import { CodeBytes, functionAt, placeCode } from './machine-code.js';

const SYS_RT_SIGPROCMASK = 14;
const SYS_CLONE = 56;
const SYS_EXIT = 60;
const SYS_PRCTL = 157;
const SYS_GETTID = 186;
const SYS_SET_TID_ADDRESS = 218;
const SYS_SET_ROBUST_LIST = 273;
const SYS_GET_ROBUST_LIST = 274;
const PR_GET_TID_ADDRESS = 40;
const SIG_SETMASK = 2;
/** CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM, _CHILD_CLEARTID, _CHILD_SETTID: as the C library makes threads. */
const FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000 | 0x1000000;
/** sizeof(struct robust_list_head) of 64 bits. */
const ROBUST_LIST_HEAD = 24;

type Renew = (tidAddress: number, robustList: number, length: number) => number;

let renew: Renew | undefined;
let buffer: HostBuffer | undefined;

/**
 * Gives the thread another id. The caller sets the signal mask again: here all signals are blocked, since a handler must not run on a
 * stack that two threads have.
 * @returns the new id, or the old one where the host does not allow this
 */
export function renewThreadId(): number {
  renew ??= functionAt<Renew>(placeCode(renewCode()), 'int bridge86_renew_thread(uint64_t, uint64_t, uint64_t)');
  const { address, view, bytes } = (buffer ??= new HostBuffer(128));
  const old = syscall(SYS_GETTID);
  // Where the C library has the thread's id, which the kernel clears at its end.
  if (syscall(SYS_PRCTL, PR_GET_TID_ADDRESS, address) < 0) return old;
  if (syscall(SYS_GET_ROBUST_LIST, 0, address + 8, address + 16) < 0) return old;
  bytes.fill(0xff, 24, 32);
  syscall(SYS_RT_SIGPROCMASK, SIG_SETMASK, address + 24, 0, 8);
  const word = (offset: number): number => Number(view.getBigUint64(offset, true));
  const id = renew(word(0), word(8), word(16));
  return id < 0 ? old : id;
}

function renewCode(): Uint8Array {
  return (
    new CodeBytes()
      .emit(0x49, 0x89, 0xfa) // mov r10, rdi (where the kernel writes and clears the id)
      .emit(0x49, 0x89, 0xf1) // mov r9, rsi
      .emit(0x49, 0x89, 0xd0) // mov r8, rdx
      .emit(0xbf) // mov edi, FLAGS
      .i32(FLAGS)
      .emit(0x48, 0x89, 0xe6) // mov rsi, rsp
      .emit(0x31, 0xd2) // xor edx, edx
      .emit(0xb8) // mov eax, SYS_clone
      .i32(SYS_CLONE)
      .emit(0x0f, 0x05) // syscall
      .emit(0x85, 0xc0) // test eax, eax
      .emit(0x0f, 0x84) // jz copy
      .displacement('copy')
      .emit(0x0f, 0x88) // js end
      .displacement('end')
      // The old thread: nothing is to be cleared for it, no mutex of its list to be released, and the stack is not its own any more.
      .emit(0x31, 0xff) // xor edi, edi
      .emit(0xb8) // mov eax, SYS_set_tid_address
      .i32(SYS_SET_TID_ADDRESS)
      .emit(0x0f, 0x05) // syscall
      .emit(0x31, 0xff) // xor edi, edi
      .emit(0xbe) // mov esi, ROBUST_LIST_HEAD
      .i32(ROBUST_LIST_HEAD)
      .emit(0xb8) // mov eax, SYS_set_robust_list
      .i32(SYS_SET_ROBUST_LIST)
      .emit(0x0f, 0x05) // syscall
      .emit(0x31, 0xff) // xor edi, edi
      .emit(0xb8) // mov eax, SYS_exit
      .i32(SYS_EXIT)
      .emit(0x0f, 0x05) // syscall
      .label('copy')
      .emit(0x4c, 0x89, 0xcf) // mov rdi, r9
      .emit(0x4c, 0x89, 0xc6) // mov rsi, r8
      .emit(0xb8) // mov eax, SYS_set_robust_list
      .i32(SYS_SET_ROBUST_LIST)
      .emit(0x0f, 0x05) // syscall
      .emit(0xb8) // mov eax, SYS_gettid
      .i32(SYS_GETTID)
      .emit(0x0f, 0x05) // syscall
      .label('end')
      .emit(0xc3) // ret
      .assemble()
  );
}
