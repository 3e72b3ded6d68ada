/** Stub libraries: what is in them, and that tools, the dynamic linker and gcc's idea of them agree. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap from 'tap';
import { codeOf } from '../../bridges/codes.js';
import { readSharedLibrary, type SharedLibrary } from '../../bridges/elf-library.js';
import { libraries } from '../../bridges/libraries/index.js';
import { gnuHash, stubSymbols, sysvHash, writeStubLibrary } from '../../bridges/stub-library.js';
import { cookieBytes } from '../../translator/bridge.js';
import { PROJECT } from '../support/paths.js';

const directory = mkdtempSync(join(tmpdir(), 'bridge86-test-'));
tap.teardown(() => rmSync(directory, { recursive: true, force: true }));

const libz = libraries().find(({ name }) => name === 'libz')!;

/** A library as the guest may have it: two versions of one function, one function that no bridge is declared for. */
const guest: SharedLibrary = {
  soname: 'libz.so.1',
  versions: [
    { name: 'libz.so.1', hash: sysvHash('libz.so.1'), flags: 1, index: 1, parents: [] },
    { name: 'ZLIB_1', hash: sysvHash('ZLIB_1'), flags: 0, index: 2, parents: [] },
    { name: 'ZLIB_2', hash: sysvHash('ZLIB_2'), flags: 0, index: 3, parents: ['ZLIB_1'] },
  ],
  segments: [],
  imports: [],
  symbols: [
    ...libz.functions.map(({ prototype }, index) => ({
      name: prototype.name,
      value: 0x1000 + 16 * index,
      size: 16,
      type: 2,
      binding: 1,
      version: prototype.name.startsWith('in') ? 'ZLIB_2' : 'libz.so.1',
      hidden: false,
    })),
    { name: 'crc32', value: 0x9000, size: 1, type: 2, binding: 1, version: 'ZLIB_1', hidden: true },
    { name: 'gzopen', value: 0x9100, size: 1, type: 2, binding: 1, version: 'ZLIB_1', hidden: false },
  ],
};
const bytes = writeStubLibrary(libz, guest, undefined);
const file = join(directory, 'libz.so.1');
writeFileSync(file, bytes);

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const key = ({ name, version, hidden }: SharedLibrary['symbols'][number]): string =>
  `${name}${hidden ? '@' : '@@'}${version ?? ''}`;

tap.test('a stub read back', (t) => {
  t.equal(gnuHash('printf'), 0x156b2bb8);
  t.equal(sysvHash('printf'), 0x077905a6);
  const found = readSharedLibrary((offset, length) => bytes.slice(offset, offset + length), 'stub')!;
  t.equal(found.soname, 'libz.so.1');
  t.same(found.versions, guest.versions);
  t.same(found.symbols.map(key).sort(), stubSymbols(libz, guest).map(key).sort());
  for (const { name, value } of found.symbols) {
    t.same(bytes.slice(value, value + 13), cookieBytes(codeOf('libz'), codeOf(name)), name);
  }
  t.end();
});

tap.test('readelf and objdump', { skip: !has('readelf') || !has('objdump') }, (t) => {
  const { stdout, stderr } = spawnSync('readelf', ['-aW', file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  t.equal(stderr, '', 'no complaints');
  t.match(stdout, /Library soname: \[libz\.so\.1\]/);
  t.match(stdout, /\.gnu\.hash +GNU_HASH +\w+ \w+ \w+ 04 +A/, 'its entries have the size that ld gives them');
  t.match(stdout, /FUNC +GLOBAL DEFAULT +\d+ inflate@@ZLIB_2/);
  const disassembly = spawnSync('objdump', ['-d', file], { encoding: 'utf8' }).stdout;
  t.match(
    disassembly,
    /0f 3c\s+\(bad\)\s+[0-9a-f]+:\tb8 .*mov +\$0x[0-9a-f]+,%eax\s+.*mov +\$0x[0-9a-f]+,%edx\s+.*ret/,
  );
  t.end();
});

const build = (output: string, ...args: string[]): boolean =>
  spawnSync('gcc', ['-m32', '-o', output, ...args], { cwd: directory }).status === 0;
writeFileSync(join(directory, 'empty.c'), 'int main(void) { return 0; }\n');
const canBuild = build('empty', 'empty.c') && spawnSync(join(directory, 'empty')).status === 0;

tap.test("glibc's dynamic linker, and what gcc makes of the header", { skip: !canBuild && 'no gcc -m32' }, (t) => {
  writeFileSync(
    join(directory, 'user.c'),
    `#include <dlfcn.h>
#include <stdio.h>
int main(void) {
  void *stub = dlopen("./libz.so.1", RTLD_NOW);
  unsigned char *code = stub ? dlvsym(stub, "inflate", "ZLIB_2") : 0;
  if (!code) { puts(dlerror()); return 1; }
  void *old = dlvsym(stub, "crc32", "ZLIB_1");
  printf("%02x %02x %d %d\\n", code[0], code[1], old && old != dlsym(stub, "crc32"), dlsym(stub, "gzopen") == 0);
  return 0;
}
`,
  );
  t.ok(build('user', 'user.c', '-ldl'));
  const { stdout } = spawnSync(join(directory, 'user'), { cwd: directory, encoding: 'utf8' });
  t.equal(stdout, '0f 3c 1 1\n');

  const lines = libz.functions.map(
    ({ prototype }) => `NATIVELIB_FUNCTION(${prototype.name}, ${codeOf('libz')}, ${codeOf(prototype.name)})`,
  );
  writeFileSync(join(directory, 'stub.c'), `#include "nativelib.h"\n${lines.join('\n')}\n`);
  t.ok(build('by-gcc.so', '-shared', '-nostdlib', '-I', join(PROJECT, 'bridges'), '-Wl,-soname,libz.so.1', 'stub.c'));
  const names = (path: string): string[] =>
    spawnSync('nm', ['-D', '--defined-only', '--without-symbol-versions', path], { encoding: 'utf8' })
      .stdout.split('\n')
      .map((line) => line.split(' ')[2] ?? '')
      .filter((name) => name !== '' && !name.startsWith('_'))
      .sort();
  t.same(names(join(directory, 'by-gcc.so')), [...new Set(names(file))]);
  t.end();
});
