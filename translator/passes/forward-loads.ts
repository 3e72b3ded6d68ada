/**
 * Removes loads of what the block itself stored or loaded before, at a constant distance from the same value: arguments and
 * saved registers on the stack. A store elsewhere forgets what it may have overwritten. The processor, too, serves a load from
 * its own store; no other thread can tell the difference.
 */
import { argumentsOf, mapOperands, type Statement, type Value } from '../ir/ir.js';

interface Known {
  /** `undefined`: the address is a constant. */
  readonly base: Value | undefined;
  readonly low: number;
  readonly size: number;
  readonly value: Value;
  readonly writable: boolean;
}

function placeOf(address: Value): { base: Value | undefined; low: number } {
  if (address.op === 'const') return { base: undefined, low: address.value };
  if (address.op === 'add' && address.args[1]!.op === 'const') {
    return { base: address.args[0]!, low: address.args[1]!.value };
  }
  return { base: address, low: 0 };
}

/** Statements that write memory which nothing here knows. */
const WRITES_ANYWHERE: ReadonlySet<Statement['kind']> = new Set(['callState', 'bridge', 'copyOut', 'putRegisterAt']);
const WORD = 4;

/** Changes the statements in place; a load that is not needed becomes `removed`. */
export function forwardLoads(statements: Statement[]): void {
  let known: Known[] = [];
  const replaced = new Map<Value, Value>();
  const done = new Set<Value>();
  const current = (value: Value): Value => {
    const other = replaced.get(value);
    if (other) return other;
    if (replaced.size > 0 && 'args' in value && !done.has(value)) {
      done.add(value);
      value.args = argumentsOf(value).map(current);
    }
    return value;
  };
  statements.forEach((statement, index) => {
    if (replaced.size > 0) mapOperands(statement, current);
    if (WRITES_ANYWHERE.has(statement.kind)) {
      known = [];
      return;
    }
    if (statement.kind === 'store') {
      const { base, low } = placeOf(statement.address);
      const { size, value, atomic } = statement;
      known = atomic ? [] : known.filter((one) => one.base === base && isApart(one, low, size));
      if (size === WORD && !atomic) known.push({ base, low, size, value, writable: true });
      return;
    }
    if (statement.kind !== 'load') return;
    if (statement.atomic) {
      known = [];
      return;
    }
    const { base, low } = placeOf(statement.address);
    const { size, result } = statement;
    const found = known.find((one) => one.base === base && one.low === low && one.size === size);
    if (found && (found.writable || statement.forWrite !== true)) {
      replaced.set(result, found.value);
      statements[index] = { kind: 'removed' };
    } else if (!found) known.push({ base, low, size, value: result, writable: statement.forWrite === true });
  });
}

/** Distances wrap around the address space. */
function isApart(one: Known, low: number, size: number): boolean {
  const distance = (low - one.low) | 0;
  return distance >= one.size || distance <= -size;
}
