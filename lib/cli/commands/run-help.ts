/** `bridge86 run` as yargs' help shows it. Running itself never comes here (see main.ts). */
import type { CommandModule } from 'yargs';
import { RUN_OPTIONS } from '../run-options.js';

export const runHelp: CommandModule = {
  command: 'run <program> [arguments..]',
  describe: 'run a linux/i386 program (the word run may be left out)',
  builder: (yargs) =>
    yargs
      .options(RUN_OPTIONS)
      .positional('program', {
        describe: 'path, or a name that is looked up along PATH in the sysroot',
        type: 'string',
      })
      .positional('arguments', { describe: "the program's own; nothing after its name is an option of bridge86" }),
  handler: () => undefined,
};
