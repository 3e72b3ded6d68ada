/** librt: clocks, by the host's C library, which asks no kernel for them. Part of libc.so.6, where all programs find them. */
import { DECLINED } from '../../translator/bridge.js';
import { HostBuffer } from '../../runtime/host/buffer.js';
import { type BridgeContext, type BridgedLibrary, declareLibrary } from '../library.js';

/** CLOCK_TAI is the last with a number of its own; negative ones are clocks of processes and threads by their ids. */
const LAST_CLOCK = 11;
const TIMESPEC = 8;
const TIMESPEC64 = 16;

/** @param size of the structure: seconds and nanoseconds of 32 or of 64 bits */
function clock(size: typeof TIMESPEC | typeof TIMESPEC64) {
  return (context: BridgeContext) => {
    const host = context.native?.func('clock_gettime', 'int', ['int', 'uint64_t']);
    if (!host) return undefined;
    const buffer = new HostBuffer(128);
    const words = new Int32Array(buffer.bytes.buffer, buffer.bytes.byteOffset, TIMESPEC64 / 4);
    const { view } = context.memory;
    return (id: number | undefined, address: number | undefined): number => {
      if (id! >>> 0 > LAST_CLOCK || !context.writable(address!, size)) return DECLINED;
      if (host(id!, buffer.address) !== 0) return DECLINED;
      const at = address! >>> 0;
      const [low, high, nanoseconds] = words as unknown as [number, number, number];
      if (size === TIMESPEC64) {
        view.setInt32(at, low, true);
        view.setInt32(at + 4, high, true);
        view.setInt32(at + 8, nanoseconds, true);
        view.setInt32(at + 12, 0, true);
        return 0;
      }
      // Later than 2038.
      if (high !== low >> 31) return DECLINED;
      view.setInt32(at, low, true);
      view.setInt32(at + 4, nanoseconds, true);
      return 0;
    };
  };
}

export const librt = (): BridgedLibrary =>
  declareLibrary({
    name: 'librt',
    soname: 'librt.so.1',
    alsoIn: ['libc.so.6'],
    hostNames: ['libc.so.6'],
    description: 'Clocks, which the host tells without a system call.',
    declining: {
      'int clock_gettime(int clock, pointer time)': clock(TIMESPEC),
      'int __clock_gettime64(int clock, pointer time)': clock(TIMESPEC64),
    },
  });
