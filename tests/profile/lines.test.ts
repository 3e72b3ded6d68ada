/** Source positions of a guest's functions, by the line numbers that the compiler wrote and by what stands in the source there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { readSections } from '../../runtime/loader/sections.js';
import { readFileSymbols } from '../../runtime/loader/symbols.js';
import { findSourcePositions, LINE_SECTIONS } from '../../runtime/profile/line-information.js';
import { GUEST_SOURCES, GUESTS } from '../support/paths.js';

const sectionsOf = (path: string): Map<string, Uint8Array> =>
  new Map([...readSections(path, LINE_SECTIONS)].map(([name, { bytes }]) => [name, bytes]));

void tap.test('functions begin at the lines that name them', (t) => {
  const file = join(GUESTS, 'debugged-family');
  const source = readFileSync(join(GUEST_SOURCES, 'src/debugged-family.c'), 'utf8').split('\n');
  const symbols = readFileSymbols(file)!;
  const positions = findSourcePositions(sectionsOf(file), symbols.values);
  const seen: string[] = [];
  symbols.names.forEach((name, index) => {
    const position = positions.get(symbols.values[index]!);
    if (!position?.file.endsWith('debugged-family.c')) return;
    seen.push(name);
    // The opening brace may stand on a line of its own.
    t.match(source.slice(position.line - 2, position.line).join(' '), `${name}(`, `${name}: line ${position.line}`);
  });
  t.same(
    ['in_child', 'main', 'take_turns', 'together', 'visit', 'work'].filter((name) => !seen.includes(name)),
    [],
  );
  t.end();
});

/** A unit of version 3, written by hand: two files, a gap, and a line that is none. */
const PROGRAM = [
  ...[0, 5, 2, 0x00, 0x10, 0x00, 0x00], // address 0x1000
  ...[3, 9, 1], // line 10, row
  ...[4, 2], // file 2
  ...[2, 0x10, 3, 0x7b, 1], // 0x1010, line 5, row
  10 + 4 * 2 + 1, // 0x1012, line 6, row
  ...[2, 0x02, 3, 0x7a, 1], // 0x1014, line 0, row
  ...[2, 0x04, 0, 1, 1], // 0x1018, the end
];
function unit(): Uint8Array {
  const text = (value: string): number[] => [...Buffer.from(`${value}\0`)];
  const tables = [...text('include'), 0, ...text('/src/one.c'), 0, 0, 0, ...text('two.h'), 1, 0, 0, 0];
  const header = [1, 1, 0, 4, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1, ...tables];
  const body = [3, 0, header.length, 0, 0, 0, ...header, ...PROGRAM];
  return Uint8Array.from([body.length, 0, 0, 0, ...body]);
}

void tap.test('rows hold up to the next, and not past the end', (t) => {
  const sections = new Map([['.debug_line', unit()]]);
  const positions = findSourcePositions(sections, [0xfff, 0x1000, 0x100f, 0x1010, 0x1012, 0x1014, 0x1018]);
  t.same(
    [...positions],
    [
      [0x1000, { file: '/src/one.c', line: 10 }],
      [0x100f, { file: '/src/one.c', line: 10 }],
      [0x1010, { file: 'include/two.h', line: 5 }],
      [0x1012, { file: 'include/two.h', line: 6 }],
    ],
  );
  t.end();
});

void tap.test('damaged units are left out', (t) => {
  const whole = unit();
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.slice(0, length);
    if (length >= 4) new DataView(cut.buffer).setUint32(0, length - 4, true);
    t.ok(findSourcePositions(new Map([['.debug_line', cut]]), [0x1010]).size <= 1);
  }
  t.end();
});
