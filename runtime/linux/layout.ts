/**
 * C structures declared once, laid out twice: as linux/i386 programs see them and as the x86_64 host kernel does. From one list
 * of fields with C types come offsets, sizes and the conversions between the two. The structures themselves are in
 * `structures.ts`.
 */

/** Scalar types with their sizes in bytes under each ABI. On i386 nothing is aligned to more than 4 bytes (psABI, section 2.1). */
const SCALARS = {
  char: { i386: 1, host: 1, signed: true },
  'unsigned char': { i386: 1, host: 1, signed: false },
  short: { i386: 2, host: 2, signed: true },
  'unsigned short': { i386: 2, host: 2, signed: false },
  int: { i386: 4, host: 4, signed: true },
  'unsigned int': { i386: 4, host: 4, signed: false },
  long: { i386: 4, host: 8, signed: true },
  'unsigned long': { i386: 4, host: 8, signed: false },
  'long long': { i386: 8, host: 8, signed: true },
  'unsigned long long': { i386: 8, host: 8, signed: false },
  double: { i386: 8, host: 8, signed: true },
  pointer: { i386: 4, host: 8, signed: false },
} as const;

export type ScalarType = keyof typeof SCALARS;
export type Abi = 'i386' | 'host';

/**
 * One field: its name, C type and, for an array, its length. A name that begins with `_` is padding: it is zero in both conversions.
 * `from` names the other ABI's field where it differs.
 */
export type FieldDeclaration =
  | readonly [name: string, type: ScalarType]
  | readonly [name: string, type: ScalarType, count: number]
  | readonly [name: string, type: ScalarType, count: number, from: string];

export interface Field {
  readonly name: string;
  readonly type: ScalarType;
  readonly signed: boolean;
  /** Bytes from the structure's start. */
  readonly offset: number;
  /** Bytes of one element. */
  readonly size: number;
  readonly count: number;
  readonly isArray: boolean;
}

export interface Layout {
  /** Bytes, tail padding included. */
  readonly size: number;
  readonly fields: readonly Field[];
}

/** Lays fields out by an ABI's rules; `pack` bounds the alignment (GCC's `packed` is 1). */
export function layOut(fields: readonly FieldDeclaration[], abi: Abi, pack = abi === 'i386' ? 4 : 8): Layout {
  let offset = 0;
  let structureAlignment = 1;
  const laidOut: Field[] = [];
  for (const [name, type, count] of fields) {
    const scalar = SCALARS[type];
    const size = scalar[abi];
    const alignment = Math.min(size, pack);
    structureAlignment = Math.max(structureAlignment, alignment);
    offset = Math.ceil(offset / alignment) * alignment;
    laidOut.push({
      name,
      type,
      signed: scalar.signed,
      offset,
      size,
      count: count ?? 1,
      isArray: count !== undefined && count !== 1,
    });
    offset += size * (count ?? 1);
  }
  return { size: Math.ceil(offset / structureAlignment) * structureAlignment, fields: laidOut };
}

/** One step of a conversion: `count` elements of `fromSize` bytes become elements of `toSize` bytes. */
interface Step {
  readonly from: number;
  readonly fromSize: number;
  readonly to: number;
  readonly toSize: number;
  readonly count: number;
  readonly signed: boolean;
}

function isPadding(name: string): boolean {
  return name.startsWith('_');
}

/** The steps that fill every field of `to` that is not padding from the field of the same name in `from`. */
function planConversion(from: Layout, to: Layout, aliases: ReadonlyMap<string, string>): Step[] {
  const steps: Step[] = [];
  for (const field of to.fields) {
    if (isPadding(field.name)) continue;
    const name = aliases.get(field.name) ?? field.name;
    const source = from.fields.find((candidate) => candidate.name === name);
    if (source === undefined) continue;
    const count = Math.min(field.count, source.count);
    const step = {
      from: source.offset,
      fromSize: source.size,
      to: field.offset,
      toSize: field.size,
      count,
      signed: source.signed,
    };
    steps.push(step);
  }
  return steps;
}

