/**
 * A function of an unmodified guest program, called from TypeScript, and then replaced by one in TypeScript.
 *
 *     node dist/examples/bridge-function.js
 */
import { fileURLToPath } from 'node:url';
import { Process } from '../lib/index.js';

const program = fileURLToPath(new URL('../../tests/guests/bin/debugged', import.meta.url));
const guest = new Process({ program, control: true, stdin: 'ignore' });
console.log(`the guest's factorial(10) is ${await guest.call('int factorial(int n)', 10)}`);
await guest.control.implement('int factorial(int n)', (n) => {
  console.log(`the guest asks for factorial(${n})`);
  let result = 1;
  for (let i = 2; i <= Number(n); i++) result *= i;
  return result;
});
await guest.control.resume();
const end = await guest.exit;
console.log(end.kind === 'exit' ? `It exited with status ${end.status}.` : `It was killed by ${end.signal}.`);
