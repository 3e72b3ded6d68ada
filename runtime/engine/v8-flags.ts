/**
 * The V8 flags that generated code needs, all of which can be set at run time. They are part of the key under which V8 accepts
 * compiled code that was kept, so the command line sets them before it loads anything.
 */
import { setFlagsFromString } from 'node:v8';

const FIRST_NODE_WITH_MAGLEV = 22;

export function setV8Flags(): void {
  // V8 never optimises functions of more bytecode than this (default 60 KiB).
  setFlagsFromString('--max-optimized-bytecode-size=1000000');
  // Maglev deoptimises for ever on DataView indices of 2^31 and more (Node 22 and later).
  if (Number.parseInt(process.versions.node, 10) >= FIRST_NODE_WITH_MAGLEV) setFlagsFromString('--no-maglev');
}