/** Copies one scalar of up to 8 bytes; false when it did not fit into a smaller one. */
function convertScalar(source: DataView, from: number, target: DataView, to: number, step: Step): boolean {
  let low: number;
  let high: number;
  switch (step.fromSize) {
    case 1:
      low = step.signed ? source.getInt8(from) : source.getUint8(from);
      high = low < 0 ? -1 : 0;
      break;
    case 2:
      low = step.signed ? source.getInt16(from, true) : source.getUint16(from, true);
      high = low < 0 ? -1 : 0;
      break;
    case 4:
      low = source.getInt32(from, true);
      high = step.signed && low < 0 ? -1 : 0;
      break;
    default:
      low = source.getInt32(from, true);
      high = source.getInt32(from + 4, true);
  }
  switch (step.toSize) {
    case 1:
      target.setInt8(to, low);
      return high === 0 && low >>> 0 < 0x100;
    case 2:
      target.setInt16(to, low, true);
      return high === 0 && low >>> 0 < 0x10000;
    case 4:
      target.setInt32(to, low, true);
      return high === 0 || (step.signed && high === low >> 31);
    default:
      target.setInt32(to, low, true);
      target.setInt32(to + 4, high, true);
      return true;
  }
}

/** A structure under both ABIs and the conversions between them. */
export class Structure {
  readonly i386: Layout;
  readonly host: Layout;
  private readonly toHostSteps: readonly Step[];
  private readonly toGuestSteps: readonly Step[];

  /** `hostFields` is given where the host's structure is another one than the guest's with wider types. */
  constructor(fields: readonly FieldDeclaration[], hostFields: readonly FieldDeclaration[] = fields, pack?: number) {
    this.i386 = layOut(fields, 'i386', pack);
    this.host = layOut(hostFields, 'host', pack);
    const toGuestAliases = new Map<string, string>();
    for (const [name, , , from] of fields) if (from !== undefined) toGuestAliases.set(name, from);
    this.toHostSteps = planConversion(this.i386, this.host, new Map());
    this.toGuestSteps = planConversion(this.host, this.i386, toGuestAliases);
  }

  /** Fills the host's structure at `to` from the guest's at `from`; what the guest's lacks becomes 0. */
  toHost(source: DataView, from: number, target: DataView, to: number): void {
    convert(this.toHostSteps, this.host.size, source, from, target, to);
  }

  /** Fills the guest's structure from the host's; false when a value did not fit and lost its high bits. */
  toGuest(source: DataView, from: number, target: DataView, to: number): boolean {
    return convert(this.toGuestSteps, this.i386.size, source, from, target, to);
  }

  /** Offset of a field in bytes. */
  offset(abi: Abi, name: string): number {
    const field = this[abi].fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new RangeError(`no field ${name}`);
    return field.offset;
  }

  /** The guest's fields as numbers (64-bit ones as nearest doubles), arrays as arrays. */
  read(view: DataView, address: number): Record<string, number | number[]> {
    const values: Record<string, number | number[]> = {};
    for (const field of this.i386.fields) {
      if (isPadding(field.name)) continue;
      const elements: number[] = [];
      for (let index = 0; index < field.count; index++) {
        elements.push(readScalar(view, address + field.offset + index * field.size, field));
      }
      values[field.name] = field.isArray ? elements : elements[0]!;
    }
    return values;
  }
}

function readScalar(view: DataView, at: number, field: Field): number {
  switch (field.size) {
    case 1:
      return field.signed ? view.getInt8(at) : view.getUint8(at);
    case 2:
      return field.signed ? view.getInt16(at, true) : view.getUint16(at, true);
    case 4:
      return field.signed ? view.getInt32(at, true) : view.getUint32(at, true);
    default:
      return Number(field.signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true));
  }
}

function convert(
  steps: readonly Step[],
  targetSize: number,
  source: DataView,
  from: number,
  target: DataView,
  to: number,
): boolean {
  let fits = true;
  for (let index = 0; index < targetSize; index++) target.setUint8(to + index, 0);
  for (const step of steps) {
    for (let index = 0; index < step.count; index++) {
      const at = from + step.from + index * step.fromSize;
      if (!convertScalar(source, at, target, to + step.to + index * step.toSize, step)) fits = false;
    }
  }
  return fits;
}
