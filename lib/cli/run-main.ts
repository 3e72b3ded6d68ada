/** `bridge86 run` from its arguments to its end. The build makes one file of this and all that it imports. */
import { run, type RunContext } from './commands/run.js';
export { runThread } from './commands/run.js';
export type { ThreadData } from './worker.js';
import { report } from './failure.js';
import { rawArguments } from './raw-arguments.js';
import { HelpRequest, parseRunArguments } from './run-options.js';

/**
 * @param args the emulator's arguments as Node decoded them
 * @returns only where there is nothing to run: 'help' when help is asked for, else with `process.exitCode` set
 */
export function runMain(args: readonly string[], context: RunContext = {}): 'help' | 'failed' {
  try {
    const raw = rawArguments(args.length);
    if (args[0] === 'cache') {
      // `cache warm PROGRAM`: however long it takes.
      const options = parseRunArguments(['--engine', 'region', '--backend', 'auto', ...raw.slice(2)]);
      return run(options, { ...context, keepingMilliseconds: Infinity });
    }
    return run(parseRunArguments(args[0] === 'run' ? raw.slice(1) : raw), context);
  } catch (error) {
    if (error instanceof HelpRequest) return 'help';
    process.exitCode = report(error);
    return 'failed';
  }
}
