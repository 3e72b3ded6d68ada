/** `--dump in_asm,ir,js,wasm`: what is translated, on standard error, as it is translated. */
import { disassemble } from '../../translator/disasm.js';
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import { printIr } from '../../translator/ir/print.js';
import { liftBlock } from '../../translator/lift/lift.js';
import type { EngineOptions } from '../../runtime/engine/index.js';
import type { LinuxProcess } from '../../runtime/linux/process.js';
import { ExitStatus, Failure } from './failure.js';
import type { RunOptions } from './run-options.js';

const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
/** Guest bytes that fit into the column before the instruction's text. */
const BYTES_COLUMN = 8;

export type DumpHooks = Pick<EngineOptions, 'onBlock' | 'onCompiled'>;

/** The engine's hooks that print what `options` ask for; nothing where they ask for nothing. */
export function dumpHooks(options: RunOptions, guest: LinuxProcess): DumpHooks {
  const kinds = new Set(options.dump);
  const wanted = addressFilter(options.dumpRange, guest);
  const hooks: { -readonly [K in keyof DumpHooks]: DumpHooks[K] } = {};
  if (kinds.has('in_asm') || kinds.has('ir')) {
    hooks.onBlock = (instructions) => {
      if (!instructions.some(({ pc }) => wanted(pc >>> 0))) return;
      const place = placeOf(guest, instructions[0]!.pc);
      if (kinds.has('in_asm')) guest.report(`in_asm: ${place}\n${assembly(guest, instructions)}`);
      if (kinds.has('ir')) {
        const texts = new Map(instructions.map((instruction) => [instruction.pc, disassemble(instruction)]));
        guest.report(`ir: ${place}\n${printIr(liftBlock(instructions), (pc) => texts.get(pc))}`);
      }
    };
  }
  if (kinds.has('js') || kinds.has('wasm')) {
    hooks.onCompiled = (name, source, language) => {
      if (!kinds.has(language)) return;
      // Generated functions are named by symbol and address.
      const address = /_([0-9a-f]{1,8})$/.exec(name)?.[1];
      if (address === undefined || wanted(Number.parseInt(address, 16)))
        guest.report(`${language}: ${name}\n${source}\n`);
    };
  }
  return hooks;
}

function assembly(guest: LinuxProcess, instructions: readonly DecodedInstruction[]): string {
  return instructions
    .map((instruction) => {
      const pc = instruction.pc >>> 0;
      const bytes = Array.from(guest.memory.u8.subarray(pc, pc + instruction.length), (byte) =>
        byte.toString(16).padStart(2, '0'),
      ).join(' ');
      return `${hex(pc)}:  ${bytes.padEnd(3 * BYTES_COLUMN)}  ${disassemble(instruction)}\n`;
    })
    .join('');
}

function placeOf(guest: LinuxProcess, address: number): string {
  const symbol = guest.symbols.symbolAt(address >>> 0);
  if (symbol?.name === undefined) return hex(address);
  return `${hex(address)} <${symbol.name}+0x${symbol.offset.toString(16)}>`;
}

/** `LO-HI` in hexadecimal, or the name of a function. */
function addressFilter(range: string | undefined, guest: LinuxProcess): (address: number) => boolean {
  if (range === undefined) return () => true;
  const match = /^(?:0x)?([0-9a-f]{1,8})-(?:0x)?([0-9a-f]{1,8})$/i.exec(range);
  if (match) {
    const [low, high] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
    if (low > high) throw new Failure(`--dump-range ${range}: the first address is the higher one`, ExitStatus.usage);
    return (address) => address >= low && address <= high;
  }
  return (address) => guest.symbols.symbolAt(address)?.name === range;
}
