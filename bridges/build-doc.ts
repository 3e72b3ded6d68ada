/** Writes docs/bridges.md from the declarations: `node dist/bridges/build-doc.js > docs/bridges.md`. */
import { codeOf } from './codes.js';
import { libraries } from './libraries/index.js';
import type { BridgedFunction, BridgedLibrary } from './library.js';
import { canFault } from './marshal.js';

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

function way({ implementation, prototype, declines }: BridgedFunction): string {
  if (declines) return "TypeScript, else the guest's own";
  if (implementation) return 'TypeScript';
  return canFault(prototype) ? 'pointers and widths converted' : 'the host function itself';
}

function section(library: BridgedLibrary): string[] {
  const code = codeOf(library.name);
  return [
    `## ${library.name} (${[library.soname, ...library.alsoIn].join(' and ')}, code ${hex(code)})`,
    '',
    library.description,
    '',
    '| function | code | how | with the whole library |',
    '| --- | --- | --- | --- |',
    ...library.functions.map((func) => {
      const { name, text } = func.prototype;
      const whole = library.preferred?.has(name) === false ? 'only where it is named' : 'yes';
      return `| \`${text}\` | ${hex(codeOf(name))} | ${way(func)} | ${whole} |`;
    }),
    '',
  ];
}

function document(): string {
  return [
    '# Bridges',
    '',
    "A bridge is a function of the host's in the place of one of the guest's: generated code calls it directly, its arguments read",
    "from the guest's stack inline. This file is written by `node dist/bridges/build-doc.js > docs/bridges.md`: change the",
    'declarations, not the file.',
    '',
    '- `--bridge libz,libm` or `all` bridges libraries: the guest loads its own, and the code of the functions below is not',
    "  executed. Whatever is not in the table, or not on the host, is the guest's own, function by function.",
    '- `--bridge-symbol libc:memcpy,strlen` bridges single functions; indirect functions (IFUNC) are told that the bridge is what they',
    '  look for.',
    '- `--bridge-stubs DIR` takes stub libraries from a directory that `bridge86 nativelib build` has filled: their functions are the',
    '  cookie `0f 3c`, `mov eax, LIBRARY`, `mov edx, FUNCTION`, `ret`; what they lack comes from the guest library that they need.',
    '- `--bridge-module FILE` has functions of your own: a module whose default export declares a library or several, by the same',
    '  prototypes, with what does each function in `written` ([embedding.md](embedding.md) has an example). The soname `' +
      "''` is the",
    '  program itself, of which every function can be replaced that its symbol table names.',
    '- `BRIDGE86_BRIDGES=libz,libc:memcpy+strlen` asks for the same, `--no-bridge` for none; `--bridge-report` tells at the end what',
    '  was called bridged, what was not, and why.',
    '',
    'A pointer that the guest may not read or write gives the guest its SIGSEGV at the function; nothing is done then. No host',
    'pointer reaches the guest: streams are handles, strings are copied into guest memory.',
    '',
    'Left to the guest are libraries whose objects go to and fro between programs and other libraries: libcrypto but for its digests',
    '(libssl and the providers look into its objects), libsqlite3 (programs hand it structures of their own functions), libpng and',
    'libjpeg (a structure that both sides write to, with functions that leave by longjmp). Programs that use them run with',
    '`--bridge all` as without.',
    '',
    ...libraries().flatMap(section),
  ].join('\n');
}

process.stdout.write(document());
