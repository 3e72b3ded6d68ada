/** libz: checksums and whole buffers as direct calls, streams by way of host streams (`zlib-streams.ts`). */
import { type BridgedLibrary, declareLibrary } from '../library.js';
import { streamFunctions } from './zlib-streams.js';

export const libz = (): BridgedLibrary =>
  declareLibrary({
    name: 'libz',
    soname: 'libz.so.1',
    hostNames: ['libz.so.1'],
    description: 'Deflate compression and its checksums.',
    direct: [
      'ulong crc32(ulong crc, in(length)? bytes data, uint length)',
      'ulong crc32_z(ulong crc, in(length)? bytes data, size_t length)',
      'ulong adler32(ulong adler, in(length)? bytes data, uint length)',
      'ulong adler32_z(ulong adler, in(length)? bytes data, size_t length)',
      'int compress(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen)',
      'int compress2(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen, int level)',
      'ulong compressBound(ulong sourceLen)',
      'int uncompress(out(*destLen) bytes dest, inout ulong* destLen, in(sourceLen) bytes source, ulong sourceLen)',
      'int uncompress2(out(*destLen) bytes dest, inout ulong* destLen, in(*sourceLen) bytes source, inout ulong* sourceLen)',
    ],
    written: streamFunctions,
    families: {
      deflate: Object.keys(streamFunctions).flatMap((text) => /\b(deflate\w*)\(/.exec(text)?.[1] ?? []),
      inflate: Object.keys(streamFunctions).flatMap((text) => /\b(inflate\w*)\(/.exec(text)?.[1] ?? []),
    },
  });
