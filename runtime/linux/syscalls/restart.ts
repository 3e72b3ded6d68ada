/**
 * Whether a call that a signal interrupted is begun again after a handler with SA_RESTART (signal(7)): what its declaration says,
 * but not on sockets that have a timeout (SO_RCVTIMEO, SO_SNDTIMEO) nor for a futex that is waited for with one.
 */
import { State } from '../../../translator/state.js';
import { syscall } from '../../host/libc.js';
import { Host } from '../constants/host-syscalls.js';
import type { LinuxProcess } from '../process.js';
import { scratch } from '../scratch.js';
import type { SyscallDeclaration } from './declare.js';

const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const RECEIVING = /^(read|readv|recv|accept)/;

const FUTEX_COMMAND = ~(128 | 256);
const FUTEX_WAIT = 0;
const FUTEX_WAIT_BITSET = 9;

/** Of the call that has just been interrupted: its arguments are still in the registers. */
export function isRestartable(process: LinuxProcess, declaration: SyscallDeclaration): boolean {
  if (declaration.interruption !== 'restart') return false;
  const registers = process.cpu.i32;
  if (declaration.name === 'futex' || declaration.name === 'futex_time64') {
    const command = registers[State.ecx >> 2]! & FUTEX_COMMAND;
    return registers[State.esi >> 2] === 0 || (command !== FUTEX_WAIT && command !== FUTEX_WAIT_BITSET);
  }
  return !hasSocketTimeout(process, declaration);
}

function hasSocketTimeout(process: LinuxProcess, { name, arguments: [first] }: SyscallDeclaration): boolean {
  const { cpu, memory, files } = process;
  let fd: number;
  if (name === 'socketcall') {
    const list = cpu.i32[State.ecx >> 2]!;
    if (!memory.isReadable(list, 4)) return false;
    fd = memory.readI32(list);
  } else if (first === 'fd') {
    fd = cpu.i32[State.ebx >> 2]!;
  } else {
    return false;
  }
  const options =
    name === 'socketcall' ? [SO_RCVTIMEO, SO_SNDTIMEO] : [RECEIVING.test(name) ? SO_RCVTIMEO : SO_SNDTIMEO];
  const mark = scratch.mark();
  const at = scratch.allocate(32);
  const { view, address } = scratch;
  const set = options.some((option) => {
    view.setInt32(at + 16, 16, true);
    const result = syscall(Host.getsockopt, files.host(fd), SOL_SOCKET, option, address + at, address + at + 16);
    return result === 0 && (view.getBigInt64(at, true) !== 0n || view.getBigInt64(at + 8, true) !== 0n);
  });
  scratch.release(mark);
  return set;
}
