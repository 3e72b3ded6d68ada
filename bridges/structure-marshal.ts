/**
 * Structures on their way between guest and host: fields converted by both layouts, the ranges that they point to checked, host
 * addresses turned into guest addresses and back. Structures that the host keeps have a copy in the table of handles.
 */
import type { Field } from '../runtime/linux/layout.js';
import { HostBuffer } from '../runtime/host/buffer.js';
import type { Entry } from './handles.js';
import { COPY_BYTES } from './handles.js';
import type { BridgeContext } from './library.js';
import { stringEnd } from './strings.js';
import type { KeptMode } from './prototype.js';
import type { BridgedStructure } from './structure.js';

/** What `find` says besides an entry's number. */
export const Found = {
  /** The call must not be made: a fault, or the guest's own function is to do it. */
  refused: -1,
  /** The guest passed NULL. */
  null: -2,
  /** The guest's structure has nothing of the host's behind it: the host gets one that is all zeros. */
  blank: -3,
} as const;

/** A number in both layouts. */
interface Pair {
  readonly guest: Field;
  readonly host: Field;
}

interface Buffer extends Pair {
  readonly writes: boolean;
  readonly isString: boolean;
  /** Factors of the length. */
  readonly constant: number;
  readonly factors: readonly Field[];
}

const LONGEST = 0x100000000;

export class StructureMarshal {
  readonly guestSize: number;
  readonly hostSize: number;
  private readonly numbers: readonly Pair[];
  private readonly lengths: readonly Pair[];
  private readonly buffers: readonly Buffer[];
  private readonly constants: readonly Pair[];
  private readonly kept: Pair | undefined;
  private readonly blank: HostBuffer;
  private readonly messages = new Map<number, string>();

  constructor(
    readonly declaration: BridgedStructure,
    private readonly context: BridgeContext,
  ) {
    const { layout, numbers, lengths, buffers, constants, keptIn } = declaration;
    this.guestSize = layout.i386.size;
    this.hostSize = layout.host.size;
    if (keptIn !== undefined && this.hostSize > COPY_BYTES) throw new Error(`struct ${declaration.name} is too long`);
    const pair = (name: string): Pair => ({
      guest: layout.i386.fields.find((field) => field.name === name)!,
      host: layout.host.fields.find((field) => field.name === name)!,
    });
    this.numbers = numbers.map(pair);
    this.lengths = lengths.map(pair);
    this.constants = constants.map(pair);
    this.kept = keptIn === undefined ? undefined : pair(keptIn);
    this.buffers = buffers.map(({ name, direction, length }) => ({
      ...pair(name),
      writes: direction !== 'in',
      isString: length === undefined,
      constant: (length ?? []).reduce<number>((product, one) => (typeof one === 'number' ? product * one : product), 1),
      factors: (length ?? []).flatMap((one) =>
        typeof one === 'object' && 'parameter' in one ? [pair(one.parameter).guest] : [],
      ),
    }));
    this.blank = new HostBuffer(Math.max(this.hostSize, 128));
  }

  // ---- structures that the host keeps -------------------------------------------------------------------------------

  /**
   * What stands behind the guest's structure at an address.
   * @param func whose own version is to do the call where the structure belongs to the guest's library
   */
  find(address: number, mode: KeptMode, func: string): Entry {
    const { context, guestSize } = this;
    if (address === 0 && mode !== 'live') return Found.null;
    if (!context.writable(address, guestSize)) {
      context.fault(address, true);
      return Found.refused;
    }
    if (mode !== 'new' && mode !== 'copy') {
      const { handles } = context;
      const value = context.memory.view.getUint32((address >>> 0) + this.kept!.guest.offset, true);
      const entry = handles.find(this.declaration.name, value);
      if (entry >= 0 && handles.guest(entry) === address >>> 0) return entry;
      if (entry < 0 && value !== 0 && context.decline(func)) return Found.refused;
      if (mode === 'live') {
        context.fault(value, false);
        return Found.refused;
      }
      if (mode !== 'renew') return Found.blank;
    }
    return this.create(address, func);
  }

