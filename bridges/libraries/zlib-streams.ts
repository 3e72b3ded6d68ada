/**
 * libz's streams. The guest's `z_stream` has 56 bytes, the host's 112; a host stream stands behind each guest stream, found by
 * a handle that takes the place of the guest's `state` pointer. Before a call the guest's fields are copied into the host's
 * stream (pointers as host addresses after their ranges were checked), after it back. The memory behind a stream comes from
 * the host, whatever allocator the guest names.
 */
import type { BridgeFunction } from '../../runtime/engine/index.js';
import { HostBuffer } from '../../runtime/host/buffer.js';
import type { NativeFunction, NativeType } from '../../runtime/host/native-library.js';
import type { BridgeContext } from '../library.js';
import { stringEnd } from '../marshal.js';

/** `z_stream` (zlib.h): offsets in the guest and on the host. */
const STREAM = {
  nextIn: [0, 0],
  availIn: [4, 8],
  totalIn: [8, 16],
  nextOut: [12, 24],
  availOut: [16, 32],
  totalOut: [20, 40],
  message: [24, 48],
  state: [28, 56],
  dataType: [44, 88],
  adler: [48, 96],
} as const;
const GUEST_STREAM_BYTES = 56;
const HOST_STREAM_BYTES = 112;

/** `gz_header`: offsets of pointers and lengths, and of what is copied as it is. */
const HEADER = {
  text: [0, 0],
  time: [4, 8],
  extraFlags: [8, 16],
  system: [12, 20],
  extra: [16, 24],
  extraLength: [20, 32],
  extraMaximum: [24, 36],
  name: [28, 40],
  nameMaximum: [32, 48],
  comment: [36, 56],
  commentMaximum: [40, 64],
  headerCrc: [44, 68],
  done: [48, 72],
} as const;
const GUEST_HEADER_BYTES = 52;
const HOST_HEADER_BYTES = 80;

const Z_OK = 0;
const Z_STREAM_ERROR = -2;
const Z_VERSION_ERROR = -6;
/** Handles do not look like the guest's addresses: they lie above what it can map. */
const FIRST_HANDLE = 0xff800001;

interface Stream {
  readonly handle: number;
  /** Where the guest keeps it: a moved stream is an error, as for libz itself. */
  readonly address: number;
  readonly host: HostBuffer;
  /** Address of the guest's gz_header, and the host's. */
  header: { address: number; host: HostBuffer; reads: boolean } | undefined;
}

/** The streams of one process: shared by all functions over it. */
class Streams {
  private readonly table = new Map<number, Stream>();
  private next = FIRST_HANDLE;
  private readonly messages = new Map<number, string>();
  private readonly version = new HostBuffer(16);

  constructor(readonly context: BridgeContext) {
    this.version.putCString(new TextEncoder().encode('1'));
  }

  bind(name: string, result: NativeType, parameters: readonly NativeType[]): NativeFunction | undefined {
    return this.context.native?.func(name, result, parameters);
  }

  accessible(address: number): boolean {
    return this.context.writable(address, GUEST_STREAM_BYTES);
  }

  create(address: number): Stream {
    const host = new HostBuffer(HOST_STREAM_BYTES);
    const stream = { handle: this.next++, address, host, header: undefined };
    this.table.set(stream.handle, stream);
    return stream;
  }
  /** The stream behind a guest's, undefined where there is none. */
  find(address: number): Stream | undefined {
    const handle = this.context.memory.view.getUint32((address >>> 0) + STREAM.state[0], true);
    const stream = this.table.get(handle);
    return stream?.address === address >>> 0 ? stream : undefined;
  }
  delete(stream: Stream): void {
    this.table.delete(stream.handle);
  }

  /**
   * Guest's fields to the host's stream. Functions that look at its buffers have them checked: false, with the fault noted,
   * where they are not the guest's to use. Others must not care: programs leave them undefined until then.
   */
  toHost(stream: Stream, buffers = false): boolean {
    const { view } = this.context.memory;
    const { address, host } = stream;
    if (buffers && !this.buffersToHost(stream)) return false;
    for (const field of [STREAM.totalIn, STREAM.totalOut, STREAM.adler]) {
      host.view.setUint32(field[1], view.getUint32(address + field[0], true), true);
      host.view.setUint32(field[1] + 4, 0, true);
    }
    host.view.setUint32(STREAM.dataType[1], view.getUint32(address + STREAM.dataType[0], true), true);
    return true;
  }

