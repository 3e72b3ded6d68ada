/**
 * A WebAssembly module in the binary format (WebAssembly core specification, 5.5): imported memory and table, the address of
 * the thread's CPU state as an imported global (so that threads may share the module), imported helper functions, and functions of its own, all exported by name.
 */
import { ValueType } from './opcodes.js';
import { type FunctionWriter, writeUnsigned } from './writer.js';

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Names of the import object's modules and of what is always imported. */
export const Import = {
  environment: 'env',
  memory: 'memory',
  table: 'table',
  state: 'state',
  jumpTable: 'jumpTable',
  /** Of a module that can be put anywhere: the table's slots of its first function, and of the first that it calls. */
  base: 'base',
  links: 'links',
  helper: 'helper',
} as const;
/** Pages of 64 KiB of the guest's 4 GiB. */
const MEMORY_PAGES = 65536;

const Section = { type: 1, import: 2, function: 3, global: 6, export: 7, element: 9, code: 10, custom: 0 } as const;
const Kind = { function: 0, table: 1, memory: 2, global: 3 } as const;
const FUNCTION_TYPE = 0x60;
const FUNCTION_REFERENCE = 0x70;
const SHARED_WITH_MAXIMUM = 0x03;
const NO_MAXIMUM = 0x00;
const IMMUTABLE = 0x00;
const MUTABLE = 0x01;
const V128_CONST = [0xfd, 0x0c];
const GLOBAL_GET = 0x23;
const END = 0x0b;
const FUNCTION_NAMES = 1;

const textEncoder = new TextEncoder();

export interface HelperImport {
  /** The name it is imported by: a helper may be called with and without a result. */
  readonly field: string;
  readonly helper: string;
}

export class ModuleBuilder {
  /** Index of the global that holds the address of the CPU state. */
  readonly stateGlobal = 0;
  /** Index of the global that holds the address of the thread's jump table (`abi.ts`). */
  readonly jumpTableGlobal = 1;
  private readonly baseGlobal = 2;
  /** Index of the imported global from which a relocatable module counts the slots that it calls through. */
  readonly linksGlobal = 3;
  /**
   * The module can be put anywhere in the table. It exports nothing: it puts its functions into the slots from an imported
   * base on, and calls through slots that it fills as `links` says.
   */
  readonly relocatable: boolean;
  private readonly guestMemory: boolean;
  /** Of a relocatable module: the numbers of its own functions that the slots it calls through hold at first. */
  links: readonly number[] = [];
  private readonly types: number[][] = [];
  private readonly typeNumbers = new Map<string, number>();
  private readonly imports: { field: string; helper: string; type: number }[] = [];
  private readonly importNumbers = new Map<string, number>();
  private readonly constants: (readonly number[])[] = [];
  private readonly functions: { writer: FunctionWriter; type: number }[] = [];

  /** `guestMemory` false: the memory is not the guest's but any that is not shared. */
  constructor({ relocatable = false, guestMemory = true } = {}) {
    this.relocatable = relocatable;
    this.guestMemory = guestMemory;
  }

  get size(): number {
    return this.functions.length;
  }
  get writers(): readonly FunctionWriter[] {
    return this.functions.map(({ writer }) => writer);
  }
  get helperImports(): readonly HelperImport[] {
    return this.imports;
  }

  type({ parameters, results }: Signature): number {
    const bytes = [FUNCTION_TYPE];
    for (const list of [parameters, results]) {
      writeUnsigned(bytes, list.length);
      for (const type of list) bytes.push(ValueType[type]);
    }
    const key = bytes.join();
    let number = this.typeNumbers.get(key);
    if (number === undefined) {
      this.typeNumbers.set(key, (number = this.types.length));
      this.types.push(bytes);
    }
    return number;
  }

  /** Index of an imported helper that takes `parameters` i32 and gives an i32 or nothing. */
  helper(helper: string, parameters: number, result: boolean): number {
    const signature: Signature = {
      parameters: new Array<ValueType>(parameters).fill('i32'),
      results: result ? ['i32'] : [],
    };
    return this.import(result ? helper : `${helper}!`, helper, signature);
  }

  /** Index of an imported function of any signature. */
  function(name: string, signature: Signature): number {
    return this.import(`${name}:${signature.parameters.join()}`, name, signature);
  }

  private import(field: string, helper: string, signature: Signature): number {
    const key = `${field}/${signature.parameters.length}`;
    let number = this.importNumbers.get(key);
    if (number === undefined) {
      this.importNumbers.set(key, (number = this.imports.length));
      this.imports.push({ field, helper, type: this.type(signature) });
    }
    return number;
  }

