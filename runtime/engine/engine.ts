/**
 * The dispatcher: finds the translation of the guest's next address, interprets it while it is cold, runs generated code
 * once it is warm, and comes back to the process when the kernel is needed.
 */
import { Decoder, type DecodedInstruction } from '../../translator/decode/decoder.js';
import type { BridgeCall } from '../../translator/bridge.js';
import { MAXIMUM_CALL_DEPTH } from '../../translator/emit/wasm/abi.js';
import { declarations } from '../../translator/isa/index.js';
import { Page, PAGE_SHIFT, PAGE_SIZE, WRITE_WITHHELD } from '../../translator/pages.js';
import { Exit, State, Trap } from '../../translator/state.js';
import { cpuModel, type CpuModel } from '../cpu/cpuid.js';
import type { CpuState } from '../cpu/cpu-state.js';
import { HandlerTable } from '../interpreter/handlers.js';
import { createOperation, Operation } from '../interpreter/operation.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { GuestTrap, pageFault } from '../memory/trap.js';
import { CHECK_ALL, CHECK_NONE, CHECK_WRITES, type AccessChecks } from '../../translator/ir/access-checks.js';
import { Block, CodeCache, DroppedBlock, type CompiledFunction, type DecodedCode } from './code-cache.js';
import { FormerCode } from './former-code.js';
import { Observation, Observe } from './observation.js';
import { MemoryWatch, Watching } from '../memory/watch.js';
import type { PersistentTranslations } from './persistent/translations.js';
import { createX87Helpers } from '../helpers/x87/index.js';
import { createEnvironment, type Environment } from './environment.js';
import { putOffOptimising, resumeOptimising } from './v8-flags.js';
import { EFLAGS_AC, EFLAGS_TF, isMisaligned, STEPPING_FLAGS } from './stepping.js';

import type { MemoryMode, EngineEvent, Engine, EngineStatistics, Compiler, EngineOptions } from './interface.js';
export type * from './interface.js';

const LONGEST_INSTRUCTION = 15;
/** Longest translation block, in instructions. */
const MAXIMUM_BLOCK = 64;

/** Work after which a fork's child is none of those that end at once: blocks decoded, system calls, and regions compiled. */
const CHILDHOOD = 4000;
const WORK_OF_REGION = 50;
/** Groups of floating-point instructions that failed their test so often are written with more care. */
const OFTEN_FAILED = 64;

const SYSTEM_CALL = 0x80;
/** No address is this number. */
const NOWHERE = 0.5;
/** What the dispatcher takes of the host's stack for a call of generated code, in such calls. */
const DEPTH_OF_DISPATCHER = 8;

const EIP = State.eip >> 2;
const EXIT = State.exit >> 2;
const PENDING = State.pending >> 2;
const CALL_DEPTH = State.callDepth >> 2;
const EXPECTED = State.expected >> 2;
const ESP = State.esp >> 2;
const FAULT_SIGNAL = State.faultSignal >> 2;
const EFLAGS_REST = State.eflagsRest >> 2;

/** What V8 says where an access reaches over the end of the 4 GiB: of a DataView, and of WebAssembly. */
const BEYOND_MEMORY = /^(Offset is outside the bounds of the DataView|memory access out of bounds)$/;

