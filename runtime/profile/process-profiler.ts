/**
 * A sampling profile of a guest process: of its first thread, until it ends. V8's own profiler tells which generated function the
 * host's processor was in; a timer of processor time makes generated code leave, when the registers are exact, and the guest's stack
 * is read. The two are put together by their times: V8's sample gives the innermost functions, the guest's stack their callers.
 */
import { inflateSync } from 'node:zlib';
import { WakeupTimer, addWakeupWord, WakeupClock } from '../host/wakeup.js';
import { State } from '../../translator/state.js';
import { Signal } from '../linux/constants/signals.js';
import type { LinuxProcess } from '../linux/process.js';
import { readSections, separateDebugFile } from '../loader/sections.js';
import { type CpuProfile, CpuProfileBuilder, type Frame } from './cpu-profile.js';
import { type GuestFunction, GuestFunctions } from './guest-functions.js';
import { findSourcePositions, LINE_SECTIONS, type SourcePosition } from './line-information.js';

/** V8's profiler; calls come back when they are done. */
export interface HostProfiler {
  /** @param interval microseconds between samples */
  start(interval: number): void;
  stop(): CpuProfile;
}

export interface ProfilerOptions {
  /** Milliseconds between samples. */
  readonly interval: number;
  /** A symbol as a reader knows it. */
  readonly demangle: (symbol: string) => string;
  /** Gets the profile when the process ends or is replaced by a program of the host's. */
  readonly onEnd: (profile: CpuProfile) => void;
}

/** The guest's stack at a moment. */
interface Record {
  /** Microseconds of the host's monotonic clock. */
  readonly time: number;
  /** The innermost function first. */
  readonly chain: readonly GuestFunction[];
}

/** A name of a generated function, as `functionName` makes it: the index of the guest's function, and an address. */
const GENERATED = /_(\d+)_[0-9a-f]+$/;
const GENERATED_URL = /^(wasm:|bridge86:region)/;
/** What the emulator is doing, by the innermost of its functions that is known. (Bundling may add digits to names.) */
const ACTIVITIES: readonly (readonly [RegExp, Activity])[] = [
  [/^(sample|startProfile)\d*$/, 'profiler'],
  [/^(dispatchSyscall|safeSyscall|raiseLocked)\d*$/, 'kernel'],
  [/^(compileQueue|optimising|translate|decodeBlock|keep|keepTranslations)\d*$/, 'translation'],
  [/^(runLoop|interpret|interpretWatched|step|execute|runGenerated)\d*$/, 'interpreter'],
];
type Activity = 'profiler' | 'kernel' | 'translation' | 'interpreter';
const KERNEL: Frame = { key: '(system call)', name: '(system call)' };
const TRANSLATION: Frame = { key: '(translation)', name: '(translation)' };
const HELPER: Frame = { key: '(helper)', name: '(helper)' };
const PROFILER: Frame = { key: '(profiler)', name: '(profiler)' };
const EMULATOR: Frame = { key: '(emulator)', name: '(emulator)' };

export class ProcessProfiler {
  private readonly functions: GuestFunctions;
  private readonly records: Record[] = [];
  private readonly parts: CpuProfile[] = [];
  private readonly timer = new WakeupTimer(WakeupClock.threadProcessorTime);
  private readonly removeWord: () => void;
  private readonly frames = new Map<GuestFunction, Frame>();
  /** By file: source positions of the functions' first addresses. */
  private readonly positions = new Map<string, ReadonlyMap<number, SourcePosition>>();
  /** V8's profiler takes samples. */
  private hosted = false;
  private usesHost = true;
  private readonly startTime = now();

