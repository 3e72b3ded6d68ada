/** A process without an engine: guest memory, descriptors and system calls that a test makes one by one. */
import type { Engine } from '../../runtime/engine/engine.js';
import { LinuxProcess, type ProcessOptions } from '../../runtime/linux/process.js';
import { SYSCALL_NUMBERS, type SyscallName } from '../../runtime/linux/constants/syscalls.js';
import { dispatchSyscall } from '../../runtime/linux/syscalls/dispatch.js';
import { State } from '../../translator/state.js';

/** An engine that executes nothing. */
export const idleEngine: Engine = {
  run: () => ({ kind: 'poll' }),
  invalidateAll: () => undefined,
  leaveProgram: () => undefined,
  becomeChild: () => undefined,
  noteWork: () => undefined,
  invalidatePages: () => undefined,
  setMemoryMode: () => undefined,
  testWrites: () => undefined,
  dropTranslations: () => undefined,
  startThreads: () => undefined,
  onSystemCall: undefined,
  isWorthKeeping: () => false,
  lockKept: () => -1,
  keepTranslations: () => undefined,
  statistics: {} as Engine['statistics'],
};

const REGISTERS = [State.ebx, State.ecx, State.edx, State.esi, State.edi, State.ebp];

export class SyscallGuest {
  readonly process: LinuxProcess;
  /** 64 KiB that the guest may read and write. */
  readonly buffer: number;
  private used: number;

  constructor(options: Partial<ProcessOptions> = {}) {
    this.process = new LinuxProcess({ createEngine: () => idleEngine, ...options });
    // The test runner's pipes are Node's own here.
    this.process.files.takeOver('standard');
    this.buffer = this.process.mappings.mmap(0x10000000, 1 << 16, 3, 0x32, -1, 0) >>> 0;
    this.used = this.buffer;
  }

  /** Makes a call; the result as the guest sees it in eax. */
  call(name: SyscallName, ...args: number[]): number {
    const registers = this.process.cpu.i32;
    registers[State.eax >> 2] = SYSCALL_NUMBERS[name];
    REGISTERS.forEach((register, index) => (registers[register >> 2] = args[index] ?? 0));
    return dispatchSyscall(this.process);
  }

  /** Guest address of `size` zero bytes. */
  room(size: number): number {
    const at = this.used;
    this.used += (size + 15) & ~15;
    this.process.memory.u8.fill(0, at, this.used);
    return at;
  }

  string(text: string): number {
    const bytes = new TextEncoder().encode(text);
    const at = this.room(bytes.length + 1);
    this.process.memory.u8.set(bytes, at);
    return at;
  }

  words(...values: number[]): number {
    const at = this.room(values.length * 4);
    values.forEach((value, index) => this.process.memory.writeU32(at + index * 4, value));
    return at;
  }

  text(address: number, length: number): string {
    return new TextDecoder('latin1').decode(this.process.memory.u8.slice(address, address + length));
  }

  /** Forgets what `room` has given out. */
  reset(): void {
    this.used = this.buffer;
  }
}
