/**
 * What other programs import from `bridge86`: a processor with memory (`Machine`), i386 Linux programs (`Process`), and the
 * translator's reading end. The interface may change until version 1.0; docs/embedding.md is its guide.
 */
export { Machine } from './machine.js';
export {
  GuestError,
  Snapshot,
  type MachineOptions,
  type Protection,
  type RunOptions,
  type RunResult,
} from './machine-types.js';
export {
  ControlSnapshot,
  GuestControl,
  type ControlHook,
  type GuestMapping,
  type GuestSystemCall,
  type Implementation,
  type SystemCallEndListener,
  type SystemCallListener,
} from './control/guest-control.js';
export { MachineWorker, type AsyncCallback, type AsyncHook, type AsyncListener } from './machine-worker.js';
export { Process, type ProcessEnd, type ProcessOptions } from './process.js';
export type { BridgeContext, LibraryDeclaration } from '../bridges/library.js';
export type { Callback, CallbackOptions } from './callbacks.js';
export type { FunctionOptions, GuestFunction, PrototypedFunction, ValueType } from './functions.js';
export type { Cell, GuestArgument } from './guest-arguments.js';
export type {
  Hook,
  HookKind,
  HookListeners,
  HookRange,
  InvalidAccess,
  MemoryAccess,
  SystemCall,
  Translation,
} from './hooks.js';
export type { GeneralRegister, RegisterName, Registers, SegmentRegister } from '../runtime/cpu/registers.js';
export type { DisassembledInstruction, TranslationLanguage } from './translation.js';
export type { BackendKind, EngineKind, EngineStatistics } from '../runtime/engine/index.js';
export { Decoder, type DecodedInstruction } from '../translator/decode/decoder.js';
export { disassemble } from '../translator/disasm.js';
export { printIr } from '../translator/ir/print.js';
export { liftBlock } from '../translator/lift/lift.js';
