/** A process as gdb's commands see it, through the thread that has stopped. */
import { CpuState } from '../cpu/cpu-state.js';
import { Registers } from '../cpu/registers.js';
import type { Dispatcher } from '../engine/engine.js';
import { hostReadAll, hostReadLink } from '../host/buffer.js';
import { auxiliaryVector } from '../linux/auxiliary-vector.js';
import type { LinuxProcess } from '../linux/process.js';
import { Slot } from '../linux/threads/thread-table.js';
import type { Mappings } from '../memory/mappings.js';
import type { DebugFiles } from './gdb/files.js';
import { libraryList } from './gdb/libraries.js';
import type { DebugTarget, DebugThread } from './gdb/server.js';

/** @property index its slot in the thread table */
export interface ProcessThread extends DebugThread {
  readonly index: number;
}

export class ProcessTarget implements DebugTarget {
  readonly registers: Registers;
  readonly reportsForks = true;
  siginfo: Uint8Array | undefined;
  readonly files: DebugFiles;

  constructor(
    private readonly process: LinuxProcess,
    readonly engine: Dispatcher,
  ) {
    this.registers = new Registers(process.cpu);
    const { paths } = process;
    this.files = {
      virtualFile: (path) => paths.virtualFile(path),
      hostPath: (path) => paths.hostPath(path),
      readLink(path) {
        const link = paths.virtualLink(path) ?? hostReadLink(paths.hostPath(path, false));
        return typeof link === 'number' ? link : paths.guestPath(link);
      },
    };
  }

  get mappings(): Mappings {
    return this.process.mappings;
  }
  get pid(): number {
    return this.process.pid;
  }
  get thread(): number {
    return this.process.tid;
  }
  get threads(): ProcessThread[] {
    const { threads, memory, cpu } = this.process;
    const { table } = threads;
    return [...table.running()].map((index) => {
      const id = table.slot(index, Slot.tid);
      const name = hostReadAll(`/proc/self/task/${id}/comm`);
      return {
        index,
        id,
        name: typeof name === 'number' ? '' : new TextDecoder().decode(name).trimEnd(),
        registers: index === cpu.threadIndex ? this.registers : new Registers(new CpuState(memory, index)),
      };
    });
  }
  get executable(): Uint8Array {
    return this.process.executable;
  }
  get auxiliaryVector(): Uint8Array {
    return auxiliaryVector(this.process);
  }
  libraries(): string {
    return libraryList(this.process.memory, this.auxiliaryVector);
  }
}
