/** `--prof`: the file has the DevTools protocol's form, and names the guest's functions under those that called them. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import type { CpuProfile, ProfileNode } from '../../runtime/profile/cpu-profile.js';
import { inScratchDirectory } from '../support/guest-cases.js';
import { GUEST_SOURCES, GUESTS, MAIN } from '../support/paths.js';
import { NODE_FLAGS, runBridge, runProgram } from '../support/run.js';

/** What is wrong with a profile by the protocol's definition of `Profiler.Profile`, and by what DevTools counts on. */
function faultsOf(profile: CpuProfile): string[] {
  const faults: string[] = [];
  const check = (isRight: boolean, what: string): void => {
    if (!isRight && !faults.includes(what)) faults.push(what);
  };
  const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
  const { nodes, samples, timeDeltas, startTime, endTime } = profile;
  const ids = new Set(nodes.map(({ id }) => id));
  check(ids.size === nodes.length, 'ids are not unique');
  const children = nodes.flatMap((node) => node.children ?? []);
  check(new Set(children).size === children.length, 'a node has two parents');
  check(children.length === nodes.length - 1 && !children.includes(nodes[0]!.id), 'the nodes are no tree');
  for (const { id, callFrame, hitCount, children: list } of nodes) {
    check(isCount(id) && isCount(hitCount), 'id, hitCount');
    check(list === undefined || list.every((child) => ids.has(child)), 'children');
    const { functionName, scriptId, url, lineNumber, columnNumber } = callFrame;
    check(
      [functionName, scriptId, url].every((text) => typeof text === 'string'),
      'texts of callFrame',
    );
    check(Number.isInteger(lineNumber) && Number.isInteger(columnNumber), 'numbers of callFrame');
    check(
      hitCount === samples.reduce((count, sample) => count + (sample === id ? 1 : 0), 0),
      'hitCount is not the number of samples',
    );
  }
  check(nodes[0]?.callFrame.functionName === '(root)', 'the first node is not the root');
  check(samples.length > 0 && samples.every((id) => ids.has(id)), 'samples');
  check(timeDeltas.length === samples.length && timeDeltas.every(isCount), 'timeDeltas');
  const last = timeDeltas.reduce((sum, delta) => sum + delta, startTime);
  check(isCount(startTime) && isCount(endTime) && last <= endTime, 'times');
  return faults;
}

const namesOf = (profile: CpuProfile): Set<string> => new Set(profile.nodes.map((node) => node.callFrame.functionName));

/** Share of the samples that are in the guest whose stack satisfies a test; names, the outermost first. */
function share(profile: CpuProfile, holds: (stack: readonly string[]) => boolean): number {
  let [all, found] = [0, 0];
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const visit = (node: ProfileNode, outer: readonly string[]): void => {
    const stack = [...outer, node.callFrame.functionName];
    if (node.callFrame.url !== '') {
      all += node.hitCount;
      if (holds(stack)) found += node.hitCount;
    }
    for (const id of node.children ?? []) visit(byId.get(id)!, stack);
  };
  visit(profile.nodes[0]!, []);
  return found / all;
}

async function profileOf(options: readonly string[], guest: string, ...args: string[]): Promise<CpuProfile> {
  return profileOfEnding(0, options, guest, ...args);
}

async function profileOfEnding(
  status: number,
  options: readonly string[],
  guest: string,
  ...args: string[]
): Promise<CpuProfile> {
  return inScratchDirectory(async (directory) => {
    const file = join(directory, 'guest.cpuprofile');
    const got = await runBridge(['run', '--prof', file, ...options, join(GUESTS, guest), ...args]);
    if (got.status !== status) throw new Error(`status ${got.status}: ${got.stderr}`);
    return JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;
  });
}

void tap.test('functions and their callers', async (t) => {
  for (const options of [[], ['--backend', 'js'], ['--engine', 'interpret']]) {
    const count = options[1] === 'interpret' ? '2' : '40';
    const profile = await profileOf(options, 'bench/quicksort', count);
    const name = options.join(' ') || 'default';
    t.same(faultsOf(profile), [], `${name}: form`);
    t.ok(share(profile, (stack) => stack.includes('sort')) > 0.4, `${name}: most of the time is in sort`);
    t.ok(
      share(profile, (stack) => stack[1] === '_start' && stack.includes('main')) > 0.8,
      `${name}: nearly all of the guest's time is below main`,
    );
    t.ok(
      share(profile, (stack) => stack.indexOf('main') < 0 && stack.includes('sort')) < 0.1,
      `${name}: sort is called by main`,
    );
  }
});

void tap.test('places in the source', async (t) => {
  const { nodes } = await profileOfEnding(3, ['--engine', 'interpret'], 'debugged');
  const placed = nodes.map(({ callFrame }) => callFrame).filter(({ url }) => url.endsWith('debugged.c'));
  const source = readFileSync(join(GUEST_SOURCES, 'src/debugged.c'), 'utf8').split('\n');
  t.not(placed.length, 0);
  // Lines are counted from 0; the opening brace may stand on a line of its own.
  for (const { functionName, lineNumber } of placed) {
    t.match(source.slice(lineNumber - 1, lineNumber + 1).join(' '), `${functionName}(`);
  }
});

void tap.test('forks and ends', async (t) => {
  const profile = await profileOf([], 'processes');
  t.same(faultsOf(profile), []);
  t.ok(namesOf(profile).has('main'));
  t.ok(namesOf(profile).has('(system call)'));
  await inScratchDirectory(async (directory) => {
    const file = join(directory, 'dead.cpuprofile');
    const dead = await runBridge(['run', '--prof', file, join(GUESTS, 'faults'), 'null-read']);
    t.equal(dead.signal, 'SIGSEGV');
    t.same(faultsOf(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile), [], 'a guest that is killed has one, too');
    const nowhere = await runBridge(['run', '--prof', join(directory, 'none/x'), join(GUESTS, 'hello')]);
    t.equal(nowhere.status, 1);
    t.match(nowhere.stderr, /^bridge86: --prof [^\n]*: no such file[^\n]*\n$/);
    t.equal(nowhere.stdout.length, 0, 'nothing was run');
  });
});

void tap.test('--perf-map', async (t) => {
  const command = [process.execPath, ...NODE_FLAGS, MAIN, 'run', '--perf-map', join(GUESTS, 'bench/quicksort'), '20'];
  const got = await runProgram('sh', ['-c', 'echo $$; exec "$@"', 'sh', ...command]);
  t.equal(got.status, 0, got.stderr);
  const [pid, line] = got.stdout.toString().split('\n');
  t.match(line, /^sorted/);
  const file = `/tmp/perf-${pid}.map`;
  t.match(readFileSync(file, 'latin1'), /^[0-9a-f]+ [0-9a-f]+ [^\n]*f_sort_[0-9a-f]+/m);
  rmSync(file);
});
