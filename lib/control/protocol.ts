/**
 * What an embedder and the process that runs its guest say to one another over a socket: messages in V8's serialisation (so
 * that bytes and bigints are what they are), each with its length before it.
 */
import { deserialize, serialize } from 'node:v8';
import type { GuestArgument, WrittenArgument } from '../guest-arguments.js';

/** What the embedder wants done, while the guest stands between two instructions. */
export type Request =
  | { readonly kind: 'read'; readonly address: number; readonly length: number }
  | { readonly kind: 'write'; readonly address: number; readonly bytes: Uint8Array }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'mappings' }
  | { readonly kind: 'registers' }
  | { readonly kind: 'setRegisters'; readonly values: Readonly<Record<string, number>> }
  | {
      readonly kind: 'call';
      readonly target: string | number;
      readonly prototype: string;
      readonly args: readonly GuestArgument[];
    }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** `names` undefined: all. */
  | { readonly kind: 'systemCalls'; readonly names: readonly string[] | undefined; readonly results: boolean }
  | { readonly kind: 'implement'; readonly target: string | number; readonly prototype: string }
  | { readonly kind: 'release'; readonly address: number }
  | { readonly kind: 'save' }
  | { readonly kind: 'restore'; readonly snapshot: number | Uint8Array }
  | { readonly kind: 'serialize'; readonly snapshot: number }
  | { readonly kind: 'forget'; readonly snapshot: number };

export interface CallResult {
  readonly value: number | bigint;
  readonly written: readonly WrittenArgument[];
}

/** What happened in the guest, which waits for an answer where `waits`. */
export type GuestEvent =
  | { readonly kind: 'paused'; readonly address: number }
  | { readonly kind: 'running' }
  | { readonly kind: 'execute'; readonly program: string }
  | { readonly kind: 'systemCall'; readonly name: string; readonly number: number; readonly args: readonly number[] }
  | { readonly kind: 'systemCallEnd'; readonly name: string; readonly number: number; readonly result: number }
  | { readonly kind: 'function'; readonly address: number; readonly args: readonly GuestArgument[] };

export interface Failure {
  readonly name: string;
  readonly message: string;
}

export type ToGuest =
  | { readonly type: 'request'; readonly id: number; readonly request: Request }
  | { readonly type: 'answer'; readonly value: unknown; readonly failure?: Failure };
export type ToHost =
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown; readonly failure?: Failure }
  | { readonly type: 'event'; readonly event: GuestEvent; readonly waits: boolean };

const LENGTH_BYTES = 4;

export function encodeMessage(message: ToGuest | ToHost): Uint8Array {
  const body = serialize(message);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

/** Puts pieces of a stream together to messages. */
export class MessageReader<T extends ToGuest | ToHost> {
  private pieces: Uint8Array[] = [];
  private size = 0;

  add(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.size += piece.length;
  }

  /** Whether a message, or the begin of one, is there. */
  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** The next message that is there whole. */
  take(): T | undefined {
    if (this.size < LENGTH_BYTES) return undefined;
    const bytes = this.pieces.length === 1 ? Buffer.from(this.pieces[0]!) : Buffer.concat(this.pieces);
    this.pieces = [bytes];
    const end = LENGTH_BYTES + bytes.readUInt32LE(0);
    if (bytes.length < end) return undefined;
    this.pieces = [bytes.subarray(end)];
    this.size -= end;
    return deserialize(bytes.subarray(LENGTH_BYTES, end)) as T;
  }
}

export function failureOf(error: unknown): Failure {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: 'Error', message: String(error) };
}

/** The error that a failure was. */
export function errorOf({ name, message }: Failure): Error {
  if (name === 'RangeError') return new RangeError(message);
  return name === 'TypeError' ? new TypeError(message) : new Error(message);
}
