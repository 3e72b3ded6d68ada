/**
 * Compares what an engine did with what the processor did, leaving out what the manual leaves undefined, and prints cases
 * and differences so that a person can see what happened.
 */
import type { Declaration } from '../../translator/isa/declare.js';
import { REGISTER_NAMES, SEGMENT_NAMES } from '../../translator/state.js';
import {
  allPatches,
  Field,
  regionAt,
  STATE_SIZE,
  type Case,
  type MachineState,
  type Outcome,
  type Patch,
} from './machine.js';

const FLAG_BITS: Record<string, number> = { o: 0x800, s: 0x80, z: 0x40, a: 0x10, p: 4, c: 1, d: 0x400 };
/** Resume flag: set in the frame of a fault, of no meaning for the comparison. */
const RESUME_FLAG = 0x10000;
const SIGSEGV = 11;

/** Parts of an fxsave image that processors treat differently: opcode, instruction and operand pointers, MXCSR's mask. */
function clearPointers(image: Uint8Array): void {
  image.fill(0, 6, 24);
  image.fill(0, 28, 32);
  for (let i = 0; i < 8; i++) image.fill(0, 32 + 16 * i + 10, 32 + 16 * i + 16);
  image.fill(0, 288, 512);
}

/** Which bytes of memory outcomes are not compared: the pointers in stored x87 environments. */
function clearStoredPointers(test: Case, memory: Map<number, number>, declaration: Declaration | undefined): void {
  const kind = declaration?.operands.find((name) => /^m(28|108|512)byte$/.test(name)) as string | undefined;
  if (kind === undefined) return;
  const operand = storedOperand(test, memory);
  if (operand === undefined) return;
  const ignore = (from: number, to: number): void => {
    for (let at = operand + from; at < operand + to; at++) memory.delete(at);
  };
  if (kind === 'm512byte') {
    ignore(6, 24);
    ignore(28, 32);
    ignore(288, 512);
    for (let i = 0; i < 8; i++) ignore(32 + 16 * i + 10, 48 + 16 * i);
  } else ignore(12, 28);
}
/** Where the environment went: the generator patches its operand first. */
function storedOperand(test: Case, memory: Map<number, number>): number | undefined {
  if (test.memory.length > 0) return test.memory[0]!.address;
  return memory.size > 0 ? Math.min(...memory.keys()) : undefined;
}

/**
 * Instructions of several accesses, whose order the manual leaves open, and those that the kernel executes in the
 * processor's place (arch/x86/kernel/umip.c): where they fault, which address is named and what was done before may differ.
 */
const MANY_ACCESSES =
  /^(pusha|popa|enter|ret far|call far|iret|fldenv|fnstenv|frstor|fnsave|fxsave|fxrstor|sgdt|sidt|smsw|sldt|str)$/;

/** Computed by other series than the processor's: the last bit may differ, and with it C1, which says how it was rounded. */
const TRANSCENDENTAL = /^(f2xm1|fyl2xp?1?|fpatan|fptan|fsin|fcos|fsincos)$/;
const C1 = 0x200;

/** Within one unit in the last place of one another. */
function nearlyEqual(a: MachineState, b: MachineState, index: number): boolean {
  const at = Field.st + 16 * index;
  const value = (state: MachineState): bigint =>
    (BigInt(state.u16(at + 8)) << 63n) + (state.view.getBigUint64(at, true) & 0x7fffffffffffffffn);
  const difference = value(a) - value(b);
  return difference >= -1n && difference <= 1n;
}

export interface Difference {
  readonly what: string;
  readonly processor: string;
  readonly engine: string;
}

/** Words of the state that are compared whole. */
const WORDS = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, Field.eip >> 2],
  ...[0, 1, 2].map((i) => (Field.selectors >> 2) + i),
  ...[Field.signal, Field.code, Field.address, Field.trap, Field.fxControl, Field.mxcsr].map((field) => field >> 2),
  ...Array.from({ length: 8 }, (_, i) => [(Field.st >> 2) + 4 * i, (Field.st >> 2) + 4 * i + 1]).flat(),
  ...Array.from({ length: 32 }, (_, i) => (Field.xmm >> 2) + i),
];

/** Is everything the same, so that there is no need to look closer? */
function identical(processor: Outcome, engine: Outcome, flagMask: number): boolean {
  const [a, b] = [processor.state, engine.state];
  const p = new Int32Array(a.bytes.buffer, a.bytes.byteOffset, STATE_SIZE >> 2);
  const e = new Int32Array(b.bytes.buffer, b.bytes.byteOffset, STATE_SIZE >> 2);
  for (const word of WORDS) if (p[word] !== e[word]) return false;
  if (((p[Field.eflags >> 2]! ^ e[Field.eflags >> 2]!) & flagMask) !== 0) return false;
  if (a.bytes[Field.fxTags] !== b.bytes[Field.fxTags]) return false;
  for (let i = 0; i < 8; i++) if (a.u16(Field.st + 16 * i + 8) !== b.u16(Field.st + 16 * i + 8)) return false;
  if (processor.memory.length !== engine.memory.length) return false;
  return processor.memory.every((patch, i) => {
    const other = engine.memory[i]!;
    return patch.address === other.address && Buffer.compare(patch.bytes, other.bytes) === 0;
  });
}

