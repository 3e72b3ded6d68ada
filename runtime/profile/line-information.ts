/**
 * Source positions of an ELF file's `.debug_line`: for addresses of the file, which file and line they were compiled from. Source:
 * DWARF 5, section 6.2, and its forebears from version 2 on. Units that cannot be read are left out.
 */
import { DwarfReader } from './dwarf-reader.js';

/** The sections that are read; only the first must be there. */
export const LINE_SECTIONS = ['.debug_line', '.debug_line_str', '.debug_str'] as const;

export interface SourcePosition {
  /** Path as the compiler was given it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** DW_LNS_*, DW_LNE_*, DW_LNCT_*, DW_FORM_*. */
const Standard = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  addConstantPc: 8,
  fixedAdvancePc: 9,
} as const;
const Extended = { endSequence: 1, setAddress: 2 } as const;
const Content = { path: 1, directory: 2 } as const;
const Form = {
  data2: 5,
  data4: 6,
  data8: 7,
  string: 8,
  block: 9,
  data1: 11,
  strp: 14,
  udata: 15,
  data16: 30,
  lineStrp: 31,
} as const;
/** Instead of a length: the lengths are of 64 bits. No i386 compiler writes that. */
const LONG_FORMAT = 0xffffffff;

interface Unit {
  readonly program: DwarfReader;
  readonly instructionLength: number;
  readonly lineBase: number;
  readonly lineRange: number;
  /** Numbers of operands of the standard opcodes, that of opcode 1 first. */
  readonly operandCounts: Uint8Array;
  readonly fileName: (index: number) => string;
}

/**
 * @param sections bytes by their names
 * @param addresses in any order
 * @returns the positions of those addresses that have one
 */
