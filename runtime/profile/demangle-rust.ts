/** Rust's v0 symbols (RFC 2603): paths and their generic arguments. Constants, dyn types and function types are left out of what is understood. */

const BASIC: Readonly<Record<string, string>> = {
  a: 'i8',
  b: 'bool',
  c: 'char',
  d: 'f64',
  e: 'str',
  f: 'f32',
  h: 'u8',
  i: 'isize',
  j: 'usize',
  l: 'i32',
  m: 'u32',
  n: 'i128',
  o: 'u128',
  s: 'i16',
  t: 'u16',
  u: '()',
  v: '...',
  x: 'i64',
  y: 'u64',
  z: '!',
  p: '_',
};

/** Undefined where the symbol is not understood. */
export function demangleRust(symbol: string): string | undefined {
  try {
    return new RustParser(symbol.replace(/\..*$/, '')).path(2);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const MAXIMUM_DEPTH = 200;

class RustParser {
  private at = 0;
  private depth = 0;
  constructor(private readonly text: string) {}

  /** A path that begins at an index. */
  path(start: number): string {
    this.at = start;
    return this.parsePath();
  }

  private char(): string {
    const found = this.text[this.at++];
    if (found === undefined) throw new RangeError('end');
    return found;
  }
  private eat(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  /** Base 62: `_` is 0, `0_` is 1. */
  private number(): number {
    let value = 0;
    if (this.eat('_')) return 0;
    for (;;) {
      const char = this.char();
      if (char === '_') return value + 1;
      const digit = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(char);
      if (digit < 0) throw new RangeError('number');
      value = value * 62 + digit;
    }
  }

  private disambiguator(): number {
    return this.eat('s') ? this.number() + 1 : 0;
  }

  private identifier(): string {
    const isPunycode = this.eat('u');
    let digits = '';
    while (/\d/.test(this.text[this.at] ?? '') && digits !== '0') digits += this.char();
    if (digits === '') throw new RangeError('identifier');
    this.eat('_');
    this.at += Number(digits);
    const name = this.text.slice(this.at - Number(digits), this.at);
    return isPunycode ? `punycode{${name}}` : name;
  }

  /** What a back reference stands for. */
  private back<T>(parse: () => T): T {
    const target = this.number() + 2;
    const here = this.at;
    if (target >= here) throw new RangeError('back reference');
    this.at = target;
    const found = parse();
    this.at = here;
    return found;
  }

  private parsePath(): string {
    if (++this.depth > MAXIMUM_DEPTH) throw new RangeError('depth');
    const text = this.pathInner();
    this.depth--;
    return text;
  }

  private pathInner(): string {
    const kind = this.char();
    switch (kind) {
      case 'C': {
        this.disambiguator();
        return this.identifier();
      }
      case 'N': {
        const namespace = this.char();
        const outer = this.parsePath();
        const number = this.disambiguator();
        const name = this.identifier();
        if (/[a-z]/.test(namespace)) return name === '' ? outer : `${outer}::${name}`;
        const what = { C: 'closure', S: 'shim' }[namespace] ?? namespace;
        return `${outer}::{${what}${name === '' ? '' : `:${name}`}#${number}}`;
      }
      case 'M':
        this.disambiguator();
        this.parsePath();
        return `<${this.type()}>`;
      case 'X':
        this.disambiguator();
        this.parsePath();
        return `<${this.type()} as ${this.parsePath()}>`;
      case 'Y':
        return `<${this.type()} as ${this.parsePath()}>`;
      case 'I': {
        const outer = this.parsePath();
        const list: string[] = [];
        while (!this.eat('E')) {
          if (this.eat('L')) this.number();
          else if (this.eat('K')) throw new RangeError('constant');
          else list.push(this.type());
        }
        return `${outer}::<${list.join(', ')}>`;
      }
      case 'B':
        return this.back(() => this.parsePath());
      default:
        throw new RangeError(`path ${kind}`);
    }
  }

  private type(): string {
    if (++this.depth > MAXIMUM_DEPTH) throw new RangeError('depth');
    const text = this.typeInner();
    this.depth--;
    return text;
  }

  private typeInner(): string {
    const kind = this.text[this.at] ?? '';
    const basic = BASIC[kind];
    if (basic !== undefined) {
      this.at++;
      return basic;
    }
    if ('CNMXYI'.includes(kind)) return this.parsePath().replaceAll('::<', '<');
    this.at++;
    switch (kind) {
      case 'S':
        return `[${this.type()}]`;
      case 'R':
      case 'Q':
        if (this.eat('L')) this.number();
        return `&${kind === 'Q' ? 'mut ' : ''}${this.type()}`;
      case 'P':
        return `*const ${this.type()}`;
      case 'O':
        return `*mut ${this.type()}`;
      case 'T': {
        const list: string[] = [];
        while (!this.eat('E')) list.push(this.type());
        return list.length === 1 ? `(${list[0]!},)` : `(${list.join(', ')})`;
      }
      case 'B':
        return this.back(() => this.type());
      default:
        throw new RangeError(`type ${kind}`);
    }
  }
}
