/**
 * How often each form of each declared instruction was executed and compared, as a table, with the flags that were not
 * compared and where the manual says that they are undefined.
 */
import type { Declaration } from '../../../translator/isa/declare.js';
import { declarations } from '../../../translator/isa/index.js';
import { manualTitle } from './manual.js';
import { declarationKey, reasonToSkip, variantsOf, type Variant } from '../variants.js';

/** A form: operand size, and register or memory. How memory is addressed is not told apart. */
const formOf = (variant: Variant): string => `${variant.operandSize} ${variant.form}`;

interface FormCount {
  readonly declaration: Declaration;
  readonly form: string;
  executions: number;
}

const FLAG_NAMES: Readonly<Record<string, string>> = { o: 'OF', s: 'SF', z: 'ZF', a: 'AF', p: 'PF', c: 'CF' };

export class Coverage {
  private readonly counts = new Map<string, FormCount>();
  /** Instructions executed within sequences and as random bytes, which are of no form. */
  other = 0;

  constructor() {
    for (const declaration of declarations) {
      if (reasonToSkip(declaration) !== undefined) continue;
      for (const { variant } of variantsOf(declaration)) {
        const form = formOf(variant);
        this.counts.set(`${declarationKey(declaration)} ${form}`, { declaration, form, executions: 0 });
      }
    }
  }

  add(declaration: Declaration, variant: Variant): void {
    this.counts.get(`${declarationKey(declaration)} ${formOf(variant)}`)!.executions++;
  }

  /** Forms executed less often than `least`, one line each. */
  below(least: number): string[] {
    return [...this.counts.values()]
      .filter(({ executions }) => executions < least)
      .map(({ declaration, form, executions }) => `${declarationKey(declaration)}, ${form}: ${executions}`);
  }

  summary(): string {
    const all = [...this.counts.values()].map(({ executions }) => executions).sort((a, b) => a - b);
    const total = all.reduce((sum, count) => sum + count, 0);
    const middle = all[all.length >> 1] ?? 0;
    return `${total} executions of ${all.length} forms, at least ${all[0] ?? 0} of each, median ${middle}; ${this.other} others`;
  }

  /** Tab-separated, with a head. */
  table(): string {
    const rows = [...this.counts.values()].map(({ declaration, form, executions }) => {
      const { mnemonic, encoding, operands, options } = declaration;
      const letters = options.undefined ?? '';
      const flags = [...letters].map((letter) => FLAG_NAMES[letter]).join(' ');
      const source = letters === '' ? '' : manualTitle(mnemonic);
      return [mnemonic, encoding, operands.join(','), form, executions, flags, source].join('\t');
    });
    return `${['mnemonic', 'encoding', 'operands', 'form', 'executions', 'undefined flags', 'manual'].join('\t')}\n${rows.join('\n')}\n`;
  }
}
