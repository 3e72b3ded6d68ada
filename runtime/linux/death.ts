/** The one line that is said when a guest dies of a signal it raised itself: what, where, and the instruction's bytes. */
import { Trap } from '../../translator/state.js';
import { SIG_DFL, Signal, signalName } from './constants/signals.js';
import type { LinuxProcess } from './process.js';
import { infoCode } from './signals/siginfo.js';

const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
const SHOWN_BYTES = 8;
const FAULTS: ReadonlySet<number> = new Set([
  Signal.SIGSEGV,
  Signal.SIGBUS,
  Signal.SIGFPE,
  Signal.SIGILL,
  Signal.SIGTRAP,
]);

/** A line about the guest's death, undefined where the guest or another process asked for it (kill, abort, a closed pipe). */
export function describeDeath(process: LinuxProcess, signal: number, info: Uint8Array): string | undefined {
  if (!FAULTS.has(signal) || infoCode(info) <= SIG_DFL) return undefined;
  const { eip } = process.cpu;
  const place = placeOf(process, eip);
  const { memory } = process;
  let bytes = '';
  for (let at = eip; at < eip + SHOWN_BYTES && memory.isReadable(at, 1); at++) {
    bytes += ` ${memory.u8[at]!.toString(16).padStart(2, '0')}`;
  }
  const detail = detailOf(process, signal);
  return (
    `bridge86: guest killed by ${signalName(signal)} at ${hex(eip)}${place}` +
    (detail ? `: ${detail}` : '') +
    (bytes ? `; bytes${bytes}` : '')
  );
}

function placeOf(process: LinuxProcess, address: number): string {
  const symbol = process.symbols.symbolAt(address);
  if (!symbol) return '';
  const file = new TextDecoder().decode(process.paths.guestPath(new TextEncoder().encode(symbol.file)));
  const offset = `+0x${symbol.offset.toString(16)}`;
  return symbol.name === undefined ? ` in ${file} (${offset})` : ` <${symbol.name}${offset}> in ${file}`;
}

function detailOf(process: LinuxProcess, signal: number): string {
  const { trapNumber, errorCode, faultAddress } = process.thread;
  switch (trapNumber) {
    case Trap.pageFault: {
      const isMapped = process.mappings.regions.at(faultAddress) !== undefined;
      const what = signal === Signal.SIGBUS ? 'beyond the end of its file' : isMapped ? 'not accessible' : 'not mapped';
      const how = errorCode & 16 ? 'execute' : errorCode & 2 ? 'write' : 'read';
      return `address ${hex(faultAddress)} ${what} (${how})`;
    }
    case Trap.divideError:
      return 'division by zero or overflow';
    case Trap.invalidOpcode:
      return 'no such instruction';
    case Trap.generalProtection:
      return 'general protection';
    case Trap.breakpoint:
      return 'breakpoint';
    case Trap.floatingPoint:
    case Trap.simd:
      return 'floating-point exception';
    default:
      return '';
  }
}
