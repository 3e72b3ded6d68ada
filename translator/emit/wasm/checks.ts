/**
 * Which permission checks a block needs: accesses at constant distances from one value are checked together, before the first
 * of them. A check that fails for the sake of a later access costs time only: the interpreter goes on instruction by
 * instruction.
 */
import { canLeave, isInlineCopy, type AccessChecks } from '../../ir/access-checks.js';
import type { Statement, Value } from '../../ir/ir.js';

interface Access {
  readonly base: Value;
  /** Distance of the first byte from the base, and of the byte after the last. */
  readonly low: number;
  readonly high: number;
  readonly write: boolean;
}
export type CheckedRange = Access;

/** Accesses further apart could have a page between them that nobody looks at. */
const MAXIMUM_SPAN = 4096;

function access(address: Value, bytes: number, write: boolean): Access {
  if (address.op === 'add' && address.args[1]!.op === 'const') {
    const low = address.args[1]!.value;
    return { base: address.args[0]!, low, high: low + bytes, write };
  }
  return { base: address, low: 0, high: bytes, write };
}

function accessOf(statement: Statement, checks: AccessChecks): Access | undefined {
  if (!canLeave(statement, checks)) return undefined;
  switch (statement.kind) {
    case 'load':
      return access(statement.address, statement.size, statement.forWrite === true);
    case 'store':
      return statement.checked ? undefined : access(statement.address, statement.size, true);
    case 'probe':
      return access(statement.address, statement.size, true);
    case 'copyIn':
    case 'copyOut':
      return isInlineCopy(statement)
        ? access(statement.address, statement.bytes, statement.kind === 'copyOut')
        : undefined;
    default:
      return undefined;
  }
}

/** The ranges to be checked, by the index of the statement before which. */
export function planChecks(statements: readonly Statement[], checks: AccessChecks): Map<number, CheckedRange> {
  const plan = new Map<number, CheckedRange>();
  let checked: CheckedRange[] = [];
  statements.forEach((statement, position) => {
    if (mayChangePermissions(statement)) checked = [];
    const wanted = accessOf(statement, checks);
    if (!wanted || checked.some((range) => covers(range, wanted))) return;
    const range = widened(wanted, statements, position, checks);
    checked.push(range);
    plan.set(position, range);
  });
  return plan;
}

/** A page that may be written may be read, too: the processor has no other. */
function covers(range: CheckedRange, wanted: Access): boolean {
  const isWithin = range.base === wanted.base && range.low <= wanted.low && range.high >= wanted.high;
  return isWithin && (range.write || !wanted.write);
}

/** The access together with those of the same base that follow. */
function widened(
  first: Access,
  statements: readonly Statement[],
  position: number,
  checks: AccessChecks,
): CheckedRange {
  const { base } = first;
  let { low, high, write } = first;
  for (let at = position + 1; at < statements.length && base.op !== 'const'; at++) {
    const statement = statements[at]!;
    if (mayChangePermissions(statement)) break;
    const next = accessOf(statement, checks);
    if (next?.base !== base) continue;
    const [lower, higher] = [Math.min(low, next.low), Math.max(high, next.high)];
    if (higher - lower > MAXIMUM_SPAN) continue;
    [low, high, write] = [lower, higher, write || next.write];
  }
  return { base, low, high, write };
}

/** May the statement change permissions? */
function mayChangePermissions({ kind }: Statement): boolean {
  return !HARMLESS.has(kind);
}
const HARMLESS: ReadonlySet<Statement['kind']> = new Set([
  'instruction',
  'put',
  'removed',
  'load',
  'store',
  'probe',
  'read',
  'write',
  'copyIn',
  'copyOut',
  'guard',
  'call',
  'jump',
  'branch',
  'stop',
]);
