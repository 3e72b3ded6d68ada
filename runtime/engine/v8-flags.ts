/**
 * The V8 flags that generated code needs. They can be set at run time, too, but V8 accepts compiled code that was kept only under the
 * flags that it was made with, so the first line of the command line's file (lib/cli/main.cts) gives them.
 */
import { machineCodeOf, moduleOfMachineCode, setV8Flag } from '../host/v8.js';

const FLAGS = [
  // V8 never optimises functions of more bytecode than this (default 60 KiB).
  '--max-optimized-bytecode-size=1000000',
  // Maglev deoptimises for ever on DataView indices of 2^31 and more (Node 22 and later).
  '--no-maglev',
  // WebAssembly: each function is compiled when it is first called, on this thread, and only once: a child of fork has no
  // threads that could help, and would wait for them for ever. By Liftoff, quickly, what is kept from earlier runs...
  '--wasm-lazy-compilation',
  '--wasm-lazy-validation',
  '--no-wasm-tier-up',
  '--no-wasm-dynamic-tiering',
];

/** ... and by TurboFan what is hot: loops would stay in Liftoff's code. */
const OPTIMISING = '--no-liftoff';
const AGAIN = '--liftoff';
const WHOLE = '--no-wasm-lazy-compilation';
const LAZILY = '--wasm-lazy-compilation';

/** Sets those that Node was not started with. */
export function setV8Flags(): void {
  for (const flag of FLAGS) if (!process.execArgv.includes(flag)) setV8Flag(flag);
}

/** Calls WebAssembly functions: those that V8 compiles meanwhile are compiled by the optimising compiler. */
export function optimising<T>(call: () => T): T {
  setV8Flag(OPTIMISING);
  try {
    return call();
  } finally {
    setV8Flag(AGAIN);
  }
}

/** Machine code of all functions of a module, by the optimising compiler. */
export function compileWhole(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer | undefined {
  setV8Flag(WHOLE);
  let module: WebAssembly.Module;
  try {
    module = optimising(() => new WebAssembly.Module(bytes));
  } finally {
    setV8Flag(LAZILY);
  }
  return machineCodeOf(module);
}

let isPutOff = false;

/** A module of machine code that was kept; undefined where V8 wants to compile it itself. It insists on the flags it was made under. */
export function moduleOf(
  native: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): WebAssembly.Module | undefined {
  const wasPutOff = isPutOff;
  if (wasPutOff) resumeOptimising();
  const module = moduleOfMachineCode(native.slice().buffer, bytes);
  if (wasPutOff) putOffOptimising();
  return module;
}

/**
 * In the child of a fork V8 stops optimising the emulator's own JavaScript: most children end before that has gained what it costs,
 * and the next child would do it all again.
 */
export function putOffOptimising(): void {
  setV8Flag('--no-turbofan');
  isPutOff = true;
}

/** The child does more than others do. */
export function resumeOptimising(): void {
  if (!isPutOff) return;
  isPutOff = false;
  setV8Flag('--turbofan');
}
