/** What the command line's documentation says beside the options: variables and exit statuses. */
import { ExitStatus } from '../failure.js';

export const VARIABLES: readonly (readonly [name: string, text: string])[] = [
  ['BRIDGE86_BRIDGES', 'what --bridge would say: libraries, with commas between'],
  ['BRIDGE86_SYSROOT', 'the sysroot, unless -L names another'],
  ['BRIDGE86_NO_CACHE', 'set to anything: as --no-cache'],
  ['BRIDGE86_NO_KEEP', 'set to anything: as --no-keep'],
  ['BRIDGE86_DEBUG', 'set to anything: internal errors come with a stack trace'],
  ['XDG_CACHE_HOME', 'where compiled code and translations are kept: in bridge86 below it (default: ~/.cache)'],
  ['XDG_DATA_HOME', 'where the sysroot is: in bridge86/sysroot below it (default: ~/.local/share)'],
];

export const EXIT_STATUSES: readonly (readonly [status: string, text: string])[] = [
  ["the program's own", 'it was run; if a signal ended it, bridge86 ends by the same signal'],
  [String(ExitStatus.failure), 'something could not be done'],
  [String(ExitStatus.usage), 'the command line is wrong'],
  [String(ExitStatus.internal), 'an error in bridge86 itself'],
  [String(ExitStatus.notExecutable), 'the program is there, but cannot be run'],
  [String(ExitStatus.notFound), 'there is no such program'],
];
