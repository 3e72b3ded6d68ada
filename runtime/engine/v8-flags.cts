/**
 * The V8 flags that generated code needs. They can be set at run time, but the module that does so is slow to load, so the
 * command line's first line gives them. A CommonJS file, because the command line starts quicker without Node's loader of
 * ES modules.
 */
import nodeModule = require('node:module');

const FLAGS = [
  // V8 never optimises functions of more bytecode than this (default 60 KiB).
  '--max-optimized-bytecode-size=1000000',
  // Maglev deoptimises for ever on DataView indices of 2^31 and more (Node 22 and later).
  '--no-maglev',
];

/** Sets those that Node was not started with. V8 accepts compiled code that was kept only under the flags it was made with. */
export function setV8Flags(): void {
  const missing = FLAGS.filter((flag) => !process.execArgv.includes(flag));
  if (missing.length === 0) return;
  const { setFlagsFromString } = nodeModule.createRequire(__filename)('node:v8') as {
    setFlagsFromString(flags: string): void;
  };
  for (const flag of missing) setFlagsFromString(flag);
}
