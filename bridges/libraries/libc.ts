/**
 * libc: functions on memory and strings as operations on typed arrays. Short ones are done byte by byte (a call of the host,
 * or of V8's own builtins, costs more than 20 bytes), long ones by V8's builtins or the host's memmove.
 */
import { type BridgeContext, type BridgedLibrary, declareLibrary } from '../library.js';
import { stringEnd } from '../strings.js';
import type { BridgeFunction } from '../../runtime/engine/index.js';

/** Bytes up to which a loop is quicker than a builtin. */
const SHORT = 48;

const move =
  (end: boolean) =>
  ({ memory, hostBase, native, readable, writable, fault }: BridgeContext): BridgeFunction => {
    const { u8 } = memory;
    const host = native?.func('memmove', 'void', ['uint64_t', 'uint64_t', 'uint64_t']);
    return (destination, source, length) => {
      const to = destination! >>> 0;
      const from = source! >>> 0;
      const count = length! >>> 0;
      if (!readable(from, count)) return fault(from, false);
      if (!writable(to, count)) return fault(to, true);
      if (count > SHORT && host) host(hostBase + to, hostBase + from, count);
      else if (count > SHORT) u8.copyWithin(to, from, from + count);
      else if (to <= from) for (let i = 0; i < count; i++) u8[to + i] = u8[from + i]!;
      else for (let i = count - 1; i >= 0; i--) u8[to + i] = u8[from + i]!;
      return end ? (to + count) | 0 : destination!;
    };
  };

function memset({ memory, hostBase, native, writable, fault }: BridgeContext): BridgeFunction {
  const { u8 } = memory;
  const host = native?.func('memset', 'void', ['uint64_t', 'int', 'uint64_t']);
  return (destination, value, length) => {
    const to = destination! >>> 0;
    const count = length! >>> 0;
    if (!writable(to, count)) return fault(to, true);
    if (count > SHORT && host) host(hostBase + to, value!, count);
    else if (count > SHORT) u8.fill(value!, to, to + count);
    else for (let i = 0; i < count; i++) u8[to + i] = value!;
    return destination!;
  };
}

/** The first difference of at most `limit` bytes; ends at a NUL where `strings` says so. Reads no page that it need not. */
function comparison(strings: boolean, limited: boolean) {
  return ({ memory, hostBase, native, readable, fault }: BridgeContext): BridgeFunction => {
    const { u8 } = memory;
    const host = strings ? undefined : native?.func('memcmp', 'int', ['uint64_t', 'uint64_t', 'uint64_t']);
    return (first, second, length) => {
      const a = first! >>> 0;
      const b = second! >>> 0;
      const limit = limited ? length! >>> 0 : 0x100000000;
      for (let i = 0; i < limit;) {
        if (!readable(a + i, 1)) return fault(a + i, false);
        if (!readable(b + i, 1)) return fault(b + i, false);
        const piece = Math.min(limit - i, 4096 - ((a + i) & 4095), 4096 - ((b + i) & 4095));
        for (const end = i + piece; i < end; i++) {
          if (host && end - i > SHORT) {
            const order = Number(host(hostBase + a + i, hostBase + b + i, end - i));
            if (order !== 0) return order < 0 ? -1 : 1;
            i = end;
            break;
          }
          const x = u8[a + i]!;
          const y = u8[b + i]!;
          if (x !== y) return x < y ? -1 : 1;
          if (strings && x === 0) return 0;
        }
      }
      return 0;
    };
  };
}

function strlen(context: BridgeContext): BridgeFunction {
  return (string) => {
    const end = stringEnd(context, string!);
    return end < 0 ? unterminated(context, string!) : (end - (string! >>> 0)) | 0;
  };
}

/** The fault of a string that runs into what cannot be read. */
function unterminated({ memory, fault }: BridgeContext, string: number): undefined {
  let page = string >>> 12;
  while (page < 0xfffff && memory.isReadable(page * 4096, 1)) page++;
  return fault(Math.max(string >>> 0, page * 4096), false);
}

function memchr({ readable, findByte, fault }: BridgeContext): BridgeFunction {
  return (start, value, length) => {
    const from = start! >>> 0;
    const limit = Math.min(length! >>> 0, 0x100000000 - from);
    const wanted = value! & 0xff;
    // As the C standard allows no reading beyond the byte that is found, pages are looked at one by one.
    for (let i = 0; i < limit;) {
      if (!readable(from + i, 1)) return fault(from + i, false);
      const end = Math.min(limit, i + 4096 - ((from + i) & 4095));
      const found = findByte(from + i, wanted, from + end);
      if (found >= 0) return found | 0;
      i = end;
    }
    return 0;
  };
}

const character =
  (last: boolean) =>
  (context: BridgeContext): BridgeFunction =>
  (string, value) => {
    const { u8 } = context.memory;
    const wanted = value! & 0xff;
    const end = last ? stringEnd(context, string!) : -1;
    if (last) {
      if (end < 0) return unterminated(context, string!);
      for (let at = end; at >= string! >>> 0; at--) if (u8[at] === wanted) return at | 0;
      return 0;
    }
    for (let at = string! >>> 0; ;) {
      if (!context.readable(at, 1)) return context.fault(at, false);
      for (const next = at + 4096 - (at & 4095); at < next; at++) {
        if (u8[at] === wanted) return at | 0;
        if (u8[at] === 0) return 0;
      }
    }
  };

export const libc = (): BridgedLibrary =>
  declareLibrary({
    name: 'libc',
    soname: 'libc.so.6',
    hostNames: ['libc.so.6'],
    selectiveOnly: true,
    description: 'Memory and strings, as operations on typed arrays.',
    headers: ['string.h'],
    written: {
      'pointer memcpy(pointer dest, pointer src, size_t n)': move(false),
      'pointer memmove(pointer dest, pointer src, size_t n)': move(false),
      'pointer mempcpy(pointer dest, pointer src, size_t n)': move(true),
      'pointer memset(pointer dest, int c, size_t n)': memset,
      'int memcmp(pointer a, pointer b, size_t n)': comparison(false, true),
      'pointer memchr(pointer s, int c, size_t n)': memchr,
      'size_t strlen(pointer s)': strlen,
      'int strcmp(pointer a, pointer b)': comparison(true, false),
      'int strncmp(pointer a, pointer b, size_t n)': comparison(true, true),
      'pointer strchr(pointer s, int c)': character(false),
      'pointer strrchr(pointer s, int c)': character(true),
    },
  });
