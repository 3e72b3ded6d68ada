/**
 * Declarations of bridged functions: a C prototype of the guest's function with the annotations that marshalling needs,
 * parsed once. Everything else about a function (codes, host binding, generated code, documentation) follows from it.
 *
 *   double sin(double x)
 *   int compress2(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen, int level)
 *   int deflateInit_(new z_stream* stream, int level, in cstring version, sizeof(z_stream) int size)
 *
 * Types: int, uint, long, ulong, size_t, ssize_t (32 bits in the guest; long and size_t have 64 on the host), int64, uint64,
 * double, float, void (results only), and for pointers:
 *   in|out|inout(LENGTH) bytes p   LENGTH bytes: products of numbers, parameters and `*p` of a cell; `?` after the closing
 *                                  parenthesis lets p be NULL whatever the length
 *   out(LENGTH upto N) bytes p     LENGTH is known after the call only, and is at most N
 *   in cstring s                   a string up to its NUL; `in? cstring` may be NULL
 *   in|out|inout TYPE* p           a cell of a type, converted; `in?`, `out?`, `inout?`: may be NULL
 *   in|out|inout STRUCT* p         a structure (`structure.ts`), converted and its buffers checked
 *   new|renew|keep|inout STRUCT* p a structure that the host keeps a copy of: made (renew: or used again); only numbers
 *                                  converted (keep), or buffers, too
 *   live STRUCT* p                 as keep, where the function does not look whether it is one; `live inout`: nor for NULL
 *   copy(q) STRUCT* p              made as a copy of q
 *   attach(q) in|inout STRUCT* p   a structure that belongs to q from now on
 *   sizeof(STRUCT) int n           its size, on each side its own
 *   handle KIND p                  an object of the host's by its handle; `handle?`: or NULL; `closes` before it: gone after the call
 *   out handle KIND* p             where the function puts such an object
 *   callback NAME f, user data     a guest function (`callback.ts`), and a word that is handed to it
 * As results besides: handle KIND (`known handle KIND`: one that may have a handle already), cstring (a constant of the
 * library's, copied to the guest once), `cstring of p` (copied; gone with the handle p or with the function's next call for it).
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
export type Factor = number | { readonly parameter: string } | { readonly cell: string };

/** How a structure that the host keeps is passed: see above. */
export type KeptMode = 'new' | 'renew' | 'keep' | 'live' | 'inout' | 'copy';

export type Parameter = { readonly name: string } & (
  | { readonly kind: 'scalar'; readonly type: Scalar }
  | {
      readonly kind: 'bytes';
      readonly direction: Direction;
      readonly length: readonly Factor[];
      readonly nullable: boolean;
      /** The length is known after the call, and at most this. */
      readonly most: number | undefined;
    }
  | { readonly kind: 'string'; readonly nullable: boolean }
  | { readonly kind: 'cell'; readonly direction: Direction; readonly type: Scalar; readonly nullable: boolean }
  | { readonly kind: 'pointer' }
  | { readonly kind: 'structure'; readonly structure: string; readonly direction: Direction }
  | {
      readonly kind: 'kept';
      readonly structure: string;
      readonly mode: KeptMode;
      readonly source: string | undefined;
      /** The function does not look for NULL. */
      readonly nonNull: boolean;
    }
  | {
      readonly kind: 'attached';
      readonly structure: string;
      readonly owner: string;
      readonly direction: Direction;
    }
  | { readonly kind: 'size'; readonly structure: string }
  | { readonly kind: 'handle'; readonly handle: string; readonly closes: boolean; readonly nullable: boolean }
  | { readonly kind: 'handleCell'; readonly handle: string }
  | { readonly kind: 'callback'; readonly callback: string }
  | { readonly kind: 'user' }
);

export type Result =
  | Scalar
  | 'pointer'
  | { readonly handle: string; readonly known: boolean }
  | { readonly string: true; readonly of: string | undefined }
  | undefined;

export interface Prototype {
  readonly name: string;
  readonly text: string;
  /** undefined: void; 'pointer': a guest address that the TypeScript function gives. */
  readonly result: Result;
  readonly parameters: readonly Parameter[];
}

export function isScalar(result: Result): result is Scalar {
  return typeof result === 'object' && 'guest' in result;
}

/** Which names of structures there are, and whether the host keeps copies of them. */
export type StructureKinds = ReadonlyMap<string, { readonly isKept: boolean }>;

const PARAMETER =
  /^(?:(?<word>in|out|inout|new|renew|keep|live|copy|attach|closes|sizeof)(?:\((?<inner>[^)]*)\))?(?<nullable>\?)?\s+)?(?:(?<second>in|inout)\s+)?(?:(?<class>handle|callback)(?<orNull>\?)?\s+)?(?<type>\w+)\s*(?<star>\*)?\s*\b(?<name>\w+)$/;

const RESULT = /^(?:(?<known>known\s+)?handle\s+(?<handle>\w+)|cstring\s+of\s+(?<of>\w+)|(?<type>\w+))$/;

