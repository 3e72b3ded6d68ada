/**
 * Names of C++ and Rust functions as their programmers wrote them, from the symbols that compilers make of them: by the Itanium C++ ABI
 * ("External Names"), which Rust's older symbols follow, too, and Rust's own (RFC 2603). What is not understood stays as it is.
 */
import { demangleRust } from './demangle-rust.js';

export function demangle(symbol: string): string {
  if (symbol.startsWith('_R')) return demangleRust(symbol) ?? symbol;
  if (!symbol.startsWith('_Z')) return symbol;
  try {
    const parser = new Parser(symbol.slice(2));
    const name = parser.encoding();
    // What the compiler has made several of has a suffix.
    const { rest } = parser;
    if (rest !== '' && !rest.startsWith('.')) return symbol;
    return rustLegacy(name) ?? (rest === '' ? name : `${name} [clone ${rest}]`);
  } catch (error) {
    if (error instanceof NotUnderstood || error instanceof RangeError) return symbol;
    throw error;
  }
}

class NotUnderstood extends Error {}

const RUST_ESCAPES: Readonly<Record<string, string>> = {
  SP: '@',
  BP: '*',
  RF: '&',
  LT: '<',
  GT: '>',
  LP: '(',
  RP: ')',
  C: ',',
};

/** Rust's symbols before v0 end with a hash. */
function rustLegacy(name: string): string | undefined {
  const match = /^(.+)::h[0-9a-f]{16}$/.exec(name);
  if (!match) return undefined;
  return match[1]!
    .split('::')
    .map((part) => part.replace(/^_(?=\$)/, ''))
    .join('::')
    .replace(/\$([A-Z]{1,2})\$/g, (whole, escape: string) => RUST_ESCAPES[escape] ?? whole)
    .replace(/\$u([0-9a-f]{1,6})\$/g, (_, digits: string) => String.fromCodePoint(parseInt(digits, 16)))
    .replace(/\.\./g, '::');
}

const BUILTIN: Readonly<Record<string, string>> = {
  v: 'void',
  w: 'wchar_t',
  b: 'bool',
  c: 'char',
  a: 'signed char',
  h: 'unsigned char',
  s: 'short',
  t: 'unsigned short',
  i: 'int',
  j: 'unsigned int',
  l: 'long',
  m: 'unsigned long',
  x: 'long long',
  y: 'unsigned long long',
  n: '__int128',
  o: 'unsigned __int128',
  f: 'float',
  d: 'double',
  e: 'long double',
  g: '__float128',
  z: '...',
};
const BUILTIN_D: Readonly<Record<string, string>> = {
  i: 'char32_t',
  s: 'char16_t',
  u: 'char8_t',
  a: 'auto',
  c: 'decltype(auto)',
  n: 'decltype(nullptr)',
  f: 'decimal32',
  d: 'decimal64',
  e: 'decimal128',
  h: 'half',
};
const STANDARD: Readonly<Record<string, string>> = {
  t: 'std',
  a: 'std::allocator',
  b: 'std::basic_string',
  s: 'std::string',
  i: 'std::istream',
  o: 'std::ostream',
  d: 'std::iostream',
};
/** What a constructor of these is called. */
const STANDARD_CLASS: Readonly<Record<string, string>> = {
  'std::string': 'basic_string',
  'std::istream': 'basic_istream',
  'std::ostream': 'basic_ostream',
  'std::iostream': 'basic_iostream',
};
const OPERATORS: Readonly<Record<string, string>> = {
  nw: ' new',
  na: ' new[]',
  dl: ' delete',
  da: ' delete[]',
  aw: ' co_await',
  ps: '+',
  ng: '-',
  ad: '&',
  de: '*',
  co: '~',
  pl: '+',
  mi: '-',
  ml: '*',
  dv: '/',
  rm: '%',
  an: '&',
  or: '|',
  eo: '^',
  aS: '=',
  pL: '+=',
  mI: '-=',
  mL: '*=',
  dV: '/=',
  rM: '%=',
  aN: '&=',
  oR: '|=',
  eO: '^=',
  ls: '<<',
  rs: '>>',
  lS: '<<=',
  rS: '>>=',
  eq: '==',
  ne: '!=',
  lt: '<',
  gt: '>',
  le: '<=',
  ge: '>=',
  ss: '<=>',
  nt: '!',
  aa: '&&',
  oo: '||',
  pp: '++',
  mm: '--',
  cm: ',',
  pm: '->*',
  pt: '->',
  cl: '()',
  ix: '[]',
  qu: '?',
};
const SPECIAL: Readonly<Record<string, string>> = {
  TV: 'vtable for ',
  TT: 'VTT for ',
  TI: 'typeinfo for ',
  TS: 'typeinfo name for ',
  GV: 'guard variable for ',
  TH: 'TLS init function for ',
  TW: 'TLS wrapper function for ',
};

