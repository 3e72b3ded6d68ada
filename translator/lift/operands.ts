/**
 * Binds a decoded instruction's operands for its lifting function: to registers, addresses and constants when a block is
 * translated, to fields of the interpreter's operation when a handler is made. The same lifting function serves both.
 */
import type { DecodedInstruction } from '../decode/decoder.js';
import type { Builder, Size } from '../ir/builder.js';
import { GENERAL_REGISTERS, type AccessSize, type HandlerField, type Statement, type Value } from '../ir/ir.js';
import type { AnyOperand, KindShape } from '../isa/kinds.js';
import { State, Segment, Trap } from '../state.js';

/** Fields in operand order, and immediates in the order of their bytes. */
const REGISTER_FIELDS: readonly HandlerField[] = ['a', 'b', 'c'];

export const vectorRegisterSlot = (file: 'mmx' | 'xmm', register: number): number =>
  (file === 'mmx' ? State.fpuRegisters : State.xmm) + 16 * register;

/** What of an instruction a handler is made for; two instructions with the same form share their handler. */
export function registerNumber(instruction: DecodedInstruction, shape: KindShape): number {
  switch (shape.from) {
    case 'rm':
      return instruction.rm;
    case 'reg':
      return instruction.reg;
    case 'opcode':
      return instruction.opcodeRegister;
    default:
      return shape.fixed ?? 0;
  }
}

/** State offset of a general register's low `bytes` bytes. */
export function registerOffset(register: number, bytes: AccessSize): number {
  return bytes === 1 && register >= 4 ? (register - 4) * 4 + 1 : register * 4;
}

export function bindOperands(b: Builder, instruction: DecodedInstruction): AnyOperand[] {
  const binder = new OperandBinder(b, instruction);
  return instruction.shapes.map((shape, position) => binder.bind(shape, position));
}

class OperandBinder {
  private offset: Value | undefined;
  private address: Value | undefined;
  private scratchUsed = 0;
  private immediates = 0;

  constructor(
    private readonly b: Builder,
    private readonly instruction: DecodedInstruction,
  ) {}

  bind(shape: KindShape, position: number): AnyOperand {
    const { b, instruction } = this;
    const field = REGISTER_FIELDS[position]!;
    switch (shape.class) {
      case 'integer': {
        const size = (shape.width === 'v' ? instruction.operandSize : shape.width) as Size;
        if (shape.from === 'moffs' || (shape.from === 'rm' && instruction.memory)) return this.memoryInteger(size);
        return this.register(size, shape, field);
      }
      case 'immediate': {
        const size = (shape.width === 'v' ? instruction.operandSize : shape.width) as Size;
        if (shape.from === 'none') return { size, read: () => b.const(shape.fixed ?? 0) };
        const first = this.immediates++ === 0;
        const value = b.handler
          ? b.field(first ? 'imm' : 'imm2')
          : b.const(first ? instruction.immediate : instruction.immediate2);
        return { size, read: () => value };
      }
      case 'target':
        return { target: () => (b.handler ? b.field('imm') : b.const(instruction.immediate)) };
      case 'far':
        return {
          offset: () => (b.handler ? b.field('imm') : b.const(instruction.immediate)),
          selector: () => (b.handler ? b.field('imm2') : b.const(instruction.immediate2)),
        };
      case 'memory':
        return { address: () => this.effectiveAddress(), offset: () => this.effectiveOffset() };
      case 'segment':
        return { isRegister: true, index: () => (b.handler ? b.field(field) : b.const(instruction.reg)) };
      case 'stack':
        return { index: () => (b.handler ? b.field(field) : b.const(instruction.rm)) };
      case 'vector':
        return this.vector(shape, field);
    }
  }