  constructor(
    private readonly process: LinuxProcess,
    private readonly host: HostProfiler,
    private readonly options: ProfilerOptions,
  ) {
    const { symbols, memory, hostBase, cpu, paths, signals } = process;
    const encoder = new TextEncoder();
    const decoder = new TextDecoder();
    symbols.debugFile = (path) =>
      separateDebugFile(
        path,
        (guest) => decoder.decode(paths.hostPath(encoder.encode(guest))),
        (found) => decoder.decode(paths.guestPath(encoder.encode(found))),
      );
    this.functions = new GuestFunctions(memory, symbols);
    this.removeWord = addWakeupWord(hostBase + cpu.address + State.pending);
    signals.onAction = (signal) => {
      if (signal !== Signal.SIGPROF) return;
      // V8 samples by this signal, which is the guest's now: the guest's stack must do.
      this.stopHost();
      this.usesHost = false;
    };
  }

  /** The name for generated code that begins at an address: V8's samples have it. */
  functionName(address: number): string {
    const { symbol, index } = this.functions.functionAt(address >>> 0);
    return `${symbol ?? ''}_${index}`;
  }

  start(): void {
    const { interval } = this.options;
    if (this.usesHost) this.host.start(interval * 1000);
    this.hosted = this.usesHost;
    this.timer.start(interval);
  }

  private stopHost(): void {
    if (this.hosted) this.parts.push(this.host.stop());
    this.hosted = false;
  }

  /** The registers are exact: generated code has come out to look. */
  sample(): void {
    this.records.push({ time: now(), chain: this.functions.chain(this.process.cpu.i32) });
  }

  /** The process executes another program, in its place. */
  onExecute(): void {
    this.functions.forgetPlaces();
  }

  /** Before a fork: V8's thread that takes samples may hold locks, which the child would wait for. */
  pause(): void {
    this.timer.stop();
    this.stopHost();
  }

  finish(): void {
    this.pause();
    this.timer.dispose();
    this.removeWord();
    const { process } = this;
    if (process.profiler === this) process.profiler = undefined;
    // A guest's timer that still runs must not end it while the profile is written.
    process.signals.blockAll();
    const builder = new CpuProfileBuilder();
    let time = this.startTime;
    const add = (stack: readonly Frame[], at: number): void => {
      builder.add(stack, Math.max(0, at - time));
      time = Math.max(time, at);
    };
    for (const part of this.parts) {
      const stacks = stacksOf(part);
      let at = part.startTime;
      part.samples.forEach((id, index) => {
        at += part.timeDeltas[index]!;
        add(this.guestStack(stacks.get(id)!, at), at);
      });
    }
    if (!this.usesHost) {
      const hostedUntil = this.parts[this.parts.length - 1]?.endTime ?? 0;
      for (const record of this.records) {
        if (record.time > hostedUntil) add(this.framesOf([...record.chain].reverse()), record.time);
      }
    }
    this.options.onEnd(builder.finish(this.startTime, Math.max(time, now())));
    if (!process.end) process.signals.unblock();
  }

  /** From a stack of V8's, the outermost function first, to one of the guest's. */
  private guestStack(stack: readonly CpuProfile['nodes'][number]['callFrame'][], time: number): readonly Frame[] {
    const generated: GuestFunction[] = [];
    let last = -1;
    stack.forEach(({ functionName, url }, index) => {
      const number = GENERATED_URL.test(url) ? GENERATED.exec(functionName)?.[1] : undefined;
      const found = number === undefined ? undefined : this.functions.all[Number(number)];
      if (!found) return;
      // A function may have several regions, and one goes on in another.
      if (generated[generated.length - 1] !== found) generated.push(found);
      last = index;
    });
    const inner = stack.slice(last + 1);
    const activity = activityOf(inner);
    if (last < 0) {
      const only = stack[stack.length - 1];
      if (/^\((garbage collector|program|idle)\)$/.test(only?.functionName ?? '')) {
        return [{ key: only!.functionName, name: only!.functionName }];
      }
      if (activity === 'translation') return [TRANSLATION];
      if (activity === 'profiler') return [PROFILER];
      if (activity === undefined) return [EMULATOR];
    }
    const callers = this.callersAt(time, generated);
    const frames = this.framesOf([...callers, ...generated]);
    if (activity === 'kernel') frames.push(KERNEL);
    else if (activity === 'translation') frames.push(TRANSLATION);
    else if (last >= 0 && inner.length > 0) frames.push(HELPER);
    return frames;
  }

