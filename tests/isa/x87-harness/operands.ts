/** Random operands that meet the x87's corner cases often: special encodings, mantissas of runs of ones and zeros, close exponents. */
import type { MemoryKind, Range } from './operations.js';

/** A small deterministic generator (xorshift32). */
export class Random {
  constructor(private state: number) {
    this.state = (state * 2654435761) | 1;
  }
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return Math.imul(x, 0x9e3779b1) >>> 0;
  }
  bits(count: number): number {
    return this.next() >>> (32 - count);
  }
  chance(probability: number): boolean {
    return this.next() < probability * 4294967296;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.next() % list.length]!;
  }
}

/** Exponent, mantissa high, mantissa low. */
const SPECIAL: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [0, 0, 1],
  [0, 0x7fffffff, 0xffffffff],
  [0, 0x80000000, 0],
  [0, 0xffffffff, 0xffffffff],
  [1, 0x80000000, 0],
  [1, 0xffffffff, 0xffffffff],
  [1, 0x40000000, 0],
  [0x3fff, 0x80000000, 0],
  [0x3fff, 0x80000000, 1],
  [0x3ffe, 0xffffffff, 0xffffffff],
  [0x4000, 0x80000000, 0],
  [0x3ffe, 0x80000000, 0],
  [0x3fff, 0xc0000000, 0],
  [0x3fff, 0x40000000, 0],
  [0x4000, 0xc90fdaa2, 0x2168c235],
  [0x7ffe, 0xffffffff, 0xffffffff],
  [0x7ffe, 0x80000000, 0],
  [0x7fff, 0x80000000, 0],
  [0x7fff, 0, 0],
  [0x7fff, 0x00000001, 0],
  [0x7fff, 0x80000000, 1],
  [0x7fff, 0xa0000000, 0],
  [0x7fff, 0xc0000000, 0],
  [0x7fff, 0xc0000000, 1],
  [0x7fff, 0xffffffff, 0xffffffff],
  [0x403e, 0x80000000, 0],
  [0x403d, 0xffffffff, 0xffffffff],
  [0x401e, 0x80000000, 0],
  [0x400e, 0x80000000, 0],
  [0x403a, 0xde0b6b3a, 0x76400000],
  [0x403a, 0xde0b6b3a, 0x763ffff8],
];

/** A mantissa: random, or short, or with long runs. */
function mantissa(random: Random): [number, number] {
  let high = random.next();
  let low = random.next();
  switch (random.bits(3)) {
    case 0:
      low = 0;
      break;
    case 1:
      low = low & ~0x7ff;
      break;
    case 2:
      [high, low] = [high & ~0xff, random.chance(0.5) ? 0 : 1];
      break;
    case 3:
      low = 0xffffffff << random.bits(5);
      break;
    case 4:
      high = 0xffffffff;
      low = random.chance(0.5) ? low | 0xfffff800 : low;
      break;
    case 5:
      [high, low] = [
        0x80000000 | (random.chance(0.5) ? 1 << random.bits(5) : 0),
        random.chance(0.5) ? 1 << random.bits(5) : 0,
      ];
      break;
    default:
  }
  return [high >>> 0, low >>> 0];
}

export function extended(sign: number, exponent: number, high: number, low: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt32LE(low >>> 0, 0);
  bytes.writeUInt32LE(high >>> 0, 4);
  bytes.writeUInt16LE(sign * 0x8000 + exponent, 8);
  return bytes;
}

