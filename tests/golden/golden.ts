/**
 * What the translator makes of the functions in functions.c: instructions, IR, JavaScript and WebAssembly as text, and sizes. Each
 * function is run in the interpreter first, as a hot function would have been, and its region compiled by each backend;
 * generated code must give the interpreter's result.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { disassemble } from '../../translator/disasm.js';
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import '../../translator/isa/index.js';
import { printIr } from '../../translator/ir/print.js';
import { liftBlock } from '../../translator/lift/lift.js';
import { Page, PAGE_SHIFT, PAGE_SIZE } from '../../translator/pages.js';
import { CpuState } from '../../runtime/cpu/cpu-state.js';
import { Dispatcher, type EngineOptions } from '../../runtime/engine/engine.js';
import { RegionCompiler } from '../../runtime/engine/region-compiler.js';
import { readElfHeader, readProgramHeaders, Segment, SegmentFlag } from '../../runtime/loader/elf.js';
import { readFileSymbols } from '../../runtime/loader/symbols.js';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { PROJECT } from '../support/paths.js';

const FOLDER = join(PROJECT, 'tests/golden');
const PROGRAM = join(FOLDER, 'functions');
export const EXPECTED = join(FOLDER, 'expected');

/** Every function with the arguments that it is called with: enough of them to go through all that is to be seen. */
const CALLS: readonly (readonly [name: string, ...argumentLists: (readonly number[])[]])[] = [
  ['sum_words', [20]],
  ['fill_words', [20, 7]],
  ['call_copy_bytes', [33]],
  ['copy_repeated', [20]],
  ['fill_repeated', [20]],
  ['string_length', []],
  ['string_compare', []],
  ['find_repeated', [0x78]],
  ['compare_repeated', [100]],
  ['nested_loops', [6]],
  ['partition', [16]],
  ['crc', [10]],
  ['irreducible', [10, 0], [10, 1]],
  ['loop_instruction', [10]],
  ['leaf', [5, 6]],
  ['call_leaf', [10]],
  ['recursive', [7]],
  ['call_pointers', [10]],
  ['switch_table', [16]],
  ['switch_sparse', [3], [100], [5000], [70000], [900000], [1], [101]],
  ['bytecode', []],
  ['many_arguments', [1, 2, 3, 4, 5, 6]],
  ['call_many_arguments', [9]],
  ['stack_frame', [5]],
  ['push_and_pop', [5, 6]],
  ['narrow_bytes', [20]],
  ['narrow_words', [20]],
  ['partial_registers', [0x12345678, 0x9abcdef0]],
  ['carry_chain', [3, 0xfffffff9], [9, 9]],
  ['set_conditions', [3, 0xfffffff9], [5, 5]],
  ['push_flags', [3, 4]],
  ['minimum_maximum', [16]],
  ['signs', [0x8090a0b0]],
  ['add_wide', [0x89abcdef, 0x76543210]],
  ['multiply_wide', [0x89abcdef, 0x76543210]],
  ['shift_wide', [0x89abcdef, 40], [0x89abcdef, 3]],
  ['compare_wide', [5, 7], [0xfffffff0, 7], [77, 256]],
  ['divide_wide', [100, 77]],
  ['divide', [1000003, 17]],
  ['shifts', [0x89abcdef, 7]],
  ['rotations', [10]],
  ['bit_tests', [0x89abcdef, 3]],
  ['bit_scans', [0x09abcd00]],
  ['list_walk', []],
  ['structure_update', [2]],
  ['x87_polynomial', [9]],
  ['x87_sum', [8]],
  ['x87_compare', [8]],
  ['x87_functions', [17]],
  ['x87_stack', []],
  ['sse2_polynomial', [9]],
  ['sse2_sum', [8]],
  ['sse2_compare', [8]],
  ['sse2_functions', [17]],
  ['sse2_packed', [3]],
  ['sse2_bytes', [7]],
  ['sse2_words', []],
  ['sse2_shuffles', [0x12345678]],
];

export interface Sizes {
  readonly instructions: number;
  /** Characters of JavaScript. */
  readonly javascript: number;
  /** Bytes of a module with just this function. */
  readonly wasm: number;
}

export interface Golden {
  readonly name: string;
  /** The file in expected/. */
  readonly text: string;
  readonly sizes: Sizes;
}

type Language = 'js' | 'wasm';

/** Where a function returns to: an int3. */
const RETURN_ADDRESS = 0x10000;
const STACK = 0x20000;
const BREAKPOINT = 0xcc;
const [EAX, EDX, ESP] = [0, 2, 4];

interface FunctionSymbol {
  readonly name: string;
  readonly address: number;
  readonly end: number;
}

