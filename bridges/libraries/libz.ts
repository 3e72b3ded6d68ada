/**
 * libz. The guest's `z_stream` is shorter than the host's: the host has a copy, and the guest a handle where the pointer to
 * libz's own state would be. The memory behind a stream comes from the host, whatever allocator the guest names. Files (gzopen and
 * what belongs to it) are the guest's own.
 */
import { type BridgedLibrary, declareLibrary } from '../library.js';

/** `gz_header`, written by deflate or filled by inflate. */
const gzHeader = (name: string, extra: string, text: string, comment: string): string =>
  `struct ${name} as gz_header { int text; ulong time; int xflags; int os; ${extra} bytes extra; uint extra_len; uint extra_max;
    ${text} name; uint name_max; ${comment} comment; uint comm_max; int hcrc; int done; }`;

const DEFLATE = [
  'int deflateInit_(new z_stream* strm, int level, in? cstring version, sizeof(z_stream) int stream_size)',
  `int deflateInit2_(new z_stream* strm, int level, int method, int windowBits, int memLevel, int strategy,
    in? cstring version, sizeof(z_stream) int stream_size)`,
  'int deflate(inout z_stream* strm, int flush)',
  'int deflateEnd(keep z_stream* strm)',
  'int deflateReset(keep z_stream* strm)',
  'int deflateResetKeep(keep z_stream* strm)',
  'int deflateSetDictionary(keep z_stream* strm, in(dictLength)? bytes dictionary, uint dictLength)',
  `int deflateGetDictionary(keep z_stream* strm, out(*dictLength upto 32768) bytes dictionary, out? uint* dictLength)`,
  'int deflateCopy(copy(source) z_stream* dest, keep z_stream* source)',
  'int deflateParams(inout z_stream* strm, int level, int strategy)',
  'int deflateTune(keep z_stream* strm, int good_length, int max_lazy, int nice_length, int max_chain)',
  'int deflatePending(keep z_stream* strm, out? uint* pending, out? int* bits)',
  'int deflatePrime(keep z_stream* strm, int bits, int value)',
  'int deflateSetHeader(keep z_stream* strm, attach(strm) in gz_header* head)',
  'ulong deflateBound(keep z_stream* strm, ulong sourceLen)',
];

const INFLATE = [
  'int inflateInit_(new z_stream* strm, in? cstring version, sizeof(z_stream) int stream_size)',
  'int inflateInit2_(new z_stream* strm, int windowBits, in? cstring version, sizeof(z_stream) int stream_size)',
  'int inflate(inout z_stream* strm, int flush)',
  'int inflateEnd(keep z_stream* strm)',
  'int inflateReset(keep z_stream* strm)',
  'int inflateReset2(keep z_stream* strm, int windowBits)',
  'int inflateResetKeep(keep z_stream* strm)',
  'int inflateSetDictionary(keep z_stream* strm, in(dictLength) bytes dictionary, uint dictLength)',
  'int inflateGetDictionary(keep z_stream* strm, out(*dictLength upto 32768) bytes dictionary, out? uint* dictLength)',
  'int inflateCopy(copy(source) z_stream* dest, keep z_stream* source)',
  'int inflateSync(inout z_stream* strm)',
  'int inflateSyncPoint(keep z_stream* strm)',
  'int inflatePrime(keep z_stream* strm, int bits, int value)',
  'long inflateMark(keep z_stream* strm)',
  'int inflateGetHeader(keep z_stream* strm, attach(strm) inout gz_header_read* head)',
  'int inflateUndermine(keep z_stream* strm, int subvert)',
  'int inflateValidate(keep z_stream* strm, int check)',
  'ulong inflateCodesUsed(keep z_stream* strm)',
];

const nameOf = (text: string): string => /(\w+)\(/.exec(text)![1]!;

export const libz = (): BridgedLibrary =>
  declareLibrary({
    name: 'libz',
    soname: 'libz.so.1',
    hostNames: ['libz.so.1'],
    description: 'Deflate compression and its checksums.',
    headers: ['zlib.h'],
    structures: [
      `struct z_stream kept in state { in(avail_in) bytes next_in; uint avail_in; ulong total_in;
        out(avail_out) bytes next_out; uint avail_out; ulong total_out; cstring msg; pointer state;
        pointer zalloc; pointer zfree; pointer opaque; int data_type; ulong adler; ulong reserved; }`,
      gzHeader('gz_header', 'in(extra_len)', 'in cstring', 'in cstring'),
      gzHeader('gz_header_read', 'out(extra_max)', 'out(name_max) bytes', 'out(comm_max) bytes'),
    ],
    direct: [
      'ulong crc32(ulong crc, in(len)? bytes buf, uint len)',
      'ulong crc32_z(ulong crc, in(len)? bytes buf, size_t len)',
      'ulong adler32(ulong adler, in(len) bytes buf, uint len)',
      'ulong adler32_z(ulong adler, in(len) bytes buf, size_t len)',
      'ulong adler32_combine(ulong adler1, ulong adler2, long len2)',
      'ulong adler32_combine64(ulong adler1, ulong adler2, int64 len2)',
      'int compress(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen)',
      'int compress2(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen, int level)',
      'ulong compressBound(ulong sourceLen)',
      'int uncompress(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen)',
      'int uncompress2(out(*destLen) bytes dest, inout ulong* destLen, in(*sourceLen) bytes source, inout ulong* sourceLen)',
      ...DEFLATE,
      ...INFLATE,
    ],
    families: { deflate: DEFLATE.map(nameOf), inflate: INFLATE.map(nameOf) },
  });
