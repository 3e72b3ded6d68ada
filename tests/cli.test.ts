/** The command line: what is an option and what is the guest's, errors and their exit statuses, the environment. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { changedEnvironment } from '../lib/cli/raw-arguments.js';
import { parseRunArguments } from '../lib/cli/run-options.js';
import { parseAlternatives } from '../lib/sysroot/configure.js';
import { inScratchDirectory } from './support/guest-cases.js';
import { GUESTS, MAIN } from './support/paths.js';
import { ENVIRONMENT, NODE_FLAGS, type Outcome, runBridge, runProgram } from './support/run.js';

const hello = join(GUESTS, 'hello');
const argumentsGuest = join(GUESTS, 'arguments');
const line = 'Hello from i386: this program was translated to JavaScript.\n';

/** argv as the guest `arguments` prints it. */
function argvOf({ stdout }: Outcome): string[] {
  return [...stdout.toString('latin1').matchAll(/^argv\[\d+\] "(.*)"$/gm)].map((match) => match[1]!);
}

function environmentOf({ stdout }: Outcome): string[] {
  return [...stdout.toString('latin1').matchAll(/^env "(.*)"$/gm)].map((match) => match[1]!);
}

void tap.test('options of run', (t) => {
  const options = parseRunArguments(
    [
      '-L',
      '/r',
      '-EA=1',
      '-U',
      'B',
      '-E',
      'C==x',
      '--argv0=n',
      '-strace',
      '--engine',
      'interpret',
      '--dump',
      'ir,js',
    ].concat(['--dump-range=main', '--stats', '-cpu', 'core2', '--seed', '7', 'prog', '-L', '--', '', '--strace']),
  );
  t.hasStrict(options, {
    sysroot: '/r',
    environmentChanges: ['A=1', 'B', 'C==x'],
    argv0: 'n',
    strace: true,
    engine: 'interpret',
    dump: ['ir', 'js'],
    dumpRange: 'main',
    stats: true,
    cpu: 'core2',
    seed: 7,
    program: 'prog',
    arguments: ['-L', '--', '', '--strace'],
  });
  t.equal(parseRunArguments(['--', '-x']).program, '-x', '-- ends the options');
  t.equal(parseRunArguments(['-0', 'name', 'x']).argv0, 'name', '-0 as qemu-user has it');
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [[], /no program/],
    [['-L'], /-L needs a value/],
    [['--frobnicate', 'x'], /unknown option --frobnicate/],
    [['-z', 'x'], /unknown option -z/],
    [['--engine', 'steam', 'x'], /choose one of interpret, block/],
    [['--dump', 'ir,xx', 'x'], /choose one of in_asm/],
    [['--strace=yes', 'x'], /takes no value/],
    [['-E', 'NOVALUE', 'x'], /VAR=VALUE/],
    [['-U', 'A=1', 'x'], /name of a variable/],
    [['--seed', '-3', 'x'], /a number/],
  ];
  for (const [args, message] of wrong) t.throws(() => parseRunArguments(args), { message, status: 2 }, args.join(' '));
  t.same(changedEnvironment(['A=1', 'B=2', 'AB=3'], ['A', 'B=9', 'C=', 'D=x=y']), ['B=9', 'AB=3', 'C=', 'D=x=y']);
  t.end();
});

