/**
 * The remote protocol's commands (gdb manual, appendix E): answers while the guest stands still, until gdb lets it go on. Each
 * thread that may stop has a server of its own; what gdb has said to one of them counts for all (`session.ts`).
 */
import type { Registers } from '../../cpu/registers.js';
import type { Dispatcher } from '../../engine/engine.js';
import type { Mappings } from '../../memory/mappings.js';
import { peek, poke } from '../../memory/peek.js';
import type { Connection } from './connection.js';
import { type DebugFiles, HostFiles } from './files.js';
import { parsePoint, Points } from './points.js';
import { type DebugSession, Feature } from './session.js';
import {
  readTargetRegister,
  readTargetRegisters,
  targetDescription,
  writeTargetRegister,
  writeTargetRegisters,
} from './target-registers.js';

/** A thread that stands still while gdb asks. */
export interface DebugThread {
  readonly id: number;
  readonly name: string;
  readonly registers: Registers;
}

/** What is debugged. */
export interface DebugTarget {
  readonly pid: number;
  /** The thread that gdb is told of, whose registers are `registers`. */
  readonly thread: number;
  /** All threads, that one among them. */
  readonly threads: readonly DebugThread[];
  readonly registers: Registers;
  readonly mappings: Mappings;
  readonly engine: Dispatcher;
  /** Path of the program as the guest knows it. */
  readonly executable: Uint8Array | undefined;
  /** The auxiliary vector as it lies on the stack. */
  readonly auxiliaryVector: Uint8Array | undefined;
  /** `siginfo_t` of the signal that was the last stop's reason; gdb may write it. */
  readonly siginfo: Uint8Array | undefined;
  readonly files: DebugFiles | undefined;
  /** The document of `libraries-svr4`. */
  libraries?(): string;
  /** Whether `stop` will be called for forks. */
  readonly reportsForks: boolean;
}

/** A child that gdb has been told of, until it says whether it wants to have it. */
export interface ForkedChild {
  readonly pid: number;
  /** Breakpoints that gdb has set or taken away in the child, as `point` takes them. */
  readonly points: [isSet: boolean, text: string][];
  /** gdb does not want it, or no more. */
  release(): void;
}

/** What a thread is to do next. */
export type Action = 'continue' | 'step' | 'hold';

/** What gdb wants next, of the thread that stopped and of others by their ids. `signal`: in gdb's numbers, 0 for none. */
export type Resumption =
  | { readonly kind: Action; readonly signal: number; readonly others: (thread: number) => Action }
  | { readonly kind: 'detach' }
  | { readonly kind: 'kill' };

const GDB_SIGTRAP = 5;
const PACKET_SIZE = 0x4000;
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const number = (text: string | undefined): number => Number.parseInt(text ?? '0', 16);

