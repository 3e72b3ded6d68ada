/**
 * Functions of the guest for profiles: which one an address belongs to, and who called the one that runs. Names come from symbol
 * tables; where a file has none for an address, its call frame information still tells where the function begins.
 */
import { State } from '../../translator/state.js';
import { type Section, readSections } from '../loader/sections.js';
import type { SymbolTable } from '../loader/symbols.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { CallFrameInformation, evaluateExpression, type UnwindRow } from './call-frame-information.js';

export interface GuestFunction {
  /** Tells it from all others of the run. */
  readonly index: number;
  /** The symbol as the file has it; undefined where it has none. */
  readonly symbol: string | undefined;
  /** The file on the host; undefined for code in memory that is no file's. */
  readonly file: string | undefined;
  /** The function's first address as in the file, or in memory. */
  readonly start: number;
}

/** DWARF's numbers of registers are the processor's, and eip. */
const EIP = 8;
const ESP = 4;
const EBP = 5;
const REGISTERS = 8;
/** Deeper chains are cut at their root. */
const MAXIMUM_DEPTH = 256;
/** How far up a function's frame is searched for where it returns to. */
const SEARCHED_WORDS = 512;
/** Opcodes of calls, by their length: `call rel32`, and of `FF /2` the shortest and longest. */
const SHORTEST_CALL = 2;
const LONGEST_CALL = 7;

interface CodePlace {
  readonly function: GuestFunction;
  /** The function's first address in memory, where it is known. */
  readonly begins: number | undefined;
  readonly row: UnwindRow | undefined;
}

export class GuestFunctions {
  readonly all: GuestFunction[] = [];
  private readonly byKey = new Map<string, GuestFunction>();
  private readonly information = new Map<string, CallFrameInformation | undefined>();
  private readonly places = new Map<number, CodePlace>();
  private readonly registers = new Int32Array(REGISTERS + 1);

  constructor(
    private readonly memory: GuestMemory,
    private readonly symbols: SymbolTable,
  ) {}

  /** Other files may be at the addresses from now on. */
  forgetPlaces(): void {
    this.places.clear();
  }

  functionAt(address: number): GuestFunction {
    return this.placeAt(address).function;
  }

  /** The functions whose frames are on the stack, the one that runs first. `state`: the thread's CPU state. */
  chain(state: Int32Array): GuestFunction[] {
    const { registers } = this;
    registers.set(state.subarray(State.eax >> 2, (State.eax >> 2) + REGISTERS));
    registers[EIP] = state[State.eip >> 2]!;
    const functions: GuestFunction[] = [];
    // The first instruction has not been executed; callers are in the middle of theirs.
    let executed = 0;
    while (functions.length < MAXIMUM_DEPTH) {
      const place = this.placeAt((registers[EIP]! - executed) >>> 0);
      functions.push(place.function);
      const stack = registers[ESP]! >>> 0;
      if (!(place.row ? this.stepByRow(place.row) : this.stepWithoutRow(place.begins, functions.length === 1))) break;
      // A stack grows down: a caller's frame lies higher.
      if (registers[EIP] === 0 || registers[ESP]! >>> 0 <= stack) break;
      executed = place.row?.isSignalFrame === true ? 0 : 1;
    }
    return functions;
  }

  private placeAt(address: number): CodePlace {
    const page = this.places;
    let place = page.get(address);
    if (!place) page.set(address, (place = this.findPlace(address)));
    return place;
  }

  private findPlace(address: number): CodePlace {
    const found = this.symbols.locate(address);
    if (!found) {
      const unnamed = this.function(undefined, undefined, (address & ~0xfff) >>> 0);
      return { function: unnamed, begins: undefined, row: undefined };
    }
    const { file, value } = found;
    const information = this.informationOf(file);
    const symbol = this.symbols.symbolAt(address);
    const start = symbol?.name === undefined ? information?.functionStart(value) : value - symbol.offset;
    return {
      function: this.function(symbol?.name, file, start ?? value & ~0xfff),
      begins: start === undefined ? undefined : address - (value - start),
      row: information?.rowAt(value),
    };
  }

