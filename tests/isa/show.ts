/** `node dist/tests/isa/show.js N...`: prints recorded cases; `show.js /PATTERN/` lists the cases of declarations. */
import { caseText, outcomeText } from './compare.js';
import { disassembleCase } from './disassembly.js';
import { readRecording } from './recording.js';

const { header, cases } = readRecording();
const wanted = process.argv.slice(2);
if (wanted.length === 0) {
  console.log(
    `${header.cases} cases of ${header.declarations.length} instruction forms, answered by: ${header.processor}`,
  );
  console.log('not recorded:');
  for (const { declaration, reason } of header.skipped) console.log(`  ${declaration}: ${reason}`);
  console.log('usage: show.js NUMBER... | /PATTERN/');
}
for (const argument of wanted) {
  const pattern = /^\/(.*)\/$/.exec(argument);
  if (pattern) {
    const matches = new RegExp(pattern[1]!);
    cases.forEach(({ test }, number) => {
      const text = disassembleCase(test);
      if (matches.test(test.declaration) || matches.test(text)) console.log(`${number}\t${text}\t${test.declaration}`);
    });
    continue;
  }
  const recorded = cases[Number(argument)];
  if (!recorded) {
    console.error(`there is no case ${argument}: they are numbered from 0 to ${cases.length - 1}`);
    process.exitCode = 1;
    continue;
  }
  console.log(`case ${argument}: ${caseText(recorded.test, disassembleCase(recorded.test))}`);
  console.log(`after:\n${outcomeText(recorded.test, recorded.outcome)}`);
}
