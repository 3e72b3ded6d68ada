/** All system calls by number, gathered from their families. */
import type { SyscallDeclaration } from './declare.js';
import { directoryCalls } from './directories.js';
import { fcntlCalls } from './fcntl.js';
import { fileCalls } from './files.js';
import { statCalls } from './stat.js';

const families: readonly (readonly SyscallDeclaration[])[] = [fileCalls, statCalls, directoryCalls, fcntlCalls];

function collect(): readonly (SyscallDeclaration | undefined)[] {
  const table: (SyscallDeclaration | undefined)[] = [];
  for (const declaration of families.flat()) {
    if (table[declaration.number] !== undefined) throw new Error(`system call ${declaration.name} is declared twice`);
    table[declaration.number] = declaration;
  }
  return table;
}

/** Index: the number in eax. */
export const syscallTable = collect();
