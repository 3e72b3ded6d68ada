/**
 * The remote protocol's commands (gdb manual, appendix E): answers while the guest stands still, until gdb lets it go on.
 * Breakpoints are stops of the engine, so no byte of the guest's code ever changes; watchpoints are watched memory.
 */
import type { Registers } from '../../cpu/registers.js';
import type { Dispatcher } from '../../engine/engine.js';
import type { Mappings } from '../../memory/mappings.js';
import { peek, poke } from '../../memory/peek.js';
import type { WatchedRange } from '../../memory/watch.js';
import type { Connection } from './connection.js';
import {
  readTargetRegister,
  readTargetRegisters,
  targetDescription,
  writeTargetRegister,
  writeTargetRegisters,
} from './target-registers.js';

/** What is debugged. */
export interface DebugTarget {
  readonly pid: number;
  readonly registers: Registers;
  readonly mappings: Mappings;
  readonly engine: Dispatcher;
  /** Path of the program as the guest knows it. */
  readonly executable: Uint8Array | undefined;
  /** The auxiliary vector as it lies on the stack. */
  readonly auxiliaryVector: Uint8Array | undefined;
}

/** What gdb wants next. `signal`: in gdb's numbers, 0 for none. */
export type Resumption =
  | { readonly kind: 'continue' | 'step'; readonly signal: number }
  | { readonly kind: 'detach' }
  | { readonly kind: 'kill' };

const GDB_SIGTRAP = 5;
const PACKET_SIZE = 0x4000;
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const number = (text: string | undefined): number => Number.parseInt(text ?? '0', 16);

