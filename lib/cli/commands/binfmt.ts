/**
 * `bridge86 binfmt install|remove|status`: has the kernel start i386 programs by bridge86 (Documentation/admin-guide/binfmt-misc.rst), until
 * the next boot.
 */
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { Failure } from '../failure.js';

interface BinfmtArguments {
  directory: string;
  name: string;
}

/** An ELF file of 32 bits, least byte first, version 1, System V or Linux; a program or a shared object; for the 386. */
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0];
const MASK = [255, 255, 255, 255, 255, 255, 255, 0xfc, 255, 255, 255, 255, 255, 255, 255, 255, 0xfe, 255, 255, 255];
/** BINPRM_BUF_SIZE - 1: longer names of interpreters are refused. */
const LONGEST_INTERPRETER = 127;

const escaped = (bytes: readonly number[]): string =>
  bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');

/** The line that registers the format, for binfmt_misc's file `register` or a file in /etc/binfmt.d. */
export function registration(name: string, interpreter: string): string {
  if (interpreter.length > LONGEST_INTERPRETER || /[:\n]/.test(interpreter)) {
    throw new Failure(
      `binfmt: the kernel takes no interpreter of this name (at most ${LONGEST_INTERPRETER} characters, no colon): ${interpreter}`,
    );
  }
  return `:${name}:M::${escaped(MAGIC)}:${escaped(MASK)}:${interpreter}:`;
}

/** Throws with a message that says what is to be done. */
function requireMounted(directory: string): void {
  if (existsSync(join(directory, 'register'))) return;
  throw new Failure(
    `binfmt: binfmt_misc is not mounted at ${directory}; ` +
      `as root: modprobe binfmt_misc; mount -t binfmt_misc binfmt_misc ${directory}`,
  );
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'r+' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new Failure(`binfmt: ${file} may be written by root only (--dry-run prints what would be written)`);
    }
    throw new Failure(`binfmt: ${message}`);
  }
}

const install: CommandModule<
  BinfmtArguments,
  BinfmtArguments & { interpreter: string | undefined; 'dry-run': boolean }
> = {
  command: 'install',
  describe: 'register i386 programs until the next boot',
  builder: (yargs) =>
    (yargs as Argv<BinfmtArguments & { interpreter: string | undefined; 'dry-run': boolean }>)
      .option('interpreter', { describe: 'the command that runs them (default: this bridge86)', type: 'string' })
      .option('dry-run', {
        describe: 'only print the line (in /etc/binfmt.d/bridge86.conf it lasts)',
        type: 'boolean',
        default: false,
      }),
  handler: ({ directory, name, interpreter, 'dry-run': dryRun }) => {
    const line = registration(name, interpreter ?? realpathSync(process.argv[1]!));
    if (dryRun) {
      process.stdout.write(`${line}\n`);
      return;
    }
    requireMounted(directory);
    if (existsSync(join(directory, name))) {
      throw new Failure(`binfmt: ${name} is registered (bridge86 binfmt remove takes it away)`);
    }
    write(join(directory, 'register'), line);
  },
};

const remove: CommandModule<BinfmtArguments, BinfmtArguments> = {
  command: 'remove',
  describe: 'take the registration away',
  handler: ({ directory, name }) => {
    requireMounted(directory);
    const file = join(directory, name);
    if (!existsSync(file)) throw new Failure(`binfmt: ${name} is not registered`);
    write(file, '-1');
  },
};

const status: CommandModule<BinfmtArguments, BinfmtArguments> = {
  command: 'status',
  describe: 'show the registration',
  handler: ({ directory, name }) => {
    requireMounted(directory);
    const file = join(directory, name);
    if (!existsSync(file)) throw new Failure(`binfmt: ${name} is not registered`);
    process.stdout.write(readFileSync(file, 'utf8'));
  },
};

export const binfmtCommand: CommandModule<object, BinfmtArguments> = {
  command: 'binfmt',
  describe: 'have the kernel start i386 programs by bridge86',
  builder: (yargs) =>
    (yargs as Argv<BinfmtArguments>)
      .option('directory', {
        describe: 'where binfmt_misc is mounted (default: /proc/sys/fs/binfmt_misc)',
        type: 'string',
        default: '/proc/sys/fs/binfmt_misc',
      })
      .option('name', { describe: 'name of the registration', type: 'string', default: 'bridge86-i386' })
      .command(install)
      .command(remove)
      .command(status)
      .demandCommand(1, 1, 'say what to do: install, remove or status') as Argv<BinfmtArguments>,
  handler: () => undefined,
};
