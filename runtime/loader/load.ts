/**
 * Maps an i386 program and its interpreter into an empty address space and lays out the first stack, as fs/binfmt_elf.c does.
 * Comes after `program-file.ts` has opened and checked the files; what fails here fails for want of memory or address space.
 */
import { GUEST_LIMIT } from '../../translator/state.js';
import { PAGE_SIZE } from '../../translator/pages.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { MappedFile, Mappings } from '../memory/mappings.js';
import { Protection } from '../linux/constants/memory.js';
import { Errno } from '../linux/constants/errno.js';
import { ElfType, type ProgramHeader, Segment, SegmentFlag } from './elf.js';
import { LoadError } from './load-error.js';
import type { ElfFile } from './program-file.js';
import { writeInitialStack } from './stack.js';

/** Where Linux puts position-independent programs that have an interpreter, and the heap of those that have none. */
const DYNAMIC_BASE = 0x56555000;
/** The stack: as large as the usual limit, mapped whole; the kernel provides pages as they are touched. */
export const STACK_SIZE = 8 << 20;
/** One page with the code that returns from signal handlers, above the stack. */
export const SIGNAL_RETURN_PAGE = GUEST_LIMIT - PAGE_SIZE;
export const STACK_TOP = GUEST_LIMIT - 2 * PAGE_SIZE;

const pageFloor = (address: number): number => Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
const pageCeiling = (address: number): number => Math.ceil(address / PAGE_SIZE) * PAGE_SIZE;

/** What the loader needs to know of the process beside the files. */
export interface LoadOptions {
  /** The path given to `execve`: AT_EXECFN. */
  execPath: Uint8Array;
  arguments: readonly Uint8Array[];
  environment: readonly Uint8Array[];
  /** uid, euid, gid, egid. */
  ids: { userId: number; effectiveUserId: number; groupId: number; effectiveGroupId: number };
  /** 16 bytes for AT_RANDOM. */
  random: Uint8Array;
  /** CPUID 1's edx: AT_HWCAP. */
  hardwareCapabilities: number;
}

export interface LoadedProgram {
  entry: number;
  stackPointer: number;
  /** Address difference between the file and memory. */
  loadBias: number;
  interpreterBias: number | undefined;
}

interface LoadedImage {
  bias: number;
  /** End of the highest segment: the heap follows it. */
  end: number;
}

/** The code of the page at `SIGNAL_RETURN_PAGE`; debuggers and unwinders know these bytes (arch/x86/entry/vdso/vdso32/sigreturn.S). */
export const SIGNAL_RETURN_CODE = {
  /** pop eax; mov eax, __NR_sigreturn; int 0x80 */
  sigreturn: { offset: 0, bytes: [0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80] },
  /** mov eax, __NR_rt_sigreturn; int 0x80 */
  rtSigreturn: { offset: 16, bytes: [0xb8, 0xad, 0, 0, 0, 0xcd, 0x80] },
} as const;

/** Loads into `mappings`, which must be empty. Throws `LoadError`. */
export function loadProgram(
  memory: GuestMemory,
  mappings: Mappings,
  program: ElfFile,
  interpreter: ElfFile | undefined,
  options: LoadOptions,
): LoadedProgram {
  const stackHeader = program.programHeaders.find((header) => header.type === Segment.gnuStack);
  const executableStack = stackHeader === undefined || (stackHeader.flags & SegmentFlag.execute) !== 0;
  mappings.readImpliesExec = stackHeader === undefined;

  const stackProtection = Protection.PROT_READ | Protection.PROT_WRITE | (executableStack ? Protection.PROT_EXEC : 0);
  check(
    mappings.mapFixed(STACK_TOP - STACK_SIZE, STACK_SIZE, stackProtection, { name: '[stack]', growsDown: true }),
    program,
  );
  mapSignalReturnPage(memory, mappings, program);

  const isDynamic = program.header.type === ElfType.dynamic;
  const image = mapImage(memory, mappings, program, interpreter ? DYNAMIC_BASE : undefined);
  const interpreterImage = interpreter && mapImage(memory, mappings, interpreter, undefined);
  // A static-pie program lies among the mappings, where a heap could not grow.
  mappings.brkStart = mappings.brkEnd = isDynamic && !interpreter ? DYNAMIC_BASE : pageCeiling(image.end);

  const entry = program.header.entry + image.bias;
  const stackPointer = writeInitialStack(memory, STACK_TOP, STACK_SIZE, {
    ...options,
    programHeaders: programHeadersAddress(program, image.bias),
    programHeaderCount: program.header.programHeaderCount,
    interpreterBase: interpreterImage?.bias ?? 0,
    entry,
  });
  return {
    entry: (interpreter && interpreterImage ? interpreter.header.entry + interpreterImage.bias : entry) >>> 0,
    stackPointer,
    loadBias: image.bias,
    interpreterBias: interpreterImage?.bias,
  };
}