  /** A new entry for the guest's structure. */
  private create(address: number, func: string): Entry {
    const { handles, memory } = this.context;
    const entry = handles.create(this.declaration.name);
    if (entry < 0) return this.context.decline(func) ? Found.refused : Found.blank;
    handles.setGuest(entry, address);
    const at = handles.copyOffset(entry);
    memory.u8.fill(0, at, at + this.hostSize);
    return entry;
  }

  /** Where the host finds the structure. */
  hostAddress(entry: Entry): number {
    if (entry >= 0) return this.context.handles.copyAddress(entry);
    if (entry === Found.null) return 0;
    this.blank.bytes.fill(0);
    return this.blank.address;
  }

  /** Before the call: false where a buffer is not the guest's to use. */
  keptToHost(address: number, entry: Entry, buffers: boolean): boolean {
    if (entry < 0) return true;
    const { context } = this;
    const { view } = context.memory;
    if (!this.toHost(address, view, context.handles.copyOffset(entry), buffers)) return false;
    const attached = buffers ? context.handles.attached(entry) : -1;
    if (attached < 0) return true;
    const other = context.structureOf(attached);
    return other.toHost(context.handles.guest(attached), view, context.handles.copyOffset(attached), true);
  }

  /** After the call; without a pointer to what the library knows, the host's copy is gone. */
  keptToGuest(address: number, entry: Entry, buffers: boolean): void {
    if (entry < 0) return;
    const { handles, memory } = this.context;
    const copy = handles.copyOffset(entry);
    this.toGuest(address, memory.view, copy, buffers);
    const attached = buffers ? handles.attached(entry) : -1;
    if (attached >= 0 && handles.extra(attached) !== 0) {
      this.context
        .structureOf(attached)
        .toGuest(handles.guest(attached), memory.view, handles.copyOffset(attached), true);
    }
    const isGone = hostPointer(memory.view, copy + this.kept!.host.offset) === 0;
    const place = (address >>> 0) + this.kept!.guest.offset;
    memory.view.setInt32(place, isGone ? 0 : handles.handle(entry), true);
    if (isGone) this.delete(entry);
  }

  /** The guest's copy of a structure is one of all its bytes. */
  copyGuest(address: number, source: number): void {
    this.context.memory.u8.copyWithin(address >>> 0, source >>> 0, (source >>> 0) + this.guestSize);
  }

  private delete(entry: Entry): void {
    const { handles } = this.context;
    const attached = handles.attached(entry);
    if (attached >= 0) handles.delete(attached);
    handles.delete(entry);
  }

  /** A structure of this kind that is to belong to another: its entry, with the fields in it. */
  attachment(address: number, writes: boolean): Entry {
    const { context, guestSize } = this;
    const { handles, memory } = context;
    if (address === 0) return Found.null;
    if (!(writes ? context.writable : context.readable)(address, guestSize)) {
      context.fault(address, writes);
      return Found.refused;
    }
    const entry = handles.create(this.declaration.name);
    if (entry < 0) return Found.blank;
    handles.setGuest(entry, address);
    handles.setExtra(entry, writes ? 1 : 0);
    if (this.toHost(address, memory.view, handles.copyOffset(entry), true)) return entry;
    handles.delete(entry);
    return Found.refused;
  }
  /** After the call: it belongs to `owner`, or is dropped. */
  attach(owner: Entry, entry: Entry, succeeded: boolean): void {
    const { handles, memory } = this.context;
    if (owner >= 0 && succeeded) {
      const old = handles.attached(owner);
      if (old >= 0) handles.delete(old);
      handles.attach(owner, entry < 0 ? -1 : entry);
      if (entry >= 0 && handles.extra(entry) !== 0) {
        this.toGuest(handles.guest(entry), memory.view, handles.copyOffset(entry), true);
      }
    } else if (entry >= 0) handles.delete(entry);
  }

