/** `bridge86 run` from its arguments to its end. The build makes one file of this and all that it imports. */
import { run } from './commands/run.js';
export { runThread } from './commands/run.js';
export type { ThreadData } from './worker.js';
import { report } from './failure.js';
import { rawArguments } from './raw-arguments.js';
import { HelpRequest, parseRunArguments } from './run-options.js';

/**
 * @param args the emulator's arguments as Node decoded them
 * @param atEnd called after the guest's end, in the process that was started
 * @returns only where there is nothing to run: 'help' when help is asked for, else with `process.exitCode` set
 */
export function runMain(args: readonly string[], atEnd?: () => void): 'help' | 'failed' {
  try {
    const raw = rawArguments(args.length);
    return run(parseRunArguments(args[0] === 'run' ? raw.slice(1) : raw), atEnd);
  } catch (error) {
    if (error instanceof HelpRequest) return 'help';
    process.exitCode = report(error);
    return 'failed';
  }
}
