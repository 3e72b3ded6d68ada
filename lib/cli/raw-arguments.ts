/**
 * This process's arguments and environment as the kernel keeps them. Node decodes both as UTF-8, which loses other bytes;
 * a guest is to get exactly what the emulator was given. Strings are "binary": one char a byte.
 */
import { readFileSync } from 'node:fs';

function readStrings(path: string): string[] | undefined {
  try {
    const strings = readFileSync(path, 'latin1').split('\0');
    // Each string ends with a NUL, so what follows the last is no string.
    strings.pop();
    return strings;
  } catch {
    return undefined;
  }
}

const toBinary = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** The last `count` arguments: those that follow Node's own and the script's name. */
export function rawArguments(count: number): string[] {
  const all = readStrings('/proc/self/cmdline');
  if (!all || all.length < count) return process.argv.slice(process.argv.length - count).map(toBinary);
  return all.slice(all.length - count);
}

/** The environment, entries `VAR=VALUE` in their order. */
export function rawEnvironment(): string[] {
  return (
    readStrings('/proc/self/environ') ??
    Object.entries(process.env).map(([name, value]) => toBinary(`${name}=${value ?? ''}`))
  );
}

/** Applies `VAR=VALUE` (set) and `VAR` (remove) to an environment. */
export function changedEnvironment(environment: readonly string[], changes: readonly string[]): string[] {
  let result = [...environment];
  for (const change of changes) {
    const name = `${change.split('=', 1)[0]!}=`;
    const at = result.findIndex((entry) => entry.startsWith(name));
    if (change.includes('=')) {
      if (at >= 0) result[at] = change;
      else result.push(change);
    } else {
      result = result.filter((entry) => !entry.startsWith(name));
    }
  }
  return result;
}
