/** Bits of the page table's bytes: what the guest may do with a page, and what the translator keeps there. */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
/** Below this address nothing is mapped where generated code does not test its accesses (vm.mmap_min_addr). */
export const LOWEST_MAPPING = 0x10000;
export const Page = {
  read: 1,
  write: 2,
  execute: 4,
  /**
   * Translated instructions lie in this writable page, and `write` is cleared so that a write is noticed: it must drop the
   * translations first, which sets `write` again.
   */
  code: 8,
  /** The page is mapped (it may still have no permission: PROT_NONE). */
  mapped: 16,
  /** Reads of the page are watched: `read` is withheld, so that generated code leaves and the interpreter tells of them. */
  watchRead: 32,
  /** Writes to the page are watched: `write` is withheld in the same way. */
  watchWrite: 64,
  /** The page is as a snapshot has it: `write` is withheld until the first write, which is noted. */
  clean: 128,
} as const;

/** Reasons for which the `write` of a writable page is withheld. */
export const WRITE_WITHHELD = Page.code | Page.watchWrite | Page.clean;

/** A page's bits without one of those reasons: `write` comes back with the last of them. */
export function releaseWrite(bits: number, reason: number): number {
  if ((bits & reason) === 0) return bits;
  bits &= ~reason;
  return bits & WRITE_WITHHELD ? bits : bits | Page.write;
}

/** A page's bits with `write` withheld for a reason, where the guest may write there. */
export function withholdWrite(bits: number, reason: number): number {
  return bits & (Page.write | WRITE_WITHHELD) ? (bits & ~Page.write) | reason : bits;
}