  private buffersToHost({ address, host, header }: Stream): boolean {
    const { memory, hostBase, readable, writable, fault } = this.context;
    const { view } = memory;
    const nextIn = view.getUint32(address + STREAM.nextIn[0], true);
    const availIn = view.getUint32(address + STREAM.availIn[0], true);
    const nextOut = view.getUint32(address + STREAM.nextOut[0], true);
    const availOut = view.getUint32(address + STREAM.availOut[0], true);
    // NULL is libz's own to refuse.
    if (nextIn !== 0 && !readable(nextIn, availIn)) {
      fault(nextIn, false);
      return false;
    }
    if (nextOut !== 0 && !writable(nextOut, availOut)) {
      fault(nextOut, true);
      return false;
    }
    if (header && !this.headerToHost(header)) return false;
    setAddress(host.view, STREAM.nextIn[1], nextIn === 0 ? 0 : hostBase + nextIn);
    host.view.setUint32(STREAM.availIn[1], availIn, true);
    setAddress(host.view, STREAM.nextOut[1], nextOut === 0 ? 0 : hostBase + nextOut);
    host.view.setUint32(STREAM.availOut[1], availOut, true);
    return true;
  }

  toGuest(stream: Stream, buffers = false): void {
    const { memory, hostBase } = this.context;
    const { view } = memory;
    const { address, host } = stream;
    const source = host.view;
    if (buffers) {
      for (const field of [STREAM.nextIn, STREAM.nextOut]) {
        const value = getAddress(source, field[1]);
        view.setUint32(address + field[0], value === 0 ? 0 : value - hostBase, true);
      }
      view.setUint32(address + STREAM.availIn[0], source.getUint32(STREAM.availIn[1], true), true);
      view.setUint32(address + STREAM.availOut[0], source.getUint32(STREAM.availOut[1], true), true);
      if (stream.header) this.headerToGuest(stream.header);
    }
    for (const field of [STREAM.totalIn, STREAM.totalOut, STREAM.dataType, STREAM.adler]) {
      view.setUint32(address + field[0], source.getUint32(field[1], true), true);
    }
    view.setUint32(address + STREAM.message[0], this.message(getAddress(source, STREAM.message[1])), true);
  }

  /** libz's messages are constants: each is copied to the guest once. */
  private message(hostAddress: number): number {
    if (hostAddress === 0) return 0;
    let text = this.messages.get(hostAddress);
    if (text === undefined) this.messages.set(hostAddress, (text = this.context.native!.string(hostAddress)));
    return this.context.string(text);
  }

  headerToHost({ address, host, reads }: NonNullable<Stream['header']>): boolean {
    const { memory, hostBase, readable, writable, fault } = this.context;
    const { view } = memory;
    const refuse = (at: number): false => {
      fault(at, reads);
      return false;
    };
    if (!(reads ? writable : readable)(address, GUEST_HEADER_BYTES)) return refuse(address);
    const field = (name: keyof typeof HEADER): number => view.getUint32(address + HEADER[name][0], true);
    const [extra, name, comment] = [field('extra'), field('name'), field('comment')];
    if (reads) {
      if (extra !== 0 && !writable(extra, field('extraMaximum'))) return refuse(extra);
      if (name !== 0 && !writable(name, field('nameMaximum'))) return refuse(name);
      if (comment !== 0 && !writable(comment, field('commentMaximum'))) return refuse(comment);
    } else {
      if (extra !== 0 && !readable(extra, field('extraLength'))) return refuse(extra);
      for (const string of [name, comment]) {
        if (string !== 0 && stringEnd(this.context, string) < 0) return refuse(string);
      }
    }
    for (const key of [
      'text',
      'extraFlags',
      'system',
      'extraLength',
      'extraMaximum',
      'nameMaximum',
      'commentMaximum',
      'headerCrc',
      'done',
    ] as const) {
      host.view.setUint32(HEADER[key][1], field(key), true);
    }
    setAddress(host.view, HEADER.time[1], field('time'));
    for (const key of ['extra', 'name', 'comment'] as const) {
      setAddress(host.view, HEADER[key][1], field(key) === 0 ? 0 : hostBase + field(key));
    }
    return true;
  }