export class Dispatcher implements Engine {
  readonly cache: CodeCache;
  readonly environment: Environment;
  readonly model: CpuModel;
  readonly statistics: EngineStatistics = {
    blocks: 0,
    interpretedBlocks: 0,
    compiledFunctions: 0,
    compiledModules: 0,
    compiledBytes: 0,
    translateMilliseconds: 0,
    evaluateMilliseconds: 0,
    slowExits: 0,
    droppedBlocks: 0,
    keptUnits: 0,
    keptFunctions: 0,
    keptBytes: 0,
    keptMilliseconds: 0,
    keepMilliseconds: 0,
  };
  compiler: Compiler | undefined;
  /** What generated code tests. Lazy mode tests writes once there is code in pages that the guest may write. */
  checks = CHECK_ALL;
  kept: PersistentTranslations | undefined;
  /** Other threads use the memory, too. */
  sharesMemory = false;
  /** Whether generated code has all flags as they are where an access faults: somebody sees them there. */
  exactFlags = false;
  /** What of the code is watched, if anything is. */
  observation: Observation | undefined;
  /** What is left to do before a fork's child counts as any other process. */
  private childhood = 0;
  /** What programs before this one left. */
  private former: FormerCode | undefined;
  /** How often groups of floating-point instructions failed their test, by address; instructions that are tested with more care. */
  private readonly failedGroups = new Map<number, number>();
  readonly carefulGroups = new Set<number>();
  /** The next run begins with the one instruction at eip, whose listeners have been told. */
  private stepsFirst = false;
  /** Instructions that may still be executed, where they are counted. */
  private remaining = Infinity;
  protected readonly supervised: boolean = false;
  /** Calls of generated code below the dispatcher on the host's stack. */
  private baseDepth = 0;
  private readonly decoder: Decoder;
  private readonly handlers: HandlerTable;
  protected readonly state: Int32Array;
  private readonly pages: Uint8Array;
  /** Ends a block that does not end in a jump. */
  private readonly goOn: (operation: Operation) => void;
  private readonly goOnObserved = (operation: Operation): void => {
    this.goOn(operation);
    this.observation?.goOnAt(operation.next);
  };
  /** The operation that the interpreter is at: tells a trap's address. */
  protected current: Operation | undefined;

  constructor(
    readonly memory: GuestMemory,
    readonly cpu: CpuState,
    protected readonly options: EngineOptions,
  ) {
    this.state = cpu.i32;
    this.pages = memory.pages;
    const state = cpu.i32;
    this.goOn = (operation) => {
      state[EIP] = operation.next;
    };
    this.cache = new CodeCache(memory);
    this.model = cpuModel(options.cpuModel ?? 'max');
    const random = options.seed === undefined ? Math.random : seededRandom(options.seed);
    this.environment = createEnvironment(cpu, memory, {
      model: this.model,
      random32: () => (random() * 0x100000000) | 0,
      clock: () => process.hrtime.bigint(),
      checkedStores: options.kind === 'lockstep',
      ownContext: options.ownContext === true,
    });
    this.decoder = new Decoder(memory.u8);
    this.handlers = new HandlerTable(this.environment);
    const { bridges } = options;
    if (bridges) {
      const { environment } = this;
      environment.declare('raiseBridgeFault', () => {
        const instead = bridges.fault();
        throw typeof instead === 'number' ? new DroppedBlock(instead, true) : instead;
      });
      const { fldF64 } = createX87Helpers(cpu);
      const slot = State.scratch + 16 * (State.scratchSlots - 1);
      const double = new Float64Array(cpu.u8.buffer, cpu.u8.byteOffset + slot, 1);
      environment.declare('pushBridgeResult', (value: number) => {
        double[0] = value;
        fldF64(slot);
      });
    }
    memory.onCodeWrite = (page) => this.invalidatePages(page, 1);
  }

  invalidateAll(): void {
    this.forgetGroups();
    this.cache.dropAll();
  }

  leaveProgram(): void {
    const { cache, options } = this;
    this.forgetGroups();
    // What a bridge stands in for depends on the program, and who lists code wants to see it again.
    if (options.bridges || options.onBlock) {
      cache.dropAll();
      return;
    }
    this.former ??= new FormerCode();
    const decoded = [...cache.all()].filter((block) => block.isDecoded && !block.observed);
    this.former.add(decoded, this.memory);
    cache.release();
  }

  invalidatePages(firstPage: number, pageCount: number): void {
    this.forgetGroups();
    this.cache.dropPages(firstPage, pageCount);
  }
  /** What is known of groups is of the code that was there. */
  private forgetGroups(): void {
    if (this.failedGroups.size === 0) return;
    this.failedGroups.clear();
    this.carefulGroups.clear();
  }