/** A type's text in two parts, between which a declarator goes: `int (`, `)[3]`. */
interface TypeText {
  readonly before: string;
  readonly after: string;
}

const plain = (text: string): TypeText => ({ before: text, after: '' });
/** A pointer or reference to a type. */
function marked({ before, after }: TypeText, mark: string): TypeText {
  if (after.startsWith('(')) return { before: `${before}(${mark}`, after: `)${after}` };
  if (after.startsWith('[')) return { before: `${before}(${mark}`, after: `) ${after}` };
  return { before: before + mark, after };
}
const whole = ({ before, after }: TypeText): string => before + after;

/** What is known of the name that was parsed last. */
interface NameText {
  readonly text: string;
  /** Ends with template arguments: the function's type then begins with what it returns. */
  readonly isTemplate: boolean;
  /** Constructors, destructors and conversions return nothing. */
  readonly returns: boolean;
  /** Qualifiers of the member function, with a space before. */
  readonly qualifiers: string;
}

class Parser {
  private at = 0;
  private readonly substitutions: TypeText[] = [];
  private templateArguments: readonly string[] = [];

  constructor(private readonly text: string) {}

  /** What has not been read. */
  get rest(): string {
    return this.text.slice(this.at);
  }
  private get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }

  private peek(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }
  private eat(text: string): boolean {
    if (!this.peek(text)) return false;
    this.at += text.length;
    return true;
  }
  private expect(text: string): void {
    if (!this.eat(text)) throw new NotUnderstood();
  }
  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) throw new NotUnderstood();
    this.at += found.length;
    return found;
  }

  /** A function's or an object's whole name. */
  encoding(): string {
    const special = SPECIAL[this.text.slice(this.at, this.at + 2)];
    if (special !== undefined) {
      this.at += 2;
      return special + (/T[VTIS]/.test(this.text.slice(this.at - 2, this.at)) ? whole(this.type()) : this.name().text);
    }
    if (this.eat('Th')) return this.thunk('non-virtual thunk to ', 1);
    if (this.eat('Tv')) return this.thunk('virtual thunk to ', 2);
    const name = this.name();
    if (this.isAtEnd || this.peek('E') || this.peek('.')) return name.text + name.qualifiers;
    const result = name.isTemplate && name.returns ? this.type() : undefined;
    const parameters = this.parameters();
    const text = `${name.text}(${parameters})${name.qualifiers}`;
    return result ? `${result.before} ${text}${result.after}` : text;
  }

  private thunk(text: string, offsets: number): string {
    for (let i = 0; i < offsets; i++) this.match(/n?\d+_/y);
    return text + this.encoding();
  }

  private parameters(): string {
    const types: string[] = [];
    while (!this.isAtEnd && !this.peek('E') && !this.peek('.')) types.push(whole(this.type()));
    return types.length === 1 && types[0] === 'void' ? '' : types.join(', ');
  }

  private name(): NameText {
    if (this.eat('N')) return this.nestedName();
    if (this.eat('Z')) return this.localName();
    let isSubstitution = false;
    let text: string;
    if (this.peek('S') && !this.peek('St')) {
      text = whole(this.substitution());
      isSubstitution = true;
    } else {
      text = this.eat('St') ? `std::${this.unqualified('')}` : this.unqualified('');
    }
    if (!this.peek('I')) return { text, isTemplate: false, returns: true, qualifiers: '' };
    if (!isSubstitution) this.substitutions.push(plain(text));
    return { text: text + this.templateArgumentList(), isTemplate: true, returns: true, qualifiers: '' };
  }

  private nestedName(): NameText {
    let qualifiers = '';
    if (this.eat('r')) qualifiers += ' restrict';
    if (this.eat('V')) qualifiers = ` volatile${qualifiers}`;
    if (this.eat('K')) qualifiers = ` const${qualifiers}`;
    if (this.eat('R')) qualifiers += ' &';
    else if (this.eat('O')) qualifiers += ' &&';
    let text = '';
    let last = '';
    let isTemplate = false;
    let returns = true;
    while (!this.eat('E')) {
      let isNew = true;
      isTemplate = false;
      if (this.peek('S') && !this.peek('St')) {
        const found = whole(this.substitution());
        text = found;
        last = STANDARD_CLASS[found] ?? lastName(found);
        isNew = false;
      } else if (this.peek('I')) {
        text += this.templateArgumentList();
        isTemplate = true;
      } else if (this.peek('T') && text === '') {
        text = whole(this.templateParameter());
        last = lastName(text);
      } else if (this.peek('Dt') || this.peek('DT')) {
        throw new NotUnderstood();
      } else if (this.eat('St')) {
        text = 'std';
        isNew = false;
      } else {
        returns = !(/^[CD]\d/.test(this.text.slice(this.at, this.at + 2)) || this.peek('cv'));
        const part = this.unqualified(last);
        last = part;
        text = text === '' ? part : `${text}::${part}`;
      }
      if (isNew && !this.peek('E')) this.substitutions.push(plain(text));
    }
    return { text, isTemplate, returns, qualifiers };
  }

  private localName(): NameText {
    const around = this.encoding();
    this.expect('E');
    if (this.eat('s')) {
      this.discriminator();
      return { text: `${around}::string literal`, isTemplate: false, returns: true, qualifiers: '' };
    }
    if (this.eat('d')) {
      this.match(/\d*_/y);
    }
    const name = this.name();
    this.discriminator();
    return { ...name, text: `${around}::${name.text}` };
  }

  private discriminator(): void {
    if (this.peek('__')) this.match(/__\d+_/y);
    else if (/^_\d/.test(this.text.slice(this.at, this.at + 2))) this.match(/_\d/y);
  }

  private unqualified(last: string): string {
    let text: string;
    this.eat('L');
    const two = this.text.slice(this.at, this.at + 2);
    if (/^\d/.test(two)) text = this.sourceName();
    else if (/^C[1-5]/.test(two)) {
      this.at += 2;
      text = last.replace(/<.*$/, '');
    } else if (/^D[0-5]/.test(two)) {
      this.at += 2;
      text = `~${last.replace(/<.*$/, '')}`;
    } else if (two === 'Ut') {
      this.at += 2;
      text = `{unnamed type#${this.ordinal()}}`;
    } else if (two === 'Ul') {
      this.at += 2;
      const parameters = this.parameters();
      this.expect('E');
      text = `{lambda(${parameters})#${this.ordinal()}}`;
    } else if (two === 'cv') {
      this.at += 2;
      text = `operator ${whole(this.type())}`;
    } else if (two === 'li') {
      this.at += 2;
      text = `operator"" ${this.sourceName()}`;
    } else {
      const operator = OPERATORS[two];
      if (operator === undefined) throw new NotUnderstood();
      this.at += 2;
      text = `operator${operator}`;
    }
    while (this.eat('B')) text += `[abi:${this.sourceName()}]`;
    return text;
  }

  /** 1 for `_`, 2 for `0_`, ... */
  private ordinal(): number {
    const digits = this.match(/\d*_/y).slice(0, -1);
    return digits === '' ? 1 : Number(digits) + 2;
  }

  private sourceName(): string {
    const length = Number(this.match(/\d+/y));
    const name = this.text.slice(this.at, this.at + length);
    if (name.length !== length) throw new NotUnderstood();
    this.at += length;
    return name.startsWith('_GLOBAL__N') ? '(anonymous namespace)' : name;
  }

  private substitution(): TypeText {
    this.expect('S');
    const standard = STANDARD[this.text[this.at] ?? ''];
    if (standard !== undefined) {
      this.at++;
      let text = standard;
      while (this.eat('B')) text += `[abi:${this.sourceName()}]`;
      return plain(text);
    }
    return this.numbered(this.substitutions);
  }

  private templateParameter(): TypeText {
    this.expect('T');
    return this.numbered(this.templateArguments.map(plain));
  }

  /** `_` is the first of a list, `0_` the second; digits are of base 36. */
  private numbered(list: readonly TypeText[]): TypeText {
    const digits = this.match(/[0-9A-Z]*_/y).slice(0, -1);
    const found = list[digits === '' ? 0 : parseInt(digits, 36) + 1];
    if (!found) throw new NotUnderstood();
    return found;
  }

  private templateArgumentList(): string {
    this.expect('I');
    const list: string[] = [];
    while (!this.eat('E')) list.push(...this.templateArgument());
    this.templateArguments = list;
    const text = list.join(', ');
    return `<${text}${text.endsWith('>') ? ' ' : ''}>`;
  }

  private templateArgument(): string[] {
    if (this.eat('J')) {
      const list: string[] = [];
      while (!this.eat('E')) list.push(...this.templateArgument());
      return list;
    }
    if (this.peek('X')) throw new NotUnderstood();
    if (this.eat('L')) return [this.literal()];
    const outer = this.templateArguments;
    const text = whole(this.type());
    this.templateArguments = outer;
    return [text];
  }

  private literal(): string {
    if (this.eat('_Z')) {
      const text = this.encoding();
      this.expect('E');
      return `&${text}`;
    }
    const type = whole(this.type());
    const value = this.match(/n?[0-9a-f]*/y).replace(/^n/, '-');
    this.expect('E');
    if (type === 'bool') return value === '0' ? 'false' : 'true';
    const suffix = { int: '', 'unsigned int': 'u', long: 'l', 'unsigned long': 'ul', 'long long': 'll' }[type];
    if (suffix !== undefined) return value + suffix;
    return type === 'unsigned long long' ? `${value}ull` : `(${type})${value}`;
  }

  private type(): TypeText {
    const { text, at } = this;
    const letter = text[at] ?? '';
    const builtin = BUILTIN[letter];
    if (builtin !== undefined) {
      this.at++;
      return plain(builtin);
    }
    let found: TypeText;
    if (letter === 'D' && BUILTIN_D[text[at + 1] ?? ''] !== undefined) {
      this.at += 2;
      return plain(BUILTIN_D[text[at + 1]!]!);
    }
    if (this.eat('Dp')) found = this.type();
    else if (this.peek('DF')) {
      this.at += 2;
      return plain(`_Float${this.match(/\d+_/y).slice(0, -1)}`);
    } else if (this.eat('u')) found = plain(this.sourceName());
    else if (this.eat('P')) found = this.pointer('*');
    else if (this.eat('R')) found = this.reference('&');
    else if (this.eat('O')) found = this.reference('&&');
    else if (this.peek('K') || this.peek('V') || this.peek('r')) {
      const letters = this.match(/r?V?K?/y);
      const inner = this.type();
      const words = `${letters.includes('K') ? ' const' : ''}${letters.includes('V') ? ' volatile' : ''}`;
      found = inner.after.startsWith(')(')
        ? { before: inner.before, after: inner.after + words }
        : { before: inner.before + words, after: inner.after };
    } else if (this.eat('F') || this.eat('DoF')) found = this.functionType();
    else if (this.eat('A')) {
      const size = this.match(/\d*_/y).slice(0, -1);
      const element = this.type();
      found = { before: `${element.before} `, after: `[${size}]${element.after}` };
    } else if (this.eat('M')) {
      const owner = whole(this.type());
      const member = this.type();
      found = member.after.startsWith('(')
        ? { before: `${member.before}(${owner}::*`, after: `)${member.after}` }
        : { before: `${member.before} ${owner}::*`, after: member.after };
    } else if (letter === 'T') {
      found = this.templateParameter();
      if (this.peek('I')) {
        this.substitutions.push(found);
        found = plain(whole(found) + this.templateArgumentList());
      }
    } else if (letter === 'S' && !this.peek('St')) {
      const known = this.substitution();
      if (!this.peek('I')) return known;
      found = plain(whole(known) + this.withOuterArguments());
    } else if (/[0-9NZ]/.test(letter) || this.peek('St')) {
      const outer = this.templateArguments;
      found = plain(this.name().text);
      this.templateArguments = outer;
    } else throw new NotUnderstood();
    this.substitutions.push(found);
    return found;
  }

  private withOuterArguments(): string {
    const outer = this.templateArguments;
    const list = this.templateArgumentList();
    this.templateArguments = outer;
    return list;
  }

  private pointer(mark: string): TypeText {
    return marked(this.type(), mark);
  }

  /** References to references collapse. */
  private reference(mark: '&' | '&&'): TypeText {
    const inner = this.type();
    if (inner.before.endsWith('&&')) return mark === '&&' ? inner : { ...inner, before: inner.before.slice(0, -1) };
    return inner.before.endsWith('&') ? inner : marked(inner, mark);
  }

  private functionType(): TypeText {
    this.eat('Y');
    const result = this.type();
    const parameters = this.parameters();
    const reference = this.eat('RE') ? ' &' : this.eat('OE') ? ' &&' : '';
    if (reference === '') this.expect('E');
    return { before: `${result.before} `, after: `(${parameters})${reference}${result.after}` };
  }
}

/** The last part of a qualified name, without its template arguments. */
function lastName(text: string): string {
  let depth = 0;
  for (let at = text.length - 1; at > 0; at--) {
    const char = text[at];
    if (char === '>') depth++;
    else if (char === '<') depth--;
    else if (depth === 0 && char === ':' && text[at - 1] === ':') return text.slice(at + 1);
  }
  return text;
}
