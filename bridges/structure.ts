/**
 * Structures that bridged functions take, declared once as C declares them; both layouts follow from the fields' types
 * (`runtime/linux/layout.ts`).
 *
 *   struct z_stream kept in state {
 *     in(avail_in) bytes next_in; uint avail_in; ulong total_in; ... cstring msg; pointer state; ... }
 *
 * `as NAME`: headers call it otherwise. Fields: the scalar types of prototypes, also as arrays (`uint h[8]`), uchar and ushort, and for pointers
 *   in|out|inout(LENGTH) bytes p   a buffer of LENGTH bytes: products of numbers and fields
 *   in cstring s                   the guest's string
 *   cstring s                      a constant of the host library's, copied to the guest
 *   pointer p                      none of the other side's business
 * `kept in FIELD`: the host's library remembers the structure's address between calls, and FIELD points to what only the
 * library knows. The host's copy lives as long as that pointer is not NULL; the guest has a handle in its place.
 */
import { type FieldDeclaration, type ScalarType, Structure } from '../runtime/linux/layout.js';
import { type Direction, type Factor, parseLength } from './prototype.js';

export interface BufferField {
  readonly name: string;
  readonly direction: Direction;
  /** Undefined: a string. */
  readonly length: readonly Factor[] | undefined;
}

export interface BridgedStructure {
  readonly name: string;
  /** As headers call it. */
  readonly headerName: string;
  readonly text: string;
  readonly layout: Structure;
  readonly keptIn: string | undefined;
  readonly buffers: readonly BufferField[];
  /** Constants of the host library's. */
  readonly constants: readonly string[];
  /** Numbers that are lengths of buffers, and the other numbers. */
  readonly lengths: readonly string[];
  readonly numbers: readonly string[];
}

const FIELD_TYPES: Readonly<Record<string, ScalarType>> = {
  char: 'char',
  uchar: 'unsigned char',
  short: 'short',
  ushort: 'unsigned short',
  int: 'int',
  uint: 'unsigned int',
  long: 'long',
  ulong: 'unsigned long',
  size_t: 'unsigned long',
  int64: 'long long',
  uint64: 'unsigned long long',
  double: 'double',
  pointer: 'pointer',
};

const FIELD =
  /^(?:(?<direction>in|out|inout)(?:\((?<length>[^)]*)\))?\s+)?(?<type>\w+)\s+(?<name>\w+)(?:\[(?<count>\d+)\])?$/;

/** @throws Error where the text is no structure: a defect of a declaration, found by the tests */
export function parseStructure(text: string): BridgedStructure {
  const match = /^\s*struct\s+(\w+)\s*(?:as\s+(\w+)\s*)?(?:kept\s+in\s+(\w+)\s*)?\{(.*)\}\s*$/s.exec(text);
  if (!match) throw new Error(`no structure: '${text}'`);
  const [, name, headerName = name, keptIn, body] = match as unknown as [
    string,
    string,
    string | undefined,
    string | undefined,
    string,
  ];
  const fields: FieldDeclaration[] = [];
  const buffers: BufferField[] = [];
  const constants: string[] = [];
  const scalars: string[] = [];
  for (const part of body
    .split(';')
    .map((one) => one.trim())
    .filter((one) => one !== '')) {
    const found = FIELD.exec(part)?.groups as
      { direction?: Direction; length?: string; type: string; name: string; count?: string } | undefined;
    if (!found) throw new Error(`struct ${name}: unreadable field '${part}'`);
    const isPointer = found.type === 'bytes' || found.type === 'cstring';
    const type = isPointer ? 'pointer' : FIELD_TYPES[found.type];
    if (type === undefined) throw new Error(`struct ${name}: unknown type ${found.type}`);
    fields.push(found.count === undefined ? [found.name, type] : [found.name, type, Number(found.count)]);
    if (!isPointer) {
      if (type !== 'pointer') scalars.push(found.name);
    } else if (found.direction === undefined) constants.push(found.name);
    else {
      const length = found.length === undefined ? undefined : parseLength(found.length);
      buffers.push({ name: found.name, direction: found.direction, length });
    }
  }
  const lengths = new Set(
    buffers.flatMap(({ length = [] }) =>
      length.flatMap((factor) => (typeof factor === 'object' && 'parameter' in factor ? [factor.parameter] : [])),
    ),
  );
  for (const length of lengths) {
    if (!scalars.includes(length)) throw new Error(`struct ${name}: no length '${length}'`);
  }
  if (keptIn !== undefined && !fields.some(([field]) => field === keptIn)) {
    throw new Error(`struct ${name}: no field '${keptIn}'`);
  }
  return {
    name,
    headerName,
    text: text.replace(/\s+/g, ' ').trim(),
    layout: new Structure(fields),
    keptIn,
    buffers,
    constants,
    lengths: [...lengths],
    numbers: scalars.filter((one) => !lengths.has(one)),
  };
}