/** The program in a machine of its own, with one way of compiling. */
class Machine {
  private readonly memory = new GuestMemory();
  private readonly cpu = new CpuState(this.memory);
  private readonly dispatcher: Dispatcher;
  private readonly compiler: RegionCompiler;
  private readonly file = readFileSync(PROGRAM);
  readonly functions: ReadonlyMap<string, FunctionSymbol>;
  private readonly ordered: readonly FunctionSymbol[];
  /** Of the last function: its blocks in the order of their first execution, and its generated code. */
  blocks: (readonly DecodedInstruction[])[] = [];
  source = '';
  sourceName = '';

  constructor(language: Language) {
    const options: EngineOptions = {
      kind: 'region',
      backend: language,
      seed: 1,
      symbolAt: (address) => this.functionAt(address)?.name,
      onBlock: (instructions) => this.blocks.push(instructions),
      onCompiled: (name, source) => {
        this.sourceName = name;
        this.source = source;
      },
    };
    this.dispatcher = new Dispatcher(this.memory, this.cpu, options);
    this.compiler = new RegionCompiler(this.dispatcher, options, { maximumBlocks: 100, threshold: 1, batch: 1 });
    // As hot code is by default: no address is checked.
    this.dispatcher.setMemoryMode('lazy');
    const symbols = readFileSymbols(PROGRAM)!;
    this.ordered = symbols.names.flatMap((name, i) => {
      const [address, size] = [symbols.values[i]!, symbols.sizes[i]!];
      return size === 0 ? [] : [{ name, address, end: address + size }];
    });
    this.functions = new Map(this.ordered.map((symbol) => [symbol.name, symbol]));
  }

  functionAt(address: number): FunctionSymbol | undefined {
    return this.ordered.find((found) => found.address <= address >>> 0 && address >>> 0 < found.end);
  }

  /** Runs the function interpreted, compiles its region, runs that; gives the size of what was compiled. */
  compile(name: string, argumentLists: readonly (readonly number[])[]): number {
    const { address } = this.functions.get(name)!;
    this.load();
    this.blocks = [];
    const wanted = argumentLists.map((list) => this.call(address, list));
    const before = this.dispatcher.statistics.compiledBytes;
    const { blocks } = this;
    this.sourceName = '';
    this.compiler.request(this.dispatcher.blockAt(address | 0));
    if (this.sourceName !== `f_${name}_${address.toString(16)}`) throw new Error(`${name}: no code was generated`);
    const size = this.dispatcher.statistics.compiledBytes - before;
    this.writeData();
    this.cpu.reset();
    argumentLists.forEach((list, i) => {
      const got = this.call(address, list);
      if (got !== wanted[i]) throw new Error(`${name}(${list.join()}): ${wanted[i]} interpreted, ${got} generated`);
    });
    this.blocks = blocks;
    return size;
  }

  private load(): void {
    const { memory } = this;
    this.dispatcher.invalidateAll();
    this.cpu.reset();
    const allow = (from: number, to: number, bits: number): void => {
      memory.pages.fill(Page.mapped | Page.read | bits, from >>> PAGE_SHIFT, ((to - 1) >>> PAGE_SHIFT) + 1);
    };
    allow(RETURN_ADDRESS, RETURN_ADDRESS + PAGE_SIZE, Page.execute);
    memory.u8[RETURN_ADDRESS] = BREAKPOINT;
    allow(STACK, STACK + 2 * PAGE_SIZE, Page.write);
    for (const { address, memorySize, flags } of this.segments()) {
      allow(address, address + memorySize, flags & SegmentFlag.write ? Page.write : Page.execute);
    }
    this.writeData();
  }

  /** What is in the file's segments, as it is in the beginning. */
  private writeData(): void {
    for (const { address, offset, fileSize, memorySize } of this.segments()) {
      this.memory.u8.set(this.file.subarray(offset, offset + fileSize), address);
      this.memory.u8.fill(0, address + fileSize, address + memorySize);
    }
  }

  private segments(): ReturnType<typeof readProgramHeaders> {
    const header = readElfHeader(this.file, PROGRAM);
    const headers = readProgramHeaders(this.file.subarray(header.programHeaderOffset), header, PROGRAM);
    return headers.filter(({ type }) => type === Segment.load);
  }

  /** Calls a function by the i386 convention; its result is what is in edx and eax. */
  private call(address: number, argumentList: readonly number[]): string {
    const { cpu, memory, dispatcher } = this;
    let stack = STACK + PAGE_SIZE;
    for (const value of [...argumentList].reverse()) memory.view.setUint32((stack -= 4), value, true);
    memory.view.setUint32((stack -= 4), RETURN_ADDRESS, true);
    cpu.setRegister(ESP, stack);
    cpu.eip = address | 0;
    const event = dispatcher.run();
    if (event.kind !== 'interrupt' || (cpu.eip - 1) >>> 0 !== RETURN_ADDRESS) {
      throw new Error(`function at ${address.toString(16)}: ${event.kind} at ${(cpu.eip >>> 0).toString(16)}`);
    }
    return [EDX, EAX].map((register) => (cpu.register(register) >>> 0).toString(16).padStart(8, '0')).join(':');
  }
}

