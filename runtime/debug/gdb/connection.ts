/** Packets of gdb's remote protocol over a socket (gdb manual, appendix E.1): framing, checksums, acknowledgements, escapes. */
import type { SocketStream } from '../../host/socket.js';
import { type DebugSession, Feature } from './session.js';

const DOLLAR = 0x24;
const HASH = 0x23;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const ESCAPE_BIT = 0x20;
const INTERRUPT = 3;

export class Connection {
  isClosed = false;
  private received: number[] = [];
  private last: Uint8Array = new Uint8Array();

  /** @param session where it was agreed that there be no acknowledgements, and how long the connection stands */
  constructor(
    private readonly stream: SocketStream,
    private readonly session: DebugSession,
  ) {}

  get fd(): number {
    return this.stream.fd;
  }

  /** Waits for a packet: its bytes, unescaped; `interrupt` for Ctrl-C; undefined when gdb is gone. */
  receive(): Uint8Array | 'interrupt' | undefined {
    for (;;) {
      const packet = this.takePacket();
      if (packet) return packet;
      if (!this.fill()) return undefined;
    }
  }

  /** Whether something has come that was not looked at, or gdb is gone. */
  get hasInput(): boolean {
    return this.received.length > 0 || this.stream.isReadable;
  }

  /** Whether gdb has sent Ctrl-C (or has gone) while the guest runs. Nothing is waited for. */
  pollInterrupt(): boolean {
    while (!this.isClosed && this.stream.isReadable) if (!this.fill()) return true;
    const at = this.received.indexOf(INTERRUPT);
    if (at < 0) return false;
    this.received.splice(0, at + 1);
    return true;
  }

  send(text: string): void {
    this.sendBytes(Buffer.from(text, 'latin1'));
  }

  sendBytes(body: Uint8Array): void {
    const out: number[] = [DOLLAR];
    let sum = 0;
    const put = (byte: number): void => {
      out.push(byte);
      sum = (sum + byte) & 0xff;
    };
    for (const byte of body) {
      if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) {
        put(ESCAPE);
        put(byte ^ ESCAPE_BIT);
      } else put(byte);
    }
    out.push(HASH, ...Buffer.from(sum.toString(16).padStart(2, '0')));
    this.last = Uint8Array.from(out);
    if (!this.stream.write(this.last)) this.isClosed = true;
  }

  close(): void {
    this.isClosed = true;
    this.stream.close();
  }

  private fill(): boolean {
    const bytes = this.stream.read();
    if (bytes.length === 0) this.isClosed = true;
    for (const byte of bytes) this.received.push(byte);
    return bytes.length > 0;
  }

  private takePacket(): Uint8Array | 'interrupt' | undefined {
    const { received } = this;
    while (received.length > 0 && received[0] !== DOLLAR) {
      const byte = received.shift();
      if (byte === INTERRUPT) return 'interrupt';
      if (byte === MINUS) this.stream.write(this.last);
    }
    const end = received.indexOf(HASH);
    if (end < 0 || received.length < end + 3) return undefined;
    const body = received.splice(0, end + 3).slice(1, end);
    if (!this.session.has(Feature.noAcknowledgements)) this.stream.write(Uint8Array.of(PLUS));
    const bytes: number[] = [];
    for (let at = 0; at < body.length; at++) {
      bytes.push(body[at] === ESCAPE ? body[++at]! ^ ESCAPE_BIT : body[at]!);
    }
    return Uint8Array.from(bytes);
  }
}
