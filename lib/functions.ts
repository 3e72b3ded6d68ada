/**
 * Guest functions called from the host, by the System V ABI for i386: arguments on the stack, 32-bit results in eax, 64-bit ones in
 * edx:eax, floating point in ST(0). A call of compiled code costs little more than the code: arguments are stored, the
 * generated function is called, and its way out is compared with the address that the call gave it to return to.
 */
import type { CpuState } from '../runtime/cpu/cpu-state.js';
import type { Dispatcher } from '../runtime/engine/index.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import { Page, PAGE_SHIFT } from '../translator/pages.js';
import { Exit, State } from '../translator/state.js';
import { GuestError, type RunResult } from './machine-types.js';
import type { Registers } from '../runtime/cpu/registers.js';
import {
  bytesOfType,
  isPlain,
  parameterType,
  placeArguments,
  prototypeOf,
  resultType,
  storeValue,
  takeWritten,
  type ArgumentMemory,
  type GuestArgument,
} from './guest-arguments.js';

export type ValueType = 'i32' | 'u32' | 'i64' | 'u64' | 'f32' | 'f64';

export interface FunctionOptions {
  /** Types of the arguments; 32-bit integers, as many as are given, where this is missing. 64-bit integers are bigints. */
  readonly parameters?: readonly ValueType[];
  /** Default: i32. */
  readonly result?: ValueType | 'void';
}

export type GuestFunction = (...args: (number | bigint)[]) => number | bigint;
/** A guest function with a prototype: takes strings, bytes and cells, too. */
export type PrototypedFunction = (...args: GuestArgument[]) => number | bigint;

/** What functions return to. No guest can map anything there. */
const RETURN_ADDRESS = 0xfffff000 | 0;

const ESP = State.esp >> 2;
const EIP = State.eip >> 2;
const EAX = State.eax >> 2;
const EDX = State.edx >> 2;
const EXIT = State.exit >> 2;
const PENDING = State.pending >> 2;
const CALL_DEPTH = State.callDepth >> 2;
/** Calls of a function after which it is worth compiling: it was asked for by name. */
const HOT_CALLS = 500;

/** What is needed of the machine. */
export interface Caller {
  /** A run is going on: there is no calling of functions then. */
  running: boolean;
  /** Throws where the machine cannot run. */
  enter(): void;
  /** Sees to it that there is a stack. */
  stack(): void;
  readonly memory: ArgumentMemory;
  runUntil(address: number): RunResult;
}

export class GuestFunctions {
  private readonly functions = new Map<number, GuestFunction>();
  private stopped = false;

  constructor(
    private readonly memory: GuestMemory,
    private readonly cpu: CpuState,
    private readonly engine: Dispatcher,
    private readonly registers: Registers,
    private readonly caller: Caller,
  ) {}

  call(address: number, args: readonly number[]): number {
    let callee = this.functions.get(address);
    if (!callee) this.functions.set(address, (callee = this.bind(address, {})));
    return callee(...args) as number;
  }

  /** Function by a prototype; only those of numbers are as quick as `bind`. */
  bindPrototype(address: number, text: string): PrototypedFunction {
    const prototype = prototypeOf(text);
    const parameters = prototype.parameters.map(parameterType);
    const simple = this.bind(address, { parameters, result: resultType(prototype) });
    if (isPlain(prototype)) return simple as PrototypedFunction;
    const s = this.cpu.i32;
    const { caller } = this;
    const run = this.runner(address);
    const frame = this.frameMaker();
    const resultOf = this.resultReader(resultType(prototype));
    return (...args) => {
      if (caller.running) caller.enter();
      if (s[ESP] === 0) caller.stack();
      const esp = s[ESP]!;
      const { base, written } = placeArguments(prototype, args, esp, caller.memory);
      s[ESP] = base;
      frame(0);
      try {
        run();
        takeWritten(written(), args);
      } finally {
        s[ESP] = esp;
      }
      return resultOf();
    };
  }

  bind(address: number, { parameters, result = 'i32' }: FunctionOptions): GuestFunction {
    if (!this.stopped) {
      this.stopped = true;
      this.engine.observe().addStop(RETURN_ADDRESS);
    }
    const simple = parameters?.every((type) => type === 'i32' || type === 'u32') ?? true;
    const run = this.runner(address);
    const frame = this.frameMaker();
    const { view } = this.memory;
    const s = this.cpu.i32;
    const resultOf = this.resultReader(result);
    const check = (given: number): void => {
      if (parameters && given !== parameters.length) {
        throw new TypeError(`${parameters.length} arguments are expected, not ${given}`);
      }
    };
    // No array is made of few arguments.
    if (simple && parameters && parameters.length <= 2) {
      const size = 4 * parameters.length;
      const expected = parameters.length;
      return (a, b, ...more) => {
        const given = b === undefined ? (a === undefined ? 0 : 1) : 2 + more.length;
        if (given !== expected) check(given);
        if (s[ESP] === 0) this.caller.stack();
        const esp = s[ESP]!;
        const base = frame(size);
        if (size > 0) view.setInt32(base, a as number, true);
        if (size > 4) view.setInt32(base + 4, b as number, true);
        run();
        s[ESP] = esp;
        return resultOf();
      };
    }
    const bytes = (parameters ?? []).reduce((sum, type) => sum + bytesOfType(type), 0);
    return (...args) => {
      check(args.length);
      if (s[ESP] === 0) this.caller.stack();
      const esp = s[ESP]!;
      const base = frame(simple ? 4 * args.length : bytes);
      if (simple) for (let i = 0; i < args.length; i++) view.setInt32(base + 4 * i, args[i] as number, true);
      else storeArguments(view, base, parameters!, args);
      run();
      s[ESP] = esp;
      return resultOf();
    };
  }

