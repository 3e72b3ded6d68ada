/**
 * Command lines over Debian's i386 programs. Each runs in a directory of its own that holds the files of `makeInputs`; what it
 * prints must not depend on time, user, machine or process numbers.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ProgramCase {
  readonly name: string;
  readonly command: readonly string[];
  readonly input?: string;
  /** Seconds that the slower engine may take; default 60. */
  readonly timeout?: number;
}

const LINES = 100_000;

/** Pseudo-random 32-bit numbers (the constants are those of Numerical Recipes). */
function* numbers(seed: number): Generator<number, never> {
  for (;;) yield (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
}

const WORDS =
  'alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon'.split(
    ' ',
  );

/** Writes the input files: `people` (100,000 lines of number, word, value), `marks` (every third number), `five` (5 MB), `text`. */
export function makeInputs(directory: string): void {
  const random = numbers(7);
  const next = (): number => random.next().value;
  const people: string[] = [];
  const marks: string[] = [];
  for (let i = 0; i < LINES; i++) {
    const id = String((Math.imul(i, 7919) % LINES) >>> 0).padStart(6, '0');
    people.push(`${id} ${WORDS[next() % WORDS.length]} ${(next() % 100000) / 100}`);
    if (i % 3 === 0) marks.push(`${id} ${next() % 100}`);
  }
  writeFileSync(join(directory, 'people'), `${people.join('\n')}\n`);
  writeFileSync(join(directory, 'marks'), `${marks.join('\n')}\n`);
  // Compressible, but not trivially: lines that share words with those before.
  const lines: string[] = [];
  for (let size = 0; size < 5_000_000;) {
    const line = next() % 4 ? lines[next() % (lines.length || 1)] : undefined;
    lines.push(line ?? `${next()} ${WORDS[next() % WORDS.length]} ${next()}`);
    size += lines.at(-1)!.length + 1;
  }
  writeFileSync(join(directory, 'five'), lines.join('\n').slice(0, 5_000_000));
  writeFileSync(join(directory, 'text'), people.slice(0, 400).join('\n').replaceAll(' ', '\t') + '\n');
  writeFileSync(join(directory, 'empty'), '');
}

const test = (name: string, command: string | readonly string[], more: Partial<ProgramCase> = {}): ProgramCase => ({
  name,
  command: typeof command === 'string' ? command.split(' ') : command,
  ...more,
});
const bash = (name: string, script: string, more: Partial<ProgramCase> = {}): ProgramCase =>
  test(`bash: ${name}`, ['bash', '-c', script], more);
const python = (name: string, script: string, more: Partial<ProgramCase> = {}): ProgramCase =>
  test(`python3: ${name}`, ['python3', '-c', script], more);
const perl = (name: string, script: string, more: Partial<ProgramCase> = {}): ProgramCase =>
  test(`perl: ${name}`, ['perl', '-e', script], more);
const gawk = (name: string, script: string, ...files: string[]): ProgramCase =>
  test(`gawk: ${name}`, ['gawk', script, ...files]);

export const PROGRAM_CASES: readonly ProgramCase[] = [
  // coreutils
  test('echo', ['echo', 'a  b', '-n', '', 'é']),
  test('printf', [
    'printf',
    '%s|%5d|%-5s|%x|%e|%.3f|%b\\n',
    'text',
    '42',
    'ab',
    '255',
    '12345.678',
    '2.71828',
    'a\\tb',
  ]),
  test('cat and its exit status', 'cat text empty missing'),
  bash('ls', 'ls -goA --time-style=+ | tail -n +2'),
  test('wc', 'wc people marks text empty'),
  test('head and tail', ['bash', '-c', 'head -n 3 people; tail -n 3 people; head -c 20 five; tail -c 20 five']),
  test('cut, paste, tr', ['bash', '-c', 'cut -f2 text | tr a-z A-Z | paste -d, - - - - | head -20']),
  test('sort numerically, uniq', ['bash', '-c', 'cut -f2 text | sort | uniq -c | sort -k1,1nr -k2']),
  test('seq and factor', ['bash', '-c', 'seq 1000000007 1000000017 | factor; seq 0 0.25 2; seq -w 8 11']),
  test('sums', 'md5sum sha1sum text'),
  bash('checksums of 5 MB', 'md5sum five; sha1sum five; sha256sum five; sha512sum five; cksum five; b2sum five', {
    timeout: 240,
  }),
  test('od', 'od -A x -t x1z -N 64 text'),
  test('base64', ['bash', '-c', 'base64 text | head -3; base64 text | base64 -d | cmp - text && echo same']),
  test('date', ['date', '-u', '-d', '2001-02-03 04:05:06 UTC', '+%A %d %B %Y %s %j %U']),
  test('expr and test', [
    'bash',
    '-c',
    'expr 6 \\* 7; expr abcdef : "abc\\(.*\\)"; test 1 -lt 2; echo $?; [ -f text ]; echo $?',
  ]),
  test('stat', ['stat', '-c', '%n %s %F %a', 'text', 'empty']),
  test('split and join together', [
    'bash',
    '-c',
    'split -n 7 -d text part.; ls part.*; cat part.* | cmp - text; echo $?; rm part.*',
  ]),
  test('false', 'false'),
  test('numfmt', 'numfmt --to=iec 1024 1500000 999999999999'),
  test('timeout', 'timeout 0.2 sleep 5'),
  // text
  test('grep -c', 'grep -c lambda people'),
  test('grep with a regular expression', ['grep', '-nE', '^0(0.)\\1 (alpha|beta) [0-9]+\\.[0-9]$', 'people']),
  test('grep -P', ['grep', '-oP', '(?<=gamma )\\d+(?=\\.5)', 'people']),
  test('grep without a match', 'grep nothing text'),
  test('sed', ['sed', '-nE', 's/^([0-9]+)\\t([a-z]+)\\t(.*)$/\\3 \\2 \\1/; /alpha|pi/ p; 40 q', 'text']),
  test('sed: hold space', ['sed', '-n', '1!G;h;$p', 'text']),
  gawk(
    'floating point formats',
    'BEGIN { for (i = -3; i < 12; i++) printf "%d %f %e %g %.15g %G\\n", i, i / 7, 10 ^ i, 2 ^ (i * 9), sqrt(i + 4), exp(-i) }',
  ),
  gawk(
    'mathematics',
    'BEGIN { printf "%.17g %.17g %.17g %.17g %.17g\\n", sin(1), cos(2), atan2(1, 3), log(10), exp(1); print 0.1 + 0.2, 1e300 * 1e10, -log(0), int(-3.7) }',
  ),
  gawk(
    'sums by word',
    '{ sum[$2] += $3; n[$2]++ } END { for (w in sum) printf "%s %d %.2f\\n", w, n[w], sum[w] / n[w] | "sort" }',
    'people',
  ),
  gawk(
    'strings',
    '{ gsub(/a/, "<&>"); print toupper(substr($0, 1, 20)), length($0), index($0, "t"), match($0, /[0-9]+$/) }',
    'text',
  ),
  bash(
    'sort, join and awk over 100,000 lines',
    'sort people > p; sort marks > m; join p m | awk \'{ s += $3 * $4; n++ } END { printf "%d %.3f\\n", n, s }\'; rm p m',
    { timeout: 120 },
  ),
  bash('sort by number over 100,000 lines', 'sort -k3,3n -k1,1r people | md5sum; sort -u -k2,2 people | wc -l', {
    timeout: 120,
  }),
  test('diff', [
    'bash',
    '-c',
    'sed "5d;9s/a/X/;20a new" text > other; diff text other; diff -u --label a --label b text other; cmp text other; rm other',
  ]),
  test('find', [
    'bash',
    '-c',
    'mkdir -p d/e/f; touch d/a.txt d/e/b.txt d/e/f/c.c; find d -name "*.txt" -printf "%P %d\\n" | sort; find d -type f -exec echo {} + | wc -w; find d -depth -delete; ls d',
  ]),
  test('xargs', ['bash', '-c', 'cut -f2 text | sort -u | xargs -n 3 echo']),
  test('file', 'file -b text empty /usr/bin/true'),
  // compressors
  bash(
    'gzip round trip over 5 MB',
    'gzip -n -c five > z && gzip -t z && gunzip -c z | cmp - five && wc -c < z && md5sum z; rm z',
    { timeout: 240 },
  ),
  bash('bzip2 round trip over 5 MB', 'bzip2 -c five > z && bunzip2 -c z | cmp - five && wc -c < z && md5sum z; rm z', {
    timeout: 240,
  }),
  bash('xz round trip over 5 MB', 'xz -1 -T1 -c five > z && xz -dc z | cmp - five && wc -c < z && md5sum z; rm z', {
    timeout: 240,
  }),
  bash(
    'zstd round trip over 5 MB',
    'zstd -q --single-thread --no-asyncio -c five > z && zstd -dqc --no-asyncio z | cmp - five && wc -c < z && md5sum z; rm z',
    { timeout: 240 },
  ),
  bash(
    'tar with gzip',
    'tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -czf t.tgz text marks && tar -tvf t.tgz && mkdir x && tar -xf t.tgz -C x && cmp text x/text && ls x; rm -r x t.tgz',
    { timeout: 120 },
  ),
  test('gzip: damaged input', [
    'bash',
    '-c',
    'gzip -c text | head -c 500 > z; gzip -dc z | wc -c; gzip -t z 2>/dev/null; echo $?; rm z',
  ]),
  // bash
  bash(
    'arithmetic and strings',
    'x=héllo; echo $((7 ** 13 % 1000)) $((0x7fffffffffffffff + 1)) ${#x} ${x^^} ${x/l/L} $((5 / -2)) $((-7 % 3)); printf "%q\\n" "a b"',
  ),
  bash(
    'arrays and loops',
    'declare -A a; for w in $(cut -f2 text); do ((a[$w]++)); done; for w in "${!a[@]}"; do echo "$w ${a[$w]}"; done | sort; b=(3 1 2); echo ${b[@]:1} ${#b[@]}',
  ),
  bash(
    'pipes, substitution, here documents',
    `n=$(grep -c alpha text); cat <<END | tr a-z A-Z
there are $n lines with alpha and $(cut -f2 text | sort -u | wc -l) words
END
while read -r a b; do echo "$b:$a"; done < <(head -3 text | cut -f1,2); echo \${PIPESTATUS[0]}; false | true; echo \${PIPESTATUS[@]}`,
  ),
  bash(
    'functions, subshells and traps',
    'f() { local v=$1; [ $v -le 1 ] && echo 1 || echo $((v * $(f $((v - 1))))); }; f 6; (exit 3); echo $?; trap "echo bye" EXIT; x=1; (x=2; echo $x); echo $x; exit 5',
  ),
  bash('background jobs', '(sleep 0.1; echo one) & (echo two) & wait $!; wait; echo done'),
  bash(
    'jobs one by one',
    'mkfifo a b; (read x <a; exit 3) & (read x <b; exit 5) & echo >b; wait -n; echo $?; echo >a; wait -n; echo $?; wait -n; echo $?; rm a b; sleep 100 & kill $!; wait $!; echo $?; kill -0 $! 2>/dev/null; echo $?',
  ),
  bash(
    'coprocess',
    'coproc { while read x; do echo "<$x>"; done; exit 4; }; p=$COPROC_PID; for i in 1 2 3; do echo $i >&${COPROC[1]}; read -u ${COPROC[0]} y; echo $y; done; exec {COPROC[1]}>&-; wait $p; echo $?',
  ),
  bash(
    'traps of signals, in subshells, of the end of children',
    'trap "echo usr1" USR1; kill -USR1 $$; (trap "echo sub; exit 9" TERM; kill -TERM $BASHPID; sleep 100); echo $?; (trap "" INT; kill -INT $BASHPID; echo on); set -m; trap "echo child" CHLD; /bin/true; trap - CHLD; trap "echo $?; exit 6" EXIT; f() { trap "echo returned" RETURN; return 2; }; f; exit 1',
  ),
  bash(
    'descriptors opened, copied and closed',
    'exec 7<text 8>out 9<>out; read -u 7 a b; echo "$b" >&8; read -u 9 c; echo "$c"; exec 8>&-; echo x >&8; echo $?; cat <&-; echo $?; echo y >&-; echo $?; (exec 1>&7; echo z); echo $?; rm out',
  ),
  bash('external commands in a loop', 'for i in 1 2 3 4 5 6 7 8; do /usr/bin/expr $i \\* $i; done | paste -sd+ | bc'),
  bash('no such command', 'nosuchcommand; echo $?; ./text; echo $?; exit 300'),
  test('sh script', [
    'bash',
    '-c',
    'printf "#!/bin/bash\\necho script \\$# \\"\\$1\\"\\n" > s; chmod +x s; ./s "a b" c; rm s',
  ]),
  test('busybox', [
    'bash',
    '-c',
    'busybox ash -c \'for i in 1 2; do echo $i; done\'; busybox cat text | busybox md5sum; busybox awk "BEGIN { print 1/3 }"',
  ]),
  // Python
  python('integers', 'print(2**200, 3**50 % 10**9, hash(12345), divmod(-7, 3), int("ff", 16), 10**30 // 7**11)'),
  python(
    'floats',
    'import math\nprint(0.1 + 0.2, 1/3, 1e308 * 10, float("nan"), 2.5e-324, math.pi, math.e ** math.pi)\nprint([round(x * 0.35, 3) for x in range(10)], "%.20f %g %e" % (0.1, 1e-5, 12345.678))\nprint([repr(7.0 ** -n) for n in range(20)], math.fsum([0.1] * 10), (0.1).hex())\nprint(math.sin(1e6), math.log1p(1e-10), math.gamma(5.5), math.erf(0.5))',
  ),
  python(
    'json',
    'import json\nd = {"a": [1, 2.5, None, True], "b": {"c": "\\u00e9\\n"}, "n": 1e100}\ns = json.dumps(d, sort_keys=True, indent=1)\nprint(s, json.loads(s) == d)',
  ),
  python(
    're',
    'import re\nt = open("text").read()\nprint(len(re.findall(r"(\\d+)\\t(alpha|pi)\\t", t)), re.sub(r"(?m)^(\\d+)\\t(\\w+).*$", r"\\2-\\1", t)[:200])',
  ),
  python(
    'hashlib',
    'import hashlib\nd = open("five", "rb").read(500000)\nfor n in ["md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"]: print(n, hashlib.new(n, d).hexdigest())',
    { timeout: 120 },
  ),
  python(
    'decimal and fractions',
    'from decimal import *\nfrom fractions import Fraction\ngetcontext().prec = 60\nprint(Decimal(2).sqrt(), Decimal(1) / 7, Decimal("1.1") ** 30, Fraction(355, 113) - Fraction(22, 7), Decimal(10).ln())',
  ),
  python(
    'collections and sorting',
    'from collections import Counter\nw = [l.split()[1] for l in open("people")]\nc = Counter(w)\nprint(sorted(c.items(), key=lambda p: (-p[1], p[0]))[:5], len(set(w)))',
  ),
  python(
    'struct, zlib and base64',
    'import struct, zlib, base64, binascii\nd = open("text", "rb").read()\nz = zlib.compress(d, 6)\nprint(len(z), zlib.decompress(z) == d, zlib.crc32(d), zlib.adler32(d), base64.b85encode(struct.pack("<qdfh", -5, 0.1, 0.1, -2)), binascii.crc_hqx(d, 0))',
  ),
  python(
    'exceptions and generators',
    'import traceback\ndef g():\n  try:\n    yield from (1 / x for x in (1, 2, 0))\n  finally: print("cleanup")\ntry: print(list(g()))\nexcept ZeroDivisionError as e: print("caught", e)\nclass A:\n  def __getattr__(s, n): return n * 2\nprint(A().xy, f"{3.14159:8.3f}|{255:#x}|{1234567:,}")',
  ),
  python(
    'datetime and random',
    'import datetime, random\nr = random.Random(42)\nprint(r.random(), r.gauss(0, 1), r.sample(range(100), 5))\nprint(datetime.date(2000, 2, 29) + datetime.timedelta(days=10000), datetime.datetime(2024, 1, 1).isoformat())',
  ),
  python('exit status', 'import sys\nprint("to stdout"); sys.exit(17)'),
  python('uncaught exception', 'raise SystemError("x")'),
  python(
    'subprocess',
    'import subprocess\nprint(subprocess.run(["sort", "-r"], input="a\\nc\\nb\\n", text=True, capture_output=True).stdout, subprocess.call(["false"]))',
  ),
  python(
    'sqlite3 and lzma modules',
    'import sqlite3, lzma, bz2\nc = sqlite3.connect(":memory:")\nc.execute("create table t(a, b)")\nc.executemany("insert into t values(?, ?)", [(i, i * 0.1) for i in range(1000)])\nprint(c.execute("select sum(a), avg(b), count(*) from t where a % 3 = 0").fetchall())\nd = b"hello " * 1000\nprint(len(lzma.compress(d)), lzma.decompress(lzma.compress(d)) == d, len(bz2.compress(d)))',
  ),
  // Perl
  perl(
    'sprintf',
    'printf("%s %d %05.2f %e %g %x %o %b %c|%-8s|%+d %.15g %s\\n", "s", -42, 3.14159, 12345.678, 1e-5, 255, 8, 5, 65, "left", 7, 0.1, 1/3); print 1e15, " ", 1e16, " ", 0.1+0.2, " ", 10**20, " ", -7 % 3, " ", 2**0.5, "\\n";',
  ),
  perl(
    'sort',
    'open F, "people"; my @l = <F>; my @s = sort { (split " ", $a)[2] <=> (split " ", $b)[2] || $a cmp $b } @l[0..5000]; print @s[0..9], scalar(@s), "\\n";',
    { timeout: 120 },
  ),
  perl(
    'hashes and regular expressions',
    'open F, "text"; while (<F>) { $n{$1} += $2 if /^\\d+\\t(\\w+)\\t([\\d.]+)$/; } printf "%s %.2f\\n", $_, $n{$_} for sort keys %n; $_ = "aXbXc"; my @p = split /X/; print join("|", map { ucfirst } @p), "\\n"; ($t = "hello") =~ tr/a-y/b-z/; print "$t\\n";',
  ),
  perl(
    'pack and big numbers',
    'print unpack("H*", pack("NnCwdA5", 1, 2, 3, 300, 0.5, "ab")), " ", 0xffffffff + 1, " ", 2**53 + 1, " ", int(-3.5), " ", 18446744073709551615, "\\n"; use Math::BigInt; print Math::BigInt->new(2)->bpow(150), "\\n";',
  ),
  perl(
    'system and pipes',
    'print `echo from the shell`; system("sh", "-c", "exit 3"); print $? >> 8, "\\n"; open P, "-|", "seq 5"; print reverse <P>; my $p = fork; if (!$p) { exit 9 } waitpid $p, 0; print $? >> 8, "\\n"; die "the end\\n";',
  ),
  // others
  test('lua', [
    'lua5.4',
    '-e',
    'local t = {} for i = 1, 2000 do t[i] = (i * 7919) % 2003 end table.sort(t) print(t[1], t[1000], #t, 7 // 2, 7 / 2, 2 ^ 53, 1e100, math.pi, 10 // 0.3, string.format("%.14g %5.1f %q %x", 0.1, 2.25, "a\\n", 255)) print(("x"):rep(3), ("hello world"):gsub("o", "0"), math.maxinteger + 1 == math.mininteger, 3 | 4, "10" + 5) goto e do print("no") end ::e:: print(select("#", 1, nil, nil), pcall(error, "e"))',
  ]),
  test('lua: closures and coroutines', [
    'lua5.4',
    '-e',
    'local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i) end end) end local s = 0 for v in gen(5000) do s = s + v end print(s) local m = setmetatable({}, { __index = function(_, k) return k .. "!" end }) print(m.a, m.b) local f = io.open("text") local n = 0 for l in f:lines() do n = n + #l end print(n)',
  ]),
  test('sqlite3 in memory', [
    'sqlite3',
    ':memory:',
    'with recursive c(x) as (values(1) union all select x + 1 from c where x < 3000) select sum(x), avg(x * 0.1), count(*), max(x % 97) from c; select 0.1 + 0.2, 1e100, 7 / 2, 7 / 2.0, hex("abc"), upper("é"), printf("%.3f", 2.0 / 3);',
  ]),
  bash(
    'sqlite3 writes and reads a database file',
    `head -n 20000 people > some
sqlite3 db <<'END'
create table people(id integer primary key, word text, value real);
create index by_word on people(word);
.mode list
.separator " "
.import some people
select count(*), round(avg(value), 4) from people;
update people set value = value * 2 where word = 'pi';
delete from people where id % 2 = 0;
END
sqlite3 db 'select word, count(*), round(sum(value), 2) from people group by word order by word; pragma integrity_check; select * from nowhere'; echo $?; rm db some`,
    { timeout: 120 },
  ),
  test('openssl dgst', [
    'bash',
    '-c',
    'for a in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$a text; done; openssl dgst -sha256 -hmac key text',
  ]),
  bash(
    'openssl enc',
    'for c in aes-128-cbc aes-256-ctr des-ede3-cbc chacha20 camellia-128-cbc; do openssl enc -$c -K 000102030405060708090a0b0c0d0e0f -iv 00 -in text -out e 2>/dev/null || openssl enc -$c -pbkdf2 -S 0102030405060708 -k pass -in text -out e; md5sum e; done; openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -k pass -in text -out e && openssl enc -d -aes-256-cbc -pbkdf2 -S 0102030405060708 -k pass -in e | cmp - text && echo same; rm e',
  ),
  bash(
    'openssl keys',
    'openssl genrsa 1024 2>/dev/null > k && openssl rsa -in k -pubout 2>/dev/null > p && openssl dgst -sha256 -sign k -out s text && openssl dgst -sha256 -verify p -signature s text; openssl prime 1000000007; rm k p s',
    { timeout: 120 },
  ),
  test('bc', 'bc -l', { input: 'scale=50\n4*a(1)\ne(1)\nsqrt(2)\n2^200\n5/3\nobase=16\n255*255\n' }),
  test('bc: a loop', 'bc', {
    input: 'define f(n) {\n if (n <= 1) return 1;\n return n * f(n - 1);\n}\nf(40)\nfor (i = 0; i < 5; i++) i * i\n',
  }),
  test(
    'jq',
    [
      'jq',
      '-c',
      '[.[] | select(.a > 1) | {a, b: (.b | ascii_upcase), c: (.a / 3), d: (.a * 1e10)}], (map(.a) | add), ([.[].b] | sort | join("-"))',
    ],
    { input: '[{"a":1,"b":"x"},{"a":2.5,"b":"y\\u00e9"},{"a":3,"b":"z"}]' },
  ),
  test('jq: an error', ['jq', '.a.b'], { input: '{"a": 5}' }),
];
