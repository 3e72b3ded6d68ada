/**
 * From a prototype to the JavaScript that calls the host's function: ranges checked, guest addresses turned into host
 * addresses, cells of other widths, structures and handles converted there and back. The text is made once a function and
 * compiled by V8 like any other; it is laid out for people to read (`bridge86 nativelib explain`).
 */
import type { BridgeCall, BridgeType } from '../translator/bridge.js';
import type { BridgeFunction } from '../runtime/engine/index.js';
import type { NativeType } from '../runtime/host/native-library.js';
import { State } from '../translator/state.js';
import type { BridgeContext } from './library.js';
import { type Factor, isScalar, type Parameter, type Prototype, type Scalar } from './prototype.js';
import { hostPointer } from './structure-marshal.js';
import { stringEnd } from './strings.js';

/** How the guest passes a parameter. */
export function guestTypeOf(parameter: Parameter): BridgeType {
  return parameter.kind === 'scalar' ? parameter.type.guest : 'i32';
}
export function resultTypeOf({ result }: Prototype): BridgeCall['result'] {
  return result === undefined ? 'void' : isScalar(result) ? result.guest : 'i32';
}
/** Only functions of numbers cannot fault. */
export function canFault({ parameters }: Prototype): boolean {
  return parameters.some((parameter) => parameter.kind !== 'scalar');
}
/** Does the host's library call the guest back? */
export function callsGuest({ parameters }: Prototype): boolean {
  return parameters.some(({ kind }) => kind === 'callback' || kind === 'handle');
}
export function nativeTypes({ parameters, result }: Prototype): { parameters: NativeType[]; result: NativeType } {
  return {
    parameters: parameters.map((parameter) =>
      parameter.kind === 'scalar' ? parameter.type.host : parameter.kind === 'size' ? 'int' : 'uint64_t',
    ),
    result: result === undefined ? 'void' : isScalar(result) ? result.host : 'uint64_t',
  };
}

