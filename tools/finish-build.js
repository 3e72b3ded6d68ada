/**
 * What a build does after tsc: writes the interpreter's handlers (generated from the instruction declarations, so that
 * no start of the emulator has to) and makes the command line's file executable.
 */
import { chmodSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dist = new URL('../dist/', import.meta.url);
const handlers = new URL('runtime/interpreter/build-handlers.js', dist);
if (existsSync(handlers)) await import(handlers.href);
const bin = fileURLToPath(new URL('lib/cli/main.js', dist));
if (existsSync(bin)) chmodSync(bin, 0o755);
