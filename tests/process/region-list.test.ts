/** The interval map of mappings against a model that keeps one entry a page. */
import tap from 'tap';
import { type Region, RegionList } from '../../runtime/memory/region-list.js';

const PAGE = 4096;

function region(start: number, end: number, protection: number, file?: number, offset = 0): Region {
  return { start, end, protection, shared: false, growsDown: false, file, offset, name: '' };
}

void tap.test('neighbours of one kind are joined, others are not', (t) => {
  const list = new RegionList();
  const file = list.newFile();
  list.insert(region(0, PAGE, 3));
  list.insert(region(2 * PAGE, 3 * PAGE, 3));
  list.insert(region(PAGE, 2 * PAGE, 3));
  t.equal(list.all.length, 1);
  list.insert(region(3 * PAGE, 4 * PAGE, 1));
  t.equal(list.all.length, 2);
  list.insert(region(4 * PAGE, 5 * PAGE, 1, file, 0));
  list.insert(region(5 * PAGE, 6 * PAGE, 1, file, PAGE));
  list.insert(region(6 * PAGE, 7 * PAGE, 1, file, PAGE));
  t.same(
    list.all.map(({ start, end, offset }) => [start / PAGE, end / PAGE, offset / PAGE]),
    [
      [0, 3, 0],
      [3, 4, 0],
      [4, 6, 0],
      [6, 7, 1],
    ],
  );
  t.end();
});

void tap.test('a hole in a file mapping leaves the right offsets', (t) => {
  const list = new RegionList();
  list.insert(region(0, 10 * PAGE, 1, list.newFile(), 100 * PAGE));
  list.remove(3 * PAGE, 5 * PAGE);
  t.same(
    list.all.map(({ start, end, offset }) => [start / PAGE, end / PAGE, offset / PAGE]),
    [
      [0, 3, 100],
      [5, 10, 105],
    ],
  );
  t.equal(list.firstHole(0, 10 * PAGE), 3 * PAGE);
  t.equal(list.firstHole(6 * PAGE, 10 * PAGE), 10 * PAGE);
  t.equal(list.at(4 * PAGE), undefined);
  t.equal(list.atOrAfter(4 * PAGE)?.start, 5 * PAGE);
  t.equal(list.before(5 * PAGE)?.start, 0);
  t.end();
});

void tap.test('random insertions and removals agree with a page-by-page model', (t) => {
  const pages = 64;
  let seed = 12345;
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % limit;
  };
  const list = new RegionList();
  const model = new Array<number>(pages).fill(-1);
  for (let round = 0; round < 3000; round++) {
    const start = random(pages);
    const end = start + 1 + random(pages - start);
    const protection = random(4) - 1;
    model.fill(protection, start, end);
    if (protection < 0) list.remove(start * PAGE, end * PAGE);
    else list.insert(region(start * PAGE, end * PAGE, protection));
    const seen = new Array<number>(pages).fill(-1);
    let previous = -1;
    for (const found of list.all) {
      if (found.start < previous) t.fail(`regions overlap in round ${round}`);
      previous = found.end;
      seen.fill(found.protection, found.start / PAGE, found.end / PAGE);
    }
    if (seen.join() !== model.join()) {
      t.fail(`round ${round} differs`);
      break;
    }
    const length = 1 + random(8);
    const free = list.findTopDown(length * PAGE, 0, pages * PAGE, 0);
    let expected = -1;
    for (let at = pages - length; at >= 0 && expected < 0; at--) {
      if (model.slice(at, at + length).every((value) => value < 0)) expected = at * PAGE;
    }
    if (free !== expected) {
      t.fail(`round ${round}: found ${free}, not ${expected}`);
      break;
    }
  }
  t.end();
});
