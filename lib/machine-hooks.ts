/** The hooks of one machine: who is told of what, and events that a listener takes care of so that the run goes on. */
import type { CpuState } from '../runtime/cpu/cpu-state.js';
import type { Registers } from '../runtime/cpu/registers.js';
import type { Dispatcher, EngineEvent } from '../runtime/engine/index.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import { GUEST_LIMIT, State, Trap } from '../translator/state.js';
import {
  type Hook,
  type HookKind,
  type HookListeners,
  type HookRange,
  type InvalidAccess,
  MemoryAccess,
  type SystemCall,
} from './hooks.js';
import type { RunResult } from './machine-types.js';

/** Fetches are told by the engine. */
type Listeners = { readonly [K in Exclude<HookKind, 'fetch'>]: Set<HookListeners[K]> };

const SYSTEM_CALL = 0x80;
const LONGEST_INSTRUCTION = 15;
/** Vectors of int3, into and system calls. */
const OPEN_GATES: ReadonlySet<number> = new Set([Trap.breakpoint, Trap.overflow, 0x80]);

export class MachineHooks {
  private readonly listeners: Listeners;

  /** @param told who is told of translations: asked by the engine itself */
  constructor(
    private readonly memory: GuestMemory,
    private readonly cpu: CpuState,
    private readonly registers: Registers,
    private readonly engine: Dispatcher,
    told: Set<HookListeners['translate']>,
  ) {
    this.listeners = {
      code: new Set(),
      block: new Set(),
      read: new Set(),
      write: new Set(),
      invalid: new Set(),
      interrupt: new Set(),
      exception: new Set(),
      translate: told,
      invalidInstruction: new Set(),
      systemCall: new Set(),
    };
  }

  /** See `Machine.hook`. */
  add<K extends HookKind>(kind: K, listener: HookListeners[K], { start = 0, end = 2 ** 32 }: HookRange): Hook {
    if (!(start >= 0 && end <= 2 ** 32 && start < end)) throw new RangeError(`no range: ${start} to ${end}`);
    switch (kind) {
      case 'code':
      case 'block': {
        const observation = this.engine.observe();
        const what = kind === 'code' ? 'instructions' : 'blocks';
        const range = { kind: what, start, end, listener: listener as HookListeners['code'] } as const;
        observation.add(range);
        return { remove: () => observation.remove(range) };
      }
      case 'fetch': {
        // An instruction may begin before the range.
        const tell = listener as HookListeners['fetch'];
        const range = {
          kind: 'instructions',
          start: Math.max(0, start - LONGEST_INSTRUCTION + 1),
          end,
          listener: (pc: number, size: number) => {
            if (pc + size > start) tell(new MemoryAccess(pc, 'fetch', pc, this.memory.u8.slice(pc, pc + size)));
          },
        } as const;
        const observation = this.engine.observe();
        observation.add(range);
        return { remove: () => observation.remove(range) };
      }
      case 'read':
      case 'write': {
        const watch = this.engine.watchMemory();
        const memoryEnd = Math.min(end, GUEST_LIMIT);
        const what: 'read' | 'write' = kind;
        const range = { kind: what, start, end: memoryEnd, listener: listener as HookListeners['read'] };
        watch.add(range);
        return { remove: () => watch.remove(range) };
      }
      default: {
        const set = this.listeners[kind as keyof Listeners] as Set<unknown> as Set<HookListeners[K]>;
        // The same function may be there twice.
        const own = ((...event: unknown[]) =>
          (listener as (...event: unknown[]) => unknown)(...event)) as HookListeners[K];
        set.add(own);
        return { remove: () => void set.delete(own) };
      }
    }
  }

  /** An event that hooks may take care of; else the run's result. */
  handle(event: Extract<EngineEvent, { kind: 'interrupt' | 'sysenter' | 'trap' }>): RunResult | undefined {
    const { interrupt, invalid, exception, invalidInstruction, systemCall } = this.listeners;
    if (event.kind !== 'trap') {
      const vector = event.kind === 'interrupt' ? event.vector : undefined;
      // Of vectors that a Linux process may not call, the engine stays at the instruction.
      if (vector !== undefined && !OPEN_GATES.has(vector)) this.cpu.eip += this.engine.decode(this.cpu.eip).length;
      if ((vector === SYSTEM_CALL || vector === undefined) && systemCall.size > 0) {
        const call = this.systemCallNow();
        for (const listener of systemCall) {
          const result = listener(call);
          if (result === undefined) continue;
          this.cpu.i32[State.eax >> 2] = result;
          return undefined;
        }
      }
      return isHandled(interrupt, vector) ? undefined : { reason: 'interrupt', vector };
    }
    const { vector, address, errorCode } = event.trap;
    if (vector === Trap.invalidOpcode && isHandled(invalidInstruction, this.cpu.eip)) return undefined;
    if (vector !== Trap.pageFault) return isHandled(exception, vector) ? undefined : { reason: 'exception', vector };
    const access = errorCode & 16 ? 'fetch' : errorCode & 2 ? 'write' : 'read';
    const failed: InvalidAccess = { pc: this.cpu.eip, access, address, mapped: (errorCode & 1) !== 0 };
    return isHandled(invalid, failed) ? undefined : { reason: 'invalid', ...failed };
  }

  private systemCallNow(): SystemCall {
    const { eax, ebx, ecx, edx, esi, edi, ebp } = this.registers;
    return { number: eax, arguments: [ebx, ecx, edx, esi, edi, ebp] };
  }
}

function isHandled<T>(listeners: ReadonlySet<(value: T) => unknown>, value: T): boolean {
  let handled = false;
  for (const listener of listeners) if (listener(value) === true) handled = true;
  return handled;
}
