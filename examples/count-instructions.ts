/**
 * Which instructions a piece of machine code executes, and how often: a hook is told of each one, and the disassembler says what
 * it is. Only the hooked range pays for that.
 *
 *     node dist/examples/count-instructions.js [N]
 */
import { Machine } from '../lib/index.js';

const machine = new Machine();
const code = machine.map(undefined, 4096, 'rx');
// Greatest common divisor: mov eax, [esp+4]; mov ecx, [esp+8]; L: xor edx, edx; div ecx; mov eax, ecx; mov ecx, edx;
// test ecx, ecx; jnz L; ret
machine.write(code, Buffer.from('8b4424048b4c240831d2f7f189c889d185c975f4c3', 'hex'));
const gcd = machine.function(code, { parameters: ['u32', 'u32'], result: 'u32' });

const counts = new Map<number, number>();
const hook = machine.hook('code', (pc) => counts.set(pc, (counts.get(pc) ?? 0) + 1), { start: code, end: code + 4096 });
const n = Number(process.argv[2] ?? 1_134_903_170);
console.log(`gcd(${n}, 701408733) = ${gcd(n, 701408733)}`);
hook.remove();

for (const { address, text } of machine.disassemble(code, 21)) {
  console.log(`${String(counts.get(address) ?? 0).padStart(6)}  ${text}`);
}
machine.dispose();
