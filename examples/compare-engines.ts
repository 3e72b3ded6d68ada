/**
 * The same machine code in two engines, and what each of them makes of it.
 *
 *     node dist/examples/compare-engines.js [ENGINE ENGINE]
 */
import { Machine, type EngineKind } from '../lib/index.js';

const engines =
  process.argv.length > 3 ? (process.argv.slice(2, 4) as EngineKind[]) : (['interpret', 'region'] as const);
const results = engines.map((engine) => {
  const machine = new Machine({ engine });
  const code = machine.map(undefined, 4096, 'rx');
  // Steps of the Collatz sequence: mov ecx, [esp+4]; xor eax, eax; L: cmp ecx, 1; je E; inc eax; shr ecx, 1; jnc L;
  // lea ecx, [ecx*2+ecx+2]; inc eax; jmp L; E: ret. (For odd n = 2k+1, 3n+1 is halved at once: 3k+2, two steps.)
  machine.write(code, Buffer.from('8b4c240431c083f901740c40d1e973f68d4c490240ebefc3', 'hex'));
  const steps = machine.function(code, { parameters: ['u32'], result: 'u32' });
  let sum = 0;
  const started = performance.now();
  for (let n = 1; n <= 3000; n++) sum += Number(steps(n));
  const milliseconds = performance.now() - started;
  const { compiledFunctions } = machine.statistics;
  console.log(`${engine}: ${sum} steps, ${compiledFunctions} functions compiled, ${milliseconds.toFixed(1)} ms`);
  machine.dispose();
  return sum;
});
console.log(results[0] === results[1] ? 'They agree.' : 'They differ!');