  // ---- fields ----------------------------------------------------------------------------------------------------------

  /** Fills the host's structure at `to` of `target`. False, with the fault noted, where a buffer is not the guest's to use. */
  toHost(address: number, target: DataView, to: number, buffers: boolean): boolean {
    const { view } = this.context.memory;
    const from = address >>> 0;
    if (buffers) {
      for (const buffer of this.buffers) if (!this.bufferToHost(buffer, from, target, to)) return false;
      for (const one of this.lengths) convertNumber(view, from, one.guest, target, to, one.host);
    }
    for (const one of this.numbers) convertNumber(view, from, one.guest, target, to, one.host);
    return true;
  }

  toGuest(address: number, source: DataView, from: number, buffers: boolean): void {
    const { context } = this;
    const { view } = context.memory;
    const to = address >>> 0;
    if (buffers) {
      for (const { guest, host } of this.buffers) {
        const value = hostPointer(source, from + host.offset);
        view.setUint32(to + guest.offset, value === 0 ? 0 : value - context.hostBase, true);
      }
      for (const one of this.lengths) convertNumber(source, from, one.host, view, to, one.guest);
    }
    for (const one of this.numbers) convertNumber(source, from, one.host, view, to, one.guest);
    for (const { guest, host } of this.constants) {
      view.setInt32(to + guest.offset, this.message(hostPointer(source, from + host.offset)), true);
    }
  }

  private bufferToHost(buffer: Buffer, from: number, target: DataView, to: number): boolean {
    const { context } = this;
    const { view } = context.memory;
    const pointer = view.getUint32(from + buffer.guest.offset, true);
    // NULL is the library's own to refuse.
    if (pointer !== 0) {
      if (buffer.isString) {
        if (stringEnd(context, pointer) < 0) return context.fault(pointer, false) ?? false;
      } else {
        let length = buffer.constant;
        for (const factor of buffer.factors) length *= readNumber(view, from, factor);
        const isFree = length < LONGEST && (buffer.writes ? context.writable : context.readable)(pointer, length);
        if (!isFree) return context.fault(pointer, buffer.writes) ?? false;
      }
    }
    setHostPointer(target, to + buffer.host.offset, pointer === 0 ? 0 : context.hostBase + pointer);
    return true;
  }

  /** Messages of libraries are constants: each is copied to the guest once. */
  private message(hostAddress: number): number {
    if (hostAddress === 0) return 0;
    let text = this.messages.get(hostAddress);
    if (text === undefined) this.messages.set(hostAddress, (text = this.context.native!.string(hostAddress)));
    return this.context.string(text);
  }
}

function readNumber(view: DataView, base: number, { offset, size }: Field): number {
  return size === 8 ? Number(view.getBigUint64(base + offset, true)) : view.getUint32(base + offset, true);
}

function convertNumber(
  source: DataView,
  from: number,
  { offset, size, signed, count }: Field,
  target: DataView,
  to: number,
  { offset: targetOffset, size: targetSize }: Field,
): void {
  for (let i = 0; i < count; i++) {
    const at = from + offset + i * size;
    const place = to + targetOffset + i * targetSize;
    if (size <= 2) {
      for (let byte = 0; byte < size; byte++) target.setUint8(place + byte, source.getUint8(at + byte));
      continue;
    }
    const low = source.getInt32(at, true);
    target.setInt32(place, low, true);
    if (targetSize === 8) {
      target.setInt32(place + 4, size === 8 ? source.getInt32(at + 4, true) : signed ? low >> 31 : 0, true);
    }
  }
}

export function setHostPointer(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 0x100000000, true);
  view.setUint32(offset + 4, Math.floor(value / 0x100000000), true);
}
export function hostPointer(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 0x100000000 + view.getUint32(offset, true);
}
