/**
 * Libraries of the host, bound by koffi when a function of theirs is first needed. Pointers are host addresses as numbers;
 * 64-bit integers come and go as numbers too (koffi gives a BigInt only where a number would not be exact).
 */
import koffi from 'koffi';

/** Types as koffi names them. */
export type NativeType = 'void' | 'int' | 'uint' | 'int64_t' | 'uint64_t' | 'double' | 'float';
export type NativeFunction = (...args: (number | bigint)[]) => number | bigint;

let callbackTypes = 0;

let strlen: ((address: number) => number | bigint) | undefined;

export class NativeLibrary {
  private constructor(
    private readonly library: ReturnType<typeof koffi.load>,
    /** The name under which it was found. */
    readonly name: string,
  ) {}

  /** The first library of the names that the host has. */
  static open(names: readonly string[]): NativeLibrary | undefined {
    for (const name of names) {
      try {
        // Node's own executable exports functions of libz and libcrypto: a library must find its own, not those.
        return new NativeLibrary(koffi.load(name, { deep: true }), name);
      } catch {
        // Not on this host.
      }
    }
    return undefined;
  }

  /** The NUL-terminated string at a host address. */
  string(address: number): string {
    return String(koffi.decode(BigInt(address), 'char', -1));
  }

  /** The bytes of the NUL-terminated string at a host address, without the NUL. */
  cstring(address: number): Uint8Array {
    strlen ??= koffi.load('libc.so.6').func('size_t strlen(uint64_t)') as (address: number) => number | bigint;
    return this.bytes(address, Number(strlen(address)));
  }

  /** A copy of the bytes at a host address. */
  bytes(address: number, length: number): Uint8Array {
    if (length === 0) return new Uint8Array();
    return Uint8Array.from(koffi.decode(BigInt(address), 'uint8_t', length) as Iterable<number>);
  }

  /**
   * Host address of a function that calls `call`, for as long as the process lives. It may be called only by functions that this
   * thread has called.
   */
  callback(
    result: NativeType,
    parameters: readonly NativeType[],
    call: (...args: (number | bigint)[]) => number,
  ): number {
    const type = koffi.proto(`${result} bridge86_callback_${callbackTypes++}(${parameters.join(', ') || 'void'})`);
    return Number(koffi.address(koffi.register(call, koffi.pointer(type))));
  }

  /** A function, undefined where the library has none of that name. */
  func(name: string, result: NativeType, parameters: readonly NativeType[]): NativeFunction | undefined {
    try {
      return this.library.func(`${result} ${name}(${parameters.join(', ') || 'void'})`) as NativeFunction;
    } catch {
      return undefined;
    }
  }
}
