/** Debian's programs with bridges and without: the same output. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap from 'tap';
import { PROJECT } from '../support/paths.js';
import { runBridge } from '../support/run.js';
import { existingSysroot } from '../support/sysroot.js';

const root = existingSysroot();
const LIBC = 'libc:memcpy,memmove,mempcpy,memset,memcmp,memchr,strlen,strcmp,strncmp,strchr,strrchr';
const LUA = `local s = 0
for i = 1, 20000 do s = s + math.floor(i / 3.7) * math.ceil(i / 2.1) + math.fmod(i * 1.7, 3.3) + math.sqrt(i) end
print(string.format('%.17g %.17g', s, math.sin(s)))`;
const AWK = `BEGIN { for (i = 0; i < 5000; i++) { s += i % 7.3; t = t int(i / 3) }; printf "%.17g %d %s\\n", s, length(t), substr(t, 900, 30) }`;

tap.test("Debian's programs", { skip: root === undefined && 'no sysroot', timeout: 600_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const script = join(directory, 'zlib.py');
  writeFileSync(script, readFileSync(join(PROJECT, 'tests/bridges/zlib.py')));
  const programs: Record<string, string[]> = {
    python3: ['python3', '-S', '-E', script],
    lua: ['lua5.4', '-e', LUA],
    gawk: ['gawk', AWK],
  };
  const stubs = join(directory, 'stubs');
  const built = await runBridge(['nativelib', 'build', 'libz', 'libm', '-o', stubs, '-L', root!]);
  t.equal(built.status, 0, built.stderr);
  const ways: Record<string, string[]> = {
    'whole libraries': ['--bridge', 'all'],
    'functions of libc': ['--bridge-symbol', LIBC],
    'stub libraries': ['--bridge-stubs', stubs],
  };
  for (const [name, command] of Object.entries(programs)) {
    const plain = await runBridge(['run', '-L', root!, ...command]);
    t.equal(plain.status, 0, `${name}: ${plain.stderr}`);
    for (const [way, options] of Object.entries(ways)) {
      const bridged = await runBridge(['run', '-L', root!, '--bridge-report', ...options, ...command]);
      t.equal(bridged.stdout.toString(), plain.stdout.toString(), `${name} with ${way}`);
      t.equal(bridged.status, 0);
      if (way !== 'stub libraries') t.match(bridged.stderr, /called bridged/, `${name} calls ${way}`);
    }
  }
});
