/**
 * From a prototype to the JavaScript that calls the host's function: ranges checked, guest addresses turned into host
 * addresses, cells of other widths converted there and back. The text is made once a function and compiled by V8 like any
 * other; it is laid out for people to read (`bridge86 nativelib explain`).
 */
import type { BridgeCall, BridgeType } from '../translator/bridge.js';
import type { BridgeFunction } from '../runtime/engine/index.js';
import { HostBuffer } from '../runtime/host/buffer.js';
import type { NativeType } from '../runtime/host/native-library.js';
import { State } from '../translator/state.js';
import type { BridgeContext } from './library.js';
import type { Factor, Parameter, Prototype, Scalar } from './prototype.js';

/** How the guest passes a parameter. */
export function guestTypeOf(parameter: Parameter): BridgeType {
  return parameter.kind === 'scalar' ? parameter.type.guest : 'i32';
}
export function resultTypeOf({ result }: Prototype): BridgeCall['result'] {
  return result === undefined ? 'void' : result === 'pointer' ? 'i32' : result.guest;
}
/** Only functions of numbers cannot fault. */
export function canFault({ parameters }: Prototype): boolean {
  return parameters.some((parameter) => parameter.kind !== 'scalar');
}
export function nativeTypes({ parameters, result }: Prototype): { parameters: NativeType[]; result: NativeType } {
  return {
    parameters: parameters.map((parameter) => (parameter.kind === 'scalar' ? parameter.type.host : 'uint64_t')),
    result: result === undefined ? 'void' : result === 'pointer' ? 'uint64_t' : result.host,
  };
}

/** The value of an argument as the host's function takes it, before conversions of what it points to. */
function scalarText(name: string, type: Scalar): string {
  switch (type.guest) {
    case 'i64':
      return type.signed
        ? `${name}High * 0x100000000 + (${name} >>> 0)`
        : `(${name}High >>> 0) * 0x100000000 + (${name} >>> 0)`;
    case 'i32':
      return type.signed ? name : `${name} >>> 0`;
    default:
      return name;
  }
}

function lengthText(factors: readonly Factor[]): string {
  return factors
    .map((factor) =>
      typeof factor === 'number'
        ? String(factor)
        : 'cell' in factor
          ? `${factor.cell}Value`
          : `(${factor.parameter} >>> 0)`,
    )
    .join(' * ');
}

const CELL_BYTES: Readonly<Record<BridgeType, number>> = { i32: 4, i64: 8, f32: 4, f64: 8 };

/** Does a cell look the same on both sides? */
const sameCell = (type: Scalar): boolean => !(type.guest === 'i32' && type.host.includes('64'));

