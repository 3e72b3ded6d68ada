/** The engines by name. */
import type { CpuState } from '../cpu/cpu-state.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { Dispatcher, type Engine, type EngineOptions } from './engine.js';

export type { Engine, EngineEvent, EngineKind, EngineOptions, EngineStatistics } from './engine.js';

/** Makes an engine for one guest thread. It takes over `memory.onCodeWrite`. */
export function createEngine(memory: GuestMemory, cpu: CpuState, options: EngineOptions): Engine {
  return new Dispatcher(memory, cpu, options);
}
