/**
 * The V8 flags that generated code needs. They can be set at run time, but the module that does so is slow to load, so the first
 * line of the command line's file (lib/cli/main.cts) gives them, too.
 */
import { createRequire } from 'node:module';

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

let setFlag: ((flag: string) => void) | undefined;
function setFlags(flags: readonly string[]): void {
  setFlag ??= (createRequire('/')('node:v8') as { setFlagsFromString(flag: string): void }).setFlagsFromString;
  for (const flag of flags) setFlag(flag);
}

/** Sets those that Node was not started with. */
export function setV8Flags(): void {
  const missing = FLAGS.filter((flag) => !process.execArgv.includes(flag));
  if (missing.length > 0) setFlags(missing);
}

/** Calls WebAssembly functions: those that V8 compiles meanwhile are compiled by the optimising compiler. */
export function optimising<T>(call: () => T): T {
  setFlags([OPTIMISING]);
  try {
    return call();
  } finally {
    setFlags([AGAIN]);
  }
}
