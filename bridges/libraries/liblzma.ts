/**
 * liblzma: coders over streams. Which coder a stream gets is decided when it is made: those that are declared here run on the host,
 * and the guest's library makes the others and runs them (a stream with nothing of the host's behind it is the guest's).
 */
import { type BridgeContext, type BridgedLibrary, declareLibrary } from '../library.js';
import type { BridgeFunction } from '../../runtime/engine/index.js';
import type { NativeType } from '../../runtime/host/native-library.js';
import { Found, setHostPointer } from '../structure-marshal.js';

const DIRECT = [
  'int lzma_easy_encoder(renew lzma_stream* strm, uint preset, int check)',
  'int lzma_stream_decoder(renew lzma_stream* strm, uint64 memlimit, uint flags)',
  'int lzma_auto_decoder(renew lzma_stream* strm, uint64 memlimit, uint flags)',
  'int lzma_alone_decoder(renew lzma_stream* strm, uint64 memlimit)',
  'int lzma_lzip_decoder(renew lzma_stream* strm, uint64 memlimit, uint flags)',
  'int lzma_code(live inout lzma_stream* strm, int action)',
  'void lzma_end(keep lzma_stream* strm)',
  'void lzma_get_progress(live lzma_stream* strm, out uint64* progress_in, out uint64* progress_out)',
  'uint64 lzma_memusage(keep lzma_stream* strm)',
  'uint64 lzma_memlimit_get(keep lzma_stream* strm)',
  'int lzma_memlimit_set(keep lzma_stream* strm, uint64 memlimit)',
  'int lzma_get_check(live lzma_stream* strm)',
];

/** `lzma_filter` (lzma/filter.h): bytes of an element on each side; `LZMA_FILTERS_MAX`, and the element that ends an array. */
const FILTER = { guest: 12, guestOptions: 8, host: 16, hostOptions: 8, most: 4 } as const;
const LZMA1 = 0x4000000000000001n;
const LZMA1EXT = 0x4000000000000002n;
const LZMA2 = 0x21n;
const DELTA = 3n;
const END = 0xffffffffffffffffn;
const isBcj = (id: bigint): boolean => id >= 4n && id <= 10n;
const LZMA_PROG_ERROR = 11;
/** Room for one filter's options on the host. */
const OPTIONS_ROOM = 128;
const ARRAY_BYTES = FILTER.host * (FILTER.most + 1);

const optionsOf = (id: bigint): string | undefined =>
  id === LZMA1 || id === LZMA1EXT || id === LZMA2
    ? 'lzma_options_lzma'
    : id === DELTA
      ? 'lzma_options_delta'
      : isBcj(id)
        ? 'lzma_options_bcj'
        : undefined;

/**
 * Puts an array of filters into host memory at `frame` of the scratch memory.
 * @returns 'fault' with the fault noted; 'unknown': a filter whose options are not known here
 */
function filtersToHost(context: BridgeContext, address: number, frame: number): 'done' | 'fault' | 'unknown' {
  const { memory, scratch, readable, fault } = context;
  for (let i = 0; i <= FILTER.most; i++) {
    const at = (address >>> 0) + i * FILTER.guest;
    if (!readable(at, FILTER.guest)) return fault(at, false) ?? 'fault';
    const id = memory.view.getBigUint64(at, true);
    const place = frame + i * FILTER.host;
    scratch.view.setBigUint64(place, id, true);
    if (id === END) return 'done';
    const name = optionsOf(id);
    if (name === undefined) return 'unknown';
    const options = memory.view.getUint32(at + FILTER.guestOptions, true);
    if (options === 0) continue;
    const structure = context.structure(name);
    if (!readable(options, structure.guestSize)) return fault(options, false) ?? 'fault';
    const room = frame + ARRAY_BYTES + i * OPTIONS_ROOM;
    if (!structure.toHost(options, scratch.view, room, true)) return 'fault';
    setHostPointer(scratch.view, place + FILTER.hostOptions, scratch.address + room);
  }
  return 'unknown';
}

const SCRATCH_BYTES = ARRAY_BYTES + FILTER.most * OPTIONS_ROOM;

/** A coder that is made of filters, with a number behind them or none. */
function filterCoder(name: string, numbers: number) {
  return (context: BridgeContext): BridgeFunction | undefined => {
    const { native, scratch, decline } = context;
    const host = native?.func(name, 'int', ['uint64_t', 'uint64_t', ...new Array<NativeType>(numbers).fill('int')]);
    if (!host) return undefined;
    const stream = context.structure('lzma_stream');
    return (strm, filters, number) => {
      if (filters === 0) return LZMA_PROG_ERROR;
      const frame = scratch.take(SCRATCH_BYTES);
      try {
        const made = filtersToHost(context, filters!, frame);
        if (made === 'fault') return undefined;
        if (made === 'unknown') return decline(name) ? undefined : LZMA_PROG_ERROR;
        const entry = stream.find(strm!, 'renew', name);
        if (entry === Found.refused) return undefined;
        stream.keptToHost(strm!, entry, false);
        const args = [stream.hostAddress(entry), scratch.address + frame, ...(numbers > 0 ? [number!] : [])];
        const result = Number(host(...args)) | 0;
        stream.keptToGuest(strm!, entry, false);
        return result;
      } finally {
        scratch.top = frame;
      }
    };
  };
}

