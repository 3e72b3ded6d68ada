/** All bridged libraries. Their declarations are parsed when they are first asked for. */
import type { BridgedLibrary } from '../library.js';
import { libbz2 } from './libbz2.js';
import { libc } from './libc.js';
import { libcrypto } from './libcrypto.js';
import { liblzma } from './liblzma.js';
import { libm } from './libm.js';
import { libpthread } from './libpthread.js';
import { librt } from './librt.js';
import { libz } from './libz.js';
import { libzstd } from './libzstd.js';

let declared: readonly BridgedLibrary[] | undefined;

export function libraries(): readonly BridgedLibrary[] {
  return (declared ??= [libc(), libm(), libpthread(), librt(), libz(), libbz2(), liblzma(), libzstd(), libcrypto()]);
}