  private register(size: Size, shape: KindShape, field: HandlerField): AnyOperand {
    const { b } = this;
    const bytes = (size >> 3) as AccessSize;
    if (b.handler && shape.from !== 'fixed') {
      return {
        size,
        isRegister: true,
        read: () => b.registerAt(field, bytes),
        write: (value: Value) => b.putRegisterAt(field, bytes, value),
      };
    }
    const number = registerNumber(this.instruction, shape);
    if (size === 32) {
      const variable = GENERAL_REGISTERS[number]!;
      return { size, isRegister: true, read: () => b.get(variable), write: (value) => b.put(variable, value) };
    }
    if (size === 16 || number < 4) {
      const variable = GENERAL_REGISTERS[number]!;
      const kept = b.const(size === 16 ? ~0xffff : ~0xff);
      return {
        size,
        isRegister: true,
        read: () => b.zeroExtend(b.get(variable), size),
        write: (value) => b.put(variable, b.or(b.and(b.get(variable), kept), b.zeroExtend(value, size))),
      };
    }
    const variable = GENERAL_REGISTERS[number - 4]!;
    const eight = b.const(8);
    return {
      size,
      isRegister: true,
      read: () => b.zeroExtend(b.shrU(b.get(variable), eight), 8),
      write: (value) =>
        b.put(variable, b.or(b.and(b.get(variable), b.const(~0xff00)), b.shl(b.zeroExtend(value, 8), eight))),
    };
  }

  private memoryInteger(size: Size): AnyOperand {
    const { b } = this;
    // An exchange with memory is locked without saying so.
    const atomic = this.instruction.lock || this.instruction.declaration.mnemonic === 'xchg';
    // A lifting function reads an operand once or more: it is loaded once. Where it is written too, the load faults as the
    // write would, and the store needs no check.
    let value: Value | undefined;
    let load: Extract<Statement, { kind: 'load' }> | undefined;
    return {
      size,
      isRegister: false,
      read: () => {
        if (value === undefined) {
          value = b.load(this.effectiveAddress(), size, atomic);
          load = b.statements[b.statements.length - 1] as Extract<Statement, { kind: 'load' }>;
        }
        return value;
      },
      write: (result: Value) => {
        if (load === undefined || this.instruction.segment === Segment.cs) {
          b.store(this.effectiveAddress(), size, result, atomic);
          return;
        }
        load.forWrite = true;
        b.storeLoaded(this.effectiveAddress(), size, result, atomic);
      },
    };
  }

  private vector(shape: KindShape, field: HandlerField): AnyOperand {
    const { b, instruction } = this;
    const bytes = shape.width as number;
    if (shape.from === 'rm' && instruction.memory) {
      let slot: Value | undefined;
      const address = (): Value => {
        const effective = this.effectiveAddress();
        if (shape.aligned && slot === undefined) {
          b.guard(b.and(effective, b.const(15)), Trap.generalProtection);
        }
        return effective;
      };
      return {
        bytes,
        isRegister: false,
        address,
        slot: () => {
          if (slot === undefined) {
            const from = address();
            slot = b.const(State.scratch + 16 * this.scratchUsed++);
            b.copyIn(slot, from, bytes);
          }
          return slot;
        },
      };
    }
    const register = shape.from === 'reg' ? instruction.reg : instruction.rm;
    return {
      bytes,
      isRegister: true,
      address: () => {
        throw new Error('a vector register has no address');
      },
      slot: () => (b.handler ? b.field(field) : b.const(vectorRegisterSlot(shape.file!, register))),
    };
  }

  private effectiveOffset(): Value {
    const { b, instruction } = this;
    if (this.offset) return this.offset;
    if (b.handler) return (this.offset = b.effectiveAddress(false));
    let value = b.const(0);
    if (instruction.base >= 0) value = b.get(GENERAL_REGISTERS[instruction.base]!);
    if (instruction.index >= 0) {
      const index = b.shl(b.get(GENERAL_REGISTERS[instruction.index]!), b.const(instruction.scale));
      value = b.add(value, index);
    }
    value = b.add(value, b.const(instruction.displacement));
    return (this.offset = instruction.addressSize === 16 ? b.zeroExtend(value, 16) : value);
  }

  private effectiveAddress(): Value {
    const { b, instruction } = this;
    if (this.address) return this.address;
    const segment = instruction.segment;
    if (b.handler) this.address = b.effectiveAddress(true);
    else {
      const offset = this.effectiveOffset();
      const based = segment === Segment.fs || segment === Segment.gs;
      this.address = based ? b.add(offset, b.read(State.segmentBases + 4 * segment)) : offset;
    }
    if (segment === Segment.cs) b.codeOperand = this.address;
    return this.address;
  }
}
