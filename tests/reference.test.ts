/** The command line's documentation is what its declarations say; completion; the registration with binfmt_misc. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import tap from 'tap';
import { documents } from '../lib/cli/reference/build.js';
import { RUN_OPTIONS } from '../lib/cli/run-options.js';
import { inScratchDirectory } from './support/guest-cases.js';
import { GUESTS, PROJECT } from './support/paths.js';
import { runBridge, runProgram } from './support/run.js';

void tap.test('the documents are current', async (t) => {
  const options = await resolveConfig(join(PROJECT, 'docs/command-line.md'));
  for (const [path, text] of documents()) {
    const wanted = path.endsWith('.md') ? await format(text, { ...options, parser: 'markdown' }) : text;
    t.equal(readFileSync(join(PROJECT, path), 'utf8'), wanted, `${path} (npm run reference writes it)`);
  }
  const page = readFileSync(join(PROJECT, 'docs/command-line.md'), 'utf8');
  for (const name of Object.keys(RUN_OPTIONS))
    t.ok(page.includes(name.length === 1 ? `\`-${name}` : `\`--${name}`), name);
  t.notOk(/\/(root|home)\//.test(page), 'nothing of the machine that they were written on');
});

void tap.test('the manual page is one', async (t) => {
  if (!['/usr/bin/groff', '/bin/groff'].some((file) => existsSync(file))) {
    t.comment('there is no groff here');
    return;
  }
  const page = await runProgram('groff', ['-man', '-Tutf8', '-ww', join(PROJECT, 'docs/bridge86.1')]);
  t.equal(page.status, 0);
  t.equal(page.stderr, '', 'no warnings');
});

void tap.test('completion', async (t) => {
  const complete = async (...words: string[]): Promise<string[]> =>
    (await runBridge(['--get-yargs-completions', 'bridge86', ...words])).stdout.toString().split('\n');
  t.match(new Set(await complete('')), new Set(['run', 'sysroot', 'bench', 'cache', 'nativelib', 'binfmt']));
  const after = await complete('sysroot', '');
  for (const name of ['install', 'list', 'path', 'remove']) t.ok(after.includes(name), `sysroot ${name}`);
  t.ok((await complete('bench', '--')).includes('--html'));
  const script = await runBridge(['completion']);
  t.equal(script.status, 0);
  t.match(script.stdout.toString(), /bridge86 --get-yargs-completions/);
  const checked = await runProgram('bash', ['-n'], { input: script.stdout });
  t.equal(checked.status, 0, 'bash can read it');
});

void tap.test('binfmt', async (t) => {
  await inScratchDirectory(async (directory) => {
    const binfmt = (...args: string[]): ReturnType<typeof runBridge> =>
      runBridge(['binfmt', ...args, '--directory', directory]);
    const unmounted = await binfmt('status');
    t.equal(unmounted.status, 1);
    t.match(unmounted.stderr, /^bridge86: binfmt: binfmt_misc is not mounted at [^\n]*mount -t binfmt_misc[^\n]*\n$/);
    const line = (await binfmt('install', '--dry-run')).stdout.toString();
    t.match(line, /^:bridge86-i386:M::(\\x[0-9a-f]{2}){20}:(\\x[0-9a-f]{2}){20}:\/[^:\n]*main\.cjs:\n$/);
    const bytes = (text: string): number[] =>
      [...text.matchAll(/\\x(..)/g)].map((match) => Number.parseInt(match[1]!, 16));
    const [magic, mask] = line.split(':').slice(4, 6).map(bytes) as [number[], number[]];
    const isMatched = (file: string): boolean => {
      const head = readFileSync(file).subarray(0, magic.length);
      return magic.every((byte, at) => (head[at]! & mask[at]!) === (byte & mask[at]!));
    };
    t.ok(isMatched(join(GUESTS, 'hello')) && isMatched(join(GUESTS, 'pie')), "i386 programs are bridge86's");
    t.notOk(isMatched(process.execPath), "the host's are not");

    // A directory that looks like the kernel's.
    mkdirSync(join(directory, 'sub'));
    writeFileSync(join(directory, 'register'), '');
    t.equal((await binfmt('status')).status, 1, 'nothing is registered yet');
    t.equal((await binfmt('install', '--interpreter', '/opt/bridge86')).status, 0);
    t.match(readFileSync(join(directory, 'register'), 'utf8'), /:\/opt\/bridge86:$/);
    writeFileSync(join(directory, 'bridge86-i386'), 'enabled\ninterpreter /opt/bridge86\n');
    t.match((await binfmt('status')).stdout.toString(), /^enabled\n/);
    t.match((await binfmt('install')).stderr, /is registered/);
    t.equal((await binfmt('remove')).status, 0);
    t.match(readFileSync(join(directory, 'bridge86-i386'), 'utf8'), /^-1/);
    t.match((await binfmt('install', '--interpreter', `/${'x'.repeat(200)}`)).stderr, /at most 127 characters/);
  });
});