function check(result: number, file: ElfFile): void {
  if (result >= 0) return;
  const reason =
    result === -Errno.EEXIST
      ? 'its segments overlap what is mapped already'
      : result === -Errno.ENOMEM
        ? 'not enough memory for its segments'
        : `its segments cannot be mapped (error ${-result})`;
  throw new LoadError(`${file.name}: ${reason}`, 126, -result);
}

/** AT_PHDR: where the program headers lie in memory; 0 when no segment contains them. */
function programHeadersAddress(file: ElfFile, bias: number): number {
  const described = file.programHeaders.find((header) => header.type === Segment.programHeaders);
  if (described) return (described.address + bias) >>> 0;
  const { programHeaderOffset } = file.header;
  const containing = file.programHeaders.find(
    (header) =>
      header.type === Segment.load &&
      header.offset <= programHeaderOffset &&
      programHeaderOffset < header.offset + header.fileSize,
  );
  return containing ? (programHeaderOffset - containing.offset + containing.address + bias) >>> 0 : 0;
}

function protectionOf(header: ProgramHeader): number {
  return (
    (header.flags & SegmentFlag.read ? Protection.PROT_READ : 0) |
    (header.flags & SegmentFlag.write ? Protection.PROT_WRITE : 0) |
    (header.flags & SegmentFlag.execute ? Protection.PROT_EXEC : 0)
  );
}

/** Maps a file's segments: executables at their addresses, others at `base` or where there is room. */
function mapImage(memory: GuestMemory, mappings: Mappings, file: ElfFile, base: number | undefined): LoadedImage {
  const loads = file.programHeaders.filter((header) => header.type === Segment.load && header.memorySize > 0);
  const lowest = pageFloor(Math.min(...loads.map((header) => header.address)));
  const highest = Math.max(...loads.map((header) => header.address + header.memorySize));
  const size = pageCeiling(highest) - lowest;
  let bias = 0;
  if (file.header.type === ElfType.dynamic) {
    const start = base !== undefined ? base + lowest : mappings.findFree(size);
    if (start < 0 || start + size > GUEST_LIMIT) check(-Errno.ENOMEM, file);
    bias = start - lowest;
  }
  const start = lowest + bias;
  if (start + size > GUEST_LIMIT) {
    throw new LoadError(`${file.name}: its segments lie above 0x${GUEST_LIMIT.toString(16)}`, 126, Errno.ENOMEM);
  }
  if (!mappings.regions.isFree(start, start + size)) check(-Errno.EEXIST, file);
  const mappedFile = mappings.regions.newFile();
  for (const header of loads) mapSegment(memory, mappings, file, header, bias, mappedFile);
  return { bias, end: highest + bias };
}

function mapSegment(
  memory: GuestMemory,
  mappings: Mappings,
  file: ElfFile,
  header: ProgramHeader,
  bias: number,
  mappedFile: MappedFile,
): void {
  const protection = protectionOf(header);
  const start = pageFloor(header.address + bias);
  const fileEnd = header.address + bias + header.fileSize;
  const memoryEnd = header.address + bias + header.memorySize;
  let zeroFrom = start;
  if (header.fileSize > 0) {
    const offset = header.offset - (header.address % PAGE_SIZE);
    zeroFrom = pageCeiling(fileEnd);
    check(mappings.mapFixed(start, zeroFrom - start, protection, { fd: file.fd, offset, file: mappedFile }), file);
    // The file's bytes after the segment's are not the program's; where it cannot write it does not matter (binfmt_elf.c, padzero).
    if (memoryEnd > fileEnd && header.flags & SegmentFlag.write) memory.u8.fill(0, fileEnd, zeroFrom);
  }
  const end = pageCeiling(memoryEnd);
  if (end > zeroFrom) check(mappings.mapFixed(zeroFrom, end - zeroFrom, protection), file);
}

function mapSignalReturnPage(memory: GuestMemory, mappings: Mappings, file: ElfFile): void {
  const { PROT_READ, PROT_WRITE, PROT_EXEC } = Protection;
  check(mappings.mapFixed(SIGNAL_RETURN_PAGE, PAGE_SIZE, PROT_READ | PROT_WRITE, { name: '[vdso]' }), file);
  for (const { offset, bytes } of Object.values(SIGNAL_RETURN_CODE)) {
    memory.u8.set(bytes, SIGNAL_RETURN_PAGE + offset);
  }
  check(mappings.mprotect(SIGNAL_RETURN_PAGE, PAGE_SIZE, PROT_READ | PROT_EXEC), file);
}
