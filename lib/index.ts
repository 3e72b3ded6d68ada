/**
 * What other programs import from `bridge86`: the process layer and, below it, memory, processor and engines, and the translator's
 * reading end. The interface may change until version 1.0.
 */
export { CpuState } from '../runtime/cpu/cpu-state.js';
export {
  createEngine,
  type Engine,
  type EngineEvent,
  type EngineKind,
  type EngineOptions,
  type EngineStatistics,
} from '../runtime/engine/index.js';
export { LinuxProcess, type ProcessEnd, type ProcessOptions } from '../runtime/linux/process.js';
export { LoadError } from '../runtime/loader/load-error.js';
export { GuestMemory } from '../runtime/memory/guest-memory.js';
export { Decoder, type DecodedInstruction } from '../translator/decode/decoder.js';
export { disassemble } from '../translator/disasm.js';
export { printIr } from '../translator/ir/print.js';
export { liftBlock } from '../translator/lift/lift.js';
