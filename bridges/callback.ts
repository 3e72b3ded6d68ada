/**
 * Callbacks: guest functions that the host's library calls. Each guest function gets a host function pointer when it is first
 * passed; called, that turns the host's arguments into the guest's, runs the guest's function and gives its result back.
 *
 *   int compare(user data, int firstLength, in(firstLength) bytes first, int secondLength, in(secondLength) bytes second)
 *   void function(handle sqlite3_context context, int count, in(count) handle sqlite3_value[] values)
 *
 * Parameters: the scalar types, `user` (what the guest gave as such), `in(LENGTH) bytes`, `in cstring` (copied for the time of
 * the call), `handle KIND` (for the time of the call, unless the object has a handle already) and `in(COUNT) handle KIND[]`,
 * `in(COUNT) cstring[]`. Results: void and the 32-bit scalar types.
 */
import type { NativeType } from '../runtime/host/native-library.js';
import type { BridgeContext } from './library.js';
import { type Factor, isScalar, parseLength, type Scalar, SCALARS, splitList } from './prototype.js';

export type CallbackParameter = { readonly name: string } & (
  | { readonly kind: 'scalar'; readonly type: Scalar }
  | { readonly kind: 'user' }
  | { readonly kind: 'bytes'; readonly length: readonly Factor[] }
  | { readonly kind: 'string' }
  | { readonly kind: 'strings'; readonly length: readonly Factor[] }
  | { readonly kind: 'handle'; readonly handle: string }
  | { readonly kind: 'handles'; readonly handle: string; readonly length: readonly Factor[] }
);

export interface CallbackPrototype {
  readonly name: string;
  readonly text: string;
  readonly result: Scalar | undefined;
  readonly parameters: readonly CallbackParameter[];
}

const PARAMETER =
  /^(?:in(?:\((?<inner>[^)]*)\))?\s+)?(?:(?<handle>handle)\s+)?(?<type>\w+)\s*(?<array>\[\])?\s*\b(?<name>\w+)$/;

/** @throws Error where the text is no declaration of a callback: a defect, found by the tests */
export function parseCallback(text: string): CallbackPrototype {
  const fail = (what: string): never => {
    throw new Error(`callback '${text}': ${what}`);
  };
  const match = /^\s*(\w+)\s+(\w+)\s*\((.*)\)\s*$/s.exec(text);
  if (!match) return fail('no C prototype');
  const [, resultType, name, list] = match as unknown as [string, string, string, string];
  const parameters = splitList(list).map((part): CallbackParameter => {
    const found = PARAMETER.exec(part.trim())?.groups as
      { inner?: string; handle?: string; type: string; array?: string; name: string } | undefined;
    if (!found) return fail(`unreadable parameter '${part.trim()}'`);
    const { inner, type, array, name: parameter } = found;
    const length = parseLength(inner ?? '');
    if (found.handle !== undefined) {
      if (array === undefined) return { name: parameter, kind: 'handle', handle: type };
      return { name: parameter, kind: 'handles', handle: type, length };
    }
    if (type === 'user') return { name: parameter, kind: 'user' };
    if (type === 'bytes') return { name: parameter, kind: 'bytes', length };
    if (type === 'cstring') {
      return array === undefined ? { name: parameter, kind: 'string' } : { name: parameter, kind: 'strings', length };
    }
    return { name: parameter, kind: 'scalar', type: SCALARS[type] ?? fail(`unknown type ${type}`) };
  });
  const result = resultType === 'void' ? undefined : (SCALARS[resultType] ?? fail(`unknown type ${resultType}`));
  if (isScalar(result) && result.guest !== 'i32') fail('results have 32 bits');
  return { name, text: text.replace(/\s+/g, ' ').trim(), result, parameters };
}

/** The types that the host's function pointer has. */
export function callbackTypes({ parameters, result }: CallbackPrototype): {
  parameters: NativeType[];
  result: NativeType;
} {
  return {
    parameters: parameters.map((one) => (one.kind === 'scalar' ? one.type.host : 'uint64_t')),
    result: result?.host ?? 'void',
  };
}

type Argument = number | bigint;

/** What the host's library calls: with its own arguments, for the guest function at an address. */
export function callbackFunction(
  { parameters, result }: CallbackPrototype,
  context: BridgeContext,
  address: number,
): (...args: Argument[]) => number {
  const { native, handles } = context;
  const index = new Map(parameters.map(({ name }, i) => [name, i]));
  return (...args) => {
    const copies: number[] = [];
    const closed: (readonly [kind: string, handle: number])[] = [];
    const keep = (copy: number): number => {
      copies.push(copy);
      return copy;
    };
    const lengthOf = (length: readonly Factor[]): number =>
      length.reduce<number>(
        (product, one) =>
          product * (typeof one === 'number' ? one : 'parameter' in one ? Number(args[index.get(one.parameter)!]) : 0),
        1,
      );
    const bytesAt = (hostAddress: number, length: number): number =>
      hostAddress === 0 ? 0 : keep(context.copy(native!.bytes(hostAddress, length)));
    const stringAt = (hostAddress: number): number =>
      hostAddress === 0 ? 0 : keep(context.copy(Buffer.concat([native!.cstring(hostAddress), Uint8Array.of(0)])));
    const handleOf = (kind: string, hostAddress: number): number => {
      const isKnown = hostAddress !== 0 && handles.findHost(kind, hostAddress) >= 0;
      const handle = context.newHandle(kind, hostAddress, true);
      if (!isKnown && handle !== 0) closed.push([kind, handle]);
      return handle;
    };
    const arrayOf = (hostAddress: number, count: number, convert: (element: number) => number): number => {
      if (hostAddress === 0) return 0;
      const words = new Int32Array(count);
      const view = new DataView(Uint8Array.from(native!.bytes(hostAddress, 8 * count)).buffer);
      for (let i = 0; i < count; i++) words[i] = convert(Number(view.getBigUint64(8 * i, true)));
      return keep(context.copy(new Uint8Array(words.buffer)));
    };
    const words = parameters.flatMap((parameter, i): number[] => {
      const value = Number(args[i]);
      switch (parameter.kind) {
        case 'scalar': {
          if (parameter.type.guest === 'i64') {
            const wide = BigInt(args[i]!);
            return [Number(BigInt.asIntN(32, wide)), Number(BigInt.asIntN(32, wide >> 32n))];
          }
          if (parameter.type.guest === 'f64') return [...new Int32Array(Float64Array.of(value).buffer)];
          return [value | 0];
        }
        case 'user':
          return [value | 0];
        case 'bytes':
          return [bytesAt(value, lengthOf(parameter.length))];
        case 'string':
          return [stringAt(value)];
        case 'strings':
          return [arrayOf(value, lengthOf(parameter.length), stringAt)];
        case 'handle':
          return [handleOf(parameter.handle, value)];
        case 'handles': {
          const { handle } = parameter;
          return [arrayOf(value, lengthOf(parameter.length), (element) => handleOf(handle, element))];
        }
      }
    });
    const eax = context.callGuest(address, words);
    for (const copy of copies) context.free(copy);
    for (const [kind, handle] of closed) context.closeHandle(kind, handle);
    return result === undefined ? 0 : result.signed ? eax | 0 : eax >>> 0;
  };
}
