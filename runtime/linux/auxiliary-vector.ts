/** The auxiliary vector of a process that runs, as it lies on its stack (System V ABI for i386, 3.4.1). */
import { Page, PAGE_SHIFT } from '../../translator/pages.js';
import type { LinuxProcess } from './process.js';

const ENTRY_SIZE = 8;

/** Its bytes, the entry that ends it included: it lies behind the environment's pointers. */
export function auxiliaryVector({ memory, stackStart }: LinuxProcess): Uint8Array {
  let at = stackStart;
  const isReadable = (): boolean => (memory.pages[at >>> PAGE_SHIFT]! & Page.read) !== 0;
  const argumentCount = memory.view.getUint32(at, true);
  at += 4 + (argumentCount + 1) * 4;
  while (isReadable() && memory.view.getUint32(at, true) !== 0) at += 4;
  const start = at + 4;
  at = start;
  while (isReadable() && memory.view.getUint32(at, true) !== 0) at += ENTRY_SIZE;
  return memory.u8.slice(start, at + ENTRY_SIZE);
}

/** Values by types (`AuxiliaryType`). */
export function auxiliaryEntries(vector: Uint8Array): Map<number, number> {
  const view = new DataView(vector.buffer, vector.byteOffset, vector.length);
  const entries = new Map<number, number>();
  for (let at = 0; at + ENTRY_SIZE <= vector.length; at += ENTRY_SIZE) {
    entries.set(view.getUint32(at, true), view.getUint32(at + 4, true));
  }
  return entries;
}