  setMemoryMode(mode: MemoryMode): void {
    const exactFlags = mode === 'precise';
    if (exactFlags !== this.exactFlags) {
      this.exactFlags = exactFlags;
      this.cache.dropAll();
    }
    this.setChecks(mode === 'lazy' ? CHECK_NONE : CHECK_ALL);
  }

  testWrites(): void {
    if (!this.checks.writes) this.setChecks(CHECK_WRITES);
  }

  dropTranslations(firstPage: number, pageCount: number): void {
    this.cache.dropForOther(firstPage, pageCount);
  }

  startThreads(): void {
    if (this.sharesMemory) return;
    this.sharesMemory = true;
    this.cache.dropAll();
  }

  private setChecks(checks: AccessChecks): void {
    if (checks === this.checks) return;
    this.checks = checks;
    this.cache.dropAll();
  }

  /** Whether generated code is only to run under the engine's eyes. */
  get isSupervised(): boolean {
    return this.supervised;
  }

  /** Watches code: what nobody watches costs nothing. */
  observe(): Observation {
    return (this.observation ??= new Observation(this.cpu, (start, end) => {
      const first = start >>> PAGE_SHIFT;
      this.cache.dropPages(first, ((end - 1) >>> PAGE_SHIFT) - first + 1);
    }));
  }

  /** Watches accesses to memory. From the first on, generated code keeps flags exact, since listeners may look at them. */
  watchMemory(): MemoryWatch {
    const { memory } = this;
    if (!memory.watch) {
      memory.watch = new MemoryWatch(memory);
      this.cache.dropAll();
    }
    return memory.watch;
  }

  /** Runs until something happens, or until `count` instructions are executed: these are interpreted then. */
  runCounted(count: number): { event: EngineEvent; executed: number } {
    this.remaining = count;
    try {
      const event = this.run();
      return { event, executed: count - this.remaining };
    } finally {
      this.remaining = Infinity;
    }
  }

  /** Whether somebody is told what the guest does. */
  get isWatched(): boolean {
    return this.observation !== undefined || this.memory.watch !== undefined;
  }

  onSystemCall: (() => boolean) | undefined;

  /** For generated code: false where it is to be left, for the address that is in `eip` then. */
  systemCall(): boolean {
    const { state, cache } = this;
    const { epoch } = cache;
    const pc = state[EIP];
    // A fault comes before whatever is done after it.
    if (state[FAULT_SIGNAL] !== 0) return false;
    if (!this.onSystemCall) {
      state[State.exitDetail >> 2] = SYSTEM_CALL;
      state[EXIT] = Exit.interrupt;
      return false;
    }
    if (this.onSystemCall() && state[PENDING] === 0 && state[EIP] === pc && cache.epoch === epoch) return true;
    state[EXIT] = Exit.poll;
    return false;
  }

  becomeChild(): void {
    // An interpreter in a loop does no work that it would tell of.
    if (!this.compiler) return;
    this.childhood = CHILDHOOD;
    putOffOptimising();
  }

  noteWork(amount: number): void {
    if (this.childhood <= 0) return;
    this.childhood -= amount;
    if (this.childhood <= 0) resumeOptimising();
  }

  isWorthKeeping(): boolean {
    return this.kept?.isWorthKeeping() === true;
  }
  lockKept(waits: boolean): number {
    return this.kept ? this.kept.lock(waits) : -1;
  }
  keepTranslations(budget: number, compiles: boolean): void {
    resumeOptimising();
    this.kept?.keep(budget, compiles);
  }

  /**
   * For generated code that was called by generated code and has left: does what is left of the call.
   * @param expected where it returns to
   * @param depth how many calls of generated code are on the host's stack
   * @returns whether the guest is there; else all generated code is to be left
   */
  finishCall(expected: number, depth: number): boolean {
    const { state, cache } = this;
    if (depth > MAXIMUM_CALL_DEPTH || state[PENDING] !== 0 || this.isWatched) return false;
    const { epoch } = cache;
    const { baseDepth } = this;
    const outer = state[EXPECTED]!;
    const above = state[ESP]! >>> 0;
    this.baseDepth = state[CALL_DEPTH] = depth + DEPTH_OF_DISPATCHER;
    state[EXPECTED] = ~expected;
    try {
      if (!this.settleExit()) return false;
      if (!this.isBack(expected, above)) this.execute(expected, above);
    } finally {
      this.baseDepth = state[CALL_DEPTH] = baseDepth;
      state[EXPECTED] = outer;
    }
    if (state[EXIT] !== 0 || state[PENDING] !== 0 || state[FAULT_SIGNAL] !== 0) return false;
    // Code that waits on the host's stack may be of what has changed.
    return cache.epoch === epoch && this.isBack(expected, above);
  }

