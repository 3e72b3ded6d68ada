/**
 * Functions of an unmodified guest program in TypeScript, called by generated code without any detour: this module is loaded by the
 * guest's own process, too, where its default export tells what takes the place of what.
 *
 *     node dist/examples/bridge-module.js
 */
import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LibraryDeclaration } from '../lib/index.js';

const declaration: LibraryDeclaration = {
  name: 'example',
  // Of the program itself; otherwise a library's, such as libm.so.6.
  soname: '',
  written: {
    'int factorial(int n)':
      ({ original, callGuest }) =>
      (n) => {
        const result = callGuest(original('factorial'), [n]);
        writeSync(1, `the guest's own factorial(${n}) is ${result}\n`);
        return result;
      },
    'double area(int x, int y)': () => (x, y) => {
      writeSync(1, `area(${x}, ${y}) in TypeScript\n`);
      return 2.5 * x * y;
    },
  },
};
export default declaration;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { Process } = await import('../lib/index.js');
  const program = fileURLToPath(new URL('../../tests/guests/bin/debugged', import.meta.url));
  const guest = new Process({ program, bridgeModules: [new URL(import.meta.url)], stdin: 'ignore' });
  process.stdout.write((await guest.output()).text);
}