  /**
   * Index of a global that holds 16 bytes. It is never written, but V8 does not know: what is read of it at a function's start stays in
   * a register, where constants are made anew wherever they are used.
   */
  constant(bytes: readonly number[]): number {
    const key = bytes.join();
    let number = this.constants.findIndex((known) => known.join() === key);
    if (number < 0) number = this.constants.push(bytes) - 1;
    return (this.relocatable ? this.linksGlobal : this.jumpTableGlobal) + 1 + number;
  }

  /** Adds a function; its number among the module's own. */
  add(writer: FunctionWriter, signature: Signature): number {
    this.functions.push({ writer, type: this.type(signature) });
    return this.functions.length - 1;
  }

  /**
   * The module's bytes.
   * @param named with the functions' names in a section of their own (core specification, appendix 7.4.1), which profilers read
   */
  finish(named = false): Uint8Array {
    const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const section = (number: number, count: number, entries: readonly (readonly number[])[]): void => {
      const content: number[] = [];
      writeUnsigned(content, count);
      bytes.push(number);
      const size = content.length + entries.reduce((sum, entry) => sum + entry.length, 0);
      writeUnsigned(bytes, size);
      append(bytes, content);
      for (const entry of entries) append(bytes, entry);
    };
    section(Section.type, this.types.length, this.types);
    const memory = [...text(Import.environment), ...text(Import.memory), Kind.memory];
    if (this.guestMemory) {
      memory.push(SHARED_WITH_MAXIMUM);
      writeUnsigned(memory, MEMORY_PAGES);
      writeUnsigned(memory, MEMORY_PAGES);
    } else memory.push(NO_MAXIMUM, 0);
    const table = [...text(Import.environment), ...text(Import.table), Kind.table, FUNCTION_REFERENCE, 0, 0];
    const own = this.relocatable ? [Import.base, Import.links] : [];
    const globals = [Import.state, Import.jumpTable, ...own].map((name) => [
      ...text(Import.environment),
      ...text(name),
      Kind.global,
      ValueType.i32,
      IMMUTABLE,
    ]);
    const helpers = this.imports.map(({ field, type }) => {
      const entry = [...text(Import.helper), ...text(field), Kind.function];
      writeUnsigned(entry, type);
      return entry;
    });
    section(Section.import, 2 + globals.length + helpers.length, [memory, table, ...globals, ...helpers]);
    section(
      Section.function,
      this.functions.length,
      this.functions.map(({ type }) => {
        const entry: number[] = [];
        writeUnsigned(entry, type);
        return entry;
      }),
    );
    if (this.constants.length > 0) {
      section(
        Section.global,
        this.constants.length,
        this.constants.map((bytes) => [ValueType.v128, MUTABLE, ...V128_CONST, ...bytes, END]),
      );
    }
    if (this.relocatable) {
      const segment = (global: number, functions: readonly number[]): number[] => {
        const content: number[] = [0, GLOBAL_GET];
        writeUnsigned(content, global);
        content.push(END);
        writeUnsigned(content, functions.length);
        for (const number of functions) writeUnsigned(content, this.imports.length + number);
        return content;
      };
      const all = segment(
        this.baseGlobal,
        this.functions.map((_, number) => number),
      );
      section(Section.element, 2, [all, segment(this.linksGlobal, this.links)]);
    } else this.exportAll(section);
    section(
      Section.code,
      this.functions.length,
      this.functions.map(({ writer }) => writer.finish(this.imports.length)),
    );
    if (named) append(bytes, this.nameSection());
    return Uint8Array.from(bytes);
  }

  private nameSection(): number[] {
    const names: number[] = [];
    writeUnsigned(names, this.functions.length);
    this.functions.forEach(({ writer }, number) => {
      writeUnsigned(names, this.imports.length + number);
      append(names, text(writer.name));
    });
    const content = [...text('name'), FUNCTION_NAMES];
    writeUnsigned(content, names.length);
    append(content, names);
    const section: number[] = [Section.custom];
    writeUnsigned(section, content.length);
    append(section, content);
    return section;
  }

  private exportAll(section: (number: number, count: number, entries: readonly (readonly number[])[]) => void): void {
    section(
      Section.export,
      this.functions.length,
      this.functions.map(({ writer }, number) => {
        const entry = [...text(writer.name), Kind.function];
        writeUnsigned(entry, this.imports.length + number);
        return entry;
      }),
    );
  }
}

function append(bytes: number[], more: readonly number[]): void {
  for (const byte of more) bytes.push(byte);
}

function text(name: string): number[] {
  const utf8 = textEncoder.encode(name);
  const bytes: number[] = [];
  writeUnsigned(bytes, utf8.length);
  append(bytes, [...utf8]);
  return bytes;
}
