/** The core file of a guest that dies of a fault: headers, registers, memory; and none where the limit is 0. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { inScratchDirectory } from '../support/guest-cases.js';
import { GUESTS, MAIN } from '../support/paths.js';
import { NODE_FLAGS, runProgram } from '../support/run.js';

const PT_LOAD = 1;
const PT_NOTE = 4;
const NT_PRSTATUS = 1;
/** Of the note's contents: the signal, and esp among the registers (`struct compat_elf_prstatus`). */
const STATUS_SIGNAL = 12;
const STATUS_STACK_POINTER = 72 + 15 * 4;
const STATUS_THREAD = 24;

/** A core's name is the host's choice; one that goes to a program or another directory is not looked for. */
const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'latin1').trim();
const skip = pattern.startsWith('/') ? 'this machine puts core files elsewhere' : false;

const NULL_WRITE = ['faults', 'null-write'] as const;

async function coreOf(
  limit: string,
  [program, ...args]: readonly [string, ...string[]] = NULL_WRITE,
): Promise<Buffer | undefined> {
  return await inScratchDirectory(async (directory) => {
    const command = [process.execPath, ...NODE_FLAGS, MAIN, 'run', join(GUESTS, program), ...args];
    const shell = ['-c', `ulimit -c ${limit}; "$@"; exit $?`, 'sh', ...command];
    const outcome = await runProgram('sh', shell, { directory });
    if (outcome.status !== 139) throw new Error(`status ${outcome.status}: ${outcome.stderr}`);
    const name = readdirSync(directory)[0];
    return name !== undefined && existsSync(join(directory, name)) ? readFileSync(join(directory, name)) : undefined;
  });
}

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

function headersOf(core: Buffer): ProgramHeader[] {
  return Array.from({ length: core.readUInt16LE(44) }, (_, index) => {
    const at = 52 + index * 32;
    const word = (offset: number): number => core.readUInt32LE(at + offset);
    return { type: word(0), offset: word(4), address: word(8), fileSize: word(16), memorySize: word(20) };
  });
}

/** Offsets of the contents of the notes of a type. */
function notesOf(core: Buffer, type: number): number[] {
  const { offset, fileSize } = headersOf(core).find((header) => header.type === PT_NOTE)!;
  const found: number[] = [];
  for (let at = offset; at < offset + fileSize;) {
    const contents = at + 12 + Math.ceil(core.readUInt32LE(at) / 4) * 4;
    if (core.readUInt32LE(at + 8) === type) found.push(contents);
    at = contents + Math.ceil(core.readUInt32LE(at + 4) / 4) * 4;
  }
  return found;
}

void tap.test('a core file has the registers of all threads', { skip }, async (t) => {
  const core = await coreOf('unlimited', ['process', 'ending', 'core']);
  if (core === undefined) return void t.fail('no core file');
  const threads = notesOf(core, NT_PRSTATUS);
  t.equal(threads.length, 4);
  const loads = headersOf(core).filter(({ type }) => type === PT_LOAD);
  const ids = new Set(threads.map((at) => core.readUInt32LE(at + STATUS_THREAD)));
  t.equal(ids.size, 4, 'each its own id');
  const stacks = threads.map((at) => {
    const pointer = core.readUInt32LE(at + STATUS_STACK_POINTER);
    return loads.find(({ address, memorySize }) => address <= pointer && pointer < address + memorySize)?.address;
  });
  t.equal(new Set(stacks).size, 4, 'and its own stack');
});

void tap.test('a core file is written where the limit allows it', { skip }, async (t) => {
  t.equal(await coreOf('0'), undefined, 'none with a limit of 0');
  const core = await coreOf('unlimited');
  if (core === undefined) return void t.fail('no core file');
  t.equal(core.toString('latin1', 0, 4), '\x7fELF');
  t.equal(core.readUInt16LE(16), 4, 'ET_CORE');
  t.equal(core.readUInt16LE(18), 3, 'EM_386');
  const headers = headersOf(core);
  const note = headers.find(({ type }) => type === PT_NOTE)!;
  t.equal(core.readUInt32LE(note.offset + 8), NT_PRSTATUS, 'the first note is the status');
  const status = note.offset + 20;
  t.equal(core.readUInt16LE(status + STATUS_SIGNAL), 11, 'SIGSEGV');
  const stackPointer = core.readUInt32LE(status + STATUS_STACK_POINTER);
  const stack = headers.find(
    ({ type, address, memorySize }) =>
      type === PT_LOAD && address <= stackPointer && stackPointer < address + memorySize,
  );
  t.ok(stack && stack.fileSize === stack.memorySize, 'the stack is in the file');
  t.ok(
    headers.every(({ offset, fileSize }) => offset + fileSize <= core.length),
    'everything told is there',
  );
});
