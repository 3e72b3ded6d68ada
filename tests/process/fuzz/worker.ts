/**
 * Makes random system calls in this very process, as a guest's registers would ask for them: `worker.js SEED COUNT RECORD`. The file
 * RECORD names the call that is being made. Exit 0 when all were made; 70 with the error on stderr when JavaScript threw.
 */
import { closeSync, fstatSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { syscall } from '../../../runtime/host/libc.js';
import { LinuxProcess } from '../../../runtime/linux/process.js';
import { Host } from '../../../runtime/linux/constants/host-syscalls.js';
import { Signal } from '../../../runtime/linux/constants/signals.js';
import type { SyscallDeclaration } from '../../../runtime/linux/syscalls/declare.js';
import { dispatchSyscall } from '../../../runtime/linux/syscalls/dispatch.js';
import { syscallTable } from '../../../runtime/linux/syscalls/table.js';
import { State } from '../../../translator/state.js';
import { idleEngine } from '../../linux/syscall-guest.js';
import { Random } from '../../isa/random.js';
import { EXCLUDED, randomArguments, type Surroundings } from './arguments.js';

const [seed = '1', count = '1000', record = 'record'] = process.argv.slice(2);
const random = new Random(Number(seed));
const progress = openSync(record, 'w');
const pid = process.pid;
const home = process.cwd();
const EFD_NONBLOCK = 0o4000;

const PATHS = [
  'a',
  'b',
  'dir',
  'dir/c',
  'dir/..',
  '.',
  '',
  'link',
  'x'.repeat(300),
  '/proc/self/exe',
  '/proc/self/maps',
];
PATHS.push(
  '/proc/self/fd',
  '/proc/self/fd/3',
  '/dev/null',
  '/dev/zero',
  '/proc/self/task',
  '/proc/self/stat',
  '/dev/fd/5',
);
const BUFFER = 0x20000000;
const BUFFER_SIZE = 0x20000;
const READ_ONLY = 0x21000000;
const CODE = 0x22000000;
const PATH_PAGE = 0x23000000;
const REGISTERS = [State.ebx, State.ecx, State.edx, State.esi, State.edi, State.ebp];
const MAP_FIXED_ANONYMOUS = 0x32;

const guest = new LinuxProcess({ createEngine: () => idleEngine, report: () => undefined });
const { cpu, mappings, memory, signals, files } = guest;

/** Memory and descriptors as at the start; calls may have taken any of it away. */
function furnish(): Surroundings {
  for (const [start, size, protection] of [
    [BUFFER, BUFFER_SIZE, 3],
    [READ_ONLY, 4096, 1],
    [CODE, 4096, 7],
    [PATH_PAGE, 8192, 3],
  ] as const) {
    mappings.mmap(start, size, 3, MAP_FIXED_ANONYMOUS, -1, 0);
    mappings.mprotect(start, size, protection);
  }
  const paths: number[] = [];
  let at = PATH_PAGE;
  for (const path of PATHS) {
    paths.push(at);
    memory.write(at, new TextEncoder().encode(`${path}\0`));
    at += path.length + 1;
  }
  for (let offset = 0; offset < BUFFER_SIZE; offset += 4) {
    memory.writeU32(BUFFER + offset, random.chance(0.5) ? random.below(64) : random.chance(0.3) ? BUFFER + offset : 0);
  }
  for (let fd = 0; fd < 16; fd++) {
    if (files.host(fd) >= 0) files.close(fd);
    files.install(openAny(fd), fd);
  }
  return { buffer: BUFFER, size: BUFFER_SIZE, readOnly: READ_ONLY, code: CODE, paths };
}

function tryWrite(line: string): boolean {
  try {
    writeSync(progress, line, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EFBIG') return false;
    throw error;
  }
}

/** Modes, limits and directories may have been changed by then. */
function openAny(fd: number): number {
  try {
    return openSync(fd % 4 === 0 ? '/dev/zero' : `${home}/file${fd}`, fd % 3 === 0 ? 'a+' : 'w+');
  } catch {
    return syscall(Host.eventfd2, 1, EFD_NONBLOCK);
  }
}

function calls(): SyscallDeclaration[] {
  return syscallTable.filter(
    (declaration): declaration is SyscallDeclaration =>
      declaration !== undefined && declaration.refused === undefined && !EXCLUDED.has(declaration.name),
  );
}

const candidates = calls();
mkdirSync('dir', { recursive: true });
let around = furnish();
signals.takeOver();

for (let index = 0; index < Number(count); index++) {
  if (index % 50 === 0) {
    around = furnish();
  }
  // So that whoever watches can get a call going again that waits.
  signals.setMask(0n);
  signals.setAction(Signal.SIGWINCH, { handler: CODE, flags: 0, restorer: 0, mask: 0n });
  const declaration = candidates[random.below(candidates.length)]!;
  const args = randomArguments(random, declaration, around);
  const line = `${index} ${declaration.name}(${args.map((arg) => `0x${(arg >>> 0).toString(16)}`).join(', ')})\n`;
  // The guest may have set a limit that does not even allow a file of this size.
  if (!tryWrite(line.padEnd(160))) break;
  cpu.i32[State.eax >> 2] = declaration.number;
  REGISTERS.forEach((register, position) => (cpu.i32[register >> 2] = args[position]!));
  cpu.i32[State.esp >> 2] = BUFFER + BUFFER_SIZE / 2;
  try {
    dispatchSyscall(guest);
    if (syscall(Host.getpid) !== pid) endChild();
    if (signals.hasWork) signals.deliver();
    guest.end = undefined;
  } catch (error) {
    if (syscall(Host.getpid) !== pid) endChild();
    process.stderr.write(
      `seed ${seed}, call ${index}: ${declaration.name}(${args.join(', ')})\n${(error as Error).stack ?? String(error)}\n`,
    );
    for (;;) syscall(Host.exit_group, 70);
  }
}
fstatSync(progress);
closeSync(progress);
for (;;) syscall(Host.exit_group, 0);

function endChild(): never {
  guest.releaseParent?.();
  for (;;) syscall(Host.exit_group, 0);
}
