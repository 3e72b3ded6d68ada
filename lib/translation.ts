/** What guest code becomes, as text for people: disassembly, intermediate representation, generated code. */
import type { Dispatcher } from '../runtime/engine/index.js';
import { GuestTrap } from '../runtime/memory/trap.js';
import { Decoder, type DecodedInstruction } from '../translator/decode/decoder.js';
import { disassemble } from '../translator/disasm.js';
import { emitRegion } from '../translator/emit/region-javascript.js';
import { ModuleBuilder } from '../translator/emit/wasm/module.js';
import { emitWasmRegion } from '../translator/emit/wasm/region.js';
import { moduleText } from '../translator/emit/wasm/text.js';
import { isTerminator, type IrBlock, type Terminator } from '../translator/ir/ir.js';
import { printIr } from '../translator/ir/print.js';
import { liftBlock } from '../translator/lift/lift.js';
import { removeDeadPuts } from '../translator/passes/liveness.js';
import { internalTargets, RegionGraph, type RegionNode } from '../translator/region/graph.js';

export type TranslationLanguage = 'ir' | 'js' | 'wasm';

const hex = (address: number): string => `0x${(address >>> 0).toString(16).padStart(8, '0')}`;
/** Room for the longest instruction whose bytes are shown in a column. */
const BYTES_COLUMN = 24;

export interface DisassembledInstruction {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** The instructions of a readable range of guest memory; a byte that begins none is shown as `.byte`. */
export function disassembleRange(memory: Uint8Array, address: number, length: number): DisassembledInstruction[] {
  const decoder = new Decoder(memory);
  const lines: DisassembledInstruction[] = [];
  const end = address + length;
  for (let at = address; at < end;) {
    const instruction = decoder.decode(at, end);
    const size = 'failure' in instruction ? 1 : instruction.length;
    const bytes = memory.slice(at, at + size);
    const text = 'failure' in instruction ? `.byte 0x${bytes[0]!.toString(16)}` : disassemble(instruction);
    lines.push({ address: at, bytes, text });
    at += size;
  }
  return lines;
}

/** A block as lines of address, bytes and text. */
export function blockText(memory: Uint8Array, instructions: readonly DecodedInstruction[]): string {
  return instructions
    .map((instruction) => {
      const pc = instruction.pc >>> 0;
      const bytes = Buffer.from(memory.subarray(pc, pc + instruction.length)).toString('hex');
      return `${hex(pc)}  ${bytes.padEnd(BYTES_COLUMN)}  ${disassemble(instruction)}\n`;
    })
    .join('');
}

/** The code from an address on as one region, as far as direct jumps within the range lead. */
export function translationText(
  engine: Dispatcher,
  address: number,
  length: number,
  language: TranslationLanguage,
): string {
  const blocks = new Map<number, RegionNode>();
  const worklist = [address | 0];
  while (worklist.length > 0) {
    const pc = worklist.pop()!;
    if (blocks.has(pc) || pc >>> 0 < address || pc >>> 0 >= address + length) continue;
    const ir = lift(engine, pc, address + length);
    if (!ir) continue;
    const last = ir.statements[ir.statements.length - 1]!;
    const node = { ir, terminator: (isTerminator(last) ? last : undefined) as Terminator, indirectTargets: [] };
    blocks.set(pc, node);
    worklist.push(...internalTargets(node));
  }
  if (blocks.size === 0) throw new RangeError(`no instruction at ${hex(address)}`);
  if (language === 'ir') return [...blocks.values()].map(({ ir }) => printIr(ir)).join('\n');
  const graph = new RegionGraph([address | 0], blocks);
  const liveness = removeDeadPuts(graph, { preciseFlags: false, checks: engine.checks });
  const name = `f_${address.toString(16)}`;
  if (language === 'js') return emitRegion(graph, name, engine.checks).text;
  const module = new ModuleBuilder();
  emitWasmRegion(module, graph, name, { liveness, checks: engine.checks, slotOf: () => 0 });
  module.finish();
  return moduleText(module).join('\n');
}

/** The block at an address, up to its end or the range's; undefined where there is no instruction. */
function lift(engine: Dispatcher, pc: number, end: number): IrBlock | undefined {
  const instructions: DecodedInstruction[] = [];
  let at = pc >>> 0;
  try {
    while (at < end) {
      const instruction = engine.decode(at);
      instructions.push(instruction);
      at += instruction.length;
      if (instruction.declaration.options.ends === true) break;
    }
  } catch (error) {
    if (!(error instanceof GuestTrap)) throw error;
  }
  return instructions.length === 0 ? undefined : liftBlock(instructions);
}
