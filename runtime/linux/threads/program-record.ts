/**
 * What the threads of a process must know of the program that runs, as text in shared memory: written when the first thread is
 * made or a program is to be executed by another thread, read by every thread that begins.
 */
import type { GuestMemory } from '../../memory/guest-memory.js';
import { sharedWords } from './shared-state.js';

/** Strings are bytes, one a char. */
export interface ProgramRecord {
  readonly executable: string;
  readonly hostExecutable: string;
  readonly arguments: readonly string[];
  readonly environment: readonly string[];
  readonly stackStart: number;
}

/** A program that one thread asks the leader to execute. */
export interface ExecuteRecord {
  readonly path: string;
  readonly arguments: readonly string[];
  readonly environment: readonly string[];
  /** The signal mask that the program begins with, as a decimal number. */
  readonly mask: string;
}

export const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
export const toBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** False when there is no room for it. The kernel lock is held. */
export function writeRecord(memory: GuestMemory, record: ProgramRecord | ExecuteRecord): boolean {
  const words = sharedWords(memory, 'program');
  const bytes = Buffer.from(JSON.stringify(record), 'utf8');
  if (bytes.length > words.byteLength - 4) return false;
  words[0] = bytes.length;
  new Uint8Array(words.buffer, words.byteOffset + 4).set(bytes);
  return true;
}

export function readRecord<Record extends ProgramRecord | ExecuteRecord>(memory: GuestMemory): Record | undefined {
  const words = sharedWords(memory, 'program');
  if (words[0] === 0) return undefined;
  // A decoder of strings refuses shared memory.
  const bytes = Buffer.from(new Uint8Array(words.buffer, words.byteOffset + 4, words[0]).slice());
  return JSON.parse(bytes.toString('utf8')) as Record;
}