/** The body of the marshalling function. Free names: host, memory, view, base, cells, cellsAddress, readable, writable, fault, S. */
export function marshallingText(prototype: Prototype, functionName: string): string {
  const { parameters, result } = prototype;
  const lines: string[] = [];
  const after: string[] = [];
  const args: string[] = [];
  const names = parameters.flatMap((parameter) =>
    guestTypeOf(parameter) === 'i64' ? [parameter.name, `${parameter.name}High`] : [parameter.name],
  );
  // Cells first: they may be lengths of what comes before them.
  let cell = 0;
  const cellPlaces = new Map<string, string>();
  for (const parameter of parameters) {
    if (parameter.kind !== 'cell') continue;
    const { name, direction, type } = parameter;
    const bytes = CELL_BYTES[type.guest];
    const access = direction === 'in' ? 'readable' : 'writable';
    lines.push(`if (!${access}(${name}, ${bytes})) return fault(${name}, ${direction !== 'in'});`);
    if (type.guest === 'i32') {
      lines.push(`const ${name}Value = view.get${type.signed ? 'Int32' : 'Uint32'}(${name} >>> 0, true);`);
    }
    if (sameCell(type)) {
      cellPlaces.set(name, `base + (${name} >>> 0)`);
      continue;
    }
    const place = 8 * cell++;
    cellPlaces.set(name, `cellsAddress + ${place}`);
    if (direction !== 'out')
      lines.push(`cells.setBig${type.signed ? 'Int' : 'Uint'}64(${place}, BigInt(${name}Value), true);`);
    if (direction !== 'in') after.push(`view.setInt32(${name} >>> 0, cells.getInt32(${place}, true), true);`);
  }
  for (const parameter of parameters) {
    const { name } = parameter;
    const pointer = `${name} === 0 ? 0 : base + (${name} >>> 0)`;
    switch (parameter.kind) {
      case 'scalar':
        args.push(scalarText(name, parameter.type));
        break;
      case 'cell':
        args.push(cellPlaces.get(name)!);
        break;
      case 'bytes': {
        const access = parameter.direction === 'in' ? 'readable' : 'writable';
        const condition = `!${access}(${name}, ${lengthText(parameter.length)})`;
        const test = parameter.nullable ? `${name} !== 0 && ${condition}` : condition;
        lines.push(`if (${test}) return fault(${name}, ${parameter.direction !== 'in'});`);
        args.push(pointer);
        break;
      }
      case 'string':
        lines.push(`if (!readableString(${name})) return fault(${name}, false);`);
        args.push(pointer);
        break;
      case 'pointer':
        throw new Error(`${prototype.name}: a plain pointer cannot be passed to the host`);
    }
  }
  const call = `host(${args.join(', ')})`;
  if (result === undefined) lines.push(`${call};`, ...after, 'return 0;');
  else {
    lines.push(`const result = ${call};`, ...after);
    if (result === 'pointer') throw new Error(`${prototype.name}: a host pointer would reach the guest`);
    if (result.guest === 'i32') lines.push('return Number(result) | 0;');
    else if (result.guest === 'i64') {
      lines.push(
        'const wide = BigInt(result);',
        `S[${State.bridgeHigh >> 2}] = Number(BigInt.asIntN(32, wide >> 32n));`,
        'return Number(BigInt.asIntN(32, wide));',
      );
    } else lines.push('return result;');
  }
  return `function ${functionName}(${names.join(', ')}) {\n${lines.map((line) => `  ${line}`).join('\n')}\n}`;
}

/**
 * The function that generated code calls, undefined where the host lacks it.
 * @param state the CPU state as i32
 */
export function bindFunction(
  prototype: Prototype,
  functionName: string,
  context: BridgeContext,
  state: Int32Array,
): BridgeFunction | undefined {
  const { parameters, result } = nativeTypes(prototype);
  const host = context.native?.func(prototype.name, result, parameters);
  if (!host) return undefined;
  // Nothing to convert: the host's function is the bridge.
  if (!canFault(prototype) && prototype.result !== undefined && prototype.result !== 'pointer' && isPlain(prototype)) {
    return host as BridgeFunction;
  }
  const { memory, hostBase } = context;
  const cells = new HostBuffer(128);
  const names = {
    host,
    view: memory.view,
    base: hostBase,
    cells: cells.view,
    cellsAddress: cells.address,
    readable: context.readable,
    writable: context.writable,
    readableString: (address: number): boolean => stringEnd(context, address) >= 0,
    fault: context.fault,
    S: state,
  };
  const make = new Function(...Object.keys(names), `return ${marshallingText(prototype, functionName)};`) as (
    ...values: unknown[]
  ) => BridgeFunction;
  return make(...Object.values(names));
}

/** Numbers that are the same on both sides. */
function isPlain({ parameters, result }: Prototype): boolean {
  const plain = (type: Scalar): boolean =>
    type.guest === 'f64' || type.guest === 'f32' || (type.guest === 'i32' && type.host === 'int');
  return (
    typeof result === 'object' && plain(result) && parameters.every((one) => one.kind === 'scalar' && plain(one.type))
  );
}

const PAGE = 4096;
/** Address of a string's NUL (0 to 2^32-1), or -1 where the string runs into what cannot be read. */
export function stringEnd(context: Pick<BridgeContext, 'readable' | 'findByte'>, address: number): number {
  for (let at = address >>> 0; context.readable(at, 1);) {
    const end = at + PAGE - (at & (PAGE - 1));
    const found = context.findByte(at, 0, end);
    if (found >= 0) return found;
    at = end;
  }
  return -1;
}
