/**
 * A fuzzing loop: each case runs from the same snapshot, which is put back in time proportional to what the case changed.
 * Blocks that no case has reached before make an input worth keeping. The parser under test has a defect.
 *
 *     node dist/examples/fuzz-snapshots.js [CASES]
 */
import { GuestError, Machine } from '../lib/index.js';

const machine = new Machine();
const code = machine.map(undefined, 4096, 'rx');
const input = machine.map(undefined, 4096);
// parse(p): is it "BUG!"? Then it writes where nothing is.
// mov esi, [esp+4]; cmp byte [esi], 'B'; jne R; cmp byte [esi+1], 'U'; jne R; cmp byte [esi+2], 'G'; jne R;
// cmp byte [esi+3], '!'; jne R; mov [0], eax; R: ret
machine.write(code, Buffer.from('8b742404803e427517807e01557511807e0247750b807e03217505a300000000c3', 'hex'));
const parse = machine.function(code, { parameters: ['u32'] });
parse(input);

const reached = new Set<number>();
let isNew = false;
machine.hook(
  'block',
  (pc) => {
    if (reached.has(pc)) return;
    reached.add(pc);
    isNew = true;
  },
  { start: code, end: code + 4096 },
);

let seed = 1;
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
};

const snapshot = machine.save();
const corpus: Uint8Array[] = [new Uint8Array(4)];
const cases = Number(process.argv[2] ?? 20000);
for (let i = 1; i <= cases; i++) {
  const bytes = corpus[random(corpus.length)]!.slice();
  bytes[random(4)] = random(128);
  machine.write(input, bytes);
  isNew = false;
  try {
    parse(input);
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    console.log(`case ${i}, "${Buffer.from(bytes).toString('latin1')}": ${error.message}`);
    break;
  }
  if (isNew) corpus.push(bytes);
  machine.restore(snapshot);
}
console.log(`${reached.size} blocks reached, ${corpus.length} inputs kept`);
machine.dispose();
