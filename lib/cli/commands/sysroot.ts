/** `bridge86 sysroot install|list|path|remove`: Debian i386 packages without root. */
import { existsSync } from 'node:fs';
import type { Argv, CommandModule } from 'yargs';
import { SysrootError } from '../../sysroot/error.js';
import { installedPackages, installPackages, removePackages, removeSysroot } from '../../sysroot/install.js';
import { aptDirectory, defaultSysroot } from '../../sysroot/location.js';
import { Failure } from '../failure.js';
import { TerminalProgress } from '../progress.js';

interface SysrootArguments {
  sysroot: string;
}

interface PackagesArguments extends SysrootArguments {
  packages: string[];
}

const install: CommandModule<SysrootArguments, PackagesArguments & { update: boolean }> = {
  command: 'install <packages..>',
  describe: 'install Debian i386 packages with their dependencies',
  builder: (yargs) =>
    (yargs as Argv<PackagesArguments>)
      .positional('packages', {
        describe: 'package names, as for apt-get install',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .option('update', { describe: 'refresh the package lists first', type: 'boolean', default: false }),
  handler: async ({ packages, sysroot, update }) => {
    const progress = new TerminalProgress();
    const installed = await reported(
      installPackages(packages, { root: sysroot, aptDirectory: aptDirectory(), update, progress }),
    ).finally(() => {
      progress.done();
    });
    process.stderr.write(
      installed.length === 0
        ? `Nothing to do: all of it is installed in ${sysroot}\n`
        : `Installed ${installed.length} packages in ${sysroot}\n`,
    );
  },
};

const list: CommandModule<SysrootArguments, SysrootArguments> = {
  command: 'list',
  describe: 'list the installed packages',
  handler: ({ sysroot }) => {
    if (!existsSync(sysroot))
      throw new Failure(`there is no sysroot at ${sysroot} (bridge86 sysroot install makes one)`);
    for (const { name, version, description } of installedPackages(sysroot)) {
      process.stdout.write(`${name}\t${version}\t${description}\n`);
    }
  },
};

const path: CommandModule<SysrootArguments, SysrootArguments> = {
  command: 'path',
  describe: "print the sysroot's directory",
  handler: ({ sysroot }) => {
    process.stdout.write(`${sysroot}\n`);
  },
};

const remove: CommandModule<SysrootArguments, PackagesArguments & { all: boolean }> = {
  command: 'remove [packages..]',
  describe: 'remove packages, or with --all the whole sysroot',
  builder: (yargs) =>
    (yargs as Argv<PackagesArguments>)
      .positional('packages', { describe: 'package names', type: 'string', array: true, default: [] })
      .option('all', { describe: 'delete the sysroot with all that is in it', type: 'boolean', default: false }),
  handler: async ({ packages, sysroot, all }) => {
    if (all === packages.length > 0) throw new Failure('name the packages to remove, or say --all', 2);
    await reported(
      all ? Promise.resolve().then(() => removeSysroot(sysroot)) : removePackages(packages, sysroot, aptDirectory()),
    );
  },
};

export const sysrootCommand: CommandModule<object, SysrootArguments> = {
  command: 'sysroot',
  describe: 'install Debian i386 programs for bridge86 to run',
  builder: (yargs) =>
    yargs
      .option('sysroot', { describe: 'directory of the sysroot', type: 'string', default: defaultSysroot() })
      .command(install)
      .command(list)
      .command(path)
      .command(remove)
      .demandCommand(1, 1, 'say what to do: install, list, path or remove') as Argv<SysrootArguments>,
  handler: () => undefined,
};

/** Turns what a user can act on into a plain failure. */
async function reported<T>(action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    if (error instanceof SysrootError) throw new Failure(`sysroot: ${error.message}`);
    const { code, path } = error as NodeJS.ErrnoException;
    if (code && path) throw new Failure(`sysroot: ${path}: ${(error as Error).message.replace(/,.*/, '')}`);
    throw error;
  }
}