  /** Has the call returned, and not one like it that it made? */
  private isBack(expected: number, above: number): boolean {
    const { state } = this;
    return state[EIP] === expected && state[ESP]! >>> 0 > above;
  }

  run(): EngineEvent {
    const { state } = this;
    const expected = state[EXPECTED]!;
    state[EXPECTED] = 0;
    try {
      return this.runLoop();
    } finally {
      state[EXPECTED] = expected;
      const { watch } = this.memory;
      if (watch) watch.mode = Watching.nothing;
    }
  }

  private runLoop(): EngineEvent {
    const state = this.state;
    for (;;) {
      // A fault that the host found comes before anything that was done since.
      if (state[FAULT_SIGNAL] !== 0) return { kind: 'trap', trap: this.takeFault() };
      const { watch } = this.memory;
      if (watch) watch.mode = Watching.generatedCode;
      if (state[PENDING] !== 0) {
        const { observation } = this;
        if (!observation || (observation.stoppedAt === undefined && !observation.stopRequested)) {
          return { kind: 'poll' };
        }
        state[PENDING] = 0;
        return { kind: 'stop' };
      }
      if (this.remaining === 0) return { kind: 'counted' };
      try {
        if (this.stepsFirst) {
          this.stepsFirst = false;
          this.stepAnnounced();
        } else if (state[EFLAGS_REST]! & STEPPING_FLAGS) this.executeStepping();
        else if (this.remaining === Infinity) this.execute();
        else this.executeCounted();
      } catch (error) {
        if (state[FAULT_SIGNAL] !== 0) continue;
        if (error instanceof GuestTrap) {
          if (this.current) {
            // The overflow and debug exceptions apart, all are faults: eip is the instruction's.
            const isTrap = error.vector === Trap.overflow || error.vector === Trap.debug;
            state[EIP] = isTrap ? this.current.next : this.current.pc;
            this.current = undefined;
          }
          // What the instruction did before it faulted.
          watch?.tell();
          return { kind: 'trap', trap: error };
        }
        this.current = undefined;
        if (!(error instanceof DroppedBlock)) {
          if (!this.checks.reads && BEYOND_MEMORY.test(String((error as Partial<Error>).message))) {
            return { kind: 'trap', trap: pageFault(0xffffffff, false, false) };
          }
          throw error;
        }
        state[EIP] = error.pc;
        const { observation } = this;
        if (observation && !error.moved) {
          this.stepsFirst = observation.announced === error.pc;
          observation.goOnAt(error.pc);
        }
        continue;
      }
      const reason = state[EXIT]!;
      if (reason === Exit.none || state[FAULT_SIGNAL] !== 0) continue;
      state[EXIT] = Exit.none;
      if (reason === Exit.interrupt) return { kind: 'interrupt', vector: state[State.exitDetail >> 2]! };
      if (reason === Exit.sysenter) return { kind: 'sysenter' };
      if (reason === Exit.poll) return { kind: 'poll' };
    }
  }

  private takeFault(): GuestTrap {
    const { state } = this;
    const signal = state[FAULT_SIGNAL]!;
    state[FAULT_SIGNAL] = 0;
    state[EXIT] = Exit.none;
    this.current = undefined;
    const address = state[State.faultAddress >> 2]! >>> 0;
    const isMapped = (this.pages[address >>> PAGE_SHIFT]! & Page.mapped) !== 0;
    const { errorCode } = pageFault(address, (state[State.faultCode >> 2]! & 2) !== 0, isMapped);
    return new GuestTrap(Trap.pageFault, address, errorCode, signal);
  }

