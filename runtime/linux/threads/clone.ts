/** `clone` of a thread: a copy of the caller's registers begins on an idle host thread. */
import { State, STATE_SIZE } from '../../../translator/state.js';
import { CpuState } from '../../cpu/cpu-state.js';
import { setTlsDescriptor, type TlsDescriptor } from '../../cpu/segments.js';
import { Errno } from '../constants/errno.js';
import type { LinuxProcess } from '../process.js';
import { Control, Slot, Status } from './thread-table.js';

export interface ThreadRequest {
  /** The new thread's stack pointer; 0: the caller's. */
  readonly stack: number;
  readonly tls: { readonly entry: number; readonly value: TlsDescriptor | undefined } | undefined;
  /** Where the new thread's id is to be written before either goes on; 0 for nowhere. */
  readonly parentTid: number;
  readonly childTid: number;
  /** Where 0 is to be written when it ends. */
  readonly clearChildTid: number;
}

const states = new Map<number, CpuState>();

/** The new thread's id, or a negated error number. */
export function cloneThread(process: LinuxProcess, request: ThreadRequest): number {
  const { threads, memory, cpu, thread } = process;
  const { table } = threads;
  for (const address of [request.parentTid, request.childTid]) if (address !== 0) memory.checkWrite(address, 4);
  const index = threads.takeIdle();
  if (index < 0) return process.options.startHostThread ? -Errno.EAGAIN : -Errno.ENOSYS;
  if (threads.mustLeave) {
    table.setSlot(index, Slot.status, Status.idle);
    return -Errno.EAGAIN;
  }
  let state = states.get(index);
  if (!state) states.set(index, (state = new CpuState(memory, index)));
  memory.u8.copyWithin(state.address, cpu.address, cpu.address + STATE_SIZE);
  const { i32 } = state;
  i32[State.eax >> 2] = 0;
  i32[State.exit >> 2] = 0;
  i32[State.faultSignal >> 2] = 0;
  i32[State.pending >> 2] = 1;
  if (request.stack !== 0) i32[State.esp >> 2] = request.stack;
  if (request.tls && request.tls.entry !== -1) setTlsDescriptor(state, request.tls.entry, request.tls.value);
  const tid = table.slot(index, Slot.tid);
  for (const address of [request.parentTid, request.childTid]) if (address !== 0) memory.writeU32(address, tid);
  table.setSlot(index, Slot.kill, 0);
  table.setSlot(index, Slot.maskLow, Number(BigInt.asIntN(32, thread.signalMask)));
  table.setSlot(index, Slot.maskHigh, Number(BigInt.asIntN(32, thread.signalMask >> 32n)));
  table.setSlot(index, Slot.clearChildTid, request.clearChildTid);
  table.setSlot(index, Slot.personality, process.personality);
  table.add(Control.live, 1);
  table.setSlot(index, Slot.begun, table.slot(index, Slot.begun) + 1);
  table.wakeSlot(index, Slot.begun);
  return tid;
}
