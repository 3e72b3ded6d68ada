/** docs/command-line.md and the manual page, from the commands' declarations. */
import { EXIT_STATUSES, VARIABLES } from './notes.js';
import { type CommandReference, leaves, type OptionReference } from './collect.js';

const SUMMARY = 'runs unmodified linux/i386 programs by translating them to JavaScript and WebAssembly';

function optionText({ names, value }: OptionReference): string {
  const last = names[names.length - 1]!;
  const glue = last.startsWith('--') ? '=' : ' ';
  return names.join(', ') + (value === undefined ? '' : glue + value);
}

const described = (option: OptionReference): string =>
  option.describe + (option.default === undefined ? '' : ` (default: ${option.default})`);

const cell = (text: string): string => text.replaceAll('|', '\\|');

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
  ];
}

const code = (text: string): string => `\`${text}\``;

export function markdown(commands: readonly CommandReference[]): string {
  const lines = [
    '# Command line',
    '',
    '`npm run reference` writes this page and the manual page from the declarations in `lib/cli`: change those.',
    '',
    'Options of `run` come before the program; everything after its name is the program’s own. `bridge86 PROGRAM` is the same as',
    '`bridge86 run PROGRAM`. `-h` and `--help` explain every command.',
    '',
  ];
  for (const command of commands.flatMap(leaves)) {
    lines.push(`## bridge86 ${command.usage}`, '', `${sentence(command.describe)}`, '');
    const rows = [
      ...command.positionals.map(({ name, describe }) => [code(name), describe]),
      ...command.options.map((option) => [code(optionText(option)), described(option)]),
    ].filter(([, text]) => text !== '');
    if (rows.length > 0) lines.push(...markdownTable(['option', 'what it does'], rows));
  }
  lines.push(
    '## Environment',
    '',
    ...markdownTable(
      ['variable', 'what it does'],
      VARIABLES.map(([name, text]) => [code(name), text]),
    ),
  );
  lines.push('## Exit status', '', ...markdownTable(['status', 'meaning'], EXIT_STATUSES));
  return lines.join('\n').replaceAll('’', "'");
}

const sentence = (text: string): string => (text === '' ? '' : `${text[0]!.toUpperCase()}${text.slice(1)}.`);

/** Characters that groff would take for its own. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/, '\\&$1');

/** The manual page, in man(7)'s macros. */
export function manualPage(commands: readonly CommandReference[], version: string): string {
  const lines = [
    `.TH BRIDGE86 1 "" "bridge86 ${version}" "User Commands"`,
    '.SH NAME',
    roff(`bridge86 - ${SUMMARY}`),
    '.SH SYNOPSIS',
    '.B bridge86',
    '.RI [ options ] " PROGRAM " [ ARGUMENTS ...]',
    ...commands.flatMap(leaves).flatMap(({ usage }) => ['.br', '.B bridge86', roff(usage)]),
    '.SH DESCRIPTION',
    roff(`bridge86 ${SUMMARY}. Everything after the name of the program is the program's own.`),
  ];
  for (const command of commands.flatMap(leaves)) {
    lines.push(
      `.SH "BRIDGE86 ${roff(command.usage.replace(/ [<[].*/, '').toUpperCase())}"`,
      roff(sentence(command.describe)),
    );
    for (const { name, describe } of command.positionals) {
      if (describe !== '') lines.push('.TP', `.I ${roff(name)}`, roff(describe));
    }
    for (const option of command.options) lines.push('.TP', `.B ${roff(optionText(option))}`, roff(described(option)));
  }
  lines.push('.SH ENVIRONMENT');
  for (const [name, text] of VARIABLES) lines.push('.TP', `.B ${roff(name)}`, roff(text));
  lines.push('.SH "EXIT STATUS"');
  for (const [status, text] of EXIT_STATUSES) lines.push('.TP', `.B ${roff(status)}`, roff(text));
  return `${lines.join('\n')}\n`;
}