  private headerToGuest({ address, host, reads }: NonNullable<Stream['header']>): void {
    if (!reads) return;
    const { view } = this.context.memory;
    for (const key of ['text', 'time', 'extraFlags', 'system', 'extraLength', 'headerCrc', 'done'] as const) {
      view.setUint32(address + HEADER[key][0], host.view.getUint32(HEADER[key][1], true), true);
    }
    // libz clears pointers of fields that the stream does not have.
    for (const key of ['extra', 'name', 'comment'] as const) {
      if (getAddress(host.view, HEADER[key][1]) === 0) view.setUint32(address + HEADER[key][0], 0, true);
    }
  }

  setHeader(stream: Stream, address: number, reads: boolean): HostBuffer | undefined {
    if (address === 0) {
      stream.header = undefined;
      return undefined;
    }
    stream.header = { address: address >>> 0, host: new HostBuffer(HOST_HEADER_BYTES), reads };
    return stream.header.host;
  }

  /** libz refuses another major version's streams, and other sizes of the structure. */
  isKnownVersion(version: number, size: number): boolean {
    return (
      this.context.readable(version, 1) && this.context.memory.u8[version >>> 0] === 0x31 && size === GUEST_STREAM_BYTES
    );
  }
  get versionAddress(): number {
    return this.version.address;
  }
}

function setAddress(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 0x100000000, true);
  view.setUint32(offset + 4, Math.floor(value / 0x100000000), true);
}
function getAddress(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 0x100000000 + view.getUint32(offset, true);
}

const streamsOf = new WeakMap<BridgeContext['memory'], Streams>();
function streams(context: BridgeContext): Streams {
  let found = streamsOf.get(context.memory);
  if (!found) streamsOf.set(context.memory, (found = new Streams(context)));
  return found;
}

type Make = (context: BridgeContext) => BridgeFunction | undefined;

/** `deflateInit2_` and its like: the stream, numbers, then version and size. */
function init(name: string, numbers: number): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, 'int', ['uint64_t', ...new Array<NativeType>(numbers).fill('int'), 'uint64_t', 'int']);
    if (!host) return undefined;
    return (address, ...rest) => {
      const [version, size] = [rest[numbers]!, rest[numbers + 1]!];
      if (!all.isKnownVersion(version, size)) return Z_VERSION_ERROR;
      if (address === 0) return Z_STREAM_ERROR;
      if (!all.accessible(address!)) return context.fault(address!, true);
      const stream = all.create(address! >>> 0);
      all.toHost(stream);
      const result = Number(
        host(stream.host.address, ...rest.slice(0, numbers), all.versionAddress, HOST_STREAM_BYTES),
      );
      all.toGuest(stream);
      const { view } = context.memory;
      view.setUint32((address! >>> 0) + STREAM.state[0], result === Z_OK ? stream.handle : 0, true);
      if (result !== Z_OK) all.delete(stream);
      return result | 0;
    };
  };
}

/** A function of a stream and numbers; `ends` where the stream is gone after it. */
function onStream(
  name: string,
  numbers: number,
  options: { ends?: true; buffers?: true; missing?: number; result?: NativeType } = {},
): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, options.result ?? 'int', ['uint64_t', ...new Array<NativeType>(numbers).fill('int')]);
    if (!host) return undefined;
    const call = (stream: Stream, a: number, b: number, c: number, d: number): number | bigint => {
      const at = stream.host.address;
      if (numbers === 0) return host(at);
      return numbers === 1 ? host(at, a) : numbers === 2 ? host(at, a, b) : host(at, a, b, c, d);
    };
    return (address, a, b, c, d) => {
      if (address === 0) return options.missing ?? Z_STREAM_ERROR;
      if (!all.accessible(address!)) return context.fault(address!, true);
      const stream = all.find(address!);
      if (!stream) return options.missing ?? Z_STREAM_ERROR;
      if (!all.toHost(stream, options.buffers)) return undefined;
      const result = Number(call(stream, a!, b!, c!, d!));
      all.toGuest(stream, options.buffers);
      if (options.ends) {
        context.memory.view.setUint32((address! >>> 0) + STREAM.state[0], 0, true);
        all.delete(stream);
      }
      return result | 0;
    };
  };
}

