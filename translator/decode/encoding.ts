/** Turns the declarations' encoding texts into the decoder's tables: per opcode map, per opcode byte, the candidates. */
import { declarations, type Declaration } from '../isa/declare.js';
import { kinds, type KindShape } from '../isa/kinds.js';

export type PrefixRule = 'any' | 'none' | '66' | 'F3' | 'F2';

export interface Candidate {
  readonly declaration: Declaration;
  readonly map: OpcodeMap;
  readonly opcode: number;
  readonly prefix: PrefixRule;
  /** ModRM reg as an opcode extension, or -1. */
  readonly extension: number;
  /** The exact ModRM byte (x87 and 0F 01 forms), or -1. */
  readonly exact: number;
  /** ModRM mask for `exact`: F8 for register forms with a register in the low bits. */
  readonly exactMask: number;
  readonly form: 'any' | 'memory' | 'register';
  readonly hasModRm: boolean;
  readonly shapes: readonly KindShape[];
  /** Bytes of immediates or an address follow; an operand is a relative target; a segment register. */
  readonly hasImmediate: boolean;
  readonly hasTarget: boolean;
  readonly hasSegment: boolean;
}
export type OpcodeMap = '1' | '0F' | '0F38' | '0F3A';

const isHexByte = (text: string): boolean => /^[0-9A-F]{2}\+?$/.test(text);

/** Prefix, opcode map and opcode of an encoding; `rest`: what follows. */
function placeOf(encoding: string): { prefix: PrefixRule; map: OpcodeMap; opcode: string; rest: string[] } {
  const tokens = encoding.split(' ');
  let at = 0;
  let prefix: PrefixRule = 'any';
  if (tokens[0] === 'NP') {
    prefix = 'none';
    at++;
  } else if (tokens.length > 1 && (tokens[0] === '66' || tokens[0] === 'F2' || tokens[0] === 'F3')) {
    prefix = tokens[0];
    at++;
  }
  let map: OpcodeMap = '1';
  if (tokens[at] === '0F' && tokens.length > at + 1) {
    at++;
    map = '0F';
    const second = tokens[at];
    if ((second === '38' || second === '3A') && tokens.length > at + 1 && isHexByte(tokens[at + 1]!)) {
      at++;
      map = second === '38' ? '0F38' : '0F3A';
    }
  }
  return { prefix, map, opcode: tokens[at] ?? '', rest: tokens.slice(at + 1) };
}

/** Parses one declaration's encoding; throws on a malformed text (a programming error, found by the tests). */
export function parseEncoding(declaration: Declaration): Candidate[] {
  const { prefix, map, opcode: opcodeText, rest: tokens } = placeOf(declaration.encoding);
  const shapes = declaration.operands.map((kind) => kinds[kind] as KindShape);
  if (!isHexByte(opcodeText))
    throw new Error(`malformed encoding '${declaration.encoding}' of ${declaration.mnemonic}`);
  const opcode = parseInt(opcodeText, 16);
  let extension = -1;
  let exact = -1;
  let exactMask = 0xff;
  let form: Candidate['form'] = 'any';
  for (const token of tokens) {
    if (/^\/[0-7]$/.test(token)) extension = Number(token[1]);
    else if (token === 'm') form = 'memory';
    else if (token === 'r') form = 'register';
    else if (token === '/r') continue;
    else if (isHexByte(token)) {
      exact = parseInt(token, 16);
      if (token.endsWith('+')) exactMask = 0xf8;
    } else throw new Error(`malformed encoding '${declaration.encoding}' of ${declaration.mnemonic}`);
  }
  if (shapes.some((shape) => shape.memoryOnly) && form === 'any' && exact < 0) form = 'memory';
  if (shapes.some((shape) => shape.registerOnly) && form === 'any') form = 'register';
  const hasModRm =
    extension >= 0 ||
    exact >= 0 ||
    form !== 'any' ||
    shapes.some((shape) => shape.from === 'rm' || shape.from === 'reg');
  const base = {
    declaration,
    map,
    prefix,
    extension,
    exact,
    exactMask,
    form,
    hasModRm,
    shapes,
    hasImmediate: shapes.some((shape) => shape.from === 'imm' || shape.from === 'moffs'),
    hasTarget: shapes.some((shape) => shape.class === 'target'),
    hasSegment: shapes.some((shape) => shape.class === 'segment'),
  };
  if (!opcodeText.endsWith('+')) return [{ ...base, opcode }];
  return Array.from({ length: 8 }, (_, low) => ({ ...base, opcode: opcode + low }));
}

/** All candidates by map and opcode byte. Each opcode's encodings are parsed when it is first met: a start meets few. */
export class OpcodeTable {
  private readonly waiting = byMap<Declaration>();
  private readonly parsed = byMap<Candidate>();

  constructor() {
    for (const declaration of declarations) {
      const { map, opcode } = placeOf(declaration.encoding);
      for (const byte of opcode.endsWith('+') ? LOW_BITS : [0]) {
        (this.waiting[map][parseInt(opcode, 16) + byte] ??= []).push(declaration);
      }
    }
  }

  /** The most specific first; undefined where there is no instruction. */
  candidates(map: OpcodeMap, opcode: number): readonly Candidate[] | undefined {
    return this.parsed[map][opcode] ?? this.parse(map, opcode);
  }

  private parse(map: OpcodeMap, opcode: number): readonly Candidate[] | undefined {
    const waiting = this.waiting[map][opcode];
    if (waiting === undefined) return undefined;
    const list = waiting.flatMap(parseEncoding).filter((candidate) => candidate.opcode === opcode);
    return (this.parsed[map][opcode] = list.sort(moreSpecificFirst));
  }
}

const LOW_BITS = [0, 1, 2, 3, 4, 5, 6, 7];
const byMap = <T>(): Record<OpcodeMap, (T[] | undefined)[]> => ({ '1': [], '0F': [], '0F38': [], '0F3A': [] });

/** Mandatory prefixes before free ones, exact ModRM bytes before extensions, forms before any. */
function moreSpecificFirst(a: Candidate, b: Candidate): number {
  const rank = (candidate: Candidate): number =>
    (candidate.prefix === 'F2' || candidate.prefix === 'F3' ? 0 : candidate.prefix === '66' ? 100 : 200) +
    (candidate.exact >= 0 ? (candidate.exactMask === 0xff ? 0 : 10) : 20) +
    (candidate.extension >= 0 ? 0 : 5) +
    (candidate.form === 'any' ? 1 : 0);
  return rank(a) - rank(b);
}
