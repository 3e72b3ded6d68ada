/**
 * libcrypto, where its digests are computed: the functions that all of its interfaces (EVP, HMAC, PBKDF2, signatures, TLS) come down
 * to, on structures that are the same for both ABIs. So its objects stay the guest's own, whoever makes, copies or frees them.
 */
import type { BridgeFunction } from '../../runtime/engine/index.js';
import { type BridgeContext, type BridgedLibrary, declareLibrary } from '../library.js';

/** Bytes of the structure, of a block, and where the count of bytes that wait for a whole block lies. */
interface Digest {
  readonly size: number;
  readonly block: number;
  readonly count: number;
}

/** openssl/md5.h, ripemd.h, sha.h */
const DIGESTS: Readonly<Record<string, Digest>> = {
  MD5: { size: 92, block: 64, count: 88 },
  RIPEMD160: { size: 96, block: 64, count: 92 },
  SHA1: { size: 96, block: 64, count: 92 },
  SHA256: { size: 112, block: 64, count: 104 },
  SHA512: { size: 216, block: 128, count: 208 },
};

function update(name: string, { size, block, count }: Digest) {
  return ({
    memory,
    hostBase,
    native,
    readable,
    writable,
    fault,
    decline,
  }: BridgeContext): BridgeFunction | undefined => {
    const host = native?.func(name, 'int', ['uint64_t', 'uint64_t', 'uint64_t']);
    if (!host) return undefined;
    const { view } = memory;
    return (context, data, length) => {
      if (!writable(context!, size)) return fault(context!, true);
      if (!readable(data!, length! >>> 0)) return fault(data!, false);
      const at = context! >>> 0;
      // Where it is no such structure, the host would write beyond it.
      if (view.getUint32(at + count, true) >= block) return decline(name) ? undefined : fault(-1, false);
      return Number(host(hostBase + at, hostBase + (data! >>> 0), length! >>> 0)) | 0;
    };
  };
}

export const libcrypto = (): BridgedLibrary =>
  declareLibrary({
    name: 'libcrypto',
    soname: 'libcrypto.so.3',
    hostNames: ['libcrypto.so.3'],
    description: 'Digests, by whatever interface: what computes them on the way.',
    headers: ['openssl/md5.h', 'openssl/ripemd.h', 'openssl/sha.h'],
    written: Object.fromEntries(
      Object.entries(DIGESTS).map(([digest, layout]) => [
        `int ${digest}_Update(pointer c, pointer data, size_t len)`,
        update(`${digest}_Update`, layout),
      ]),
    ),
  });
