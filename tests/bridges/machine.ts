/** A guest without a kernel: memory, a processor, an engine with bridges, and code written by hand. */
import { Bridges } from '../../bridges/bridges.js';
import { codeOf } from '../../bridges/codes.js';
import { selectBridges } from '../../bridges/selection.js';
import { CpuState } from '../../runtime/cpu/cpu-state.js';
import { createEngine, type Engine, type EngineEvent, type EngineKind } from '../../runtime/engine/index.js';
import { addressOf } from '../../runtime/host/libc.js';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { Mappings } from '../../runtime/memory/mappings.js';
import { cookieBytes } from '../../translator/bridge.js';
import { State } from '../../translator/state.js';

export const CODE = 0x400000;
/** Where `cookie` puts cookies. */
export const COOKIE = CODE + 0x800;
export const DATA = 0x600000;
export const DATA_SIZE = 0x40000;
export const READ_ONLY = DATA + DATA_SIZE;
export const STACK = 0x700000;
const PAGE = 4096;
const READ = 1;
const READ_WRITE = 3;
const READ_WRITE_EXECUTE = 7;
const BREAKPOINT = 0xcc;

export class BridgeMachine {
  readonly memory = new GuestMemory();
  readonly hostBase = addressOf(this.memory.buffer);
  readonly cpu = new CpuState(this.memory);
  readonly mappings = new Mappings(this.memory, this.hostBase);
  readonly reports: string[] = [];
  readonly sources: string[] = [];
  readonly engine: Engine;

  constructor(kind: EngineKind, withBridges = true, backend: 'js' | 'wasm' = 'js') {
    this.cpu.reset();
    this.mappings.mapFixed(CODE, PAGE, READ_WRITE_EXECUTE);
    this.mappings.mapFixed(DATA, DATA_SIZE, READ_WRITE);
    this.mappings.mapFixed(READ_ONLY, PAGE, READ_WRITE);
    this.memory.u8.fill(0x61, READ_ONLY, READ_ONLY + PAGE);
    this.mappings.mprotect(READ_ONLY, PAGE, READ);
    this.mappings.mapFixed(STACK, PAGE, READ_WRITE);
    this.memory.u8.fill(BREAKPOINT, CODE, CODE + PAGE);
    this.engine = createEngine(this.memory, this.cpu, {
      kind,
      backend,
      onCompiled: (_name, source) => this.sources.push(source),
      ...(withBridges ? { bridges: new Bridges(this, selectBridges([], [])) } : {}),
    });
    this.mappings.onUnmapped = (first, count) => this.engine.invalidatePages(first, count);
  }

  report(line: string): void {
    this.reports.push(line);
  }

  get(register: 'eax' | 'edx' | 'ecx' | 'esp' | 'eip'): number {
    return this.cpu.i32[State[register] >> 2]!;
  }

  /** Runs code at CODE until something happens. */
  run(code: readonly number[]): EngineEvent {
    this.memory.write(CODE, Uint8Array.from(code));
    return this.start(CODE);
  }
  start(eip: number): EngineEvent {
    this.cpu.i32[State.eip >> 2] = eip;
    this.cpu.i32[State.esp >> 2] = STACK + PAGE - 256;
    return this.engine.run();
  }

  cookie(library: string, func: string): void {
    this.memory.write(COOKIE, cookieBytes(codeOf(library), codeOf(func)));
  }

  /** Calls a bridge with 32-bit arguments by way of its cookie; the result, or the exception that it ended in. */
  call(library: string, func: string, args: readonly number[]): number | EngineEvent {
    this.cookie(library, func);
    const pushes = [...args].reverse().flatMap((value) => [0x68, ...bytesOf(value)]);
    const at = CODE + pushes.length + 5;
    const event = this.run([...pushes, 0xe8, ...bytesOf(COOKIE - at), BREAKPOINT]);
    return event.kind === 'interrupt' ? this.get('eax') >>> 0 : event;
  }
}

export function bytesOf(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}
