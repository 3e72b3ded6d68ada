/**
 * Runs one system call: arguments from the registers, the declaration from the table, guest faults turned into -EFAULT, a line for
 * `--strace`. Restarting interrupted calls is the caller's business: `interruption` of the declaration says which may be.
 */
import { State, Trap } from '../../../translator/state.js';
import type { CpuState } from '../../cpu/cpu-state.js';
import { GuestTrap } from '../../memory/trap.js';
import { Errno } from '../constants/errno.js';
import type { SyscallName } from '../constants/syscalls.js';
import { SyscallFailure } from '../failure.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import type { SyscallDeclaration } from './declare.js';
import { syscallTable } from './table.js';

/** Calls that look at nothing that threads share, and are worth a few nanoseconds. */
const WITHOUT_LOCK: ReadonlySet<SyscallName> = new Set<SyscallName>([
  'futex',
  'futex_time64',
  'sched_yield',
  'gettid',
  'getpid',
  'clock_gettime',
  'clock_gettime64',
  'gettimeofday',
]);

const warned = new Set<number>();

/** The declaration of the call that eax of a CPU state asks for. */
export function pendingSyscall(cpu: CpuState): SyscallDeclaration | undefined {
  return syscallTable[cpu.i32[State.eax >> 2]! >>> 0];
}

/**
 * Runs the call whose number and arguments are in the registers of `cpu` and returns what belongs in eax, or NO_RESULT. eax itself is
 * not written.
 */
export function dispatchSyscall(process: LinuxProcess, cpu: CpuState = process.cpu): number {
  const registers = cpu.i32;
  const number = registers[State.eax >> 2]!;
  const declaration = syscallTable[number >>> 0];
  const a = registers[State.ebx >> 2]!;
  const b = registers[State.ecx >> 2]!;
  const c = registers[State.edx >> 2]!;
  const d = registers[State.esi >> 2]!;
  const e = registers[State.edi >> 2]!;
  const f = registers[State.ebp >> 2]!;
  const { strace } = process;
  if (declaration === undefined) {
    warnUnknown(number, strace !== undefined);
    strace?.unknown(process, number, [a, b, c, d, e, f], -Errno.ENOSYS);
    return -Errno.ENOSYS;
  }
  const line = strace?.enter(process, declaration, [a, b, c, d, e, f]);
  const mark = scratch.mark();
  const { lock } = process.threads;
  const locks = !WITHOUT_LOCK.has(declaration.name);
  let result: number;
  if (locks) lock.enter();
  try {
    result = declaration.run(process, a, b, c, d, e, f);
  } catch (error) {
    if (error instanceof SyscallFailure) result = -error.errno;
    else if (error instanceof GuestTrap && error.vector === Trap.pageFault) result = -Errno.EFAULT;
    else throw error;
  } finally {
    if (locks) lock.leave();
    scratch.release(mark);
  }
  if (line !== undefined) strace!.leave(line, result);
  return result;
}

/** One line a number, for those who ask why a program gives up. */
function warnUnknown(number: number, traced: boolean): void {
  if ((!traced && process.env['BRIDGE86_WARN'] === undefined) || warned.has(number)) return;
  warned.add(number);
  process.stderr.write(`bridge86: unknown system call ${number}\n`);
}
