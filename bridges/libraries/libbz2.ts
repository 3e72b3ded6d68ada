/** libbz2: streams, as `libz.ts` has them, and whole buffers. The functions on files call these in the guest's own library. */
import { type BridgedLibrary, declareLibrary } from '../library.js';

const STREAMS = [
  'int BZ2_bzCompressInit(new bz_stream* strm, int blockSize100k, int verbosity, int workFactor)',
  'int BZ2_bzCompress(inout bz_stream* strm, int action)',
  'int BZ2_bzCompressEnd(keep bz_stream* strm)',
  'int BZ2_bzDecompressInit(new bz_stream* strm, int verbosity, int small)',
  'int BZ2_bzDecompress(inout bz_stream* strm)',
  'int BZ2_bzDecompressEnd(keep bz_stream* strm)',
];

export const libbz2 = (): BridgedLibrary =>
  declareLibrary({
    name: 'libbz2',
    soname: 'libbz2.so.1.0',
    hostNames: ['libbz2.so.1.0', 'libbz2.so.1'],
    description: 'Compression by sorting of blocks.',
    headers: ['bzlib.h'],
    structures: [
      `struct bz_stream kept in state { in(avail_in) bytes next_in; uint avail_in; uint total_in_lo32; uint total_in_hi32;
        out(avail_out) bytes next_out; uint avail_out; uint total_out_lo32; uint total_out_hi32; pointer state;
        pointer bzalloc; pointer bzfree; pointer opaque; }`,
    ],
    direct: [
      ...STREAMS,
      `int BZ2_bzBuffToBuffCompress(out(*destLen) bytes dest, inout uint* destLen, in(sourceLen) bytes source, uint sourceLen,
        int blockSize100k, int verbosity, int workFactor)`,
      `int BZ2_bzBuffToBuffDecompress(out(*destLen) bytes dest, inout uint* destLen, in(sourceLen) bytes source, uint sourceLen,
        int small, int verbosity)`,
    ],
    families: { streams: STREAMS.map((text) => /(\w+)\(/.exec(text)![1]!) },
  });
