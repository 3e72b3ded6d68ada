/** Runs a case in an engine: the machine's memory and state are set up, one instruction and the int3 after it executed. */
import '../../translator/isa/index.js';
import { Page, PAGE_SHIFT } from '../../translator/pages.js';
import { Segment, State, Trap } from '../../translator/state.js';
import { CpuState } from '../../runtime/cpu/cpu-state.js';
import { loadSegment, setTlsDescriptor } from '../../runtime/cpu/segments.js';
import { Dispatcher, type EngineEvent, type EngineOptions } from '../../runtime/engine/engine.js';
import { RegionCompiler } from '../../runtime/engine/region-compiler.js';
import { faultOf } from '../../runtime/linux/signals/faults.js';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { GuestTrap } from '../../runtime/memory/trap.js';
import {
  allPatches,
  CODE_ADDRESS,
  Field,
  FS_BASE,
  GS_BASE,
  MachineState,
  REGIONS,
  type Case,
  type Outcome,
  type Patch,
} from './machine.js';

/** `wasm`: regions, by the WebAssembly emitter. */
export const TESTED_ENGINES = ['interpret', 'block', 'region', 'wasm'] as const;
/** `lazy`: as `wasm`, without tests of accesses: for cases that do not fault. */
export const FUZZED_ENGINES = [...TESTED_ENGINES, 'lazy'] as const;
export type TestedEngine = (typeof FUZZED_ENGINES)[number];
export function isTestedEngine(name: string): name is TestedEngine {
  return (FUZZED_ENGINES as readonly string[]).includes(name);
}

const SIGTRAP = 5;
const SIGSEGV = 11;
const SI_KERNEL = 0x80;

/** 32-bit data, limit in pages, usable: as the native harness asks the kernel for. */
const TLS_FLAGS = 0x51;
const TLS_LIMIT = 0xfffff;

export class CaseRunner {
  private readonly memory = new GuestMemory();
  private readonly cpu = new CpuState(this.memory);
  readonly dispatcher: Dispatcher;
  private readonly compiler: RegionCompiler | undefined;
  /** Generated source of the last case, where the engine was asked to keep it. */
  lastSource = '';
  /** Regions as they are before the case. */
  private readonly before = REGIONS.map((region) => region.fill.slice());
  /** Code that is translated: the next case may have the very same. */
  private translated: { code: Uint8Array; eip: number } | undefined;

  constructor(
    readonly kind: TestedEngine,
    /** Flags are exact at faults, where WebAssembly code leaves dead ones undefined. */
    preciseFlags = false,
  ) {
    const options: EngineOptions = {
      kind: kind === 'wasm' || kind === 'lazy' ? 'region' : kind,
      backend: kind === 'wasm' || kind === 'lazy' ? 'wasm' : 'js',
      seed: 1,
      onCompiled: (_: string, source: string): void => {
        this.lastSource = source;
      },
    };
    this.dispatcher = new Dispatcher(this.memory, this.cpu, options);
    if (kind === 'lazy') this.dispatcher.setMemoryMode('lazy');
    if (kind !== 'interpret') {
      const maximumBlocks = kind === 'block' ? 1 : 64;
      this.compiler = new RegionCompiler(this.dispatcher, options, {
        maximumBlocks,
        threshold: 1,
        batch: 1,
        preciseFlags,
      });
      if (kind === 'block') this.dispatcher.compiler = this.compiler;
    }
    for (const region of REGIONS) {
      let bits: number = Page.mapped;
      if (region.protection & 1) bits |= Page.read;
      // Code in a page that can be written has writes tested.
      const isCode = region.address === CODE_ADDRESS;
      if (region.protection & 2 && !(kind === 'lazy' && isCode)) bits |= Page.write;
      if (region.protection & 4) bits |= Page.execute;
      for (let at = 0; at < region.size; at += 1 << PAGE_SHIFT) {
        this.memory.pages[(region.address + at) >>> PAGE_SHIFT] = bits;
      }
      this.memory.u8.set(region.fill, region.address);
    }
  }

  /** Cases that share their code (the same array) one after the other are translated once. */
  run(test: Case): Outcome {
    const eip = test.state.u32(Field.eip);
    const again = this.translated?.code === test.code && this.translated.eip === eip;
    this.translated = undefined;
    if (!again) {
      this.dispatcher.invalidatePages(CODE_ADDRESS >>> PAGE_SHIFT, 1);
      // Regions are made of blocks that ran before.
      if (this.kind === 'region' || this.kind === 'wasm' || this.kind === 'lazy') this.execute(test, undefined);
    }
    const outcome = this.execute(test, again ? undefined : this.compiler);
    if (!outcome.memory.some(({ address }) => address >>> PAGE_SHIFT === CODE_ADDRESS >>> PAGE_SHIFT)) {
      this.translated = { code: test.code, eip };
    }
    return outcome;
  }

