/** maskmovq and maskmovdqu: the bytes of a register whose mask byte is negative are written to guest memory. */
import type { StateViews } from '../../cpu/cpu-state.js';
import type { GuestMemory } from '../../memory/guest-memory.js';

/**
 * Makes the helper `maskmov(address, data, mask, bytes)`, `data` and `mask` being slots. It throws the guest's page fault
 * (`GuestTrap`) before anything is written; a byte that is masked out is not touched.
 */
export function createMaskedStore({ u8 }: StateViews, memory: GuestMemory) {
  return function maskmov(address: number, data: number, mask: number, bytes: number): void {
    for (let i = 0; i < bytes; i++) if (u8[mask + i] & 0x80) memory.checkWrite(address + i, 1);
    for (let i = 0; i < bytes; i++) {
      if ((u8[mask + i] & 0x80) === 0) continue;
      memory.watch?.note(address + i, 1, true);
      memory.u8[(address + i) >>> 0] = u8[data + i];
    }
  };
}
