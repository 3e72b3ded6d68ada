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
  // WebAssembly: each function is compiled by the optimising compiler when it is first called, on this thread. Regions are
  // hot before they are compiled, and loops would stay in Liftoff's code; a child of fork has no threads that could help.
  '--no-liftoff',
  '--wasm-lazy-compilation',
];

/** Sets those that Node was not started with. */
export function setV8Flags(): void {
  const missing = FLAGS.filter((flag) => !process.execArgv.includes(flag));
  if (missing.length === 0) return;
  const { setFlagsFromString } = createRequire('/')('node:v8') as { setFlagsFromString(flags: string): void };
  for (const flag of missing) setFlagsFromString(flag);
}
