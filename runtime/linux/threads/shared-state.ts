/**
 * Where the kernel state lies that all threads of a process share: in guest memory above the guest's last page, so that every
 * thread's JavaScript looks at the same words. Each part is read and written by one module, which is given its words here.
 */
import { KERNEL_STATE_ADDRESS } from '../../../translator/state.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { MAPPINGS_WORDS } from '../../memory/mappings.js';
import { REGION_LIST_SIZE } from '../../memory/region-list.js';
import { FILE_TABLE_WORDS } from '../files.js';
import { ACTION_WORDS } from '../signals/actions.js';

/** Parts and their sizes in bytes, in their order. */
const PARTS = {
  /** The lock, requests to stop, counts: `kernel-lock.ts`. */
  control: 4096,
  mappings: MAPPINGS_WORDS * 4,
  actions: ACTION_WORDS * 4,
  /** What threads must know of the program that runs, as text: `program-record.ts`. */
  program: 1 << 20,
  /** `thread-table.ts`. */
  threads: 1 << 17,
  invalidations: 1 << 15,
  files: FILE_TABLE_WORDS * 4,
  regions: REGION_LIST_SIZE,
  /** Guest addresses that stand for bridges: `bridges/places.ts`. */
  bridges: 1 << 16,
  /** Host objects that the guest has handles of: `bridges/handles.ts`. */
  handles: 1 << 21,
  /** What gdb and the threads have agreed on: `debug/gdb/session.ts`. */
  debugger: 1 << 15,
} as const;
type Part = keyof typeof PARTS;

const PAGE = 4096;
const offsets = (() => {
  let offset = 0;
  return Object.fromEntries(
    Object.entries(PARTS).map(([name, size]) => {
      const at = offset;
      offset += Math.ceil(size / PAGE) * PAGE;
      return [name, at];
    }),
  ) as Record<Part, number>;
})();

export function sharedAddress(part: Part): number {
  return KERNEL_STATE_ADDRESS + offsets[part];
}

export function sharedWords(memory: GuestMemory, part: Part): Int32Array {
  return new Int32Array(memory.buffer, sharedAddress(part), PARTS[part] >> 2);
}

export function sharedUnsigned(memory: GuestMemory, part: Part): Uint32Array {
  return new Uint32Array(memory.buffer, sharedAddress(part), PARTS[part] >> 2);
}
