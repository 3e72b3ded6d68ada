/** What an engine is to the rest of the emulator: how it is made, what it is asked for, what it tells. */
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import type { BridgeCall } from '../../translator/bridge.js';
import type { CpuModelName } from '../cpu/cpuid.js';
import type { GuestTrap } from '../memory/trap.js';
import type { Block } from './code-cache.js';
import type { KeptOptions } from './persistent/translations.js';

export type EngineKind = 'interpret' | 'block' | 'region' | 'lockstep';
/**
 * What generated code is written in. `wasm`: WebAssembly, JavaScript where a region has no form in it. `auto`: whatever is the
 * faster, which is what `wasm` does as long as a region of the one cannot call one of the other.
 */
export type BackendKind = 'js' | 'wasm' | 'auto';

/**
 * How generated code finds faults. `precise`: by the page table, before anything of the instruction was done. `lazy`: by the
 * host's page protection, at no cost, but the registers are those of a later moment; for processes that die of them.
 */
export type MemoryMode = 'lazy' | 'precise';

/**
 * `exact`: 80 bits, as the processor has them. `double`: generated code computes with 53 bits and a double's range, and raises no
 * floating-point exceptions.
 */
export type X87Kind = 'exact' | 'double';

/** Why the engine came back. `interrupt`: eip is after the instruction; `trap`: eip is the instruction's. */
export type EngineEvent =
  | { kind: 'interrupt'; vector: number }
  | { kind: 'sysenter' }
  | { kind: 'trap'; trap: GuestTrap }
  | { kind: 'poll' }
  /** Before an instruction at which execution was to stop, or where a listener asked for it. */
  | { kind: 'stop' }
  /** As many instructions as were asked for are executed. */
  | { kind: 'counted' };

export interface Engine {
  run(): EngineEvent;
  invalidateAll(): void;
  /** As `invalidateAll`, before another program takes the memory, whose code may be partly the same. */
  leaveProgram(): void;
  invalidatePages(firstPage: number, pageCount: number): void;
  /** Drops what was generated for the other mode. Engines begin precise: lazy needs `runtime/host/fault-handler.ts`. */
  setMemoryMode(mode: MemoryMode): void;
  /** Generated code tests writes from now on: there is code in pages that the guest may write. */
  testWrites(): void;
  /** Another thread has invalidated pages: their permissions are its business. */
  dropTranslations(firstPage: number, pageCount: number): void;
  /** From now on other threads use the memory: what is atomic must be. */
  startThreads(): void;
  readonly statistics: EngineStatistics;
  /**
   * Makes the system call that the registers ask for, `eip` being after its instruction; true where the guest goes on there and
   * nothing else is to be done. Generated code may then stay where it is. Without it `run` comes back for each.
   */
  onSystemCall: (() => boolean) | undefined;
  /** This process is the child of a fork from now on: it may end soon. */
  becomeChild(): void;
  /** Tells of something done, by which the child of a fork grows up. */
  noteWork(amount: number): void;
  /** Was so much executed that earlier runs did not know that later ones will be quicker? */
  isWorthKeeping(): boolean;
  /** Takes the lock of those who keep translations: its descriptor, or a negated error number; for the others' end if need be. */
  lockKept(waits: boolean): number;
  /**
   * Keeps translations of what was executed for later runs, for about a number of milliseconds at most.
   * @param compiles to machine code, too: that may end the host process
   */
  keepTranslations(budget: number, compiles: boolean): void;
}

export interface EngineStatistics {
  blocks: number;
  interpretedBlocks: number;
  compiledFunctions: number;
  /** Modules of WebAssembly and scripts that these are in. */
  compiledModules: number;
  compiledBytes: number;
  /** Making generated code: translation, and evaluation by V8 (its optimising comes later and is not counted). */
  translateMilliseconds: number;
  evaluateMilliseconds: number;
  slowExits: number;
  droppedBlocks: number;
  /** Translations of earlier runs that were put in place, and how long that and keeping those of this run took. */
  keptUnits: number;
  keptFunctions: number;
  keptBytes: number;
  keptMilliseconds: number;
  keepMilliseconds: number;
}

/** Makes generated code for hot blocks; `undefined` where everything is interpreted. */
export interface Compiler {
  /** Interpreted runs after which a block is worth compiling. */
  readonly threshold: number;
  /** Asks for the block; generated code is in `block.compiled` at once or some time later. */
  request(block: Block): void;
}

export interface EngineOptions {
  readonly kind: EngineKind;
  /** Default: js. */
  readonly backend?: BackendKind;
  /** Numbers of the x87 in generated code. Default: exact. */
  readonly x87?: X87Kind;
  readonly cpuModel?: CpuModelName;
  /** Seed of rdrand and rdseed; without it they are random. */
  readonly seed?: number;
  /** Names guest addresses, for the names of generated functions. */
  readonly symbolAt?: (address: number) => string | undefined;
  /** Counts exits and times (`CountingDispatcher`). Not with lockstep. */
  readonly counts?: boolean;
  /** Modules carry their functions' names, for profilers. */
  readonly namesFunctions?: boolean;
  /** Told of every block that is translated for the first time, for `--dump`. */
  readonly onBlock?: (instructions: readonly DecodedInstruction[]) => void;
  readonly onCompiled?: (name: string, source: string, language: 'js' | 'wasm') => void;
  /** Names at script scope are declared in a context of its own, so that nothing of the machine outlives it. */
  readonly ownContext?: boolean;
  /** Flags are exact at faults and stops, also those that the guest does not read any more. */
  readonly exactFlags?: boolean;
  /** Host functions that guest code calls; without them the cookie is what it is for processors. */
  readonly bridges?: EngineBridges;
  /** Where translations are kept from run to run; not with bridges, and only where WebAssembly is written. */
  readonly kept?: KeptOptions;
}

/** A bridge's host function: its arguments as `BridgeType`s say; undefined where the guest gets `EngineBridges.fault`. */
export type BridgeFunction = (...args: number[]) => number | undefined;

/** What the engine asks of those who know the bridges (`bridges/`). */
export interface EngineBridges {
  /** The bridge in whose place the guest's code at an address (i32) is not to be executed. */
  at(address: number): BridgeCall | undefined;
  /** What the codes of a cookie mean; undefined: SIGILL, after a line that says so. */
  byCode(library: number, func: number, address: number): BridgeCall | undefined;
  implementation(call: BridgeCall): BridgeFunction;
  /** What the last call that gave `undefined` wants instead: an exception, or that guest code at an address goes on. */
  fault(): GuestTrap | number;
  /** Told of the opcode 0F 3C with something else behind it. */
  damagedCookie(address: number): void;
}