function setDictionary(name: string): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, 'int', ['uint64_t', 'uint64_t', 'uint']);
    if (!host) return undefined;
    return (address, dictionary, length) => {
      if (address === 0 || dictionary === 0) return Z_STREAM_ERROR;
      if (!all.accessible(address!)) return context.fault(address!, true);
      if (!context.readable(dictionary!, length! >>> 0)) return context.fault(dictionary!, false);
      const stream = all.find(address!);
      if (!stream) return Z_STREAM_ERROR;
      all.toHost(stream);
      const result = Number(host(stream.host.address, context.hostBase + (dictionary! >>> 0), length! >>> 0));
      all.toGuest(stream);
      return result | 0;
    };
  };
}

/** The window of 32 KB is the most that libz gives. */
const DICTIONARY_BYTES = 32768;
function getDictionary(name: string): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, 'int', ['uint64_t', 'uint64_t', 'uint64_t']);
    if (!host) return undefined;
    const dictionaryBuffer = new HostBuffer(DICTIONARY_BYTES);
    const lengthBuffer = new HostBuffer(128);
    return (address, dictionary, length) => {
      if (address === 0) return Z_STREAM_ERROR;
      if (!all.accessible(address!)) return context.fault(address!, true);
      if (length !== 0 && !context.writable(length!, 4)) return context.fault(length!, true);
      const stream = all.find(address!);
      if (!stream) return Z_STREAM_ERROR;
      const result = Number(host(stream.host.address, dictionaryBuffer.address, lengthBuffer.address));
      if (result !== Z_OK) return result | 0;
      const count = lengthBuffer.view.getUint32(0, true);
      if (dictionary !== 0) {
        if (!context.writable(dictionary!, count)) return context.fault(dictionary!, true);
        context.memory.u8.set(dictionaryBuffer.bytes.subarray(0, count), dictionary! >>> 0);
      }
      if (length !== 0) context.memory.view.setUint32(length! >>> 0, count, true);
      return result | 0;
    };
  };
}

function copy(name: string): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, 'int', ['uint64_t', 'uint64_t']);
    if (!host) return undefined;
    return (destination, source) => {
      if (destination === 0 || source === 0) return Z_STREAM_ERROR;
      if (!all.accessible(source!)) return context.fault(source!, false);
      if (!all.accessible(destination!)) return context.fault(destination!, true);
      const from = all.find(source!);
      if (!from) return Z_STREAM_ERROR;
      all.toHost(from);
      const to = all.create(destination! >>> 0);
      const result = Number(host(to.host.address, from.host.address));
      if (result !== Z_OK) {
        all.delete(to);
        return result | 0;
      }
      const { memory } = context;
      memory.u8.copyWithin(destination! >>> 0, source! >>> 0, (source! >>> 0) + GUEST_STREAM_BYTES);
      memory.view.setUint32((destination! >>> 0) + STREAM.state[0], to.handle, true);
      return result | 0;
    };
  };
}

/** `deflatePending`: a stream and two cells, either of which may be NULL. */
function pending(name: string): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, 'int', ['uint64_t', 'uint64_t', 'uint64_t']);
    if (!host) return undefined;
    return (address, bytes, bits) => {
      if (address === 0) return Z_STREAM_ERROR;
      if (!all.accessible(address!)) return context.fault(address!, true);
      for (const cell of [bytes!, bits!])
        if (cell !== 0 && !context.writable(cell, 4)) return context.fault(cell, true);
      const stream = all.find(address!);
      if (!stream) return Z_STREAM_ERROR;
      const pointer = (cell: number): number => (cell === 0 ? 0 : context.hostBase + (cell >>> 0));
      return Number(host(stream.host.address, pointer(bytes!), pointer(bits!))) | 0;
    };
  };
}

function header(name: string, reads: boolean): Make {
  return (context) => {
    const all = streams(context);
    const host = all.bind(name, 'int', ['uint64_t', 'uint64_t']);
    if (!host) return undefined;
    return (address, head) => {
      if (address === 0) return Z_STREAM_ERROR;
      if (!all.accessible(address!)) return context.fault(address!, true);
      const stream = all.find(address!);
      if (!stream) return Z_STREAM_ERROR;
      const before = stream.header;
      const buffer = all.setHeader(stream, head!, reads);
      if (stream.header && !all.headerToHost(stream.header)) {
        stream.header = before;
        return undefined;
      }
      const result = Number(host(stream.host.address, buffer?.address ?? 0));
      if (result !== Z_OK) stream.header = before;
      else if (reads) context.memory.view.setUint32((head! >>> 0) + HEADER.done[0], 0, true);
      return result | 0;
    };
  };
}

