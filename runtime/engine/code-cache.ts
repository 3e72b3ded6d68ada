/**
 * The code cache: translation blocks by guest address, with what the interpreter runs and, once warm, the generated
 * function; and which pages they came from, so that a change of a page drops them.
 */
import { Page, PAGE_SHIFT, releaseWrite } from '../../translator/pages.js';
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import type { Operation } from '../interpreter/operation.js';
import type { GuestMemory } from '../memory/guest-memory.js';

/** Generated code: runs until it leaves, gives the guest address to go on at (i32). */
export type CompiledFunction = () => number;

export class Block {
  /** How often the interpreter ran it. */
  count = 0;
  /** Its count when it was last proposed for compilation. */
  hotAt = 0;
  /** What a run costs, beside one of a block of a few instructions: heat is time, not runs. */
  readonly weight: number;
  /** How often it was proposed while it was within the generated code of others. */
  requests = 0;
  /** Generated code that starts here. */
  compiled: CompiledFunction | null = null;
  /** The two blocks that followed it last: they save look-ups. */
  successor: Block | null = null;
  alternate: Block | null = null;
  /** Told when the block is dropped: unlinks its generated code. */
  onDrop: (() => void) | null = null;
  /** Targets seen of a last instruction that jumps indirectly. */
  targets: number[] | null = null;
  /** How often the dispatcher came here from generated code. */
  arrivals = 0;
  /** What `count` was when the block came from kept translations. */
  keptCount = 0;
  /** Whose generated code the block was last made part of. */
  region: Region | null = null;

  constructor(
    /** Guest address (i32); no address once the block is dropped. */
    public pc: number,
    /** Address after the last byte. */
    readonly end: number,
    /** Null: decoded when somebody asks. */
    private code: DecodedCode | null,
    private readonly decode: ((block: Block) => DecodedCode) | null = null,
    /** Its operations tell of it (`observation.ts`): it is never compiled. */
    readonly observed = false,
  ) {
    this.weight = 1 + (((end - pc) | 0) >>> 5);
  }

  get operations(): Operation[] {
    return (this.code ??= this.decode!(this)).operations;
  }
  get instructions(): readonly DecodedInstruction[] {
    return (this.code ??= this.decode!(this)).instructions;
  }
  get isDecoded(): boolean {
    return this.code !== null;
  }
}

/** Blocks that are one function of generated code. */
export interface Region {
  /** Where it is entered. */
  readonly entries: readonly Block[];
  readonly members: readonly Block[];
  /** How many, of the guest's. */
  readonly instructions: number;
  /** How often it got further entries. */
  readonly generation: number;
  /** It is neither dropped nor replaced. */
  isCurrent: boolean;
}

/** A block's instructions, and what the interpreter runs for them. */
export interface DecodedCode {
  readonly operations: Operation[];
  readonly instructions: readonly DecodedInstruction[];
}

/** Translations that outlive a run: see `persistent/translations.ts`. */
export interface KeptTranslations {
  /** The block at an address that is known from earlier runs, added to the cache. */
  blockAt(pc: number): Block | undefined;
  dropPages(first: number, count: number): void;
}

/** No block has this address: addresses are i32. */
const DROPPED = 0.5;
const HASH_BITS = 15;
const HASH_MASK = (1 << HASH_BITS) - 1;

export class CodeCache {
  private readonly blocks = new Map<number, Block>();
  private readonly hash: (Block | undefined)[] = new Array<Block | undefined>(1 << HASH_BITS).fill(undefined);
  private readonly pageBlocks = new Map<number, Set<Block>>();
  private readonly called = new Set<number>();
  /** Counts droppings, so that code which ran across one can know. */
  epoch = 0;
  kept: KeptTranslations | undefined;
  private keepsOperations = false;

  constructor(private readonly memory: GuestMemory) {}

  find(pc: number): Block | undefined {
    const slot = (pc ^ (pc >>> HASH_BITS)) & HASH_MASK;
    const block = this.hash[slot];
    if (block !== undefined && block.pc === pc) return block;
    const found = this.blocks.get(pc);
    if (found) this.hash[slot] = found;
    else if (this.kept) return this.kept.blockAt(pc);
    return found;
  }

  get size(): number {
    return this.blocks.size;
  }

  /** Calls go there. */
  noteCalled(pc: number): void {
    this.called.add(pc);
  }
  /** Was a call seen to go to an address? */
  isCalled(pc: number): boolean {
    return this.called.has(pc);
  }

  add(block: Block): void {
    this.blocks.set(block.pc, block);
    this.hash[(block.pc ^ (block.pc >>> HASH_BITS)) & HASH_MASK] = block;
    this.watchAll(block, block);
  }

  /** Generated code of `block` depends on the bytes of another. */
  watchAll(other: { readonly pc: number; readonly end: number }, block: Block): void {
    const last = ((other.end - 1) >>> 0) >>> PAGE_SHIFT;
    for (let page = other.pc >>> PAGE_SHIFT; page <= last; page++) this.watch(page, block);
  }

  private watch(page: number, block: Block): void {
    let set = this.pageBlocks.get(page);
    if (!set) this.pageBlocks.set(page, (set = new Set()));
    set.add(block);
    this.memory.protectCode(page);
  }

  /** Drops the translations of pages; writes to them are free again. */
  dropPages(first: number, count: number): void {
    this.kept?.dropPages(first, count);
    if (count > 4096) {
      for (const page of [...this.pageBlocks.keys()]) if (page >= first && page < first + count) this.dropPage(page);
      return;
    }
    for (let page = first; page < first + count; page++) this.dropPage(page);
  }

  private dropPage(page: number): void {
    const { pages } = this.memory;
    pages[page] = releaseWrite(pages[page]!, Page.code);
    this.dropTranslations(page);
  }

  private dropTranslations(page: number): void {
    const set = this.pageBlocks.get(page);
    if (!set) return;
    this.pageBlocks.delete(page);
    this.epoch++;
    for (const block of set) this.drop(block);
  }

  /** Drops the translations of pages of which another thread has said so, and has changed the permissions. */
  dropForOther(first: number, count: number): void {
    for (const page of [...this.pageBlocks.keys()]) {
      if (page >= first && page < first + count) this.dropTranslations(page);
    }
  }

  private drop(block: Block): void {
    if (block.pc === DROPPED) return;
    this.blocks.delete(block.pc);
    block.pc = DROPPED;
    block.compiled = null;
    block.successor = null;
    block.alternate = null;
    block.onDrop?.();
    // A block that is being interpreted ends before its next instruction.
    if (block.isDecoded && !this.keepsOperations) {
      for (const operation of block.operations) operation.run = leaveDroppedBlock;
    }
  }

  /** Drops all while no block is being interpreted: what blocks were decoded to can go on being used. */
  release(): void {
    this.keepsOperations = true;
    try {
      this.dropAll();
    } finally {
      this.keepsOperations = false;
    }
  }

  dropAll(): void {
    this.kept?.dropPages(0, 1 << (32 - PAGE_SHIFT));
    for (const page of [...this.pageBlocks.keys()]) this.dropPage(page);
  }

  all(): IterableIterator<Block> {
    return this.blocks.values();
  }
}

/** Thrown out of a block whose instructions changed while it ran; the operation says where to go on. */
export class DroppedBlock {
  constructor(
    readonly pc: number,
    /** Somebody else says where: it is no continuation of the block. */
    readonly moved = false,
  ) {}
}
function leaveDroppedBlock(operation: Operation): void {
  throw new DroppedBlock(operation.pc);
}
