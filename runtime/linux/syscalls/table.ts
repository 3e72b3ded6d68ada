/** All system calls by number, gathered from their families. */
import { attributeCalls } from './attributes.js';
import { idCalls } from './ids.js';
import { processCalls } from './process.js';
import { priorityCalls } from './priority.js';
import { signalCalls } from './signal.js';
import type { SyscallDeclaration } from './declare.js';
import { directoryCalls } from './directories.js';
import { fcntlCalls } from './fcntl.js';
import { fileCalls } from './files.js';
import { infoCalls } from './info.js';
import { ioctlCalls } from './ioctl.js';
import { ipcCalls } from './ipc.js';
import { memoryCalls } from './memory.js';
import { miscellaneousCalls } from './misc.js';
import { pollCalls } from './poll.js';
import { socketCalls } from './sockets.js';
import { statCalls } from './stat.js';
import { timeCalls } from './time.js';
import { timerCalls } from './timers.js';
import { transferCalls } from './transfer.js';

const families: readonly (readonly SyscallDeclaration[])[] = [
  signalCalls,
  priorityCalls,
  processCalls,
  idCalls,
  attributeCalls,
  directoryCalls,
  fcntlCalls,
  fileCalls,
  infoCalls,
  ioctlCalls,
  ipcCalls,
  memoryCalls,
  miscellaneousCalls,
  pollCalls,
  socketCalls,
  statCalls,
  timeCalls,
  timerCalls,
  transferCalls,
];

function collect(): readonly (SyscallDeclaration | undefined)[] {
  const table: (SyscallDeclaration | undefined)[] = [];
  for (const declaration of families.flat()) {
    if (table[declaration.number] !== undefined) throw new Error(`system call ${declaration.name} is declared twice`);
    table[declaration.number] = declaration;
  }
  return table;
}

/** Index: the number in eax. */
export const syscallTable = collect();
