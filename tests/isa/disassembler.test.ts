/** The disassembler: its own examples, and (loosely, where NASM is installed) ndisasm's opinion of one case of every form. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { disassembleBytes, disassembleCase } from './disassembly.js';
import type { Case } from './machine.js';
import { readRecording } from './recording.js';

const EXAMPLES: [string, string][] = [
  ['01 d8', 'add eax,ebx'],
  ['66 83 44 8b f0 ff', 'add word [ebx+ecx*4-0x10],-0x1'],
  ['f0 0f b1 0d 00 10 00 00', 'lock cmpxchg dword [0x1000],ecx'],
  ['65 a1 00 00 00 00', 'mov eax,dword [gs:0x0]'],
  ['67 8b 40 02', 'mov eax,dword [bx+si+0x2]'],
  ['f3 a5', 'rep movsd'],
  ['f2 ae', 'repne scasb'],
  ['eb fe', 'jmp 0x1000'],
  ['9a 78 56 34 12 23 00', 'call far 0x23:0x12345678'],
  ['0f be c4', 'movsx eax,ah'],
  ['66 98', 'cbw'],
  ['dd 45 f8', 'fld qword [ebp-0x8]'],
  ['dc c1', 'fadd st1,st0'],
  ['66 0f 6f 04 24', 'movdqa xmm0,oword [esp]'],
  ['0f 6f c1', 'movq mm0,mm1'],
  ['f2 0f 58 c8', 'addsd xmm1,xmm0'],
];

t.test('examples', (t) => {
  for (const [bytes, text] of EXAMPLES) {
    const code = Uint8Array.from(bytes.split(' '), (byte) => parseInt(byte, 16));
    t.equal(disassembleBytes(code, 0x1000), text, bytes);
  }
  t.end();
});

/** Names of the same conditions, and spellings that differ. */
const SAME: [RegExp, string][] = [
  [/^(j|set|cmov)z\b/, '$1e'],
  [/^(j|set|cmov)nz\b/, '$1ne'],
  [/^(j|set|cmov)c\b/, '$1b'],
  [/^(j|set|cmov)nc\b/, '$1ae'],
  [/^(j|set|cmov)na\b/, '$1be'],
  [/^(j|set|cmov)pe\b/, '$1p'],
  [/^(j|set|cmov)po\b/, '$1np'],
  [/^(j|set|cmov)nl\b/, '$1ge'],
  [/^(j|set|cmov)ng\b/, '$1le'],
  [/^hint_nop\d+/, 'nop'],
  [/^xlatb/, 'xlat'],
  [/^wait.*/, 'fwait'],
  [/^prefetch\b/, 'prefetchw'],
  [/^fsetpm/, 'fnsetpm'],
  [/^cmp(\w*)(ps|pd|ss|sd) (xmm.*)$/, 'cmp$2 $3'],
  [/^(f\w+) to (st\d)$/, '$1 $2,st0'],
];
const SIZES = /\b(byte|word|dword|qword|oword|tword|fword|near|short|far) ?/g;
function plain(text: string): string {
  let result = text
    .replace(SIZES, '')
    .replace(/\s+/g, ' ')
    .replace(/([ ,])\+0x/g, '$10x')
    .replace(/\+0x0\]/g, ']')
    .trim();
  for (const [from, to] of SAME) result = result.replace(from, to);
  return result;
}

t.test('against ndisasm', (t) => {
  if (spawnSync('ndisasm', ['-v']).error) {
    t.comment('skipped: ndisasm (of the package nasm) is not installed');
    t.end();
    return;
  }
  const first = new Map<string, Case>();
  for (const { test } of readRecording().cases) if (!first.has(test.declaration)) first.set(test.declaration, test);
  const list = [...first.values()];
  const SLOT = 32;
  const bytes = Buffer.alloc(list.length * SLOT, 0x90);
  list.forEach((test, i) => bytes.set(test.code, i * SLOT));
  const { stdout } = spawnSync('ndisasm', ['-b32', '-'], { input: bytes, encoding: 'utf8', maxBuffer: 1 << 28 });
  const lines = new Map<number, string>();
  for (const line of stdout.split('\n')) {
    const match = /^([0-9A-F]{8}) {2}[0-9A-F]+ +(.*)$/.exec(line);
    if (match) lines.set(parseInt(match[1]!, 16), match[2]!);
  }
  const differing: string[] = [];
  list.forEach((test, i) => {
    const theirs = lines.get(i * SLOT);
    // What NASM does not know, or writes with operands that depend on the address or that it swaps or implies.
    if (theirs === undefined || /^db /.test(theirs)) return;
    const mine = plain(disassembleCase(test));
    const other = plain(theirs);
    const mnemonic = (text: string): string => text.split(' ')[0]!;
    const loose = /\| (J|Ap)|^(xchg|nop|ud|cmp(ps|pd|ss|sd)|blend|pblend|sha256|pinsr|mov \| 8E|prefetchw)/.test(
      test.declaration,
    );
    if (loose ? mnemonic(mine) !== mnemonic(other) : mine !== other)
      differing.push(`${disassembleCase(test)} | ${theirs}`);
  });
  t.same(differing, []);
  t.end();
});