  /**
   * The guest's functions around some that ran at a time, the outermost first; where none is known to have run, with the one that did.
   * The stack after that time tells, where the outermost of them is still on it; else what was there before and after it.
   */
  private callersAt(time: number, generated: readonly GuestFunction[]): readonly GuestFunction[] {
    const { records } = this;
    const next = this.indexAfter(time);
    const after = [...((records[next] ?? records[next - 1])?.chain ?? [])].reverse();
    const [outermost] = generated;
    if (!outermost) return after;
    const at = after.lastIndexOf(outermost);
    if (at >= 0) return after.slice(0, at);
    const before = [...(records[next - 1]?.chain ?? [])].reverse();
    let common = 0;
    while (common < after.length && before[common] === after[common] && before[common] !== outermost) common++;
    return after.slice(0, common);
  }

  /** Index of the first record that was taken after a time. */
  private indexAfter(time: number): number {
    const { records } = this;
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (records[middle]!.time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private framesOf(functions: readonly GuestFunction[]): Frame[] {
    return functions.map((found) => this.frameOf(found));
  }

  /** Where a function begins in its source: looked up for all functions of a file at once. */
  private positionOf({ file, start }: GuestFunction): SourcePosition | undefined {
    if (file === undefined) return undefined;
    let positions = this.positions.get(file);
    if (!positions) {
      const starts = this.functions.all.filter((other) => other.file === file).map((other) => other.start);
      positions = this.readPositions(file, starts);
      this.positions.set(file, positions);
    }
    return positions.get(start);
  }

  private readPositions(file: string, addresses: readonly number[]): ReadonlyMap<number, SourcePosition> {
    const separate = this.process.symbols.debugFile?.(file);
    for (const path of separate === undefined ? [file] : [file, separate]) {
      const sections = readSections(path, LINE_SECTIONS, inflated);
      const bytes = new Map([...sections].map(([name, section]) => [name, section.bytes]));
      if (bytes.size > 0) return findSourcePositions(bytes, addresses);
    }
    return new Map();
  }

  private frameOf(found: GuestFunction): Frame {
    let frame = this.frames.get(found);
    if (!frame) {
      const { paths } = this.process;
      const file =
        found.file === undefined
          ? undefined
          : new TextDecoder().decode(paths.guestPath(new TextEncoder().encode(found.file)));
      const position = this.positionOf(found);
      const place = `${file?.slice(file.lastIndexOf('/') + 1) ?? 'memory'}+0x${found.start.toString(16)}`;
      const name = found.symbol === undefined ? place : this.options.demangle(found.symbol);
      // Without a position the file of the code itself is better than none.
      const source = position ? { file: position.file, line: position.line - 1 } : file === undefined ? {} : { file };
      frame = { key: String(found.index), name, ...source };
      this.frames.set(found, frame);
    }
    return frame;
  }
}

function inflated(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(bytes);
  } catch {
    return undefined;
  }
}

const now = (): number => Number(process.hrtime.bigint() / 1000n);

type CallFrames = CpuProfile['nodes'][number]['callFrame'][];

/** The stack of each of a profile's nodes, the outermost function first, without the root. */
function stacksOf({ nodes }: CpuProfile): Map<number, CallFrames> {
  const stacks = new Map<number, CallFrames>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const visit = (id: number, outer: CallFrames): void => {
    const node = byId.get(id)!;
    const stack = outer.length === 0 && node.callFrame.functionName === '(root)' ? [] : [...outer, node.callFrame];
    stacks.set(id, stack);
    for (const child of node.children ?? []) visit(child, stack);
  };
  if (nodes.length > 0) visit(nodes[0]!.id, []);
  return stacks;
}

function activityOf(stack: CallFrames): Activity | undefined {
  for (let index = stack.length - 1; index >= 0; index--) {
    const { functionName } = stack[index]!;
    const found = ACTIVITIES.find(([pattern]) => pattern.test(functionName));
    if (found) return found[1];
  }
  return undefined;
}
