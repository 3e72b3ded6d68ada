#!/usr/bin/env -S node --single-threaded
/**
 * The command `bridge86`. The first line starts Node with the flag that fork needs and that cannot be set later. A run must
 * start quickly: it is loaded as one bundled file with its compiled code, and yargs only where it is needed.
 */
import { setV8Flags } from '../../runtime/engine/v8-flags.js';
import { loadBundle } from './bundle.js';

/** Commands that yargs handles. Any other first word is a program to run. */
const YARGS_COMMANDS = new Set(['sysroot', 'help', 'completion']);
const YARGS_OPTIONS = new Set(['-h', '--help', '--version']);

const args = process.argv.slice(2);
const first = args[0];
if (first === undefined || YARGS_COMMANDS.has(first) || YARGS_OPTIONS.has(first)) {
  await (await import('./yargs-main.js')).main(args);
} else {
  setV8Flags();
  const bundle = loadBundle();
  const { runMain } = bundle?.exports ?? (await import('./run-main.js'));
  if (runMain(args, bundle?.saveCompiledCode) === 'help')
    await (await import('./yargs-main.js')).main(['run', '--help']);
}