const S = 'pointer stream';
const VERSION = 'pointer version, int size';

/** Prototypes with what does them. */
export const streamFunctions: Readonly<Record<string, Make>> = {
  [`int deflateInit_(${S}, int level, ${VERSION})`]: init('deflateInit_', 1),
  [`int deflateInit2_(${S}, int level, int method, int windowBits, int memLevel, int strategy, ${VERSION})`]: init(
    'deflateInit2_',
    5,
  ),
  [`int deflate(${S}, int flush)`]: onStream('deflate', 1, { buffers: true }),
  [`int deflateEnd(${S})`]: onStream('deflateEnd', 0, { ends: true }),
  [`int deflateReset(${S})`]: onStream('deflateReset', 0),
  [`int deflateResetKeep(${S})`]: onStream('deflateResetKeep', 0),
  [`int deflateSetDictionary(${S}, pointer dictionary, uint length)`]: setDictionary('deflateSetDictionary'),
  [`int deflateGetDictionary(${S}, pointer dictionary, pointer length)`]: getDictionary('deflateGetDictionary'),
  ['int deflateCopy(pointer dest, pointer source)']: copy('deflateCopy'),
  [`int deflateParams(${S}, int level, int strategy)`]: onStream('deflateParams', 2, { buffers: true }),
  [`int deflateTune(${S}, int good, int lazy, int nice, int chain)`]: onStream('deflateTune', 4),
  [`int deflatePending(${S}, pointer bytes, pointer bits)`]: pending('deflatePending'),
  [`int deflatePrime(${S}, int bits, int value)`]: onStream('deflatePrime', 2),
  [`int deflateSetHeader(${S}, pointer head)`]: header('deflateSetHeader', false),
  [`ulong deflateBound(${S}, ulong sourceLen)`]: deflateBound,

  [`int inflateInit_(${S}, ${VERSION})`]: init('inflateInit_', 0),
  [`int inflateInit2_(${S}, int windowBits, ${VERSION})`]: init('inflateInit2_', 1),
  [`int inflate(${S}, int flush)`]: onStream('inflate', 1, { buffers: true }),
  [`int inflateEnd(${S})`]: onStream('inflateEnd', 0, { ends: true }),
  [`int inflateReset(${S})`]: onStream('inflateReset', 0),
  [`int inflateReset2(${S}, int windowBits)`]: onStream('inflateReset2', 1),
  [`int inflateResetKeep(${S})`]: onStream('inflateResetKeep', 0),
  [`int inflateSetDictionary(${S}, pointer dictionary, uint length)`]: setDictionary('inflateSetDictionary'),
  [`int inflateGetDictionary(${S}, pointer dictionary, pointer length)`]: getDictionary('inflateGetDictionary'),
  ['int inflateCopy(pointer dest, pointer source)']: copy('inflateCopy'),
  [`int inflateSync(${S})`]: onStream('inflateSync', 0, { buffers: true }),
  [`int inflateSyncPoint(${S})`]: onStream('inflateSyncPoint', 0),
  [`int inflatePrime(${S}, int bits, int value)`]: onStream('inflatePrime', 2),
  [`long inflateMark(${S})`]: onStream('inflateMark', 0, { result: 'int64_t', missing: -65536 }),
  [`int inflateGetHeader(${S}, pointer head)`]: header('inflateGetHeader', true),
  [`int inflateUndermine(${S}, int subvert)`]: onStream('inflateUndermine', 1),
  [`int inflateValidate(${S}, int check)`]: onStream('inflateValidate', 1),
  [`ulong inflateCodesUsed(${S})`]: onStream('inflateCodesUsed', 0, { result: 'uint64_t', missing: -1 }),
};

/** Asked with NULL it gives a bound for any stream. */
function deflateBound(context: BridgeContext): BridgeFunction | undefined {
  const all = streams(context);
  const host = all.bind('deflateBound', 'uint64_t', ['uint64_t', 'uint64_t']);
  if (!host) return undefined;
  return (address, length) => {
    if (address !== 0 && !all.accessible(address!)) return context.fault(address!, true);
    const stream = address === 0 ? undefined : all.find(address!);
    return Number(host(stream?.host.address ?? 0, length! >>> 0)) | 0;
  };
}