/** Empty where the engine did as the processor. */
export function compare(
  test: Case,
  processor: Outcome,
  engine: Outcome,
  declaration?: Declaration,
  undefinedFlags = declaration?.options.undefined ?? '',
): Difference[] {
  let ignored = RESUME_FLAG;
  for (const letter of undefinedFlags) ignored |= FLAG_BITS[letter] ?? 0;
  if (identical(processor, engine, ~ignored)) return [];
  const differences: Difference[] = [];
  const differ = (what: string, p: number | string, e: number | string): void => {
    if (p !== e) differences.push({ what, processor: text(p), engine: text(e) });
  };
  const p = processor.state;
  const e = engine.state;
  const sameEnd = p.u32(Field.signal) === e.u32(Field.signal);
  differ('signal', signalName(p.u32(Field.signal)), signalName(e.u32(Field.signal)));
  differ('eip', p.u32(Field.eip), e.u32(Field.eip));
  if (sameEnd && p.u32(Field.signal) === SIGSEGV && MANY_ACCESSES.test(declaration?.mnemonic ?? '')) return differences;
  if (sameEnd) {
    // Which of two operands in memory is read first is the processor's affair.
    const eitherOperand = /^cmpsb?$/.test(declaration?.mnemonic ?? '');
    if (!eitherOperand) differ('si_code', p.u32(Field.code), e.u32(Field.code));
    if (hasAddress(p) && !eitherOperand) differ('si_addr', p.u32(Field.address), e.u32(Field.address));
    differ('exception', p.u32(Field.trap), e.u32(Field.trap));
  }
  REGISTER_NAMES.forEach((name, i) => differ(name, p.register(i), e.register(i)));
  differ('eflags', flagsText(p.u32(Field.eflags) & ~ignored), flagsText(e.u32(Field.eflags) & ~ignored));
  SEGMENT_NAMES.forEach((name, i) => differ(name, p.u16(Field.selectors + 2 * i), e.u16(Field.selectors + 2 * i)));
  differ('mxcsr', p.u32(Field.mxcsr), e.u32(Field.mxcsr));
  differ('x87 control', p.u16(Field.fxControl), e.u16(Field.fxControl));
  const approximate = TRANSCENDENTAL.test(declaration?.mnemonic ?? '');
  const statusMask = approximate ? ~C1 : ~0;
  differ('x87 status', p.u16(Field.fxStatus) & statusMask, e.u16(Field.fxStatus) & statusMask);
  differ('x87 tags', p.bytes[Field.fxTags]!, e.bytes[Field.fxTags]!);
  for (let i = 0; i < 8; i++) {
    if (!approximate || !nearlyEqual(p, e, i)) differ(`st(${i})`, extendedText(p, i), extendedText(e, i));
    differ(`xmm${i}`, vectorText(p, i), vectorText(e, i));
  }
  compareMemory(test, processor.memory, engine.memory, declaration, differ);
  return differences;
}

const hasAddress = (state: MachineState): boolean => state.u32(Field.signal) !== 5 && state.u32(Field.code) !== 0x80;

function bytesOf(patches: readonly Patch[]): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const patch of patches) patch.bytes.forEach((byte, i) => bytes.set(patch.address + i, byte));
  return bytes;
}

function compareMemory(
  test: Case,
  processor: readonly Patch[],
  engine: readonly Patch[],
  declaration: Declaration | undefined,
  differ: (what: string, p: string, e: string) => void,
): void {
  if (processor.length === 0 && engine.length === 0) return;
  const p = bytesOf(processor);
  const e = bytesOf(engine);
  clearStoredPointers(test, p, declaration);
  clearStoredPointers(test, e, declaration);
  const before = bytesOf(allPatches(test));
  const initial = (at: number): number => before.get(at) ?? regionAt(at)?.fill[at - regionAt(at)!.address] ?? 0;
  const addresses = [...new Set([...p.keys(), ...e.keys()])].sort((a, b) => a - b);
  const texts = { p: '', e: '', start: -1, last: -2 };
  const flush = (): void => {
    if (texts.start >= 0) differ(`[${hex(texts.start)}]`, texts.p, texts.e);
    texts.start = -1;
  };
  for (const at of addresses) {
    const left = p.get(at) ?? initial(at);
    const right = e.get(at) ?? initial(at);
    if (left === right) continue;
    if (at !== texts.last + 1 || texts.start < 0) {
      flush();
      texts.start = at;
      texts.p = texts.e = '';
    }
    texts.p += byteText(left);
    texts.e += byteText(right);
    texts.last = at;
  }
  flush();
}

