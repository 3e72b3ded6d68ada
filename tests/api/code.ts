/** Pieces of machine code for the tests of the embedding interface, and machines that hold them. */
import { Machine, type BackendKind, type EngineKind, type MachineOptions } from '../../lib/index.js';

export const CODE = 0x10000;
export const DATA = 0x20000;
export const PAGE = 4096;

export const hex = (text: string): Uint8Array => Buffer.from(text.replace(/\s/g, ''), 'hex');

/** Every way to execute code. */
export const ENGINES: readonly { engine: EngineKind; backend: BackendKind }[] = [
  { engine: 'interpret', backend: 'js' },
  { engine: 'block', backend: 'js' },
  { engine: 'block', backend: 'wasm' },
  { engine: 'region', backend: 'js' },
  { engine: 'region', backend: 'wasm' },
  { engine: 'region', backend: 'auto' },
  { engine: 'lockstep', backend: 'js' },
  { engine: 'lockstep', backend: 'wasm' },
];

/** A machine with a page of code at CODE and a page of data at DATA. */
export function machineWith(code: string, options: MachineOptions = {}): Machine {
  const machine = new Machine(options);
  machine.map(CODE, PAGE, 'rx');
  machine.map(DATA, PAGE, 'rw');
  machine.write(CODE, hex(code));
  return machine;
}

/** The sum of 1 to n: xor eax, eax; mov ecx, [esp+4]; L: add eax, ecx; dec ecx; jnz L; ret */
export const SUM = '31c0 8b4c2404 01c8 49 75fb c3';
/** mov eax, [esp+4]; add eax, [esp+8]; ret */
export const ADD = '8b442404 03442408 c3';
/** jmp to itself */
export const FOREVER = 'ebfe';

/**
 * work(n): walks over the data page n times, with accesses of many kinds.
 *
 *     work:   push ebx; push esi; push edi; mov ebx, [esp+16]; mov eax, 0
 *     loop:   mov esi, DATA
 *             add eax, [esi]; add [esi+4], ebx; mov [esi+8], ax; movzx ecx, byte [esi+4]; push ecx; pop edx
 *             test bl, 15; jnz light; call heavy
 *     light:  dec ebx; jnz loop; pop edi; pop esi; pop ebx; ret
 *     heavy:  lea edi, [esi+64]; mov ecx, 3; rep movsd
 *             lea esi, [edi-76]; movdqu xmm0, [esi]; movdqu [esi+32], xmm0; fild dword [esi+4]; fstp qword [esi+48]
 *             mov esi, DATA; xchg [esi+12], eax; xchg [esi+12], eax; ret
 */
export const WORK =
  '53 56 57 8b5c2410 b800000000 be00000200 0306 015e04 66894608 0fb64e04 51 5a f6c30f 7505 e807000000 4b 75df 5f 5e 5b c3' +
  '8d7e40 b903000000 f3a5 8d77b4 f30f6f06 f30f7f4620 db4604 dd5e30 be00000200 87460c 87460c c3';
export const WORK_LOOP = CODE + 12;
export const HEAVY = CODE + 0x31;
