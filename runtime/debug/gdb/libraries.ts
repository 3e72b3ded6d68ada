/**
 * The shared libraries of a process as gdb asks for them (`libraries-svr4`): the list that the dynamic linker keeps for debuggers
 * (glibc's link.h, struct r_debug and struct link_map), found by the program's dynamic section.
 */
import { auxiliaryEntries } from '../../linux/auxiliary-vector.js';
import { AuxiliaryType } from '../../loader/stack.js';
import type { GuestMemory } from '../../memory/guest-memory.js';

const PT_DYNAMIC = 2;
const PT_PHDR = 6;
const DT_DEBUG = 21;
/** More than this is no list. */
const MAXIMUM_LIBRARIES = 4096;

const escape = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** The document, whose list is empty where nothing is linked dynamically, or not yet. */
export function libraryList(memory: GuestMemory, auxiliaryVector: Uint8Array): string {
  const word = (address: number): number => (memory.isReadable(address, 4) ? memory.readU32(address) : 0);
  const debug = debugAddress(word, auxiliaryVector);
  // r_version, r_map; then l_addr, l_name, l_ld, l_next.
  let entry = debug === 0 ? 0 : word(debug + 4);
  const main = entry;
  const libraries: string[] = [];
  for (let count = 0; entry !== 0 && count < MAXIMUM_LIBRARIES; count++) {
    if (entry !== main) {
      const name = memory.isReadable(word(entry + 4), 1) ? memory.readCString(word(entry + 4), 4096) : new Uint8Array();
      const numbers = [`lm="0x${entry.toString(16)}"`, `l_addr="0x${word(entry).toString(16)}"`];
      const text = escape(new TextDecoder().decode(name));
      libraries.push(
        `<library name="${text}" ${numbers.join(' ')} l_ld="0x${word(entry + 8).toString(16)}" lmid="0x0"/>`,
      );
    }
    entry = word(entry + 12);
  }
  const mainMap = main === 0 ? '' : ` main-lm="0x${main.toString(16)}"`;
  return `<library-list-svr4 version="1.0"${mainMap}>${libraries.join('')}</library-list-svr4>`;
}

/** Where the dynamic linker has put its `struct r_debug`; 0 before that. */
function debugAddress(word: (address: number) => number, auxiliaryVector: Uint8Array): number {
  const entries = auxiliaryEntries(auxiliaryVector);
  const table = entries.get(AuxiliaryType.AT_PHDR) ?? 0;
  const size = entries.get(AuxiliaryType.AT_PHENT) ?? 32;
  let bias = 0;
  let dynamic = 0;
  for (let index = 0; index < (entries.get(AuxiliaryType.AT_PHNUM) ?? 0); index++) {
    const header = table + index * size;
    if (word(header) === PT_PHDR) bias = table - word(header + 8);
    if (word(header) === PT_DYNAMIC) dynamic = word(header + 8);
  }
  if (dynamic === 0) return 0;
  for (let at = (dynamic + bias) >>> 0; word(at) !== 0; at += 8) if (word(at) === DT_DEBUG) return word(at + 4);
  return 0;
}
