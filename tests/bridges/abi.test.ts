/** The declarations of bridges against the libraries' own headers, by the compiler of both ABIs. */
import { spawnSync } from 'node:child_process';
import tap from 'tap';
import { libraries } from '../../bridges/libraries/index.js';
import type { BridgedLibrary } from '../../bridges/library.js';
import { type Parameter, isScalar, type Result, type Scalar } from '../../bridges/prototype.js';

type Abi = 'i386' | 'host';

const GUEST_BYTES = { i32: 4, i64: 8, f32: 4, f64: 8 } as const;

/** A type as the checks below write it: bytes of an integer, -bytes of a floating-point number, 0 for pointers. */
function scalarKind(type: Scalar, abi: Abi): number {
  const bytes = abi === 'i386' ? GUEST_BYTES[type.guest] : type.host.includes('64') || type.host === 'double' ? 8 : 4;
  return type.host === 'double' || type.host === 'float' ? -bytes : bytes;
}
function parameterKind(parameter: Parameter, abi: Abi): number {
  return parameter.kind === 'scalar' ? scalarKind(parameter.type, abi) : parameter.kind === 'size' ? 4 : 0;
}
const VOID = 100;
function resultKind(result: Result, abi: Abi): number {
  return result === undefined ? VOID : isScalar(result) ? scalarKind(result, abi) : 0;
}

const PRELUDE = `
template <class T> struct Kind { enum { value = (T)0.5 == 0 ? (int)sizeof(T) : -(int)sizeof(T) }; };
template <class T> struct Kind<T *> { enum { value = 0 }; };
template <> struct Kind<void> { enum { value = ${VOID} }; };
template <int...> struct List {};
template <class A, class B> struct Same { enum { value = 0 }; };
template <class A> struct Same<A, A> { enum { value = 1 }; };
template <class T> struct Function;
template <class R, class... A> struct Function<R(A...)> { typedef List<Kind<R>::value, Kind<A>::value...> Kinds; };
`;

/** C++ that does not compile where a declaration is wrong. (In C++ the compiler can be asked for parameters' types.) */
function checks(library: BridgedLibrary, abi: Abi): string {
  const lines = library.headers.map((header) => `#include <${header}>`);
  lines.push(PRELUDE);
  for (const { headerName, name, layout } of library.structures.values()) {
    const { size, fields } = layout[abi];
    lines.push(`static_assert(sizeof(${headerName}) == ${size}, "size of ${name}");`);
    for (const field of fields) {
      const place = `__builtin_offsetof(${headerName}, ${field.name}) == ${field.offset}`;
      lines.push(`static_assert(${place}, "${name}.${field.name}");`);
    }
  }
  for (const { prototype } of library.functions) {
    if (OVERLOADED.has(prototype.name)) continue;
    const kinds = [
      resultKind(prototype.result, abi),
      ...prototype.parameters.map((parameter) => parameterKind(parameter, abi)),
    ];
    const declared = `Function<decltype(${prototype.name})>::Kinds`;
    lines.push(
      `static_assert(Same<${declared}, List<${kinds.join(', ')}>>::value, "${prototype.text.replace(/"/g, '')}");`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** In C++ there are two of each. */
const OVERLOADED = new Set(['memchr', 'strchr', 'strrchr']);

function compile(source: string, abi: Abi): { status: number | null; stderr: string } {
  const options = ['-std=c++14', '-w', '-nostdinc++', '-fsyntax-only', '-D_LARGEFILE64_SOURCE', '-x', 'c++', '-'];
  // Headers that depend on the ABI lie in the host's own directory only; those used here are the same for both.
  const directory = '-I/usr/include/x86_64-linux-gnu';
  const args = [abi === 'i386' ? '-m32' : '-m64', ...(source.includes('<openssl/') ? [directory] : []), ...options];
  return spawnSync('g++', args, { input: source, encoding: 'utf8' });
}

for (const library of libraries()) {
  for (const abi of ['i386', 'host'] as const) {
    const includes = library.headers.map((header) => `#include <${header}>\n`).join('');
    const skip = library.headers.length === 0 || compile(includes, abi).status !== 0;
    tap.test(`${library.name}, ${abi}`, { skip: skip && 'no compiler or no headers' }, (t) => {
      const { status, stderr } = compile(checks(library, abi), abi);
      t.equal(status, 0, stderr.slice(0, 2000));
      t.not(
        compile(`${checks(library, abi)}\nstatic_assert(Kind<int>::value == 8, "");`, abi).status,
        0,
        'it can fail',
      );
      t.end();
    });
  }
}