  /** Runs blocks until one leaves with a reason, or something is pending, or a call is back (`isBack`). */
  private execute(expected = NOWHERE, above = 0): void {
    const state = this.state;
    const { compiler } = this;
    const threshold = compiler ? compiler.threshold : Infinity;
    let block = this.blockAt(state[EIP]!);
    // Functions that only generated code calls must become hot, too.
    this.count(block, threshold);
    for (;;) {
      if (block.compiled !== null) {
        const left = this.runGenerated(block, expected, above);
        if (left === null) return;
        block = left;
        block.arrivals++;
        // Blocks that only generated code leads to must become hot, too.
        this.count(block, threshold);
      }
      if (block.compiled === null) {
        if (this.memory.watch) this.interpretWatched(block.operations);
        else this.interpret(block.operations);
        if (state[EXIT] !== 0 && !this.isCallWithin()) return;
        if (state[PENDING] !== 0) return;
        const pc = state[EIP]!;
        if (pc === expected && state[ESP]! >>> 0 > above) return;
        const next = this.successorOf(block, pc);
        if (block.targets !== null) noteTarget(block.targets, next.pc);
        block = next;
        this.count(block, threshold);
      }
    }
  }

  private count(block: Block, threshold: number): void {
    if (block.compiled === null && (++block.count - block.hotAt) * block.weight >= threshold) {
      block.hotAt = block.count;
      this.noteWork(WORK_OF_REGION);
      this.compiler!.request(block);
    }
  }

  // Interpreting and running generated code are functions of their own: V8 compiles this room's loops early, and again
  // whenever they do something for the first time.

  protected interpret(operations: readonly Operation[]): void {
    this.statistics.interpretedBlocks++;
    let operation: Operation | undefined;
    try {
      for (let i = 0; i < operations.length; i++) {
        operation = operations[i]!;
        operation.run(operation);
      }
    } catch (error) {
      // Kept in a local while all goes well: a field would cost a write barrier an instruction.
      this.current = operation;
      throw error;
    }
  }

  /** `interpret` where memory is watched or instructions are counted; may leave the block before its end. */
  private interpretWatched(operations: readonly Operation[]): void {
    const { state, memory } = this;
    const last = operations.length - 1;
    for (let i = 0; i <= last; i++) {
      const operation = operations[i]!;
      if (this.remaining === 0) {
        state[EIP] = operation.pc;
        break;
      }
      this.current = operation;
      const { watch } = memory;
      if (watch) {
        watch.mode = Watching.interpreter;
        watch.pc = operation.pc;
      }
      operation.run(operation);
      // The others only tell, or lead to the next block.
      if (operation.next !== operation.pc) this.remaining--;
      if (watch && watch.noted.length > 0) this.tellAccesses(watch, i < last ? operation.next : undefined);
    }
    this.current = undefined;
    const { watch } = memory;
    if (watch) watch.mode = Watching.generatedCode;
  }

  /** Tells of the accesses of an instruction that is done. `next`: where it leads, unless that is in eip already. */
  private tellAccesses(watch: MemoryWatch, next: number | undefined): void {
    const { state } = this;
    if (next !== undefined) state[EIP] = next;
    const eip = state[EIP]!;
    this.current = undefined;
    watch.tell();
    this.observe().leaveIfAsked(eip);
  }

  /** `execute`, in the interpreter only, up to so many instructions. */
  private executeCounted(): void {
    const { state } = this;
    while (this.remaining !== 0) {
      this.interpretWatched(this.blockAt(state[EIP]!).operations);
      if (state[EXIT] !== 0 || state[PENDING] !== 0) return;
    }
  }

