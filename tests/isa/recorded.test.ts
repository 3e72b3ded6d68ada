/**
 * Every declared instruction form against the processor's recorded answers, in the interpreter and in generated code:
 * registers, flags that the manual defines, memory, x87 and SSE state, and how it ended.
 */
import t from 'tap';
import { declarations } from '../../translator/isa/index.js';
import { disassembleCase } from './disassembly.js';
import { readRecording } from './recording.js';
import { replay } from './replay.js';
import { declarationKey, reasonToSkip } from './variants.js';

const SHOWN = 5;
const { header, cases } = readRecording();

for (const engine of ['interpret', 'block', 'wasm'] as const) {
  t.test(`${header.cases} recorded cases, engine ${engine}`, (t) => {
    const { failures, executed } = replay(engine, cases, disassembleCase);
    for (const failure of failures.slice(0, SHOWN)) t.comment(failure.text);
    const by = new Map<string, number>();
    for (const { test } of failures) by.set(test.declaration, (by.get(test.declaration) ?? 0) + 1);
    t.same(Object.fromEntries(by), {}, 'no case differs from the processor');
    const forms = declarations.filter((declaration) => reasonToSkip(declaration) === undefined);
    t.comment(
      `instruction forms executed by engine ${engine}: ${executed.size} of ${declarations.length}, ` +
        `${declarations.length - forms.length} cannot be recorded`,
    );
    t.same(
      forms.map(declarationKey).filter((key) => !executed.has(key)),
      [],
      'every declared form is executed (npm run build:isa-cases records new ones)',
    );
    t.end();
  });
}
