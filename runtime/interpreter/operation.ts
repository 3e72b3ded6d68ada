/** The interpreter's form of an instruction: a handler and the fields that it reads. */
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import { registerNumber, registerOffset, vectorRegisterSlot } from '../../translator/lift/operands.js';
import type { AccessSize } from '../../translator/ir/ir.js';
import { State } from '../../translator/state.js';

export type Handler = (operation: Operation) => void;

/** One shape for all, so that every access of a field is monomorphic. Numbers are i32. */
export class Operation {
  /** Register operands by position: index into S, S16 or S8, state offset of a vector register, or number. */
  a = 0;
  b = 0;
  c = 0;
  imm = 0;
  imm2 = 0;
  /** Indices into S of base, index and segment base (`State.zero` where there is none). */
  base = State.zero >> 2;
  index = State.zero >> 2;
  scale = 0;
  displacement = 0;
  /** -1, or 0xffff for 16-bit addresses. */
  mask = -1;
  segment = State.zero >> 2;

  constructor(
    public run: Handler,
    readonly pc: number,
    readonly next: number,
  ) {}
}

const FIELDS = ['a', 'b', 'c'] as const;

export function createOperation(instruction: DecodedInstruction, run: Handler): Operation {
  const operation = new Operation(run, instruction.pc | 0, (instruction.pc + instruction.length) | 0);
  const { shapes } = instruction;
  operation.imm = instruction.immediate;
  operation.imm2 = instruction.immediate2;
  if (instruction.base >= 0) operation.base = instruction.base;
  if (instruction.index >= 0) operation.index = instruction.index;
  operation.scale = instruction.scale;
  operation.displacement = instruction.displacement;
  if (instruction.addressSize === 16) operation.mask = 0xffff;
  // Only fs and gs have bases other than zero.
  if (instruction.segment >= 4) operation.segment = (State.segmentBases >> 2) + instruction.segment;
  for (let position = 0; position < shapes.length && position < 3; position++) {
    const shape = shapes[position]!;
    const field = FIELDS[position]!;
    if (shape.class === 'integer') {
      if (shape.from === 'moffs' || shape.from === 'fixed' || (shape.from === 'rm' && instruction.memory)) continue;
      const bytes = ((shape.width === 'v' ? instruction.operandSize : shape.width) >> 3) as AccessSize;
      const offset = registerOffset(registerNumber(instruction, shape), bytes);
      operation[field] = bytes === 4 ? offset >> 2 : bytes === 2 ? offset >> 1 : offset;
    } else if (shape.class === 'vector') {
      if (shape.from === 'rm' && instruction.memory) continue;
      operation[field] = vectorRegisterSlot(shape.file!, shape.from === 'reg' ? instruction.reg : instruction.rm);
    } else if (shape.class === 'segment') operation[field] = instruction.reg;
    else if (shape.class === 'stack') operation[field] = instruction.rm;
  }
  // pop m computes its address with the incremented esp (SDM 2, POP).
  if (instruction.declaration.encoding === '8F /0' && instruction.memory && instruction.base === 4) {
    operation.displacement += instruction.operandSize >> 3;
  }
  return operation;
}
