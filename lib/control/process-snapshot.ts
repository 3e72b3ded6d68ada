/**
 * A process at a moment: memory with its mappings, registers, signal actions, the heap's end, and of descriptors which there are
 * and where in their files they stand. What other processes see cannot be put back: contents of files, what was sent.
 */
import { deserialize, serialize } from 'node:v8';
import { syscall } from '../../runtime/host/libc.js';
import { Host } from '../../runtime/linux/constants/host-syscalls.js';
import { SIGNAL_COUNT } from '../../runtime/linux/constants/signals.js';
import type { LinuxProcess } from '../../runtime/linux/process.js';
import type { SignalAction } from '../../runtime/linux/signals/actions.js';
import type { AlternateStack } from '../../runtime/linux/thread.js';
import {
  deserializeSnapshot,
  type MemorySnapshot,
  serializeSnapshot,
  type SnapshotTracker,
} from '../../runtime/memory/snapshot.js';
import { State } from '../../translator/state.js';

const SEEK_SET = 0;
const SEEK_CUR = 1;
const PENDING = State.pending >> 2;

interface ProcessState {
  readonly registers: Uint8Array;
  readonly signalMask: bigint;
  readonly actions: readonly SignalAction[];
  readonly alternateStack: AlternateStack;
  readonly clearChildTid: number;
  readonly robustList: number;
  readonly robustListSize: number;
  readonly brkStart: number;
  readonly brkEnd: number;
  /** Guest descriptors, and their positions where they have any. */
  readonly files: readonly (readonly [descriptor: number, position: number | undefined])[];
}

export interface ProcessSnapshot {
  readonly memory: MemorySnapshot;
  readonly state: ProcessState;
}

export function takeSnapshot(process: LinuxProcess, tracker: SnapshotTracker): ProcessSnapshot {
  const { cpu, thread, signals, mappings, files } = process;
  const memory = tracker.take();
  const state: ProcessState = {
    registers: cpu.u8.slice(),
    signalMask: thread.signalMask,
    actions: Array.from({ length: SIGNAL_COUNT }, (_, index) => ({ ...signals.action(index + 1) })),
    alternateStack: { ...thread.alternateStack },
    clearChildTid: thread.clearChildTid,
    robustList: thread.robustList,
    robustListSize: thread.robustListSize,
    brkStart: mappings.brkStart,
    brkEnd: mappings.brkEnd,
    files: [...files.open()].map((descriptor) => {
      const position = syscall(Host.lseek, files.host(descriptor), 0, SEEK_CUR);
      return [descriptor, position < 0 ? undefined : position] as const;
    }),
  };
  return { memory, state };
}

/** @returns descriptors that were open and are not any more */
export function restoreSnapshot(
  process: LinuxProcess,
  tracker: SnapshotTracker,
  { memory, state }: ProcessSnapshot,
): number[] {
  const { cpu, thread, signals, mappings, files } = process;
  tracker.restore(memory);
  mappings.brkStart = state.brkStart;
  mappings.brkEnd = state.brkEnd;
  cpu.u8.set(state.registers);
  // Whatever is noted is looked at.
  cpu.i32[PENDING] = 1;
  state.actions.forEach((action, index) => {
    const now = signals.action(index + 1);
    const same =
      now.handler === action.handler &&
      now.flags === action.flags &&
      now.restorer === action.restorer &&
      now.mask === action.mask;
    if (!same) signals.setAction(index + 1, action);
  });
  if (thread.signalMask !== state.signalMask) signals.setMask(state.signalMask);
  thread.alternateStack = { ...state.alternateStack };
  thread.clearChildTid = state.clearChildTid;
  thread.robustList = state.robustList;
  thread.robustListSize = state.robustListSize;
  const kept = new Map(state.files);
  for (const descriptor of [...files.open()]) if (!kept.has(descriptor)) files.close(descriptor);
  const lost: number[] = [];
  for (const [descriptor, position] of state.files) {
    const host = files.host(descriptor);
    if (host < 0) lost.push(descriptor);
    else if (position !== undefined) syscall(Host.lseek, host, position, SEEK_SET);
  }
  return lost;
}

export function snapshotBytes({ memory, state }: ProcessSnapshot): Uint8Array {
  return serializeSnapshot(memory, serialize(state));
}

/** @throws RangeError where the bytes are no snapshot of a process */
export function snapshotFromBytes(bytes: Uint8Array): ProcessSnapshot {
  const { memory, extra } = deserializeSnapshot(bytes);
  let state: ProcessState;
  try {
    state = deserialize(extra) as ProcessState;
  } catch (error) {
    throw new RangeError('the snapshot is not one of a process', { cause: error });
  }
  return { memory, state };
}
