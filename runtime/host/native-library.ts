/**
 * Libraries of the host, bound by koffi when a function of theirs is first needed. Pointers are host addresses as numbers;
 * 64-bit integers come and go as numbers too (koffi gives a BigInt only where a number would not be exact).
 */
import koffi from 'koffi';

/** Types as koffi names them. */
export type NativeType = 'void' | 'int' | 'uint' | 'int64_t' | 'uint64_t' | 'double' | 'float';
export type NativeFunction = (...args: number[]) => number | bigint;

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

  /** A function, undefined where the library has none of that name. */
  func(name: string, result: NativeType, parameters: readonly NativeType[]): NativeFunction | undefined {
    try {
      return this.library.func(`${result} ${name}(${parameters.join(', ') || 'void'})`) as NativeFunction;
    } catch {
      return undefined;
    }
  }
}