  /** Makes room for arguments below the stack pointer, with the return address under them; gives the arguments' address. */
  private frameMaker(): (size: number) => number {
    const { memory, caller } = this;
    const { view, pages } = memory;
    const s = this.cpu.i32;
    return (size) => {
      if (caller.running) caller.enter();
      // Arguments begin at a multiple of 16, as compilers expect.
      const base = ((s[ESP]! - size) & -16) >>> 0;
      const top = (base - 4) >>> 0;
      if ((pages[top >>> PAGE_SHIFT]! & pages[(base + size) >>> PAGE_SHIFT]! & Page.write) === 0) {
        if (!memory.isWritable(top, size + 4)) {
          throw new RangeError('the stack pointer is at no memory that can be written');
        }
        memory.dropCode(top, size + 4);
      }
      view.setInt32(top, RETURN_ADDRESS, true);
      s[ESP] = top;
      return base;
    };
  }

  /** Runs the function at an address from its first instruction to its return. */
  private runner(address: number): () => void {
    const { cpu, engine, caller } = this;
    const s = cpu.i32;
    const pc = address | 0;
    let block = engine.cache.find(pc);
    let calls = 0;
    const finish = (): void => {
      const result = caller.runUntil(RETURN_ADDRESS);
      if (result.reason !== 'until' || s[EIP] !== RETURN_ADDRESS) throw new GuestError(describe(result), result);
    };
    return () => {
      caller.enter();
      const eip = s[EIP]!;
      try {
        if (block === undefined || block.pc !== pc) block = engine.cache.find(pc);
        const compiled = block === undefined ? null : block.compiled;
        if (compiled !== null && !engine.isSupervised && engine.memory.watch === undefined) {
          s[PENDING] = 0;
          s[CALL_DEPTH] = 0;
          const left = compiled();
          if (s[EXIT] === Exit.none && left === RETURN_ADDRESS) return;
          s[EIP] = left;
          // What the engine does after generated code has left.
          if (s[EXIT] === Exit.slow || s[EXIT] === Exit.rest) s[EXIT] = Exit.none;
        } else {
          s[EIP] = pc;
          if (++calls % HOT_CALLS === 0 && block && !block.observed && !block.compiled) engine.compiler?.request(block);
        }
        finish();
      } finally {
        s[EIP] = eip;
        caller.running = false;
      }
    };
  }

  private resultReader(type: ValueType | 'void'): () => number | bigint {
    const s = this.cpu.i32;
    const { registers } = this;
    switch (type) {
      case 'void':
        return () => 0;
      case 'i32':
        return () => s[EAX]!;
      case 'u32':
        return () => s[EAX]! >>> 0;
      case 'i64':
        return () => (BigInt(s[EDX]!) << 32n) | BigInt(s[EAX]! >>> 0);
      case 'u64':
        return () => (BigInt(s[EDX]! >>> 0) << 32n) | BigInt(s[EAX]! >>> 0);
      case 'f32':
      case 'f64':
        return () => {
          const value = registers.st(0);
          registers.popSt();
          return type === 'f32' ? Math.fround(value) : value;
        };
    }
  }
}

function storeArguments(
  view: DataView,
  base: number,
  types: readonly ValueType[],
  args: readonly (number | bigint)[],
): void {
  let at = base;
  types.forEach((type, i) => {
    storeValue(view, at, type, args[i]!);
    at += bytesOfType(type);
  });
}

function describe(result: RunResult): string {
  const hex = (address: number): string => `0x${(address >>> 0).toString(16).padStart(8, '0')}`;
  switch (result.reason) {
    case 'invalid':
      return `the function's instruction at ${hex(result.pc)} cannot ${result.access === 'fetch' ? 'be fetched' : result.access} (address ${hex(result.address)})`;
    case 'exception':
      return `the function raised processor exception ${result.vector}`;
    case 'interrupt':
      return `the function raised interrupt ${result.vector ?? '(sysenter)'}`;
    default:
      return `the function did not return: ${result.reason}`;
  }
}
