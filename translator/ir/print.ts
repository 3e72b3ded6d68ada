/**
 * IR as text, one statement a line under the guest instruction that it comes from: for `--dump ir`, messages and tests. Values used
 * once are written where they are used; others, and results of statements, get a number.
 */
import { operandsOf, argumentsOf, type IrBlock, type Statement, type Value } from './ir.js';

const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
/** Constants up to this size are easier to read in decimal. */
const SMALL = 4096;

/** @param describe text for the instruction at an address, such as its disassembly */
export function printIr(block: IrBlock, describe?: (pc: number) => string | undefined): string {
  return new Printer(describe).block(block);
}

class Printer {
  private readonly lines: string[] = [];
  private readonly numbers = new Map<Value, number>();
  private uses = new Map<Value, number>();

  constructor(private readonly describe: ((pc: number) => string | undefined) | undefined) {}

  block({ pc, end, statements }: IrBlock): string {
    this.lines.push(`block ${hex(pc)} to ${hex(end)}`);
    this.uses = countUses(statements);
    for (const statement of statements) this.statement(statement);
    return `${this.lines.join('\n')}\n`;
  }

  private statement(statement: Statement): void {
    if (statement.kind === 'removed') return;
    if (statement.kind === 'instruction') {
      const { pc } = statement;
      const text = this.describe?.(pc) ?? statement.text ?? '';
      this.lines.push(`${hex(pc)}:${text ? ` ${text}` : ''}`);
      return;
    }
    const operands = operandsOf(statement).map((value) => this.value(value));
    this.lines.push(`  ${this.statementText(statement, operands)}`);
  }

  private statementText(
    statement: Exclude<Statement, { kind: 'instruction' | 'removed' }>,
    operands: string[],
  ): string {
    const [a = '', b = '', c = ''] = operands;
    const slot = (offset: number, bytes: number, slotText: string): string =>
      `state[${offset}${slotText ? ` + ${slotText}` : ''}]:${bytes}`;
    switch (statement.kind) {
      case 'put':
        return `${statement.variable} = ${a}`;
      case 'putRegisterAt':
        return `register[${statement.field}]:${statement.size} = ${a}`;
      case 'load':
        return `${this.define(statement.result)} = load${statement.size}${flags(statement)} ${a}`;
      case 'store':
        return `store${statement.size}${flags(statement)} ${a}, ${b}`;
      case 'probe':
        return `probe${statement.size} ${a}`;
      case 'read':
        return `${this.define(statement.result)} = ${slot(statement.offset, statement.size, a)}`;
      case 'write':
        return statement.slot
          ? `${slot(statement.offset, statement.size, a)} = ${b}`
          : `${slot(statement.offset, statement.size, '')} = ${a}`;
      case 'copyIn':
        return `state[${b}]:${statement.bytes} = memory ${a}`;
      case 'copyOut':
        return `memory ${a} = state[${b}]:${statement.bytes}`;
      case 'guard':
        return `trap ${statement.vector} if ${a}`;
      case 'call': {
        const result = statement.result ? `${this.define(statement.result)} = ` : '';
        const trap = statement.trap === undefined ? '' : `, trap ${statement.trap} if not zero`;
        return `${result}call ${statement.helper}(${operands.join(', ')})${trap}`;
      }
      case 'callState':
        return `call state ${statement.helper}(${operands.join(', ')})`;
      case 'bridge':
        return `${this.define(statement.result)} = bridge ${statement.call.name} ${a}`;
      case 'jump':
        return `${statement.hint === 'jump' ? 'jump' : `jump (${statement.hint})`} ${a}`;
      case 'branch':
        return `branch ${a} ? ${b} : ${c}`;
      case 'stop':
        return `stop ${statement.reason} (${a}), eip ${b}`;
    }
  }

  private define(value: Value): string {
    const number = this.numbers.size + 1;
    this.numbers.set(value, number);
    return `%${number}`;
  }

  private value(value: Value): string {
    const number = this.numbers.get(value);
    if (number !== undefined) return `%${number}`;
    switch (value.op) {
      case 'const':
        return Math.abs(value.value) < SMALL ? String(value.value) : hex(value.value);
      case 'get':
        return value.variable;
      case 'result':
        return '%?';
      case 'field':
        return `field ${value.field}`;
      case 'registerAt':
        return `register[${value.field}]:${value.size}`;
      case 'effectiveAddress':
        return 'effective address';
      default: {
        const text = `${value.op}(${argumentsOf(value)
          .map((argument) => this.value(argument))
          .join(', ')})`;
        if ((this.uses.get(value) ?? 0) < 2) return text;
        const name = this.define(value);
        this.lines.push(`  ${name} = ${text}`);
        return name;
      }
    }
  }
}

function flags(statement: { atomic: boolean; forWrite?: boolean; checked?: boolean }): string {
  return `${statement.atomic ? '.atomic' : ''}${statement.forWrite ? '.forWrite' : ''}${statement.checked ? '.checked' : ''}`;
}

/** How often each value is used: a count of the printer's own, because the emitters' counts may be from another pass. */
function countUses(statements: readonly Statement[]): Map<Value, number> {
  const uses = new Map<Value, number>();
  const count = (value: Value): void => {
    const before = uses.get(value) ?? 0;
    uses.set(value, before + 1);
    if (before === 0) argumentsOf(value).forEach(count);
  };
  for (const statement of statements) operandsOf(statement).forEach(count);
  return uses;
}