export class GdbServer {
  private stopReply = `T${GDB_SIGTRAP.toString(16).padStart(2, '0')}`;
  private readonly breakpoints = new Set<number>();
  private readonly watchpoints = new Map<string, WatchedRange[]>();
  /** The watchpoint that was hit in the instruction before the stop. */
  private hit: string | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly target: DebugTarget,
  ) {}

  get isConnected(): boolean {
    return !this.connection.isClosed;
  }
  pollInterrupt(): boolean {
    return this.connection.pollInterrupt();
  }

  /** Whether execution stopped for a watchpoint; forgets it. */
  takeHit(): string | undefined {
    const { hit } = this;
    this.hit = undefined;
    return hit;
  }

  isBreakpoint(address: number): boolean {
    return this.breakpoints.has(address >>> 0);
  }

  /**
   * Tells of a stop, unless gdb has just connected, and answers until the guest is to go on.
   * @param signal in gdb's numbers
   * @param detail further `name:value;` pairs
   */
  stop(signal: number, detail: string, tell: boolean): Resumption {
    const thread = `thread:${this.target.pid.toString(16)};`;
    this.stopReply = `T${signal.toString(16).padStart(2, '0')}${detail}${thread}`;
    if (tell) this.connection.send(this.stopReply);
    for (;;) {
      const packet = this.connection.receive();
      if (packet === undefined) return { kind: 'detach' };
      if (packet === 'interrupt') continue;
      const resumption = this.command(packet);
      if (resumption) return resumption;
    }
  }

  /** Tells of the guest's end: `W` and its status, or `X` and the signal. */
  ended(reply: string): void {
    this.connection.send(reply);
  }

  /** Takes away what gdb has set. */
  clear(): void {
    for (const address of this.breakpoints) this.target.engine.observe().removeStop(address);
    this.breakpoints.clear();
    for (const ranges of this.watchpoints.values())
      for (const range of ranges) this.target.engine.watchMemory().remove(range);
    this.watchpoints.clear();
  }

  private command(packet: Uint8Array): Resumption | undefined {
    const text = Buffer.from(packet).toString('latin1');
    const { connection, target } = this;
    const rest = text.slice(1);
    switch (text[0]) {
      case '?':
        connection.send(this.stopReply);
        return undefined;
      case 'g':
        connection.send(hexOf(readTargetRegisters(target.registers)));
        return undefined;
      case 'G':
        writeTargetRegisters(target.registers, Buffer.from(rest, 'hex'));
        connection.send('OK');
        return undefined;
      case 'p': {
        const bytes = readTargetRegister(target.registers, number(rest));
        connection.send(bytes ? hexOf(bytes) : 'E01');
        return undefined;
      }
      case 'P': {
        const [register, value = ''] = rest.split('=');
        const done = writeTargetRegister(target.registers, number(register), Buffer.from(value, 'hex'));
        connection.send(done ? 'OK' : 'E01');
        return undefined;
      }
      case 'm': {
        const [address, length] = rest.split(',');
        const bytes = this.readMemory(number(address), number(length));
        connection.send(bytes.length > 0 || number(length) === 0 ? hexOf(bytes) : 'E0e');
        return undefined;
      }
      case 'M':
      case 'X': {
        const colon = packet.indexOf(0x3a);
        const data = packet.subarray(colon + 1);
        const bytes = text[0] === 'X' ? data : Buffer.from(Buffer.from(data).toString('latin1'), 'hex');
        const address = number(rest.split(',')[0]);
        connection.send(poke(target.mappings, address, bytes) ? 'OK' : 'E0e');
        return undefined;
      }
      case 'Z':
      case 'z':
        connection.send(this.point(text[0] === 'Z', rest));
        return undefined;
      case 'c':
      case 's':
        if (rest !== '') target.registers.eip = number(rest);
        return { kind: text[0] === 'c' ? 'continue' : 'step', signal: 0 };
      case 'C':
      case 'S':
        return { kind: text[0] === 'C' ? 'continue' : 'step', signal: number(rest.split(';')[0]) };
      case 'k':
        return { kind: 'kill' };
      case 'D':
        this.clear();
        connection.send('OK');
        return { kind: 'detach' };
      case 'H':
      case 'T':
        connection.send('OK');
        return undefined;
      case 'v':
        return this.verbose(text);
      case 'q':
      case 'Q':
        this.query(text);
        return undefined;
      default:
        connection.send('');
        return undefined;
    }
  }

  private verbose(text: string): Resumption | undefined {
    const { connection } = this;
    if (text === 'vCont?') connection.send('vCont;c;C;s;S');
    else if (text.startsWith('vCont;')) {
      const [action = ''] = text.slice('vCont;'.length).split(';');
      const [what = ''] = action.split(':');
      const signal = what.length > 1 ? number(what.slice(1)) : 0;
      return { kind: what[0] === 's' || what[0] === 'S' ? 'step' : 'continue', signal };
    } else if (text.startsWith('vKill')) {
      connection.send('OK');
      return { kind: 'kill' };
    } else connection.send('');
    return undefined;
  }

  private query(text: string): void {
    const { connection, target } = this;
    const id = target.pid.toString(16);
    if (text.startsWith('qSupported')) {
      const features = [
        `PacketSize=${PACKET_SIZE.toString(16)}`,
        'qXfer:features:read+',
        ...(target.auxiliaryVector ? ['qXfer:auxv:read+'] : []),
        ...(target.executable ? ['qXfer:exec-file:read+'] : []),
        'QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+;exec-events+',
      ];
      connection.send(features.join(';'));
    } else if (text === 'QStartNoAckMode') {
      connection.send('OK');
      connection.withoutAcknowledgements = true;
    } else if (text === 'qAttached' || text.startsWith('qAttached:')) connection.send('0');
    else if (text === 'qC') connection.send(`QC${id}`);
    else if (text === 'qfThreadInfo') connection.send(`m${id}`);
    else if (text === 'qsThreadInfo') connection.send('l');
    else if (text.startsWith('qXfer:')) this.transfer(text);
    else connection.send('');
  }

  private transfer(text: string): void {
    const [, object, operation, annex, window = ''] = text.split(':');
    const { target, connection } = this;
    let bytes: Uint8Array | undefined;
    if (operation === 'read') {
      if (object === 'features' && annex === 'target.xml') bytes = Buffer.from(targetDescription());
      else if (object === 'auxv') bytes = target.auxiliaryVector;
      else if (object === 'exec-file') bytes = target.executable;
    }
    if (!bytes) {
      connection.send(object === 'features' ? 'E00' : '');
      return;
    }
    const [offset, length] = window.split(',').map((part) => number(part));
    const piece = bytes.subarray(offset, offset! + Math.min(length!, PACKET_SIZE / 2 - 16));
    const isLast = offset! + piece.length >= bytes.length;
    connection.sendBytes(Buffer.concat([Buffer.from(isLast ? 'l' : 'm'), piece]));
  }

  /** As many bytes from an address on as there are. */
  private readMemory(address: number, length: number): Uint8Array {
    const { mappings } = this.target;
    length = Math.min(length, PACKET_SIZE / 2);
    const whole = peek(mappings, address, length);
    if (whole) return whole;
    const hole = mappings.regions.firstHole(address, Math.min(address + length, 2 ** 32));
    return (hole > address ? peek(mappings, address, hole - address) : undefined) ?? new Uint8Array();
  }

  /** Sets or takes away a breakpoint (types 0 and 1) or watchpoint (2 write, 3 read, 4 either). */
  private point(isSet: boolean, text: string): string {
    const { engine } = this.target;
    const [type, addressText, lengthText] = text.split(/[,;]/);
    const address = number(addressText);
    if (type === '0' || type === '1') {
      if (isSet && !this.breakpoints.has(address)) engine.observe().addStop(address);
      else if (!isSet && this.breakpoints.has(address)) engine.observe().removeStop(address);
      if (isSet) this.breakpoints.add(address);
      else this.breakpoints.delete(address);
      return 'OK';
    }
    const name = WATCH_NAMES.get(type ?? '');
    if (name === undefined) return '';
    const key = `${type},${address},${lengthText}`;
    const watch = engine.watchMemory();
    if (!isSet) {
      for (const range of this.watchpoints.get(key) ?? []) watch.remove(range);
      this.watchpoints.delete(key);
      return 'OK';
    }
    if (this.watchpoints.has(key)) return 'OK';
    const kinds =
      type === '2' ? (['write'] as const) : type === '3' ? (['read'] as const) : (['read', 'write'] as const);
    const ranges = kinds.map((kind): WatchedRange => ({
      kind,
      start: address,
      end: address + Math.max(1, number(lengthText)),
      listener: () => {
        this.hit ??= `${name}:${address.toString(16)};`;
        engine.observe().requestStop();
      },
    }));
    for (const range of ranges) watch.add(range);
    this.watchpoints.set(key, ranges);
    return 'OK';
  }
}

const WATCH_NAMES: ReadonlyMap<string, string> = new Map([
  ['2', 'watch'],
  ['3', 'rwatch'],
  ['4', 'awatch'],
]);
