/** How the command line fails: one line on standard error and an exit status that a shell's user knows. */

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