/** @throws Error where the text is no prototype: a defect of a declaration, found by the tests */
export function parsePrototype(text: string, structures: StructureKinds = new Map()): Prototype {
  const fail = (what: string): never => {
    throw new Error(`bridge declaration '${text}': ${what}`);
  };
  const match = /^\s*([\w\s]+?)\s+(\w+)\s*\((.*)\)\s*$/s.exec(text);
  if (!match) return fail('no C prototype');
  const [, resultText, name, list] = match as unknown as [string, string, string, string];
  const parts = list.trim() === '' || list.trim() === 'void' ? [] : splitList(list);
  const parameters = parts.map((part) => parseParameter(part.trim(), structures, fail));
  checkLengths(parameters, fail);
  return {
    name,
    text: text.replace(/\s+/g, ' ').trim(),
    result: parseResult(resultText, parameters, fail),
    parameters,
  };
}

type Fail = (what: string) => never;

function parseResult(text: string, parameters: readonly Parameter[], fail: Fail): Result {
  const groups = RESULT.exec(text)?.groups as Partial<Record<'known' | 'handle' | 'of' | 'type', string>> | undefined;
  if (!groups) return fail(`unknown type ${text}`);
  if (groups.handle !== undefined) return { handle: groups.handle, known: groups.known !== undefined };
  if (groups.of !== undefined) {
    const owner = parameters.find((one) => one.name === groups.of);
    if (owner?.kind !== 'handle') fail(`'${groups.of}' is no handle`);
    return { string: true, of: groups.of };
  }
  const { type } = groups;
  if (type === 'void') return undefined;
  if (type === 'pointer') return 'pointer';
  if (type === 'cstring') return { string: true, of: undefined };
  return SCALARS[type!] ?? fail(`unknown type ${type}`);
}

interface ParameterGroups {
  readonly word?: string;
  readonly inner?: string;
  readonly nullable?: string;
  readonly second?: Direction;
  readonly class?: 'handle' | 'callback';
  readonly orNull?: string;
  readonly type: string;
  readonly star?: string;
  readonly name: string;
}

const KEPT_MODES: ReadonlySet<string> = new Set(['new', 'renew', 'keep', 'live', 'inout', 'copy']);

function parseParameter(part: string, structures: StructureKinds, fail: Fail): Parameter {
  const found = PARAMETER.exec(part)?.groups as ParameterGroups | undefined;
  if (!found) return fail(`unreadable parameter '${part}'`);
  const { word, inner, type, star, name } = found;
  const nullable = found.nullable !== undefined;
  const isDirection = word === 'in' || word === 'out' || word === 'inout';
  const direction = (): Direction => (isDirection ? word : fail(`${name}: a direction is missing`));
  if (found.class === 'callback') return { name, kind: 'callback', callback: type };
  if (found.class === 'handle') {
    if (star === undefined) {
      return { name, kind: 'handle', handle: type, closes: word === 'closes', nullable: found.orNull !== undefined };
    }
    return word === 'out' ? { name, kind: 'handleCell', handle: type } : fail(`${name}: handles are only put`);
  }
  if (word === 'sizeof') {
    if (!structures.has(inner ?? '')) fail(`${name}: no structure '${inner}'`);
    return { name, kind: 'size', structure: inner! };
  }
  if (word === 'attach') {
    return { name, kind: 'attached', structure: type, owner: inner!, direction: found.second ?? fail('no direction') };
  }
  switch (type) {
    case 'bytes': {
      const [length, most] = (inner ?? fail(`${name}: bytes need a direction and a length`)).split(/\s+upto\s+/);
      return {
        name,
        kind: 'bytes',
        direction: direction(),
        length: parseLength(length!),
        nullable,
        most: most === undefined ? undefined : Number(most),
      };
    }
    case 'cstring':
      return { name, kind: 'string', nullable };
    case 'pointer':
      return { name, kind: 'pointer' };
    case 'user':
      return { name, kind: 'user' };
  }
  const structure = structures.get(type);
  if (structure && star !== undefined) {
    if (!structure.isKept) return { name, kind: 'structure', structure: type, direction: direction() };
    if (!KEPT_MODES.has(word ?? '')) fail(`${name}: how is a ${type} that is kept passed?`);
    const nonNull = word === 'live';
    const mode = nonNull && found.second === 'inout' ? 'inout' : (word as KeptMode);
    return { name, kind: 'kept', structure: type, mode, source: word === 'copy' ? inner : undefined, nonNull };
  }
  const scalar = SCALARS[type] ?? fail(`unknown type ${type}`);
  if (star === undefined) return { name, kind: 'scalar', type: scalar };
  return { name, kind: 'cell', direction: direction(), type: scalar, nullable };
}

function checkLengths(parameters: readonly Parameter[], fail: Fail): void {
  for (const parameter of parameters) {
    if (parameter.kind !== 'bytes') continue;
    for (const factor of parameter.length) {
      if (typeof factor === 'number') continue;
      const wanted = 'cell' in factor ? factor.cell : factor.parameter;
      const other = parameters.find((candidate) => candidate.name === wanted);
      if (other?.kind !== ('cell' in factor ? 'cell' : 'scalar')) fail(`${parameter.name}: no length '${wanted}'`);
    }
  }
}

/** Splits at commas outside parentheses. */
export function splitList(list: string): string[] {
  return list.split(/,(?![^(]*\))/);
}

/** `4 * count`, `*destLen`. A star at the start or after a star names a cell's contents. */
export function parseLength(text: string): Factor[] {
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
