/**
 * A processor and memory without any operating system: maps a page, puts a function of machine code there, calls it as a function of
 * the host and prints the result.
 *
 *     node dist/examples/run-machine-code.js [N]
 */
import { Machine } from '../lib/index.js';

const machine = new Machine();
const code = machine.map(undefined, 4096, 'rx');
// The sum of 1 to n: xor eax, eax; mov ecx, [esp+4]; add eax, ecx; dec ecx; jnz -5; ret
machine.write(code, Buffer.from('31c08b4c240401c84975fbc3', 'hex'));
const sum = machine.function(code, { parameters: ['u32'], result: 'u32' });

const n = Number(process.argv[2] ?? 1_000_000);
console.log(`1 + ... + ${n} = ${sum(n)} (modulo 2^32)`);
machine.dispose();
