/** Reads the encodings that DWARF's sections are made of (DWARF 5, section 7). Past the end a `RangeError` is thrown. */

/** DW_EH_PE_*: the low four bits say what is there, the next three what it is relative to. */
export const Pointer = {
  absolute: 0,
  leb128: 1,
  u16: 2,
  u32: 3,
  s16: 10,
  s32: 11,
  relative: 0x10,
  omitted: 0xff,
} as const;

const decoder = new TextDecoder();

export class DwarfReader {
  private readonly view: DataView;
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
    public end: number = bytes.length,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  get isAtEnd(): boolean {
    return this.at >= this.end;
  }
  u8(): number {
    return this.view.getUint8(this.at++);
  }
  s8(): number {
    return (this.u8() << 24) >> 24;
  }
  u16(): number {
    this.at += 2;
    return this.view.getUint16(this.at - 2, true);
  }
  u32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }
  unsigned(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.u8();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }
  signed(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.u8();
      value += (byte & 127) * factor;
      if (byte < 128) return byte & 64 ? value - factor * 128 : value;
    }
  }
  block(): Uint8Array {
    const length = this.unsigned();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  /** Bytes up to a NUL. */
  text(): string {
    const start = this.at;
    const end = this.bytes.indexOf(0, start);
    if (end < 0) throw new RangeError('a string without an end');
    this.at = end + 1;
    return decoder.decode(this.bytes.subarray(start, end));
  }
  /** A pointer; `address` is that of the section's first byte. */
  pointer(encoding: number, address: number): number {
    const here = address + this.at;
    const value = this.pointerValue(encoding & 0x0f);
    return (encoding & 0x70) === Pointer.relative ? (here + value) >>> 0 : value >>> 0;
  }
  private pointerValue(format: number): number {
    switch (format) {
      case Pointer.u16:
        return this.u16();
      case Pointer.s16:
        return (this.u16() << 16) >> 16;
      case Pointer.leb128:
        return this.unsigned();
      case Pointer.absolute:
      case Pointer.u32:
      case Pointer.s32:
        return this.u32();
      default:
        throw new RangeError(`pointer encoding ${format}`);
    }
  }
}