export function findSourcePositions(
  sections: ReadonlyMap<string, Uint8Array>,
  addresses: Iterable<number>,
): Map<number, SourcePosition> {
  const found = new Map<number, SourcePosition>();
  const bytes = sections.get('.debug_line');
  const wanted = Uint32Array.from(addresses).sort();
  if (!bytes || wanted.length === 0) return found;
  const reader = new DwarfReader(bytes, 0);
  while (reader.at + 4 <= bytes.length) {
    const length = reader.u32();
    const next = reader.at + length;
    if (length === LONG_FORMAT || next > bytes.length) break;
    try {
      const unit = readUnit(new DwarfReader(bytes, reader.at, next), sections);
      if (unit) runProgram(unit, wanted, found);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    reader.at = next;
  }
  return found;
}

function readUnit(reader: DwarfReader, sections: ReadonlyMap<string, Uint8Array>): Unit | undefined {
  const version = reader.u16();
  if (version < 2 || version > 5) return undefined;
  // Sizes of addresses and of segment selectors.
  if (version >= 5) reader.at += 2;
  const headerLength = reader.u32();
  const program = new DwarfReader(reader.bytes, reader.at + headerLength, reader.end);
  const instructionLength = reader.u8();
  // Operations of an instruction: one but for VLIW processors.
  if (version >= 4) reader.u8();
  // Whether rows begin as statements.
  reader.u8();
  const lineBase = reader.s8();
  const lineRange = reader.u8();
  const opcodeBase = reader.u8();
  const operandCounts = reader.bytes.subarray(reader.at, reader.at + opcodeBase - 1);
  reader.at += opcodeBase - 1;
  const fileName = version >= 5 ? readTables(reader, sections) : readOldTables(reader);
  return { program, instructionLength, lineBase, lineRange, operandCounts, fileName };
}

/** Directories and files up to version 4: file numbers begin at 1, directory 0 is where the compiler ran, which is not told here. */
function readOldTables(reader: DwarfReader): Unit['fileName'] {
  const directories = [''];
  for (let name = reader.text(); name !== ''; name = reader.text()) directories.push(name);
  const files: string[] = [];
  for (let name = reader.text(); name !== ''; name = reader.text()) {
    files.push(joined(directories[reader.unsigned()] ?? '', name));
    // Time and size.
    reader.unsigned();
    reader.unsigned();
  }
  return (index) => files[index - 1] ?? '';
}

/** Directories and files of version 5: all numbers begin at 0, and directory 0 is where the compiler ran. */
function readTables(reader: DwarfReader, sections: ReadonlyMap<string, Uint8Array>): Unit['fileName'] {
  const directories = readEntries(reader, sections).map(({ path }) => path);
  const files = readEntries(reader, sections).map(({ path, directory }) =>
    joined(joined(directories[0] ?? '', directories[directory] ?? ''), path),
  );
  return (index) => files[index] ?? '';
}

function readEntries(
  reader: DwarfReader,
  sections: ReadonlyMap<string, Uint8Array>,
): { path: string; directory: number }[] {
  const format = Array.from({ length: reader.u8() }, () => [reader.unsigned(), reader.unsigned()] as const);
  return Array.from({ length: reader.unsigned() }, () => {
    const entry = { path: '', directory: 0 };
    for (const [content, form] of format) {
      const value = readForm(reader, form, sections);
      if (content === Content.path) entry.path = String(value);
      else if (content === Content.directory) entry.directory = Number(value);
    }
    return entry;
  });
}

function readForm(
  reader: DwarfReader,
  form: number,
  sections: ReadonlyMap<string, Uint8Array>,
): string | number | undefined {
  switch (form) {
    case Form.string:
      return reader.text();
    case Form.lineStrp:
      return textAt(sections.get('.debug_line_str'), reader.u32());
    case Form.strp:
      return textAt(sections.get('.debug_str'), reader.u32());
    case Form.data1:
      return reader.u8();
    case Form.data2:
      return reader.u16();
    case Form.data4:
      return reader.u32();
    case Form.udata:
      return reader.unsigned();
    case Form.data8:
      reader.at += 8;
      return undefined;
    case Form.data16:
      reader.at += 16;
      return undefined;
    case Form.block:
      reader.block();
      return undefined;
    default:
      throw new RangeError(`form ${form}`);
  }
}

function textAt(section: Uint8Array | undefined, offset: number): string {
  return section ? new DwarfReader(section, offset).text() : '';
}

function joined(directory: string, name: string): string {
  if (name.startsWith('/') || directory === '') return name;
  if (name === '' || name === directory) return directory;
  return `${directory}/${name}`;
}

/** Executes the line number program (section 6.2.5). A row says where the addresses from its own to the next row's belong. */
function runProgram(unit: Unit, wanted: Uint32Array, found: Map<number, SourcePosition>): void {
  const { program, instructionLength, lineBase, lineRange, operandCounts, fileName } = unit;
  const opcodeBase = operandCounts.length + 1;
  let address = 0;
  let file = 1;
  let line = 1;
  let previous: { address: number; file: number; line: number } | undefined;
  const emit = (isEnd: boolean): void => {
    // Line 0: no line.
    if (previous && previous.line > 0) {
      for (let at = lowerBound(wanted, previous.address); at < wanted.length && wanted[at]! < address; at++) {
        if (!found.has(wanted[at]!)) found.set(wanted[at]!, { file: fileName(previous.file), line: previous.line });
      }
    }
    previous = isEnd ? undefined : { address, file, line };
  };
  while (!program.isAtEnd) {
    const opcode = program.u8();
    if (opcode >= opcodeBase) {
      const adjusted = opcode - opcodeBase;
      address += Math.floor(adjusted / lineRange) * instructionLength;
      line += lineBase + (adjusted % lineRange);
      emit(false);
      continue;
    }
    switch (opcode) {
      case 0: {
        const length = program.unsigned();
        const next = program.at + length;
        const extended = program.u8();
        if (extended === Extended.setAddress) address = program.u32();
        else if (extended === Extended.endSequence) {
          emit(true);
          address = 0;
          file = line = 1;
        }
        program.at = next;
        break;
      }
      case Standard.copy:
        emit(false);
        break;
      case Standard.advancePc:
        address += program.unsigned() * instructionLength;
        break;
      case Standard.advanceLine:
        line += program.signed();
        break;
      case Standard.setFile:
        file = program.unsigned();
        break;
      case Standard.addConstantPc:
        address += Math.floor((255 - opcodeBase) / lineRange) * instructionLength;
        break;
      case Standard.fixedAdvancePc:
        address += program.u16();
        break;
      default:
        for (let count = operandCounts[opcode - 1]!; count > 0; count--) program.unsigned();
    }
  }
}

/** Index of the first value that is not below another. */
function lowerBound(values: Uint32Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
