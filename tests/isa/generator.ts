/**
 * `npm run build:isa-cases`: makes the test cases of every declared instruction form, has the processor execute them and
 * writes the recording. Needs a machine that runs i386 programs, with a low page that may be mapped (vm.mmap_min_addr).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { declarations } from '../../translator/isa/index.js';
import { normalise } from './compare.js';
import { CODE_ADDRESS, Field, type Case, type Outcome } from './machine.js';
import { askProcessor } from './native.js';
import { caseProfile, makeCase } from './operands.js';
import { recordingPath, writeRecording, type RecordingInput } from './recording.js';
import { declarationKey, reasonToSkip, variantsOf } from './variants.js';

/** FNV-1a: a case's seed depends on what it is, not on what else is declared. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

export function generateCases(): {
  inputs: Omit<RecordingInput, 'outcome'>[];
  skipped: { declaration: string; reason: string }[];
} {
  const inputs: Omit<RecordingInput, 'outcome'>[] = [];
  const skipped: { declaration: string; reason: string }[] = [];
  for (const declaration of declarations) {
    const key = declarationKey(declaration);
    const reason = reasonToSkip(declaration);
    if (reason !== undefined) {
      skipped.push({ declaration: key, reason });
      continue;
    }
    for (const { variant, count } of variantsOf(declaration)) {
      for (let i = 0; i < count; i++) {
        const seed = hash(`${key} ${JSON.stringify(variant)} ${i}`);
        const test = makeCase(declaration, variant, seed);
        inputs.push({ test, seed, profile: caseProfile(declaration) });
      }
    }
  }
  return { inputs, skipped };
}

const SIGALRM = 14;
const SIGSYS = 31;

function same(a: Outcome, b: Outcome): boolean {
  return (
    Buffer.compare(a.state.bytes, b.state.bytes) === 0 &&
    JSON.stringify(a.memory.map((p) => [p.address, [...p.bytes]])) ===
      JSON.stringify(b.memory.map((p) => [p.address, [...p.bytes]]))
  );
}

/** Code that was changed by the instruction itself, or jumps into its own bytes, is another test's business. */
const touchesCode = (test: Case, outcome: Outcome): boolean =>
  outcome.memory.some((patch) => patch.address >= CODE_ADDRESS && patch.address < CODE_ADDRESS + 4096) &&
  test.state.u32(Field.eip) > 0;

function processorName(): string {
  const name = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
  return name?.[1] ?? 'unknown';
}

function main(): void {
  const { inputs, skipped } = generateCases();
  const tests = inputs.map((input) => input.test);
  const first = askProcessor(tests).map(normalise);
  const second = askProcessor([...tests].reverse())
    .map(normalise)
    .reverse();
  const kept: RecordingInput[] = [];
  const dropped = new Map<string, number>();
  inputs.forEach((input, i) => {
    const outcome = first[i]!;
    const signal = outcome.state.u32(Field.signal);
    const reason =
      signal === SIGALRM
        ? 'does not end'
        : signal === SIGSYS
          ? 'makes a system call'
          : touchesCode(input.test, outcome)
            ? 'changes code'
            : same(outcome, second[i]!)
              ? undefined
              : 'is not the same twice';
    if (reason === undefined) kept.push({ ...input, outcome });
    else {
      const text = `${input.test.declaration}: ${reason}`;
      dropped.set(text, (dropped.get(text) ?? 0) + 1);
    }
  });
  const file = writeRecording(kept, processorName(), skipped);
  const path = recordingPath();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, file);
  for (const [text, count] of dropped) console.log(`dropped ${count}: ${text}`);
  for (const { declaration, reason } of skipped) console.log(`skipped: ${declaration}: ${reason}`);
  const covered = new Set(kept.map((input) => input.test.declaration)).size;
  console.log(
    `${kept.length} cases of ${covered} of ${declarations.length} declarations, ${(file.length / 1024).toFixed(0)} KB: ${path}`,
  );
}

if (process.argv[1]?.endsWith('generator.js')) main();
