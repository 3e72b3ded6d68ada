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
} as const;