  /** Executes one instruction after the other while EFLAGS ask for it: what they say is done before and after each. */
  private executeStepping(): void {
    const { state, cpu } = this;
    for (let flags = state[EFLAGS_REST]!; flags & STEPPING_FLAGS; flags = state[EFLAGS_REST]!) {
      const pc = state[EIP]!;
      if (flags & EFLAGS_AC && isMisaligned(this.decode(pc >>> 0), cpu)) throw new GuestTrap(Trap.alignment);
      this.step(pc);
      this.remaining--;
      if (state[EXIT] !== 0 && state[EXIT] !== Exit.step) return;
      state[EXIT] = 0;
      if (flags & EFLAGS_TF) throw new GuestTrap(Trap.debug);
      if (state[PENDING] !== 0 || this.remaining === 0) return;
    }
  }

  /** Executes the instruction at eip, of which listeners have been told. */
  private stepAnnounced(): void {
    const observation = this.observe();
    observation.announced = NOWHERE;
    const pc = this.state[EIP]!;
    const instruction = this.decode(pc >>> 0);
    this.step(pc);
    this.remaining--;
    if (instruction.declaration.options.ends !== true) observation.goOnAt(this.state[EIP]!);
  }

  /** Makes the system call for which a block was left, where the dispatcher works for generated code. */
  private isCallWithin(): boolean {
    const { state } = this;
    if (state[EXPECTED] === 0 || state[EXIT] !== Exit.interrupt || state[State.exitDetail >> 2] !== SYSTEM_CALL)
      return false;
    state[EXIT] = 0;
    return this.systemCall();
  }

  /** Runs generated code from a block on; the next block that has none, or null where the dispatcher is to be left. */
  private runGenerated(first: Block, expected: number, above: number): Block | null {
    const { state, supervised } = this;
    let block = first;
    for (;;) {
      const compiled = block.compiled;
      if (compiled === null) return block;
      state[CALL_DEPTH] = this.baseDepth;
      state[EIP] = supervised ? this.runSupervised(block, compiled) : compiled();
      if (!this.settleExit()) return null;
      const pc = state[EIP]!;
      if (pc === expected && state[ESP]! >>> 0 > above) return null;
      block = this.successorOf(block, pc);
    }
  }

  /** What generated code left undone when it left; false where the dispatcher is to be left, too. */
  private settleExit(): boolean {
    const { state } = this;
    if (state[FAULT_SIGNAL] !== 0) return false;
    const reason = state[EXIT]!;
    if (reason !== 0) {
      if (reason === Exit.slow || reason === Exit.rest) {
        const pc = state[EIP]!;
        state[EXIT] = 0;
        this.statistics.slowExits++;
        if (reason === Exit.rest) this.interpretRest(pc);
        else this.step(pc);
      }
      if (state[EXIT] !== 0 && !this.isCallWithin()) return false;
    }
    return state[PENDING] === 0;
  }

  /** A group of floating-point instructions failed its test: they are interpreted, and translated otherwise if that is often so. */
  private interpretRest(pc: number): void {
    const rest = this.blockAt(pc);
    const times = (this.failedGroups.get(pc) ?? 0) + 1;
    this.failedGroups.set(pc, times);
    if (times === OFTEN_FAILED) {
      for (const instruction of rest.instructions) this.carefulGroups.add(instruction.pc | 0);
      this.cache.dropPages(pc >>> PAGE_SHIFT, 1);
    }
    if (this.memory.watch) this.step(pc);
    else this.interpret(rest.operations);
  }

  /** The block at an address that follows another: the last two that did are found without a look-up. */
  private successorOf(block: Block, pc: number): Block {
    const first = block.successor;
    if (first !== null && first.pc === pc) return first;
    const second = block.alternate;
    if (second !== null && second.pc === pc) return second;
    const next = this.blockAt(pc);
    block.alternate = first;
    block.successor = next;
    return next;
  }

  /** Runs generated code under the eyes of a subclass, where `supervised`; gives the address to go on at. */
  protected runSupervised(_block: Block, compiled: CompiledFunction): number {
    return compiled();
  }

