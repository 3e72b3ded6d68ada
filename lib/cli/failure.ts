/** How the command line fails: one line on standard error and an exit status that a shell's user knows. */
import { writeSync } from 'node:fs';

/** Exit statuses, those of the shell (POSIX.1-2017, 2.8.2) where it has one for the case. */
export const ExitStatus = {
  failure: 1,
  usage: 2,
  /** An error inside the emulator: worth a bug report. */
  internal: 125,
  /** The program is there but cannot be run. */
  notExecutable: 126,
  /** There is no such program. */
  notFound: 127,
} as const;

/** Ends the command: `message` is shown after `bridge86: `. */
export class Failure extends Error {
  override readonly name = 'Failure';
  constructor(
    message: string,
    readonly status: number = ExitStatus.failure,
  ) {
    super(message);
  }
}

/** A failure whose message is a report of several lines, shown as they stand. */
export class ReportedFailure extends Failure {}

/** What Node says of a failed call, without its name and arguments. */
export function messageOf(error: unknown): string {
  const { message } = error as Error;
  return message.replace(/^E[A-Z0-9]+: /, '').replace(/, \w+( '.*')?$/, '');
}

/** Shows an error as one line and returns the exit status. */
export function report(error: unknown): number {
  const debug = process.env.BRIDGE86_DEBUG !== undefined;
  const expected = error instanceof Failure;
  let text = error instanceof Error ? error.message : String(error);
  if (!expected) {
    const name = error instanceof Error ? `${error.name}: ` : '';
    const advice = debug ? 'please report this' : 'please report this, with what BRIDGE86_DEBUG=1 makes it print';
    text = `internal error: ${name}${text} (${advice})`;
  }
  if (!(error instanceof ReportedFailure)) text = text.replaceAll(/\s*\n\s*/g, ' ');
  let lines = `bridge86: ${text}\n`;
  if (debug && error instanceof Error) lines += `${error.stack ?? ''}\n`;
  try {
    // Not process.stderr: it would change the descriptor's mode, which a guest shares.
    writeSync(2, lines);
  } catch {
    // Nobody is there to read it.
  }
  return expected ? error.status : ExitStatus.internal;
}
