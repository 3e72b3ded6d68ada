/** What a machine is made with, how it is run and how that may end, and its snapshots: the words of `Machine` and `MachineWorker`. */
import type { CpuModelName } from '../runtime/cpu/cpuid.js';
import type { BackendKind, EngineKind } from '../runtime/engine/index.js';
import { deserializeSnapshot, type MemorySnapshot, serializeSnapshot } from '../runtime/memory/snapshot.js';
import { STATE_SIZE } from '../translator/state.js';
import type { InvalidAccess } from './hooks.js';

export interface MachineOptions {
  /** `region` (the default): hot code becomes large functions; `block`: small ones; `interpret`; `lockstep` checks the others. */
  readonly engine?: EngineKind;
  /** What generated code is written in: `auto` (the default), `js` or `wasm`. */
  readonly backend?: BackendKind;
  /** The processor that `cpuid` shows. */
  readonly cpu?: CpuModelName;
  /** Fixes what rdrand and rdseed give. */
  readonly seed?: number;
  /** Flags are exact after faults and timeouts, also those that the code never reads again; costs speed. */
  readonly exactFlags?: boolean;
}

export interface RunOptions {
  /** Where to begin; eip as it is where this is missing. */
  readonly from?: number;
  /** The run ends before the instruction at this address, though not before its first instruction. */
  readonly until?: number;
  /** The run ends after so many instructions. They are interpreted, so that they can be counted. */
  readonly count?: number;
  /** The run ends after so many milliseconds, at a jump. */
  readonly timeout?: number;
  /** Looked at before the run and whenever a hook has been called: this thread has no time for events meanwhile. */
  readonly signal?: AbortSignal;
}

/** Why a run ended. */
export type RunResult =
  | { readonly reason: 'until' | 'count' | 'timeout' | 'stop' | 'abort' }
  | { readonly reason: 'interrupt'; readonly vector: number | undefined }
  | ({ readonly reason: 'invalid' } & InvalidAccess)
  | { readonly reason: 'exception'; readonly vector: number };

/** What may be done with a page. Pages that can be written or executed can be read, as on the processor. */
export type Protection = '' | 'r' | 'rw' | 'rx' | 'rwx' | 'w' | 'x' | 'wx';

/** Guest code that was called did not return. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
  constructor(
    message: string,
    readonly result: RunResult,
  ) {
    super(message);
  }
}

/** Registers and memory of a moment; see `Machine.save`. */
export class Snapshot {
  /** @internal */
  constructor(
    /** @internal */
    readonly memory: MemorySnapshot,
    /** @internal */
    readonly state: Uint8Array,
  ) {}

  /** The snapshot as bytes, for a file. */
  serialize(): Uint8Array {
    return serializeSnapshot(this.memory, this.state);
  }

  /** @throws RangeError where the bytes are no snapshot */
  static deserialize(bytes: Uint8Array): Snapshot {
    const { memory, extra } = deserializeSnapshot(bytes);
    if (extra.length !== STATE_SIZE) throw new RangeError('the snapshot has no registers');
    return new Snapshot(memory, extra);
  }
}
