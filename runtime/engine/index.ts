/** The engines by name. */
import type { CpuState } from '../cpu/cpu-state.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { CountingDispatcher } from './counting.js';
import { LockstepDispatcher } from './lockstep.js';
import { PersistentTranslations } from './persistent/translations.js';
import { RegionCompiler } from './region-compiler.js';
import { Dispatcher, type EngineOptions } from './engine.js';

export type {
  BackendKind,
  Dispatcher,
  BridgeFunction,
  Engine,
  EngineBridges,
  EngineEvent,
  EngineKind,
  EngineOptions,
  EngineStatistics,
  MemoryMode,
} from './engine.js';

/** Makes an engine for one guest thread. It takes over `memory.onCodeWrite`. */
export function createEngine(memory: GuestMemory, cpu: CpuState, options: EngineOptions): Dispatcher {
  const lockstep = options.kind === 'lockstep';
  const kind = lockstep ? LockstepDispatcher : options.counts ? CountingDispatcher : Dispatcher;
  const dispatcher = new kind(memory, cpu, options);
  if (options.kind === 'block') {
    dispatcher.compiler = new RegionCompiler(dispatcher, options, { maximumBlocks: 8, threshold: 4000, batch: 16 });
  } else if (options.kind === 'region') {
    const compiler = new RegionCompiler(dispatcher, options, {
      maximumBlocks: 100,
      threshold: 4000,
      batch: 1,
      merges: true,
    });
    dispatcher.compiler = compiler;
    if (options.kept && compiler.wasm && !options.bridges) {
      dispatcher.kept = dispatcher.cache.kept = new PersistentTranslations(dispatcher, compiler, options.kept);
    }
  }
  if (lockstep) {
    dispatcher.compiler = new RegionCompiler(dispatcher, options, {
      maximumBlocks: 20,
      threshold: 4,
      batch: 1,
      preciseFlags: true,
    });
  }
  return dispatcher;
}
