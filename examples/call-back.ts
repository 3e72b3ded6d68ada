/**
 * Functions in both directions: machine code calls a TypeScript function for each element of an array, and TypeScript calls the
 * machine code.
 *
 *     node dist/examples/call-back.js
 */
import { Machine } from '../lib/index.js';

const machine = new Machine();
const code = machine.map(undefined, 4096, 'rx');
// for_each(array, count, function): push ebx, esi; mov esi, [esp+12]; mov ebx, [esp+16];
// L: push dword [esi]; call [esp+24]; add esp, 4; mov [esi], eax; add esi, 4; dec ebx; jnz L; pop esi, ebx; ret
machine.write(code, Buffer.from('53568b74240c8b5c2410ff36ff54241883c404890683c6044b75ef5e5bc3', 'hex'));
const forEach = machine.function(code, { parameters: ['u32', 'u32', 'u32'], result: 'void' });

const square = machine.callback((x) => Number(x) ** 2, { parameters: ['i32'], result: 'i32' });
const array = machine.map(undefined, 4096);
for (let i = 0; i < 8; i++) machine.writeU32(array + 4 * i, i + 1);
forEach(array, 8, square);
console.log(Array.from({ length: 8 }, (_, i) => machine.readU32(array + 4 * i)).join(' '));
machine.dispose();