/** All functions of the list. Throws where generated code gives another result than the interpreter. */
export function translateFunctions(): Golden[] {
  const machines = { js: new Machine('js'), wasm: new Machine('wasm') };
  return CALLS.map(([name, ...argumentLists]) => {
    const { js, wasm } = machines;
    js.compile(name, argumentLists);
    const symbol = js.functions.get(name)!;
    const own = js.blocks.filter(([first]) => first!.pc >= symbol.address && first!.pc < symbol.end);
    const instructions = new Map(own.flat().map((instruction) => [instruction.pc, instruction]));
    const wasmSize = wasm.compile(name, argumentLists);
    const sizes = { instructions: instructions.size, javascript: js.source.length, wasm: wasmSize };
    return { name, text: goldenText(name, own, js.source, wasm.source), sizes };
  });
}

function goldenText(
  name: string,
  blocks: readonly (readonly DecodedInstruction[])[],
  js: string,
  wasm: string,
): string {
  const texts = new Map(blocks.flat().map((instruction) => [instruction.pc, disassemble(instruction)]));
  const ordered = [...blocks].sort(([a], [b]) => a!.pc - b!.pc);
  const ir = ordered.map((block) => printIr(liftBlock(block), (pc) => texts.get(pc)));
  return `${name}\n\n== IR, as lifted ==\n\n${ir.join('\n')}\n== JavaScript ==\n\n${js.trim()}\n\n== WebAssembly ==\n\n${folded(wasm)}\n`;
}

/** Instructions after which nothing of an expression is left on the stack. */
const ENDS_LINE = /^(local\.set|.*\.store\S*|br|br_if|br_table|return|drop|block|loop|if|else|end|unreachable)\b/;

/** WebAssembly's text with a line for what would be a statement, not for every instruction. */
function folded(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const raw of text.trim().split('\n')) {
    const words = raw.trim();
    if (words.startsWith('(') || words === ')') {
      lines.push(words);
      continue;
    }
    line = line === '' ? raw : `${line}; ${words}`;
    if (ENDS_LINE.test(words)) {
      lines.push(line);
      line = '';
    }
  }
  if (line !== '') lines.splice(-1, 0, line);
  return lines.join('\n');
}

export type SizeTable = Record<string, Sizes>;

export const sizeTable = (goldens: readonly Golden[]): SizeTable =>
  Object.fromEntries(goldens.map(({ name, sizes }) => [name, sizes]));

function total(table: SizeTable, names: readonly string[]): Sizes {
  const sum = (field: keyof Sizes): number => names.reduce((all, name) => all + (table[name]?.[field] ?? 0), 0);
  return { instructions: sum('instructions'), javascript: sum('javascript'), wasm: sum('wasm') };
}

/** How much a function may grow without being asked for: its own size, and all of them together. */
const MAY_GROW = { one: 0.15, all: 0.01 };

/** Growth beyond what passes without a word, one line each. Functions that only one table has do not count. */
export function growth(before: SizeTable, after: SizeTable): string[] {
  const names = Object.keys(after).filter((name) => name in before);
  const result: string[] = [];
  const check = (name: string, old: Sizes, now: Sizes, allowed: number): void => {
    for (const field of ['javascript', 'wasm'] as const) {
      const [a, b] = [old[field] / old.instructions, now[field] / now.instructions];
      if (b <= a * (1 + allowed)) continue;
      result.push(`${name}: ${field}: ${a.toFixed(1)} bytes per instruction became ${b.toFixed(1)}`);
    }
  };
  for (const name of names) check(name, before[name]!, after[name]!, MAY_GROW.one);
  if (names.length > 0) check('all functions', total(before, names), total(after, names), MAY_GROW.all);
  return result;
}

/** Sizes for reading: bytes per guest instruction, before and after where they are not the same. */
export function sizeText(before: SizeTable, after: SizeTable): string {
  const cell = (name: string, field: 'javascript' | 'wasm', table: SizeTable): string => {
    const sizes = name === 'all' ? total(table, Object.keys(after)) : table[name];
    return sizes && sizes.instructions > 0 ? (sizes[field] / sizes.instructions).toFixed(1) : '-';
  };
  const change = (name: string, field: 'javascript' | 'wasm'): string => {
    const [old, now] = [cell(name, field, before), cell(name, field, after)];
    return old === now ? now : `${old} -> ${now}`;
  };
  const names = [...Object.keys(after), 'all'];
  const rows = names.map((name) => {
    const sizes = name === 'all' ? total(after, Object.keys(after)) : after[name]!;
    return [name, String(sizes.instructions), change(name, 'javascript'), change(name, 'wasm')];
  });
  return [['', 'instructions', 'JavaScript', 'WebAssembly'], ...rows]
    .map(([name, ...cells]) => name!.padEnd(22) + cells.map((text) => text.padStart(18)).join(''))
    .join('\n');
}
