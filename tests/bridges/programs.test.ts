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

const HASHES = `import bz2, hashlib, hmac, lzma
data = b''.join(b'line %d %d\\n' % (i, i * i) for i in range(200))
for name in ('md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'): print(name, hashlib.new(name, data).hexdigest())
print(hmac.new(b'key', data, 'sha256').hexdigest(), hashlib.pbkdf2_hmac('sha1', b'secret', b'salt', 50).hex())
for name, pack, unpack in (('bz2', bz2.compress, bz2.decompress), ('lzma', lzma.compress, lzma.decompress)):
    packed = pack(data)
    print(name, len(packed), hashlib.md5(packed).hexdigest(), unpack(packed) == data)
filters = [{'id': lzma.FILTER_DELTA, 'dist': 3}, {'id': lzma.FILTER_LZMA2, 'preset': 3, 'lc': 2, 'dict_size': 65536}]
raw = lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters)
print(len(raw), lzma.decompress(raw, format=lzma.FORMAT_RAW, filters=filters) == data)
alone = lzma.compress(data, format=lzma.FORMAT_ALONE)
print(len(alone), lzma.decompress(alone) == data)
for bad in (bz2.decompress, lzma.decompress):
    try: bad(data)
    except Exception as error: print(error)
`;

/** Programs that are run once with all libraries bridged, and the libraries that they must have called. */
tap.test('all libraries', { skip: root === undefined && 'no sysroot', timeout: 600_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge86-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const script = join(directory, 'hashes.py');
  writeFileSync(script, HASHES);
  const text = join(directory, 'text');
  writeFileSync(text, 'some text that is worth compressing, '.repeat(5000));
  const programs: [command: string[], called: RegExp[]][] = [
    [
      ['python3', '-S', '-E', script],
      [/libbz2: called/, /liblzma: called/, /libcrypto: called/],
    ],
    [['bzip2', '-c', text], [/libbz2: called bridged: .*BZ2_bzCompress /]],
    [['xz', '-c', text], [/liblzma: called bridged: .*lzma_stream_encoder/]],
    [['xz', '-c', '-T2', text], [/liblzma: called/]],
    [['openssl', 'dgst', '-sha512', text], [/libcrypto: called bridged: SHA512_Update/]],
  ];
  for (const [command, called] of programs) {
    const plain = await runBridge(['run', '-L', root!, ...command]);
    t.equal(plain.status, 0, `${command.join(' ')}: ${plain.stderr}`);
    const bridged = await runBridge(['run', '-L', root!, '--bridge', 'all', '--bridge-report', ...command]);
    t.ok(bridged.stdout.equals(plain.stdout), `${command[0]}: the same output`);
    t.equal(bridged.status, 0);
    for (const one of called) t.match(bridged.stderr, one);
  }
});

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
