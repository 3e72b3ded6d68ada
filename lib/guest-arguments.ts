/**
 * Arguments of guest functions by their prototypes (`bridges/prototype.ts`): what the host gives becomes words on the guest's
 * stack, strings and buffers lie above them, and what the function has written there goes back where it came from.
 */
import { isScalar, parsePrototype, type Parameter, type Prototype, type Scalar } from '../bridges/prototype.js';
import type { ValueType } from './functions.js';

/** A cell that a pointer leads to: the function reads it, changes it, or both. */
export interface Cell {
  value: number | bigint;
}

/**
 * What a parameter is given: a number (a bigint for 64 bits, an address for `pointer`), a string for `cstring`, bytes for
 * `bytes`, a cell for `in`, `out` or `inout` of a number; null for no pointer.
 */
export type GuestArgument = number | bigint | string | Uint8Array | Cell | null;

/** Guest memory as far as arguments concern it. Both throw where there is none. */
export interface ArgumentMemory {
  read(address: number, length: number): Uint8Array;
  write(address: number, bytes: Uint8Array): void;
}

/** What a function has written of an argument. */
export interface WrittenArgument {
  readonly index: number;
  readonly value: Uint8Array | number | bigint;
}

export interface PlacedArguments {
  /** Address of the first argument, a multiple of 16: the return address belongs below it. */
  readonly base: number;
  /** After the call: what was written. */
  written(): WrittenArgument[];
}

const STACK_ALIGNMENT = 16;
const encoder = new TextEncoder();

const known = new Map<string, Prototype>();
/** @throws Error where the text is no prototype */
export function prototypeOf(text: string): Prototype {
  let prototype = known.get(text);
  if (!prototype) known.set(text, (prototype = parsePrototype(text)));
  return prototype;
}

export function scalarType(type: Scalar): ValueType {
  switch (type.guest) {
    case 'i32':
      return type.signed ? 'i32' : 'u32';
    case 'i64':
      return type.signed ? 'i64' : 'u64';
    default:
      return type.guest;
  }
}

/** How a parameter lies on the stack. */
export function parameterType(parameter: Parameter): ValueType {
  return parameter.kind === 'scalar' ? scalarType(parameter.type) : 'u32';
}
export function resultType({ result }: Prototype): ValueType | 'void' {
  return result === undefined ? 'void' : isScalar(result) ? scalarType(result) : 'u32';
}

/** Whether all parameters are numbers. */
export function isPlain({ parameters }: Prototype): boolean {
  return parameters.every(({ kind }) => kind !== 'string' && kind !== 'bytes' && kind !== 'cell');
}

export function bytesOfType(type: ValueType): number {
  return type === 'i64' || type === 'u64' || type === 'f64' ? 8 : 4;
}

export function storeValue(view: DataView, at: number, type: ValueType, value: number | bigint): void {
  if (type === 'f64') view.setFloat64(at, Number(value), true);
  else if (type === 'f32') view.setFloat32(at, Number(value), true);
  else if (type === 'i64' || type === 'u64') view.setBigInt64(at, BigInt(value), true);
  else view.setInt32(at, Number(value), true);
}

export function loadValue(view: DataView, at: number, type: ValueType): number | bigint {
  switch (type) {
    case 'i32':
      return view.getInt32(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'i64':
      return view.getBigInt64(at, true);
    case 'u64':
      return view.getBigUint64(at, true);
    case 'f32':
      return view.getFloat32(at, true);
    case 'f64':
      return view.getFloat64(at, true);
  }
}

/**
 * Puts arguments below a stack pointer.
 * @throws TypeError where an argument does not fit its parameter
 */
export function placeArguments(
  prototype: Prototype,
  args: readonly GuestArgument[],
  stack: number,
  memory: ArgumentMemory,
): PlacedArguments {
  const { parameters, name } = prototype;
  if (args.length !== parameters.length) {
    throw new TypeError(`${name}: ${parameters.length} arguments are expected, not ${args.length}`);
  }
  const outputs: { index: number; address: number; length: number; type: ValueType | undefined }[] = [];
  let at = stack;
  const put = (bytes: Uint8Array): number => {
    at = (at - bytes.length) & -STACK_ALIGNMENT;
    if (bytes.length > 0) memory.write(at >>> 0, bytes);
    return at >>> 0;
  };
  const values = parameters.map((parameter, index): number | bigint => {
    const argument = args[index]!;
    const wrong = (wanted: string): never => {
      throw new TypeError(`${name}: ${parameter.name} is to be ${wanted}`);
    };
    const { kind } = parameter;
    // Structures, handles and callbacks are the guest's own: addresses.
    if (kind !== 'string' && kind !== 'bytes' && kind !== 'cell') {
      return typeof argument === 'number' || typeof argument === 'bigint' ? argument : wrong('a number');
    }
    if (argument === null) return 0;
    switch (kind) {
      case 'string':
        return put(encoder.encode(`${typeof argument === 'string' ? argument : wrong('a string')}\0`));
      case 'bytes': {
        const bytes = argument instanceof Uint8Array ? argument : wrong('a Uint8Array');
        const address = put(bytes);
        if (parameter.direction !== 'in') outputs.push({ index, address, length: bytes.length, type: undefined });
        return address;
      }
      case 'cell': {
        if (typeof argument !== 'object' || !('value' in argument)) return wrong('an object with a value');
        const type = scalarType(parameter.type);
        const bytes = new Uint8Array(bytesOfType(type));
        storeValue(new DataView(bytes.buffer), 0, type, argument.value);
        const address = put(bytes);
        if (parameter.direction !== 'in') outputs.push({ index, address, length: bytes.length, type });
        return address;
      }
    }
  });
  const types = parameters.map(parameterType);
  const words = new Uint8Array(types.reduce((sum, type) => sum + bytesOfType(type), 0));
  const view = new DataView(words.buffer);
  let offset = 0;
  types.forEach((type, index) => {
    storeValue(view, offset, type, values[index]!);
    offset += bytesOfType(type);
  });
  const base = put(words);
  return {
    base,
    written: () =>
      outputs.map(({ index, address, length, type }) => {
        const bytes = memory.read(address, length);
        const value = type ? loadValue(new DataView(bytes.buffer, bytes.byteOffset), 0, type) : bytes;
        return { index, value };
      }),
  };
}

/** Gives what was written to whom it belongs. */
export function takeWritten(written: readonly WrittenArgument[], args: readonly GuestArgument[]): void {
  for (const { index, value } of written) {
    const argument = args[index];
    if (value instanceof Uint8Array) (argument as Uint8Array).set(value);
    else (argument as Cell).value = value;
  }
}
