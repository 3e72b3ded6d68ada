/**
 * Operand kinds by the manual's names (Intel SDM 2, appendix A.2): where an operand is encoded, how wide it is, and what
 * a lifting function may do with it. A capital letter says where (E: ModRM r/m, G: ModRM reg, Z: low opcode bits, I:
 * immediate, J: relative target, M: memory only, ...), small letters how wide (b, w, d, v: operand size, z: 16/32).
 */
import type { Size } from '../ir/builder.js';
import type { Value } from '../ir/ir.js';

/** A general register or memory of the operand's size. Values are zero-extended. */
export interface IntegerOperand {
  readonly size: Size;
  /** False when the operand is memory. */
  readonly isRegister: boolean;
  read(): Value;
  /** The low `size` bits are written. */
  write(value: Value): void;
}
export interface ImmediateOperand {
  readonly size: Size;
  /** The value, extended to the operand's declared width. */
  read(): Value;
}
/** A branch target in the guest's flat address space. */
export interface TargetOperand {
  target(): Value;
}
/** Memory of which only the address is used. */
export interface MemoryOperand {
  /** Effective address including the segment's base. */
  address(): Value;
  /** Effective address within the segment, as lea gives it. */
  offset(): Value;
}
/** A segment register: index in the processor's order. */
export interface SegmentOperand {
  readonly isRegister: true;
  index(): Value;
}
/** An MMX or XMM register, or memory of `bytes` bytes. */
export interface VectorOperand {
  readonly bytes: number;
  readonly isRegister: boolean;
  /** The state offset of the operand's bytes; memory is copied into a scratch slot (once). */
  slot(): Value;
  /** Memory only: the effective address. */
  address(): Value;
}
/** An x87 register relative to TOP. */
export interface StackOperand {
  index(): Value;
}
/** A far pointer in the instruction: selector and offset. */
export interface FarOperand {
  selector(): Value;
  offset(): Value;
}

interface KindShape {
  readonly class: 'integer' | 'immediate' | 'target' | 'memory' | 'segment' | 'vector' | 'stack' | 'far';
  /**
   * rm: ModRM r/m; reg: ModRM reg; opcode: low three opcode bits; fixed: always `register`; imm: immediate bytes;
   * moffs: address in the instruction.
   */
  readonly from: 'rm' | 'reg' | 'opcode' | 'fixed' | 'imm' | 'moffs' | 'none';
  /** Width in bits, or v: the operand size (16 or 32). Vectors: bytes of the operand when it is memory. */
  readonly width: Size | 'v' | number;
  /** Fixed register, or fixed immediate. */
  readonly fixed?: number;
  /** Immediates: bytes in the encoding (v: 2 or 4 by operand size), and sign extension to the operand size. */
  readonly bytes?: 1 | 2 | 4 | 'v';
  readonly signed?: boolean;
  /** ModRM must (true) or must not (false) name a register. */
  readonly registerOnly?: true;
  readonly memoryOnly?: true;
  /** Vectors: which register file. */
  readonly file?: 'mmx' | 'xmm';
  /** Memory operands of this kind must be aligned to their size unless the declaration says otherwise. */
  readonly aligned?: true;
}

const rm = (width: Size | 'v') => ({ class: 'integer', from: 'rm', width }) as const;
const reg = (width: Size | 'v') => ({ class: 'integer', from: 'reg', width }) as const;
const fixed = (width: Size | 'v', register: number) =>
  ({ class: 'integer', from: 'fixed', width, fixed: register }) as const;
const imm = (width: Size | 'v', bytes: 1 | 2 | 4 | 'v', signed = false) =>
  ({ class: 'immediate', from: 'imm', width, bytes, signed }) as const;
const memory = (bytes: number) => ({ class: 'memory', from: 'rm', width: bytes, memoryOnly: true }) as const;
const vectorReg = (file: 'mmx' | 'xmm') =>
  ({ class: 'vector', from: 'reg', width: file === 'mmx' ? 8 : 16, file }) as const;
const vectorOnly = (file: 'mmx' | 'xmm') =>
  ({ class: 'vector', from: 'rm', width: file === 'mmx' ? 8 : 16, file, registerOnly: true }) as const;
const vectorRm = (file: 'mmx' | 'xmm', bytes: number) => ({ class: 'vector', from: 'rm', width: bytes, file }) as const;
const alignedRm = { class: 'vector', from: 'rm', width: 16, file: 'xmm', aligned: true } as const;