/** What is recorded of an outcome: without what differs from one processor to the next. */
export function normalise(outcome: Outcome): Outcome {
  const state = outcome.state.clone();
  clearPointers(state.bytes.subarray(Field.fx, Field.fx + 512));
  if (!hasAddress(state)) state.setU32(Field.address, 0);
  return { state, memory: outcome.memory };
}

// Text --------------------------------------------------------------------------------------------------------------------

const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, '0');
const byteText = (value: number): string => hex(value, 2);
const text = (value: number | string): string => (typeof value === 'string' ? value : hex(value));
export const bytesText = (bytes: Uint8Array): string => [...bytes].map(byteText).join(' ');

const SIGNALS: Record<number, string> = {
  4: 'SIGILL',
  5: 'SIGTRAP',
  7: 'SIGBUS',
  8: 'SIGFPE',
  11: 'SIGSEGV',
  14: 'never ended',
  31: 'system call',
};
const signalName = (signal: number): string => SIGNALS[signal] ?? `signal ${signal}`;

function flagsText(flags: number): string {
  const names = 'cf 1 pf 3 af 5 zf sf tf if df of iopl iopl nt 15 rf vm ac'.split(' ');
  const set = names.filter((name, bit) => flags & (1 << bit) && !/^\d|^if$/.test(name));
  return set.join(' ') || 'none';
}

function extendedText(state: MachineState, index: number): string {
  const at = Field.st + 16 * index;
  const mantissa = [...state.bytes.subarray(at, at + 8)].reverse().map(byteText).join('');
  return `${hex(state.u16(at + 8), 4)}:${mantissa}`;
}
function vectorText(state: MachineState, index: number): string {
  const at = Field.xmm + 16 * index;
  return [3, 2, 1, 0].map((i) => hex(state.u32(at + 4 * i))).join(':');
}

export function stateText(state: MachineState, full: boolean): string {
  const lines = [
    REGISTER_NAMES.map((name, i) => `${name}=${hex(state.register(i))}`).join(' '),
    `eip=${hex(state.u32(Field.eip))} eflags=${flagsText(state.u32(Field.eflags))} ` +
      SEGMENT_NAMES.map((name, i) => `${name}=${hex(state.u16(Field.selectors + 2 * i), 2)}`).join(' '),
  ];
  if (full) {
    lines.push(
      `x87 control=${hex(state.u16(Field.fxControl), 4)} status=${hex(state.u16(Field.fxStatus), 4)} ` +
        `tags=${byteText(state.bytes[Field.fxTags]!)} mxcsr=${hex(state.u32(Field.mxcsr))}`,
    );
    for (let i = 0; i < 8; i++) {
      const st = extendedText(state, i);
      const xmm = vectorText(state, i);
      // Registers of zeros are not worth a line.
      if (/[1-9a-f]/.test(st + xmm)) lines.push(`st${i}=${st} xmm${i}=${xmm}`);
    }
  }
  return lines.map((line) => `  ${line}`).join('\n');
}

function endText(state: MachineState): string {
  const signal = state.u32(Field.signal);
  if (signal === 5) return '  went on';
  const address = hasAddress(state) ? ` address ${hex(state.u32(Field.address))}` : '';
  return `  ${signalName(signal)} code ${state.u32(Field.code)}${address} exception ${state.u32(Field.trap)}`;
}

export function patchesText(patches: readonly Patch[]): string {
  return patches.map((patch) => `  [${hex(patch.address)}] = ${bytesText(patch.bytes)}`).join('\n');
}

/** Is there more than the general registers that matters in the case? */
const usesVectors = (test: Case): boolean =>
  /\b([VWUPQN](q|d|dq|dqu|ps|pd|ss|sd|w)|m512byte|STi)\b/.test(test.declaration) ||
  test.state.bytes.subarray(Field.st, Field.xmm).some((byte) => byte !== 0);

export function caseText(test: Case, disassembly: string): string {
  const lines = [`${bytesText(test.code)}   ${disassembly}   (${test.declaration})`, 'before:'];
  lines.push(stateText(test.state, usesVectors(test)));
  if (test.memory.length > 0) lines.push(patchesText(test.memory));
  return lines.join('\n');
}
export function outcomeText(test: Case, outcome: Outcome): string {
  const lines = [endText(outcome.state), stateText(outcome.state, usesVectors(test))];
  if (outcome.memory.length > 0) lines.push(patchesText(outcome.memory));
  return lines.join('\n');
}
export function differencesText(differences: readonly Difference[]): string {
  return differences.map((d) => `  ${d.what}: processor ${d.processor}, engine ${d.engine}`).join('\n');
}
