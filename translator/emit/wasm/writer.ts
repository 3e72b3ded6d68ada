/** Writes the body of one WebAssembly function: instructions, locals, and structured labels by name. */
import { opcodes, ValueType, type PlainOpcode, type WasmOpcode } from './opcodes.js';

/** Bytes of LEB128 numbers (WebAssembly core specification, 5.2.2). */
export function writeUnsigned(bytes: number[], value: number): void {
  let rest = value >>> 0;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
}
export function writeSigned(bytes: number[], value: number): void {
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return;
    }
    bytes.push(low | 0x80);
  }
}
function writeSigned64(bytes: number[], value: bigint): void {
  let rest = BigInt.asIntN(64, value);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
      bytes.push(low);
      return;
    }
    bytes.push(low | 0x80);
  }
}

const NO_RESULT = 0x40;

export type MemoryOpcode = Extract<
  WasmOpcode,
  `${string}.load${string}` | `${string}.store${string}` | `${string}.atomic.${string}`
>;

export class FunctionWriter {
  readonly code: number[] = [];
  private readonly localTypes: ValueType[] = [];
  private readonly labels: string[] = [];
  private stateLocal = -1;
  /** Positions of five-byte function indices to be patched, with the number of the module's own function. */
  readonly ownCalls: { position: number; target: number }[] = [];

  constructor(
    readonly name: string,
    private readonly parameterCount: number,
  ) {}

  // Locals --------------------------------------------------------------------------------------------------------------

  local(type: ValueType): number {
    this.localTypes.push(type);
    return this.parameterCount + this.localTypes.length - 1;
  }

  /** Reads the address of the CPU state from an immutable global, for `state` to push. To be called first. */
  useState(global: number): void {
    this.stateLocal = this.local('i32');
    this.global(global);
    this.set(this.stateLocal);
  }
  global(index: number): void {
    this.index('global.get', index);
  }
  /** Pushes the address of the CPU state. */
  state(): void {
    this.get(this.stateLocal);
  }

  get(local: number): void {
    this.index('local.get', local);
  }
  set(local: number): void {
    this.index('local.set', local);
  }
  tee(local: number): void {
    this.index('local.tee', local);
  }

  // Instructions --------------------------------------------------------------------------------------------------------

  private opcode(name: WasmOpcode): void {
    const declared = opcodes[name];
    const opcode = typeof declared === 'number' ? declared : declared[0];
    if (opcode > 0xff) {
      this.code.push(opcode >>> 12);
      writeUnsigned(this.code, opcode & 0xfff);
    } else this.code.push(opcode);
  }

  op(...names: readonly PlainOpcode[]): void {
    for (const name of names) this.opcode(name);
  }
  private index(name: WasmOpcode, index: number): void {
    this.opcode(name);
    writeUnsigned(this.code, index);
  }
  i32(value: number): void {
    this.opcode('i32.const');
    writeSigned(this.code, value);
  }
  i64(value: bigint): void {
    this.opcode('i64.const');
    writeSigned64(this.code, value);
  }
  f64(value: number): void {
    this.opcode('f64.const');
    this.code.push(...new Uint8Array(new Float64Array([value]).buffer));
  }
  f32(value: number): void {
    this.opcode('f32.const');
    this.code.push(...new Uint8Array(new Float32Array([value]).buffer));
  }
  /** `v128.const` or `i8x16.shuffle` with its 16 bytes. */
  vector(name: 'v128.const' | 'i8x16.shuffle', bytes: readonly number[]): void {
    this.opcode(name);
    this.code.push(...bytes);
  }
  lane(name: Extract<WasmOpcode, `${string}_lane${string}`>, lane: number): void {
    this.opcode(name);
    this.code.push(lane);
  }
  /** A load or store; the address (and the value) are on the stack. Guest accesses may be unaligned. */
  memory(name: MemoryOpcode, offset = 0, alignment: 0 | 1 | 2 = 0): void {
    this.opcode(name);
    this.code.push(alignment);
    writeUnsigned(this.code, offset);
  }

  /** Calls a function of the module's index space. */
  call(index: number): void {
    this.index('call', index);
  }
  /** Calls the `target`th function that the module defines itself. */
  callOwn(target: number): void {
    this.opcode('call');
    this.ownCalls.push({ position: this.code.length, target });
    this.code.push(0x80, 0x80, 0x80, 0x80, 0x00);
  }
  /** Calls a function of table 0; its slot is on the stack after the arguments. */
  callIndirect(type: number): void {
    this.index('call_indirect', type);
    this.code.push(0);
  }

  /** As `callIndirect`, in place of this function. */
  returnCallIndirect(type: number): void {
    this.index('return_call_indirect', type);
    this.code.push(0);
  }

  // Structure -----------------------------------------------------------------------------------------------------------

  open(kind: 'block' | 'loop' | 'if', label = '', result?: ValueType): void {
    this.opcode(kind);
    this.code.push(result === undefined ? NO_RESULT : ValueType[result]);
    this.labels.push(label);
  }
  close(): void {
    this.labels.pop();
    this.opcode('end');
  }
  private depth(label: string): number {
    const at = this.labels.lastIndexOf(label);
    if (at < 0) throw new Error(`no label ${label}`);
    return this.labels.length - 1 - at;
  }
  branch(label: string): void {
    this.index('br', this.depth(label));
  }
  branchIf(label: string): void {
    this.index('br_if', this.depth(label));
  }
  branchTable(labels: readonly string[], otherwise: string): void {
    this.opcode('br_table');
    writeUnsigned(this.code, labels.length);
    for (const label of labels) writeUnsigned(this.code, this.depth(label));
    writeUnsigned(this.code, this.depth(otherwise));
  }

  /** The function's entry of the code section, with its size; own functions start at index `firstOwn`. */
  finish(firstOwn: number): number[] {
    for (const { position, target } of this.ownCalls) {
      const index = firstOwn + target;
      for (let i = 0; i < 5; i++) this.code[position + i] = ((index >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0);
    }
    const body: number[] = [];
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.localTypes) {
      const last = runs[runs.length - 1];
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    writeUnsigned(body, runs.length);
    for (const { type, count } of runs) {
      writeUnsigned(body, count);
      body.push(ValueType[type]);
    }
    const sized: number[] = [];
    writeUnsigned(sized, body.length + this.code.length + 1);
    const end = opcodes.end;
    return sized.concat(body, this.code, end);
  }
}
