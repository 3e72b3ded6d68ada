/** `bridge86 nativelib list|explain|build|source`: what can be bridged, how, and stub libraries of cookies. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { codeOf } from '../../../bridges/codes.js';
import { readSharedLibrary } from '../../../bridges/elf-library.js';
import { libraries } from '../../../bridges/libraries/index.js';
import type { BridgedFunction, BridgedLibrary } from '../../../bridges/library.js';
import { canFault, marshallingText } from '../../../bridges/marshal.js';
import { GUEST_SUFFIX, stubFileName } from '../../../bridges/stub-directory.js';
import { stubSymbols, writeStubLibrary } from '../../../bridges/stub-library.js';
import { defaultSysroot } from '../../sysroot/location.js';
import { ExitStatus, Failure, messageOf } from '../failure.js';

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

function libraryNamed(name: string): BridgedLibrary {
  const found = libraries().find((library) => library.name === name || library.soname === name);
  if (found) return found;
  const known = libraries().map((library) => library.name);
  throw new Failure(`no bridges for a library ${name}: there are ${known.join(', ')}`, ExitStatus.usage);
}

const wayOf = (library: BridgedLibrary, func: BridgedFunction): string => {
  const way = func.implementation ? 'TypeScript' : canFault(func.prototype) ? 'converted' : 'direct';
  return library.preferred?.has(func.prototype.name) === false ? `${way}, only where it is named` : way;
};

const list: CommandModule<object, { library: string | undefined }> = {
  command: 'list [library]',
  describe: 'list the libraries that can be bridged, or the functions of one',
  builder: (yargs) => (yargs as Argv<{ library: string | undefined }>).positional('library', { type: 'string' }),
  handler: ({ library }) => {
    const lines =
      library === undefined
        ? libraries().map((one) => `${one.name}\t${one.soname}\t${one.functions.length} functions\t${one.description}`)
        : libraryNamed(library).functions.map(
            (func) => `${func.prototype.text}\t${wayOf(libraryNamed(library), func)}`,
          );
    process.stdout.write(`${lines.join('\n')}\n`);
  },
};

const explain: CommandModule<object, { library: string; function: string }> = {
  command: 'explain <library> <function>',
  describe: 'show a function: its declaration, codes and generated code',
  builder: (yargs) =>
    (yargs as Argv<{ library: string; function: string }>)
      .positional('library', { type: 'string', demandOption: true })
      .positional('function', { type: 'string', demandOption: true }),
  handler: ({ library: libraryName, function: name }) => {
    const library = libraryNamed(libraryName);
    const func = library.functions.find(({ prototype }) => prototype.name === name);
    if (!func) throw new Failure(`no bridge for ${name} of ${library.name}`, ExitStatus.usage);
    const { prototype } = func;
    const together = library.functions.filter((one) => one !== func && func.family && one.family === func.family);
    const lines = [
      prototype.text,
      `library ${library.soname}, code ${hex(codeOf(library.name))}; function code ${hex(codeOf(name))}`,
      `host library: ${library.hostNames.join(' or ') || 'none'}`,
      `way: ${wayOf(library, func)}`,
      ...(together.length > 0 ? [`only together with: ${together.map((one) => one.prototype.name).join(' ')}`] : []),
      ...(func.implementation ? [] : ['', marshallingText(prototype, `bridge_${library.name}_${name}`)]),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  },
};

interface BuildArguments {
  libraries: string[];
  output: string;
  sysroot: string;
}

/** Where i386 systems keep their libraries. */
const DIRECTORIES = ['/usr/lib/i386-linux-gnu', '/lib/i386-linux-gnu', '/usr/lib32', '/lib32', '/usr/lib', '/lib'];

const build: CommandModule<object, BuildArguments> = {
  command: 'build <libraries..>',
  describe: "write stub libraries after the guest's own libraries, without a compiler",
  builder: (yargs) =>
    (yargs as Argv<BuildArguments>)
      .positional('libraries', { type: 'string', array: true, demandOption: true })
      .option('output', { alias: 'o', describe: 'directory for the stubs', type: 'string', demandOption: true })
      .option('sysroot', {
        alias: 'L',
        describe: "where the guest's libraries are",
        type: 'string',
        default: defaultSysroot(),
      }),
  handler: ({ libraries: names, output, sysroot }) => {
    makeDirectory(output);
    for (const library of names.map(libraryNamed)) {
      if (library.selectiveOnly) {
        throw new Failure(`no stub can stand for ${library.soname}: bridge its functions with --bridge-symbol`);
      }
      const directory = DIRECTORIES.find((one) => existsSync(`${sysroot}${one}/${library.soname}`));
      if (directory === undefined) throw new Failure(`there is no ${library.soname} in ${sysroot}`);
      const path = `${sysroot}${directory}/${library.soname}`;
      const guest = readLibrary(path);
      if (!guest) throw new Failure(`${path}: not a shared library for i386`);
      const file = join(output, stubFileName(library.name));
      writeFileSync(file, writeStubLibrary(library, guest, `${directory}/${library.soname}${GUEST_SUFFIX}`));
      process.stdout.write(`${file}\t${stubSymbols(library, guest).length} functions\n`);
    }
  },
};

/** A directory and those above it. (Node's own way never comes back where the kernel says ENOENT for good, as in /proc.) */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const parent = dirname(resolve(directory));
  if (parent !== directory) makeDirectory(parent);
  try {
    mkdirSync(directory);
  } catch (error) {
    throw new Failure(`${directory} cannot be made: ${messageOf(error)}`);
  }
}

function readLibrary(path: string): ReturnType<typeof readSharedLibrary> {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const read = (offset: number, length: number): Uint8Array => {
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, offset));
    };
    return readSharedLibrary(read, path);
  } finally {
    closeSync(fd);
  }
}

const source: CommandModule<object, { library: string }> = {
  command: 'source <library>',
  describe: 'print a stub library in C, for bridges/nativelib.h and gcc -m32',
  builder: (yargs) =>
    (yargs as Argv<{ library: string }>).positional('library', { type: 'string', demandOption: true }),
  handler: ({ library: name }) => {
    const library = libraryNamed(name);
    const lines = library.functions.map(
      ({ prototype }) =>
        `NATIVELIB_FUNCTION(${prototype.name}, ${hex(codeOf(library.name))}, ${hex(codeOf(prototype.name))})`,
    );
    process.stdout.write(`#include "nativelib.h"\n\n${lines.join('\n')}\n`);
  },
};

export const nativelibCommand: CommandModule = {
  command: 'nativelib',
  describe: "bridges: the host's libraries in place of the guest's",
  builder: (yargs) =>
    yargs
      .command(list)
      .command(explain)
      .command(build)
      .command(source)
      .demandCommand(1, 1, 'say what to do: list, explain, build or source'),
  handler: () => undefined,
};
