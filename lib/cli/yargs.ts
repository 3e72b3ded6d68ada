/**
 * The command line as yargs sees it: help, usage errors and every command but `run`, whose own options are read without
 * yargs (see main.ts). Each command is a file in `commands/`.
 */
import { readFileSync } from 'node:fs';
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

/** Yargs' own say "non-option arguments". */
const MESSAGES = {
  'Not enough non-option arguments: got %s, need at least %s': {
    one: 'too few arguments: %s of at least %s',
    other: 'too few arguments: %s of at least %s',
  },
  'Too many non-option arguments: got %s, maximum of %s': {
    one: 'too many arguments: %s of at most %s',
    other: 'too many arguments: %s of at most %s',
  },
  'Unknown argument: %s': { one: 'unknown argument: %s', other: 'unknown arguments: %s' },
  'Missing required argument: %s': { one: 'a needed option is missing: %s', other: 'needed options are missing: %s' },
} as unknown as Record<string, string>;

function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

export function commandLine(args: readonly string[]): Argv {
  return yargs([...args])
    .scriptName('bridge86')
    .usage('$0 <command>\n$0 PROGRAM [ARGUMENTS...]   the same as: $0 run PROGRAM [ARGUMENTS...]')
    .command([...COMMANDS] as CommandModule[])
    .completion('completion', 'print a script that completes commands and options in bash or zsh')
    .demandCommand(1, 1, 'no command and no program is given')
    .strict()
    .version(version())
    .updateStrings(MESSAGES)
    .help()
    .alias('help', 'h')
    .wrap(process.stdout.isTTY ? Math.min(process.stdout.columns, 110) : 100)
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // Yargs throws its own for what its parser finds.
      if (error && error.name !== 'YError') throw error;
      const [first] = args;
      const command = COMMANDS.some((one) => [one.command].flat()[0]?.split(' ')[0] === first) ? `${first!} ` : '';
      throw new Failure(
        `${message ?? error?.message ?? 'wrong usage'} (bridge86 ${command}--help tells more)`,
        ExitStatus.usage,
      );
    });
}
