/** Writes docs/command-line.md and docs/bridge86.1 (`npm run reference`). */
import { readFileSync, writeFileSync } from 'node:fs';
import { COMMANDS } from '../yargs.js';
import { commandReference } from './collect.js';
import { manualPage, markdown } from './text.js';

/** From dist/lib/cli/reference. */
const root = new URL('../../../../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };

/** The documents by their paths in the project. */
export function documents(): readonly (readonly [path: string, text: string])[] {
  const commands = COMMANDS.map((command) => commandReference(command));
  return [
    ['docs/command-line.md', markdown(commands)],
    ['docs/bridge86.1', manualPage(commands, version)],
  ];
}

export function writeDocuments(): void {
  for (const [path, text] of documents()) writeFileSync(new URL(path, root), text);
}
