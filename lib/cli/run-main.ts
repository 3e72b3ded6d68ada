/** `bridge86 run` from its arguments to its end. The build makes one file of this and all that it imports. */
import { loadBridgeModules } from './bridge-modules.js';
import { run, type RunContext, runThread as runThreadWith } from './commands/run.js';
export type { ThreadData } from './worker.js';
import { report } from './failure.js';
import { rawArguments } from './raw-arguments.js';
import { HelpRequest, parseRunArguments, type RunOptions } from './run-options.js';
import type { ThreadData } from './worker.js';

/**
 * @param args the emulator's arguments as Node decoded them
 * @returns only where there is nothing to run: 'help' when help is asked for, else with `process.exitCode` set
 */
export function runMain(
  args: readonly string[],
  context: RunContext = {},
): 'help' | 'failed' | Promise<'help' | 'failed'> {
  try {
    const raw = rawArguments(args.length);
    if (args[0] === 'cache') {
      // `cache warm PROGRAM`
      return start(parseRunArguments(['--engine', 'region', '--backend', 'auto', '--cache', ...raw.slice(2)]), context);
    }
    return start(parseRunArguments(args[0] === 'run' ? raw.slice(1) : raw), context);
  } catch (error) {
    if (error instanceof HelpRequest) return 'help';
    return failed(error);
  }
}

/** Loads what few runs need, and runs. */
function start(options: RunOptions, context: RunContext): Promise<'failed'> {
  const { bridgeModules, gdb, control, prof } = options;
  const isWatched = Boolean(gdb) || control !== undefined || prof !== undefined;
  if (bridgeModules.length === 0 && !isWatched) return run(options, context);
  const load = async (): Promise<RunContext> => ({
    ...context,
    ...(bridgeModules.length > 0 && {
      bridgeLibraries: await loadBridgeModules(bridgeModules, context.importModule!),
    }),
    ...(isWatched && { attach: (await import('./attach.js')).attach }),
  });
  return load().then((loaded) => run(options, loaded), failed);
}

function failed(error: unknown): 'failed' {
  process.exitCode = report(error);
  return 'failed';
}

/** A Worker of a run. */
export async function runThread(data: ThreadData, context: RunContext = {}): Promise<void> {
  const { bridgeModules, gdb } = data.options;
  if (bridgeModules.length === 0 && !gdb) runThreadWith(data, context);
  runThreadWith(data, {
    ...context,
    ...(bridgeModules.length > 0 && {
      bridgeLibraries: await loadBridgeModules(bridgeModules, context.importModule!),
    }),
    ...(gdb && { attach: (await import('./attach.js')).attachThread }),
  });
}