  /** Executes the one instruction at an address in the interpreter. */
  private step(pc: number): void {
    const instruction = this.decode(pc >>> 0);
    const operation = createOperation(instruction, this.handlers.handlerFor(instruction));
    this.current = operation;
    this.state[EIP] = operation.next;
    const { watch } = this.memory;
    if (!watch) {
      operation.run(operation);
      this.current = undefined;
      return;
    }
    watch.mode = Watching.interpreter;
    watch.pc = pc;
    operation.run(operation);
    this.current = undefined;
    if (watch.noted.length > 0) this.tellAccesses(watch, undefined);
    watch.mode = Watching.generatedCode;
  }

  /** The translation block at an address; made if need be. Throws the guest's fault where there is no instruction. */
  blockAt(pc: number): Block {
    return this.cache.find(pc) ?? this.formerBlock(pc) ?? this.translate(pc);
  }

  private formerBlock(pc: number): Block | undefined {
    const known = this.observation ? undefined : this.former?.take(pc, this.memory);
    return known && this.addBlock(pc, known.end, known.code, false);
  }

  private translate(pc: number): Block {
    const instructions: DecodedInstruction[] = [];
    const operations: Operation[] = [];
    let at = pc >>> 0;
    let ended = false;
    const { observation } = this;
    const kind = observation?.kindAt(at) ?? 0;
    if (kind & Observe.stop) operations.push(observation!.stopOperation(pc | 0));
    while (!ended && instructions.length < MAXIMUM_BLOCK) {
      // What is observed and what is not are never in one block; stops are at a block's start.
      if (observation && at !== pc >>> 0 && (observation.kindAt(at) !== kind || (kind & Observe.stop) !== 0)) break;
      let instruction: DecodedInstruction;
      try {
        this.memory.protectCode(at >>> PAGE_SHIFT);
        if ((at & (PAGE_SIZE - 1)) > PAGE_SIZE - LONGEST_INSTRUCTION) this.protectNext(at);
        instruction = this.decode(at);
      } catch (error) {
        // What cannot be decoded faults when it is reached, not before.
        if (instructions.length > 0 && error instanceof GuestTrap) break;
        this.current = undefined;
        if (kind & Observe.stop) {
          // The stop comes before the fault.
          const raise = (): void => {
            this.current = undefined;
            this.decode(at);
            // Somebody has mapped the page since.
            this.cache.dropPages(at >>> PAGE_SHIFT, 1);
            throw new DroppedBlock(at | 0);
          };
          operations.push(new Operation(raise, at | 0, at | 0));
          const block = new Block(pc | 0, at + 1, { operations, instructions }, null, true);
          block.hotAt = Infinity;
          this.cache.add(block);
          return block;
        }
        throw error;
      }
      instructions.push(instruction);
      const tells = observation?.tellOperation(instruction, kind, instructions.length === 1);
      if (tells) operations.push(tells);
      operations.push(createOperation(instruction, this.handlers.handlerFor(instruction)));
      at += instruction.length;
      ended = instruction.declaration.options.ends === true;
    }
    if (!ended) operations.push(new Operation(kind ? this.goOnObserved : this.goOn, at | 0, at | 0));
    const block = this.addBlock(pc, at, { operations, instructions }, kind !== 0);
    this.statistics.blocks++;
    this.noteWork(1);
    this.options.onBlock?.(instructions);
    return block;
  }

  private addBlock(pc: number, end: number, code: DecodedCode, observed: boolean): Block {
    if (this.isWritable(pc >>> 0, end)) this.testWrites();
    const block = new Block(pc | 0, end, code, null, observed);
    if (observed) block.hotAt = Infinity;
    const last = code.instructions[code.instructions.length - 1]!;
    if (GOES_ANYWHERE.has(last.declaration.encoding)) block.targets = [];
    else if (last.declaration.mnemonic === 'call') this.cache.noteCalled(last.immediate);
    this.cache.add(block);
    return block;
  }

  /** May the guest write to the page of an instruction? */
  private isWritable(start: number, end: number): boolean {
    const { pages } = this;
    const last = (end - 1) >>> PAGE_SHIFT;
    return ((pages[start >>> PAGE_SHIFT]! | pages[last]!) & (Page.write | WRITE_WITHHELD)) !== 0;
  }

