/**
 * The few bytes of x86_64 machine code that JavaScript cannot do without (signal handlers, fork), each in pages of its own:
 * written once, then made executable.
 */
import koffi from 'koffi';
import { addressOf, errno, mmap, mprotect } from './libc.js';

const libc = koffi.load(null);
/** `memcpy` between host addresses. */
export const copyMemory = libc.func('void memcpy(uint64_t, uint64_t, uint64_t)') as (
  target: number,
  source: number,
  length: number,
) => void;

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;

/** Puts code into executable memory; returns its host address. It is never freed. */
export function placeCode(bytes: Uint8Array): number {
  const length = Math.ceil(bytes.length / 4096) * 4096;
  const address = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address === -1) throw new Error(`no memory for machine code (errno ${errno()})`);
  const source = new Uint8Array(new ArrayBuffer(Math.max(bytes.length, 128)));
  source.set(bytes);
  copyMemory(address, addressOf(source.buffer), bytes.length);
  if (mprotect(address, length, PROT_READ | PROT_EXEC) < 0) {
    throw new Error(`the host does not allow executable memory (errno ${errno()})`);
  }
  return address;
}

/** Prototypes that koffi knows: it refuses to be told one twice. */
const prototypes = new Map<string, ReturnType<typeof koffi.proto>>();

/** The function at a host address as a JavaScript function, by its C prototype (which must name it uniquely). */
export function functionAt<F>(address: number, prototype: string): F {
  let type = prototypes.get(prototype);
  if (type === undefined) prototypes.set(prototype, (type = koffi.proto(prototype)));
  return koffi.decode(BigInt(address), type) as F;
}

/** The host address of a C library function. */
export function symbolAddress(name: string): number {
  return Number(koffi.address(libc.symbol(name, 'void *')));
}

/** Machine code with 32-bit displacements between labels, for a few dozen instructions. */
export class CodeBytes {
  private readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly jumps: { at: number; label: string }[] = [];

  emit(...bytes: number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  /** A 32-bit little-endian value. */
  i32(value: number): this {
    for (let shift = 0; shift < 32; shift += 8) this.bytes.push((value >>> shift) & 0xff);
    return this;
  }

  /** A 64-bit little-endian value. */
  i64(value: number | bigint): this {
    const number = BigInt(value);
    for (let shift = 0n; shift < 64n; shift += 8n) this.bytes.push(Number((number >> shift) & 0xffn));
    return this;
  }

  label(name: string): this {
    this.labels.set(name, this.bytes.length);
    return this;
  }

  /** The 32-bit displacement of a jump to a label, after the jump's opcode. */
  displacement(label: string): this {
    this.jumps.push({ at: this.bytes.length, label });
    return this.i32(0);
  }

  /** Offset of a label from the first byte. */
  offsetOf(label: string): number {
    const offset = this.labels.get(label);
    if (offset === undefined) throw new Error(`no label ${label}`);
    return offset;
  }

  assemble(): Uint8Array {
    const result = Uint8Array.from(this.bytes);
    const view = new DataView(result.buffer);
    for (const { at, label } of this.jumps) view.setInt32(at, this.offsetOf(label) - (at + 4), true);
    return result;
  }
}
