/**
 * A processor and memory without any operating system: maps a page, puts a function of machine code there, calls it with a
 * few arguments and reads the result. `int 0x80` is where this little machine stops.
 *
 *     node dist/examples/run-machine-code.js [N]
 */
import { CpuState, createEngine, GuestMemory } from '../lib/index.js';

const CODE = 0x10000;
const STACK = 0x20000;
const PAGE = 4096;
/** Page table bits: readable, writable, executable, mapped (translator/pages.ts). */
const [READ, WRITE, EXECUTE, MAPPED] = [1, 2, 4, 16];

const memory = new GuestMemory();
memory.pages[CODE / PAGE] = READ | EXECUTE | MAPPED;
memory.pages[STACK / PAGE] = READ | WRITE | MAPPED;
// The sum of 1 to n: xor eax, eax; mov ecx, [esp+4]; add eax, ecx; dec ecx; jnz -5; int 0x80
memory.u8.set(Buffer.from('31c08b4c240401c84975fbcd80', 'hex'), CODE);

const cpu = new CpuState(memory);
const engine = createEngine(memory, cpu, { kind: 'region' });

function call(n: number): number {
  cpu.reset();
  cpu.eip = CODE;
  const esp = STACK + PAGE - 16;
  cpu.setRegister(4, esp);
  memory.writeU32(esp + 4, n);
  const event = engine.run();
  if (event.kind !== 'interrupt') throw new Error(`the machine stopped by a ${event.kind}`);
  return cpu.register(0) >>> 0;
}

const n = Number(process.argv[2] ?? 1_000_000);
console.log(`1 + ... + ${n} = ${call(n)} (modulo 2^32)`);