  /** An instruction may reach into the next page. */
  private protectNext(at: number): void {
    const page = ((at >>> PAGE_SHIFT) + 1) & 0xfffff;
    if (this.pages[page]! & Page.execute) this.memory.protectCode(page);
  }

  /** The instructions of a block that is known to be one. */
  decodeBlock(block: { readonly pc: number; readonly end: number }): DecodedCode {
    const instructions: DecodedInstruction[] = [];
    const operations: Operation[] = [];
    let at = block.pc >>> 0;
    while (at < block.end) {
      const instruction = this.decode(at);
      instructions.push(instruction);
      operations.push(createOperation(instruction, this.handlers.handlerFor(instruction)));
      at += instruction.length;
    }
    const ends = instructions[instructions.length - 1]!.declaration.options.ends === true;
    if (!ends) operations.push(new Operation(this.goOn, at | 0, at | 0));
    this.statistics.blocks++;
    return { operations, instructions };
  }

  /** Decodes one instruction; throws the guest's #UD, #GP or page fault. */
  decode(pc: number): DecodedInstruction {
    const { pages } = this;
    let page = pc >>> PAGE_SHIFT;
    if ((pages[page]! & Page.execute) === 0) {
      this.state[EIP] = pc;
      throw pageFault(pc, false, (pages[page]! & Page.mapped) !== 0, true);
    }
    let limit = (page + 1) * PAGE_SIZE;
    if (limit - pc < 16) {
      page++;
      if (pages[page & 0xfffff]! & Page.execute) limit += PAGE_SIZE;
    }
    const { bridges } = this.options;
    const replaced = bridges?.at(pc | 0);
    if (replaced) return this.bridgeInstruction(pc, replaced);
    const result = this.decoder.decode(pc, limit);
    if (!('failure' in result)) {
      const { feature, cookie } = result.declaration.options;
      if (cookie) {
        const call = bridges?.byCode(result.immediate, result.immediate2, pc);
        if (call) {
          this.environment.declare(call.name, bridges!.implementation(call));
          return { ...result, bridge: call };
        }
      } else if (feature === undefined || this.model.features.has(feature)) return result;
    }
    this.state[EIP] = pc;
    if ('failure' in result && bridges && this.memory.u8[pc] === 0x0f && this.memory.u8[(pc + 1) >>> 0] === 0x3c) {
      bridges.damagedCookie(pc);
    }
    if (!('failure' in result) || result.failure === 'invalid') throw new GuestTrap(Trap.invalidOpcode);
    if (result.failure === 'tooLong') throw new GuestTrap(Trap.generalProtection);
    throw pageFault(result.address, false, (pages[result.address >>> PAGE_SHIFT]! & Page.mapped) !== 0, true);
  }

  /** A cookie in the place of the guest's own code. */
  private bridgeInstruction(pc: number, bridge: BridgeCall): DecodedInstruction {
    this.environment.declare(bridge.name, this.options.bridges!.implementation(bridge));
    return {
      declaration: COOKIE,
      shapes: [],
      pc,
      length: 1,
      memory: false,
      reg: 0,
      rm: 0,
      opcodeRegister: 0,
      base: -1,
      index: -1,
      scale: 0,
      displacement: 0,
      immediate: 0,
      immediate2: 0,
      operandSize: 32,
      addressSize: 32,
      repeat: 'none',
      lock: false,
      segment: -1,
      bridge,
    };
  }
}

const COOKIE = declarations.find(({ options }) => options.cookie)!;

/** Indirect jumps and calls, by their encodings. */
const GOES_ANYWHERE = new Set(['FF /4', 'FF /2']);
/** Indirect jumps with more targets than this are not worth a switch. */
const MAXIMUM_TARGETS = 256;
function noteTarget(targets: number[], pc: number): void {
  if (targets.length < MAXIMUM_TARGETS && !targets.includes(pc)) targets.push(pc);
}

/** A small generator (xorshift32) for reproducible runs. */
function seededRandom(seed: number): () => number {
  let x = seed | 0 || 0x9e3779b9;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 0x100000000;
  };
}
