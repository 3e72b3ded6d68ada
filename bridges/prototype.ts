/**
 * Declarations of bridged functions: a C prototype of the guest's function with the annotations that marshalling needs,
 * parsed once. Everything else about a function (codes, host binding, generated code, documentation) follows from it.
 *
 *   double sin(double x)
 *   int compress2(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen, int level)
 *
 * Types: int, uint, long, ulong, size_t, ssize_t (32 bits in the guest; long and size_t have 64 on the host), int64, uint64,
 * double, float, void (results only), and for pointers:
 *   in|out|inout(LENGTH) bytes p   LENGTH bytes: products of numbers, parameters and `*p` of a cell; `?` after the closing
 *                                  parenthesis lets p be NULL whatever the length
 *   in cstring s                   a string up to its NUL
 *   in|out|inout TYPE* p           a cell of a type, converted
 * A bridge that is written in TypeScript takes its pointers as they come: `pointer p`.
 */
import type { BridgeType } from '../translator/bridge.js';

export type Direction = 'in' | 'out' | 'inout';

/** A scalar's width in guest and host, in bits. */
export interface Scalar {
  readonly guest: BridgeType;
  readonly host: 'int' | 'uint' | 'int64_t' | 'uint64_t' | 'double' | 'float';
  readonly signed: boolean;
}

export const SCALARS: Readonly<Record<string, Scalar>> = {
  int: { guest: 'i32', host: 'int', signed: true },
  uint: { guest: 'i32', host: 'uint', signed: false },
  long: { guest: 'i32', host: 'int64_t', signed: true },
  ulong: { guest: 'i32', host: 'uint64_t', signed: false },
  ssize_t: { guest: 'i32', host: 'int64_t', signed: true },
  size_t: { guest: 'i32', host: 'uint64_t', signed: false },
  int64: { guest: 'i64', host: 'int64_t', signed: true },
  uint64: { guest: 'i64', host: 'uint64_t', signed: false },
  double: { guest: 'f64', host: 'double', signed: true },
  float: { guest: 'f32', host: 'float', signed: true },
};

/** A length as a product of factors. */
export type Factor = number | { parameter: string } | { cell: string };

export type Parameter = { readonly name: string } & (
  | { readonly kind: 'scalar'; readonly type: Scalar }
  | {
      readonly kind: 'bytes';
      readonly direction: Direction;
      readonly length: readonly Factor[];
      readonly nullable: boolean;
    }
  | { readonly kind: 'string' }
  | { readonly kind: 'cell'; readonly direction: Direction; readonly type: Scalar }
  | { readonly kind: 'pointer' }
);

export interface Prototype {
  readonly name: string;
  readonly text: string;
  /** undefined: void; 'pointer': a guest address that the TypeScript function gives. */
  readonly result: Scalar | 'pointer' | undefined;
  readonly parameters: readonly Parameter[];
}

const PARAMETER = /^(?:(in|out|inout)(?:\(([^)]*)\)(\?)?)?\s+)?(\w+)\s*(\*)?\s*(\w+)$/;

/** @throws Error where the text is no prototype: a defect of a declaration, found by the tests */
export function parsePrototype(text: string): Prototype {
  const fail = (what: string): never => {
    throw new Error(`bridge declaration '${text}': ${what}`);
  };
  const match = /^\s*(\w+)\s+(\w+)\s*\((.*)\)\s*$/s.exec(text);
  if (!match) return fail('no C prototype');
  const [, resultType, name, list] = match as unknown as [string, string, string, string];
  const result =
    resultType === 'void'
      ? undefined
      : resultType === 'pointer'
        ? 'pointer'
        : (SCALARS[resultType] ?? fail(`unknown type ${resultType}`));
  const parts = list.trim() === '' || list.trim() === 'void' ? [] : splitList(list);
  const parameters = parts.map((part): Parameter => {
    const found = PARAMETER.exec(part.trim());
    if (!found) return fail(`unreadable parameter '${part.trim()}'`);
    const [, direction, length, nullable, type, star, parameter] = found as unknown as [
      string,
      Direction | undefined,
      string | undefined,
      string | undefined,
      string,
      string | undefined,
      string,
    ];
    if (type === 'bytes') {
      if (!direction || length === undefined) return fail(`${parameter}: bytes need a direction and a length`);
      return {
        name: parameter,
        kind: 'bytes',
        direction,
        length: parseLength(length),
        nullable: nullable !== undefined,
      };
    }
    if (type === 'cstring') return { name: parameter, kind: 'string' };
    if (type === 'pointer') return { name: parameter, kind: 'pointer' };
    const scalar = SCALARS[type] ?? fail(`unknown type ${type}`);
    if (star === undefined) return { name: parameter, kind: 'scalar', type: scalar };
    return {
      name: parameter,
      kind: 'cell',
      direction: direction ?? fail(`${parameter}: a direction is missing`),
      type: scalar,
    };
  });
  for (const parameter of parameters) {
    if (parameter.kind !== 'bytes') continue;
    for (const factor of parameter.length) {
      if (typeof factor === 'number') continue;
      const wanted = 'cell' in factor ? factor.cell : factor.parameter;
      const other = parameters.find((candidate) => candidate.name === wanted);
      if (other?.kind !== ('cell' in factor ? 'cell' : 'scalar')) fail(`${parameter.name}: no length '${wanted}'`);
    }
  }
  return { name, text: text.replace(/\s+/g, ' ').trim(), result, parameters };
}

/** Splits at commas outside parentheses. */
function splitList(list: string): string[] {
  return list.split(/,(?![^(]*\))/);
}

/** `4 * count`, `*destLen`. A star at the start or after a star names a cell's contents. */
function parseLength(text: string): Factor[] {
  const tokens = text.match(/\*|\w+/g) ?? [];
  const factors: Factor[] = [];
  let expectsFactor = true;
  let cell = false;
  for (const token of tokens) {
    if (token === '*') {
      if (expectsFactor) cell = true;
      else expectsFactor = true;
      continue;
    }
    factors.push(/^\d+$/.test(token) ? Number(token) : cell ? { cell: token } : { parameter: token });
    expectsFactor = false;
    cell = false;
  }
  return factors;
}
