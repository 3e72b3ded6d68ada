/**
 * An i386 Linux program from TypeScript: what it writes arrives as a stream, how it ends as a promise.
 *
 *     node dist/examples/hello.js [PROGRAM [ARGUMENTS...]]
 */
import { fileURLToPath } from 'node:url';
import { Process } from '../lib/index.js';

const [program = fileURLToPath(new URL('../../tests/guests/bin/hello', import.meta.url)), ...args] =
  process.argv.slice(2);
const guest = new Process({ program, arguments: args, stdin: 'inherit', stderr: 'inherit' });
const { text, end } = await guest.output();
process.stdout.write(text);
console.log(end.kind === 'exit' ? `It exited with status ${end.status}.` : `It was killed by ${end.signal}.`);
