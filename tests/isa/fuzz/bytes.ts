/**
 * Random bytes: what the processor takes them for, and what the decoder does. The processor's length is found by placing the
 * bytes at the end of the code page, one more each time, until no more are fetched.
 */
import type { Declaration } from '../../../translator/isa/declare.js';
import { Trap } from '../../../translator/state.js';
import type { Dispatcher } from '../../../runtime/engine/engine.js';
import { GuestTrap } from '../../../runtime/memory/trap.js';
import { CODE_ADDRESS, Field, type Case, type Outcome } from '../machine.js';
import { askProcessor } from '../native.js';
import { stateFromSeed, type Random } from '../random.js';

const MAXIMUM = 15;
/** ModRM, SIB and displacement. */
const LONGEST_OPERAND = 6;
const CODE_END = CODE_ADDRESS + 4096;
const SIGILL = 4;
const SIGSEGV = 11;
const SIGALRM = 14;
const PAGE_FAULT = 14;
const FETCH = 16;

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** 16 bytes that are likely to be some instruction. */
export function randomBytes(random: Random): Uint8Array {
  const bytes: number[] = [];
  if (random.chance(0.5)) for (let n = random.below(4); n > 0; n--) bytes.push(random.pick(PREFIXES));
  if (random.chance(0.01)) for (let n = random.below(16); n > 0; n--) bytes.push(random.pick(PREFIXES));
  if (random.chance(0.5)) {
    bytes.push(0x0f);
    if (random.chance(0.4)) bytes.push(random.pick([0x38, 0x3a]));
  }
  while (bytes.length < 16) bytes.push(random.below(256));
  const at = bytes.findIndex((byte) => !PREFIXES.includes(byte));
  // Jumps to themselves and into their own bytes, and system calls.
  const opcode = bytes[at]!;
  if ((opcode >= 0x70 && opcode < 0x80) || (opcode >= 0xe0 && opcode < 0xe4) || opcode === 0xeb) bytes[at + 1] = 0x30;
  if (opcode === 0xcd && bytes[at + 1] === 0x80) bytes[at + 1] = 0x20;
  return Uint8Array.from(bytes.slice(0, 16));
}

export type Verdict = number | 'invalid' | 'protected';
export interface Decision {
  /** Length, or refusal: #UD, or #GP at the instruction's address. */
  readonly processor: Verdict;
  readonly engine: Verdict;
  /** Prefixes that choose instructions, map and opcode, to group what differs. */
  readonly opcode: string;
  readonly declaration: Declaration | undefined;
}

/** The string's first `length` bytes at the end of the code page. */
function caseOfLength(bytes: Uint8Array, length: number): Case {
  const state = stateFromSeed(1, 'integer', CODE_END - length);
  // Registers point where accesses neither fault at the code page's end nor change it.
  for (let register = 0; register < 8; register++) if (register !== 4) state.setRegister(register, 0x00600100);
  state.setU32(Field.eflags, 0x202);
  return { declaration: '', code: bytes.slice(0, length), state, memory: [] };
}

/** Does the processor want more bytes than lie before the page's end? */
function wantsMore(test: Case, { state }: Outcome): boolean {
  return (
    state.u32(Field.signal) === SIGSEGV &&
    state.u32(Field.trap) === PAGE_FAULT &&
    (state.u32(Field.error) & FETCH) !== 0 &&
    state.u32(Field.eip) === test.state.u32(Field.eip)
  );
}

/** Did the processor refuse what has the greatest length, because it has prefixes too many? */
const isTooLong = (test: Case, { state }: Outcome): boolean =>
  state.u32(Field.signal) === SIGSEGV &&
  state.u32(Field.trap) === Trap.generalProtection &&
  state.u32(Field.eip) === test.state.u32(Field.eip);

export function decisions(strings: readonly Uint8Array[], dispatcher: Dispatcher): Decision[] {
  const ours = strings.map((bytes) => engineDecision(bytes, dispatcher));
  const agrees = agreements(
    strings,
    ours.map(({ verdict }) => verdict),
  );
  const doubtful = strings.flatMap((_, i) => (agrees[i] ? [] : [i]));
  const examined = processorVerdicts(
    doubtful.map((i) => strings[i]!),
    doubtful.map((i) => ours[i]!),
  );
  return strings.map((bytes, i) => {
    const { verdict, declaration } = ours[i]!;
    const processor = agrees[i] ? verdict : examined[doubtful.indexOf(i)]!;
    return { processor, engine: verdict, opcode: opcodeText(bytes), declaration };
  });
}

/** Whether the processor confirms each verdict, asked as shortly as can be. */
function agreements(strings: readonly Uint8Array[], verdicts: readonly Verdict[]): boolean[] {
  const cases: Case[] = [];
  const first = strings.map((bytes, i) => {
    const verdict = verdicts[i]!;
    const at = cases.length;
    if (typeof verdict !== 'number') cases.push(caseOfLength(bytes, MAXIMUM));
    else {
      cases.push(caseOfLength(bytes, verdict));
      if (verdict > 1) cases.push(caseOfLength(bytes, verdict - 1));
    }
    return at;
  });
  const outcomes = askProcessor(cases);
  return verdicts.map((verdict, i) => {
    const at = first[i]!;
    const [test, outcome] = [cases[at]!, outcomes[at]!];
    const refused = outcome.state.u32(Field.signal) === SIGILL;
    if (verdict === 'invalid') return refused;
    if (verdict === 'protected') return isTooLong(test, outcome);
    if (refused || wantsMore(test, outcome)) return false;
    return verdict === 1 || wantsMore(cases[at + 1]!, outcomes[at + 1]!);
  });
}