export const kinds = {
  Eb: rm(8),
  Ew: rm(16),
  Ed: rm(32),
  Ev: rm('v'),
  Gb: reg(8),
  Gw: reg(16),
  Gd: reg(32),
  Gv: reg('v'),
  /** General register named by ModRM r/m; memory forms are other instructions. */
  Rd: { class: 'integer', from: 'rm', width: 32, registerOnly: true },
  Rv: { class: 'integer', from: 'rm', width: 'v', registerOnly: true },
  /** Register in the low three opcode bits. */
  Zb: { class: 'integer', from: 'opcode', width: 8 },
  Zd: { class: 'integer', from: 'opcode', width: 32 },
  Zv: { class: 'integer', from: 'opcode', width: 'v' },
  AL: fixed(8, 0),
  CL: fixed(8, 1),
  AX: fixed(16, 0),
  DX: fixed(16, 2),
  EAX: fixed(32, 0),
  /** AX or EAX by operand size. */
  rAX: fixed('v', 0),
  /** Memory whose address is in the instruction. */
  Ob: { class: 'integer', from: 'moffs', width: 8 },
  Ov: { class: 'integer', from: 'moffs', width: 'v' },
  Ib: imm(8, 1),
  Iw: imm(16, 2),
  /** Byte sign-extended to the operand size. */
  Ibs: imm('v', 1, true),
  /** Word or doubleword by operand size. */
  Iz: imm('v', 'v'),
  /** The constant one of the short shift forms. */
  I1: { class: 'immediate', from: 'none', width: 8, fixed: 1 },
  Jb: { class: 'target', from: 'imm', width: 32, bytes: 1, signed: true },
  Jz: { class: 'target', from: 'imm', width: 32, bytes: 'v', signed: true },
  Ap: { class: 'far', from: 'imm', width: 'v' },
  Sw: { class: 'segment', from: 'reg', width: 16 },
  /** Memory of which the instruction itself knows the size. */
  M: memory(0),
  Ma: memory(8),
  Mp: memory(6),
  Mb: memory(1),
  Mw: memory(2),
  Md: memory(4),
  Mq: memory(8),
  Mdq: memory(16),
  // x87 memory operands, by the manual's names.
  m16int: memory(2),
  m32int: memory(4),
  m64int: memory(8),
  m32fp: memory(4),
  m64fp: memory(8),
  m80fp: memory(10),
  m80bcd: memory(10),
  m2byte: memory(2),
  m28byte: memory(28),
  m108byte: memory(108),
  m512byte: memory(512),
  STi: { class: 'stack', from: 'rm', width: 80, registerOnly: true },
  // MMX
  Pq: vectorReg('mmx'),
  Nq: vectorOnly('mmx'),
  Qq: vectorRm('mmx', 8),
  Qd: vectorRm('mmx', 4),
  // XMM registers: the letters after V, U, W only say how much of the register the instruction uses.
  Vdq: vectorReg('xmm'),
  Vps: vectorReg('xmm'),
  Vpd: vectorReg('xmm'),
  Vq: vectorReg('xmm'),
  Vss: vectorReg('xmm'),
  Vsd: vectorReg('xmm'),
  Vd: vectorReg('xmm'),
  Udq: vectorOnly('xmm'),
  Ups: vectorOnly('xmm'),
  Upd: vectorOnly('xmm'),
  Uq: vectorOnly('xmm'),
  Wdq: alignedRm,
  Wps: alignedRm,
  Wpd: alignedRm,
  /** 16 bytes that need no alignment (movdqu, movups, lddqu, string comparisons). */
  Wdqu: vectorRm('xmm', 16),
  Wq: vectorRm('xmm', 8),
  Wsd: vectorRm('xmm', 8),
  Wss: vectorRm('xmm', 4),
  Wd: vectorRm('xmm', 4),
  Ww: vectorRm('xmm', 2),
} as const satisfies Record<string, KindShape>;

export type Kind = keyof typeof kinds;
export type { KindShape };

interface OperandByClass {
  integer: IntegerOperand;
  immediate: ImmediateOperand;
  target: TargetOperand;
  memory: MemoryOperand;
  segment: SegmentOperand;
  vector: VectorOperand;
  stack: StackOperand;
  far: FarOperand;
}
/** What a lifting function is given for an operand of kind K. */
export type OperandOf<K extends Kind> = OperandByClass[(typeof kinds)[K]['class']];
export type OperandsOf<Ks extends readonly Kind[]> = { [I in keyof Ks]: OperandOf<Ks[I]> };
export type AnyOperand = OperandByClass[keyof OperandByClass];
