/**
 * Which accesses of generated code test the page table before they are made. Where one is not tested, the host's own page
 * protection finds the fault (`runtime/host/fault-handler.ts`), and nothing leaves generated code there.
 */
import { canExit, type Statement } from './ir.js';

export interface AccessChecks {
  readonly reads: boolean;
  readonly writes: boolean;
}

/** Every fault is found before anything of its instruction is done. */
export const CHECK_ALL: AccessChecks = { reads: true, writes: true };
/** Writes to pages that hold translations are noticed. */
export const CHECK_WRITES: AccessChecks = { reads: false, writes: true };
export const CHECK_NONE: AccessChecks = { reads: false, writes: false };

const LARGEST_INLINE_COPY = 16;
/** Other copies are made, and always checked, by a helper. */
export function isInlineCopy({ bytes, slot }: Extract<Statement, { kind: 'copyIn' | 'copyOut' }>): boolean {
  return bytes <= LARGEST_INLINE_COPY && slot.op === 'const';
}

/** Can the statement leave its instruction before it is complete, with these checks? */
export function canLeave(statement: Statement, checks: AccessChecks): boolean {
  switch (statement.kind) {
    case 'load':
      return statement.forWrite === true ? checks.writes : checks.reads;
    case 'store':
      return statement.atomic || (checks.writes && canExit(statement));
    case 'probe':
      return checks.writes;
    case 'copyIn':
      return checks.reads || !isInlineCopy(statement);
    case 'copyOut':
      return checks.writes || !isInlineCopy(statement);
    default:
      return canExit(statement);
  }
}

const REMOVED: Statement = { kind: 'removed' };

/** Without the probes, which announce writes that are not tested; the others keep their positions. */
export function withoutProbes(statements: readonly Statement[]): readonly Statement[] {
  if (!statements.some(({ kind }) => kind === 'probe')) return statements;
  return statements.map((statement) => (statement.kind === 'probe' ? REMOVED : statement));
}
