/**
 * `npm run fuzz:decoder`: is every random string of bytes taken for the same by the decoder and the processor: an instruction of
 * the same length, one that is refused (#UD), or one that is too long (#GP)? What other processors than this translator's have
 * is counted apart.
 */
import { CaseRunner } from '../execute.js';
import type { Random } from '../random.js';
import { decisions, knownExtension, randomBytes } from './bytes.js';

const BATCH = 4000;

/** Prints what differs; gives how many kinds there were that are not known. */
export function fuzzDecoder(random: Random, total: number): number {
  const { dispatcher } = new CaseRunner('interpret');
  const groups = new Map<string, { times: number; example: string; known: boolean }>();
  const started = performance.now();
  let refused = 0;
  for (let done = 0; done < total; done += BATCH) {
    const strings = Array.from({ length: Math.min(BATCH, total - done) }, () => randomBytes(random));
    decisions(strings, dispatcher).forEach(({ processor, engine, opcode }, i) => {
      if (typeof engine !== 'number') refused++;
      if (processor === engine) return;
      const bytes = strings[i]!;
      const extension = knownExtension(bytes);
      const group = `${opcode}: processor ${processor}, engine ${engine}${extension ? ` (${extension})` : ''}`;
      const entry = groups.get(group);
      if (entry) entry.times++;
      else groups.set(group, { times: 1, example: Buffer.from(bytes).toString('hex'), known: extension !== undefined });
    });
  }
  for (const [group, { times, example }] of [...groups].sort())
    console.log(`${times} decisions differ: ${group}: ${example}`);
  const seconds = (performance.now() - started) / 1000;
  console.log(`${total} strings, ${refused} of them refused, in ${seconds.toFixed(1)} s`);
  return [...groups.values()].filter(({ known }) => !known).length;
}
