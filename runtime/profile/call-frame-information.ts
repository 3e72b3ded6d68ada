/**
 * Call frame information of an ELF file's `.eh_frame`: for an instruction, where its caller's registers and return address are. Sources:
 * DWARF 5, section 6.4, and the Linux Standard Base, "Exception Frames". Entries that cannot be read are left out.
 */
import { DwarfReader, Pointer } from './dwarf-reader.js';

/** How a caller's register is found. Numbers are offsets from the CFA, registers, or the place of a DWARF expression. */
export type RegisterRule =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'offset' | 'valueOffset'; readonly offset: number }
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'expression' | 'valueExpression'; readonly expression: Uint8Array };

export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: number }
  | { readonly kind: 'expression'; readonly expression: Uint8Array };

/** The rules at one instruction. A register without a rule is as it was. Registers have DWARF's numbers: 0-7 as the processor's, 8 is eip. */
export interface UnwindRow {
  readonly cfa: CfaRule;
  readonly rules: ReadonlyMap<number, RegisterRule>;
  /** A signal's frame: the address in it is the one of an instruction that was not executed yet. */
  readonly isSignalFrame: boolean;
}

interface CommonEntry {
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  readonly pointerEncoding: number;
  readonly hasAugmentation: boolean;
  readonly isSignalFrame: boolean;
  readonly instructions: readonly [number, number];
}

interface FrameEntry {
  readonly start: number;
  readonly end: number;
  readonly common: CommonEntry;
  readonly instructions: readonly [number, number];
}

export class CallFrameInformation {
  private readonly entries: readonly FrameEntry[];

  /**
   * @param section bytes of `.eh_frame`
   * @param address of its first byte, as in the file
   */
  constructor(
    private readonly section: Uint8Array,
    address: number,
  ) {
    this.entries = readEntries(section, address);
  }

  /** First address of the function that contains an address of the file: files without symbols have that, too. */
  functionStart(address: number): number | undefined {
    return this.entryAt(address)?.start;
  }

  /** The rules at an address of the file; undefined where there are none. */
  rowAt(address: number): UnwindRow | undefined {
    const entry = this.entryAt(address);
    if (!entry) return undefined;
    try {
      return execute(this.section, entry, address);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  private entryAt(address: number): FrameEntry | undefined {
    const { entries } = this;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.start <= address) low = middle + 1;
      else high = middle;
    }
    const found = entries[low - 1];
    return found && address < found.end ? found : undefined;
  }
}

function readEntries(section: Uint8Array, address: number): FrameEntry[] {
  const entries: FrameEntry[] = [];
  const commons = new Map<number, CommonEntry>();
  const commonAt = (offset: number): CommonEntry => {
    let common = commons.get(offset);
    if (!common) commons.set(offset, (common = readCommonEntry(section, offset)));
    return common;
  };
  const reader = new DwarfReader(section, 0);
  try {
    while (reader.at + 4 <= section.length) {
      const length = reader.u32();
      if (length === 0) break;
      const next = reader.at + length;
      const idAt = reader.at;
      const id = reader.u32();
      if (id !== 0) {
        const common = commonAt(idAt - id);
        const start = reader.pointer(common.pointerEncoding, address);
        const size = reader.pointer(common.pointerEncoding & 0x0f, address);
        if (common.hasAugmentation) reader.block();
        if (size > 0) entries.push({ start, end: start + size, common, instructions: [reader.at, next] });
      }
      reader.at = next;
    }
  } catch (error) {
    // A damaged section: what was read before is as good as ever.
    if (!(error instanceof RangeError)) throw error;
  }
  return entries.sort((a, b) => a.start - b.start);
}

