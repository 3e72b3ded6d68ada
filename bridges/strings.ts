/** Strings of the guest's. */
import type { BridgeContext } from './library.js';

const PAGE = 4096;
/** Address of a string's NUL (0 to 2^32-1), or -1 where the string runs into what cannot be read. */
export function stringEnd(context: Pick<BridgeContext, 'readable' | 'findByte'>, address: number): number {
  for (let at = address >>> 0; context.readable(at, 1);) {
    const end = at + PAGE - (at & (PAGE - 1));
    const found = context.findByte(at, 0, end);
    if (found >= 0) return found;
    at = end;
  }
  return -1;
}
