/**
 * Translations kept from run to run: a second run uses them, and whatever is wrong with a file, a run's output is the same and a
 * later run finds good ones again.
 */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import tap from 'tap';
import { GUESTS } from './support/paths.js';
import { ENVIRONMENT, type Outcome, runBridge } from './support/run.js';

const REGIONS = ['--engine', 'region', '--backend', 'auto', '--stats', '--cache'];
const GUEST = [join(GUESTS, 'bench/lists'), '1'];

/** A directory for caches, and what runs of the guest there give. */
async function inCache(
  work: (files: () => string[], run: (...options: string[]) => Promise<Outcome>, home: string) => Promise<void>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'bridge86-test-'));
  const directory = join(home, 'bridge86/translations');
  const files = (): string[] =>
    existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  const environment = { ...ENVIRONMENT, XDG_CACHE_HOME: home };
  try {
    await work(files, (...options) => runBridge(['run', ...REGIONS, ...options, ...GUEST], { environment }), home);
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** How many functions of earlier runs were put in place. */
function keptFunctions({ stderr }: Outcome): number {
  return Number(/kept functions: (\d+)/.exec(stderr)?.[1] ?? NaN);
}

void tap.test('kept translations', { timeout: 240_000 }, async (t) => {
  await inCache(async (files, run, home) => {
    const first = await run();
    t.equal(first.status, 0, first.stderr.slice(0, 300));
    t.equal(keptFunctions(first), 0, 'nothing is there at first');
    t.equal(files().length, 1, 'the program is one file');
    const again = async (what: string, expected: number): Promise<void> => {
      const outcome = await run();
      t.equal(outcome.stdout.toString(), first.stdout.toString(), `${what}: output`);
      t.equal(outcome.status, 0, `${what}: status`);
      if (expected === 0) t.equal(keptFunctions(outcome), 0, `${what}: not used`);
      else t.ok(keptFunctions(outcome) > 0, `${what}: used`);
    };
    await again('second run', 1);
    const [file] = files();
    const good = readFileSync(file!);
    t.equal((await run('--no-cache')).stderr.includes('kept functions: 0'), true, '--no-cache');
    t.equal(keptFunctions(await run('--cpu', '486')), 0, 'made for another processor');
    rmSync(file!);
    const plain = await runBridge(['run', '--engine', 'region', ...GUEST], {
      environment: { ...ENVIRONMENT, XDG_CACHE_HOME: home },
    });
    t.equal(plain.stdout.toString(), first.stdout.toString(), 'BRIDGE86_NO_KEEP: output');
    t.equal(files().length, 0, 'BRIDGE86_NO_KEEP: nothing is kept');
    writeFileSync(file!, good, { mode: 0o600 });

    const damage: Record<string, (bytes: Buffer) => Buffer> = {
      'a bit of the code': (bytes) => flipped(bytes, bytes.length - 100),
      'a bit of the checksum': (bytes) => flipped(bytes, 8),
      'a bit of the header': (bytes) => flipped(bytes, 30),
      'the length of the header': (bytes) => flipped(bytes, 7),
      'cut short': (bytes) => bytes.subarray(0, bytes.length >> 1),
      'not a file of ours': () => Buffer.from('something else altogether'),
      empty: () => Buffer.alloc(0),
    };
    for (const [what, change] of Object.entries(damage)) {
      writeFileSync(file!, change(Buffer.from(good)));
      await again(what, 0);
      t.not(readFileSync(file!).length, 0, `${what}: replaced`);
      writeFileSync(file!, good);
    }
    chmodSync(file!, 0o666);
    await again('others could have written it', 0);
    await again('after that', 1);
    truncateSync(file!);
    const both = await Promise.all([run(), run()]);
    for (const { stdout } of both) t.equal(stdout.toString(), first.stdout.toString(), 'two at once: output');
    await again('after two at once', 1);
    t.same(
      files().map((path) => path.replace(/.*\//, '').startsWith('.')),
      [false],
      'nothing half-written is left',
    );
    const environment = { ...ENVIRONMENT, XDG_CACHE_HOME: home };
    t.match((await runBridge(['cache', 'info'], { environment })).stdout.toString(), /files: 1,/, 'cache info');
    t.equal((await runBridge(['cache', 'clear'], { environment })).status, 0, 'cache clear');
    t.equal(files().length, 0, 'nothing is left');
    const warm = await runBridge(['cache', 'warm', ...GUEST], { environment });
    t.equal(warm.stdout.toString(), first.stdout.toString(), 'cache warm: output');
    await again('after cache warm', 1);
  });
});

void tap.test('translations are kept in the background', { timeout: 240_000 }, async (t) => {
  await inCache(async (files, _run, home) => {
    const { BRIDGE86_NO_KEEP: _, ...variables } = ENVIRONMENT;
    const environment = { ...variables, XDG_CACHE_HOME: home };
    const run = (...options: string[]): Promise<Outcome> => runBridge(['run', ...options, ...GUEST], { environment });
    const first = await run();
    // The outcome is there when nobody has its output open any more.
    t.equal(first.status, 0, first.stderr.slice(0, 300));
    t.equal(first.stderr, '', 'nobody says anything');
    for (let wait = 0; wait < 600 && files().every((name) => name.includes('/.')); wait++) await delay(100);
    t.equal(files().length, 1, 'a file comes to be');
    const second = await run('--stats', '--no-keep');
    t.ok(keptFunctions(second) > 0, 'it is used');
    t.match(second.stderr, /interpreted blocks: 0\n/, 'nothing is interpreted');
    t.equal(second.stdout.toString(), first.stdout.toString(), 'output');
    rmSync(files()[0]!);
    await run('--no-keep');
    const holder = spawn('flock', ['--no-fork', join(home, 'bridge86/translations'), 'sleep', '60'], {
      stdio: 'ignore',
    });
    await once(holder, 'spawn');
    await delay(300);
    const locked = await run();
    t.equal(locked.status, 0, 'while another process keeps translations: status');
    holder.kill();
    await once(holder, 'exit');
    await delay(300);
    t.same(files(), [], 'nothing was kept, then');
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 0x10;
  return bytes;
}
