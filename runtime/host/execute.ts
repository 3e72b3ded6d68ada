/** `execve` on the host: gives this process to another program. */
import { HostBuffer } from './buffer.js';
import { syscall } from './libc.js';

const SYS_EXECVE = 59;

/** Comes back only with a negated error number. Strings are without their NULs. */
export function hostExecute(path: Uint8Array, args: readonly Uint8Array[], environment: readonly Uint8Array[]): number {
  const strings = [path, ...args, ...environment];
  const count = args.length + environment.length + 2;
  const buffer = new HostBuffer(strings.reduce((sum, string) => sum + string.length + 1, 0) + count * 8 + 8);
  let at = count * 8;
  const put = (string: Uint8Array): number => {
    const address = buffer.putCString(string, at);
    at += string.length + 1;
    return address;
  };
  const pathAddress = put(path);
  let slot = 0;
  const vector = (list: readonly Uint8Array[]): number => {
    const start = buffer.address + slot * 8;
    for (const string of list) buffer.view.setBigUint64(slot++ * 8, BigInt(put(string)), true);
    buffer.view.setBigUint64(slot++ * 8, 0n, true);
    return start;
  };
  return syscall(SYS_EXECVE, pathAddress, vector(args), vector(environment));
}
