#!/usr/bin/env -S node --single-threaded
/**
 * The command `bridge86`. The first line starts Node with the flag that fork needs and that cannot be set later. Which file
 * is loaded next depends on the command: a run must not wait for what only other commands need.
 */
import { setFlagsFromString } from 'node:v8';
import { report } from './failure.js';

/** Commands that yargs handles. Any other first word is a program to run. */
const YARGS_COMMANDS = new Set(['sysroot', 'help', 'completion']);
const YARGS_OPTIONS = new Set(['-h', '--help', '--version']);

async function main(args: readonly string[]): Promise<void> {
  const first = args[0];
  if (first === undefined || YARGS_COMMANDS.has(first) || YARGS_OPTIONS.has(first)) {
    // Only here: a stream made for descriptor 1 would change its mode under a guest.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      // The reader (head, less) has seen enough.
      process.exit(error.code === 'EPIPE' ? 0 : report(error));
    });
    const { commandLine } = await import('./yargs.js');
    await commandLine(args).parseAsync();
    return;
  }
  // Maglev deoptimises without end on accesses above 2 GiB (Node 22 and later; docs/architecture.md).
  if (Number.parseInt(process.versions.node, 10) >= 22) setFlagsFromString('--no-maglev');
  const { rawArguments } = await import('./raw-arguments.js');
  const { HelpRequest, parseRunArguments } = await import('./run-options.js');
  const raw = rawArguments(args.length);
  try {
    const options = parseRunArguments(first === 'run' ? raw.slice(1) : raw);
    (await import('./commands/run.js')).run(options);
  } catch (error) {
    if (!(error instanceof HelpRequest)) throw error;
    await (await import('./yargs.js')).commandLine(['run', '--help']).parseAsync();
  }
}

process.on('uncaughtException', (error) => {
  process.exit(report(error));
});

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