function readCommonEntry(section: Uint8Array, offset: number): CommonEntry {
  const reader = new DwarfReader(section, offset);
  const end = offset + 4 + reader.u32();
  reader.u32();
  const version = reader.u8();
  let augmentation = '';
  for (let char = reader.u8(); char !== 0; char = reader.u8()) augmentation += String.fromCharCode(char);
  const codeAlignment = reader.unsigned();
  const dataAlignment = reader.signed();
  if (version === 1) reader.u8();
  else reader.unsigned();
  let pointerEncoding: number = Pointer.absolute;
  const hasAugmentation = augmentation.startsWith('z');
  if (hasAugmentation) {
    const length = reader.unsigned();
    const instructions = reader.at + length;
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') pointerEncoding = reader.u8();
      else if (letter === 'L') reader.u8();
      else if (letter === 'P') {
        const encoding = reader.u8();
        if (encoding !== Pointer.omitted) reader.pointer(encoding, 0);
      }
    }
    reader.at = instructions;
  } else if (augmentation !== '') throw new RangeError(`augmentation ${augmentation}`);
  return {
    codeAlignment,
    dataAlignment,
    pointerEncoding,
    hasAugmentation,
    isSignalFrame: augmentation.includes('S'),
    instructions: [reader.at, end],
  };
}

interface MutableRow {
  cfa: CfaRule;
  rules: Map<number, RegisterRule>;
}

const UNDEFINED: RegisterRule = { kind: 'undefined' };

/** Carries out the instructions of an entry up to an address (DWARF 5, 6.4.2). */
function execute(section: Uint8Array, { start, common, instructions }: FrameEntry, address: number): UnwindRow {
  const row: MutableRow = { cfa: { kind: 'register', register: 4, offset: 4 }, rules: new Map() };
  run(section, common, common.instructions, row, undefined, 0, address);
  run(section, common, instructions, row, new Map(row.rules), start, address);
  return { ...row, isSignalFrame: common.isSignalFrame };
}

function run(
  section: Uint8Array,
  common: CommonEntry,
  [from, to]: readonly [number, number],
  row: MutableRow,
  initial: ReadonlyMap<number, RegisterRule> | undefined,
  start: number,
  address: number,
): void {
  const reader = new DwarfReader(section, from);
  const remembered: MutableRow[] = [];
  let location = start;
  const offset = (register: number, factored: number): void => {
    row.rules.set(register, { kind: 'offset', offset: factored * common.dataAlignment });
  };
  const restore = (register: number): void => {
    const rule = initial?.get(register);
    if (rule) row.rules.set(register, rule);
    else row.rules.delete(register);
  };
  const advance = (delta: number): boolean => {
    location += delta * common.codeAlignment;
    return location <= address;
  };
  const cfaRegister = (): number => (row.cfa.kind === 'register' ? row.cfa.register : 4);
  const cfaOffset = (): number => (row.cfa.kind === 'register' ? row.cfa.offset : 0);
  while (reader.at < to) {
    const opcode = reader.u8();
    const low = opcode & 0x3f;
    switch (opcode >> 6 ? opcode & 0xc0 : opcode) {
      case 0x40: // DW_CFA_advance_loc
        if (!advance(low)) return;
        break;
      case 0x80: // DW_CFA_offset
        offset(low, reader.unsigned());
        break;
      case 0xc0: // DW_CFA_restore
        restore(low);
        break;
      case 0x00: // DW_CFA_nop
        break;
      case 0x02: // DW_CFA_advance_loc1, 2, 4
        if (!advance(reader.u8())) return;
        break;
      case 0x03:
        if (!advance(reader.u16())) return;
        break;
      case 0x04:
        if (!advance(reader.u32())) return;
        break;
      case 0x05: // DW_CFA_offset_extended
        offset(reader.unsigned(), reader.unsigned());
        break;
      case 0x06: // DW_CFA_restore_extended
        restore(reader.unsigned());
        break;
      case 0x07: // DW_CFA_undefined
        row.rules.set(reader.unsigned(), UNDEFINED);
        break;
      case 0x08: // DW_CFA_same_value
        row.rules.delete(reader.unsigned());
        break;
      case 0x09: // DW_CFA_register
        row.rules.set(reader.unsigned(), { kind: 'register', register: reader.unsigned() });
        break;
      case 0x0a: // DW_CFA_remember_state
        remembered.push({ cfa: row.cfa, rules: new Map(row.rules) });
        break;
      case 0x0b: {
        // DW_CFA_restore_state
        const last = remembered.pop();
        if (last) Object.assign(row, last);
        break;
      }
      case 0x0c: // DW_CFA_def_cfa
        row.cfa = { kind: 'register', register: reader.unsigned(), offset: reader.unsigned() };
        break;
      case 0x0d: // DW_CFA_def_cfa_register
        row.cfa = { kind: 'register', register: reader.unsigned(), offset: cfaOffset() };
        break;
      case 0x0e: // DW_CFA_def_cfa_offset
        row.cfa = { kind: 'register', register: cfaRegister(), offset: reader.unsigned() };
        break;
      case 0x0f: // DW_CFA_def_cfa_expression
        row.cfa = { kind: 'expression', expression: reader.block() };
        break;
      case 0x10: // DW_CFA_expression
        row.rules.set(reader.unsigned(), { kind: 'expression', expression: reader.block() });
        break;
      case 0x11: // DW_CFA_offset_extended_sf
        offset(reader.unsigned(), reader.signed());
        break;
      case 0x12: // DW_CFA_def_cfa_sf
        row.cfa = {
          kind: 'register',
          register: reader.unsigned(),
          offset: reader.signed() * common.dataAlignment,
        };
        break;
      case 0x13: // DW_CFA_def_cfa_offset_sf
        row.cfa = { kind: 'register', register: cfaRegister(), offset: reader.signed() * common.dataAlignment };
        break;
      case 0x14: // DW_CFA_val_offset
        row.rules.set(reader.unsigned(), {
          kind: 'valueOffset',
          offset: reader.unsigned() * common.dataAlignment,
        });
        break;
      case 0x16: // DW_CFA_val_expression
        row.rules.set(reader.unsigned(), { kind: 'valueExpression', expression: reader.block() });
        break;
      case 0x2e: // DW_CFA_GNU_args_size
        reader.unsigned();
        break;
      default:
        throw new RangeError(`call frame instruction ${opcode}`);
    }
  }
}

