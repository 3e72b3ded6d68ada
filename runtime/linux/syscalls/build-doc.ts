/** Writes docs/syscalls.md from the table: `node dist/runtime/linux/syscalls/build-doc.js > docs/syscalls.md`. */
import { errnoName } from '../constants/errno.js';
import { LAST_SYSCALL, syscallName } from '../constants/syscalls.js';
import type { ArgumentKind, SyscallDeclaration } from './declare.js';
import { syscallFamilies, syscallTable } from './table.js';

/** Kinds whose value means the same to the host. */
const PLAIN = /^(int|unsigned|hex|octal|mode|device|signal|int64|int64-high-first|unused|flags:.*|enum:.*)$/;
/** Families that the emulator answers itself: the host knows nothing of the guest's addresses, handlers and threads. */
const EMULATED: ReadonlySet<string> = new Set(['Memory', 'Signals', 'Processes and threads']);

function isPlain(kind: ArgumentKind): boolean {
  return PLAIN.test(kind);
}

function answer(family: string, declaration: SyscallDeclaration): string {
  const { refused } = declaration;
  if (refused !== undefined) return `${errnoName(refused.errno)}: ${refused.reason}`;
  if (EMULATED.has(family)) return 'implemented';
  return declaration.arguments.every(isPlain) ? 'passed to the host' : 'implemented, converted for the host';
}

function familyOf(declaration: SyscallDeclaration): string {
  for (const [title, calls] of Object.entries(syscallFamilies)) if (calls.includes(declaration)) return title;
  return '';
}

function row(number: number): string | undefined {
  const name = syscallName(number);
  if (name === undefined) return undefined;
  const declaration = syscallTable[number];
  if (declaration === undefined) return `| ${number} | ${name} | | ENOSYS: not declared |`;
  const family = familyOf(declaration);
  return `| ${number} | ${name} | ${family} | ${answer(family, declaration)} |`;
}

function document(): string {
  const numbers = Array.from({ length: LAST_SYSCALL + 1 }, (_, number) => number);
  const rows = numbers.map(row).filter((text) => text !== undefined);
  const known = syscallTable.filter((declaration) => declaration !== undefined);
  const refused = known.filter(({ refused }) => refused !== undefined).length;
  return [
    '# System calls',
    '',
    'The i386 table of Linux 6.1 and what a guest gets for each number. This file is written by',
    '`node dist/runtime/linux/syscalls/build-doc.js > docs/syscalls.md`: change the declarations, not the file.',
    '',
    `${known.length} calls are declared; ${known.length - refused} work and ${refused} fail for the reason given.`,
    'Numbers that the table does not hold answer ENOSYS, too.',
    '',
    '| number | call | family | answer |',
    '| ---: | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

process.stdout.write(document());
