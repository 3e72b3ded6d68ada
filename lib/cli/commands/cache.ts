/** `bridge86 cache info|clear|warm`: the translations that are kept from run to run. */
import type { CommandModule } from 'yargs';
import { translationDirectory } from '../cache-directory.js';

const mebibytes = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

const info: CommandModule = {
  command: 'info',
  describe: 'tell where translations are kept, and how many',
  handler: () => {
    const directory = translationDirectory();
    const files = directory.list();
    const total = files.reduce((sum, { size }) => sum + size, 0);
    const lines = [
      `directory: ${directory.path}`,
      `files: ${files.length}, ${mebibytes(total)} of at most ${mebibytes(directory.limit)}`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  },
};

const clear: CommandModule = {
  command: 'clear',
  describe: 'remove all of them',
  handler: () => {
    const directory = translationDirectory();
    for (const { name } of directory.list()) directory.remove(name);
  },
};

// With a program to run this never comes here: see `main.cts`.
const warm: CommandModule = {
  command: 'warm <program> [arguments..]',
  describe: 'run a program and keep all that was executed of it, however long that takes (options as of run)',
  handler: () => undefined,
};

export const cacheCommand: CommandModule = {
  command: 'cache',
  describe: 'translations that are kept for later runs',
  builder: (yargs) =>
    yargs.command([info, clear, warm]).demandCommand(1, 1, 'say what to do: info, clear or warm PROGRAM'),
  handler: () => undefined,
};
