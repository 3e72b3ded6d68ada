/**
 * The command line as yargs sees it: help, usage errors and every command but `run`, whose own options are read without
 * yargs (see main.ts). Each command is a file in `commands/`.
 */
import yargs, { type Argv, type CommandModule } from 'yargs';
import { binfmtCommand } from './commands/binfmt.js';
import { benchCommand } from './commands/bench.js';
import { cacheCommand } from './commands/cache.js';
import { nativelibCommand } from './commands/nativelib.js';
import { runHelp } from './commands/run-help.js';
import { sysrootCommand } from './commands/sysroot.js';
import { ExitStatus, Failure } from './failure.js';
import type { AnyCommand } from './reference/collect.js';

/** Every command, in the help's order. */
export const COMMANDS: readonly AnyCommand[] = [
  runHelp,
  benchCommand,
  sysrootCommand,
  nativelibCommand,
  cacheCommand,
  binfmtCommand,
];

export function commandLine(args: readonly string[]): Argv {
  return yargs([...args])
    .scriptName('bridge86')
    .usage('$0 <command>\n$0 PROGRAM [ARGUMENTS...]   the same as: $0 run PROGRAM [ARGUMENTS...]')
    .command([...COMMANDS] as CommandModule[])
    .completion('completion', 'print a script that completes commands and options in bash or zsh')
    .demandCommand(1, 1, 'no command and no program is given')
    .strict()
    .version()
    .help()
    .alias('help', 'h')
    .wrap(process.stdout.isTTY ? Math.min(process.stdout.columns, 110) : 100)
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      if (error) throw error;
      throw new Failure(`${message ?? 'wrong usage'} (bridge86 --help tells more)`, ExitStatus.usage);
    });
}
