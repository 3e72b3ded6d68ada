/**
 * A dispatcher that counts why generated code is left and measures where the time goes, for `--stats`: by clock readings around what
 * is run, so that generated code is the same as ever and a run without it pays nothing.
 */
import { Exit, State } from '../../translator/state.js';
import type { Operation } from '../interpreter/operation.js';
import type { Block, CompiledFunction } from './code-cache.js';
import { Dispatcher, type EngineEvent } from './engine.js';

export interface EngineCounts {
  /** Times that the dispatcher entered generated code. */
  generatedEntries: number;
  /** In generated code with the helpers that it calls, without the system calls that it makes. */
  generatedMilliseconds: number;
  interpreterMilliseconds: number;
  /** Finding, decoding and translating blocks, evaluating what was made of them. */
  dispatcherMilliseconds: number;
  /** Outside the engine: system calls, signals, loading. */
  processMilliseconds: number;
  /** How often the dispatcher got back from generated code, by the reason. */
  readonly exits: Readonly<Record<ExitReason, number>>;
}

export type ExitReason = 'block not translated' | 'slow instruction' | 'system call' | 'poll' | 'fault' | 'other';

const REASONS: Readonly<Record<number, ExitReason>> = {
  [Exit.none]: 'block not translated',
  [Exit.slow]: 'slow instruction',
  [Exit.rest]: 'slow instruction',
  [Exit.interrupt]: 'system call',
  [Exit.sysenter]: 'system call',
  [Exit.poll]: 'poll',
};

export class CountingDispatcher extends Dispatcher {
  protected override readonly supervised = true;
  readonly counts = {
    generatedEntries: 0,
    generatedMilliseconds: 0,
    interpreterMilliseconds: 0,
    dispatcherMilliseconds: 0,
    processMilliseconds: 0,
    exits: {
      'block not translated': 0,
      'slow instruction': 0,
      'system call': 0,
      poll: 0,
      fault: 0,
      other: 0,
    } satisfies Record<ExitReason, number>,
  };
  private leftAt = performance.now();

  override run(): EngineEvent {
    const { counts } = this;
    const entered = performance.now();
    const process = entered - this.leftAt;
    counts.processMilliseconds += process;
    const inside = counts.generatedMilliseconds + counts.interpreterMilliseconds + counts.processMilliseconds;
    try {
      return super.run();
    } finally {
      this.leftAt = performance.now();
      const known = counts.generatedMilliseconds + counts.interpreterMilliseconds + counts.processMilliseconds - inside;
      counts.dispatcherMilliseconds += this.leftAt - entered - known;
    }
  }

  /** System calls out of the middle of generated code are the process's time. */
  override systemCall(): boolean {
    const { counts } = this;
    const started = performance.now();
    try {
      return super.systemCall();
    } finally {
      const time = performance.now() - started;
      counts.processMilliseconds += time;
      counts.generatedMilliseconds -= time;
    }
  }

  /** What the dispatcher does for generated code is no generated code's time. */
  override finishCall(expected: number, depth: number): boolean {
    const started = performance.now();
    try {
      return super.finishCall(expected, depth);
    } finally {
      this.counts.generatedMilliseconds -= performance.now() - started;
    }
  }

  protected override runSupervised(_block: Block, compiled: CompiledFunction): number {
    const { counts, state } = this;
    const started = performance.now();
    counts.generatedEntries++;
    try {
      return compiled();
    } finally {
      counts.generatedMilliseconds += performance.now() - started;
      const faulted = state[State.faultSignal >> 2] !== 0;
      counts.exits[faulted ? 'fault' : (REASONS[state[State.exit >> 2]!] ?? 'other')]++;
    }
  }

  protected override interpret(operations: readonly Operation[]): void {
    const { counts } = this;
    const started = performance.now();
    try {
      super.interpret(operations);
    } finally {
      counts.interpreterMilliseconds += performance.now() - started;
    }
  }
}