/** A coder of several threads: the host's own threads do the work. */
function threadedCoder(name: string) {
  return (context: BridgeContext): BridgeFunction | undefined => {
    const { native, scratch, decline, fault, readable, memory } = context;
    const host = native?.func(name, 'int', ['uint64_t', 'uint64_t']);
    if (!host) return undefined;
    const stream = context.structure('lzma_stream');
    const options = context.structure('lzma_mt');
    return (strm, mt) => {
      if (mt === 0) return LZMA_PROG_ERROR;
      if (!readable(mt!, options.guestSize)) return fault(mt!, false);
      // Threads that a fork's child would not have: one alone needs none.
      const threads = memory.view.getUint32((mt! >>> 0) + options.declaration.layout.offset('i386', 'threads'), true);
      if (threads !== 1 && decline(name)) return undefined;
      const frame = scratch.take(options.hostSize + 16 + SCRATCH_BYTES);
      try {
        const arrayAt = frame + ((options.hostSize + 15) & -16);
        if (!options.toHost(mt!, scratch.view, frame, true)) return undefined;
        const filters = memory.view.getUint32((mt! >>> 0) + options.declaration.layout.offset('i386', 'filters'), true);
        if (filters !== 0) {
          const made = filtersToHost(context, filters, arrayAt);
          if (made === 'fault') return undefined;
          if (made === 'unknown') return decline(name) ? undefined : LZMA_PROG_ERROR;
          const place = frame + options.declaration.layout.offset('host', 'filters');
          setHostPointer(scratch.view, place, scratch.address + arrayAt);
        }
        const entry = stream.find(strm!, 'renew', name);
        if (entry === Found.refused) return undefined;
        stream.keptToHost(strm!, entry, false);
        const result = Number(host(stream.hostAddress(entry), scratch.address + frame)) | 0;
        stream.keptToGuest(strm!, entry, false);
        return result;
      } finally {
        scratch.top = frame;
      }
    };
  };
}

const WRITTEN = {
  'int lzma_stream_encoder(pointer strm, pointer filters, int check)': filterCoder('lzma_stream_encoder', 1),
  'int lzma_raw_encoder(pointer strm, pointer filters)': filterCoder('lzma_raw_encoder', 0),
  'int lzma_raw_decoder(pointer strm, pointer filters)': filterCoder('lzma_raw_decoder', 0),
  'int lzma_stream_encoder_mt(pointer strm, pointer options)': threadedCoder('lzma_stream_encoder_mt'),
  'int lzma_stream_decoder_mt(pointer strm, pointer options)': threadedCoder('lzma_stream_decoder_mt'),
};

export const liblzma = (): BridgedLibrary =>
  declareLibrary({
    name: 'liblzma',
    soname: 'liblzma.so.5',
    hostNames: ['liblzma.so.5'],
    description: 'LZMA compression and its containers.',
    headers: ['lzma.h'],
    structures: [
      `struct lzma_stream kept in internal { in(avail_in) bytes next_in; size_t avail_in; uint64 total_in;
        out(avail_out) bytes next_out; size_t avail_out; uint64 total_out; pointer allocator; pointer internal;
        pointer reserved_ptr1; pointer reserved_ptr2; pointer reserved_ptr3; pointer reserved_ptr4; uint64 seek_pos;
        uint64 reserved_int2; size_t reserved_int3; size_t reserved_int4; uint reserved_enum1; uint reserved_enum2; }`,
      `struct lzma_mt { uint flags; uint threads; uint64 block_size; uint timeout; uint preset; pointer filters; uint check;
        uint reserved_enum1; uint reserved_enum2; uint reserved_enum3; uint reserved_int1; uint reserved_int2;
        uint reserved_int3; uint reserved_int4; uint64 memlimit_threading; uint64 memlimit_stop; uint64 reserved_int7;
        uint64 reserved_int8; pointer reserved_ptr1; pointer reserved_ptr2; pointer reserved_ptr3; pointer reserved_ptr4; }`,
      `struct lzma_options_lzma { uint dict_size; in(preset_dict_size) bytes preset_dict; uint preset_dict_size; uint lc;
        uint lp; uint pb; uint mode; uint nice_len; uint mf; uint depth; uint ext_flags; uint ext_size_low;
        uint ext_size_high; uint reserved_int4; uint reserved_int5; uint reserved_int6; uint reserved_int7;
        uint reserved_int8; uint reserved_enum1; uint reserved_enum2; uint reserved_enum3; uint reserved_enum4;
        pointer reserved_ptr1; pointer reserved_ptr2; }`,
      `struct lzma_options_delta { uint type; uint dist; uint reserved_int1; uint reserved_int2; uint reserved_int3;
        uint reserved_int4; pointer reserved_ptr1; pointer reserved_ptr2; }`,
      'struct lzma_options_bcj { uint start_offset; }',
    ],
    direct: DIRECT,
    written: WRITTEN,
    families: { coders: [...DIRECT, ...Object.keys(WRITTEN)].map((text) => /(\w+)\(/.exec(text)![1]!) },
    strangers: {
      // What changes a coder that the host may have made.
      coders: ['lzma_filters_update'],
    },
  });
