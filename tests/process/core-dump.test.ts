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

/** A core's name is the host's choice; one that goes to a program or another directory is not looked for. */
const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'latin1').trim();
const skip = pattern.startsWith('/') ? 'this machine puts core files elsewhere' : false;

async function coreOf(limit: string): Promise<Buffer | undefined> {
  return await inScratchDirectory(async (directory) => {
    const command = [process.execPath, ...NODE_FLAGS, MAIN, 'run', join(GUESTS, 'faults'), 'null-write'];
    const shell = ['-c', `ulimit -c ${limit}; "$@"; exit $?`, 'sh', ...command];
    const outcome = await runProgram('sh', shell, { directory });
    if (outcome.status !== 139) throw new Error(`status ${outcome.status}: ${outcome.stderr}`);
    const name = readdirSync(directory)[0];
    return name !== undefined && existsSync(join(directory, name)) ? readFileSync(join(directory, name)) : undefined;
  });
}

void tap.test('a core file is written where the limit allows it', { skip }, async (t) => {
  t.equal(await coreOf('0'), undefined, 'none with a limit of 0');
  const core = await coreOf('unlimited');
  if (core === undefined) return void t.fail('no core file');
  t.equal(core.toString('latin1', 0, 4), '\x7fELF');
  t.equal(core.readUInt16LE(16), 4, 'ET_CORE');
  t.equal(core.readUInt16LE(18), 3, 'EM_386');
  const headers = Array.from({ length: core.readUInt16LE(44) }, (_, index) => {
    const at = 52 + index * 32;
    const word = (offset: number): number => core.readUInt32LE(at + offset);
    return { type: word(0), offset: word(4), address: word(8), fileSize: word(16), memorySize: word(20) };
  });
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
