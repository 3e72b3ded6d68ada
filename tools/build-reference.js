/** Writes docs/command-line.md and docs/bridge86.1 from the command line's declarations. */
import { execFileSync } from 'node:child_process';

const { writeDocuments } = await import('../dist/lib/cli/reference/build.js');
writeDocuments();
execFileSync('npx', ['prettier', '--write', '--log-level', 'warn', 'docs/command-line.md'], { stdio: 'inherit' });
