/**
 * What the translator knows of a bridge: a host function by its name in generated code, and where its arguments lie on the
 * guest's stack (cdecl of the i386 System V ABI). Which functions there are, and what they do, is the business of others.
 */

/** How an argument lies on the stack and reaches the host function: an i64 as two numbers, its halves, the low one first. */
export type BridgeType = 'i32' | 'i64' | 'f32' | 'f64';

export interface BridgeCall {
  /** The host function's name in generated code, an identifier: `bridge_libm_sin`. */
  readonly name: string;
  /** Tells calls apart: no two have the same. */
  readonly index: number;
  readonly parameters: readonly BridgeType[];
  /** To eax, edx:eax or st(0). The high half of an i64 lies in `State.bridgeHigh` after the call. */
  readonly result: 'void' | BridgeType;
  /** The function gives `undefined`, nothing done, where the guest is to get a fault or its own function instead. */
  readonly canFault: boolean;
  /**
   * Where the guest's own version of the function begins, for functions that may decline: they give `DECLINED`, nothing done, and
   * the guest goes on there.
   */
  readonly original?: number;
  /** The function may run guest code: it finds the guest's stack pointer in `State.bridgeStack`. */
  readonly callsGuest?: boolean;
}

/**
 * What a function with an `original` gives instead of a result that it has none of. Should a result be the same, the original finds
 * it again, so functions that decline must be such that may be called twice, or never give it.
 */
export const DECLINED = 0xdec11ed0 | 0;

/** Bytes that an argument takes on the stack. */
export const BRIDGE_TYPE_BYTES: Readonly<Record<BridgeType, number>> = { i32: 4, i64: 8, f32: 4, f64: 8 };

export function argumentBytes(call: BridgeCall): number {
  return call.parameters.reduce((sum, type) => sum + BRIDGE_TYPE_BYTES[type], 0);
}

/**
 * The nativelib cookie: `0f 3c`, which is no instruction, then `mov eax, LIBRARY`, `mov edx, FUNCTION`, `ret`, so that any
 * disassembler shows the codes.
 */
export const COOKIE_LENGTH = 13;
export function cookieBytes(library: number, func: number): Uint8Array {
  const bytes = new Uint8Array(COOKIE_LENGTH);
  const view = new DataView(bytes.buffer);
  bytes.set([0x0f, 0x3c, 0xb8]);
  view.setInt32(3, library, true);
  bytes[7] = 0xba;
  view.setInt32(8, func, true);
  bytes[12] = 0xc3;
  return bytes;
}
