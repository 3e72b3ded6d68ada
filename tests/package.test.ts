/**
 * The package as its users get it: packed, unpacked in an empty folder beside its dependencies, and the README's snippets run there as
 * they stand.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { inScratchDirectory } from './support/guest-cases.js';
import { PROJECT } from './support/paths.js';
import { type Outcome, runProgram } from './support/run.js';
import { existingSysroot } from './support/sysroot.js';

const MAXIMUM_PACKED = 2.5e6;

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/** The code blocks of the README in a language. */
function snippets(language: string): string[] {
  const text = readFileSync(join(PROJECT, 'README.md'), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => match[2]!);
}

/** All files below a directory, with slashes between the parts of their names. */
function filesBelow(directory: string, prefix = ''): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesBelow(join(directory, entry.name), `${prefix}${entry.name}/`)
      : [`${prefix}${entry.name}`],
  );
}

/** The commands that this Node came with, and the system's. */
const PATH = `${join(process.execPath, '..')}:/usr/bin:/bin`;

void tap.test('the package', { timeout: 300_000 }, async (t) => {
  await inScratchDirectory(async (scratch) => {
    const settings = {
      environment: { PATH, HOME: scratch, LC_ALL: 'C', npm_config_update_notifier: 'false' },
      directory: scratch,
      timeout: 120_000,
    };
    const run = (command: string, ...args: string[]): Promise<Outcome> => runProgram(command, args, settings);

    const packed = await runProgram('npm', ['pack', '--ignore-scripts', '--offline', '--pack-destination', scratch], {
      ...settings,
      directory: PROJECT,
    });
    t.equal(packed.status, 0, 'npm pack');
    const description = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as PackageJson;
    const tarball = join(scratch, `${description.name}-${description.version}.tgz`);
    const { length } = readFileSync(tarball);
    t.ok(length < MAXIMUM_PACKED, `${length} bytes packed`);
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      t.notOk(name in description.scripts, `nothing runs at the installation: ${name}`);
    }

    // What npm does with it, without asking anybody for the dependencies.
    const modules = join(scratch, 'node_modules');
    const home = join(modules, description.name);
    mkdirSync(join(modules, '.bin'), { recursive: true });
    mkdirSync(home);
    t.equal((await run('tar', '-xzf', tarball, '-C', home, '--strip-components=1')).status, 0);
    for (const name of Object.keys(description.dependencies)) {
      symlinkSync(join(PROJECT, 'node_modules', name), join(modules, name));
    }
    for (const [name, file] of Object.entries(description.bin)) {
      symlinkSync(join('..', description.name, file), join(modules, '.bin', name));
    }

    const told = await run(join(modules, '.bin/bridge86'), '--version');
    t.equal(told.stdout.toString(), `${description.version}\n`, 'it knows its version');

    const files = filesBelow(home);
    const without = (pattern: RegExp): void => {
      t.same(
        files.filter((file) => pattern.test(file)),
        [],
        `no file like ${String(pattern)}`,
      );
    };
    without(/\.test\.|^dist\/tests\/|^(tests\/(?!guests\/bin\/bench\/))/);
    without(/(?<!\.d)\.ts$/);
    without(/^(examples|node_modules|tools|\.ci)\//);
    for (const file of ['bridges/nativelib.h', 'docs/bridge86.1', 'dist/lib/index.d.ts', 'LICENSE', 'CHANGELOG.md']) {
      t.ok(files.includes(file), file);
    }
    for (const file of files.filter((name) => name.endsWith('.js') && !name.includes('generated'))) {
      if (!files.includes(`${file}.map`)) t.fail(`${file} has no source map`);
    }
    const map = JSON.parse(readFileSync(join(home, 'dist/lib/index.js.map'), 'utf8')) as { sourcesContent?: string[] };
    t.match(map.sourcesContent?.[0], /export/, 'source maps hold the sources');

    const [embedding] = snippets('js');
    writeFileSync(join(scratch, 'embed.mjs'), embedding!);
    const embedded = await run(process.execPath, 'embed.mjs');
    t.same([embedded.status, embedded.stdout.toString(), embedded.stderr], [0, '42\n', ''], 'embed, as an ES module');
    const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
    if (major > 20 || minor >= 19) {
      writeFileSync(
        join(scratch, 'embed.cjs'),
        embedding!.replace(/^import (.*) from '(.*)';$/m, "const $1 = require('$2');"),
      );
      const required = await run(process.execPath, 'embed.cjs');
      t.same([required.status, required.stdout.toString()], [0, '42\n'], `embed, by require: ${required.stderr}`);
    }

    const lines = snippets('sh').flatMap((text) => text.trim().split('\n'));
    t.equal(lines.length, 4, 'as many commands as the README shows');
    const root = existingSysroot();
    for (const line of lines) {
      if (line.includes(' sysroot install ')) continue;
      const needsLua = line.includes('lua5.4');
      if (needsLua && (root === undefined || !existsSync(join(root, 'usr/bin/lua5.4')))) {
        t.comment(`not run without lua5.4 in the sysroot: ${line}`);
        continue;
      }
      const command = await runProgram('sh', ['-c', line], {
        ...settings,
        environment: { ...settings.environment, ...(root === undefined ? {} : { BRIDGE86_SYSROOT: root }) },
      });
      t.equal(command.status, 0, `${line}\n${command.stderr}`);
      t.match(command.stdout.toString(), needsLua ? /^(Hello from i386, with Lua 5\.4|\d+)\n$/ : /sieve[\s\S]*sha256/);
    }
    const profile = join(scratch, 'lua.cpuprofile');
    if (existsSync(profile)) {
      t.match(readFileSync(profile, 'utf8'), /"functionName":"lua_\w+"/, "Lua's profile names Lua's functions");
    }
  });
});