  private execute(test: Case, compiler: RegionCompiler | undefined): Outcome {
    const { memory, cpu, dispatcher } = this;
    const patches = allPatches(test);
    REGIONS.forEach((region, i) => {
      if ((region.protection & 2) === 0) return;
      const before = this.before[i]!;
      before.set(region.fill);
      for (const { address, bytes } of patches) {
        const offset = address - region.address;
        if (offset >= 0 && offset < region.size) before.set(bytes.subarray(0, region.size - offset), offset);
      }
      memory.u8.set(before, region.address);
    });
    this.load(test.state);
    let event: EngineEvent;
    try {
      if (compiler) {
        this.lastSource = '';
        compiler.request(dispatcher.blockAt(cpu.eip | 0));
      }
      event = dispatcher.run();
    } catch (error) {
      if (!(error instanceof GuestTrap)) throw error;
      event = { kind: 'trap', trap: error };
    }
    const state = this.save();
    this.finish(state, event);
    const changed: Patch[] = [];
    REGIONS.forEach((region, i) => {
      if (region.protection & 2) collectChanges(region.address, this.before[i]!, memory.u8, changed);
    });
    return { state, memory: changed };
  }

  private load(state: MachineState): void {
    const { cpu } = this;
    cpu.reset();
    setTlsDescriptor(cpu, 12, { base: GS_BASE, limit: TLS_LIMIT, flags: TLS_FLAGS });
    setTlsDescriptor(cpu, 13, { base: FS_BASE, limit: TLS_LIMIT, flags: TLS_FLAGS });
    for (let i = 0; i < 8; i++) cpu.setRegister(i, state.register(i));
    cpu.eip = state.u32(Field.eip);
    cpu.eflags = state.u32(Field.eflags);
    for (let i = 0; i < 6; i++) {
      if (i !== Segment.cs) loadSegment(cpu, i, state.u16(Field.selectors + 2 * i));
    }
    const status = state.u16(Field.fxStatus);
    const top = (status >> 11) & 7;
    cpu.i32[State.fpuControl >> 2] = state.u16(Field.fxControl);
    cpu.i32[State.fpuStatus >> 2] = status & ~0x3800;
    cpu.i32[State.fpuTop >> 2] = top;
    cpu.i32[State.fpuEmpty >> 2] = ~state.bytes[Field.fxTags]! & 0xff;
    cpu.i32[State.mxcsr >> 2] = state.u32(Field.mxcsr);
    for (let i = 0; i < 8; i++) {
      const from = Field.st + 16 * i;
      cpu.u8.set(state.bytes.subarray(from, from + 10), State.fpuRegisters + 16 * ((top + i) & 7));
      cpu.u8.set(state.bytes.subarray(Field.xmm + 16 * i, Field.xmm + 16 * i + 16), State.xmm + 16 * i);
    }
  }

  private save(): MachineState {
    const { cpu } = this;
    const state = new MachineState();
    for (let i = 0; i < 8; i++) state.setRegister(i, cpu.register(i));
    state.setU32(Field.eip, cpu.eip);
    state.setU32(Field.eflags, cpu.eflags);
    for (let i = 0; i < 6; i++) state.setU16(Field.selectors + 2 * i, cpu.i32[(State.selectors >> 2) + i]!);
    const top = cpu.i32[State.fpuTop >> 2]!;
    state.setU16(Field.fxControl, cpu.i32[State.fpuControl >> 2]!);
    state.setU16(Field.fxStatus, cpu.i32[State.fpuStatus >> 2]! | (top << 11));
    state.bytes[Field.fxTags] = ~cpu.i32[State.fpuEmpty >> 2]!;
    state.setU32(Field.mxcsr, cpu.i32[State.mxcsr >> 2]!);
    for (let i = 0; i < 8; i++) {
      const from = State.fpuRegisters + 16 * ((top + i) & 7);
      state.bytes.set(cpu.u8.subarray(from, from + 10), Field.st + 16 * i);
      state.bytes.set(cpu.u8.subarray(State.xmm + 16 * i, State.xmm + 16 * i + 16), Field.xmm + 16 * i);
    }
    return state;
  }

  /** The event as the signal that Linux makes of it. */
  private finish(state: MachineState, event: EngineEvent): void {
    const end = (signal: number, code: number, address: number, trap: number, error: number): void => {
      state.setU32(Field.signal, signal);
      state.setU32(Field.code, code);
      state.setU32(Field.address, address);
      state.setU32(Field.trap, trap);
      state.setU32(Field.error, error);
    };
    if (event.kind === 'trap') {
      const fault = faultOf(event.trap, this.cpu);
      end(fault.signal, fault.code, fault.address, event.trap.vector, event.trap.errorCode);
    } else if (event.kind === 'interrupt') {
      if (event.vector === Trap.breakpoint) end(SIGTRAP, SI_KERNEL, 0, Trap.breakpoint, 0);
      else if (event.vector === Trap.overflow) end(SIGSEGV, SI_KERNEL, 0, Trap.overflow, 0);
      else end(SIGSEGV, SI_KERNEL, 0, Trap.generalProtection, event.vector * 8 + 2);
    } else end(0, 0, 0, 0, 0);
  }
}

/** Runs of whole words that differ, as the native harness reports them. */
function collectChanges(address: number, before: Uint8Array, memory: Uint8Array, changed: Patch[]): void {
  const now = memory.subarray(address, address + before.length);
  if (Buffer.compare(now, before) === 0) return;
  const differs = (at: number): boolean =>
    now[at] !== before[at] ||
    now[at + 1] !== before[at + 1] ||
    now[at + 2] !== before[at + 2] ||
    now[at + 3] !== before[at + 3];
  for (let at = 0; at < before.length;) {
    if (!differs(at)) {
      at += 4;
      continue;
    }
    let end = at;
    while (end < before.length && differs(end)) end += 4;
    changed.push({ address: address + at, bytes: now.slice(at, end) });
    at = end;
  }
}