/** The value of an argument as the host's function takes it, before conversions of what it points to. */
function scalarText(name: string, type: Scalar): string {
  switch (type.guest) {
    case 'i64':
      return type.signed
        ? `BigInt.asIntN(64, (BigInt(${name}High) << 32n) | BigInt(${name} >>> 0))`
        : `(BigInt(${name}High >>> 0) << 32n) | BigInt(${name} >>> 0)`;
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

/** The text of one function as it is written: what is done before and after the call, and the call's arguments. */
class Marshalling {
  /** In this order: what may refuse the call and leaves nothing behind, what takes host memory, what makes entries. */
  private readonly checks: string[] = [];
  private readonly makes: string[] = [];
  private readonly after: string[] = [];
  private readonly args = new Map<string, string>();
  /** Bytes of host memory that the call needs. */
  private bytes = 0;

  constructor(private readonly prototype: Prototype) {}

  text(functionName: string): string {
    const { parameters, result } = this.prototype;
    const names = parameters.flatMap((parameter) =>
      guestTypeOf(parameter) === 'i64' ? [parameter.name, `${parameter.name}High`] : [parameter.name],
    );
    // Cells first: they may be lengths of what comes before them.
    for (const parameter of parameters) if (parameter.kind === 'cell') this.cell(parameter);
    for (const parameter of parameters) if (parameter.kind !== 'cell') this.parameter(parameter);
    const call = `host(${parameters.map(({ name }) => this.args.get(name)!).join(', ')})`;
    const frame = this.bytes > 0;
    const lines = [
      ...this.checks,
      ...(frame ? [`const frame = scratch.take(${this.bytes});`] : []),
      ...this.makes,
      result === undefined ? `${call};` : `const result = ${call};`,
      ...this.after,
      ...(frame ? ['scratch.top = frame;'] : []),
      ...this.result(),
    ];
    return `function ${functionName}(${names.join(', ')}) {\n${lines.map((line) => `  ${line}`).join('\n')}\n}`;
  }

  private take(bytes: number): number {
    const at = this.bytes;
    this.bytes += (bytes + 7) & -8;
    return at;
  }

  private cell(parameter: Parameter & { kind: 'cell' }): void {
    const { name, direction, type, nullable } = parameter;
    const bytes = CELL_BYTES[type.guest];
    const access = direction === 'in' ? 'readable' : 'writable';
    const unless = nullable ? `${name} !== 0 && ` : '';
    this.checks.push(`if (${unless}!${access}(${name}, ${bytes})) return fault(${name}, ${direction !== 'in'});`);
    if (type.guest === 'i32') {
      const value = `view.get${type.signed ? 'Int32' : 'Uint32'}(${name} >>> 0, true)`;
      this.checks.push(`const ${name}Value = ${nullable ? `${name} === 0 ? 0 : ` : ''}${value};`);
    }
    const orNull = nullable ? `${name} === 0 ? 0 : ` : '';
    if (sameCell(type)) {
      this.args.set(name, `${orNull}base + (${name} >>> 0)`);
      return;
    }
    const place = this.take(8);
    this.args.set(name, `${orNull}scratch.address + frame + ${place}`);
    if (direction !== 'out') {
      const big = type.signed ? 'Int' : 'Uint';
      this.makes.push(`cells.setBig${big}64(frame + ${place}, BigInt(${name}Value), true);`);
    }
    if (direction !== 'in') {
      const store = `view.setInt32(${name} >>> 0, cells.getInt32(frame + ${place}, true), true);`;
      this.after.push(nullable ? `if (${name} !== 0) ${store}` : store);
    }
  }

  private parameter(parameter: Parameter): void {
    const { name } = parameter;
    const { checks, makes, after, args } = this;
    const pointer = `${name} === 0 ? 0 : base + (${name} >>> 0)`;
    switch (parameter.kind) {
      case 'scalar':
        args.set(name, scalarText(name, parameter.type));
        break;
      case 'user':
        args.set(name, `${name} >>> 0`);
        break;
      case 'bytes':
        this.buffer(parameter, pointer);
        break;
      case 'string':
        checks.push(
          `if (${parameter.nullable ? `${name} !== 0 && ` : ''}!readableString(${name})) return fault(${name}, false);`,
        );
        args.set(name, pointer);
        break;
      case 'structure': {
        const { structure, direction } = parameter;
        const access = direction === 'in' ? 'readable' : 'writable';
        const place = this.take(STRUCTURE_ROOM);
        const size = `${structure}.guestSize`;
        checks.push(`if (${name} !== 0 && !${access}(${name}, ${size})) return fault(${name}, ${direction !== 'in'});`);
        makes.push(
          `if (${name} !== 0 && !${structure}.toHost(${name}, cells, frame + ${place}, true)) {`,
          '  scratch.top = frame;',
          '  return undefined;',
          '}',
        );
        args.set(name, `${name} === 0 ? 0 : scratch.address + frame + ${place}`);
        if (direction !== 'in')
          after.push(`if (${name} !== 0) ${structure}.toGuest(${name}, cells, frame + ${place}, true);`);
        break;
      }
      case 'kept':
        this.kept(parameter);
        break;
      case 'attached': {
        const { structure, owner, direction } = parameter;
        checks.push(
          `const ${name}Entry = ${structure}.attachment(${name}, ${direction !== 'in'});`,
          `if (${name}Entry === -1) return undefined;`,
        );
        after.push(`${structure}.attach(${owner}Entry, ${name}Entry, Number(result) === 0);`);
        args.set(name, `${structure}.hostAddress(${name}Entry)`);
        break;
      }
      case 'size':
        args.set(name, `${name} === ${parameter.structure}.guestSize ? ${parameter.structure}.hostSize : 0`);
        break;
      case 'handle': {
        const { handle, closes, nullable } = parameter;
        checks.push(
          `const ${name}Host = handleAddress('${handle}', ${name}, '${this.prototype.name}', ${nullable});`,
          `if (${name}Host < 0) return undefined;`,
        );
        args.set(name, `${name}Host`);
        if (closes) after.push(`closeHandle('${handle}', ${name});`);
        break;
      }
      case 'handleCell': {
        checks.push(`if (!writable(${name}, 4)) return fault(${name}, true);`);
        const place = this.take(8);
        args.set(name, `scratch.address + frame + ${place}`);
        after.push(
          `view.setInt32(${name} >>> 0, newHandle('${parameter.handle}', hostPointer(cells, frame + ${place}), true), true);`,
        );
        break;
      }
      case 'callback':
        args.set(name, `callback('${parameter.callback}', ${name})`);
        break;
      default:
        throw new Error(`${this.prototype.name}: a plain pointer cannot be passed to the host`);
    }
  }

  private buffer(parameter: Parameter & { kind: 'bytes' }, pointer: string): void {
    const { name, direction, length, nullable, most } = parameter;
    const { checks, args, after } = this;
    if (most !== undefined) {
      // The host writes where there is room for the most; the guest gets what there is.
      const place = this.take(most);
      const bytes = lengthText(length).replace(/\b(\w+)Value\b/g, (_, cell: string) => this.cellAfter(cell));
      args.set(name, `${name} === 0 ? 0 : scratch.address + frame + ${place}`);
      after.push(
        `if (${name} !== 0${isScalar(this.prototype.result) ? ' && Number(result) >= 0' : ''}) {`,
        `  const count = Math.min(${bytes}, ${most});`,
        `  if (!writable(${name}, count)) {`,
        '    scratch.top = frame;',
        `    return fault(${name}, true);`,
        '  }',
        `  memory.u8.set(scratch.bytes.subarray(frame + ${place}, frame + ${place} + count), ${name} >>> 0);`,
        '}',
      );
      return;
    }
    const access = direction === 'in' ? 'readable' : 'writable';
    const condition = `!${access}(${name}, ${lengthText(length)})`;
    const test = nullable ? `${name} !== 0 && ${condition}` : condition;
    checks.push(`if (${test}) return fault(${name}, ${direction !== 'in'});`);
    args.set(name, pointer);
  }

  /** A cell's contents after the call. */
  private cellAfter(cell: string): string {
    return `(${cell} === 0 ? 0 : view.getUint32(${cell} >>> 0, true))`;
  }

  private kept({ name, structure, mode, source, nonNull }: Parameter & { kind: 'kept' }): void {
    const { checks, after, args } = this;
    if (nonNull) checks.push(`if (${name} === 0) return fault(0, false);`);
    const buffers = mode === 'inout';
    // Entries are made last: nothing may refuse the call then.
    const lines = mode === 'keep' || mode === 'live' || buffers ? checks : this.makes;
    const refuse =
      this.bytes > 0 && lines !== checks ? '{ scratch.top = frame; return undefined; }' : 'return undefined;';
    lines.push(
      `const ${name}Entry = ${structure}.find(${name}, '${mode}', '${this.prototype.name}');`,
      `if (${name}Entry === -1) ${refuse}`,
      `if (!${structure}.keptToHost(${name}, ${name}Entry, ${buffers})) ${refuse}`,
    );
    args.set(name, `${structure}.hostAddress(${name}Entry)`);
    if (mode === 'copy') after.push(`if (Number(result) === 0) ${structure}.copyGuest(${name}, ${source});`);
    after.push(`${structure}.keptToGuest(${name}, ${name}Entry, ${buffers});`);
  }

  private result(): string[] {
    const { result, parameters } = this.prototype;
    if (result === undefined) return ['return 0;'];
    if (result === 'pointer') throw new Error(`${this.prototype.name}: a host pointer would reach the guest`);
    if ('handle' in result) return [`return newHandle('${result.handle}', Number(result), ${result.known});`];
    if ('string' in result) {
      if (result.of === undefined) return ['return constantString(Number(result));'];
      const owner = parameters.find(({ name }) => name === result.of) as Parameter & { kind: 'handle' };
      return [`return ownedString('${owner.handle}', ${owner.name}, '${this.prototype.name}', Number(result));`];
    }
    if (result.guest === 'i32') return ['return Number(result) | 0;'];
    if (result.guest === 'i64') {
      return [
        'const wide = BigInt(result);',
        `S[${State.bridgeHigh >> 2}] = Number(BigInt.asIntN(32, wide >> 32n));`,
        'return Number(BigInt.asIntN(32, wide));',
      ];
    }
    return ['return result;'];
  }
}

/** Room for a structure that is passed for one call only. */
const STRUCTURE_ROOM = 256;

/** The body of the marshalling function; its free names are those that `bindFunction` gives it. */
export function marshallingText(prototype: Prototype, functionName: string): string {
  return new Marshalling(prototype).text(functionName);
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
  if (!canFault(prototype) && isPlain(prototype)) return host as BridgeFunction;
  const { memory, hostBase, scratch } = context;
  const structures = new Set(parameters.length > 0 ? structuresOf(prototype) : []);
  const names = {
    host,
    memory,
    view: memory.view,
    base: hostBase,
    scratch,
    cells: scratch.view,
    readable: context.readable,
    writable: context.writable,
    readableString: (address: number): boolean => stringEnd(context, address) >= 0,
    fault: context.fault,
    handleAddress: context.handleAddress,
    newHandle: context.newHandle,
    closeHandle: context.closeHandle,
    constantString: context.constantString,
    ownedString: context.ownedString,
    callback: context.callback,
    hostPointer,
    S: state,
    ...Object.fromEntries([...structures].map((name) => [name, context.structure(name)])),
  };
  const make = new Function(...Object.keys(names), `return ${marshallingText(prototype, functionName)};`) as (
    ...values: unknown[]
  ) => BridgeFunction;
  return make(...Object.values(names));
}

function structuresOf({ parameters }: Prototype): string[] {
  return parameters.flatMap((one) => ('structure' in one ? [one.structure] : []));
}

/** Numbers that are the same on both sides. */
function isPlain({ parameters, result }: Prototype): boolean {
  const plain = (type: Scalar): boolean =>
    type.guest === 'f64' || type.guest === 'f32' || (type.guest === 'i32' && type.host === 'int');
  return isScalar(result) && plain(result) && parameters.every((one) => one.kind === 'scalar' && plain(one.type));
}
