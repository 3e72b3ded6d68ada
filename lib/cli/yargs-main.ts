/** Every command but `run`, and all help: through yargs. */
import { report } from './failure.js';
import { commandLine } from './yargs.js';

export async function main(args: readonly string[]): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader (head, less) has seen enough.
    process.exit(error.code === 'EPIPE' ? 0 : report(error));
  });
  process.on('uncaughtException', (error) => {
    process.exit(report(error));
  });
  try {
    await commandLine(args[0] === 'help' ? [...args.slice(1), '--help'] : args).parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}