export class GdbServer {
  /** The last stop's signal and further pairs. */
  private stopped = { signal: GDB_SIGTRAP, detail: '' };
  readonly points: Points;
  /** Whom `g`, `m` and `Z` are about. */
  private selected = { pid: 0, thread: 0 };
  private child: ForkedChild | undefined;
  private readonly hostFiles: HostFiles | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly target: DebugTarget,
    private readonly session: DebugSession,
  ) {
    this.points = new Points(target.engine, session);
    if (target.files) this.hostFiles = new HostFiles(target.files, session, PACKET_SIZE / 2 - 32);
  }

  /** Ids of threads come with their process's. */
  private get multiprocess(): boolean {
    return this.session.has(Feature.multiprocess);
  }
  get reportsForks(): boolean {
    return this.session.has(Feature.forkEvents);
  }
  get reportsVforks(): boolean {
    return this.session.has(Feature.vforkEvents);
  }

  get isConnected(): boolean {
    return !this.connection.isClosed;
  }
  pollInterrupt(): boolean {
    return this.connection.pollInterrupt();
  }

  /**
   * Tells of a stop, unless gdb has just connected, and answers until the guest is to go on.
   * @param signal in gdb's numbers
   * @param detail further `name:value;` pairs
   * @param child that the process has just forked: gdb may detach from either of the two
   */
  stop(signal: number, detail: string, tell: boolean, child?: ForkedChild): Resumption {
    const { pid, thread } = this.target;
    this.selected = { pid, thread };
    this.points.follow();
    this.child = child;
    this.stopped = { signal, detail };
    if (tell) this.connection.send(this.stopReply);
    try {
      return this.answerUntilResumed();
    } finally {
      this.child = undefined;
    }
  }

  /** The id of a thread (of the main one of a child) as packets have it. */
  threadId(thread: number, pid = this.target.pid): string {
    return this.multiprocess ? `p${pid.toString(16)}.${thread.toString(16)}` : thread.toString(16);
  }

  private get stopReply(): string {
    const { signal, detail } = this.stopped;
    return `T${signal.toString(16).padStart(2, '0')}${detail}thread:${this.threadId(this.target.thread)};`;
  }

  private answerUntilResumed(): Resumption {
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
    this.connection.send(this.multiprocess ? `${reply};process:${this.target.pid.toString(16)}` : reply);
  }

  /** Sets and takes away breakpoints that gdb has asked for before this process could hear it. */
  applyPoints(points: ForkedChild['points']): void {
    for (const [isSet, text] of points) this.point(isSet, text);
  }

  /** Takes away what gdb has set. */
  clear(): void {
    this.hostFiles?.closeAll();
    this.session.setPoints([]);
    this.points.follow();
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
        connection.send(hexOf(readTargetRegisters(this.registers)));
        return undefined;
      case 'G':
        writeTargetRegisters(this.registers, Buffer.from(rest, 'hex'));
        connection.send('OK');
        return undefined;
      case 'p': {
        const bytes = readTargetRegister(this.registers, number(rest));
        connection.send(bytes ? hexOf(bytes) : 'E01');
        return undefined;
      }
      case 'P': {
        const [register, value = ''] = rest.split('=');
        const done = writeTargetRegister(this.registers, number(register), Buffer.from(value, 'hex'));
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
        if (this.child && this.selected.pid === this.child.pid) {
          this.child.points.push([text[0] === 'Z', rest]);
          connection.send('OK');
        } else connection.send(this.point(text[0] === 'Z', rest));
        return undefined;
      case 'c':
      case 's':
        if (rest !== '') target.registers.eip = number(rest);
        return { kind: text[0] === 'c' ? 'continue' : 'step', signal: 0, others: () => 'continue' };
      case 'C':
      case 'S':
        return {
          kind: text[0] === 'C' ? 'continue' : 'step',
          signal: number(rest.split(';')[0]),
          others: () => 'continue',
        };
      case 'k':
        return { kind: 'kill' };
      case 'D':
        return this.detach(number(rest.slice(1)));
      case 'H': {
        const { pid, thread } = this.parseThread(rest.slice(1));
        const isKnown = thread <= 0 || pid === this.child?.pid || this.threadOf(thread) !== undefined;
        if (isKnown && rest[0] === 'g') this.selected = { pid, thread: thread > 0 ? thread : target.thread };
        connection.send(isKnown ? 'OK' : 'E03');
        return undefined;
      }
      case 'T': {
        const { pid, thread } = this.parseThread(rest);
        connection.send(pid === this.child?.pid || this.threadOf(thread) ? 'OK' : 'E03');
        return undefined;
      }
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
      const resumption = this.resumption(text.slice('vCont;'.length).split(';'));
      if (resumption) return resumption;
      connection.send('E03');
    } else if (text.startsWith('vKill')) {
      connection.send('OK');
      return { kind: 'kill' };
    } else if (text.startsWith('vFile:') && this.hostFiles) {
      connection.sendBytes(this.hostFiles.answer(text.slice('vFile:'.length)));
    } else connection.send('');
    return undefined;
  }

  /** @param actions of a `vCont`; undefined where no thread would go on */
  private resumption(actions: readonly string[]): Resumption | undefined {
    const { target } = this;
    const wanted = actions.map((text) => {
      const [what = '', whom = '-1'] = text.split(':');
      return { what: what.toLowerCase()[0], signal: number(what.slice(1) || '0'), ...this.parseThread(whom) };
    });
    // The first that a thread belongs to holds for it; threads without any stand still.
    const find = (id: number): (typeof wanted)[number] | undefined =>
      wanted.find(({ pid, thread }) => (thread <= 0 || thread === id) && pid === target.pid);
    const others = (id: number): Action => {
      const what = find(id)?.what;
      return what === undefined ? 'hold' : what === 's' ? 'step' : 'continue';
    };
    if (target.threads.every(({ id }) => others(id) === 'hold')) return undefined;
    return { kind: others(target.thread), signal: find(target.thread)?.signal ?? 0, others };
  }

  /** gdb leaves the process, or the child that it has just been told of. */
  private detach(pid: number): Resumption | undefined {
    const { child, connection } = this;
    if (child && pid === child.pid) {
      child.release();
      connection.send('OK');
      return undefined;
    }
    if (!child) this.clear();
    connection.send('OK');
    return { kind: 'detach' };
  }

  /** A thread's id in a packet: 0 any, -1 all. */
  private parseThread(text: string): { pid: number; thread: number } {
    const match = /^(?:p(-?[0-9a-f]+)\.)?(-?[0-9a-f]+)?/.exec(text)!;
    const pid = number(match[1] ?? '-1');
    return { pid: pid > 0 ? pid : this.target.pid, thread: number(match[2] ?? '-1') };
  }

  private threadOf(id: number): DebugThread | undefined {
    return this.target.threads.find((thread) => thread.id === id);
  }

  /** Those of the selected thread; a child's are its parent's at first. */
  private get registers(): Registers {
    const { thread } = this.selected;
    if (thread === this.target.thread) return this.target.registers;
    return this.threadOf(thread)?.registers ?? this.target.registers;
  }

  private query(text: string): void {
    const { connection, target } = this;
    if (text.startsWith('qSupported')) {
      const known = text.slice(text.indexOf(':') + 1).split(';');
      const multiprocess = known.includes('multiprocess+');
      const forks = target.reportsForks && multiprocess && known.includes('fork-events+');
      const vforks = forks && known.includes('vfork-events+');
      this.session.agree(
        (multiprocess ? Feature.multiprocess : 0) |
          (forks ? Feature.forkEvents : 0) |
          (vforks ? Feature.vforkEvents : 0),
      );
      const features = [
        `PacketSize=${PACKET_SIZE.toString(16)}`,
        'qXfer:features:read+;qXfer:threads:read+',
        ...(this.multiprocess ? ['multiprocess+'] : []),
        ...(this.reportsForks ? ['fork-events+'] : []),
        ...(this.reportsVforks ? ['vfork-events+'] : []),
        ...(target.libraries ? ['qXfer:libraries-svr4:read+;qXfer:siginfo:read+;qXfer:siginfo:write+'] : []),
        ...(target.auxiliaryVector ? ['qXfer:auxv:read+'] : []),
        ...(target.executable ? ['qXfer:exec-file:read+'] : []),
        'QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+;exec-events+',
      ];
      connection.send(features.join(';'));
    } else if (text === 'QStartNoAckMode') {
      connection.send('OK');
      this.session.agree(Feature.noAcknowledgements);
    } else if (text === 'qAttached' || text.startsWith('qAttached:')) connection.send('0');
    else if (text === 'qC') connection.send(`QC${this.threadId(target.thread)}`);
    else if (text === 'qfThreadInfo')
      connection.send(`m${target.threads.map(({ id }) => this.threadId(id)).join(',')}`);
    else if (text === 'qsThreadInfo') connection.send('l');
    else if (text.startsWith('qXfer:')) this.transfer(text);
    else connection.send('');
  }

  private transfer(text: string): void {
    const [, object, operation, annex, window = ''] = text.split(':');
    const { target, connection } = this;
    let bytes: Uint8Array | undefined;
    if (object === 'siginfo' && operation === 'write' && target.siginfo) {
      // The bytes are escaped binary: what follows the fourth colon, whatever it is.
      const data = Buffer.from(text.slice(text.indexOf(':', text.indexOf('::') + 2) + 1), 'latin1');
      target.siginfo.set(data.subarray(0, target.siginfo.length), number(window));
      connection.send(data.length.toString(16));
      return;
    }
    if (operation === 'read') {
      if (object === 'features' && annex === 'target.xml') bytes = Buffer.from(targetDescription());
      else if (object === 'auxv') bytes = target.auxiliaryVector;
      else if (object === 'exec-file') bytes = target.executable;
      else if (object === 'siginfo') bytes = target.siginfo;
      else if (object === 'libraries-svr4') bytes = target.libraries && Buffer.from(target.libraries());
      else if (object === 'threads') bytes = Buffer.from(this.threadList());
    }
    if (!bytes) {
      connection.send(object === 'features' || object === 'siginfo' ? 'E00' : '');
      return;
    }
    const [offset, length] = window.split(',').map((part) => number(part));
    const piece = bytes.subarray(offset, offset! + Math.min(length!, PACKET_SIZE / 2 - 16));
    const isLast = offset! + piece.length >= bytes.length;
    connection.sendBytes(Buffer.concat([Buffer.from(isLast ? 'l' : 'm'), piece]));
  }

  private threadList(): string {
    const threads = this.target.threads.map(({ id, name }) => {
      const text = name.replace(/[^\w .:/-]/g, (letter) => `&#${letter.charCodeAt(0)};`);
      return `<thread id="${this.threadId(id)}" name="${text}"/>`;
    });
    return `<threads>${threads.join('')}</threads>`;
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

  private point(isSet: boolean, text: string): string {
    const point = parsePoint(text);
    if (!point) return '';
    return this.points.change(isSet, point) ? 'OK' : 'E01';
  }
}