/** What the processor makes of strings, by all lengths. */
function processorVerdicts(strings: readonly Uint8Array[], ours: readonly EngineDecision[]): Verdict[] {
  const cases = strings.flatMap((bytes) => Array.from({ length: MAXIMUM }, (_, n) => caseOfLength(bytes, n + 1)));
  if (cases.length === 0) return [];
  const outcomes = askProcessor(cases);
  return strings.map((_, i) => {
    const first = i * MAXIMUM;
    let n = 0;
    while (n < MAXIMUM - 1 && wantsMore(cases[first + n]!, outcomes[first + n]!)) n++;
    const outcome = outcomes[first + n]!;
    const signal = outcome.state.u32(Field.signal);
    const { verdict, declaration } = ours[i]!;
    let processor: Verdict = n + 1;
    if (signal === SIGILL) processor = 'invalid';
    else if (n === MAXIMUM - 1 && isTooLong(cases[first + n]!, outcome)) processor = 'protected';
    // Of what is no instruction the length means nothing; what only the kernel may execute ends in #GP at any length.
    if (processor === 'protected' && verdict === 'invalid') processor = 'invalid';
    if (processor !== 'invalid' && declaration?.options.privileged) processor = verdict;
    // What never ends in the page's last bytes is some jump: its length is as good as the engine's.
    if (signal === SIGALRM) processor = verdict;
    return processor;
  });
}

const SCRATCH = CODE_ADDRESS + 0x400;

interface EngineDecision {
  readonly verdict: Verdict;
  readonly declaration: Declaration | undefined;
}

function engineDecision(bytes: Uint8Array, dispatcher: Dispatcher): EngineDecision {
  dispatcher.memory.u8.set(bytes, SCRATCH);
  try {
    const { length, declaration } = dispatcher.decode(SCRATCH);
    // `ud` is declared, and refuses.
    return { verdict: declaration.mnemonic === 'ud' ? 'invalid' : length, declaration };
  } catch (error) {
    if (!(error instanceof GuestTrap)) throw error;
    return { verdict: error.vector === Trap.invalidOpcode ? 'invalid' : 'protected', declaration: undefined };
  } finally {
    dispatcher.memory.u8.fill(0xcc, SCRATCH, SCRATCH + 16);
  }
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');

function opcodeAt(bytes: Uint8Array): { prefix: string; lock: boolean; at: number } {
  let prefix = '';
  let lock = false;
  let at = 0;
  for (; at < bytes.length && PREFIXES.includes(bytes[at]!); at++) {
    const byte = bytes[at]!;
    if (byte === 0xf0) lock = true;
    if (byte === 0xf2 || byte === 0xf3) prefix = `${hex(byte)} `;
    else if (byte === 0x66 && prefix === '') prefix = '66 ';
  }
  return { prefix, lock, at };
}

function opcodeText(bytes: Uint8Array): string {
  const { prefix, lock, at } = opcodeAt(bytes);
  const map = bytes[at] === 0x0f ? (bytes[at + 1] === 0x38 || bytes[at + 1] === 0x3a ? 3 : 2) : 1;
  const opcode = [...bytes.subarray(at, at + map)].map(hex).join(' ');
  const modrm = bytes[at + map] ?? 0;
  return `${lock ? 'lock ' : ''}${prefix}${opcode} /${(modrm >> 3) & 7} ${modrm >= 0xc0 ? 'r' : 'm'}`;
}

/** Instruction sets that processors have and this translator does not declare (yet). */
export function knownExtension(bytes: Uint8Array): string | undefined {
  const { prefix, at, lock } = opcodeAt(bytes);
  const [first, second = 0, third = 0] = bytes.subarray(at);
  if ((first === 0xc4 || first === 0xc5) && second >= 0xc0) return 'AVX';
  if (first === 0x62 && second >= 0xc0) return 'AVX-512';
  if (first !== 0x0f) return undefined;
  const reg = (third >> 3) & 7;
  if (lock && (second === 0x20 || second === 0x22)) return 'CR8 by LOCK';
  if (lock && second === 0x00) return 'LOCK ignored by verr and verw';
  if (second === 0xff) return 'UD0, whose operand not all processors read';
  // Its operand may end after the fifteenth byte: refused for the opcode, or for the length.
  if (second === 0xb9 && at + 2 + LONGEST_OPERAND > MAXIMUM) return 'UD1 that is too long';
  if (second === 0x01) return 'system and monitor instructions';
  if (second === 0x05 || second === 0x07) return 'syscall';
  if (second === 0x34 || second === 0x35) return 'sysenter, of which processors differ';
  if (second === 0x78 || second === 0x79 || second === 0x2b) return 'SSE4a';
  if (second === 0xae && (reg >= 4 || prefix !== '')) return 'XSAVE, CLWB, CET';
  if (second === 0xc7) return 'XSAVE';
  if (second === 0x38 && (third === 0xf6 || third === 0xf5)) return 'ADX, CET';
  if (second === 0x38 && third === 0xcf) return 'GFNI';
  if (second === 0x3a && (third === 0xce || third === 0xcf)) return 'GFNI';
  if (second === 0x38 && (third === 0x80 || third === 0x81 || third === 0x82)) return 'INVPCID';
  return undefined;
}
