/** A module's functions as text, for reading: instructions by name, one a line, indented by their structure. */
import type { ModuleBuilder } from './module.js';
import { opcodes, ValueType, type Immediates, type WasmOpcode } from './opcodes.js';
import type { FunctionWriter } from './writer.js';

const byCode = new Map<number, { name: WasmOpcode; immediates: Immediates }>();
for (const name of Object.keys(opcodes) as WasmOpcode[]) {
  const declared = opcodes[name];
  if (typeof declared === 'number') byCode.set(declared, { name, immediates: 'none' });
  else byCode.set(declared[0], { name, immediates: declared[1] });
}
const typeNames = new Map<number, string>(Object.entries(ValueType).map(([name, code]) => [code, name]));

/** The text of each of the module's own functions. */
export function moduleText(module: ModuleBuilder): string[] {
  const imports = module.helperImports.map(({ helper }) => helper);
  return module.writers.map((writer) => functionText(writer, imports, module.writers));
}

function functionText(
  writer: FunctionWriter,
  imports: readonly string[],
  functions: readonly FunctionWriter[],
): string {
  const { code } = writer;
  const ownCalls = new Map(writer.ownCalls.map(({ position, target }) => [position, target]));
  const lines = [`(func $${writer.name}`];
  let at = 0;
  let depth = 1;
  const unsigned = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = code[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  const signed = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = code[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(Number(shift) + 7, value);
    }
  };
  const bytes = (count: number): Uint8Array => {
    at += count;
    return Uint8Array.from(code.slice(at - count, at));
  };
  const read: Record<Immediates, () => string> = {
    none: () => '',
    block: () => {
      const type = typeNames.get(code[at++]!);
      return type ? ` (result ${type})` : '';
    },
    label: () => ` ${unsigned()}`,
    labels: () => {
      const count = unsigned();
      return Array.from({ length: count + 1 }, () => ` ${unsigned()}`).join('');
    },
    index: () => ` ${unsigned()}`,
    typeAndTable: () => ` (type ${unsigned()})${unsigned() === 0 ? '' : ' '}`,
    memory: () => {
      at++;
      const offset = unsigned();
      return offset === 0 ? '' : ` offset=0x${offset.toString(16)}`;
    },
    memoryLane: () => {
      at++;
      return ` offset=0x${unsigned().toString(16)} ${code[at++]}`;
    },
    i32: () => ` ${signed()}`,
    i64: () => ` ${signed()}`,
    f32: () => ` ${new Float32Array(bytes(4).buffer)[0]}`,
    f64: () => ` ${new Float64Array(bytes(8).buffer)[0]}`,
    lane: () => ` ${code[at++]}`,
    v128: () => ` ${[...bytes(16)].join(' ')}`,
  };
  while (at < code.length) {
    let opcode = code[at++]!;
    if (opcode === 0xfd || opcode === 0xfc) opcode = opcode * 0x1000 + unsigned();
    const instruction = byCode.get(opcode);
    if (!instruction) throw new Error(`opcode 0x${opcode.toString(16)} is not declared`);
    const { name, immediates } = instruction;
    let operands: string;
    if (name === 'call') {
      const own = ownCalls.get(at);
      const index = unsigned();
      operands = ` $${own === undefined ? imports[index] : functions[own]!.name}`;
    } else operands = read[immediates]();
    if (name === 'end' || name === 'else') depth--;
    lines.push(`${'  '.repeat(Math.min(depth, 30))}${name}${operands}`);
    if (name === 'block' || name === 'loop' || name === 'if' || name === 'else') depth++;
  }
  lines.push(')');
  return lines.join('\n');
}
