/**
 * The guest's own versions of bridged functions. Where a bridge took a function's place, its first instruction is moved to a piece of
 * guest memory from which the rest is jumped to: what jumps there runs the guest's function as if there were no bridge.
 */
import { Decoder } from '../translator/decode/decoder.js';
import { State } from '../translator/state.js';
import { MapFlag, Protection } from '../runtime/linux/constants/memory.js';
import type { BridgedProcess } from './context.js';
import { SymbolType } from './elf-library.js';
import type { BridgedLibrary } from './library.js';

interface Original {
  readonly address: number;
  readonly isIndirect: boolean;
  replaced: boolean;
  /** Where its moved beginning lies, 0 where it cannot be moved; of indirect functions the function itself. */
  entry: number | undefined;
}

const PAGE = 4096;
const STRIDE = 32;
const LONGEST_INSTRUCTION = 15;
const BRIDGE_STACK = State.bridgeStack >> 2;

export class Originals {
  private readonly known = new Map<BridgedLibrary, Map<string, Original>>();
  private at = 0;
  private end = 0;

  constructor(private readonly guest: BridgedProcess) {}

  /** After `execve`. */
  clear(): void {
    this.known.clear();
    this.at = this.end = 0;
  }

  found(library: BridgedLibrary, name: string, address: number, type: number): void {
    let functions = this.known.get(library);
    if (!functions) this.known.set(library, (functions = new Map<string, Original>()));
    const isIndirect = type === SymbolType.ifunc;
    if (isIndirect || type === SymbolType.function) {
      functions.set(name, { address, isIndirect, replaced: false, entry: undefined });
    }
  }

  /** A bridge has taken the function's place. */
  replaced(library: BridgedLibrary, name: string): void {
    const original = this.known.get(library)?.get(name);
    if (original) original.replaced = true;
  }

  /** Where the guest's own version can be called, as i32; 0: nowhere. */
  address(library: BridgedLibrary, name: string): number {
    const original = this.known.get(library)?.get(name);
    if (!original) return 0;
    original.entry ??= this.entryOf(original);
    return original.entry | 0;
  }

  private entryOf({ address, isIndirect, replaced }: Original): number {
    const entry = replaced ? this.move(address) : address;
    if (!isIndirect || entry === 0) return entry;
    const { guest } = this;
    // The resolver tells which function it is.
    return guest.callFunction ? guest.callFunction(entry, [], guest.cpu.i32[BRIDGE_STACK]!) >>> 0 : 0;
  }

  /** Puts the first instruction elsewhere, with a jump behind it; 0 where its meaning depends on where it lies. */
  private move(address: number): number {
    const { memory, mappings } = this.guest;
    const { u8, view } = memory;
    const decoded = new Decoder(u8).decode(address, address + LONGEST_INSTRUCTION);
    if ('failure' in decoded) return 0;
    const next = address + decoded.length;
    const opcode = u8[address]!;
    const bytes: number[] = [];
    const jump = (target: number): void => {
      bytes.push(0xe9, ...wordBytes(target - (this.at + bytes.length + 5)));
    };
    if (this.at + STRIDE > this.end) {
      const flags = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS;
      const start = mappings.mmap(0, PAGE, Protection.PROT_READ | Protection.PROT_WRITE, flags, -1, 0);
      if (start < 0) return 0;
      this.at = start;
      this.end = start + PAGE;
    } else mappings.mprotect(this.end - PAGE, PAGE, Protection.PROT_READ | Protection.PROT_WRITE);
    if (opcode === 0xe8) {
      // Functions begin so that ask for their own address: the return address is that of the place where they were.
      bytes.push(0x68, ...wordBytes(next));
      jump(next + view.getInt32(address + 1, true));
    } else if (opcode === 0xe9) jump(next + view.getInt32(address + 1, true));
    else if (opcode === 0xeb) jump(next + view.getInt8(address + 1));
    else if (isRelative(opcode, u8[address + 1]!)) return 0;
    else {
      bytes.push(...u8.subarray(address, next));
      jump(next);
    }
    const entry = this.at;
    memory.write(entry, Uint8Array.from(bytes));
    this.at += STRIDE;
    mappings.mprotect(this.end - PAGE, PAGE, Protection.PROT_READ | Protection.PROT_EXEC);
    return entry;
  }
}

/** Conditional jumps and loops. */
function isRelative(first: number, second: number): boolean {
  return (first >= 0x70 && first < 0x80) || (first >= 0xe0 && first < 0xe4) || (first === 0x0f && second >> 4 === 8);
}

function wordBytes(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}
