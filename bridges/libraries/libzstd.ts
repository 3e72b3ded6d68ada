/** libzstd: whole buffers and streams. Contexts and dictionaries are handles; all that meets one is bridged, or none of it. */
import { type BridgedLibrary, declareLibrary } from '../library.js';

const SIMPLE = [
  'size_t ZSTD_compress(out(dstCapacity) bytes dst, size_t dstCapacity, in(srcSize) bytes src, size_t srcSize, int level)',
  'size_t ZSTD_decompress(out(dstCapacity) bytes dst, size_t dstCapacity, in(compressedSize) bytes src, size_t compressedSize)',
  'uint64 ZSTD_getFrameContentSize(in(srcSize) bytes src, size_t srcSize)',
  'size_t ZSTD_findFrameCompressedSize(in(srcSize) bytes src, size_t srcSize)',
];

const BUFFERS = 'out(dstCapacity) bytes dst, size_t dstCapacity, in(srcSize) bytes src, size_t srcSize';
const FLOWS = 'inout ZSTD_outBuffer* output, inout ZSTD_inBuffer* input';

const CONTEXTS = [
  'handle ZSTD_CCtx ZSTD_createCCtx()',
  'size_t ZSTD_freeCCtx(closes handle? ZSTD_CCtx cctx)',
  `size_t ZSTD_compressCCtx(handle ZSTD_CCtx cctx, ${BUFFERS}, int level)`,
  `size_t ZSTD_compress2(handle ZSTD_CCtx cctx, ${BUFFERS})`,
  'size_t ZSTD_CCtx_setParameter(handle ZSTD_CCtx cctx, int param, int value)',
  'size_t ZSTD_CCtx_setPledgedSrcSize(handle ZSTD_CCtx cctx, uint64 size)',
  'size_t ZSTD_CCtx_reset(handle ZSTD_CCtx cctx, int reset)',
  'size_t ZSTD_CCtx_loadDictionary(handle ZSTD_CCtx cctx, in(dictSize)? bytes dict, size_t dictSize)',
  `size_t ZSTD_compressStream2(handle ZSTD_CCtx cctx, ${FLOWS}, int endOp)`,
  'handle ZSTD_CCtx ZSTD_createCStream()',
  'size_t ZSTD_freeCStream(closes handle? ZSTD_CCtx zcs)',
  'size_t ZSTD_initCStream(handle ZSTD_CCtx zcs, int level)',
  `size_t ZSTD_compressStream(handle ZSTD_CCtx zcs, ${FLOWS})`,
  'size_t ZSTD_flushStream(handle ZSTD_CCtx zcs, inout ZSTD_outBuffer* output)',
  'size_t ZSTD_endStream(handle ZSTD_CCtx zcs, inout ZSTD_outBuffer* output)',
  'handle ZSTD_DCtx ZSTD_createDCtx()',
  'size_t ZSTD_freeDCtx(closes handle? ZSTD_DCtx dctx)',
  `size_t ZSTD_decompressDCtx(handle ZSTD_DCtx dctx, ${BUFFERS})`,
  'size_t ZSTD_DCtx_setParameter(handle ZSTD_DCtx dctx, int param, int value)',
  'size_t ZSTD_DCtx_reset(handle ZSTD_DCtx dctx, int reset)',
  'size_t ZSTD_DCtx_loadDictionary(handle ZSTD_DCtx dctx, in(dictSize)? bytes dict, size_t dictSize)',
  'handle ZSTD_DCtx ZSTD_createDStream()',
  'size_t ZSTD_freeDStream(closes handle? ZSTD_DCtx zds)',
  'size_t ZSTD_initDStream(handle ZSTD_DCtx zds)',
  `size_t ZSTD_decompressStream(handle ZSTD_DCtx zds, ${FLOWS})`,
];

/** What neither makes nor takes an object of the library's. */
const HARMLESS =
  /^ZSTD_(?:version|isError|getError|maxCLevel|minCLevel|defaultCLevel|compressBound|[CD]StreamInSize|[CD]StreamOutSize|isFrame|cParam_|dParam_|CStreamIn|CStreamOut)/;

export const libzstd = (): BridgedLibrary =>
  declareLibrary({
    name: 'libzstd',
    soname: 'libzstd.so.1',
    hostNames: ['libzstd.so.1'],
    description: 'Zstandard compression.',
    headers: ['zstd.h'],
    structures: [
      'struct ZSTD_inBuffer { in(size) bytes src; size_t size; size_t pos; }',
      'struct ZSTD_outBuffer { out(size) bytes dst; size_t size; size_t pos; }',
    ],
    direct: [...SIMPLE, ...CONTEXTS],
    families: { contexts: CONTEXTS.map((text) => /(\w+)\(/.exec(text)![1]!) },
    strangers: { contexts: 'undeclared' },
    harmless: HARMLESS,
  });
