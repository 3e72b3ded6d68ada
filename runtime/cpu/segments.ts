/**
 * Segment registers as Linux lets programs use them: flat segments, the null selector, and three descriptors a thread in the
 * global descriptor table that `set_thread_area` fills (thread-local storage). Limits are not enforced.
 */
import { Segment, State } from '../../translator/state.js';
import type { StateViews } from './cpu-state.js';

/** Numbers of the descriptors that `set_thread_area` may set on an x86_64 kernel (GDT_ENTRY_TLS_MIN to MAX). */
export const TLS_ENTRY_FIRST = 12;
export const TLS_ENTRY_COUNT = 3;
/** Words of one descriptor in the state block: base, limit, the flag bits of `struct user_desc`, 1 when it is present. */
const DESCRIPTOR_WORDS = 4;

/** Selectors of flat code and data segments: the 32-bit ones, and the 64-bit kernel's default data segment. */
const USER_CODE = 0x23;
const USER_DATA = 0x2b;
/** `struct user_desc` flags. */
const READ_EXECUTE_ONLY = 0x8;
const NOT_PRESENT = 0x20;
const CONTENTS_CODE = 0x4;

export interface TlsDescriptor {
  base: number;
  limit: number;
  /** Bits of `struct user_desc` from `seg_32bit` on. */
  flags: number;
}

function slot(entry: number): number {
  return (State.tlsDescriptors >> 2) + (entry - TLS_ENTRY_FIRST) * DESCRIPTOR_WORDS;
}

export function tlsDescriptor(state: StateViews, entry: number): TlsDescriptor | undefined {
  if (entry < TLS_ENTRY_FIRST || entry >= TLS_ENTRY_FIRST + TLS_ENTRY_COUNT) return undefined;
  const at = slot(entry);
  if (!state.i32[at + 3]) return undefined;
  return { base: state.i32[at]!, limit: state.i32[at + 1]!, flags: state.i32[at + 2]! };
}

/** Sets or (undefined) empties a descriptor; segment registers that hold its selector get the new base. */
export function setTlsDescriptor(state: StateViews, entry: number, descriptor: TlsDescriptor | undefined): void {
  const at = slot(entry);
  state.i32[at] = descriptor?.base ?? 0;
  state.i32[at + 1] = descriptor?.limit ?? 0;
  state.i32[at + 2] = descriptor?.flags ?? 0;
  state.i32[at + 3] = descriptor ? 1 : 0;
  const selector = (entry << 3) | 3;
  for (let index = 0; index < 6; index++) {
    if ((state.i32[(State.selectors >> 2) + index]! & ~3) !== (selector & ~3)) continue;
    state.i32[(State.segmentBases >> 2) + index] = descriptor?.base ?? 0;
  }
}

/** Loads a segment register; false when the processor would raise #GP (or #NP, #SS) for the selector. */
export function loadSegment(state: StateViews, segment: number, selector: number): boolean {
  selector &= 0xffff;
  const base = segmentBase(state, segment, selector);
  if (base === undefined) {
    state.i32[State.refusedSelector >> 2] = selector & ~3;
    return false;
  }
  state.i32[(State.selectors >> 2) + segment] = selector;
  state.i32[(State.segmentBases >> 2) + segment] = base;
  return true;
}

function segmentBase(state: StateViews, segment: number, selector: number): number | undefined {
  const isStack = segment === Segment.ss;
  if ((selector & ~3) === 0) return isStack ? undefined : 0;
  const entry = selector >> 3;
  // The local descriptor table is empty, and a stack segment must be of the program's own privilege.
  if (selector & 4 || (isStack && (selector & 3) !== 3)) return undefined;
  if (entry === USER_DATA >> 3) return 0;
  if (entry === USER_CODE >> 3) return isStack ? undefined : 0;
  if (entry < TLS_ENTRY_FIRST || entry >= TLS_ENTRY_FIRST + TLS_ENTRY_COUNT) return undefined;
  const descriptor = tlsDescriptor(state, entry);
  if (!descriptor || descriptor.flags & NOT_PRESENT) return undefined;
  if (isStack && (descriptor.flags & READ_EXECUTE_ONLY || descriptor.flags & CONTENTS_CODE)) return undefined;
  return descriptor.base;
}