  private function(symbol: string | undefined, file: string | undefined, start: number): GuestFunction {
    const key = `${start} ${file ?? ''}`;
    let found = this.byKey.get(key);
    if (!found) {
      found = { index: this.all.length, symbol, file, start };
      this.all.push(found);
      this.byKey.set(key, found);
    }
    return found;
  }

  private informationOf(file: string): CallFrameInformation | undefined {
    if (!this.information.has(file)) {
      const section: Section | undefined = readSections(file, ['.eh_frame']).get('.eh_frame');
      this.information.set(file, section && new CallFrameInformation(section.bytes, section.address));
    }
    return this.information.get(file);
  }

  private readonly read = (address: number): number | undefined =>
    this.memory.isReadable(address, 4) ? this.memory.view.getInt32(address, true) : undefined;

  private readonly register = (number: number): number => this.registers[number] ?? 0;

  /** Makes the registers those of the caller; false where that is not possible. */
  private stepByRow({ cfa: rule, rules }: UnwindRow): boolean {
    const { registers } = this;
    const cfa =
      rule.kind === 'register'
        ? (this.register(rule.register) + rule.offset) | 0
        : evaluateExpression(rule.expression, [], this.register, this.read);
    if (cfa === undefined) return false;
    const values: (readonly [number, number])[] = [];
    for (const [number, how] of rules) {
      let value: number | undefined;
      if (how.kind === 'register') value = this.register(how.register);
      else if (how.kind === 'valueOffset') value = (cfa + how.offset) | 0;
      else if (how.kind === 'offset') value = this.read((cfa + how.offset) >>> 0);
      else if (how.kind === 'expression' || how.kind === 'valueExpression') {
        const result = evaluateExpression(how.expression, [cfa], this.register, this.read);
        value = how.kind === 'valueExpression' || result === undefined ? result : this.read(result >>> 0);
      }
      if (value === undefined) {
        if (number === EIP) return false;
        continue;
      }
      values.push([number, value]);
    }
    if (!rules.has(EIP)) return false;
    registers[ESP] = cfa;
    for (const [number, value] of values) if (number <= EIP) registers[number] = value;
    return true;
  }

  /**
   * Without information: the nearest address on the stack that follows a direct call of this very function; else a caller's address
   * above the frame that ebp points to, or on top of the stack (nothing has been pushed yet). Only what follows a call is believed.
   */
  private stepWithoutRow(begins: number | undefined, isFirst: boolean): boolean {
    const { registers } = this;
    const stack = registers[ESP]! >>> 0;
    for (let at = stack; begins !== undefined && at < stack + 4 * SEARCHED_WORDS; at += 4) {
      const address = this.read(at);
      if (address === undefined) break;
      if (this.calledDirectly(address >>> 0) !== begins) continue;
      registers[EIP] = address;
      registers[ESP] = at + 4;
      return true;
    }
    const frame = registers[EBP]! >>> 0;
    const caller = frame < stack ? undefined : this.read(frame);
    const address = this.read(frame + 4);
    if (caller !== undefined && address !== undefined && this.followsCall(address >>> 0)) {
      registers[EBP] = caller;
      registers[EIP] = address;
      registers[ESP] = frame + 8;
      return true;
    }
    const top = isFirst ? this.read(stack) : undefined;
    if (top === undefined || !this.followsCall(top >>> 0)) return false;
    registers[EIP] = top;
    registers[ESP] = stack + 4;
    return true;
  }

  /** Whom the `call rel32` before an address calls, if one is there. */
  private calledDirectly(address: number): number | undefined {
    const { memory } = this;
    if (address < 5 || !memory.isReadable(address - 5, 5) || memory.u8[address - 5] !== 0xe8) return undefined;
    return (address + memory.view.getInt32(address - 4, true)) >>> 0;
  }

  private followsCall(address: number): boolean {
    const { memory } = this;
    if (address < LONGEST_CALL || !memory.isReadable(address - LONGEST_CALL, LONGEST_CALL)) return false;
    if (this.calledDirectly(address) !== undefined) return true;
    for (let length = SHORTEST_CALL; length <= LONGEST_CALL; length++) {
      if (memory.u8[address - length] === 0xff && (memory.u8[address - length + 1]! & 0x38) === 0x10) return true;
    }
    return false;
  }
}