/**
 * The value of a DWARF expression (DWARF 5, 2.5), with the operations that call frame information of i386 uses.
 * @param initial what lies on the stack at first
 * @returns undefined where memory cannot be read or an operation is unknown
 */
export function evaluateExpression(
  expression: Uint8Array,
  initial: readonly number[],
  register: (number: number) => number,
  read: (address: number) => number | undefined,
): number | undefined {
  const stack = [...initial];
  const pop = (): number => stack.pop() ?? 0;
  const reader = new DwarfReader(expression, 0);
  while (reader.at < expression.length) {
    const opcode = reader.u8();
    if (opcode >= 0x30 && opcode <= 0x4f) stack.push(opcode - 0x30);
    else if (opcode >= 0x70 && opcode <= 0x8f) stack.push((register(opcode - 0x70) + reader.signed()) | 0);
    else if (opcode === 0x06) {
      const value = read(pop() >>> 0);
      if (value === undefined) return undefined;
      stack.push(value | 0);
    } else if (opcode === 0x08) stack.push(reader.u8());
    else if (opcode === 0x09) stack.push((reader.u8() << 24) >> 24);
    else if (opcode === 0x0a) stack.push(reader.u16());
    else if (opcode === 0x0b) stack.push((reader.u16() << 16) >> 16);
    else if (opcode === 0x03 || opcode === 0x0c || opcode === 0x0d) stack.push(reader.u32() | 0);
    else if (opcode === 0x10) stack.push(reader.unsigned() | 0);
    else if (opcode === 0x11) stack.push(reader.signed() | 0);
    else if (opcode === 0x12) stack.push(stack[stack.length - 1] ?? 0);
    else if (opcode === 0x13) pop();
    else if (opcode === 0x23) stack.push((pop() + reader.unsigned()) | 0);
    else {
      const right = pop();
      const left = pop();
      if (opcode === 0x16) stack.push(right, left);
      else if (opcode === 0x1a) stack.push(left & right);
      else if (opcode === 0x1c) stack.push((left - right) | 0);
      else if (opcode === 0x1e) stack.push(Math.imul(left, right));
      else if (opcode === 0x21) stack.push(left | right);
      else if (opcode === 0x22) stack.push((left + right) | 0);
      else if (opcode === 0x24) stack.push(left << right);
      else if (opcode === 0x2a) stack.push(left >= right ? 1 : 0);
      else return undefined;
    }
  }
  return stack.pop();
}
