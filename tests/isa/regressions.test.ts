/** Cases in which an engine once differed from the processor (`npm run fuzz:isa -- --keep` adds them), in every engine. */
import t from 'tap';
import { declarations } from '../../translator/isa/index.js';
import { disassembleCase } from './disassembly.js';
import { TESTED_ENGINES } from './execute.js';
import { manualTitle } from './fuzz/manual.js';
import { readRegressions } from './regressions.js';
import { replay } from './replay.js';

const cases = readRegressions();

for (const engine of TESTED_ENGINES) {
  t.test(`${cases.length} cases, engine ${engine}`, (t) => {
    const { failures } = replay(engine, cases, disassembleCase);
    for (const { number, text } of failures) t.fail(`case ${number}`, { text });
    t.equal(failures.length, 0, 'no case differs from the processor');
    t.end();
  });
}

t.test('the manual is named for every instruction that leaves flags undefined', (t) => {
  for (const { mnemonic, options } of declarations) if (options.undefined !== undefined) t.ok(manualTitle(mnemonic));
  t.end();
});
