/**
 * How often each form of each declared instruction was executed and compared, as a table, with the flags that were not
 * compared and where the manual says that they are undefined; and the order in which forms are executed, after what was counted.
 */
import type { Declaration } from '../../../translator/isa/declare.js';
import { declarations } from '../../../translator/isa/index.js';
import type { Random } from '../random.js';
import { manualTitle } from './manual.js';
import { declarationKey, reasonToSkip, variantsOf, type Variant } from '../variants.js';

/** A form: operand size, register or memory, and prefixes. How memory is addressed is not told apart. */
function formOf({ operandSize, form, lock, repeat, addressSize }: Variant): string {
  const prefixes = `${lock ? ' lock' : ''}${repeat === 'none' ? '' : ` ${repeat}`}`;
  return `${operandSize} ${form}${prefixes}${addressSize === 16 ? ' addr16' : ''}`;
}

interface Form {
  readonly declaration: Declaration;
  readonly form: string;
  /** Ways of addressing, in an order by chance; each as often as it is worth. */
  readonly variants: Variant[];
  next: number;
  executions: number;
}

const FLAG_NAMES: Readonly<Record<string, string>> = { o: 'OF', s: 'SF', z: 'ZF', a: 'AF', p: 'PF', c: 'CF' };
const LINE = 120;
/** Forms of more variants than this are executed in two of them each round. */
const MANY_VARIANTS = 6;

function shuffle(items: unknown[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j], items[i]];
  }
}

export class Coverage {
  private readonly forms = new Map<string, Form>();
  private readonly skipped = new Map<string, string[]>();
  private queue: Form[] = [];
  /** Instructions executed within sequences and as random bytes, which are of no form. */
  other = 0;

  /** @param only declarations whose key matches */
  constructor(
    private readonly random: Random,
    only = /./,
  ) {
    for (const declaration of declarations) {
      const key = declarationKey(declaration);
      if (!only.test(key)) continue;
      const reason = reasonToSkip(declaration);
      if (reason !== undefined) {
        this.skipped.set(reason, [...(this.skipped.get(reason) ?? []), declaration.mnemonic]);
        continue;
      }
      for (const { variant } of variantsOf(declaration)) {
        const form = formOf(variant);
        const entry = this.forms.get(`${key} ${form}`);
        if (entry) entry.variants.push(variant);
        else this.forms.set(`${key} ${form}`, { declaration, form, variants: [variant], next: 0, executions: 0 });
      }
    }
    for (const { variants } of this.forms.values()) shuffle(variants, random);
  }

  add(declaration: Declaration, variant: Variant): void {
    this.forms.get(`${declarationKey(declaration)} ${formOf(variant)}`)!.executions++;
  }

  /**
   * What to execute next. Each round has every form once, those with many ways of addressing twice; forms that have been executed
   * less often than others (what they did proved nothing: it never ended, or is excused) once more.
   */
  next(): { declaration: Declaration; variant: Variant } {
    if (this.queue.length === 0) {
      const forms = [...this.forms.values()];
      const fewest = forms.map(({ executions }) => executions).sort((a, b) => a - b);
      const usual = fewest[fewest.length >> 2]!;
      for (const form of forms) {
        this.queue.push(form);
        if (form.variants.length > MANY_VARIANTS || form.executions < usual) this.queue.push(form);
        if (form.executions < usual / 2) this.queue.push(form);
      }
      shuffle(this.queue, this.random);
    }
    const form = this.queue.pop()!;
    form.next = (form.next + 1) % form.variants.length;
    return { declaration: form.declaration, variant: form.variants[form.next]! };
  }

  /** Forms executed less often than `least`, one line each. */
  below(least: number): string[] {
    return [...this.forms.values()]
      .filter(({ executions }) => executions < least)
      .map(({ declaration, form, executions }) => `${declarationKey(declaration)}, ${form}: ${executions}`);
  }

  summary(): string {
    const all = [...this.forms.values()].map(({ executions }) => executions).sort((a, b) => a - b);
    const total = all.reduce((sum, count) => sum + count, 0);
    const middle = all[all.length >> 1] ?? 0;
    return `${total} executions of ${all.length} forms, at least ${all[0] ?? 0} of each, median ${middle}; ${this.other} others`;
  }

  /** Mnemonics with the number of their forms and the least executions of one; and what cannot be executed. */
  compact(): string {
    const byMnemonic = new Map<string, { forms: number; least: number }>();
    for (const { declaration, executions } of this.forms.values()) {
      const { forms, least } = byMnemonic.get(declaration.mnemonic) ?? { forms: 0, least: executions };
      byMnemonic.set(declaration.mnemonic, { forms: forms + 1, least: Math.min(least, executions) });
    }
    const lines = ['mnemonic, forms x least executions of one:'];
    let line = '';
    for (const [mnemonic, { forms, least }] of byMnemonic) {
      const item = `${mnemonic} ${forms}x${least}`;
      if (line.length + item.length > LINE) {
        lines.push(line);
        line = '';
      }
      line += `${line === '' ? '' : ', '}${item}`;
    }
    lines.push(line);
    for (const [reason, names] of this.skipped) {
      lines.push(`not executed, ${reason}: ${[...new Set(names)].join(', ')}`);
    }
    return lines.join('\n');
  }

  /** Tab-separated, with a head. */
  table(): string {
    const rows = [...this.forms.values()].map(({ declaration, form, executions }) => {
      const { mnemonic, encoding, operands, options } = declaration;
      const letters = options.undefined ?? '';
      const flags = [...letters].map((letter) => FLAG_NAMES[letter]).join(' ');
      const source = letters === '' ? '' : manualTitle(mnemonic);
      return [mnemonic, encoding, operands.join(','), form, executions, flags, source].join('\t');
    });
    return `${['mnemonic', 'encoding', 'operands', 'form', 'executions', 'undefined flags', 'manual'].join('\t')}\n${rows.join('\n')}\n`;
  }
}
