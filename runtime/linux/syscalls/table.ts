/** All system calls by number, gathered from their families. */
import { attributeCalls } from './files/attributes.js';
import { idCalls } from './ids.js';
import { processCalls } from './process.js';
import { priorityCalls } from './priority.js';
import { signalCalls } from './signal.js';
import type { SyscallDeclaration } from './declare.js';
import { directoryCalls } from './files/directories.js';
import { fcntlCalls } from './files/fcntl.js';
import { fileCalls } from './files/descriptors.js';
import { infoCalls } from './system/info.js';
import { ioctlCalls } from './files/ioctl.js';
import { ipcCalls } from './communication/ipc.js';
import { keyCalls } from './system/keys.js';
import { memoryCalls } from './memory.js';
import { memoryPolicyCalls } from './system/numa.js';
import { miscellaneousCalls } from './system/misc.js';
import { pollCalls } from './communication/poll.js';
import { socketCalls } from './communication/sockets.js';
import { statCalls } from './files/stat.js';
import { timeCalls } from './system/time.js';
import { timerCalls } from './system/timers.js';
import { transferCalls } from './files/transfer.js';

/** Families by the title that the documentation gives them. */
export const syscallFamilies: Readonly<Record<string, readonly SyscallDeclaration[]>> = {
  Signals: signalCalls,
  'Priorities, namespaces, process descriptors': priorityCalls,
  'Processes and threads': processCalls,
  Ids: idCalls,
  'Extended attributes': attributeCalls,
  'Directories, modes and owners': directoryCalls,
  fcntl: fcntlCalls,
  Files: fileCalls,
  'Machine, limits, scheduling': infoCalls,
  ioctl: ioctlCalls,
  'System V IPC': ipcCalls,
  Memory: memoryCalls,
  'Placement of memory': memoryPolicyCalls,
  Keys: keyCalls,
  'Everything else': miscellaneousCalls,
  Waiting: pollCalls,
  Sockets: socketCalls,
  'File status': statCalls,
  Time: timeCalls,
  'POSIX timers and message queues': timerCalls,
  'Transfers between descriptors': transferCalls,
};

function collect(): readonly (SyscallDeclaration | undefined)[] {
  const table: (SyscallDeclaration | undefined)[] = [];
  for (const declaration of Object.values(syscallFamilies).flat()) {
    if (table[declaration.number] !== undefined) throw new Error(`system call ${declaration.name} is declared twice`);
    table[declaration.number] = declaration;
  }
  return table;
}

/** Index: the number in eax. */
export const syscallTable = collect();