/** @param shared an exponent that several operands of one case lie near */
export function registerOperand(random: Random, shared: number, range?: Range): Buffer {
  const sign = random.bits(1);
  if (random.chance(range ? 0.1 : 0.25)) {
    const [exponent, high, low] = random.pick(SPECIAL);
    return extended(sign, exponent, high, low);
  }
  const [bits, low] = mantissa(random);
  let high = random.chance(0.02) ? bits : (bits | 0x80000000) >>> 0;
  let exponent: number;
  if (range === 'angle') exponent = random.chance(0.8) ? 0x3fff + 6 - random.bits(4) : 0x3fff + 66 - random.bits(8);
  else if (range === 'power') exponent = 0x3fff - 1 - random.bits(random.chance(0.9) ? 3 : 7);
  else if (range === 'logarithm')
    exponent = random.chance(0.5) ? 0x3fff + 4 - random.bits(3) : 0x3fff + 128 - random.bits(8);
  else if (range === 'near-one') exponent = 0x3fff - 2 - random.bits(random.chance(0.9) ? 4 : 7);
  else {
    switch (random.bits(3)) {
      case 0:
        exponent = random.bits(15);
        break;
      case 1:
        exponent = random.bits(6);
        break;
      case 2:
        exponent = 0x7fff - random.bits(6);
        break;
      case 3:
        exponent = 0x3fff + 68 - random.bits(7);
        break;
      case 4:
        exponent = random.pick([0x3fff - 0x7f, 0x3fff + 0x80, 0x3fff - 0x3ff, 0x3fff + 0x400]) + 4 - random.bits(3);
        break;
      case 5:
        exponent = Math.min(0x7fff, Math.max(0, shared + 64 - random.bits(7)));
        break;
      case 6:
        exponent = Math.min(0x7fff, Math.max(0, shared + 2 - random.bits(2)));
        break;
      default:
        exponent = 0x3fff + 4 - random.bits(3);
    }
  }
  if (exponent === 0 && random.chance(0.8)) high = high >>> random.bits(5);
  return extended(sign, exponent, high, low);
}

/** 16 bytes whose first are the operand. Now and then it is near ST(0), whose image bytes are at 28. */
export function memoryOperand(random: Random, kind: MemoryKind, image: Buffer): Buffer {
  const bytes = Buffer.alloc(16);
  for (let i = 0; i < 16; i += 4) bytes.writeUInt32LE(random.next(), i);
  const exponent = random.chance(0.5) ? undefined : image.readUInt16LE(36) & 0x7fff;
  switch (kind) {
    case 'f32': {
      const special = [
        0, 1, 0x7fffff, 0x800000, 0x7f800000, 0x7f800001, 0x7fa00000, 0x7fc00000, 0x7fffffff, 0x3f800000, 0x400000,
      ];
      let value = random.chance(0.3) ? random.pick(special) : random.next() & 0x7fffffff;
      if (exponent !== undefined && random.chance(0.6))
        value = (value & 0x7fffff) | ((exponent - 0x3f80 - random.bits(2)) << 23);
      if (random.chance(0.3)) value &= ~0xffff;
      bytes.writeUInt32LE(((value & 0x7fffffff) | (random.bits(1) << 31)) >>> 0, 0);
      break;
    }
    case 'f64': {
      const special = [0, 1, 0xfffff, 0x100000, 0x7ff00000, 0x7ff00001, 0x7ff80000, 0x7fffffff, 0x3ff00000, 0x80000];
      let value = random.chance(0.3) ? random.pick(special) : random.next() & 0x7fffffff;
      if (exponent !== undefined && random.chance(0.6))
        value = (value & 0xfffff) | ((exponent - 0x3c00 - random.bits(2)) << 20);
      bytes.writeUInt32LE(((value & 0x7fffffff) | (random.bits(1) << 31)) >>> 0, 4);
      if (random.chance(0.6)) bytes.writeUInt32LE(random.chance(0.5) ? 0 : 1 << random.bits(4), 0);
      break;
    }
    case 'f80':
      bytes.set(registerOperand(random, exponent ?? 0x3fff), 0);
      break;
    case 'i16':
    case 'i32':
    case 'i64':
      if (random.chance(0.4)) {
        const shift = random.bits(5);
        const negative = random.bits(1) ? 0xffffffff : 0;
        bytes.writeUInt32LE(((random.next() >>> shift) ^ negative) >>> 0, 0);
        bytes.writeUInt32LE(negative >>> 0, 4);
      } else if (random.chance(0.2)) {
        bytes.fill(0);
        bytes[random.pick([1, 3, 7])] = random.pick([0, 0x80]);
      }
      break;
    case 'bcd':
      for (let i = 0; i < 9; i++) {
        if (random.chance(0.95)) bytes[i] = (random.next() % 10) | ((random.next() % 10) << 4);
        if (random.chance(0.1)) bytes[i] = 0;
      }
      if (random.chance(0.1)) bytes.fill(0, 0, 9);
      break;
    default:
  }
  return bytes;
}