void tap.test('the guest gets its arguments as they are', async (t) => {
  const tricky = [
    '--strace',
    '-L',
    '/x',
    '--',
    '',
    ' ',
    '--help',
    '-',
    '--version',
    'a=b',
    '\\',
    '"',
    "'",
    '$HOME',
    '*',
  ];
  const got = await runBridge(['run', argumentsGuest, ...tricky]);
  t.same(
    argvOf(got).slice(1),
    tricky.map((word) => word.replace(/[\\"]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`)),
  );
  t.same(argvOf(await runBridge([argumentsGuest, ...tricky])), argvOf(got), 'without the word run, too');
  t.same(argvOf(await runBridge(['run', '--argv0', 'other name', argumentsGuest, 'x'])), ['other name', 'x']);
  t.same(
    argvOf(await runBridge(['-E', 'X=1', argumentsGuest, 'run'])).slice(1),
    ['run'],
    'options without the word run',
  );

  // Bytes that are not UTF-8 can only come from a shell.
  const script = `"$0" --single-threaded "$1" run -E "$(printf 'V=\\377')" "$2" "$(printf 'a\\200\\377b')" "$(printf '\\303(')"`;
  const bytes = await runProgram('sh', ['-c', script, process.execPath, MAIN, argumentsGuest]);
  t.same(argvOf(bytes).slice(1), ['a\\x80\\xffb', '\\xc3('], 'bytes that are not UTF-8');
  t.ok(environmentOf(bytes).includes('V=\\xff'), 'in the environment, too');
});

void tap.test('the environment', async (t) => {
  const environment = { PATH: '/usr/bin', KEEP: 'me', DROP: 'me', CHANGE: 'old' };
  const got = await runBridge(['run', '-U', 'DROP', '-E', 'CHANGE=new', '-E', 'ADDED=a b', argumentsGuest], {
    environment,
  });
  t.same(environmentOf(got).sort(), ['ADDED=a b', 'CHANGE=new', 'KEEP=me', 'PATH=/usr/bin']);
});

void tap.test('running', async (t) => {
  const got = await runBridge(['run', hello]);
  t.same([got.status, got.stdout.toString(), got.stderr], [0, line, '']);
  t.equal((await runBridge([join(GUESTS, 'status'), '77'])).status, 77);
  await inScratchDirectory(async (directory) => {
    symlinkSync(hello, join(directory, 'greet'));
    t.equal(
      (await runBridge(['run', 'greet'], { directory })).stdout.toString(),
      line,
      'a name in the current directory',
    );
    mkdirSync(join(directory, 'root/usr/bin'), { recursive: true });
    writeFileSync(join(directory, 'root/usr/bin/salute'), `#!${hello}\n`);
    chmodSync(join(directory, 'root/usr/bin/salute'), 0o755);
    const found = await runBridge(['run', '-L', join(directory, 'root'), 'salute']);
    t.equal(found.stdout.toString(), line, 'a name on PATH in the sysroot, and a script');
  });
  const closed = await runProgram('sh', [
    '-c',
    '"$0" --single-threaded "$1" "$2" >&-; echo $?',
    process.execPath,
    MAIN,
    hello,
  ]);
  t.equal(closed.stdout.toString(), '0\n', 'with standard output closed');
});

void tap.test("a guest's threads leave its standard descriptors as they are", async (t) => {
  // The flags are those of the open file, which the guest and grep share.
  const script = '{ "$@"; grep flags: /proc/self/fdinfo/1; } | cat';
  const command = [process.execPath, ...NODE_FLAGS, MAIN, 'run', join(GUESTS, 'debugged-family'), 'turns'];
  const { stdout } = await runProgram('sh', ['-c', script, 'sh', ...command]);
  t.match(stdout.toString(), /^flags:\t0*1$/m, 'a pipe that blocks, for writing');
});

void tap.test('what cannot be run', async (t) => {
  await inScratchDirectory(async (directory) => {
    const file = (name: string, contents: string | Buffer, mode = 0o755): string => {
      const path = join(directory, name);
      writeFileSync(path, contents);
      chmodSync(path, mode);
      return path;
    };
    const elf = (machine: number, elfClass: number): Buffer => {
      const bytes = Buffer.alloc(100);
      bytes.write('\x7fELF', 'latin1');
      bytes.set([elfClass, 1, 1], 4);
      bytes.writeUInt16LE(2, 16);
      bytes.writeUInt16LE(machine, 18);
      return bytes;
    };
    const pipe = join(directory, 'pipe');
    t.equal((await runProgram('mkfifo', ['-m', '755', pipe])).status, 0);
    const cases: readonly (readonly [string, string, number, RegExp])[] = [
      ['no such file', join(directory, 'missing'), 127, /missing: no such file/],
      ['no name', '', 127, /name of the program is empty/],
      ['a pipe', pipe, 126, /not a regular file/],
      ['no such name', 'no-such-program', 127, /no-such-program: (no such file|not found)/],
      ['part of the path is a file', join(hello, 'x'), 127, /not a directory/],
      ['a directory', directory, 126, /directory/],
      ['an empty file', file('empty', ''), 126, /empty/],
      ['a text file', file('text', 'hello\n'), 126, /text: .*not an ELF/],
      ['another machine', file('arm', elf(40, 1)), 126, /arm: /],
      ['a 64-bit class', file('class', elf(3, 2)), 126, /class: /],
      ['a script without its interpreter', file('script', '#!/no/such/interpreter\n'), 127, /interpreter/],
    ];
    for (const [name, program, status, message] of cases) {
      const got = await runBridge(['run', program]);
      t.equal(got.status, status, `${name}: status`);
      t.match(got.stderr, message, `${name}: message`);
      t.match(got.stderr, /^bridge86: [^\n]*\n$/, `${name}: one line`);
      t.equal(got.stdout.length, 0, `${name}: nothing on standard output`);
    }
    if (process.getuid?.() !== 0) {
      const got = await runBridge(['run', file('forbidden', 'x', 0o000)]);
      t.equal(got.status, 126);
      t.match(got.stderr, /permission denied/);
    }
    const notExecutable = await runBridge(['run', file('plain', '#!/bin/sh\n', 0o644)]);
    t.equal(notExecutable.status, 126, 'not executable');
    t.match(notExecutable.stderr, /plain: permission denied/);
  });
});

void tap.test('usage', async (t) => {
  for (const args of [
    [],
    ['run'],
    ['run', '--nope', 'x'],
    ['sysroot'],
    ['sysroot', 'nonsense'],
    ['sysroot', 'install'],
    ['cache'],
    ['cache', 'info', 'extra'],
    ['cache', 'warm'],
    ['nativelib', 'explain', 'libm'],
    ['nativelib', 'build', 'libz'],
    ['binfmt', 'nonsense'],
    ['bench', '--frobnicate'],
    ['bench', '--html'],
  ]) {
    const got = await runBridge(args);
    t.equal(got.status, 2, `${args.join(' ')}: status`);
    t.match(got.stderr, /^bridge86: [^\n]*--help[^\n]*\n$/, `${args.join(' ')}: one line`);
  }
  for (const args of [
    ['--help'],
    ['-h'],
    ['run', '--help'],
    ['sysroot', '--help'],
    ['sysroot', 'install', '--help'],
    ['help', 'run'],
  ]) {
    const got = await runBridge(args);
    t.equal(got.status, 0, `${args.join(' ')}: status`);
    t.match(got.stdout.toString(), /bridge86/, `${args.join(' ')}: on standard output`);
  }
  t.match((await runBridge(['run', '--help'])).stdout.toString(), /--engine[\s\S]*--strace|--strace[\s\S]*--engine/);
  t.match((await runBridge(['--version'])).stdout.toString(), /^\d+\.\d+\.\d+\n$/);
  const nowhere = await runBridge(['bench', '--no-references', '--engines', 'interpret', '--', 'no-such-program']);
  t.equal(nowhere.status, 127, 'there is nothing to measure');
  t.match(nowhere.stderr, /^bridge86: bench: no-such-program: [^\n]*\n$/);
  t.match((await runBridge(['bench', '--html', '/', 'sieve'])).stderr, /^bridge86: bench: \/ cannot be written\n$/);
});

void tap.test('sysroot', async (t) => {
  await inScratchDirectory(async (directory) => {
    const root = join(directory, 'root');
    const path = await runBridge(['sysroot', 'path', '--sysroot', root]);
    t.equal(path.stdout.toString(), `${root}\n`);
    const environment = { PATH: '/usr/bin:/bin', XDG_DATA_HOME: '/data' };
    t.equal((await runBridge(['sysroot', 'path'], { environment })).stdout.toString(), '/data/bridge86/sysroot\n');
    const list = await runBridge(['sysroot', 'list', '--sysroot', root]);
    t.equal(list.status, 1);
    t.match(list.stderr, /^bridge86: there is no sysroot/);
    const remove = await runBridge(['sysroot', 'remove', '--all', '--sysroot', directory]);
    t.match(remove.stderr, /left alone/, 'a directory that is no sysroot is not deleted');

    // A path on which only the commands of no consequence can be found.
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    symlinkSync('/bin/sh', join(bin, 'sh'));
    const without = await runBridge(['sysroot', 'install', 'bash', '--sysroot', root], {
      environment: { PATH: bin, HOME: directory },
    });
    t.equal(without.status, 1);
    t.match(without.stderr, /apt-get.*cannot be found.*run -L/);
  });
  t.same(
    parseAlternatives(`if true; then
  update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/gawk 10 \\
    --slave /usr/bin/nawk nawk /usr/bin/gawk
  update-alternatives --install "$X" y /z 5
fi`),
    [
      { link: '/usr/bin/awk', path: '/usr/bin/gawk', priority: 10 },
      { link: '/usr/bin/nawk', path: '/usr/bin/gawk', priority: 10 },
    ],
  );
});

void tap.test('what a run can print about itself', async (t) => {
  const dump = await runBridge(['run', '--dump', 'in_asm,ir', '--dump-range', '_start', hello]);
  t.equal(dump.stdout.toString(), line, 'the guest is undisturbed');
  t.match(dump.stderr, /in_asm: 0x[0-9a-f]{8} <_start\+0x0>\n0x[0-9a-f]{8}: {2}b8 04 00 00 00 +mov eax,0x4\n/);
  t.match(dump.stderr, /ir: 0x[0-9a-f]{8} <_start\+0x0>\nblock [^\n]*\n0x[0-9a-f]{8}: mov eax,0x4\n {2}eax = 4\n/);
  t.equal(
    (await runBridge(['run', '--dump', 'in_asm', '--dump-range', '1000-2000', hello])).stderr,
    '',
    'outside the range',
  );
  const fib = await runBridge(['run', '--dump', 'js', '--dump-range', 'fib', join(GUESTS, 'bench/fib'), '1']);
  t.match(fib.stderr, /js: \w*fib\w*\nfunction /);
  t.match((await runBridge(['run', '--stats', hello])).stderr, /^bridge86: blocks: \d+\n/m);
  const counted = (await runBridge(['run', '--stats', join(GUESTS, 'bench/quicksort'), '4'])).stderr;
  const count = (what: string): number => Number(new RegExp(`^bridge86: ${what}: ([\\d.]+)$`, 'm').exec(counted)?.[1]);
  t.ok(count('compiled modules') > 0 && count('interpreted blocks') > 0 && count('generated milliseconds') > 0);
  const exits = ['block not translated', 'slow instruction', 'system call', 'poll', 'fault', 'other'];
  t.equal(
    exits.reduce((sum, reason) => sum + count(`exits of generated code, ${reason}`), 0),
    count('generated entries'),
    'every way out has a reason',
  );
  t.match((await runBridge(['run', '--strace', hello])).stderr, /^write\(1, "Hello from i386/m);
});

void tap.test('hostile surroundings', async (t) => {
  const hello = join(GUESTS, 'hello');
  // Node's recursive mkdir never comes back from there.
  const environment = { ...ENVIRONMENT, XDG_CACHE_HOME: '/proc/none' };
  t.equal((await runBridge(['run', hello], { environment, timeout: 20_000 })).status, 0, 'a cache that cannot be made');
  const script = 'ulimit -v 4000000 && exec "$@"';
  const limited = await runProgram('bash', ['-c', script, 'bash', process.execPath, ...NODE_FLAGS, MAIN, 'run', hello]);
  t.equal(limited.status, 1);
  t.match(limited.stderr, /^bridge86: the guest needs 4 GiB of address space[^\n]*\n$/);
});
